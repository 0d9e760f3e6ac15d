/* rollouts_store: rollouts as rows of the store, both ways. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "server/rollouts.h"

void rollout_row(const struct rollout *r, struct store_rollout *out)
{
	*out = (struct store_rollout){
		.id = r->id, .channel = r->channel, .digest = r->bundle.digest, .serial = r->bundle.serial,
		.version = r->bundle.version, .path = r->bundle.path, .attempt = r->attempt, .created = r->created,
		.by = r->by, .reason = r->reason, .policy = r->policy_text, .secret = r->secret,
		.restored = r->restored, .policy_version = r->policy_version,
	};
}

void stage_outcome_row(const struct stage *g, uint32_t n, struct store_outcome *out)
{
	const struct offer *o = &g->offers[n - 1];

	*out = (struct store_outcome){
		.rollout = g->rollout->id, .ring = g->position, .device = o->device->id, .renewed = o->facts.renewed,
		.survived = o->facts.survived, .failed = o->facts.failed, .environment = o->facts.environment,
		.lost = o->facts.lost, .voided = o->facts.voided, .reason = o->reason,
	};
}

static void write_previous(const struct bundle_ref *b, struct buf *out)
{
	struct json_writer w = { .out = out };
	char digest[DIGEST_HEX_LEN + 1];

	digest_hex(digest, &b->digest);
	json_open_object(&w, NULL);
	json_put_text(&w, "path", b->path);
	json_put_int(&w, "serial", (int64_t)b->serial);
	json_put_text(&w, "version", b->version);
	json_put_text(&w, "digest", digest);
	json_close_object(&w);
}

static int read_previous(struct bundle_ref *b, const char *text, struct err *e)
{
	AUTO(json) struct json_doc *d = NULL;
	const char *path, *version, *digest;
	int64_t serial;

	if (!text[0])
		return 0;
	if (json_parse(&d, "previous bundle", text, strlen(text), NULL, e) < 0 ||
	    json_want_text(d, d->root, "path", PATH_LEN_MAX, &path, e) < 0 ||
	    json_want_int(d, d->root, "serial", 0, INT64_MAX, &serial, e) < 0 ||
	    json_want_text(d, d->root, "version", VERSION_LEN_MAX, &version, e) < 0 ||
	    json_want_text(d, d->root, "digest", DIGEST_HEX_LEN, &digest, e) < 0)
		return e->code;
	if (!digest_parse(&b->digest, digest, strlen(digest)))
		return err_set(e, ERR_FORMAT, "previous bundle: bad digest");
	snprintf(b->path, sizeof b->path, "%s", path);
	snprintf(b->version, sizeof b->version, "%s", version);
	b->serial = (uint64_t)serial;
	return 0;
}

int stage_row(const struct stage *g, struct store_ring *out, struct buf *previous, struct err *e)
{
	if (!digest_is_zero(&g->previous.digest))
		write_previous(&g->previous, previous);
	if (buf_check(previous, e) < 0)
		return e->code;
	*out = (struct store_ring){
		.rollout = g->rollout->id, .ring = g->position, .state = g->state, .changed = g->changed,
		.began = g->began, .bound_at = g->bound_at, .passed_at = g->passed_at, .cause = g->cause,
		.sentence = g->sentence, .operator_hold = g->operator_hold, .coverage_approved = g->coverage_approved,
		.continue_anyway = g->continue_anyway, .content_crash = g->content_crash, .declined = g->declined,
		.by_coverage = g->by_coverage, .previous = previous->data ? previous->data : "",
	};
	return 0;
}

/* ---- loading ---- */

struct loading {
	struct rollouts *all;
	struct fleet *fleet;
	struct rollout *rollout;
};

static int load_rollout(const struct store_rollout *row, void *arg, struct err *e)
{
	struct loading *l = arg;

	return rollouts_add(l->all, NULL, row, e);
}

static int load_ring(const struct store_ring *row, void *arg, struct err *e)
{
	struct loading *l = arg;
	struct stage *g;

	if (row->ring < 0 || (size_t)row->ring >= l->rollout->policy->count || row->state < 0 || row->state >= RING_STATES)
		return err_set(e, ERR_FORMAT, "rollout %llu: ring %d in state %d", (unsigned long long)row->rollout, row->ring,
			       row->state);
	g = &l->rollout->stages[row->ring];
	g->state = (enum ring_state)row->state;
	g->changed = row->changed;
	g->began = row->began;
	g->bound_at = row->bound_at;
	g->passed_at = row->passed_at;
	g->operator_hold = row->operator_hold;
	g->coverage_approved = row->coverage_approved;
	g->continue_anyway = row->continue_anyway;
	g->content_crash = row->content_crash;
	g->declined = row->declined;
	g->by_coverage = row->by_coverage;
	snprintf(g->cause, sizeof g->cause, "%s", row->cause);
	snprintf(g->sentence, sizeof g->sentence, "%s", row->sentence);
	return read_previous(&g->previous, row->previous, e);
}

