/* The clock beside ticks that nobody sets. */
#include "server/clockwatch.h"

#include "base/defs.h"
#include "tests/test.h"

#define NOW ((int64_t)1800000000)

/* Both go on by so many seconds; then the clock alone by `by`. */
struct hands {
	int64_t now, ticks_ms;
};

static enum clock_news go(struct clockwatch *w, struct hands *h, int64_t seconds, int64_t by)
{
	h->now += seconds + by;
	h->ticks_ms += seconds * 1000;
	return clockwatch_look(w, h->now, h->ticks_ms);
}

static void begin(struct clockwatch *w, struct hands *h)
{
	*w = (struct clockwatch){ 0 };
	*h = (struct hands){ NOW, 5000 };
	assert_int_equal(clockwatch_look(w, h->now, h->ticks_ms), CLOCK_STEADY);
}

static void time_that_passes_is_no_jump_however_long(void **state)
{
	static const int64_t waits[] = { 1, 59, 86400, 400 * 86400, 0 };
	struct clockwatch w;
	struct hands h;

	(void)state;
	begin(&w, &h);
	for (size_t i = 0; i < ARRAY_LEN(waits); i++)
		assert_int_equal(go(&w, &h, waits[i], 0), CLOCK_STEADY);
	assert_int_equal(clockwatch_time(&w, h.now), h.now);
	assert_int_equal(w.jumps, 0);
}

static void a_small_correction_is_followed_at_once(void **state)
{
	struct clockwatch w;
	struct hands h;

	(void)state;
	begin(&w, &h);
	assert_int_equal(go(&w, &h, 1, CLOCK_JUMP_S), CLOCK_STEADY);
	assert_int_equal(go(&w, &h, 1, -CLOCK_JUMP_S), CLOCK_STEADY);
	assert_int_equal(clockwatch_time(&w, h.now), h.now);
}

static void a_jump_is_noticed_and_not_believed_before_it_lasted(void **state)
{
	static const int64_t jumps[] = { CLOCK_JUMP_S + 1, 10 * 365 * (int64_t)86400, -CLOCK_JUMP_S - 1, -86400 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(jumps); i++) {
		struct clockwatch w;
		struct hands h;
		int64_t right = NOW + 1;

		begin(&w, &h);
		assert_int_equal(go(&w, &h, 1, jumps[i]), CLOCK_JUMPED);
		assert_int_equal(w.jump_s, jumps[i]);
		assert_int_equal(w.jumped_at, right);
		assert_int_equal(clockwatch_time(&w, h.now), right);
		assert_int_equal(go(&w, &h, CLOCK_DOUBT_S - 1, 0), CLOCK_STEADY);
		assert_int_equal(clockwatch_time(&w, h.now), right + CLOCK_DOUBT_S - 1);
		assert_int_equal(go(&w, &h, 1, 0), CLOCK_BELIEVED);
		assert_int_equal(clockwatch_time(&w, h.now), h.now);
		assert_int_equal(go(&w, &h, 1, 0), CLOCK_STEADY);
		assert_int_equal(w.jumps, 1);
	}
}

static void a_glitch_leaves_no_trace_in_the_time_that_is_signed(void **state)
{
	struct clockwatch w;
	struct hands h;
	int64_t right = NOW;

	(void)state;
	begin(&w, &h);
	assert_int_equal(go(&w, &h, 1, 86400), CLOCK_JUMPED);
	for (int i = 0; i < 60; i++) {
		assert_int_equal(go(&w, &h, 1, 0), CLOCK_STEADY);
		assert_int_equal(clockwatch_time(&w, h.now), right + 2 + i);
	}
	assert_int_equal(go(&w, &h, 1, -86400 - 3), CLOCK_RETURNED);
	assert_int_equal(clockwatch_time(&w, h.now), h.now);
	assert_int_equal(h.now, right + 62 - 3);
}

