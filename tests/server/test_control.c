#include <stdatomic.h>

#include "rollout/stops.h"
#include "world.h"

/* ---- the sentences ---- */

static void a_good_bundle_goes_through_all_rings_by_covering_them(void **state)
{
	struct world *w = *state;
	struct rollout *r = publish(w, 1);

	assert_state(r, 0, RING_OFFERING);
	assert_state(r, 1, RING_QUEUED);
	not_assigned(w, "early");
	ring_survives(w, r, "canary");
	assert_state(r, 0, RING_BAKING);
	live(w, 3600);
	assert_state(r, 0, RING_PASSED);
	assert_true(r->stages[0].by_coverage);
	assert_state(r, 1, RING_OFFERING);
	ring_survives(w, r, "early");
	live(w, 4 * 3600);
	assert_state(r, 2, RING_OFFERING);
	ring_survives(w, r, "broad");
	assert_state(r, 2, RING_PASSED);
	assigned_to(w, "broad", &r->bundle.digest, false);
	assert_string_equal(rollout_state(r), "passed");
}

static void no_ring_is_offered_before_its_turn(void **state)
{
	struct world *w = *state;
	struct rollout *r = publish(w, 1);

	assert_false(gets_permit(w, machine_of(w, "early", 0), &r->bundle.digest));
	assert_false(gets_permit(w, machine_of(w, "broad", 0), &r->bundle.digest));
	assert_int_equal(r->stages[1].count + r->stages[2].count, 0);
}

static bool audits_first(struct world *w, const char *ring)
{
	AUTO(assignment) struct assignment *a = NULL;
	struct err e;

	assert_ok(desk_assignment(w->s->desk, ring, "edr", &a, &e));
	return a->observe;
}

static void a_ring_that_audits_first_says_so_in_its_assignment(void **state)
{
	struct world *w = *state;
	struct rollout *r = publish(w, 1);

	assert_false(audits_first(w, "canary"));
	r->policy->rings[1].audit_first = true;
	ring_survives(w, r, "canary");
	live(w, 3600);
	assert_state(r, 1, RING_OFFERING);
	assert_true(audits_first(w, "early"));
}

static void asking_again_spends_no_second_offer(void **state)
{
	struct world *w = *state;
	struct rollout *r = publish(w, 1);

	for (int i = 0; i < 3; i++)
		assert_true(gets_permit(w, machine_of(w, "canary", 0), &r->bundle.digest));
	assert_int_equal(r->stages[0].count, 1);
	world_reopen(w);
	r = again(w, 1);
	assert_true(gets_permit(w, machine_of(w, "canary", 0), &r->bundle.digest));
	assert_int_equal(r->stages[0].count, 1);
	assert_true(gets_permit(w, machine_of(w, "canary", 1), &r->bundle.digest));
	assert_int_equal(r->stages[0].count, 2);
}

static void failures_halt_stop_and_take_back(void **state)
{
	struct world *w = *state;
	struct rollout *good = publish(w, 1), *bad;

	ring_survives(w, good, "canary");
	live(w, 3600);
	bad = publish(w, 2);
	assert_state(bad, 0, RING_OFFERING);
	assert_state(good, 0, RING_SUPERSEDED);
	for (size_t i = 0; i < 2; i++) {
		assert_true(gets_permit(w, machine_of(w, "canary", i), &bad->bundle.digest));
		report(w, machine_of(w, "canary", i), &bad->bundle.digest, "failed", "health");
	}
	tick(w);
	assert_state(bad, 0, RING_ROLLED_BACK);
	assert_state(bad, 1, RING_ABORTED);
	assert_state(bad, 2, RING_ABORTED);
	assert_true(desk_stopped(w->s->desk, "edr", &bad->bundle.digest));
	assigned_to(w, "canary", &good->bundle.digest, true);
	not_assigned(w, "broad");
	assert_false(gets_permit(w, machine_of(w, "canary", 2), &bad->bundle.digest));
	/* the next one goes back to the good one, not to the stopped one */
	bad = publish(w, 3);
	assert_true(digest_equal(&bad->stages[0].previous.digest, &good->bundle.digest));
}

