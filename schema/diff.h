/*
 * diff: what changed between two schemas or contracts, each change classed by
 * what it means for content that was accepted before.
 *
 * compatible  accepts what it accepted
 * widening    accepts that and more
 * narrowing   may refuse what it accepted
 *
 * Narrowing is the answer whenever a change cannot be judged: a diff that says
 * widening is never wrong about what goes on being accepted.
 */
#ifndef SCHEMA_DIFF_H
#define SCHEMA_DIFF_H

#include <stdbool.h>

#include "base/err.h"

enum diff_class { DIFF_COMPATIBLE, DIFF_WIDENING, DIFF_NARROWING, DIFF_CLASSES };

#define DIFF_CHANGES_MAX 1000   /* kept; the rest is only counted */

struct diff_change {
	enum diff_class class;
	char *where;            /* owned; JSON pointer into the document: "/accepts/rules/limits/fields" */
	char *what;             /* owned; "lowered from 32 to 20" */
};

struct diff {
	struct diff_change *items;      /* owned, in the order found */
	size_t count;
	size_t of[DIFF_CLASSES];        /* how many of each class, also those that were not kept */
};

int diff_new(struct diff **out, struct err *e) MUST_CHECK;
void diff_free(struct diff *d); /* NULL is fine */
int diff_add(struct diff *d, enum diff_class class, const char *where, struct err *e, const char *fmt, ...) PRINTF_LIKE(5, 6) MUST_CHECK;

enum diff_class diff_class(const struct diff *d);       /* of the whole: the worst */
const char *diff_class_name(enum diff_class class);     /* "narrowing" */

AUTO_DEFINE(diff, struct diff *, diff_free);

#endif
