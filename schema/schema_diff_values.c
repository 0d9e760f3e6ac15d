/* schema_diff_values: keywords that bound values: types, sets, numbers, sizes, names. */
#include <string.h>

#include "schema/schema_diff_walk.h"

static int added_or_removed(struct diff_walk *w, const struct diff_keyword *k)
{
	return diff_note(w, k->sense, k->is ? DIFF_NARROWING : DIFF_WIDENING, k->is ? "added" : "removed");
}

/* ---- bounds ---- */

static const struct bound {
	const char *name;
	bool lower;             /* raising it narrows */
	const char *silent;     /* what it is when it is absent; NULL: nothing */
} bounds[] = {
	{ "minimum", true, NULL },	 { "exclusiveMinimum", true, NULL }, { "maximum", false, NULL },
	{ "exclusiveMaximum", false, NULL }, { "minLength", true, "0" },     { "maxLength", false, NULL },
	{ "minItems", true, "0" },	 { "maxItems", false, NULL },	     { "minProperties", true, "0" },
	{ "maxProperties", false, NULL }, { "minContains", true, "1" },	     { "maxContains", false, NULL },
};

static int compare_bound(struct diff_walk *w, const struct diff_keyword *k, const struct bound *row)
{
	struct json silent = { .type = JSON_NUMBER, .count = 1, .u.text = row->silent };
	const struct json *was = k->was ? k->was : row->silent ? &silent : NULL;
	const struct json *is = k->is ? k->is : row->silent ? &silent : NULL;
	int order;

	if (!was || !is)
		return added_or_removed(w, k);
	if (was->type != JSON_NUMBER || is->type != JSON_NUMBER)
		return diff_note(w, k->sense, DIFF_NARROWING, "changed");
	order = json_compare(is, was);
	if (order == 0)
		return 0;
	return diff_note(w, k->sense, (order > 0) == row->lower ? DIFF_NARROWING : DIFF_WIDENING, "%s from %.40s to %.40s",
			 order > 0 ? "raised" : "lowered", was->u.text, is->u.text);
}

/* Multiples of 6 are multiples of 3. Only small integers are worth the thought. */
static int compare_multiple(struct diff_walk *w, const struct diff_keyword *k)
{
	int64_t was, is;

	if (!k->was || !k->is)
		return added_or_removed(w, k);
	if (json_compare(k->was, k->is) == 0)
		return 0;
	if (json_to_int(k->was, &was) && json_to_int(k->is, &is) && is > 0 && was % is == 0)
		return diff_note(w, k->sense, DIFF_WIDENING, "changed from %.40s to %.40s", k->was->u.text, k->is->u.text);
	return diff_note(w, k->sense, DIFF_NARROWING, "changed from %.40s to %.40s", k->was->u.text, k->is->u.text);
}

/* ---- types ---- */

static const char *const type_names[] = { "null", "boolean", "integer", "number", "string", "array", "object" };
#define ALL_TYPES ((1u << ARRAY_LEN(type_names)) - 1)
#define INTEGER (1u << 2)
#define NUMBER (1u << 3)

static unsigned type_of(const struct json *v)
{
	for (unsigned i = 0; i < ARRAY_LEN(type_names); i++)
		if (json_is(v, type_names[i]))
			return (1u << i) == NUMBER ? NUMBER | INTEGER : 1u << i;
	return 0;
}

static unsigned types_of(const struct json *v)
{
	unsigned all = 0;

	if (!v)
		return ALL_TYPES;
	if (v->type != JSON_ARRAY)
		return type_of(v);
	for (uint32_t i = 0; i < v->count; i++)
		all |= type_of(&v->u.items[i]);
	return all;
}

static int compare_types(struct diff_walk *w, const struct diff_keyword *k)
{
	unsigned was = types_of(k->was), is = types_of(k->is), lost = was & ~is, won = is & ~was;
	struct buf text = { .max = 256 };
	int rc;

	if (!lost && !won)
		return 0;
	for (unsigned i = 0; i < ARRAY_LEN(type_names); i++)
		if ((lost ? lost : won) & (1u << i))
			buf_addf(&text, "%s%s", text.len ? ", " : "", type_names[i]);
	rc = diff_note(w, k->sense, lost ? DIFF_NARROWING : DIFF_WIDENING, "%s %s", lost ? "refuses now:" : "accepts now:",
		       text.data ? text.data : "");
	buf_release(&text);
	return rc;
}

/* ---- sets of values and of names ---- */

static bool holds(const struct json *list, const struct json *v)
{
	for (uint32_t i = 0; i < list->count; i++)
		if (json_equal(&list->u.items[i], v))
			return true;
	return false;
}

/* The first of `list` that is not in `other`, and how many are not. */
static const struct json *missing(const struct json *list, const struct json *other, unsigned *count)
{
	const struct json *first = NULL;

	*count = 0;
	for (uint32_t i = 0; i < list->count; i++)
		if (!holds(other, &list->u.items[i])) {
			first = first ? first : &list->u.items[i];
			++*count;
		}
	return first;
}