static void the_first_bundle_of_all_is_taken_back_to_nothing(void **state)
{
	struct world *w = *state;
	struct rollout *r = publish(w, 1);

	assert_true(gets_permit(w, machine_of(w, "canary", 0), &r->bundle.digest));
	report(w, machine_of(w, "canary", 0), &r->bundle.digest, "failed", "kernel-crash");
	tick(w);
	assert_state(r, 0, RING_ROLLED_BACK);
	assert_string_equal(r->stages[0].cause, "first-ring-crash");
	not_assigned(w, "canary");
}

static void a_failure_of_the_host_counts_for_nothing(void **state)
{
	struct world *w = *state;
	struct rollout *r = publish(w, 1);

	for (size_t i = 0; i < DEVICES; i++) {
		assert_true(gets_permit(w, machine_of(w, "canary", i), &r->bundle.digest));
		report(w, machine_of(w, "canary", i), &r->bundle.digest, "env", "disk-full");
	}
	tick(w);
	assert_state(r, 0, RING_HELD);
	assert_string_equal(r->stages[0].cause, "left-out");
	/* who is left out may return to a ring that is held for that, and start anew; then the hold ends by itself */
	assert_true(gets_permit(w, machine_of(w, "canary", 0), &r->bundle.digest));
	for (size_t i = 0; i < DEVICES; i++) {
		pass_time(1);
		report(w, machine_of(w, "canary", i), &r->bundle.digest, "armed", "");
		report(w, machine_of(w, "canary", i), &r->bundle.digest, "survived", "");
	}
	tick(w);
	assert_state(r, 0, RING_BAKING);
	assert_false(desk_stopped(w->s->desk, "edr", &r->bundle.digest));
}

static void a_late_failure_halts_what_has_passed(void **state)
{
	struct world *w = *state;
	struct rollout *r = publish(w, 1);

	ring_survives(w, r, "canary");
	live(w, 3600);
	assert_state(r, 0, RING_PASSED);
	for (size_t i = 0; i < DEVICES; i++)
		report(w, machine_of(w, "canary", i), &r->bundle.digest, "late_failure", "health");
	tick(w);
	assert_state(r, 0, RING_ROLLED_BACK);
	assert_state(r, 1, RING_ROLLED_BACK);
	assert_state(r, 2, RING_ABORTED);
	assert_true(desk_stopped(w->s->desk, "edr", &r->bundle.digest));
}

/* Armed for seven days after the pass, and no longer. */
static void late_failures_halt_for_seven_days_after_the_pass(void **state, bool in_time)
{
	struct world *w = *state;
	struct rollout *r = publish(w, 1);

	ring_survives(w, r, "canary");
	live(w, 3600);
	assert_state(r, 0, RING_PASSED);
	pass_time(r->stages[0].passed_at + 7 * 86400 + (in_time ? -60 : 60) - clock_now());
	for (size_t i = 0; i < DEVICES; i++)
		report(w, machine_of(w, "canary", i), &r->bundle.digest, "late_failure", "health");
	tick(w);
	assert_int_equal(r->stages[0].offers[0].outcome, OUTCOME_FAILED);
	assert_state(r, 0, in_time ? RING_ROLLED_BACK : RING_PASSED);
	assert_int_equal(desk_stopped(w->s->desk, "edr", &r->bundle.digest), in_time);
}

static void a_failure_a_minute_before_the_seven_days_end_halts(void **state)
{
	late_failures_halt_for_seven_days_after_the_pass(state, true);
}

static void a_failure_a_minute_after_the_seven_days_halts_nothing(void **state)
{
	late_failures_halt_for_seven_days_after_the_pass(state, false);
}

