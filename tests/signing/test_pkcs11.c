/* Keys in tokens of SoftHSM2, made, found and opened; what a token may lie about is in test_pkcs11_lies.c. */
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "signing/keyring.h"
#include "signing/pkcs11_parts.h"
#include "tests/signing/tokens.h"

static int load(struct seckey **out, const char *uri, struct err *e)
{
	return seckey_load(out, uri, NULL, NULL, e);
}

static void a_pair_made_in_a_token_signs_and_is_found_again(void **state)
{
	static const struct { const char *uri; enum pubkey_type type; } made[] = {
		{ "pkcs11:token=house;object=made-ed" SOFTHSM_QUERY, PUBKEY_ED25519 },
		{ "pkcs11:token=house;object=made-ec" SOFTHSM_QUERY, PUBKEY_ECDSA },
		{ "pkcs11:token=house;object=made-id;id=%07%00%ff" SOFTHSM_QUERY, PUBKEY_ECDSA },
	};

	(void)state;
	NEED_TOKENS();
	for (size_t i = 0; i < ARRAY_LEN(made); i++) {
		AUTO(seckey) struct seckey *k = generate(made[i].uri, made[i].type), *back = NULL;
		struct seckey *twice = NULL;
		struct err e;

		assert_int_equal(pubkey_type(seckey_public(k)), made[i].type);
		must_sign(k);
		assert_ok(load(&back, made[i].uri, &e));
		assert_true(pubkey_equal(seckey_public(k), seckey_public(back)));
		must_sign(back);
		assert_refused(seckey_generate_token(&twice, made[i].uri, made[i].type, NULL, NULL, &e), ERR_CONFLICT, "such a private key already");
		assert_refused(seckey_save(back, "/tmp/never", NULL, &e), ERR_UNSUPPORTED, "in a token and stays there");
		assert_refused(seckey_generate_token(&twice, made[i].uri, PUBKEY_RSA, NULL, NULL, &e), ERR_UNSUPPORTED, "verified, not made");
	}
}

/* What the private object says of itself, asked of the module directly. */
static void a_private_key_made_in_a_token_cannot_be_read_out(void **state)
{
	AUTO(seckey) struct seckey *k = NULL;
	AUTO(pkcs11_uri) struct pkcs11_uri *u = NULL;
	AUTO(buf) struct buf *value = NULL;
	struct pkcs11_modules m;
	struct pkcs11_token t;
	CK_OBJECT_HANDLE object;
	enum pubkey_type type;
	struct err e;

	(void)state;
	NEED_TOKENS();
	k = generate("pkcs11:token=house;object=locked-in" SOFTHSM_QUERY, PUBKEY_ECDSA);
	assert_ok(pkcs11_uri_parse(&u, "pkcs11:token=house;object=locked-in" SOFTHSM_QUERY, &e));
	assert_ok(pkcs11_modules_load(&m, u, &e));
	assert_ok(pkcs11_token_open(&t, &m, u, false, &e));
	assert_true(pkcs11_token_logged_in(&t));        /* k did, and is open */
	assert_ok(pkcs11_find_private(&t, &object, &type, &e));
	assert_true(pkcs11_flag(&t, object, CKA_SENSITIVE, false));
	assert_false(pkcs11_flag(&t, object, CKA_EXTRACTABLE, true));
	assert_true(pkcs11_flag(&t, object, CKA_PRIVATE, false));
	assert_ok(pkcs11_value(&t, object, CKA_VALUE, &value, &e));
	assert_int_equal(value->len, 0);
	pkcs11_token_close(&t);
	pkcs11_modules_release(&m);
}

