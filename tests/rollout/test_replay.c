/* test_replay: a gate's verdict again, from nothing but its record. */
#include <math.h>

#include "base/file.h"
#include "base/json.h"
#include "rollout/gate_background.h"
#include "rollout/replay.h"
#include "rollout/state.h"
#include "tests/test.h"

#define T0 1800000000
#define CLEAN 22        /* survivors that pass the shipped first ring */

static const char *const rings[] = { "canary", "early", "broad" };

static char *policy_text(void)
{
	AUTO(policy) struct policy *p = NULL;
	AUTO(buf) struct buf *text = buf_new(POLICY_MAX), *lean = buf_new(POLICY_MAX);
	AUTO(json) struct json_doc *d = NULL;
	struct json_writer w = { .out = lean };
	struct err e;

	assert_ok(policy_default(&p, "edr", rings, 3, &e));
	assert_ok(policy_write(text, p, &e));
	assert_ok(json_parse(&d, "policy", text->data, text->len, NULL, &e));
	json_put_value(&w, NULL, d->root);
	return buf_take(lean);
}

/* What the server does when it decides: facts, sums by the running sequence, verdict. */
static void decide(struct gate_record *r)
{
	AUTO(sequence) struct sequence *q = NULL;
	struct verdict_facts f = r->facts;
	struct verdict_result v;
	struct silence silence = r->silence_before;
	struct err e;

	f.ring = &r->policy->rings[r->position];
	f.first = r->position == 0;
	assert_ok(sequence_new(&q, f.ring->p0, f.ring->p1, &e));
	assert_ok(sequence_freeze(q, r->strata_count, &e));
	for (uint32_t n = 1; n <= r->offer_count; n++) {
		assert_ok(sequence_offer(q, r->offers[n - 1].stratum, &e));
		sequence_set(q, n, outcome_of(&r->offers[n - 1].facts, f.ring->observe_s, policy_silence_s(r->policy), f.now), f.now);
	}
	sequence_sums(q, &f.sums);
	verdict_strata(&f, r->strata, q);
	for (uint32_t i = 0; i < r->silenced_count; i++)
		silence_event(&silence, r->silenced[i].treated, r->silenced[i].at_risk, r->silenced[i].waiting);
	f.silence = silence.max;
	f.background_known = gate_background_known(f.ring->p0, (uint64_t)f.placebos, (uint64_t)f.placebos_lost);
	verdict_of(&v, &f);
	r->verdict = v.verdict;
	r->cause = v.cause;
	snprintf(r->sentence, sizeof r->sentence, "%s", v.sentence);
}

/* A first ring that passed: `offers` of them, every one survived, soak over. */
static struct gate_record *passed(uint32_t offers)
{
	static const struct stratum_size kinds[] = { { "debian-12/7.11/C", 500 }, { "debian-12/7.11/zh_CN \"quoted\" \xc3\xa4", 500 } };
	AUTO_FREE char *policy = policy_text();
	AUTO(strata) struct strata *plan = NULL;
	struct gate_record *r = NULL;
	struct err e;