static void an_endpoint_that_changes_ring_leaves_its_open_offer_with_the_old_one(void **state)
{
	struct world *w = *state;
	struct rollout *r = publish(w, 1);
	struct machine *m = machine_of(w, "canary", 0);
	static char answer[8192];
	struct sequence_sums early;

	assert_true(gets_permit(w, m, &r->bundle.digest));
	assert_int_equal(call(w, operator_attributes, "anna", m->id, "{\"attributes\":{\"ring\":\"early\"}}", answer, sizeof answer), 200);
	checkin(w, m, "", "");
	assert_string_equal(fleet_find(&w->s->fleet, m->id)->ring, "early");
	/* nor does asking again, or a restart, make another in the new one */
	assert_true(gets_permit(w, m, &r->bundle.digest));
	world_reopen(w);
	r = again(w, 1);
	report(w, m, &r->bundle.digest, "failed", "health");
	tick(w);
	assert_int_equal(r->stages[0].count, 1);
	assert_int_equal(r->stages[0].offers[0].outcome, OUTCOME_FAILED);
	assert_int_equal(r->stages[1].count, 0);
	sequence_sums(r->stages[1].sequence, &early);
	assert_int_equal(early.offers, 0);
	assert_false(r->stages[1].content_crash);
}

static void a_silent_endpoint_is_lost_and_holds_its_small_ring(void **state)
{
	struct world *w = *state;
	struct rollout *r = publish(w, 1);
	struct machine *silent = machine_of(w, "canary", 3);

	for (size_t i = 0; i < DEVICES; i++)
		assert_true(gets_permit(w, machine_of(w, "canary", i), &r->bundle.digest));
	for (size_t i = 0; i < 3; i++)
		report(w, machine_of(w, "canary", i), &r->bundle.digest, "survived", "");
	for (int64_t at = 0; at < 3600 + INTERVAL; at += INTERVAL) {
		pass_time(INTERVAL);
		for (size_t i = 0; i < w->count; i++)
			if (&w->machines[i] != silent)
				checkin(w, &w->machines[i], "", "");
		tick(w);
	}
	assert_int_equal(r->stages[0].offers[3].outcome, OUTCOME_LOST);
	assert_state(r, 0, RING_HELD);
	assert_string_equal(r->stages[0].cause, "coverage-impossible");
	/* it stays lost when it returns, and over a restart */
	report(w, silent, &r->bundle.digest, "survived", "");
	tick(w);
	assert_int_equal(r->stages[0].offers[3].outcome, OUTCOME_LOST);
	world_reopen(w);
	r = again(w, 1);
	assert_int_equal(r->stages[0].offers[3].outcome, OUTCOME_LOST);
	assert_int_equal(r->stages[0].offers[2].outcome, OUTCOME_SURVIVED);
	assert_state(r, 0, RING_HELD);
}

static void nobody_is_silent_before_an_interval_after_a_restart(void **state)
{
	struct world *w = *state;
	struct rollout *r = publish(w, 1);

	for (size_t i = 0; i < DEVICES; i++)
		assert_true(gets_permit(w, machine_of(w, "canary", i), &r->bundle.digest));
	pass_time(2 * 3600);
	world_reopen(w);
	r = again(w, 1);
	tick(w);
	for (uint32_t n = 0; n < DEVICES; n++)
		assert_int_equal(r->stages[0].offers[n].outcome, OUTCOME_PENDING);
	pass_time(INTERVAL - 60);       /* the interval is not over: a minute for what the test itself takes */
	tick(w);
	for (uint32_t n = 0; n < DEVICES; n++)
		assert_int_equal(r->stages[0].offers[n].outcome, OUTCOME_PENDING);
	pass_time(61);
	tick(w);
	assert_int_equal(r->stages[0].offers[0].outcome, OUTCOME_LOST);
}

