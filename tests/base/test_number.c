/* number: strict text to integers. */
#include "tests/test.h"

#include "base/defs.h"
#include "base/number.h"

static void integers_reach_both_ends_and_no_further(void **state)
{
	int64_t n;

	(void)state;
	assert_true(number_parse(&n, "9223372036854775807"));
	assert_true(n == INT64_MAX);
	assert_true(number_parse(&n, "-9223372036854775808"));
	assert_true(n == INT64_MIN);
	assert_false(number_parse(&n, "9223372036854775808"));
	assert_false(number_parse(&n, "-9223372036854775809"));
}

static void only_the_whole_text_is_a_number(void **state)
{
	static const char *const bad[] = { "", "-", "+1", " 1", "1 ", "1x", "0x1", "1.0", "--1" };
	int64_t n;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(number_parse(&n, bad[i]));
}

static void units_multiply_without_overflow(void **state)
{
	int64_t n;

	(void)state;
	assert_true(number_parse_seconds(&n, "90") && n == 90);
	assert_true(number_parse_seconds(&n, "90s") && n == 90);
	assert_true(number_parse_seconds(&n, "15m") && n == 900);
	assert_true(number_parse_seconds(&n, "4h") && n == 14400);
	assert_true(number_parse_seconds(&n, "7d") && n == 604800);
	assert_true(number_parse_bytes(&n, "64K") && n == 65536);
	assert_true(number_parse_bytes(&n, "2G") && n == 2147483648);
	assert_false(number_parse_seconds(&n, "7w"));
	assert_false(number_parse_seconds(&n, "7dd"));
	assert_false(number_parse_seconds(&n, "-7d"));
	assert_false(number_parse_seconds(&n, "d"));
	assert_false(number_parse_bytes(&n, "64k"));
	assert_false(number_parse_bytes(&n, "9223372036854775807K"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_reach_both_ends_and_no_further),
		cmocka_unit_test(only_the_whole_text_is_a_number),
		cmocka_unit_test(units_multiply_without_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
