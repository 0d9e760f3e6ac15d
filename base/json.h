/*
 * json: one strict parser (RFC 8259), its values, and a canonical writer.
 *
 * UTF-8 only, no byte order mark, no duplicate keys, one value per text,
 * bounded depth and size. Numbers keep their lexeme; every value knows its
 * place in the source. A document owns one arena; values live as long as it.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>

#include "base/buf.h"

enum json_type { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json_string {
	const char *text;       /* UTF-8, followed by a NUL; may hold NULs itself (from \u0000) */
	size_t len;
};

struct json {
	uint8_t type;           /* enum json_type */
	uint32_t at;            /* offset of its first byte in the source */
	uint32_t count;         /* elements of an array, members of an object, bytes of a string or lexeme */
	union {
		const char *text;               /* STRING: decoded, NUL-terminated; NUMBER: the lexeme, NUL-terminated */
		const struct json *items;       /* ARRAY */
		const struct json_member *members;      /* OBJECT, in source order */
	} u;
};

struct json_member {
	struct json_string key;
	struct json value;
};

struct json_doc {
	const struct json *root;
	const char *name;       /* borrowed from json_parse(); what errors call this document */
	const char *source;     /* borrowed: the text must outlive the document; NULL when it was made from another notation */
	size_t source_len;
	unsigned first_line;    /* of its file, where the text begins: 1, or a later one for a line of NDJSON */
	struct json_arena *arena;
};

struct json_limits {
	size_t bytes;           /* of the text; 0: 64 MiB; never above 4 GiB - 1 */
	unsigned depth;         /* nested arrays and objects; 0: 128; never above 1024, so recursion over a document is safe */
	size_t arena;           /* bytes of the arena; 0: 16 x bytes */
	bool last_wins;         /* a key a second time replaces the first, for documents that are none of ours; else it is an error */
};

/*
 * Parse. name and text are borrowed and must outlive the document.
 * Errors: ERR_FORMAT or ERR_LIMIT with "name:line:column: what was found".
 */
int json_parse(struct json_doc **out, const char *name, const char *text, size_t len,
	       const struct json_limits *limits /* NULL: the defaults */, struct err *e) MUST_CHECK;
void json_free(struct json_doc *d);

/* Where a text comes from that is not a file of its own. */
struct json_mark {
	uint32_t at;            /* offset of a value or key in the text */
	unsigned line, column;  /* where it stands in the file, 1-based */
};

struct json_origin {
	unsigned line;          /* of the file, where the text begins: for a line of NDJSON; 0: 1 */
	struct json_mark *marks;        /* NULL, or malloc'ed: the text was made from another notation (yaml.h); ascending */
	size_t mark_count;      /* at least one when there are marks */
};

/*
 * As json_parse(); places and errors count in the file the text comes from.
 * With marks the text may go when this returns, and on success the document
 * owns the marks.
 */
int json_parse_from(struct json_doc **out, const char *name, const char *text, size_t len, const struct json_limits *limits,
		    const struct json_origin *origin, struct err *e) MUST_CHECK;

/* 1-based; the column counts bytes (characters in a text made from YAML). */
void json_place(const struct json_doc *d, const struct json *v, unsigned *line, unsigned *column);

/* Sets "name:line:column: sentence" for a value; returns code. Control characters in the sentence become '?'. */
int json_error(const struct json_doc *d, const struct json *v, struct err *e, int code,
	       const char *fmt, ...) PRINTF_LIKE(5, 6);

/* Sentences quote what documents say: control characters and what is no UTF-8 (a quote may be cut) become '?', in place. */
void json_make_printable(char *text);

const char *json_type_name(enum json_type type);        /* "an object", "a string", ... */
const struct json *json_get(const struct json *object, const char *key);       /* NULL: absent, or no object */
bool json_is(const struct json *v, const char *text);   /* a string equal to text */
struct json json_key(const struct json_doc *d, const struct json_member *m);    /* a member's key as a string value with its own place */
bool json_equal(const struct json *a, const struct json *b);   /* as JSON Schema defines it: 1.0 equals 1, order of members is nothing */
int json_compare(const struct json *a, const struct json *b);  /* two numbers, exactly: below, equal to or above zero */
uint64_t json_hash(const struct json *v);               /* equal values, equal hashes; keyed per process, so nobody can */
uint64_t json_hash_text(const char *text, size_t len);  /* prepare collisions, and nobody may store it */
int json_divides(const struct json *divisor, const struct json *v);    /* two numbers: is v a whole multiple, exactly? 1, 0; -1: a divisor of more than 18 digits. Nothing is one of 0 or less */
bool json_is_integer(const struct json *v);             /* mathematically: 1.0 and 1e2 are */
bool json_to_int(const struct json *v, int64_t *out);   /* an integer lexeme in range; "1.0" and "1e2" are not */
bool json_to_double(const struct json *v, double *out); /* the nearest; false when it is no number or too large */

