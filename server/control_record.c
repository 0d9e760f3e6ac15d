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
		r->offers[i].facts = o->facts;
	}
}

/* More than are recorded one by one: runs of outcomes in offer order. */
static int take_runs(struct gate_record *r, const struct stage *g, struct err *e)
{
	AUTO(buf) struct buf *runs = buf_new(GATE_RECORD_MAX / 2);

	if (!runs)
		return err_memory(e);
	for (uint32_t n = 0; n < g->count; ) {
		uint32_t run = 1;

		while (n + run < g->count && g->offers[n + run].outcome == g->offers[n].outcome)
			run++;
		gate_runs_add(runs, run, g->offers[n].outcome);
		n += run;
	}
	if (buf_check(runs, e) < 0)
		return e->code;
	r->runs = buf_take(runs);
	return 0;
}

/* Devices choose these words: canonical JSON has no place for control characters. */
static int take_strata(struct gate_record *r, const struct stage *g, struct err *e)
{
	for (uint32_t i = 0; i < r->strata_count; i++) {
		if (!(r->strata[i] = strdup(g->strata[i])))
			return err_memory(e);
		for (char *p = r->strata[i]; *p; p++)
			if ((unsigned char)*p < ' ')
				*p = '?';
	}
	return 0;
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
	    gate_record_new(&r, policy->data, whole ? g->count : 0, g->strata_count, e) < 0)
		return e->code;
	r->rollout = ro->id;
	r->attempt = ro->attempt;
	r->position = g->position;
	r->bundle = ro->bundle;
	r->quiet_until = s->quiet_until;
	r->facts = *f;
	r->verdict = verdict->verdict;
	r->cause = verdict->cause;
	snprintf(r->channel, sizeof r->channel, "%s", ro->channel);
	snprintf(r->ring, sizeof r->ring, "%s", g->policy->name);
	snprintf(r->event, sizeof r->event, "%s", event < 0 ? "verdict" : state_event_name((enum ring_event)event));
	snprintf(r->sentence, sizeof r->sentence, "%s", verdict->sentence);
	take_offers(r, g);
	if ((!whole && take_runs(r, g, e) < 0) || take_strata(r, g, e) < 0)
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
