/*
 * audit_chain: how the rows of an audit log hang together.
 *
 * Each row's hash covers the hash of the row before, so that no row can be
 * changed, left out, added or moved without every later hash being another;
 * that the end is missing shows against a checkpoint (audit_checkpoint.h).
 * Pure: whoever has the rows can check them, with the store or without.
 */
#ifndef SIGNING_AUDIT_CHAIN_H
#define SIGNING_AUDIT_CHAIN_H

#include "base/hash.h"

/* What somebody did. NULL texts are "". */
struct audit_entry {
	int64_t at;             /* seconds since the epoch */
	const char *who, *action, *subject;
	const char *detail;     /* one sentence, or what else belongs to it */
	const char *why;        /* the reason that was given */
	const char *was, *becomes;      /* JSON: the subject before and after; "" where there was none, or will be none */
};

/* Form 1 covers neither the number nor the last three texts: rows written before there were any. */
#define AUDIT_FORM 2

/*
 * Replaces *head, the hash of the row before (zero: of none), by the hash of
 * this one: SHA-256 of
 *   form 1: head, then at who action subject detail
 *   form 2: head, then "2" id at who action subject detail why was becomes
 * where each text and each decimal number ends with a NUL, and a byte that is
 * no UTF-8 counts as U+FFFD. ERR_MEMORY.
 */
int audit_chain_next(struct digest *head, int form, uint64_t id, const struct audit_entry *a, struct err *e) MUST_CHECK;

/* A walk over rows from the first to the last. */
struct audit_walk {
	uint64_t count;         /* rows so far */
	int form;               /* of the last one: it never falls */
	struct digest head;
};

/* The next row as somebody keeps it. ERR_REFUSED: it is not the one that was written; the sentence says what is wrong. */
int audit_walk_row(struct audit_walk *w, uint64_t id, int form, const struct audit_entry *a, const struct digest *hash, struct err *e) MUST_CHECK;

#endif
