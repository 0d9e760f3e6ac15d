/* test_vouch: an endpoint's own word holds for one bundle, one channel and one key. */
#include "rollout/vouch.h"
#include "tests/test.h"

static void a_word_holds_for_what_it_was_given_for(void **state)
{
	struct digest one, two;
	char word[VOUCH_LEN + 1], text[256];

	(void)state;
	memset(one.bytes, 1, sizeof one.bytes);
	memset(two.bytes, 2, sizeof two.bytes);
	vouch_write(word, "0123456789abcdef", 16, "edr", &one);
	assert_int_equal(strlen(word), VOUCH_LEN);
	assert_true(vouch_check(word, "0123456789abcdef", 16, "edr", &one));
	assert_false(vouch_check(word, "0123456789abcdeF", 16, "edr", &one));
	assert_false(vouch_check(word, "0123456789abcdef", 15, "edr", &one));
	assert_false(vouch_check(word, "0123456789abcdef", 16, "yara", &one));
	assert_false(vouch_check(word, "0123456789abcdef", 16, "edr", &two));
	snprintf(text, sizeof text, "after 600 s; %s.", word);
	assert_true(vouch_check(text, "0123456789abcdef", 16, "edr", &one));
}

static void no_other_text_is_a_word(void **state)
{
	struct digest one;
	char word[VOUCH_LEN + 1];

	(void)state;
	memset(one.bytes, 1, sizeof one.bytes);
	assert_false(vouch_check("", "0123456789abcdef", 16, "edr", &one));
	assert_false(vouch_check("vouched ", "0123456789abcdef", 16, "edr", &one));
	for (size_t i = 0; i < VOUCH_LEN; i++) {
		vouch_write(word, "0123456789abcdef", 16, "edr", &one);
		word[i] ^= 1;
		assert_false(vouch_check(word, "0123456789abcdef", 16, "edr", &one));
		vouch_write(word, "0123456789abcdef", 16, "edr", &one);
		word[i] = '\0';
		assert_false(vouch_check(word, "0123456789abcdef", 16, "edr", &one));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_word_holds_for_what_it_was_given_for),
		cmocka_unit_test(no_other_text_is_a_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
