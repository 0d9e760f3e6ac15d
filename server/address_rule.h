/*
 * address_rule: where a server may be sent by what its operators write, pure.
 *
 * A webhook's address is written by a person and called by the server, which
 * stands where that person may not. Public addresses are open to https; what
 * is this machine, its network or its neighbours' (loopback, private,
 * link-local, shared, multicast, reserved, in IPv4, IPv6 and IPv4 within IPv6)
 * is closed, unless the configuration lists its network. Only there plain http
 * is spoken.
 */
#ifndef SERVER_ADDRESS_RULE_H
#define SERVER_ADDRESS_RULE_H

#include <stdbool.h>

#include "base/err.h"

struct sockaddr;

struct network {
	unsigned char bytes[16];        /* IPv4 as ::ffff:a.b.c.d */
	int bits;
};

/* "10.0.0.0/8", "fd00::/8", "127.0.0.1"; ERR_FORMAT, also when bits behind the prefix are set. */
int network_parse(struct network *out, const char *text, struct err *e) MUST_CHECK;
bool network_has(const struct network *n, const struct sockaddr *a);

bool address_public(const struct sockaddr *a);
/* May it be connected to? */
bool address_allowed(const struct network *networks, size_t count, const struct sockaddr *a, bool tls);

#endif
