#include "rollout/approvals.h"
#include "tests/test.h"

#define D(c) ((struct digest){ { c, c } })

static void what_is_added_is_there_once_and_what_is_removed_is_not(void **state)
{
	AUTO(approvals) struct approvals *a = approvals_new("edr");
	struct digest one = D(1), two = D(2), none = D(0);
	struct err e;

	(void)state;
	assert_false(approvals_has(NULL, &one));
	assert_ok(approvals_add(a, &one, &e));
	assert_ok(approvals_add(a, &two, &e));
	assert_refused(approvals_add(a, &one, &e), ERR_CONFLICT, "approved already");
	assert_refused(approvals_add(a, &none, &e), ERR_USAGE, "empty");
	assert_true(approvals_remove(a, &one) && !approvals_remove(a, &one));
	assert_true(approvals_has(a, &two) && !approvals_has(a, &one));
	assert_null(approvals_new("no name"));
}

static void what_is_written_parses_to_the_same(void **state)
{
	AUTO(approvals) struct approvals *a = approvals_new("edr"), *back = NULL;
	AUTO(buf) struct buf *text = buf_new(0);
	struct err e;

	(void)state;
	for (unsigned char c = 1; c < 200; c++) {
		struct digest d = D(c);

		assert_ok(approvals_add(a, &d, &e));
	}
	assert_ok(approvals_write(text, a, &e));
	assert_ok(approvals_parse(&back, "approvals", text->data, text->len, &e));
	assert_string_equal(back->channel, "edr");
	assert_int_equal(back->count, a->count);
	for (size_t i = 0; i < a->count; i++)
		assert_true(digest_equal(&back->digests[i], &a->digests[i]));
}

/* An approval lets content in: whoever cannot read all of it takes none of it. */
static void a_document_that_needs_more_than_is_known_approves_nothing(void **state)
{
	static const char *const bad[] = {
		"", "[]", "{\"format\":2,\"channel\":\"edr\",\"digests\":[]}", "{\"format\":1,\"needs\":[\"x\"],\"channel\":\"edr\",\"digests\":[]}",
		"{\"format\":1,\"channel\":\"edr\",\"digests\":[\"0000000000000000000000000000000000000000000000000000000000000000\"]}",
		"{\"format\":1,\"channel\":\"edr\",\"digests\":[[]]}", "{\"format\":1,\"channel\":\"../edr\",\"digests\":[]}",
	};
	struct approvals *a = NULL;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (approvals_parse(&a, "approvals", bad[i], strlen(bad[i]), &e) >= 0)
			fail_msg("taken: %s", bad[i]);
	assert_null(a);
}

static void the_path_is_the_partys_and_the_channels(void **state)
{
	char path[PATH_LEN_MAX + 1];

	(void)state;
	approvals_path(path, "bank", "edr");
	assert_string_equal(path, "approvals/bank/edr.json");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_added_is_there_once_and_what_is_removed_is_not),
		cmocka_unit_test(what_is_written_parses_to_the_same),
		cmocka_unit_test(a_document_that_needs_more_than_is_known_approves_nothing),
		cmocka_unit_test(the_path_is_the_partys_and_the_channels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
