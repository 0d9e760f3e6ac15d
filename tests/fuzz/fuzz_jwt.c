/* fuzz_jwt: a set of keys, a line feed, a token. What is taken has a subject and is not expired. */
#include <stdlib.h>
#include <string.h>

#include "server/jwt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int count(const char *text, void *arg)
{
	*(size_t *)arg += strlen(text);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct jwt_rules rules = { "https://idp.example", "ringhold" };
	const uint8_t *split = memchr(data, '\n', len);
	size_t keys_len = split ? (size_t)(split - data) : len, total = 0;
	AUTO_FREE char *token = strndup(split ? (const char *)split + 1 : "", split ? len - keys_len - 1 : 0);
	AUTO(jwks) struct jwks *keys = NULL;
	AUTO(jwt) struct jwt *t = NULL;
	struct err e;

	if (!token || jwks_parse(&keys, (const char *)data, keys_len, &e) < 0)
		return 0;
	if (jwks_count(keys) > JWKS_KEYS_MAX)
		abort();
	if (jwt_verify(&t, token, keys, &rules, 1795000000, &e) < 0)
		return 0;
	if (!t->subject[0] || t->expires < 1795000000 - JWT_LEEWAY_S)
		abort();
	(void)!jwt_each_text(t, "realm_access.roles", count, &total);
	(void)!jwt_each_text(t, "groups", count, &total);
	return 0;
}
