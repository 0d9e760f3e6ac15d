/* ladder: what content a boot runs, for every record there may be. */
#include "tests/test.h"

#include "boot/ladder.h"

#define BOOTS_MAX (4 * 3 + 2)   /* what all tries of all rungs together allow, and one more of each kind */

static uint8_t boot_number;

/* A boot id nobody had before. */
static const uint8_t *new_boot(void)
{
	static uint8_t id[BOOT_ID_LEN];
	static uint64_t count;

	count++;
	memcpy(id, &count, sizeof count);
	id[15] = 1;
	return id;
}

static void name(uint8_t digest[BOOT_DIGEST_LEN], int which)
{
	memset(digest, which, BOOT_DIGEST_LEN);
}

/* Trial 'T', current 'C', previous 'P', baseline 'B'; a blank is empty. */
static struct boot_record record(enum boot_mode mode, enum boot_rung rung, const char *digests)
{
	struct boot_record r;

	boot_record_init(&r);
	r.mode = (uint8_t)mode;
	r.rung = (uint8_t)rung;
	for (int i = 0; i < BOOT_DIGESTS; i++)
		name(r.digest[i], digests[i] == ' ' ? 0 : digests[i]);
	r.tries_left = rung < RUNG_NONE ? r.tries[rung] : 0;
	return r;
}

static struct boot_decision boot(struct boot_record *r)
{
	return boot_decide(r, new_boot(), BOOT_USABLE_ALL);
}

/* One letter per failing boot: which digest ran; '-' for none. */
static void boots(char *out, struct boot_record *r, int count)
{
	for (int i = 0; i < count; i++) {
		struct boot_decision d = boot(r);

		out[i] = d.rung == RUNG_NONE ? '-' : (char)d.digest[0];
	}
	out[count] = '\0';
}

/* ---- every record ---- */

/* Calls check for each record of a grid, with the slots that are on disk. */
static void for_each_record(void (*check)(struct boot_record r, unsigned usable))
{
	static const uint8_t tries[][BOOT_DIGESTS] = { { 2, 3, 3, 3 }, { 0, 1, 0, 2 } };
	static const unsigned usable[] = { 0, 7, 11, 13, 14, 15 };
	struct boot_record r;

	for (unsigned digests = 0; digests < 256; digests++)
		for (unsigned shape = 0; shape < BOOT_MODES * BOOT_RUNGS * 4 * 2 * 2; shape++) {
			unsigned s = shape;

			boot_record_init(&r);
			r.mode = (uint8_t)(s % BOOT_MODES), s /= BOOT_MODES;
			r.rung = (uint8_t)(s % BOOT_RUNGS), s /= BOOT_RUNGS;
			r.tries_left = (uint8_t)(s % 4 == 3 ? 255 : s % 4), s /= 4;
			r.flags = (uint8_t)(s % 2 * BOOT_FLAG_OK), s /= 2;
			memcpy(r.tries, tries[s], sizeof r.tries);
			for (int i = 0; i < BOOT_DIGESTS; i++)
				name(r.digest[i], digests >> 2 * i & 3);
			for (size_t i = 0; i < sizeof usable / sizeof usable[0]; i++)
				check(r, usable[i]);
		}
}

static void check_no_strand(struct boot_record r, unsigned usable)
{
	unsigned last = RUNG_TRIAL;
	bool failed[4] = { false };
	int count;

	for (count = 0; count <= BOOTS_MAX && last != RUNG_NONE; count++) {
		struct boot_decision d = boot_decide(&r, new_boot(), usable);

		assert_true(d.rung >= last);            /* it never climbs */
		if (d.rung != RUNG_NONE) {
			assert_true(usable & BOOT_USABLE(d.rung));
			assert_false(boot_digest_empty(d.digest));
			assert_false(failed[d.digest[0]]);      /* what failed never runs again */
		} else {
			assert_true(boot_digest_empty(d.digest));
		}
		if (d.reason == BOOT_STEPPED)
			failed[d.failed[0]] = true;
		last = d.rung;
	}
	assert_int_equal(last, RUNG_NONE);
}

static void boots_that_all_fail_reach_none_and_never_climb(void **state)
{
	(void)state;
	for_each_record(check_no_strand);
}