static void every_way_to_fail_has_its_own_sentence(void **state)
{
	static const struct { const char *uri, *says; int code; } bad[] = {
		{ "pkcs11:token=house;object=fail-1?" MODULE "&pin-value=000000", "refused the PIN; it was tried once", ERR_AUTH },
		{ "pkcs11:token=house;object=fail-1?" MODULE "&pin-value=1", "refused the PIN", ERR_AUTH },
		{ "pkcs11:token=house;object=fail-1?" MODULE, "the URI has no PIN, and nobody to ask", ERR_AUTH },
		{ "pkcs11:token=nowhere;object=fail-1" SOFTHSM_QUERY, "no such token in " SOFTHSM_MODULE, ERR_NOT_FOUND },
		{ "pkcs11:token=nowhere;pin-value=" SOFTHSM_PIN ";object=x?" MODULE, "no such token", ERR_NOT_FOUND },
		{ "pkcs11:token=spinning;pin-value=" SOFTHSM_PIN ";object=x?" MODULE, "no such token", ERR_NOT_FOUND },
		{ "pkcs11:token=house;object=nothing" SOFTHSM_QUERY, "the token has no such private key", ERR_NOT_FOUND },
		{ "pkcs11:token=house;object=fail-1;id=%09" SOFTHSM_QUERY, "the token has no such private key", ERR_NOT_FOUND },
		{ "pkcs11:token=house;object=twin" SOFTHSM_QUERY, "two or more private keys fit; add object=... and id=...", ERR_CONFLICT },
		{ "pkcs11:object=fail-1" SOFTHSM_QUERY, "2 tokens fit; add token=... or serial=...", ERR_CONFLICT },
		{ "pkcs11:token=house;object=fail-1?module-path=/nowhere.so&pin-value=1", "no PKCS #11 module that can be loaded", ERR_NOT_FOUND },
		{ "pkcs11:token=house;object=fail-1?module-path=libsofthsm2.so", "module-path is not absolute", ERR_USAGE },
		{ "pkcs11:token=house;object=fail-1?module-name=softhsm2", "module-name is not used here", ERR_USAGE },
		{ "pkcs11:token=house;object=fail-1;type=cert" SOFTHSM_QUERY, "type=private", ERR_USAGE },
		{ "pkcs11:token=house;objekt=fail-1" SOFTHSM_QUERY, "a part of the URI is not known", ERR_USAGE },
		{ "pkcs11:token=%zz", "encoding", ERR_USAGE },
		{ "pkcs11:token=house;object=fail-1?" MODULE "&pin-value=1&pin-source=/x", "not both", ERR_USAGE },
		{ "pkcs11:token=house;object=fail-1?" MODULE "&pin-source=|/bin/cat%20/pin", "pin-source is no file:", ERR_USAGE },
		{ "pkcs11:token=house;object=fail-1?" MODULE "&pin-source=file:relative", "pin-source is no file:", ERR_USAGE },
		{ "pkcs11:token=house;object=fail-1?" MODULE "&pin-source=file:/nowhere/pin", "/nowhere/pin", ERR_NOT_FOUND },
	};
	struct seckey *none = NULL;
	struct err e;

	(void)state;
	NEED_TOKENS();
	seckey_free(generate("pkcs11:token=house;object=fail-1;id=%01" SOFTHSM_QUERY, PUBKEY_ECDSA));
	seckey_free(generate("pkcs11:token=other;object=fail-1;id=%01" SOFTHSM_QUERY, PUBKEY_ECDSA));
	seckey_free(generate("pkcs11:token=house;object=twin;id=%02" SOFTHSM_QUERY, PUBKEY_ECDSA));
	seckey_free(generate("pkcs11:token=house;object=twin;id=%03" SOFTHSM_QUERY, PUBKEY_ED25519));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_refused(load(&none, bad[i].uri, &e), bad[i].code, bad[i].says);
		assert_null(strstr(e.msg, "271828"));   /* a sentence goes into logs */
		assert_null(strstr(e.msg, "pin-value="));
	}
	assert_refused(seckey_generate_token(&none, "pkcs11:token=house" SOFTHSM_QUERY, PUBKEY_ED25519, NULL, NULL, &e), ERR_CONFLICT, "already");
	assert_refused(seckey_generate_token(&none, "pkcs11:token=house;id=%55" SOFTHSM_QUERY, PUBKEY_ED25519, NULL, NULL, &e), ERR_USAGE, "object=");
}

static void a_uri_is_bounded(void **state)
{
	AUTO(buf) struct buf *uri = buf_new(0);
	struct seckey *none = NULL;
	struct err e;

	(void)state;
	buf_adds(uri, "pkcs11:object=");
	while (uri->len <= PKCS11_URI_MAX)
		buf_addc(uri, 'a');
	assert_refused(load(&none, uri->data, &e), ERR_LIMIT, "more than 4096 bytes");
}

