/* Public keys: three kinds, one identity each, nothing else accepted. */
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/hex.h"
#include "signing/seckey.h"
#include "test.h"

/* ---- keys that OpenSSL makes ---- */

static char *pem_of(EVP_PKEY *k)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data, *out;
	long len;

	assert_int_equal(PEM_write_bio_PUBKEY(bio, k), 1);
	len = BIO_get_mem_data(bio, &data);
	out = strndup(data, (size_t)len);
	BIO_free(bio);
	return out;
}

static EVP_PKEY *ec_key(const char *curve)
{
	return EVP_PKEY_Q_keygen(NULL, NULL, "EC", curve);
}

static EVP_PKEY *rsa_key(size_t bits)
{
	return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", bits);
}

/* A key object; the PEM is escaped for JSON. */
static struct buf *key_object(const char *type, const char *scheme, const char *public)
{
	struct buf *b = buf_new(0);
	struct json_writer w = { .out = b };

	json_open_object(&w, NULL);
	json_put_text(&w, "keytype", type);
	json_put_text(&w, "scheme", scheme);
	json_open_object(&w, "keyval");
	json_put_text(&w, "public", public);
	json_put_text(&w, "certificate", "ignored");
	json_close_object(&w);
	json_put_int(&w, "more", 1);
	json_close_object(&w);
	return b;
}

static int parse(struct pubkey **out, const char *type, const char *scheme, const char *public, struct err *e)
{
	AUTO(buf) struct buf *text = key_object(type, scheme, public);
	AUTO(json) struct json_doc *doc = NULL;

	assert_int_equal(json_parse(&doc, "key", text->data, text->len, NULL, e), 0);
	return pubkey_parse(out, doc, doc->root, e);
}

/* Signs as any implementation would. */
static size_t sign(EVP_PKEY *k, const char *text, int salt, unsigned char *sig, size_t cap)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx = NULL;
	size_t len = cap;
	bool ed = EVP_PKEY_get_base_id(k) == EVP_PKEY_ED25519;

	assert_int_equal(EVP_DigestSignInit(ctx, &pctx, ed ? NULL : EVP_sha256(), NULL, k), 1);
	if (EVP_PKEY_get_base_id(k) == EVP_PKEY_RSA) {
		assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING), 1);
		assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, salt), 1);
	}
	assert_int_equal(EVP_DigestSign(ctx, sig, &len, (const unsigned char *)text, strlen(text)), 1);
	EVP_MD_CTX_free(ctx);
	return len;
}

/* ---- the kinds ---- */

static void an_ed25519_key_verifies_what_it_signed_and_nothing_else(void **state)
{
	AUTO(seckey) struct seckey *k = NULL, *other = NULL;
	AUTO(buf) struct buf *sig = buf_new(0);
	struct err e;

	(void)state;
	assert_ok(seckey_generate(&k, &e));
	assert_ok(seckey_generate(&other, &e));
	assert_ok(seckey_sign(k, "text", 4, sig, &e));
	assert_int_equal(sig->len, 64);
	assert_true(pubkey_verify(seckey_public(k), "text", 4, sig->data, 64));
	assert_false(pubkey_verify(seckey_public(k), "texT", 4, sig->data, 64));
	assert_false(pubkey_verify(seckey_public(k), "text", 3, sig->data, 64));
	assert_false(pubkey_verify(seckey_public(k), "text", 4, sig->data, 63));
	assert_false(pubkey_verify(seckey_public(k), "text", 4, "", 0));
	assert_false(pubkey_verify(seckey_public(other), "text", 4, sig->data, 64));
	sig->data[5] ^= 1;
	assert_false(pubkey_verify(seckey_public(k), "text", 4, sig->data, 64));
}

/* RFC 8032, section 7.1, test 2. */
static void the_ed25519_vector_of_the_rfc_verifies(void **state)
{
	AUTO(pubkey) struct pubkey *k = NULL;
	uint8_t sig[64];
	struct err e;

	(void)state;
	assert_ok(parse(&k, "ed25519", "ed25519", "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", &e));
	assert_true(hex_decode(sig, 64,
			       "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
			       "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00", 128));
	assert_true(pubkey_verify(k, "\x72", 1, sig, 64));
	assert_false(pubkey_verify(k, "\x73", 1, sig, 64));
}

