/* device_visit: one check-in being worked out; for server/device_*.c only. */
#ifndef SERVER_DEVICE_VISIT_H
#define SERVER_DEVICE_VISIT_H

#include "server/server.h"

/* Offers of one check-in: those asked for, and of each channel one that was taken unasked. */
#define VISIT_OFFERS_MAX (CHECKIN_WANTS_MAX + CHECKIN_CHANNELS_MAX)

/* What a message changes about one offer. */
struct change {
	struct stage *stage;
	uint32_t n;                     /* 0: the offer is made with it */
	struct outcome_facts facts;
	char reason[CHECKIN_REASON_MAX + 1];
};

/* What a device saw of a bundle: `declined` whether it was offered it or not, `content_crash` only if it was. */
struct flag {
	struct stage *stage;
	bool content_crash, declined;
};

struct visit {
	struct server *s;
	struct device *d;
	struct checkin *c;              /* owned until memory takes it */
	int64_t now;
	uint64_t generation;            /* of the token it came with */
	bool new_epoch, first, new_token;
	char *old_epochs;               /* owned; afterwards, with new_epoch */
	uint64_t event_n;               /* afterwards */
	int64_t goodbye;                /* afterwards */
	struct change *changes;
	size_t change_count, change_cap;
	struct flag flags[CHECKIN_CHANNELS_MAX];
	size_t flag_count;
	struct store_offer offers[VISIT_OFFERS_MAX];
	struct stage *offer_stages[VISIT_OFFERS_MAX];
	bool offer_plans[VISIT_OFFERS_MAX];             /* its stage's strata are not in the store yet */
	size_t offer_permits[VISIT_OFFERS_MAX];        /* index of the permit that rests on the offer; SIZE_MAX: none does */
	char offer_strata[VISIT_OFFERS_MAX][CHECKIN_STRATUM_MAX + 1];
	size_t offer_count;
	struct checkin_answer answer;
};

/*
 * What the message's events change: v->changes, v->flags, v->event_n,
 * v->goodbye. Events that are known already change nothing. With `lock`.
 */
int visit_take_events(struct visit *v, struct err *e) MUST_CHECK;

/*
 * device_offer.c: offers of this check-in; with `lock`. A wish is answered, and
 * maybe with an offer. In a ring that asks for no permits the first event of a
 * trial makes the offer, whatever is in flight: nothing else was ever heard of
 * it. Until they are in the store they are only reserved.
 */
int visit_take_want(struct visit *v, const struct checkin_want *want, struct err *e) MUST_CHECK;
int visit_offer_unasked(struct visit *v, struct stage *g, const struct checkin_event *ev, struct err *e) MUST_CHECK;
struct store_offer *visit_offer(struct visit *v, const struct stage *g);        /* the one that this check-in makes there; NULL: none */
void visit_apply_offers(struct visit *v);       /* after the commit */
void visit_unreserve(struct visit *v);          /* nothing was committed */

/*
 * Two machines use one identity: flags the device, keeps that with an audit
 * row, and lets its survivals count no more. With `lock`, which is let go
 * meanwhile, and the device busy.
 */
void device_flag(struct server *s, struct device *d, int64_t now, const char *why);

#endif
