/* schema_diff_parts: keywords that hold schemas: members, elements, branches, conditions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema/schema_diff_walk.h"

/* ---- members of objects ---- */

/* A part that only one side has. Where unevaluated members are judged, even one that accepts everything matters. */
static int compare_lone(struct diff_walk *w, const char *name, const struct json *a, const struct json *b, enum diff_sense sense,
			bool after)
{
	size_t mark = w->where.len;
	int rc;

	if (!w->unevaluated)
		return diff_part(w, name, a, b, sense);
	if (name)
		diff_enter(w, name, &mark);
	rc = diff_note(w, sense, DIFF_NARROWING, "%s, where unevaluated members are judged", after ? "added" : "removed");
	diff_leave(w, mark);
	return rc;
}

/* What an object schema says about members that properties and patterns do not name. */
static const struct json *other_members(const struct json *o)
{
	static const struct json everything = { .type = JSON_OBJECT };
	const struct json *v = json_get(o, "additionalProperties");

	return v ? v : &everything;
}

static bool has_patterns(const struct json *o)
{
	const struct json *v = json_get(o, "patternProperties");

	return v && v->type == JSON_OBJECT && v->count > 0;
}

/* A property that only one side names: on the other it is one of the other members, unless patterns may apply. */
static int compare_property(struct diff_walk *w, const struct diff_keyword *k, const char *name)
{
	const struct json *was = k->was ? json_get(k->was, name) : NULL, *is = k->is ? json_get(k->is, name) : NULL;
	size_t mark;
	int rc;

	if (was && is)
		return diff_part(w, name, was, is, k->sense);
	if (!has_patterns(was ? k->b : k->a))
		return compare_lone(w, name, was ? was : other_members(k->a), is ? is : other_members(k->b), k->sense, is);
	diff_enter(w, name, &mark);
	rc = diff_note(w, k->sense, DIFF_NARROWING, "%s, where patternProperties may apply, too", is ? "added" : "removed");
	diff_leave(w, mark);
	return rc;
}

/* A pattern that only one side has applies beside everything else there. */
static int compare_pattern(struct diff_walk *w, const struct diff_keyword *k, const char *name)
{
	const struct json *was = k->was ? json_get(k->was, name) : NULL, *is = k->is ? json_get(k->is, name) : NULL;
	size_t mark;
	int rc = 0;

	if (was && is)
		return diff_part(w, name, was, is, k->sense);
	if (!is || diff_accepts_all(is))
		return compare_lone(w, name, was ? was : other_members(k->a), is ? is : other_members(k->b), k->sense, is);
	diff_enter(w, name, &mark);
	rc = diff_note(w, k->sense, DIFF_NARROWING, "added");
	diff_leave(w, mark);
	return rc;
}

static int compare_dependent(struct diff_walk *w, const struct diff_keyword *k, const char *name)
{
	const struct json *was = k->was ? json_get(k->was, name) : NULL, *is = k->is ? json_get(k->is, name) : NULL;

	return was && is ? diff_part(w, name, was, is, k->sense) : compare_lone(w, name, was, is, k->sense, is);
}

/* Each name that stands in either object. */
static int each_name(struct diff_walk *w, const struct diff_keyword *k,
		     int (*compare)(struct diff_walk *, const struct diff_keyword *, const char *))
{
	for (int side = 0; side < 2; side++) {
		const struct json *o = side ? k->is : k->was;

		for (uint32_t i = 0; o && o->type == JSON_OBJECT && i < o->count; i++) {
			const char *name = o->u.members[i].key.text;

			if (diff_step(w, o->count) < 0 || (!(side && k->was && json_get(k->was, name)) && compare(w, k, name) < 0))
				return w->e->code;
		}
	}
	return 0;
}

static int compare_properties(struct diff_walk *w, const struct diff_keyword *k)
{
	return each_name(w, k, compare_property);
}

static int compare_patterns(struct diff_walk *w, const struct diff_keyword *k)
{
	return each_name(w, k, compare_pattern);
}

static int compare_dependents(struct diff_walk *w, const struct diff_keyword *k)
{
	return each_name(w, k, compare_dependent);
}

/* ---- lists of schemas ---- */