	assert_ok(strata_plan(&plan, kinds, 2, &e));
	assert_ok(gate_record_new(&r, policy, offers, plan, 4, &e));
	r->rollout = 7;
	r->attempt = 1;
	strcpy(r->channel, "edr");
	strcpy(r->ring, "canary");
	strcpy(r->event, "pass");
	strcpy(r->bundle.path, "bundles/edr/110.tar.gz");
	strcpy(r->bundle.version, "2026.11");
	r->bundle.serial = 110;
	memset(r->bundle.digest.bytes, 0xab, DIGEST_LEN);
	r->facts = (struct verdict_facts){ .now = T0 + 8000, .began = T0, .bound_at = T0 + 2000, .eligible = 1000,
					   .members_survived = offers, .checkins_expected = 40, .checkins_seen = 39 };
	for (uint32_t i = 0; i < offers; i++) {
		struct gate_offer *o = &r->offers[i];

		snprintf(o->device, sizeof o->device, "%032x", i + 1);
		o->stratum = i % 2;
		o->facts = (struct outcome_facts){ .offered = T0 + i, .last_seen = T0 + 1900, .survived = T0 + 1000 + i };
	}
	/* endpoints that wait fall silent now and then */
	for (uint32_t i = 0; i < r->silenced_count; i++) {
		r->silenced[i] = (struct gate_silenced){ .at = T0 + 3000 + i, .group = i % 2, .at_risk = 11, .waiting = 400 - i };
		snprintf(r->silenced[i].device, sizeof r->silenced[i].device, "%032x", 0xf000 + i);
	}
	r->facts.placebos = 900;
	r->facts.placebos_lost = 2;
	decide(r);
	return r;
}

static struct buf *written(const struct gate_record *r, struct digest *digest)
{
	struct buf *text = buf_new(GATE_RECORD_MAX);
	struct err e;

	assert_ok(gate_record_write(text, r, digest, &e));
	return text;
}

static void a_record_replays_to_the_verdict_that_was_decided(void **state)
{
	AUTO(gate_record) struct gate_record *r = passed(CLEAN), *back = NULL;
	AUTO(buf) struct buf *text = NULL;
	struct digest digest, is;
	struct replay again;
	struct err e;

	(void)state;
	assert_int_equal(r->verdict, VERDICT_PASS);
	text = written(r, &digest);
	hash_bytes(&is, text->data, text->len);
	assert_true(digest_equal(&digest, &is));
	assert_ok(gate_record_parse(&back, "record", text->data, text->len, &e));
	assert_ok(replay_record(&again, back, &e));
	assert_int_equal(again.result.verdict, VERDICT_PASS);
	assert_int_equal(again.result.cause, CAUSE_BOUND);
	assert_string_equal(again.result.sentence, r->sentence);
	assert_int_equal(again.facts.sums.of[OUTCOME_SURVIVED], CLEAN);
}

/* Four endpoints of each side report; those with the content so many alerts. */
static void give_effects(struct gate_record *r, int alerts)
{
	struct effects_rule rule = { .rule = "r \"1\"", .n = (uint64_t)alerts };
	struct effects f = { .counted = true, .counted_s = 3600, .load_ms = 9, .rules = &rule, .rule_count = 1 };

	r->effects = calloc(1, sizeof *r->effects);
	assert_non_null(r->effects);
	r->facts.effects = r->effects;
	for (int i = 0; i < 4; i++) {
		f.verdicts[EFFECTS_ALERT] = (uint64_t)alerts;
		effects_rail_add(r->effects, EFFECTS_OFFERED, &f);
		f.verdicts[EFFECTS_ALERT] = 20;
		effects_rail_add(r->effects, EFFECTS_BEFORE, &f);
		effects_rail_add(r->effects, EFFECTS_WAITING, &f);
	}
}