static void an_announced_shutdown_is_no_silence(void **state)
{
	struct world *w = *state;
	struct rollout *r = publish(w, 1);
	struct machine *m = machine_of(w, "canary", 0);
	char event[128];

	assert_true(gets_permit(w, m, &r->bundle.digest));
	snprintf(event, sizeof event, "{\"n\":%llu,\"at\":1,\"channel\":null,\"digest\":null,\"attempt\":0,\"kind\":\"goodbye\",\"reason\":\"shutdown\"}",
		 (unsigned long long)++m->n);
	checkin(w, m, event, "");
	for (int i = 0; i < 30; i++) {
		pass_time(INTERVAL);
		for (size_t k = 0; k < w->count; k++)
			if (&w->machines[k] != m)
				checkin(w, &w->machines[k], "", "");
		tick(w);
	}
	assert_int_equal(r->stages[0].offers[0].outcome, OUTCOME_AWAY);
	checkin(w, m, "", "");
	tick(w);
	assert_int_equal(r->stages[0].offers[0].outcome, OUTCOME_PENDING);
}

static void waiting_bundles_collapse_to_the_newest(void **state)
{
	struct world *w = *state;
	struct rollout *first = publish(w, 1), *second = publish(w, 2), *third = publish(w, 3);

	assert_state(first, 0, RING_OFFERING);
	for (int i = 0; i < 3; i++)
		assert_state(second, i, RING_SUPERSEDED);
	assert_state(third, 0, RING_QUEUED);
	ring_survives(w, first, "canary");
	live(w, 3600);
	assert_state(first, 0, RING_SUPERSEDED);
	assert_state(first, 1, RING_OFFERING);
	assert_state(third, 0, RING_OFFERING);
	assigned_to(w, "canary", &third->bundle.digest, false);
	assigned_to(w, "early", &first->bundle.digest, false);
}

static void a_contract_that_refuses_in_the_first_ring_holds_it(void **state)
{
	struct world *w = *state;
	struct rollout *r = publish(w, 1);
	struct err e;

	report(w, machine_of(w, "canary", 0), &r->bundle.digest, "declined", "contract");
	tick(w);
	assert_state(r, 0, RING_HELD);
	assert_string_equal(r->stages[0].cause, "declined");
	assert_int_equal(r->stages[0].count, 0);
	world_reopen(w);
	r = again(w, 1);
	tick(w);
	assert_state(r, 0, RING_HELD);
	assert_ok(control_order(w->s, r->id, NULL, ORDER_RESUME, "alice", "known", &e));
	assert_state(r, 0, RING_OFFERING);
}

static void people_pause_resume_and_abort(void **state)
{
	struct world *w = *state;
	struct rollout *r = publish(w, 1);
	struct err e;

	assert_ok(control_order(w->s, r->id, "canary", ORDER_PAUSE, "alice", "lunch", &e));
	assert_state(r, 0, RING_HELD);
	assert_false(gets_permit(w, machine_of(w, "canary", 0), &r->bundle.digest));
	assert_refused(control_order(w->s, r->id, "canary", ORDER_PAUSE, "alice", "again", &e), ERR_CONFLICT, "nothing to pause");
	assert_ok(control_order(w->s, r->id, NULL, ORDER_RESUME, "alice", "back", &e));
	assert_state(r, 0, RING_OFFERING);
	assert_true(gets_permit(w, machine_of(w, "canary", 0), &r->bundle.digest));
	assert_ok(control_order(w->s, r->id, NULL, ORDER_ABORT, "alice", "no", &e));
	for (int i = 0; i < 3; i++)
		assert_state(r, i, RING_ABORTED);
	assert_refused(control_order(w->s, 77, NULL, ORDER_HALT, "alice", "x", &e), ERR_NOT_FOUND, "77");
	/* what was aborted is not what the next one goes back to */
	r = publish(w, 2);
	assert_true(digest_is_zero(&r->stages[0].previous.digest));
}

