#include "cli/rollout_explain.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/number.h"
#include "rollout/replay.h"

#define PAGE 1000

struct explaining {
	struct remote *remote;
	int64_t rollout;
	struct json_writer *json;       /* NULL: for people */
	unsigned shown, wrong;
};

static const char *const said_kinds[] = { "hook", "hook-passed", "approve", "emergency" };
static const char *const said_members[] = { "at", "kind", "ring", "sentence" };

static int get_record(struct remote *r, const char *hex, struct gate_record **out, struct err *e)
{
	AUTO_ANSWER answer = { 0 };
	struct digest is, want;
	char path[128];

	if (!digest_parse(&want, hex, strlen(hex)))
		return err_set(e, ERR_FORMAT, "a gate record without a digest");
	snprintf(path, sizeof path, "/v1/gate-records/%s", hex);
	if (remote_call(r, "GET", path, NULL, &answer, e) < 0)
		return e->code;
	hash_bytes(&is, answer.text->data, answer.text->len);
	if (!digest_equal(&is, &want))
		return err_set(e, ERR_REFUSED, "gate record %.16s: the bytes are others than its name says", hex);
	return gate_record_parse(out, "gate record", answer.text->data, answer.text->len, e);
}

static void show(struct explaining *x, const struct gate_record *r, const struct replay *replay, const char *wrong)
{
	const struct sequence_sums *s = &replay->facts.sums;
	char at[CLOCK_TEXT_LEN + 1];

	if (x->json) {
		json_open_object(x->json, NULL);
		json_put_text(x->json, "ring", r->ring);
		json_put_time(x->json, "at", r->facts.now);
		json_put_text(x->json, "event", r->event);
		json_put_text(x->json, "verdict", verdict_name(replay->result.verdict));
		json_put_text(x->json, "cause", verdict_cause_name(replay->result.cause));
		json_put_text(x->json, "sentence", replay->result.sentence);
		json_put_int(x->json, "offers", s->offers);
		json_put_double(x->json, "lambda", replay->result.lambda);
		json_put_double(x->json, "lambda_limit", replay->result.lambda_limit);
		json_put_double(x->json, "e", replay->result.e);
		json_put_double(x->json, "e_limit", replay->result.e_limit);
		json_put_int(x->json, "strata", r->strata_count);
		json_put_int(x->json, "strata_lacking", replay->facts.strata_lacking);
		json_put_double(x->json, "strata_e", replay->result.strata_e);
		json_put_double(x->json, "silence_w", (double)MIN(replay->facts.silence, 1e300L));
		json_put_bool(x->json, "silence_armed", r->waiting > 0);
		json_put_int(x->json, "placebos", r->facts.placebos);
		json_put_int(x->json, "placebos_lost", r->facts.placebos_lost);
		json_put_bool(x->json, "emergency", r->facts.emergency);
		json_put_int(x->json, "closed_s", r->facts.closed_s);
		json_put_text(x->json, "differs", wrong);
		json_close_object(x->json);
		return;
	}
	clock_text(at, r->facts.now);
	printf("%s  %-8s %-8s %s\n", at, r->ring, r->event, replay->result.sentence);
	if (r->facts.emergency)
		printf("%22sEMERGENCY LANE: %lld s of soak instead of %lld\n", "", (long long)policy_soak_s(r->facts.ring, true),
		       (long long)r->facts.ring->soak_s);
	if (r->facts.closed_s)
		printf("%22sclosed for %lld s since it began, by windows or freezes\n", "", (long long)r->facts.closed_s);
	if (replay->facts.strata)
		printf("%22s%u strata, %u with too few survivors, E over them = %.4g; W of silence = %.4Lg%s; background loss %lld of %lld\n", "",
		       r->strata_count, replay->facts.strata_lacking, replay->result.strata_e, replay->facts.silence,
		       r->waiting ? "" : " (unarmed: nobody to compare with)", (long long)r->facts.placebos_lost, (long long)r->facts.placebos);
	printf("%22s%u offers: %u survived, %u failed, %u lost, %u open; lambda = %.4g (passes at %.4g), E = %.4g (halts at %.4g)\n", "",
	       s->offers, s->of[OUTCOME_SURVIVED], s->of[OUTCOME_FAILED], s->of[OUTCOME_LOST], s->open, replay->result.lambda,
	       replay->result.lambda_limit, replay->result.e, replay->result.e_limit);
	if (wrong)
		printf("%22sNOT what was decided: %s\n", "", wrong);
}

static int explain_one(struct explaining *x, const char *hex, struct err *e)
{
	AUTO(gate_record) struct gate_record *r = NULL;
	struct replay replay;
	struct err why;
	int got;

	if (get_record(x->remote, hex, &r, e) < 0)
		return e->code;
	got = replay_record(&replay, r, &why);
	show(x, r, &replay, got < 0 ? why.msg : NULL);
	x->shown++;
	x->wrong += got < 0;
	return 0;
}

