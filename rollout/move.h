/*
 * move: what moves a ring: verdicts, the ring before it, people.
 *
 * The table in rollout/state.h says which moves there are; this says which one
 * is due. The same code for the server that moves and for the simulation that
 * says how it would. Pure.
 */
#ifndef ROLLOUT_MOVE_H
#define ROLLOUT_MOVE_H

#include "rollout/state.h"
#include "rollout/verdict.h"

#define MOVE_ARMED_S (7 * 86400)        /* seconds the halt test stays armed after the pass */

/* Why a ring is held, and what people said to it. */
struct move_held {
	int cause;                      /* enum verdict_cause; -1: no verdict's */
	bool operator_hold, coverage_approved, continue_anyway;
};

/* The enum ring_event that this verdict means in this state; -1: none. held: what a ring that is held waits for. */
int move_by_verdict(enum ring_state at, const struct verdict_result *r, const struct move_held *held);

/*
 * A ring may stay behind the one before it, which this bundle passed at
 * passed_at, and so many newer ones since.
 */
bool move_lags(const struct policy_ring *ring, int64_t passed_at, int64_t newer_passed, int64_t now);

#endif
