/* test_activate_precedence: who wins, what keeps, where a stop leads, what a switch to a slot on disk needs. */
#include "activate_host.h"

/* ---- disable > stop > quarantine > pin > hold > assignment: every combination ---- */

enum fact { DISABLED = 1, STOPPED = 2, QUARANTINED = 4, PINNED = 8, HELD = 16, ASSIGNED = 32, FACTS = 64 };

static void arrange(struct host *h, unsigned facts, unsigned char stopped)
{
	host_init(h);
	h->f.disabled = facts & DISABLED;
	h->f.quarantined = facts & QUARANTINED;
	h->f.held = facts & HELD;
	if (facts & PINNED)
		h->f.pinned = D(109);
	if (facts & STOPPED)
		stop(h, stopped);
	if (!(facts & ASSIGNED))
		h->f.assignment = NULL;
}

/* The words of the design, read from the left: the first that applies decides. `assigned`: said of an assigned digest only. */
static const struct precedence {
	unsigned fact;
	bool assigned;
	const char *reason;
} order[] = {
	{ DISABLED, false, "local-disable" }, { STOPPED, true, "stop" }, { QUARANTINED, true, "quarantined" },
	{ PINNED, true, "local-pin" },        { HELD, false, "local-hold" },
};

static const char *first_of(unsigned facts)
{
	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		if ((facts & order[i].fact) && (!order[i].assigned || (facts & ASSIGNED)))
			return order[i].reason;
	return facts & ASSIGNED ? "assigned" : "unassigned";
}

static void of_all_combinations_against_the_assigned_digest_the_first_in_precedence_decides(void **state)
{
	(void)state;
	for (unsigned facts = 0; facts < FACTS; facts++) {
		const char *want = first_of(facts);
		struct host h;

		arrange(&h, facts, 110);
		decide(&h);
		if (strcmp(h.d.reason, want) != 0)
			fail_msg("facts %#x: %s instead of %s", facts, h.d.reason, want);
		assert_int_equal(h.d.action, strcmp(want, "assigned") ? ACTIVATE_KEEP : ACTIVATE_INSTALL);
	}
}

static void of_all_combinations_a_stop_of_what_runs_yields_to_a_disable_alone(void **state)
{
	(void)state;
	for (unsigned facts = 0; facts < FACTS; facts++) {
		struct host h;

		if (!(facts & STOPPED))
			continue;
		arrange(&h, facts, 109);
		decide(&h);
		assert_string_equal(h.d.reason, facts & DISABLED ? "local-disable" : "stop");
		assert_int_equal(h.d.action, facts & DISABLED ? ACTIVATE_KEEP : ACTIVATE_LEAVE);
		if (!(facts & DISABLED))
			assert_int_equal(h.d.slot, SLOT_PREVIOUS);
	}
}

/* ---- keep ---- */

static void expire(struct host *h) { h->f.content_at = h->f.rings_at = NOW - 90 * 86400; }
static void retire(struct host *h) { h->f.vendor = NULL; }
static void relist(struct host *h) { h->vendor.digest = D(99); }
static void raise_floor(struct host *h) { h->f.floor = 500; }
static void quarantine(struct host *h) { h->f.quarantined = true; }
static void refuse(struct host *h) { h->f.contract = CONTRACT_REFUSES; }
static void unassign(struct host *h) { h->f.assignment = NULL; }
static void supersede(struct host *h) { h->a.bundle = (struct bundle_ref){ .path = "bundles/edr/111.tar.gz", .serial = 111, .digest = D(111) }; }
static void move_back(struct host *h)
{
	h->a.bundle = (struct bundle_ref){ .path = "bundles/edr/107.tar.gz", .serial = 107, .digest = D(107) };
	h->vendor = (struct activate_target){ "bundles/edr/107.tar.gz", 107, D(107) };
}
static void move_ring(struct host *h)
{
	move_back(h);
	h->f.ring = "broad";
	h->f.ring_position = 2;
	snprintf(h->a.ring, sizeof h->a.ring, "broad");
}
static void withhold_approval(struct host *h)
{
	static const char *const parties[] = { "works-council" };
	static const bool present[] = { false };

	h->f.approvals_demanded = parties;
	h->f.approvals_present = present;
	h->f.approval_count = 1;
}

