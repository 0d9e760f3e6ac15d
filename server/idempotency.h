/*
 * idempotency: a request with an Idempotency-Key happens once
 * (draft-ietf-httpapi-idempotency-key-header).
 *
 * The key is kept durably, with what was asked, before anything is done, and
 * the answer before it is given. So a repetition gets the same answer for a
 * day, also from a server that was restarted; when the server died in between,
 * it is told that the outcome is not known, and nothing is done a second time.
 * "Not now" (429, 503) is no answer: nothing was kept, and the key is as if it
 * had never come, also when the disk was too full to take it back.
 * Keys of one caller mean nothing to another.
 */
#ifndef SERVER_IDEMPOTENCY_H
#define SERVER_IDEMPOTENCY_H

#include "server/server.h"

#define IDEMPOTENCY_KEY_MAX 64
#define IDEMPOTENCY_S 86400     /* how long an answer is kept */

/* One request that is under way, in a list. */
struct idempotency {
	struct idempotency *next;
	const struct request *q;
	char key[IDEMPOTENCY_KEY_MAX + 1];      /* "": it has none */
};

/* False: q->reply has the answer already, or says why there is none. Else the handler runs, and idempotency_end() after it. */
bool idempotency_begin(struct request *q, struct idempotency *r);
void idempotency_end(struct request *q, struct idempotency *r);

void idempotency_close(struct server *s);

/* Forgets answers that are old enough, and keys that it could not forget before. */
int idempotency_sweep(struct server *s, int64_t now, struct err *e) MUST_CHECK;

#endif
