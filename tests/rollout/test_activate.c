/* test_activate: every clause of the activation rule alone, leaving, rollback, ages. */
#include "activate_host.h"

static void with_nothing_against_it_the_assigned_digest_is_installed(void **state)
{
	struct host h;

	(void)state;
	host_init(&h);
	expect_slot(&h, ACTIVATE_INSTALL, SLOT_NONE, "assigned");
	assert_int_equal(h.d.serial, 110);
	assert_true(digest_equal(&h.d.digest, &h.a.bundle.digest) && !h.d.install_first);
	for (int i = 0; i < ACTIVATE_CLAUSES; i++)
		assert_true(h.d.clauses[i].holds);
}

/* ---- each clause alone ---- */

static void spoil_enabled(struct host *h) { h->f.disabled = true; }
static void spoil_stopped(struct host *h) { stop(h, 110); }
static void spoil_recalled(struct host *h) { recall(h, 110); }
static void spoil_quarantine(struct host *h) { h->f.quarantined = true; }
static void spoil_pin(struct host *h) { h->f.pinned = D(109); }
static void spoil_hold(struct host *h) { h->f.held = true; }
static void spoil_content_fresh(struct host *h) { h->f.content_at = NOW - 3601; }
static void spoil_rings_fresh(struct host *h) { h->f.rings_at = NOW - 3601; }
static void spoil_never_fresh(struct host *h) { h->f.content_at = h->f.rings_at = 0; }
static void spoil_future(struct host *h) { h->f.content_at = h->f.rings_at = NOW + 3601; }
static void spoil_channel(struct host *h) { h->f.channel = "av"; }
static void spoil_ring(struct host *h) { h->f.ring = "broad"; }
static void spoil_vendor(struct host *h) { h->f.vendor = NULL; }
static void spoil_vendor_digest(struct host *h) { h->vendor.digest = D(111); }
static void spoil_vendor_serial(struct host *h) { h->vendor.serial = 111; }
static void spoil_vendor_path(struct host *h) { h->vendor.path = "bundles/edr/111.tar.gz"; }
static void spoil_contract(struct host *h) { h->f.contract = CONTRACT_REFUSES; }
static void spoil_second_digest(struct host *h) { h->f.slots[SLOT_PREVIOUS] = (struct activate_content){ D(7), 110 }; }
static void spoil_newer(struct host *h) { h->f.high_water = 110; }
static void spoil_grant(struct host *h) { h->f.high_water = 113; h->a.granted = true; h->a.grant_max_serial = 112; }
static void spoil_age(struct host *h) { h->f.first_seen = NOW - 3599; }
static void spoil_window_over(struct host *h) { h->a.windowed = true; h->a.window_start = NOW - 9; h->a.window_end = NOW; }
static void spoil_approval(struct host *h)
{
	static const char *const parties[] = { "works", "bank" };
	static const bool present[] = { true, false };

	h->f.approvals_demanded = parties;
	h->f.approvals_present = present;
	h->f.approval_count = 2;
}
static void spoil_floor(struct host *h)
{
	h->f.floor = 120;
	h->f.high_water = 115;
	h->a.granted = true;
	h->a.grant_max_serial = 200;
}

