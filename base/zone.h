/*
 * zone: how far local time is from UTC, by the system's time zone database.
 *
 * One zone of the IANA database as TZif (RFC 9636, version 2 or later; zones
 * with leap seconds are refused): its recorded transitions, then the rule of
 * its footer for ever. Unlike TZ and localtime() it is no state of the process,
 * so any thread may ask about any zone.
 */
#ifndef BASE_ZONE_H
#define BASE_ZONE_H

#include <stdbool.h>

#include "base/err.h"

#define ZONE_NAME_MAX 63        /* bytes */
#define ZONE_DIR "/usr/share/zoneinfo"

struct zone;

/* "Europe/Berlin", "UTC": segments of letters, digits, '_', '+', '-'; none begins with '-'. Says nothing about existence. */
bool zone_name_valid(const char *name);

/* Pure. name is for sentences. ERR_FORMAT. */
int zone_parse(struct zone **out, const char *name, const void *bytes, size_t len, struct err *e) MUST_CHECK;

/* From ZONE_DIR; "UTC" needs no file. ERR_NOT_FOUND names the zone. */
int zone_open(struct zone **out, const char *name, struct err *e) MUST_CHECK;
void zone_free(struct zone *z);         /* NULL is fine */

/* Seconds to add to UTC at that instant. Pure. */
int64_t zone_offset(const struct zone *z, int64_t at);

/*
 * The first instant at which the clock on the wall shows `local` (seconds
 * since 1970-01-01 00:00 of that clock) or later: where the clock is put back
 * the earlier of the two, where it is put forward past `local` that very moment.
 */
int64_t zone_instant(const struct zone *z, int64_t local);

AUTO_DEFINE(zone, struct zone *, zone_free);

#endif
