/*
 * calendar: when a ring may make offers: weekly windows without dated freezes.
 *
 * Windows are rollout/window.h; none means every hour of the week. A freeze is
 * {from, to, zone}: from midnight of the first day to midnight after the last,
 * by the clocks of that zone. As parts of a policy:
 *
 *	"windows":[{"days":"mon-fri","from":"22:00","to":"05:00","zone":"Europe/Berlin"}],
 *	"freezes":[{"from":"2026-12-20","to":"2027-01-03","zone":"Europe/Berlin","reason":"year end"}]
 *
 * Reading one asks no time zone database; calendar_resolve() does. Without
 * that, one that has windows or freezes is never open.
 */
#ifndef ROLLOUT_CALENDAR_H
#define ROLLOUT_CALENDAR_H

#include "base/json.h"
#include "rollout/window.h"

#define CALENDAR_FREEZES_MAX 64
#define CALENDAR_REASON_MAX 128         /* bytes of what a freeze is for */
#define CALENDAR_NEVER INT64_MAX

struct freeze {
	int64_t first, last;            /* days since 1970-01-01; both are frozen */
	char zone_name[ZONE_NAME_MAX + 1];
	char reason[CALENDAR_REASON_MAX + 1];   /* "" none */
	struct zone *zone;              /* owned by the calendar; NULL until calendar_resolve() */
};

struct calendar {
	struct windows windows;
	struct freeze *freezes;         /* owned */
	size_t freeze_count;
};

/* The members "windows" and "freezes" of o, either may be missing. On failure *out is what was read so far: release it. Pure. */
int calendar_parse(struct calendar *out, const struct json_doc *d, const struct json *o, struct err *e) MUST_CHECK;
void calendar_release(struct calendar *c);
void calendar_write(struct json_writer *w, const struct calendar *c);
bool calendar_always(const struct calendar *c);         /* neither windows nor freezes */

/* Opens the time zones; ERR_NOT_FOUND names one that this machine does not know. */
int calendar_resolve(struct calendar *c, struct err *e) MUST_CHECK;

struct calendar_state {
	bool open;
	int64_t until;                  /* when that changes; CALENDAR_NEVER */
	const struct freeze *freeze;    /* closed by this one; NULL: by the hours of the week */
};

/* All of these are pure. */
struct calendar_state calendar_at(const struct calendar *c, int64_t now);
/* The first instant from `at` on at which it is open; CALENDAR_NEVER. */
int64_t calendar_next(const struct calendar *c, int64_t at);
/* Seconds of [from, to) in which it is closed. */
int64_t calendar_closed(const struct calendar *c, int64_t from, int64_t to);
/* When so many open seconds have gone by since `from`; CALENDAR_NEVER. */
int64_t calendar_after(const struct calendar *c, int64_t from, int64_t seconds);
/*
 * When the last of `count` things can begin that each begin while it is open,
 * `each` seconds or more after the one before; CALENDAR_NEVER: not within ten
 * years.
 */
int64_t calendar_paced(const struct calendar *c, int64_t from, int64_t count, int64_t each);

#endif
