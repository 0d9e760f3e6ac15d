#include "rollout/calendar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "rollout/field.h"

#define DAY 86400
#define TEXT_MAX 80                     /* bytes of one part of a window, longer than any that is right */
#define YEARS_10 ((int64_t)3653 * DAY)  /* what is looked ahead */

/* ---- reading ---- */

static int parse_window(struct windows *w, const struct json_doc *d, const struct json *o, struct err *e)
{
	static const char *const keys[] = { "days", "from", "to", "zone", NULL };
	const char *days, *from, *to, *zone;

	if (o->type != JSON_OBJECT)
		return json_error(d, o, e, ERR_FORMAT, "a window is an object");
	if (json_only(d, o, keys, e) < 0 || json_want_text(d, o, "days", TEXT_MAX, &days, e) < 0 ||
	    json_want_text(d, o, "from", TEXT_MAX, &from, e) < 0 || json_want_text(d, o, "to", TEXT_MAX, &to, e) < 0 ||
	    json_want_text(d, o, "zone", TEXT_MAX, &zone, e) < 0)
		return e->code;
	if (windows_add(w, days, from, to, zone, e) < 0) {
		char said[sizeof e->msg];

		memcpy(said, e->msg, sizeof said);
		return json_error(d, o, e, e->code, "%.160s", said);
	}
	return 0;
}

/* "2026-12-20" into days since 1970; by the one reader of times there is. */
static int want_day(const struct json_doc *d, const struct json *o, const char *key, int64_t *out, struct err *e)
{
	char stamp[32];
	const char *text;
	int64_t at;

	if (json_want_text(d, o, key, TEXT_MAX, &text, e) < 0)
		return e->code;
	snprintf(stamp, sizeof stamp, "%.10sT00:00:00Z", text);
	if (strlen(text) != 10 || !clock_parse(&at, stamp, strlen(stamp)))
		return json_error(d, json_get(o, key), e, ERR_FORMAT, "%s is a day such as 2026-12-20", key);
	*out = at / DAY;
	return 0;
}

static int parse_freeze(struct freeze *f, const struct json_doc *d, const struct json *o, struct err *e)
{
	static const char *const keys[] = { "from", "to", "zone", "reason", NULL };

	if (o->type != JSON_OBJECT)
		return json_error(d, o, e, ERR_FORMAT, "a freeze is an object");
	if (json_only(d, o, keys, e) < 0 || want_day(d, o, "from", &f->first, e) < 0 || want_day(d, o, "to", &f->last, e) < 0 ||
	    field_want_text(d, o, "zone", f->zone_name, ZONE_NAME_MAX, e) < 0 ||
	    field_may_text(d, o, "reason", f->reason, CALENDAR_REASON_MAX, e) < 0)
		return e->code;
	if (!zone_name_valid(f->zone_name))
		return json_error(d, json_get(o, "zone"), e, ERR_FORMAT, "\"%.40s\" is not the name of a time zone, such as Europe/Berlin",
				  f->zone_name);
	if (f->last < f->first)
		return json_error(d, o, e, ERR_FORMAT, "a freeze ends on the day it begins, or later");
	return 0;
}

int calendar_parse(struct calendar *out, const struct json_doc *d, const struct json *o, struct err *e)
{
	const struct json *windows = NULL, *freezes = NULL;

	*out = (struct calendar){ .freeze_count = 0 };
	if (json_may_array(d, o, "windows", WINDOWS_MAX, &windows, e) < 0 ||
	    json_may_array(d, o, "freezes", CALENDAR_FREEZES_MAX, &freezes, e) < 0)
		return e->code;
	for (uint32_t i = 0; windows && i < windows->count; i++)
		if (parse_window(&out->windows, d, &windows->u.items[i], e) < 0)
			return e->code;
	if (!freezes || freezes->count == 0)
		return 0;
	out->freezes = calloc(freezes->count, sizeof *out->freezes);
	if (!out->freezes)
		return err_memory(e);
	for (; out->freeze_count < freezes->count; out->freeze_count++)
		if (parse_freeze(&out->freezes[out->freeze_count], d, &freezes->u.items[out->freeze_count], e) < 0)
			return e->code;
	return 0;
}

void calendar_release(struct calendar *c)
{
	windows_release(&c->windows);
	for (size_t i = 0; i < c->freeze_count; i++)
		zone_free(c->freezes[i].zone);
	free(c->freezes);
	*c = (struct calendar){ .freeze_count = 0 };
}

static void put_time(struct json_writer *w, const char *key, int minutes)
{
	char text[16];

	snprintf(text, sizeof text, "%02d:%02d", minutes / 60, minutes % 60);
	json_put_text(w, key, text);
}

static void put_day(struct json_writer *w, const char *key, int64_t day)
{
	char text[CLOCK_TEXT_LEN + 1];

	clock_text(text, day * DAY);
	text[10] = '\0';
	json_put_text(w, key, text);
}

