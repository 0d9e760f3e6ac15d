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
	enum ring_state state;          /* of the digest's rollout in the device's ring */
	bool awaits_offered;            /* held because too many offers are left out: only those can end it */
	bool assigned;                  /* digest and attempt are what the ring's assignment names */
	bool stopped;                   /* the digest is stopped or recalled */
	bool flagged;                   /* the device is revoked, or suspected to be a clone */
	bool offered;                   /* it has an offer of this (ring, digest): there is never a second */
	bool offer_bad;                 /* which ended failed or lost, in this attempt */
	bool stratum_blocked;
	bool window_closed;
	bool kept_for_last;             /* one of the last of the order, which are offered only after the pass */
	int64_t in_flight;              /* open offers of the ring */
	int64_t in_flight_max;          /* M */
	int64_t order_ahead;            /* endpoints told to wait that come before this one in the ring's order */
};

struct permit_answer {
	bool go;
	bool turn;                      /* it waits for nothing but its turn: by order, or for a place */
	bool new_offer;                 /* record an offer, durably, before answering */
	const char *reason;             /* a word: "go", "again", "not-offering", "in-flight", "order", ...; static */
	int64_t valid_s;
};

void permit_decide(struct permit_answer *out, const struct permit_facts *f);

/* Those of the last `share` of the order are offered only after the pass: until then others are compared with them. */
bool permit_is_last(uint64_t order, double share);

/* The device's place in the fixed random order of its ring: lower comes first. HMAC-SHA-256(secret, device id), first 8 bytes big-endian. */
uint64_t permit_order(const void *secret, size_t secret_len, const char *device);

#endif
