/* json_string: strings, from their notation to what they mean, in place. */
#include <stdio.h>
#include <string.h>

#include "base/json_parts.h"

#define COLD __attribute__((cold, noinline))

static COLD void PRINTF_LIKE(3, 4) fault(struct json_fault *f, const char *at, const char *fmt, ...)
{
	va_list ap;

	f->at = at;
	va_start(ap, fmt);
	vsnprintf(f->why, sizeof f->why, fmt, ap);
	va_end(ap);
}

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
static char *unicode_escape(struct json_fault *f, char *s, char **to)
{
	int high = hex4(s), low;

	if (high < 0) {
		fault(f, s - 2, "expected four hexadecimal digits after \\u");
		return NULL;
	}
	if (high < 0xd800 || high > 0xdfff) {
		*to = utf8_put(*to, (unsigned)high);
		return s + 4;
	}
	low = high < 0xdc00 && s[4] == '\\' && s[5] == 'u' ? hex4(s + 6) : -1;
	if (low < 0xdc00 || low > 0xdfff) {
		fault(f, s - 2, "the escape \\u%.4s is half of a surrogate pair", s);
		return NULL;
	}
	*to = utf8_put(*to, 0x10000 + (((unsigned)high & 0x3ff) << 10 | ((unsigned)low & 0x3ff)));
	return s + 10;
}

/* s stands on a backslash; writes what it means at *to. Answers the byte behind the escape, or NULL. */
static char *escape(struct json_fault *f, char *s, char **to)
{
	static const char meaning[128] = {
		['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b',
		['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t',
	};
	unsigned char c = (unsigned char)s[1];

	if (c == 'u')
		return unicode_escape(f, s + 2, to);
	if (c >= sizeof meaning || !meaning[c]) {
		fault(f, s, "an escape that JSON does not know");
		return NULL;
	}
	*(*to)++ = meaning[c];
	return s + 2;
}

static COLD void bad_string(struct json_fault *f, const char *open, const char *s, const char *end)
{
	unsigned char c = (unsigned char)*s;

	if (s >= end || *s == '\\')
		fault(f, open, "the string that begins here does not end");
	else if (c < 0x20)
		fault(f, s, "control character 0x%02x in a string, to be written \\u%04x", c, c);
	else
		fault(f, s, "byte 0x%02x is no well-formed UTF-8", c);
}

char *json_string_decode(char *start, char *s, const char *end, size_t *len, struct json_fault *f)
{
	char *to = s;

	for (;;) {
		size_t run = json_plain_run(s);
		unsigned wide;

		if (to != s)
			memmove(to, s, run);
		s += run;
		to += run;
		if (*s == '"')
			break;
		if (*s == '\\' && s + 1 < end) {
			s = escape(f, s, &to);
			if (!s)
				return NULL;
			continue;
		}
		wide = (unsigned char)*s >= 0x80 ? json_utf8_len(s) : 0;
		if (!wide) {
			bad_string(f, start - 1, s, end);
			return NULL;
		}
		if (to != s)
			memmove(to, s, wide);
		s += wide;
		to += wide;
	}
	*to = '\0';
	*len = (size_t)(to - start);
	return s + 1;
}
