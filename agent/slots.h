/*
 * slots: the trees under channels/<channel>/slots/<digest>/, complete or absent.
 *
 * Names that begin with a dot are being built or removed. Only the supervisor
 * writes here; readers hold a shared lock on the slot they use.
 */
#ifndef AGENT_SLOTS_H
#define AGENT_SLOTS_H

#include <stdbool.h>

#include "base/hash.h"

int slots_open(int channel_dir, struct err *e) MUST_CHECK;              /* the directory of all slots */
int slots_open_slot(int channel_dir, const struct digest *d, struct err *e) MUST_CHECK;        /* ERR_NOT_FOUND */
bool slots_have(int channel_dir, const struct digest *d);
int slots_sync(int channel_dir, struct err *e) MUST_CHECK;             /* their names: whoever moved one there may have died before that */

/* "<root>/var/lib/ringhold/channels/<channel>/slots/<digest>" */
int slots_path(char *out, size_t cap, const char *root, const char *channel, const struct digest *d, struct err *e) MUST_CHECK;

/* Removes one slot. ERR_CONFLICT: somebody reads it. Absent is success. */
int slots_remove(int channel_dir, const struct digest *d, struct err *e) MUST_CHECK;

/* Removes every slot but those kept, and everything unfinished; skips what is read. Answers how many went. */
int slots_clean(int channel_dir, const struct digest *keep, size_t count, struct err *e) MUST_CHECK;

#endif
