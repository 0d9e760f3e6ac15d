/* device_offer: the offers of a check-in: those that its device asks for, and those that its events show were taken unasked. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "server/device_visit.h"

#define HEARD_INTERVALS 2
#define NO_PERMIT SIZE_MAX

/* Who was heard since then is at hand; while nobody can be called silent that is everybody. */
static int64_t heard_since(const struct server *s, int64_t now)
{
	return now < s->quiet_until ? 0 : now - HEARD_INTERVALS * server_checkin_s(s);
}

/* Strata are frozen with the first offer, and with them who waits for the pass. */
static int freeze(struct visit *v, struct stage *g, struct err *e)
{
	return g->strata ? 0 : stage_plan(g, &v->s->fleet, heard_since(v->s, v->now), e);
}

static void reserve(struct visit *v, struct stage *g, size_t permit)
{
	size_t i = v->offer_count++;

	g->reserved++;
	checkin_stratum(v->offer_strata[i], g->policy->strata, &v->c->facts);
	v->offer_stages[i] = g;
	v->offer_plans[i] = !g->strata_kept;
	v->offer_permits[i] = permit;
	v->offers[i] = (struct store_offer){ .rollout = g->rollout->id, .ring = g->position, .device = v->d->id,
					     .stratum = v->offer_strata[i], .at = v->now };
}

/* ---- what is asked for ---- */

int visit_take_want(struct visit *v, const struct checkin_want *want, struct err *e)
{
	struct stage *g = rollouts_stage_for(&v->s->rollouts, v->d, want->channel, &want->digest);
	struct checkin_permit *p = &v->answer.permits[v->answer.permit_count++];
	struct permit_answer a = { .go = false, .reason = "not-offering" };

	memcpy(p->channel, want->channel, sizeof p->channel);
	p->digest = want->digest;
	p->attempt = want->attempt;
	if (g)
		stage_permit(g, v->d, want->attempt, server_checkin_s(v->s), v->now, &a);
	/* This may be the very first offer: whoever waits for the pass is told so by the plan only. */
	if (a.new_offer && !g->strata) {
		if (freeze(v, g, e) < 0)
			return e->code;
		stage_permit(g, v->d, want->attempt, server_checkin_s(v->s), v->now, &a);
	}
	p->go = a.go;
	p->valid_s = a.valid_s;
	snprintf(p->reason, sizeof p->reason, "%s", a.reason);
	if (a.new_offer)
		reserve(v, g, v->answer.permit_count - 1);
	return 0;
}

/* ---- what was taken unasked ---- */

struct store_offer *visit_offer(struct visit *v, const struct stage *g)
{
	for (size_t i = 0; i < v->offer_count; i++)
		if (v->offer_stages[i] == g)
			return &v->offers[i];
	return NULL;
}

/* Says of itself that the content was tried. */
static bool tells_of_a_trial(enum checkin_kind kind)
{
	return kind == CHECKIN_ARMED || kind == CHECKIN_SURVIVED || kind == CHECKIN_FAILED || kind == CHECKIN_LATE_FAILURE ||
	       kind == CHECKIN_QUARANTINED;
}

int visit_offer_unasked(struct visit *v, struct stage *g, const struct checkin_event *ev, struct err *e)
{
	if (g->policy->permit_required || stage_offer_of(g, v->d) || visit_offer(v, g) || !tells_of_a_trial(ev->kind) ||
	    !state_armed(g->state) || ev->attempt != g->rollout->attempt || v->d->revoked || v->d->flagged)
		return 0;
	if (v->offer_count + CHECKIN_WANTS_MAX >= VISIT_OFFERS_MAX)
		return 0;       /* of so many channels no host tells at once */
	if (freeze(v, g, e) < 0)
		return e->code;
	reserve(v, g, NO_PERMIT);
	return 0;
}

/* ---- afterwards ---- */

void visit_apply_offers(struct visit *v)
{
	struct err e;

	for (size_t i = 0; i < v->offer_count; i++) {
		struct stage *g = v->offer_stages[i];

		g->reserved--;
		g->strata_kept = true;
		if (!v->offers[i].existed &&
		    stage_add_offer(g, v->d, v->offers[i].n, v->offers[i].at, v->offers[i].stratum, &e) < 0) {
			/* Memory must not go on from less than the store holds: a restart reads it all again. */
			log_error("%s", e.msg);
			abort();
		}
		if (v->offer_permits[i] != NO_PERMIT && !state_permits(g->state)) {
			struct checkin_permit *p = &v->answer.permits[v->offer_permits[i]];

			p->go = false;
			p->valid_s = 0;
			snprintf(p->reason, sizeof p->reason, "not-offering");
		}
	}
}

void visit_unreserve(struct visit *v)
{
	for (size_t i = 0; i < v->offer_count; i++)
		v->offer_stages[i]->reserved--;
}
