/* report: why a value does not fit, where, and which alternative it comes closest to. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "schema/checker.h"

#define QUOTE 48                /* bytes of a value that a sentence shows */
#define LEVELS 3                /* alternatives inside alternatives whose closest one is looked for */

struct shown { char text[QUOTE + 16]; };

/* ---- where things stand ---- */

static void add_token(char *out, const char *text, size_t len)
{
	size_t at = strlen(out);

	if (at + 2 > SCHEMA_POINTER_MAX)
		return;
	out[at++] = '/';
	for (size_t i = 0; i < len && at + 3 < SCHEMA_POINTER_MAX; i++) {
		unsigned char ch = (unsigned char)text[i];

		if (ch == '~' || ch == '/') {
			out[at++] = '~';
			ch = ch == '~' ? '0' : '1';
		}
		out[at++] = ch < 0x20 || ch == 0x7f ? '?' : (char)ch;
	}
	out[at] = '\0';
}

/* Children stand in the order of the source, so the last one that begins at or before v holds it. */
static uint32_t child_holding(const struct json *parent, uint32_t at)
{
	uint32_t low = 0, high = parent->count;

	while (high - low > 1) {
		uint32_t mid = low + (high - low) / 2;
		uint32_t begins = parent->type == JSON_ARRAY ? parent->u.items[mid].at : parent->u.members[mid].value.at;

		if (begins <= at)
			low = mid;
		else
			high = mid;
	}
	return low;
}

/* Adds the RFC 6901 pointer from `from` to v; false: v does not stand beneath it, nothing was added. */
static bool add_pointer(char *out, const struct json *from, const struct json *v)
{
	size_t before = strlen(out);

	while (from != v && (from->type == JSON_ARRAY || from->type == JSON_OBJECT) && from->count) {
		uint32_t i = child_holding(from, v->at);

		if (from->type == JSON_ARRAY) {
			char number[12];

			add_token(out, number, (size_t)snprintf(number, sizeof number, "%" PRIu32, i));
			from = &from->u.items[i];
		} else {
			add_token(out, from->u.members[i].key.text, from->u.members[i].key.len);
			from = &from->u.members[i].value;
		}
	}
	if (from == v)
		return true;
	out[before] = '\0';
	return false;
}

/* The way to n as the specification's keywordLocation names it: through references. */
static void add_way(char *out, const struct check *c, const struct node *n)
{
	const struct node *from = c->s->root;

	for (unsigned i = 1; i <= c->depth; i++) {
		const struct node *to = i < c->depth ? c->way[i] : n;

		if (to == from)
			continue;
		if (to == from->ref)
			add_token(out, "$ref", 4);
		else if (from->dynamic_ref && (to == from->dynamic_ref || !add_pointer(out, from->at, to->at)))
			add_token(out, "$dynamicRef", 11);
		else if (!from->dynamic_ref)
			add_pointer(out, from->at, to->at);
		from = to;
	}
}

/* ---- errors ---- */

/* What was found, short enough for a sentence. */
static const char *show(struct shown *s, const struct json *v)
{
	if (v->type == JSON_STRING)
		snprintf(s->text, sizeof s->text, "\"%.*s%s\"", QUOTE, v->u.text, v->count > QUOTE ? "..." : "");
	else if (v->type == JSON_NUMBER)
		snprintf(s->text, sizeof s->text, "%.*s%s", QUOTE, v->u.text, v->count > QUOTE ? "..." : "");
	else
		snprintf(s->text, sizeof s->text, "%s", json_type_name(v->type));
	return s->text;
}

static void measure(struct closeness *m, const struct json *v, const struct json_member *member, const char *keyword,
		    const char *text)
{
	bool constant = keyword && (strcmp(keyword, "const") == 0 || strcmp(keyword, "enum") == 0);
	char pointer[SCHEMA_POINTER_MAX] = "";

	if (!member && v == m->value)
		m->other_kind |= constant || !keyword || strcmp(keyword, "type") == 0;
	else
		m->constants += constant;
	if (m->count++)
		return;
	add_pointer(pointer, m->value, v);
	if (member)
		add_token(pointer, member->key.text, member->key.len);
	snprintf(m->first, sizeof m->first, "%.100s%s%.150s", pointer, pointer[0] ? ": " : "", text);
}

