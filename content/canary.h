/*
 * canary: try a bundle in one confined process before anything relies on it.
 *
 * The child has no network, no way to start processes (unless an exec check
 * needs one), reads only the slot and the benign corpora, and has its CPU,
 * memory and files bounded. Check commands may also read the system's programs
 * and write into a scratch directory; they are bounded in number and, all
 * together, in memory. It checks the content against the contract, loads
 * it with its engine, runs the self-tests and the corpora, measures, and hands
 * back one fixed-size record. The parent parses nothing of the bundle; it
 * bounds the time, kills what is left and says what happened.
 *
 * canary_run() forks without exec: the caller must have one thread. A program
 * with several calls canary_spawn(), which runs itself as `program canary ...`,
 * whose main() hands over to canary_main().
 */
#ifndef CONTENT_CANARY_H
#define CONTENT_CANARY_H

#include <stdbool.h>
#include <sys/types.h>

#include "content/loader.h"

enum canary_outcome {
	CANARY_OK,
	CANARY_REFUSED,         /* malformed, contract, self-test, benign corpus: reason says which */
	CANARY_CRASH,           /* a signal, or a forbidden system call */
	CANARY_HANG,            /* wall or CPU time ran out: try again before blaming the content */
	CANARY_CEILING_LOAD,    /* loaded, but slower than the ceiling */
	CANARY_CEILING_RSS,     /* ... with more memory */
	CANARY_CEILING_EVENT,   /* ... with more time per event */
	CANARY_MEMORY,          /* ran into the memory bound, or was killed for it: try again */
	CANARY_ENVIRONMENT,     /* no process, no space, no descriptors: says nothing about the content */
};

/* What was in force in the child; canary_run() reports what the kernel lacks, it never skips silently. */
enum canary_confinement {
	CANARY_NO_NEW_PRIVS = 1 << 0,
	CANARY_SECCOMP = 1 << 1,
	CANARY_LANDLOCK = 1 << 2,
	CANARY_RLIMITS = 1 << 3,
	CANARY_RLIMIT_AS = 1 << 4,      /* absent in sanitizer builds */
	CANARY_UID = 1 << 5,            /* left root, or never was */
	CANARY_NO_CAPS = 1 << 6,
	CANARY_ALONE = 1 << 7,          /* nothing outlives the try: it can start no process, or has a process namespace */
};
#define CANARY_CONFINEMENT_ALL 0xff

/*
 * What became of each self-test, for authors; shared with the child, which is
 * not trusted: read it through canary_test().
 */
struct canary_test {
	uint32_t selftest;              /* index in the manifest's list of self-tests */
	uint32_t line;
	uint32_t outcome;               /* enum selftest_outcome */
	uint32_t ns;                    /* of the match */
	char sentence[240];             /* of a failure; may quote the content: escape when shown */
};
struct canary_tests;
struct canary_tests *canary_tests_new(size_t max);      /* NULL: no memory */
void canary_tests_free(struct canary_tests *t);
size_t canary_test_count(const struct canary_tests *t); /* of those that there was room for */
/* A copy, made safe; false beyond the last. */
bool canary_test(const struct canary_tests *t, size_t at, struct canary_test *out);

AUTO_DEFINE(canary_tests, struct canary_tests *, canary_tests_free);

/* Plain arguments only, so that a job can cross an exec. All borrowed. */
struct canary_job {
	const char *slot;               /* directory that holds manifest.json and the files; a private copy or read-only */
	const char *digest;             /* hex; what the slot was verified to be */
	const char *contract;           /* JSON of the contract, NULL: none */
	size_t contract_len;
	const char *const *drop;        /* rule ids */
	size_t drop_count;
	const char *const *benign;      /* directories of *.ndjson events that must stay undisturbed; an absent one is an error of the environment */
	size_t benign_count;
	const struct loader_exec *exec;
	size_t exec_count;
	const char *const *reads;       /* what its commands may read beside the system's programs; does not cross an exec */
	size_t read_count;
	const char *scratch;            /* where its commands may write: sandbox_scratch(); NULL: nowhere, and then they judge no events; does not cross an exec */
	bool alone;                     /* the caller is the first process of a namespace of its own, and ends after the try; does not cross an exec */
	bool checked;                   /* the caller made the static check: only load and try; does not cross an exec */
	int64_t wall_ms;                /* whole try; 0: 60 s */
	uid_t uid;                      /* 0: stay; else become it, when root */
	gid_t gid;
	const struct loader *const *loaders;    /* NULL: loader_builtin; does not cross an exec */
	struct canary_tests *tests;     /* NULL: the first self-test that fails ends the try; does not cross an exec */
};

struct canary_result {
	enum canary_outcome outcome;
	char reason[32];                /* a code of schema/reason.h; "" when ok */
	char sentence[512];             /* what happened and where; may quote the content: escape when shown */
	int64_t load_ms;                /* wall time of the load */
	int64_t rss_bytes;              /* peak memory beyond what the process had before the load */
	int64_t us_per_event;           /* mean CPU time, over self-tests and corpora */
	int64_t wall_ms;                /* whole try, measured by the parent */
	uint64_t files, rules, dropped;
	uint64_t selftests, selftests_skipped;  /* skipped: they expect a dropped rule */
	uint64_t benign_events, benign_matches;
	uint32_t confinement;           /* enum canary_confinement, or'ed */
	uint32_t landlock_abi;          /* 0: the kernel has none */
	int signal;                     /* that ended the child, or 0 */
};

/* Zero whenever *out was filled, whatever the outcome; negative only for wrong use. */
int canary_run(const struct canary_job *job, struct canary_result *out, struct err *e) MUST_CHECK;

/* Runs `program canary --slot ...` (absolute path) and reads its record; for programs with threads. */
int canary_spawn(const char *program, const struct canary_job *job, struct canary_result *out, struct err *e) MUST_CHECK;

/* main() of `program canary`: argv begins after "canary"; writes the record to standard output. Returns the exit status. */
int canary_main(int argc, char **argv);

const char *canary_outcome_name(enum canary_outcome o);         /* "ok", "refused", ... */
bool canary_is_final(enum canary_outcome o);                    /* refused, crash, ceilings: quarantine at once; hang, memory: after retries */
void canary_confinement_words(uint32_t missing, char *out, size_t cap);        /* "seccomp, landlock" for a log; "" for 0 */

#endif
