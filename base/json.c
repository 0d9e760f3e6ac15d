/*
 * json: the parser.
 *
 * One pass over a private copy of the text, in place: strings are decoded and
 * NUL-terminated where they stand, so no string is ever allocated. Values
 * under construction live on one scratch stack; when an array or an object
 * closes, its children move to the arena in one piece.
 */
#include "base/json_parts.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_BYTES ((size_t)64 << 20)
#define DEFAULT_DEPTH 128
#define MOST_DEPTH 1024
#define FIRST_STACK 4096
#define FIRST_FRAMES 16
#define FEW_MEMBERS 16          /* up to here every pair of keys is compared; beyond, they are hashed */

struct chunk {
	struct chunk *next;
	size_t used, size;
	_Alignas(8) char bytes[];
};

struct frame {                  /* an array or object that is still open */
	size_t base;            /* where its children begin on the stack */
	uint32_t at;
	bool object;
};

struct parser {
	struct json_arena *arena;
	char *p;                /* where we read, in arena->text */
	char *end;
	char *nul;              /* ends the last number; written once the byte there was read */
	char *stack;            /* children of all open frames; the slot to fill is the last struct json */
	size_t top, cap;
	struct frame *frames;
	unsigned depth, depth_max, frames_cap;
	bool last_wins, struck; /* of members with one name; one was struck out */
	char *first_stack;      /* what both start with, on the caller's stack: small documents need no more */
	struct frame *first_frames;
	uint32_t *table;        /* of keys, for large objects */
	size_t table_cap;
	struct err *e;
};

enum { DONE, MORE };

/* ---- errors ---- */

static int PRINTF_LIKE(4, 5) broken(struct parser *p, const char *at, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	json_error_at(&p->arena->doc, (size_t)(at - p->arena->text), p->e, code, fmt, ap);
	va_end(ap);
	return code;
}

/* "expected X, found Y" at the byte where we stand; the copy may hold a NUL there, the source tells. */
static int expected(struct parser *p, const char *what)
{
	unsigned char c;

	if (p->p >= p->end)
		return broken(p, p->end, ERR_FORMAT, "expected %s, found the end of the text", what);
	c = (unsigned char)p->arena->doc.source[p->p - p->arena->text];
	if (c > 0x20 && c < 0x7f)
		return broken(p, p->p, ERR_FORMAT, "expected %s, found '%c'", what, c);
	return broken(p, p->p, ERR_FORMAT, "expected %s, found byte 0x%02x", what, c);
}

/* ---- memory ---- */

static int over_arena(struct parser *p)
{
	return broken(p, p->p, ERR_LIMIT, "needs more than %zu bytes of memory", p->arena->max);
}

static struct chunk *chunk_new(struct json_arena *a, size_t need)
{
	size_t size = a->chunks ? 2 * a->chunks->size : 3 * a->doc.source_len;
	struct chunk *c;

	size = MAX(MIN(MAX(size, 512), (size_t)1 << 18), need);
	c = malloc(sizeof *c + size);
	if (!c)
		return NULL;
	*c = (struct chunk){ .next = a->chunks, .size = size };
	a->chunks = c;
	return c;
}

static void *arena_copy(struct parser *p, const void *bytes, size_t len)
{
	struct json_arena *a = p->arena;
	struct chunk *c = a->chunks;
	void *to;

	a->used += len;
	if (!c || len > c->size - c->used)
		c = chunk_new(a, len);
	if (!c) {
		err_memory(p->e);
		return NULL;
	}
	to = c->bytes + c->used;
	c->used += len;
	return memcpy(to, bytes, len);
}

static int stack_more(struct parser *p)
{
	size_t cap = 2 * p->cap;
	char *stack = realloc(p->stack == p->first_stack ? NULL : p->stack, cap);

	if (!stack)
		return err_memory(p->e);
	if (p->stack == p->first_stack)
		memcpy(stack, p->first_stack, p->top);
	p->stack = stack;
	p->cap = cap;
	return 0;
}

/* Values are on the stack or in the arena, never in both, so one limit bounds both. */
static inline void *push(struct parser *p, size_t size)
{
	void *slot;

	if (p->top + size > p->cap && stack_more(p) < 0)
		return NULL;
	if (p->top + size > p->arena->max - p->arena->used) {
		over_arena(p);
		return NULL;
	}
	slot = p->stack + p->top;
	p->top += size;
	return slot;
}