static void a_second_jump_begins_the_doubt_anew(void **state)
{
	struct clockwatch w;
	struct hands h;

	(void)state;
	begin(&w, &h);
	assert_int_equal(go(&w, &h, 1, 3600), CLOCK_JUMPED);
	assert_int_equal(go(&w, &h, CLOCK_DOUBT_S - 1, 7200), CLOCK_JUMPED);
	assert_int_equal(go(&w, &h, CLOCK_DOUBT_S - 1, 0), CLOCK_STEADY);
	assert_int_equal(clockwatch_time(&w, h.now), h.now - 3600 - 7200);
	assert_int_equal(go(&w, &h, 1, 0), CLOCK_BELIEVED);
	assert_int_equal(w.jumps, 2);
}

/* Another run ended at NOW; this one begins after the clock went on by `clock` and the ticks by `passed`, of this boot or another. */
static enum clock_news next_run(struct clockwatch *w, struct hands *h, bool same_boot, int64_t clock, int64_t passed)
{
	struct clockwatch kept = *w;

	h->now += clock;
	h->ticks_ms = same_boot ? h->ticks_ms + passed * 1000 : passed * 1000;
	clockwatch_resume(w, &kept, same_boot, h->now, h->ticks_ms);
	return clockwatch_look(w, h->now, h->ticks_ms);
}

static void a_jump_between_two_runs_of_one_boot_is_seen_by_the_second(void **state)
{
	static const int64_t jumps[] = { 61, -61, 5 * 86400, -5 * 86400 };
	struct clockwatch w;
	struct hands h;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(jumps); i++) {
		begin(&w, &h);
		assert_int_equal(next_run(&w, &h, true, 3600 + jumps[i], 3600), CLOCK_JUMPED);
		assert_int_equal(clockwatch_time(&w, h.now), NOW + 3600);
		/* and stays in doubt in the third */
		assert_int_equal(next_run(&w, &h, true, 100, 100), CLOCK_STEADY);
		assert_int_equal(clockwatch_time(&w, h.now), NOW + 3700);
		assert_int_equal(next_run(&w, &h, true, CLOCK_DOUBT_S, CLOCK_DOUBT_S), CLOCK_BELIEVED);
	}
	begin(&w, &h);
	assert_int_equal(next_run(&w, &h, true, 86400, 86400), CLOCK_STEADY);
}

static void of_another_boot_time_passed_as_the_clock_says_and_never_back(void **state)
{
	struct clockwatch w;
	struct hands h;

	(void)state;
	begin(&w, &h);
	assert_int_equal(next_run(&w, &h, false, 86400, 20), CLOCK_STEADY);
	assert_int_equal(clockwatch_time(&w, h.now), NOW + 86400);
	assert_int_equal(next_run(&w, &h, false, -7200, 20), CLOCK_JUMPED);
	assert_int_equal(clockwatch_time(&w, h.now), NOW + 86400);
	/* what was in doubt is so for as long again */
	assert_int_equal(go(&w, &h, CLOCK_DOUBT_S - 1, 0), CLOCK_STEADY);
	assert_int_equal(next_run(&w, &h, false, 60, 20), CLOCK_STEADY);
	assert_int_equal(clockwatch_time(&w, h.now), NOW + 86400 + CLOCK_DOUBT_S - 1 + 60);
	assert_int_equal(go(&w, &h, CLOCK_DOUBT_S - 1, 0), CLOCK_STEADY);
	assert_int_equal(go(&w, &h, 1, 0), CLOCK_BELIEVED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(time_that_passes_is_no_jump_however_long),
		cmocka_unit_test(a_small_correction_is_followed_at_once),
		cmocka_unit_test(a_jump_is_noticed_and_not_believed_before_it_lasted),
		cmocka_unit_test(a_jump_between_two_runs_of_one_boot_is_seen_by_the_second),
		cmocka_unit_test(of_another_boot_time_passed_as_the_clock_says_and_never_back),
		cmocka_unit_test(a_glitch_leaves_no_trace_in_the_time_that_is_signed),
		cmocka_unit_test(a_second_jump_begins_the_doubt_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
