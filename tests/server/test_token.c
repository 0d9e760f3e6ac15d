#include "server/token.h"

#include <unistd.h>

#include "base/file.h"
#include "tests/test.h"

static const struct token_key key = { { 1, 2, 3 } };
static const char id[] = "00112233445566778899aabbccddeeff";

static void a_device_token_says_who_and_which_generation(void **state)
{
	char token[TOKEN_MAX], who[DEVICE_ID_LEN + 1];
	uint64_t generation;

	(void)state;
	for (uint64_t g = 1; g < 1000000000000u; g *= 7) {
		token_device(token, &key, id, g);
		assert_true(token_device_check(&key, token, who, &generation));
		assert_string_equal(who, id);
		assert_int_equal(generation, g);
	}
}

static void no_forged_device_token_gets_in(void **state)
{
	const struct token_key other = { { 1, 2, 4 } };
	char token[TOKEN_MAX], bad[TOKEN_MAX + 2], who[DEVICE_ID_LEN + 1];
	uint64_t generation;
	size_t len;

	(void)state;
	token_device(token, &key, id, 12);
	len = strlen(token);
	assert_false(token_device_check(&other, token, who, &generation));
	/* the last character holds bits that decoders ignore; every other change must be seen */
	for (size_t i = 0; i + 1 < len; i++) {
		strcpy(bad, token);
		bad[i] = bad[i] == '1' ? '2' : '1';
		assert_false(token_device_check(&key, bad, who, &generation));
		strcpy(bad, token);
		bad[i] = '\0';
		assert_false(token_device_check(&key, bad, who, &generation));
	}
	snprintf(bad, sizeof bad, "%sA", token);
	assert_false(token_device_check(&key, bad, who, &generation));
	assert_false(token_device_check(&key, "", who, &generation));
	assert_false(token_device_check(&key, "rhd1..", who, &generation));
	assert_false(token_device_check(&key, "rhd1.00112233445566778899aabbccddeeff.99999999999999999999999.x", who, &generation));
}

static void a_token_key_is_made_once_and_kept_private(void **state)
{
	char dir[] = "/tmp/ringhold-token-XXXXXX";
	AUTO_FREE char *path = NULL;
	struct token_key a, b;
	struct err e;

	(void)state;
	assert_non_null(mkdtemp(dir));
	path = file_join(dir, "key");
	assert_ok(token_key_load(&a, path, &e));
	assert_ok(token_key_load(&b, path, &e));
	assert_memory_equal(&a, &b, sizeof a);
	assert_ok(file_replace(path, "short", 5, 0600, &e));
	assert_refused(token_key_load(&a, path, &e), ERR_FORMAT, "5 bytes");
	assert_ok(file_replace(path, &b, sizeof b, 0644, &e));
	assert_refused(token_key_load(&a, path, &e), ERR_REFUSED, path);
	assert_ok(file_remove_tree(dir, &e));
}

static void enrolment_strings_have_five_parts(void **state)
{
	AUTO(buf) struct buf *text = buf_new(1024);
	struct digest pin = { { 0xff } };

	(void)state;
	token_enrolment(text, "db1.example.net", 8443, &pin, "rhe_x");
	assert_string_equal(text->data, "rh1:db1.example.net:8443:_wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA:rhe_x");
	buf_clear(text);
	token_enrolment(text, "::1", 1, &pin, "t");
	assert_string_equal(text->data, "rh1:[::1]:1:_wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA:t");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_token_says_who_and_which_generation),
		cmocka_unit_test(no_forged_device_token_gets_in),
		cmocka_unit_test(a_token_key_is_made_once_and_kept_private),
		cmocka_unit_test(enrolment_strings_have_five_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