static const struct {
	void (*spoil)(struct host *h);
	enum activate_clause clause;
	const char *reason;
} spoilers[] = {
	{ spoil_enabled, CLAUSE_ENABLED, "local-disable" },
	{ spoil_stopped, CLAUSE_NOT_STOPPED, "stop" },
	{ spoil_recalled, CLAUSE_NOT_STOPPED, "stop" },
	{ spoil_quarantine, CLAUSE_NOT_QUARANTINED, "quarantined" },
	{ spoil_pin, CLAUSE_NOT_PINNED, "local-pin" },
	{ spoil_hold, CLAUSE_NOT_HELD, "local-hold" },
	{ spoil_content_fresh, CLAUSE_FRESH, "metadata-expired" },
	{ spoil_rings_fresh, CLAUSE_FRESH, "metadata-expired" },
	{ spoil_never_fresh, CLAUSE_FRESH, "metadata-expired" },
	{ spoil_future, CLAUSE_FRESH, "metadata-expired" },
	{ spoil_channel, CLAUSE_ASSIGNED, "unassigned" },
	{ spoil_ring, CLAUSE_ASSIGNED, "unassigned" },
	{ spoil_vendor, CLAUSE_LISTED, "metadata-invalid" },
	{ spoil_vendor_digest, CLAUSE_LISTED, "metadata-invalid" },
	{ spoil_vendor_serial, CLAUSE_LISTED, "metadata-invalid" },
	{ spoil_vendor_path, CLAUSE_LISTED, "metadata-invalid" },
	{ spoil_second_digest, CLAUSE_LISTED, "metadata-invalid" },
	{ spoil_contract, CLAUSE_ACCEPTED, "contract" },
	{ spoil_approval, CLAUSE_APPROVED, "approval" },
	{ spoil_floor, CLAUSE_FLOOR, "floor" },
	{ spoil_newer, CLAUSE_NEWER, "high-water" },
	{ spoil_grant, CLAUSE_NEWER, "high-water" },
	{ spoil_age, CLAUSE_AGE, "age" },
	{ spoil_window_over, CLAUSE_WINDOW, "window" },
};

static void each_clause_alone_keeps_what_runs_and_is_the_only_one_that_fails(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(spoilers); i++) {
		struct host h;

		host_init(&h);
		spoilers[i].spoil(&h);
		expect_keep(&h, spoilers[i].reason);
		for (int c = 0; c < ACTIVATE_CLAUSES; c++)
			if (h.d.clauses[c].holds != (c != (int)spoilers[i].clause))
				fail_msg("spoiler %zu: clause %s: %s", i, activate_clause_name(c), h.d.clauses[c].sentence);
	}
}

/* Bytes may come before the window opens; a switch to a slot on disk is the change itself and waits. */
static void a_window_that_will_open_keeps_nobody_from_fetching(void **state)
{
	struct host h;

	(void)state;
	host_init(&h);
	h.a.windowed = true;
	h.a.window_start = NOW + 5;
	h.a.window_end = NOW + 9;
	expect_slot(&h, ACTIVATE_INSTALL, SLOT_NONE, "assigned");
	assert_false(h.d.clauses[CLAUSE_WINDOW].holds);
	assert_non_null(strstr(h.d.sentence, "fetched now"));
	spoil_hold(&h);
	expect_keep(&h, "local-hold");
	host_init(&h);
	h.a.windowed = true;
	h.a.window_start = NOW + 5;
	h.a.window_end = NOW + 9;
	h.a.granted = true;
	h.a.grant_max_serial = 112;
	h.a.bundle.serial = h.vendor.serial = 108;
	h.a.bundle.digest = h.vendor.digest = D(108);
	expect_keep(&h, "window");
	assert_int_equal(h.d.again_at, NOW + 5);
}

static void of_two_clauses_the_one_that_comes_first_is_the_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(spoilers); i++)
		for (size_t k = i + 1; k < ARRAY_LEN(spoilers); k++) {
			struct host h;

			if (spoilers[i].clause >= spoilers[k].clause)
				continue;
			host_init(&h);
			spoilers[i].spoil(&h);
			spoilers[k].spoil(&h);
			decide(&h);
			/* two spoilers of serials and grants may mend each other */
			if (h.d.clauses[spoilers[i].clause].holds)
				continue;
			assert_string_equal(h.d.reason, spoilers[i].reason);
			assert_int_equal(h.d.action, ACTIVATE_KEEP);
		}
}

static void without_an_assignment_what_runs_is_kept(void **state)
{
	struct host h;

	(void)state;
	host_init(&h);
	h.f.assignment = NULL;
	expect_keep(&h, "unassigned");
	h.f.running = SLOT_NONE;
	expect_keep(&h, "unassigned");
}

