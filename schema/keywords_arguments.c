/* keywords_arguments: what the keywords of a schema take, and the groups of rules they fill. */
#include "schema/compiler.h"

/* ---- arguments of keywords ---- */

int keyword_want(struct compiler *c, const struct node *n, const struct json *v, const char *keyword, enum json_type type)
{
	if (v->type == type)
		return 0;
	return resource_error(c, n->resource, v, ERR_FORMAT, "\"%s\": expected %s, found %s", keyword, json_type_name(type),
			      json_type_name(v->type));
}

int keyword_want_count(struct compiler *c, const struct node *n, const struct json *v, const char *keyword, uint64_t *out)
{
	int64_t i;
	double x;

	if (json_to_int(v, &i) && i >= 0) {
		*out = (uint64_t)i;
		return 0;
	}
	/* 2.0 and 1e3 are whole, too; nothing has more than 2^53 of anything */
	if (json_is_integer(v) && v->u.text[0] != '-') {
		*out = json_to_double(v, &x) && x <= 9007199254740992.0 ? (uint64_t)x : UINT64_MAX;
		return 0;
	}
	return resource_error(c, n->resource, v, ERR_FORMAT, "\"%s\": expected a whole number from 0 on", keyword);
}

int keyword_want_node(struct compiler *c, const struct node *n, const struct json *v, const struct node **out)
{
	*out = compiler_node(c, n->resource, v);
	return *out ? 0 : c->e->code;
}

int keyword_want_nodes(struct compiler *c, const struct node *n, const struct json *v, const char *keyword, bool some,
		      struct nodes *out)
{
	if (keyword_want(c, n, v, keyword, JSON_ARRAY) < 0)
		return c->e->code;
	if (!v->count && some)
		return resource_error(c, n->resource, v, ERR_FORMAT, "\"%s\": expected at least one schema", keyword);
	out->at = compiler_take(c, v->count, sizeof(*out->at));
	if (!out->at)
		return c->e->code;
	for (uint32_t i = 0; i < v->count; i++)
		if (keyword_want_node(c, n, &v->u.items[i], &out->at[i]) < 0)
			return c->e->code;
	out->count = v->count;
	return 0;
}

int keyword_want_names(struct compiler *c, const struct node *n, const struct json *v, const char *keyword)
{
	if (keyword_want(c, n, v, keyword, JSON_ARRAY) < 0)
		return c->e->code;
	for (uint32_t i = 0; i < v->count; i++)
		if (keyword_want(c, n, &v->u.items[i], keyword, JSON_STRING) < 0)
			return c->e->code;
	return 0;
}

/* ---- the groups of rules, made when a keyword first needs them ---- */

struct object_rules *node_object_rules(struct compiler *c, struct node *n)
{
	if (!n->object && (n->object = compiler_take(c, 1, sizeof *n->object)))
		n->object->max = UINT64_MAX;
	return n->object;
}

struct array_rules *node_array_rules(struct compiler *c, struct node *n)
{
	if (!n->array && (n->array = compiler_take(c, 1, sizeof *n->array))) {
		n->array->max = n->array->contains_max = UINT64_MAX;
		n->array->contains_min = 1;
	}
	return n->array;
}

struct string_rules *node_string_rules(struct compiler *c, struct node *n)
{
	if (!n->string && (n->string = compiler_take(c, 1, sizeof *n->string)))
		n->string->max = UINT64_MAX;
	return n->string;
}

struct number_rules *node_number_rules(struct compiler *c, struct node *n)
{
	if (!n->number)
		n->number = compiler_take(c, 1, sizeof *n->number);
	return n->number;
}
