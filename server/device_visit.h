/* device_visit: one check-in being worked out; for server/device_*.c only. */
#ifndef SERVER_DEVICE_VISIT_H
#define SERVER_DEVICE_VISIT_H

#include "server/server.h"

/* What a message changes about one offer. */
struct change {
	struct stage *stage;
	uint32_t n;
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
	struct store_offer offers[CHECKIN_WANTS_MAX];
	struct stage *offer_stages[CHECKIN_WANTS_MAX];
	bool offer_plans[CHECKIN_WANTS_MAX];            /* its stage's strata are not in the store yet */
	size_t offer_permits[CHECKIN_WANTS_MAX];        /* index of the permit that rests on the offer */
	char offer_strata[CHECKIN_WANTS_MAX][CHECKIN_STRATUM_MAX + 1];
	size_t offer_count;
	struct checkin_answer answer;
};

/*
 * What the message's events change: v->changes, v->flags, v->event_n,
 * v->goodbye. Events that are known already change nothing. With `lock`.
 */
int visit_take_events(struct visit *v, struct err *e) MUST_CHECK;

/*
 * Two machines use one identity: flags the device, keeps that with an audit
 * row, and lets its survivals count no more. With `lock`, which is let go
 * meanwhile, and the device busy.
 */
void device_flag(struct server *s, struct device *d, int64_t now, const char *why);

#endif
