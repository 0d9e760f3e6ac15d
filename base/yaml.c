/*
 * yaml: from libyaml's events to the text of a JSON document.
 *
 * The text is written as events come, with a mark for every key and value; an
 * alias is a copy of the text its anchor wrote. Nothing else is kept, and the
 * JSON parser has the last word: depth, size and duplicate keys are its rules.
 */
#include "base/yaml.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/yaml_scalar.h"

#define CORE "tag:yaml.org,2002:"
#define DEPTH 128
#define BYTES ((size_t)64 << 20)
#define READ_AHEAD ((size_t)256 << 10)  /* what libyaml may hold beyond the document, generously */

struct anchor {
	char *name;
	size_t from, to;                /* its text; to 0: it is still open */
	size_t first, marks;            /* its marks */
};

struct frame {
	bool object, value;             /* of an object: the key was read, its value is next */
	uint32_t count;
	size_t anchor;                  /* its number + 1; 0: none */
};

struct yaml {
	yaml_parser_t parser;
	const char *name;
	yaml_read *read;
	void *arg;
	struct json_limits limits;      /* bytes and depth filled in */
	struct err trouble;             /* of read(), when its code is not 0 */
	size_t fed, begun;              /* bytes read, and when the document before ended */
	bool over;
	/* of the document being read: */
	struct buf text;
	struct json_mark *marks;
	size_t mark_count, mark_cap;
	struct frame *frames;           /* limits.depth of them */
	unsigned depth;
	struct anchor *anchors;
	size_t anchor_count, aliases, copied;
	struct err *e;
};

/* ---- errors ---- */

static int PRINTF_LIKE(4, 5) refuse(struct yaml *y, int code, yaml_mark_t at, const char *fmt, ...)
{
	char what[sizeof y->e->msg];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof what, fmt, args);
	va_end(args);
	for (char *c = what; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	return err_set(y->e, code, "%s:%zu:%zu: %s", y->name, at.line + 1, at.column + 1, what);
}

static int parser_trouble(struct yaml *y)
{
	const yaml_parser_t *p = &y->parser;

	if (y->trouble.code) {
		*y->e = y->trouble;
		return y->e->code;
	}
	if (p->error == YAML_MEMORY_ERROR)
		return err_memory(y->e);
	if (p->error == YAML_READER_ERROR)
		return err_set(y->e, ERR_FORMAT, "%s: byte %zu: %s", y->name, p->problem_offset, p->problem ? p->problem : "not readable");
	if (p->context)
		return refuse(y, ERR_FORMAT, p->problem_mark, "%s, %s that began on line %zu", p->problem, p->context,
			      p->context_mark.line + 1);
	return refuse(y, ERR_FORMAT, p->problem_mark, "%s", p->problem ? p->problem : "no YAML");
}

/* ---- text and marks ---- */

static int mark(struct yaml *y, unsigned line, unsigned column)
{
	if (y->mark_count == y->mark_cap) {
		size_t cap = y->mark_cap ? 2 * y->mark_cap : 64;
		struct json_mark *more = reallocarray(y->marks, cap, sizeof *more);

		if (!more)
			return err_memory(y->e);
		y->marks = more;
		y->mark_cap = cap;
	}
	y->marks[y->mark_count++] = (struct json_mark){ (uint32_t)y->text.len, line, column };
	return 0;
}

static int mark_here(struct yaml *y, yaml_mark_t at)
{
	return mark(y, (unsigned)at.line + 1, (unsigned)at.column + 1);
}

static bool wants_key(const struct yaml *y)
{
	return y->depth && y->frames[y->depth - 1].object && !y->frames[y->depth - 1].value;
}

/* The comma before what comes next in the innermost frame; marks where it stands. */
static int begin(struct yaml *y, yaml_mark_t at)
{
	struct frame *f = y->depth ? &y->frames[y->depth - 1] : NULL;

	if (f && f->value)
		f->value = false;
	else if (f && f->count++)
		buf_addc(&y->text, ',');
	return mark_here(y, at);
}

static int anchor_open(struct yaml *y, const yaml_char_t *name, yaml_mark_t at, size_t *out)
{
	struct anchor *a;

	*out = 0;
	if (!name)
		return 0;
	if (wants_key(y))
		return refuse(y, ERR_UNSUPPORTED, at, "an anchor on a key");
	if (y->anchor_count == YAML_ANCHORS_MAX)
		return refuse(y, ERR_LIMIT, at, "more than %d anchors in one document", YAML_ANCHORS_MAX);
	if (!y->anchors)
		y->anchors = calloc(YAML_ANCHORS_MAX, sizeof *y->anchors);
	if (!y->anchors)
		return err_memory(y->e);
	a = &y->anchors[y->anchor_count];
	a->name = strdup((const char *)name);
	if (!a->name)
		return err_memory(y->e);
	a->to = 0;
	*out = ++y->anchor_count;
	return 0;
}

