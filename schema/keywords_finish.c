/* keywords_finish: what several keywords of one node say together. */
#include <string.h>

#include "schema/compiler.h"

static struct property *find_property(struct object_rules *o, const struct text *name, uint64_t *at)
{
	*at = text_hash(o->table.seed, name->head, name->text, name->len) & o->table.mask;
	for (; o->table.at[*at]; *at = (*at + 1) & o->table.mask) {
		struct property *p = &o->properties[o->table.at[*at] - 1];

		if (text_equal(&p->name, name->head, name->text, name->len))
			return p;
	}
	return NULL;
}

static struct property *add_property(struct object_rules *o, const char *name, size_t len)
{
	struct text text = { text_head(name, len), name, (uint32_t)len };
	uint64_t at;
	struct property *p = find_property(o, &text, &at);

	if (p)
		return p;
	p = &o->properties[o->property_count++];
	p->name = text;
	o->lengths |= (uint64_t)1 << (len & 63);
	o->table.at[at] = o->property_count;
	return p;
}

static int finish_properties(struct compiler *c, struct node *n)
{
	/* in the schema's order, then what is only required */
	const struct json *known = c->properties, *required = c->required;
	size_t most = (known ? known->count : 0) + (required ? required->count : 0);
	struct object_rules *o = n->object;

	o->properties = compiler_take(c, most, sizeof *o->properties);
	if (!o->properties || text_table_init(c, &o->table, most) < 0)
		return c->e->code;
	for (uint32_t i = 0; known && i < known->count; i++) {
		const struct json_member *m = &known->u.members[i];

		add_property(o, m->key.text, m->key.len)->node = compiler_node(c, n->resource, &m->value);
		if (!o->properties[i].node)
			return c->e->code;
	}
	for (uint32_t i = 0; required && i < required->count; i++) {
		const struct json *name = &required->u.items[i];
		struct property *p = add_property(o, name->u.text, name->count);

		if (p->required)
			return resource_error(c, n->resource, name, ERR_FORMAT, "\"required\": a name a second time");
		p->required = true;
		o->required_count++;
	}
	text_table_fill(c, &o->table, o->properties, sizeof *o->properties, o->property_count);
	return 0;
}

static void raise_to(int64_t *bound, int64_t v)
{
	*bound = MAX(*bound, v);
}

static void lower_to(int64_t *bound, int64_t v)
{
	*bound = MIN(*bound, v);
}

/* Bounds that are machine integers are compared as such. */
static void finish_number(struct number_rules *r)
{
	int64_t v;

	r->small_least = INT64_MIN;
	r->small_most = INT64_MAX;
	r->small = !r->multiple;
#define TIGHTEN(member, sound, tighten)                                 \
	if (r->member && json_to_int(r->member, &v) && (sound))         \
		tighten;                                                \
	else if (r->member)                                             \
		r->small = false
	TIGHTEN(least, true, raise_to(&r->small_least, v));
	TIGHTEN(above, v < INT64_MAX, raise_to(&r->small_least, v + 1));
	TIGHTEN(most, true, lower_to(&r->small_most, v));
	TIGHTEN(below, v > INT64_MIN, lower_to(&r->small_most, v - 1));
#undef TIGHTEN
}

int keywords_finish(struct compiler *c, struct node *n)
{
	if (n->object && finish_properties(c, n) < 0)
		return c->e->code;
	c->properties = c->required = NULL;
	if (n->object)
		n->object->simple = !n->object->pattern_count && !n->object->names && !n->object->dependency_count;
	if (n->number)
		finish_number(n->number);
	if (!n->when)
		n->then = n->otherwise = NULL;
	if (n->array && !n->array->contains)
		n->array->contains_min = 0;
	n->unevaluated = n->unevaluated_items || n->unevaluated_properties;
	return 0;
}
