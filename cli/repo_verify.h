/*
 * repo_verify: everything a repository publishes, looked at as a client would.
 *
 * The client engine decides what is to be believed; beyond it every delegated
 * role and every target file is read and compared, and in a directory whatever
 * nobody names is reported.
 */
#ifndef CLI_REPO_VERIFY_H
#define CLI_REPO_VERIFY_H

#include "signing/driver.h"

struct repo_source {
	driver_get *metadata, *target;  /* names as in metadata and targets URLs */
	void *arg;
	const char *dir;                /* a directory, to look for what nobody names; NULL: none */
};

struct repo_verdict_role {
	char *role;
	int64_t version, expires, threshold;
	size_t signatures, keys, targets;
};

struct repo_verdict {
	struct repo_verdict_role *roles;
	size_t role_count;
	size_t files;                   /* read and right */
	struct buf *problems;           /* sentences, one a line; empty: it is sound */
	struct buf *notes;              /* what is no problem: superseded files, roles never published */
};

/* ERR when it could not even be looked at; problems are in *out. root: the trusted root's bytes. */
int repo_verify(struct repo_verdict **out, const struct repo_source *s, const struct buf *root, int64_t now, struct err *e) MUST_CHECK;
void repo_verdict_free(struct repo_verdict *v);

AUTO_DEFINE(repo_verdict, struct repo_verdict *, repo_verdict_free);

#endif