/* Where an anchored value begins and ends; the comma before it is not part of it. */
static void anchor_from(struct yaml *y, size_t anchor)
{
	if (!anchor)
		return;
	y->anchors[anchor - 1].from = y->text.len;
	y->anchors[anchor - 1].first = y->mark_count - 1;
}

static void anchor_to(struct yaml *y, size_t anchor)
{
	if (!anchor)
		return;
	y->anchors[anchor - 1].to = y->text.len;
	y->anchors[anchor - 1].marks = y->mark_count - y->anchors[anchor - 1].first;
}

/* ---- what may stand where ---- */

static const char *core_tag(const yaml_char_t *tag)
{
	const char *t = (const char *)tag;

	return strncmp(t, CORE, sizeof CORE - 1) == 0 ? t + sizeof CORE - 1 : "";
}

static int key(struct yaml *y, const yaml_event_t *ev)
{
	const char *text = (const char *)ev->data.scalar.value;
	size_t len = ev->data.scalar.length;
	bool plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;

	if (ev->data.scalar.tag && strcmp(core_tag(ev->data.scalar.tag), "str") != 0)
		return refuse(y, ERR_UNSUPPORTED, ev->start_mark, "a key with the tag %s", ev->data.scalar.tag);
	if (plain && !ev->data.scalar.tag && strcmp(text, "<<") == 0)
		return refuse(y, ERR_UNSUPPORTED, ev->start_mark, "a merge key: YAML 1.2 has none");
	if (plain && !ev->data.scalar.tag && yaml_scalar_type(text, len) != YAML_STR && !yaml_scalar_decimal(text, len))
		return refuse(y, ERR_FORMAT, ev->start_mark, "the key %s is no string: write it in quotes", len ? text : "(empty)");
	if (begin(y, ev->start_mark) < 0)
		return y->e->code;
	json_put_textn(&(struct json_writer){ .out = &y->text }, NULL, text, len);
	buf_addc(&y->text, ':');
	y->frames[y->depth - 1].value = true;
	return 0;
}

static const struct {
	const char *tag;
	enum yaml_scalar type;
} tags[] = {
	{ "str", YAML_STR }, { "null", YAML_NULL }, { "bool", YAML_BOOL }, { "int", YAML_INT }, { "float", YAML_FLOAT },
};

/* By its tag, else by its looks; a tag must fit the text. */
static int scalar_type(struct yaml *y, const yaml_event_t *ev, enum yaml_scalar *out)
{
	const char *text = (const char *)ev->data.scalar.value, *tag;
	enum yaml_scalar looks = yaml_scalar_type(text, ev->data.scalar.length);

	if (!ev->data.scalar.tag) {
		*out = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE ? looks : YAML_STR;
		if (*out == YAML_NOT_JSON)
			return refuse(y, ERR_FORMAT, ev->start_mark, "%s has no JSON form", text);
		return 0;
	}
	tag = core_tag(ev->data.scalar.tag);
	for (size_t i = 0; i < ARRAY_LEN(tags); i++)
		if (strcmp(tags[i].tag, tag) == 0) {
			*out = tags[i].type == YAML_FLOAT && looks == YAML_INT ? YAML_INT : tags[i].type;
			if (*out != YAML_STR && *out != looks)
				return refuse(y, ERR_FORMAT, ev->start_mark, "\"%.64s\" is no !!%s", text, tag);
			return 0;
		}
	return refuse(y, ERR_UNSUPPORTED, ev->start_mark, "the tag %.200s is beyond the core schema", ev->data.scalar.tag);
}

static int scalar(struct yaml *y, const yaml_event_t *ev)
{
	const char *text = (const char *)ev->data.scalar.value;
	enum yaml_scalar type = YAML_STR;
	size_t anchor;

	if (anchor_open(y, ev->data.scalar.anchor, ev->start_mark, &anchor) < 0)
		return y->e->code;
	if (wants_key(y))
		return key(y, ev);
	if (scalar_type(y, ev, &type) < 0 || begin(y, ev->start_mark) < 0)
		return y->e->code;
	anchor_from(y, anchor);
	if (type == YAML_STR)
		json_put_textn(&(struct json_writer){ .out = &y->text }, NULL, text, ev->data.scalar.length);
	else if (!yaml_scalar_json(&y->text, type, text, ev->data.scalar.length))
		return refuse(y, ERR_LIMIT, ev->start_mark, "%.64s is more than 64 bits", text);
	anchor_to(y, anchor);
	return 0;
}