static void a_rollback_names_older_bytes_with_a_grant(void **state)
{
	struct world *w = *state;
	struct rollout *first = publish(w, 1), *second;
	struct control_back b = { .who = "alice", .reason = "false positives", .dry_run = true };
	struct err e;

	assert_refused(control_rollback(w->s, "edr", &b, &e), ERR_NOT_FOUND, "edr");
	ring_survives(w, first, "canary");
	live(w, 3600);
	second = publish(w, 2);
	assigned_to(w, "canary", &second->bundle.digest, false);
	assert_ok(control_rollback(w->s, "edr", &b, &e));
	assert_int_equal(b.found.serial, 1);
	assigned_to(w, "canary", &second->bundle.digest, false);        /* so far it was only asked */
	b.dry_run = false;
	assert_ok(control_rollback(w->s, "edr", &b, &e));
	assert_int_equal(b.found.serial, 1);
	assert_state(second, 0, RING_ABORTED);
	assigned_to(w, "canary", &first->bundle.digest, true);
	not_assigned(w, "broad");
	assert_false(desk_stopped(w->s->desk, "edr", &second->bundle.digest));
}

/* Every state that asks for a signature is reached, the server dies, and goes on. */
static void a_server_killed_between_a_move_and_its_signature_goes_on(void **state)
{
	struct world *w = *state;
	struct motive m = { .cause = "evidence", .sentence = "because" };
	struct rollout *r = publish(w, 1);
	struct err e;

	ring_survives(w, r, "canary");
	live(w, 3600);
	r = publish(w, 2);
	pthread_mutex_lock(&w->s->control);
	assert_ok(control_halt(w->s, &r->stages[0], &m, clock_now(), &e));
	pthread_mutex_unlock(&w->s->control);
	assert_state(r, 0, RING_HALTED);
	world_reopen(w);
	r = again(w, 2);
	assert_state(r, 0, RING_HALTED);
	assert_false(gets_permit(w, machine_of(w, "canary", 0), &r->bundle.digest));
	tick(w);
	assert_state(r, 0, RING_ROLLED_BACK);
	assert_true(desk_stopped(w->s->desk, "edr", &r->bundle.digest));
	assigned_to(w, "canary", &again(w, 1)->bundle.digest, true);
}

static void a_ring_whose_keys_are_elsewhere_waits_and_says_so(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *key = fixture_path(w->f, "data/keys/ring-canary.pem");
	static char answer[1 << 16];
	struct rollout *r;

	assert_int_equal(unlink(key), 0);
	world_reopen(w);
	r = publish(w, 1);
	assert_state(r, 0, RING_AWAITING_SIGNATURE);
	not_assigned(w, "canary");
	assert_int_equal(call(w, operator_status, "x", NULL, "", answer, sizeof answer), 200);
	assert_non_null(strstr(answer, "ring-canary"));
	assert_non_null(strstr(answer, "waits for signatures of ring-canary: channel edr serial 1 for ring canary"));
	/* however often it is asked: one request */
	live(w, 60);
	assert_int_equal(call(w, operator_status, "x", NULL, "", answer, sizeof answer), 200);
	assert_null(strstr(strstr(answer, "waits for signatures of") + 1, "waits for signatures of"));
}

/* The same identity with an epoch that was left. */
static int come_again(struct world *w, const struct machine *m, const char *epoch)
{
	char body[1024], answer[1024];

	snprintf(body, sizeof body, "{\"format\":1,\"epoch\":\"%s\",\"seq\":1,\"sent\":1,\"boot_id\":\"b\",\"facts\":{},\"channels\":[],\"events\":[],\"want\":[]}", epoch);
	return call(w, device_checkin, m->id, NULL, body, answer, sizeof answer);
}