static int note_missing(struct diff_walk *w, enum diff_sense sense, enum diff_class class, const char *how, const struct json *first,
			unsigned count)
{
	AUTO(buf) struct buf *text = buf_new(0);

	if (!first)
		return 0;
	if (!text)
		return err_memory(w->e);
	json_put_value(&(struct json_writer){ .out = text }, NULL, first);
	if (buf_check(text, w->e) < 0)
		return w->e->code;
	return diff_note(w, sense, class, count > 1 ? "%s: %.100s and %u more" : "%s: %.100s", how, text->data, count - 1);
}

/* lost, won: what it means when an element goes or comes. */
static int compare_lists(struct diff_walk *w, const struct diff_keyword *k, enum diff_class lost, enum diff_class won)
{
	static const struct json empty = { .type = JSON_ARRAY };
	const struct json *was = k->was ? k->was : &empty, *is = k->is ? k->is : &empty, *first;
	unsigned count;

	if (was->type != JSON_ARRAY || is->type != JSON_ARRAY)
		return diff_note(w, k->sense, DIFF_NARROWING, "changed");
	if (diff_step(w, (uint64_t)was->count * is->count * 2) < 0)
		return w->e->code;
	first = missing(was, is, &count);
	if (note_missing(w, k->sense, lost, "removed", first, count) < 0)
		return w->e->code;
	first = missing(is, was, &count);
	return note_missing(w, k->sense, won, "added", first, count);
}

/* {"const":1} beside {"enum":[1,2]}: the list of one. NULL: it is not that case. */
static const struct json *lone_const(const struct json *o, const struct json *other)
{
	bool const_here = json_get(o, "const") && !json_get(o, "enum"), enum_there = json_get(other, "enum") && !json_get(other, "const");

	return const_here && enum_there ? json_get(o, "const") : NULL;
}

static int compare_enum(struct diff_walk *w, const struct diff_keyword *k)
{
	const struct json *was = lone_const(k->a, k->b), *is = lone_const(k->b, k->a);
	struct json one = { .type = JSON_ARRAY, .count = 1, .u.items = was ? was : is };
	struct diff_keyword both = *k;

	if (was || is) {
		*(was ? &both.was : &both.is) = &one;
		return compare_lists(w, &both, DIFF_NARROWING, DIFF_WIDENING);
	}
	return !k->was || !k->is ? added_or_removed(w, k) : compare_lists(w, k, DIFF_NARROWING, DIFF_WIDENING);
}

static int compare_const(struct diff_walk *w, const struct diff_keyword *k)
{
	if (lone_const(k->a, k->b) || lone_const(k->b, k->a))
		return 0;       /* compared as lists */
	if (!k->was || !k->is)
		return added_or_removed(w, k);
	return json_equal(k->was, k->is) ? 0 : diff_note(w, k->sense, DIFF_NARROWING, "another value");
}

static int compare_required(struct diff_walk *w, const struct diff_keyword *k)
{
	return compare_lists(w, k, DIFF_WIDENING, DIFF_NARROWING);
}

static int compare_dependent_required(struct diff_walk *w, const struct diff_keyword *k)
{
	static const struct json none = { .type = JSON_OBJECT };
	const struct json *was = k->was ? k->was : &none, *is = k->is ? k->is : &none;

	if (was->type != JSON_OBJECT || is->type != JSON_OBJECT)
		return diff_note(w, k->sense, DIFF_NARROWING, "changed");
	for (int side = 0; side < 2; side++) {
		const struct json *o = side ? is : was;

		for (uint32_t i = 0; i < o->count; i++) {
			const char *name = o->u.members[i].key.text;
			struct diff_keyword one = { .was = json_get(was, name), .is = json_get(is, name), .sense = k->sense };
			size_t mark;
			int rc;

			if (side && one.was)
				continue;
			diff_enter(w, name, &mark);
			rc = compare_required(w, &one);
			diff_leave(w, mark);
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

static int compare_unique(struct diff_walk *w, const struct diff_keyword *k)
{
	bool was = k->was && k->was->type == JSON_TRUE, is = k->is && k->is->type == JSON_TRUE;

	return was == is ? 0 : diff_note(w, k->sense, is ? DIFF_NARROWING : DIFF_WIDENING, is ? "added" : "removed");
}

/* Texts nobody can compare in general. */
static int compare_opaque(struct diff_walk *w, const struct diff_keyword *k)
{
	if (!k->was || !k->is)
		return added_or_removed(w, k);
	return json_equal(k->was, k->is) ? 0 : diff_note(w, k->sense, DIFF_NARROWING, "changed");
}

static const struct {
	const char *name;
	int (*compare)(struct diff_walk *w, const struct diff_keyword *k);
} keywords[] = {
	{ "type", compare_types },
	{ "enum", compare_enum },
	{ "const", compare_const },
	{ "required", compare_required },
	{ "dependentRequired", compare_dependent_required },
	{ "uniqueItems", compare_unique },
	{ "multipleOf", compare_multiple },
	{ "pattern", compare_opaque },
};

int diff_value_keyword(struct diff_walk *w, const struct diff_keyword *k)
{
	for (size_t i = 0; i < ARRAY_LEN(bounds); i++)
		if (strcmp(bounds[i].name, k->name) == 0)
			return compare_bound(w, k, &bounds[i]) < 0 ? w->e->code : 1;
	for (size_t i = 0; i < ARRAY_LEN(keywords); i++)
		if (strcmp(keywords[i].name, k->name) == 0)
			return keywords[i].compare(w, k) < 0 ? w->e->code : 1;
	return 0;
}