static void tell(struct check *c, const struct node *n, const struct json *v, const struct json_member *member,
		 const char *keyword, struct schema_error *s)
{
	struct json place = member ? json_key(c->d, member) : *v;
	const struct resource *r = n->resource;

	json_place(c->d, &place, &s->line, &s->column);
	json_place(r->doc, n->at, &s->schema_line, &s->schema_column);
	s->schema_name = r->doc->name;
	s->uri = r->uri;
	add_pointer(s->pointer, c->top, v);
	if (member)
		add_token(s->pointer, member->key.text, member->key.len);
	add_pointer(s->keyword, r->top, n->at);
	add_pointer(s->resource, r->root, n->at);
	add_way(s->path, c, n);
	for (int i = 0; keyword && i < 3; i++)
		add_token(i == 0 ? s->keyword : i == 1 ? s->resource : s->path, keyword, strlen(keyword));
	json_make_printable(s->text);
	json_make_printable(s->pointer);
	json_make_printable(s->keyword);
	json_make_printable(s->resource);
	json_make_printable(s->path);
	if (c->report->count == 1)      /* once more, in the form every reader's error has */
		json_error(c->d, &place, c->report->e, ERR_FORMAT, "%s%s%s", s->pointer, s->pointer[0] ? ": " : "",
			   s->text);
	if (c->report->count <= c->report->most)
		c->report->each(c->report->context, s);
}

bool report_wrong(struct check *c, const struct node *n, const struct json *v, const struct json_member *member,
		  const char *keyword, const char *fmt, ...)
{
	struct schema_error s;
	va_list ap;

	if (!c->report)
		return false;
	c->report->count++;
	if (!c->report->measure && c->report->count > 1 && c->report->count > c->report->most)
		return false;
	memset(&s, 0, sizeof s);
	va_start(ap, fmt);
	vsnprintf(s.text, sizeof s.text, fmt, ap);
	va_end(ap);
	if (c->report->measure)
		measure(c->report->measure, v, member, keyword, s.text);
	else
		tell(c, n, v, member, keyword, &s);
	return false;
}

bool report_fatal(struct check *c, const struct json *v, int code, const char *fmt, ...)
{
	char what[300];
	va_list ap;

	if (c->fatal)
		return false;
	va_start(ap, fmt);
	vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	c->fatal = json_error(c->d, v, c->e, code, "%s", what);
	return false;
}

/* ---- sentences ---- */

bool report_type(struct check *c, const struct node *n, const struct json *v)
{
	static const struct { uint8_t bits; const char *name; } names[] = {
		{ IS_OBJECT, "an object" }, { IS_ARRAY, "an array" },       { IS_STRING, "a string" },
		{ IS_NUMBER, "a number" },  { IS_BOOLEAN, "true or false" }, { IS_NULL, "null" },
	};
	char list[96] = "";
	struct shown shown;

	if (!c->report)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (!(n->types & names[i].bits))
			continue;
		snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", list[0] ? " or " : "",
			 names[i].bits == IS_NUMBER && n->whole ? "an integer" : names[i].name);
	}
	return report_wrong(c, n, v, NULL, "type", "expected %s, found %s", list,
			    v->type == JSON_NUMBER ? show(&shown, v) : json_type_name(v->type));
}

bool report_constant(struct check *c, const struct node *n, const struct json *v)
{
	struct shown a, b;

	if (!c->report)
		return false;
	return report_wrong(c, n, v, NULL, "const", "expected %s, found %s", show(&a, n->constant), show(&b, v));
}

bool report_values(struct check *c, const struct node *n, const struct json *v)
{
	const struct json *values = n->values->list;
	char list[160] = "";
	struct shown shown;

	if (!c->report)
		return false;
	for (uint32_t i = 0; i < values->count; i++) {
		size_t at = strlen(list);

		if (at + QUOTE + 20 > sizeof list) {
			snprintf(list + at, sizeof list - at, ", ...");
			break;
		}
		snprintf(list + at, sizeof list - at, "%s%s", i ? ", " : "", show(&shown, &values->u.items[i]));
	}
	return report_wrong(c, n, v, NULL, "enum", "expected one of %s, found %s", list, show(&shown, v));
}

bool report_number(struct check *c, const struct node *n, const struct json *v)
{
	const struct number_rules *r = n->number;
	struct shown a, b;

	if (!c->report)
		return false;
	show(&b, v);
	if (r->least && json_compare(v, r->least) < 0)
		report_wrong(c, n, v, NULL, "minimum", "expected at least %s, found %s", show(&a, r->least), b.text);
	if (r->most && json_compare(v, r->most) > 0)
		report_wrong(c, n, v, NULL, "maximum", "expected at most %s, found %s", show(&a, r->most), b.text);
	if (r->above && json_compare(v, r->above) <= 0)
		report_wrong(c, n, v, NULL, "exclusiveMinimum", "expected more than %s, found %s", show(&a, r->above), b.text);
	if (r->below && json_compare(v, r->below) >= 0)
		report_wrong(c, n, v, NULL, "exclusiveMaximum", "expected less than %s, found %s", show(&a, r->below), b.text);
	if (r->multiple && json_divides(r->multiple, v) != 1)
		report_wrong(c, n, v, NULL, "multipleOf", "expected a multiple of %s, found %s", show(&a, r->multiple), b.text);
	return false;
}

