/*
 * gate_background: how many endpoints fall silent although nobody offered them
 * anything.
 *
 * The rule for "lost" is applied all the time to random samples of endpoints
 * without an offer (placebo offers), per ring, over 28 days. A lost outcome
 * says something about content only while that rate is small beside p0.
 */
#ifndef ROLLOUT_GATE_BACKGROUND_H
#define ROLLOUT_GATE_BACKGROUND_H

#include <stdbool.h>
#include <stdint.h>

#define GATE_BACKGROUND_S (28 * 86400)  /* placebo offers older than that no longer count */

/* The 97.5 % upper bound of the rate (Clopper-Pearson); without placebos 1. lost <= placebos. */
double gate_background_upper(uint64_t placebos, uint64_t lost);
/* The bound is at most p0/2: lost outcomes may halt. */
bool gate_background_known(double p0, uint64_t placebos, uint64_t lost);
/* The least p0 for which this background would be known, rounded up to two digits. */
double gate_background_p0(uint64_t placebos, uint64_t lost);
/* Placebo offers, none of them lost, until the background can be known at p0. */
uint64_t gate_background_needed(double p0);

#endif
