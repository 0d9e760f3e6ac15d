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
#define SECKEY_FILE ".pem"              /* what the names of files in a directory of keys end with */
#define SECKEY_URI_FILE ".uri"
#define SECKEY_SECRET_MAX 1024          /* room for a passphrase or PIN, its NUL included */

struct seckey;

bool seckey_is_uri(const char *where);
bool seckey_is_uri_file(const char *where);     /* by its name */

/*
 * Writes the passphrase of the file, or the PIN of the token, that `where` names
 * (never a URI's own PIN) into secret, NUL-terminated; negative refuses with e set.
 */
typedef int seckey_ask(void *arg, const char *where, char *secret, size_t cap, struct err *e);

int seckey_generate(struct seckey **out, struct err *e) MUST_CHECK;    /* Ed25519 */
int seckey_generate_type(struct seckey **out, enum pubkey_type type, struct err *e) MUST_CHECK;        /* ERR_UNSUPPORTED: RSA */
/*
 * Makes a pair that never leaves the token, under the URI's object= (which it
 * must have) and id= (made up when absent); ERR_CONFLICT when the token has
 * such a private key.
 */
int seckey_generate_token(struct seckey **out, const char *uri, enum pubkey_type type, seckey_ask *ask, void *arg, struct err *e) MUST_CHECK;
/*
 * Opens a key (PEM: PKCS #8, or what OpenSSL reads). ask NULL: nobody to ask. ERR_AUTH: no passphrase or PIN, or a wrong
 * one (a PIN is tried once, as tokens lock); ERR_REFUSED: a file others can read; ERR_NOT_FOUND: no such file, token or
 * key; ERR_CONFLICT: two tokens or keys fit; ERR_UNSUPPORTED: RSA; ERR_FORMAT: another curve, or no key at all.
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

/* ---- looking, without passphrase or PIN ---- */

struct seckey_seen {            /* everything is borrowed for the length of the call */
	const char *where;              /* opens this key; a URI without a PIN */
	const char *name;               /* the file's path, or the object's label */
	const struct pubkey *public;    /* NULL: it does not say without being opened, or is no key we use */
	bool token, encrypted;
	const char *note;               /* why public is NULL; "" otherwise */
};
typedef int seckey_visit(void *arg, const struct seckey_seen *seen, struct err *e);     /* negative ends it */

/*
 * The key of a file, or every key a URI fits (a token shows public keys without
 * a PIN). An encrypted file's public half is what the file says: seckey_load()
 * holds it to that. A token may show none.
 */
int seckey_look(const char *where, seckey_visit *visit, void *arg, struct err *e) MUST_CHECK;

AUTO_DEFINE(seckey, struct seckey *, seckey_free);

#endif
