/* test_channel_effects: how many verdicts are too many, whatever a sensor has counted. */
#include "agent/channel_parts.h"
#include "test.h"

static uint64_t ceiling(int64_t before, int64_t rate, int64_t times, int64_t window_s)
{
	static struct host host;
	static struct channel c;
	struct settings_channel cfg = { .verdict_rate = rate, .verdict_times = times, .ceiling_window_s = window_s };

	host.ceilings.verdicts_per_minute = CONTRACT_UNLIMITED;
	c.host = &host;
	c.cfg = &cfg;
	c.rate_before = before;
	return channel_verdicts_ceiling(&c);
}

static void a_ceiling_is_the_hosts_figure_or_so_many_times_what_was_before(void **state)
{
	(void)state;
	assert_int_equal(ceiling(-1, 0, 10, 60), 0);            /* none */
	assert_int_equal(ceiling(-1, 600, 10, 60), 600);
	assert_int_equal(ceiling(10, 600, 10, 60), 600);
	assert_int_equal(ceiling(100, 600, 10, 60), 1000);
	assert_int_equal(ceiling(100, 600, 10, 6), 100);
	assert_int_equal(ceiling(-1, 1, 10, 1), 1);
}

/* More before, or a longer window, never allows fewer. */
static void no_number_that_a_sensor_counted_wraps_into_a_low_ceiling(void **state)
{
	static const int64_t windows[] = { 1, 60, 3600 }, times[] = { 1, 10, 100000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(windows); i++) {
		for (size_t k = 0; k < ARRAY_LEN(times); k++) {
			uint64_t last = 0;

			for (int64_t before = 1; before < INT64_MAX; before = before > INT64_MAX / 3 ? INT64_MAX : before * 3) {
				uint64_t now = ceiling(before, 600, times[k], windows[i]);

				if (now < last)
					fail_msg("%lld a minute, %lld times, %lld s: %llu after %llu", (long long)before, (long long)times[k],
						 (long long)windows[i], (unsigned long long)now, (unsigned long long)last);
				last = now;
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ceiling_is_the_hosts_figure_or_so_many_times_what_was_before),
		cmocka_unit_test(no_number_that_a_sensor_counted_wraps_into_a_low_ceiling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
