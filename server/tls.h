/*
 * tls: TLS 1.2 and 1.3 on the server's side, through OpenSSL memory BIOs.
 *
 * Knows no socket: ciphertext goes in and comes out as bytes. One context for
 * the process, one session per connection, used by its loop thread only.
 */
#ifndef SERVER_TLS_H
#define SERVER_TLS_H

#include <stdbool.h>

#include "base/buf.h"

struct tls_context;
struct tls;

/* PEM files; the key must be the certificate's, and a file that nobody else can read (ERR_REFUSED). */
int tls_context_new(struct tls_context **out, const char *cert_path, const char *key_path, struct err *e) MUST_CHECK;
/* Clients are asked for a certificate of these authorities (PEM file); one that is bad ends the handshake, none does not. */
int tls_ask_clients(struct tls_context *c, const char *ca_path, struct err *e) MUST_CHECK;
void tls_context_free(struct tls_context *c);   /* after its sessions; NULL is fine */

struct tls *tls_new(struct tls_context *c);     /* NULL when there is no memory */
void tls_free(struct tls *t);

/* Ciphertext that arrived; what it decrypts to is appended to plain. ERR_NET: the peer breaks the protocol. */
int tls_receive(struct tls *t, const void *bytes, size_t len, struct buf *plain, struct err *e) MUST_CHECK;
bool tls_established(const struct tls *t);
/* DER of the certificate that the client showed and was verified by; NULL: none. The caller frees. */
unsigned char *tls_peer(const struct tls *t, size_t *len);
bool tls_ended(const struct tls *t);            /* the peer said close_notify */

int tls_send(struct tls *t, const void *bytes, size_t len, struct err *e) MUST_CHECK;  /* plain text to send; after the handshake */
void tls_goodbye(struct tls *t);                /* close_notify */
void tls_drain(struct tls *t, struct buf *out); /* appends the ciphertext that must go out now */

AUTO_DEFINE(tls_context, struct tls_context *, tls_context_free);

#endif
