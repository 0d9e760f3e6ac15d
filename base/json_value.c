/* json_value: look-up in parsed values, exact comparison, conversion of numbers. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/json.h"

#define FEW_MEMBERS 16          /* beyond, objects are compared by sorted keys */

const char *json_type_name(enum json_type type)
{
	static const char *const names[] = {
		[JSON_NULL] = "null",        [JSON_FALSE] = "false",   [JSON_TRUE] = "true",
		[JSON_NUMBER] = "a number",  [JSON_STRING] = "a string", [JSON_ARRAY] = "an array",
		[JSON_OBJECT] = "an object",
	};

	return names[type];
}

static const struct json *get(const struct json *o, const char *key, size_t len)
{
	for (uint32_t i = 0; i < o->count; i++) {
		const struct json_member *m = &o->u.members[i];

		if (m->key.len == len && memcmp(m->key.text, key, len) == 0)
			return &m->value;
	}
	return NULL;
}

const struct json *json_get(const struct json *object, const char *key)
{
	if (!object || object->type != JSON_OBJECT)
		return NULL;
	return get(object, key, strlen(key));
}

bool json_is(const struct json *v, const char *text)
{
	return v && v->type == JSON_STRING && v->count == strlen(text) && memcmp(v->u.text, text, v->count) == 0;
}

/* ---- numbers ---- */

/*
 * A lexeme as sign, significant digits d1 d2 ... dn (no zero at either end, the
 * point skipped) and the power of ten of 0.d1d2...dn. Zero has no digits.
 * An exponent beyond +-10^15 is cut there.
 */
struct decimal {
	bool negative;
	const char *digits;     /* from d1, in the lexeme: holds the point, too */
	size_t span;            /* characters from d1 to dn */
	int64_t power;
};

#define POWER_MAX ((int64_t)1000000000000000)

static int64_t exponent(const char *s)
{
	bool negative = *s == '-';
	int64_t v = 0;

	if (*s == '-' || *s == '+')
		s++;
	for (; *s && v < POWER_MAX; s++)
		v = 10 * v + (*s - '0');
	v = MIN(v, POWER_MAX);
	return negative ? -v : v;
}

static struct decimal decimal(const struct json *v)
{
	const char *s = v->u.text;
	struct decimal n = { .negative = *s == '-' };
	const char *end, *point, *first = NULL, *last = NULL;

	s += n.negative;
	end = s + strcspn(s, "eE");
	point = memchr(s, '.', (size_t)(end - s));
	if (!point)
		point = end;
	for (const char *d = s; d < end; d++) {
		if (*d == '.' || *d == '0')
			continue;
		first = first ? first : d;
		last = d;
	}
	if (!first) {
		n.negative = false;
		return n;               /* digits NULL, span 0 */
	}
	n.digits = first;
	n.span = (size_t)(last - first) + 1;
	n.power = first < point ? point - first : point + 1 - first;
	if (*end)
		n.power += exponent(end + 1);
	return n;
}

/* The next digit of n, 0 behind the last. */
static int next_digit(const char **at, const char *end)
{
	if (*at < end && **at == '.')
		++*at;
	return *at < end ? *(*at)++ - '0' : 0;
}

static int compare_magnitude(const struct decimal *a, const struct decimal *b)
{
	const char *x = a->digits, *y = b->digits;
	const char *x_end = x + a->span, *y_end = y + b->span;

	if (a->power != b->power)
		return a->power < b->power ? -1 : 1;
	while (x < x_end || y < y_end) {
		int diff = next_digit(&x, x_end) - next_digit(&y, y_end);

		if (diff)
			return diff;
	}
	return 0;
}

/* Most numbers: up to 18 digits and nothing else. */
static bool small_integer(const struct json *v, int64_t *out)
{
	const char *s = v->u.text, *end = s + v->count;
	bool negative = *s == '-';
	int64_t n = 0;

	if (v->count > 18)
		return false;
	for (s += negative; s < end; s++) {
		if (*s < '0' || *s > '9')
			return false;
		n = 10 * n + (*s - '0');
	}
	*out = negative ? -n : n;
	return true;
}

