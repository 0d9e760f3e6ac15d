/* rollouts: every bundle's way through the rings, in memory. */
#include "server/rollouts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define WAITING_INTERVALS 2

static void stage_release(struct stage *g)
{
	sequence_free(g->sequence);
	free(g->offers);
	strata_free(g->strata);
	waitlist_release(&g->waiting);
	free(g->silenced);
	free(g->effects);
}

static void rollout_free(struct rollout *r)
{
	for (size_t i = 0; r->policy && i < r->policy->count; i++)
		stage_release(&r->stages[i]);
	policy_free(r->policy);
	free(r->policy_text);
	free(r->stop_ordered);
	free(r->approvals);
	free(r);
}

void rollouts_release(struct rollouts *all)
{
	while (all->newest) {
		struct rollout *older = all->newest->older;

		rollout_free(all->newest);
		all->newest = older;
	}
}

static int fill(struct rollout *r, const struct store_rollout *row, struct err *e)
{
	r->id = row->id;
	r->attempt = row->attempt;
	r->created = row->created;
	r->secret = row->secret;
	r->restored = row->restored;
	r->policy_version = row->policy_version;
	r->bundle.serial = row->serial;
	r->bundle.digest = row->digest;
	snprintf(r->channel, sizeof r->channel, "%s", row->channel);
	snprintf(r->bundle.version, sizeof r->bundle.version, "%s", row->version);
	snprintf(r->bundle.path, sizeof r->bundle.path, "%s", row->path);
	snprintf(r->by, sizeof r->by, "%s", row->by);
	snprintf(r->reason, sizeof r->reason, "%s", row->reason);
	r->policy_text = strdup(row->policy);
	if (!r->policy_text)
		return err_memory(e);
	if (policy_parse(&r->policy, "policy", row->policy, strlen(row->policy), e) < 0)
		return e->code;
	/* a ring whose time zone went away stays closed: that is no reason not to start */
	if (policy_resolve(r->policy, e) < 0)
		log_error("rollout %llu: %s", (unsigned long long)r->id, e->msg);
	for (size_t i = 0; i < r->policy->count; i++) {
		struct stage *g = &r->stages[i];

		g->rollout = r;
		g->position = (int)i;
		g->policy = &r->policy->rings[i];
		silence_init(&g->silence);
		if (sequence_new(&g->sequence, g->policy->p0, g->policy->p1, e) < 0)
			return e->code;
	}
	return 0;
}

int rollouts_add(struct rollouts *all, struct rollout **out, const struct store_rollout *row, struct err *e)
{
	struct rollout *r = calloc(1, sizeof *r);

	if (!r)
		return err_memory(e);
	if (fill(r, row, e) < 0) {
		rollout_free(r);
		return err_wrap(e, "rollout %llu", (unsigned long long)row->id);
	}
	r->older = all->newest;
	all->newest = r;
	all->last_id = MAX(all->last_id, r->id);
	if (out)
		*out = r;
	return 0;
}

struct stage *rollouts_in_ring(const struct rollouts *all, const char *channel, const char *ring)
{
	struct stage *waiting = NULL;

	for (struct rollout *r = all->newest; r; r = r->older) {
		struct stage *g = strcmp(r->channel, channel) == 0 ? rollout_stage(r, ring) : NULL;

		if (!g || g->state == RING_SUPERSEDED || g->state == RING_ABORTED)
			continue;
		if (g->state != RING_QUEUED)
			return g;
		if (!waiting)
			waiting = g;
	}
	return waiting;
}

struct rollout *rollouts_find(const struct rollouts *all, uint64_t id)
{
	struct rollout *r = all->newest;

	while (r && r->id != id)
		r = r->older;
	return r;
}

int rollout_order_stop(struct rollout *r, const char *why, struct err *e)
{
	char *copy = strdup(why);

	if (!copy)
		return err_memory(e);
	free(r->stop_ordered);
	r->stop_ordered = copy;
	return 0;
}

struct rollout *rollouts_of(const struct rollouts *all, const char *channel, const struct digest *digest)
{
	struct rollout *r = all->newest;

	while (r && (!digest_equal(&r->bundle.digest, digest) || strcmp(r->channel, channel) != 0))
		r = r->older;
	return r;
}

struct stage *rollout_stage(struct rollout *r, const char *ring)
{
	int at = policy_position(r->policy, ring);

	return at < 0 ? NULL : &r->stages[at];
}

struct offer *stage_offer_of(struct stage *g, const struct device *d)
{
	for (struct offer_link *l = d->offers; l; l = l->next)
		if (l->stage == g)
			return &g->offers[l->n - 1];
	return NULL;
}

/* An open offer stays with the ring that made it; else the device's ring counts. */
struct stage *rollouts_stage_for(const struct rollouts *all, const struct device *d, const char *channel, const struct digest *digest)
{
	struct rollout *r = rollouts_of(all, channel, digest);

