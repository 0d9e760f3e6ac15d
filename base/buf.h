/*
 * buf: growable bytes with a hard limit.
 *
 * Appends never fail one by one: the first that does not fit, or finds no
 * memory, sets `failed` and later ones do nothing, so a writer checks once at
 * the end with buf_check(). The bytes are always followed by a NUL that does
 * not count, so text can be used as a C string.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>

#include "base/err.h"

struct buf {
	char *data;     /* owned; NULL or NUL-terminated */
	size_t len;     /* bytes, without the NUL */
	size_t cap;     /* bytes allocated */
	size_t max;     /* len never exceeds it; 0 means 1 GiB */
	bool failed;    /* something was not appended */
};

struct buf *buf_new(size_t max);        /* NULL when there is no memory */
void buf_free(struct buf *b);           /* NULL is fine */
void buf_clear(struct buf *b);          /* keeps the memory for reuse */
void buf_release(struct buf *b);        /* for a struct buf on the stack, set to {0} at first */

void buf_add(struct buf *b, const void *bytes, size_t len);
void buf_adds(struct buf *b, const char *text);
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void *buf_grow(struct buf *b, size_t more);     /* room for `more` bytes after len, or NULL; add to len yourself */
char *buf_take(struct buf *b);                  /* the caller frees; b is empty after; never NULL unless failed */
int buf_check(const struct buf *b, struct err *e) MUST_CHECK;

AUTO_DEFINE(buf, struct buf *, buf_free);

#endif
