/*
 * pkcs11: private keys in tokens, through the tokens' own PKCS #11 modules.
 *
 * A URI (RFC 7512) names module, token and key:
 *
 *	pkcs11:token=ringhold;object=timestamp?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/ringhold/pin
 *
 * Without module-path the modules registered with p11-kit are asked. The PIN is
 * pin-value, or the first line of pin-source (a file guarded as keys are), or
 * asked for. A PIN that a token refused is never tried again, and the last try a
 * token has left is not spent on a PIN nobody typed.
 *
 * What a token says is bounded and believed as little as a file: points must
 * lie on their curves, lengths must be those of the standard, and every
 * signature is verified before it is handed out. For seckey.
 */
#ifndef SIGNING_PKCS11_H
#define SIGNING_PKCS11_H

#include "signing/seckey.h"

struct pkcs11_key;      /* one private key, its session open; a mutex lets threads share it */

/* Codes as seckey_load() says them. *public is the caller's and must outlive the key, which checks every signature with it. */
int pkcs11_open(struct pkcs11_key **out, struct pubkey **public, const char *uri, seckey_ask *ask, void *arg, struct err *e) MUST_CHECK;
int pkcs11_generate(struct pkcs11_key **out, struct pubkey **public, const char *uri, enum pubkey_type type,
		    seckey_ask *ask, void *arg, struct err *e) MUST_CHECK;
void pkcs11_free(struct pkcs11_key *k);

/* A token that was pulled and is back is opened once more, with the PIN that opened it before. */
int pkcs11_sign(struct pkcs11_key *k, const void *bytes, size_t len, struct buf *sig, struct err *e) MUST_CHECK;

/* Every public key the URI fits and the token shows; never logs in. */
int pkcs11_look(const char *uri, seckey_visit *visit, void *arg, struct err *e) MUST_CHECK;

#endif