	if (!r)
		return NULL;
	for (struct offer_link *l = d->offers; l; l = l->next)
		if (l->stage->rollout == r)
			return l->stage;
	return d->ring ? rollout_stage(r, d->ring) : NULL;
}

/* ---- offers ---- */

uint64_t rollout_order(const struct rollout *r, const struct device *d)
{
	return permit_order(&r->secret, sizeof r->secret, d->id);
}

int stage_freeze(struct stage *g, struct strata *plan, bool last_waits, struct err *e)
{
	if (sequence_freeze(g->sequence, strata_count(plan), e) < 0) {
		strata_free(plan);
		return e->code;
	}
	g->strata = plan;
	g->last_waits = last_waits;
	return 0;
}

int stage_add_silenced(struct stage *g, const struct silenced *v, struct err *e)
{
	struct offer *o = stage_offer_of(g, v->device);
	struct waiting *w = o ? NULL : waitlist_put(&g->waiting, v->device, rollout_order(g->rollout, v->device));

	if (!o && !w)
		return err_memory(e);
	if (g->silenced_count == g->silenced_cap) {
		uint32_t cap = g->silenced_cap ? 2 * g->silenced_cap : 16;
		struct silenced *more = reallocarray(g->silenced, cap, sizeof *more);

		if (!more)
			return err_memory(e);
		g->silenced = more;
		g->silenced_cap = cap;
	}
	*(o ? &o->silenced : &w->silenced) = true;
	g->silenced[g->silenced_count++] = *v;
	silence_event(&g->silence, v->treated, v->at_risk, v->waiting);
	return 0;
}

/* It waits no more. Did it fall silent while it did? */
static bool leave_waiting(struct stage *g, struct device *d)
{
	uint64_t order = rollout_order(g->rollout, d);
	const struct waiting *w = waitlist_find(&g->waiting, d, order);
	bool silenced = w && w->silenced;

	waitlist_remove(&g->waiting, d, order);
	return silenced;
}

int stage_add_offer(struct stage *g, struct device *d, uint32_t n, int64_t at, const char *stratum, struct err *e)
{
	struct offer_link *link;

	if (n != g->count + 1 || !g->strata)
		return err_set(e, ERR_INTERNAL, "offer %u of ring %s follows %u", n, g->policy->name, g->count);
	if (g->count == g->cap) {
		uint32_t cap = g->cap ? 2 * g->cap : 64;
		struct offer *offers = reallocarray(g->offers, cap, sizeof *offers);

		if (!offers)
			return err_memory(e);
		g->offers = offers;
		g->cap = cap;
	}
	link = calloc(1, sizeof *link);
	if (!link)
		return err_memory(e);
	if (sequence_offer(g->sequence, strata_find(g->strata, stratum), e) < 0) {
		free(link);
		return e->code;
	}
	g->offers[g->count++] = (struct offer){ .device = d, .facts = { .offered = at }, .silenced = leave_waiting(g, d) };
	g->open++;
	*link = (struct offer_link){ .stage = g, .n = n, .next = d->offers };
	d->offers = link;
	if (!g->began)
		g->began = at;
	return 0;
}

static bool is_open(enum outcome o)
{
	return !outcome_final(o);
}

/* When it became known, also after a restart: the order of a stratum's final outcomes. */
static int64_t known_at(const struct outcome_facts *f, int64_t now)
{
	const int64_t known[] = { f->survived, f->failed, f->lost };
	int64_t at = now;

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (known[i])
			at = MIN(at, known[i]);
	return at;
}

struct outcome_facts stage_facts(const struct stage *g, uint32_t n)
{
	const struct offer *o = &g->offers[n - 1];
	struct outcome_facts f = o->facts;

	if (o->device->flagged && f.survived) {
		f.environment = MAX(f.survived, MAX(f.offered, f.renewed));
		f.survived = 0;
	}
	return f;
}

void stage_judge(struct stage *g, uint32_t n, int64_t silence_s, int64_t quiet_until, int64_t now)
{
	struct offer *o = &g->offers[n - 1];
	enum outcome was = o->outcome;
	struct outcome_facts counted;

	o->facts.last_seen = o->device->last_seen;
	o->facts.goodbye = o->device->goodbye;
	o->facts.quiet_until = quiet_until;
	counted = stage_facts(g, n);
	o->outcome = outcome_of(&counted, g->policy->observe_s, silence_s, now);
	if (o->outcome == was)
		return;
	g->open = g->open + is_open(o->outcome) - is_open(was);
	sequence_set(g->sequence, n, o->outcome, known_at(&o->facts, now));
}

/* ---- permits ---- */