static void twins_are_told_apart_by_id_and_each_has_its_own_public_half(void **state)
{
	AUTO(seckey) struct seckey *one = NULL, *two = NULL, *again = NULL;
	struct err e;

	(void)state;
	NEED_TOKENS();
	one = generate("pkcs11:token=house;object=pair;id=%11" SOFTHSM_QUERY, PUBKEY_ECDSA);
	two = generate("pkcs11:token=house;object=pair;id=%12" SOFTHSM_QUERY, PUBKEY_ECDSA);
	assert_ok(load(&again, "pkcs11:token=house;object=pair;id=%12" SOFTHSM_QUERY, &e));
	assert_true(pubkey_equal(seckey_public(two), seckey_public(again)));
	assert_false(pubkey_equal(seckey_public(one), seckey_public(again)));
	must_sign(one);
	must_sign(two);
	must_sign(again);
}

static void the_pin_comes_from_a_guarded_file_or_from_a_person(void **state)
{
	char pin[300], uri[600];
	AUTO(seckey) struct seckey *k = NULL, *back = NULL;
	struct seckey *none = NULL;
	struct err e;

	(void)state;
	NEED_TOKENS();
	seckey_free(generate("pkcs11:token=other;object=pin" SOFTHSM_QUERY, PUBKEY_ECDSA));
	snprintf(pin, sizeof pin, "%s/pin", hsm.dir);
	assert_ok(file_replace(pin, SOFTHSM_PIN "\n", strlen(SOFTHSM_PIN) + 1, 0600, &e));
	snprintf(uri, sizeof uri, "pkcs11:token=other;object=pin?module-path=%s&pin-source=file:%s", SOFTHSM_MODULE, pin);
	assert_ok(load(&k, uri, &e));
	must_sign(k);
	seckey_free(TAKE(k));
	snprintf(uri, sizeof uri, "pkcs11:token=other;object=pin?module-path=%s&pin-source=%s", SOFTHSM_MODULE, pin);
	assert_ok(load(&back, uri, &e));
	seckey_free(TAKE(back));
	assert_ok(file_replace(pin, SOFTHSM_PIN "\n", strlen(SOFTHSM_PIN) + 1, 0644, &e));
	assert_refused(load(&none, uri, &e), ERR_REFUSED, "lets others read it");
	assert_ok(file_replace(pin, "\n" SOFTHSM_PIN, strlen(SOFTHSM_PIN) + 1, 0600, &e));
	assert_refused(load(&none, uri, &e), ERR_FORMAT, "first line is no PIN");
}

static void a_person_is_asked_once_for_a_token_however_many_keys_it_holds(void **state)
{
	struct person p = { .pin = SOFTHSM_PIN }, away = { 0 };
	AUTO(seckey) struct seckey *one = NULL, *two = NULL;
	struct seckey *none = NULL;
	struct err e;

	(void)state;
	NEED_TOKENS();
	seckey_free(generate("pkcs11:token=other;object=ask-1" SOFTHSM_QUERY, PUBKEY_ECDSA));
	seckey_free(generate("pkcs11:token=other;object=ask-2" SOFTHSM_QUERY, PUBKEY_ED25519));
	assert_refused(seckey_load(&none, "pkcs11:token=other;object=ask-1?" MODULE, ask, &away, &e), ERR_AUTH, "nobody answered");
	assert_ok(seckey_load(&one, "pkcs11:token=other;object=ask-1?" MODULE, ask, &p, &e));
	assert_ok(seckey_load(&two, "pkcs11:token=other;object=ask-2?" MODULE, ask, &p, &e));
	assert_int_equal(p.asked, 1);
	assert_string_equal(p.where, "pkcs11:token=other;object=ask-1");
	must_sign(one);
	must_sign(two);
}

/* p11-kit's own list of modules finds the token when the URI names none. */
static void a_registered_module_needs_no_path(void **state)
{
	AUTO(seckey) struct seckey *k = NULL;
	struct err e;

	(void)state;
	NEED_TOKENS();
	if (access("/usr/share/p11-kit/modules/softhsm2.module", R_OK) < 0)
		skip_named("softhsm2 is not registered with p11-kit");
	seckey_free(generate("pkcs11:token=house;object=registered" SOFTHSM_QUERY, PUBKEY_ECDSA));
	assert_ok(load(&k, "pkcs11:token=house;object=registered?pin-value=" SOFTHSM_PIN, &e));
	must_sign(k);
}

