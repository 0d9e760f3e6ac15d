/* metrics_rollouts: per channel and ring what its newest rollout is in, and what its gate says. */
#include <stdlib.h>
#include <string.h>

#include "server/metrics_page.h"

#define CHANNELS_MAX 256        /* further ones are not shown: a page has an end */
#define E_MAX 1e300

struct channel_sums {
	const struct rollout *newest;   /* rollouts are never removed */
	uint64_t rollouts, offers, halts, emergencies;
};

struct rings {
	struct scrape *page;
	struct channel_sums channels[CHANNELS_MAX];
	size_t count;
};

static bool was_halted(const struct rollout *r)
{
	for (size_t i = 0; i < r->policy->count; i++)
		if (r->stages[i].state == RING_HALTED || r->stages[i].state == RING_ROLLED_BACK)
			return true;
	return false;
}

static void add_rollout(struct rings *all, const struct rollout *r)
{
	struct channel_sums *c = all->channels;

	while (c < all->channels + all->count && strcmp(c->newest->channel, r->channel) != 0)
		c++;
	if (c == all->channels + CHANNELS_MAX)
		return;
	if (c == all->channels + all->count) {
		all->count++;
		c->newest = r;
	}
	c->rollouts++;
	c->halts += was_halted(r);
	c->emergencies += rollout_emergency(r) != 0;
	for (size_t i = 0; i < r->policy->count; i++)
		c->offers += r->stages[i].count;
}

/* ---- each ring of each channel; with `lock` ---- */

struct ring_sample {
	struct scrape *page;
	struct stage *stage;
	const char *channel, *ring;
	struct sequence_sums sums;
};

typedef void each_ring(struct ring_sample *r);

static void walk(struct rings *all, enum metric m, each_ring *write)
{
	metrics_family(&all->page->x, m);
	for (size_t c = 0; c < all->count; c++) {
		const struct rollout *newest = all->channels[c].newest;

		for (size_t i = 0; i < newest->policy->count; i++) {
			struct ring_sample r = { .page = all->page, .channel = newest->channel, .ring = newest->policy->rings[i].name };

			r.stage = rollouts_in_ring(&all->page->server->rollouts, r.channel, r.ring);
			if (!r.stage)
				continue;
			sequence_sums(r.stage->sequence, &r.sums);
			write(&r);
		}
	}
}

#define OF_RING(r) { "channel", (r)->channel }, { "ring", (r)->ring }

static void put(struct ring_sample *r, double value)
{
	expose(&r->page->x, LABELS(OF_RING(r)), value);
}

static void put_state(struct ring_sample *r)
{
	for (int s = 0; s < RING_STATES; s++)
		expose_count(&r->page->x, LABELS(OF_RING(r), { "state", state_name((enum ring_state)s) }), r->stage->state == (enum ring_state)s);
}

static void put_rollout(struct ring_sample *r)
{
	put(r, (double)r->stage->rollout->id);
}

static void put_changed(struct ring_sample *r)
{
	put(r, (double)r->stage->changed);
}

static void put_members(struct ring_sample *r)
{
	put(r, r->stage->eligible);
}

static void put_offers(struct ring_sample *r)
{
	put(r, r->sums.offers);
}

static void put_outcomes(struct ring_sample *r)
{
	for (int o = 0; o < OUTCOME_COUNT; o++)
		expose_count(&r->page->x, LABELS(OF_RING(r), { "outcome", outcome_name((enum outcome)o) }), r->sums.of[o]);
}

static void put_e(struct ring_sample *r)
{
	const struct verdict_result *last = &r->stage->last;

	expose(&r->page->x, LABELS(OF_RING(r), { "test", "pooled" }), MIN(last->e, E_MAX));
	expose(&r->page->x, LABELS(OF_RING(r), { "test", "strata" }), MIN(last->strata_e, E_MAX));
	expose(&r->page->x, LABELS(OF_RING(r), { "test", "silence" }), (double)MIN(r->stage->silence.max, (long double)E_MAX));
}

static void put_e_limit(struct ring_sample *r)
{
	double alpha = r->stage->policy->alpha;

	expose(&r->page->x, LABELS(OF_RING(r), { "test", "pooled" }), 1 / (POLICY_SHARE_POOLED * alpha));
	expose(&r->page->x, LABELS(OF_RING(r), { "test", "strata" }), 1 / (POLICY_SHARE_STRATA * alpha));
	expose(&r->page->x, LABELS(OF_RING(r), { "test", "silence" }), 1 / (POLICY_SHARE_SILENCE * alpha));
}

static void put_lambda(struct ring_sample *r)
{
	put(r, r->stage->last.lambda);
}

static void put_lambda_limit(struct ring_sample *r)
{
	put(r, r->stage->last.lambda_limit);
}

static void put_waiting(struct ring_sample *r)
{
	const struct stage *g = r->stage;
	int cause = verdict_cause_parse(g->cause);
	bool hold = state_held(g->state) && (cause < 0 || !verdict_cause_ends_itself((enum verdict_cause)cause));

	expose_count(&r->page->x, LABELS(OF_RING(r), { "what", "approval" }), g->state == RING_AWAITING_APPROVAL);
	expose_count(&r->page->x, LABELS(OF_RING(r), { "what", "signature" }), g->state == RING_AWAITING_SIGNATURE);
	expose_count(&r->page->x, LABELS(OF_RING(r), { "what", "hold" }), hold);
	expose_count(&r->page->x, LABELS(OF_RING(r), { "what", "hook" }), g->state == RING_QUEUED && strcmp(g->cause, "hook") == 0);
}

/* ---- sums of a channel ---- */

static void put_sums(struct rings *all, enum metric m, size_t member)
{
	metrics_family(&all->page->x, m);
	for (size_t c = 0; c < all->count; c++)
		expose_count(&all->page->x, LABELS({ "channel", all->channels[c].newest->channel }),
			     *(const uint64_t *)(const void *)((const char *)&all->channels[c] + member));
}

void metrics_rollouts(struct scrape *p)
{
	static const struct { enum metric metric; each_ring *write; } rows[] = {
		{ METRIC_RING_STATE, put_state },      { METRIC_RING_ROLLOUT, put_rollout },   { METRIC_RING_CHANGED, put_changed },
		{ METRIC_RING_MEMBERS, put_members },  { METRIC_RING_OFFERS, put_offers },     { METRIC_RING_OUTCOMES, put_outcomes },
		{ METRIC_GATE_E, put_e },              { METRIC_GATE_E_LIMIT, put_e_limit },   { METRIC_GATE_LAMBDA, put_lambda },
		{ METRIC_GATE_LAMBDA_LIMIT, put_lambda_limit }, { METRIC_WAITING, put_waiting },
	};
	struct rings *all = calloc(1, sizeof *all);

	if (!all) {
		p->x.out->failed = true;
		return;
	}
	all->page = p;
	pthread_mutex_lock(&p->server->lock);
	for (const struct rollout *r = p->server->rollouts.newest; r; r = r->older)
		if (scrape_sees(p, r->channel))
			add_rollout(all, r);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		walk(all, rows[i].metric, rows[i].write);
	pthread_mutex_unlock(&p->server->lock);
	put_sums(all, METRIC_ROLLOUTS, offsetof(struct channel_sums, rollouts));
	put_sums(all, METRIC_OFFERS, offsetof(struct channel_sums, offers));
	put_sums(all, METRIC_HALTS, offsetof(struct channel_sums, halts));
	put_sums(all, METRIC_EMERGENCIES, offsetof(struct channel_sums, emergencies));
	free(all);
}
