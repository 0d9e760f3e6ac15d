/* number: strict text to integers. */
#include "base/number.h"

#include <stddef.h>

#include "base/defs.h"

struct unit {
	char letter;
	int64_t times;
};

static const struct unit seconds[] = {
	{ '\0', 1 }, { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 },
};
static const struct unit bytes[] = {
	{ '\0', 1 }, { 'K', 1 << 10 }, { 'M', 1 << 20 }, { 'G', 1 << 30 },
};

/* Digits up to a byte that is none; *end is that byte. */
static bool digits(int64_t *out, const char *text, bool negative, const char **end)
{
	int64_t value = 0;
	const char *at = text;

	for (; *at >= '0' && *at <= '9'; at++) {
		int digit = negative ? '0' - *at : *at - '0';

		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, digit, &value))
			return false;
	}
	*end = at;
	*out = value;
	return at > text;
}

bool number_parse(int64_t *out, const char *text)
{
	bool negative = *text == '-';
	const char *end;
	int64_t value;

	if (!digits(&value, text + negative, negative, &end) || *end)
		return false;
	*out = value;
	return true;
}

static bool with_unit(int64_t *out, const char *text, const struct unit *units, size_t count)
{
	const char *end;
	int64_t value;

	if (!digits(&value, text, false, &end) || (*end && end[1]))
		return false;
	for (size_t i = 0; i < count; i++)
		if (units[i].letter == *end)
			return !__builtin_mul_overflow(value, units[i].times, out);
	return false;
}

bool number_parse_seconds(int64_t *out, const char *text)
{
	return with_unit(out, text, seconds, ARRAY_LEN(seconds));
}

bool number_parse_bytes(int64_t *out, const char *text)
{
	return with_unit(out, text, bytes, ARRAY_LEN(bytes));
}