static void what_is_assigned_and_runs_is_kept_through_expiry_and_everything_else(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(spoilers); i++) {
		struct host h;

		host_init(&h);
		spoilers[i].spoil(&h);
		h.f.slots[SLOT_CURRENT] = (struct activate_content){ D(110), 110 };
		if (spoilers[i].clause != CLAUSE_ENABLED && spoilers[i].clause != CLAUSE_NOT_STOPPED)
			expect_keep(&h, "current");
	}
}

/* ---- leaving ---- */

static void a_stopped_digest_that_runs_is_left_for_the_assignments_previous(void **state)
{
	struct host h;

	(void)state;
	host_init(&h);
	h.f.slots[SLOT_CURRENT] = (struct activate_content){ D(110), 110 };
	h.f.slots[SLOT_PREVIOUS] = (struct activate_content){ D(109), 109 };
	h.f.high_water = 110;
	stop(&h, 110);
	expect_slot(&h, ACTIVATE_LEAVE, SLOT_PREVIOUS, "stop");
	assert_true(h.d.by_online_stop);
	h.a.previous = (struct bundle_ref){ .path = "bundles/edr/100.tar.gz", .serial = 100, .digest = D(100) };
	expect_slot(&h, ACTIVATE_LEAVE, SLOT_BASELINE, "stop");
}

static void else_for_the_newest_unstopped_committed_slot_else_for_baseline_never_for_none(void **state)
{
	struct host h;

	(void)state;
	host_init(&h);
	h.f.assignment = NULL;
	stop(&h, 109);
	expect_slot(&h, ACTIVATE_LEAVE, SLOT_PREVIOUS, "stop");
	stop(&h, 108);
	expect_slot(&h, ACTIVATE_LEAVE, SLOT_BASELINE, "stop");
	stop(&h, 100);          /* nothing is against baseline */
	expect_slot(&h, ACTIVATE_LEAVE, SLOT_BASELINE, "stop");
	h.f.slots[SLOT_BASELINE] = (struct activate_content){ 0 };
	expect_keep(&h, "stop");
	assert_non_null(strstr(h.d.sentence, "nothing else to run"));
}

static void nothing_takes_the_baseline_away(void **state)
{
	struct host h;

	(void)state;
	host_init(&h);
	h.f.running = SLOT_BASELINE;
	stop(&h, 100);
	recall(&h, 100);
	expect_keep(&h, "recall");
}

static void the_online_key_takes_one_committed_bundle_a_day_and_a_recall_any(void **state)
{
	struct host h;

	(void)state;
	host_init(&h);
	stop(&h, 109);
	h.f.stop_left_at = NOW - ACTIVATE_STOP_BUDGET_S + 1;
	expect_keep(&h, "stop");
	assert_true(h.d.again_at == NOW + 1);
	h.f.now++;
	expect_slot(&h, ACTIVATE_LEAVE, SLOT_PREVIOUS, "stop");
	h.f.now--;
	recall(&h, 109);
	expect_slot(&h, ACTIVATE_LEAVE, SLOT_PREVIOUS, "recall");
	assert_false(h.d.by_online_stop);
}

static void a_stopped_trial_goes_back_to_current_and_spends_nothing(void **state)
{
	struct host h;

	(void)state;
	host_init(&h);
	h.f.slots[SLOT_TRIAL] = (struct activate_content){ D(110), 110 };
	h.f.running = SLOT_TRIAL;
	h.f.stop_left_at = NOW - 1;
	stop(&h, 110);
	expect_slot(&h, ACTIVATE_LEAVE, SLOT_CURRENT, "stop");
	assert_false(h.d.by_online_stop);
}

