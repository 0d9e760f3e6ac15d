/* rules_matcher_relate: what one condition says about another; what shadows, and what can never hold. */
#include "content/rules_matcher_parts.h"

#include <string.h>

#define STEPS 1000000ull        /* for one value against one pattern */

static bool is_list(const struct rules_matcher *m)
{
	return m->kind == RULES_EQUALS || m->kind == RULES_SET;
}

static size_t values_of(const struct rules_matcher *m)
{
	return m->type == RULES_ENUM ? RULES_VALUES_MAX : m->count;
}

/* The i-th value of a list; false when an enum's value is not in it. */
static bool value_at(struct rules_value *out, const struct rules_matcher *m, size_t i)
{
	*out = (struct rules_value){ .present = true, .type = m->type };
	if (m->type == RULES_INTEGER) {
		out->number = m->numbers[i];
	} else if (m->type == RULES_IP) {
		memcpy(out->ip, m->networks[i].ip, RULES_IP_LEN);
	} else if (m->type == RULES_ENUM) {
		out->number = (int64_t)i;
		return m->members[i / 64] >> (i % 64) & 1;
	} else {
		out->text = m->texts[i].bytes;
		out->len = m->texts[i].len;
	}
	return true;
}

/* How many values of the list the other matcher accepts: all of them, none of them? */
static void try_list(const struct rules_matcher *list, const struct rules_matcher *m, bool *all, bool *none)
{
	struct rules_value v;

	*all = *none = true;
	for (size_t i = 0; i < values_of(list); i++) {
		struct rules_budget budget = { .left = STEPS, .regex_steps = STEPS };
		int rc;

		if (!value_at(&v, list, i))
			continue;
		rc = rules_matcher_try(m, &v, &budget);
		*all = *all && rc == 1;
		*none = *none && rc == 0;
	}
}

static bool begins(const struct rules_text *t, const struct rules_text *with)
{
	return t->len >= with->len && memcmp(t->bytes, with->bytes, with->len) == 0;
}

static bool ends(const struct rules_text *t, const struct rules_text *with)
{
	return t->len >= with->len && memcmp(t->bytes + t->len - with->len, with->bytes, with->len) == 0;
}

static bool networks_within(const struct rules_matcher *a, const struct rules_matcher *b)
{
	for (size_t i = 0; i < a->count; i++) {
		bool within = false;

		for (size_t k = 0; k < b->count && !within; k++)
			within = b->networks[k].bits <= a->networks[i].bits && rules_network_holds(&b->networks[k], a->networks[i].ip);
		if (!within)
			return false;
	}
	return true;
}

static bool networks_apart(const struct rules_matcher *a, const struct rules_matcher *b)
{
	for (size_t i = 0; i < a->count; i++)
		for (size_t k = 0; k < b->count; k++)
			if (rules_network_holds(&b->networks[k], a->networks[i].ip) ||
			    rules_network_holds(&a->networks[i], b->networks[k].ip))
				return false;
	return true;
}

bool rules_matcher_implies(const struct rules_matcher *a, const struct rules_matcher *b)
{
	bool all, none;

	if (is_list(a)) {
		try_list(a, b, &all, &none);
		return all;
	}
	if (a->kind == RULES_RANGE && b->kind == RULES_RANGE)
		return b->numbers[0] <= a->numbers[0] && a->numbers[1] <= b->numbers[1];
	if (a->kind == RULES_CIDR && b->kind == RULES_CIDR)
		return networks_within(a, b);
	if (!a->texts || !b->texts)
		return false;
	if (a->kind == b->kind && rules_text_compare(a->texts, b->texts) == 0)
		return true;
	if (a->kind == RULES_PREFIX && b->kind == RULES_PREFIX)
		return begins(a->texts, b->texts);
	if (a->kind == RULES_SUFFIX && b->kind == RULES_SUFFIX)
		return ends(a->texts, b->texts);
	return b->kind == RULES_CONTAINS &&
	       (a->kind == RULES_PREFIX || a->kind == RULES_SUFFIX || a->kind == RULES_CONTAINS) &&
	       memmem(a->texts->bytes, a->texts->len, b->texts->bytes, b->texts->len);
}

bool rules_matcher_excludes(const struct rules_matcher *a, const struct rules_matcher *b)
{
	const struct rules_matcher *list = is_list(a) ? a : is_list(b) ? b : NULL;
	bool all, none;

	if (list) {
		try_list(list, list == a ? b : a, &all, &none);
		return none;
	}
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case RULES_RANGE:
		return a->numbers[1] < b->numbers[0] || b->numbers[1] < a->numbers[0];
	case RULES_CIDR:
		return networks_apart(a, b);
	case RULES_PREFIX:
		return !begins(a->texts, b->texts) && !begins(b->texts, a->texts);
	case RULES_SUFFIX:
		return !ends(a->texts, b->texts) && !ends(b->texts, a->texts);
	default:
		return false;
	}
}
