/* test_jwks: one odd key of an identity provider takes nothing from the others. */
#include "base/log.h"
#include "server/jwks.h"
#include "tests/test.h"

#define X "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
#define GOOD(kid) "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"" kid "\",\"x\":\"" X "\"}"
#define SHORT "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"short\",\"x\":\"AAEC\"}"
#define OFF_CURVE "{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"off\",\"x\":\"" X "\",\"y\":\"" X "\"}"

static int parse(struct jwks **out, const char *keys, struct err *e)
{
	char text[2048];

	snprintf(text, sizeof text, "{\"keys\":[%s]}", keys);
	return jwks_parse(out, text, strlen(text), e);
}

static void an_odd_key_is_left_out_and_the_others_are_known(void **state)
{
	static const char *const odd[] = { SHORT, OFF_CURVE, "\"no object\"", "{\"kid\":7}", "{\"kty\":\"RSA\",\"kid\":\"r\",\"n\":\"!\",\"e\":\"AQAB\"}" };
	struct err e;

	(void)state;
	log_init("test", LOG_ERROR);
	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		AUTO(jwks) struct jwks *k = NULL;
		char keys[1024];

		snprintf(keys, sizeof keys, "%s,%s,%s", GOOD("one"), odd[i], GOOD("two"));
		assert_ok(parse(&k, keys, &e));
		assert_true(jwks_knows(k, "one") && jwks_knows(k, "two"));
		assert_false(jwks_knows(k, "short") || jwks_knows(k, "off") || jwks_knows(k, "r"));
	}
}

static void of_two_keys_with_one_name_the_first_counts(void **state)
{
	AUTO(jwks) struct jwks *k = NULL;
	struct err e;

	(void)state;
	assert_ok(parse(&k, GOOD("one") "," GOOD("one") "," GOOD("two"), &e));
	assert_true(jwks_knows(k, "one") && jwks_knows(k, "two"));
}

/* What is refused leaves the keys of before in force. */
static void a_set_of_odd_keys_alone_is_refused(void **state)
{
	struct jwks *k = NULL;
	struct err e;

	(void)state;
	assert_refused(parse(&k, SHORT "," OFF_CURVE, &e), ERR_FORMAT, "of use");
	assert_null(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_odd_key_is_left_out_and_the_others_are_known),
		cmocka_unit_test(of_two_keys_with_one_name_the_first_counts),
		cmocka_unit_test(a_set_of_odd_keys_alone_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