static void keys_brought_from_elsewhere_sign_and_rsa_does_not(void **state)
{
	static const struct { const char *type, *option, *label, *id; } brought[] = {
		{ "ED25519", NULL, "from-ed", "a0" }, { "EC", "P-256", "from-ec", "a1" }, { "RSA", NULL, "from-rsa", "a2" },
	};
	char pem[300];

	(void)state;
	NEED_TOKENS();
	snprintf(pem, sizeof pem, "%s/in.pem", hsm.dir);
	for (size_t i = 0; i < ARRAY_LEN(brought); i++) {
		EVP_PKEY *pkey = i == 2 ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048)
					: EVP_PKEY_Q_keygen(NULL, NULL, brought[i].type, brought[i].option);
		BIO *bio = BIO_new_file(pem, "w");
		AUTO(seckey) struct seckey *k = NULL;
		char uri[300];
		struct err e;

		assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL), 1);
		BIO_free(bio);
		EVP_PKEY_free(pkey);
		softhsm_import("house", pem, brought[i].label, brought[i].id);
		snprintf(uri, sizeof uri, "pkcs11:token=house;object=%s" SOFTHSM_QUERY, brought[i].label);
		if (i == 2) {
			assert_refused(load(&k, uri, &e), ERR_UNSUPPORTED, "verified, not made");
			continue;
		}
		assert_ok(load(&k, uri, &e));
		must_sign(k);
	}
}

/* A certificate over a key's public half; who signed it matters to nobody here. */
static int certificate_of(const struct pubkey *k, unsigned char **der)
{
	AUTO(buf) struct buf *text = buf_new(0);
	AUTO(json) struct json_doc *doc = NULL;
	EVP_PKEY *issuer = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), *subject;
	X509 *x = X509_new();
	const struct json *pem;
	BIO *bio;
	int len;
	struct err e;

	pubkey_json(k, text);
	assert_ok(json_parse(&doc, "key", text->data, text->len, NULL, &e));
	pem = json_get(json_get(doc->root, "keyval"), "public");
	bio = BIO_new_mem_buf(pem->u.text, (int)pem->count);
	subject = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
	assert_int_equal(X509_set_pubkey(x, subject), 1);
	assert_true(X509_gmtime_adj(X509_getm_notBefore(x), 0) && X509_gmtime_adj(X509_getm_notAfter(x), 60));
	assert_true(X509_sign(x, issuer, NULL) > 0);
	len = i2d_X509(x, der);
	assert_true(len > 0);
	BIO_free(bio);
	EVP_PKEY_free(issuer);
	EVP_PKEY_free(subject);
	X509_free(x);
	return len;
}

/* As smart cards are that keep certificates and no public keys. */
static void put_certificate_for_public_key(const char *uri, const struct pubkey *of)
{
	AUTO(pkcs11_uri) struct pkcs11_uri *u = NULL;
	struct pkcs11_modules m;
	struct pkcs11_token t;
	CK_OBJECT_HANDLE old, new;
	CK_OBJECT_CLASS class = CKO_CERTIFICATE;
	CK_CERTIFICATE_TYPE type = CKC_X_509;
	CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	unsigned char *der = NULL;
	CK_ATTRIBUTE all[] = {
		{ CKA_CLASS, &class, sizeof class }, { CKA_CERTIFICATE_TYPE, &type, sizeof type }, { CKA_TOKEN, &yes, sizeof yes },
		{ CKA_PRIVATE, &no, sizeof no }, { CKA_SUBJECT, (void *)(uintptr_t)"0", 2 }, { CKA_ID, (void *)(uintptr_t)"\xc0", 1 },
		{ CKA_VALUE, NULL, 0 },
	};
	struct err e;

	all[6].ulValueLen = (CK_ULONG)certificate_of(of, &der);
	all[6].pValue = der;
	assert_ok(pkcs11_uri_parse(&u, uri, &e));
	assert_ok(pkcs11_modules_load(&m, u, &e));
	assert_ok(pkcs11_token_open(&t, &m, u, true, &e));
	assert_ok(pkcs11_token_login(&t, CKU_USER, SOFTHSM_PIN, &e));
	assert_int_equal(pkcs11_find(&t, CKO_PUBLIC_KEY, NULL, 0, &old, 1, &e), 1);
	assert_int_equal(t.f->C_DestroyObject(t.session, old), CKR_OK);
	assert_int_equal(t.f->C_CreateObject(t.session, all, ARRAY_LEN(all), &new), CKR_OK);
	pkcs11_token_close(&t);
	pkcs11_modules_release(&m);
	OPENSSL_free(der);
}

