/*
 * json: the parser.
 *
 * One pass over a private copy of the text, in place: strings are decoded and
 * NUL-terminated where they stand, so no string is ever allocated. Values
 * under construction live on one scratch stack; when an array or an object
 * closes, its children move to the arena in one piece.
 */
#include "base/json.h"

#include <endian.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define DEFAULT_BYTES ((size_t)64 << 20)
#define DEFAULT_DEPTH 128
#define MOST_DEPTH 1024
#define PAD 16                  /* zero bytes behind the copy, so that a word or a vector may be read at any offset */
#define FIRST_STACK 4096
#define FIRST_FRAMES 16
#define FEW_MEMBERS 16          /* up to here every pair of keys is compared; beyond, they are hashed */

struct chunk {
	struct chunk *next;
	size_t used, size;
	_Alignas(8) char bytes[];
};

struct json_arena {
	struct json_doc doc;
	struct json root;
	struct chunk *chunks;
	size_t used, max;
	const struct json_mark *marks;  /* NULL: the text is its own source */
	size_t mark_count;
	char text[];            /* the copy: source_len bytes and PAD zeros */
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

/* ---- characters ---- */

/* Length of the well-formed UTF-8 character at s (Unicode table 3-7), 0 when there is none. */
static inline unsigned utf8_len(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	unsigned char low = 0x80, high = 0xbf;
	unsigned len;

	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	len = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (s[1] < low || s[1] > high)
		return 0;
	for (unsigned i = 2; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

/* ---- errors and places ---- */

/* The last mark that is not behind `at`; a text that was made has one for each value and key. */
static const struct json_mark *mark_of(const struct json_arena *a, size_t at)
{
	size_t low = 0, high = a->mark_count;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (a->marks[middle].at <= at)
			low = middle;
		else
			high = middle;
	}
	return &a->marks[low];
}

static void place(const struct json_doc *d, size_t at, unsigned *line, unsigned *column)
{
	const char *start = d->source, *stop, *nl;

	if (d->arena->marks) {
		*line = mark_of(d->arena, at)->line;
		*column = mark_of(d->arena, at)->column;
		return;
	}
	stop = start + at;
	*line = d->first_line;
	while ((nl = memchr(start, '\n', (size_t)(stop - start)))) {
		start = nl + 1;
		++*line;
	}
	*column = (unsigned)(stop - start) + 1;
}

void json_make_printable(char *s)
{
	while (*s) {
		unsigned char c = (unsigned char)*s;
		unsigned len = c < 0x80 ? 1 : utf8_len(s);

		if (len == 0 || c < 0x20 || c == 0x7f) {
			*s++ = '?';
		} else if (c == 0xc2 && (unsigned char)s[1] < 0xa0) {
			*s++ = '?';
			*s++ = '?';
		} else {
			s += len;
		}
	}
}

static int PRINTF_LIKE(5, 0) error_at(const struct json_doc *d, size_t at, struct err *e, int code, const char *fmt,
				   va_list ap)
{
	unsigned line, column;
	char what[sizeof e->msg];

	place(d, at, &line, &column);
	vsnprintf(what, sizeof what, fmt, ap);
	json_make_printable(what);
	return err_set(e, code, "%s:%u:%u: %s", d->name, line, column, what);
}

static int PRINTF_LIKE(4, 5) broken(struct parser *p, const char *at, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	error_at(&p->arena->doc, (size_t)(at - p->arena->text), p->e, code, fmt, ap);
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

void json_place(const struct json_doc *d, const struct json *v, unsigned *line, unsigned *column)
{
	place(d, v->at, line, column);
}

int json_error(const struct json_doc *d, const struct json *v, struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	error_at(d, v->at, e, code, fmt, ap);
	va_end(ap);
	return code;
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

/*
 * Bytes until one that needs a look: a quote, a backslash, a control character
 * or the start of a multi-byte character. The copy ends in zeros, so this ends.
 */
#ifdef __SSE2__
static inline size_t plain_run(const char *s)
{
	const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), space = _mm_set1_epi8(' ');

	for (const char *start = s;; s += sizeof quote) {
		__m128i x = _mm_loadu_si128((const __m128i *)(const void *)s);
		/* signed: what is not ASCII is below a space, too */
		__m128i hits = _mm_or_si128(_mm_cmplt_epi8(x, space),
					    _mm_or_si128(_mm_cmpeq_epi8(x, quote), _mm_cmpeq_epi8(x, backslash)));
		unsigned mask = (unsigned)_mm_movemask_epi8(hits);

		if (mask)
			return (size_t)(s - start) + (size_t)__builtin_ctz(mask);
	}
}
#else
#define EACH(byte) (0x0101010101010101 * (uint64_t)(byte))

/* A borrow only runs upwards from a byte that is itself a hit, so the lowest hit is exact. */
static inline size_t plain_run(const char *s)
{
	const char *start = s;
	uint64_t x, hits;

	for (;; s += sizeof x) {
		memcpy(&x, s, sizeof x);
		x = le64toh(x);
		hits = ((x - EACH(0x20)) | ((x ^ EACH('"')) - EACH(1)) | ((x ^ EACH('\\')) - EACH(1)) | x) & EACH(0x80);
		if (hits)
			return (size_t)(s - start) + (size_t)__builtin_ctzll(hits) / 8;
	}
}
#endif

static int hex4(const char *s)
{
	int v = 0;

	for (int i = 0; i < 4; i++) {
		unsigned char c = (unsigned char)s[i], low = c | 0x20;

		if (c >= '0' && c <= '9')
			v = v << 4 | (c - '0');
		else if (low >= 'a' && low <= 'f')
			v = v << 4 | (low - 'a' + 10);
		else
			return -1;
	}
	return v;
}

static char *utf8_put(char *to, unsigned c)
{
	if (c < 0x80) {
		*to++ = (char)c;
	} else if (c < 0x800) {
		*to++ = (char)(0xc0 | c >> 6);
		*to++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*to++ = (char)(0xe0 | c >> 12);
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	} else {
		*to++ = (char)(0xf0 | c >> 18);
		*to++ = (char)(0x80 | (c >> 12 & 0x3f));
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	}
	return to;
}

/* s stands behind "\u"; answers the byte behind the escape, or NULL. */
static char *unicode_escape(struct parser *p, char *s, char **to)
{
	int high = hex4(s), low;

	if (high < 0) {
		broken(p, s - 2, ERR_FORMAT, "expected four hexadecimal digits after \\u");
		return NULL;
	}
	if (high < 0xd800 || high > 0xdfff) {
		*to = utf8_put(*to, (unsigned)high);
		return s + 4;
	}
	low = high < 0xdc00 && s[4] == '\\' && s[5] == 'u' ? hex4(s + 6) : -1;
	if (low < 0xdc00 || low > 0xdfff) {
		broken(p, s - 2, ERR_FORMAT, "the escape \\u%.4s is half of a surrogate pair", s);
		return NULL;
	}
	*to = utf8_put(*to, 0x10000 + (((unsigned)high & 0x3ff) << 10 | ((unsigned)low & 0x3ff)));
	return s + 10;
}

/* s stands on a backslash; writes what it means at *to. Answers the byte behind the escape, or NULL. */
static char *escape(struct parser *p, char *s, char **to)
{
	static const char meaning[128] = {
		['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b',
		['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t',
	};
	unsigned char c = (unsigned char)s[1];

	if (c == 'u')
		return unicode_escape(p, s + 2, to);
	if (c >= sizeof meaning || !meaning[c]) {
		broken(p, s, ERR_FORMAT, "an escape that JSON does not know");
		return NULL;
	}
	*(*to)++ = meaning[c];
	return s + 2;
}

static int string_error(struct parser *p, const char *open, const char *s)
{
	unsigned char c = (unsigned char)*s;

	if (s >= p->end || *s == '\\')
		return broken(p, open, ERR_FORMAT, "the string that begins here does not end");
	if (c < 0x20)
		return broken(p, s, ERR_FORMAT, "control character 0x%02x in a string, to be written \\u%04x", c, c);
	return broken(p, s, ERR_FORMAT, "byte 0x%02x is no well-formed UTF-8", c);
}

/* p->p stands on the opening quote. Decodes in place, behind what is read. */
static inline int string(struct parser *p, const char **text, size_t *len)
{
	char *open = p->p, *s = open + 1, *to = s;

	for (;;) {
		size_t run = plain_run(s);
		unsigned wide;

		if (to != s)
			memmove(to, s, run);
		s += run;
		to += run;
		if (*s == '"')
			break;
		if (*s == '\\' && s + 1 < p->end) {
			s = escape(p, s, &to);
			if (!s)
				return ERR_FORMAT;
			continue;
		}
		wide = (unsigned char)*s >= 0x80 ? utf8_len(s) : 0;
		if (!wide)
			return string_error(p, open, s);
		if (to != s)
			memmove(to, s, wide);
		s += wide;
		to += wide;
	}
	*to = '\0';
	*text = open + 1;
	*len = (size_t)(to - open - 1);
	p->p = s + 1;
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
	size_t bytes = l->bytes ? MIN(l->bytes, UINT32_MAX - PAD) : DEFAULT_BYTES;

	if (len > bytes)
		return err_set(e, ERR_LIMIT, "%s:%u:1: %zu bytes, more than the %zu allowed", name, line, len, bytes);
	return 0;
}

static size_t arena_max(const struct json_limits *l)
{
	size_t bytes = l->bytes ? MIN(l->bytes, UINT32_MAX - PAD) : DEFAULT_BYTES;

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
	a = malloc(sizeof *a + len + PAD);
	if (!a)
		return err_memory(e);
	*a = (struct json_arena){ .doc = { .root = &a->root, .name = name, .source = text,
					   .source_len = len, .first_line = line, .arena = a },
				  .used = len + PAD, .max = arena_max(l),
				  .marks = origin->marks, .mark_count = origin->mark_count };
	if (len)
		memcpy(a->text, text, len);
	memset(a->text + len, 0, PAD);
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
