/* stage_strata: who is in which stratum of a ring, counted at its first offer and frozen. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "rollout/gate.h"
#include "server/rollouts.h"

#define TALLY_MAX 65536         /* names told apart: devices choose them */
#define EXPLAINED_MAX 4096      /* bytes logged of what was pooled */

/* How many endpoints there are of each name. */
struct tally {
	struct stratum_size *items;
	uint32_t count, cap;
	uint32_t *slots;                /* open addressing; index + 1, 0: free */
	uint32_t slot_count;            /* a power of two, over twice cap */
	uint32_t rest;                  /* endpoints of names that found no room */
};

static void tally_release(struct tally *t)
{
	free(t->items);
	free(t->slots);
}

static uint32_t *slot_of(const struct tally *t, const char *name)
{
	uint64_t h = 14695981039346656037u;
	uint32_t at;

	for (const char *p = name; *p; p++)
		h = (h ^ (unsigned char)*p) * 1099511628211u;
	for (at = (uint32_t)h & (t->slot_count - 1); t->slots[at]; at = (at + 1) & (t->slot_count - 1))
		if (strcmp(t->items[t->slots[at] - 1].name, name) == 0)
			break;
	return &t->slots[at];
}

static int tally_grow(struct tally *t, struct err *e)
{
	uint32_t cap = t->cap ? 2 * t->cap : 64;
	struct stratum_size *items = reallocarray(t->items, cap, sizeof *items);

	if (!items)
		return err_memory(e);
	t->items = items;
	free(t->slots);
	t->slots = calloc(4 * (size_t)cap, sizeof *t->slots);
	if (!t->slots)
		return err_memory(e);
	t->cap = cap;
	t->slot_count = 4 * cap;
	for (uint32_t i = 0; i < t->count; i++)
		*slot_of(t, t->items[i].name) = i + 1;
	return 0;
}

static int tally_add(struct tally *t, const char *stratum, struct err *e)
{
	char name[STRATA_NAME_MAX + 1];
	uint32_t *slot;

	strata_clean(name, stratum);
	if (t->count == t->cap && t->cap < TALLY_MAX && tally_grow(t, e) < 0)
		return e->code;
	slot = slot_of(t, name);
	if (*slot) {
		t->items[*slot - 1].size++;
	} else if (t->count < t->cap) {
		t->items[t->count].size = 1;
		memcpy(t->items[t->count].name, name, sizeof name);
		*slot = ++t->count;
	} else {
		t->rest++;
	}
	return 0;
}

/* ---- the ring as it is ---- */

static bool at_hand(const struct stage *g, const struct device *d, int64_t heard_since)
{
	return d->ring && strcmp(d->ring, g->policy->name) == 0 && !d->revoked && d->last_seen >= heard_since && !device_away(d) &&
	       device_channel(d, g->rollout->channel);
}

/* Without those that wait for the pass, when the others are enough for it. */
static bool enough_without_last(const struct stage *g, const struct fleet *fleet, int64_t heard_since)
{
	uint64_t others = 0, last = 0;

	for (size_t i = 0; i < fleet->count; i++)
		if (at_hand(g, fleet->items[i], heard_since))
			++*(permit_is_last(rollout_order(g->rollout, fleet->items[i]), g->policy->last_share) ? &last : &others);
	return last > 0 && others > gate_clean_to_pass(g->policy->p0, g->policy->p1, g->policy->beta);
}

static void tell_pooled(const struct stage *g, const struct strata *plan)
{
	struct buf said = { .max = 0 };

	strata_explain(plan, &said);
	for (size_t i = 0; i + 1 < said.len; i++)
		if (said.data[i] == '\n')
			said.data[i] = ';';
	log_info("channel %s serial %llu ring %s: %u strata are frozen; pooled: %.*s", g->rollout->channel,
		 (unsigned long long)g->rollout->bundle.serial, g->policy->name, strata_count(plan),
		 said.len ? (int)MIN(said.len - 1, EXPLAINED_MAX) : 4, said.len ? said.data : "none");
	buf_release(&said);
}

