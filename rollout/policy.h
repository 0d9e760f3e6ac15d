/*
 * policy: the rings of a channel in order, and each ring's gate.
 *
 * Everything a gate needs is here and is pinned when a rollout starts. The
 * document is {"format":1,"channel":..,"checkin_s":300,"rings":[{..}]}; a
 * member left out of a ring takes the default of the ring's place (first,
 * second, later).
 */
#ifndef ROLLOUT_POLICY_H
#define ROLLOUT_POLICY_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/name.h"

#define POLICY_MAX (256 * 1024)         /* bytes of the document */
#define POLICY_RINGS_MAX 16

/* alpha is split between the tests of a ring: pooled E, E over the strata, silence. */
#define POLICY_SHARE_POOLED 0.4
#define POLICY_SHARE_STRATA 0.4
#define POLICY_SHARE_SILENCE 0.2

enum policy_coverage { COVERAGE_AUTO, COVERAGE_APPROVE };
enum policy_effects { EFFECTS_HOLD, EFFECTS_HALT };
enum policy_promote { PROMOTE_AUTO, PROMOTE_MANUAL };

struct policy_ring {
	char name[NAME_LEN_MAX + 1];
	double p0, p1;                  /* failure rates: acceptable, intolerable; 0 < p0 < p1 < 1 */
	double alpha, beta;             /* most probability of a false halt, of a false pass */
	int64_t m0, cap;                /* offers in flight: at first, at most */
	int64_t soak_s;                 /* from the pass bound to the pass */
	int64_t observe_s;              /* D: an offer that has not survived by then may be lost */
	int64_t deadline_s;             /* from the first offer to a verdict */
	int64_t boots;                  /* new boots an endpoint must see to survive */
	int64_t probation_s;            /* seconds the sensor must run the new digest */
	int64_t min_age_s;              /* what agents enforce from their first sight of a digest */
	enum policy_coverage coverage;  /* a coverage pass: by itself, or a person is asked */
	enum policy_promote promote;    /* into this ring: by itself, or a person is asked */
	bool permit_required;
	double effects_ratio;           /* how many times the others' figure stands out (rollout/effects_rail.h); 0: nothing does */
	int64_t effects_least;          /* counted verdicts before they can */
	enum policy_effects effects;    /* then the ring holds, or halts */
	bool audit_first;               /* during probation new destructive rules only observe */
};

struct policy {
	char channel[NAME_LEN_MAX + 1];
	int64_t checkin_s;              /* the expected interval between check-ins */
	struct policy_ring rings[POLICY_RINGS_MAX];
	size_t count;
};

int policy_parse(struct policy **out, const char *name, const char *text, size_t len, struct err *e) MUST_CHECK;
void policy_free(struct policy *p);
int policy_write(struct buf *out, const struct policy *p, struct err *e) MUST_CHECK;

/* The shipped gates for these rings: canary's numbers for the first, early's for the second, broad's for the rest. */
int policy_default(struct policy **out, const char *channel, const char *const *rings, size_t count, struct err *e) MUST_CHECK;

const struct policy_ring *policy_find(const struct policy *p, const char *ring);        /* NULL: none */
int policy_position(const struct policy *p, const char *ring);                          /* -1: none */

/* G: how long an endpoint may be unheard before it is silent: max(3 x check-in, 15 min). */
int64_t policy_silence_s(const struct policy *p);

/* Refuses what could never work, naming the ring and the number: ERR_REFUSED. policy_parse() has asked already. */
int policy_check(const struct policy *p, struct err *e) MUST_CHECK;

/* What a ring may cost and how long it takes; members 0: unknown, then no bound by size. */
struct policy_exposure {
	int64_t clean_to_pass;          /* survivors in a row that pass */
	int64_t failures_to_halt;       /* fresh failures in a row that halt */
	int64_t worst_exposed;          /* endpoints that can hold the bundle before anything can halt: min(m0, members) */
	int64_t best_s;                 /* least seconds from the first offer until the whole ring is covered; of required boots only their own time */
	bool by_coverage;               /* the ring is too small for the statistical pass */
};
void policy_exposure(struct policy_exposure *out, const struct policy *p, size_t ring, int64_t members);

/* Refuses a ring that cannot pass with so many members, or not before its deadline; 0: unknown, all is fine. */
int policy_check_size(const struct policy *p, size_t ring, int64_t members, struct err *e) MUST_CHECK;

AUTO_DEFINE(policy, struct policy *, policy_free);

#endif
