/* policy_exposure: what a ring may cost, and how long it takes at best. */
#include "rollout/gate.h"
#include "rollout/policy.h"

#define BOOT_S 120              /* a boot takes that at least: the sensor must be up so long before it counts */
#define COVERAGE_LEAST 3        /* survivors of a coverage pass, as rollout/verdict asks */

/* Waves of offers until every member has survived: each wave at most doubles what is in flight. */
static int64_t waves(const struct policy_ring *r, int64_t members)
{
	int64_t covered = 0, n = 0;

	if (!r->permit_required)
		return 1;       /* nobody waits for anybody */
	while (covered < members) {
		int64_t m = MAX(MIN(r->cap, MAX(r->m0, covered)), 1);

		n++;
		if (m == r->cap)        /* from here on they are alike */
			return n + (members - covered - 1) / m;
		covered += m;
	}
	return n;
}

/* From the offer to the proof, for an endpoint that restarts at once when it must. */
static int64_t proof_s(const struct policy_ring *r)
{
	return r->probation_s + r->boots * BOOT_S;
}

int64_t policy_soak_s(const struct policy_ring *r, bool emergency)
{
	return emergency ? MIN(r->soak_s, r->emergency_soak_s) : r->soak_s;
}

void policy_exposure(struct policy_exposure *out, const struct policy *p, size_t ring, int64_t members, int64_t now)
{
	const struct policy_ring *r = &p->rings[ring];
	int64_t wanted, last;

	out->clean_to_pass = (int64_t)gate_clean_to_pass(r->p0, r->p1, r->beta);
	out->failures_to_halt = (int64_t)gate_failures_to_halt(r->p0, r->p1, POLICY_SHARE_POOLED * r->alpha, 0);
	out->worst_exposed = !r->permit_required ? MAX(members, 0) : members > 0 ? MIN(r->m0, members) : r->m0;
	out->by_coverage = members > 0 && members < out->clean_to_pass;
	wanted = members > 0 ? members : out->clean_to_pass;
	/* the last wave starts after the pass and its soak, unless all were offered before */
	last = calendar_paced(&r->calendar, now, waves(r, wanted), proof_s(r));
	out->best_s = last == CALENDAR_NEVER ? CALENDAR_NEVER : last - now + proof_s(r) + r->soak_s;
}

int policy_check_size(const struct policy *p, size_t ring, int64_t members, int64_t now, struct err *e)
{
	const struct policy_ring *r = &p->rings[ring];
	int64_t clean = (int64_t)gate_clean_to_pass(r->p0, r->p1, r->beta), least;

	/* hours in which the ring is closed do not count toward its deadline */
	if (calendar_paced(&r->calendar, now, 1, 1) == CALENDAR_NEVER)
		return err_set(e, ERR_REFUSED, "ring %s: by its windows and freezes it does not open within ten years", r->name);
	if (members <= 0)
		return 0;
	if (members < COVERAGE_LEAST)
		return err_set(e, ERR_REFUSED, "ring %s: with %lld endpoints it can never pass: its bound needs %lld survivors and a coverage pass %d",
			       r->name, (long long)members, (long long)clean, COVERAGE_LEAST);
	least = waves(r, MIN(clean, members)) * proof_s(r) + r->soak_s;
	if (least >= r->deadline_s)
		return err_set(e, ERR_REFUSED, "ring %s: with %lld endpoints it passes after %lld s at best, and its deadline is %lld s", r->name,
			       (long long)members, (long long)least, (long long)r->deadline_s);
	if (calendar_paced(&r->calendar, now, waves(r, MIN(clean, members)), proof_s(r)) == CALENDAR_NEVER)
		return err_set(e, ERR_REFUSED, "ring %s: with %lld endpoints and its windows it would not pass within ten years", r->name, (long long)members);
	return 0;
}
