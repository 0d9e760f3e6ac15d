/*
 * yara_text: which rules a file of YARA rules has, and which of them are as they were.
 *
 * Read without libyara, which no content reaches before its permit. Text that
 * libyara takes is cut into the same rules, or is ERR_FORMAT: "not followed"
 * is an answer, for whoever asks has a careful way without this one. Pure.
 */
#ifndef CONTENT_YARA_TEXT_H
#define CONTENT_YARA_TEXT_H

#include <stdbool.h>

#include "base/hash.h"

#define YARA_NAME_MAX 128

struct yara_rule {
	char name[YARA_NAME_MAX + 1];
	/* Its meta may give it a verdict that destroys (loader_yara.c): another than none, observe and alert is written there. */
	bool acts;
	/*
	 * Over its tokens, blanks and comments between them aside, over all rules that it
	 * builds on, and over the global rules of the file: equal digests match
	 * the same and say the same.
	 */
	struct digest sense;
};

struct yara_text {
	struct yara_rule *rules;        /* owned; sorted by name, which are all different */
	size_t count;
};

/* ERR_FORMAT: not followed; ERR_LIMIT: too much in it. */
int yara_text_read(struct yara_text **out, const char *text, size_t len, struct err *e) MUST_CHECK;
void yara_text_free(struct yara_text *t);       /* NULL is fine */
const struct yara_rule *yara_text_find(const struct yara_text *t, const char *name);    /* NULL: it has none of that name */

AUTO_DEFINE(yara_text, struct yara_text *, yara_text_free);

#endif
