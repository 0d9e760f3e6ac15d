/* check: one value against a compiled schema. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema/program.h"

#define DEPTH_MAX 4096          /* schemas inside schemas, on one way down */
#define STEPS_MIN 1000000       /* of one check, plus STEPS_PER_BYTE of the document */
#define STEPS_PER_BYTE 64
#define FEW_ITEMS 16            /* up to here uniqueItems compares every pair */
#define QUOTE 48                /* bytes of a value that a sentence shows */

struct check {
	const struct schema *s;
	const struct json_doc *d;
	const struct json *top;         /* the instance's "" */
	struct schema_errors *errors;
	unsigned quiet;                 /* inside a branch whose failure is no error by itself */
	unsigned depth;
	uint64_t steps;
	int fatal;                      /* ERR_LIMIT, ERR_MEMORY: the answer is unknown */
	struct err *e;
	char shown[2][QUOTE + 16];      /* what sentences quote; here, so that frames stay small */
};

/* Only the unlucky come here: kept out of the functions that run for every value. */
#define COLD __attribute__((cold, noinline))

static bool check(struct check *c, const struct node *n, const struct json *v);

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

/* RFC 6901 pointer from `from` to v, which stands beneath it. */
static void pointer_to(char *out, const struct json *from, const struct json *v)
{
	out[0] = '\0';
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
}

/* ---- errors ---- */

/* What was found, short enough for a sentence. */
static COLD const char *show(struct check *c, unsigned which, const struct json *v)
{
	char *out = c->shown[which];

	if (v->type == JSON_STRING)
		snprintf(out, QUOTE + 16, "\"%.*s%s\"", QUOTE, v->u.text, v->count > QUOTE ? "..." : "");
	else if (v->type == JSON_NUMBER)
		snprintf(out, QUOTE + 16, "%.*s%s", QUOTE, v->u.text, v->count > QUOTE ? "..." : "");
	else
		snprintf(out, QUOTE + 16, "%s", json_type_name(v->type));
	return out;
}

/* Always false, so that a rule says: return wrong(...). `member`: the place is that member's key. */
static COLD bool PRINTF_LIKE(6, 7) wrong(struct check *c, const struct node *n, const struct json *v,
					 const struct json_member *member, const char *keyword, const char *fmt, ...)
{
	struct json place = member ? json_key(c->d, member) : *v;
	struct schema_error *s;
	va_list ap;

	if (c->quiet)
		return false;
	if (c->errors->count++ >= SCHEMA_ERRORS)
		return false;
	s = &c->errors->at[c->errors->count - 1];
	json_place(c->d, &place, &s->line, &s->column);
	pointer_to(s->pointer, c->top, v);
	if (member)
		add_token(s->pointer, member->key.text, member->key.len);
	pointer_to(s->keyword, c->s->at, n->at);
	if (keyword)
		add_token(s->keyword, keyword, strlen(keyword));
	va_start(ap, fmt);
	vsnprintf(s->text, sizeof s->text, fmt, ap);
	va_end(ap);
	if (c->errors->count == 1)      /* once more, in the form every reader's error has */
		json_error(c->d, &place, c->e, ERR_FORMAT, "%s%s%s", s->pointer, s->pointer[0] ? ": " : "", s->text);
	return false;
}

static COLD bool give_up(struct check *c, const struct json *v, int code, const char *why)
{
	if (!c->fatal)
		c->fatal = json_error(c->d, v, c->e, code, "%s", why);
	return false;
}

static bool spend(struct check *c, const struct json *v, uint64_t steps)
{
	if (c->steps >= steps) {
		c->steps -= steps;
		return true;
	}
	return give_up(c, v, ERR_LIMIT, "checking this document against its schema takes too many steps");
}

/* Whether a rule may go on looking for further errors after the first. */
static bool go_on(const struct check *c, bool valid)
{
	return !c->fatal && (valid || !c->quiet);
}

/* ---- any value ---- */

