/* buf: growable bytes with a hard limit. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_DEFAULT_MAX ((size_t)1 << 30)

struct buf *buf_new(size_t max)
{
	struct buf *b = calloc(1, sizeof *b);

	if (b)
		b->max = max;
	return b;
}

void buf_free(struct buf *b)
{
	if (!b)
		return;
	free(b->data);
	free(b);
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	b->failed = false;
	if (b->data)
		b->data[0] = '\0';
}

void buf_release(struct buf *b)
{
	free(b->data);
	*b = (struct buf){ .max = b->max };
}

void *buf_grow(struct buf *b, size_t more)
{
	size_t max = b->max ? b->max : BUF_DEFAULT_MAX;
	size_t need, cap;
	char *data;

	if (b->failed || more > max - b->len) {
		b->failed = true;
		return NULL;
	}
	need = b->len + more + 1;
	if (need <= b->cap)
		return b->data + b->len;
	cap = b->cap ? b->cap : 64;
	while (cap < need)
		cap *= 2;
	data = realloc(b->data, cap);
	if (!data) {
		b->failed = true;
		return NULL;
	}
	b->data = data;
	b->cap = cap;
	b->data[b->len] = '\0';
	return b->data + b->len;
}

void buf_add(struct buf *b, const void *bytes, size_t len)
{
	char *at = buf_grow(b, len);

	if (!at)
		return;
	if (len)
		memcpy(at, bytes, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void buf_adds(struct buf *b, const char *text)
{
	buf_add(b, text, strlen(text));
}

void buf_addc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	int len;
	char *at;

	va_start(ap, fmt);
	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, ap);
	at = len < 0 ? NULL : buf_grow(b, (size_t)len);
	if (at) {
		vsnprintf(at, (size_t)len + 1, fmt, again);
		b->len += (size_t)len;
	} else {
		b->failed = true;
	}
	va_end(again);
	va_end(ap);
}

char *buf_take(struct buf *b)
{
	char *data;

	if (b->failed || !buf_grow(b, 0))
		return NULL;
	data = TAKE(b->data);
	b->len = 0;
	b->cap = 0;
	return data;
}

int buf_check(const struct buf *b, struct err *e)
{
	if (!b->failed)
		return 0;
	return err_set(e, ERR_LIMIT, "more than %zu bytes, or no memory for them",
		       b->max ? b->max : BUF_DEFAULT_MAX);
}