static inline void fill(struct parser *p, enum json_type type, const char *at, size_t count, const void *u)
{
	struct json *slot = (struct json *)(void *)(p->stack + p->top) - 1;

	*slot = (struct json){ .type = (uint8_t)type, .at = (uint32_t)(at - p->arena->text),
			       .count = (uint32_t)count, .u.text = u };
}

/* ---- tokens ---- */

static inline unsigned char skip_space(struct parser *p)
{
	char *s = p->p;
	uint64_t word;

	while (*s == ' ' || *s == '\n' || *s == '\r' || *s == '\t') {
		s++;
		/* indentation */
		while (memcpy(&word, s, sizeof word), word == 0x2020202020202020)
			s += sizeof word;
	}
	p->p = s;
	return (unsigned char)*s;
}

/* p->p stands on the opening quote. */
static inline int string(struct parser *p, const char **text, size_t *len)
{
	char *start = p->p + 1, *s = start + json_plain_run(start);
	struct json_fault fault;

	*text = start;
	if (__builtin_expect(*s == '"', 1)) {
		*s = '\0';
		*len = (size_t)(s - start);
		p->p = s + 1;
		return 0;
	}
	p->p = json_string_decode(start, s, p->end, len, &fault);
	if (!p->p)
		return broken(p, fault.at, ERR_FORMAT, "%s", fault.why);
	return 0;
}

static inline bool digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline int number(struct parser *p)
{
	char *start = p->p, *s = start;

	if (*s == '-')
		s++;
	if (*s == '0') {
		s++;
	} else {
		while (digit(*s))
			s++;
	}
	p->p = s;
	if (!digit(s[-1]))
		return expected(p, "a digit");
	if (digit(*s))
		return broken(p, start, ERR_FORMAT, "a number with a leading zero");
	if (*s == '.') {
		p->p = ++s;
		if (!digit(*s))
			return expected(p, "a digit after the decimal point");
		while (digit(*s))
			s++;
	}
	if (*s == 'e' || *s == 'E') {
		s++;
		if (*s == '+' || *s == '-')
			s++;
		p->p = s;
		if (!digit(*s))
			return expected(p, "a digit in the exponent");
		while (digit(*s))
			s++;
	}
	p->p = s;
	p->nul = s;
	fill(p, JSON_NUMBER, start, (size_t)(s - start), start);
	return DONE;
}

static int literal(struct parser *p, const char *word, enum json_type type)
{
	size_t len = strlen(word);

	if (strncmp(p->p, word, len) != 0)
		return expected(p, "a value");
	fill(p, type, p->p, 0, NULL);
	p->p += len;
	return DONE;
}

/* ---- duplicate keys ---- */

