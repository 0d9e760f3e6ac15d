/* test_reason: the table of reason codes is closed, and what it does not know counts against the content. */
#include "base/defs.h"
#include "schema/reason.h"
#include "test.h"

static void every_word_reads_back_and_is_a_word(void **state)
{
	(void)state;
	for (enum reason r = 0; r < REASONS; r++) {
		const char *word = reason_word(r);
		enum reason back;

		assert_true(reason_parse(&back, word) && back == r);
		assert_true(strlen(word) <= 32 && strspn(word, "abcdefghijklmnopqrstuvwxyz-") == strlen(word));
		assert_true(strlen(reason_sentence(r)) > 10);
	}
}

static void unknown_words_count_as_content(void **state)
{
	enum reason r;

	(void)state;
	assert_false(reason_parse(&r, "something-newer"));
	assert_false(reason_parse(&r, ""));
	assert_int_equal(reason_class("something-newer"), REASON_CONTENT);
	assert_int_equal(reason_class(""), REASON_CONTENT);
	assert_int_equal(reason_class(NULL), REASON_CONTENT);
}

static void what_the_host_lacks_never_counts_against_content(void **state)
{
	static const char *const environment[] = { "disk-full", "no-network", "no-power", "memory-kill", "metadata-expired" };
	static const char *const people[] = { "rollback", "stop", "recall", "local-hold", "local-pin", "local-disable", "local-revert" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(environment); i++)
		assert_int_equal(reason_class(environment[i]), REASON_ENVIRONMENT);
	for (size_t i = 0; i < ARRAY_LEN(people); i++)
		assert_int_equal(reason_class(people[i]), REASON_OPERATOR);
}

static void what_content_does_counts_against_it(void **state)
{
	static const char *const content[] = { "contract", "selftest", "crash", "hang", "ceiling-load", "ceiling-rss", "ceiling-event",
					       "boot-failed", "late-boot-failed", "sensor-died", "health", "quarantined" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(content); i++) {
		enum reason r;

		assert_true(reason_parse(&r, content[i]));
		assert_int_equal(reason_class(content[i]), REASON_CONTENT);
	}
	assert_string_equal(reason_class_name(REASON_CONTENT), "content");
	assert_string_equal(reason_class_name(REASON_ENVIRONMENT), "environment");
	assert_string_equal(reason_class_name(REASON_OPERATOR), "operator");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_word_reads_back_and_is_a_word),
		cmocka_unit_test(unknown_words_count_as_content),
		cmocka_unit_test(what_the_host_lacks_never_counts_against_content),
		cmocka_unit_test(what_content_does_counts_against_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
