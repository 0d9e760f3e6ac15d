/* control_clock: a jump of the clock that is believed leaves every duration as long as it is. */
#include "base/log.h"
#include "server/control_parts.h"

static void shift(int64_t *at, int64_t by)
{
	if (*at)
		*at += by;
}

static void shift_marks(struct stage *g, int64_t by)
{
	shift(&g->changed, by);
	shift(&g->began, by);
	shift(&g->bound_at, by);
	shift(&g->passed_at, by);
}

/* Observations that are not over; with `lock`. */
static void shift_offers(struct stage *g, int64_t by)
{
	shift(&g->silence_due, by);
	shift(&g->effects_due, by);
	for (uint32_t i = 0; i < g->count; i++) {
		struct offer *o = &g->offers[i];

		if (outcome_final(o->outcome))
			continue;
		shift(&o->facts.offered, by);
		shift(&o->facts.renewed, by);
		shift(&o->facts.environment, by);
	}
}

/* The store first: what it does not take, a restart would count otherwise. */
static int keep_marks(struct server *s, const struct stage *g, int64_t by, struct err *e)
{
	struct stage next = control_copy(s, g);
	struct server_batch b = { .count = 0 };
	struct buf previous = { .max = 4096 };
	int got;

	shift_marks(&next, by);
	got = stage_row(&next, &server_record(&b, STORE_RING)->u.ring, &previous, e);
	if (got == 0)
		got = server_write(s, &b, e);
	buf_release(&previous);
	return got;
}

static void move_stage(struct server *s, struct stage *g, int64_t by)
{
	struct err e;

	if (g->changed && keep_marks(s, g, by, &e) < 0)
		log_error("ring %s: its times are those before the clock jumped: %s", g->policy->name, e.msg);
	pthread_mutex_lock(&s->lock);
	shift_marks(g, by);
	shift_offers(g, by);
	pthread_mutex_unlock(&s->lock);
}

/* When they were last heard of, as if the clock had been right then. */
static void move_fleet(struct server *s, int64_t by)
{
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->fleet.count; i++) {
		struct device *d = s->fleet.items[i];

		shift(&d->last_seen, by);
		shift(&d->before, by);
		shift(&d->goodbye, by);
		d->unsaved = true;
	}
	pthread_mutex_unlock(&s->lock);
}

void control_clock_moved(struct server *s, int64_t by)
{
	pthread_mutex_lock(&s->control);
	for (struct rollout *r = s->rollouts.newest; r; r = r->older)
		for (size_t i = 0; i < r->policy->count; i++)
			move_stage(s, &r->stages[i], by);
	move_fleet(s, by);
	pthread_mutex_unlock(&s->control);
}
