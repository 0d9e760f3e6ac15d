/* pkcs11_object: finding keys on a token, and reading what they say of themselves. */
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "signing/pkcs11_parts.h"
#include "signing/seckey_parts.h"

#define MORE_MAX 4              /* attributes beside class, label and id */
#define HALVES_MAX 8            /* public objects of one private key */

/* ---- attributes ---- */

int pkcs11_value(const struct pkcs11_token *t, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, struct buf **out, struct err *e)
{
	AUTO(buf) struct buf *b = buf_new(PKCS11_VALUE_MAX);
	CK_ATTRIBUTE a = { type, NULL, 0 };
	CK_RV rv;

	if (!b || !buf_grow(b, PKCS11_VALUE_MAX))
		return err_memory(e);
	a.pValue = b->data;
	a.ulValueLen = PKCS11_VALUE_MAX;
	rv = t->f->C_GetAttributeValue(t->session, object, &a, 1);
	if (rv == CKR_BUFFER_TOO_SMALL)
		return err_set(e, ERR_LIMIT, "%s: an attribute of more than %d bytes", t->uri->name, PKCS11_VALUE_MAX);
	/* Absent and secret attributes are answers, too. */
	if (rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_ATTRIBUTE_SENSITIVE || (rv == CKR_OK && a.ulValueLen == CK_UNAVAILABLE_INFORMATION))
		a.ulValueLen = 0;
	else if (rv != CKR_OK)
		return pkcs11_error(t, rv, "read an attribute", e);
	if (a.ulValueLen > PKCS11_VALUE_MAX)
		return err_set(e, ERR_FORMAT, "%s: an attribute longer than the room for it", t->uri->name);
	b->len = a.ulValueLen;
	b->data[b->len] = '\0';
	*out = TAKE(b);
	return 0;
}

CK_ULONG pkcs11_number(const struct pkcs11_token *t, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, CK_ULONG otherwise)
{
	CK_ULONG value = otherwise;
	CK_ATTRIBUTE a = { type, &value, sizeof value };

	if (t->f->C_GetAttributeValue(t->session, object, &a, 1) != CKR_OK || a.ulValueLen != sizeof value)
		return otherwise;
	return value;
}

bool pkcs11_flag(const struct pkcs11_token *t, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, bool otherwise)
{
	CK_BBOOL value = otherwise;
	CK_ATTRIBUTE a = { type, &value, sizeof value };

	if (t->f->C_GetAttributeValue(t->session, object, &a, 1) != CKR_OK || a.ulValueLen != sizeof value)
		return otherwise;
	return value != CK_FALSE;
}

/* ---- finding ---- */

static int search(const struct pkcs11_token *t, CK_ATTRIBUTE *template, size_t count, CK_OBJECT_HANDLE *found, size_t max, struct err *e)
{
	CK_ULONG n = 0, total = 0;
	CK_RV rv = t->f->C_FindObjectsInit(t->session, template, count);

	if (rv != CKR_OK)
		return pkcs11_error(t, rv, "look for keys", e);
	do {
		n = 0;
		rv = t->f->C_FindObjects(t->session, found + total, max - total, &n);
		if (n > max - total)
			rv = CKR_GENERAL_ERROR;
		else
			total += n;
	} while (rv == CKR_OK && n > 0 && total < max);
	t->f->C_FindObjectsFinal(t->session);
	return rv == CKR_OK ? (int)total : pkcs11_error(t, rv, "look for keys", e);
}

int pkcs11_find(const struct pkcs11_token *t, CK_OBJECT_CLASS class, const CK_ATTRIBUTE *more, size_t more_count,
		CK_OBJECT_HANDLE *found, size_t max, struct err *e)
{
	static const CK_ATTRIBUTE_TYPE named[] = { CKA_LABEL, CKA_ID };
	CK_ATTRIBUTE template[1 + ARRAY_LEN(named) + MORE_MAX] = { { CKA_CLASS, &class, sizeof class } };
	size_t count = 1;

	for (size_t i = 0; i < ARRAY_LEN(named); i++) {
		const CK_ATTRIBUTE *a = p11_kit_uri_get_attribute(t->uri->uri, named[i]);

		if (a && more_count == 0)       /* what belongs to a found key is looked for by that key's own id */
			template[count++] = *a;
	}
	for (size_t i = 0; i < MIN(more_count, (size_t)MORE_MAX); i++)
		template[count++] = more[i];
	return search(t, template, count, found, max, e);
}

