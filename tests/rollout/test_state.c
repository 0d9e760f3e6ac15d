#include "rollout/state.h"
#include "rollout/permit.h"
#include "tests/test.h"

/* The table as people agreed on it, word by word; what is not here is no move. */
static const char *const table[][3] = {
	{ "queued", "free", "awaiting-signature" },
	{ "queued", "ask", "awaiting-approval" },
	{ "queued", "supersede", "superseded" },
	{ "queued", "abort", "aborted" },
	{ "awaiting-approval", "approved", "awaiting-signature" },
	{ "awaiting-approval", "supersede", "superseded" },
	{ "awaiting-approval", "abort", "aborted" },
	{ "awaiting-signature", "signed", "offering" },
	{ "awaiting-signature", "supersede", "superseded" },
	{ "awaiting-signature", "abort", "aborted" },
	{ "offering", "bound", "baking" },
	{ "offering", "hold", "held" },
	{ "offering", "halt", "halted" },
	{ "baking", "pass", "passed" },
	{ "baking", "reopen", "offering" },
	{ "baking", "hold", "held-baking" },
	{ "baking", "halt", "halted" },
	{ "passed", "supersede", "superseded" },
	{ "passed", "halt", "halted" },
	{ "held", "resume", "offering" },
	{ "held", "halt", "halted" },
	{ "held", "abort", "aborted" },
	{ "held-baking", "resume", "baking" },
	{ "held-baking", "halt", "halted" },
	{ "held-baking", "abort", "aborted" },
	{ "halted", "rollback-done", "rolled-back" },
};

static void the_table_has_these_moves_and_no_others(void **state)
{
	size_t moves = 0;

	(void)state;
	for (int s = 0; s < RING_STATES; s++)
		for (int on = 0; on < RING_EVENTS; on++) {
			int to = state_next(s, on);

			if (to < 0)
				continue;
			assert_true(moves < ARRAY_LEN(table));
			moves++;
			for (size_t i = 0; i <= ARRAY_LEN(table); i++) {
				if (i == ARRAY_LEN(table))
					fail_msg("%s on %s is no move", state_name(s), state_event_name(on));
				if (strcmp(table[i][0], state_name(s)) == 0 && strcmp(table[i][1], state_event_name(on)) == 0) {
					assert_string_equal(state_name(to), table[i][2]);
					break;
				}
			}
		}
	assert_int_equal(moves, ARRAY_LEN(table));
}

static void every_state_but_the_final_ones_can_be_left_and_reached(void **state)
{
	(void)state;
	for (int s = 0; s < RING_STATES; s++) {
		bool left = false, reached = s == RING_QUEUED;

		for (int on = 0; on < RING_EVENTS; on++) {
			left |= state_next(s, on) >= 0;
			for (int from = 0; from < RING_STATES; from++)
				reached |= state_next(from, on) == s;
		}
		assert_true(left == !state_final(s));
		assert_true(reached);
	}
}

static void only_offering_and_passed_give_permits(void **state)
{
	(void)state;
	for (int s = 0; s < RING_STATES; s++)
		assert_int_equal(state_permits(s), s == RING_OFFERING || s == RING_PASSED);
}

static void a_halt_is_possible_wherever_the_test_is_armed_and_nothing_resumes_from_it(void **state)
{
	(void)state;
	for (int s = 0; s < RING_STATES; s++)
		assert_int_equal(state_next(s, RING_HALT) == RING_HALTED, state_armed(s));
	for (int on = 0; on < RING_EVENTS; on++)
		if (on != RING_ROLLBACK_DONE)
			assert_int_equal(state_next(RING_HALTED, on), -1);
}

static void nothing_passes_without_having_baked(void **state)
{
	(void)state;
	for (int s = 0; s < RING_STATES; s++)
		for (int on = 0; on < RING_EVENTS; on++)
			if (state_next(s, on) == RING_PASSED)
				assert_true(s == RING_BAKING && on == RING_PASS);
}

static void a_hold_resumes_where_it_began(void **state)
{
	(void)state;
	for (int s = 0; s < RING_STATES; s++) {
		int held = state_next(s, RING_HOLD);

		if (held >= 0) {
			assert_true(state_held(held) && !state_permits(held));
			assert_int_equal(state_next(held, RING_RESUME), s);
			assert_int_equal(state_next(held, RING_ABORT), RING_ABORTED);
		}
	}
}

static void a_bundle_that_is_in_the_ring_is_never_superseded(void **state)
{
	(void)state;
	for (int s = 0; s < RING_STATES; s++)
		if (state_next(s, RING_SUPERSEDE) >= 0)
			assert_true(state_frees(s));
}

static void names_round_trip(void **state)
{
	(void)state;
	for (int s = 0; s < RING_STATES; s++)
		assert_int_equal(state_parse(state_name(s)), s);
	assert_int_equal(state_parse("melted"), -1);
	for (int on = 0; on < RING_EVENTS; on++)
		assert_true(state_event_name(on)[0] != '\0');
}

