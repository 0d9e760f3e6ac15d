#include "server/limiter.h"

#include "tests/test.h"

static void a_burst_passes_and_then_the_rate_holds(void **state)
{
	AUTO(limiter) struct limiter *l = limiter_new(&(const struct limiter_settings){ .rate = 10, .burst = 5 });
	int64_t now = 1000, wait;
	int passed = 0;

	(void)state;
	for (int i = 0; i < 5; i++)
		assert_int_equal(limiter_take(l, "a", now), 0);
	wait = limiter_take(l, "a", now);
	assert_in_range(wait, 1, 102);
	/* who waits as long as was said is let in */
	assert_int_equal(limiter_take(l, "a", now + wait), 0);
	for (now = 2000; now < 12000; now++)
		passed += limiter_take(l, "a", now) == 0;
	assert_in_range(passed, 99, 106);
}

static void keys_do_not_pay_for_each_other(void **state)
{
	AUTO(limiter) struct limiter *l = limiter_new(&(const struct limiter_settings){ .rate = 1, .burst = 1 });

	(void)state;
	assert_int_equal(limiter_take(l, "a", 0), 0);
	assert_true(limiter_take(l, "a", 0) > 0);
	assert_int_equal(limiter_take(l, "b", 0), 0);
	limiter_shut(l, "a", 0, 500);
	assert_int_equal(limiter_shut_for(l, "a", 100), 400);
	assert_int_equal(limiter_shut_for(l, "a", 600), 0);
	assert_int_equal(limiter_shut_for(l, "b", 100), 0);
}

/* It ends when it was said to, not before, and who was shut out may go on as anybody else. */
static void a_shut_key_is_let_in_again_when_its_time_is_over(void **state)
{
	AUTO(limiter) struct limiter *l = limiter_new(&(const struct limiter_settings){ .rate = 1, .burst = 2 });

	(void)state;
	assert_int_equal(limiter_take(l, "a", 0), 0);
	assert_int_equal(limiter_take(l, "a", 0), 0);
	limiter_shut(l, "a", 0, 60000);
	assert_int_equal(limiter_shut_for(l, "a", 59999), 1);
	assert_int_equal(limiter_shut_for(l, "a", 60000), 0);
	assert_int_equal(limiter_take(l, "a", 60000), 0);
	assert_int_equal(limiter_take(l, "a", 60000), 0);
	assert_true(limiter_take(l, "a", 60000) > 0);
	/* over is over: it does not come back by itself, and comes back when it is said again */
	assert_int_equal(limiter_shut_for(l, "a", 60001), 0);
	limiter_shut(l, "a", 70000, 1000);
	assert_int_equal(limiter_shut_for(l, "a", 70999), 1);
	assert_int_equal(limiter_shut_for(l, "a", 71000), 0);
}

static void a_clock_that_goes_back_gives_nothing_away(void **state)
{
	AUTO(limiter) struct limiter *l = limiter_new(&(const struct limiter_settings){ .rate = 1, .burst = 1 });

	(void)state;
	assert_int_equal(limiter_take(l, "a", 10000), 0);
	for (int64_t back = 9000; back > 0; back -= 1000)
		assert_true(limiter_take(l, "a", back) > 0);
	assert_true(limiter_take(l, "a", 10500) > 0);
	assert_int_equal(limiter_take(l, "a", 11000), 0);
}

static void who_is_shut_out_is_not_forgotten_for_a_crowd(void **state)
{
	AUTO(limiter) struct limiter *l = limiter_new(&(const struct limiter_settings){ .rate = 1, .burst = 1, .places = 64 });
	char key[24];

	(void)state;
	limiter_shut(l, "bad", 0, 100000);
	for (int i = 0; i < 10000; i++) {
		snprintf(key, sizeof key, "crowd-%d", i);
		limiter_take(l, key, i + 1);
	}
	assert_true(limiter_shut_for(l, "bad", 20000) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_passes_and_then_the_rate_holds),
		cmocka_unit_test(keys_do_not_pay_for_each_other),
		cmocka_unit_test(a_shut_key_is_let_in_again_when_its_time_is_over),
		cmocka_unit_test(a_clock_that_goes_back_gives_nothing_away),
		cmocka_unit_test(who_is_shut_out_is_not_forgotten_for_a_crowd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
