/* control_enter: rings take what waits for them, one bundle at a time, the newest first. */
#include <stdio.h>
#include <string.h>

#include "server/control_parts.h"

static bool awaits(enum ring_state s)
{
	return s == RING_AWAITING_APPROVAL || s == RING_AWAITING_SIGNATURE;
}

/* Its turn in this ring, as far as its own way goes. */
static bool due(const struct stage *g)
{
	const struct stage *before = g->position > 0 ? g - 1 : NULL;

	if (g->state != RING_QUEUED)
		return false;
	return !before || (before->passed_at && (before->state == RING_PASSED || before->state == RING_SUPERSEDED));
}

/* One that was superseded is no reason: what superseded it is. */
static bool entered(enum ring_state s)
{
	return s != RING_QUEUED && s != RING_ABORTED && s != RING_SUPERSEDED && !awaits(s);
}

static struct stage *same_ring(struct rollout *r, const struct stage *g)
{
	return strcmp(r->channel, g->rollout->channel) == 0 ? rollout_stage(r, g->policy->name) : NULL;
}

/* A newer bundle is in this ring already, or about to be. */
static const struct rollout *overtaken(const struct server *s, const struct stage *g)
{
	for (struct rollout *r = s->rollouts.newest; r && r != g->rollout; r = r->older) {
		struct stage *o = same_ring(r, g);

		if (o && (entered(o->state) || awaits(o->state) || due(o)))
			return r;
	}
	return NULL;
}

static bool occupied(const struct server *s, const struct stage *g)
{
	for (struct rollout *r = s->rollouts.newest; r; r = r->older) {
		struct stage *o = r != g->rollout ? same_ring(r, g) : NULL;

		if (o && !state_frees(o->state))
			return true;
	}
	return false;
}

/* It waited too long: a newer one goes instead, here and in every later ring. */
static int supersede(struct server *s, struct stage *g, const struct rollout *by, int64_t now, struct err *e)
{
	char sentence[128];
	struct motive m = { .cause = "superseded", .sentence = sentence };

	snprintf(sentence, sizeof sentence, "serial %llu is newer and goes instead", (unsigned long long)by->bundle.serial);
	for (size_t i = (size_t)g->position; i < g->rollout->policy->count; i++) {
		struct stage *later = &g->rollout->stages[i];

		if ((later->state == RING_QUEUED || awaits(later->state)) &&
		    control_move(s, later, RING_SUPERSEDE, &m, now, e) < 0)
			return e->code;
	}
	return 0;
}

static int take(struct server *s, struct stage *g, int64_t now, struct err *e)
{
	bool ask = g->policy->promote == PROMOTE_MANUAL;
	struct motive m = { .cause = ask ? "approval" : "free",
			    .sentence = ask ? "the policy asks a person before this ring" : "the ring is free" };
	struct stage next = control_copy(s, g);

	if (control_previous(s, g->policy->name, g->rollout->channel, &next.previous, e) < 0)
		return e->code;
	/* What the ring had is kept with the move: afterwards the assignment names this bundle. */
	pthread_mutex_lock(&s->lock);
	g->previous = next.previous;
	pthread_mutex_unlock(&s->lock);
	return control_move(s, g, ask ? RING_ASK : RING_FREE, &m, now, e);
}

int control_enter(struct server *s, int64_t now, struct err *e)
{
	for (struct rollout *r = s->rollouts.newest; r; r = r->older)
		for (size_t i = 0; i < r->policy->count; i++) {
			struct stage *g = &r->stages[i];
			const struct rollout *by;

			if (r->restored || (!due(g) && !awaits(g->state)))
				continue;
			by = overtaken(s, g);
			if (by) {
				if (supersede(s, g, by, now, e) < 0)
					return e->code;
			} else if (due(g) && !occupied(s, g) && take(s, g, now, e) < 0) {
				return e->code;
			}
		}
	return 0;
}