static void a_pin_or_hold_never_overrides_a_stop_but_a_disable_does(void **state)
{
	struct host h;

	(void)state;
	host_init(&h);
	stop(&h, 109);
	h.f.pinned = D(109);
	h.f.held = true;
	h.f.quarantined = true;
	expect_slot(&h, ACTIVATE_LEAVE, SLOT_PREVIOUS, "stop");
	h.f.disabled = true;
	expect_keep(&h, "local-disable");
}

/* ---- rollback ---- */

static void a_granted_rollback_switches_to_a_slot_on_disk_at_once(void **state)
{
	struct host h;

	(void)state;
	host_init(&h);
	h.a.bundle = (struct bundle_ref){ .path = "bundles/edr/108.tar.gz", .serial = 108, .digest = D(108) };
	h.vendor = (struct activate_target){ "bundles/edr/108.tar.gz", 108, D(108) };
	h.f.first_seen = NOW;
	expect_keep(&h, "high-water");
	h.a.granted = true;
	h.a.grant_max_serial = 109;
	expect_slot(&h, ACTIVATE_SWITCH, SLOT_PREVIOUS, "rollback");
	h.f.slots[SLOT_PREVIOUS] = (struct activate_content){ 0 };
	expect_slot(&h, ACTIVATE_INSTALL, SLOT_NONE, "assigned");
	stop(&h, 108);
	expect_keep(&h, "stop");
}

static void a_grant_holds_only_up_to_its_serial(void **state)
{
	struct host h;

	(void)state;
	host_init(&h);
	h.a.bundle = (struct bundle_ref){ .path = "bundles/edr/108.tar.gz", .serial = 108, .digest = D(108) };
	h.vendor = (struct activate_target){ "bundles/edr/108.tar.gz", 108, D(108) };
	h.a.granted = true;
	for (uint64_t max = 100; max < 120; max++) {
		h.a.grant_max_serial = max;
		decide(&h);
		assert_int_equal(h.d.action, max >= h.f.high_water ? ACTIVATE_SWITCH : ACTIVATE_KEEP);
	}
}

static void a_stolen_content_key_cannot_lock_out_a_rollback_by_the_floor(void **state)
{
	struct host h;

	(void)state;
	host_init(&h);
	h.f.floor = UINT64_MAX;         /* binds at high-water only: what is above it still installs */
	expect_slot(&h, ACTIVATE_INSTALL, SLOT_NONE, "assigned");
}

static void a_trial_is_finished_unless_its_ring_goes_back(void **state)
{
	struct host h;

	(void)state;
	host_init(&h);
	h.f.slots[SLOT_TRIAL] = (struct activate_content){ D(111), 111 };
	h.f.running = SLOT_TRIAL;
	h.a.bundle = (struct bundle_ref){ .path = "bundles/edr/112.tar.gz", .serial = 112, .digest = D(112) };
	h.vendor = (struct activate_target){ "bundles/edr/112.tar.gz", 112, D(112) };
	expect_keep(&h, "trial");
	h.a.bundle = (struct bundle_ref){ .path = "bundles/edr/109.tar.gz", .serial = 109, .digest = D(109) };
	h.vendor = (struct activate_target){ "bundles/edr/109.tar.gz", 109, D(109) };
	expect_slot(&h, ACTIVATE_LEAVE, SLOT_CURRENT, "rollback");
	h.f.rings_at = 0;               /* not on the word of stale metadata */
	expect_keep(&h, "trial");
}

/* ---- age ---- */