/* 1: there may be more. */
static int explain_page(struct explaining *x, int64_t *after, struct err *e)
{
	AUTO_ANSWER answer = { 0 };
	const struct json *items;
	char path[96];

	snprintf(path, sizeof path, "/v1/gate-records?rollout=%lld&after=%lld&limit=%d", (long long)x->rollout, (long long)*after, PAGE);
	if (remote_call(x->remote, "GET", path, NULL, &answer, e) < 0 ||
	    json_want_array(answer.doc, answer.doc->root, "items", PAGE, &items, e) < 0)
		return e->code;
	for (uint32_t i = 0; i < items->count; i++) {
		const struct json *o = &items->u.items[i];
		int64_t rollout;
		char hex[80];

		if (json_want_int(answer.doc, o, "id", 1, INT64_MAX, after, e) < 0 ||
		    json_want_int(answer.doc, o, "rollout", 1, INT64_MAX, &rollout, e) < 0)
			return e->code;
		remote_text(o, "digest", hex, sizeof hex);
		if (rollout == x->rollout && explain_one(x, hex, e) < 0)
			return e->code;
	}
	return items->count == PAGE;
}

/* ---- what no gate decided, so that there is nothing to replay: hooks that held a ring, people who agreed, the emergency lane ---- */

static int show_said(struct explaining *x, const struct json *event, struct err *e)
{
	AUTO(buf) struct buf *line = buf_new(0);
	const struct json *sentence = json_get(event, "sentence");
	char kind[16], ring[80], at[CLOCK_TEXT_LEN + 1];
	bool known = false;

	remote_text(event, "kind", kind, sizeof kind);
	for (size_t i = 0; i < ARRAY_LEN(said_kinds); i++)
		known = known || strcmp(kind, said_kinds[i]) == 0;
	if (!known)
		return 0;
	if (x->json) {
		json_open_object(x->json, NULL);
		for (size_t i = 0; i < ARRAY_LEN(said_members); i++)
			json_put_value(x->json, said_members[i], json_get(event, said_members[i]));
		json_close_object(x->json);
		return 0;
	}
	if (!line)
		return err_memory(e);
	remote_text(event, "ring", ring, sizeof ring);
	remote_text(event, "at", at, sizeof at);
	if (sentence && sentence->type == JSON_STRING)
		log_escape(line, sentence->u.text, sentence->count);
	if (buf_check(line, e) < 0)
		return e->code;
	printf("%s  %-8s %-8s %s\n", at, ring, strcmp(kind, "emergency") ? kind : "EMERGENCY LANE", line->len ? line->data : "");
	return 0;
}

static int explain_said(struct explaining *x, struct err *e)
{
	int64_t after = 0;

	for (bool more = true; more;) {
		AUTO_ANSWER answer = { 0 };
		const struct json *items;
		char path[96];

		snprintf(path, sizeof path, "/v1/events?rollout=%lld&after=%lld&limit=%d", (long long)x->rollout, (long long)after, PAGE);
		if (remote_call(x->remote, "GET", path, NULL, &answer, e) < 0 ||
		    json_want_array(answer.doc, answer.doc->root, "items", PAGE, &items, e) < 0 ||
		    json_want_int(answer.doc, answer.doc->root, "last", 0, INT64_MAX, &after, e) < 0)
			return e->code;
		for (uint32_t i = 0; i < items->count; i++)
			if (items->u.items[i].type == JSON_OBJECT && show_said(x, &items->u.items[i], e) < 0)
				return e->code;
		more = items->count == PAGE;
	}
	return 0;
}

static int explain_all(struct explaining *x, struct err *e)
{
	int64_t after = 0;
	int more;

	while ((more = explain_page(x, &after, e)) > 0)
		;
	return more;
}

int rollout_explain(struct remote *r, const char *id, bool json, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(0);
	struct json_writer w = { .out = text, .indent = true };
	struct explaining x = { .remote = r, .json = json ? &w : NULL };

	if (!text)
		return err_memory(e);
	if (!number_parse(&x.rollout, id) || x.rollout < 1)
		return err_set(e, ERR_USAGE, "\"%.40s\" is no rollout's number", id);
	if (json) {
		json_open_object(&w, NULL);
		json_open_array(&w, "said");
	}
	if (explain_said(&x, e) < 0)
		return e->code;
	if (json) {
		json_close_array(&w);
		json_open_array(&w, "items");
	}
	if (explain_all(&x, e) < 0)
		return e->code;
	if (json) {
		json_close_array(&w);
		json_close_object(&w);
		if (buf_check(text, e) < 0)
			return e->code;
		puts(text->data);
	}
	if (x.shown == 0 && !json)
		printf("no gate has decided anything about rollout %lld\n", (long long)x.rollout);
	return x.wrong ? err_set(e, ERR_REFUSED, "%u of %u decisions are not what their inputs come to", x.wrong, x.shown) : 0;
}
