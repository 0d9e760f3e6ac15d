/*
 * sequence: the ordered offers of one (ring, digest) with their outcomes, kept
 * so that a ring of a million costs a few milliseconds to judge again.
 *
 * Offers are appended in order n = 1, 2, ...; outcomes may be set in any order
 * and set again. Counts are running sums; the tests are replayed only from the
 * block of the earliest offer that changed.
 */
#ifndef ROLLOUT_SEQUENCE_H
#define ROLLOUT_SEQUENCE_H

#include "base/err.h"
#include "rollout/gate.h"
#include "rollout/outcome.h"
#include "rollout/sequence_strata.h"

#define SEQUENCE_MAX UINT32_MAX         /* offers */
#define SEQUENCE_STRATA_MAX 65536

struct sequence;

int sequence_new(struct sequence **out, double p0, double p1, struct err *e) MUST_CHECK;
void sequence_free(struct sequence *q);

/*
 * From the first offer on, test each of the strata 0..strata-1 by itself too;
 * before any offer. Who is in none of them counts as in the last.
 */
int sequence_freeze(struct sequence *q, uint32_t strata, struct err *e) MUST_CHECK;

/* The next offer, pending; stratum is a small number the caller gives each stratum, frozen at the offer. Returns 0; sequence_count() is its n. */
int sequence_offer(struct sequence *q, uint32_t stratum, struct err *e) MUST_CHECK;
/* n counts from 1. `at` is when the outcome became known: the order of final outcomes in a stratum. */
void sequence_set(struct sequence *q, uint32_t n, enum outcome o, int64_t at);
uint32_t sequence_count(const struct sequence *q);
enum outcome sequence_get(const struct sequence *q, uint32_t n);
uint32_t sequence_stratum(const struct sequence *q, uint32_t n);

struct sequence_sums {
	uint32_t offers;
	uint32_t of[OUTCOME_COUNT];     /* by outcome */
	uint32_t open;                  /* without a final outcome: pending and away */
	double lambda;                  /* of the pass test */
	uint32_t prefix;                /* its resolved prefix */
	long double max_e;              /* halt test with the lost counted as 1 */
	uint32_t max_at;
	long double max_e_known;        /* the same with the lost filled in as 0 */
	uint32_t max_at_known;
	struct strata_mean strata, strata_known;        /* of the strata's own tests, likewise; max 0: none are frozen */
};
void sequence_sums(struct sequence *q, struct sequence_sums *out);

/* The same numbers from nothing but the outcomes in order: the slow, plain statement that tests and replays compare with. */
void sequence_sums_plain(struct sequence_sums *out, double p0, double p1, const enum outcome *outcomes, uint32_t count);
/* The same for the means over frozen strata, group[] by offer. */
int sequence_strata_plain(struct sequence_sums *out, double p0, double p1, const enum outcome *outcomes, const uint32_t *group, uint32_t count,
			  uint32_t strata, struct err *e) MUST_CHECK;

uint32_t sequence_stratum_bad(const struct sequence *q, uint32_t stratum);      /* failed or lost */
uint32_t sequence_stratum_survived(const struct sequence *q, uint32_t stratum);
/* A stratum whose first two final outcomes are both 1 gets no more permits. */
bool sequence_stratum_blocked(const struct sequence *q, uint32_t stratum);
uint32_t sequence_strata_blocked(const struct sequence *q);     /* how many */

AUTO_DEFINE(sequence, struct sequence *, sequence_free);

#endif