int json_compare(const struct json *a, const struct json *b)
{
	int64_t small_a, small_b;
	struct decimal x, y;
	int sign_x, sign_y;

	if (small_integer(a, &small_a) && small_integer(b, &small_b))
		return (small_a > small_b) - (small_a < small_b);
	x = decimal(a);
	y = decimal(b);
	sign_x = !x.digits ? 0 : x.negative ? -1 : 1;
	sign_y = !y.digits ? 0 : y.negative ? -1 : 1;

	if (sign_x != sign_y || !sign_x)
		return sign_x - sign_y;
	return sign_x * compare_magnitude(&x, &y);
}

/* ---- multiples ---- */

#define DIVISOR_DIGITS 18

/* The digits of n as a number modulo m. */
static uint64_t digits_modulo(const struct decimal *n, uint64_t m)
{
	const char *at = n->digits, *end = at + n->span;
	uint64_t v = 0;

	while (at < end)
		v = (uint64_t)(((unsigned __int128)v * 10 + (unsigned)next_digit(&at, end)) % m);
	return v;
}

static uint64_t times_power_of_ten(uint64_t v, int64_t power, uint64_t m)
{
	unsigned __int128 base = 10 % m, out = v % m;

	for (; power; power >>= 1) {
		if (power & 1)
			out = out * base % m;
		base = base * base % m;
	}
	return (uint64_t)out;
}

static size_t digit_count(const struct decimal *n)
{
	return n->span - (memchr(n->digits, '.', n->span) != NULL);
}

/* Both as whole numbers times a power of ten, the whole numbers without zeros at their ends. */
static int decimal_divides(const struct json *divisor, const struct json *v)
{
	struct decimal d = decimal(divisor), n = decimal(v);
	int64_t shift;
	uint64_t m;

	if (!d.digits || d.negative)
		return 0;
	if (digit_count(&d) > DIVISOR_DIGITS)
		return -1;
	if (!n.digits)
		return 1;
	m = digits_modulo(&d, UINT64_MAX);
	shift = (n.power - (int64_t)digit_count(&n)) - (d.power - (int64_t)digit_count(&d));
	if (shift < 0)          /* v would have to end in a zero */
		return 0;
	return times_power_of_ten(digits_modulo(&n, m), shift, m) == 0;
}

int json_divides(const struct json *divisor, const struct json *v)
{
	int64_t d, n;

	if (small_integer(divisor, &d) && small_integer(v, &n))
		return d > 0 && n % d == 0;
	return decimal_divides(divisor, v);
}

bool json_is_integer(const struct json *v)
{
	struct decimal n;
	const char *point;
	size_t digits;
	int64_t small;

	if (v->type != JSON_NUMBER)
		return false;
	if (small_integer(v, &small))
		return true;
	n = decimal(v);
	if (!n.digits)
		return true;
	point = memchr(n.digits, '.', n.span);
	digits = n.span - (point != NULL);
	return n.power >= (int64_t)digits;
}

bool json_to_int(const struct json *v, int64_t *out)
{
	char *end;
	long long n;

	if (!v || v->type != JSON_NUMBER)
		return false;
	if (small_integer(v, out))
		return true;
	errno = 0;
	n = strtoll(v->u.text, &end, 10);
	if (errno || *end)
		return false;
	*out = n;
	return true;
}

bool json_to_double(const struct json *v, double *out)
{
	double n;

	if (!v || v->type != JSON_NUMBER)
		return false;
	n = strtod(v->u.text, NULL);
	if (!isfinite(n))
		return false;
	*out = n;
	return true;
}

/* ---- equality ---- */

static int by_key(const void *a, const void *b)
{
	const struct json_member *x = *(const struct json_member *const *)a, *y = *(const struct json_member *const *)b;
	size_t len = MIN(x->key.len, y->key.len);
	int order = memcmp(x->key.text, y->key.text, len);

	if (order)
		return order;
	return x->key.len < y->key.len ? -1 : x->key.len > y->key.len;
}

