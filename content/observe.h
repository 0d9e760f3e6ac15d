/*
 * observe: rules whose destructive verdicts are only observed, while the
 * content is on trial: what would have happened is counted and does not happen.
 */
#ifndef CONTENT_OBSERVE_H
#define CONTENT_OBSERVE_H

#include "content/loader.h"

#define OBSERVE_ALL "*"         /* as an id: every rule */
#define OBSERVE_FILE ":*"       /* as the end of an id, behind a file's path: every rule of that file */
#define OBSERVE_OF_FILE ":"     /* between a file's path and a name: one rule of that file */

struct observe;         /* a set of ids, immutable */
extern const struct observe observe_every;      /* all rules are in it */

int observe_new(struct observe **out, const char *const *ids, size_t count, struct err *e) MUST_CHECK;   /* copies the ids */
void observe_free(struct observe *o);                   /* NULL is fine */
bool observe_has(const struct observe *o, const char *id);      /* o NULL: no */
bool observe_has_of_file(const struct observe *o, const char *path, const char *name);  /* every rule of it, or this one; o NULL: no */

/* A rule matched: keeps the strongest verdict, and beside it the strongest that was only observed. o NULL: none is. */
void observe_take(const struct observe *o, struct detection *out, enum detection_action action, const char *rule);

AUTO_DEFINE(observe, struct observe *, observe_free);

#endif