static void the_minimum_age_follows_the_ring_and_three_things_are_exempt(void **state)
{
	static const int64_t ages[] = { 0, 3600, 14400, 14400 };
	struct host h;

	(void)state;
	for (int position = 0; position < 4; position++) {
		host_init(&h);
		h.f.ring_position = position;
		h.f.first_seen = NOW - ages[position];
		assert_string_equal(decide(&h), "assigned");
		h.f.first_seen++;
		assert_string_equal(decide(&h), ages[position] ? "age" : "assigned");
		if (ages[position])
			assert_true(h.d.again_at == NOW + 1);
	}
	host_init(&h);
	h.f.first_seen = NOW;
	h.f.high_water = 0;
	h.f.slots[SLOT_CURRENT] = h.f.slots[SLOT_PREVIOUS] = (struct activate_content){ 0 };
	h.f.running = SLOT_BASELINE;
	assert_string_equal(decide(&h), "assigned");
	assert_true(h.d.install_first);
	host_init(&h);
	h.f.first_seen = NOW;
	h.urgent[h.f.urgent.count++] = D(110);
	assert_string_equal(decide(&h), "assigned");
	host_init(&h);
	h.f.first_seen = NOW;
	h.f.min_age_s = 0;
	assert_string_equal(decide(&h), "assigned");
}

static void content_still_on_disk_returns_after_an_unpin_by_a_new_trial(void **state)
{
	struct host h;

	(void)state;
	host_init(&h);
	h.a.bundle = (struct bundle_ref){ .path = "bundles/edr/109.tar.gz", .serial = 109, .digest = D(109) };
	h.vendor = (struct activate_target){ "bundles/edr/109.tar.gz", 109, D(109) };
	h.f.running = SLOT_PREVIOUS;
	expect_slot(&h, ACTIVATE_INSTALL, SLOT_NONE, "assigned");
}

/* Nothing of what it had committed is named any more: only what was the highest here is no step back. */
static void a_host_that_holds_nothing_gets_its_highest_serial_back_and_nothing_older(void **state)
{
	struct host h;

	(void)state;
	host_init(&h);
	h.f.high_water = 110;
	assert_string_equal(decide(&h), "high-water");
	h.f.slots[SLOT_CURRENT] = h.f.slots[SLOT_PREVIOUS] = (struct activate_content){ .serial = 0 };
	h.f.running = SLOT_BASELINE;
	expect_slot(&h, ACTIVATE_INSTALL, SLOT_NONE, "assigned");
	h.f.quarantined = true;
	assert_string_equal(decide(&h), "quarantined");
	h.f.quarantined = false;
	h.f.high_water = 111;
	assert_string_equal(decide(&h), "high-water");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(with_nothing_against_it_the_assigned_digest_is_installed),
		cmocka_unit_test(each_clause_alone_keeps_what_runs_and_is_the_only_one_that_fails),
		cmocka_unit_test(a_window_that_will_open_keeps_nobody_from_fetching),
		cmocka_unit_test(of_two_clauses_the_one_that_comes_first_is_the_reason),
		cmocka_unit_test(without_an_assignment_what_runs_is_kept),
		cmocka_unit_test(what_is_assigned_and_runs_is_kept_through_expiry_and_everything_else),
		cmocka_unit_test(a_stopped_digest_that_runs_is_left_for_the_assignments_previous),
		cmocka_unit_test(else_for_the_newest_unstopped_committed_slot_else_for_baseline_never_for_none),
		cmocka_unit_test(nothing_takes_the_baseline_away),
		cmocka_unit_test(the_online_key_takes_one_committed_bundle_a_day_and_a_recall_any),
		cmocka_unit_test(a_stopped_trial_goes_back_to_current_and_spends_nothing),
		cmocka_unit_test(a_pin_or_hold_never_overrides_a_stop_but_a_disable_does),
		cmocka_unit_test(a_granted_rollback_switches_to_a_slot_on_disk_at_once),
		cmocka_unit_test(a_grant_holds_only_up_to_its_serial),
		cmocka_unit_test(a_stolen_content_key_cannot_lock_out_a_rollback_by_the_floor),
		cmocka_unit_test(a_trial_is_finished_unless_its_ring_goes_back),
		cmocka_unit_test(the_minimum_age_follows_the_ring_and_three_things_are_exempt),
		cmocka_unit_test(a_host_that_holds_nothing_gets_its_highest_serial_back_and_nothing_older),
		cmocka_unit_test(content_still_on_disk_returns_after_an_unpin_by_a_new_trial),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