static bool has_type(const struct node *n, const struct json *v)
{
	static const uint8_t bits[] = {
		[JSON_NULL] = IS_NULL,     [JSON_FALSE] = IS_BOOLEAN, [JSON_TRUE] = IS_BOOLEAN, [JSON_NUMBER] = IS_NUMBER,
		[JSON_STRING] = IS_STRING, [JSON_ARRAY] = IS_ARRAY,   [JSON_OBJECT] = IS_OBJECT,
	};

	if (n->types & bits[v->type])
		return true;
	return (n->types & IS_INTEGER) && json_is_integer(v);
}

static COLD bool wrong_type(struct check *c, const struct node *n, const struct json *v)
{
	static const struct { uint8_t bit; const char *name; } names[] = {
		{ IS_OBJECT, "an object" }, { IS_ARRAY, "an array" },   { IS_STRING, "a string" },
		{ IS_NUMBER, "a number" },  { IS_INTEGER, "an integer" }, { IS_BOOLEAN, "true or false" },
		{ IS_NULL, "null" },
	};
	char list[96] = "";
	uint8_t left = n->types & IS_NUMBER ? n->types & (uint8_t)~IS_INTEGER : n->types;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (!(left & names[i].bit))
			continue;
		snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", list[0] ? " or " : "", names[i].name);
	}
	return wrong(c, n, v, NULL, "type", "expected %s, found %s", list,
		     v->type == JSON_NUMBER ? show(c, 1, v) : json_type_name(v->type));
}

static COLD bool not_listed(struct check *c, const struct node *n, const struct json *v)
{
	char list[160] = "";

	for (uint32_t i = 0; i < n->values->count; i++) {
		size_t at = strlen(list);

		if (at + QUOTE + 20 > sizeof list) {
			snprintf(list + at, sizeof list - at, ", ...");
			break;
		}
		snprintf(list + at, sizeof list - at, "%s%s", i ? ", " : "", show(c, 0, &n->values->u.items[i]));
	}
	return wrong(c, n, v, NULL, "enum", "expected one of %s, found %s", list, show(c, 1, v));
}

static bool check_values(struct check *c, const struct node *n, const struct json *v)
{
	if (n->constant && !json_equal(n->constant, v))
		return wrong(c, n, v, NULL, "const", "expected %s, found %s", show(c, 0, n->constant), show(c, 1, v));
	if (!n->values)
		return true;
	for (uint32_t i = 0; i < n->values->count; i++)
		if (json_equal(&n->values->u.items[i], v))
			return true;
	return not_listed(c, n, v);
}

/* ---- numbers and strings ---- */

static bool check_number(struct check *c, const struct node *n, const struct json *v)
{
	const struct number_rules *r = n->number;

	if (r->least && json_compare(v, r->least) < 0)
		return wrong(c, n, v, NULL, "minimum", "expected at least %s, found %s", show(c, 0, r->least), show(c, 1, v));
	if (r->most && json_compare(v, r->most) > 0)
		return wrong(c, n, v, NULL, "maximum", "expected at most %s, found %s", show(c, 0, r->most), show(c, 1, v));
	if (r->above && json_compare(v, r->above) <= 0)
		return wrong(c, n, v, NULL, "exclusiveMinimum", "expected more than %s, found %s", show(c, 0, r->above),
			     show(c, 1, v));
	if (r->below && json_compare(v, r->below) >= 0)
		return wrong(c, n, v, NULL, "exclusiveMaximum", "expected less than %s, found %s", show(c, 0, r->below),
			     show(c, 1, v));
	return true;
}

static uint64_t code_points(const struct json *v)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i < v->count; i++)
		count += ((unsigned char)v->u.text[i] & 0xc0) != 0x80;
	return count;
}

/* 1, 0, or negative when the check is over. */
static int match(struct check *c, const struct pattern *p, const struct json *place, const char *text, size_t len)
{
	int rc = pattern_match(p, text, len);

	if (rc < 0)
		give_up(c, place, rc, "matching a pattern of the schema takes too many steps");
	return rc;
}

