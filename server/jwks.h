/*
 * jwks: the public keys of an identity provider, a JWK Set (RFC 7517, 7518, 8037).
 *
 * Keys that are not for us are left out: of another type or curve, for
 * encryption, without a kid, RSA under 2048 bits. Each key that stays is good
 * for one algorithm only, by its type, whatever a token says.
 */
#ifndef SERVER_JWKS_H
#define SERVER_JWKS_H

#include <stddef.h>
#include <stdbool.h>

#include "base/err.h"

#define JWKS_BYTES_MAX ((size_t)256 << 10)
#define JWKS_KEYS_MAX 64
#define JWKS_KID_MAX 256

enum jwt_alg { JWT_RS256, JWT_ES256, JWT_EDDSA };

const char *jwt_alg_name(enum jwt_alg a);       /* "RS256" */
bool jwt_alg_parse(enum jwt_alg *out, const char *name);        /* exactly these three */

struct jwks;

/* ERR_FORMAT: no JWK Set, a damaged key, or one kid twice; ERR_LIMIT. A set with no key for us is one. Pure. */
int jwks_parse(struct jwks **out, const char *text, size_t len, struct err *e) MUST_CHECK;
void jwks_free(struct jwks *k);         /* NULL is fine */
size_t jwks_count(const struct jwks *k);

enum jwks_answer { JWKS_VALID, JWKS_INVALID, JWKS_NO_KEY /* no key with this kid and for this algorithm */ };

/* Is this the signature (as in a JWS: raw r and s of ES256) of the key `kid` over the text? */
enum jwks_answer jwks_verify(const struct jwks *k, const char *kid, enum jwt_alg alg, const char *text, size_t len, const unsigned char *sig,
			     size_t sig_len);
/* Is there a key with this kid, for whatever algorithm? */
bool jwks_knows(const struct jwks *k, const char *kid);

AUTO_DEFINE(jwks, struct jwks *, jwks_free);

#endif