static void an_ecdsa_key_verifies_der_signatures_under_both_names(void **state)
{
	EVP_PKEY *ec = ec_key("P-256");
	AUTO_FREE char *pem = pem_of(ec);
	AUTO(pubkey) struct pubkey *a = NULL, *b = NULL;
	unsigned char sig[256];
	size_t len = sign(ec, "text", 0, sig, sizeof sig);
	struct err e;

	(void)state;
	assert_ok(parse(&a, "ecdsa", "ecdsa-sha2-nistp256", pem, &e));
	assert_ok(parse(&b, "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", pem, &e));
	assert_true(pubkey_verify(a, "text", 4, sig, len));
	assert_false(pubkey_verify(a, "other", 5, sig, len));
	assert_false(pubkey_verify(a, "text", 4, sig, len - 1));
	assert_true(pubkey_equal(a, b));
	EVP_PKEY_free(ec);
}

static void an_rsa_key_verifies_any_salt_length_but_no_other_padding(void **state)
{
	static const int salts[] = { 0, 20, 32, RSA_PSS_SALTLEN_MAX };
	EVP_PKEY *rsa = rsa_key(2048);
	AUTO_FREE char *pem = pem_of(rsa);
	AUTO(pubkey) struct pubkey *k = NULL;
	unsigned char sig[512];
	struct err e;

	(void)state;
	assert_ok(parse(&k, "rsa", "rsassa-pss-sha256", pem, &e));
	for (size_t i = 0; i < ARRAY_LEN(salts); i++) {
		size_t len = sign(rsa, "text", salts[i], sig, sizeof sig);

		assert_true(pubkey_verify(k, "text", 4, sig, len));
		assert_false(pubkey_verify(k, "texx", 4, sig, len));
	}
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t len = sizeof sig;

	assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, rsa), 1);
	assert_int_equal(EVP_DigestSign(ctx, sig, &len, (const unsigned char *)"text", 4), 1);
	assert_false(pubkey_verify(k, "text", 4, sig, len));
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(rsa);
}

/* ---- identity ---- */

static void one_point_has_one_identity_however_it_is_encoded(void **state)
{
	EVP_PKEY *ec = ec_key("P-256");
	AUTO_FREE char *plain = pem_of(ec), *packed = NULL, *airy = NULL;
	AUTO(pubkey) struct pubkey *a = NULL, *b = NULL, *c = NULL;
	struct err e;

	(void)state;
	assert_int_equal(EVP_PKEY_set_utf8_string_param(ec, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, "compressed"), 1);
	packed = pem_of(ec);
	assert_string_not_equal(plain, packed);
	assert_true(asprintf(&airy, "a comment\n%s\n\n", plain) > 0);
	assert_ok(parse(&a, "ecdsa", "ecdsa-sha2-nistp256", plain, &e));
	assert_ok(parse(&b, "ecdsa", "ecdsa-sha2-nistp256", packed, &e));
	assert_ok(parse(&c, "ecdsa", "ecdsa-sha2-nistp256", airy, &e));
	assert_true(pubkey_equal(a, b));
	assert_true(pubkey_equal(a, c));
	EVP_PKEY_free(ec);
}

/* Parameters of its own would give one point a second identity; and who checks that they are P-256? */
static void a_curve_must_be_given_by_name(void **state)
{
	EVP_PKEY *ec = ec_key("P-256");
	AUTO_FREE char *named = pem_of(ec), *explicit = NULL;
	AUTO(pubkey) struct pubkey *a = NULL, *b = NULL;
	struct err e;

	(void)state;
	assert_ok(parse(&a, "ecdsa", "ecdsa-sha2-nistp256", named, &e));
	assert_int_equal(EVP_PKEY_set_utf8_string_param(ec, OSSL_PKEY_PARAM_EC_ENCODING, "explicit"), 1);
	explicit = pem_of(ec);
	assert_true(strlen(explicit) > strlen(named));
	assert_refused(parse(&b, "ecdsa", "ecdsa-sha2-nistp256", explicit, &e), ERR_FORMAT, "by parameters, not by name");
	EVP_PKEY_free(ec);
}

static void hex_case_is_no_identity(void **state)
{
	AUTO(pubkey) struct pubkey *a = NULL, *b = NULL;
	struct err e;

	(void)state;
	assert_ok(parse(&a, "ed25519", "ed25519", "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", &e));
	assert_ok(parse(&b, "ed25519", "ed25519", "3D4017C3E843895A92B70AA74D1B7EBC9C982CCF2EC4968CC0CD55F12AF4660C", &e));
	assert_true(pubkey_equal(a, b));
}

