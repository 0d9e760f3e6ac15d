/*
 * ceremony: what every command does around a signature that people give: read
 * the request, check that it builds on what is trusted, show the difference,
 * ask, sign, write it back.
 */
#ifndef CLI_CEREMONY_H
#define CLI_CEREMONY_H

#include "base/cli.h"
#include "signing/change_text.h"

/* A request from a file, or to one: written beside and renamed, readable by all (it holds no secret). */
int ceremony_read(struct sigreq **out, const char *path, struct err *e) MUST_CHECK;
int ceremony_write(const char *path, const struct sigreq *q, struct err *e) MUST_CHECK;

/*
 * The request holds together: its root is signed by itself, targets by root,
 * what each draft replaces by those; nothing in it is expired. With `trusted`
 * (a root.json, or a directory of a client or repository with root files) the
 * root must be that one or follow from it; ERR_CONFLICT when what is there is
 * newer: the request is stale.
 */
int ceremony_check(const struct sigreq *q, const char *trusted /* NULL: nothing to compare with */, int64_t now, struct err *e) MUST_CHECK;

/* Who asks, why, what changes and which signatures are there, on standard output. ring gives keys their names; may be NULL. */
int ceremony_show(const struct sigreq *q, const struct keyring *ring, bool json, struct err *e) MUST_CHECK;

/* "yes" on the terminal, or the flag; without either ERR_REFUSED. Never waits where nobody can answer. */
int ceremony_confirm(const char *question, bool yes, struct err *e) MUST_CHECK;

/* Signs with every key that may; ERR_AUTH when none of them may. How many signatures were added: 0 when all were there. */
int ceremony_sign(struct sigreq *q, const struct keyring *ring, struct err *e) MUST_CHECK;

/* The difference alone, for commands that sign a delegated role without a request. was NULL: it was never published. */
int ceremony_show_role(FILE *to, const char *role, const struct metadata *was, const void *envelope, size_t len, struct err *e) MUST_CHECK;

#endif
