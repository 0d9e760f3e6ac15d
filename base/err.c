/* err: a code for programs, a sentence for people. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void memory_freep(void *slot)
{
	free(*(void **)slot);
}

void fd_freep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	e->code = code;
	va_start(ap, fmt);
	vsnprintf(e->msg, sizeof e->msg, fmt, ap);
	va_end(ap);
	return code;
}

static int code_of_errno(int saved)
{
	switch (saved) {
	case ENOSPC:
	case EDQUOT:
		return ERR_SPACE;
	case ENOMEM:
		return ERR_MEMORY;
	case ENOENT:
		return ERR_NOT_FOUND;
	default:
		return ERR_IO;
	}
}

int err_errno(struct err *e, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;
	size_t len;

	e->code = code_of_errno(saved);
	va_start(ap, fmt);
	vsnprintf(e->msg, sizeof e->msg, fmt, ap);
	va_end(ap);
	len = strlen(e->msg);
	snprintf(e->msg + len, sizeof e->msg - len, ": %s", strerror(saved));
	return e->code;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
	char old[sizeof e->msg];
	va_list ap;
	size_t len;

	memcpy(old, e->msg, sizeof old);
	va_start(ap, fmt);
	vsnprintf(e->msg, sizeof e->msg, fmt, ap);
	va_end(ap);
	len = strlen(e->msg);
	snprintf(e->msg + len, sizeof e->msg - len, ": %s", old);
	return e->code;
}

int err_memory(struct err *e)
{
	return err_set(e, ERR_MEMORY, "out of memory");
}

const char *err_words(int code)
{
	switch (code) {
#define X(name, value, words) \
	case name:            \
		return words;
		ERR_TABLE(X)
#undef X
	default:
		return "unknown error";
	}
}

int err_exit_status(int code)
{
	if (code == ERR_OK)
		return 0;
	return code == ERR_USAGE ? 2 : 1;
}