static const struct pkcs11_curve *curve_of(CK_KEY_TYPE key)
{
	for (size_t i = 0; i < ARRAY_LEN(pkcs11_curves); i++)
		if (pkcs11_curves[i].key == key)
			return &pkcs11_curves[i];
	return NULL;
}

int pkcs11_find_private(const struct pkcs11_token *t, CK_OBJECT_HANDLE *out, enum pubkey_type *type, struct err *e)
{
	CK_OBJECT_HANDLE found[2];
	const struct pkcs11_curve *curve;
	CK_KEY_TYPE key;
	int n = pkcs11_find(t, CKO_PRIVATE_KEY, NULL, 0, found, ARRAY_LEN(found), e);

	if (n < 0)
		return n;
	if (n == 0)
		return err_set(e, ERR_NOT_FOUND, "%s: the token has no such private key", t->uri->name);
	if (n > 1)
		return err_set(e, ERR_CONFLICT, "%s: two or more private keys fit; add object=... and id=...", t->uri->name);
	key = pkcs11_number(t, found[0], CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION);
	curve = curve_of(key);
	if (!curve)
		return err_set(e, ERR_UNSUPPORTED, "%s: %s; use Ed25519 or P-256", t->uri->name,
			       key == CKK_RSA ? "an RSA key: its signatures are verified, not made" : "a key of a kind that does not sign here");
	if (!pkcs11_flag(t, found[0], CKA_SIGN, true))
		return err_set(e, ERR_REFUSED, "%s: the key is not allowed to sign", t->uri->name);
	*out = found[0];
	*type = curve->type;
	return 0;
}

/* ---- public halves ---- */

static int from_point(const struct pkcs11_token *t, CK_OBJECT_HANDLE object, CK_KEY_TYPE key, struct pubkey **out, struct err *e)
{
	AUTO(buf) struct buf *params = NULL;
	AUTO(buf) struct buf *point = NULL;

	if (pkcs11_value(t, object, CKA_EC_PARAMS, &params, e) < 0 || pkcs11_value(t, object, CKA_EC_POINT, &point, e) < 0)
		return e->code;
	return pkcs11_point(out, key, params->data, params->len, point->data, point->len, e);
}

/* DER that holds a key: a certificate, or a SubjectPublicKeyInfo. */
static int from_der(const struct buf *der, bool certificate, struct pubkey **out, struct err *e)
{
	const unsigned char *at = (const unsigned char *)der->data;
	X509 *x = certificate ? d2i_X509(NULL, &at, (long)der->len) : NULL;
	EVP_PKEY *pkey = certificate ? X509_get_pubkey(x) : d2i_PUBKEY(NULL, &at, (long)der->len);
	int code;

	ERR_clear_error();
	if (!pkey || at != (const unsigned char *)der->data + der->len)
		code = err_set(e, ERR_FORMAT, "%s that does not decode", certificate ? "a certificate" : "a public key");
	else
		code = seckey_public_of(out, pkey, e);
	EVP_PKEY_free(pkey);
	X509_free(x);
	return code;
}

int pkcs11_public_of(const struct pkcs11_token *t, CK_OBJECT_HANDLE object, struct pubkey **out, struct err *e)
{
	AUTO(buf) struct buf *der = NULL;
	bool certificate = pkcs11_number(t, object, CKA_CLASS, CKO_PUBLIC_KEY) == CKO_CERTIFICATE;
	CK_KEY_TYPE key = pkcs11_number(t, object, CKA_KEY_TYPE, CKK_RSA);

	if (!certificate && curve_of(key))
		return from_point(t, object, key, out, e);
	if (!certificate)
		return err_set(e, ERR_UNSUPPORTED, "RSA or another kind that does not sign here");
	if (pkcs11_value(t, object, CKA_VALUE, &der, e) < 0)
		return e->code;
	return from_der(der, true, out, e);
}