/* Elements by position; where one list is shorter, what holds for the elements behind it. */
static int compare_prefix(struct diff_walk *w, const struct diff_keyword *k)
{
	const char *rest = strcmp(k->name, "prefixItems") == 0 ? "items" : "additionalItems";
	uint32_t was = k->was ? k->was->count : 0, is = k->is ? k->is->count : 0;
	char index[16];

	for (uint32_t i = 0; i < MAX(was, is); i++) {
		const struct json *a = i < was ? &k->was->u.items[i] : json_get(k->a, rest);
		const struct json *b = i < is ? &k->is->u.items[i] : json_get(k->b, rest);

		snprintf(index, sizeof index, "%u", i);
		if ((i < was && i < is ? diff_part(w, index, a, b, k->sense) : compare_lone(w, index, a, b, k->sense, i < is)) < 0)
			return w->e->code;
	}
	return 0;
}

static int compare_items(struct diff_walk *w, const struct diff_keyword *k)
{
	bool was = k->was && k->was->type == JSON_ARRAY, is = k->is && k->is->type == JSON_ARRAY;

	if (was && is)
		return compare_prefix(w, k);
	if (was || is)
		return diff_note(w, k->sense, DIFF_NARROWING, "changed between one schema and a list");
	return diff_part(w, NULL, k->was, k->is, k->sense);
}

/* What an element that comes or goes means; how the elements that stay count. */
struct branches {
	enum diff_class lost, won;
	bool may_overlap;       /* oneOf: accepting more in one branch may be too much */
};

/* The first element of `list` that equals v and was not taken; list->count when there is none. */
static uint32_t find_equal(const struct json *list, const bool *taken, const struct json *v)
{
	uint32_t i = 0;

	while (i < list->count && (taken[i] || !json_equal(&list->u.items[i], v)))
		i++;
	return i;
}

/* A branch of each side, or of one (the other index is its list's length). */
static int compare_branch_pair(struct diff_walk *w, const struct diff_keyword *k, const struct branches *rule, uint32_t i, uint32_t j)
{
	enum diff_sense sense = rule->may_overlap ? DIFF_UNCLEAR : k->sense;
	bool lost = j == k->is->count, won = i == k->was->count;
	char name[16];
	size_t mark;
	int rc;

	snprintf(name, sizeof name, "%u", lost ? i : j);
	if (!lost && !won)
		return diff_part(w, name, &k->was->u.items[i], &k->is->u.items[j], sense);
	diff_enter(w, name, &mark);
	rc = diff_note(w, sense, lost ? rule->lost : rule->won, "a branch was %s", lost ? "removed" : "added");
	diff_leave(w, mark);
	return rc;
}

/* Equal branches belong together (they may differ behind a reference), the others by their order. */
static int pair_branches(struct diff_walk *w, const struct diff_keyword *k, const struct branches *rule, bool *was, bool *is)
{
	for (uint32_t i = 0; i < k->was->count; i++) {
		uint32_t j = find_equal(k->is, is, &k->was->u.items[i]);

		if (j == k->is->count)
			continue;
		was[i] = is[j] = true;
		if (compare_branch_pair(w, k, rule, i, j) < 0)
			return w->e->code;
	}
	for (uint32_t i = 0, j = 0; i < k->was->count || j < k->is->count;) {
		if (i < k->was->count && was[i])
			i++;
		else if (j < k->is->count && is[j])
			j++;
		else if (compare_branch_pair(w, k, rule, i, j) < 0)
			return w->e->code;
		else {
			i += i < k->was->count;
			j += j < k->is->count;
		}
	}
	return 0;
}

static int compare_branches(struct diff_walk *w, const struct diff_keyword *k, const struct branches *rule)
{
	AUTO_FREE bool *was = NULL;
	AUTO_FREE bool *is = NULL;

	if (!k->was || !k->is || k->was->type != JSON_ARRAY || k->is->type != JSON_ARRAY)
		return diff_note(w, k->sense, k->is ? DIFF_NARROWING : DIFF_WIDENING, k->is ? "added" : "removed");
	if (diff_step(w, (uint64_t)k->was->count * k->is->count * 8) < 0)
		return w->e->code;
	was = calloc(k->was->count + 1, sizeof *was);
	is = calloc(k->is->count + 1, sizeof *is);
	return was && is ? pair_branches(w, k, rule, was, is) : err_memory(w->e);
}

