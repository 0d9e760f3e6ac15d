/* test_phase: what the transition table promises, over every phase and event. */
#include "test.h"

#include "agent/phase.h"

#define EACH(at, on)                           \
	for (int at = 0; at < PHASES; at++)    \
		for (int on = 0; on < PHASE_EVENTS; on++)

static void only_health_commits(void **state)
{
	(void)state;
	EACH(at, on) {
		const struct phase_step *s = phase_step(at, on);

		if (s && s->act == ACT_COMMIT)
			assert_true(at == PHASE_ACTIVE && on == ON_HEALTHY);
	}
}

static void power_loss_never_strands_an_update(void **state)
{
	(void)state;
	for (int at = 0; at < PHASES; at++) {
		const struct phase_step *s = phase_step(at, ON_BOOTED);

		assert_non_null(s);
		assert_int_equal(s->then, at);
		assert_false(phase_settling(s->act));
	}
}

/* From every phase some chain of events without luck (no STAGED, LOADED, HEALTHY, ...) leads home. */
static void every_phase_can_be_left_for_idle(void **state)
{
	static const enum phase_event bad_luck[] = { ON_REFUSED, ON_UNHEALTHY, ON_WITHDRAWN };

	(void)state;
	for (int at = 1; at < PHASES; at++) {
		bool home = false;

		for (size_t i = 0; i < sizeof bad_luck / sizeof *bad_luck; i++) {
			const struct phase_step *s = phase_step(at, bad_luck[i]);

			home |= s && s->then == PHASE_IDLE;
		}
		assert_true(home);
	}
}

static void the_trial_begins_by_arming_alone_and_ends_by_commit_or_revert(void **state)
{
	(void)state;
	EACH(at, on) {
		const struct phase_step *s = phase_step(at, on);

		if (!s)
			continue;
		if (!phase_on_trial(at) && phase_on_trial(s->then)) {
			assert_int_equal(at, PHASE_CANARIED);
			assert_int_equal(s->act, ACT_ARM);
		}
		if (phase_on_trial(at) && !phase_on_trial(s->then))
			assert_true(s->act == ACT_COMMIT || s->act == ACT_REVERT);
	}
}

static void nothing_is_armed_without_contract_permit_and_canary(void **state)
{
	static const enum phase_event way[] = { ON_OFFERED, ON_STAGED, ON_ACCEPTED, ON_LOADED, ON_CLEARED };
	static const enum phase_event needs[] = { ON_OFFERED, ON_STAGED, ON_ACCEPTED, ON_LOADED, ON_CLEARED };

	(void)state;
	/* A phase is entered from below only by its one event. */
	EACH(at, on) {
		const struct phase_step *s = phase_step(at, on);

		if (s && s->then > (enum phase)at && s->then <= PHASE_ARMED) {
			assert_int_equal(s->then, at + 1);
			assert_int_equal(on, needs[at]);
		}
	}
	enum phase at = PHASE_IDLE;

	for (size_t i = 0; i < sizeof way / sizeof *way; i++) {
		const struct phase_step *s = phase_step(at, way[i]);

		assert_non_null(s);
		at = s->then;
	}
	assert_int_equal(at, PHASE_ARMED);
	/* The engine sees the bytes only after the permit. */
	EACH(from, on) {
		const struct phase_step *s = phase_step(from, on);

		if (s && s->act == ACT_TRY)
			assert_true(from == PHASE_VALIDATED && on == ON_PERMITTED);
	}
}

static void a_stop_is_obeyed_in_every_phase_but_idle_by_the_same_event(void **state)
{
	(void)state;
	for (int at = PHASE_FETCHING; at < PHASES; at++) {
		const struct phase_step *s = phase_step(at, ON_WITHDRAWN);

		assert_non_null(s);
		assert_int_equal(s->then, PHASE_IDLE);
		assert_int_equal(s->act, phase_on_trial(at) ? ACT_REVERT : ACT_DISCARD);
	}
	for (int at = 0; at < PHASES; at++)
		assert_non_null(phase_step(at, ON_RETREAT));
}

static void settling_actions_never_start_and_starting_actions_never_leave_a_trial(void **state)
{
	(void)state;
	EACH(at, on) {
		const struct phase_step *s = phase_step(at, on);

		if (s && phase_on_trial(at) && s->then == PHASE_IDLE)
			assert_true(phase_settling(s->act));
	}
}

static void names_read_back(void **state)
{
	enum phase p;

	(void)state;
	for (int at = 0; at < PHASES; at++) {
		assert_true(phase_parse(&p, phase_name(at)));
		assert_int_equal(p, at);
	}
	assert_false(phase_parse(&p, "flying"));
	assert_string_equal(phase_name(PHASES), "unknown");
	assert_string_equal(phase_event_name(ON_HEALTHY), "healthy");
	assert_string_equal(phase_action_name(ACT_ARM), "arm");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_health_commits),
		cmocka_unit_test(power_loss_never_strands_an_update),
		cmocka_unit_test(every_phase_can_be_left_for_idle),
		cmocka_unit_test(the_trial_begins_by_arming_alone_and_ends_by_commit_or_revert),
		cmocka_unit_test(nothing_is_armed_without_contract_permit_and_canary),
		cmocka_unit_test(a_stop_is_obeyed_in_every_phase_but_idle_by_the_same_event),
		cmocka_unit_test(settling_actions_never_start_and_starting_actions_never_leave_a_trial),
		cmocka_unit_test(names_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
