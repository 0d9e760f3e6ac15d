/* format_uri: URIs, IRIs, references and templates. */
#include <string.h>

#include "schema/format.h"
#include "schema/uri.h"

static bool alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool hex_digit(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Unreserved characters, percent escapes, those in `more`, and with `wide` everything beyond ASCII. */
static bool only(struct uri_part p, const char *more, bool wide)
{
	for (size_t i = 0; i < p.len; i++) {
		char c = p.text[i];

		if (alnum(c) || (c && strchr("-._~", c)) || (c && strchr(more, c)) || (wide && (unsigned char)c >= 0x80))
			continue;
		if (c != '%' || p.len - i < 3 || !hex_digit(p.text[i + 1]) || !hex_digit(p.text[i + 2]))
			return false;
		i += 2;
	}
	return true;
}

#define SUB_DELIMS "!$&'()*+,;="

/* An address in brackets; what follows "v" is for versions to come. */
static bool fits_literal(const char *s, size_t len)
{
	if (len > 2 && (*s == 'v' || *s == 'V')) {
		const char *dot = memchr(s, '.', len);

		for (const char *at = s + 1; dot && at < dot; at++)
			if (!hex_digit(*at))
				return false;
		return dot && dot > s + 1 && dot + 1 < s + len &&
		       only((struct uri_part){ dot + 1, len - (size_t)(dot + 1 - s) }, SUB_DELIMS ":", false);
	}
	return format_ipv6(s, len);
}

static bool fits_authority(struct uri_part a, bool wide)
{
	const char *at = a.len ? memrchr(a.text, '@', a.len) : NULL, *end = a.text + a.len, *port;
	struct uri_part host = a;

	if (at) {
		if (!only((struct uri_part){ a.text, (size_t)(at - a.text) }, SUB_DELIMS ":", wide))
			return false;
		host = (struct uri_part){ at + 1, (size_t)(end - at) - 1 };
	}
	if (host.len && host.text[0] == '[') {
		const char *close = memchr(host.text, ']', host.len);

		if (!close || !fits_literal(host.text + 1, (size_t)(close - host.text) - 1))
			return false;
		port = close + 1;
		if (port < end && *port != ':')
			return false;
	} else {
		port = host.len ? memchr(host.text, ':', host.len) : NULL;
		port = port ? port : end;
		if (!only((struct uri_part){ host.text, (size_t)(port - host.text) }, SUB_DELIMS, wide))
			return false;
	}
	for (port += port < end; port < end; port++)
		if (*port < '0' || *port > '9')
			return false;
	return true;
}

static bool fits(const char *s, size_t len, bool absolute, bool wide)
{
	const char *colon, *slash;
	struct uri u;

	uri_split(&u, s, len);
	if (absolute && !u.scheme.text)
		return false;
	if (!u.scheme.text && !u.authority.text) {      /* else the first segment would read as a scheme */
		colon = u.path.len ? memchr(u.path.text, ':', u.path.len) : NULL;
		slash = u.path.len ? memchr(u.path.text, '/', u.path.len) : NULL;
		if (colon && (!slash || colon < slash))
			return false;
	}
	return (!u.authority.text || fits_authority(u.authority, wide)) && only(u.path, SUB_DELIMS ":@/", wide) &&
	       only(u.query, SUB_DELIMS ":@/?", wide) && only(u.fragment, SUB_DELIMS ":@/?", wide);
}

bool format_uri(const char *s, size_t len)
{
	return fits(s, len, true, false);
}

bool format_uri_reference(const char *s, size_t len)
{
	return fits(s, len, false, false);
}

bool format_iri(const char *s, size_t len)
{
	return fits(s, len, true, true);
}

bool format_iri_reference(const char *s, size_t len)
{
	return fits(s, len, false, true);
}

/* A variable with its modifier: "name", "name:3" or "name*". */
static bool fits_variable(const char *s, size_t len)
{
	const char *colon = memchr(s, ':', len);
	size_t name = len;

	if (colon) {
		size_t digits = len - (size_t)(colon - s) - 1;

		if (!digits || digits > 4 || colon[1] == '0')
			return false;
		for (size_t i = 1; i <= digits; i++)
			if (colon[i] < '0' || colon[i] > '9')
				return false;
		name = (size_t)(colon - s);
	} else if (len && s[len - 1] == '*') {
		name--;
	}
	if (!name || s[0] == '.' || s[name - 1] == '.' || memmem(s, name, "..", 2) || memchr(s, '-', name) ||
	    memchr(s, '~', name))
		return false;
	return only((struct uri_part){ s, name }, "_", false);
}

static bool fits_expression(const char *s, size_t len)
{
	if (len && *s && strchr("+#./;?&=,!@|", *s)) {
		s++;
		len--;
	}
	for (;;) {
		const char *comma = len ? memchr(s, ',', len) : NULL;
		size_t width = comma ? (size_t)(comma - s) : len;

		if (!fits_variable(s, width))
			return false;
		if (!comma)
			return true;
		s = comma + 1;
		len -= width + 1;
	}
}

bool format_uri_template(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c == '{') {
			const char *close = memchr(s + i, '}', len - i);

			if (!close || !fits_expression(s + i + 1, (size_t)(close - s) - i - 1))
				return false;
			i = (size_t)(close - s);
		} else if (c <= 0x20 || c == 0x7f || strchr("\"'<>\\^`|}", (char)c)) {
			return false;
		} else if (c == '%') {
			if (len - i < 3 || !hex_digit(s[i + 1]) || !hex_digit(s[i + 2]))
				return false;
			i += 2;
		}
	}
	return true;
}
