/*
 * audit_check: an audit log held against its checkpoints, from a server or a file.
 *
 * Checkpoints first, then rows from the first on, then the end. What is wrong
 * is ERR_REFUSED with a sentence; after that the check is of no further use.
 */
#ifndef CLI_AUDIT_CHECK_H
#define CLI_AUDIT_CHECK_H

#include "base/json.h"
#include "signing/audit_checkpoint.h"

struct audit_check {
	struct audit_walk walk;
	struct audit_checkpoint *points;        /* owned; by count */
	size_t count, cap;
	size_t met;                     /* checkpoints whose row was found as they saw it */
	struct pubkey *key;             /* owned; whose checkpoints count; NULL: that of the last one */
	bool trusted;                   /* the key was known before the server was asked */
	uint64_t *restores;             /* owned; numbers of the rows that tell of a restore: the key may change with one */
	size_t restore_count;
	char *newest;                   /* owned; text of the last one */
	uint64_t newest_count;
};

struct audit_check *audit_check_new(void);      /* NULL when there is no memory */
void audit_check_free(struct audit_check *c);

int audit_check_trust(struct audit_check *c, const char *path, struct err *e) MUST_CHECK;      /* a public key's file */
/* A checkpoint's file that was kept; its key is the one that counts. ERR_NOT_FOUND. */
int audit_check_kept(struct audit_check *c, const char *path, struct err *e) MUST_CHECK;
int audit_check_add(struct audit_check *c, const struct json_doc *d, const struct json *v, struct err *e) MUST_CHECK;
int audit_check_row(struct audit_check *c, const struct json_doc *d, const struct json *row, struct err *e) MUST_CHECK;
int audit_check_end(struct audit_check *c, struct err *e) MUST_CHECK;

/* The whole of an export: lines of rows and of checkpoints. */
int audit_check_file(struct audit_check *c, const char *path, struct err *e) MUST_CHECK;
/* Keeps the newest checkpoint, when there is one. */
int audit_check_keep(const struct audit_check *c, const char *path, struct err *e) MUST_CHECK;

/* How far an export came. */
struct audit_export {
	uint64_t last;          /* number of its last row; 0: it has none */
	uint64_t sealed;        /* the row that its newest checkpoint speaks of; 0: it has none */
};

/* Where an export goes on: what follows its last whole line is cut off, and fd stands there. */
int audit_check_resume(int fd, const char *name, struct audit_export *out, struct err *e) MUST_CHECK;

AUTO_DEFINE(audit_check, struct audit_check *, audit_check_free);

#endif
