/* yaml_scalar: what a plain scalar means (YAML 1.2.2, section 10.3.2). */
#include "base/yaml_scalar.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *text;
	enum yaml_scalar type;
} words[] = {
	{ "", YAML_NULL },	 { "~", YAML_NULL },	 { "null", YAML_NULL },	 { "Null", YAML_NULL },	 { "NULL", YAML_NULL },
	{ "true", YAML_BOOL },	 { "True", YAML_BOOL },	 { "TRUE", YAML_BOOL },
	{ "false", YAML_BOOL },	 { "False", YAML_BOOL }, { "FALSE", YAML_BOOL },
	{ ".nan", YAML_NOT_JSON }, { ".NaN", YAML_NOT_JSON }, { ".NAN", YAML_NOT_JSON },
};

static const char *const infinite[] = { ".inf", ".Inf", ".INF" };

static bool is(const char *text, size_t len, const char *word)
{
	return strlen(word) == len && memcmp(text, word, len) == 0;
}

static size_t digits(const char *s, const char *end, const char *set)
{
	size_t n = 0;

	while (s + n < end && strchr(set, s[n]) && s[n])
		n++;
	return n;
}

static bool sign(const char *s, const char *end)
{
	return s < end && (*s == '-' || *s == '+');
}

/* 0o17, 0x1f; 0 when it is neither. */
static int other_base(const char *s, size_t len)
{
	if (len < 3 || s[0] != '0')
		return 0;
	if (s[1] == 'o' && digits(s + 2, s + len, "01234567") == len - 2)
		return 8;
	return s[1] == 'x' && digits(s + 2, s + len, "0123456789abcdefABCDEF") == len - 2 ? 16 : 0;
}

bool yaml_scalar_decimal(const char *text, size_t len)
{
	const char *s = text, *end = text + len;

	s += sign(s, end);
	return s < end && s + digits(s, end, "0123456789") == end;
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool decimal_float(const char *s, const char *end)
{
	size_t whole, part = 0;

	s += sign(s, end);
	whole = digits(s, end, "0123456789");
	s += whole;
	if (s < end && *s == '.') {
		part = digits(++s, end, "0123456789");
		s += part;
	}
	if (!whole && !part)
		return false;
	if (s < end && (*s == 'e' || *s == 'E')) {
		s++;
		s += sign(s, end);
		whole = digits(s, end, "0123456789");
		s += whole;
		return whole && s == end;
	}
	return s == end;
}

enum yaml_scalar yaml_scalar_type(const char *text, size_t len)
{
	bool signed_ = sign(text, text + len);

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (is(text, len, words[i].text))
			return words[i].type;
	for (size_t i = 0; i < ARRAY_LEN(infinite); i++)
		if (is(text + signed_, len - signed_, infinite[i]))
			return YAML_NOT_JSON;
	if (yaml_scalar_decimal(text, len) || other_base(text, len))
		return YAML_INT;
	return decimal_float(text, text + len) ? YAML_FLOAT : YAML_STR;
}

/* JSON knows no plus, no leading zeros, and digits on both sides of the point. */
static void put_number(struct buf *out, const char *s, const char *end)
{
	const char *point;
	size_t whole;

	if (*s == '-')
		buf_addc(out, '-');
	s += sign(s, end);
	whole = digits(s, end, "0123456789");
	while (whole > 1 && *s == '0') {
		s++;
		whole--;
	}
	buf_add(out, whole ? s : "0", whole ? whole : 1);
	s += whole;
	if (s < end && *s == '.') {
		point = s++;
		whole = digits(s, end, "0123456789");
		buf_add(out, point, whole + 1);
		if (!whole)
			buf_addc(out, '0');
		s += whole;
	}
	buf_add(out, s, (size_t)(end - s));
}

static bool put_other_base(struct buf *out, const char *text, size_t len, int base)
{
	char copy[40];
	uint64_t v;

	if (len - 2 >= sizeof copy)
		return false;
	memcpy(copy, text + 2, len - 2);
	copy[len - 2] = '\0';
	errno = 0;
	v = strtoull(copy, NULL, base);
	if (errno)
		return false;
	buf_addf(out, "%" PRIu64, v);
	return true;
}

bool yaml_scalar_json(struct buf *out, enum yaml_scalar type, const char *text, size_t len)
{
	int base = type == YAML_INT ? other_base(text, len) : 0;

	if (base)
		return put_other_base(out, text, len, base);
	if (type == YAML_NULL)
		buf_adds(out, "null");
	else if (type == YAML_BOOL)
		buf_adds(out, *text == 't' || *text == 'T' ? "true" : "false");
	else
		put_number(out, text, text + len);
	return true;
}
