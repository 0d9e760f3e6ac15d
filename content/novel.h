/*
 * novel: which rules of a bundle may act, and did not do so before.
 *
 * A rule is novel when its verdict is destructive and the bundle before has no
 * rule of that id, or a harmless one, or one that matches otherwise. Of YARA
 * the same holds within a file that changed (content/yara_text.h); of a file
 * that is new, or whose text is not followed, all rules are novel. Of other engines
 * nothing is while no file of theirs differs, else every rule of the bundle.
 */
#ifndef CONTENT_NOVEL_H
#define CONTENT_NOVEL_H

#include "base/err.h"

#define NOVEL_ID_MAX 250        /* bytes of an id, without the NUL: a line of a list is no longer */

typedef int novel_visit(void *arg, const char *id, struct err *e);

/*
 * slot, before: content trees that were checked; before -1: there is none, and
 * all that is destructive is novel. "*" stands for every rule, "PATH:*" for
 * every rule of a file, "PATH:NAME" for one of a file of YARA rules
 * (content/observe.h); none is longer than NOVEL_ID_MAX. Content is
 * parsed: call it in a confined process only.
 */
int novel_rules(int slot, int before, novel_visit *visit, void *arg, struct err *e) MUST_CHECK;

#endif
