/* test_promoter_judge: what a promoter co-signs, and every lie it does not. */
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "cli/promoter_judge.h"
#include "tests/test.h"

#define T0 1800000000           /* the promoter first saw the bundle in the first ring */
#define BOUND (T0 + 2000)       /* and the record that the bound was reached */
#define NOW (BOUND + 3600)
#define SURVIVORS 22

static const char *const rings[] = { "canary", "early", "broad" };

/* A promotion as it should be; a test spoils one thing. */
struct bench {
	char path[64];
	struct witness *w;
	struct policy *policy;
	struct gate_record *record;
	struct assignment wanted, current;
	struct judge_case c;
};

static struct digest digest_of(int n)
{
	struct digest d;

	memset(d.bytes, n, sizeof d.bytes);
	return d;
}

static void assign(struct assignment *a, const char *ring, int serial)
{
	*a = (struct assignment){ .attempt = 1, .issued = T0 - 5, .permit_required = true, .probation_s = 600, .probation_boots = 0 };
	strcpy(a->channel, "edr");
	strcpy(a->ring, ring);
	a->bundle.serial = (uint64_t)serial;
	a->bundle.digest = digest_of(serial);
	bundle_path(a->bundle.path, "edr", a->bundle.serial);
}

static void see_assigned(struct bench *b, const char *ring, int serial, int64_t at)
{
	struct assignment a;
	struct err e;

	assign(&a, ring, serial);
	assert_ok(witness_note_assigned(b->w, &a, at, &e));
}

static void see_event(struct bench *b, const char *event, int n, int64_t at)
{
	struct digest d = digest_of(n);
	char was[GATE_RECORD_EVENT + 1];
	struct err e;

	memcpy(was, b->record->event, sizeof was);
	snprintf(b->record->event, sizeof b->record->event, "%s", event);
	assert_ok(witness_note_record(b->w, b->record, &d, at, &e));
	memcpy(b->record->event, was, sizeof was);
}

static struct gate_record *pass_record(int64_t bound_at, int64_t now)
{
	AUTO(policy) struct policy *p = NULL;
	AUTO(buf) struct buf *text = buf_new(POLICY_MAX);
	AUTO(sequence) struct sequence *q = NULL;
	struct gate_record *r = NULL;
	struct verdict_facts f;
	struct verdict_result v;
	struct err e;

	assert_ok(policy_default(&p, "edr", rings, 3, &e));
	assert_ok(policy_write(text, p, &e));
	assert_ok(gate_record_new(&r, text->data, SURVIVORS, NULL, 0, &e));
	r->rollout = 7;
	r->attempt = 1;
	strcpy(r->channel, "edr");
	strcpy(r->ring, "canary");
	strcpy(r->event, "pass");
	r->bundle.serial = 110;
	r->bundle.digest = digest_of(110);
	bundle_path(r->bundle.path, "edr", 110);
	r->strata_count = 1;
	r->facts = (struct verdict_facts){ .now = now, .began = T0, .bound_at = bound_at, .eligible = 1000, .members_survived = SURVIVORS };
	for (uint32_t i = 0; i < SURVIVORS; i++) {
		snprintf(r->offers[i].device, sizeof r->offers[i].device, "%032x", i + 1);
		r->offers[i].facts = (struct outcome_facts){ .offered = T0, .last_seen = T0 + 900, .survived = T0 + 800 };
	}
	r->facts.ring = &r->policy->rings[0];
	r->facts.first = true;
	f = r->facts;
	assert_ok(sequence_new(&q, f.ring->p0, f.ring->p1, &e));
	for (uint32_t n = 1; n <= SURVIVORS; n++) {
		assert_ok(sequence_offer(q, 0, &e));
		sequence_set(q, n, OUTCOME_SURVIVED, T0 + 800);
	}
	sequence_sums(q, &f.sums);
	verdict_of(&v, &f);
	r->verdict = v.verdict;
	r->cause = v.cause;
	strcpy(r->sentence, v.sentence);
	return r;
}

