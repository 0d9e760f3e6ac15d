/* gate_record: the inputs of one decision, written. */
#include "rollout/gate_record_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char gate_run_letters[OUTCOME_COUNT] = "psflaev";

#define FACT(name) #name, offsetof(struct verdict_facts, name)

const struct gate_count gate_counts[] = {
	{ FACT(began), true, 1 },
	{ FACT(bound_at), true, 1 },
	{ FACT(closed_s), true, GATE_RECORD_LATER },
	{ FACT(checkins_expected), true, 1 },
	{ FACT(checkins_seen), true, 1 },
	{ "at", offsetof(struct verdict_facts, now), true, 1 },
	{ FACT(eligible), false, 1 },
	{ FACT(members_away), false, 1 },
	{ FACT(members_survived), false, 1 },
	{ FACT(placebos), true, 2 },
	{ FACT(placebos_lost), true, 2 },
};
const size_t gate_counts_len = ARRAY_LEN(gate_counts);

const struct gate_flag gate_flags[] = {
	{ FACT(content_crash), GATE_RECORD_FORMAT },
	{ FACT(declined), GATE_RECORD_FORMAT },
	{ FACT(background_known), 1 },
	{ FACT(operator_hold), GATE_RECORD_FORMAT },
	{ FACT(coverage_approved), GATE_RECORD_FORMAT },
	{ FACT(continue_anyway), GATE_RECORD_FORMAT },
	{ FACT(emergency), GATE_RECORD_LATER },
};
const size_t gate_flags_len = ARRAY_LEN(gate_flags);

const size_t gate_times[GATE_TIMES] = {
	offsetof(struct outcome_facts, offered), offsetof(struct outcome_facts, last_seen),
	offsetof(struct outcome_facts, goodbye), offsetof(struct outcome_facts, renewed),
	offsetof(struct outcome_facts, survived), offsetof(struct outcome_facts, failed),
	offsetof(struct outcome_facts, environment), offsetof(struct outcome_facts, lost),
};

int gate_record_new(struct gate_record **out, const char *policy_text, uint32_t offers, const struct strata *plan, uint32_t silenced,
		    struct err *e)
{
	AUTO(gate_record) struct gate_record *r = calloc(1, sizeof *r);

	if (!r || !(r->policy_text = strdup(policy_text)))
		return err_memory(e);
	if ((offers && !(r->offers = calloc(offers, sizeof *r->offers))) ||
	    (silenced && !(r->silenced = calloc(silenced, sizeof *r->silenced))))
		return err_memory(e);
	r->format = GATE_RECORD_FORMAT;
	r->offer_count = offers;
	r->silenced_count = silenced;
	silence_init(&r->silence_before);
	if (plan && strata_copy(&r->strata, plan, e) < 0)
		return e->code;
	r->strata_count = plan ? strata_count(plan) : 0;
	if (policy_parse(&r->policy, "pinned policy", policy_text, strlen(policy_text), e) < 0)
		return e->code;
	*out = TAKE(r);
	return 0;
}

void gate_record_free(struct gate_record *r)
{
	if (!r)
		return;
	strata_free(r->strata);
	free(r->offers);
	free(r->silenced);
	free(r->effects);
	free(r->runs);
	free(r->policy_text);
	policy_free(r->policy);
	free(r);
}

void gate_runs_add(struct buf *out, uint32_t count, enum outcome o)
{
	buf_addf(out, "%u%c", count, gate_run_letters[o]);
}

void gate_runs_group(struct buf *out, uint32_t group)
{
	buf_addf(out, "/%u:", group);
}

/* ---- parts ---- */

