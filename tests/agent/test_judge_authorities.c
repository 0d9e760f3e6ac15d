/*
 * test_judge_authorities: two repositories with two roots in one judge: what
 * counts from which, that neither side can do the other's part with every key
 * it has, and that neither waits for the other. Approvals, recalls, stops.
 */
#include "sides.h"

#define LIST(...) ((const unsigned char[]){ __VA_ARGS__, 0 })

/* The vendor ships serial 10, the customer's ring is assigned it. */
static void ship(struct judged *j)
{
	side_bundle(&j->of[VENDOR], 8, 8);
	side_bundle(&j->of[VENDOR], 9, 9);
	side_bundle(&j->of[VENDOR], 10, 10);
	side_assign(&j->of[OURS], 10, 0);
}

/* ---- what counts from which ---- */

static void what_the_vendor_lists_and_the_customer_assigns_is_installed(void **state)
{
	struct judged *j = *state;

	ship(j);
	judge_round(j);
	expect(j, SAY_INSTALL, "assigned", 10);
	assert_string_equal(j->unmet, "");
	assert_int_equal(j->done.refreshed, 1);
}

static void a_bundle_that_only_the_customer_lists_is_no_bundle(void **state)
{
	struct judged *j = *state;

	side_bundle(&j->of[OURS], 10, 10);
	side_assign(&j->of[OURS], 10, 0);
	judge_round(j);
	expect(j, SAY_NOTHING, "metadata-invalid", 0);
	assert_non_null(strstr(j->unmet, "listed: the vendor's role lists nothing"));
}

static void an_assignment_that_only_the_vendor_signs_is_no_assignment(void **state)
{
	struct judged *j = *state;

	side_bundle(&j->of[VENDOR], 10, 10);
	side_assign(&j->of[VENDOR], 10, 0);
	judge_round(j);
	expect(j, SAY_NOTHING, "unassigned", 0);
}

static void a_vendors_assignment_does_not_take_the_customers_place(void **state)
{
	struct judged *j = *state;

	ship(j);
	side_bundle(&j->of[VENDOR], 11, 11);
	side_assign(&j->of[VENDOR], 11, 0);
	judge_round(j);
	expect(j, SAY_INSTALL, "assigned", 10);
}

static void a_vendors_ring_map_moves_nobody(void **state)
{
	static const char *const rings[] = { "early", "canary" };
	struct judged *j = *state;
	AUTO(buf) struct buf *map = buf_new(0);
	struct err e;

	ship(j);
	assert_ok(ringmap_write_default(map, rings, 2, "saltsalt", 8, &e));
	side_put(&j->of[VENDOR], "fleet", RINGMAP_PATH, map, NULL);
	judge_round(j);
	expect(j, SAY_INSTALL, "assigned", 10);
	assert_string_equal(j->verdict.ring, "canary");
}

static void another_digest_or_serial_on_either_side_is_refused(void **state)
{
	struct judged *j = *state;

	side_bundle(&j->of[VENDOR], 10, 77);    /* the assignment names digest 10 */
	side_assign(&j->of[OURS], 10, 0);
	judge_round(j);
	expect(j, SAY_NOTHING, "metadata-invalid", 0);
	assert_non_null(strstr(j->unmet, "another serial or digest"));
}

/* Roles that list paths of other roles: the search never asks them, whoever signed. */
static void a_role_cannot_speak_for_the_paths_of_another(void **state)
{
	struct judged *j = *state;
	AUTO(buf) struct buf *assignment = side_assignment(10, 0);
	AUTO(buf) struct buf *approval = side_approvals("edr", 10);

	side_bundle(&j->of[VENDOR], 10, 10);
	side_forge(&j->of[OURS], &j->of[OURS], "stop", "rings/canary/edr.json", assignment, NULL);
	judge_round(j);
	expect(j, SAY_NOTHING, "unassigned", 0);
	side_assign(&j->of[OURS], 10, 0);
	judged_settings(j, "require-approval = bank");
	side_forge(&j->of[OURS], &j->of[OURS], "recall", "approvals/bank/edr.json", approval, NULL);
	side_forge(&j->of[OURS], &j->of[OURS], "approve-works", "approvals/bank/edr.json", approval, NULL);
	judge_round(j);
	expect(j, SAY_NOTHING, "approval", 0);
}