static void check_health(struct boot_record r, unsigned usable)
{
	struct boot_decision first = boot_decide(&r, new_boot(), usable);

	for (int i = 0; i < 8; i++) {
		struct boot_decision d;

		if (i % 2)
			boot_mark_ok(&r);
		else
			boot_mark_clean(&r);
		d = boot_decide(&r, new_boot(), usable);
		assert_int_equal(d.rung, first.rung);
		assert_int_equal(d.left, RUNG_NONE);
	}
}

static void good_boots_and_clean_shutdowns_never_step_down(void **state)
{
	(void)state;
	for_each_record(check_health);
}

/* Announced, and then the machine ran on: what comes after is judged as if nothing had been said. */
static void check_called_off(struct boot_record r, unsigned usable)
{
	struct boot_record silent = r;
	uint8_t id[BOOT_ID_LEN];

	silent.flags &= (uint8_t)~BOOT_FLAG_CLEAN;
	boot_mark_clean(&r);
	boot_mark_running(&r);
	memcpy(id, new_boot(), sizeof id);
	(void)boot_decide(&r, id, usable);
	(void)boot_decide(&silent, id, usable);
	assert_memory_equal(&r, &silent, sizeof r);
}

static void a_shutdown_that_is_called_off_leaves_no_trace(void **state)
{
	(void)state;
	for_each_record(check_called_off);
}

static void check_disabled(struct boot_record r, unsigned usable)
{
	struct boot_record before = r;
	struct boot_decision d;

	if (r.mode != BOOT_DISABLED)
		return;
	d = boot_decide(&r, new_boot(), usable);
	assert_int_equal(d.rung, RUNG_NONE);
	assert_int_equal(d.reason, BOOT_OFF);
	assert_false(d.write);
	assert_memory_equal(&before, &r, sizeof r);
	assert_null(boot_running(&r));
}

static void a_disabled_channel_runs_nothing_and_is_not_counted(void **state)
{
	(void)state;
	for_each_record(check_disabled);
}

static void check_pin(struct boot_record r, unsigned usable)
{
	if (r.mode != BOOT_PINNED)
		return;
	for (int i = 0; i < BOOTS_MAX; i++) {
		struct boot_decision d = boot_decide(&r, new_boot(), usable);

		assert_int_equal(r.mode, BOOT_PINNED);
		assert_false(d.trial);
		assert_true(d.rung != RUNG_TRIAL);
	}
}

static void a_pin_stays_while_the_ladder_goes_down(void **state)
{
	(void)state;
	for_each_record(check_pin);
}

static void check_twice(struct boot_record r, unsigned usable)
{
	uint8_t id[BOOT_ID_LEN];
	struct boot_decision first, second;
	struct boot_record after;

	memcpy(id, new_boot(), sizeof id);
	first = boot_decide(&r, id, usable);
	after = r;
	second = boot_decide(&r, id, usable);
	assert_int_equal(second.rung, first.rung);
	assert_memory_equal(second.digest, first.digest, BOOT_DIGEST_LEN);
	assert_false(second.write);
	assert_memory_equal(&after, &r, sizeof r);
}

static void a_boot_counts_once_however_often_it_is_decided(void **state)
{
	(void)state;
	for_each_record(check_twice);
}

static void check_unwritten(struct boot_record r, unsigned usable)
{
	struct boot_decision d = boot_decide(&r, new_boot(), usable);
	struct boot_decision u = boot_decide_unwritten(&r, &d, usable);

	assert_false(u.trial);
	if (!d.trial) {
		assert_int_equal(u.rung, d.rung);
		return;
	}
	assert_int_equal(u.reason, BOOT_UNCOUNTED);
	assert_true(u.rung > RUNG_TRIAL);
	if (u.rung != RUNG_NONE) {
		assert_true(usable & BOOT_USABLE(u.rung));
		assert_false(boot_digest_equal(u.digest, d.digest));
	}
}

static void a_trial_that_cannot_be_counted_is_not_run(void **state)
{
	(void)state;
	for_each_record(check_unwritten);
}

/* ---- the ladder, rung by rung ---- */

static void each_rung_has_its_tries(void **state)
{
	struct boot_record r = record(BOOT_TRIAL, RUNG_TRIAL, "TCPB");
	char ran[20];

	(void)state;
	boots(ran, &r, 13);
	assert_string_equal(ran, "TTCCCPPPBBB--");
}

