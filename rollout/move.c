#include "rollout/move.h"

/* A hold ends by itself only when its cause does; people end the others. */
static bool resumes(const struct move_held *held)
{
	if (held->cause == CAUSE_OPERATOR)
		return !held->operator_hold;
	if (held->cause == CAUSE_COVERAGE_APPROVE)
		return held->coverage_approved;
	return held->continue_anyway || held->cause < 0 || verdict_cause_ends_itself((enum verdict_cause)held->cause);
}

int move_by_verdict(enum ring_state at, const struct verdict_result *r, const struct move_held *held)
{
	switch (r->verdict) {
	case VERDICT_HALT:
		return RING_HALT;
	case VERDICT_HOLD:
		return at == RING_OFFERING || at == RING_BAKING ? (int)RING_HOLD : -1;
	case VERDICT_CONTINUE:
	case VERDICT_PASS:
		if (state_held(at))
			return resumes(held) ? (int)RING_RESUME : -1;
		if (at == RING_OFFERING && r->bound_reached)
			return RING_BOUND;
		if (at == RING_BAKING && !r->bound_reached)
			return RING_REOPEN;
		return at == RING_BAKING && r->verdict == VERDICT_PASS ? (int)RING_PASS : -1;
	}
	return -1;
}

bool move_lags(const struct policy_ring *ring, int64_t passed_at, int64_t newer_passed, int64_t now)
{
	return now < passed_at + ring->lag_hours * 3600 || (ring->lag_bundles > 0 && newer_passed < ring->lag_bundles);
}
