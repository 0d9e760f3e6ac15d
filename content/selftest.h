/*
 * selftest: events with expected verdicts, and events that must stay undisturbed.
 *
 * A self-test file is NDJSON, one test a line:
 *   {"event":{...},"expect":{"verdict":"alert","rule":"ipc-0001"}}
 *   {"event":{...},"expect":{"verdict":"none"}}
 * "rule" may be left out. A test that expects a dropped rule is skipped; the
 * rest still run. A benign corpus is a directory of *.ndjson, one event a line;
 * `observe` does not disturb, every other verdict counts as a match.
 */
#ifndef CONTENT_SELFTEST_H
#define CONTENT_SELFTEST_H

#include "content/loader.h"

/* One line of NDJSON, as a document of its own. */
struct selftest_line {
	const char *file;
	unsigned number;                /* from 1 */
	char name[320];                 /* "selftest/ipc.ndjson:12", what errors call it */
	struct json_doc *doc;           /* owned by whoever iterates */
};

/* Visits every line that is not blank; a negative answer stops. ERR_FORMAT "file:line:1:column: ..." for a line that is no JSON. */
typedef int selftest_visit(void *arg, const struct selftest_line *l, struct err *e);
int selftest_each(const char *file, const struct buf *text, selftest_visit *visit, void *arg, struct err *e) MUST_CHECK;

/* What one self-test wants; event and rule point into its line. */
struct selftest_want {
	const struct json *event;
	enum detection_action action;
	const char *rule;               /* NULL: any */
};
int selftest_read(struct selftest_want *out, const struct selftest_line *l, struct err *e) MUST_CHECK;

struct selftest_figures {
	uint64_t run, skipped;          /* self-tests */
	uint64_t events, matches;       /* of benign corpora */
	uint64_t ignored;               /* benign events no loader takes, or that are malformed for it */
	uint64_t cpu_ns;                /* spent in matching */
	uint64_t timed;                 /* events that cpu_ns covers */
};

/* Where the run is, for whoever watches it die: "selftest/ipc.ndjson:12". May be NULL. */
typedef void selftest_progress(void *arg, const char *file, unsigned line);

enum selftest_outcome { SELFTEST_PASSED, SELFTEST_FAILED, SELFTEST_SKIPPED /* it expects a dropped rule */ };

/* Told of every self-test: where, how it ended, the time of the match; sentence "" unless it failed. */
typedef void selftest_told(void *arg, const char *file, unsigned line, enum selftest_outcome outcome, uint64_t ns, const char *sentence);

struct selftest_run {
	struct loader_set *engine;
	const char *const *drop;
	size_t drop_count;
	const struct contract *contract;        /* protected objects, matches_per_10000; NULL: none */
	selftest_progress *progress;
	void *progress_arg;
	selftest_told *told;                    /* NULL: the first failure ends the run; else all tests run, and the first failure is the answer */
	void *told_arg;
};

/* One file beneath dir. ERR_REFUSED "file:line: expected ..., got ..."; ERR_FORMAT for a malformed test. */
int selftest_file(const struct selftest_run *r, int dir, const char *path, struct selftest_figures *f, struct err *e) MUST_CHECK;

/*
 * One corpus. A destructive verdict on an event that holds a protected object
 * is ERR_REFUSED at once; an event beyond a limit ERR_LIMIT; a malformed line
 * ERR_USAGE, since the corpus is the host's and not the content's.
 */
int selftest_benign(const struct selftest_run *r, int dir, const char *name, struct selftest_figures *f, struct err *e) MUST_CHECK;

/* The same of one file beneath dir, a bundle's own corpus: there a malformed line is ERR_FORMAT. */
int selftest_benign_file(const struct selftest_run *r, int dir, const char *path, struct selftest_figures *f, struct err *e) MUST_CHECK;

/* The same events, only offered to engines that judge them all at once (loader.h); before the first of them is matched. */
int selftest_offer(const struct selftest_run *r, int dir, const char *path, struct err *e) MUST_CHECK;
int selftest_offer_benign(const struct selftest_run *r, int dir, const char *name, struct err *e) MUST_CHECK;
int selftest_offer_benign_file(const struct selftest_run *r, int dir, const char *path, struct err *e) MUST_CHECK;

/* After all corpora: ERR_LIMIT when matches exceed the contract's matches_per_10000. */
int selftest_benign_verdict(const struct selftest_run *r, const struct selftest_figures *f, struct err *e) MUST_CHECK;

#endif
