/*
 * health: the checks of health.d while content is on probation.
 *
 * /etc/ringhold/health.d/required.d and wanted.d hold executables that only
 * root can change, run in order of their names, one at a time and beside the
 * supervisor's loop, with what every command gets: slot, channel, digest,
 * serial. All of required.d must have passed before a commit, and one that
 * fails ends the trial; one of wanted.d that fails is told. One that cannot be
 * run, since others may write it or no process is to be had, is told and passes
 * nothing.
 */
#ifndef AGENT_HEALTH_H
#define AGENT_HEALTH_H

#include "agent/errand.h"

#define HEALTH_CHECKS_MAX 64    /* of both directories; more is trouble */
#define HEALTH_NAME_MAX 64
#define HEALTH_REQUIRED "/etc/ringhold/health.d/required.d"
#define HEALTH_WANTED "/etc/ringhold/health.d/wanted.d"

struct health_check {
	char name[HEALTH_NAME_MAX + 1];
	bool required, told;            /* told: that it fails, or cannot be run */
};

struct health {
	struct errand errand;
	struct health_check checks[HEALTH_CHECKS_MAX];
	unsigned count, next;           /* of the round under way; next == count: none is */
	int64_t round_at;               /* when the next one is due; 0: at once */
	bool passed;                    /* a whole round: all of required.d did, those of wanted.d were asked; none failed since */
	bool failed;                    /* one of required.d */
	unsigned slow;                  /* of required.d, in a row: a busy machine is given time before blame */
	bool spoilt;                    /* the round under way proves nothing any more */
	char words[320];              /* of what failed, or why there is no round */
};

/* argv as for every command; path is completed by the caller's root. */
struct health_job {
	const char *root;
	char *const *argv;              /* argv[0] is replaced by the check's path */
	int64_t now_ms, every_ms, limit_ms;
	void (*tell)(void *arg, const char *words);     /* a wanted check fails, told once per trial */
	void *arg;
};

void health_begin(struct health *h);    /* another trial */
void health_turn(struct health *h, const struct health_job *job);
void health_stop(struct health *h);
void health_warnings(const struct health *h, char *out, size_t cap);      /* "a, b": checks of wanted.d that fail; "" none */

#endif