static void committed_content_is_kept_through_expiry_retention_supersession_and_ring_moves(void **state)
{
	static void (*const happens[])(struct host *) = { expire, retire, relist, raise_floor, quarantine, refuse, unassign, supersede,
							  move_back, move_ring, withhold_approval };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(happens); i++)
		for (size_t k = 0; k < ARRAY_LEN(happens); k++) {
			struct host h;

			host_init(&h);  /* 110 runs, committed */
			h.f.slots[SLOT_PREVIOUS] = h.f.slots[SLOT_CURRENT];
			h.f.slots[SLOT_CURRENT] = (struct activate_content){ D(110), 110 };
			h.f.high_water = 110;
			happens[i](&h);
			happens[k](&h);
			decide(&h);
			if (h.d.action != ACTIVATE_KEEP)
				fail_msg("events %zu and %zu: %s: %s", i, k, activate_action_name(h.d.action), h.d.sentence);
		}
}

/* ---- where a stop leads ---- */

/* Every combination of slots held, slots stopped, and what the assignment names as previous. */
static void a_stop_leads_to_a_slot_that_is_held_and_unstopped_and_never_to_none_while_there_is_one(void **state)
{
	(void)state;
	for (unsigned held = 0; held < 4; held++)
		for (unsigned stops = 0; stops < 16; stops++)
			for (unsigned char named = 107; named <= 110; named++) {
				bool previous_fine = (held & 1) && !(stops & 1), baseline = held & 2;
				struct host h;

				host_init(&h);
				if (!(held & 1))
					h.f.slots[SLOT_PREVIOUS] = (struct activate_content){ 0 };
				if (!(held & 2))
					h.f.slots[SLOT_BASELINE] = (struct activate_content){ 0 };
				stop(&h, 109);
				if (stops & 1)
					stop(&h, 108);
				if (stops & 2)
					stop(&h, 100);
				if (stops & 4)
					recall(&h, 108);
				if (stops & 8)
					recall(&h, 109);
				previous_fine = previous_fine && !(stops & 4);
				h.a.previous = (struct bundle_ref){ .serial = named, .digest = D(named) };
				decide(&h);
				if (previous_fine || baseline) {
					assert_int_equal(h.d.action, ACTIVATE_LEAVE);
					assert_int_equal(h.d.slot, previous_fine ? SLOT_PREVIOUS : SLOT_BASELINE);
				} else {
					assert_int_equal(h.d.action, ACTIVATE_KEEP);
				}
			}
}

static void whatever_the_floor_a_stop_leads_back(void **state)
{
	struct host h;

	(void)state;
	host_init(&h);
	h.f.floor = UINT64_MAX;
	h.f.content_at = h.f.rings_at = 0;
	h.f.vendor = NULL;
	stop(&h, 109);
	expect_slot(&h, ACTIVATE_LEAVE, SLOT_PREVIOUS, "stop");
}

static void the_day_of_the_online_key_is_counted_by_the_second(void **state)
{
	struct host h;

	(void)state;
	host_init(&h);
	stop(&h, 109);
	for (int64_t ago = 0; ago < 2 * ACTIVATE_STOP_BUDGET_S; ago += 997) {
		h.f.stop_left_at = NOW - ago;
		decide(&h);
		assert_int_equal(h.d.action, ago >= ACTIVATE_STOP_BUDGET_S ? ACTIVATE_LEAVE : ACTIVATE_KEEP);
	}
}

/* ---- floor ---- */

