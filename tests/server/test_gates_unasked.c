/*
 * test_gates_unasked: a ring whose policy asks for no permits is judged all the
 * same. What a host says of its trial is the first that is heard of it, and
 * makes its offer.
 */
#include "gates.h"

#define MANY 40

static int open_world(void **state, size_t members)
{
	struct world *w = world_new();

	world_policy(w, "{\"name\":\"canary\",\"boots\":0,\"permit\":\"none\"},{\"name\":\"early\",\"boots\":0}");
	for (size_t i = 0; i < members; i++)
		add_machine(w, "canary");
	add_machine(w, "early");
	all_check_in(w);
	pass_time(2 * INTERVAL + 1);
	all_check_in(w);
	*state = w;
	return 0;
}

static int five(void **state)
{
	return open_world(state, 5);
}

static int many(void **state)
{
	return open_world(state, MANY);
}

/* Two events of one trial in one message. */
static void reports_both(struct world *w, struct machine *m, const struct digest *d, const char *kind, const char *reason)
{
	static const char form[] = "{\"n\":%llu,\"at\":1,\"channel\":\"edr\",\"digest\":\"%s\",\"attempt\":1,\"kind\":\"%s\",\"reason\":%s%s%s}";
	char both[1024];
	int len = snprintf(both, sizeof both, form, (unsigned long long)++m->n, hex_of(d), "armed", "", "null", "");

	len += snprintf(both + len, sizeof both - (size_t)len, ",");
	snprintf(both + len, sizeof both - (size_t)len, form, (unsigned long long)++m->n, hex_of(d), kind, *reason ? "\"" : "", *reason ? reason : "null",
		 *reason ? "\"" : "");
	checkin(w, m, both, "");
}

static enum outcome outcome_at(const struct rollout *r, uint32_t n)
{
	assert_in_range(n, 1, r->stages[0].count);
	return r->stages[0].offers[n - 1].outcome;
}

static void survivals_that_nobody_asked_for_pass_the_ring(void **state)
{
	struct world *w = *state;
	struct rollout *r = publish(w, 1);

	assert_state(r, 0, RING_OFFERING);
	for (size_t i = 0; i < 5; i++) {
		report(w, machine_of(w, "canary", i), &r->bundle.digest, "armed", "");
		assert_int_equal(outcome_at(r, (uint32_t)i + 1), OUTCOME_PENDING);
	}
	for (size_t i = 0; i < 5; i++)
		report(w, machine_of(w, "canary", i), &r->bundle.digest, "survived", "");
	assert_int_equal(r->stages[0].count, 5);
	tick(w);
	assert_state(r, 0, RING_BAKING);
	live(w, 3600 + INTERVAL);
	assert_state(r, 0, RING_PASSED);
	assert_state(r, 1, RING_OFFERING);
}

static void failures_that_nobody_asked_for_halt_it_whatever_is_in_flight(void **state)
{
	struct world *w = *state;
	struct rollout *r = publish(w, 1);

	/* all load at once: M of an untried canary ring would be ten */
	for (size_t i = 0; i < MANY; i++)
		report(w, machine_of(w, "canary", i), &r->bundle.digest, "armed", "");
	assert_int_equal(r->stages[0].count, MANY);
	assert_int_equal(r->stages[0].open, MANY);
	assert_int_equal(r->stages[0].reserved, 0);
	for (size_t i = 0; i < 6; i++)
		report(w, machine_of(w, "canary", i), &r->bundle.digest, "failed", "health");
	tick(w);
	assert_state(r, 0, RING_ROLLED_BACK);
	assert_true(desk_stopped(w->s->desk, "edr", &r->bundle.digest));
	/* what comes after the end counts for nothing */
	report(w, machine_of(w, "canary", 7), &r->bundle.digest, "survived", "");
	assert_int_equal(r->stages[0].count, MANY);
}

static void a_crash_is_its_own_first_word(void **state)
{
	struct world *w = *state;
	struct rollout *r = publish(w, 1);

	report(w, machine_of(w, "canary", 0), &r->bundle.digest, "failed", "kernel-crash");
	assert_int_equal(outcome_at(r, 1), OUTCOME_FAILED);
	tick(w);
	assert_state(r, 0, RING_ROLLED_BACK);
	assert_string_equal(r->stages[0].cause, "first-ring-crash");
}

