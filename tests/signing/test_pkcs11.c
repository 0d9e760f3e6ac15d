/* Keys in tokens: SoftHSM2 for what is right, a token made here for every lie. */
#include <dlfcn.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <pthread.h>

#include "base/hex.h"
#include "signing/driver.h"
#include "signing/keyring.h"
#include "signing/pkcs11_parts.h"
#include "signing/repo.h"
#include "tests/softhsm.h"

#define NOW 1769860800
#define TEXT "text"

/* ---- tokens of SoftHSM2 ---- */

static struct softhsm hsm;

static int open_tokens(void **state)
{
	(void)state;
	if (!softhsm_installed())
		return 0;
	softhsm_open(&hsm);
	softhsm_token("house");
	softhsm_token("other");
	return 0;
}

static int close_tokens(void **state)
{
	(void)state;
	if (hsm.dir[0])
		softhsm_close(&hsm);
	return 0;
}

#define NEED_TOKENS()                                    \
	do {                                             \
		if (!hsm.dir[0])                         \
			skip_missing_program("softhsm2"); \
	} while (0)

static struct seckey *generate(const char *uri, enum pubkey_type type)
{
	struct seckey *k = NULL;
	struct err e;

	assert_ok(seckey_generate_token(&k, uri, type, NULL, NULL, &e));
	return k;
}

