/* pubkey: public keys as TUF metadata carries them, and what they verify. */
#include "signing/pubkey.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hex.h"

#define RAW_LEN 32              /* Ed25519 public key */
#define ED25519_SIG_LEN 64
#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192       /* a larger one only costs time */
#define PEM_MAX 16384

struct pubkey {
	enum pubkey_type type;
	EVP_PKEY *pkey;
	unsigned char *id;      /* the 32 bytes, or the DER SubjectPublicKeyInfo, encoded by us */
	size_t id_len;
};

static const struct kind {
	const char *keytype, *scheme;
	enum pubkey_type type;
} kinds[] = {
	/* the first of a type is what we write */
	{ "ed25519", "ed25519", PUBKEY_ED25519 },
	{ "ecdsa", "ecdsa-sha2-nistp256", PUBKEY_ECDSA },
	{ "rsa", "rsassa-pss-sha256", PUBKEY_RSA },
	{ "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", PUBKEY_ECDSA },
};

static const struct kind *kind_of(enum pubkey_type type)
{
	size_t i = 0;

	while (kinds[i].type != type)
		i++;
	return &kinds[i];
}

void pubkey_free(struct pubkey *k)
{
	if (!k)
		return;
	EVP_PKEY_free(k->pkey);
	OPENSSL_free(k->id);
	free(k);
}

enum pubkey_type pubkey_type(const struct pubkey *k)
{
	return k->type;
}

bool pubkey_equal(const struct pubkey *a, const struct pubkey *b)
{
	return a->type == b->type && a->id_len == b->id_len && !memcmp(a->id, b->id, a->id_len);
}

/* ---- making ---- */

int pubkey_from_raw(struct pubkey **out, const uint8_t raw[32], struct err *e)
{
	AUTO(pubkey) struct pubkey *k = calloc(1, sizeof *k);

	if (!k)
		return err_memory(e);
	k->type = PUBKEY_ED25519;
	k->id = OPENSSL_memdup(raw, RAW_LEN);
	k->id_len = RAW_LEN;
	k->pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, raw, RAW_LEN);
	if (!k->id || !k->pkey)
		return err_memory(e);
	*out = TAKE(k);
	return 0;
}

/*
 * One point has one identity: explicit curve parameters are refused and the
 * point is always encoded uncompressed.
 */
static int accept_ec(EVP_PKEY *pkey, struct err *e)
{
	char group[64];
	int explicit_params = 0;

	if (EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group, NULL) != 1 ||
	    (strcmp(group, "prime256v1") != 0 && strcmp(group, "P-256") != 0))
		return err_set(e, ERR_FORMAT, "an elliptic curve other than P-256");
	if (EVP_PKEY_get_int_param(pkey, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &explicit_params) == 1 &&
	    explicit_params)
		return err_set(e, ERR_FORMAT, "a curve given by parameters, not by name");
	if (EVP_PKEY_set_utf8_string_param(pkey, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, "uncompressed") != 1)
		return err_set(e, ERR_FORMAT, "a point that cannot be encoded");
	return 0;
}

static int accept_rsa(const EVP_PKEY *pkey, struct err *e)
{
	int bits = EVP_PKEY_get_bits(pkey);

	if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX)
		return err_set(e, ERR_FORMAT, "an RSA key of %d bits; %d to %d are accepted", bits, RSA_BITS_MIN, RSA_BITS_MAX);
	return 0;
}

