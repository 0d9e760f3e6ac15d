/*
 * test_gates_silence: who falls silent after an offer; and that one device, or
 * many new ones, move no gate beyond their part.
 */
#include "gates.h"

/* So many seconds, in which those that `quiet` says are not heard of. */
static void live_but(struct world *w, struct rollout *r, int64_t seconds, bool (*quiet)(struct world *, struct rollout *, const struct machine *))
{
	for (int64_t at = 0; at < seconds; at += INTERVAL) {
		pass_time(INTERVAL);
		for (size_t i = 0; i < w->count; i++)
			if (!quiet(w, r, &w->machines[i]))
				checkin(w, &w->machines[i], "", "");
		tick(w);
	}
}

static bool has_offer(struct world *w, struct rollout *r, const struct machine *m)
{
	return offered(r, w, m);
}

static bool every_seventh(struct world *w, struct rollout *r, const struct machine *m)
{
	(void)r;
	return (m - w->machines) % 7 == 0;
}

static void offered_endpoints_that_fall_silent_halt_before_they_are_lost(void **state)
{
	struct world *w = *state;
	struct rollout *r = publish(w, 1);

	begin(w, r);
	assert_in_range(r->stages[0].at_risk, 8, 10);   /* a stratum with one side only is not compared */
	assert_in_range(r->stages[0].compared, 80, 90);
	live_but(w, r, 1200, has_offer);
	assert_true(r->stages[0].state == RING_HALTED || r->stages[0].state == RING_ROLLED_BACK);
	assert_non_null(strstr(r->stages[0].sentence, "fall silent more often than those that wait"));
	assert_int_equal(r->stages[0].silenced_count, 10);
	assert_int_equal(r->stages[0].offers[0].outcome, OUTCOME_PENDING);
}

static void a_night_for_all_alike_halts_nothing(void **state)
{
	struct world *w = *state;
	struct rollout *r = publish(w, 1);

	begin(w, r);
	live_but(w, r, 1500, every_seventh);
	assert_state(r, 0, RING_OFFERING);
	assert_in_range(r->stages[0].silenced_count, 12, 15);
	assert_true(r->stages[0].silence.armed > 0);
	assert_true(silence_mean(&r->stages[0].silence) < 10);
}

/* Silence is kept with who was at risk: W is the same after a restart, and nobody is silent before an interval. */
static void silence_is_counted_again_from_the_store_after_a_restart(void **state)
{
	struct world *w = *state;
	struct rollout *r = publish(w, 1);
	struct silence was;
	uint32_t count;

	begin(w, r);
	live_but(w, r, 1500, every_seventh);
	was = r->stages[0].silence;
	count = r->stages[0].silenced_count;
	pass_time(4 * 3600);
	world_reopen(w);
	r = again(w, 1);
	assert_int_equal(r->stages[0].silenced_count, count);
	assert_memory_equal(&was.max, &r->stages[0].silence.max, 10);
	assert_memory_equal(&was.w[1], &r->stages[0].silence.w[1], 10);
	tick(w);
	assert_int_equal(r->stages[0].silenced_count, count);
	for (uint32_t n = 0; n < r->stages[0].count; n++)
		assert_int_equal(r->stages[0].offers[n].outcome, OUTCOME_PENDING);
	pass_time(INTERVAL - 60);       /* nor shortly before the interval is over */
	tick(w);
	assert_int_equal(r->stages[0].silenced_count, count);
	for (uint32_t n = 0; n < r->stages[0].count; n++)
		assert_int_equal(r->stages[0].offers[n].outcome, OUTCOME_PENDING);
	/* who does not return is heard of on neither side, so nobody is compared with him */
	pass_time(61);
	tick(w);
	assert_int_equal(r->stages[0].silenced_count, count);
	assert_int_equal(r->stages[0].at_risk + r->stages[0].compared, 0);
}

static void with_nobody_waiting_the_test_is_unarmed(void **state)
{
	struct world *w = *state;
	struct rollout *r = publish(w, 1);

	assert_int_equal(ask(w, r, NULL), 5);
	pass_time(INTERVAL);
	all_check_in(w);
	tick(w);
	assert_int_equal(r->stages[0].at_risk, 0);
	assert_int_equal(r->stages[0].compared, 0);
	assert_int_equal(r->stages[0].silence.armed, 0);
}

static struct machine *flickering;