static int bench_open(void **state)
{
	struct bench *b = calloc(1, sizeof *b);
	struct err e;
	int fd;

	strcpy(b->path, "/tmp/ringhold-judge-XXXXXX");
	fd = mkstemp(b->path);
	assert_true(fd >= 0);
	close(fd);
	assert_ok(witness_open(&b->w, b->path, &e));
	assert_ok(policy_default(&b->policy, "edr", rings, 3, &e));
	b->record = pass_record(BOUND, NOW);
	assert_int_equal(b->record->verdict, VERDICT_PASS);
	see_assigned(b, "canary", 100, T0 - 900000);
	see_assigned(b, "early", 100, T0 - 800000);
	see_assigned(b, "canary", 110, T0);
	see_event(b, "bound", 1, BOUND);
	see_event(b, "pass", 2, NOW);
	assign(&b->current, "early", 100);
	assign(&b->wanted, "early", 110);
	b->wanted.issued = NOW;
	b->wanted.previous = b->current.bundle;
	b->c = (struct judge_case){ .request = "0123456789abcdef", .ring = "early", .channel = "edr", .policy = b->policy, .witness = b->w,
				    .current = &b->current, .wanted = &b->wanted, .vendor_signed = true, .vendor_greatest = 110,
				    .record = b->record, .now = NOW, .per_day = 2 };
	*state = b;
	return 0;
}

static int bench_close(void **state)
{
	struct bench *b = *state;

	witness_close(b->w);
	policy_free(b->policy);
	gate_record_free(b->record);
	unlink(b->path);
	free(b);
	return 0;
}

static void judged(struct bench *b, int code, const char *why)
{
	enum judge_kind kind;
	struct err e;
	int got = judge_change(&b->c, &kind, &e);

	if (got != code || (code && !strstr(e.msg, why)))
		fail_msg("%d instead of %d (%s): %s", got, code, why, got ? e.msg : "signed");
}

#define BENCH struct bench *b = *state

static void what_passed_before_its_own_eyes_is_signed(void **state)
{
	BENCH;

	judged(b, 0, "");
}

static void without_a_record_nothing_is_signed(void **state)
{
	BENCH;

	b->c.record = NULL;
	judged(b, ERR_REFUSED, "no gate record");
}

static void a_record_of_something_else_is_none(void **state)
{
	BENCH;

	b->wanted.bundle.serial = 111;
	b->wanted.bundle.digest = digest_of(111);
	judged(b, ERR_REFUSED, "another bundle or attempt");
	assign(&b->wanted, "early", 110);
	b->wanted.attempt = 2;
	judged(b, ERR_REFUSED, "another bundle or attempt");
	b->wanted.attempt = 1;
	b->c.ring = "broad";
	judged(b, ERR_REFUSED, "the gate record is of ring canary");
}

static void numbers_that_do_not_come_to_a_pass_are_refused(void **state)
{
	BENCH;

	b->record->offers[0].facts.failed = T0 + 700;
	b->record->offers[1].facts.failed = T0 + 700;
	judged(b, ERR_REFUSED, "the inputs say halt");
	b->record->offers[1].facts.failed = 0;
	judged(b, ERR_REFUSED, "the inputs say continue");
}

static void a_record_that_says_nothing_of_strata_and_silence_is_left_to_people(void **state)
{
	BENCH;

	b->record->format = 1;
	judged(b, ERR_REFUSED, "of format 1, which says nothing about strata and silence: people may sign");
}

static void nobody_survives_sooner_than_the_probation_lasts(void **state)
{
	BENCH;

	b->record->offers[3].facts.survived = T0 + 60;
	judged(b, ERR_REFUSED, "1 endpoints of ring canary are said to have survived sooner");
}

static void a_verdict_by_easier_rules_is_refused(void **state)
{
	BENCH;

	b->record->policy->rings[0].beta = 0.2;
	judged(b, ERR_REFUSED, "the policy it was judged by is not ours: ring canary: beta is 0.01 here and 0.2 there");
}

/* A memory that begins now. */
static void forget(struct bench *b)
{
	struct err e;

	witness_close(TAKE(b->w));
	assert_int_equal(truncate(b->path, 0), 0);
	assert_ok(witness_open(&b->w, b->path, &e));
	b->c.witness = b->w;
	b->wanted.previous = (struct bundle_ref){ { 0 }, 0, { 0 }, { { 0 } } };
}

/* The server shows a whole history at once, with times long gone by. */
static void time_is_measured_by_its_own_clock(void **state)
{
	BENCH;

	forget(b);
	see_assigned(b, "canary", 110, NOW - 100);
	see_event(b, "bound", 1, NOW - 100);
	see_event(b, "pass", 2, NOW - 100);
	judged(b, ERR_CONFLICT, "ring canary has had serial 110 for 100 s: 4100 s are missing");
	forget(b);
	see_assigned(b, "canary", 110, T0);
	see_event(b, "bound", 1, NOW - 100);
	see_event(b, "pass", 2, NOW - 100);
	judged(b, ERR_CONFLICT, "100 of 3600 s of soak were watched here");
	b->c.now = NOW + 3500;
	judged(b, 0, "");
}

