/*
 * conn: one connection: bytes in, one request at a time, bytes out.
 *
 * Its loop's thread owns it. While a pool thread has its request, nothing is
 * read and closing waits; a request that no longer has a peer is finished and
 * thrown away.
 */
#ifndef SERVER_CONN_H
#define SERVER_CONN_H

#include "server/loop.h"

/* Takes a connection that waits at the listener. */
void conn_accept(struct loop *l);

/* Closes what is over its time; `stopping` closes what is between requests. */
void conn_sweep(struct conn *c, int64_t now_ms, bool stopping);
void conn_close(struct conn *c);

struct conn *conn_next(const struct conn *c);

#endif