/* Outcomes of every kind, in any order: the plain sums of a replay are the running sums of the server. */
static void whatever_was_decided_from_any_history_replays(void **state)
{
	unsigned seed = 20260131, verdicts[4] = { 0 };
	struct err e;

	(void)state;
	for (int round = 0; round < 400; round++) {
		AUTO(gate_record) struct gate_record *r = passed((uint32_t)(rand_r(&seed) % 60)), *back = NULL;
		AUTO(buf) struct buf *text = NULL;
		struct replay again;
		int bad = rand_r(&seed) % 8;

		for (uint32_t i = 0; i < r->offer_count; i++) {
			struct outcome_facts *f = &r->offers[i].facts;

			switch (rand_r(&seed) % (bad ? 100 : 12)) {
			case 0: f->survived = 0; f->failed = T0 + 1500; break;
			case 1: f->failed = T0 + 3000; break;
			case 2: f->survived = 0; f->lost = T0 + 5000; break;
			case 3: f->survived = 0; f->goodbye = T0 + 1950; break;
			case 4: f->survived = 0; f->environment = T0 + 1200; break;
			case 5: f->voided = true; break;
			case 6: f->survived = 0; f->last_seen = T0 + 7990; f->renewed = T0 + 7000; break;
			default: break;
			}
		}
		for (uint32_t i = 0; i < r->offer_count && i < r->silenced_count && rand_r(&seed) % 3 == 0; i++) {
			memcpy(r->silenced[i].device, r->offers[i].device, sizeof r->silenced[i].device);
			r->silenced[i].treated = true;
		}
		if (rand_r(&seed) % 4 == 0)
			silence_event(&r->silence_before, rand_r(&seed) % 2, 1, 700);
		if (rand_r(&seed) % 3 == 0)
			r->facts.placebos = 3000;
		if (rand_r(&seed) % 2 == 0)
			give_effects(r, rand_r(&seed) % 400);
		r->facts.bound_at = rand_r(&seed) % 2 ? T0 + 2000 : 0;
		r->facts.operator_hold = rand_r(&seed) % 20 == 0;
		r->facts.content_crash = rand_r(&seed) % 20 == 0;
		r->facts.began = r->offer_count ? T0 : 0;
		r->facts.bound_at = r->facts.began ? r->facts.bound_at : 0;
		r->facts.members_survived = MIN(r->facts.members_survived, r->facts.eligible);
		decide(r);
		verdicts[r->verdict]++;
		text = written(r, NULL);
		assert_ok(gate_record_parse(&back, "record", text->data, text->len, &e));
		assert_ok(replay_record(&again, back, &e));
	}
	for (size_t i = 0; i < ARRAY_LEN(verdicts); i++)
		assert_true(verdicts[i] > 0);
}

/* The bytes of a record are its name: another byte is another record, or none. */
static void any_other_byte_is_refused_or_another_record(void **state)
{
	AUTO(gate_record) struct gate_record *r = passed(CLEAN);
	AUTO(buf) struct buf *text = NULL;
	struct digest digest;
	size_t taken = 0, refused = 0;

	(void)state;
	text = written(r, &digest);
	for (size_t i = 0; i < text->len; i++) {
		AUTO(gate_record) struct gate_record *back = NULL;
		char was = text->data[i];
		struct digest is;
		struct replay again;
		struct err e;

		text->data[i] = was >= '0' && was < '9' ? (char)(was + 1) : was == '9' ? '1' : was == 'a' ? 'b' : 'a';
		hash_bytes(&is, text->data, text->len);
		assert_false(digest_equal(&is, &digest));
		if (gate_record_parse(&back, "record", text->data, text->len, &e) < 0 || replay_record(&again, back, &e) < 0)
			refused++;
		else
			taken++;
		/* What still parses is in the one form that is accepted: spaces are not. */
		text->data[i] = was;
	}
	assert_true(refused > taken / 4 && taken > 0);
}

static void not_replayed(struct gate_record *r, const char *why)
{
	struct replay again;
	struct err e;

	r->facts.ring = &r->policy->rings[r->position];
	r->facts.first = r->position == 0;
	assert_refused(replay_record(&again, r, &e), ERR_REFUSED, why);
}

#define WITH(change, why)                                                    \
	do {                                                                 \
		AUTO(gate_record) struct gate_record *r = passed(CLEAN);     \
		change;                                                      \
		not_replayed(r, why);                                        \
	} while (0)