static void the_floor_is_the_vendors(void **state)
{
	struct judged *j = *state;
	AUTO(buf) struct buf *floor = buf_new(0);
	struct err e;

	ship(j);
	assert_ok(floor_write(floor, "edr", 9, NULL, &e));
	side_put(&j->of[OURS], "content-edr", "bundles/edr/floor.json", floor, NULL);
	judge_round(j);
	assert_int_equal(j->verdict.floor, 0);
	side_put(&j->of[VENDOR], "content-edr", "bundles/edr/floor.json", floor, NULL);
	judge_round(j);
	assert_int_equal(j->verdict.floor, 9);
}

/* ---- stops are the union, sticky, and come first ---- */

static void a_stop_of_either_side_counts(void **state)
{
	struct judged *j = *state;

	for (int side = 0; side < SIDES; side++) {
		j->stop_count = 0;
		side_stops(&j->of[side], STOPS_STOP, false, LIST(9));
		judge_round(j);
		expect(j, SAY_SWITCH, "stop", 8);
		assert_int_equal(j->verdict.online_stop, 1);
		assert_int_equal(j->new_stops, 1);
		side_stops(&j->of[side], STOPS_STOP, false, LIST(1));
	}
}

static void a_dead_vendor_delays_no_stop(void **state)
{
	struct judged *j = *state;

	ship(j);
	judge_round(j);
	j->dead[VENDOR] = true;
	side_stops(&j->of[OURS], STOPS_STOP, false, LIST(9));
	judge_round_with(j, false);
	expect(j, SAY_SWITCH, "stop", 8);
	assert_true(j->before_vendor);
	assert_int_equal(j->done.refreshed, 0);
	assert_non_null(strstr(j->done.text, "vendor"));
	assert_int_equal(j->asked[VENDOR], 1);  /* and it is not asked again in the round */
}

/* Not even a host that has never heard of the vendor waits for it. */
static void nor_on_a_host_that_begins(void **state)
{
	struct judged *j = *state;

	j->dead[VENDOR] = true;
	side_stops(&j->of[OURS], STOPS_RECALL, false, LIST(9));
	judge_round(j);
	expect(j, SAY_SWITCH, "recall", 8);
	assert_true(j->before_vendor);
}

static void a_dead_vendor_delays_no_rollback_to_a_slot_on_disk(void **state)
{
	struct judged *j = *state;

	ship(j);
	judge_round(j);
	j->dead[VENDOR] = true;
	judge_end(j);           /* and the judge knows nothing of it any more but what is stored */
	side_assign(&j->of[OURS], 8, 9);
	judge_round(j);
	expect(j, SAY_SWITCH, "rollback", 8);
	assert_true(j->before_vendor);
}

static void a_dead_customers_server_lets_the_vendors_stop_through(void **state)
{
	struct judged *j = *state;

	ship(j);
	judge_round(j);
	j->dead[OURS] = true;
	side_stops(&j->of[VENDOR], STOPS_STOP, false, LIST(9));
	judge_round(j);
	expect(j, SAY_SWITCH, "stop", 8);
}

static void nothing_new_is_installed_while_the_vendor_is_dead(void **state)
{
	struct judged *j = *state;

	ship(j);
	j->dead[VENDOR] = true;
	judge_round(j);
	expect(j, SAY_UNKNOWN, "metadata-expired", 0);
}

