/* floor_change: the one change to a vendor's role that brings no bundle with it: its floor. */
#ifndef SERVER_FLOOR_CHANGE_H
#define SERVER_FLOOR_CHANGE_H

#include <stdbool.h>

#include "signing/metadata.h"

/*
 * `next` lists what `now` lists (NULL: never published, nothing), to the last
 * member, but for bundles/<channel>/floor.json, which it does list; and it
 * delegates nothing. role: "content-<channel>". Pure.
 */
bool floor_change_only(const char *role, const struct metadata *now, const struct metadata *next);

#endif