static int load_approval(const struct store_approval *row, void *arg, struct err *e)
{
	struct loading *l = arg;

	return rollout_add_approval(l->rollout, row, e);
}

static int load_strata(const struct store_strata *row, void *arg, struct err *e)
{
	struct loading *l = arg;

	if (row->ring < 0 || (size_t)row->ring >= l->rollout->policy->count)
		return err_set(e, ERR_FORMAT, "rollout %llu: strata of ring %d", (unsigned long long)row->rollout, row->ring);
	return stage_strata_load(&l->rollout->stages[row->ring], row, e);
}

/* From before strata were frozen: all of the ring is one. */
static int freeze_other(struct stage *g, struct err *e)
{
	static const struct stratum_size other = { .name = STRATA_OTHER };
	struct strata *plan;

	return strata_from(&plan, &other, 1, e) < 0 ? e->code : stage_freeze(g, plan, false, e);
}

static int load_silence(const struct store_silence *row, void *arg, struct err *e)
{
	struct loading *l = arg;
	struct stage *g = &l->rollout->stages[row->ring];
	struct silenced v = { .device = fleet_find(l->fleet, row->device), .at = row->at, .group = row->stratum, .at_risk = row->at_risk,
			      .waiting = row->waiting, .treated = row->treated };

	if (!v.device || row->n != g->silenced_count + 1 || !g->strata || row->stratum >= strata_count(g->strata))
		return err_set(e, ERR_FORMAT, "rollout %llu: silence %u of ring %d is damaged", (unsigned long long)row->rollout, row->n,
			       row->ring);
	return stage_add_silenced(g, &v, e);
}

static int load_offer(const struct store_offer *row, void *arg, struct err *e)
{
	struct loading *l = arg;
	struct stage *g = &l->rollout->stages[row->ring];
	struct device *d = fleet_find(l->fleet, row->device);
	struct offer *o;

	if (!d)
		return err_set(e, ERR_FORMAT, "rollout %llu: an offer to the unknown device %s", (unsigned long long)row->rollout,
			       row->device);
	if (!g->strata && freeze_other(g, e) < 0)
		return e->code;
	if (stage_add_offer(g, d, row->n, row->at, row->stratum, e) < 0)
		return e->code;
	o = &g->offers[row->n - 1];
	o->facts.renewed = row->outcome.renewed;
	o->facts.survived = row->outcome.survived;
	o->facts.failed = row->outcome.failed;
	o->facts.environment = row->outcome.environment;
	o->facts.lost = row->outcome.lost;
	o->facts.voided = row->outcome.voided;
	snprintf(o->reason, sizeof o->reason, "%s", row->outcome.reason);
	return 0;
}

/* The server may have been killed before the stop was signed: whoever looks next finds out. */
static int load_stop(const struct store_feed *row, void *arg, struct err *e)
{
	struct loading *l = arg;
	struct rollout *r = rollouts_find(l->all, row->d.rollout);

	return r ? rollout_order_stop(r, row->d.sentence, e) : 0;
}

int rollouts_load(struct rollouts *all, struct fleet *fleet, struct store *store, struct err *e)
{
	struct loading l = { all, fleet, NULL };

	if (store_each_rollout(store, load_rollout, &l, e) < 0)
		return e->code;
	for (struct rollout *r = all->newest; r; r = r->older) {
		l.rollout = r;
		if (store_each_ring(store, r->id, load_ring, &l, e) < 0 || store_each_strata(store, r->id, load_strata, &l, e) < 0 ||
		    store_each_approval(store, r->id, load_approval, &l, e) < 0)
			return e->code;
		for (size_t i = 0; i < r->policy->count; i++)
			if (store_each_offer(store, r->id, (int)i, load_offer, &l, e) < 0 ||
			    store_each_silence(store, r->id, (int)i, load_silence, &l, e) < 0)
				return e->code;
	}
	return store_each_stop_ordered(store, load_stop, &l, e);
}
