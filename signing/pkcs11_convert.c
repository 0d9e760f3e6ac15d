/* pkcs11_convert: curves, points and signatures, as tokens write them and as the world does. */
#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <string.h>

#include "signing/pkcs11_parts.h"
#include "signing/seckey_parts.h"

#define POINT_LEN 65            /* P-256, uncompressed: 04, x, y */
#define RAW_LEN 32              /* Ed25519 */
#define SIGNATURE_LEN 64        /* both */
#define OCTET_STRING 0x04

#define P256_OID "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"
#define ED25519_NAME "\x13\x0c" "edwards25519"          /* PKCS #11 3.0: PrintableString */
#define ED25519_OID "\x06\x03\x2b\x65\x70"              /* RFC 8410 */
#define ED25519_OID_GNU "\x06\x09\x2b\x06\x01\x04\x01\xda\x47\x0f\x01"
#define BYTES(text) text, sizeof text - 1

const struct pkcs11_curve pkcs11_curves[2] = {
	{ PUBKEY_ED25519, CKK_EC_EDWARDS, CKM_EC_EDWARDS_KEY_PAIR_GEN, CKM_EDDSA, BYTES(ED25519_NAME) },
	{ PUBKEY_ECDSA, CKK_EC, CKM_EC_KEY_PAIR_GEN, CKM_ECDSA, BYTES(P256_OID) },
};

static const struct {
	CK_KEY_TYPE key;
	const char *params;
	size_t len;
} known[] = {
	{ CKK_EC, BYTES(P256_OID) },
	{ CKK_EC_EDWARDS, BYTES(ED25519_NAME) },
	{ CKK_EC_EDWARDS, BYTES(ED25519_OID) },
	{ CKK_EC_EDWARDS, BYTES(ED25519_OID_GNU) },
};

const struct pkcs11_curve *pkcs11_curve(enum pubkey_type type)
{
	return &pkcs11_curves[type == PUBKEY_ECDSA];
}

static bool is_known(CK_KEY_TYPE key, const void *params, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (known[i].key == key && known[i].len == len && memcmp(known[i].params, params, len) == 0)
			return true;
	return false;
}

/* DER SubjectPublicKeyInfo of a point; OpenSSL refuses one that is not on the curve. */
static int from_p256(struct pubkey **out, const uint8_t point[POINT_LEN], struct err *e)
{
	static const uint8_t head[] = { 0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
					0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00 };
	uint8_t der[sizeof head + POINT_LEN];
	const uint8_t *at = der;
	EVP_PKEY *pkey;
	int code;

	memcpy(der, head, sizeof head);
	memcpy(der + sizeof head, point, POINT_LEN);
	pkey = d2i_PUBKEY(NULL, &at, sizeof der);
	ERR_clear_error();
	if (!pkey)
		return err_set(e, ERR_FORMAT, "a point that is not on P-256");
	code = seckey_public_of(out, pkey, e);
	EVP_PKEY_free(pkey);
	return code;
}

int pkcs11_point(struct pubkey **out, CK_KEY_TYPE key, const void *params, size_t params_len, const void *point, size_t point_len,
		 struct err *e)
{
	const uint8_t *bytes = point;
	size_t want = key == CKK_EC ? POINT_LEN : RAW_LEN;

	if (!is_known(key, params, params_len))
		return err_set(e, ERR_UNSUPPORTED, "a curve other than P-256 and Ed25519");
	if (point_len == want + 2 && bytes[0] == OCTET_STRING && bytes[1] == want) {
		bytes += 2;
		point_len -= 2;
	}
	if (point_len != want || (key == CKK_EC && bytes[0] != 0x04))
		return err_set(e, ERR_FORMAT, "a point of %zu bytes that is no uncompressed point of its curve", point_len);
	return key == CKK_EC ? from_p256(out, bytes, e) : pubkey_from_raw(out, bytes, e);
}

static int put_der(struct buf *out, const uint8_t raw[SIGNATURE_LEN])
{
	ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(raw, SIGNATURE_LEN / 2, NULL), *s = BN_bin2bn(raw + SIGNATURE_LEN / 2, SIGNATURE_LEN / 2, NULL);
	unsigned char *der = NULL;
	int len = 0;

	if (sig && r && s && ECDSA_SIG_set0(sig, r, s) == 1) {
		r = s = NULL;           /* sig's now */
		len = i2d_ECDSA_SIG(sig, &der);
	}
	if (len > 0)
		buf_add(out, der, (size_t)len);
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(sig);
	OPENSSL_free(der);
	return len > 0 ? 0 : -1;
}

int pkcs11_signature(struct buf *out, enum pubkey_type type, const void *raw, size_t len, struct err *e)
{
	if (len != SIGNATURE_LEN)
		return err_set(e, ERR_FORMAT, "the token gave a signature of %zu bytes, not %d", len, SIGNATURE_LEN);
	if (type == PUBKEY_ED25519)
		buf_add(out, raw, len);
	else if (put_der(out, raw) < 0)
		return err_memory(e);
	return buf_check(out, e);
}
