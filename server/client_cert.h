/*
 * client_cert: which machine a client certificate says it is.
 *
 * With `client-ca` every device shows a certificate of these authorities
 * besides its token, and stays bound to the first one that it showed: to its
 * subject and alternative names, so that a renewed certificate is the same.
 * It comes out of TLS, or, where a proxy ends TLS, in a header of that proxy:
 * RFC 9440's Client-Cert, or PEM with percent escapes as nginx writes it. Such
 * a header counts only from the addresses of `trusted-proxy`; the certificate
 * in it is verified here once more.
 */
#ifndef SERVER_CLIENT_CERT_H
#define SERVER_CLIENT_CERT_H

#include <stdbool.h>

#include "base/hash.h"

#define CLIENT_CERT_HEADER_MAX 16384
/* "<64 hex digits of what it says> <subject, for people>": the digits alone are compared. */
#define CLIENT_IDENTITY_MAX 320

struct client_ca;

int client_ca_load(struct client_ca **out, const char *path, struct err *e) MUST_CHECK; /* PEM file */
void client_ca_free(struct client_ca *ca);      /* NULL is fine */

/* Of a certificate that is verified already. ERR_REFUSED: it names nobody. */
int client_cert_identity(char out[CLIENT_IDENTITY_MAX], const unsigned char *der, size_t len, struct err *e) MUST_CHECK;

/* Of the header's value: ERR_FORMAT when it is neither form; ERR_AUTH when the authorities do not vouch for it as a client now, or are NULL. */
int client_cert_header(char out[CLIENT_IDENTITY_MAX], const struct client_ca *ca, const char *value, struct err *e) MUST_CHECK;

bool client_identity_same(const char *a, const char *b);

/* "192.0.2.1", "192.0.2.0/24", "2001:db8::/32"; false: none of them. */
bool client_proxy_valid(const char *text);
/* Is the address in one of the networks (NULL-terminated)? */
bool client_proxy_holds(char *const *networks, const char *address);

AUTO_DEFINE(client_ca, struct client_ca *, client_ca_free);

#endif
