/* seckey_parts: what the files behind seckey share; for seckey*.c and pkcs11*.c only. */
#ifndef SIGNING_SECKEY_PARTS_H
#define SIGNING_SECKEY_PARTS_H

#include <openssl/types.h>

#include "signing/seckey.h"

/* A way to hold a key. `held` is its own. */
struct seckey_ops {
	/* Appends the raw signature, as seckey_sign() says; one call at a time per held key is the way's own business. */
	int (*sign)(void *held, enum pubkey_type type, const void *bytes, size_t len, struct buf *sig, struct err *e);
	void (*free)(void *held);
};

struct seckey {
	const struct seckey_ops *ops;
	void *held;             /* owned */
	struct pubkey *public;  /* owned */
};

/* Takes held and public, also on failure. ERR_UNSUPPORTED for RSA. */
int seckey_hold(struct seckey **out, const struct seckey_ops *ops, void *held, struct pubkey *public, struct err *e) MUST_CHECK;

/* The public half of any OpenSSL key, private or public. */
int seckey_public_of(struct pubkey **out, EVP_PKEY *pkey, struct err *e) MUST_CHECK;

int seckey_file_load(struct seckey **out, const char *path, seckey_ask *ask, void *arg, struct err *e) MUST_CHECK;
int seckey_file_look(const char *path, seckey_visit *visit, void *arg, struct err *e) MUST_CHECK;

#endif
