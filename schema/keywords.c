/* keywords: each keyword of a schema, from its JSON to the rules of a node. */
#include <stdlib.h>
#include <string.h>

#include "schema/compiler.h"

#define KEYWORD(name) static int k_##name(struct compiler *c, struct node *n, const struct json *v)

/* ---- any value ---- */

static int add_type(struct compiler *c, struct node *n, const struct json *v)
{
	static const struct { const char *name; uint8_t bits; } types[] = {
		{ "null", IS_NULL },     { "boolean", IS_BOOLEAN }, { "number", IS_NUMBER }, { "string", IS_STRING },
		{ "array", IS_ARRAY },   { "object", IS_OBJECT },
	};

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (json_is(v, types[i].name)) {
			n->types |= types[i].bits;
			n->whole &= types[i].bits != IS_NUMBER;
			return 0;
		}
	if (!json_is(v, "integer"))
		return resource_error(c, n->resource, v, ERR_FORMAT, "\"type\": not one of the seven type names");
	n->whole |= !(n->types & IS_NUMBER);
	n->types |= IS_NUMBER;
	return 0;
}

KEYWORD(type)
{
	n->types = 0;
	if (v->type != JSON_ARRAY)
		return add_type(c, n, v);
	if (!v->count)
		return resource_error(c, n->resource, v, ERR_FORMAT, "\"type\": expected at least one type name");
	for (uint32_t i = 0; i < v->count; i++)
		if (add_type(c, n, &v->u.items[i]) < 0)
			return c->e->code;
	return 0;
}

KEYWORD(const)
{
	(void)c;
	n->constant = v;
	return 0;
}

#define FEW_VALUES 8            /* up to here enum compares numbers one by one */

static uint64_t weight(const struct json *v)
{
	uint64_t sum = 1;

	for (uint32_t i = 0; i < v->count && (v->type == JSON_ARRAY || v->type == JSON_OBJECT); i++)
		sum += weight(v->type == JSON_ARRAY ? &v->u.items[i] : &v->u.members[i].value);
	return sum;
}

static int add_value(struct compiler *c, struct values *e, const struct json *v, bool many)
{
	if (v->type == JSON_STRING) {
		e->texts[e->text_count++] =
			(struct text){ text_head(v->u.text, v->count), v->u.text, v->count };
		return 0;
	}
	if (v->type == JSON_NUMBER && many)
		return table_add(&e->numbers, json_hash(v), (void *)(uintptr_t)v, c->e);
	e->others[e->other_count++] = v;
	e->weight += weight(v);
	return 0;
}

KEYWORD(enum)
{
	struct values *e = compiler_take(c, 1, sizeof *e);
	struct schema *s = c->s;

	if (!e || keyword_want(c, n, v, "enum", JSON_ARRAY) < 0 ||
	    compiler_room(c, (void **)&s->values, s->values_count, &s->values_cap) < 0)
		return c->e->code;
	s->values[s->values_count++] = n->values = e;
	e->list = v;
	e->texts = compiler_take(c, v->count, sizeof *e->texts);
	e->others = compiler_take(c, v->count, sizeof *e->others);
	if (!e->texts || !e->others)
		return c->e->code;
	for (uint32_t i = 0; i < v->count; i++)
		if (add_value(c, e, &v->u.items[i], v->count > FEW_VALUES) < 0)
			return c->e->code;
	if (text_table_init(c, &e->table, e->text_count) < 0)
		return c->e->code;
	text_table_fill(c, &e->table, e->texts, sizeof *e->texts, e->text_count);
	return 0;
}

/* ---- objects ---- */

/* `properties` and `required` become one table, in keywords_finish(). */
KEYWORD(properties)
{
	c->properties = v;
	return node_object_rules(c, n) ? keyword_want(c, n, v, "properties", JSON_OBJECT) : c->e->code;
}

KEYWORD(required)
{
	c->required = v;
	return node_object_rules(c, n) ? keyword_want_names(c, n, v, "required") : c->e->code;
}

KEYWORD(additionalProperties)
{
	struct object_rules *o = node_object_rules(c, n);

	return o ? keyword_want_node(c, n, v, &o->additional) : c->e->code;
}

