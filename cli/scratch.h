/* scratch: a private directory under $TMPDIR, gone with its scope. */
#ifndef CLI_SCRATCH_H
#define CLI_SCRATCH_H

#include "base/err.h"

struct scratch {
	char *path;     /* absolute when $TMPDIR is */
	int fd;
};

int scratch_new(struct scratch **out, struct err *e) MUST_CHECK;
void scratch_free(struct scratch *s);   /* with everything in it; NULL is fine */

AUTO_DEFINE(scratch, struct scratch *, scratch_free);

#endif
