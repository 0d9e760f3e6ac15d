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

static void operators_are_known_by_the_hash_of_their_token(void **state)
{
	/* SHA-256 of "secret" */
	static const char text[] = "# people\n\n2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b operator alice\n";
	char dir[] = "/tmp/ringhold-token-XXXXXX", name[ROUTE_WHO_MAX + 1];
	AUTO(operators) struct operators *o = NULL;
	AUTO_FREE char *path = NULL;
	enum role role;
	struct err e;

	(void)state;
	assert_non_null(mkdtemp(dir));
	path = file_join(dir, "operator-tokens");
	assert_ok(operators_load(&o, path, &e));
	assert_int_equal(operators_count(o), 0);
	operators_free(TAKE(o));
	assert_ok(file_replace(path, text, strlen(text), 0600, &e));
	assert_ok(operators_load(&o, path, &e));
	assert_true(operators_find(o, "secret", &role, name));
	assert_int_equal(role, ROLE_OPERATOR);
	assert_string_equal(name, "alice");
	assert_false(operators_find(o, "Secret", &role, name));
	assert_false(operators_find(o, "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b", &role, name));
	assert_ok(file_remove_tree(dir, &e));
}

static void a_bad_line_of_operators_is_named(void **state)
{
	static const struct { const char *text, *says; } bad[] = {
		{ "abc operator alice\n", ":1:" },
		{ "\n2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b king alice\n", ":2: unknown role" },
		{ "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b viewer\n", ":1:" },
		{ "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b device alice\n", "unknown role" },
		{ "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b viewer al more\n", ":1:" },
	};
	char dir[] = "/tmp/ringhold-token-XXXXXX";
	AUTO_FREE char *path = NULL;
	struct operators *o;
	struct err e;

	(void)state;
	assert_non_null(mkdtemp(dir));
	path = file_join(dir, "operator-tokens");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_ok(file_replace(path, bad[i].text, strlen(bad[i].text), 0600, &e));
		assert_refused(operators_load(&o, path, &e), ERR_FORMAT, bad[i].says);
	}
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
		cmocka_unit_test(operators_are_known_by_the_hash_of_their_token),
		cmocka_unit_test(a_bad_line_of_operators_is_named),
		cmocka_unit_test(enrolment_strings_have_five_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
