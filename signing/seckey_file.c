/* seckey_file: private keys in PEM files. */
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>
#include <string.h>

#include "base/file.h"
#include "signing/seckey_parts.h"

#define FILE_MAX 65536
#define ENCRYPTED "-----BEGIN ENCRYPTED PRIVATE KEY-----"
#define ENCRYPTED_OLD "Proc-Type: 4,ENCRYPTED"

/* RFC 7914: 16 MiB each time, the most that OpenSSL opens by default; p makes up for it. */
#define SCRYPT_N 16384
#define SCRYPT_R 8
#define SCRYPT_P 5
#define SALT_LEN 16

/* ---- signing ---- */

static int sign_with(EVP_MD_CTX *ctx, EVP_PKEY *pkey, enum pubkey_type type, const void *bytes, size_t len, struct buf *sig)
{
	size_t sig_len = 0;
	void *room;

	if (EVP_DigestSignInit(ctx, NULL, type == PUBKEY_ED25519 ? NULL : EVP_sha256(), NULL, pkey) != 1)
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

static int file_sign(void *held, enum pubkey_type type, const void *bytes, size_t len, struct buf *sig, struct err *e)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int rc = ctx ? sign_with(ctx, held, type, bytes, len, sig) : -1;

	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return rc < 0 ? err_set(e, ERR_INTERNAL, "the key did not sign") : 0;
}

static void file_free(void *held)
{
	EVP_PKEY_free(held);    /* OpenSSL wipes */
}

static const struct seckey_ops in_file = { file_sign, file_free };

/* Takes pkey, also on failure. */
static int from_pkey(struct seckey **out, EVP_PKEY *pkey, struct err *e)
{
	struct pubkey *public;

	if (seckey_public_of(&public, pkey, e) < 0) {
		EVP_PKEY_free(pkey);
		return e->code;
	}
	return seckey_hold(out, &in_file, pkey, public, e);
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

/* ---- reading ---- */

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
	if (a->refused)         /* OpenSSL tries a second way to read the file; nobody is asked a second time */
		return -1;
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

static EVP_PKEY *read_private(const struct buf *pem, struct asking *asking)
{
	BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->len);
	EVP_PKEY *pkey = bio ? PEM_read_bio_PrivateKey(bio, NULL, on_password, asking) : NULL;

	BIO_free(bio);
	ERR_clear_error();
	return pkey;
}

/* A public half that stands beside the private one must be its own: people look at it before they open the key. */
static int check_beside(const struct seckey *k, const struct buf *pem, struct err *e)
{
	AUTO(pubkey) struct pubkey *beside = NULL;
	struct err none;

	if (!strstr(pem->data, "-----BEGIN PUBLIC KEY-----"))
		return 0;
	if (pubkey_from_pem(&beside, pem->data, pem->len, &none) < 0 || !pubkey_equal(beside, k->public))
		return err_set(e, ERR_FORMAT, "the public half in the file is of another key");
	return 0;
}

static int load(struct seckey **out, const struct buf *pem, struct asking *asking, struct err *e)
{
	AUTO(seckey) struct seckey *k = NULL;
	EVP_PKEY *pkey = read_private(pem, asking);

	if (!pkey)
		return why_not(asking, e);
	if (from_pkey(&k, pkey, e) < 0 || check_beside(k, pem, e) < 0)
		return err_wrap(e, "%s", asking->path);
	*out = TAKE(k);
	return 0;
}

int seckey_file_load(struct seckey **out, const char *path, seckey_ask *ask, void *arg, struct err *e)
{
	struct asking asking = { .ask = ask, .arg = arg, .path = path, .e = e };
	AUTO(buf) struct buf *pem = NULL;
	int code;

	if (file_read_secret(&pem, path, FILE_MAX, e) < 0)
		return e->code;
	code = load(out, pem, &asking, e);
	OPENSSL_cleanse(pem->data, pem->len);
	return code;
}