static void a_shorter_list_lifts_nothing_even_after_a_restart(void **state)
{
	struct judged *j = *state;

	ship(j);
	side_stops(&j->of[OURS], STOPS_STOP, false, LIST(10, 9));
	judge_round(j);
	assert_int_equal(j->new_stops, 2);
	side_stops(&j->of[OURS], STOPS_STOP, false, LIST(1));
	judge_end(j);
	judge_round(j);
	assert_int_equal(j->new_stops, 1);
	expect(j, SAY_SWITCH, "stop", 8);
	j->current = 8;         /* the host obeyed; what it is assigned stays stopped */
	j->previous = 7;
	judge_round(j);
	expect(j, SAY_NOTHING, "stop", 0);
	assert_non_null(strstr(j->unmet, "not-stopped: serial 10 is stopped"));
}

static void a_second_committed_bundle_within_a_day_needs_a_recall(void **state)
{
	struct judged *j = *state;

	j->stop_left_at = clock_now() - 3600;
	side_stops(&j->of[OURS], STOPS_STOP, false, LIST(9));
	side_stops(&j->of[VENDOR], STOPS_STOP, false, LIST(9)); /* two online keys have one day between them */
	judge_round(j);
	expect(j, SAY_NOTHING, "stop", 0);
	assert_true(j->verdict.again_at == j->stop_left_at + 24 * 3600);
	side_stops(&j->of[OURS], STOPS_RECALL, false, LIST(9));
	judge_round(j);
	expect(j, SAY_SWITCH, "recall", 8);
	assert_int_equal(j->verdict.online_stop, 0);
}

/* A stolen online key lists what it likes, as often as it likes: it crowds out no stop and no recall. */
static void any_number_of_stops_crowds_out_none(void **state)
{
	struct judged *j = *state;

	j->others = 20000;
	side_stops(&j->of[OURS], STOPS_STOP, false, LIST(9));
	judge_round(j);
	expect(j, SAY_SWITCH, "stop", 8);
	assert_int_equal(j->new_stops, 0);      /* it counts while it is listed; a host keeps so many and no more */
	side_stops(&j->of[OURS], STOPS_RECALL, false, LIST(9));
	judge_round(j);
	expect(j, SAY_SWITCH, "recall", 8);
	assert_int_equal(j->new_stops, 1);      /* what people recall is kept, whatever else there is */
}

static void an_urgent_digest_of_the_recall_list_waits_for_no_age(void **state)
{
	struct judged *j = *state;

	judged_settings(j, "min-age = 2h");
	ship(j);
	judge_round(j);
	expect(j, SAY_NOTHING, "age", 0);
	side_stops(&j->of[OURS], STOPS_RECALL, true, LIST(10));
	judge_round(j);
	expect(j, SAY_INSTALL, "assigned", 10);
}

/* ---- approvals ---- */

static void without_an_approval_nothing_is_activated_and_who_is_missing_is_said(void **state)
{
	struct judged *j = *state;

	judged_settings(j, "require-approval = bank works");
	ship(j);
	judge_round(j);
	expect(j, SAY_NOTHING, "approval", 0);
	assert_non_null(strstr(j->unmet, "approved: of 2 approvals demanded 2 are missing: bank, works"));
	assert_non_null(strstr(j->verdict.reason, "bank, works"));
	side_approve(&j->of[OURS], "works", 10);
	judge_round(j);
	expect(j, SAY_NOTHING, "approval", 0);
	assert_non_null(strstr(j->unmet, "1 is missing: bank\n"));
	side_approve(&j->of[VENDOR], "bank", 10);
	judge_round(j);
	expect(j, SAY_INSTALL, "assigned", 10);
}

