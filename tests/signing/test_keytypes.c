/* Every kind of key in a whole refresh: those that count, and those that must not stand in the way. */
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "forge.h"

static int setup(void **state)
{
	*state = forge_new();
	return 0;
}

static int teardown(void **state)
{
	forge_free(*state);
	return 0;
}

/* ---- a timestamp signed by a key of any kind ---- */

struct kind {
	const char *keytype, *scheme;
	const char *curve;              /* NULL: RSA */
	size_t bits;
	int salt;
};

/* One RSA key of each size: they are dear to make. */
static EVP_PKEY *make(const struct kind *k)
{
	static EVP_PKEY *rsa[2];
	EVP_PKEY **kept = &rsa[k->bits > 1024], *pkey;

	if (k->curve) {
		pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", k->curve);
	} else {
		if (!*kept)
			*kept = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", k->bits);
		pkey = *kept;
		EVP_PKEY_up_ref(pkey);
	}
	assert_non_null(pkey);
	return pkey;
}

/* {"keytype", "scheme", "keyval"} with the PEM as a JSON string. */
static void put_key(struct buf *out, const struct kind *k, EVP_PKEY *pkey)
{
	BIO *bio = BIO_new(BIO_s_mem());
	struct json_writer w = { .out = out };
	char *pem;
	long len;

	assert_int_equal(PEM_write_bio_PUBKEY(bio, pkey), 1);
	len = BIO_get_mem_data(bio, &pem);
	json_open_object(&w, NULL);
	json_put_text(&w, "keytype", k->keytype);
	json_put_text(&w, "scheme", k->scheme);
	json_open_object(&w, "keyval");
	json_put_textn(&w, "public", pem, (size_t)len);
	json_close_object(&w);
	json_close_object(&w);
	BIO_free(bio);
}

static void put_signature(struct buf *out, const struct kind *k, EVP_PKEY *pkey, const struct buf *text)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx = NULL;
	unsigned char sig[1024];
	size_t len = sizeof sig;
	char hex[2 * sizeof sig + 1];

	assert_int_equal(EVP_DigestSignInit(ctx, &pctx, EVP_sha256(), NULL, pkey), 1);
	if (!k->curve) {
		assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING), 1);
		assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, k->salt), 1);
	}
	assert_int_equal(EVP_DigestSign(ctx, sig, &len, (unsigned char *)text->data, text->len), 1);
	EVP_MD_CTX_free(ctx);
	hex_encode(hex, sig, len);
	buf_adds(out, hex);
}

/* A root whose timestamp role wants `threshold` of this key and, when also, of Ed25519. */
static void root_with(struct forge *f, const char *key, const char *also, int threshold)
{
	struct forge_doc *d = &f->docs[ROOT];
	AUTO(buf) struct buf *body = buf_new(0);
	char *keys, *role;

	forge_root_body(f, 2);
	keys = strstr(d->body, "\"keys\":{") + strlen("\"keys\":{");
	role = strstr(d->body, "\"timestamp\":{\"keyids\":");
	buf_add(body, d->body, (size_t)(keys - d->body));
	buf_addf(body, "\"other\":%s,", key);
	buf_add(body, keys, (size_t)(role - keys));
	buf_addf(body, "\"timestamp\":{\"keyids\":[\"other\"%s%s%s],\"threshold\":%d},", also ? ",\"" : "", also ? also : "",
		 also ? "\"" : "", threshold);
	buf_adds(body, strstr(role, "\"snapshot\":"));
	assert_true(body->len < sizeof d->body);
	memcpy(d->body, body->data, body->len + 1);
}

/* Serves the timestamp with one signature, by this key, under the id "other". */
static void sign_timestamp(struct forge *f, const struct kind *k, EVP_PKEY *pkey)
{
	struct buf *served = forge_get(&f->net, "timestamp.json");
	AUTO(buf) struct buf *canonical = buf_new(0), *out = buf_new(0);
	AUTO(json) struct json_doc *doc = NULL;
	const char *body;
	struct err e;

	assert_ok(json_parse(&doc, "timestamp", served->data, served->len, NULL, &e));
	assert_ok(json_canonical(canonical, json_get(doc->root, "signed"), &e));
	body = strstr(served->data, "\"signed\":");
	buf_adds(out, "{\"signatures\":[{\"keyid\":\"other\",\"sig\":\"");
	put_signature(out, k, pkey, canonical);
	buf_addf(out, "\"}],%s", body);
	forge_put(&f->net, "timestamp.json", out->data, out->len);
}

