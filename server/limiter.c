/* limiter: token buckets by key. */
#include "server/limiter.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

#define PLACES 4096
#define WAYS 8          /* places that one key may take */

struct bucket {
	uint64_t key;           /* keyed hash, so that nobody can aim at another's place; 0: free */
	double level;
	int64_t at;             /* level was right then */
	int64_t shut;           /* until */
};

struct limiter {
	pthread_mutex_t lock;
	double per_ms, burst;
	size_t sets;
	struct bucket *buckets;
};

struct limiter *limiter_new(const struct limiter_settings *s)
{
	struct limiter *l = calloc(1, sizeof *l);
	size_t places = WAYS;

	if (!l)
		return NULL;
	while (places < (s->places ? s->places : PLACES))
		places *= 2;
	l->buckets = calloc(places, sizeof *l->buckets);
	if (!l->buckets) {
		free(l);
		return NULL;
	}
	l->sets = places / WAYS;
	l->per_ms = s->rate / 1000;
	l->burst = s->burst;
	pthread_mutex_init(&l->lock, NULL);
	return l;
}

void limiter_free(struct limiter *l)
{
	if (!l)
		return;
	pthread_mutex_destroy(&l->lock);
	free(l->buckets);
	free(l);
}

/* One that is shut out is forgotten last. */
static bool quieter(const struct bucket *a, const struct bucket *b, int64_t now)
{
	if ((a->shut > now) != (b->shut > now))
		return b->shut > now;
	return a->at < b->at;
}

/* The bucket of a key as it is now: its own, a free one, or that of who was quiet longest. With the lock. */
static struct bucket *bucket_of(struct limiter *l, const char *key, int64_t now)
{
	uint64_t hash = json_hash_text(key, strlen(key)) | 1;
	struct bucket *set = &l->buckets[(hash >> 1) % l->sets * WAYS], *at = set;

	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].key == hash) {
			at = &set[i];
			at->level = MIN(l->burst, at->level + (double)MAX(now - at->at, 0) * l->per_ms);
			at->at = MAX(now, at->at);
			return at;
		}
		if (at->key && (!set[i].key || quieter(&set[i], at, now)))
			at = &set[i];
	}
	*at = (struct bucket){ .key = hash, .level = l->burst, .at = now };
	return at;
}

int64_t limiter_take(struct limiter *l, const char *key, int64_t now_ms)
{
	int64_t wait = 0;
	struct bucket *b;

	pthread_mutex_lock(&l->lock);
	b = bucket_of(l, key, now_ms);
	if (b->level >= 1)
		b->level -= 1;
	else
		wait = (int64_t)((1 - b->level) / l->per_ms) + 1;
	pthread_mutex_unlock(&l->lock);
	return wait;
}

void limiter_shut(struct limiter *l, const char *key, int64_t now_ms, int64_t for_ms)
{
	struct bucket *b;

	pthread_mutex_lock(&l->lock);
	b = bucket_of(l, key, now_ms);
	b->shut = MAX(b->shut, now_ms + for_ms);
	pthread_mutex_unlock(&l->lock);
}

int64_t limiter_shut_for(struct limiter *l, const char *key, int64_t now_ms)
{
	int64_t left;

	pthread_mutex_lock(&l->lock);
	left = bucket_of(l, key, now_ms)->shut - now_ms;
	pthread_mutex_unlock(&l->lock);
	return MAX(left, 0);
}