/*
 * Typed members of an object, for the readers of our documents. Each stores
 * into out and returns 0, or sets an error that names file, line, column and
 * member. `want` forms require the member; `may` forms leave *out as it is
 * when the member is absent or null, and return 0 (1 when it was there).
 */
int json_want_object(const struct json_doc *d, const struct json *o, const char *key, const struct json **out, struct err *e) MUST_CHECK;
int json_want_array(const struct json_doc *d, const struct json *o, const char *key, size_t max, const struct json **out, struct err *e) MUST_CHECK;
int json_want_text(const struct json_doc *d, const struct json *o, const char *key, size_t max, const char **out, struct err *e) MUST_CHECK;    /* no NUL inside; borrowed from the document */
int json_want_int(const struct json_doc *d, const struct json *o, const char *key, int64_t min, int64_t max, int64_t *out, struct err *e) MUST_CHECK;
int json_want_bool(const struct json_doc *d, const struct json *o, const char *key, bool *out, struct err *e) MUST_CHECK;
int json_want_double(const struct json_doc *d, const struct json *o, const char *key, double min, double max, double *out, struct err *e) MUST_CHECK;
int json_want_time(const struct json_doc *d, const struct json *o, const char *key, int64_t *out, struct err *e) MUST_CHECK;     /* RFC 3339 UTC */
int json_may_object(const struct json_doc *d, const struct json *o, const char *key, const struct json **out, struct err *e) MUST_CHECK;
int json_may_array(const struct json_doc *d, const struct json *o, const char *key, size_t max, const struct json **out, struct err *e) MUST_CHECK;
int json_may_text(const struct json_doc *d, const struct json *o, const char *key, size_t max, const char **out, struct err *e) MUST_CHECK;
int json_may_int(const struct json_doc *d, const struct json *o, const char *key, int64_t min, int64_t max, int64_t *out, struct err *e) MUST_CHECK;
int json_may_bool(const struct json_doc *d, const struct json *o, const char *key, bool *out, struct err *e) MUST_CHECK;
int json_may_double(const struct json_doc *d, const struct json *o, const char *key, double min, double max, double *out, struct err *e) MUST_CHECK;
int json_may_time(const struct json_doc *d, const struct json *o, const char *key, int64_t *out, struct err *e) MUST_CHECK;

/*
 * The head every document of ours carries: "format" must be the integer given;
 * an unknown name in "needs" is refused (features: NULL-terminated, may be NULL).
 */
int json_want_format(const struct json_doc *d, int64_t format, const char *const *features, struct err *e) MUST_CHECK;

/* Authoring is strict: the first member whose key is not in the NULL-terminated list is an error. */
int json_only(const struct json_doc *d, const struct json *o, const char *const *keys, struct err *e) MUST_CHECK;

/* ---- writing ---- */

/*
 * A writer appends JSON to a buf; commas and (with indent) line breaks come by
 * themselves. Keys are NULL inside arrays. Misuse trips an assert.
 */
struct json_writer {
	struct buf *out;
	bool indent;            /* two spaces a level, for people; else no white space at all */
	bool comma;             /* private */
	unsigned depth;         /* private */
};

void json_open_object(struct json_writer *w, const char *key);
void json_open_array(struct json_writer *w, const char *key);
void json_close_object(struct json_writer *w);
void json_close_array(struct json_writer *w);
void json_put_text(struct json_writer *w, const char *key, const char *text);   /* text NULL writes null */
void json_put_textn(struct json_writer *w, const char *key, const char *text, size_t len);
void json_put_int(struct json_writer *w, const char *key, int64_t v);
void json_put_double(struct json_writer *w, const char *key, double v);         /* shortest that reads back; must be finite */
void json_put_bool(struct json_writer *w, const char *key, bool v);
void json_put_null(struct json_writer *w, const char *key);
void json_put_time(struct json_writer *w, const char *key, int64_t seconds);    /* RFC 3339 UTC */
void json_put_value(struct json_writer *w, const char *key, const struct json *v);      /* copies a parsed value */

/*
 * Canonical JSON (OLPC), what TUF signs: keys sorted by code point, no white
 * space, strings raw UTF-8 with only \ and " escaped, integers as they stand.
 * A float is ERR_FORMAT.
 */
int json_canonical(struct buf *out, const struct json *v, struct err *e) MUST_CHECK;

AUTO_DEFINE(json, struct json_doc *, json_free);

/* Bytes of the well-formed UTF-8 character at text; 0: none, and a document shows U+FFFD for that byte. len > 0. */
size_t json_character(const char *text, size_t len);

#endif