static void a_claim_that_the_inputs_do_not_bear_is_refused(void **state)
{
	(void)state;
	WITH(r->offers[3].facts.failed = T0 + 2000, "the inputs say");
	WITH(r->offers[3].facts.survived = 0, "the inputs say");
	WITH(r->offers[3].facts.voided = true, "the inputs say");
	WITH(r->offer_count--, "the inputs say");
	WITH(r->facts.bound_at = 0, "of soak are over");
	WITH(r->facts.bound_at = T0 + 4500, "of soak are over");
	WITH(r->facts.operator_hold = true, "an operator paused");
	WITH(r->facts.declined = true, "contract");
	WITH(r->facts.content_crash = true, "crashed");
	WITH(r->facts.checkins_seen = 3, "telemetry");
	WITH(r->verdict = VERDICT_CONTINUE, "the record says continue");
	WITH(strcpy(r->sentence, "all is well"), "all is well");
	WITH(r->cause = CAUSE_COVERAGE, "the record says");
}

static void facts_that_contradict_each_other_are_refused(void **state)
{
	(void)state;
	WITH(r->offers[3].facts.survived = T0 - 5000, "outside its time");
	WITH(r->offers[3].facts.survived = T0 + 90000, "outside its time");
	WITH(r->offers[3].facts.offered = T0 + 90000, "outside the ring's time");
	WITH(r->offers[3].facts.offered = 0, "outside the ring's time");
	WITH(r->offers[3].facts.failed = T0 + 90000, "outside its time");
	WITH(r->facts.members_survived = 1001, "more members");
	WITH(r->facts.bound_at = T0 - 1, "outside the ring's time");
	WITH(r->facts.bound_at = T0 + 9000, "outside the ring's time");
	WITH(r->facts.checkins_seen = 41, "more check-ins");
	WITH(r->facts.began = 0, "never began");
	WITH(r->facts.placebos_lost = 901, "more placebo offers");
	WITH(r->silenced[1].at = T0 + 10, "out of its time");
	WITH(r->silenced[3].at = T0 + 90000, "out of its time");
	WITH(r->silenced[1].waiting = 0, "nobody was at risk");
	WITH(r->silenced[1].treated = true, "wrong side");
	WITH(strcpy(r->silenced[1].device, r->offers[1].device), "wrong side");
	WITH(strcpy(r->silenced[1].device, r->silenced[0].device), "counted twice");
	WITH((r->has_given = true, r->given.all.max = 1e9L), "where it can be summed up");
}

/* Strata, silence and the background are inputs as outcomes are. */
static void a_verdict_hangs_on_strata_and_silence_too(void **state)
{
	(void)state;
	WITH(for (uint32_t i = 0; i < r->offer_count; i++) r->offers[i].stratum = 0, "too few survivors");
	WITH((r->silenced[2].treated = true, r->silenced[2].at_risk = 1, r->silenced[2].waiting = 4000,
	      strcpy(r->silenced[2].device, r->offers[2].device), r->silence_before.w[2] = 1000), "fall silent");
	WITH(give_effects(r, 101), "more than 5 times");
	WITH((r->silence_before.w[0] = 1e6L, r->silence_before.max = 1e6L, r->silence_before.armed = 9), "fall silent");
}

static struct buf *stored(const char *name)
{
	struct buf *text = NULL;
	char path[128];
	struct err e;

	snprintf(path, sizeof path, "tests/fuzz/corpus/gate_record/%s.json", name);
	if (file_read(&text, path, GATE_RECORD_MAX, &e) < 0)
		fail_msg("%s", e.msg);
	return text;
}

static void a_record_of_the_first_format_still_replays(void **state)
{
	AUTO(buf) struct buf *text = stored("offers"), *out = buf_new(GATE_RECORD_MAX);
	AUTO(gate_record) struct gate_record *r = NULL;
	struct replay again;
	struct err e;

	(void)state;
	assert_ok(gate_record_parse(&r, "record", text->data, text->len, &e));
	assert_int_equal(r->format, 1);
	assert_ok(replay_record(&again, r, &e));
	assert_int_equal(again.result.cause, CAUSE_COVERAGE);
	assert_true(gate_record_write(out, r, NULL, &e) < 0);
	r->verdict = VERDICT_CONTINUE;
	assert_refused(replay_record(&again, r, &e), ERR_REFUSED, "the record says continue");
}

