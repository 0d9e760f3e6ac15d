/*
 * limiter: token buckets by key, in a fixed amount of memory.
 *
 * Each key may do `burst` things at once and `rate` a second in the long run.
 * When there are more keys than places the one that was quiet longest is
 * forgotten, which gives it its full burst again. May be used by any thread;
 * time is given, in milliseconds of any clock that does not go back.
 */
#ifndef SERVER_LIMITER_H
#define SERVER_LIMITER_H

#include <stdbool.h>

#include "base/err.h"

struct limiter;

struct limiter_settings {
	double rate;            /* a second; above 0 */
	double burst;           /* at least 1 */
	size_t places;          /* rounded up to a power of two; 0: 4096 */
};

struct limiter *limiter_new(const struct limiter_settings *s);  /* NULL when there is no memory */
void limiter_free(struct limiter *l);   /* NULL is fine */

/* 0: go on. Else nothing was taken: the milliseconds until something may be. */
int64_t limiter_take(struct limiter *l, const char *key, int64_t now_ms);

/* Shut a key out for a while, and how many milliseconds of that are left. */
void limiter_shut(struct limiter *l, const char *key, int64_t now_ms, int64_t for_ms);
int64_t limiter_shut_for(struct limiter *l, const char *key, int64_t now_ms);

AUTO_DEFINE(limiter, struct limiter *, limiter_free);

#endif
