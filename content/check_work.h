/* check_work: what the parts of a check share; for content/check*.c only. */
#ifndef CONTENT_CHECK_WORK_H
#define CONTENT_CHECK_WORK_H

#include "content/check.h"
#include "content/manifest.h"
#include "content/rules_engine.h"
#include "schema/contract.h"
#include "schema/reason.h"

struct check {
	struct check_report *report;
	const struct check_job *job;
	int dir;                                /* three of the job's, used everywhere */
	const struct manifest *manifest;
	const struct contract *contract;        /* NULL: none */
	bool no_memory;                         /* a finding could not be kept */
};

struct check_place {
	const char *file;
	unsigned line, column;
};

void check_note(struct check *c, enum check_severity severity, struct check_place at, const char *subject,
		enum reason reason, const char *fmt, ...) PRINTF_LIKE(6, 7);

/* Splits "file:line:column: sentence", as our readers write it, and notes it as an error. */
void check_note_err(struct check *c, const char *file, enum reason reason, const struct err *e);

/* Files that are empty, or far from their size in the bundle before. */
void check_sizes(struct check *c);

/* Where an instance stands. Finding it reads the file up to there, so it is not done for findings that nobody will see. */
struct check_place check_place_of(const struct check *c, const struct rules_file *f, const struct json *v);

/* Instances that can never hold, or never decide. */
void check_shadows(struct check *c, const struct rules_model *m, const struct rules *r);
/* Regular expressions that some short text drives beyond the budget, or that go back to what they matched. */
void check_patterns(struct check *c, const struct rules_model *m, const struct rules *r);
/* Matchers that accept too much of the benign corpora. */
int check_widths(struct check *c, const struct rules_model *m, const struct rules *r, struct err *e) MUST_CHECK;

/* Files of type rules: format, templates against the contract, protected objects. Then the self-tests against them. */
int check_rules(struct check *c, struct err *e) MUST_CHECK;

/* Format of the self-tests; with an engine also whether they exercise it. model, engine NULL: no rules. */
int check_selftests(struct check *c, const struct rules_model *model, const struct rules *engine, struct err *e) MUST_CHECK;

#endif
