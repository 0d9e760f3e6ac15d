/*
 * proc: run a fixed command with bounds, never through a shell.
 *
 * Absolute path, given argv and environment, standard input from /dev/null or
 * a descriptor, output captured up to a limit, the whole process group killed
 * when time is up.
 */
#ifndef BASE_PROC_H
#define BASE_PROC_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"

struct proc_run {
	const char *path;               /* absolute */
	char *const *argv;
	char *const *env;               /* NULL: PATH and LANG=C only */
	int stdin_fd;                   /* -1: /dev/null */
	int64_t timeout_ms;             /* wall time, then SIGKILL to the group */
	size_t output_max;              /* bytes kept of standard output and error together; more is dropped */
	bool output_ends;               /* ... or, when set, more ends the command: too_much */
	/* Called in the child before exec, when not NULL: a negative answer makes it exit 126. */
	int (*confine)(void *arg);
	void *confine_arg;
};

struct proc_result {
	bool timed_out, too_much;       /* ended by us, for one of these */
	int exit_status;                /* 0..255, or -1 when a signal ended it */
	int signal;                     /* 0 or the signal */
	int64_t wall_ms, cpu_us, max_rss;       /* of the child; max_rss in bytes */
	struct buf *output;             /* owned */
};

int proc_run(const struct proc_run *r, struct proc_result *out, struct err *e) MUST_CHECK;     /* ERR_IO when it cannot be started */
void proc_result_release(struct proc_result *r);
/* Words for a log: "exit status 3", "killed by signal 11 (Segmentation fault)", "timed out after 500 ms". */
void proc_result_words(const struct proc_result *r, char *out, size_t cap);

#endif