void calendar_write(struct json_writer *w, const struct calendar *c)
{
	json_open_array(w, "windows");
	for (size_t i = 0; i < c->windows.count; i++) {
		const struct window *one = &c->windows.of[i];
		char days[WINDOW_DAYS_LEN];

		window_days_text(days, one->days);
		json_open_object(w, NULL);
		json_put_text(w, "days", days);
		put_time(w, "from", one->from);
		put_time(w, "to", one->to);
		json_put_text(w, "zone", one->zone_name);
		json_close_object(w);
	}
	json_close_array(w);
	json_open_array(w, "freezes");
	for (size_t i = 0; i < c->freeze_count; i++) {
		const struct freeze *f = &c->freezes[i];

		json_open_object(w, NULL);
		put_day(w, "from", f->first);
		put_day(w, "to", f->last);
		json_put_text(w, "zone", f->zone_name);
		if (f->reason[0])
			json_put_text(w, "reason", f->reason);
		json_close_object(w);
	}
	json_close_array(w);
}

bool calendar_always(const struct calendar *c)
{
	return c->windows.count == 0 && c->freeze_count == 0;
}

int calendar_resolve(struct calendar *c, struct err *e)
{
	if (windows_resolve(&c->windows, e) < 0)
		return e->code;
	for (size_t i = 0; i < c->freeze_count; i++)
		if (!c->freezes[i].zone && zone_open(&c->freezes[i].zone, c->freezes[i].zone_name, e) < 0)
			return err_wrap(e, "freeze");
	return 0;
}

/* ---- instants ---- */

static bool resolved(const struct calendar *c)
{
	for (size_t i = 0; i < c->windows.count; i++)
		if (!c->windows.of[i].zone)
			return false;
	for (size_t i = 0; i < c->freeze_count; i++)
		if (!c->freezes[i].zone)
			return false;
	return true;
}

static int64_t begins(const struct freeze *f)
{
	return zone_instant(f->zone, f->first * DAY);
}

static int64_t ends(const struct freeze *f)
{
	return zone_instant(f->zone, (f->last + 1) * DAY);
}

/* The freeze that is on, the longest of several; else *next is when one begins. */
static const struct freeze *frozen(const struct calendar *c, int64_t at, int64_t *next)
{
	const struct freeze *on = NULL;

	*next = CALENDAR_NEVER;
	for (size_t i = 0; i < c->freeze_count; i++) {
		const struct freeze *f = &c->freezes[i];
		int64_t from = begins(f);

		if (from > at)
			*next = MIN(*next, from);
		else if (at < ends(f) && (!on || ends(f) > ends(on)))
			on = f;
	}
	return on;
}

/* From one closing to the next opening: each step passes a freeze, or finds the hours open. */
static int64_t opens(const struct calendar *c, int64_t at)
{
	while (at != CALENDAR_NEVER) {
		int64_t next;
		const struct freeze *f = frozen(c, at, &next);
		struct window_state w;

		if (f) {
			at = ends(f);
			continue;
		}
		w = windows_at(&c->windows, at);
		if (w.open)
			return at;
		at = w.until;
	}
	return CALENDAR_NEVER;
}

struct calendar_state calendar_at(const struct calendar *c, int64_t now)
{
	struct calendar_state s = { false, CALENDAR_NEVER, NULL };
	struct window_state w;
	int64_t next;

	if (!resolved(c))
		return s;
	s.freeze = frozen(c, now, &next);
	w = windows_at(&c->windows, now);
	s.open = !s.freeze && w.open;
	s.until = s.open ? MIN(w.until, next) : opens(c, now);
	return s;
}

int64_t calendar_next(const struct calendar *c, int64_t at)
{
	struct calendar_state s = calendar_at(c, at);

	return s.open ? at : s.until;
}

int64_t calendar_closed(const struct calendar *c, int64_t from, int64_t to)
{
	int64_t closed = 0;

	if (calendar_always(c))
		return 0;
	while (from < to) {
		struct calendar_state s = calendar_at(c, from);
		int64_t until = MIN(s.until, to);

		if (!s.open)
			closed += until - from;
		from = until;
	}
	return closed;
}

int64_t calendar_after(const struct calendar *c, int64_t from, int64_t seconds)
{
	for (;;) {
		struct calendar_state s = calendar_at(c, from);
		int64_t room = s.open ? s.until == CALENDAR_NEVER ? INT64_MAX : s.until - from : 0;

		if (seconds < room)
			return from + seconds;
		if (s.until == CALENDAR_NEVER)
			return CALENDAR_NEVER;
		seconds -= room;
		from = s.until;
	}
}

int64_t calendar_paced(const struct calendar *c, int64_t from, int64_t count, int64_t each)
{
	int64_t at = from;

	each = MAX(each, 1);
	while (count > 0) {
		struct calendar_state s = calendar_at(c, at);
		int64_t room;

		if (!s.open && (s.until == CALENDAR_NEVER || s.until - from > YEARS_10))
			return CALENDAR_NEVER;
		if (!s.open) {
			at = s.until;
			continue;
		}
		/* so many begin before it closes */
		room = s.until == CALENDAR_NEVER ? count : (s.until - at + each - 1) / each;
		if (room >= count)
			return count - 1 > (INT64_MAX - at) / each ? CALENDAR_NEVER : at + (count - 1) * each;
		count -= room;
		at += room * each;
		if (at - from > YEARS_10)
			return CALENDAR_NEVER;
	}
	return from;
}
