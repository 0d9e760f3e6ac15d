/*
 * token: what devices and operators show to be let in.
 *
 * A device token is "rhd1.<id>.<generation>.<base64url HMAC-SHA-256>": it is
 * checked without the store. Operators' and enrolment tokens are random words;
 * only their SHA-256 is kept. See operators.h for whose they are.
 */
#ifndef SERVER_TOKEN_H
#define SERVER_TOKEN_H

#include <stdbool.h>

#include "base/hash.h"
#include "server/route.h"
#include "server/store.h"

#define TOKEN_MAX 192
#define TOKEN_WORD_MAX 64
#define TOKEN_BEARER_MAX 8192   /* bytes of anything that is shown to be let in */

struct token_key {
	uint8_t bytes[32];
};

/* Reads the key, or makes it (0600) when the file is absent. */
int token_key_load(struct token_key *out, const char *path, struct err *e) MUST_CHECK;

void token_device(char out[TOKEN_MAX], const struct token_key *k, const char *id, uint64_t generation);
/* False for anything this key did not make. The caller compares the generation. */
bool token_device_check(const struct token_key *k, const char *token, char id[DEVICE_ID_LEN + 1], uint64_t *generation);

/* Whom an enrolment makes: the same token (by its hash), nonce and host give the same id. */
void token_device_id(char out[DEVICE_ID_LEN + 1], const struct token_key *k, const struct digest *enrolment, const char *nonce, const char *host);

/* A new random word with this prefix: "rhe_<43 characters>". */
int token_word(char out[TOKEN_WORD_MAX], const char *prefix, struct err *e) MUST_CHECK;
void token_hash(struct digest *out, const char *token);

/* "rh1:<host>:<port>:<base64url pin>:<token>"; an IPv6 address gets brackets. */
void token_enrolment(struct buf *out, const char *host, int port, const struct digest *pin, const char *token);

/* "Bearer X" in Authorization; NULL when there is none. Borrowed. */
const char *token_bearer(const struct http_request *q);

#endif
