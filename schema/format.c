/* format: times, identifiers and pointers; the table of all formats. */
#include "schema/format.h"

#include <string.h>

#include "schema/pattern.h"

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool hex_digit(char c)
{
	return digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Exactly `width` digits at s; -1: there is something else. */
static int number(const char *s, const char *end, int width)
{
	int v = 0;

	if (end - s < width)
		return -1;
	for (int i = 0; i < width; i++) {
		if (!digit(s[i]))
			return -1;
		v = 10 * v + (s[i] - '0');
	}
	return v;
}

/* ---- RFC 3339 ---- */

static bool fits_date(const char *s, size_t len)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	const char *end = s + len;
	int year, month, day;

	if (len != 10 || s[4] != '-' || s[7] != '-')
		return false;
	year = number(s, end, 4);
	month = number(s + 5, end, 2);
	day = number(s + 8, end, 2);
	if (year < 0 || month < 1 || month > 12 || day < 1)
		return false;
	if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))
		return day <= 29;
	return day <= days[month - 1];
}

/* "Z" or "+hh:mm": its minutes go to *offset. */
static bool read_offset(const char *s, const char *end, int *offset)
{
	int hours, minutes;

	*offset = 0;
	if (end - s == 1)
		return *s == 'Z' || *s == 'z';
	if (end - s != 6 || (*s != '+' && *s != '-') || s[3] != ':')
		return false;
	hours = number(s + 1, end, 2);
	minutes = number(s + 4, end, 2);
	if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
		return false;
	*offset = (60 * hours + minutes) * (*s == '-' ? -1 : 1);
	return true;
}

static bool fits_time(const char *s, size_t len)
{
	const char *end = s + len;
	int hours, minutes, seconds, offset, utc;

	if (len < 9 || s[2] != ':' || s[5] != ':')
		return false;
	hours = number(s, end, 2);
	minutes = number(s + 3, end, 2);
	seconds = number(s + 6, end, 2);
	if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59 || seconds < 0 || seconds > 60)
		return false;
	s += 8;
	if (*s == '.') {
		const char *first = ++s;

		while (s < end && digit(*s))
			s++;
		if (s == first)
			return false;
	}
	if (s >= end || !read_offset(s, end, &offset))
		return false;
	utc = (60 * hours + minutes - offset + 2 * 24 * 60) % (24 * 60);
	return seconds < 60 || utc == 23 * 60 + 59;     /* leap seconds end a day of UTC */
}

static bool fits_date_time(const char *s, size_t len)
{
	return len > 11 && (s[10] == 'T' || s[10] == 't') && fits_date(s, 10) && fits_time(s + 11, len - 11);
}

/* Numbers with the units given, each at most once, in that order and without a gap. */
static bool read_units(const char **at, const char *end, const char *units)
{
	const char *s = *at, *unit = NULL;

	while (s < end && digit(*s)) {
		const char *next;

		while (s < end && digit(*s))
			s++;
		next = s < end && *s ? strchr(units, *s) : NULL;
		if (!next || (unit && next != unit + 1))
			return false;
		unit = next;
		s++;
	}
	*at = s;
	return unit != NULL;
}

/* Appendix A. */
static bool fits_duration(const char *s, size_t len)
{
	const char *end = s + len;

	if (len < 3 || *s++ != 'P')
		return false;
	if (end[-1] == 'W')
		return read_units(&s, end, "W") && s == end;
	if (*s != 'T' && !read_units(&s, end, "YMD"))
		return false;
	if (s == end)
		return true;
	return *s++ == 'T' && read_units(&s, end, "HMS") && s == end;
}

/* ---- identifiers and pointers ---- */

static bool fits_uuid(const char *s, size_t len)
{
	if (len != 36)
		return false;
	for (size_t i = 0; i < len; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? s[i] != '-' : !hex_digit(s[i]))
			return false;
	}
	return true;
}

/* RFC 6901 */
static bool fits_json_pointer(const char *s, size_t len)
{
	if (len && *s != '/')
		return false;
	for (size_t i = 0; i < len; i++)
		if (s[i] == '~' && (i + 1 == len || (s[i + 1] != '0' && s[i + 1] != '1')))
			return false;
	return true;
}

static size_t whole_number(const char *s, size_t len)
{
	size_t i = 0;

	while (i < len && digit(s[i]))
		i++;
	return i > 1 && s[0] == '0' ? 0 : i;
}

static bool fits_relative_json_pointer(const char *s, size_t len)
{
	size_t up = whole_number(s, len);

	if (!up)
		return false;
	s += up;
	len -= up;
	return (len == 1 && *s == '#') || fits_json_pointer(s, len);
}

static bool fits_regex(const char *s, size_t len)
{
	AUTO(pattern) struct pattern *p = NULL;
	struct err e;

	return pattern_compile(&p, s, len, false, &e) == 0;
}

static const struct format formats[] = {
	{ "date-time", fits_date_time, "a date and time (2026-01-31T12:00:00Z)" },
	{ "date", fits_date, "a date (2026-01-31)" },
	{ "time", fits_time, "a time with its offset (12:00:00Z)" },
	{ "duration", fits_duration, "a duration (P1DT12H)" },
	{ "ipv4", format_ipv4, "an IPv4 address" },
	{ "ipv6", format_ipv6, "an IPv6 address" },
	{ "cidr", format_cidr, "a network (192.0.2.0/24)" },
	{ "hostname", format_hostname, "a host name" },
	{ "idn-hostname", format_idn_hostname, "a host name" },
	{ "email", format_email, "an e-mail address" },
	{ "idn-email", format_idn_email, "an e-mail address" },
	{ "uri", format_uri, "a URI with its scheme" },
	{ "uri-reference", format_uri_reference, "a URI or a relative reference" },
	{ "iri", format_iri, "an IRI with its scheme" },
	{ "iri-reference", format_iri_reference, "an IRI or a relative reference" },
	{ "uri-template", format_uri_template, "a URI template" },
	{ "uuid", fits_uuid, "a UUID" },
	{ "regex", fits_regex, "a regular expression of ECMA-262" },
	{ "json-pointer", fits_json_pointer, "a JSON pointer" },
	{ "relative-json-pointer", fits_relative_json_pointer, "a relative JSON pointer" },
};

const struct format *format_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(formats); i++)
		if (strcmp(formats[i].name, name) == 0)
			return &formats[i];
	return NULL;
}
