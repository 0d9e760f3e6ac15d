#include "rollout/vouch.h"

#include <stdio.h>
#include <string.h>

#include "base/name.h"

static const char prefix[] = "vouched ";

void vouch_write(char out[VOUCH_LEN + 1], const void *key, size_t key_len, const char *channel, const struct digest *digest)
{
	char said[NAME_LEN_MAX + DIGEST_HEX_LEN + 32], hex[DIGEST_HEX_LEN + 1];
	struct digest mac;
	int len;

	digest_hex(hex, digest);
	len = snprintf(said, sizeof said, "ringhold survived\n%.*s\n%s\n", NAME_LEN_MAX, channel, hex);
	hash_hmac(&mac, key, key_len, said, (size_t)len);
	digest_hex(hex, &mac);
	snprintf(out, VOUCH_LEN + 1, "%s%s", prefix, hex);
}

bool vouch_check(const char *detail, const void *key, size_t key_len, const char *channel, const struct digest *digest)
{
	const char *at = strstr(detail, prefix);
	char want[VOUCH_LEN + 1];
	unsigned differs = 0;

	if (!at || strnlen(at, VOUCH_LEN) < VOUCH_LEN)
		return false;
	vouch_write(want, key, key_len, channel, digest);
	for (size_t i = 0; i < VOUCH_LEN; i++)
		differs |= (unsigned)(at[i] ^ want[i]);
	return differs == 0;
}
