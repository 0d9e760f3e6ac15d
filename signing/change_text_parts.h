/* change_text_parts: what signing/change_text*.c share; for these only. */
#ifndef SIGNING_CHANGE_TEXT_PARTS_H
#define SIGNING_CHANGE_TEXT_PARTS_H

#include "signing/change_text.h"

/* One file being compared. */
struct change_text_work {
	struct change_text *list;
	const struct change_text_how *how;
	const char *role;
	const struct metadata *was, *becomes;   /* was may be NULL */
	struct err *e;
};

/* Negative once something failed. */
int change_text_say(struct change_text_work *k, const char *kind, const char *subject, unsigned depth, bool careful, const char *fmt, ...)
	PRINTF_LIKE(6, 7) MUST_CHECK;

int change_text_roles(struct change_text_work *k) MUST_CHECK;          /* root: its four roles */
int change_text_delegations(struct change_text_work *k) MUST_CHECK;
int change_text_targets(struct change_text_work *k) MUST_CHECK;
/* Two JSON texts, member by member; either may be NULL. What is no JSON says nothing. */
int change_text_documents(struct change_text_work *k, const char *path, const struct buf *was, const struct buf *becomes) MUST_CHECK;

#endif
