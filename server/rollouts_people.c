/* rollouts_people: who agreed to what, and how far the emergency lane is open. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/rollouts.h"

static bool is(const struct approval *a, int ring, enum approval_kind kind)
{
	return a->kind == kind && a->ring == ring;
}

const struct approval *rollout_approval(const struct rollout *r, int ring, enum approval_kind kind, const char *who)
{
	for (size_t i = 0; i < r->approval_count; i++)
		if (is(&r->approvals[i], ring, kind) && (!who || strcmp(r->approvals[i].who, who) == 0))
			return &r->approvals[i];
	return NULL;
}

int64_t rollout_approvals(const struct rollout *r, int ring, enum approval_kind kind)
{
	int64_t count = 0;

	for (size_t i = 0; i < r->approval_count; i++)
		count += is(&r->approvals[i], ring, kind);
	return count;
}

int rollout_add_approval(struct rollout *r, const struct store_approval *row, struct err *e)
{
	struct approval *more, *a;

	/* Given for another bundle, or under another policy: it says nothing about this one. */
	if (!digest_equal(&row->digest, &r->bundle.digest) || row->policy_version != r->policy_version ||
	    rollout_approval(r, row->ring, (enum approval_kind)row->kind, row->who))
		return 0;
	more = reallocarray(r->approvals, r->approval_count + 1, sizeof *more);
	if (!more)
		return err_memory(e);
	r->approvals = more;
	a = &more[r->approval_count++];
	*a = (struct approval){ .kind = (enum approval_kind)row->kind, .ring = row->ring, .at = row->at };
	snprintf(a->who, sizeof a->who, "%s", row->who);
	snprintf(a->reason, sizeof a->reason, "%s", row->reason);
	return 0;
}

int64_t rollout_emergency(const struct rollout *r)
{
	int64_t missing = r->policy->emergency.count;

	/* they stand in the order in which they were given */
	for (size_t i = 0; i < r->approval_count; i++)
		if (is(&r->approvals[i], ROLLOUT_WHOLE, APPROVAL_EMERGENCY) && --missing == 0)
			return r->approvals[i].at;
	return 0;
}

/* ---- hours ---- */

struct calendar_state stage_hours(struct stage *g, int64_t now)
{
	if (rollout_emergency(g->rollout) || calendar_always(&g->policy->calendar))
		return (struct calendar_state){ true, CALENDAR_NEVER, NULL };
	/* asked by every endpoint that wants a permit: it is worked out when it changes, or when the clock was set back */
	if (!g->hours_at || now < g->hours_at || now >= g->hours.until)
		g->hours = calendar_at(&g->policy->calendar, now);
	g->hours_at = now;
	return g->hours;
}

int64_t stage_closed_s(const struct stage *g, int64_t now)
{
	int64_t lane = rollout_emergency(g->rollout);

	return g->began ? calendar_closed(&g->policy->calendar, g->began, lane ? MIN(lane, now) : now) : 0;
}
