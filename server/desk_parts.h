/* desk_parts: the state that server/desk*.c share; for these only. */
#ifndef SERVER_DESK_PARTS_H
#define SERVER_DESK_PARTS_H

#include <pthread.h>

#include "server/clockwatch.h"
#include "server/desk.h"
#include "server/store.h"
#include "signing/repo.h"

struct desk {
	pthread_mutex_t lock;
	char *dir;
	char *keys;                     /* directory of the ring */
	struct keyring *ring;
	struct repo *repo;
	struct store *store;            /* NULL: nobody keeps count of versions */
	struct writer *writer;
	struct clockwatch clock;
	bool late;                      /* the clock is before the last signature, and that was said */
	_Atomic uint64_t ringmap_serial;
	_Atomic int64_t timestamp;      /* asked by every check-in: never behind the lock */
};

/* All of it with the lock held. */
int desk_reopen(struct desk *d, struct err *e);         /* what another process published meanwhile */
void desk_note_timestamp(struct desk *d);
repo_reserve desk_reserve;                              /* arg: the desk */
/* Whatever is published and the store does not know yet, by whomever it was signed. */
int desk_note_published(struct desk *d, bool opening, struct err *e);
/* The greatest version signed or published of a role; 0: none is known. */
int desk_reserved(struct desk *d, const char *role, int64_t *version, struct err *e);

#endif
