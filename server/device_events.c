/* device_events: what the events of a check-in say about the offers of its device. */
#include <stdlib.h>
#include <string.h>

#include "schema/reason.h"
#include "server/device_visit.h"

static struct change *change_of(struct visit *v, struct stage *g, uint32_t n)
{
	for (size_t i = 0; i < v->change_count; i++)
		if (v->changes[i].stage == g && v->changes[i].n == n)
			return &v->changes[i];
	if (v->change_count == v->change_cap) {
		size_t cap = v->change_cap ? 2 * v->change_cap : 8;
		struct change *more = reallocarray(v->changes, cap, sizeof *more);

		if (!more)
			return NULL;
		v->changes = more;
		v->change_cap = cap;
	}
	v->changes[v->change_count] = (struct change){ .stage = g, .n = n, .facts = { .offered = v->now } };
	if (n > 0) {
		v->changes[v->change_count].facts = g->offers[n - 1].facts;
		memcpy(v->changes[v->change_count].reason, g->offers[n - 1].reason, sizeof v->changes->reason);
	}
	return &v->changes[v->change_count++];
}

static struct flag *flag_of(struct visit *v, struct stage *g)
{
	for (size_t i = 0; i < v->flag_count; i++)
		if (v->flags[i].stage == g)
			return &v->flags[i];
	if (v->flag_count == ARRAY_LEN(v->flags))
		return NULL;
	v->flags[v->flag_count] = (struct flag){ .stage = g };
	return &v->flags[v->flag_count++];
}

/* An engine or the kernel died of it. */
static bool is_crash(const char *reason)
{
	static const enum reason crashes[] = { REASON_CRASH, REASON_KERNEL, REASON_SENSOR_DIED, REASON_BOOT, REASON_LATE_BOOT };

	for (size_t i = 0; i < ARRAY_LEN(crashes); i++)
		if (strcmp(reason, reason_word(crashes[i])) == 0)
			return true;
	return false;
}

static void apply_event(struct change *c, const struct checkin_event *ev, int64_t now)
{
	bool content = reason_class(ev->reason[0] ? ev->reason : NULL) == REASON_CONTENT;

	switch (ev->kind) {
	case CHECKIN_ARMED:
		if (c->facts.environment > c->facts.renewed)
			c->facts.renewed = now;
		break;
	case CHECKIN_SURVIVED:
		if (!c->facts.survived)
			c->facts.survived = now;
		break;
	case CHECKIN_FAILED:
	case CHECKIN_LATE_FAILURE:
	case CHECKIN_QUARANTINED:
		if (!content) {
			c->facts.environment = now;
		} else if (!c->facts.failed) {
			c->facts.failed = now;
			memcpy(c->reason, ev->reason, sizeof c->reason);
		}
		break;
	case CHECKIN_DECLINED:
	case CHECKIN_ENV:
	case CHECKIN_LOCAL:
		c->facts.environment = now;
		break;
	case CHECKIN_GOODBYE:
		break;
	}
}

static void raise_flags(struct visit *v, struct stage *g, const struct checkin_event *ev)
{
	bool content = reason_class(ev->reason[0] ? ev->reason : NULL) == REASON_CONTENT;
	bool failed = ev->kind == CHECKIN_FAILED || ev->kind == CHECKIN_LATE_FAILURE || ev->kind == CHECKIN_QUARANTINED;
	struct flag *f;

	if (!content || !(failed || ev->kind == CHECKIN_DECLINED))
		return;
	f = flag_of(v, g);
	if (!f)
		return;
	f->declined = f->declined || ev->kind == CHECKIN_DECLINED;
	/* Whoever was offered nothing has no outcome here, so it may not halt either. */
	f->content_crash = f->content_crash || (failed && is_crash(ev->reason) && (stage_offer_of(g, v->d) || visit_offer(v, g)));
}

/* What it says of an offer that is made with this very message. */
static int take_unasked(struct visit *v, struct stage *g, const struct checkin_event *ev, struct err *e)
{
	struct change *c;

	if (visit_offer_unasked(v, g, ev, e) < 0)
		return e->code;
	if (!visit_offer(v, g))
		return 0;
	c = change_of(v, g, 0);
	if (!c)
		return err_memory(e);
	apply_event(c, ev, v->now);
	return 0;
}

static int take_event(struct visit *v, const struct checkin_event *ev, struct err *e)
{
	struct stage *g;

	v->event_n = MAX(v->event_n, ev->n);
	if (ev->kind == CHECKIN_GOODBYE) {
		v->goodbye = v->now;
		return 0;
	}
	if (digest_is_zero(&ev->digest) || !ev->channel[0])
		return 0;
	for (struct offer_link *l = v->d->offers; l; l = l->next) {
		const struct rollout *r = l->stage->rollout;
		struct change *c;

		if (!digest_equal(&r->bundle.digest, &ev->digest) || strcmp(r->channel, ev->channel) != 0)
			continue;
		c = change_of(v, l->stage, l->n);
		if (!c)
			return err_memory(e);
		apply_event(c, ev, v->now);
	}
	g = rollouts_stage_for(&v->s->rollouts, v->d, ev->channel, &ev->digest);
	if (!g)
		return 0;
	if (take_unasked(v, g, ev, e) < 0)
		return e->code;
	raise_flags(v, g, ev);
	return 0;
}

int visit_take_events(struct visit *v, struct err *e)
{
	uint64_t known = v->event_n;

	/* Back from an announced absence: its open offers count anew. */
	if (device_away(v->d))
		for (struct offer_link *l = v->d->offers; l; l = l->next) {
			struct change *c = outcome_final(l->stage->offers[l->n - 1].outcome) ? NULL : change_of(v, l->stage, l->n);

			if (c)
				c->facts.renewed = v->now;
		}
	for (size_t i = 0; i < v->c->event_count; i++)
		if (v->c->events[i].n > known && take_event(v, &v->c->events[i], e) < 0)
			return e->code;
	return 0;
}