static void the_same_content_is_not_tried_under_two_names(void **state)
{
	struct boot_record r = record(BOOT_TRIAL, RUNG_TRIAL, "CCPB");
	char ran[20];

	(void)state;
	boots(ran, &r, 9);
	assert_string_equal(ran, "CCPPPBBB-");
	r = record(BOOT_COMMITTED, RUNG_CURRENT, "PCPC");
	boots(ran, &r, 5);
	assert_string_equal(ran, "CCC--");
}

static void leaving_a_trial_is_no_late_failure_and_keeps_the_evidence(void **state)
{
	struct boot_record r = record(BOOT_TRIAL, RUNG_TRIAL, "TCPB");
	struct boot_decision d;

	(void)state;
	d = boot(&r);
	assert_true(d.trial);
	assert_int_equal(r.tries_left, 1);
	d = boot(&r);
	assert_int_equal(r.tries_left, 0);
	d = boot(&r);
	assert_int_equal(d.rung, RUNG_CURRENT);
	assert_int_equal(d.reason, BOOT_STEPPED);
	assert_int_equal(d.left, RUNG_TRIAL);
	assert_int_equal(d.failed[0], 'T');
	assert_false(d.late_failure);
	assert_false(d.trial);
	assert_int_equal(r.mode, BOOT_COMMITTED);
	assert_int_equal(r.digest[RUNG_TRIAL][0], 'T');
	assert_true(boot_revert(&r));
	assert_true(boot_digest_empty(r.digest[RUNG_TRIAL]));
	assert_int_equal(r.rung, RUNG_CURRENT);
	assert_false(boot_revert(&r));
}

static void leaving_committed_content_is_a_late_failure(void **state)
{
	struct boot_record r = record(BOOT_COMMITTED, RUNG_CURRENT, " CPB");
	struct boot_decision d = { 0 };

	(void)state;
	for (int i = 0; i < 4; i++)
		d = boot(&r);
	assert_true(d.late_failure);
	assert_int_equal(d.failed[0], 'C');
	assert_int_equal(d.rung, RUNG_PREVIOUS);
	boot_settle(&r);
	assert_int_equal(r.digest[RUNG_CURRENT][0], 'P');
	assert_true(boot_digest_empty(r.digest[RUNG_PREVIOUS]));
	assert_int_equal(r.rung, RUNG_CURRENT);
	/* Settling gives no new tries: two of three are left. */
	assert_int_equal(r.tries_left, 2);
}

static void a_slot_that_is_gone_is_stepped_over_without_blame(void **state)
{
	struct boot_record r = record(BOOT_COMMITTED, RUNG_CURRENT, " CPB");
	struct boot_decision d = boot_decide(&r, new_boot(), BOOT_USABLE(RUNG_BASELINE));

	(void)state;
	assert_int_equal(d.rung, RUNG_BASELINE);
	assert_int_equal(d.reason, BOOT_SLOT_MISSING);
	assert_int_equal(d.left, RUNG_CURRENT);
	assert_false(d.late_failure);
}

static void an_unknown_boot_always_counts(void **state)
{
	static const uint8_t unknown[BOOT_ID_LEN];
	struct boot_record r = record(BOOT_TRIAL, RUNG_TRIAL, "TC  ");

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_true(boot_decide(&r, unknown, BOOT_USABLE_ALL).trial);
	assert_int_equal(boot_decide(&r, unknown, BOOT_USABLE_ALL).rung, RUNG_CURRENT);
}

/* ---- the agent's transitions ---- */

static const uint8_t *digest(char which)
{
	static uint8_t bytes[2][BOOT_DIGEST_LEN];
	uint8_t *d = bytes[boot_number++ % 2];

	name(d, which);
	return d;
}

/* The four digests, the rung and the mode as text: "TCPB trial trial". */
static const char *shape(const struct boot_record *r)
{
	static char text[40];

	for (int i = 0; i < BOOT_DIGESTS; i++)
		text[i] = r->digest[i][0] ? (char)r->digest[i][0] : ' ';
	snprintf(text + 4, sizeof text - 4, " %s %s", boot_rung_name(r->rung),
		 boot_mode_name(r->mode));
	return text;
}

