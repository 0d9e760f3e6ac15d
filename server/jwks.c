/* jwks: the public keys of an identity provider. */
#include "server/jwks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "base/hex.h"
#include "base/json.h"
#include "base/log.h"

#define RSA_BITS_MIN 2048
#define RSA_BYTES_MAX 1024
#define P256_BYTES 32
#define ED25519_BYTES 32

struct jwk {
	char kid[JWKS_KID_MAX + 1];
	enum jwt_alg alg;
	EVP_PKEY *key;
};

struct jwks {
	struct jwk keys[JWKS_KEYS_MAX];
	size_t count;
};

static const char *const algs[] = { [JWT_RS256] = "RS256", [JWT_ES256] = "ES256", [JWT_EDDSA] = "EdDSA" };

const char *jwt_alg_name(enum jwt_alg a)
{
	return algs[a];
}

bool jwt_alg_parse(enum jwt_alg *out, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(algs); i++)
		if (strcmp(algs[i], name) == 0) {
			*out = (enum jwt_alg)i;
			return true;
		}
	return false;
}

void jwks_free(struct jwks *k)
{
	if (!k)
		return;
	for (size_t i = 0; i < k->count; i++)
		EVP_PKEY_free(k->keys[i].key);
	free(k);
}

size_t jwks_count(const struct jwks *k)
{
	return k->count;
}

/* ---- one key ---- */

/* A member in base64url, of at most cap bytes: how many, or a negative code. */
static int member(const struct json_doc *d, const struct json *o, const char *name, unsigned char *out, size_t cap, struct err *e)
{
	const char *text;
	int got;

	if (json_want_text(d, o, name, BASE64URL_LEN(RSA_BYTES_MAX), &text, e) < 0)
		return e->code;
	got = base64url_decode(out, cap, text, strlen(text));
	return got > 0 ? got : json_error(d, json_get(o, name), e, ERR_FORMAT, "%s is no base64url of at most %zu bytes", name, cap);
}

static EVP_PKEY *from_params(const char *type, OSSL_PARAM_BLD *b)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(b);
	EVP_PKEY *key = NULL;

	if (ctx && params && EVP_PKEY_fromdata_init(ctx) > 0 && EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) <= 0)
		key = NULL;
	OSSL_PARAM_free(params);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static EVP_PKEY *rsa_of(const unsigned char *n, int n_len, const unsigned char *exponent, int e_len)
{
	OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
	BIGNUM *modulus = BN_bin2bn(n, n_len, NULL), *public = BN_bin2bn(exponent, e_len, NULL);
	EVP_PKEY *key = NULL;

	if (b && modulus && public && OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, modulus) > 0 &&
	    OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_E, public) > 0)
		key = from_params("RSA", b);
	OSSL_PARAM_BLD_free(b);
	BN_free(modulus);
	BN_free(public);
	return key;
}

/* 0: not one for us. */
static int take_rsa(const struct json_doc *d, const struct json *o, EVP_PKEY **out, struct err *e)
{
	unsigned char n[RSA_BYTES_MAX], exponent[8];
	int n_len = member(d, o, "n", n, sizeof n, e), e_len;

	if (n_len < 0)
		return n_len;
	e_len = member(d, o, "e", exponent, sizeof exponent, e);
	if (e_len < 0)
		return e_len;
	if (!(exponent[e_len - 1] & 1) || (e_len == 1 && exponent[0] < 3))
		return json_error(d, json_get(o, "e"), e, ERR_FORMAT, "e is no exponent of an RSA key");
	*out = rsa_of(n, n_len, exponent, e_len);
	if (*out && EVP_PKEY_get_bits(*out) < RSA_BITS_MIN) {
		EVP_PKEY_free(*out);
		*out = NULL;
	}
	return 0;
}

static int take_p256(const struct json_doc *d, const struct json *o, EVP_PKEY **out, struct err *e)
{
	unsigned char point[1 + 2 * P256_BYTES] = { 4 };
	OSSL_PARAM_BLD *b;

	if (!json_is(json_get(o, "crv"), "P-256"))
		return 0;
	if (member(d, o, "x", point + 1, P256_BYTES, e) != P256_BYTES || member(d, o, "y", point + 1 + P256_BYTES, P256_BYTES, e) != P256_BYTES)
		return json_error(d, o, e, ERR_FORMAT, "x and y of a key on P-256 are 32 bytes each");
	b = OSSL_PARAM_BLD_new();
	if (b && OSSL_PARAM_BLD_push_utf8_string(b, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) > 0 &&
	    OSSL_PARAM_BLD_push_octet_string(b, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point) > 0)
		*out = from_params("EC", b);
	OSSL_PARAM_BLD_free(b);
	return *out ? 0 : json_error(d, o, e, ERR_FORMAT, "x and y are no point of P-256");
}

static int take_ed25519(const struct json_doc *d, const struct json *o, EVP_PKEY **out, struct err *e)
{
	unsigned char x[ED25519_BYTES];

	if (!json_is(json_get(o, "crv"), "Ed25519"))
		return 0;
	if (member(d, o, "x", x, sizeof x, e) != ED25519_BYTES)
		return json_error(d, o, e, ERR_FORMAT, "x of an Ed25519 key is 32 bytes");
	*out = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x, sizeof x);
	return 0;
}

static const struct {
	const char *kty;
	enum jwt_alg alg;
	int (*take)(const struct json_doc *d, const struct json *o, EVP_PKEY **out, struct err *e);
} kinds[] = {
	{ "RSA", JWT_RS256, take_rsa },
	{ "EC", JWT_ES256, take_p256 },
	{ "OKP", JWT_EDDSA, take_ed25519 },
};

