/* control_clock: a jump of the clock that is believed leaves every duration as long as it is. */
#include "server/background.h"
#include "server/control_parts.h"
#include "server/now.h"

static void shift(int64_t *at, int64_t by)
{
	if (*at)
		*at += by;
}

/* In an observation that is not over: as SQL_MOVED_OFFERS has it. */
static void move_offer(struct outcome_facts *f, int64_t by)
{
	if (f->survived || f->failed || f->lost)
		return;
	shift(&f->offered, by);
	shift(&f->renewed, by);
	shift(&f->environment, by);
}

static void move_stage(struct stage *g, int64_t by)
{
	shift(&g->changed, by);
	shift(&g->began, by);
	shift(&g->bound_at, by);
	shift(&g->passed_at, by);
	shift(&g->silence_due, by);
	shift(&g->effects_due, by);
	for (uint32_t i = 0; i < g->count; i++)
		move_offer(&g->offers[i].facts, by);
	waitlist_moved(&g->waiting, by);
}

/* When they were last heard of, as if the clock had been right then. */
static void move_fleet(struct fleet *f, int64_t by)
{
	for (size_t i = 0; i < f->count; i++) {
		struct device *d = f->items[i];

		shift(&d->last_seen, by);
		shift(&d->before, by);
		shift(&d->goodbye, by);
		shift(&d->issued, by);
	}
}

struct move {
	struct server *s;
	int64_t by;
	const struct clockwatch *after;
};

/* Memory follows the store, and the time follows both. */
static void committed(struct write *w)
{
	const struct move *m = w->arg;
	struct server *s = m->s;

	pthread_mutex_lock(&s->lock);
	for (struct rollout *r = s->rollouts.newest; r; r = r->older)
		for (size_t i = 0; i < r->policy->count; i++)
			move_stage(&r->stages[i], m->by);
	move_fleet(&s->fleet, m->by);
	background_moved(s->background, m->by);
	shift(&s->quiet_until, m->by);
	shift(&s->started, m->by);
	now_believe(s, m->after);
	pthread_mutex_unlock(&s->lock);
}

int control_clock_moved(struct server *s, int64_t by, const struct clockwatch *after, struct err *e)
{
	struct move m = { s, by, after };
	struct store_record records[2] = { { .kind = STORE_CLOCK_MOVED, .u.moved = by }, { .kind = STORE_CLOCK } };
	struct write w = { .append = { .records = records, .count = ARRAY_LEN(records) }, .committed = committed, .arg = &m };
	char boot[NOW_BOOT];
	int got;

	now_row(after, &records[1].u.clock, boot);
	pthread_mutex_lock(&s->control);
	/* no check-in that was worked out before is kept after */
	pthread_rwlock_wrlock(&s->moving);
	got = writer_submit(s->writer, &w, e);
	pthread_rwlock_unlock(&s->moving);
	pthread_mutex_unlock(&s->control);
	return got < 0 ? err_wrap(e, "the clock jumped by %+lld s, and is not believed yet", (long long)by) : 0;
}