static bool check_string(struct check *c, const struct node *n, const struct json *v)
{
	const struct string_rules *r = n->string;
	uint64_t len;
	int rc;

	/* a character has one to four bytes: mostly there is no need to count */
	if (v->count > r->max || v->count / 4 < r->min) {
		len = code_points(v);
		if (len < r->min)
			return wrong(c, n, v, NULL, "minLength", "expected at least %" PRIu64 " characters, found %" PRIu64,
				     r->min, len);
		if (len > r->max)
			return wrong(c, n, v, NULL, "maxLength", "expected at most %" PRIu64 " characters, found %" PRIu64,
				     r->max, len);
	}
	if (!r->pattern || !spend(c, v, 1 + v->count / 16))
		return !c->fatal;
	rc = match(c, r->pattern, v, v->u.text, v->count);
	if (rc == 0)
		wrong(c, n, v, NULL, "pattern", "expected text that matches %s, found %s", show(c, 0, r->pattern_text),
		      show(c, 1, v));
	return rc > 0;
}

/* ---- arrays ---- */

static bool pairs_differ(struct check *c, const struct node *n, const struct json *v)
{
	for (uint32_t i = 1; i < v->count; i++)
		for (uint32_t j = 0; j < i; j++)
			if (json_equal(&v->u.items[i], &v->u.items[j]))
				return wrong(c, n, &v->u.items[i], NULL, "uniqueItems",
					     "expected different elements, found one equal to element %" PRIu32, j);
	return true;
}

/* Hashes are keyed, so equal hashes of different values stay rare whatever the document holds. */
static bool items_differ(struct check *c, const struct node *n, const struct json *v)
{
	AUTO_FREE struct seen { uint64_t hash; uint32_t index; } *table = NULL;
	size_t cap = 64;

	if (v->count <= FEW_ITEMS)
		return pairs_differ(c, n, v);
	while (cap < 2 * (size_t)v->count)
		cap *= 2;
	table = calloc(cap, sizeof *table);
	if (!table)
		return give_up(c, v, ERR_MEMORY, "no memory to compare its elements");
	for (uint32_t i = 0; i < v->count; i++) {
		uint64_t hash = json_hash(&v->u.items[i]) | 1;
		size_t at = (hash >> 1) & (cap - 1);

		for (; table[at].hash; at = (at + 1) & (cap - 1))
			if (table[at].hash == hash && json_equal(&v->u.items[table[at].index], &v->u.items[i]))
				return wrong(c, n, &v->u.items[i], NULL, "uniqueItems",
					     "expected different elements, found one equal to element %" PRIu32,
					     table[at].index);
		table[at].hash = hash;
		table[at].index = i;
	}
	return true;
}

static bool check_array(struct check *c, const struct node *n, const struct json *v)
{
	const struct array_rules *r = n->array;
	bool valid = true;

	if (v->count < r->min)
		valid = wrong(c, n, v, NULL, "minItems", "expected at least %" PRIu64 " elements, found %" PRIu32, r->min,
			      v->count);
	else if (v->count > r->max)
		valid = wrong(c, n, v, NULL, "maxItems", "expected at most %" PRIu64 " elements, found %" PRIu32, r->max,
			      v->count);
	for (uint32_t i = 0; i < v->count && go_on(c, valid); i++) {
		const struct node *item = i < r->prefix_count ? r->prefix[i] : r->items;

		if (!item)
			break;
		valid &= check(c, item, &v->u.items[i]);
	}
	if (r->unique && go_on(c, valid) && spend(c, v, v->count))
		valid &= items_differ(c, n, v);
	return valid;
}

/* ---- objects ---- */