static bool flickers(struct world *w, struct rollout *r, const struct machine *m)
{
	(void)w;
	(void)r;
	return m == flickering;
}

/* Silent, back, silent again: one event. Failing in every way there is: one failure. */
static void one_device_moves_a_gate_by_no_more_than_its_own_outcome(void **state)
{
	static const char *const ways[] = { "failed", "late_failure", "quarantined", "failed", "survived", "failed" };
	struct world *w = *state;
	struct rollout *r = publish(w, 1);
	struct sequence_sums one, many;
	struct machine *unoffered = NULL;
	double e_once;

	begin(w, r);
	for (size_t i = 0; i < w->count && !flickering; i++)
		flickering = offered(r, w, &w->machines[i]) ? &w->machines[i] : NULL;
	for (int i = 0; i < 6; i++) {
		live_but(w, r, 1500, flickers);
		checkin(w, flickering, "", "");
		tick(w);
	}
	assert_int_equal(r->stages[0].silenced_count, 1);
	report(w, flickering, &r->bundle.digest, "failed", "health");
	tick(w);
	sequence_sums(r->stages[0].sequence, &one);
	e_once = r->stages[0].last.e_known;
	for (int i = 0; i < 60; i++)
		report(w, flickering, &r->bundle.digest, ways[i % 6], i % 6 == 4 ? "" : "health");
	/* a new epoch, as after losing its database */
	snprintf(flickering->epoch, sizeof flickering->epoch, "%016x", 0xfeed);
	flickering->seq = flickering->n = 0;
	report(w, flickering, &r->bundle.digest, "failed", "health");
	tick(w);
	sequence_sums(r->stages[0].sequence, &many);
	assert_int_equal(one.of[OUTCOME_FAILED], 1);
	assert_memory_equal(&one.of, &many.of, sizeof one.of);
	assert_true(!(r->stages[0].last.e_known > e_once));
	assert_false(r->stages[0].state == RING_HALTED || r->stages[0].state == RING_ROLLED_BACK);
	/* one that was offered nothing has no outcome, also where one crash of the first ring would be enough */
	for (size_t i = 0; i < w->count && !unoffered; i++)
		unoffered = offered(r, w, &w->machines[i]) ? NULL : &w->machines[i];
	report(w, unoffered, &r->bundle.digest, "failed", "kernel-crash");
	tick(w);
	assert_false(r->stages[0].content_crash);
	assert_false(r->stages[0].state == RING_HALTED || r->stages[0].state == RING_ROLLED_BACK);
	flickering = NULL;
}

static void a_burst_of_enrolments_dilutes_nothing(void **state)
{
	struct world *w = *state;
	struct rollout *r = publish(w, 1);
	struct machine *bad[2] = { NULL, NULL };
	size_t found = 0;

	begin(w, r);
	for (size_t i = 0; i < w->count && found < 2; i++)
		if (offered(r, w, &w->machines[i]))
			bad[found++] = &w->machines[i];
	report(w, bad[0], &r->bundle.digest, "failed", "health");
	/* four hundred that are new, and all swear that it survived */
	for (int i = 0; i < 400; i++)
		add_machine(w, "canary");
	for (int i = 0; i < 3; i++) {
		all_check_in(w);
		ask(w, r, NULL);
		for (size_t k = 0; k < w->count; k++)
			if (&w->machines[k] != bad[1] && offered(r, w, &w->machines[k]) && &w->machines[k] != bad[0])
				report(w, &w->machines[k], &r->bundle.digest, "survived", "");
		tick(w);
	}
	assert_true(r->stages[0].count > 30);
	assert_int_equal(strata_count(r->stages[0].strata), 3);
	report(w, bad[1], &r->bundle.digest, "failed", "health");
	tick(w);
	assert_true(r->stages[0].state == RING_HALTED || r->stages[0].state == RING_ROLLED_BACK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, crowd, teardown)
		T(offered_endpoints_that_fall_silent_halt_before_they_are_lost),
		T(a_night_for_all_alike_halts_nothing),
		T(silence_is_counted_again_from_the_store_after_a_restart),
		cmocka_unit_test_setup_teardown(with_nobody_waiting_the_test_is_unarmed, few, teardown),
		T(one_device_moves_a_gate_by_no_more_than_its_own_outcome),
		T(a_burst_of_enrolments_dilutes_nothing),
	};

	return world_clock() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
