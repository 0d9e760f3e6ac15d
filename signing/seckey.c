/* seckey: private keys; the only file that signs. */
#include "signing/seckey.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

#define FILE_MAX 65536

struct seckey {
	EVP_PKEY *pkey;
	struct pubkey *public;
};

void seckey_free(struct seckey *k)
{
	if (!k)
		return;
	EVP_PKEY_free(k->pkey);         /* OpenSSL wipes */
	pubkey_free(k->public);
	free(k);
}

const struct pubkey *seckey_public(const struct seckey *k)
{
	return k->public;
}

static int public_of(struct pubkey **out, EVP_PKEY *pkey, struct err *e)
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

/* Takes pkey, also on failure. */
static int from_pkey(struct seckey **out, EVP_PKEY *pkey, struct err *e)
{
	AUTO(seckey) struct seckey *k = calloc(1, sizeof *k);

	if (!k) {
		EVP_PKEY_free(pkey);
		return err_memory(e);
	}
	k->pkey = pkey;
	if (public_of(&k->public, pkey, e) < 0)
		return e->code;
	if (pubkey_type(k->public) == PUBKEY_RSA)
		return err_set(e, ERR_UNSUPPORTED, "an RSA key: its signatures are verified, not made; use Ed25519 or P-256");
	*out = TAKE(k);
	return 0;
}

int seckey_generate(struct seckey **out, struct err *e)
{
	return seckey_generate_type(out, PUBKEY_ED25519, e);
}

int seckey_generate_type(struct seckey **out, enum pubkey_type type, struct err *e)
{
	EVP_PKEY *pkey;

	if (type == PUBKEY_RSA)
		return err_set(e, ERR_UNSUPPORTED, "RSA keys are verified, not made; use Ed25519 or P-256");
	pkey = type == PUBKEY_ED25519 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519") : EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	if (!pkey)
		return err_set(e, ERR_INTERNAL, "no key can be made");
	return from_pkey(out, pkey, e);
}

/* ---- files ---- */

struct asking {
	seckey_ask *ask;
	void *arg;
	const char *path;
	struct err *e;
	bool asked, refused;
};

static int on_password(char *out, int cap, int writing, void *arg)
{
	struct asking *a = arg;

	(void)writing;
	a->asked = true;
	if (!a->ask || cap <= 1 || a->ask(a->arg, a->path, out, (size_t)cap, a->e) < 0) {
		a->refused = true;
		return -1;
	}
	return (int)strlen(out);
}

static int why_not(const struct asking *a, struct err *e)
{
	if (a->refused && a->ask)
		return err_wrap(e, "%s", a->path);
	if (a->refused)
		return err_set(e, ERR_AUTH, "%s: encrypted, and nobody to ask for the passphrase", a->path);
	if (a->asked)
		return err_set(e, ERR_AUTH, "%s: the passphrase does not open it", a->path);
	return err_set(e, ERR_FORMAT, "%s: no PEM private key", a->path);
}

int seckey_load(struct seckey **out, const char *path, seckey_ask *ask, void *arg, struct err *e)
{
	struct asking asking = { .ask = ask, .arg = arg, .path = path, .e = e };
	AUTO(buf) struct buf *pem = NULL;
	EVP_PKEY *pkey = NULL;
	BIO *bio;

	if (file_read_secret(&pem, path, FILE_MAX, e) < 0)
		return e->code;
	bio = BIO_new_mem_buf(pem->data, (int)pem->len);
	if (bio)
		pkey = PEM_read_bio_PrivateKey(bio, NULL, on_password, &asking);
	BIO_free(bio);
	OPENSSL_cleanse(pem->data, pem->len);
	ERR_clear_error();
	if (!pkey)
		return why_not(&asking, e);
	return from_pkey(out, pkey, e) < 0 ? err_wrap(e, "%s", path) : 0;
}

int seckey_save(const struct seckey *k, const char *path, const char *passphrase, struct err *e)
{
	const EVP_CIPHER *cipher = passphrase ? EVP_aes_256_cbc() : NULL;
	BIO *bio = BIO_new(BIO_s_secmem());
	char *pem = NULL;
	long len = 0;
	int rc;

	if (file_exists(path)) {
		BIO_free(bio);
		return err_set(e, ERR_CONFLICT, "%s: exists already", path);
	}
	if (passphrase && (!*passphrase || strlen(passphrase) >= SECKEY_SECRET_MAX)) {
		BIO_free(bio);
		return err_set(e, ERR_USAGE, "%s: a passphrase of 1 to %d bytes", path, SECKEY_SECRET_MAX - 1);
	}
	/* OpenSSL asks on the terminal when the passphrase is NULL and a cipher is given: never here. */
	if (bio && PEM_write_bio_PKCS8PrivateKey(bio, k->pkey, cipher, passphrase, passphrase ? (int)strlen(passphrase) : 0, NULL, NULL) == 1)
		len = BIO_get_mem_data(bio, &pem);
	rc = len > 0 ? file_replace(path, pem, (size_t)len, 0600, e)
		     : err_set(e, ERR_INTERNAL, "%s: the key cannot be written", path);
	BIO_free(bio);
	ERR_clear_error();
	return rc;
}

/* ---- signing ---- */

static int sign_with(EVP_MD_CTX *ctx, const struct seckey *k, const void *bytes, size_t len, struct buf *sig)
{
	enum pubkey_type type = pubkey_type(k->public);
	size_t sig_len = 0;
	void *room;

	if (EVP_DigestSignInit(ctx, NULL, type == PUBKEY_ED25519 ? NULL : EVP_sha256(), NULL, k->pkey) != 1)
		return -1;
	if (EVP_DigestSign(ctx, NULL, &sig_len, bytes, len) != 1)
		return -1;
	room = buf_grow(sig, sig_len);
	if (!room || EVP_DigestSign(ctx, room, &sig_len, bytes, len) != 1)
		return -1;
	sig->len += sig_len;
	sig->data[sig->len] = '\0';
	return 0;
}

int seckey_sign(const struct seckey *k, const void *bytes, size_t len, struct buf *sig, struct err *e)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int rc = ctx ? sign_with(ctx, k, bytes, len, sig) : -1;

	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return rc < 0 ? err_set(e, ERR_INTERNAL, "the key did not sign") : 0;
}
