/*
 * err: a code for programs, a sentence for people.
 *
 * Functions return zero (or a count) on success and a negative code on
 * failure. The err argument is never NULL and never allocated; each layer
 * adds one phrase with err_wrap(), so the sentence names the thing, the place
 * and the reason.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/defs.h"

/* name, value, words; the program's exit status is in err_exit_status() */
#define ERR_TABLE(X)                                                          \
	X(ERR_USAGE, -1, "wrong use")              /* arguments, configuration */ \
	X(ERR_IO, -2, "input or output failed")    /* the operating system said no */ \
	X(ERR_FORMAT, -3, "malformed")             /* bytes that are not what they should be */ \
	X(ERR_LIMIT, -4, "over a limit")           /* too large, too deep, too many */ \
	X(ERR_NOT_FOUND, -5, "not found")                                         \
	X(ERR_CONFLICT, -6, "conflict")            /* exists already, or changed meanwhile */ \
	X(ERR_AUTH, -7, "not authorised")          /* signature, token, role */   \
	X(ERR_EXPIRED, -8, "expired")                                             \
	X(ERR_ROLLBACK, -9, "older than what is known")                           \
	X(ERR_REFUSED, -10, "refused")             /* a rule or a contract says no */ \
	X(ERR_NET, -11, "network failed")                                         \
	X(ERR_TIMEOUT, -12, "timed out")                                          \
	X(ERR_SPACE, -13, "no space left")                                        \
	X(ERR_CRASH, -14, "a child process died")                                 \
	X(ERR_MEMORY, -15, "out of memory")                                       \
	X(ERR_UNSUPPORTED, -16, "not supported")                                  \
	X(ERR_INTERNAL, -17, "internal error")     /* a defect of ours */ \
	X(ERR_STORE, -18, "the store failed")      /* nothing of it is kept, and it may go well another time */

enum err_code {
	ERR_OK = 0,
#define X(name, value, words) name = value,
	ERR_TABLE(X)
#undef X
};

struct err {
	int code;       /* 0 or one of the above */
	char msg[512];  /* one sentence, no newline; cut at the end when longer */
};

/* Both return the code, so that a caller can write return err_set(...). */
int err_set(struct err *e, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);
int err_errno(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);   /* adds strerror(errno); ENOSPC/EDQUOT become ERR_SPACE, ENOMEM ERR_MEMORY, ENOENT ERR_NOT_FOUND */
int err_wrap(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);    /* "phrase: old sentence"; returns e->code */
int err_memory(struct err *e);

const char *err_words(int code);        /* "malformed"; never NULL */
int err_exit_status(int code);          /* 0 ok, 2 usage, 1 everything else */

#endif
