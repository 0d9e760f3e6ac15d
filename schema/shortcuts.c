/*
 * shortcuts: what is known about a node before there is a document: which
 * values fit whatever they are, and how the first pass finds out about others.
 */
#include <string.h>

#include "schema/compiler.h"

/* ---- tables of texts ---- */

#define FEW_TEXTS 64            /* up to here a table has room to do without collisions */
#define SEEDS 16                /* tried for that */

int text_table_init(struct compiler *c, struct text_table *t, size_t count)
{
	uint32_t cap = 8;

	while (cap < (count > FEW_TEXTS ? 2 : 4) * (uint64_t)count)
		cap *= 2;
	t->at = compiler_take(c, cap, sizeof *t->at);
	t->mask = cap - 1;
	t->seed = c->s->seed;
	return t->at ? 0 : c->e->code;
}

static uint32_t fill(struct text_table *t, const void *texts, size_t stride, uint32_t count)
{
	uint32_t collisions = 0;

	memset(t->at, 0, ((size_t)t->mask + 1) * sizeof *t->at);
	for (uint32_t i = 0; i < count; i++) {
		const struct text *text = (const void *)((const char *)texts + i * stride);
		uint64_t at = text_hash(t->seed, text->head, text->text, text->len) & t->mask;

		for (; t->at[at]; at = (at + 1) & t->mask)
			collisions++;
		t->at[at] = i + 1;
	}
	return collisions;
}

void text_table_fill(const struct compiler *c, struct text_table *t, const void *texts, size_t stride, uint32_t count)
{
	uint64_t step = c->s->seed >> 1 | 1;

	t->seed = c->s->seed;
	for (int i = 0; fill(t, texts, stride, count) && count <= FEW_TEXTS && i < SEEDS; i++)
		t->seed += step;
}

/* ---- nodes ---- */

/* A character has one to four bytes: of that many bytes, nobody needs to count the characters. */
static void find_easy_texts(struct node *n)
{
	const struct string_rules *r = n->string;

	n->easy_least = UINT32_MAX;     /* which no text of a document is long */
	if (n->special || n->valued || !r || r->pattern || r->format || !(n->types & IS_STRING))
		return;
	if (r->min > UINT32_MAX / 8 || r->max < 4 * r->min)
		return;
	n->easy_least = r->min ? 4 * (uint32_t)r->min - 3 : 0;
	n->easy_more = (uint32_t)MIN(r->max, UINT32_MAX) - n->easy_least;
}

void node_find_shortcuts(struct node *n)
{
	bool any_type = n->never || n->unevaluated;
	uint8_t ruled = (n->object ? IS_OBJECT : 0) | (n->array ? IS_ARRAY : 0) | (n->string ? IS_STRING : 0) |
			(n->number || n->whole ? IS_NUMBER : 0);

	n->in_place = n->dynamic_ref || n->not || n->when || n->ref || n->all.count || n->any.count || n->one.count;
	n->special = any_type || n->in_place;
	n->valued = n->constant || n->values;
	if (!n->special && !n->valued)
		n->enough = n->types & (uint8_t)~ruled;
	find_easy_texts(n);
	if (!any_type && !n->valued && !ruled && n->types == IS_ANY && n->ref && !node_in_place(n, 1) &&
	    n->ref->resource == n->resource)
		n->alias = n->ref;
}

static const struct node *behind_aliases(const struct node *n)
{
	while (n && n->alias)
		n = n->alias;
	return n;
}

static void follow_aliases(struct node *n)
{
	for (uint32_t i = 0; n->object && i < n->object->property_count; i++)
		n->object->properties[i].quick = behind_aliases(n->object->properties[i].node);
	if (n->object)
		n->object->additional_quick = behind_aliases(n->object->additional);
	if (n->array)
		n->array->items_quick = behind_aliases(n->array->items);
}

/*
 * Leaves that nothing but anyOf speaks about, and of which one branch takes
 * all. Behind a branch that may reach a limit others do not count: such a
 * limit is an answer, too.
 */
static uint8_t enough_for_any(const struct node *n)
{
	uint8_t enough = 0;

	if (n->never || n->unevaluated || n->valued || n->ref || !n->any.count || node_in_place(n, n->any.count))
		return 0;
	for (uint32_t i = 0; i < n->any.count; i++) {
		const struct node *branch = n->any.at[i];

		enough |= branch->special ? 0 : branch->enough;
		if (branch->special || branch->values || branch->string)
			break;
	}
	enough &= n->types & (uint8_t)~(IS_OBJECT | IS_ARRAY);
	return enough & (uint8_t)~((n->string ? IS_STRING : 0) | (n->number || n->whole ? IS_NUMBER : 0));
}

static enum quick quick_number(struct node *n)
{
	const struct number_rules *r = n->number;

	if (n->valued) {
		if (r || n->values || !json_to_int(n->constant, &n->least))
			return QUICK_NODE;
		n->most = n->least;
		return QUICK_INTEGER;
	}
	n->least = r ? r->small_least : INT64_MIN;
	n->most = r ? r->small_most : INT64_MAX;
	return !r || r->small ? QUICK_INTEGER : QUICK_NODE;
}

static enum quick quick_text(struct node *n)
{
	const struct string_rules *r = n->string;

	if (n->valued) {
		if (r || (n->constant && (n->values || n->constant->type != JSON_STRING)))
			return QUICK_NODE;
		return n->constant ? QUICK_CONSTANT : QUICK_VALUES;
	}
	if (!r->pattern && !r->format)
		return QUICK_TEXT;
	n->simple = r->pattern ? pattern_is_simple(r->pattern) : NULL;
	return n->simple && !r->format && !r->min && r->max >= UINT32_MAX ? QUICK_PATTERN : QUICK_NODE;
}

static enum quick quick_type(struct node *n, enum json_type type)
{
	const struct array_rules *a = n->array;

	if (n->enough >> type & 1)
		return QUICK_FITS;
	if (n->special || !(n->types >> type & 1))
		return QUICK_NODE;
	switch (type) {
	case JSON_STRING:
		return quick_text(n);
	case JSON_NUMBER:
		return quick_number(n);
	case JSON_ARRAY:
		return !n->valued && !a->prefix_count && !a->contains && !a->unique ? QUICK_ARRAY : QUICK_NODE;
	case JSON_OBJECT:
		return !n->valued && n->object->simple ? QUICK_OBJECT : QUICK_NODE;
	default:
		return QUICK_NODE;
	}
}

void node_follow_shortcuts(struct node *n)
{
	follow_aliases(n);
	n->enough |= enough_for_any(n);
	for (int type = 0; type <= JSON_OBJECT; type++)
		n->quick[type] = (uint8_t)quick_type(n, (enum json_type)type);
}
