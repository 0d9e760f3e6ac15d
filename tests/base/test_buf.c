/* buf: growable bytes with a hard limit. */
#include "tests/test.h"

#include "base/buf.h"

static void what_is_added_is_there_and_ends_with_a_nul(void **state)
{
	AUTO(buf) struct buf *b = buf_new(0);
	struct err e;

	(void)state;
	buf_adds(b, "abc");
	buf_addc(b, '-');
	buf_addf(b, "%d-%s", 42, "x");
	buf_add(b, "\0z", 2);
	assert_ok(buf_check(b, &e));
	assert_int_equal(b->len, 10);
	assert_memory_equal(b->data, "abc-42-x\0z", 11);
	buf_clear(b);
	assert_int_equal(b->len, 0);
	assert_string_equal(b->data, "");
}

static void the_limit_holds_to_the_byte(void **state)
{
	struct buf b = { .max = 4 };
	struct err e;

	(void)state;
	buf_adds(&b, "1234");
	assert_ok(buf_check(&b, &e));
	buf_addc(&b, '5');
	assert_refused(buf_check(&b, &e), ERR_LIMIT, "more than 4 bytes");
	assert_int_equal(b.len, 4);
	buf_release(&b);
}

static void after_a_failure_nothing_is_added_until_cleared(void **state)
{
	struct buf b = { .max = 4 };
	struct err e;

	(void)state;
	buf_adds(&b, "12345");
	buf_addc(&b, '1');
	assert_true(b.failed);
	assert_int_equal(b.len, 0);
	assert_null(buf_take(&b));
	buf_clear(&b);
	buf_addf(&b, "%s", "ab");
	assert_ok(buf_check(&b, &e));
	buf_addf(&b, "%s", "cde");
	assert_true(b.failed);
	assert_string_equal(b.data, "ab");
	buf_release(&b);
}

static void taking_leaves_an_empty_buffer(void **state)
{
	AUTO(buf) struct buf *b = buf_new(0);
	char *first, *second;

	(void)state;
	buf_adds(b, "mine");
	first = buf_take(b);
	second = buf_take(b);
	assert_string_equal(first, "mine");
	assert_string_equal(second, "");
	free(first);
	free(second);
}

static void growth_keeps_every_byte(void **state)
{
	AUTO(buf) struct buf *b = buf_new(0);

	(void)state;
	for (int i = 0; i < 100000; i++)
		buf_addc(b, (char)i);
	for (int i = 0; i < 100000; i++)
		assert_int_equal((unsigned char)b->data[i], i & 255);
	assert_null(buf_grow(b, SIZE_MAX));
	assert_true(b->failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_added_is_there_and_ends_with_a_nul),
		cmocka_unit_test(the_limit_holds_to_the_byte),
		cmocka_unit_test(after_a_failure_nothing_is_added_until_cleared),
		cmocka_unit_test(taking_leaves_an_empty_buffer),
		cmocka_unit_test(growth_keeps_every_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