static const struct json_member **sorted(const struct json *o)
{
	const struct json_member **m = malloc(o->count * sizeof(*m));

	if (!m)
		return NULL;
	for (uint32_t i = 0; i < o->count; i++)
		m[i] = &o->u.members[i];
	qsort(m, o->count, sizeof(*m), by_key);
	return m;
}

static bool objects_equal(const struct json *a, const struct json *b)
{
	AUTO_FREE const struct json_member **x = NULL;
	AUTO_FREE const struct json_member **y = NULL;

	if (a->count > FEW_MEMBERS) {
		x = sorted(a);
		y = sorted(b);
	}
	for (uint32_t i = 0; i < a->count; i++) {
		const struct json_member *m = x && y ? x[i] : &a->u.members[i];
		const struct json *other;

		if (x && y)
			other = by_key(&x[i], &y[i]) == 0 ? &y[i]->value : NULL;
		else
			other = get(b, m->key.text, m->key.len);
		if (!other || !json_equal(&m->value, other))
			return false;
	}
	return true;
}

bool json_equal(const struct json *a, const struct json *b)
{
	if (a->type != b->type)
		return false;
	switch (a->type) {
	case JSON_NUMBER:
		return json_compare(a, b) == 0;
	case JSON_STRING:
		return a->count == b->count && memcmp(a->u.text, b->u.text, a->count) == 0;
	case JSON_ARRAY:
		if (a->count != b->count)
			return false;
		for (uint32_t i = 0; i < a->count; i++)
			if (!json_equal(&a->u.items[i], &b->u.items[i]))
				return false;
		return true;
	case JSON_OBJECT:
		return a->count == b->count && objects_equal(a, b);
	default:
		return true;
	}
}

/* ---- hashes ---- */

static uint64_t process_seed(void)
{
	static uint64_t seed;   /* the same value whoever computes it */
	uint64_t v = __atomic_load_n(&seed, __ATOMIC_RELAXED);
	const void *random;

	if (v)
		return v;
	random = (const void *)getauxval(AT_RANDOM);
	if (random)
		memcpy(&v, random, sizeof v);
	v |= 1;
	__atomic_store_n(&seed, v, __ATOMIC_RELAXED);
	return v;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 wide = (unsigned __int128)a * b;

	return (uint64_t)wide ^ (uint64_t)(wide >> 64);
}

uint64_t json_hash_text(const char *text, size_t len)
{
	uint64_t seed = process_seed(), h = seed ^ len;

	for (size_t i = 0; i < len; i += sizeof h) {
		uint64_t word = 0;

		memcpy(&word, text + i, MIN(sizeof word, len - i));
		h = mix(h ^ word ^ seed << 1, 0x9e3779b97f4a7c15 ^ seed << 7);
	}
	return h ^ h >> 29;
}

static uint64_t hash_number(const struct json *v)
{
	struct decimal n = decimal(v);
	uint64_t h = process_seed() ^ (uint64_t)n.power * 2 ^ n.negative;
	const char *s = n.digits, *end;

	if (!s)
		return h;
	end = s + n.span;
	while (s < end)
		h = mix(h ^ (uint64_t)next_digit(&s, end), 0x9e3779b97f4a7c15 ^ process_seed() << 7);
	return h;
}

uint64_t json_hash(const struct json *v)
{
	uint64_t h = mix(process_seed() ^ v->type, 0x9e3779b97f4a7c15 + v->type);

	switch (v->type) {
	case JSON_NUMBER:
		return h ^ hash_number(v);
	case JSON_STRING:
		return h ^ json_hash_text(v->u.text, v->count);
	case JSON_ARRAY:
		for (uint32_t i = 0; i < v->count; i++)
			h = mix(h ^ json_hash(&v->u.items[i]), 0x9e3779b97f4a7c15);
		return h;
	case JSON_OBJECT:       /* a sum, because order is nothing */
		for (uint32_t i = 0; i < v->count; i++) {
			const struct json_member *m = &v->u.members[i];

			h += mix(json_hash_text(m->key.text, m->key.len), json_hash(&m->value) | 1);
		}
		return h;
	default:
		return h;
	}
}