bool report_count(struct check *c, const struct node *n, const struct json *v, const char *keyword, bool least,
		  uint64_t limit, const char *of, uint64_t found)
{
	return report_wrong(c, n, v, NULL, keyword, "expected at %s %" PRIu64 " %s, found %" PRIu64,
			    least ? "least" : "most", limit, of, found);
}

bool report_length(struct check *c, const struct node *n, const struct json *v, uint64_t len)
{
	bool least = len < n->string->min;

	return report_count(c, n, v, least ? "minLength" : "maxLength", least, least ? n->string->min : n->string->max,
			    "characters", len);
}

bool report_pattern(struct check *c, const struct node *n, const struct json *v)
{
	struct shown shown;

	if (!c->report)
		return false;
	return report_wrong(c, n, v, NULL, "pattern", "expected text that matches \"%.120s\", found %s",
			    pattern_text(n->string->pattern), show(&shown, v));
}

bool report_format(struct check *c, const struct node *n, const struct json *v)
{
	struct shown shown;

	if (!c->report)
		return false;
	return report_wrong(c, n, v, NULL, "format", "expected %s, found %s", n->string->format->words, show(&shown, v));
}

static bool has_member(const struct json *v, const struct text *name)
{
	for (uint32_t i = 0; i < v->count; i++)
		if (v->u.members[i].key.len == name->len &&
		    memcmp(v->u.members[i].key.text, name->text, name->len) == 0)
			return true;
	return false;
}

bool report_missing(struct check *c, const struct node *n, const struct json *v)
{
	const struct object_rules *o = n->object;

	for (uint32_t i = 0; i < o->property_count && c->report; i++) {
		const struct property *p = &o->properties[i];

		if (c->steps < v->count)
			break;
		c->steps -= v->count;
		if (p->required && !has_member(v, &p->name))
			report_wrong(c, n, v, NULL, "required", "expected a member \"%.64s\", found none", p->name.text);
	}
	return false;
}

/* ---- alternatives ---- */

static void measure_node(struct check *c, const struct node *n, const struct json *v, struct closeness *m)
{
	struct report *outer = c->report, inner = { .measure = m, .level = outer->level + 1 };
	uint8_t *marks = c->marks;

	*m = (struct closeness){ .value = v };
	c->report = &inner;
	c->marks = NULL;
	(void)!check_node(c, n, v);
	c->report = outer;
	c->marks = marks;
}

static bool closer(const struct closeness *a, const struct closeness *b)
{
	if (a->other_kind != b->other_kind)
		return b->other_kind;
	if (a->constants != b->constants)
		return a->constants < b->constants;
	return a->count < b->count;
}

bool report_name(struct check *c, const struct node *n, const struct json *v, const struct json_member *m)
{
	struct json key = json_key(c->d, m);
	struct closeness why;

	if (!c->report)
		return false;
	measure_node(c, n->object->names, &key, &why);
	return report_wrong(c, n, v, m, "propertyNames", "the member \"%.64s\" has a name that is not allowed: %.150s",
			    m->key.text, why.first);
}

bool report_none(struct check *c, const struct node *n, const struct json *v, const char *keyword,
		 const struct nodes *list)
{
	struct closeness best = { 0 }, m;
	struct shown shown;
	uint32_t which = 0;

	if (!c->report)
		return false;
	if (c->report->level < LEVELS) {
		for (uint32_t i = 0; i < list->count && !c->fatal; i++) {
			measure_node(c, list->at[i], v, &m);
			if (i && !closer(&m, &best))
				continue;
			best = m;
			which = i;
		}
	}
	if (!best.count)
		return report_wrong(c, n, v, NULL, keyword, "expected %s of %" PRIu32 " alternatives to fit %s, found none",
				    keyword[0] == 'o' ? "exactly one" : "one", list->count, show(&shown, v));
	return report_wrong(c, n, v, NULL, keyword,
			    "expected %s of %" PRIu32 " alternatives to fit %s, found none; closest is %s/%" PRIu32 ": %s",
			    keyword[0] == 'o' ? "exactly one" : "one", list->count, show(&shown, v), keyword, which,
			    best.first);
}

bool report_several(struct check *c, const struct node *n, const struct json *v, uint32_t first, uint32_t second)
{
	struct shown shown;

	if (!c->report)
		return false;
	return report_wrong(c, n, v, NULL, "oneOf",
			    "expected exactly one of %" PRIu32 " alternatives to fit %s, found more: oneOf/%" PRIu32
			    " and oneOf/%" PRIu32, n->one.count, show(&shown, v), first, second);
}

bool report_not(struct check *c, const struct node *n, const struct json *v)
{
	struct shown shown;

	if (!c->report)
		return false;
	return report_wrong(c, n, v, NULL, "not", "expected anything but this, found %s", show(&shown, v));
}