static void a_clone_is_flagged_and_gets_nothing(void **state)
{
	struct world *w = *state;
	struct machine *m = machine_of(w, "canary", 0), clone = *m;
	struct rollout *r = publish(w, 1);

	strcpy(m->epoch, "ffffffffffffffff");
	m->seq = m->n = 0;
	checkin(w, m, "", "");
	assert_int_equal(come_again(w, m, clone.epoch), 409);
	assert_true(fleet_find(&w->s->fleet, m->id)->flagged);
	assert_false(gets_permit(w, m, &r->bundle.digest));
	world_reopen(w);
	assert_true(fleet_find(&w->s->fleet, m->id)->flagged);
	/* nor the next token, which every other device gets daily: it is not known who would get it */
	fleet_find(&w->s->fleet, machine_of(w, "canary", 1)->id)->issued = clock_now();
	pass_time(86400 - 600);
	assert_non_null(strstr(checkin(w, machine_of(w, "canary", 1), "", ""), "\"token\":null"));
	pass_time(600);
	assert_non_null(strstr(checkin(w, m, "", ""), "\"token\":null"));
	assert_non_null(strstr(checkin(w, machine_of(w, "canary", 1), "", ""), "\"token\":\"rhd1."));
}

static void every_epoch_that_was_left_tells_a_clone_and_not_only_the_last(void **state)
{
	struct world *w = *state;
	struct machine *m = machine_of(w, "canary", 0), clone = *m;

	for (int i = 1; i < DEVICE_EPOCHS_MAX; i++) {
		snprintf(m->epoch, sizeof m->epoch, "%016x", 0xabcd0000u + (unsigned)i);
		m->seq = 0;
		checkin(w, m, "", "");
		world_reopen(w);
	}
	assert_false(fleet_find(&w->s->fleet, m->id)->flagged);
	assert_int_equal(come_again(w, m, clone.epoch), 409);
	assert_true(fleet_find(&w->s->fleet, m->id)->flagged);
	/* they are not remembered for ever */
	for (int i = 0; i < 2 * DEVICE_EPOCHS_MAX; i++) {
		snprintf(m->epoch, sizeof m->epoch, "%016x", 0xbeef0000u + (unsigned)i);
		m->seq = 0;
		checkin(w, m, "", "");
	}
	assert_int_equal(strlen(fleet_find(&w->s->fleet, m->id)->old_epochs), DEVICE_EPOCHS_MAX * (CHECKIN_EPOCH_LEN + 1) - 1);
}

/* What a clone survived may be another machine's story; what failed on it failed somewhere. */
static void a_clones_survival_holds_until_a_person_clears_it_and_its_failure_counts(void **state)
{
	struct world *w = *state;
	struct rollout *r = publish(w, 1);
	struct machine *m = machine_of(w, "canary", 0), *other = machine_of(w, "canary", 1), clone = *m, second = *other;
	char answer[8192];

	assert_true(gets_permit(w, m, &r->bundle.digest));
	assert_true(gets_permit(w, other, &r->bundle.digest));
	report(w, m, &r->bundle.digest, "armed", "");
	report(w, m, &r->bundle.digest, "survived", "");
	assert_int_equal(r->stages[0].offers[0].outcome, OUTCOME_SURVIVED);
	strcpy(m->epoch, "ffffffffffffffff");
	m->seq = m->n = 0;
	checkin(w, m, "", "");
	assert_int_equal(come_again(w, m, clone.epoch), 409);
	assert_int_equal(r->stages[0].offers[0].outcome, OUTCOME_ENVIRONMENT);
	world_reopen(w);
	r = again(w, 1);
	assert_int_equal(r->stages[0].offers[0].outcome, OUTCOME_ENVIRONMENT);
	tick(w);
	/* trying clears nothing; a reason is needed; then it is as it was */
	assert_int_equal(call(w, operator_clear, "anna", m->id, "{}", answer, sizeof answer), 400);
	assert_int_equal(call(w, operator_clear, "anna", m->id, "{\"reason\":\"one machine, restored from yesterday\"}", answer, sizeof answer), 200);
	assert_int_equal(r->stages[0].offers[0].outcome, OUTCOME_SURVIVED);
	assert_int_equal(call(w, operator_clear, "anna", m->id, "{\"reason\":\"again\"}", answer, sizeof answer), 409);
	world_reopen(w);
	r = again(w, 1);
	assert_int_equal(r->stages[0].offers[0].outcome, OUTCOME_SURVIVED);
	/* and the clone that comes once more shows once more */
	assert_int_equal(come_again(w, m, clone.epoch), 409);
	assert_true(fleet_find(&w->s->fleet, m->id)->flagged);
	strcpy(other->epoch, "eeeeeeeeeeeeeeee");
	other->seq = other->n = 0;
	checkin(w, other, "", "");
	assert_int_equal(come_again(w, other, second.epoch), 409);
	report(w, other, &r->bundle.digest, "failed", "crash");
	assert_int_equal(r->stages[0].offers[1].outcome, OUTCOME_FAILED);
}

