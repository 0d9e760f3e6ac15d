/*
 * spawn: starts the agent's other processes as this same program with a role.
 *
 * A child gets standard error, one socket (descriptor 3) and nothing else: a
 * clean environment, no further descriptors, its own process group.
 */
#ifndef AGENT_SPAWN_H
#define AGENT_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#include "agent/confine.h"

#define SPAWN_SOCKET 3          /* where a role finds its conversation */
#define SPAWN_FETCH_SOCKET 4    /* judge only: its own fetch process */

struct spawned {
	pid_t pid;      /* 0: none */
	int sock;       /* the supervisor's end; -1 */
};
#define SPAWNED_NONE ((struct spawned){ .pid = 0, .sock = -1 })

/* extra: a descriptor for SPAWN_FETCH_SOCKET, or -1; stays the caller's. */
int spawn(struct spawned *out, const struct settings *s, enum confine_role role, int extra, struct err *e) MUST_CHECK;

/* Kills the process group, reaps, closes. After it nothing of the child runs. May be repeated. */
void spawn_kill(struct spawned *c);

/* Reaps without waiting: true when it ended; words for how it ended. */
bool spawn_ended(struct spawned *c, char *words, size_t cap);

/* In the child, before anything else: keeps 0, 1, 2 and the given highest descriptor. */
void spawn_close_above(int highest);

#endif
