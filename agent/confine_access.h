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
};

/* Opened while the process may still open; what does not exist is left out, and stays out of reach. */
void confine_paths_open(struct confine_paths *p, const struct settings *s, enum confine_role role);
void confine_paths_close(struct confine_paths *p);

bool confine_filter(const struct settings *s, enum confine_role role);  /* false: the kernel took no filter */

#endif
