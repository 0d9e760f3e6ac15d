/*
 * world: a whole installation in one temporary directory, for tests and the demo.
 *
 * A real ringholdd, real machines (machine.h), real command lines. Time is the
 * injected clock of test builds: only world_until() advances it, and only once
 * every machine that runs keeps checking in.
 */
#ifndef TESTS_SYSTEM_WORLD_H
#define TESTS_SYSTEM_WORLD_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/fetch.h"
#include "base/json.h"

#include "machine.h"

#define WORLD_MACHINES 12
#define WORLD_STEP_S 30         /* the clock moves by so much at a time, */
#define WORLD_AHEAD_S 420       /* and no further beyond the last check-in of all: nobody may seem silent because it moved */
#define WORLD_LIMIT_MS 600000   /* the one generous limit on every wait, in real time */

struct world {
	char *dir;                      /* everything is beneath it */
	char *bin;                      /* the programs under test */
	char *tree;                     /* the checkout, for deploy/demo and the shared content */
	const char *channel;            /* "edr" or "yara" */
	bool narrate;                   /* the demo: tell the story */
	volatile int64_t *clock_ms;     /* the offset that every process reads */
	int64_t real_start_ms;
	int64_t all_seen_at;            /* clock_now() when every machine had checked in since the time before */
	pid_t server, promoter;         /* -1: does not run */
	const char *promoter_more;      /* further lines of promoter.ini; NULL: none */
	char *url;                      /* https://127.0.0.1:port */
	char *pin;
	struct fetch *http;             /* as an operator */
	char *token;
	struct machine machines[WORLD_MACHINES];
	size_t machine_count;
};

int world_new(struct world **out, const char *channel, bool narrate, struct err *e) MUST_CHECK;
void world_free(struct world *w);       /* stops everything by pid, removes the directory (kept when RINGHOLD_KEEP is set) */

/*
 * The last test of every world: its agents, its promoter and its server are
 * told to end, and do; and no log of any of them holds what a sanitizer says.
 * A finding that a restart would hide is named here, a leak at the end too.
 */
int world_verdict(struct world *w, struct err *e) MUST_CHECK;

/* One line of the story with the time since the beginning, real and injected. */
void world_say(const struct world *w, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* `ringhold init`, the server's first start, the sensor's contract registered. */
int world_install(struct world *w, struct err *e) MUST_CHECK;
int world_server_start(struct world *w, struct err *e) MUST_CHECK;
int world_server_stop(struct world *w, int signal, struct err *e) MUST_CHECK;

/* The process that co-signs for later rings, as a user of its own when we are root. world_install() starts one. */
#define WORLD_PROMOTER_UID 61184
int world_promoter_start(struct world *w, struct err *e) MUST_CHECK;
int world_promoter_stop(struct world *w, int signal, struct err *e) MUST_CHECK;

/* Machines of the three rings, four each, enrolled, booted and checked in. */
int world_populate(struct world *w, struct err *e) MUST_CHECK;

/*
 * Runs a program of ours with arguments that end with NULL. Its exit status,
 * with everything it printed in *output (the caller frees); negative when it could not run.
 */
int world_run(struct world *w, struct buf **output, struct err *e, const char *program, ...)
	__attribute__((sentinel)) MUST_CHECK;
/* The same, and any status but `expect` is an error that quotes the output. */
int world_expect(struct world *w, int expect, struct buf **output /* may be NULL */, struct err *e,
		 const char *program, ...) __attribute__((sentinel)) MUST_CHECK;

/* An operator's GET; the document borrows from *text. */
struct world_reply {
	struct buf *text;
	struct json_doc *doc;
};
int world_get(struct world *w, const char *path, struct world_reply *out, struct err *e) MUST_CHECK;
void world_reply_release(struct world_reply *r);

/*
 * Turns the world until done() answers non-zero (positive: success; negative:
 * an error). With `advance` the clock moves on, a step at a time, whenever
 * every machine that runs has checked in since the step before.
 */
typedef int world_done(struct world *w, void *arg, struct err *e);
int world_until(struct world *w, bool advance, const char *what, world_done *done, void *arg, struct err *e) MUST_CHECK;
/* A world_done: every machine was heard of. Learns the ids that the server gave them; arg is not used. */
int world_all_heard(struct world *w, void *arg, struct err *e) MUST_CHECK;

#endif