static const struct property *find_property(const struct object_rules *o, const struct json_string *key, uint32_t guess)
{
	const struct property *p;
	uint64_t at;

	/* documents mostly keep the schema's order */
	if (guess < o->property_count) {
		p = &o->properties[guess];
		if (p->name.len == key->len && memcmp(p->name.text, key->text, key->len) == 0)
			return p;
	}
	at = json_hash_text(key->text, key->len) & o->table_mask;
	for (; o->table[at]; at = (at + 1) & o->table_mask) {
		p = &o->properties[o->table[at] - 1];
		if (p->name.len == key->len && memcmp(p->name.text, key->text, key->len) == 0)
			return p;
	}
	return NULL;
}

static bool check_name(struct check *c, const struct node *n, const struct json *v, const struct json_member *m)
{
	struct json key = json_key(c->d, m);
	bool valid;

	c->quiet++;
	valid = check(c, n->object->names, &key);
	c->quiet--;
	if (valid || c->fatal)
		return valid;
	return wrong(c, n, v, m, "propertyNames", "the member \"%.64s\" has a name that is not allowed", m->key.text);
}

/* Whether `properties` or `patternProperties` speak about the member goes to *known. */
static bool check_known(struct check *c, const struct node *n, const struct json *v, const struct json_member *m,
			const struct property *p, bool *known)
{
	const struct object_rules *o = n->object;
	bool valid = true;

	*known = p && p->node;
	if (*known)
		valid = check(c, p->node, &m->value);
	for (uint32_t i = 0; i < o->pattern_count && go_on(c, valid); i++) {
		int rc = spend(c, v, 1 + m->key.len / 16) ? match(c, o->patterns[i].pattern, v, m->key.text, m->key.len) : -1;

		if (rc <= 0)
			continue;
		*known = true;
		valid &= check(c, o->patterns[i].node, &m->value);
	}
	return valid;
}

static bool check_member(struct check *c, const struct node *n, const struct json *v, const struct json_member *m,
			 const struct property *p)
{
	const struct node *more = n->object->additional;
	bool known, valid = check_known(c, n, v, m, p, &known);

	if (!known && more && go_on(c, valid)) {
		if (more->never)
			valid = wrong(c, n, v, m, "additionalProperties", "the member \"%.64s\" is not allowed here",
				      m->key.text);
		else
			valid &= check(c, more, &m->value);
	}
	if (n->object->names && go_on(c, valid))
		valid &= check_name(c, n, v, m);
	return valid;
}

static COLD bool missing(struct check *c, const struct node *n, const struct json *v)
{
	const struct object_rules *o = n->object;

	for (uint32_t i = 0; i < o->property_count && !c->quiet; i++) {
		const struct property *p = &o->properties[i];

		if (p->required && !json_get(v, p->name.text))
			wrong(c, n, v, NULL, "required", "expected a member \"%.64s\", found none", p->name.text);
	}
	return false;
}

static bool check_object(struct check *c, const struct node *n, const struct json *v)
{
	const struct object_rules *o = n->object;
	uint32_t guess = 0, required = 0;
	bool valid = true;

	if (v->count < o->min)
		valid = wrong(c, n, v, NULL, "minProperties", "expected at least %" PRIu64 " members, found %" PRIu32, o->min,
			      v->count);
	else if (v->count > o->max)
		valid = wrong(c, n, v, NULL, "maxProperties", "expected at most %" PRIu64 " members, found %" PRIu32, o->max,
			      v->count);
	for (uint32_t i = 0; i < v->count && go_on(c, valid); i++) {
		const struct json_member *m = &v->u.members[i];
		const struct property *p = find_property(o, &m->key, guess);

		if (p) {
			guess = (uint32_t)(p - o->properties) + 1;
			required += p->required;
		}
		valid &= check_member(c, n, v, m, p);
	}
	if (required < o->required_count && go_on(c, valid))
		valid = missing(c, n, v);
	return valid;
}

/* ---- applicators on the same value ---- */

/* Tries a branch without reporting: its failure alone is no error. */
static bool fits(struct check *c, const struct node *n, const struct json *v)
{
	bool valid;

	c->quiet++;
	valid = check(c, n, v);
	c->quiet--;
	return valid && !c->fatal;
}