/* "use", "alg" and "key_ops", each where it is there, let the key verify this algorithm. */
static bool is_for(const struct json *o, enum jwt_alg alg)
{
	const struct json *use = json_get(o, "use"), *named = json_get(o, "alg"), *ops = json_get(o, "key_ops");

	if ((use && !json_is(use, "sig")) || (named && !json_is(named, algs[alg])))
		return false;
	if (!ops)
		return true;
	for (uint32_t i = 0; ops->type == JSON_ARRAY && i < ops->count; i++)
		if (json_is(&ops->u.items[i], "verify"))
			return true;
	return false;
}

static int add_key(struct jwks *k, const struct json_doc *d, const struct json *o, struct err *e)
{
	struct jwk *to = &k->keys[k->count];
	const char *kid = NULL;

	if (o->type != JSON_OBJECT)
		return json_error(d, o, e, ERR_FORMAT, "a key is an object");
	if (json_may_text(d, o, "kid", JWKS_KID_MAX, &kid, e) < 0)
		return e->code;
	for (size_t i = 0; kid && i < ARRAY_LEN(kinds); i++) {
		if (!json_is(json_get(o, "kty"), kinds[i].kty) || !is_for(o, kinds[i].alg))
			continue;
		to->key = NULL;
		if (kinds[i].take(d, o, &to->key, e) < 0)
			return e->code;
		if (!to->key)
			continue;
		for (struct jwk *other = k->keys; other < to; other++)
			if (strcmp(other->kid, kid) == 0) {
				EVP_PKEY_free(TAKE(to->key));
				return json_error(d, o, e, ERR_FORMAT, "two keys have the kid \"%.80s\"", kid);
			}
		k->count++;
		to->alg = kinds[i].alg;
		snprintf(to->kid, sizeof to->kid, "%s", kid);
		return 0;
	}
	return 0;
}

int jwks_parse(struct jwks **out, const char *text, size_t len, struct err *e)
{
	static const struct json_limits limits = { .bytes = JWKS_BYTES_MAX, .depth = 16 };
	AUTO(json) struct json_doc *d = NULL;
	AUTO(jwks) struct jwks *k = calloc(1, sizeof *k);
	const struct json *keys;
	size_t odd = 0;

	if (!k)
		return err_memory(e);
	if (json_parse(&d, "JWK Set", text, len, &limits, e) < 0)
		return e->code;
	if (d->root->type != JSON_OBJECT)
		return json_error(d, d->root, e, ERR_FORMAT, "a JWK Set is an object");
	if (json_want_array(d, d->root, "keys", JWKS_KEYS_MAX, &keys, e) < 0)
		return e->code;
	/* One odd key is one key less: the others still let people in. */
	for (uint32_t i = 0; i < keys->count; i++)
		if (add_key(k, d, &keys->u.items[i], e) < 0) {
			log_warn("a key of the identity provider is left out: %s", e->msg);
			odd++;
		}
	if (odd && k->count == 0)
		return err_wrap(e, "no key of the JWK Set is of use");
	*out = TAKE(k);
	return 0;
}

/* ---- verifying ---- */

bool jwks_knows(const struct jwks *k, const char *kid)
{
	for (size_t i = 0; i < k->count; i++)
		if (strcmp(k->keys[i].kid, kid) == 0)
			return true;
	return false;
}

/* The r and s of a JWS as OpenSSL wants them: how many bytes, 0 when they are none. */
static size_t der_of(const unsigned char *raw, size_t len, unsigned char *out, size_t cap)
{
	ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *r, *s;
	int size = 0;

	if (!sig || len != (size_t)2 * P256_BYTES) {
		ECDSA_SIG_free(sig);
		return 0;
	}
	r = BN_bin2bn(raw, P256_BYTES, NULL);
	s = BN_bin2bn(raw + P256_BYTES, P256_BYTES, NULL);
	if (r && s && ECDSA_SIG_set0(sig, r, s) > 0) {
		size = i2d_ECDSA_SIG(sig, NULL);
		size = size > 0 && (size_t)size <= cap ? i2d_ECDSA_SIG(sig, &out) : 0;
	} else {
		BN_free(r);
		BN_free(s);
	}
	ECDSA_SIG_free(sig);
	return size > 0 ? (size_t)size : 0;
}

static bool check(const struct jwk *k, const char *text, size_t len, const unsigned char *sig, size_t sig_len)
{
	unsigned char der[80];
	EVP_MD_CTX *ctx;
	bool good;

	if (k->alg == JWT_ES256) {
		sig_len = der_of(sig, sig_len, der, sizeof der);
		sig = der;
	}
	ctx = sig_len ? EVP_MD_CTX_new() : NULL;
	/* RSA verifies PKCS #1 v1.5 unless told otherwise, which is what RS256 is. */
	good = ctx && EVP_DigestVerifyInit(ctx, NULL, k->alg == JWT_EDDSA ? NULL : EVP_sha256(), NULL, k->key) > 0 &&
	       EVP_DigestVerify(ctx, sig, sig_len, (const unsigned char *)text, len) == 1;
	EVP_MD_CTX_free(ctx);
	return good;
}

enum jwks_answer jwks_verify(const struct jwks *k, const char *kid, enum jwt_alg alg, const char *text, size_t len, const unsigned char *sig,
			     size_t sig_len)
{
	for (size_t i = 0; i < k->count; i++)
		if (k->keys[i].alg == alg && strcmp(k->keys[i].kid, kid) == 0)
			return check(&k->keys[i], text, len, sig, sig_len) ? JWKS_VALID : JWKS_INVALID;
	return JWKS_NO_KEY;
}
