/*
 * change_text: what will be trusted that was not before, and what no longer,
 * for people to read before they sign.
 *
 * Two versions of a role's file become a list of changes: version and expiry,
 * keys and thresholds (of root's four roles, of every delegation), paths and
 * order of delegations, targets, and member by member the contents of JSON
 * documents that are at hand. What widens trust or is out of the ordinary is
 * marked. Text from outside is escaped when it is printed. Pure.
 */
#ifndef SIGNING_CHANGE_TEXT_H
#define SIGNING_CHANGE_TEXT_H

#include "signing/sigreq.h"

#define CHANGE_TEXT_MAX 20000   /* changes in one list; further ones are only counted */

/* What people call a key, or NULL; borrowed until the next call. */
typedef const char *change_text_name(void *arg, const struct pubkey *k);

struct change_text_item {
	const char *kind;       /* static: "file", "key-added", "threshold", ...; the first of each role is "file" */
	char *role;             /* the file that changes */
	char *subject;          /* a role, a target's path; "" none */
	char *sentence;
	unsigned depth;         /* 0: the file; 1: in it; 2: inside a document */
	bool careful;           /* trust becomes wider, or something unusual */
};

struct change_text {
	struct change_text_item *items;
	size_t count;
	size_t left_out;
};

struct change_text_how {
	change_text_name *name; /* may be NULL */
	void *arg;
	const struct sigreq *documents; /* whose documents show contents; may be NULL */
};

/* Adds what becomes of one role's file; was NULL: it was never published. */
int change_text_add(struct change_text *t, const char *role, const struct metadata *was, const struct metadata *becomes,
		    const struct change_text_how *how, struct err *e) MUST_CHECK;
/* Everything that a request asks for. */
int change_text_of(struct change_text **out, const struct sigreq *q, change_text_name *name, void *arg, struct err *e) MUST_CHECK;

struct change_text *change_text_new(void);      /* NULL when there is no memory */
void change_text_free(struct change_text *t);   /* NULL is fine */

void change_text_print(struct buf *out, const struct change_text *t);  /* lines; "! " marks the careful ones */
void change_text_json(struct json_writer *w, const char *key, const struct change_text *t);    /* an array of objects */

AUTO_DEFINE(change_text, struct change_text *, change_text_free);

#endif
