#include "rollout/outcome.h"
#include "base/defs.h"
#include "tests/test.h"

#define D 3600
#define G 900
#define T0 1000000

static struct outcome_facts offered(void)
{
	return (struct outcome_facts){ .offered = T0, .last_seen = T0 };
}

static enum outcome at(const struct outcome_facts *f, int64_t after)
{
	return outcome_of(f, D, G, T0 + after);
}

static void an_endpoint_heard_within_g_is_pending_however_late(void **state)
{
	struct outcome_facts f = offered();

	(void)state;
	for (int64_t t = 0; t < 30 * D; t += G) {
		f.last_seen = T0 + t;
		assert_int_equal(at(&f, t + G), OUTCOME_PENDING);
	}
}

static void silence_past_d_and_g_is_lost_and_not_a_second_before(void **state)
{
	struct outcome_facts f = offered();

	(void)state;
	f.last_seen = T0 + 100;
	assert_int_equal(at(&f, D - 1), OUTCOME_PENDING);
	assert_int_equal(at(&f, D), OUTCOME_LOST);
	f.last_seen = T0 + D;
	assert_int_equal(at(&f, D + G), OUTCOME_PENDING);
	assert_int_equal(at(&f, D + G + 1), OUTCOME_LOST);
	assert_true(outcome_matures(&f, D, G) == T0 + D + G + 1);
}

static void nobody_is_lost_while_the_server_itself_was_away(void **state)
{
	struct outcome_facts f = offered();

	(void)state;
	f.quiet_until = T0 + 3 * D;
	assert_int_equal(at(&f, 3 * D - 1), OUTCOME_PENDING);
	assert_int_equal(at(&f, 3 * D), OUTCOME_LOST);
}

static void a_goodbye_is_away_until_heard_again_and_then_d_starts_anew(void **state)
{
	struct outcome_facts f = offered();

	(void)state;
	f.goodbye = f.last_seen = T0 + 200;
	assert_int_equal(at(&f, 100 * D), OUTCOME_AWAY);
	assert_true(outcome_matures(&f, D, G) == INT64_MAX);
	f.last_seen = f.renewed = T0 + 50 * D;
	assert_int_equal(at(&f, 50 * D + D - 1), OUTCOME_PENDING);
	assert_int_equal(at(&f, 51 * D), OUTCOME_LOST);
}

static void a_goodbye_before_the_offer_says_nothing(void **state)
{
	struct outcome_facts f = offered();

	(void)state;
	f.goodbye = T0 - 500;
	assert_int_equal(at(&f, D + G), OUTCOME_LOST);
}

static void an_environment_report_is_left_out_until_a_new_start(void **state)
{
	struct outcome_facts f = offered();

	(void)state;
	f.environment = T0 + 60;
	assert_int_equal(at(&f, 10 * D), OUTCOME_ENVIRONMENT);
	f.renewed = f.last_seen = T0 + 120;
	assert_int_equal(at(&f, 130), OUTCOME_PENDING);
	f.survived = T0 + 800;
	assert_int_equal(at(&f, 800), OUTCOME_SURVIVED);
}

static void failure_beats_everything_but_a_void(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits < 16; bits++) {
		struct outcome_facts f = offered();

		f.failed = T0 + 5;
		f.survived = bits & 1 ? T0 + 1 : 0;
		f.environment = bits & 2 ? T0 + 2 : 0;
		f.goodbye = bits & 4 ? T0 + 3 : 0;
		f.lost = bits & 8 ? T0 + 4 : 0;
		assert_int_equal(at(&f, 10), OUTCOME_FAILED);
		f.voided = true;
		assert_int_equal(at(&f, 10), OUTCOME_VOID);
	}
}

static void lost_stays_lost_when_the_endpoint_returns(void **state)
{
	struct outcome_facts f = offered();

	(void)state;
	f.lost = T0 + D;
	f.last_seen = f.survived = T0 + 2 * D;
	assert_int_equal(at(&f, 2 * D), OUTCOME_LOST);
}

static void only_pending_changes_by_time_alone(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits < 32; bits++) {
		struct outcome_facts f = offered();
		enum outcome now;

		f.survived = bits & 1 ? T0 + 1 : 0;
		f.failed = bits & 2 ? T0 + 1 : 0;
		f.environment = bits & 4 ? T0 + 1 : 0;
		f.goodbye = bits & 8 ? T0 + 1 : 0;
		f.lost = bits & 16 ? T0 + 1 : 0;
		now = at(&f, 1);
		if (now == OUTCOME_PENDING) {
			assert_true(outcome_matures(&f, D, G) < INT64_MAX);
		} else {
			assert_int_equal(at(&f, 1000 * D), now);
			assert_true(outcome_matures(&f, D, G) == INT64_MAX);
		}
	}
}

static void names_round_trip_and_only_pending_and_away_stay_in_flight(void **state)
{
	(void)state;
	for (int o = 0; o < OUTCOME_COUNT; o++) {
		assert_int_equal(outcome_parse(outcome_name(o)), o);
		assert_int_equal(outcome_final(o), o != OUTCOME_PENDING && o != OUTCOME_AWAY);
	}
	assert_int_equal(outcome_parse("fine"), -1);
	assert_true(outcome_left_out(OUTCOME_AWAY) && outcome_left_out(OUTCOME_ENVIRONMENT) && outcome_left_out(OUTCOME_VOID));
	assert_false(outcome_left_out(OUTCOME_LOST));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_endpoint_heard_within_g_is_pending_however_late),
		cmocka_unit_test(silence_past_d_and_g_is_lost_and_not_a_second_before),
		cmocka_unit_test(nobody_is_lost_while_the_server_itself_was_away),
		cmocka_unit_test(a_goodbye_is_away_until_heard_again_and_then_d_starts_anew),
		cmocka_unit_test(a_goodbye_before_the_offer_says_nothing),
		cmocka_unit_test(an_environment_report_is_left_out_until_a_new_start),
		cmocka_unit_test(failure_beats_everything_but_a_void),
		cmocka_unit_test(lost_stays_lost_when_the_endpoint_returns),
		cmocka_unit_test(only_pending_changes_by_time_alone),
		cmocka_unit_test(names_round_trip_and_only_pending_and_away_stay_in_flight),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