/* The public objects of a class that belong to a private key: by id, or by label when it has no id. */
static int halves(const struct pkcs11_token *t, CK_OBJECT_HANDLE private, CK_OBJECT_CLASS class, CK_KEY_TYPE key,
		  CK_OBJECT_HANDLE *found, struct err *e)
{
	AUTO(buf) struct buf *id = NULL;
	AUTO(buf) struct buf *label = NULL;
	CK_ATTRIBUTE more[2];
	size_t count = 1;

	if (pkcs11_value(t, private, CKA_ID, &id, e) < 0 || pkcs11_value(t, private, CKA_LABEL, &label, e) < 0)
		return e->code;
	more[0] = id->len ? (CK_ATTRIBUTE){ CKA_ID, id->data, id->len } : (CK_ATTRIBUTE){ CKA_LABEL, label->data, label->len };
	if (class == CKO_PUBLIC_KEY)
		more[count++] = (CK_ATTRIBUTE){ CKA_KEY_TYPE, &key, sizeof key };
	return id->len || label->len ? pkcs11_find(t, class, more, count, found, HALVES_MAX, e) : 0;
}

/* Every object must say the same key. *out stays NULL when there is none. */
static int agree(const struct pkcs11_token *t, const CK_OBJECT_HANDLE *found, int count, struct pubkey **out, struct err *e)
{
	AUTO(pubkey) struct pubkey *first = NULL;

	for (int i = 0; i < count; i++) {
		AUTO(pubkey) struct pubkey *k = NULL;

		if (pkcs11_public_of(t, found[i], &k, e) < 0)
			return err_wrap(e, "%s", t->uri->name);
		if (first && !pubkey_equal(first, k))
			return err_set(e, ERR_CONFLICT, "%s: two different public halves stand under the key's id", t->uri->name);
		if (!first)
			first = TAKE(k);
	}
	*out = TAKE(first);
	return 0;
}

/* Some tokens keep the public half in the private object only. */
static int from_private(const struct pkcs11_token *t, CK_OBJECT_HANDLE private, CK_KEY_TYPE key, struct pubkey **out, struct err *e)
{
	AUTO(buf) struct buf *der = NULL;
	AUTO(buf) struct buf *point = NULL;

	if (pkcs11_value(t, private, CKA_PUBLIC_KEY_INFO, &der, e) < 0)
		return e->code;
	if (der->len && from_der(der, false, out, e) < 0)
		return err_wrap(e, "%s", t->uri->name);
	if (der->len)
		return 0;
	if (pkcs11_value(t, private, CKA_EC_POINT, &point, e) < 0)
		return e->code;
	if (point->len == 0)
		return err_set(e, ERR_NOT_FOUND, "%s: neither public key nor certificate stands under the key's id", t->uri->name);
	return from_point(t, private, key, out, e) < 0 ? err_wrap(e, "%s", t->uri->name) : 0;
}

int pkcs11_find_public(const struct pkcs11_token *t, CK_OBJECT_HANDLE private, enum pubkey_type type, struct pubkey **out, struct err *e)
{
	static const CK_OBJECT_CLASS classes[] = { CKO_PUBLIC_KEY, CKO_CERTIFICATE };
	AUTO(pubkey) struct pubkey *k = NULL;
	CK_KEY_TYPE key = pkcs11_curve(type)->key;

	for (size_t i = 0; !k && i < ARRAY_LEN(classes); i++) {
		CK_OBJECT_HANDLE found[HALVES_MAX];
		int n = halves(t, private, classes[i], key, found, e);

		if (n < 0 || agree(t, found, n, &k, e) < 0)
			return e->code;
	}
	if (!k && from_private(t, private, key, &k, e) < 0)
		return e->code;
	if (pubkey_type(k) != type)
		return err_set(e, ERR_FORMAT, "%s: its public half is a key of another type", t->uri->name);
	*out = TAKE(k);
	return 0;
}