static void heartbeats_are_folded_and_events_are_not_counted_twice(void **state)
{
	struct world *w = *state;
	struct rollout *r = publish(w, 1);
	struct machine *m = machine_of(w, "canary", 0);
	int64_t seen;

	assert_true(gets_permit(w, m, &r->bundle.digest));
	report(w, m, &r->bundle.digest, "env", "disk-full");
	assert_int_equal(r->stages[0].offers[0].outcome, OUTCOME_ENVIRONMENT);
	pass_time(10);
	report(w, m, &r->bundle.digest, "armed", "");
	assert_int_equal(r->stages[0].offers[0].outcome, OUTCOME_PENDING);
	/* the first report comes again, late: it must not put the offer back */
	m->n -= 2;
	report(w, m, &r->bundle.digest, "env", "disk-full");
	assert_int_equal(r->stages[0].offers[0].outcome, OUTCOME_PENDING);
	m->n++;
	pass_time(60);
	checkin(w, m, "", "");
	seen = fleet_find(&w->s->fleet, m->id)->last_seen;
	world_reopen(w);
	assert_int_equal(fleet_find(&w->s->fleet, m->id)->last_seen, seen);
	assert_int_equal(fleet_find(&w->s->fleet, m->id)->seq, m->seq);
	assert_string_equal(fleet_find(&w->s->fleet, m->id)->ring, "canary");
}

static void bare_heartbeats_write_nothing_and_are_folded_into_one_job(void **state)
{
	struct world *w = *state;
	uint64_t commits, jobs, commits_after, jobs_after;
	struct err e;

	assert_ok(server_fold(w->s, SIZE_MAX, &e));
	writer_figures(w->s->writer, &commits, &jobs);
	for (int i = 0; i < 50; i++) {
		pass_time(1);
		for (size_t k = 0; k < 3; k++)
			checkin(w, machine_of(w, "canary", k), "", "");
	}
	writer_figures(w->s->writer, &commits_after, &jobs_after);
	assert_int_equal(commits_after, commits);
	assert_int_equal(jobs_after, jobs);
	assert_ok(server_fold(w->s, SIZE_MAX, &e));
	writer_figures(w->s->writer, &commits_after, &jobs_after);
	assert_int_equal(commits_after, commits + 1);
	assert_int_equal(jobs_after, jobs + 1);
	assert_ok(server_fold(w->s, SIZE_MAX, &e));
	writer_figures(w->s->writer, &commits_after, &jobs_after);
	assert_int_equal(jobs_after, jobs + 1);
}

/* ---- all at once ---- */

#define CROWD 32
#define ROUNDS 20

struct crowd {
	struct world *w;
	struct machine *machines;
	size_t count;
	struct digest digest;
	atomic_bool *stop;
};

static void *ask_and_report(void *arg)
{
	struct crowd *c = arg;
	char body[2048], answer[4096], hex[DIGEST_HEX_LEN + 1];

	digest_hex(hex, &c->digest);
	for (int round = 0; round < ROUNDS; round++)
		for (size_t i = 0; i < c->count; i++) {
			struct machine *m = &c->machines[i];

			snprintf(body, sizeof body,
				 "{\"format\":1,\"epoch\":\"%s\",\"seq\":%llu,\"sent\":1,\"boot_id\":\"b\",\"facts\":{\"os\":\"debian-12\"},"
				 "\"channels\":[{\"channel\":\"edr\",\"ring\":\"canary\",\"phase\":\"IDLE\",\"rung\":\"current\",\"high_water\":0}],"
				 "\"events\":[],\"want\":[{\"channel\":\"edr\",\"digest\":\"%s\",\"attempt\":1}]}",
				 m->epoch, (unsigned long long)++m->seq, hex);
			assert_int_equal(call(c->w, device_checkin, m->id, NULL, body, answer, sizeof answer), 200);
		}
	return NULL;
}