static int open_frame(struct yaml *y, bool object, const yaml_char_t *name, const yaml_char_t *tag, yaml_mark_t at)
{
	size_t anchor;

	if (wants_key(y))
		return refuse(y, ERR_FORMAT, at, "%s as a key", object ? "a mapping" : "a sequence");
	if (tag && strcmp((const char *)tag, "!") != 0 && strcmp(core_tag(tag), object ? "map" : "seq") != 0)
		return refuse(y, ERR_UNSUPPORTED, at, "the tag %.200s is beyond the core schema", tag);
	if (y->depth == y->limits.depth)
		return refuse(y, ERR_LIMIT, at, "nested deeper than %u", y->limits.depth);
	if (anchor_open(y, name, at, &anchor) < 0 || begin(y, at) < 0)
		return y->e->code;
	anchor_from(y, anchor);
	buf_addc(&y->text, object ? '{' : '[');
	y->frames[y->depth++] = (struct frame){ .object = object, .anchor = anchor };
	return 0;
}

static int close_frame(struct yaml *y)
{
	struct frame f = y->frames[--y->depth];

	buf_addc(&y->text, f.object ? '}' : ']');
	anchor_to(y, f.anchor);
	return 0;
}

/* ---- aliases ---- */

static int copy(struct yaml *y, const struct anchor *a, yaml_mark_t at)
{
	size_t len = a->to - a->from, base;
	char *to;

	y->copied += len;
	if (y->copied > YAML_COPIES_MIN && y->copied / 4 > y->text.len + len - y->copied)
		return refuse(y, ERR_LIMIT, at, "the alias %.64s: aliases would make this document more than four times as long", a->name);
	if (begin(y, at) < 0)
		return y->e->code;
	y->mark_count--;        /* the anchor's own mark says where the value stands */
	base = y->text.len;
	for (size_t i = 0; i < a->marks; i++) {
		struct json_mark m = y->marks[a->first + i];

		if (mark(y, m.line, m.column) < 0)
			return y->e->code;
		y->marks[y->mark_count - 1].at = (uint32_t)(base + (m.at - a->from));
	}
	to = buf_grow(&y->text, len);
	if (!to)
		return 0;       /* noticed when the document is whole */
	memcpy(to, y->text.data + a->from, len);
	y->text.len += len;
	y->text.data[y->text.len] = '\0';
	return 0;
}

static int alias(struct yaml *y, const yaml_event_t *ev)
{
	const char *name = (const char *)ev->data.alias.anchor;
	size_t i = y->anchor_count;

	if (wants_key(y))
		return refuse(y, ERR_UNSUPPORTED, ev->start_mark, "an alias as a key");
	if (y->aliases++ == YAML_ALIASES_MAX)
		return refuse(y, ERR_LIMIT, ev->start_mark, "more than %d aliases in one document", YAML_ALIASES_MAX);
	while (i > 0 && strcmp(y->anchors[i - 1].name, name) != 0)
		i--;
	if (i == 0)
		return refuse(y, ERR_FORMAT, ev->start_mark, "the alias %.64s has no anchor before it", name);
	if (y->anchors[i - 1].to == 0)
		return refuse(y, ERR_FORMAT, ev->start_mark, "the alias %.64s stands inside its own anchor", name);
	return copy(y, &y->anchors[i - 1], ev->start_mark);
}

/* ---- documents ---- */

static int take_event(struct yaml *y, const yaml_event_t *ev)
{
	switch (ev->type) {
	case YAML_SCALAR_EVENT:
		return scalar(y, ev);
	case YAML_ALIAS_EVENT:
		return alias(y, ev);
	case YAML_SEQUENCE_START_EVENT:
		return open_frame(y, false, ev->data.sequence_start.anchor, ev->data.sequence_start.tag, ev->start_mark);
	case YAML_MAPPING_START_EVENT:
		return open_frame(y, true, ev->data.mapping_start.anchor, ev->data.mapping_start.tag, ev->start_mark);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return close_frame(y);
	case YAML_DOCUMENT_START_EVENT:
		if (ev->data.document_start.version_directive && ev->data.document_start.version_directive->minor < 2)
			return refuse(y, ERR_UNSUPPORTED, ev->start_mark, "written for YAML 1.1, where words like no are not strings");
		return 0;
	case YAML_DOCUMENT_END_EVENT:
		return 1;
	case YAML_STREAM_END_EVENT:
		y->over = true;
		return 1;
	default:
		return 0;
	}
}

