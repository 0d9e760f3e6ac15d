/*
 * jwt: a signed token of an identity provider (RFC 7515, 7519, 8725, 9068).
 *
 * Strict: three parts of canonical base64url; the algorithm is one of three,
 * never "none" or a shared secret, and the key decides which; a kid is needed,
 * and only the provider's own set is asked for it: "jwk", "jku" and "x5u" in a
 * token are not looked at; "crit" is refused; the type is one that is meant
 * for an API; issuer, audience, subject, exp and iat are needed. Pure.
 */
#ifndef SERVER_JWT_H
#define SERVER_JWT_H

#include "base/json.h"
#include "server/jwks.h"

#define JWT_BYTES_MAX 8192
#define JWT_LEEWAY_S 60         /* between the provider's clock and ours */
#define JWT_SUBJECT_MAX 255

struct jwt_rules {
	const char *issuer, *audience;
};

struct jwt {
	struct buf *text;               /* owned: what the claims point into */
	struct json_doc *claims;        /* owned */
	const char *subject;
	int64_t expires;
};

/*
 * ERR_FORMAT: no such token; ERR_NOT_FOUND: signed with a key that the set
 * does not have; ERR_AUTH: the signature or a claim is wrong; ERR_EXPIRED.
 */
int jwt_verify(struct jwt **out, const char *token, const struct jwks *keys, const struct jwt_rules *rules, int64_t now, struct err *e) MUST_CHECK;
void jwt_free(struct jwt *t);           /* NULL is fine */

/*
 * The texts of a claim: one text, or a list of them. path is the claim's name,
 * or, when there is none of that name, names joined by dots. A visit's
 * non-zero answer ends the walk and is returned.
 */
int jwt_each_text(const struct jwt *t, const char *path, int (*visit)(const char *text, void *arg), void *arg);

AUTO_DEFINE(jwt, struct jwt *, jwt_free);

#endif