/* ---- permits ---- */

static struct permit_facts asking(void)
{
	return (struct permit_facts){ .state = RING_OFFERING, .assigned = true, .in_flight = 3, .in_flight_max = 10 };
}

static const char *answer(const struct permit_facts *f)
{
	struct permit_answer a;

	permit_decide(&a, f);
	assert_int_equal(a.valid_s, a.go ? PERMIT_VALID_S : 0);
	assert_int_equal(a.new_offer, a.go && !f->offered);
	assert_int_equal(a.go, strcmp(a.reason, "go") == 0 || strcmp(a.reason, "again") == 0);
	return a.reason;
}

static void each_reason_alone_makes_an_endpoint_wait(void **state)
{
	struct permit_facts f = asking();

	(void)state;
	assert_string_equal(answer(&f), "go");
	f.flagged = true;
	assert_string_equal(answer(&f), "flagged");
	f = asking();
	f.stopped = true;
	assert_string_equal(answer(&f), "stopped");
	f = asking();
	f.assigned = false;
	assert_string_equal(answer(&f), "not-assigned");
	f = asking();
	f.offered = f.offer_bad = true;
	assert_string_equal(answer(&f), "failed-here");
	f = asking();
	f.stratum_blocked = true;
	assert_string_equal(answer(&f), "stratum");
	f = asking();
	f.window_closed = true;
	assert_string_equal(answer(&f), "window");
	f = asking();
	f.in_flight = 10;
	assert_string_equal(answer(&f), "in-flight");
	f = asking();
	f.order_ahead = 7;
	assert_string_equal(answer(&f), "order");
	f.order_ahead = 6;
	assert_string_equal(answer(&f), "go");
}

static void a_ring_held_for_those_left_out_lets_them_return_and_nobody_new(void **state)
{
	struct permit_facts f = asking();

	(void)state;
	for (int s = 0; s < RING_STATES; s++) {
		if (!state_held(s))
			continue;
		f = (struct permit_facts){ .state = s, .assigned = true, .in_flight_max = 10, .offered = true };
		assert_string_equal(answer(&f), "not-offering");
		f.awaits_offered = true;
		assert_string_equal(answer(&f), "again");
		f.offered = false;
		assert_string_equal(answer(&f), "not-offering");
	}
}

static void asking_again_needs_no_place_and_makes_no_second_offer(void **state)
{
	struct permit_facts f = asking();

	(void)state;
	f.offered = true;
	f.in_flight = f.in_flight_max;
	f.order_ahead = 1000;
	assert_string_equal(answer(&f), "again");
	f.state = RING_BAKING;
	assert_string_equal(answer(&f), "again");
	f.offered = false;
	assert_string_equal(answer(&f), "not-offering");
}

static void no_new_permit_outside_the_states_that_give_them(void **state)
{
	(void)state;
	for (int s = 0; s < RING_STATES; s++)
		for (int offered = 0; offered < 2; offered++) {
			struct permit_facts f = asking();
			bool go;

			f.state = s;
			f.offered = offered;
			go = strcmp(answer(&f), "not-offering") != 0;
			assert_int_equal(go, state_permits(s) || (s == RING_BAKING && offered));
		}
}

static void the_order_is_fixed_by_the_secret_and_not_guessable_without(void **state)
{
	(void)state;
	assert_true(permit_order("secret", 6, "a1") == permit_order("secret", 6, "a1"));
	assert_true(permit_order("secret", 6, "a1") != permit_order("secret", 6, "a2"));
	assert_true(permit_order("secret", 6, "a1") != permit_order("Secret", 6, "a1"));
	/* RFC 4231, test case 2, its first eight bytes */
	assert_true(permit_order("Jefe", 4, "what do ya want for nothing?") == 0x5bdcc146bf60754eu);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_has_these_moves_and_no_others),
		cmocka_unit_test(every_state_but_the_final_ones_can_be_left_and_reached),
		cmocka_unit_test(only_offering_and_passed_give_permits),
		cmocka_unit_test(a_halt_is_possible_wherever_the_test_is_armed_and_nothing_resumes_from_it),
		cmocka_unit_test(nothing_passes_without_having_baked),
		cmocka_unit_test(a_hold_resumes_where_it_began),
		cmocka_unit_test(a_bundle_that_is_in_the_ring_is_never_superseded),
		cmocka_unit_test(names_round_trip),
		cmocka_unit_test(each_reason_alone_makes_an_endpoint_wait),
		cmocka_unit_test(a_ring_held_for_those_left_out_lets_them_return_and_nobody_new),
		cmocka_unit_test(asking_again_needs_no_place_and_makes_no_second_offer),
		cmocka_unit_test(no_new_permit_outside_the_states_that_give_them),
		cmocka_unit_test(the_order_is_fixed_by_the_secret_and_not_guessable_without),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
