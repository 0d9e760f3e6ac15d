/*
 * peer: a connection to a server, by its bytes: what no HTTP client would send.
 * Whatever goes wrong on the server's side is an answer here, never a failure;
 * what goes wrong on ours fails the test.
 */
#ifndef TESTS_FAULTS_PEER_H
#define TESTS_FAULTS_PEER_H

#include <stdbool.h>
#include <stddef.h>

struct peer {
	int fd;
	struct ssl_st *ssl;     /* NULL: plain */
};

/* address: "127.0.0.1:8443"; the server's certificate is not looked at. */
void peer_open(struct peer *p, const char *address, bool tls);
/* False: the server does not take it all. */
bool peer_send(struct peer *p, const void *bytes, size_t len);
/* No more will be said, and answers are still read: close_notify, FIN. */
void peer_half_close(struct peer *p);
/* Up to cap - 1 bytes until the server closes, and a NUL; how many. Fails when it does not within a minute. */
size_t peer_read(struct peer *p, char *out, size_t cap);
/* Has the server closed it? Reads and forgets what is there, without waiting. */
bool peer_closed(struct peer *p);
/* Until so many bytes came, or the server closed. */
size_t peer_read_some(struct peer *p, char *out, size_t len);
void peer_close(struct peer *p);
void peer_reset(struct peer *p);        /* RST */

#endif