static void not_parsed(const char *find, const char *put, const char *why)
{
	AUTO(gate_record) struct gate_record *r = passed(3), *back = NULL;
	AUTO(buf) struct buf *text = written(r, NULL), *other = buf_new(0);
	char *at = strstr(text->data, find);
	struct err e;

	assert_non_null(at);
	buf_add(other, text->data, (size_t)(at - text->data));
	buf_adds(other, put);
	buf_adds(other, at + strlen(find));
	if (gate_record_parse(&back, "record", other->data, other->len, &e) == 0)
		fail_msg("taken: %s", put);
	if (!strstr(e.msg, why))
		fail_msg("%s: %s", put, e.msg);
}

static void only_what_a_server_writes_is_read(void **state)
{
	(void)state;
	not_parsed("\"attempt\":1", "\"attempt\": 1", "canonical");
	not_parsed("\"attempt\":1", "\"attempt\":1.0", "");
	not_parsed("\"attempt\":1", "\"attempt\":0", "attempt");
	not_parsed("\"attempt\":1,", "\"attempt\":1,\"more\":1,", "more");
	not_parsed("00000000000000000000000000000002", "00000000000000000000000000000001", "two offers");
	not_parsed("00000000000000000000000000000002", "0000000000000000000000000000000G", "hex");
	not_parsed("\"ring\":\"canary\"", "\"ring\":\"early\"", "is not ring 1 of its policy");
	not_parsed("\"position\":0", "\"position\":1", "is not ring 2 of its policy");
	not_parsed("\"channel\":\"edr\"", "\"channel\":\"yara\"", "is not ring");
	not_parsed("\"runs\":null", "\"runs\":\"3s\"", "offers or runs");
	not_parsed("\"verdict\":\"", "\"verdict\":\"x", "no verdict");
	not_parsed("\"kind\":\"gate-record\"", "\"kind\":\"gate-recorx\"", "gate-record");
}

/* A product of factors that left what a long double holds is written and read all the same. */
static void a_number_beyond_all_is_recorded_too(void **state)
{
	AUTO(gate_record) struct gate_record *r = passed(0), *back = NULL;
	AUTO(buf) struct buf *text = NULL;
	struct err e;

	(void)state;
	r->silence_before.armed = 1;
	r->silence_before.max = HUGE_VALL;
	for (int i = 0; i < SILENCE_RATIOS; i++)
		r->silence_before.w[i] = HUGE_VALL;
	text = written(r, NULL);
	assert_non_null(strstr(text->data, "\"inf\""));
	assert_ok(gate_record_parse(&back, "record", text->data, text->len, &e));
	assert_true(isinf(back->silence_before.max) && isinf(back->silence_before.w[0]));
}

static void a_ring_of_a_million_is_recorded_by_its_outcomes(void **state)
{
	static const char *const wrong[] = { "3x", "0s", "03s", "/3:1s", "/00:1s", "/1", "/:1s", "s", "-1s", "+1s" };
	AUTO(gate_record) struct gate_record *r = passed(0), *back = NULL;
	AUTO(buf) struct buf *text = NULL;
	struct replay again;
	struct err e;

	(void)state;
	r->runs = strdup("/0:1000000s/1:3f/0:2l17p");
	r->facts.members_survived = 0;
	r->facts.eligible = 2000000;
	r->facts.bound_at = T0 + 10;
	snprintf(r->event, sizeof r->event, "halt");
	r->verdict = VERDICT_PASS;
	r->cause = CAUSE_BOUND;
	strcpy(r->sentence, "?");
	text = written(r, NULL);
	assert_ok(gate_record_parse(&back, "record", text->data, text->len, &e));
	assert_refused(replay_record(&again, back, &e), ERR_REFUSED, "zh_CN");
	assert_int_equal(again.facts.sums.of[OUTCOME_SURVIVED], 1000000);
	assert_int_equal(again.facts.sums.of[OUTCOME_FAILED], 3);
	assert_true(again.result.strata_e > 2);
	back->verdict = again.result.verdict;
	back->cause = again.result.cause;
	snprintf(back->sentence, sizeof back->sentence, "%s", again.result.sentence);
	assert_ok(replay_record(&again, back, &e));
	free(back->runs);
	back->runs = strdup("9999999999999s");
	assert_true(replay_record(&again, back, &e) < 0);
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		free(back->runs);
		back->runs = strdup(wrong[i]);
		assert_refused(replay_record(&again, back, &e), ERR_FORMAT, wrong[i]);
	}
}

