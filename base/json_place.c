/* json_place: where a value stands in its file, for errors and for people. */
#include <stdio.h>
#include <string.h>

#include "base/json_parts.h"

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
		unsigned len = c < 0x80 ? 1 : json_utf8_len(s);

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

int json_error_at(const struct json_doc *d, size_t at, struct err *e, int code, const char *fmt, va_list ap)
{
	unsigned line, column;
	char what[sizeof e->msg];

	place(d, at, &line, &column);
	vsnprintf(what, sizeof what, fmt, ap);
	json_make_printable(what);
	return err_set(e, code, "%s:%u:%u: %s", d->name, line, column, what);
}

void json_place(const struct json_doc *d, const struct json *v, unsigned *line, unsigned *column)
{
	place(d, v->at, line, column);
}

int json_error(const struct json_doc *d, const struct json *v, struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	json_error_at(d, v->at, e, code, fmt, ap);
	va_end(ap);
	return code;
}