static void write_offers(struct json_writer *w, const struct gate_record *r)
{
	if (r->runs) {
		json_put_null(w, "offers");
		json_put_text(w, "runs", r->runs);
		return;
	}
	json_open_array(w, "offers");
	for (uint32_t i = 0; i < r->offer_count; i++) {
		const struct gate_offer *o = &r->offers[i];

		json_open_array(w, NULL);
		json_put_text(w, NULL, o->device);
		json_put_int(w, NULL, o->stratum);
		for (size_t k = 0; k < GATE_TIMES; k++)
			json_put_int(w, NULL, *AT_CONST(int64_t, &o->facts, gate_times[k]));
		json_put_int(w, NULL, o->facts.voided);
		json_close_array(w);
	}
	json_close_array(w);
	json_put_null(w, "runs");
}

/* Every bit of it: 21 digits tell any two long doubles apart. */
static void put_real(struct json_writer *w, const char *key, long double v)
{
	char text[SILENCE_NUMBER];

	snprintf(text, sizeof text, "%.21Lg", v);
	json_put_text(w, key, text);
}

static void put_mean(struct json_writer *w, const char *key, const struct strata_mean *m)
{
	json_open_array(w, key);
	put_real(w, NULL, m->max);
	json_put_int(w, NULL, m->at);
	json_put_int(w, NULL, m->stratum);
	json_close_array(w);
}

static void write_strata(struct json_writer *w, const struct gate_record *r)
{
	json_open_array(w, "strata");
	for (uint32_t i = 0; i < r->strata_count; i++) {
		json_open_array(w, NULL);
		json_put_text(w, NULL, strata_name(r->strata, i));
		json_put_int(w, NULL, strata_size(r->strata, i));
		json_close_array(w);
	}
	json_close_array(w);
	if (!r->has_given) {
		json_put_null(w, "strata_given");
		return;
	}
	json_open_object(w, "strata_given");
	put_mean(w, "all", &r->given.all);
	put_mean(w, "known", &r->given.known);
	json_put_int(w, "lacking", r->given.lacking);
	json_put_int(w, "lacks", r->given.lacks);
	json_close_object(w);
}

static void write_before(struct json_writer *w, const struct silence *s)
{
	if (s->armed == 0) {
		json_put_null(w, "before");
		return;
	}
	json_open_object(w, "before");
	json_put_int(w, "armed", (int64_t)s->armed);
	put_real(w, "max", s->max);
	json_open_array(w, "w");
	for (int i = 0; i < SILENCE_RATIOS; i++)
		put_real(w, NULL, s->w[i]);
	json_close_array(w);
	json_close_object(w);
}

static void write_silence(struct json_writer *w, const struct gate_record *r)
{
	json_open_object(w, "silence");
	json_put_int(w, "at_risk", r->at_risk);
	json_put_int(w, "waiting", r->waiting);
	write_before(w, &r->silence_before);
	json_open_array(w, "events");
	for (uint32_t i = 0; i < r->silenced_count; i++) {
		const struct gate_silenced *s = &r->silenced[i];

		json_open_array(w, NULL);
		json_put_text(w, NULL, s->device);
		json_put_int(w, NULL, s->at);
		json_put_int(w, NULL, s->group);
		json_put_int(w, NULL, s->treated);
		json_put_int(w, NULL, s->at_risk);
		json_put_int(w, NULL, s->waiting);
		json_close_array(w);
	}
	json_close_array(w);
	json_close_object(w);
}

static void write_effects(struct json_writer *w, const struct effects_sums *s)
{
	if (!s) {
		json_put_null(w, "effects");
		return;
	}
	json_open_object(w, "effects");
	json_open_array(w, "hosts");
	for (int side = 0; side < EFFECTS_SIDES; side++)
		json_put_int(w, NULL, s->hosts[side]);
	json_close_array(w);
	json_open_array(w, "figures");
	for (int i = 0; i < EFFECTS_FIGURES; i++) {
		json_open_array(w, NULL);
		for (int side = 0; side < EFFECTS_SIDES; side++) {
			json_put_int(w, NULL, s->of[side][i].n);
			json_put_int(w, NULL, s->of[side][i].per);
		}
		json_close_array(w);
	}
	json_close_array(w);
	json_open_array(w, "rules");
	for (size_t i = 0; i < s->rule_count; i++) {
		json_open_array(w, NULL);
		json_put_text(w, NULL, s->rules[i].rule);
		for (int side = 0; side < EFFECTS_SIDES; side++)
			json_put_int(w, NULL, s->rules[i].n[side]);
		json_close_array(w);
	}
	json_close_array(w);
	json_close_object(w);
}

