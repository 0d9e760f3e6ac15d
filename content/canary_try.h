/* canary_try: what happens inside the confined process; for content/canary*.c only. */
#ifndef CONTENT_CANARY_TRY_H
#define CONTENT_CANARY_TRY_H

#include "content/canary.h"

#define CANARY_BENIGN_MAX 32

/* Shared with the parent, who reads it when there is no record: how far the child came. Never trusted. */
struct canary_page {
	char doing[40];                 /* "load", "selftest", ... */
	char at[280];                   /* "selftest/ipc.ndjson:12" */
	int32_t status;                 /* wait status of the child, from the keeper of its process namespace */
	int32_t status_known;
	uint32_t confinement, landlock_abi;
	uint64_t memory_bound;          /* of all processes together; 0: not known yet */
	int32_t wants_commands;         /* confined too tightly for content of this kind: once more, with commands */
};

struct canary_try {
	const struct canary_job *job;
	int slot;
	int benign[CANARY_BENIGN_MAX];
	int64_t wall_ms;
	struct canary_page *page;
	bool commands;                  /* this try may run the host's check commands */
	uint32_t confinement;           /* what is in force already */
};

struct canary_tests {
	size_t bytes, max;              /* the parent's own */
	struct {                        /* shared with the child */
		uint32_t count;
		struct canary_test items[];
	} *shared;
};
void canary_tests_add(struct canary_tests *t, const struct canary_test *one);   /* beyond the room: forgotten */

/* Everything: confinement, check, load, tests, figures. Fills *out, whatever happens. */
void canary_try(struct canary_try *t, struct canary_result *out);

#endif
