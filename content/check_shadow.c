/*
 * check_shadow: instances that can never hold, and those that never decide
 * because another accepts all that they accept and says no less.
 */
#include <string.h>

#include "content/check_work.h"

#define PAIRS_MAX 2000000ull    /* of conditions, in one check: about a second */

static const char *field_name(const struct rules_group *g, unsigned field)
{
	return g->fields[field].name;
}

static void check_possible(struct check *c, const struct rules_model *m, const struct rules_group *g, const struct rules_rule *r)
{
	const struct rules_instance *in = &m->instances[r->order];

	for (size_t i = 0; i < r->count; i++)
		for (size_t k = i + 1; k < r->count; k++) {
			const struct rules_condition *a = &r->conditions[i], *b = &r->conditions[k];

			if (a->field != b->field || !rules_matcher_excludes(a->matcher, b->matcher))
				continue;
			check_note(c, CHECK_ERROR, check_place_of(c, in->file, in->at), r->id, REASON_LINT,
				   "instance %s can never match: field \"%s\": \"%s\" and \"%s\" exclude each other", r->id,
				   field_name(g, a->field), rules_kind_name(rules_matcher_kind(a->matcher)),
				   rules_kind_name(rules_matcher_kind(b->matcher)));
			return;
		}
}

/* Does every condition of `wide` hold wherever all of `narrow` do? */
static bool covers(const struct rules_rule *wide, const struct rules_rule *narrow, uint64_t *pairs)
{
	for (size_t i = 0; i < wide->count; i++) {
		const struct rules_condition *w = &wide->conditions[i];
		bool implied = false;

		for (size_t k = 0; k < narrow->count && !implied; k++) {
			++*pairs;
			implied = narrow->conditions[k].field == w->field && rules_matcher_implies(narrow->conditions[k].matcher, w->matcher);
		}
		if (!implied)
			return false;
	}
	return true;
}

/* The strongest verdict wins, between equals the first in file order: so says content/rules.h. */
static bool outranks(const struct rules_rule *a, const struct rules_rule *b)
{
	return a->verdict != b->verdict ? a->verdict > b->verdict : a->order < b->order;
}

static void check_shadowed(struct check *c, const struct rules_model *m, const struct rules_group *g, const struct rules_rule *r,
			   uint64_t *pairs)
{
	const struct rules_instance *in = &m->instances[r->order];

	for (size_t i = 0; i < g->count && *pairs < PAIRS_MAX; i++) {
		const struct rules_rule *other = &g->rules[i];

		if (other == r || !outranks(other, r) || !covers(other, r, pairs))
			continue;
		check_note(c, CHECK_WARNING, check_place_of(c, in->file, in->at), r->id, REASON_LINT,
			   "instance %s never decides: instance %s accepts all that it accepts and says %s", r->id, other->id,
			   detection_name(other->verdict));
		return;
	}
}

void check_shadows(struct check *c, const struct rules_model *m, const struct rules *r)
{
	uint64_t pairs = 0;

	for (size_t g = 0; g < r->count; g++)
		for (size_t i = 0; i < r->groups[g].count; i++) {
			check_possible(c, m, &r->groups[g], &r->groups[g].rules[i]);
			check_shadowed(c, m, &r->groups[g], &r->groups[g].rules[i], &pairs);
		}
}
