/*
 * cert: the server's certificate, made at first start when none is configured.
 *
 * Devices pin the SHA-256 of its SubjectPublicKeyInfo, so renewing the
 * certificate over the same key changes nothing for them.
 */
#ifndef SERVER_CERT_H
#define SERVER_CERT_H

#include "base/hash.h"

/* SHA-256 of the DER SubjectPublicKeyInfo of the first certificate in a PEM file. */
int cert_pin(struct digest *out, const char *cert_path, struct err *e) MUST_CHECK;

/*
 * Makes an ECDSA P-256 key (0600) and a self-signed certificate of ten years
 * for host. The key is written first: a certificate on disk always has its key.
 */
int cert_make(const char *cert_path, const char *key_path, const char *host, int64_t now, struct err *e) MUST_CHECK;

/* When the first certificate in a PEM file ends, Unix time. */
int cert_expires(int64_t *out, const char *cert_path, struct err *e) MUST_CHECK;

/* The same as curl and base/fetch.h write it: "sha256//<base64>". */
#define CERT_PIN_TEXT 64
void cert_pin_text(char out[CERT_PIN_TEXT], const struct digest *pin);

#endif
