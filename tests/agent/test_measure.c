/* test_measure: what counts as too much, and what is only a burst. */
#include "agent/measure.h"
#include "base/defs.h"
#include "test.h"

static struct measure m;
static struct measure_figures f;

static void begin(void)
{
	measure_begin(&m, 60000, 0);
	measure_process(&m, 100, 5);
}

static void add(int64_t at_ms, uint64_t cpu_ms, uint64_t rss, uint64_t verdicts)
{
	measure_add(&m, &(struct measure_sample){ at_ms, cpu_ms, rss, verdicts });
	measure_figures(&f, &m);
}

static void cpu_time_is_judged_by_a_whole_window_only(void **state)
{
	(void)state;
	begin();
	/* A load that takes ten seconds of processor, then idleness. */
	for (int64_t s = 0; s <= 59; s++) {
		add(s * 1000, (uint64_t)MIN(s, 10) * 1000, 1, 0);
		assert_false(f.whole);
	}
	add(60000, 10000, 1, 0);
	assert_true(f.whole);
	assert_int_equal(f.cpu_percent, 16);
	for (int64_t s = 61; s <= 130; s++)
		add(s * 1000, 10000, 1, 0);
	assert_int_equal(f.cpu_percent, 0);
	assert_int_equal(f.cpu_ms, 10000);
	assert_int_equal(f.seconds, 130);
}

static void memory_is_what_is_never_given_back(void **state)
{
	(void)state;
	begin();
	for (int64_t s = 0; s <= 120; s++)
		add(s * 1000, 0, s == 90 ? 50 : 900, 0);
	assert_true(f.whole);
	assert_int_equal(f.rss_least, 50);
	assert_int_equal(f.rss_now, 900);
	for (int64_t s = 121; s <= 200; s++)
		add(s * 1000, 0, 900, 0);
	assert_int_equal(f.rss_least, 900);
}

static void verdicts_count_at_once_also_those_before_the_first_look(void **state)
{
	(void)state;
	begin();
	add(500, 0, 1, 4000);
	assert_false(f.whole);
	assert_int_equal(f.verdicts, 4000);
	for (int64_t s = 1; s <= 200; s++)
		add(s * 1000, 0, 1, 4000 + (uint64_t)s);
	assert_in_range(f.verdicts, 60, 63);
}

static void another_process_under_the_same_number_is_another_one(void **state)
{
	(void)state;
	begin();
	assert_false(measure_process(&m, 100, 5));
	assert_int_equal(m.restarts, 0);
	assert_true(measure_process(&m, 100, 6));
	assert_true(measure_process(&m, 101, 6));
	assert_int_equal(m.restarts, 2);
}

/* Its CPU time begins at 0 again, and its verdicts are added to those of the one that died. */
static void a_restart_neither_forgets_verdicts_nor_counts_time_backwards(void **state)
{
	(void)state;
	begin();
	add(1000, 50000, 1, 30);
	measure_process(&m, 101, 9);
	add(2000, 10, 1, 0);
	add(3000, 20, 1, 5);
	assert_int_equal(f.verdicts, 35);
	assert_int_equal(f.cpu_ms, 10);
	/* The same process loaded anew: its counters begin again. */
	add(4000, 30, 1, 2);
	assert_int_equal(f.verdicts, 37);
}

static void however_often_one_looks_the_window_fits(void **state)
{
	(void)state;
	for (int64_t every = 20; every < 5000; every += every / 20) {
		begin();
		for (int64_t t = 0; t <= 300000; t += every)
			add(t, (uint64_t)t / 2, 7, (uint64_t)t / 1000);
		if (!f.whole)
			fail_msg("a look every %lld ms, and no whole window", (long long)every);
		assert_in_range(f.cpu_percent, 49, 51);
		assert_in_range(f.verdicts, 59, 68);
		assert_true(m.count <= MEASURE_SAMPLES);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cpu_time_is_judged_by_a_whole_window_only),
		cmocka_unit_test(memory_is_what_is_never_given_back),
		cmocka_unit_test(verdicts_count_at_once_also_those_before_the_first_look),
		cmocka_unit_test(another_process_under_the_same_number_is_another_one),
		cmocka_unit_test(a_restart_neither_forgets_verdicts_nor_counts_time_backwards),
		cmocka_unit_test(however_often_one_looks_the_window_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
