/*
 * survey: what a host's disk is worth after a cut. Looked at as it is, then
 * after a boot: the real guard, and everything the agent puts right at its
 * start.
 */
#ifndef TESTS_POWERCUT_SURVEY_H
#define TESTS_POWERCUT_SURVEY_H

#include "base/hash.h"
#include "marks.h"

enum finding {
	FOUND_WHOLE,
	FOUND_RECORD_LOST,      /* an acknowledged switch, commit or revert */
	FOUND_RECORD_BROKEN,
	FOUND_SLOT_LOST,
	FOUND_SLOT_BROKEN,      /* a slot under its digest that is not it */
	FOUND_QUARANTINE_LOST,
	FOUND_JOURNAL_LOST,     /* an acknowledged event, line of history or phase */
	FOUND_JOURNAL_BROKEN,
	FOUND_WRONG_CONTENT,    /* after the boot something else runs than the record said, or than old and new */
	FOUND_NO_BOOT,          /* guard or agent do not come up */
	FINDINGS,
};

const char *finding_name(enum finding f);

struct survey {
	const char *root;                       /* where the cut disk is mounted */
	const char *guard;                      /* the program */
	const struct marks *marks;
	uint64_t at;                            /* of the cut */
	const struct digest *may_run;           /* old and new; all zero: nothing */
	size_t count;
	struct digest runs;                     /* out: after the boot */
	char words[400];                        /* out: what is wrong */
};

enum finding survey(struct survey *s);

#endif
