/*
 * check: the answer, valid or not, for one value against a compiled schema.
 *
 * The first pass only answers and stops at the first failure. For what is
 * invalid a second pass with a report finds the sentences (report.c); it may
 * run out of steps, the answer stands.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "schema/checker.h"

#define STEPS_MIN 1000000       /* of one pass, plus STEPS_PER_BYTE of the document */
#define STEPS_PER_BYTE 64
#define FEW_ITEMS 16            /* up to here uniqueItems compares every pair */

/* ---- arrays ---- */

static bool pairs_differ(struct check *c, const struct node *n, const struct json *v)
{
	for (uint32_t i = 1; i < v->count; i++)
		for (uint32_t j = 0; j < i; j++)
			if (json_equal(&v->u.items[i], &v->u.items[j]))
				return report_wrong(c, n, &v->u.items[i], NULL, "uniqueItems",
						    "expected different elements, found one equal to element %" PRIu32, j);
	return true;
}

/* Hashes are keyed, so equal hashes of different values stay rare whatever the document holds. */
static bool items_differ(struct check *c, const struct node *n, const struct json *v)
{
	AUTO_FREE struct seen { uint64_t hash; uint32_t index; } *table = NULL;
	size_t cap = 64;

	if (v->count <= FEW_ITEMS)
		return pairs_differ(c, n, v);
	while (cap < 2 * (size_t)v->count)
		cap *= 2;
	table = calloc(cap, sizeof *table);
	if (!table)
		return report_fatal(c, v, ERR_MEMORY, "no memory to compare its elements");
	for (uint32_t i = 0; i < v->count; i++) {
		uint64_t hash = json_hash(&v->u.items[i]) | 1;
		size_t at = (hash >> 1) & (cap - 1);

		for (; table[at].hash; at = (at + 1) & (cap - 1))
			if (table[at].hash == hash && json_equal(&v->u.items[table[at].index], &v->u.items[i]))
				return report_wrong(c, n, &v->u.items[i], NULL, "uniqueItems",
						    "expected different elements, found one equal to element %" PRIu32,
						    table[at].index);
		table[at].hash = hash;
		table[at].index = i;
	}
	return true;
}

static COLD bool check_contains(struct check *c, const struct node *n, const struct json *v, uint8_t *marks)
{
	const struct array_rules *r = n->array;
	uint64_t found = 0;

	for (uint32_t i = 0; i < v->count && !c->fatal; i++) {
		if (!marks && found >= r->contains_min && r->contains_max == UINT64_MAX)
			break;
		if (!check_fits(c, r->contains, &v->u.items[i]))
			continue;
		found++;
		if (marks)
			marks[i] = 1;
	}
	if (c->fatal)
		return false;
	if (found < r->contains_min)
		return report_count(c, n, v, r->contains_min == 1 ? "contains" : "minContains", true, r->contains_min,
				    "elements that fit", found);
	if (found > r->contains_max)
		return report_count(c, n, v, "maxContains", false, r->contains_max, "elements that fit", found);
	return true;
}

static bool check_items(struct check *c, const struct array_rules *r, const struct json *v, uint8_t *marks)
{
	bool valid = true;

	for (uint32_t i = 0; i < v->count; i++) {
		const struct node *item = i < r->prefix_count ? r->prefix[i] : r->items;

		if (!item)
			break;
		if (marks)
			marks[i] = 1;
		if (c->report ? check_node(c, item, &v->u.items[i]) : check_quick(c, item, &v->u.items[i]))
			continue;
		valid = false;
		if (!go_on(c, valid))
			break;
	}
	return valid;
}

static NOINLINE bool check_array(struct check *c, const struct node *n, const struct json *v)
{
	const struct array_rules *r = n->array;
	uint8_t *marks = c->marks;
	bool valid = true;

	if (v->count < r->min)
		valid = report_count(c, n, v, "minItems", true, r->min, "elements", v->count);
	else if (v->count > r->max)
		valid = report_count(c, n, v, "maxItems", false, r->max, "elements", v->count);
	if (!go_on(c, valid) || !spend(c, v, v->count))
		return false;
	c->marks = NULL;
	valid &= check_items(c, r, v, marks);
	if (r->contains && go_on(c, valid))
		valid &= check_contains(c, n, v, marks);
	c->marks = marks;
	if (r->unique && v->count > 1 && go_on(c, valid) && spend(c, v, 4 * (uint64_t)v->count))
		valid &= items_differ(c, n, v);
	return valid;
}

/* ---- objects ---- */

static const struct property *find_property(const struct object_rules *o, const struct json_string *key)
{
	uint64_t head = text_head(key->text, key->len);
	uint32_t at = text_find(&o->table, o->properties, sizeof *o->properties, head, key->text, key->len);

	return at ? &o->properties[at - 1] : NULL;
}

