/* hash: SHA-256 and HMAC-SHA-256, through OpenSSL. */
#include "base/hash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/hex.h"

#define READ_CHUNK ((size_t)128 * 1024)

struct hash {
	EVP_MD_CTX *ctx;
};

struct hash *hash_new(void)
{
	struct hash *h = calloc(1, sizeof *h);

	if (!h)
		return NULL;
	h->ctx = EVP_MD_CTX_new();
	if (!h->ctx || !EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL)) {
		hash_free(h);
		return NULL;
	}
	return h;
}

void hash_free(struct hash *h)
{
	if (!h)
		return;
	EVP_MD_CTX_free(h->ctx);
	free(h);
}

/* SHA-256 of bytes in memory cannot fail; going on without it would be worse than stopping. */
static void must(int ok)
{
	if (!ok)
		abort();
}

void hash_add(struct hash *h, const void *bytes, size_t len)
{
	must(EVP_DigestUpdate(h->ctx, bytes, len));
}

void hash_final(struct hash *h, struct digest *out)
{
	must(EVP_DigestFinal_ex(h->ctx, out->bytes, NULL));
	must(EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL));
}

void hash_bytes(struct digest *out, const void *bytes, size_t len)
{
	must(EVP_Digest(bytes, len, out->bytes, NULL, EVP_sha256(), NULL));
}

void hash_hmac(struct digest *out, const void *key, size_t key_len, const void *bytes, size_t len)
{
	unsigned out_len = DIGEST_LEN;

	must(HMAC(EVP_sha256(), key, (int)key_len, bytes, len, out->bytes, &out_len) != NULL);
}

int hash_fd(struct digest *out, int fd, uint64_t *size, struct err *e)
{
	AUTO(hash) struct hash *h = hash_new();
	AUTO_FREE char *chunk = malloc(READ_CHUNK);
	uint64_t total = 0;

	if (!h || !chunk)
		return err_memory(e);
	for (;;) {
		ssize_t n = read(fd, chunk, READ_CHUNK);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, "read");
		if (n == 0)
			break;
		hash_add(h, chunk, (size_t)n);
		total += (uint64_t)n;
	}
	hash_final(h, out);
	if (size)
		*size = total;
	return 0;
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
	return CRYPTO_memcmp(a->bytes, b->bytes, DIGEST_LEN) == 0;
}

bool digest_is_zero(const struct digest *d)
{
	static const struct digest zero;

	return digest_equal(d, &zero);
}

void digest_hex(char out[DIGEST_HEX_LEN + 1], const struct digest *d)
{
	hex_encode(out, d->bytes, DIGEST_LEN);
}

bool digest_parse(struct digest *out, const char *hex, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (hex[i] >= 'A' && hex[i] <= 'F')
			return false;
	return hex_decode(out->bytes, DIGEST_LEN, hex, len);
}

int random_bytes(void *out, size_t len, struct err *e)
{
	char *at = out;

	while (len) {
		ssize_t n = getrandom(at, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, "getrandom");
		at += n;
		len -= (size_t)n;
	}
	return 0;
}
