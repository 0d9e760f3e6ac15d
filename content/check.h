/*
 * check: static validation of a content tree against one contract.
 *
 * The same code lints for the author, at publish on the server and on the
 * host before the canary. No engine runs. A finding names file, line, column,
 * rule or field, and the reason; errors refuse the content, warnings do not.
 */
#ifndef CONTENT_CHECK_H
#define CONTENT_CHECK_H

#include <stdbool.h>

#include "base/buf.h"

struct manifest;        /* content/manifest.h */
struct contract;        /* schema/contract.h */

enum check_severity { CHECK_WARNING, CHECK_ERROR };

struct check_finding {
	enum check_severity severity;
	char *file;             /* relative path; "manifest.json" for what is wrong with the whole */
	unsigned line, column;  /* 1-based; 0: the whole file */
	char *subject;          /* rule id, field or type it is about; "" when none */
	const char *reason;     /* a code of schema/reason.h, as text; static */
	char *sentence;         /* without the place: "template ipc: field 21 \"pipe_flags\" (integer): the contract of ... supplies 20 fields" */
};

struct check_report {
	struct check_finding *items;    /* owned, in order of file, then place */
	size_t count;
	size_t errors, warnings;        /* also those beyond the cap */
	bool cut;                       /* more than CHECK_FINDINGS_MAX */
};

#define CHECK_FINDINGS_MAX 200

/*
 * Checks the tree beneath dir, whose manifest was parsed and whose files were
 * hashed before. contract NULL: only what holds for every sensor. Zero when
 * the check was done, whatever it found; negative when the tree could not be
 * read or memory is short.
 */
int check_content(struct check_report **out, int dir, const struct manifest *m,
		  const struct contract *contract, struct err *e) MUST_CHECK;
void check_report_free(struct check_report *r);

/* Zero when nothing refuses; else ERR_REFUSED with the first error's place and sentence. */
int check_verdict(const struct check_report *r, struct err *e) MUST_CHECK;
const char *check_reason(const struct check_report *r);         /* of the first error; NULL when none */

/* Appends "rules/ipc.json:31:7: sentence", escaped for terminals and logs, no newline. */
void check_finding_text(struct buf *out, const struct check_finding *f);

AUTO_DEFINE(check_report, struct check_report *, check_report_free);

#endif
