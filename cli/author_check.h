/*
 * author_check: what the server and every host will check, on the author's machine.
 *
 * Static checks against each contract given (without one: what holds for every
 * sensor) and, when asked, one try per contract in the confined canary
 * process: load, every self-test, benign corpora.
 */
#ifndef CLI_AUTHOR_CHECK_H
#define CLI_AUTHOR_CHECK_H

#include "base/cli.h"
#include "base/hash.h"
#include "content/canary.h"
#include "content/check.h"
#include "content/manifest.h"

struct author_check {
	struct cli_list contracts;      /* paths of contract.json files */
	struct cli_list benign;         /* directories of *.ndjson events that must stay undisturbed */
	const char *previous;           /* the bundle before, an archive or a directory; NULL: sizes are not compared */
	int64_t size_ratio, widest;     /* 0: the defaults of content/check.h */
	bool strict;                    /* warnings refuse, too */
};

/* Rows of a command's options for a struct author_check at `member` of its own struct. */
#define AUTHOR_CHECK_ROWS(type, member)                                                                     \
	{ "contract", 0, CLI_MANY, offsetof(type, member.contracts), "FILE",                                \
	  "a contract of a sensor it must fit; may be repeated" },                                          \
	{ "benign", 0, CLI_MANY, offsetof(type, member.benign), "DIR",                                      \
	  "*.ndjson events it must not disturb; may be repeated" },                                         \
	{ "previous", 0, CLI_TEXT, offsetof(type, member.previous), "BUNDLE",                               \
	  "the bundle before: files far from their size there are errors" },                                \
	{ "size-ratio", 0, CLI_INT, offsetof(type, member.size_ratio), "N", "how far that is: N times [10]" }, \
	{ "widest", 0, CLI_INT, offsetof(type, member.widest), "PERCENT",                                   \
	  "of the benign values that one matcher may accept without a warning [50]" },                      \
	{ "strict", 0, CLI_FLAG, offsetof(type, member.strict), NULL, "warnings refuse, too" }

/* A bundle as an author has it, unpacked the way hosts unpack it. */
struct author_tree {
	struct scratch *scratch;
	char *slot;                     /* path */
	int dir;
	struct manifest *manifest;
	struct digest digest;
};

/* what: an archive, or the directory it would be built from. */
int author_tree_open(struct author_tree **out, const char *what, struct err *e) MUST_CHECK;
int author_tree_of(struct author_tree **out, const struct buf *archive, struct err *e) MUST_CHECK;
void author_tree_free(struct author_tree *t);

/* One contract's answer. */
struct author_round {
	char sensor[160];               /* "ringhold-sensor 7.11", or "every sensor" */
	struct check_report *report;
	bool tried;                     /* else only checked: by request, or since errors refuse it already */
	const char *untried_type;       /* a type that only a command on the hosts can judge; NULL: none */
	struct canary_result result;
	struct canary_tests *tests;     /* every self-test, as far as the try came; NULL: not tried */
};

struct author_result {
	struct author_tree *tree;       /* borrowed */
	struct author_round *rounds;
	size_t count;
	bool strict;
};

int author_examine(struct author_result **out, struct author_tree *tree, const struct author_check *how, bool try, struct err *e) MUST_CHECK;
void author_result_free(struct author_result *r);

/* Zero when nothing refuses; ERR_IO when it could not be tried here; else the first reason. */
int author_verdict(const struct author_result *r, struct err *e) MUST_CHECK;

/* ---- author_report.c ---- */

void author_print_findings(const struct author_result *r, FILE *to);
void author_print_try(const struct author_result *r, FILE *to);         /* figures, failed self-tests, coverage per field */
int author_json(const struct author_result *r, struct buf *out, struct err *e) MUST_CHECK;
int author_junit(const struct author_result *r, struct buf *out, struct err *e) MUST_CHECK;

AUTO_DEFINE(author_tree, struct author_tree *, author_tree_free);
AUTO_DEFINE(author_result, struct author_result *, author_result_free);

#endif