static int refresh_signed_by(struct forge *f, const struct kind *k, struct err *e)
{
	AUTO(buf) struct buf *key = buf_new(0);
	EVP_PKEY *pkey = make(k);

	put_key(key, k, pkey);
	root_with(f, key->data, NULL, 1);
	forge_publish(f);
	forge_clear(&f->store);
	forge_trust(f);
	sign_timestamp(f, k, pkey);
	EVP_PKEY_free(pkey);
	return forge_refresh(f, e);
}

static void keys_of_every_kind_sign(void **state)
{
	static const struct kind kinds[] = {
		{ "ecdsa", "ecdsa-sha2-nistp256", "P-256", 0, 0 },
		{ "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", "P-256", 0, 0 },
		{ "rsa", "rsassa-pss-sha256", NULL, 2048, 32 },
		{ "rsa", "rsassa-pss-sha256", NULL, 2048, 0 },
		{ "rsa", "rsassa-pss-sha256", NULL, 2048, RSA_PSS_SALTLEN_MAX },
		{ "rsa", "rsassa-pss-sha256", NULL, 2048, 20 },
	};
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (refresh_signed_by(*state, &kinds[i], &e) < 0)
			fail_msg("row %zu: %s", i, e.msg);
}

static void keys_that_are_not_what_they_say_sign_nothing(void **state)
{
	static const struct kind kinds[] = {
		{ "ecdsa", "ecdsa-sha2-nistp256", "P-384", 0, 0 },
		{ "ecdsa", "ecdsa-sha2-nistp384", "P-384", 0, 0 },
		{ "ecdsa", "rsassa-pss-sha256", "P-256", 0, 0 },
		{ "rsa", "ecdsa-sha2-nistp256", "P-256", 0, 0 },
		{ "rsa", "rsassa-pss-sha256", NULL, 1024, 32 },
		{ "rsa", "rsassa-pss-sha512", NULL, 2048, 32 },
		{ "ed25519", "ed25519", "P-256", 0, 0 },
		{ "sphincs", "sphincs", "P-256", 0, 0 },
	};
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		assert_refused(refresh_signed_by(*state, &kinds[i], &e), ERR_AUTH, "timestamp: 0 of 1");
}

/* A key of the future beside one of today: it neither counts nor spoils the root that lists it. */
static void an_unknown_kind_of_key_is_no_fault_of_its_root(void **state)
{
	static const char *const keys[] = {
		"{\"keytype\":\"sphincs\",\"scheme\":\"sphincs-shake-128s\",\"keyval\":{\"public\":\"00\"}}",
		"{\"keytype\":\"ed25519\",\"scheme\":\"ed25519\",\"keyval\":{\"public\":\"not hex\"}}",
		"{\"keytype\":\"rsa\",\"scheme\":\"rsassa-pss-sha256\",\"keyval\":{\"public\":\"\"}}",
		"{\"keytype\":\"sigstore-oidc\",\"scheme\":\"Fulcio\",\"keyval\":{\"identity\":\"a\",\"issuer\":\"b\"},\"x\":[]}",
		"{\"keyval\":{}}",
	};
	struct forge *f = *state;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		struct forge_doc *timestamp = &f->docs[TIMESTAMP];

		for (int threshold = 1; threshold <= 2; threshold++) {
			root_with(f, keys[i], forge_keyid(f->timestamp), threshold);
			timestamp->signers[1] = (struct forge_signer){ f->timestamp, "other" };
			timestamp->signer_count = 2;
			forge_publish(f);
			forge_clear(&f->store);
			forge_trust(f);
			if (threshold == 1)
				assert_ok(forge_refresh(f, &e));
			else
				assert_refused(forge_refresh(f, &e), ERR_AUTH, "timestamp: 1 of 2");
		}
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(keys_of_every_kind_sign),
		T(keys_that_are_not_what_they_say_sign_nothing),
		T(an_unknown_kind_of_key_is_no_fault_of_its_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
