/*
 * recalls: nobody is offered what was taken away, however that came to be
 * published: by `ringhold recall`, by a signing request that people completed,
 * by a vendor that is followed.
 */
#ifndef SERVER_RECALLS_H
#define SERVER_RECALLS_H

#include "server/server.h"

/* Halts rollouts of what this document takes away; `otherwise` is the reason of entries that give none. */
void recalls_halt(struct server *s, const char *channel, const struct stops *taken, const char *who, const char *otherwise);

/* The same from everything published here; for the ticker, whenever something was. */
void recalls_look(struct server *s);

#endif
