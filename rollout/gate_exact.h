/*
 * gate_exact: how often a gate errs, by dynamic programming instead of chance.
 *
 * For the pass test (n, failures) is the whole state, so its numbers are exact
 * but for what lies beyond the horizon, which Ville's inequality bounds. The
 * halt test also depends on where the failures stood. Its state is followed as
 * the excess over the path without a failure: on a clean offer that shrinks by
 * one constant factor, so on a logarithmic grid of that step nothing is
 * rounded; a failure moves it between two grid points, once to the upper and
 * once to the lower. The truth lies between.
 */
#ifndef ROLLOUT_GATE_EXACT_H
#define ROLLOUT_GATE_EXACT_H

#include <stdint.h>

#include "base/err.h"

struct gate_bracket {
	double low, high;
};

/*
 * The probability that content failing at `rate` ever passes, looked at after
 * each of the first `offers` (at most 1e6); high counts what could still pass later,
 * when rate is p1 or above, else it is 1 where paths remain.
 */
int gate_exact_pass(struct gate_bracket *out, double p0, double p1, double beta, double rate, uint32_t offers, struct err *e) MUST_CHECK;

/* The probability that content failing at `rate` halts within `offers` (at most 1e6); alpha is the share of this test. */
int gate_exact_halt(struct gate_bracket *out, double p0, double p1, double alpha, double rate, uint32_t offers, struct err *e) MUST_CHECK;

#endif