static void must_sign(const struct seckey *k)
{
	AUTO(buf) struct buf *sig = buf_new(0);
	struct err e;

	assert_ok(seckey_sign(k, TEXT, 4, sig, &e));
	assert_true(pubkey_verify(seckey_public(k), TEXT, 4, sig->data, sig->len));
}

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
#define MODULE "module-path=" SOFTHSM_MODULE
	static const struct { const char *uri, *says; int code; } bad[] = {
		{ "pkcs11:token=house;object=fail-1?" MODULE "&pin-value=000000", "refused the PIN; it was tried once", ERR_AUTH },
		{ "pkcs11:token=house;object=fail-1?" MODULE "&pin-value=1", "refused the PIN", ERR_AUTH },
		{ "pkcs11:token=house;object=fail-1?" MODULE, "the URI has no PIN, and nobody to ask", ERR_AUTH },
		{ "pkcs11:token=nowhere;object=fail-1" SOFTHSM_QUERY, "no such token in " SOFTHSM_MODULE, ERR_NOT_FOUND },
		{ "pkcs11:token=nowhere;pin-value=" SOFTHSM_PIN ";object=x?" MODULE, "no such token", ERR_NOT_FOUND },
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

struct person {
	const char *pin;        /* NULL: refuses */
	int asked;
	char where[200];
};

static int ask(void *arg, const char *where, char *secret, size_t cap, struct err *e)
{
	struct person *p = arg;

	p->asked++;
	snprintf(p->where, sizeof p->where, "%s", where);
	if (!p->pin)
		return err_set(e, ERR_AUTH, "nobody answered");
	snprintf(secret, cap, "%s", p->pin);
	return 0;
}

static void a_person_is_asked_once_for_a_token_however_many_keys_it_holds(void **state)
{
	struct person p = { .pin = SOFTHSM_PIN }, away = { NULL };
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

/* ---- a token that goes away ---- */

/* SoftHSM2 itself, past p11-kit: what pulls the rug. */
static void end_all_sessions(const char *label)
{
	void *module = dlopen(SOFTHSM_MODULE, RTLD_NOW | RTLD_NOLOAD);
	CK_RV (*get)(CK_FUNCTION_LIST **) = NULL;
	CK_FUNCTION_LIST *f = NULL;
	CK_SLOT_ID slots[16];
	CK_ULONG n = ARRAY_LEN(slots);

	assert_non_null(module);
	*(void **)&get = dlsym(module, "C_GetFunctionList");
	assert_int_equal(get(&f), CKR_OK);
	assert_int_equal(f->C_GetSlotList(CK_TRUE, slots, &n), CKR_OK);
	for (CK_ULONG i = 0; i < n; i++) {
		CK_TOKEN_INFO info;

		if (f->C_GetTokenInfo(slots[i], &info) == CKR_OK && strncmp((char *)info.label, label, strlen(label)) == 0)
			assert_int_equal(f->C_CloseAllSessions(slots[i]), CKR_OK);
	}
	dlclose(module);
}

static void a_key_survives_its_tokens_session(void **state)
{
	struct person p = { .pin = SOFTHSM_PIN };
	AUTO(seckey) struct seckey *k = NULL;
	struct err e;

	(void)state;
	NEED_TOKENS();
	seckey_free(generate("pkcs11:token=other;object=survivor" SOFTHSM_QUERY, PUBKEY_ECDSA));
	assert_ok(seckey_load(&k, "pkcs11:token=other;object=survivor?" MODULE, ask, &p, &e));
	for (int i = 0; i < 3; i++) {
		end_all_sessions("other");
		must_sign(k);
	}
	assert_int_equal(p.asked, 1);   /* the PIN that opened it once opens it again */
}

struct signer {
	const struct seckey *k;
	int good;
};

static void *sign_often(void *arg)
{
	struct signer *s = arg;

	for (int i = 0; i < 25; i++) {
		AUTO(buf) struct buf *sig = buf_new(0);
		struct err e;

		s->good += seckey_sign(s->k, TEXT, 4, sig, &e) == 0 && pubkey_verify(seckey_public(s->k), TEXT, 4, sig->data, sig->len);
	}
	return NULL;
}

static void threads_may_share_a_key_and_a_token(void **state)
{
	AUTO(seckey) struct seckey *one = NULL, *two = NULL;
	struct signer s[4];
	pthread_t t[4];

	(void)state;
	NEED_TOKENS();
	one = generate("pkcs11:token=house;object=threads-1" SOFTHSM_QUERY, PUBKEY_ECDSA);
	two = generate("pkcs11:token=house;object=threads-2" SOFTHSM_QUERY, PUBKEY_ED25519);
	for (int i = 0; i < 4; i++) {
		s[i] = (struct signer){ i % 2 ? one : two, 0 };
		assert_int_equal(pthread_create(&t[i], NULL, sign_often, &s[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], NULL);
		assert_int_equal(s[i].good, 25);
	}
}

/* ---- a repository whose every key lies in a token ---- */

#define ROLES 5
static const char *const roles[ROLES] = { "root", "targets", "snapshot", "timestamp", "content-edr" };

static int get_file(void *arg, const char *name, size_t max, struct buf **out, struct err *e)
{
	AUTO_FREE char *path = file_join(arg, name);
	int got = file_read(out, path, max, e);

	return got == ERR_NOT_FOUND ? 1 : got;
}

static void publish(const char *dir, struct keyring *ring, const struct author_role *made)
{
	AUTO(repo) struct repo *r = NULL;
	struct repo_plan plan = { .root = made[0], .targets = made[1], .snapshot = made[2], .timestamp = made[3], .roles = made + 4, .count = 1 };
	struct err e;

	assert_ok(repo_create(dir, &plan, ring, NOW, &e));
	assert_ok(repo_open(&r, dir, &e));
	assert_ok(repo_put_target(r, "content-edr", "bundles/edr/1.tar.gz", "bytes", 5, NULL, &e));
	assert_ok(repo_publish(r, ring, NOW + 1, &e));
}

/* Our client, with the root alone, gets the target. */
static void read_back(const char *dir)
{
	AUTO_FREE char *metadata = file_join(dir, "metadata"), *targets = file_join(dir, "targets"), *store = file_join(dir, "store");
	AUTO_FREE char *anchor = file_join(metadata, "1.root.json");
	AUTO(buf) struct buf *root = NULL, *got = NULL;
	AUTO(tuf_client) struct tuf_client *c = NULL;
	struct driver d = { .dir = store, .get = get_file, .arg = metadata };
	struct err e;

	assert_ok(file_mkdirs(store, 0700, &e));
	assert_ok(file_read(&root, anchor, 1 << 20, &e));
	assert_ok(driver_open(&c, store, root->data, root->len, TUF_HOUSE, &e));
	assert_ok(driver_refresh(&d, c, NOW + 2, &e));
	assert_ok(driver_target(&d, c, "bundles/edr/1.tar.gz", get_file, targets, 100, &got, NULL, &e));
	assert_string_equal(got->data, "bytes");
}

static void a_repository_signed_in_a_token_is_read_by_our_client(void **state)
{
	AUTO(keyring) struct keyring *ring = keyring_new();
	const struct pubkey *keys[ROLES];
	struct author_role made[ROLES];
	char dir[300];
	struct err e;

	(void)state;
	NEED_TOKENS();
	for (size_t i = 0; i < ROLES; i++) {
		char uri[300];
		struct seckey *k;

		snprintf(uri, sizeof uri, "pkcs11:token=house;object=repo-%s" SOFTHSM_QUERY, roles[i]);
		k = generate(uri, i % 2 ? PUBKEY_ECDSA : PUBKEY_ED25519);
		keys[i] = seckey_public(k);
		made[i] = (struct author_role){ .name = roles[i], .keys = &keys[i], .key_count = 1, .threshold = 1 };
		assert_ok(keyring_add(ring, roles[i], k, &e));
	}
	snprintf(dir, sizeof dir, "%s/repository", hsm.dir);
	publish(dir, ring, made);
	read_back(dir);
}

/* ---- conversions: nothing a token says is taken on trust ---- */

static void only_points_of_the_two_curves_become_keys(void **state)
{
#define OID_P256 "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"
#define OID_P384 "\x06\x05\x2b\x81\x04\x00\x22"
#define OID_ED25519 "\x06\x03\x2b\x65\x70"
#define OID_ED448 "\x06\x03\x2b\x65\x71"
	uint8_t good[67] = { 0x04, 0x41, 0x04 }, ed[34] = { 0x04, 0x20 }, bad[100];
	EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	size_t len = 0;
	struct pubkey *p = NULL;
	struct err e;

	(void)state;
	assert_int_equal(EVP_PKEY_get_octet_string_param(pkey, "pub", good + 2, 65, &len), 1);
	assert_int_equal(len, 65);
	EVP_PKEY_free(pkey);
	/* wrapped as the standard says, and bare as some tokens do */
	assert_ok(pkcs11_point(&p, CKK_EC, OID_P256, 10, good, 67, &e));
	pubkey_free(TAKE(p));
	assert_ok(pkcs11_point(&p, CKK_EC, OID_P256, 10, good + 2, 65, &e));
	pubkey_free(TAKE(p));
	assert_ok(pkcs11_point(&p, CKK_EC_EDWARDS, OID_ED25519, 5, ed, 34, &e));
	pubkey_free(TAKE(p));
	assert_ok(pkcs11_point(&p, CKK_EC_EDWARDS, OID_ED25519, 5, ed + 2, 32, &e));
	pubkey_free(TAKE(p));
	/* every other length */
	for (size_t n = 0; n < sizeof bad; n++) {
		memset(bad, 0x04, sizeof bad);
		if (n != 65 && n != 67)
			assert_refused(pkcs11_point(&p, CKK_EC, OID_P256, 10, bad, n, &e), ERR_FORMAT, "point");
		if (n != 32)
			assert_refused(pkcs11_point(&p, CKK_EC_EDWARDS, OID_ED25519, 5, bad, n, &e), ERR_FORMAT, "point");
	}
	good[40] ^= 1;
	assert_refused(pkcs11_point(&p, CKK_EC, OID_P256, 10, good, 67, &e), ERR_FORMAT, "not on P-256");
	good[40] ^= 1;
	good[2] = 0x02;
	assert_refused(pkcs11_point(&p, CKK_EC, OID_P256, 10, good, 67, &e), ERR_FORMAT, "no uncompressed point");
	/* other curves, and curves under the wrong kind of key */
	assert_refused(pkcs11_point(&p, CKK_EC, OID_P384, 7, good, 67, &e), ERR_UNSUPPORTED, "other than P-256");
	assert_refused(pkcs11_point(&p, CKK_EC, OID_ED25519, 5, good, 67, &e), ERR_UNSUPPORTED, "other than P-256");
	assert_refused(pkcs11_point(&p, CKK_EC_EDWARDS, OID_ED448, 5, ed, 34, &e), ERR_UNSUPPORTED, "other than P-256");
	assert_refused(pkcs11_point(&p, CKK_EC_EDWARDS, OID_P256, 10, ed, 34, &e), ERR_UNSUPPORTED, "other than P-256");
	assert_refused(pkcs11_point(&p, CKK_EC, "", 0, good, 67, &e), ERR_UNSUPPORTED, "other than P-256");
	assert_refused(pkcs11_point(&p, CKK_EC, OID_P256, 9, good, 67, &e), ERR_UNSUPPORTED, "other than P-256");
}

static void raw_signatures_become_der_that_is_as_short_as_it_can_be(void **state)
{
	static const struct { const char *r_head, *der; } cases[] = {
		{ "00", "3006020100020100" },                   /* 0, 0 */
		{ "01", "3006020101020100" },
		{ "80", "300702020080020100" },                 /* a leading zero keeps it positive */
	};
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t raw[64] = { 0 };
		AUTO(buf) struct buf *der = buf_new(0);
		char hex[200];

		assert_true(hex_decode(raw + 31, 1, cases[i].r_head, 2));
		assert_ok(pkcs11_signature(der, PUBKEY_ECDSA, raw, 64, &e));
		hex_encode(hex, (uint8_t *)der->data, der->len);
		assert_string_equal(hex, cases[i].der);
	}
	for (size_t len = 0; len < 140; len++) {
		uint8_t raw[140] = { 0 };
		AUTO(buf) struct buf *out = buf_new(0);

		if (len == 64)
			continue;
		assert_refused(pkcs11_signature(out, PUBKEY_ECDSA, raw, len, &e), ERR_FORMAT, "not 64");
		assert_refused(pkcs11_signature(out, PUBKEY_ED25519, raw, len, &e), ERR_FORMAT, "not 64");
		assert_int_equal(out->len, 0);
	}
}

/* ---- a token that lies ---- */

static struct liar {
	struct seckey *key;             /* signs for it */
	uint8_t point[34];              /* its public half, in an OCTET STRING */
	/* what it does */
	CK_FLAGS flags;                 /* of the token, beside the usual ones */
	CK_RV login;                    /* what C_Login says */
	CK_RV sign;                     /* what C_SignInit says, as long as sign_times > 0 */
	int sign_times;
	CK_ULONG sig_len;               /* claimed; 0: the truth */
	bool spoil, endless, long_value, always, other_half;
	/* what was done to it */
	int logins, context_logins, sessions, searches;
	bool in_session, logged_in, want_context;
} liar;

static CK_RV liar_info(CK_INFO *info)
{
	memset(info, 0, sizeof *info);
	return CKR_OK;
}

static CK_RV liar_slots(CK_BBOOL present, CK_SLOT_ID *slots, CK_ULONG *n)
{
	(void)present;
	slots[0] = 7;
	*n = liar.endless ? 1000000 : 1;        /* far more than the room it was given */
	for (CK_ULONG i = 1; liar.endless && i < PKCS11_SLOTS_MAX; i++)
		slots[i] = 7 + i;
	return CKR_OK;
}

static CK_RV liar_slot(CK_SLOT_ID slot, CK_SLOT_INFO *info)
{
	memset(info, ' ', sizeof *info);
	return slot == 7 ? CKR_OK : CKR_SLOT_ID_INVALID;
}

static CK_RV liar_token(CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
	memset(info, ' ', sizeof *info);
	memcpy(info->label, "liar", 4);
	info->flags = CKF_TOKEN_INITIALIZED | CKF_LOGIN_REQUIRED | liar.flags;
	return slot == 7 ? CKR_OK : CKR_SLOT_ID_INVALID;
}

static CK_RV liar_open(CK_SLOT_ID slot, CK_FLAGS flags, void *arg, CK_NOTIFY notify, CK_SESSION_HANDLE *out)
{
	(void)slot;
	(void)flags;
	(void)arg;
	(void)notify;
	liar.in_session = true;
	*out = (CK_SESSION_HANDLE)++liar.sessions;
	return CKR_OK;
}

static CK_RV liar_close(CK_SESSION_HANDLE s)
{
	(void)s;
	liar.in_session = liar.logged_in = false;
	return CKR_OK;
}

static CK_RV liar_session(CK_SESSION_HANDLE s, CK_SESSION_INFO *info)
{
	(void)s;
	*info = (CK_SESSION_INFO){ .slotID = 7, .state = liar.logged_in ? CKS_RO_USER_FUNCTIONS : CKS_RO_PUBLIC_SESSION };
	return CKR_OK;
}

static CK_RV liar_login(CK_SESSION_HANDLE s, CK_USER_TYPE who, CK_BYTE *pin, CK_ULONG len)
{
	(void)s;
	(void)pin;
	(void)len;
	*(who == CKU_CONTEXT_SPECIFIC ? &liar.context_logins : &liar.logins) += 1;
	if (liar.login == CKR_OK)
		*(who == CKU_CONTEXT_SPECIFIC ? &liar.want_context : &liar.logged_in) = who != CKU_CONTEXT_SPECIFIC;
	return liar.login;
}

/* One object of each class: 100 + class. */
static CK_OBJECT_HANDLE searched;
static bool found_already;

static CK_RV liar_find_begin(CK_SESSION_HANDLE s, CK_ATTRIBUTE *template, CK_ULONG n)
{
	(void)s;
	(void)n;
	liar.searches++;
	searched = 100 + *(CK_OBJECT_CLASS *)template[0].pValue;
	found_already = false;
	return CKR_OK;
}

static CK_RV liar_find(CK_SESSION_HANDLE s, CK_OBJECT_HANDLE *found, CK_ULONG max, CK_ULONG *n)
{
	(void)s;
	*n = 0;
	if (found_already && !liar.endless)
		return CKR_OK;
	for (CK_ULONG i = 0; i < (liar.endless ? max : 1); i++)
		found[i] = searched;
	*n = liar.endless ? max : 1;
	found_already = true;
	return CKR_OK;
}

static CK_RV liar_find_end(CK_SESSION_HANDLE s)
{
	(void)s;
	return CKR_OK;
}

static CK_RV give(CK_ATTRIBUTE *a, const void *bytes, CK_ULONG len)
{
	if (!a->pValue || a->ulValueLen < len) {
		a->ulValueLen = CK_UNAVAILABLE_INFORMATION;
		return CKR_BUFFER_TOO_SMALL;
	}
	memcpy(a->pValue, bytes, len);
	a->ulValueLen = len;
	return CKR_OK;
}

static CK_RV liar_value(CK_SESSION_HANDLE s, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *a, CK_ULONG n)
{
	static const uint8_t params[] = { 0x06, 0x03, 0x2b, 0x65, 0x70 };
	CK_KEY_TYPE key = CKK_EC_EDWARDS;
	CK_BBOOL yes = CK_TRUE;
	uint8_t other[34] = { 0x04, 0x20, 0x42 };

	(void)s;
	assert_int_equal(n, 1);
	switch (a->type) {
	case CKA_KEY_TYPE:
		return give(a, &key, sizeof key);
	case CKA_SIGN:
		return give(a, &yes, sizeof yes);
	case CKA_ALWAYS_AUTHENTICATE:
		yes = liar.always;
		return give(a, &yes, sizeof yes);
	case CKA_EC_PARAMS:
		return give(a, params, sizeof params);
	case CKA_EC_POINT:
		assert_int_equal(object, 100 + CKO_PUBLIC_KEY);
		return give(a, liar.other_half ? other : liar.point, sizeof liar.point);
	case CKA_ID:
		if (!liar.long_value)
			return give(a, "\x01", 1);
		a->ulValueLen += 1;             /* "I wrote more than you had room for" */
		return CKR_OK;
	default:
		a->ulValueLen = CK_UNAVAILABLE_INFORMATION;
		return CKR_ATTRIBUTE_TYPE_INVALID;
	}
}

static CK_RV liar_sign_begin(CK_SESSION_HANDLE s, CK_MECHANISM *how, CK_OBJECT_HANDLE key)
{
	(void)s;
	(void)how;
	assert_int_equal(key, 100 + CKO_PRIVATE_KEY);
	liar.want_context = liar.always;
	return liar.sign_times-- > 0 ? liar.sign : CKR_OK;
}

static CK_RV liar_sign(CK_SESSION_HANDLE s, CK_BYTE *bytes, CK_ULONG len, CK_BYTE *sig, CK_ULONG *sig_len)
{
	AUTO(buf) struct buf *made = buf_new(0);
	struct err e;

	(void)s;
	if (!liar.logged_in || liar.want_context)
		return CKR_USER_NOT_LOGGED_IN;
	assert_ok(seckey_sign(liar.key, bytes, len, made, &e));
	assert_true(*sig_len >= made->len);
	memcpy(sig, made->data, made->len);
	sig[20] ^= liar.spoil;
	*sig_len = liar.sig_len ? liar.sig_len : made->len;
	return CKR_OK;
}

static CK_FUNCTION_LIST liar_functions = {
	.C_GetInfo = liar_info, .C_GetSlotList = liar_slots, .C_GetSlotInfo = liar_slot, .C_GetTokenInfo = liar_token,
	.C_OpenSession = liar_open, .C_CloseSession = liar_close, .C_GetSessionInfo = liar_session, .C_Login = liar_login,
	.C_FindObjectsInit = liar_find_begin, .C_FindObjects = liar_find, .C_FindObjectsFinal = liar_find_end,
	.C_GetAttributeValue = liar_value, .C_SignInit = liar_sign_begin, .C_Sign = liar_sign,
};

static int liar_setup(void **state)
{
	AUTO(buf) struct buf *text = buf_new(0);
	struct err e;

	(void)state;
	memset(&liar, 0, sizeof liar);
	assert_ok(seckey_generate(&liar.key, &e));
	pubkey_json(seckey_public(liar.key), text);
	liar.point[0] = 0x04;
	liar.point[1] = 0x20;
	assert_true(hex_decode(liar.point + 2, 32, strstr(text->data, "\"public\":\"") + 10, 64));
	return 0;
}

static int liar_teardown(void **state)
{
	(void)state;
	seckey_free(liar.key);
	return 0;
}

#define LIAR "pkcs11:token=liar;object=k?pin-value=1234"

static int liar_load(struct pkcs11_key **out, struct pubkey **public, const char *uri, struct person *p, struct err *e)
{
	static CK_FUNCTION_LIST *list[] = { &liar_functions, NULL };
	struct pkcs11_modules m = { .list = list, .held = PKCS11_BORROWED };

	return pkcs11_open_with(out, public, &m, uri, p ? ask : NULL, p, e);
}

static void an_honest_token_signs(void **state)
{
	struct pkcs11_key *k = NULL;
	AUTO(pubkey) struct pubkey *p = NULL;
	AUTO(buf) struct buf *sig = buf_new(0);
	struct err e;

	(void)state;
	assert_ok(liar_load(&k, &p, LIAR, NULL, &e));
	assert_true(pubkey_equal(p, seckey_public(liar.key)));
	assert_ok(pkcs11_sign(k, TEXT, 4, sig, &e));
	assert_true(pubkey_verify(p, TEXT, 4, sig->data, sig->len));
	pkcs11_free(k);
	assert_false(liar.in_session);
}

static void no_wrong_signature_leaves(void **state)
{
	static const struct { CK_ULONG len; bool spoil, other; const char *says; } lies[] = {
		{ 1, false, false, "not 64" }, { 63, false, false, "not 64" }, { 65, false, false, "not 64" }, { 256, false, false, "not 64" },
		{ 257, false, false, "more than 256" }, { (CK_ULONG)-1, false, false, "more than 256" },
		{ 0, true, false, "does not verify" }, { 0, false, true, "does not verify" },
	};
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
		struct pkcs11_key *k = NULL;
		AUTO(pubkey) struct pubkey *p = NULL;
		AUTO(buf) struct buf *sig = buf_new(0);

		liar.sig_len = lies[i].len;
		liar.spoil = lies[i].spoil;
		liar.other_half = lies[i].other;
		assert_ok(liar_load(&k, &p, LIAR, NULL, &e));
		assert_refused(pkcs11_sign(k, TEXT, 4, sig, &e), lies[i].says[0] == 'd' ? ERR_REFUSED : ERR_FORMAT, lies[i].says);
		assert_int_equal(sig->len, 0);
		pkcs11_free(k);
	}
}

static void answers_larger_than_their_room_are_refused(void **state)
{
	struct pkcs11_key *k = NULL;
	struct pubkey *p = NULL;
	struct err e;

	(void)state;
	liar.long_value = true;
	assert_refused(liar_load(&k, &p, LIAR, NULL, &e), ERR_FORMAT, "longer than the room");
	liar.long_value = false;
	liar.endless = true;
	assert_refused(liar_load(&k, &p, LIAR, NULL, &e), ERR_CONFLICT, "two or more private keys");
	assert_true(liar.searches < 10);
	assert_false(liar.in_session);
}

static void a_wrong_pin_is_tried_once_whatever_asks_for_the_key(void **state)
{
	struct person p = { .pin = "4321" };
	struct pkcs11_key *k = NULL;
	struct pubkey *public = NULL;
	struct err e;

	(void)state;
	liar.login = CKR_PIN_INCORRECT;
	assert_refused(liar_load(&k, &public, LIAR, NULL, &e), ERR_AUTH, "it was tried once");
	assert_int_equal(liar.logins, 1);
	assert_refused(liar_load(&k, &public, "pkcs11:token=liar;object=k", &p, &e), ERR_AUTH, "it was tried once");
	assert_int_equal(liar.logins, 2);
	assert_int_equal(p.asked, 1);
}

static void a_pin_refused_after_the_token_came_back_is_never_tried_again(void **state)
{
	struct pkcs11_key *k = NULL;
	AUTO(pubkey) struct pubkey *p = NULL;
	AUTO(buf) struct buf *sig = buf_new(0);
	struct err e;

	(void)state;
	assert_ok(liar_load(&k, &p, LIAR, NULL, &e));
	liar.sign = CKR_DEVICE_REMOVED;
	liar.sign_times = 1;
	liar.login = CKR_PIN_INCORRECT;         /* somebody changed it meanwhile */
	assert_refused(pkcs11_sign(k, TEXT, 4, sig, &e), ERR_AUTH, "it was tried once");
	for (int i = 0; i < 5; i++)
		assert_refused(pkcs11_sign(k, TEXT, 4, sig, &e), ERR_AUTH, "not tried again");
	assert_int_equal(liar.logins, 2);       /* the first, good one, and this */
	pkcs11_free(k);
}

static void a_locked_token_is_not_tried_and_its_last_try_is_a_persons(void **state)
{
	struct person p = { .pin = "1234" };
	struct pkcs11_key *k = NULL;
	AUTO(pubkey) struct pubkey *public = NULL;
	struct err e;

	(void)state;
	liar.flags = CKF_USER_PIN_LOCKED;
	assert_refused(liar_load(&k, &public, LIAR, NULL, &e), ERR_AUTH, "the PIN is locked");
	liar.flags = CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_COUNT_LOW;
	assert_refused(liar_load(&k, &public, LIAR, NULL, &e), ERR_AUTH, "one more wrong PIN locks the token");
	assert_int_equal(liar.logins, 0);
	assert_ok(liar_load(&k, &public, "pkcs11:token=liar;object=k", &p, &e));
	assert_int_equal(liar.logins, 1);
	pkcs11_free(k);
}

static void a_token_that_came_back_signs_but_only_with_the_same_key(void **state)
{
	struct pkcs11_key *k = NULL;
	AUTO(pubkey) struct pubkey *p = NULL;
	AUTO(buf) struct buf *sig = buf_new(0);
	struct err e;

	(void)state;
	assert_ok(liar_load(&k, &p, LIAR, NULL, &e));
	liar.sign = CKR_SESSION_HANDLE_INVALID;
	liar.sign_times = 1;
	assert_ok(pkcs11_sign(k, TEXT, 4, sig, &e));
	assert_int_equal(liar.sessions, 2);
	liar.sign_times = 2;                    /* gone again at once: one attempt, then a sentence */
	assert_refused(pkcs11_sign(k, TEXT, 4, sig, &e), ERR_IO, "session is gone");
	liar.sign_times = 1;
	liar.other_half = true;
	assert_refused(pkcs11_sign(k, TEXT, 4, sig, &e), ERR_REFUSED, "came back with another key");
	liar.other_half = false;
	liar.sign_times = 0;
	assert_ok(pkcs11_sign(k, TEXT, 4, sig, &e));
	liar.sign = CKR_MECHANISM_INVALID;      /* not a matter of coming back */
	liar.sign_times = 1;
	assert_refused(pkcs11_sign(k, TEXT, 4, sig, &e), ERR_UNSUPPORTED, "cannot do this");
	pkcs11_free(k);
}

static void a_key_that_wants_its_pin_every_time_gets_it(void **state)
{
	struct person p = { .pin = "1234" };
	struct pkcs11_key *k = NULL;
	AUTO(pubkey) struct pubkey *public = NULL;
	AUTO(buf) struct buf *sig = buf_new(0);
	struct err e;

	(void)state;
	liar.always = true;
	assert_ok(liar_load(&k, &public, "pkcs11:token=liar;object=k", &p, &e));
	for (int i = 0; i < 3; i++)
		assert_ok(pkcs11_sign(k, TEXT, 4, sig, &e));
	assert_int_equal(p.asked, 1);
	assert_int_equal(liar.logins, 1);
	assert_int_equal(liar.context_logins, 3);
	liar.login = CKR_PIN_INCORRECT;
	assert_refused(pkcs11_sign(k, TEXT, 4, sig, &e), ERR_AUTH, "it was tried once");
	assert_refused(pkcs11_sign(k, TEXT, 4, sig, &e), ERR_AUTH, "not tried again");
	assert_int_equal(liar.context_logins, 4);
	pkcs11_free(k);
}

static void a_token_with_a_keyboard_asks_for_itself(void **state)
{
	struct person p = { .pin = "1234" };
	struct pkcs11_key *k = NULL;
	AUTO(pubkey) struct pubkey *public = NULL;
	struct err e;

	(void)state;
	liar.flags = CKF_PROTECTED_AUTHENTICATION_PATH;
	assert_ok(liar_load(&k, &public, "pkcs11:token=liar;object=k", &p, &e));
	assert_int_equal(p.asked, 0);
	assert_int_equal(liar.logins, 1);
	pkcs11_free(k);
}

#define L(name) cmocka_unit_test_setup_teardown(name, liar_setup, liar_teardown)

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
		cmocka_unit_test(a_key_survives_its_tokens_session),
		cmocka_unit_test(threads_may_share_a_key_and_a_token),
		cmocka_unit_test(a_repository_signed_in_a_token_is_read_by_our_client),
		cmocka_unit_test(only_points_of_the_two_curves_become_keys),
		cmocka_unit_test(raw_signatures_become_der_that_is_as_short_as_it_can_be),
		L(an_honest_token_signs),
		L(no_wrong_signature_leaves),
		L(answers_larger_than_their_room_are_refused),
		L(a_wrong_pin_is_tried_once_whatever_asks_for_the_key),
		L(a_pin_refused_after_the_token_came_back_is_never_tried_again),
		L(a_locked_token_is_not_tried_and_its_last_try_is_a_persons),
		L(a_token_that_came_back_signs_but_only_with_the_same_key),
		L(a_key_that_wants_its_pin_every_time_gets_it),
		L(a_token_with_a_keyboard_asks_for_itself),
	};

	return cmocka_run_group_tests(tests, open_tokens, close_tokens);
}