static uint32_t count_fits(struct check *c, const struct nodes *list, const struct json *v, uint32_t enough)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < list->count && count < enough && !c->fatal; i++)
		count += fits(c, list->at[i], v);
	return count;
}

static bool check_lists(struct check *c, const struct node *n, const struct json *v)
{
	bool valid = true;
	uint32_t count;

	for (uint32_t i = 0; i < n->all.count && go_on(c, valid); i++)
		valid &= check(c, n->all.at[i], v);
	if (n->any.count && go_on(c, valid) && !count_fits(c, &n->any, v, 1) && !c->fatal)
		valid = wrong(c, n, v, NULL, "anyOf", "expected one of %" PRIu32 " alternatives to fit %s, found none",
			      n->any.count, show(c, 1, v));
	if (n->one.count && go_on(c, valid)) {
		count = count_fits(c, &n->one, v, 2);
		if (count != 1 && !c->fatal)
			valid = wrong(c, n, v, NULL, "oneOf", "expected exactly one of %" PRIu32 " alternatives to fit %s, found %s",
				      n->one.count, show(c, 1, v), count ? "more" : "none");
	}
	return valid;
}

static __attribute__((noinline)) bool check_in_place(struct check *c, const struct node *n, const struct json *v)
{
	bool valid = true;

	if (n->ref)
		valid = check(c, n->ref, v);
	if ((n->all.count || n->any.count || n->one.count) && go_on(c, valid))
		valid &= check_lists(c, n, v);
	if (n->not && go_on(c, valid) && fits(c, n->not, v))
		valid = wrong(c, n, v, NULL, "not", "expected anything but this, found %s", show(c, 1, v));
	if (n->when && go_on(c, valid)) {
		const struct node *branch = fits(c, n->when, v) ? n->then : n->otherwise;

		if (branch && !c->fatal)
			valid &= check(c, branch, v);
	}
	return valid;
}

/* ---- all of it ---- */

static bool check_rules(struct check *c, const struct node *n, const struct json *v)
{
	bool valid = true;

	if (!has_type(n, v))
		return wrong_type(c, n, v);
	if (n->constant || n->values)
		valid = check_values(c, n, v);
	if (!go_on(c, valid))
		return valid;
	if (v->type == JSON_OBJECT && n->object)
		valid &= check_object(c, n, v);
	else if (v->type == JSON_ARRAY && n->array)
		valid &= check_array(c, n, v);
	else if (v->type == JSON_STRING && n->string)
		valid &= check_string(c, n, v);
	else if (v->type == JSON_NUMBER && n->number)
		valid &= check_number(c, n, v);
	if (n->in_place && go_on(c, valid))
		valid &= check_in_place(c, n, v);
	return valid;
}

static bool check(struct check *c, const struct node *n, const struct json *v)
{
	bool valid;

	if (n->never)
		return wrong(c, n, v, NULL, NULL, "expected nothing here, found %s", json_type_name(v->type));
	if (c->depth == DEPTH_MAX)
		return give_up(c, v, ERR_LIMIT, "its schema nests too deeply");
	if (!spend(c, v, 1))
		return false;
	c->depth++;
	valid = check_rules(c, n, v);
	c->depth--;
	return valid && !c->fatal;
}

int schema_check(const struct schema *s, const struct json_doc *d, const struct json *v,
		 struct schema_errors *errors, struct err *e)
{
	struct schema_errors own;
	struct check c = {
		/* cppcheck-suppress uninitvar ; its count is set below, and its entries before they count */
		.s = s, .d = d, .top = v, .errors = errors ? errors : &own, .e = e,
		.steps = STEPS_MIN + STEPS_PER_BYTE * (uint64_t)d->source_len,
	};
	bool valid;

	c.errors->count = 0;
	valid = check(&c, s->root, v);
	if (c.fatal)
		return c.fatal;
	return valid ? 0 : ERR_FORMAT;
}
