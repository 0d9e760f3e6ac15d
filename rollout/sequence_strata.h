/*
 * sequence_strata: the halt test of every stratum by itself, as one number.
 *
 * Each stratum frozen at the first offer has its own test over its own offers;
 * the mean of them is again a test that errs no more often than alpha (a mean
 * of e-processes is one), whichever stratum is struck and however many there
 * are. rollout/sequence.c feeds every offer in order.
 */
#ifndef ROLLOUT_SEQUENCE_STRATA_H
#define ROLLOUT_SEQUENCE_STRATA_H

#include "base/err.h"
#include "rollout/gate.h"

struct sequence_strata;

struct strata_mean {
	long double max;        /* of the mean, over every prefix so far; at least the initial 1 */
	uint32_t at;            /* the offer that reached it; 0: never above 1 */
	uint32_t stratum;       /* that offer's */
};

int sequence_strata_new(struct sequence_strata **out, uint32_t strata, struct err *e) MUST_CHECK;
void sequence_strata_free(struct sequence_strata *t);

uint32_t sequence_strata_fed(const struct sequence_strata *t);  /* offers fed so far */
/* Offer n changed: those from n on, and a few before it, must be fed again. */
void sequence_strata_back(struct sequence_strata *t, uint32_t n);
/* Room for so many offers; feeding them cannot fail then. */
int sequence_strata_reserve(struct sequence_strata *t, uint32_t offers, struct err *e) MUST_CHECK;
/* The next offer, with the lost as 1 and as unknown. A stratum that is not frozen counts as the last. */
void sequence_strata_feed(struct sequence_strata *t, const struct gate_rates *r, uint32_t stratum, enum gate_sign all, enum gate_sign known);
void sequence_strata_means(const struct sequence_strata *t, struct strata_mean *all, struct strata_mean *known);

#endif
