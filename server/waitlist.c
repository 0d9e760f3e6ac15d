#include "server/waitlist.h"

#include <stdlib.h>

#include "server/fleet.h"

#define BITS_FIRST 6
#define PER_BUCKET 4

static size_t bucket_of(unsigned bits, uint64_t order)
{
	return (size_t)(order >> (64 - bits));
}

static size_t buckets(const struct waitlist *l)
{
	return l->buckets ? (size_t)1 << l->bits : 0;
}

void waitlist_release(struct waitlist *l)
{
	for (size_t i = 0; i < buckets(l); i++)
		while (l->buckets[i]) {
			struct waiting *next = l->buckets[i]->next;

			free(l->buckets[i]);
			l->buckets[i] = next;
		}
	free(l->buckets);
	*l = (struct waitlist){ NULL, 0, 0 };
}

/* Twice the buckets, when there is memory for them: with fewer it is only slower. */
static void grow(struct waitlist *l)
{
	unsigned bits = l->buckets ? l->bits + 1 : BITS_FIRST;
	struct waiting **fresh = calloc((size_t)1 << bits, sizeof(struct waiting *));

	if (!fresh)
		return;
	for (size_t i = 0; i < buckets(l); i++)
		while (l->buckets[i]) {
			struct waiting *w = l->buckets[i];
			size_t at = bucket_of(bits, w->order);

			l->buckets[i] = w->next;
			w->next = fresh[at];
			fresh[at] = w;
		}
	free(l->buckets);
	l->buckets = fresh;
	l->bits = bits;
}

struct waiting *waitlist_find(const struct waitlist *l, const struct device *d, uint64_t order)
{
	struct waiting *w = l->buckets ? l->buckets[bucket_of(l->bits, order)] : NULL;

	while (w && w->device != d)
		w = w->next;
	return w;
}

struct waiting *waitlist_put(struct waitlist *l, struct device *d, uint64_t order)
{
	struct waiting *w = waitlist_find(l, d, order);
	size_t at;

	if (w)
		return w;
	if (l->count >= PER_BUCKET * buckets(l))
		grow(l);
	w = l->buckets ? calloc(1, sizeof *w) : NULL;
	if (!w)
		return NULL;
	at = bucket_of(l->bits, order);
	*w = (struct waiting){ .device = d, .order = order, .next = l->buckets[at] };
	l->buckets[at] = w;
	l->count++;
	return w;
}

void waitlist_remove(struct waitlist *l, const struct device *d, uint64_t order)
{
	struct waiting **at = l->buckets ? &l->buckets[bucket_of(l->bits, order)] : NULL;

	while (at && *at && (*at)->device != d)
		at = &(*at)->next;
	if (at && *at) {
		struct waiting *gone = *at;

		*at = gone->next;
		free(gone);
		l->count--;
	}
}

struct waiting *waitlist_next(const struct waitlist *l, const struct waiting *w)
{
	size_t i = 0;

	if (w && w->next)
		return w->next;
	if (w)
		i = bucket_of(l->bits, w->order) + 1;
	while (i < buckets(l) && !l->buckets[i])
		i++;
	return i < buckets(l) ? l->buckets[i] : NULL;
}

void waitlist_moved(struct waitlist *l, int64_t by)
{
	for (size_t i = 0; i < buckets(l); i++)
		for (struct waiting *w = l->buckets[i]; w; w = w->next)
			w->asked += w->asked ? by : 0;
}

int64_t waitlist_ahead(const struct waitlist *l, const struct device *d, uint64_t order, int64_t since, int64_t enough)
{
	size_t last = l->buckets ? bucket_of(l->bits, order) : 0;
	int64_t ahead = 0;

	for (size_t i = 0; l->buckets && i <= last && ahead < enough; i++)
		for (const struct waiting *w = l->buckets[i]; w && ahead < enough; w = w->next)
			ahead += w->device != d && w->order < order && w->asked >= since && !w->device->revoked;
	return ahead;
}
