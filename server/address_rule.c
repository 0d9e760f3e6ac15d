/* address_rule: where a server may be sent by what its operators write. */
#include "server/address_rule.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"

static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

/* False: of another family. */
static bool bytes_of(unsigned char out[16], const struct sockaddr *a)
{
	if (a->sa_family == AF_INET) {
		memcpy(out, mapped, sizeof mapped);
		memcpy(out + 12, &((const struct sockaddr_in *)(const void *)a)->sin_addr, 4);
		return true;
	}
	if (a->sa_family == AF_INET6)
		memcpy(out, &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr, 16);
	return a->sa_family == AF_INET6;
}

static bool same_prefix(const unsigned char *a, const unsigned char *b, int bits)
{
	int whole = bits / 8, rest = bits % 8;

	return memcmp(a, b, (size_t)whole) == 0 && (!rest || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0);
}

int network_parse(struct network *out, const char *text, struct err *e)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	char address[INET6_ADDRSTRLEN];
	int64_t bits = 128;
	bool four;

	if (len >= sizeof address)
		return err_set(e, ERR_FORMAT, "\"%.60s\" is no network such as 10.0.0.0/8", text);
	memcpy(address, text, len);
	address[len] = '\0';
	memcpy(out->bytes, mapped, sizeof mapped);
	four = inet_pton(AF_INET, address, out->bytes + 12) == 1;
	if (!four && inet_pton(AF_INET6, address, out->bytes) != 1)
		return err_set(e, ERR_FORMAT, "\"%.60s\" is no network such as 10.0.0.0/8", text);
	if (slash && (!number_parse(&bits, slash + 1) || bits < 0 || bits > (four ? 32 : 128)))
		return err_set(e, ERR_FORMAT, "\"%.60s\": the prefix is no number of bits", text);
	out->bits = (int)(slash && four ? bits + 96 : bits);
	for (int i = out->bits; i < 128; i++)
		if (out->bytes[i / 8] & (0x80 >> i % 8))
			return err_set(e, ERR_FORMAT, "\"%.60s\": bits behind the prefix are set", text);
	return 0;
}

bool network_has(const struct network *n, const struct sockaddr *a)
{
	unsigned char bytes[16];

	return bytes_of(bytes, a) && same_prefix(bytes, n->bytes, n->bits);
}

/* IANA's special-purpose registries: what is not globally reachable, and what hides an IPv4 address. */
static const char *const closed[] = {
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
	"192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "fc00::/7", "fe80::/10",
	"fec0::/10", "ff00::/8",
};

bool address_public(const struct sockaddr *a)
{
	unsigned char bytes[16];

	if (!bytes_of(bytes, a))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(closed); i++) {
		struct network n;
		struct err e;

		if (network_parse(&n, closed[i], &e) < 0 || network_has(&n, a))
			return false;
	}
	return true;
}

bool address_allowed(const struct network *networks, size_t count, const struct sockaddr *a, bool tls)
{
	for (size_t i = 0; i < count; i++)
		if (network_has(&networks[i], a))
			return true;
	return tls && address_public(a);
}
