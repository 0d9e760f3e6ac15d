/*
 * machine: one endpoint whose boots the world drives.
 *
 * Its own root directory, boot guard, reference sensor and agent: real
 * processes. A sensor that dies takes the machine down with it, as a sensor
 * in the kernel does: the agent is killed and the machine boots again.
 */
#ifndef TESTS_SYSTEM_MACHINE_H
#define TESTS_SYSTEM_MACHINE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/hash.h"

#define MACHINE_RAN_MAX 32
#define MACHINE_PANICS_MAX 40   /* more without an end: the ladder failed */

enum machine_state {
	MACHINE_OFF,
	MACHINE_BOOTING,        /* guard done, the sensor loads */
	MACHINE_UP,             /* sensor and agent run */
	MACHINE_STOPPING,       /* SIGTERM sent: waits for both, then boots */
	MACHINE_FROZEN,         /* the agent got SIGSTOP */
};

struct world;

struct machine {
	char name[32];          /* "early-2" */
	char ring[16];
	char *root;             /* directory that is its file system */
	char *log;              /* what its programs print */
	char device[64];        /* its id on the server; "" until known */
	enum machine_state state;
	pid_t sensor, agent;
	int sensor_in;          /* write end of the sensor's standard input; -1 */
	size_t at;              /* its place in world.machines */
	unsigned boots, panics; /* so far */
	int agent_status;       /* the wait status of the last agent that ended by itself */
	uint64_t rebooted_for;  /* serial of the last bundle whose probation asked for a reboot */
	struct digest ran[MACHINE_RAN_MAX];     /* every content its sensor reported healthy, oldest first */
	size_t ran_count;
};

/* Makes the root directory with what an installation would put there; boots nothing. */
int machine_new(struct machine *m, const struct world *w, const char *ring, unsigned number, struct err *e) MUST_CHECK;
int machine_stop(struct machine *m, struct err *e) MUST_CHECK; /* SIGTERM to the agent of one that is up; an error unless it leaves as it should */
void machine_release(struct machine *m);        /* kills what runs */

int machine_boot(struct machine *m, const struct world *w, struct err *e) MUST_CHECK;
int machine_reboot(struct machine *m, struct err *e) MUST_CHECK;       /* in order, as `systemctl reboot`; machine_turn() goes on */
int machine_freeze(struct machine *m, struct err *e) MUST_CHECK;       /* SIGSTOP to the agent and all its processes */
void machine_kill_agent(struct machine *m);     /* kill -9, with all its processes; machine_turn() starts it again */
int machine_thaw(struct machine *m, struct err *e) MUST_CHECK;

/* Notices what ended and moves the state on. Called often; never waits. An agent that dies of a signal is an error. */
int machine_turn(struct machine *m, const struct world *w, struct err *e) MUST_CHECK;

/* A file of this machine: "root/path" in fresh memory. */
char *machine_path(const struct machine *m, const char *path);
bool machine_runs(const struct machine *m, const struct world *w, const struct digest *d);     /* its sensor is healthy with it now */
bool machine_ever_ran(const struct machine *m, const struct digest *d);
bool machine_holds(const struct machine *m, const struct world *w, const struct digest *d);    /* there is a slot of it on disk */

#endif
