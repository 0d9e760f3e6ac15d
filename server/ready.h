/*
 * ready: what must hold for this server to be of use, each condition with its reason when it does not.
 *
 * A process that answers at all is alive (/healthz); one that is ready can do
 * what it is for: keep what it is told, sign, and know what it should follow.
 */
#ifndef SERVER_READY_H
#define SERVER_READY_H

#include "server/server.h"

enum ready {
	READY_STORE,            /* the store takes what is written: looked at with every commit, and every few seconds */
	READY_KEYS,             /* the keys that renew the repository are here */
	READY_REPOSITORY,       /* there is one, and its timestamp is not expired */
	READY_SPACE,            /* the data directory has room */
	READY_FOLLOWED,         /* every followed vendor was found fresh lately */
	READY_CONDITIONS
};

const char *ready_name(enum ready c);   /* "store" */

#define READY_WHY 256
/* Fills in why each condition does not hold; "": it does. */
void ready_look(struct server *s, int64_t now, char why[READY_CONDITIONS][READY_WHY]);

#endif