int stage_plan(struct stage *g, const struct fleet *fleet, int64_t heard_since, struct err *e)
{
	bool last_waits = g->policy->permit_required && enough_without_last(g, fleet, heard_since);
	struct tally t = { .count = 0 };
	struct strata *plan = NULL;
	int got = tally_grow(&t, e);

	for (size_t i = 0; i < fleet->count && got == 0; i++) {
		const struct device *d = fleet->items[i];
		char stratum[CHECKIN_STRATUM_MAX + 1];

		if (!at_hand(g, d, heard_since) || (last_waits && permit_is_last(rollout_order(g->rollout, d), g->policy->last_share)))
			continue;
		device_stratum(d, g->policy->strata, stratum);
		got = tally_add(&t, stratum, e);
	}
	if (got == 0 && t.rest > 0 && t.count > 0)
		t.items[t.count - 1] = (struct stratum_size){ .name = STRATA_OTHER, .size = t.items[t.count - 1].size + t.rest };
	if (got == 0)
		got = strata_plan(&plan, t.items, t.count, e);
	tally_release(&t);
	if (got < 0)
		return got;
	tell_pooled(g, plan);
	return stage_freeze(g, plan, last_waits, e);
}

/* ---- as a row of the store ---- */

int stage_strata_row(const struct stage *g, int64_t at, struct store_strata *out, struct buf *plan, struct err *e)
{
	struct json_writer w = { .out = plan };

	json_open_array(&w, NULL);
	for (uint32_t i = 0; i < strata_count(g->strata); i++) {
		json_open_array(&w, NULL);
		json_put_text(&w, NULL, strata_name(g->strata, i));
		json_put_int(&w, NULL, strata_size(g->strata, i));
		json_close_array(&w);
	}
	json_close_array(&w);
	if (buf_check(plan, e) < 0)
		return e->code;
	*out = (struct store_strata){ .rollout = g->rollout->id, .ring = g->position, .at = at, .last = g->last_waits, .plan = plan->data };
	return 0;
}

static int read_groups(struct stratum_size *groups, const struct json_doc *d, struct err *e)
{
	for (uint32_t i = 0; i < d->root->count; i++) {
		const struct json *v = &d->root->u.items[i];
		int64_t size;

		if (v->type != JSON_ARRAY || v->count != 2 || v->u.items[0].type != JSON_STRING || v->u.items[0].count > STRATA_NAME_MAX ||
		    !json_to_int(&v->u.items[1], &size) || size < 0 || size > UINT32_MAX)
			return json_error(d, v, e, ERR_FORMAT, "a stratum is a name and a number");
		snprintf(groups[i].name, sizeof groups[i].name, "%s", v->u.items[0].u.text);
		groups[i].size = (uint32_t)size;
	}
	return 0;
}

int stage_strata_load(struct stage *g, const struct store_strata *row, struct err *e)
{
	static const struct json_limits limits = { .bytes = STRATA_MAX * (STRATA_NAME_MAX * 6 + 32), .depth = 3 };
	AUTO(json) struct json_doc *d = NULL;
	AUTO_FREE struct stratum_size *groups = NULL;
	struct strata *plan;

	if (json_parse(&d, "frozen strata", row->plan, strlen(row->plan), &limits, e) < 0)
		return e->code;
	if (d->root->type != JSON_ARRAY)
		return json_error(d, d->root, e, ERR_FORMAT, "strata are a list");
	groups = calloc((size_t)d->root->count + 1, sizeof *groups);
	if (!groups)
		return err_memory(e);
	if (read_groups(groups, d, e) < 0 || strata_from(&plan, groups, d->root->count, e) < 0)
		return e->code;
	g->strata_kept = true;
	return stage_freeze(g, plan, row->last, e);
}