static void a_bound_that_was_lost_again_starts_the_soak_anew(void **state)
{
	BENCH;

	see_event(b, "reopen", 3, NOW + 10);
	b->c.now = NOW + 20;
	judged(b, ERR_REFUSED, "no record of ring canary reaching its bound");
	see_event(b, "bound", 4, NOW + 100);
	judged(b, ERR_CONFLICT, "soak");
	b->c.now = NOW + 3700;
	judged(b, 0, "");
}

static void what_it_never_saw_in_the_ring_before_is_refused(void **state)
{
	BENCH;

	forget(b);
	judged(b, ERR_REFUSED, "never seen assigned to ring canary");
	/* it learns, and then waits as long as the gate must */
	see_assigned(b, "canary", 110, NOW);
	see_event(b, "pass", 2, NOW);
	judged(b, ERR_CONFLICT, "are missing");
	b->c.now = NOW + 600 + 3600;
	judged(b, 0, "");
}

static void a_ring_that_began_before_it_was_assigned_is_invented(void **state)
{
	BENCH;

	gate_record_free(b->record);
	b->c.record = b->record = pass_record(BOUND, NOW);
	b->record->facts.began = T0 - 3600;
	for (uint32_t i = 0; i < SURVIVORS; i++)
		b->record->offers[i].facts.offered = T0 - 3600;
	judged(b, ERR_REFUSED, "begun before it had an assignment");
}

static void a_rollout_that_halted_or_was_rewritten_is_over(void **state)
{
	BENCH;
	struct err e;

	see_event(b, "halt", 5, NOW);
	judged(b, ERR_REFUSED, "was halted");
	assert_ok(witness_note_distrust(b->w, 7, "offer 3 failed, and is said not to have", NOW, &e));
	judged(b, ERR_REFUSED, "is said not to have");
}

static void the_vendor_must_have_signed_it_and_nobody_stopped_it(void **state)
{
	BENCH;

	b->c.vendor_signed = false;
	judged(b, ERR_REFUSED, "the vendor signs no bundle");
	b->c.vendor_signed = true;
	b->c.wanted_stopped = true;
	judged(b, ERR_REFUSED, "stopped or recalled");
}

static void an_assignment_is_what_our_policy_makes_of_it(void **state)
{
	struct assignment_drop drop = { .rule = "ipc-0001" };
	BENCH;

	b->wanted.permit_required = false;
	judged(b, ERR_REFUSED, "permit and probation");
	b->wanted.permit_required = true;
	b->wanted.probation_s = 1;
	judged(b, ERR_REFUSED, "permit and probation");
	b->wanted.probation_s = 600;
	b->wanted.probation_boots = 1;
	judged(b, ERR_REFUSED, "permit and probation");
	b->wanted.probation_boots = 0;
	b->wanted.observe = true;
	judged(b, ERR_REFUSED, "permit and probation");
	b->wanted.observe = false;
	b->wanted.granted = true;
	judged(b, ERR_REFUSED, "grants a step back");
	b->wanted.granted = false;
	b->wanted.drops = &drop;
	b->wanted.drop_count = 1;
	judged(b, ERR_REFUSED, "leaves rule ipc-0001 out");
	b->current.drops = &drop;
	b->current.drop_count = 1;
	judged(b, 0, "");               /* people signed it for this ring before */
	b->wanted.drop_count = b->current.drop_count = 0;
	b->wanted.issued = NOW + 100000;
	judged(b, ERR_REFUSED, "in the future");
	b->wanted.issued = NOW;
	b->wanted.previous.digest = digest_of(55);
	judged(b, ERR_REFUSED, "never had");
}

static void an_older_serial_is_no_promotion(void **state)
{
	BENCH;

	see_assigned(b, "early", 120, T0);
	judged(b, ERR_REFUSED, "older than serial 120");
}