static void *look_around(void *arg)
{
	struct crowd *c = arg;
	static char answer[1 << 20];

	while (!*c->stop) {
		tick(c->w);
		assert_int_equal(call(c->w, operator_status, "x", NULL, "", answer, sizeof answer), 200);
		assert_int_equal(call(c->w, operator_rollouts, "x", NULL, "", answer, sizeof answer), 200);
		assert_int_equal(call(c->w, operator_devices, "x", NULL, "", answer, sizeof answer), 200);
	}
	return NULL;
}

static void a_crowd_gets_as_many_offers_as_the_ring_has_places(void **state)
{
	struct world *w = *state;
	struct machine crowd[CROWD];
	struct crowd parts[5];
	pthread_t threads[5];
	atomic_bool stop = false;
	struct rollout *r;

	for (size_t i = 0; i < CROWD; i++) {
		w->count = 0;
		add_machine(w, "canary");
		crowd[i] = w->machines[0];
	}
	r = publish(w, 1);
	for (size_t i = 0; i < 5; i++)
		parts[i] = (struct crowd){ w, crowd + i * (CROWD / 4), CROWD / 4, r->bundle.digest, &stop };
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask_and_report, &parts[i]), 0);
	assert_int_equal(pthread_create(&threads[4], NULL, look_around, &parts[4]), 0);
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	stop = true;
	pthread_join(threads[4], NULL);
	/* M of an untried canary ring: ten, however many ask */
	assert_int_equal(r->stages[0].count, 10);
	assert_int_equal(r->stages[0].reserved, 0);
	assert_int_equal(r->stages[0].open, 10);
	world_reopen(w);
	assert_int_equal(again(w, 1)->stages[0].count, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(a_good_bundle_goes_through_all_rings_by_covering_them),
		T(no_ring_is_offered_before_its_turn),
		T(a_ring_that_audits_first_says_so_in_its_assignment),
		T(asking_again_spends_no_second_offer),
		T(failures_halt_stop_and_take_back),
		T(the_first_bundle_of_all_is_taken_back_to_nothing),
		T(a_failure_of_the_host_counts_for_nothing),
		T(a_late_failure_halts_what_has_passed),
		T(a_failure_a_minute_before_the_seven_days_end_halts),
		T(a_failure_a_minute_after_the_seven_days_halts_nothing),
		T(an_endpoint_that_changes_ring_leaves_its_open_offer_with_the_old_one),
		T(a_silent_endpoint_is_lost_and_holds_its_small_ring),
		T(nobody_is_silent_before_an_interval_after_a_restart),
		T(an_announced_shutdown_is_no_silence),
		T(waiting_bundles_collapse_to_the_newest),
		T(a_contract_that_refuses_in_the_first_ring_holds_it),
		T(people_pause_resume_and_abort),
		T(a_rollback_names_older_bytes_with_a_grant),
		T(a_server_killed_between_a_move_and_its_signature_goes_on),
		T(a_ring_whose_keys_are_elsewhere_waits_and_says_so),
		T(a_clone_is_flagged_and_gets_nothing),
		T(every_epoch_that_was_left_tells_a_clone_and_not_only_the_last),
		T(a_clones_survival_holds_until_a_person_clears_it_and_its_failure_counts),
		T(a_crowd_gets_as_many_offers_as_the_ring_has_places),
		T(heartbeats_are_folded_and_events_are_not_counted_twice),
		T(bare_heartbeats_write_nothing_and_are_folded_into_one_job),
	};

	return world_clock() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