static void a_first_bundle_is_armed_and_committed(void **state)
{
	struct boot_record r;

	(void)state;
	boot_record_init(&r);
	assert_true(boot_arm(&r, digest('1'), 5));
	assert_string_equal(shape(&r), "1    trial trial");
	assert_int_equal(r.tries_left, 2);
	assert_int_equal(r.attempt, 5);
	assert_true(boot_commit(&r, 10));
	assert_string_equal(shape(&r), " 1   current committed");
	assert_int_equal(r.high_water, 10);
	assert_true(boot_arm(&r, digest('2'), 1));
	assert_true(boot_commit(&r, 9));
	assert_string_equal(shape(&r), " 21  current committed");
	assert_int_equal(r.high_water, 10);
	assert_int_equal(r.tries_left, 3);
}

static void transitions_may_be_repeated_after_a_crash(void **state)
{
	struct boot_record r = record(BOOT_COMMITTED, RUNG_CURRENT, " CPB");

	(void)state;
	assert_true(boot_arm(&r, digest('T'), 1));
	boot(&r);
	assert_true(boot_arm(&r, digest('T'), 1));
	assert_int_equal(r.tries_left, 1);              /* and does not give new tries */
	assert_false(boot_arm(&r, digest('T'), 2));
	assert_false(boot_arm(&r, digest('U'), 1));
	assert_true(boot_commit(&r, 1));
	assert_false(boot_commit(&r, 1));
	assert_string_equal(shape(&r), " TCB current committed");
}

static void a_reverted_trial_gives_way_to_current(void **state)
{
	struct boot_record r = record(BOOT_TRIAL, RUNG_TRIAL, "TCPB");

	(void)state;
	assert_true(boot_revert(&r));
	assert_string_equal(shape(&r), " CPB current committed");
	assert_int_equal(r.tries_left, 3);
	r = record(BOOT_TRIAL, RUNG_TRIAL, "T  B");
	assert_true(boot_revert(&r));
	assert_string_equal(shape(&r), "   B baseline committed");
	r = record(BOOT_TRIAL, RUNG_TRIAL, "T   ");
	assert_true(boot_revert(&r));
	assert_string_equal(shape(&r), "     none committed");
}

static void current_content_on_trial_again_falls_with_its_trial(void **state)
{
	struct boot_record r = record(BOOT_COMMITTED, RUNG_CURRENT, " CPB");

	(void)state;
	assert_true(boot_arm(&r, digest('C'), 2));
	assert_true(boot_revert(&r));
	assert_string_equal(shape(&r), " P B current committed");
	r = record(BOOT_COMMITTED, RUNG_CURRENT, " CPB");
	assert_true(boot_arm(&r, digest('C'), 2));
	assert_true(boot_commit(&r, 1));
	assert_string_equal(shape(&r), " CPB current committed");
}

static void what_failed_late_does_not_become_previous_again(void **state)
{
	struct boot_record r = record(BOOT_COMMITTED, RUNG_PREVIOUS, " CPB");

	(void)state;
	assert_true(boot_arm(&r, digest('T'), 1));
	assert_string_equal(shape(&r), "TP B trial trial");
	r = record(BOOT_COMMITTED, RUNG_BASELINE, " CPB");
	assert_true(boot_arm(&r, digest('T'), 1));
	assert_true(boot_commit(&r, 1));
	assert_string_equal(shape(&r), " T B current committed");
}

static void acknowledging_a_trial_hides_no_late_failure(void **state)
{
	struct boot_record r = record(BOOT_COMMITTED, RUNG_PREVIOUS, "TCPB");

	(void)state;
	assert_true(boot_revert(&r));
	assert_string_equal(shape(&r), " CPB previous committed");
	boot_settle(&r);
	assert_string_equal(shape(&r), " P B current committed");
}

static void stopped_content_leaves_the_record(void **state)
{
	struct boot_record r = record(BOOT_COMMITTED, RUNG_CURRENT, " CPB");

	(void)state;
	assert_true(boot_leave(&r, digest('P')));
	assert_string_equal(shape(&r), " P B current committed");
	assert_true(boot_leave(&r, NULL));
	assert_string_equal(shape(&r), "   B baseline committed");
	r = record(BOOT_TRIAL, RUNG_TRIAL, "TCPB");
	assert_true(boot_leave(&r, digest('O')));
	assert_string_equal(shape(&r), " OPB current committed");
	r = record(BOOT_PINNED, RUNG_CURRENT, " CPB");
	assert_true(boot_leave(&r, digest('B')));
	assert_string_equal(shape(&r), "   B baseline pinned");
	r = record(BOOT_COMMITTED, RUNG_CURRENT, " CPB");
	boot_forget(&r, digest('P'));
	boot_forget(&r, digest('C'));
	boot_forget(&r, digest('B'));
	assert_string_equal(shape(&r), " C B current committed");
}

