/*
 * retention: what a repository keeps, with what its assignments name.
 *
 * repo_sweep() knows what is listed and how old it is; which bundles a ring
 * runs, or would fall back to, only the assignments say.
 */
#ifndef ROLLOUT_RETENTION_H
#define ROLLOUT_RETENTION_H

#include "signing/repo.h"

struct retention {
	int64_t bundles;        /* the newest of each channel stay, so many at least */
	int64_t days;           /* nothing goes that was published, or replaced, less than so long ago */
	const struct metadata *const *waiting;  /* drafts that people may sign yet: what they list stays */
	size_t waiting_count;
};

/* As repo_sweep(). An assignment that cannot be read ends it: what it names is not known. */
int retention_sweep(struct repo *r, const struct retention *keep, int64_t now, bool dry, repo_gone *gone, void *arg, struct err *e) MUST_CHECK;

#endif