static void what_makes_the_offer_is_as_durable_and_counts_as_once_as_any_other(void **state)
{
	struct world *w = *state;
	struct rollout *r = publish(w, 1);

	reports_both(w, machine_of(w, "canary", 0), &r->bundle.digest, "failed", "health");
	reports_both(w, machine_of(w, "canary", 1), &r->bundle.digest, "survived", "");
	report(w, machine_of(w, "canary", 2), &r->bundle.digest, "armed", "");
	for (int again_in = 0; again_in < 2; again_in++) {
		assert_int_equal(r->stages[0].count, 3);
		assert_int_equal(outcome_at(r, 1), OUTCOME_FAILED);
		assert_string_equal(r->stages[0].offers[0].reason, "health");
		assert_int_equal(outcome_at(r, 2), OUTCOME_SURVIVED);
		assert_int_equal(outcome_at(r, 3), OUTCOME_PENDING);
		assert_ptr_equal(r->stages[0].offers[2].device, fleet_find(&w->s->fleet, machine_of(w, "canary", 2)->id));
		world_reopen(w);
		r = again(w, 1);
		/* the same again, and as after losing its database */
		machine_of(w, "canary", 0)->n = 0;
		reports_both(w, machine_of(w, "canary", 0), &r->bundle.digest, "failed", "health");
		snprintf(machine_of(w, "canary", 1)->epoch, sizeof w->machines->epoch, "%016x", 0xfeed + (unsigned)again_in);
		machine_of(w, "canary", 1)->seq = machine_of(w, "canary", 1)->n = 0;
		reports_both(w, machine_of(w, "canary", 1), &r->bundle.digest, "survived", "");
	}
}

/* It armed and was not heard of again: that is known of it, and no more. */
static void who_falls_silent_in_its_trial_is_lost(void **state)
{
	struct world *w = *state;
	struct rollout *r = publish(w, 1);

	for (size_t i = 0; i < 5; i++)
		report(w, machine_of(w, "canary", i), &r->bundle.digest, "armed", "");
	for (size_t i = 1; i < 5; i++)
		report(w, machine_of(w, "canary", i), &r->bundle.digest, "survived", "");
	for (int64_t at = 0; at < 3600 + 4 * INTERVAL; at += INTERVAL) {
		pass_time(INTERVAL);
		for (size_t i = 1; i < w->count; i++)
			checkin(w, &w->machines[i], "", "");
		tick(w);
	}
	assert_int_equal(outcome_at(r, 1), OUTCOME_LOST);
	assert_state(r, 0, RING_HELD);
}

static void nobody_else_makes_an_offer_by_talking(void **state)
{
	struct world *w = *state;
	struct rollout *r = publish(w, 1);
	struct machine *m = machine_of(w, "canary", 0);
	char event[512];

	/* of a ring that asks for permits, and has none of it yet */
	report(w, machine_of(w, "early", 0), &r->bundle.digest, "failed", "kernel-crash");
	/* of another attempt */
	snprintf(event, sizeof event, "{\"n\":%llu,\"at\":1,\"channel\":\"edr\",\"digest\":\"%s\",\"attempt\":7,\"kind\":\"failed\",\"reason\":\"kernel-crash\"}",
		 (unsigned long long)++m->n, hex_of(&r->bundle.digest));
	checkin(w, m, event, "");
	/* that does not say it was tried */
	report(w, m, &r->bundle.digest, "env", "disk-full");
	/* a clone */
	m = machine_of(w, "canary", 1);
	fleet_find(&w->s->fleet, m->id)->flagged = true;
	report(w, m, &r->bundle.digest, "failed", "kernel-crash");
	tick(w);
	assert_int_equal(r->stages[0].count + r->stages[1].count, 0);
	assert_state(r, 0, RING_OFFERING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name, with) cmocka_unit_test_setup_teardown(name, with, teardown)
		T(survivals_that_nobody_asked_for_pass_the_ring, five),
		T(failures_that_nobody_asked_for_halt_it_whatever_is_in_flight, many),
		T(a_crash_is_its_own_first_word, five),
		T(what_makes_the_offer_is_as_durable_and_counts_as_once_as_any_other, five),
		T(who_falls_silent_in_its_trial_is_lost, five),
		T(nobody_else_makes_an_offer_by_talking, five),
	};

	return world_clock() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
