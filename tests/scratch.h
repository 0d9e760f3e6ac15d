/* scratch: a directory beneath $TMPDIR, or /tmp, for all tests of a program: the set-up and the end of its group. */
#ifndef TESTS_SCRATCH_H
#define TESTS_SCRATCH_H

#include "base/file.h"
#include "tests/test.h"

static char scratch[128];

static inline int scratch_make(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(scratch, sizeof scratch, "%s/ringhold-test.XXXXXX", tmp ? tmp : "/tmp");
	return mkdtemp(scratch) ? 0 : -1;
}

static inline int scratch_remove(void **state)
{
	struct err e;

	(void)state;
	return file_remove_tree(scratch, &e);
}

#endif
