/* confine_access: what each role may still reach, as tables: paths for Landlock, system calls for seccomp; for agent/confine.c. */
#ifndef AGENT_CONFINE_ACCESS_H
#define AGENT_CONFINE_ACCESS_H

#include "agent/confine.h"
#include "content/sandbox.h"

#define CONFINE_PATHS_MAX 512

struct confine_paths {
	struct sandbox_path of[CONFINE_PATHS_MAX];
	size_t count;
	bool full;                      /* something did not fit: better none than half */
	struct err why;                 /* code 0 unless something is there and cannot be opened */
};

/*
 * Opened while the process may still open; what does not exist is left out, and
 * stays out of reach. What the disk did not give this time must not stay so for
 * the life of a process: then it fails, and the next one asks again. On failure
 * as well, the caller closes.
 */
int confine_paths_open(struct confine_paths *p, const struct settings *s, enum confine_role role, struct err *e) MUST_CHECK;
void confine_paths_close(struct confine_paths *p);

bool confine_filter(const struct settings *s, enum confine_role role);  /* false: the kernel took no filter */

#endif
