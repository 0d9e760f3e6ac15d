/* tree_watch: wait until something beneath a directory changes. */
#ifndef CLI_TREE_WATCH_H
#define CLI_TREE_WATCH_H

#include "base/err.h"

struct tree_watch;

/* Watches dir and every directory beneath it as they are now; hidden ones are left out. */
int tree_watch_new(struct tree_watch **out, const char *dir, struct err *e) MUST_CHECK;
void tree_watch_free(struct tree_watch *w);

/* Returns after a change, once it has been quiet for a moment: an editor writes more than once. */
int tree_watch_wait(struct tree_watch *w, struct err *e) MUST_CHECK;

AUTO_DEFINE(tree_watch, struct tree_watch *, tree_watch_free);

#endif