static bool check_name(struct check *c, const struct node *n, const struct json *v, const struct json_member *m)
{
	struct json key = json_key(c->d, m);

	if (check_fits(c, n->object->names, &key))
		return true;
	return c->fatal ? false : report_name(c, n, v, m);
}

/* One member, where more than `properties` speaks about it. */
static bool check_member(struct check *c, const struct node *n, const struct json *v, const struct json_member *m,
			 const struct property *p, uint8_t *mark)
{
	const struct object_rules *o = n->object;
	bool known = p && p->node, valid = !known || check_node(c, p->node, &m->value);

	for (uint32_t i = 0; i < o->pattern_count && go_on(c, valid); i++) {
		if (!check_match(c, o->patterns[i].pattern, v, m->key.text, m->key.len))
			continue;
		known = true;
		valid &= check_node(c, o->patterns[i].node, &m->value);
	}
	if (!known && o->additional && go_on(c, valid)) {
		known = true;
		if (o->additional->never)
			valid = report_wrong(c, n, v, m, "additionalProperties", "the member \"%.64s\" is not allowed here",
					     m->key.text);
		else
			valid &= check_node(c, o->additional, &m->value);
	}
	if (known && mark)
		*mark = 1;
	if (o->names && go_on(c, valid))
		valid &= check_name(c, n, v, m);
	return valid;
}

static bool has_member(const struct json *v, const char *name, size_t len)
{
	for (uint32_t i = 0; i < v->count; i++)
		if (v->u.members[i].key.len == len && memcmp(v->u.members[i].key.text, name, len) == 0)
			return true;
	return false;
}

static bool check_dependency(struct check *c, const struct node *n, const struct json *v, const struct dependency *d)
{
	bool valid = true;

	if (!spend(c, v, 1 + v->count / 8) || !has_member(v, d->name.text, d->name.len))
		return !c->fatal;
	if (d->node)
		return check_node(c, d->node, v);
	for (uint32_t i = 0; i < d->required->count && go_on(c, valid); i++) {
		const struct json *name = &d->required->u.items[i];

		if (spend(c, v, 1 + v->count / 8) && !has_member(v, name->u.text, name->count))
			valid = report_wrong(c, n, v, NULL, d->keyword,
					     "expected a member \"%.64s\" beside \"%.64s\", found none", name->u.text,
					     d->name.text);
	}
	return valid;
}

static bool check_members(struct check *c, const struct node *n, const struct json *v, uint8_t *marks)
{
	const struct object_rules *o = n->object;
	uint32_t required = 0;
	bool valid = true;

	for (uint32_t i = 0; i < v->count; i++) {
		const struct json_member *m = &v->u.members[i];
		const struct property *p = find_property(o, &m->key);

		required += p && p->required;
		if (go_on(c, valid))
			valid &= check_member(c, n, v, m, p, marks ? &marks[i] : NULL);
	}
	if (!go_on(c, valid))
		return false;
	if (required < o->required_count)
		return report_missing(c, n, v);
	return valid;
}

static NOINLINE bool check_object(struct check *c, const struct node *n, const struct json *v)
{
	const struct object_rules *o = n->object;
	uint8_t *marks = c->marks;
	bool valid = true;

	if (v->count < o->min)
		valid = report_count(c, n, v, "minProperties", true, o->min, "members", v->count);
	else if (v->count > o->max)
		valid = report_count(c, n, v, "maxProperties", false, o->max, "members", v->count);
	if (!go_on(c, valid) || !spend(c, v, v->count))
		return false;
	c->marks = NULL;
	valid &= check_members(c, n, v, marks);
	c->marks = marks;
	for (uint32_t i = 0; i < o->dependency_count && go_on(c, valid); i++)
		valid &= check_dependency(c, n, v, &o->dependencies[i]);
	return valid;
}

/* ---- all of it ---- */

static inline __attribute__((always_inline)) bool check_type(struct check *c, const struct node *n, const struct json *v)
{
	if (!(n->types >> v->type & 1))
		return report_type(c, n, v);
	if (n->valued && !check_values(c, n, v))
		return false;
	switch (v->type) {
	case JSON_STRING:
		return !n->string || check_text(c, n, v);
	case JSON_OBJECT:
		if (!n->object)
			return true;
		if (!n->object->simple || c->report || c->marks)
			return check_object(c, n, v);
		return v->count >= n->object->min && v->count <= n->object->max && spend(c, v, v->count) &&
		       check_simple(c, n->object, v);
	case JSON_ARRAY:
		return !n->array || check_array(c, n, v);
	case JSON_NUMBER:
		return !(n->number || n->whole) || check_number(c, n, v);
	default:
		return true;
	}
}

