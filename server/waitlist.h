/*
 * waitlist: who asked for a bundle in a ring and was told to wait, by the
 * ring's order.
 *
 * A million of them ask again every interval: finding one and counting those
 * before it must not look at all. Orders are spread evenly (an HMAC), so the
 * first bits of an order tell the bucket. Nothing here locks.
 */
#ifndef SERVER_WAITLIST_H
#define SERVER_WAITLIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct device;

struct waiting {
	struct device *device;
	uint64_t order;                 /* its place in the ring */
	int64_t asked;                  /* last; 0: it never did */
	uint32_t group;                 /* its stratum in the ring's plan */
	bool turn;                      /* was told to wait for its turn: compared with those that were offered */
	bool silenced;                  /* fell silent once: is compared no more */
	struct waiting *next;           /* private */
};

struct waitlist {
	struct waiting **buckets;       /* private: by the first `bits` bits of the order */
	unsigned bits;
	size_t count;
};

void waitlist_release(struct waitlist *l);
struct waiting *waitlist_find(const struct waitlist *l, const struct device *d, uint64_t order);
/* The one that is there, or a new one with nothing but device and order. NULL: no memory. */
struct waiting *waitlist_put(struct waitlist *l, struct device *d, uint64_t order);
void waitlist_remove(struct waitlist *l, const struct device *d, uint64_t order);
/* The first (after NULL) or the next one, in no particular order. */
struct waiting *waitlist_next(const struct waitlist *l, const struct waiting *w);

/* The clock jumped by so much, and when they asked with it. */
void waitlist_moved(struct waitlist *l, int64_t by);

/* How many others of a smaller order asked at `since` or later and may be offered something; stops counting at `enough`. */
int64_t waitlist_ahead(const struct waitlist *l, const struct device *d, uint64_t order, int64_t since, int64_t enough);

#endif
