/* window: from local hours of the week to instants. */
#include "rollout/window.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE 60
#define DAY 86400
#define DAY_MINUTES 1440
#define TEXT_MAX 4096
#define LOOK_DAYS 8             /* a window comes back within a week, and a day for the zones */
#define SAME_DAYS 7             /* windows that touch for so long are always open */

static const char *const names[] = { "sun", "mon", "tue", "wed", "thu", "fri", "sat" };

/* ---- text ---- */

static int day_of(const char *at)
{
	for (int i = 0; i < 7; i++)
		if (!strncmp(at, names[i], 3))
			return i;
	return -1;
}

bool window_days_parse(unsigned *out, const char *text)
{
	unsigned days = 0;

	if (!strcmp(text, "daily")) {
		*out = 0x7f;
		return true;
	}
	for (const char *at = text;; at++) {
		int first = day_of(at), last = first;

		if (first < 0)
			return false;
		at += 3;
		if (*at == '-') {
			last = day_of(at + 1);
			if (last < 0)
				return false;
			at += 4;
		}
		for (int d = first;; d = (d + 1) % 7) {
			days |= 1u << d;
			if (d == last)
				break;
		}
		if (!*at)
			break;
		if (*at != ',')
			return false;
	}
	*out = days;
	return true;
}

void window_days_text(char out[WINDOW_DAYS_LEN], unsigned days)
{
	out[0] = '\0';
	for (int i = 1; i <= 7; i++) {
		if (!(days & 1u << i % 7))
			continue;
		if (*out)
			strcat(out, ",");
		strcat(out, names[i % 7]);
	}
}

bool window_time_parse(int *out, const char *text)
{
	static const char form[] = "dd:dd";
	int minutes;

	if (strlen(text) != sizeof form - 1)
		return false;
	for (size_t i = 0; i < sizeof form - 1; i++)
		if (form[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
			return false;
	minutes = (text[3] - '0') * 10 + text[4] - '0';
	*out = ((text[0] - '0') * 10 + text[1] - '0') * 60 + minutes;
	return minutes < 60 && *out <= DAY_MINUTES;
}

static struct window *room(struct windows *w, struct err *e)
{
	struct window *more;

	if (w->count == WINDOWS_MAX) {
		err_set(e, ERR_LIMIT, "window: more than %d", WINDOWS_MAX);
		return NULL;
	}
	more = reallocarray(w->of, w->count + 1, sizeof *more);
	if (!more) {
		err_memory(e);
		return NULL;
	}
	w->of = more;
	memset(&more[w->count], 0, sizeof *more);
	return &more[w->count];
}

int windows_add(struct windows *w, const char *days, const char *from, const char *to, const char *zone, struct err *e)
{
	struct window *one = room(w, e);

	if (!one)
		return e->code;
	if (!window_days_parse(&one->days, days))
		return err_set(e, ERR_FORMAT, "window: \"%.40s\" names no days of the week, such as mon-fri or sat,sun or daily", days);
	if (!window_time_parse(&one->from, from) || one->from == DAY_MINUTES || !window_time_parse(&one->to, to))
		return err_set(e, ERR_FORMAT, "window: \"%.10s-%.10s\" is not of the form 22:00-05:00", from, to);
	if (one->from == one->to)
		return err_set(e, ERR_FORMAT, "window: from %s to %s is no time at all; the whole day is 00:00-24:00", from, to);
	if (!zone_name_valid(zone))
		return err_set(e, ERR_FORMAT, "window: \"%.80s\" is not the name of a time zone, such as Europe/Berlin", zone);
	snprintf(one->zone_name, sizeof one->zone_name, "%s", zone);
	w->count++;
	return 0;
}

static int add_text(struct windows *w, char *text, struct err *e)
{
	char *rest, *words[3], *to;

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		words[i] = strtok_r(i ? NULL : text, " \t", &rest);
	to = words[1] ? strchr(words[1], '-') : NULL;
	if (!words[2] || !to || strtok_r(NULL, " \t", &rest))
		return err_set(e, ERR_FORMAT, "window: not DAYS FROM-TO ZONE, such as mon-fri 22:00-05:00 Europe/Berlin");
	*to++ = '\0';
	return windows_add(w, words[0], words[1], to, words[2], e);
}

int windows_parse(struct windows *out, const char *text, struct err *e)
{
	AUTO_FREE char *copy = strdup(text);
	char *rest = copy, *one;

	*out = (struct windows){ 0 };
	if (!copy)
		return err_memory(e);
	if (strlen(text) > TEXT_MAX)
		return err_set(e, ERR_LIMIT, "window: more than %d bytes", TEXT_MAX);
	while (*text && (one = strsep(&rest, ";"))) {
		if (add_text(out, one, e) < 0) {
			windows_release(out);
			return e->code;
		}
	}
	return 0;
}

void windows_release(struct windows *w)
{
	for (size_t i = 0; i < w->count; i++)
		zone_free(w->of[i].zone);
	free(w->of);
	*w = (struct windows){ 0 };
}

int windows_resolve(struct windows *w, struct err *e)
{
	for (size_t i = 0; i < w->count; i++)
		if (!w->of[i].zone && zone_open(&w->of[i].zone, w->of[i].zone_name, e) < 0)
			return err_wrap(e, "window");
	return 0;
}

/* ---- instants ---- */

struct span {
	int64_t from, to;
};

/* The window that opens on this local day, a count since 1970-01-01; false: none does. */
static bool on_day(struct span *out, const struct window *w, int64_t day)
{
	int weekday = (int)(((day + 4) % 7 + 7) % 7);   /* 1970-01-01 was a Thursday */
	int64_t ends = w->to <= w->from ? day + 1 : day;

	if (!(w->days & 1u << weekday))
		return false;
	out->from = zone_instant(w->zone, day * DAY + (int64_t)w->from * MINUTE);
	out->to = zone_instant(w->zone, ends * DAY + (int64_t)w->to * MINUTE);
	return out->from < out->to;     /* all of it may be skipped with the hour */
}

static int64_t local_day(const struct window *w, int64_t now)
{
	int64_t local = now + zone_offset(w->zone, now);

	return local / DAY - (local % DAY < 0);
}

/* The latest end of what is open at that instant; the instant itself when nothing is. */
static int64_t open_until(const struct windows *w, int64_t at)
{
	int64_t until = at;
	struct span s;

	for (size_t i = 0; i < w->count; i++) {
		int64_t day = local_day(&w->of[i], at);

		for (int64_t d = day - 1; d <= day; d++)
			if (on_day(&s, &w->of[i], d) && s.from <= at && at < s.to)
				until = MAX(until, s.to);
	}
	return until;
}

static int64_t next_opening(const struct windows *w, int64_t now)
{
	int64_t next = INT64_MAX;
	struct span s;

	for (size_t i = 0; i < w->count; i++) {
		int64_t day = local_day(&w->of[i], now);

		for (int64_t d = day; d <= day + LOOK_DAYS; d++)
			if (on_day(&s, &w->of[i], d) && s.from > now)
				next = MIN(next, s.from);
	}
	return next;
}

struct window_state windows_at(const struct windows *w, int64_t now)
{
	int64_t until = now, further;

	if (!w->count)
		return (struct window_state){ true, INT64_MAX };
	while ((further = open_until(w, until)) > until) {
		until = further;
		if (until - now > (int64_t)SAME_DAYS * DAY + DAY)
			return (struct window_state){ true, INT64_MAX };
	}
	if (until > now)
		return (struct window_state){ true, until };
	return (struct window_state){ false, next_opening(w, now) };
}
