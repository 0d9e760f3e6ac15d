/* format_net: addresses, networks, hosts and mailboxes. */
#include <string.h>

#include "schema/format.h"

#define HOST_MAX 253
#define LABEL_MAX 63
#define LOCAL_MAX 64

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A decimal number up to `most` without leading zeros at s: how long it is, 0 when there is none. */
static size_t small_number(const char *s, size_t len, unsigned most)
{
	unsigned v = 0;
	size_t i;

	for (i = 0; i < len && digit(s[i]); i++) {
		if (i == 3)
			return 0;
		v = 10 * v + (unsigned)(s[i] - '0');
	}
	return v > most || (i > 1 && s[0] == '0') ? 0 : i;
}

bool format_ipv4(const char *s, size_t len)
{
	for (int i = 0; i < 4; i++) {
		size_t n = small_number(s, len, 255);

		if (!n || (i < 3 && (n == len || s[n] != '.')) || (i == 3 && n != len))
			return false;
		s += n + 1;
		len -= n + (i < 3);
	}
	return true;
}

static size_t hex_group(const char *s, size_t len)
{
	size_t i = 0;

	while (i < len && (digit(s[i]) || (s[i] >= 'a' && s[i] <= 'f') || (s[i] >= 'A' && s[i] <= 'F')))
		i++;
	return i <= 4 ? i : 0;
}

bool format_ipv6(const char *s, size_t len)
{
	const char *end = s + len;
	bool gap = false;
	int groups = 0;

	if (len >= 2 && s[0] == ':' && s[1] == ':') {
		gap = true;
		s += 2;
	}
	while (s < end) {
		size_t n = hex_group(s, (size_t)(end - s));

		if (n < (size_t)(end - s) && s[n] == '.') {
			groups += 2;
			return format_ipv4(s, (size_t)(end - s)) && (gap ? groups < 8 : groups == 8);
		}
		if (!n)
			return false;
		groups++;
		s += n;
		if (s == end)
			break;
		if (*s++ != ':' || s == end)
			return false;
		if (*s == ':') {
			if (gap)
				return false;
			gap = true;
			s++;
		}
	}
	return gap ? groups < 8 : groups == 8;
}

bool format_cidr(const char *s, size_t len)
{
	const char *slash = memchr(s, '/', len);
	size_t host = slash ? (size_t)(slash - s) : 0, rest = slash ? len - host - 1 : 0;

	if (!rest)
		return false;
	if (format_ipv4(s, host))
		return small_number(slash + 1, rest, 32) == rest;
	return format_ipv6(s, host) && small_number(slash + 1, rest, 128) == rest;
}

static bool fits_label(const char *s, size_t len, bool idn)
{
	if (!len || len > LABEL_MAX || s[0] == '-' || s[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!letter(s[i]) && !digit(s[i]) && s[i] != '-' && !(idn && (unsigned char)s[i] >= 0x80))
			return false;
	return true;
}

static bool fits_host(const char *s, size_t len, bool idn)
{
	if (!len || len > HOST_MAX)
		return false;
	for (;;) {
		const char *dot = memchr(s, '.', len);
		size_t label = dot ? (size_t)(dot - s) : len;

		if (!fits_label(s, label, idn))
			return false;
		if (!dot)
			return true;
		s = dot + 1;
		len -= label + 1;
	}
}

bool format_hostname(const char *s, size_t len)
{
	return fits_host(s, len, false);
}

bool format_idn_hostname(const char *s, size_t len)
{
	return fits_host(s, len, true);
}

static bool fits_quoted(const char *s, size_t len)
{
	for (size_t i = 1; i + 1 < len; i++) {
		if (s[i] == '\\' && i + 2 < len)
			i++;
		else if (s[i] == '"' || s[i] == '\\')
			return false;
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return false;
	}
	return len >= 2 && s[len - 1] == '"';
}

static bool fits_local(const char *s, size_t len, bool idn)
{
	if (!len || len > LOCAL_MAX)
		return false;
	if (s[0] == '"')
		return fits_quoted(s, len);
	for (size_t i = 0; i < len; i++) {
		if (s[i] == '.') {
			if (i == 0 || i + 1 == len || s[i + 1] == '.')
				return false;
			continue;
		}
		if (!letter(s[i]) && !digit(s[i]) && !(s[i] && strchr("!#$%&'*+-/=?^_`{|}~", s[i])) &&
		    !(idn && (unsigned char)s[i] >= 0x80))
			return false;
	}
	return true;
}

static bool fits_mailbox(const char *s, size_t len, bool idn)
{
	const char *at = memrchr(s, '@', len);
	size_t local = at ? (size_t)(at - s) : 0, host = at ? len - local - 1 : 0;

	if (!at || !fits_local(s, local, idn))
		return false;
	if (host < 2 || at[1] != '[')
		return fits_host(at + 1, host, idn);
	if (at[host] != ']')
		return false;
	if (host > 7 && strncasecmp(at + 2, "IPv6:", 5) == 0)
		return format_ipv6(at + 7, host - 7);
	return format_ipv4(at + 2, host - 2);
}

bool format_email(const char *s, size_t len)
{
	return fits_mailbox(s, len, false);
}

bool format_idn_email(const char *s, size_t len)
{
	return fits_mailbox(s, len, true);
}
