/* rules_matcher_try: does a value fulfil a condition? */
#include "content/rules_matcher_parts.h"

#include <stdlib.h>
#include <string.h>

int rules_text_compare(const void *a, const void *b)
{
	const struct rules_text *x = a, *y = b;
	int order = memcmp(x->bytes, y->bytes, MIN(x->len, y->len));

	return order ? order : x->len < y->len ? -1 : x->len > y->len;
}

int rules_number_compare(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

int rules_network_compare(const void *a, const void *b)
{
	const struct rules_network *x = a, *y = b;

	return memcmp(x->ip, y->ip, RULES_IP_LEN);
}

bool rules_network_holds(const struct rules_network *n, const uint8_t ip[RULES_IP_LEN])
{
	unsigned whole = n->bits / 8, rest = n->bits % 8;

	if (memcmp(n->ip, ip, whole) != 0)
		return false;
	return !rest || !((n->ip[whole] ^ ip[whole]) & (0xff00 >> rest & 0xff));
}

static int try_text(const struct rules_matcher *m, const struct rules_value *v)
{
	const struct rules_text *t = m->texts;
	const struct rules_text key = { .bytes = (char *)v->text, .len = v->len };

	switch (m->kind) {
	case RULES_PREFIX:
		return v->len >= t->len && memcmp(v->text, t->bytes, t->len) == 0;
	case RULES_SUFFIX:
		return v->len >= t->len && memcmp(v->text + v->len - t->len, t->bytes, t->len) == 0;
	case RULES_CONTAINS:
		return memmem(v->text, v->len, t->bytes, t->len) != NULL;
	default:
		return bsearch(&key, t, m->count, sizeof(*t), rules_text_compare) != NULL;
	}
}

static int try_ip(const struct rules_matcher *m, const struct rules_value *v, struct rules_budget *b)
{
	struct rules_network key = { .bits = 0 };

	if (m->kind != RULES_CIDR) {
		memcpy(key.ip, v->ip, RULES_IP_LEN);
		return bsearch(&key, m->networks, m->count, sizeof(key), rules_network_compare) != NULL;
	}
	if (!rules_spend(b, m->count))
		return -1;
	for (size_t i = 0; i < m->count; i++)
		if (rules_network_holds(&m->networks[i], v->ip))
			return 1;
	return 0;
}

static int try_number(const struct rules_matcher *m, const struct rules_value *v)
{
	if (m->kind == RULES_RANGE)
		return m->numbers[0] <= v->number && v->number <= m->numbers[1];
	return bsearch(&v->number, m->numbers, m->count, sizeof(v->number), rules_number_compare) != NULL;
}

int rules_matcher_try(const struct rules_matcher *m, const struct rules_value *v, struct rules_budget *b)
{
	if (!v->present || v->type != m->type)
		return 0;
	if (m->kind == RULES_GLOB)
		return rules_glob_try(m->glob, v->text, v->len, b);
	if (m->kind == RULES_REGEX)
		return rules_regex_try(m->regex, v->text, v->len, b);
	if (!rules_spend(b, 1 + (m->texts ? v->len / 16 : 0)))
		return -1;
	switch (m->type) {
	case RULES_STRING:
	case RULES_PATH:
	case RULES_BYTES:
		return try_text(m, v);
	case RULES_INTEGER:
		return try_number(m, v);
	case RULES_IP:
		return try_ip(m, v, b);
	case RULES_ENUM:
		return v->number >= 0 && v->number < RULES_VALUES_MAX &&
		       (m->members[v->number / 64] >> (v->number % 64) & 1);
	}
	return 0;
}