static int compare_all_of(struct diff_walk *w, const struct diff_keyword *k)
{
	return compare_branches(w, k, &(struct branches){ DIFF_WIDENING, DIFF_NARROWING, false });
}

static int compare_any_of(struct diff_walk *w, const struct diff_keyword *k)
{
	return compare_branches(w, k, &(struct branches){ DIFF_NARROWING, DIFF_WIDENING, false });
}

static int compare_one_of(struct diff_walk *w, const struct diff_keyword *k)
{
	return compare_branches(w, k, &(struct branches){ DIFF_NARROWING, DIFF_WIDENING, true });
}

/* ---- single schemas ---- */

static int compare_schema(struct diff_walk *w, const struct diff_keyword *k)
{
	return diff_part(w, NULL, k->was, k->is, k->sense);
}

static int compare_not(struct diff_walk *w, const struct diff_keyword *k)
{
	static const enum diff_sense inverse[] = { [DIFF_SAME] = DIFF_INVERSE, [DIFF_INVERSE] = DIFF_SAME, [DIFF_UNCLEAR] = DIFF_UNCLEAR };

	if (!k->was || !k->is)
		return diff_note(w, k->sense, k->is ? DIFF_NARROWING : DIFF_WIDENING, k->is ? "added" : "removed");
	return diff_part(w, NULL, k->was, k->is, inverse[k->sense]);
}

static int compare_contains(struct diff_walk *w, const struct diff_keyword *k)
{
	bool most = json_get(k->a, "maxContains") || json_get(k->b, "maxContains");

	if (!k->was || !k->is)
		return diff_note(w, k->sense, k->is ? DIFF_NARROWING : DIFF_WIDENING, k->is ? "added" : "removed");
	return diff_part(w, NULL, k->was, k->is, most ? DIFF_UNCLEAR : k->sense);
}

static int compare_if(struct diff_walk *w, const struct diff_keyword *k)
{
	static const struct json nothing = { .type = JSON_FALSE };
	bool branches = json_get(k->a, "then") || json_get(k->a, "else") || json_get(k->b, "then") || json_get(k->b, "else");

	if (!branches)
		return 0;
	/* a condition that accepts more sends values to the other branch: unclear; "false" stands for none at all */
	return diff_part(w, NULL, k->was ? k->was : &nothing, k->is ? k->is : &nothing, DIFF_UNCLEAR);
}

/* then, else: without an "if" they say nothing. */
static int compare_branch(struct diff_walk *w, const struct diff_keyword *k)
{
	return diff_part(w, NULL, json_get(k->a, "if") ? k->was : NULL, json_get(k->b, "if") ? k->is : NULL, k->sense);
}

static const struct {
	const char *name;
	int (*compare)(struct diff_walk *w, const struct diff_keyword *k);
} keywords[] = {
	{ "properties", compare_properties },
	{ "patternProperties", compare_patterns },
	{ "additionalProperties", compare_schema },
	{ "propertyNames", compare_schema },
	{ "dependentSchemas", compare_dependents },
	{ "prefixItems", compare_prefix },
	{ "items", compare_items },
	{ "additionalItems", compare_schema },
	{ "contains", compare_contains },
	{ "allOf", compare_all_of },
	{ "anyOf", compare_any_of },
	{ "oneOf", compare_one_of },
	{ "not", compare_not },
	{ "if", compare_if },
	{ "then", compare_branch },
	{ "else", compare_branch },
	{ "unevaluatedProperties", compare_schema },
	{ "unevaluatedItems", compare_schema },
};

int diff_part_keyword(struct diff_walk *w, const struct diff_keyword *k)
{
	for (size_t i = 0; i < ARRAY_LEN(keywords); i++) {
		bool lone = !(k->was && k->is) && keywords[i].compare == compare_schema;

		if (strcmp(keywords[i].name, k->name) != 0)
			continue;
		if (lone)
			return compare_lone(w, NULL, k->was, k->is, k->sense, k->is) < 0 ? w->e->code : 1;
		return keywords[i].compare(w, k) < 0 ? w->e->code : 1;
	}
	return 0;
}