KEYWORD(patternProperties)
{
	struct object_rules *o = node_object_rules(c, n);

	if (!o || keyword_want(c, n, v, "patternProperties", JSON_OBJECT) < 0)
		return c->e->code;
	o->patterns = compiler_take(c, v->count, sizeof *o->patterns);
	if (!o->patterns)
		return c->e->code;
	for (uint32_t i = 0; i < v->count; i++) {
		const struct json_member *m = &v->u.members[i];
		struct json key = json_key(n->resource->doc, m);

		if (compiler_pattern(c, n->resource, &key, m->key.text, m->key.len, &o->patterns[i].pattern) < 0 ||
		    keyword_want_node(c, n, &m->value, &o->patterns[i].node) < 0)
			return c->e->code;
	}
	o->pattern_count = v->count;
	return 0;
}

KEYWORD(propertyNames)
{
	struct object_rules *o = node_object_rules(c, n);

	return o ? keyword_want_node(c, n, v, &o->names) : c->e->code;
}

static int add_dependencies(struct compiler *c, struct node *n, const struct json *v, const char *keyword, bool names,
			    bool schemas)
{
	struct object_rules *o = node_object_rules(c, n);
	struct dependency *all;

	if (!o || keyword_want(c, n, v, keyword, JSON_OBJECT) < 0)
		return c->e->code;
	all = compiler_take(c, (size_t)o->dependency_count + v->count, sizeof *all);
	if (!all)
		return c->e->code;
	if (o->dependency_count)
		memcpy(all, o->dependencies, o->dependency_count * sizeof *all);
	o->dependencies = all;
	for (uint32_t i = 0; i < v->count; i++) {
		const struct json_member *m = &v->u.members[i];
		struct dependency *d = &all[o->dependency_count++];
		int rc;

		*d = (struct dependency){ .name = m->key, .keyword = keyword };
		if (names && (m->value.type == JSON_ARRAY || !schemas)) {
			d->required = &m->value;
			rc = keyword_want_names(c, n, &m->value, keyword);
		} else {
			rc = keyword_want_node(c, n, &m->value, &d->node);
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}

KEYWORD(dependencies)
{
	return add_dependencies(c, n, v, "dependencies", true, true);
}

KEYWORD(dependentRequired)
{
	return add_dependencies(c, n, v, "dependentRequired", true, false);
}

KEYWORD(dependentSchemas)
{
	return add_dependencies(c, n, v, "dependentSchemas", false, true);
}

/* ---- arrays ---- */

KEYWORD(prefixItems)
{
	struct array_rules *a = node_array_rules(c, n);
	struct nodes list = { 0 };

	if (!a || keyword_want_nodes(c, n, v, n->resource->draft_07 ? "items" : "prefixItems", !n->resource->draft_07, &list) < 0)
		return c->e->code;
	a->prefix = list.at;
	a->prefix_count = list.count;
	return 0;
}

KEYWORD(items)
{
	struct array_rules *a = node_array_rules(c, n);

	if (n->resource->draft_07 && v->type == JSON_ARRAY)
		return k_prefixItems(c, n, v);
	return a ? keyword_want_node(c, n, v, &a->items) : c->e->code;
}

/* Without an array in `items` it means nothing. */
KEYWORD(additionalItems)
{
	const struct json *items = json_get(n->at, "items");
	struct array_rules *a = node_array_rules(c, n);
	const struct node *node;

	if (!a || keyword_want_node(c, n, v, &node) < 0)
		return c->e->code;
	if (items && items->type == JSON_ARRAY)
		a->items = node;
	return 0;
}

KEYWORD(contains)
{
	struct array_rules *a = node_array_rules(c, n);

	return a ? keyword_want_node(c, n, v, &a->contains) : c->e->code;
}

KEYWORD(uniqueItems)
{
	struct array_rules *a = node_array_rules(c, n);

	if (!a)
		return c->e->code;
	a->unique = v->type == JSON_TRUE;
	return a->unique || v->type == JSON_FALSE ?
		0 : resource_error(c, n->resource, v, ERR_FORMAT, "\"uniqueItems\": expected true or false, found %s",
				   json_type_name(v->type));
}

#define COUNT(keyword, rules, member)                                                   \
	KEYWORD(keyword)                                                                \
	{                                                                               \
		struct rules *r = node_##rules(c, n);                                   \
											\
		return r ? keyword_want_count(c, n, v, #keyword, &r->member) : c->e->code;      \
	}
COUNT(minProperties, object_rules, min)
COUNT(maxProperties, object_rules, max)
COUNT(minItems, array_rules, min)
COUNT(maxItems, array_rules, max)
COUNT(minContains, array_rules, contains_min)
COUNT(maxContains, array_rules, contains_max)
COUNT(minLength, string_rules, min)
COUNT(maxLength, string_rules, max)

/* ---- strings and numbers ---- */

KEYWORD(pattern)
{
	struct string_rules *s = node_string_rules(c, n);

	if (!s || keyword_want(c, n, v, "pattern", JSON_STRING) < 0)
		return c->e->code;
	return compiler_pattern(c, n->resource, v, v->u.text, v->count, &s->pattern);
}

/* A name that nobody knows asserts nothing. */
KEYWORD(format)
{
	const struct format *format;
	struct string_rules *s;

	if (keyword_want(c, n, v, "format", JSON_STRING) < 0)
		return c->e->code;
	format = n->resource->formats ? format_find(v->u.text) : NULL;
	if (!format)
		return 0;
	s = node_string_rules(c, n);
	if (!s)
		return c->e->code;
	s->format = format;
	return 0;
}

#define BOUND(keyword, member)                                                  \
	KEYWORD(keyword)                                                        \
	{                                                                       \
		struct number_rules *r = node_number_rules(c, n);                    \
										\
		if (!r || keyword_want(c, n, v, #keyword, JSON_NUMBER) < 0)             \
			return c->e->code;                                      \
		r->member = v;                                                  \
		return 0;                                                       \
	}
BOUND(minimum, least)
BOUND(maximum, most)
BOUND(exclusiveMinimum, above)
BOUND(exclusiveMaximum, below)

KEYWORD(multipleOf)
{
	struct number_rules *r = node_number_rules(c, n);

	if (!r || keyword_want(c, n, v, "multipleOf", JSON_NUMBER) < 0)
		return c->e->code;
	r->multiple = v;
	switch (json_divides(v, v)) {
	case 1:
		return 0;
	case 0:
		return resource_error(c, n->resource, v, ERR_FORMAT, "\"multipleOf\": expected a number above 0");
	default:
		return resource_error(c, n->resource, v, ERR_LIMIT, "\"multipleOf\": a number with more than 18 digits");
	}
}

/* ---- applied to the same value ---- */

#define ALL_OF(keyword, member)                                                 \
	KEYWORD(keyword)                                                        \
	{                                                                       \
		return keyword_want_nodes(c, n, v, #keyword, true, &n->member);         \
	}
ALL_OF(allOf, all)
ALL_OF(anyOf, any)
ALL_OF(oneOf, one)

#define ONE(keyword, member)                                                    \
	KEYWORD(keyword)                                                        \
	{                                                                       \
		return keyword_want_node(c, n, v, &n->member);                          \
	}
ONE(not, not)
ONE(if, when)
ONE(then, then)
ONE(else, otherwise)
ONE(unevaluatedItems, unevaluated_items)
ONE(unevaluatedProperties, unevaluated_properties)

KEYWORD(ref)
{
	const struct resource *r;
	const struct json *at;

	if (keyword_want(c, n, v, "$ref", JSON_STRING) < 0 ||
	    resource_resolve(c, n->resource, v, "$ref", &at, &r, NULL) < 0)
		return c->e->code;
	n->ref = compiler_node(c, r, at);
	return n->ref ? 0 : c->e->code;
}

KEYWORD(dynamicRef)
{
	const struct anchor *anchor = NULL;
	const struct resource *r;
	const struct json *at;

	if (keyword_want(c, n, v, "$dynamicRef", JSON_STRING) < 0 ||
	    resource_resolve(c, n->resource, v, "$dynamicRef", &at, &r, &anchor) < 0)
		return c->e->code;
	n->dynamic_ref = compiler_node(c, r, at);
	if (!n->dynamic_ref)
		return c->e->code;
	if (anchor && anchor->dynamic && !(n->dynamic = compiler_dynamic(c, anchor->name)))
		return c->e->code;
	return 0;
}

/* ---- who a schema is ---- */

/* An author wants to know of broken definitions that nothing refers to; a reader of other people's schemas does not. */
KEYWORD(defs)
{
	if (keyword_want(c, n, v, "$defs", JSON_OBJECT) < 0)
		return c->e->code;
	for (uint32_t i = 0; i < v->count && c->options.strict; i++)
		if (!compiler_node(c, n->resource, &v->u.members[i].value))
			return c->e->code;
	return 0;
}

KEYWORD(schema)
{
	return keyword_want(c, n, v, "$schema", JSON_STRING);
}

KEYWORD(id)
{
	const char *fragment;

	if (keyword_want(c, n, v, "$id", JSON_STRING) < 0)
		return c->e->code;
	fragment = strchr(v->u.text, '#');
	if (fragment && fragment[1] && !n->resource->draft_07)
		return resource_error(c, n->resource, v, ERR_FORMAT, "\"$id\": expected a URI without fragment");
	return 0;
}

KEYWORD(anchor)
{
	return keyword_want(c, n, v, "$anchor", JSON_STRING);
}

KEYWORD(dynamicAnchor)
{
	return keyword_want(c, n, v, "$dynamicAnchor", JSON_STRING);
}

#define BOTH (DRAFT_07 | DRAFT_2020)

static const struct keyword keywords[] = {
	{ "$id", BOTH, V_CORE, PLAIN, k_id },
	{ "$schema", BOTH, V_CORE, PLAIN, k_schema },
	{ "$ref", BOTH, V_CORE, PLAIN, k_ref },
	{ "$comment", BOTH, V_CORE, PLAIN, NULL },
	{ "$anchor", DRAFT_2020, V_CORE, PLAIN, k_anchor },
	{ "$dynamicRef", DRAFT_2020, V_CORE, PLAIN, k_dynamicRef },
	{ "$dynamicAnchor", DRAFT_2020, V_CORE, PLAIN, k_dynamicAnchor },
	{ "$vocabulary", DRAFT_2020, V_CORE, PLAIN, NULL },
	{ "$defs", DRAFT_2020, V_CORE, MAP, k_defs },
	{ "definitions", BOTH, V_CORE, MAP, k_defs },
	{ "type", BOTH, V_VALIDATION, PLAIN, k_type },
	{ "enum", BOTH, V_VALIDATION, PLAIN, k_enum },
	{ "const", BOTH, V_VALIDATION, PLAIN, k_const },
	{ "properties", BOTH, V_APPLICATOR, MAP, k_properties },
	{ "required", BOTH, V_VALIDATION, PLAIN, k_required },
	{ "additionalProperties", BOTH, V_APPLICATOR, SCHEMA, k_additionalProperties },
	{ "patternProperties", BOTH, V_APPLICATOR, MAP, k_patternProperties },
	{ "propertyNames", BOTH, V_APPLICATOR, SCHEMA, k_propertyNames },
	{ "dependencies", DRAFT_07, V_APPLICATOR, MAP_OR_NAMES, k_dependencies },
	{ "dependentRequired", DRAFT_2020, V_VALIDATION, PLAIN, k_dependentRequired },
	{ "dependentSchemas", DRAFT_2020, V_APPLICATOR, MAP, k_dependentSchemas },
	{ "minProperties", BOTH, V_VALIDATION, PLAIN, k_minProperties },
	{ "maxProperties", BOTH, V_VALIDATION, PLAIN, k_maxProperties },
	{ "items", BOTH, V_APPLICATOR, SCHEMA_OR_LIST, k_items },
	{ "prefixItems", DRAFT_2020, V_APPLICATOR, LIST, k_prefixItems },
	{ "additionalItems", DRAFT_07, V_APPLICATOR, SCHEMA, k_additionalItems },
	{ "contains", BOTH, V_APPLICATOR, SCHEMA, k_contains },
	{ "minContains", DRAFT_2020, V_VALIDATION, PLAIN, k_minContains },
	{ "maxContains", DRAFT_2020, V_VALIDATION, PLAIN, k_maxContains },
	{ "minItems", BOTH, V_VALIDATION, PLAIN, k_minItems },
	{ "maxItems", BOTH, V_VALIDATION, PLAIN, k_maxItems },
	{ "uniqueItems", BOTH, V_VALIDATION, PLAIN, k_uniqueItems },
	{ "minLength", BOTH, V_VALIDATION, PLAIN, k_minLength },
	{ "maxLength", BOTH, V_VALIDATION, PLAIN, k_maxLength },
	{ "pattern", BOTH, V_VALIDATION, PLAIN, k_pattern },
	{ "format", BOTH, V_FORMAT, PLAIN, k_format },
	{ "minimum", BOTH, V_VALIDATION, PLAIN, k_minimum },
	{ "maximum", BOTH, V_VALIDATION, PLAIN, k_maximum },
	{ "exclusiveMinimum", BOTH, V_VALIDATION, PLAIN, k_exclusiveMinimum },
	{ "exclusiveMaximum", BOTH, V_VALIDATION, PLAIN, k_exclusiveMaximum },
	{ "multipleOf", BOTH, V_VALIDATION, PLAIN, k_multipleOf },
	{ "allOf", BOTH, V_APPLICATOR, LIST, k_allOf },
	{ "anyOf", BOTH, V_APPLICATOR, LIST, k_anyOf },
	{ "oneOf", BOTH, V_APPLICATOR, LIST, k_oneOf },
	{ "not", BOTH, V_APPLICATOR, SCHEMA, k_not },
	{ "if", BOTH, V_APPLICATOR, SCHEMA, k_if },
	{ "then", BOTH, V_APPLICATOR, SCHEMA, k_then },
	{ "else", BOTH, V_APPLICATOR, SCHEMA, k_else },
	{ "unevaluatedItems", DRAFT_2020, V_UNEVALUATED, SCHEMA, k_unevaluatedItems },
	{ "unevaluatedProperties", DRAFT_2020, V_UNEVALUATED, SCHEMA, k_unevaluatedProperties },
	{ "title", BOTH, V_NOTES, PLAIN, NULL },
	{ "description", BOTH, V_NOTES, PLAIN, NULL },
	{ "default", BOTH, V_NOTES, PLAIN, NULL },
	{ "examples", BOTH, V_NOTES, PLAIN, NULL },
	{ "deprecated", DRAFT_2020, V_NOTES, PLAIN, NULL },
	{ "readOnly", BOTH, V_NOTES, PLAIN, NULL },
	{ "writeOnly", BOTH, V_NOTES, PLAIN, NULL },
	{ "contentEncoding", BOTH, V_CONTENT, PLAIN, NULL },
	{ "contentMediaType", BOTH, V_CONTENT, PLAIN, NULL },
	{ "contentSchema", DRAFT_2020, V_CONTENT, SCHEMA, NULL },
};

const struct keyword *keyword_find(const struct resource *r, const struct json_string *name)
{
	uint8_t draft = r->draft_07 ? DRAFT_07 : DRAFT_2020;

	for (size_t i = 0; i < ARRAY_LEN(keywords); i++) {
		const struct keyword *k = &keywords[i];

		if (k->name[0] != name->text[0] || strlen(k->name) != name->len ||
		    memcmp(k->name, name->text, name->len) != 0)
			continue;
		return (k->drafts & draft) && (k->vocabulary & r->vocabularies) ? k : NULL;
	}
	return NULL;
}

int keyword_compile(struct compiler *c, struct node *n, const struct json_member *m)
{
	const struct keyword *k = keyword_find(n->resource, &m->key);
	struct json key;

	if (k)
		return k->compile ? k->compile(c, n, &m->value) : 0;
	if (!c->options.strict)
		return 0;
	key = json_key(n->resource->doc, m);
	return resource_error(c, n->resource, &key, ERR_UNSUPPORTED, "the schema keyword \"%.64s\" is not supported",
			      m->key.text);
}
