/* clock: the one source of time. */
#include "tests/test.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"

static char offset_path[] = "/tmp/test_clock.XXXXXX";

static void set_offset_ms(int64_t ms)
{
	AUTO_FD int fd = open(offset_path, O_WRONLY);

	assert_int_equal(pwrite(fd, &ms, sizeof ms, 0), sizeof ms);
}

static void dates_go_there_and_back(void **state)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} rows[] = {
		{ 0, "1970-01-01T00:00:00Z" },		  { 951782400, "2000-02-29T00:00:00Z" },
		{ 1721362140, "2024-07-19T04:09:00Z" },	  { 253402300799, "9999-12-31T23:59:59Z" },
	};
	char text[CLOCK_TEXT_LEN + 1];
	int64_t back;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		clock_text(text, rows[i].seconds);
		assert_string_equal(text, rows[i].text);
		assert_true(clock_parse(&back, text, strlen(text)));
		assert_true(back == rows[i].seconds);
	}
}

static void dates_that_do_not_exist_are_refused(void **state)
{
	static const char *const bad[] = {
		"2023-02-29T00:00:00Z", "2024-13-01T00:00:00Z", "2024-00-01T00:00:00Z",
		"2024-01-01T24:00:00Z", "2024-01-01T00:60:00Z", "2024-01-01T00:00:60Z",
		"1969-12-31T23:59:59Z", "2024-01-01 00:00:00Z", "2024-01-01T00:00:00z",
		"2024-01-01T00:00:00",	"2024-01-01T00:00:00+00:00", "+024-01-01T00:00:00Z",
	};
	int64_t out;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(clock_parse(&out, bad[i], strlen(bad[i])));
}

static void a_test_moves_time_for_everybody_but_not_real_work(void **state)
{
	int64_t now = clock_now(), ticks = clock_ticks_ms(), work = clock_work_ms();

	(void)state;
	set_offset_ms(3600 * 1000);
	assert_in_range(clock_now() - now, 3600, 3660);
	assert_in_range(clock_ticks_ms() - ticks, 3600 * 1000, 3660 * 1000);
	assert_in_range(clock_work_ms() - work, 0, 60 * 1000);
	set_offset_ms(0);
}

static void time_is_never_before_the_build(void **state)
{
	(void)state;
	set_offset_ms(-clock_now() * 1000);
	assert_true(clock_now() >= 0);
	set_offset_ms(0);
}

static void a_loop_sleeps_no_longer_than_its_deadline(void **state)
{
	(void)state;
	assert_in_range(clock_poll_ms(5), 0, 5);
	assert_int_equal(clock_poll_ms(0), 0);
	/* With a test clock, loops must notice that time was moved. */
	assert_in_range(clock_poll_ms(-1), 1, 100);
	assert_in_range(clock_poll_ms(INT64_MAX), 1, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dates_go_there_and_back),
		cmocka_unit_test(dates_that_do_not_exist_are_refused),
		cmocka_unit_test(a_test_moves_time_for_everybody_but_not_real_work),
		cmocka_unit_test(time_is_never_before_the_build),
		cmocka_unit_test(a_loop_sleeps_no_longer_than_its_deadline),
	};
	int fd = mkstemp(offset_path);
	int64_t zero = 0;
	int failed;

	if (fd < 0 || write(fd, &zero, sizeof zero) != sizeof zero)
		return 1;
	close(fd);
	setenv("RINGHOLD_TEST_CLOCK", offset_path, 1);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(offset_path);
	return failed;
}