static void write_bundle(struct json_writer *w, const struct bundle_ref *b)
{
	json_open_object(w, "bundle");
	json_put_text(w, "path", b->path);
	json_put_int(w, "serial", (int64_t)b->serial);
	json_put_text(w, "version", b->version);
	field_put_digest(w, "digest", &b->digest);
	json_close_object(w);
}

static void write_all(struct json_writer *w, const struct gate_record *r)
{
	const struct verdict_facts *f = &r->facts;

	json_open_object(w, NULL);
	json_put_int(w, "format", GATE_RECORD_FORMAT);
	json_put_text(w, "kind", "gate-record");
	json_put_int(w, "rollout", (int64_t)r->rollout);
	json_put_text(w, "channel", r->channel);
	json_put_text(w, "ring", r->ring);
	json_put_int(w, "position", r->position);
	json_put_int(w, "attempt", (int64_t)r->attempt);
	write_bundle(w, &r->bundle);
	json_put_text(w, "policy", r->policy_text);
	json_put_text(w, "event", r->event);
	json_put_int(w, "quiet_until", r->quiet_until);
	for (size_t i = 0; i < gate_counts_len; i++) {
		int64_t n = gate_counts[i].wide ? *AT_CONST(int64_t, f, gate_counts[i].offset) : (int64_t)*AT_CONST(uint32_t, f, gate_counts[i].offset);

		if (n || gate_counts[i].since != GATE_RECORD_LATER)
			json_put_int(w, gate_counts[i].key, n);
	}
	for (size_t i = 0; i < gate_flags_len; i++)
		if (gate_flags[i].until == GATE_RECORD_FORMAT || (gate_flags[i].until == GATE_RECORD_LATER && *AT_CONST(bool, f, gate_flags[i].offset)))
			json_put_bool(w, gate_flags[i].key, *AT_CONST(bool, f, gate_flags[i].offset));
	write_strata(w, r);
	write_offers(w, r);
	write_silence(w, r);
	write_effects(w, r->effects);
	json_put_text(w, "verdict", verdict_name(r->verdict));
	json_put_text(w, "cause", verdict_cause_name(r->cause));
	json_put_text(w, "sentence", r->sentence);
	json_close_object(w);
}

int gate_record_write(struct buf *out, const struct gate_record *r, struct digest *digest, struct err *e)
{
	static const struct json_limits limits = { .bytes = GATE_RECORD_MAX, .depth = GATE_RECORD_DEPTH };
	AUTO(buf) struct buf *plain = buf_new(GATE_RECORD_MAX), *text = buf_new(GATE_RECORD_MAX);
	AUTO(json) struct json_doc *d = NULL;
	AUTO(gate_record) struct gate_record *back = NULL;
	struct json_writer w = { .out = plain };

	if (!plain || !text)
		return err_memory(e);
	if (r->format != GATE_RECORD_FORMAT)
		return err_set(e, ERR_INTERNAL, "a gate record of format %lld is read, not written", (long long)r->format);
	write_all(&w, r);
	if (buf_check(plain, e) < 0 || json_parse(&d, "new gate record", plain->data, plain->len, &limits, e) < 0 ||
	    json_canonical(text, d->root, e) < 0 || buf_check(text, e) < 0 ||
	    gate_record_parse(&back, "new gate record", text->data, text->len, e) < 0)
		return e->code;
	if (digest)
		hash_bytes(digest, text->data, text->len);
	buf_add(out, text->data, text->len);
	return buf_check(out, e);
}