static NOINLINE bool check_rules(struct check *c, const struct node *n, const struct json *v)
{
	bool valid = check_type(c, n, v);

	if (!(n->types >> v->type & 1))
		return false;
	if (n->in_place && go_on(c, valid))
		valid &= check_in_place(c, n, v);
	return valid;
}

/* Every child that nothing else has evaluated. */
static bool check_rest(struct check *c, const struct node *n, const struct json *v, const uint8_t *marks)
{
	bool object = v->type == JSON_OBJECT, valid = true;
	const struct node *rest = object ? n->unevaluated_properties : n->unevaluated_items;

	for (uint32_t i = 0; i < v->count && go_on(c, valid); i++) {
		if (marks[i])
			continue;
		if (object && rest->never)
			valid = report_wrong(c, n, v, &v->u.members[i], "unevaluatedProperties",
					     "the member \"%.64s\" is not allowed here", v->u.members[i].key.text);
		else
			valid &= check_node(c, rest, object ? &v->u.members[i].value : &v->u.items[i]);
	}
	return valid;
}

static COLD bool check_unevaluated(struct check *c, const struct node *n, const struct json *v)
{
	uint8_t small[FEW_MARKS], *marks, *outer = c->marks;
	bool valid;

	if (!(v->type == JSON_OBJECT ? n->unevaluated_properties : v->type == JSON_ARRAY ? n->unevaluated_items : NULL))
		return check_rules(c, n, v);
	marks = marks_take(c, v, small);
	if (!marks)
		return false;
	if (v->count)
		memset(marks, 0, v->count);
	c->marks = marks;
	valid = check_rules(c, n, v);
	c->marks = NULL;
	if (go_on(c, valid))
		valid &= check_rest(c, n, v, marks);
	c->marks = outer;
	marks_return(c, v, marks, small);
	if (outer && valid && v->count)
		memset(outer, 1, v->count);
	return valid;
}

static NOINLINE bool check_special(struct check *c, const struct node *n, const struct json *v)
{
	if (n->never)
		return report_wrong(c, n, v, NULL, NULL, "expected nothing here, found %s", json_type_name(v->type));
	return n->unevaluated ? check_unevaluated(c, n, v) : check_rules(c, n, v);
}

static COLD bool too_deep(struct check *c, const struct json *v)
{
	return report_fatal(c, v, ERR_LIMIT, "its schema nests too deeply");
}

bool check_node(struct check *c, const struct node *n, const struct json *v)
{
	bool valid;

	while (n->alias && !c->report)
		n = n->alias;
	if (n->enough >> v->type & 1)
		return true;
	if (v->type < JSON_ARRAY && !n->special)
		return check_leaf(c, n, v);
	if (c->depth == DEPTH_MAX)
		return too_deep(c, v);
	if (!spend(c, v, 1))
		return false;
	c->way[c->depth++] = n;
	valid = n->special ? check_special(c, n, v) : check_type(c, n, v);
	c->depth--;
	return valid && !c->fatal;
}

static bool run(struct check *c, const struct json *v, struct report *report)
{
	bool valid;

	c->steps = STEPS_MIN + STEPS_PER_BYTE * (uint64_t)c->d->source_len;
	c->report = report;
	valid = report ? check_node(c, c->s->root, v) : check_quick(c, c->s->root, v);
	pattern_memory_free(TAKE(c->patterns));
	return valid;
}

int schema_check_each(const struct schema *s, const struct json_doc *d, const struct json *v, unsigned most,
		      void (*each)(void *context, const struct schema_error *error), void *context,
		      unsigned *count, struct err *e)
{
	struct report report = { .each = each, .context = context, .most = most, .e = e };
	const struct node *way[DEPTH_MAX];      /* filled from below: most of it is never touched */
	struct check c = { .s = s, .d = d, .top = v, .way = way, .e = e };
	struct err unheard;
	bool valid = run(&c, v, NULL);

	if (count)
		*count = 0;
	if (c.fatal || valid)
		return c.fatal;
	c.e = &unheard;
	run(&c, v, &report);
	if (!report.count) {            /* there was no step left to find out why */
		c.report = &report;
		report_wrong(&c, s->root, v, NULL, NULL, "expected something that fits its schema, found %s",
			     json_type_name(v->type));
	}
	if (count)
		*count = report.count;
	return ERR_FORMAT;
}

static void keep(void *context, const struct schema_error *error)
{
	struct schema_errors *errors = context;

	errors->at[errors->count++] = *error;
}

int schema_check(const struct schema *s, const struct json_doc *d, const struct json *v,
		 struct schema_errors *errors, struct err *e)
{
	unsigned count;
	int rc;

	if (!errors)
		return schema_check_each(s, d, v, 0, NULL, NULL, NULL, e);
	errors->count = 0;
	rc = schema_check_each(s, d, v, SCHEMA_ERRORS, keep, errors, &count, e);
	errors->count = count;
	return rc;
}
