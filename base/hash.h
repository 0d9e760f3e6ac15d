/* hash: SHA-256 and HMAC-SHA-256 (FIPS 180-4, RFC 2104), through OpenSSL. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stdbool.h>

#include "base/err.h"

#define DIGEST_LEN 32                           /* bytes */
#define DIGEST_HEX_LEN (2 * DIGEST_LEN)         /* characters, without the NUL */

struct digest {
	uint8_t bytes[DIGEST_LEN];
};

struct hash;    /* a SHA-256 under way */

struct hash *hash_new(void);            /* NULL when there is no memory */
void hash_add(struct hash *h, const void *bytes, size_t len);
void hash_final(struct hash *h, struct digest *out);    /* then add again from the start */
void hash_free(struct hash *h);         /* NULL is fine */

void hash_bytes(struct digest *out, const void *bytes, size_t len);
void hash_hmac(struct digest *out, const void *key, size_t key_len, const void *bytes, size_t len);
int hash_fd(struct digest *out, int fd, uint64_t *size, struct err *e) MUST_CHECK;     /* from the current offset to the end; size may be NULL */

bool digest_equal(const struct digest *a, const struct digest *b);      /* in constant time */
bool digest_is_zero(const struct digest *d);    /* all zero means "none" */
void digest_hex(char out[DIGEST_HEX_LEN + 1], const struct digest *d);
bool digest_parse(struct digest *out, const char *hex, size_t len);     /* 64 lower-case hex digits only */

int random_bytes(void *out, size_t len, struct err *e) MUST_CHECK;      /* from the kernel */

AUTO_DEFINE(hash, struct hash *, hash_free);

#endif