/* Runs with strata may be too long: then what was summed up stands in the record. */
static void a_ring_too_large_for_strata_gives_what_they_came_to(void **state)
{
	AUTO(gate_record) struct gate_record *r = passed(0), *back = NULL;
	AUTO(buf) struct buf *text = NULL;
	struct replay again;
	struct err e;

	(void)state;
	r->runs = strdup("9000000s1p");
	r->has_given = true;
	r->given = (struct gate_strata_given){ .all = { .max = 1.5L, .at = 7, .stratum = 1 }, .known = { .max = 612.5L / 3, .at = 9 }, .lacking = 1, .lacks = 1 };
	r->facts.members_survived = 0;
	text = written(r, NULL);
	assert_ok(gate_record_parse(&back, "record", text->data, text->len, &e));
	assert_true(replay_record(&again, back, &e) < 0);
	assert_memory_equal(&again.facts.sums.strata_known.max, &r->given.known.max, 10);
	assert_int_equal(again.facts.sums.strata_known.at, 9);
	assert_int_equal(again.facts.strata_lacking, 1);
	assert_non_null(strstr(again.result.sentence, "zh_CN"));
}

static void a_later_record_only_adds(void **state)
{
	AUTO(gate_record) struct gate_record *earlier = passed(CLEAN), *later = passed(CLEAN + 3);
	struct err e;

	(void)state;
	later->facts.now += 100;
	earlier->silenced_count = 3;
	assert_ok(replay_follows(earlier, later, &e));
	assert_ok(replay_follows(earlier, earlier, &e));
	assert_refused(replay_follows(later, earlier, &e), ERR_REFUSED, "rewritten");

#define REWRITTEN(change, undo, why)                                                    \
	do {                                                                            \
		change;                                                                 \
		assert_refused(replay_follows(earlier, later, &e), ERR_REFUSED, why);   \
		undo;                                                                   \
		assert_ok(replay_follows(earlier, later, &e));                          \
	} while (0)
	REWRITTEN(earlier->offers[5].facts.failed = T0 + 9, earlier->offers[5].facts.failed = 0, "said not to have");
	REWRITTEN(earlier->offers[5].facts.lost = T0 + 9, earlier->offers[5].facts.lost = 0, "said not to be");
	REWRITTEN(later->offers[5].facts.survived++, later->offers[5].facts.survived--, "at another time");
	REWRITTEN(later->offers[5].facts.offered++, later->offers[5].facts.offered--, "another one");
	REWRITTEN(later->offers[5].device[0] = 'f', later->offers[5].device[0] = '0', "another one");
	REWRITTEN(later->facts.began++, later->facts.began--, "began at another time");
	REWRITTEN(earlier->facts.content_crash = true, earlier->facts.content_crash = false, "crash");
	REWRITTEN(later->bundle.digest.bytes[0]++, later->bundle.digest.bytes[0]--, "another bundle");
	REWRITTEN(later->format = 1, later->format = 2, "older format");
	REWRITTEN(later->silenced_count = 2, later->silenced_count = 4, "3 silent endpoints became 2");
	REWRITTEN(later->silenced[2].at_risk++, later->silenced[2].at_risk--, "silence 3 is another one");
	REWRITTEN(later->facts.now = T0, later->facts.now = T0 + 9000, "comes after");
	strata_free(later->strata);
	assert_ok(strata_from(&later->strata, &(struct stratum_size){ STRATA_OTHER, 9 }, 1, &e));
	assert_refused(replay_follows(earlier, later, &e), ERR_REFUSED, "the strata of ring canary are others");
	strata_free(later->strata);
	assert_ok(strata_copy(&later->strata, earlier->strata, &e));
	/* a survivor may still fail, and an operator may void an outcome: neither hides anything */
	later->offers[5].facts.failed = T0 + 7999;
	assert_ok(replay_follows(earlier, later, &e));
	earlier->offers[6].facts.failed = T0 + 9;
	later->offers[6].facts.voided = true;
	assert_ok(replay_follows(earlier, later, &e));
}