static void the_floor_binds_up_to_high_water_and_no_further(void **state)
{
	(void)state;
	for (uint64_t floor = 100; floor < 120; floor++)
		for (uint64_t serial = 100; serial < 120; serial++) {
			struct host h;

			host_init(&h);
			h.f.slots[SLOT_PREVIOUS] = h.f.slots[SLOT_BASELINE] = (struct activate_content){ 0 };
			h.f.floor = floor;
			h.a.bundle = (struct bundle_ref){ .path = "p", .serial = serial, .digest = D(77) };
			h.vendor = (struct activate_target){ "p", serial, D(77) };
			h.a.granted = true;
			h.a.grant_max_serial = 109;
			if (serial == 109)      /* the same serial with another digest is refused elsewhere */
				continue;
			decide(&h);
			assert_int_equal(h.d.clauses[CLAUSE_FLOOR].holds, serial >= MIN(floor, h.f.high_water));
			assert_int_equal(h.d.action, serial >= MIN(floor, h.f.high_water) ? ACTIVATE_INSTALL : ACTIVATE_KEEP);
		}
}

/* ---- a switch to a slot on disk ---- */

/* The ring goes back to 108, which was committed here before. */
static void roll_back(struct host *h)
{
	host_init(h);
	h->a.bundle = (struct bundle_ref){ .path = "bundles/edr/108.tar.gz", .serial = 108, .digest = D(108) };
	h->a.granted = true;
	h->a.grant_max_serial = 109;
	h->vendor = (struct activate_target){ "bundles/edr/108.tar.gz", 108, D(108) };
}

static void a_rollback_to_a_slot_on_disk_needs_no_vendor(void **state)
{
	struct host h;

	(void)state;
	roll_back(&h);
	h.f.content_at = 0;     /* down since for ever */
	h.f.vendor = NULL;
	expect_slot(&h, ACTIVATE_SWITCH, SLOT_PREVIOUS, "rollback");
	h.vendor.digest = D(7); /* or it now says something else */
	h.f.vendor = &h.vendor;
	expect_slot(&h, ACTIVATE_SWITCH, SLOT_PREVIOUS, "rollback");
	h.f.rings_at = NOW - 3601;      /* but the customer's word is fresh */
	expect_keep(&h, "metadata-expired");
}

static void a_rollback_that_must_be_fetched_needs_the_vendor(void **state)
{
	struct host h;

	(void)state;
	roll_back(&h);
	h.f.slots[SLOT_PREVIOUS] = (struct activate_content){ 0 };
	expect_slot(&h, ACTIVATE_INSTALL, SLOT_NONE, "assigned");
	h.f.content_at = 0;
	expect_keep(&h, "metadata-expired");
	h.f.content_at = NOW;
	h.f.vendor = NULL;
	expect_keep(&h, "metadata-invalid");
}

static void a_slot_under_another_serial_is_no_such_slot(void **state)
{
	struct host h;

	(void)state;
	roll_back(&h);
	h.f.slots[SLOT_PREVIOUS].serial = 107;
	h.f.vendor = NULL;
	expect_keep(&h, "metadata-invalid");
}

static void what_was_on_trial_only_is_not_committed(void **state)
{
	struct host h;

	(void)state;
	roll_back(&h);
	h.f.slots[SLOT_PREVIOUS] = (struct activate_content){ 0 };
	h.f.slots[SLOT_TRIAL] = (struct activate_content){ D(108), 108 };
	h.f.vendor = NULL;
	expect_keep(&h, "metadata-invalid");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_all_combinations_against_the_assigned_digest_the_first_in_precedence_decides),
		cmocka_unit_test(of_all_combinations_a_stop_of_what_runs_yields_to_a_disable_alone),
		cmocka_unit_test(committed_content_is_kept_through_expiry_retention_supersession_and_ring_moves),
		cmocka_unit_test(a_stop_leads_to_a_slot_that_is_held_and_unstopped_and_never_to_none_while_there_is_one),
		cmocka_unit_test(whatever_the_floor_a_stop_leads_back),
		cmocka_unit_test(the_day_of_the_online_key_is_counted_by_the_second),
		cmocka_unit_test(the_floor_binds_up_to_high_water_and_no_further),
		cmocka_unit_test(a_rollback_to_a_slot_on_disk_needs_no_vendor),
		cmocka_unit_test(a_rollback_that_must_be_fetched_needs_the_vendor),
		cmocka_unit_test(a_slot_under_another_serial_is_no_such_slot),
		cmocka_unit_test(what_was_on_trial_only_is_not_committed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
