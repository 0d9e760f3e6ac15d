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

/* What the self-tests do with one field of a template. */
struct check_field {
	char *template, *name;          /* owned */
	const char *type;               /* static */
	size_t rules;                   /* that have a matcher on it */
	uint64_t accepted, rejected;    /* values of self-tests, by a matcher on it */
};

struct check_report {
	struct check_field *fields;     /* owned; of every template that has rules, in its order */
	size_t field_count;
	struct check_finding *items;    /* owned, in order of file, then place */
	size_t count;
	size_t errors, warnings;        /* also those beyond the cap */
	bool cut;                       /* more than CHECK_FINDINGS_MAX */
};

#define CHECK_FINDINGS_MAX 200

/* A directory of *.ndjson events that content must leave alone. */
struct check_corpus {
	const char *name;               /* what findings call it */
	int dir;
};

#define CHECK_SIZE_RATIO 10     /* the default */
#define CHECK_WIDEST_PERCENT 50

/* What to hold a tree against. All borrowed. */
struct check_job {
	int dir;                        /* the tree; its manifest was parsed and its files were hashed before */
	const struct manifest *manifest;
	const struct contract *contract;        /* NULL: only what holds for every sensor */
	const struct manifest *previous;        /* of the bundle before; NULL: sizes are not compared */
	unsigned size_ratio;            /* a file so many times larger or smaller is an error; 0: CHECK_SIZE_RATIO */
	const struct check_corpus *corpora;     /* for how much each matcher accepts */
	size_t corpus_count;
	unsigned widest_percent;        /* of a corpus, that one matcher may accept; 0: CHECK_WIDEST_PERCENT */
};

/*
 * Zero when the check was done, whatever it found; negative when the tree or
 * a corpus could not be read or memory is short.
 */
int check_content(struct check_report **out, const struct check_job *job, struct err *e) MUST_CHECK;
void check_report_free(struct check_report *r);

/* Zero when nothing refuses; else ERR_REFUSED with the first error's place and sentence. */
int check_verdict(const struct check_report *r, struct err *e) MUST_CHECK;
const char *check_reason(const struct check_report *r);         /* of the first error; NULL when none */

/* Appends "rules/ipc.json:31:7: sentence", escaped for terminals and logs, no newline. */
void check_finding_text(struct buf *out, const struct check_finding *f);

AUTO_DEFINE(check_report, struct check_report *, check_report_free);

#endif