static void leaving_never_ends_in_nothing(void **state)
{
	struct boot_record r = record(BOOT_COMMITTED, RUNG_CURRENT, " CP ");

	(void)state;
	assert_false(boot_leave(&r, NULL));
	assert_false(boot_leave(&r, digest(0)));
	assert_string_equal(shape(&r), " CP  current committed");
}

static void pinned_and_disabled_channels_arm_nothing(void **state)
{
	struct boot_record r = record(BOOT_COMMITTED, RUNG_CURRENT, " CPB");

	(void)state;
	assert_true(boot_pin(&r));
	assert_true(boot_pin(&r));
	assert_false(boot_arm(&r, digest('T'), 1));
	assert_true(boot_unpin(&r));
	assert_true(boot_arm(&r, digest('T'), 1));
	assert_false(boot_pin(&r));
	boot_disable(&r);
	assert_string_equal(shape(&r), " CPB none disabled");
	assert_false(boot_arm(&r, digest('T'), 1));
	assert_false(boot_pin(&r));
	assert_false(boot_leave(&r, NULL));
	assert_null(boot_running(&r));
	assert_true(boot_enable(&r));
	assert_false(boot_enable(&r));
	assert_string_equal(shape(&r), " CPB current committed");
	assert_int_equal(boot_running(&r)[0], 'C');
}

static void a_baseline_runs_when_nothing_else_does(void **state)
{
	struct boot_record r;
	char ran[8];

	(void)state;
	boot_record_init(&r);
	boot_set_baseline(&r, digest('B'));
	assert_string_equal(shape(&r), "   B baseline committed");
	boots(ran, &r, 4);
	assert_string_equal(ran, "BBB-");
	boot_set_baseline(&r, digest('B'));             /* the same again: no new tries */
	assert_int_equal(r.rung, RUNG_NONE);
	boot_set_baseline(&r, digest('D'));             /* a new sensor package */
	assert_int_equal(r.rung, RUNG_BASELINE);
	boot_set_baseline(&r, digest(0));
	assert_int_equal(r.rung, RUNG_NONE);
	r = record(BOOT_COMMITTED, RUNG_CURRENT, " CP ");
	boot_set_baseline(&r, digest('B'));
	assert_string_equal(shape(&r), " CPB current committed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(boots_that_all_fail_reach_none_and_never_climb),
		cmocka_unit_test(good_boots_and_clean_shutdowns_never_step_down),
		cmocka_unit_test(a_shutdown_that_is_called_off_leaves_no_trace),
		cmocka_unit_test(a_disabled_channel_runs_nothing_and_is_not_counted),
		cmocka_unit_test(a_pin_stays_while_the_ladder_goes_down),
		cmocka_unit_test(a_boot_counts_once_however_often_it_is_decided),
		cmocka_unit_test(a_trial_that_cannot_be_counted_is_not_run),
		cmocka_unit_test(each_rung_has_its_tries),
		cmocka_unit_test(the_same_content_is_not_tried_under_two_names),
		cmocka_unit_test(leaving_a_trial_is_no_late_failure_and_keeps_the_evidence),
		cmocka_unit_test(leaving_committed_content_is_a_late_failure),
		cmocka_unit_test(a_slot_that_is_gone_is_stepped_over_without_blame),
		cmocka_unit_test(an_unknown_boot_always_counts),
		cmocka_unit_test(a_first_bundle_is_armed_and_committed),
		cmocka_unit_test(transitions_may_be_repeated_after_a_crash),
		cmocka_unit_test(a_reverted_trial_gives_way_to_current),
		cmocka_unit_test(current_content_on_trial_again_falls_with_its_trial),
		cmocka_unit_test(what_failed_late_does_not_become_previous_again),
		cmocka_unit_test(acknowledging_a_trial_hides_no_late_failure),
		cmocka_unit_test(stopped_content_leaves_the_record),
		cmocka_unit_test(leaving_never_ends_in_nothing),
		cmocka_unit_test(pinned_and_disabled_channels_arm_nothing),
		cmocka_unit_test(a_baseline_runs_when_nothing_else_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
