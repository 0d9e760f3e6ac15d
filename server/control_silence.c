/* control_silence: finds who fell silent, of those offered and of those that wait, and keeps it before anything is decided from it. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "server/control_parts.h"

#define LOOKS_PER_INTERVAL 10
#define AT_ONCE 512             /* kept in one submission */

struct search {
	struct server *s;
	struct stage *g;
	int64_t now, silence_s;
	uint32_t at_risk[STRATA_MAX], waiting[STRATA_MAX];      /* heard of, by stratum */
	struct silence_found *found;
	size_t count, cap;
};

/* Both sides begin with who was heard since the server runs: before that nobody knows who waited. */
static bool watched(const struct search *x, const struct device *d)
{
	return d->last_seen >= x->s->started && !d->revoked && !d->flagged && !device_away(d);
}

static int meet(struct search *x, struct device *d, uint32_t group, bool treated, struct err *e)
{
	int64_t at = MAX(d->last_seen + x->silence_s + 1, x->s->quiet_until);
	struct silence_found *more;

	/* one that is busy is being heard this moment */
	if (x->now < at || d->busy) {
		++*(treated ? &x->at_risk[group] : &x->waiting[group]);
		return 0;
	}
	if (x->count == x->cap) {
		x->cap = x->cap ? 2 * x->cap : 64;
		more = reallocarray(x->found, x->cap, sizeof *more);
		if (!more)
			return err_memory(e);
		x->found = more;
	}
	x->found[x->count++] = (struct silence_found){ .at = at, .order = rollout_order(x->g->rollout, d), .group = group, .treated = treated, .who = d };
	return 0;
}

/* Took its offer, and was heard since. */
static int meet_offered(struct search *x, struct err *e)
{
	for (uint32_t n = 1; n <= x->g->count; n++) {
		const struct offer *o = &x->g->offers[n - 1];

		if (o->silenced || o->facts.voided || o->device->last_seen <= o->facts.offered || !watched(x, o->device))
			continue;
		if (meet(x, o->device, sequence_stratum(x->g->sequence, n), true, e) < 0)
			return e->code;
	}
	return 0;
}

static int meet_waiting(struct search *x, struct err *e)
{
	const char *ring = x->g->policy->name;

	for (const struct waiting *w = NULL; (w = waitlist_next(&x->g->waiting, w)); ) {
		if (!w->turn || w->silenced || !watched(x, w->device) || !w->device->ring || strcmp(w->device->ring, ring) != 0)
			continue;
		if (meet(x, w->device, MIN(w->group, strata_count(x->g->strata) - 1), false, e) < 0)
			return e->code;
	}
	return 0;
}

static void note_sides(struct search *x)
{
	struct stage *g = x->g;

	g->at_risk = g->compared = 0;
	for (uint32_t i = 0; i < strata_count(g->strata) && g->silenced_count < SILENCE_EVENTS_MAX; i++)
		if (x->at_risk[i] && x->waiting[i]) {
			g->at_risk += x->at_risk[i];
			g->compared += x->waiting[i];
		}
}

/* With `lock`. */
static int find(struct search *x, struct err *e)
{
	struct stage *g = x->g;
	int64_t last = g->silenced_count ? g->silenced[g->silenced_count - 1].at : 0;

	if (meet_offered(x, e) < 0 || meet_waiting(x, e) < 0)
		return e->code;
	note_sides(x);
	silence_ties(x->found, x->count, x->at_risk, x->waiting);
	/* a clock that was set back does not change the order of what was counted */
	for (size_t i = 0; i < x->count; i++)
		x->found[i].at = MAX(x->found[i].at, last);
	return 0;
}

static int keep_some(struct search *x, const struct silence_found *found, size_t count, struct err *e)
{
	struct store_record records[AT_ONCE];
	struct write w = { .append = { .records = records, .count = count } };
	int got;

	for (size_t i = 0; i < count; i++) {
		const struct silence_found *f = &found[i];

		records[i] = (struct store_record){ .kind = STORE_SILENCE, .u.silence = {
			.rollout = x->g->rollout->id, .ring = x->g->position, .n = x->g->silenced_count + (uint32_t)i + 1,
			.device = ((const struct device *)f->who)->id, .at = f->at, .stratum = f->group, .treated = f->treated,
			.at_risk = f->at_risk, .waiting = f->waiting } };
	}
	got = writer_submit(x->s->writer, &w, e);
	pthread_mutex_lock(&x->s->lock);
	for (size_t i = 0; i < count && got == 0; i++) {
		const struct silence_found *f = &found[i];
		struct silenced v = { .device = f->who, .at = f->at, .group = f->group, .at_risk = f->at_risk, .waiting = f->waiting,
				      .treated = f->treated };

		if (stage_add_silenced(x->g, &v, e) < 0) {
			/* Memory must not go on from less than the store holds: a restart reads it all again. */
			log_error("%s", e->msg);
			abort();
		}
	}
	pthread_mutex_unlock(&x->s->lock);
	return got;
}

static int search(struct search *x, struct err *e)
{
	size_t room;
	int got;

	pthread_mutex_lock(&x->s->lock);
	x->g->silence_due = x->now + MAX(1, server_checkin_s(x->s) / LOOKS_PER_INTERVAL);
	got = find(x, e);
	pthread_mutex_unlock(&x->s->lock);
	if (got < 0)
		return got;
	room = SILENCE_EVENTS_MAX - MIN(x->g->silenced_count, SILENCE_EVENTS_MAX);
	if (x->count > room)
		log_warn("channel %s serial %llu ring %s: %d endpoints fell silent: silence is compared no more", x->g->rollout->channel,
			 (unsigned long long)x->g->rollout->bundle.serial, x->g->policy->name, SILENCE_EVENTS_MAX);
	x->count = MIN(x->count, room);
	for (size_t i = 0; i < x->count; i += AT_ONCE)
		if (keep_some(x, x->found + i, MIN(x->count - i, AT_ONCE), e) < 0)
			return e->code;
	return 0;
}

int control_silence(struct server *s, struct stage *g, int64_t now, struct err *e)
{
	struct search *x;
	int got;

	/* within a second or two of the due time unless the clock was set back */
	if (!g->strata || now < s->quiet_until || (now < g->silence_due && now > g->silence_due - s->config->checkin_s))
		return 0;
	if (g->silenced_count >= SILENCE_EVENTS_MAX) {
		g->at_risk = g->compared = 0;
		return 0;
	}
	x = calloc(1, sizeof *x);
	if (!x)
		return err_memory(e);
	x->s = s;
	x->g = g;
	x->now = now;
	x->silence_s = policy_silence_s(g->rollout->policy);
	got = search(x, e);
	free(x->found);
	free(x);
	return got;
}