static void an_approval_of_another_digest_or_channel_is_none(void **state)
{
	struct judged *j = *state;
	AUTO(buf) struct buf *other = side_approvals("av", 10);

	judged_settings(j, "require-approval = bank");
	ship(j);
	side_approve(&j->of[OURS], "bank", 9);
	judge_round(j);
	expect(j, SAY_NOTHING, "approval", 0);
	side_put(&j->of[OURS], "approve-bank", "approvals/bank/edr.json", other, NULL);
	judge_round(j);
	expect(j, SAY_NOTHING, "approval", 0);
	side_put(&j->of[OURS], "approve-bank", "approvals/bank/av.json", other, NULL);
	judge_round(j);
	expect(j, SAY_NOTHING, "approval", 0);
}

static void a_party_bound_to_one_repository_approves_there_alone(void **state)
{
	struct judged *j = *state;

	judged_settings(j, "require-approval = bank@ours");
	ship(j);
	side_approve(&j->of[VENDOR], "bank", 10);
	judge_round(j);
	expect(j, SAY_NOTHING, "approval", 0);
	side_approve(&j->of[OURS], "bank", 10);
	judge_round(j);
	expect(j, SAY_INSTALL, "assigned", 10);
}

/* The approval is in the customer's repository, in its snapshot; but the vendor's key for that party signed it. */
static void a_key_of_the_other_side_signs_nothing_here(void **state)
{
	struct judged *j = *state;
	AUTO(buf) struct buf *approval = side_approvals("edr", 10);

	judged_settings(j, "require-approval = bank@ours");
	ship(j);
	side_forge(&j->of[OURS], &j->of[VENDOR], "approve-bank", "approvals/bank/edr.json", approval, NULL);
	judge_round(j);
	expect(j, SAY_NOTHING, "approval", 0);
	assert_non_null(strstr(j->unmet, "1 is missing: bank@ours"));
}

static void a_mistyped_party_is_no_setting(void **state)
{
	static const char *const bad[] = { "bank,", "bank@", "bank@theirs", "@ours", "Bank" };
	struct judged *j = *state;
	char path[256], ini[256];
	struct settings *s;
	struct err e;

	snprintf(path, sizeof path, "%s/etc/ringhold/agent.ini", j->root);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		snprintf(ini, sizeof ini, "[agent]\ncontent-url = http://v\nrings-repo = ours\nrequire-approval = %s\n[channel edr]\n", bad[i]);
		assert_ok(file_replace(path, ini, strlen(ini), 0644, &e));
		assert_refused(settings_load(&s, j->root, NULL, &e), ERR_USAGE, "require-approval");
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, judged_setup, judged_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_the_vendor_lists_and_the_customer_assigns_is_installed),
		TEST(a_bundle_that_only_the_customer_lists_is_no_bundle),
		TEST(an_assignment_that_only_the_vendor_signs_is_no_assignment),
		TEST(a_vendors_assignment_does_not_take_the_customers_place),
		TEST(a_vendors_ring_map_moves_nobody),
		TEST(another_digest_or_serial_on_either_side_is_refused),
		TEST(a_role_cannot_speak_for_the_paths_of_another),
		TEST(the_floor_is_the_vendors),
		TEST(a_stop_of_either_side_counts),
		TEST(a_dead_vendor_delays_no_stop),
		TEST(nor_on_a_host_that_begins),
		TEST(a_dead_vendor_delays_no_rollback_to_a_slot_on_disk),
		TEST(a_dead_customers_server_lets_the_vendors_stop_through),
		TEST(nothing_new_is_installed_while_the_vendor_is_dead),
		TEST(a_shorter_list_lifts_nothing_even_after_a_restart),
		TEST(a_second_committed_bundle_within_a_day_needs_a_recall),
		TEST(any_number_of_stops_crowds_out_none),
		TEST(an_urgent_digest_of_the_recall_list_waits_for_no_age),
		TEST(without_an_approval_nothing_is_activated_and_who_is_missing_is_said),
		TEST(an_approval_of_another_digest_or_channel_is_none),
		TEST(a_party_bound_to_one_repository_approves_there_alone),
		TEST(a_key_of_the_other_side_signs_nothing_here),
		TEST(a_mistyped_party_is_no_setting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
