/*
 * window: the hours of the week in which changes are welcome.
 *
 * A window is {days, from, to, zone}: on these days of the week, by the clocks
 * of that time zone. `to` at or before `from` is on the next day; the day is
 * the one on which the window opens. As one text: "mon-fri 22:00-05:00
 * Europe/Berlin"; several are separated by semicolons.
 *
 * Summer time: a window opens, and closes, at the first instant at which the
 * clock shows that time or later. So one that opens at a time which the clock
 * skips opens when it skips, and none is lost or comes twice.
 */
#ifndef ROLLOUT_WINDOW_H
#define ROLLOUT_WINDOW_H

#include <stdbool.h>

#include "base/zone.h"

#define WINDOWS_MAX 32
#define WINDOW_DAYS_LEN 28      /* "mon,tue,wed,thu,fri,sat,sun" with its NUL */

struct window {
	unsigned days;                  /* bit 0 Sunday ... bit 6 Saturday; at least one */
	int from, to;                   /* minutes of the day: 0..1439, 0..1440; not equal */
	char zone_name[ZONE_NAME_MAX + 1];
	struct zone *zone;              /* owned by the list; NULL until windows_resolve() */
};

struct windows {
	struct window *of;              /* owned */
	size_t count;                   /* 0: always open */
};

/* The parts, for documents that have them apart: "mon-fri", "sat,sun", "fri-mon", "daily"; "22:00", for `to` also "24:00". Pure. */
bool window_days_parse(unsigned *out, const char *text);
void window_days_text(char out[WINDOW_DAYS_LEN], unsigned days);
bool window_time_parse(int *out, const char *text);
/* One window from its parts, added at the end; ERR_FORMAT, ERR_LIMIT. Pure. */
int windows_add(struct windows *w, const char *days, const char *from, const char *to, const char *zone, struct err *e) MUST_CHECK;

/* The one text. "" is no window at all. On failure *out is empty. Pure. */
int windows_parse(struct windows *out, const char *text, struct err *e) MUST_CHECK;
void windows_release(struct windows *w);

/* Opens the time zones; ERR_NOT_FOUND names one that this machine does not know. */
int windows_resolve(struct windows *w, struct err *e) MUST_CHECK;

struct window_state {
	bool open;
	int64_t until;                  /* seconds since the epoch: when that changes; INT64_MAX: never */
};

/* Of all windows together: those that touch or overlap are one. Pure; the zones must be there. */
struct window_state windows_at(const struct windows *w, int64_t now);

#endif