/* Takes pkey on success. */
static int from_pkey(struct pubkey **out, EVP_PKEY **pkey, struct err *e)
{
	AUTO(pubkey) struct pubkey *k = NULL;
	unsigned char raw[RAW_LEN];
	size_t raw_len = sizeof raw;
	int der_len;

	switch (EVP_PKEY_get_base_id(*pkey)) {
	case EVP_PKEY_ED25519:
		if (EVP_PKEY_get_raw_public_key(*pkey, raw, &raw_len) != 1 || raw_len != RAW_LEN)
			return err_set(e, ERR_FORMAT, "an Ed25519 key without its 32 bytes");
		return pubkey_from_raw(out, raw, e);
	case EVP_PKEY_EC:
		if (accept_ec(*pkey, e) < 0)
			return e->code;
		break;
	case EVP_PKEY_RSA:
		if (accept_rsa(*pkey, e) < 0)
			return e->code;
		break;
	default:
		return err_set(e, ERR_UNSUPPORTED, "a public key of an unknown type");
	}
	k = calloc(1, sizeof *k);
	if (!k)
		return err_memory(e);
	k->type = EVP_PKEY_get_base_id(*pkey) == EVP_PKEY_EC ? PUBKEY_ECDSA : PUBKEY_RSA;
	der_len = i2d_PUBKEY(*pkey, &k->id);
	if (der_len <= 0)
		return err_set(e, ERR_FORMAT, "a public key that cannot be encoded");
	k->id_len = (size_t)der_len;
	k->pkey = TAKE(*pkey);
	*out = TAKE(k);
	return 0;
}

static int no_password(char *out, int cap, int writing, void *arg)
{
	(void)out;
	(void)cap;
	(void)writing;
	(void)arg;
	return -1;
}

/*
 * The first block called PUBLIC KEY. Not PEM_read_bio_PUBKEY(): given an
 * encrypted private key, wherever it came from, that asks for its passphrase
 * on the terminal.
 */
static EVP_PKEY *read_pem(BIO *bio)
{
	unsigned char *der = NULL;
	const unsigned char *at;
	long len = 0;
	EVP_PKEY *pkey = NULL;

	if (PEM_bytes_read_bio(&der, &len, NULL, PEM_STRING_PUBLIC, bio, no_password, NULL) == 1) {
		at = der;
		pkey = d2i_PUBKEY(NULL, &at, len);
		if (pkey && at != der + len) {
			EVP_PKEY_free(pkey);
			pkey = NULL;
		}
	}
	OPENSSL_free(der);
	return pkey;
}

int pubkey_from_pem(struct pubkey **out, const char *pem, size_t len, struct err *e)
{
	BIO *bio;
	EVP_PKEY *pkey = NULL;
	int code;

	if (len > PEM_MAX)
		return err_set(e, ERR_LIMIT, "a PEM key of more than %d bytes", PEM_MAX);
	bio = BIO_new_mem_buf(pem, (int)len);
	if (!bio)
		return err_memory(e);
	pkey = read_pem(bio);
	BIO_free(bio);
	code = pkey ? from_pkey(out, &pkey, e) : err_set(e, ERR_FORMAT, "no PEM public key (SubjectPublicKeyInfo)");
	EVP_PKEY_free(pkey);
	ERR_clear_error();
	return code < 0 ? code : 0;
}

static int from_text(struct pubkey **out, enum pubkey_type type, const struct json *text, struct err *e)
{
	AUTO(pubkey) struct pubkey *k = NULL;
	uint8_t raw[RAW_LEN];

	if (type == PUBKEY_ED25519) {
		if (!hex_decode(raw, sizeof raw, text->u.text, text->count))
			return err_set(e, ERR_FORMAT, "an Ed25519 key that is not 64 hex digits");
		return pubkey_from_raw(out, raw, e);
	}
	if (pubkey_from_pem(&k, text->u.text, text->count, e) < 0)
		return e->code;
	if (k->type != type)
		return err_set(e, ERR_FORMAT, "a PEM key of another type than keytype says");
	*out = TAKE(k);
	return 0;
}

int pubkey_parse(struct pubkey **out, const struct json_doc *d, const struct json *key, struct err *e)
{
	const struct json *type = json_get(key, "keytype"), *scheme = json_get(key, "scheme");
	const struct json *value = json_get(json_get(key, "keyval"), "public");

	if (!type || type->type != JSON_STRING || !scheme || scheme->type != JSON_STRING)
		return json_error(d, key, e, ERR_FORMAT, "a key without keytype and scheme");
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (!json_is(type, kinds[i].keytype) || !json_is(scheme, kinds[i].scheme))
			continue;
		if (!value || value->type != JSON_STRING)
			return json_error(d, key, e, ERR_FORMAT, "a key without keyval.public");
		if (from_text(out, kinds[i].type, value, e) < 0) {
			struct err why = *e;

			return json_error(d, value, e, why.code, "%s", why.msg);
		}
		return 0;
	}
	return json_error(d, key, e, ERR_UNSUPPORTED, "a key of a type or scheme that is not supported");
}

