/* control_enter: rings take what waits for them, one bundle at a time, the newest first. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "rollout/move.h"
#include "server/control_parts.h"

static bool awaits(enum ring_state s)
{
	return s == RING_AWAITING_APPROVAL || s == RING_AWAITING_SIGNATURE;
}

/* One that a newer bundle took the place of passed as well. */
static bool passed(const struct stage *g)
{
	return g->passed_at && (g->state == RING_PASSED || g->state == RING_SUPERSEDED);
}

/* How many newer bundles passed the ring before. */
static int64_t newer_passed(const struct server *s, const struct stage *g)
{
	int64_t count = 0;

	for (struct rollout *r = s->rollouts.newest; r && r != g->rollout; r = r->older) {
		const struct stage *o = strcmp(r->channel, g->rollout->channel) == 0 ? rollout_stage(r, (g - 1)->policy->name) : NULL;

		count += o && passed(o);
	}
	return count;
}

/* A ring may stay behind the one before it; an emergency does not. */
static bool lags(const struct server *s, const struct stage *g, int64_t now)
{
	if (g->position == 0 || rollout_emergency(g->rollout))
		return false;
	return move_lags(g->policy, (g - 1)->passed_at, newer_passed(s, g), now);
}

/* Its turn in this ring, as far as its own way goes. */
static bool due(const struct server *s, const struct stage *g, int64_t now)
{
	return g->state == RING_QUEUED && (g->position == 0 || passed(g - 1)) && !lags(s, g, now);
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
static const struct rollout *overtaken(const struct server *s, const struct stage *g, int64_t now)
{
	for (struct rollout *r = s->rollouts.newest; r && r != g->rollout; r = r->older) {
		struct stage *o = same_ring(r, g);

		if (o && (entered(o->state) || awaits(o->state) || due(s, o, now)))
			return r;
	}
	return NULL;
}

/* Who has the ring; NULL: it is free. */
static struct stage *occupant(const struct server *s, const struct stage *g)
{
	for (struct rollout *r = s->rollouts.newest; r; r = r->older) {
		struct stage *o = r != g->rollout ? same_ring(r, g) : NULL;

		if (o && !state_frees(o->state))
			return o;
	}
	return NULL;
}

/* In the emergency lane nothing is waited for: what is on its way here goes no further. */
static int make_way(struct server *s, struct stage *o, const struct stage *g, int64_t now, struct err *e)
{
	char sentence[128];
	struct motive m = { .cause = "emergency", .sentence = sentence };

	snprintf(sentence, sizeof sentence, "serial %llu takes the ring by the emergency lane", (unsigned long long)g->rollout->bundle.serial);
	return control_abort(s, o->rollout, o->position, &m, now, e);
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
	bool lane = rollout_emergency(g->rollout), ask = !lane && control_asks(g);
	char asked[128];
	struct motive m = { .cause = ask ? "approval" : lane ? "emergency" : "free",
			    .sentence = ask ? asked : lane ? "the emergency lane is open" : "the ring is free" };
	struct stage next = control_copy(s, g);

	control_say_asked(g, asked, sizeof asked);
	if (control_previous(s, g->policy->name, g->rollout->channel, &next.previous, e) < 0)
		return e->code;
	/* What the ring had is kept with the move: afterwards the assignment names this bundle. */
	pthread_mutex_lock(&s->lock);
	g->previous = next.previous;
	pthread_mutex_unlock(&s->lock);
	return control_move(s, g, ask ? RING_ASK : RING_FREE, &m, now, e);
}

/* Permits look at the same hours. */
static bool open_now(struct server *s, struct stage *g, int64_t now)
{
	bool open;

	pthread_mutex_lock(&s->lock);
	open = stage_hours(g, now).open;
	pthread_mutex_unlock(&s->lock);
	return open;
}

/* What may stand between a bundle and a ring whose turn it is; anything else that can hold it back has its place here. */
static int go_on(struct server *s, struct stage *g, int64_t now, struct err *e)
{
	struct motive opened = { .cause = "emergency", .sentence = "the emergency lane is open: its own people agreed" };
	struct motive agreed = { .cause = "approval", .sentence = "the people that the policy asks agreed" };
	bool lane = rollout_emergency(g->rollout);
	struct stage *o = occupant(s, g);
	int agreed_to;

	if (g->state == RING_AWAITING_APPROVAL)
		return lane || control_approved(g) ? control_move(s, g, RING_APPROVED, lane ? &opened : &agreed, now, e) : 0;
	if (g->state != RING_QUEUED || (!lane && o) || !open_now(s, g, now))
		return 0;
	agreed_to = lane ? 1 : control_hooks_agree(s, g, now, e);
	if (agreed_to <= 0)
		return agreed_to;
	if (o && make_way(s, o, g, now, e) < 0)
		return e->code;
	return take(s, g, now, e);
}

int control_enter(struct server *s, int64_t now, struct err *e)
{
	for (struct rollout *r = s->rollouts.newest; r; r = r->older)
		for (size_t i = 0; i < r->policy->count; i++) {
			struct stage *g = &r->stages[i];
			const struct rollout *by;

			if (r->restored || (!due(s, g, now) && !awaits(g->state)))
				continue;
			by = overtaken(s, g, now);
			if (by ? supersede(s, g, by, now, e) < 0 : go_on(s, g, now, e) < 0)
				return e->code;
		}
	return 0;
}

/* ---- for people ---- */

static void say_until(char out[CONTROL_WAITS], const char *what, int64_t until)
{
	char when[CLOCK_TEXT_LEN + 1];

	clock_text(when, until == CALENDAR_NEVER ? 0 : until);
	snprintf(out, CONTROL_WAITS, until == CALENDAR_NEVER ? "%s" : "%s until %s", what, when);
}

static void say_lag(const struct server *s, const struct stage *g, int64_t now, char out[CONTROL_WAITS])
{
	int64_t until = (g - 1)->passed_at + g->policy->lag_hours * 3600;

	if (now < until)
		say_until(out, "it lags behind the ring before", until);
	else
		snprintf(out, CONTROL_WAITS, "it lags behind the ring before: %lld of %lld newer bundles passed there", (long long)newer_passed(s, g),
			 (long long)g->policy->lag_bundles);
}

static void say_closed(const struct calendar_state *hours, char out[CONTROL_WAITS])
{
	char what[CALENDAR_REASON_MAX + 32];

	if (hours->freeze)
		snprintf(what, sizeof what, "frozen%s%s%s", hours->freeze->reason[0] ? " (" : "", hours->freeze->reason, hours->freeze->reason[0] ? ")" : "");
	else
		snprintf(what, sizeof what, "outside its windows");
	say_until(out, what, hours->until);
}

void control_waits(struct server *s, struct stage *g, int64_t now, char out[CONTROL_WAITS])
{
	struct calendar_state hours = stage_hours(g, now);
	const struct stage *o;

	out[0] = '\0';
	if (g->state == RING_OFFERING && !hours.open)
		say_closed(&hours, out);
	if (g->state != RING_QUEUED)
		return;
	if (g->position > 0 && !passed(g - 1))
		snprintf(out, CONTROL_WAITS, "ring %s has not passed", (g - 1)->policy->name);
	else if (lags(s, g, now))
		say_lag(s, g, now, out);
	else if (!hours.open)
		say_closed(&hours, out);
	else if ((o = occupant(s, g)))
		snprintf(out, CONTROL_WAITS, "serial %llu has the ring", (unsigned long long)o->rollout->bundle.serial);
}