/* Once it waits for its turn it is compared with those that were offered, whatever it is told later. */
static void wait_here(struct stage *g, struct device *d, uint64_t order, uint32_t group, bool turn, int64_t now)
{
	struct waiting *w = waitlist_put(&g->waiting, d, order);

	if (!w)
		return; /* it asks again */
	w->asked = now;
	w->group = group;
	w->turn |= turn;
}

/* Coverage, and what a person let go on after its deadline, need everybody. */
static bool kept_for_last(const struct stage *g, uint64_t order)
{
	return g->last_waits && g->state != RING_PASSED && !g->last.coverage_ring && !g->continue_anyway && permit_is_last(order, g->policy->last_share);
}

void stage_permit(struct stage *g, struct device *d, uint64_t attempt, int64_t checkin_s, int64_t now, struct permit_answer *out)
{
	struct sequence_sums sums;
	struct offer *o = stage_offer_of(g, d);
	uint64_t order = rollout_order(g->rollout, d);
	char stratum[CHECKIN_STRATUM_MAX + 1];
	uint32_t group;
	struct permit_facts f = {
		.state = g->state,
		.awaits_offered = strcmp(g->cause, verdict_cause_name(CAUSE_LEFT_OUT)) == 0,
		.assigned = attempt == g->rollout->attempt,
		.stopped = g->state == RING_HALTED || g->state == RING_ROLLED_BACK,
		.flagged = d->revoked || d->flagged,
		.offered = o != NULL,
		.offer_bad = o && (o->outcome == OUTCOME_FAILED || o->outcome == OUTCOME_LOST),
		.window_closed = !stage_hours(g, now).open,
		.kept_for_last = kept_for_last(g, order),
		.in_flight = (int64_t)g->open + g->reserved,
	};

	sequence_sums(g->sequence, &sums);
	f.in_flight_max = verdict_in_flight(g->policy, sums.of[OUTCOME_SURVIVED]);
	device_stratum(d, g->policy->strata, stratum);
	group = g->strata ? strata_find(g->strata, stratum) : 0;
	f.stratum_blocked = g->strata && sequence_stratum_blocked(g->sequence, group);
	f.order_ahead = waitlist_ahead(&g->waiting, d, order, now - WAITING_INTERVALS * checkin_s, f.in_flight_max - f.in_flight);
	permit_decide(out, &f);
	if (g->rollout->restored)
		*out = (struct permit_answer){ .reason = "restored" };
	if (!out->go && !o)
		wait_here(g, d, order, group, out->turn, now);
}

/* ---- words ---- */

static bool every(const struct rollout *r, bool (*is)(enum ring_state))
{
	for (size_t i = 0; i < r->policy->count; i++)
		if (!is(r->stages[i].state))
			return false;
	return true;
}

static bool any(const struct rollout *r, enum ring_state s)
{
	for (size_t i = 0; i < r->policy->count; i++)
		if (r->stages[i].state == s)
			return true;
	return false;
}

static bool is_queued(enum ring_state s)
{
	return s == RING_QUEUED;
}

bool rollout_lives(const struct rollout *r)
{
	return !every(r, state_final);
}

static bool is_over(enum ring_state s)
{
	return s == RING_PASSED || state_final(s);
}

bool rollout_under_way(const struct rollout *r)
{
	return !every(r, is_over);
}

const char *rollout_state(const struct rollout *r)
{
	if (any(r, RING_HALTED))
		return "halted";
	if (any(r, RING_ROLLED_BACK))
		return "rolled-back";
	if (any(r, RING_HELD) || any(r, RING_HELD_BAKING) || (r->restored && rollout_lives(r)))
		return "held";
	if (any(r, RING_AWAITING_APPROVAL) || any(r, RING_AWAITING_SIGNATURE) || every(r, is_queued))
		return "waiting";
	if (any(r, RING_OFFERING) || any(r, RING_BAKING) || any(r, RING_QUEUED))
		return "running";
	if (any(r, RING_ABORTED))
		return "aborted";
	return r->stages[r->policy->count - 1].passed_at ? "passed" : "superseded";
}

void rollout_version(const struct rollout *r, char out[ROLLOUT_VERSION_MAX])
{
	AUTO(buf) struct buf *text = buf_new(0);
	char hex[DIGEST_HEX_LEN + 1];
	struct digest d = { 0 };

	for (size_t i = 0; text && i < r->policy->count; i++) {
		const struct stage *g = &r->stages[i];

		buf_addf(text, "%llu %d %zu %d %lld %s %d%d%d\n", (unsigned long long)r->attempt, r->restored, r->approval_count, (int)g->state,
			 (long long)g->changed, g->cause, g->operator_hold, g->coverage_approved, g->continue_anyway);
	}
	if (text && !text->failed && text->len)
		hash_bytes(&d, text->data, text->len);
	digest_hex(hex, &d);
	snprintf(out, ROLLOUT_VERSION_MAX, "%.32s", hex);
}