static bool is_encrypted(const struct buf *pem)
{
	return strstr(pem->data, ENCRYPTED) || strstr(pem->data, ENCRYPTED_OLD);
}

/* An encrypted file shows what stands beside the key, a plain one the key's own public half. */
static int look(const struct buf *pem, const char *path, seckey_visit *visit, void *arg, struct err *e)
{
	struct seckey_seen seen = { .where = path, .name = path, .encrypted = is_encrypted(pem), .note = "" };
	struct asking nobody = { .path = path, .e = e };
	AUTO(seckey) struct seckey *k = NULL;
	AUTO(pubkey) struct pubkey *beside = NULL;
	struct err why;

	if (seen.encrypted) {
		if (pubkey_from_pem(&beside, pem->data, pem->len, &why) < 0)
			seen.note = "encrypted, and says no public half";
		seen.public = beside;
		return visit(arg, &seen, e);
	}
	if (load(&k, pem, &nobody, &why) < 0) {
		if (why.code != ERR_UNSUPPORTED) {
			*e = why;
			return e->code;
		}
		seen.note = "RSA or another kind that does not sign here";
	} else {
		seen.public = k->public;
	}
	return visit(arg, &seen, e);
}

int seckey_file_look(const char *path, seckey_visit *visit, void *arg, struct err *e)
{
	AUTO(buf) struct buf *pem = NULL;
	int code;

	if (file_read_secret(&pem, path, FILE_MAX, e) < 0)
		return e->code;
	code = look(pem, path, visit, arg, e);
	OPENSSL_cleanse(pem->data, pem->len);
	return code;
}

/* ---- writing ---- */

static int write_encrypted(BIO *bio, EVP_PKEY *pkey, const char *passphrase)
{
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(pkey);
	X509_ALGOR *how = PKCS5_pbe2_set_scrypt(EVP_aes_256_cbc(), NULL, SALT_LEN, NULL, SCRYPT_N, SCRYPT_R, SCRYPT_P);
	X509_SIG *sealed = info && how ? PKCS8_set0_pbe(passphrase, (int)strlen(passphrase), info, how) : NULL;
	int good;

	if (!sealed)
		X509_ALGOR_free(how);
	good = sealed && PEM_write_bio_PKCS8(bio, sealed) == 1 && PEM_write_bio_PUBKEY(bio, pkey) == 1;
	X509_SIG_free(sealed);
	PKCS8_PRIV_KEY_INFO_free(info);
	return good;
}

static int save(BIO *bio, EVP_PKEY *pkey, const char *path, const char *passphrase, struct err *e)
{
	char *pem = NULL;
	long len;
	int good;

	if (!bio)
		return err_memory(e);
	/* Given a cipher and no passphrase, OpenSSL would ask on the terminal: never here. */
	good = passphrase ? write_encrypted(bio, pkey, passphrase)
			  : PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL);
	if (good != 1)
		return err_set(e, ERR_INTERNAL, "%s: the key cannot be written", path);
	len = BIO_get_mem_data(bio, &pem);
	return file_create(path, pem, (size_t)len, 0600, e);
}

int seckey_save(const struct seckey *k, const char *path, const char *passphrase, struct err *e)
{
	BIO *bio;
	int code;

	if (k->ops != &in_file)
		return err_set(e, ERR_UNSUPPORTED, "%s: the key is in a token and stays there", path);
	if (file_exists(path))
		return err_set(e, ERR_CONFLICT, "%s: exists already", path);
	if (passphrase && (!*passphrase || strlen(passphrase) >= SECKEY_SECRET_MAX))
		return err_set(e, ERR_USAGE, "%s: a passphrase of 1 to %d bytes", path, SECKEY_SECRET_MAX - 1);
	bio = BIO_new(BIO_s_secmem());
	code = save(bio, k->held, path, passphrase, e);
	BIO_free(bio);
	ERR_clear_error();
	return code;
}
