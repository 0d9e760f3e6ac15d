/* marks: what the witness wrote down (preload/witness.c), and the chapters that the test set beside it. */
#ifndef TESTS_POWERCUT_MARKS_H
#define TESTS_POWERCUT_MARKS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct mark {
	uint64_t at;            /* position in the write log */
	char what[16];          /* "record" */
	char text[160];         /* what follows */
};

struct marks {
	struct mark *list;
	size_t count;
};

/* The witness as a library for LD_PRELOAD. ERR_NOT_FOUND: there is no compiler. */
int marks_witness(const char *library, struct err *e) MUST_CHECK;

/* Appends one line of our own, at the log's length now. */
int marks_add(const char *path, const char *log, const char *what, const char *text, struct err *e) MUST_CHECK;

int marks_read(struct marks *out, const char *path, struct err *e) MUST_CHECK;
void marks_free(struct marks *m);

/* The last one of its kind at `at` or before it; text NULL: any. NULL: none. */
const struct mark *marks_last(const struct marks *m, const char *what, const char *text, uint64_t at);

#endif
