/* zone_rule: the footer of a TZif file, a POSIX TZ string such as "CET-1CEST,M3.5.0,M10.5.0/3". Pure. For base/zone.c. */
#ifndef BASE_ZONE_RULE_H
#define BASE_ZONE_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One day of each year, and the local time on it. */
struct zone_day {
	char kind;              /* 'M' month.week.weekday, 'J' day 1..365 without 29 February, 'D' day 0..365 */
	int month, week, day;
	int64_t time;           /* seconds, -167 h to 167 h */
};

struct zone_rule {
	int64_t standard, summer;       /* seconds east of UTC */
	bool changes;                   /* there is a summer time */
	struct zone_day from, to;       /* when it begins, in standard time, and ends, in summer time */
};

bool zone_rule_parse(struct zone_rule *out, const char *text, size_t len);
int64_t zone_rule_offset(const struct zone_rule *r, int64_t at);        /* seconds east at that instant */

#endif
