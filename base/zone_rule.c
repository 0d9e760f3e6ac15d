/* zone_rule: parsing a POSIX TZ string, and asking it. */
#include "base/zone_rule.h"

#include <ctype.h>
#include <string.h>

#define DAY 86400
#define HOURS_MAX 167           /* RFC 9636, 3.3.2 */
#define CYCLE ((int64_t)146097 * DAY)   /* 400 years: whole weeks, after which dates and weekdays come again */

struct cursor {
	const char *at, *end;
};

static bool take(struct cursor *c, char want)
{
	if (c->at == c->end || *c->at != want)
		return false;
	c->at++;
	return true;
}

/* "CEST" or "<+0330>"; what it is called does not matter. */
static bool name(struct cursor *c)
{
	const char *from;
	bool quoted = take(c, '<');

	for (from = c->at; c->at < c->end; c->at++) {
		unsigned char ch = (unsigned char)*c->at;

		if (!isalpha(ch) && !(quoted && (isdigit(ch) || ch == '+' || ch == '-')))
			break;
	}
	return c->at - from >= 3 && (!quoted || take(c, '>'));
}

static bool number(struct cursor *c, int min, int max, int *out)
{
	int n = 0, digits = 0;

	while (c->at < c->end && isdigit((unsigned char)*c->at) && digits++ < 3)
		n = n * 10 + (*c->at++ - '0');
	*out = n;
	return digits && n >= min && n <= max;
}

/* [+-]hh[:mm[:ss]] */
static bool clock_time(struct cursor *c, int64_t *out)
{
	int sign = take(c, '-') ? -1 : 1, h, m = 0, s = 0;

	if (sign == 1)
		(void)take(c, '+');
	if (!number(c, 0, HOURS_MAX, &h) || (take(c, ':') && (!number(c, 0, 59, &m) || (take(c, ':') && !number(c, 0, 59, &s)))))
		return false;
	*out = sign * ((int64_t)h * 3600 + m * 60 + s);
	return true;
}

static bool day(struct cursor *c, struct zone_day *d)
{
	bool fine;

	d->time = 2 * 3600;
	d->kind = take(c, 'M') ? 'M' : take(c, 'J') ? 'J' : 'D';
	if (d->kind == 'M')
		fine = number(c, 1, 12, &d->month) && take(c, '.') && number(c, 1, 5, &d->week) && take(c, '.') && number(c, 0, 6, &d->day);
	else
		fine = number(c, d->kind == 'J', 365, &d->day);
	return fine && (!take(c, '/') || clock_time(c, &d->time));
}

bool zone_rule_parse(struct zone_rule *out, const char *text, size_t len)
{
	struct cursor c = { text, text + len };
	int64_t west;

	memset(out, 0, sizeof *out);
	if (!name(&c) || !clock_time(&c, &west))
		return false;
	out->standard = -west;
	if (c.at == c.end)
		return true;
	if (!name(&c))
		return false;
	out->summer = out->standard + 3600;
	if (c.at < c.end && *c.at != ',') {
		if (!clock_time(&c, &west))
			return false;
		out->summer = -west;
	}
	out->changes = true;
	return take(&c, ',') && day(&c, &out->from) && take(&c, ',') && day(&c, &out->to) && c.at == c.end;
}

/* Days since 1970-01-01 of the first of a month, proleptic Gregorian; month 1..12. */
static int64_t first_of(int64_t year, int month)
{
	int64_t y = month <= 2 ? year - 1 : year, era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
	int of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int64_t year_of(int64_t local)
{
	int64_t days = local / DAY - (local % DAY < 0), year = 1970 + days / 366;

	while (first_of(year + 1, 1) <= days)
		year++;
	while (first_of(year, 1) > days)
		year--;
	return year;
}

static bool leap(int64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* The local time, in seconds since 1970, that the day names in that year. */
static int64_t local_of(const struct zone_day *d, int64_t year)
{
	int64_t days = first_of(year, 1), next;

	if (d->kind == 'J') {
		days += d->day - 1 + (leap(year) && d->day >= 60);
	} else if (d->kind == 'D') {
		days += d->day;
	} else {
		days = first_of(year, d->month);
		next = d->month == 12 ? first_of(year + 1, 1) : first_of(year, d->month + 1);
		days += (d->day - ((days + 4) % 7 + 7) % 7 + 7) % 7;    /* 1970-01-01 was a Thursday, 4 */
		for (int i = 1; i < d->week && days + 7 < next; i++)
			days += 7;
	}
	return days * DAY + d->time;
}

int64_t zone_rule_offset(const struct zone_rule *r, int64_t at)
{
	int64_t year, from, to;
	bool summer;

	if (!r->changes)
		return r->standard;
	at = (at % CYCLE + CYCLE) % CYCLE;
	year = year_of(at + r->standard);
	from = local_of(&r->from, year) - r->standard;
	to = local_of(&r->to, year) - r->summer;
	summer = from < to ? at >= from && at < to : at >= from || at < to;
	return summer ? r->summer : r->standard;
}
