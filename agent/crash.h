/*
 * crash: what a kernel left behind as it died.
 *
 * Linux keeps the last words of a panic or an oops in pstore, where the next
 * boot finds them: <root>/sys/fs/pstore, and <root>/var/lib/systemd/pstore once
 * systemd tidied up. The records stay where they are: they are not ours. The
 * journal keeps which of them were told of, by their bytes.
 */
#ifndef AGENT_CRASH_H
#define AGENT_CRASH_H

#include <stdbool.h>

#include "agent/journal.h"

#define CRASH_SEEN_MAX 8192

struct crash {
	bool found;                     /* since crash_told() there was one */
	bool attached;                  /* some report holds its words */
	char words[200];                /* its last words, one printable line; "" unless found */
	char seen[CRASH_SEEN_MAX];      /* all records by now, as crash_told() keeps them */
};

/* Pure: the line of a dump that says why, without its time stamp; else the first one. */
void crash_words(char *out, size_t cap, const char *dump, size_t len);

/* Looks for records that were not told of. What cannot be read is left out, with a line in the log. */
int crash_look(struct crash *c, const char *root, struct journal *j, struct err *e) MUST_CHECK;
/* Its consequences are durable: nothing is blamed for it again. May be repeated. */
int crash_told(struct crash *c, struct journal *j, struct err *e) MUST_CHECK;

#endif
