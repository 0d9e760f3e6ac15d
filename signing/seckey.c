/* seckey: private keys, in a file or in a token. */
#include "signing/seckey.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "signing/pkcs11.h"
#include "signing/seckey_parts.h"

#define URI_FILE_MAX 4096       /* bytes of a *.uri file */

void seckey_free(struct seckey *k)
{
	if (!k)
		return;
	k->ops->free(k->held);
	pubkey_free(k->public);
	free(k);
}

const struct pubkey *seckey_public(const struct seckey *k)
{
	return k->public;
}

int seckey_sign(const struct seckey *k, const void *bytes, size_t len, struct buf *sig, struct err *e)
{
	return k->ops->sign(k->held, pubkey_type(k->public), bytes, len, sig, e);
}

int seckey_hold(struct seckey **out, const struct seckey_ops *ops, void *held, struct pubkey *public, struct err *e)
{
	AUTO(seckey) struct seckey *k = calloc(1, sizeof *k);

	if (!k) {
		ops->free(held);
		pubkey_free(public);
		return err_memory(e);
	}
	*k = (struct seckey){ ops, held, public };
	if (pubkey_type(public) == PUBKEY_RSA)
		return err_set(e, ERR_UNSUPPORTED, "an RSA key: its signatures are verified, not made; use Ed25519 or P-256");
	*out = TAKE(k);
	return 0;
}

int seckey_public_of(struct pubkey **out, EVP_PKEY *pkey, struct err *e)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *pem = NULL;
	long len = 0;
	int rc;

	if (bio && PEM_write_bio_PUBKEY(bio, pkey) == 1)
		len = BIO_get_mem_data(bio, &pem);
	rc = len > 0 ? pubkey_from_pem(out, pem, (size_t)len, e)
		     : err_set(e, ERR_FORMAT, "a key without a public half");
	BIO_free(bio);
	return rc;
}

/* ---- tokens ---- */

static int token_sign(void *held, enum pubkey_type type, const void *bytes, size_t len, struct buf *sig, struct err *e)
{
	(void)type;
	return pkcs11_sign(held, bytes, len, sig, e);
}

static void token_free(void *held)
{
	pkcs11_free(held);
}

static const struct seckey_ops in_token = { token_sign, token_free };

static int token_load(struct seckey **out, const char *uri, seckey_ask *ask, void *arg, struct err *e)
{
	struct pkcs11_key *key;
	struct pubkey *public;

	if (pkcs11_open(&key, &public, uri, ask, arg, e) < 0)
		return e->code;
	return seckey_hold(out, &in_token, key, public, e);
}

int seckey_generate_token(struct seckey **out, const char *uri, enum pubkey_type type, seckey_ask *ask, void *arg, struct err *e)
{
	struct pkcs11_key *key;
	struct pubkey *public;

	if (pkcs11_generate(&key, &public, uri, type, ask, arg, e) < 0)
		return e->code;
	return seckey_hold(out, &in_token, key, public, e);
}

/* ---- where ---- */

bool seckey_is_uri(const char *where)
{
	return strncmp(where, SECKEY_URI, strlen(SECKEY_URI)) == 0;
}

bool seckey_is_uri_file(const char *where)
{
	size_t len = strlen(where), suffix = strlen(SECKEY_URI_FILE);

	return len > suffix && strcmp(where + len - suffix, SECKEY_URI_FILE) == 0;
}

/* The one line of a *.uri file, which may hold a PIN: it is guarded as keys are. */
static int read_uri(struct buf **out, const char *path, struct err *e)
{
	AUTO(buf) struct buf *text = NULL;
	size_t len;

	if (file_read_secret(&text, path, URI_FILE_MAX, e) < 0)
		return e->code;
	len = strcspn(text->data, "\r\n");
	if (!seckey_is_uri(text->data) || text->data[len + strspn(text->data + len, "\r\n")] != '\0' || strlen(text->data) != text->len)
		return err_set(e, ERR_FORMAT, "%s: not one line with a %s URI", path, SECKEY_URI);
	text->data[len] = '\0';
	text->len = len;
	*out = TAKE(text);
	return 0;
}

static int wipe_uri(struct buf *text, int code)
{
	OPENSSL_cleanse(text->data, text->len);
	return code;
}

int seckey_load(struct seckey **out, const char *where, seckey_ask *ask, void *arg, struct err *e)
{
	AUTO(buf) struct buf *uri = NULL;

	if (seckey_is_uri(where))
		return token_load(out, where, ask, arg, e);
	if (!seckey_is_uri_file(where))
		return seckey_file_load(out, where, ask, arg, e);
	if (read_uri(&uri, where, e) < 0)
		return e->code;
	return wipe_uri(uri, token_load(out, uri->data, ask, arg, e)) < 0 ? err_wrap(e, "%s", where) : 0;
}

int seckey_look(const char *where, seckey_visit *visit, void *arg, struct err *e)
{
	AUTO(buf) struct buf *uri = NULL;

	if (seckey_is_uri(where))
		return pkcs11_look(where, visit, arg, e);
	if (!seckey_is_uri_file(where))
		return seckey_file_look(where, visit, arg, e);
	if (read_uri(&uri, where, e) < 0)
		return e->code;
	return wipe_uri(uri, pkcs11_look(uri->data, visit, arg, e)) < 0 ? err_wrap(e, "%s", where) : 0;
}