static inline bool same_key(const struct json_string *a, const struct json_string *b)
{
	return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

/* Two members of one name: refused, or the earlier one is struck out. */
static inline int duplicate(struct parser *p, struct json_member *earlier, const struct json_member *m)
{
	if (!p->last_wins)
		return broken(p, m->key.text - 1, ERR_FORMAT, "the key \"%.64s\" a second time in one object", m->key.text);
	earlier->key.text = NULL;
	p->struck = true;
	return 0;
}

static int many_keys_differ(struct parser *p, struct json_member *m, size_t count)
{
	size_t cap = 64;

	while (cap < 2 * count)
		cap *= 2;
	if (cap > p->table_cap) {
		free(p->table);
		p->table = malloc(cap * sizeof *p->table);
		p->table_cap = p->table ? cap : 0;
		if (!p->table)
			return err_memory(p->e);
	}
	memset(p->table, 0, cap * sizeof *p->table);
	for (size_t i = 0; i < count; i++) {
		size_t at = json_hash_text(m[i].key.text, m[i].key.len) & (cap - 1);

		for (; p->table[at]; at = (at + 1) & (cap - 1)) {
			struct json_member *earlier = &m[p->table[at] - 1];

			if (!same_key(&earlier->key, &m[i].key))
				continue;
			if (duplicate(p, earlier, &m[i]) < 0)
				return p->e->code;
			break;
		}
		p->table[at] = (uint32_t)i + 1;
	}
	return 0;
}

static inline int keys_differ(struct parser *p, struct json_member *m, size_t count)
{
	if (count > FEW_MEMBERS)
		return many_keys_differ(p, m, count);
	for (size_t i = 1; i < count; i++)
		for (size_t j = 0; j < i; j++)
			if (m[j].key.len == m[i].key.len && m[j].key.text &&
			    memcmp(m[j].key.text, m[i].key.text, m[i].key.len) == 0 && duplicate(p, &m[j], &m[i]) < 0)
				return p->e->code;
	return 0;
}

/* The members that were not struck out, closed up; their number. */
static size_t close_up(struct parser *p, struct json_member *m, size_t count)
{
	size_t to = 0;

	for (size_t i = 0; i < count; i++)
		if (m[i].key.text)
			m[to++] = m[i];
	p->struck = false;
	return to;
}

/* ---- structure ---- */

static int frames_more(struct parser *p)
{
	unsigned cap = 2 * p->frames_cap;
	struct frame *frames = realloc(p->frames == p->first_frames ? NULL : p->frames, cap * sizeof *frames);

	if (!frames)
		return err_memory(p->e);
	if (p->frames == p->first_frames)
		memcpy(frames, p->first_frames, p->depth * sizeof *frames);
	p->frames = frames;
	p->frames_cap = cap;
	return 0;
}

static inline int close_frame(struct parser *p)
{
	struct frame f = p->frames[--p->depth];
	size_t len = p->top - f.base, count = len / (f.object ? sizeof(struct json_member) : sizeof(struct json));
	void *children = p->stack + f.base;
	const char *at = p->arena->text + f.at;

	p->p++;
	if (f.object && keys_differ(p, children, count) < 0)
		return p->e->code;
	if (p->struck) {
		count = close_up(p, children, count);
		len = count * sizeof(struct json_member);
	}
	p->top = f.base;
	children = len ? arena_copy(p, children, len) : &p->arena->root;
	if (!children)
		return p->e->code;
	fill(p, f.object ? JSON_OBJECT : JSON_ARRAY, at, count, children);
	return DONE;
}

/* Pushes the slot of the next child; for a member, reads its key and colon first. */
static inline int next_child(struct parser *p, bool object)
{
	struct json_member *m;
	struct json_string key;

	if (!object)
		return push(p, sizeof(struct json)) ? MORE : p->e->code;
	if (skip_space(p) != '"')
		return expected(p, "a key in double quotes");
	if (string(p, &key.text, &key.len) < 0)
		return p->e->code;
	m = push(p, sizeof *m);
	if (!m)
		return p->e->code;
	m->key = key;
	if (skip_space(p) != ':')
		return expected(p, "':'");
	p->p++;
	return MORE;
}

static inline int open_frame(struct parser *p, bool object)
{
	if (p->depth == p->depth_max)
		return broken(p, p->p, ERR_LIMIT, "nested deeper than %u", p->depth_max);
	if (p->depth == p->frames_cap && frames_more(p) < 0)
		return p->e->code;
	p->frames[p->depth++] =
		(struct frame){ .base = p->top, .at = (uint32_t)(p->p - p->arena->text), .object = object };
	p->p++;
	if (skip_space(p) == (object ? '}' : ']'))
		return close_frame(p);
	return next_child(p, object);
}

/* Reads a value into the slot on top of the stack: DONE, or MORE when it opened something. */
static inline int value(struct parser *p)
{
	switch (skip_space(p)) {
	case '"': {
		const char *at = p->p, *text;
		size_t len;

		if (string(p, &text, &len) < 0)
			return p->e->code;
		fill(p, JSON_STRING, at, len, text);
		return DONE;
	}
	case '{':
		return open_frame(p, true);
	case '[':
		return open_frame(p, false);
	case '-': case '0': case '1': case '2': case '3': case '4':
	case '5': case '6': case '7': case '8': case '9':
		return number(p);
	case 't':
		return literal(p, "true", JSON_TRUE);
	case 'f':
		return literal(p, "false", JSON_FALSE);
	case 'n':
		return literal(p, "null", JSON_NULL);
	default:
		return expected(p, "a value");
	}
}

/* Behind a value inside an array or object: MORE when another follows, DONE when this closed it. */
static inline int after_value(struct parser *p)
{
	bool object = p->frames[p->depth - 1].object;
	unsigned char c = skip_space(p);

	*p->nul = '\0';
	if (c == ',') {
		p->p++;
		return next_child(p, object);
	}
	if (c == (object ? '}' : ']'))
		return close_frame(p);
	return expected(p, object ? "',' or '}'" : "',' or ']'");
}

static int document(struct parser *p)
{
	int rc;

	if (!push(p, sizeof(struct json)))
		return p->e->code;
	if ((unsigned char)*p->p == 0xef && p->p[1] == '\xbb' && p->p[2] == '\xbf')
		return broken(p, p->p, ERR_FORMAT, "a byte order mark, which JSON does not allow");
	for (;;) {
		rc = value(p);
		while (rc == DONE && p->depth)
			rc = after_value(p);
		if (rc != MORE)
			break;
	}
	if (rc < 0)
		return rc;
	skip_space(p);
	*p->nul = '\0';
	if (p->p != p->end)
		return expected(p, "the end of the text");
	memcpy(&p->arena->root, p->stack, sizeof p->arena->root);
	return 0;
}

static int check_limits(const struct json_limits *l, const char *name, unsigned line, size_t len, struct err *e)
{
	size_t bytes = l->bytes ? MIN(l->bytes, UINT32_MAX - JSON_PAD) : DEFAULT_BYTES;

	if (len > bytes)
		return err_set(e, ERR_LIMIT, "%s:%u:1: %zu bytes, more than the %zu allowed", name, line, len, bytes);
	return 0;
}

static size_t arena_max(const struct json_limits *l)
{
	size_t bytes = l->bytes ? MIN(l->bytes, UINT32_MAX - JSON_PAD) : DEFAULT_BYTES;

	return l->arena ? l->arena : 16 * bytes + 1024;
}

int json_parse_from(struct json_doc **out, const char *name, const char *text, size_t len,
		    const struct json_limits *limits, const struct json_origin *origin, struct err *e)
{
	static const struct json_limits defaults;
	const struct json_limits *l = limits ? limits : &defaults;
	struct json_arena *a;
	_Alignas(8) char stack[FIRST_STACK];
	struct frame frames[FIRST_FRAMES];
	struct parser p = { .e = e, .depth_max = l->depth ? MIN(l->depth, MOST_DEPTH) : DEFAULT_DEPTH,
			    .last_wins = l->last_wins, .stack = stack, .first_stack = stack, .cap = sizeof stack,
			    .frames = frames, .first_frames = frames, .frames_cap = FIRST_FRAMES };
	unsigned line = MAX(origin->line, 1u);
	int rc = check_limits(l, name, line, len, e);

	if (rc < 0)
		return rc;
	a = malloc(sizeof *a + len + JSON_PAD);
	if (!a)
		return err_memory(e);
	*a = (struct json_arena){ .doc = { .root = &a->root, .name = name, .source = text,
					   .source_len = len, .first_line = line, .arena = a },
				  .used = len + JSON_PAD, .max = arena_max(l),
				  .marks = origin->marks, .mark_count = origin->mark_count };
	if (len)
		memcpy(a->text, text, len);
	memset(a->text + len, 0, JSON_PAD);
	p.arena = a;
	p.p = a->text;
	p.end = p.nul = a->text + len;
	rc = a->used > a->max ? over_arena(&p) : document(&p);
	if (p.stack != stack)
		free(p.stack);
	if (p.frames != frames)
		free(p.frames);
	free(p.table);
	if (rc < 0) {
		a->marks = NULL;        /* still the caller's */
		json_free(&a->doc);
		return rc;
	}
	if (a->marks)
		a->doc.source = NULL;
	*out = &a->doc;
	return 0;
}

int json_parse(struct json_doc **out, const char *name, const char *text, size_t len,
	       const struct json_limits *limits, struct err *e)
{
	return json_parse_from(out, name, text, len, limits, &(struct json_origin){ .line = 1 }, e);
}

void json_free(struct json_doc *d)
{
	struct json_arena *a;

	if (!d)
		return;
	a = d->arena;
	while (a->chunks) {
		struct chunk *next = a->chunks->next;

		free(a->chunks);
		a->chunks = next;
	}
	free((void *)(uintptr_t)a->marks);
	free(a);
}

struct json json_key(const struct json_doc *d, const struct json_member *m)
{
	return (struct json){ .type = JSON_STRING, .at = (uint32_t)(m->key.text - d->arena->text) - 1,
			      .count = (uint32_t)m->key.len, .u.text = m->key.text };
}