static void what_we_do_not_know_is_unsupported_or_malformed(void **state)
{
	EVP_PKEY *p384 = ec_key("P-384"), *small = rsa_key(1024), *p256 = ec_key("P-256");
	AUTO_FREE char *pem384 = pem_of(p384), *pem1024 = pem_of(small), *pem256 = pem_of(p256);
	const struct {
		const char *type, *scheme, *public;
		int code;
		const char *text;
	} rows[] = {
		{ "ed448", "ed448", "00", ERR_UNSUPPORTED, "not supported" },
		{ "ed25519", "ed25519ph", "00", ERR_UNSUPPORTED, "not supported" },
		{ "rsa", "rsa-pkcs1v15-sha256", pem256, ERR_UNSUPPORTED, "not supported" },
		{ "ed25519", "ed25519", "", ERR_FORMAT, "64 hex" },
		{ "ed25519", "ed25519", "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660", ERR_FORMAT, "64 hex" },
		{ "ed25519", "ed25519", "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660g", ERR_FORMAT, "64 hex" },
		{ "ecdsa", "ecdsa-sha2-nistp256", pem384, ERR_FORMAT, "other than P-256" },
		{ "ecdsa", "ecdsa-sha2-nistp256", "not a PEM", ERR_FORMAT, "no PEM" },
		{ "rsa", "rsassa-pss-sha256", pem1024, ERR_FORMAT, "1024 bits" },
		{ "rsa", "rsassa-pss-sha256", pem256, ERR_FORMAT, "another type" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(pubkey) struct pubkey *k = NULL;
		struct err e;

		assert_refused(parse(&k, rows[i].type, rows[i].scheme, rows[i].public, &e), rows[i].code, rows[i].text);
		assert_null(k);
	}
	EVP_PKEY_free(p384);
	EVP_PKEY_free(small);
	EVP_PKEY_free(p256);
}

static void what_we_write_reads_back_with_the_same_id(void **state)
{
	EVP_PKEY *made[] = { EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), ec_key("P-256"), rsa_key(2048) };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(made); i++) {
		AUTO_FREE char *pem = pem_of(made[i]);
		AUTO(pubkey) struct pubkey *a = NULL, *b = NULL;
		AUTO(buf) struct buf *text = buf_new(0);
		AUTO(json) struct json_doc *doc = NULL;
		char ida[DIGEST_HEX_LEN + 1], idb[DIGEST_HEX_LEN + 1];
		struct err e;

		assert_ok(pubkey_from_pem(&a, pem, strlen(pem), &e));
		assert_int_equal(pubkey_type(a), i);
		pubkey_json(a, text);
		assert_ok(json_parse(&doc, "key", text->data, text->len, NULL, &e));
		assert_ok(pubkey_parse(&b, doc, doc->root, &e));
		assert_true(pubkey_equal(a, b));
		assert_ok(pubkey_id(a, ida, &e));
		assert_ok(pubkey_id(b, idb, &e));
		assert_string_equal(ida, idb);
		EVP_PKEY_free(made[i]);
	}
}

/* The id that other implementations give this key: SHA-256 of its canonical form. */
static void the_id_is_the_hash_of_the_canonical_key(void **state)
{
	static const char canonical[] =
		"{\"keytype\":\"ed25519\",\"keyval\":{\"public\":\"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c\"},"
		"\"scheme\":\"ed25519\"}";
	AUTO(pubkey) struct pubkey *k = NULL;
	char id[DIGEST_HEX_LEN + 1], want[DIGEST_HEX_LEN + 1];
	struct digest d;
	struct err e;

	(void)state;
	assert_ok(parse(&k, "ed25519", "ed25519", "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", &e));
	hash_bytes(&d, canonical, strlen(canonical));
	digest_hex(want, &d);
	assert_ok(pubkey_id(k, id, &e));
	assert_string_equal(id, want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_ed25519_key_verifies_what_it_signed_and_nothing_else),
		cmocka_unit_test(the_ed25519_vector_of_the_rfc_verifies),
		cmocka_unit_test(an_ecdsa_key_verifies_der_signatures_under_both_names),
		cmocka_unit_test(an_rsa_key_verifies_any_salt_length_but_no_other_padding),
		cmocka_unit_test(one_point_has_one_identity_however_it_is_encoded),
		cmocka_unit_test(a_curve_must_be_given_by_name),
		cmocka_unit_test(hex_case_is_no_identity),
		cmocka_unit_test(what_we_do_not_know_is_unsupported_or_malformed),
		cmocka_unit_test(what_we_write_reads_back_with_the_same_id),
		cmocka_unit_test(the_id_is_the_hash_of_the_canonical_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