static void forget(struct yaml *y)
{
	buf_clear(&y->text);
	y->mark_count = y->depth = 0;
	for (size_t i = 0; i < y->anchor_count; i++)
		free(y->anchors[i].name);
	y->anchor_count = y->aliases = y->copied = 0;
	y->begun = y->fed;
}

static int finish(struct yaml *y, struct json_doc **out)
{
	struct json_origin origin = { .marks = y->marks, .mark_count = y->mark_count };

	if (buf_check(&y->text, y->e) < 0)
		return err_wrap(y->e, "%s: as JSON", y->name);
	if (json_parse_from(out, y->name, y->text.data, y->text.len, &y->limits, &origin, y->e) < 0)
		return y->e->code;
	y->marks = NULL;
	y->mark_cap = 0;
	return 1;
}

int yaml_next(struct yaml *y, struct json_doc **out, struct err *e)
{
	int rc = 0;

	y->e = e;
	forget(y);
	while (rc == 0 && !y->over) {
		yaml_event_t ev;

		if (!yaml_parser_parse(&y->parser, &ev)) {
			rc = parser_trouble(y);
			break;
		}
		rc = take_event(y, &ev);
		yaml_event_delete(&ev);
	}
	if (rc > 0)
		rc = y->over ? 0 : finish(y, out);
	if (rc < 0)
		y->over = true;
	return rc;
}

/* ---- the stream ---- */

static int feed(void *arg, unsigned char *to, size_t cap, size_t *got)
{
	struct yaml *y = arg;
	int n;

	if (y->fed - y->begun > y->limits.bytes + READ_AHEAD) {
		err_set(&y->trouble, ERR_LIMIT, "%s:%zu:1: a document of more than %zu bytes", y->name, y->parser.mark.line + 1,
			y->limits.bytes);
		return 0;
	}
	n = y->read(y->arg, to, cap, &y->trouble);
	if (n < 0)
		return 0;
	y->fed += (size_t)n;
	*got = (size_t)n;
	return 1;
}

int yaml_open(struct yaml **out, const char *name, yaml_read *read, void *arg, const struct json_limits *limits, struct err *e)
{
	struct yaml *y = calloc(1, sizeof *y);

	if (!y)
		return err_memory(e);
	y->name = name;
	y->read = read;
	y->arg = arg;
	if (limits)
		y->limits = *limits;
	y->limits.bytes = y->limits.bytes ? MIN(y->limits.bytes, (size_t)1 << 30) : BYTES;
	y->limits.depth = y->limits.depth ? MIN(y->limits.depth, 1024u) : DEPTH;
	y->text.max = y->limits.bytes;
	y->frames = calloc(y->limits.depth, sizeof *y->frames);
	if (!y->frames || !yaml_parser_initialize(&y->parser)) {
		free(y->frames);
		free(y);
		return err_memory(e);
	}
	yaml_parser_set_encoding(&y->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input(&y->parser, feed, y);
	*out = y;
	return 0;
}

void yaml_close(struct yaml *y)
{
	if (!y)
		return;
	forget(y);
	yaml_parser_delete(&y->parser);
	buf_release(&y->text);
	free(y->marks);
	free(y->frames);
	free(y->anchors);
	free(y);
}

struct bytes {
	const char *at;
	size_t left;
};

static int read_bytes(void *arg, void *to, size_t cap, struct err *e)
{
	struct bytes *b = arg;
	size_t n = MIN(cap, b->left);

	(void)e;
	memcpy(to, b->at, n);
	b->at += n;
	b->left -= n;
	return (int)n;
}

int yaml_parse(struct json_doc **out, const char *name, const char *text, size_t len, const struct json_limits *limits, struct err *e)
{
	struct bytes bytes = { text, len };
	AUTO(yaml) struct yaml *y = NULL;
	AUTO(json) struct json_doc *d = NULL, *more = NULL;
	int rc;

	if (yaml_open(&y, name, read_bytes, &bytes, limits, e) < 0 || (rc = yaml_next(y, &d, e)) < 0)
		return e->code;
	if (rc == 0)
		return err_set(e, ERR_FORMAT, "%s:1:1: no document", name);
	rc = yaml_next(y, &more, e);
	if (rc > 0)
		return json_error(more, more->root, e, ERR_FORMAT, "a second document, where one is expected");
	if (rc < 0)
		return rc;
	*out = TAKE(d);
	return 0;
}
