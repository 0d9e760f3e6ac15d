/* stories: what the demo tells and the system tests assert; each goes on where the one before ended. */
#ifndef TESTS_SYSTEM_STORIES_H
#define TESTS_SYSTEM_STORIES_H

#include "world.h"

struct story {
	const char *name;       /* of the test */
	const char *title;      /* for people; NULL: a test only, the demo leaves it out */
	int (*tell)(struct world *w, struct err *e);
};

extern const struct story stories[];
extern const size_t story_count;

/* Any directory of YARA files through the same rings; a second one, when not NULL, as a delta. */
int story_yara(struct world *w, const char *first, const char *second, struct err *e) MUST_CHECK;

void stories_table(const struct world *w);      /* who ran what, on the terminal */

#endif
