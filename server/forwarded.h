/*
 * forwarded: whom a proxy speaks for. Pure.
 *
 * A proxy adds the address that came to it at the end of a list:
 * X-Forwarded-For, or Forwarded as RFC 7239 writes it. What stands before that
 * is the word of whoever that was. So the list is read from its end, and only
 * as long as the address that said it is a proxy that is trusted.
 */
#ifndef SERVER_FORWARDED_H
#define SERVER_FORWARDED_H

#include "server/http.h"

#define FORWARDED_ADDRESS_MAX 64        /* bytes of an address */

/*
 * The address for which `peer` asks: its own when it is none of the proxies
 * (NULL-terminated), or when the header (lower-case; "": none) does not say.
 * `header` "forwarded" is read as RFC 7239, any other as plain addresses, each
 * with or without a port. Of something that is no address, such as "unknown",
 * the proxy that said it is as far as is known.
 */
void forwarded_client(char out[FORWARDED_ADDRESS_MAX], const struct http_request *q, const char *header, char *const *proxies, const char *peer);

#endif
