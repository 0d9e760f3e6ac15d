/*
 * ticker: the thread that looks at everything about once a second.
 *
 * Gates, what states ask to be signed, renewal of metadata, heartbeats folded
 * into the store, a newer ring map, changed operator tokens, old uploads, what
 * the repository need not keep, and a clock that jumps.
 */
#ifndef SERVER_TICKER_H
#define SERVER_TICKER_H

#include "server/server.h"

int ticker_start(struct server *s, struct err *e) MUST_CHECK;
void ticker_poke(struct server *s);     /* look now: a device failed; any thread, nothing when it does not run */
void ticker_stop(struct server *s);     /* waits for the tick under way */

#endif
