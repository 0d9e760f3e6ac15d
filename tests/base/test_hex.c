/* hex: hexadecimal and base64 text. */
#include "tests/test.h"

#include "base/hex.h"

static void hex_goes_there_and_back(void **state)
{
	unsigned char in[256], out[256];
	char text[513];

	(void)state;
	for (int i = 0; i < 256; i++)
		in[i] = (unsigned char)i;
	hex_encode(text, in, sizeof in);
	assert_int_equal(strlen(text), 512);
	assert_true(hex_decode(out, sizeof out, text, 512));
	assert_memory_equal(in, out, sizeof in);
	assert_true(hex_decode(out, 2, "aBCd", 4));
	assert_memory_equal(out, "\xab\xcd", 2);
}

static void hex_of_another_length_or_alphabet_is_refused(void **state)
{
	unsigned char out[4];

	(void)state;
	assert_false(hex_decode(out, 2, "abc", 3));
	assert_false(hex_decode(out, 2, "abcdef", 6));
	assert_false(hex_decode(out, 2, "ab g", 4));
	assert_false(hex_decode(out, 2, "0x12", 4));
	assert_true(hex_decode(out, 0, "", 0));
}

/* RFC 4648 section 10, without padding. */
static void base64url_knows_the_vectors_of_the_rfc(void **state)
{
	static const char *const rows[][2] = {
		{ "", "" },	    { "f", "Zg" },	   { "fo", "Zm8" },	   { "foo", "Zm9v" },
		{ "foob", "Zm9vYg" }, { "fooba", "Zm9vYmE" }, { "foobar", "Zm9vYmFy" },
	};
	char out[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t len = strlen(rows[i][0]);

		assert_int_equal(base64url_encode(out, rows[i][0], len), strlen(rows[i][1]));
		assert_string_equal(out, rows[i][1]);
		assert_true(strlen(out) <= BASE64URL_LEN(len));
		assert_int_equal(base64url_decode(out, sizeof out, rows[i][1], strlen(rows[i][1])),
				 (int)len);
		assert_memory_equal(out, rows[i][0], len);
	}
}

static void one_value_has_one_base64_text(void **state)
{
	char out[8];

	(void)state;
	assert_int_equal(base64url_decode(out, sizeof out, "Zh", 2), -1);
	assert_int_equal(base64url_decode(out, sizeof out, "Z", 1), -1);
	assert_int_equal(base64url_decode(out, sizeof out, "Zg==", 4), -1);
	assert_int_equal(base64url_decode(out, sizeof out, "+/+/", 4), -1);
	assert_int_equal(base64url_decode(out, 1, "Zm8", 3), -1);
	assert_int_equal(base64_decode(out, sizeof out, "Zg==", 4), 1);
	assert_int_equal(base64_decode(out, sizeof out, "Zg", 2), -1);
	assert_int_equal(base64_decode(out, sizeof out, "Zh==", 4), -1);
	assert_int_equal(base64_decode(out, sizeof out, "Z===", 4), -1);
	assert_int_equal(base64_decode(out, sizeof out, "+/+/", 4), 3);
	assert_int_equal(base64_decode(out, sizeof out, "-_-_", 4), -1);
	assert_int_equal(base64_decode(out, sizeof out, "", 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hex_goes_there_and_back),
		cmocka_unit_test(hex_of_another_length_or_alphabet_is_refused),
		cmocka_unit_test(base64url_knows_the_vectors_of_the_rfc),
		cmocka_unit_test(one_value_has_one_base64_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
