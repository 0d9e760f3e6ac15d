/* control_record: what a gate decided from, as a document of the store. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/control_parts.h"

static void take_offers(struct gate_record *r, const struct stage *g)
{
	for (uint32_t i = 0; i < r->offer_count; i++) {
		const struct offer *o = &g->offers[i];

		memcpy(r->offers[i].device, o->device->id, sizeof r->offers[i].device);
		r->offers[i].stratum = sequence_stratum(g->sequence, i + 1);
		r->offers[i].facts = stage_facts(g, i + 1);
	}
}

/* Runs of outcomes in offer order, with strata as long as there is room. */
static int write_runs(struct buf *runs, const struct stage *g, bool strata, struct err *e)
{
	uint32_t current = 0;

	for (uint32_t n = 0; n < g->count && !runs->failed; ) {
		uint32_t run = 1, group = strata ? sequence_stratum(g->sequence, n + 1) : 0;

		while (n + run < g->count && g->offers[n + run].outcome == g->offers[n].outcome &&
		       (!strata || sequence_stratum(g->sequence, n + run + 1) == group))
			run++;
		if (group != current)
			gate_runs_group(runs, group);
		current = group;
		gate_runs_add(runs, run, g->offers[n].outcome);
		n += run;
	}
	return buf_check(runs, e);
}

/* A ring of more offers than are recorded one by one. */
static int take_runs(struct gate_record *r, const struct stage *g, const struct verdict_facts *f, struct err *e)
{
	AUTO(buf) struct buf *runs = buf_new(GATE_RECORD_RUNS), *lean = buf_new(GATE_RECORD_RUNS);
	struct err full;

	if (!runs || !lean)
		return err_memory(e);
	if (write_runs(runs, g, true, &full) == 0) {
		r->runs = buf_take(runs);
		return 0;
	}
	if (write_runs(lean, g, false, e) < 0)
		return e->code;
	r->runs = buf_take(lean);
	r->has_given = true;
	r->given = (struct gate_strata_given){ .all = f->sums.strata, .known = f->sums.strata_known, .lacking = f->strata_lacking };
	for (uint32_t i = 0; f->strata_lacks && i < r->strata_count; i++)
		if (strcmp(strata_name(g->strata, i), f->strata_lacks) == 0)
			r->given.lacks = i;
	return 0;
}

/* The newest one by one, what came before summed up. */
static void take_silence(struct gate_record *r, const struct stage *g)
{
	uint32_t skipped = g->silenced_count - r->silenced_count;

	for (uint32_t i = 0; i < g->silenced_count; i++) {
		const struct silenced *v = &g->silenced[i];
		struct gate_silenced *out = i < skipped ? NULL : &r->silenced[i - skipped];

		if (!out) {
			silence_event(&r->silence_before, v->treated, v->at_risk, v->waiting);
			continue;
		}
		*out = (struct gate_silenced){ .at = v->at, .group = v->group, .at_risk = v->at_risk, .waiting = v->waiting, .treated = v->treated };
		memcpy(out->device, v->device->id, sizeof out->device);
	}
	r->at_risk = g->at_risk;
	r->waiting = g->compared;
}

/* The policy without white space: canonical JSON has no place for line breaks either. */
static int compact(struct buf **out, const struct policy *p, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(POLICY_MAX), *lean = buf_new(POLICY_MAX);
	AUTO(json) struct json_doc *d = NULL;
	struct json_writer w = { .out = lean };

	if (!text || !lean)
		return err_memory(e);
	if (policy_write(text, p, e) < 0 || json_parse(&d, "policy", text->data, text->len, NULL, e) < 0)
		return e->code;
	json_put_value(&w, NULL, d->root);
	if (buf_check(lean, e) < 0)
		return e->code;
	*out = TAKE(lean);
	return 0;
}

int control_record(struct gate_record **out, struct server *s, const struct stage *g, const struct verdict_facts *f,
		   const struct verdict_result *verdict, int event, struct err *e)
{
	const struct rollout *ro = g->rollout;
	bool whole = g->count <= GATE_RECORD_OFFERS;
	AUTO(gate_record) struct gate_record *r = NULL;
	AUTO(buf) struct buf *policy = NULL;

	if (compact(&policy, ro->policy, e) < 0 ||
	    gate_record_new(&r, policy->data, whole ? g->count : 0, g->strata, MIN(g->silenced_count, GATE_RECORD_SILENCED), e) < 0)
		return e->code;
	r->rollout = ro->id;
	r->attempt = ro->attempt;
	r->position = g->position;
	r->bundle = ro->bundle;
	r->quiet_until = s->quiet_until;
	r->facts = *f;
	r->facts.effects = NULL;
	r->verdict = verdict->verdict;
	r->cause = verdict->cause;
	snprintf(r->channel, sizeof r->channel, "%s", ro->channel);
	snprintf(r->ring, sizeof r->ring, "%s", g->policy->name);
	snprintf(r->event, sizeof r->event, "%s", event < 0 ? "verdict" : state_event_name((enum ring_event)event));
	snprintf(r->sentence, sizeof r->sentence, "%s", verdict->sentence);
	take_offers(r, g);
	take_silence(r, g);
	if (g->effects) {
		r->effects = malloc(sizeof *r->effects);
		if (!r->effects)
			return err_memory(e);
		*r->effects = *g->effects;
	}
	if (!whole && take_runs(r, g, f, e) < 0)
		return e->code;
	*out = TAKE(r);
	return 0;
}

int control_put_record(struct server_batch *b, const struct gate_record *r, struct buf *text, char inputs[CONTROL_INPUTS], struct err *e)
{
	struct store_record *row;
	char hex[DIGEST_HEX_LEN + 1];
	struct digest digest;

	if (gate_record_write(text, r, &digest, e) < 0)
		return err_wrap(e, "gate record");
	row = server_record(b, STORE_GATE);
	digest_hex(hex, &digest);
	snprintf(inputs, CONTROL_INPUTS, "{\"record\":\"%s\"}", hex);
	row->u.gate = (struct store_gate){
		.rollout = r->rollout, .ring = (int)r->position, .channel = r->channel, .ring_name = r->ring, .event = r->event,
		.verdict = verdict_name(r->verdict), .cause = verdict_cause_name(r->cause), .sentence = r->sentence,
		.at = r->facts.now, .digest = digest, .body = text->data,
	};
	return 0;
}

/* ---- what signers of the next ring are shown ---- */

static int put_evidence(const struct store_gate *row, void *arg, struct err *e)
{
	struct json_writer *w = arg;
	char hex[DIGEST_HEX_LEN + 1];

	(void)e;
	digest_hex(hex, &row->digest);
	json_put_text(w, "ring", row->ring_name);
	json_put_text(w, "gate_record", hex);
	json_put_text(w, "verdict", row->verdict);
	json_put_text(w, "cause", row->cause);
	json_put_text(w, "sentence", row->sentence);
	json_put_time(w, "at", row->at);
	return 0;
}

int control_evidence(struct server *s, const struct stage *g, struct buf *out, struct err *e)
{
	struct json_writer w = { .out = out };
	int got;

	json_open_object(&w, NULL);
	json_put_text(&w, "kind", "promotion");
	json_put_int(&w, "rollout", (int64_t)g->rollout->id);
	got = g->position == 0 ? 0 : store_gate_of(s->store, g->rollout->id, g->position - 1, state_event_name(RING_PASS), put_evidence, &w, e);
	if (got < 0 && got != ERR_NOT_FOUND)
		return got;
	json_close_object(&w);
	return buf_check(out, e);
}
