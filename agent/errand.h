/*
 * errand: one command that runs beside the supervisor's loop.
 *
 * A child runs it with base/proc's bounds and sends how it went; the loop looks
 * whether it is over, and never waits.
 */
#ifndef AGENT_ERRAND_H
#define AGENT_ERRAND_H

#include <sys/types.h>

#include "base/proc.h"

struct errand {
	pid_t pid;              /* 0: none is under way */
	int out;
};

struct errand_result {
	bool ran;               /* false: it could not be started or waited for, which says nothing about what it would have found */
	bool passed, timed_out;
	char words[128];        /* "exit status 3"; "" when it passed */
	char line[160];         /* the first that it printed, escaped */
};

int errand_start(struct errand *x, const struct proc_run *r, struct err *e) MUST_CHECK;
bool errand_over(struct errand *x, struct errand_result *out);  /* once, when it is over */
void errand_wait(struct errand *x, struct errand_result *out);  /* until it is over; one must be under way */
void errand_stop(struct errand *x);     /* kills it; may be repeated */

#endif
