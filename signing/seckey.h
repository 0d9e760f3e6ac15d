/*
 * seckey: private keys, in a file or in a token. The only room that signs; the agent does not link it.
 *
 * A key is named by `where`: the path of a PEM file, a pkcs11: URI (RFC 7512),
 * or the path of a *.uri file that holds such a URI in its one line. Files that
 * group or others can read are refused. Keys sign as Ed25519 or as ECDSA on
 * P-256 with SHA-256; RSA is verified (pubkey), never made or used here.
 */
#ifndef SIGNING_SECKEY_H
#define SIGNING_SECKEY_H

#include "signing/pubkey.h"

#define SECKEY_URI "pkcs11:"            /* what a `where` in a token begins with */
#define SECKEY_URI_FILE ".uri"          /* what the name of a file with a URI ends with */
#define SECKEY_SECRET_MAX 1024          /* room for a passphrase or PIN, its NUL included */

struct seckey;

/* Writes the passphrase of the file, or the PIN of the token, that `where` names into secret, NUL-terminated; negative refuses with e set. */
typedef int seckey_ask(void *arg, const char *where, char *secret, size_t cap, struct err *e);

int seckey_generate(struct seckey **out, struct err *e) MUST_CHECK;    /* Ed25519 */
int seckey_generate_type(struct seckey **out, enum pubkey_type type, struct err *e) MUST_CHECK;        /* ERR_UNSUPPORTED: RSA */
/*
 * Opens a key (PEM: PKCS #8, or what OpenSSL reads). ask NULL: nobody to ask; encrypted files, and tokens whose
 * URI gives no PIN, are ERR_AUTH. ERR_REFUSED: a file others can read, or a PIN the token refused (tried once, as tokens
 * lock); ERR_NOT_FOUND: no such file, token or key; ERR_CONFLICT: two keys fit; ERR_UNSUPPORTED: RSA or another curve.
 */
int seckey_load(struct seckey **out, const char *where, seckey_ask *ask, void *arg, struct err *e) MUST_CHECK;
/*
 * PKCS #8 PEM, mode 0600, durable; ERR_CONFLICT when the file exists, ERR_UNSUPPORTED when the key is in a token.
 * passphrase NULL: not encrypted; else scrypt and AES-256, with the public half readable behind it.
 */
int seckey_save(const struct seckey *k, const char *path, const char *passphrase, struct err *e) MUST_CHECK;
void seckey_free(struct seckey *k);     /* wipes */

const struct pubkey *seckey_public(const struct seckey *k);     /* borrowed */
/* Appends the raw signature as TUF wants it: Ed25519 64 bytes, ECDSA DER. Any thread; a token is asked by one at a time. */
int seckey_sign(const struct seckey *k, const void *bytes, size_t len, struct buf *sig, struct err *e) MUST_CHECK;

AUTO_DEFINE(seckey, struct seckey *, seckey_free);

#endif