static void a_certificate_under_the_keys_id_serves_as_its_public_half(void **state)
{
	static const char uri[] = "pkcs11:token=house;object=card;id=%c0" SOFTHSM_QUERY;
	AUTO(seckey) struct seckey *k = NULL, *back = NULL;
	struct err e;

	(void)state;
	NEED_TOKENS();
	k = generate(uri, PUBKEY_ECDSA);
	put_certificate_for_public_key(uri, seckey_public(k));
	assert_ok(load(&back, uri, &e));
	assert_true(pubkey_equal(seckey_public(k), seckey_public(back)));
	must_sign(back);
}

static void a_certificate_of_another_key_signs_nothing(void **state)
{
	static const char uri[] = "pkcs11:token=other;object=card;id=%c0" SOFTHSM_QUERY;
	AUTO(seckey) struct seckey *back = NULL, *stranger = NULL;
	AUTO(buf) struct buf *sig = buf_new(0);
	struct err e;

	(void)state;
	NEED_TOKENS();
	seckey_free(generate(uri, PUBKEY_ECDSA));
	assert_ok(seckey_generate_type(&stranger, PUBKEY_ECDSA, &e));
	put_certificate_for_public_key(uri, seckey_public(stranger));
	assert_ok(load(&back, uri, &e));
	assert_refused(seckey_sign(back, TEXT, 4, sig, &e), ERR_REFUSED, "does not verify");
	assert_int_equal(sig->len, 0);
}

/* ---- what is to be seen ---- */

struct sights {
	int count, usable;
	char where[8][300];
};

static int on_seen(void *arg, const struct seckey_seen *s, struct err *e)
{
	struct sights *to = arg;

	(void)e;
	assert_true(s->token);
	assert_null(strstr(s->where, "pin-value"));
	if (to->count < 8)
		snprintf(to->where[to->count], sizeof to->where[0], "%s", s->where);
	to->count++;
	to->usable += s->public != NULL;
	return 0;
}

static void looking_needs_no_pin_and_names_each_key_so_that_it_opens(void **state)
{
	struct sights s = { 0 }, none = { 0 };
	struct person p = { .pin = SOFTHSM_PIN };
	struct err e;

	(void)state;
	NEED_TOKENS();
	seckey_free(generate("pkcs11:token=house;object=look;id=%21" SOFTHSM_QUERY, PUBKEY_ECDSA));
	seckey_free(generate("pkcs11:token=house;object=look;id=%22" SOFTHSM_QUERY, PUBKEY_ED25519));
	assert_ok(seckey_look("pkcs11:token=house;object=look?" MODULE, on_seen, &s, &e));
	assert_int_equal(s.count, 2);
	assert_int_equal(s.usable, 2);
	for (int i = 0; i < 2; i++) {
		AUTO(seckey) struct seckey *k = NULL;

		assert_ok(seckey_load(&k, s.where[i], ask, &p, &e));
		must_sign(k);
	}
	assert_ok(seckey_look("pkcs11:token=house;object=nothing?" MODULE, on_seen, &none, &e));
	assert_int_equal(none.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pair_made_in_a_token_signs_and_is_found_again),
		cmocka_unit_test(a_private_key_made_in_a_token_cannot_be_read_out),
		cmocka_unit_test(every_way_to_fail_has_its_own_sentence),
		cmocka_unit_test(a_uri_is_bounded),
		cmocka_unit_test(twins_are_told_apart_by_id_and_each_has_its_own_public_half),
		cmocka_unit_test(the_pin_comes_from_a_guarded_file_or_from_a_person),
		cmocka_unit_test(a_person_is_asked_once_for_a_token_however_many_keys_it_holds),
		cmocka_unit_test(a_registered_module_needs_no_path),
		cmocka_unit_test(keys_brought_from_elsewhere_sign_and_rsa_does_not),
		cmocka_unit_test(a_certificate_under_the_keys_id_serves_as_its_public_half),
		cmocka_unit_test(a_certificate_of_another_key_signs_nothing),
		cmocka_unit_test(looking_needs_no_pin_and_names_each_key_so_that_it_opens),
	};

	return cmocka_run_group_tests(tests, tokens_open, tokens_close);
}
