/* json_parts: what json.c, json_string.c and json_place.c share; private to them. */
#ifndef BASE_JSON_PARTS_H
#define BASE_JSON_PARTS_H

#include <endian.h>
#include <stdarg.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/json.h"

#define JSON_PAD 16             /* zero bytes behind the copy, so that a word or a vector may be read at any offset */

struct json_arena {
	struct json_doc doc;
	struct json root;
	struct chunk *chunks;   /* json.c */
	size_t used, max;
	const struct json_mark *marks;  /* NULL: the text is its own source */
	size_t mark_count;
	char text[];            /* the copy: source_len bytes and JSON_PAD zeros */
};

/* ---- json_string.c ---- */

struct json_fault {
	const char *at;
	char why[80];
};

/*
 * start stands behind an opening quote in a text that ends at `end`, with
 * JSON_PAD zeros behind it; the plain run from there ends at s. Decodes in
 * place, behind what is read, and ends with a NUL; *len is without it.
 * Answers the byte behind the closing quote; NULL: the string is malformed,
 * and fault says where and how.
 */
char *json_string_decode(char *start, char *s, const char *end, size_t *len, struct json_fault *fault);

/* ---- json_place.c ---- */

/* Sets "name:line:column: sentence" for an offset in the text; returns code. */
int json_error_at(const struct json_doc *d, size_t at, struct err *e, int code, const char *fmt, va_list ap)
	PRINTF_LIKE(5, 0);

/* ---- characters ---- */

/* Length of the well-formed UTF-8 character at s (Unicode table 3-7), 0 when there is none. */
static inline unsigned json_utf8_len(const char *text)
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

/*
 * Bytes until one that needs a look: a quote, a backslash, a control character
 * or the start of a multi-byte character. The copy ends in zeros, so this ends.
 */
#ifdef __SSE2__
static inline size_t json_plain_run(const char *s)
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
static inline size_t json_plain_run(const char *s)
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

#endif
