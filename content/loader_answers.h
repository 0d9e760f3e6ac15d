/*
 * loader_answers: what a check command says, among whatever its engine prints.
 *
 *   ringhold events                        at load: it judges events
 *   ringhold rules N                       at load: it loaded so many
 *   ringhold verdict N ACTION [RULE]       of event N, from 1; several: the strongest counts
 *
 * Every other line is chatter; the last line of chatter is its reason when it
 * refuses. docs/loaders.md is the manual for authors of commands.
 */
#ifndef CONTENT_LOADER_ANSWERS_H
#define CONTENT_LOADER_ANSWERS_H

#include <stdbool.h>

#include "content/loader.h"

struct loader_answer {
	bool given;
	struct detection detection;
};

struct loader_answers {
	bool events;
	uint64_t rules;
	struct loader_answer *of;       /* the caller's; zero before */
	size_t count;
};

/* ERR_FORMAT "line 3 of its answer: ..." for one of ours that is malformed or speaks of no event. Pure. */
int loader_answers_parse(struct loader_answers *out, const char *text, size_t len, struct err *e) MUST_CHECK;

/* The last line of chatter that says anything; "" for none. */
void loader_answers_reason(const char *text, size_t len, char *out, size_t cap);

#endif
