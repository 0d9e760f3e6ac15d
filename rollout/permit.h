/*
 * permit: may this endpoint load the bundle now? It can only delay, never allow
 * what the endpoint's own rules refuse.
 */
#ifndef ROLLOUT_PERMIT_H
#define ROLLOUT_PERMIT_H

#include "rollout/policy.h"
#include "rollout/state.h"

#define PERMIT_VALID_S 600

struct permit_facts {
	enum ring_state state;
	bool assigned;                  /* the digest and attempt are what the ring's assignment names */
	bool offered;                   /* the device has an offer of this (ring, digest) already */
	bool offer_open;                /* and it has no final outcome */
	bool flagged;                   /* revoked, or suspected to be a clone */
	bool stratum_blocked;
	bool stopped;                   /* the digest is stopped or recalled */
	bool window_closed;
	int64_t now, last_seen;         /* of the device before this check-in counts: pass now when it asks itself */
	int64_t checkin_s;              /* the expected interval */
	int64_t in_flight, in_flight_max;       /* open offers of the ring, M */
	int64_t order_ahead;            /* endpoints waiting that come before this one in the ring's order */
	int64_t places;                 /* offers that may be made now: in_flight_max - in_flight, less what the caller keeps back */
	bool retry;                     /* a finished offer of an earlier attempt: the sequence continues */
};

struct permit_answer {
	bool go;
	bool new_offer;                 /* record an offer, durably, before answering */
	const char *reason;             /* a word: "go", "not-offering", "in-flight", "order", ...; static */
	int64_t valid_s;
};

void permit_decide(struct permit_answer *out, const struct permit_facts *f);

/* The device's place in the fixed random order of its ring: lower comes first. HMAC-SHA-256(secret, device id), first 8 bytes big-endian. */
uint64_t permit_order(const void *secret, size_t secret_len, const char *device);

#endif