int pubkey_read(struct pubkey **out, const char *path, struct err *e)
{
	AUTO(buf) struct buf *raw = NULL;
	AUTO(json) struct json_doc *doc = NULL;
	size_t blank;

	if (file_read(&raw, path, PUBKEY_FILE_MAX, e) < 0)
		return e->code;
	blank = strspn(raw->data, " \t\r\n");
	if (raw->data[blank] != '{')
		return pubkey_from_pem(out, raw->data, raw->len, e) < 0 ? err_wrap(e, "%s", path) : 0;
	if (json_parse(&doc, path, raw->data, raw->len, NULL, e) < 0)
		return e->code;
	return pubkey_parse(out, doc, doc->root, e);
}

/* ---- verifying ---- */

static bool verify_with(EVP_MD_CTX *ctx, const struct pubkey *k, const void *bytes, size_t len,
			const void *sig, size_t sig_len)
{
	const EVP_MD *md = k->type == PUBKEY_ED25519 ? NULL : EVP_sha256();
	EVP_PKEY_CTX *pctx = NULL;      /* owned by ctx */

	if (EVP_DigestVerifyInit(ctx, &pctx, md, NULL, k->pkey) != 1)
		return false;
	if (k->type == PUBKEY_RSA &&
	    (EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) != 1 ||
	     EVP_PKEY_CTX_set_rsa_mgf1_md(pctx, EVP_sha256()) != 1 ||
	     EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_AUTO) != 1))
		return false;
	return EVP_DigestVerify(ctx, sig, sig_len, bytes, len) == 1;
}

bool pubkey_verify(const struct pubkey *k, const void *bytes, size_t len, const void *sig, size_t sig_len)
{
	EVP_MD_CTX *ctx;
	bool good;

	if (sig_len == 0 || (k->type == PUBKEY_ED25519 && sig_len != ED25519_SIG_LEN))
		return false;
	ctx = EVP_MD_CTX_new();
	good = ctx && verify_with(ctx, k, bytes, len, sig, sig_len);
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return good;
}

/* ---- writing ---- */

static void put_public(const struct pubkey *k, struct json_writer *w)
{
	char hex[2 * RAW_LEN + 1];
	BIO *bio;
	char *pem = NULL;
	long len = 0;

	if (k->type == PUBKEY_ED25519) {
		hex_encode(hex, k->id, RAW_LEN);
		json_put_text(w, "public", hex);
		return;
	}
	bio = BIO_new(BIO_s_mem());
	if (bio && PEM_write_bio_PUBKEY(bio, k->pkey) == 1)
		len = BIO_get_mem_data(bio, &pem);
	if (len > 0)
		json_put_textn(w, "public", pem, (size_t)len);
	else
		w->out->failed = true;
	BIO_free(bio);
}

void pubkey_json(const struct pubkey *k, struct buf *out)
{
	const struct kind *kind = kind_of(k->type);
	struct json_writer w = { .out = out };

	json_open_object(&w, NULL);
	json_put_text(&w, "keytype", kind->keytype);
	json_open_object(&w, "keyval");
	put_public(k, &w);
	json_close_object(&w);
	json_put_text(&w, "scheme", kind->scheme);
	json_close_object(&w);
}

/* Canonical JSON leaves the line breaks of a PEM raw, which a JSON file must not: hence the second form. */
int pubkey_id(const struct pubkey *k, char out[DIGEST_HEX_LEN + 1], struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(PUBKEY_FILE_MAX), *canonical = buf_new(PUBKEY_FILE_MAX);
	AUTO(json) struct json_doc *doc = NULL;
	struct digest digest;

	if (!text || !canonical)
		return err_memory(e);
	pubkey_json(k, text);
	if (buf_check(text, e) < 0 || json_parse(&doc, "key", text->data, text->len, NULL, e) < 0 ||
	    json_canonical(canonical, doc->root, e) < 0)
		return e->code;
	hash_bytes(&digest, canonical->data, canonical->len);
	digest_hex(out, &digest);
	return 0;
}
