/*
 * canary_confine: give up everything the try does not need; for content/canary*.c only.
 *
 * Each step that the kernel or the build cannot do is left out of the mask
 * that comes back, never passed over in silence.
 */
#ifndef CONTENT_CANARY_CONFINE_H
#define CONTENT_CANARY_CONFINE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

#define CONFINE_READABLE_MAX 34         /* the slot, the corpora, the scratch directory */

struct confine {
	const int *readable;            /* directories that stay readable, and nothing else */
	size_t readable_count;
	bool commands;                  /* an exec check: may start programs and read what they need */
	const char *const *programs;    /* NULL-terminated: ... these among them, which no system has */
	const char *const *reads;       /* ... and these */
	size_t read_count;
	int scratch;                    /* where they may write; -1: nowhere */
	int64_t cpu_s;
	uid_t uid;                      /* 0: stay */
	gid_t gid;
};

/*
 * For good, in this process. Sets *mask (enum canary_confinement) and *abi of
 * Landlock. Fails only where going on would be worse than not trying: the uid
 * could not be changed.
 */
int canary_confine(const struct confine *c, uint32_t *mask, uint32_t *abi, struct err *e) MUST_CHECK;

/* From now on this process may use `more` bytes of address space beyond what it has; false: sanitizer build, or refused. */
bool canary_bound_memory(uint64_t more);

#endif