static void the_way_back_is_open_to_what_the_ring_had(void **state)
{
	BENCH;

	see_assigned(b, "early", 110, NOW);
	assign(&b->current, "early", 110);
	assign(&b->wanted, "early", 100);
	b->wanted.permit_required = false;
	b->wanted.granted = true;
	b->wanted.grant_max_serial = 110;
	b->c.record = NULL;
	judged(b, 0, "");
	b->wanted.grant_max_serial = 111;
	judged(b, ERR_REFUSED, "the greatest is 110");
	b->wanted.grant_max_serial = 110;
	/* never here: then it is no way back */
	b->wanted.bundle.digest = digest_of(90);
	b->wanted.bundle.serial = 90;
	judged(b, ERR_REFUSED, "never had");
	assign(&b->wanted, "early", 100);
	b->c.wanted_stopped = true;
	judged(b, ERR_REFUSED, "stopped");
}

static void a_ring_is_emptied_only_of_what_is_stopped(void **state)
{
	BENCH;

	b->c.wanted = NULL;
	judged(b, ERR_REFUSED, "which is not stopped");
	b->c.current_stopped = true;
	judged(b, 0, "");
}

/* Whatever history is shown: what endpoints did not say themselves is not believed where they have a voice. */
static void where_endpoints_have_keys_they_must_vouch_themselves(void **state)
{
	BENCH;
	struct digest other = digest_of(111);
	struct err e;

	b->c.vouchers = 2;
	judged(b, ERR_CONFLICT, "0 of the 2 endpoints of ring canary that must vouch");
	assert_ok(witness_note_vouched(b->w, "canary", "edr", "one", &b->wanted.bundle.digest, NOW, &e));
	assert_ok(witness_note_vouched(b->w, "canary", "edr", "one", &b->wanted.bundle.digest, NOW, &e));
	assert_ok(witness_note_vouched(b->w, "canary", "edr", "two", &other, NOW, &e));
	assert_ok(witness_note_vouched(b->w, "canary", "yara", "two", &b->wanted.bundle.digest, NOW, &e));
	assert_ok(witness_note_vouched(b->w, "early", "edr", "two", &b->wanted.bundle.digest, NOW, &e));
	judged(b, ERR_CONFLICT, "1 of the 2");
	assert_ok(witness_note_vouched(b->w, "canary", "edr", "two", &b->wanted.bundle.digest, NOW, &e));
	judged(b, 0, "");
}

static void a_day_has_room_for_so_many_changes(void **state)
{
	BENCH;
	struct err e;

	assert_ok(witness_note_signed(b->w, "1111111111111111", "early", "edr", true, NOW - 100, &e));
	judged(b, 0, "");
	/* the same request again, after a crash */
	assert_ok(witness_note_signed(b->w, "0123456789abcdef", "early", "edr", true, NOW - 50, &e));
	judged(b, 0, "");
	assert_ok(witness_note_signed(b->w, "2222222222222222", "early", "edr", true, NOW - 10, &e));
	judged(b, ERR_CONFLICT, "within 24 hours");
	b->c.now = NOW + 86400;
	judged(b, 0, "");
}

static void only_later_rings_of_a_policy_concern_it(void **state)
{
	BENCH;

	b->c.ring = "canary";
	judged(b, ERR_REFUSED, "first ring");
	b->c.ring = "other";
	judged(b, ERR_REFUSED, "no such ring");
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, bench_open, bench_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_passed_before_its_own_eyes_is_signed),
		CASE(without_a_record_nothing_is_signed),
		CASE(a_record_of_something_else_is_none),
		CASE(numbers_that_do_not_come_to_a_pass_are_refused),
		CASE(a_record_that_says_nothing_of_strata_and_silence_is_left_to_people),
		CASE(nobody_survives_sooner_than_the_probation_lasts),
		CASE(a_verdict_by_easier_rules_is_refused),
		CASE(time_is_measured_by_its_own_clock),
		CASE(a_bound_that_was_lost_again_starts_the_soak_anew),
		CASE(what_it_never_saw_in_the_ring_before_is_refused),
		CASE(a_ring_that_began_before_it_was_assigned_is_invented),
		CASE(a_rollout_that_halted_or_was_rewritten_is_over),
		CASE(the_vendor_must_have_signed_it_and_nobody_stopped_it),
		CASE(an_assignment_is_what_our_policy_makes_of_it),
		CASE(an_older_serial_is_no_promotion),
		CASE(the_way_back_is_open_to_what_the_ring_had),
		CASE(a_ring_is_emptied_only_of_what_is_stopped),
		CASE(where_endpoints_have_keys_they_must_vouch_themselves),
		CASE(a_day_has_room_for_so_many_changes),
		CASE(only_later_rings_of_a_policy_concern_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