static void another_gate_is_another_policy(void **state)
{
	AUTO(policy) struct policy *ours = NULL, *theirs = NULL;
	struct err e;

	(void)state;
	assert_ok(policy_default(&ours, "edr", rings, 3, &e));
	assert_ok(policy_default(&theirs, "edr", rings, 3, &e));
	assert_ok(replay_same_policy(ours, theirs, &e));
	theirs->rings[0].p1 = 0.5;
	assert_refused(replay_same_policy(ours, theirs, &e), ERR_REFUSED, "ring canary: p1 is 0.2 here and 0.5 there");
	theirs->rings[0].p1 = ours->rings[0].p1;
	theirs->rings[0].soak_s = 0;
	assert_refused(replay_same_policy(ours, theirs, &e), ERR_REFUSED, "soak_s is 3600 here and 0 there");
	theirs->rings[0].soak_s = ours->rings[0].soak_s;
	theirs->rings[1].lag_hours = 1;
	assert_refused(replay_same_policy(ours, theirs, &e), ERR_REFUSED, "lag.hours is 0 here and 1 there");
	theirs->rings[1].lag_hours = 0;
	assert_ok(windows_add(&theirs->rings[2].calendar.windows, "mon", "01:00", "02:00", "UTC", &e));
	assert_refused(replay_same_policy(ours, theirs, &e), ERR_REFUSED, "ring broad: its windows or freezes are others");
	calendar_release(&theirs->rings[2].calendar);
	theirs->emergency.count = 1;
	assert_refused(replay_same_policy(ours, theirs, &e), ERR_REFUSED, "the emergency lane asks 2 approver here and 1 approver there");
	theirs->emergency.count = 2;
	strcpy(theirs->rings[1].name, "later");
	assert_refused(replay_same_policy(ours, theirs, &e), ERR_REFUSED, "ring 2 is early here and later there");
	strcpy(theirs->rings[1].name, "early");
	theirs->count = 2;
	assert_refused(replay_same_policy(ours, theirs, &e), ERR_REFUSED, "3 rings here and 2 there");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_replays_to_the_verdict_that_was_decided),
		cmocka_unit_test(whatever_was_decided_from_any_history_replays),
		cmocka_unit_test(any_other_byte_is_refused_or_another_record),
		cmocka_unit_test(a_claim_that_the_inputs_do_not_bear_is_refused),
		cmocka_unit_test(facts_that_contradict_each_other_are_refused),
		cmocka_unit_test(only_what_a_server_writes_is_read),
		cmocka_unit_test(a_number_beyond_all_is_recorded_too),
		cmocka_unit_test(a_ring_of_a_million_is_recorded_by_its_outcomes),
		cmocka_unit_test(a_verdict_hangs_on_strata_and_silence_too),
		cmocka_unit_test(a_record_of_the_first_format_still_replays),
		cmocka_unit_test(a_ring_too_large_for_strata_gives_what_they_came_to),
		cmocka_unit_test(a_later_record_only_adds),
		cmocka_unit_test(another_gate_is_another_policy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
