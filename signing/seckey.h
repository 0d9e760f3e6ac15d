/*
 * seckey: private keys. The only file that signs; the agent does not link it.
 */
#ifndef SIGNING_SECKEY_H
#define SIGNING_SECKEY_H

#include "signing/pubkey.h"

struct seckey;

/* Writes a passphrase for the file at path, NUL-terminated, into pass; negative refuses with e set. */
typedef int seckey_ask(void *arg, const char *path, char *pass, size_t cap, struct err *e);

int seckey_generate(struct seckey **out, struct err *e) MUST_CHECK;    /* Ed25519 */
/* PEM (PKCS #8, or what OpenSSL reads); a file that group or others can read is ERR_REFUSED. ask NULL: encrypted keys are refused. */
int seckey_load(struct seckey **out, const char *path, seckey_ask *ask, void *arg, struct err *e) MUST_CHECK;
/* PKCS #8 PEM, mode 0600, durable; ERR_CONFLICT when the file exists. passphrase NULL: not encrypted. */
int seckey_save(const struct seckey *k, const char *path, const char *passphrase, struct err *e) MUST_CHECK;
void seckey_free(struct seckey *k);     /* wipes */

const struct pubkey *seckey_public(const struct seckey *k);     /* borrowed */
/* Appends the raw signature as TUF wants it: Ed25519 64 bytes, ECDSA DER, RSA-PSS with salt 32. */
int seckey_sign(const struct seckey *k, const void *bytes, size_t len, struct buf *sig, struct err *e) MUST_CHECK;

AUTO_DEFINE(seckey, struct seckey *, seckey_free);

#endif
