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
	int dir;
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

/* Files of type rules: format, templates against the contract, protected objects. Then the self-tests against them. */
int check_rules(struct check *c, struct err *e) MUST_CHECK;

/* Format of the self-tests; with an engine also whether they exercise it. model, engine NULL: no rules. */
int check_selftests(struct check *c, const struct rules_model *model, const struct rules *engine, struct err *e) MUST_CHECK;

#endif
