/* compile: from a parsed schema to the program of schema/program.h. */
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "schema/program.h"

#define NODES_MAX 200000
#define IN_PLACE_MAX 256        /* applicators one inside the other on the same value */
#define DIALECT "https://json-schema.org/draft/2020-12/schema"

struct compiler {
	struct schema *s;
	struct node **todo;     /* known, not compiled yet */
	size_t todo_count, todo_cap;
	struct err *e;
};

/* ---- memory ---- */

static void *take(struct compiler *c, size_t count, size_t size)
{
	void *p = pool_take(&c->s->pool, count, size);

	if (!p)
		err_memory(c->e);
	return p;
}

static int room(struct compiler *c, void **list, size_t count, size_t *cap)
{
	size_t more = *cap ? 2 * *cap : 16;
	void *p;

	if (count < *cap)
		return 0;
	p = realloc(*list, more * sizeof(void *));
	if (!p)
		return err_memory(c->e);
	*list = p;
	*cap = more;
	return 0;
}

void schema_free(struct schema *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->pattern_count; i++)
		pattern_free(s->patterns[i]);
	pool_release(&s->pool);
	free(s->patterns);
	free(s->nodes);
	free(s);
}

/* ---- nodes ---- */

static size_t slot_of(const struct schema *s, const struct json *at)
{
	size_t i = ((uintptr_t)at >> 3) * 0x9e3779b97f4a7c15 >> 20;

	for (i &= s->node_cap - 1; s->nodes[i] && s->nodes[i]->at != at; i = (i + 1) & (s->node_cap - 1))
		;
	return i;
}

static int nodes_grow(struct compiler *c)
{
	struct schema *s = c->s;
	size_t old_cap = s->node_cap;
	struct node **old = s->nodes, **grown = calloc(old_cap ? 2 * old_cap : 64, sizeof(struct node *));

	if (!grown)
		return err_memory(c->e);
	s->nodes = grown;
	s->node_cap = old_cap ? 2 * old_cap : 64;
	for (size_t i = 0; i < old_cap; i++)
		if (old[i])
			s->nodes[slot_of(s, old[i]->at)] = old[i];
	free(old);
	return 0;
}

/* The node of the schema at `at`; compiled later, so that cycles end. NULL: error set. */
static struct node *node_of(struct compiler *c, const struct json *at)
{
	struct schema *s = c->s;
	struct node *n;
	size_t i;

	if (at->type != JSON_OBJECT && at->type != JSON_TRUE && at->type != JSON_FALSE) {
		json_error(s->doc, at, c->e, ERR_FORMAT, "expected a schema (an object, true or false), found %s",
			   json_type_name(at->type));
		return NULL;
	}
	if (2 * (s->node_count + 1) > s->node_cap && nodes_grow(c) < 0)
		return NULL;
	i = slot_of(s, at);
	if (s->nodes[i])
		return s->nodes[i];
	if (s->node_count == NODES_MAX) {
		json_error(s->doc, at, c->e, ERR_LIMIT, "more than %d schemas in one", NODES_MAX);
		return NULL;
	}
	n = take(c, 1, sizeof *n);
	if (!n || room(c, (void **)&c->todo, c->todo_count, &c->todo_cap) < 0)
		return NULL;
	n->at = at;
	n->types = IS_ANY;
	s->nodes[i] = n;
	s->node_count++;
	c->todo[c->todo_count++] = n;
	return n;
}

/* ---- arguments of keywords ---- */

static int want(struct compiler *c, const struct json *v, const char *keyword, enum json_type type)
{
	if (v->type == type)
		return 0;
	return json_error(c->s->doc, v, c->e, ERR_FORMAT, "\"%s\": expected %s, found %s", keyword,
			  json_type_name(type), json_type_name(v->type));
}

static int want_count(struct compiler *c, const struct json *v, const char *keyword, uint64_t *out)
{
	int64_t n;
	double x;

	if (json_to_int(v, &n) && n >= 0) {
		*out = (uint64_t)n;
		return 0;
	}
	/* 2.0 and 1e3 are whole, too */
	if (json_is_integer(v) && json_to_double(v, &x) && x >= 0 && x <= 9007199254740992.0) {
		*out = (uint64_t)x;
		return 0;
	}
	return json_error(c->s->doc, v, c->e, ERR_FORMAT, "\"%s\": expected a whole number from 0 on", keyword);
}

static int want_node(struct compiler *c, const struct json *v, const struct node **out)
{
	*out = node_of(c, v);
	return *out ? 0 : c->e->code;
}

static int want_nodes(struct compiler *c, const struct json *v, const char *keyword, struct nodes *out)
{
	if (want(c, v, keyword, JSON_ARRAY) < 0)
		return c->e->code;
	if (!v->count)
		return json_error(c->s->doc, v, c->e, ERR_FORMAT, "\"%s\": expected at least one schema", keyword);
	out->at = take(c, v->count, sizeof(*out->at));
	if (!out->at)
		return c->e->code;
	for (uint32_t i = 0; i < v->count; i++)
		if (want_node(c, &v->u.items[i], &out->at[i]) < 0)
			return c->e->code;
	out->count = v->count;
	return 0;
}

static int want_pattern(struct compiler *c, const struct json *place, const char *text, size_t len,
			struct pattern **out)
{
	struct schema *s = c->s;
	struct pattern *p;
	struct err why;
	int rc;

	if (room(c, (void **)&s->patterns, s->pattern_count, &s->pattern_cap) < 0)
		return c->e->code;
	rc = pattern_compile(&p, text, len, &why);
	if (rc < 0)
		return json_error(s->doc, place, c->e, rc, "%s", why.msg);
	s->patterns[s->pattern_count++] = p;
	*out = p;
	return 0;
}

/* ---- the groups of rules, made when a keyword first needs them ---- */

static struct object_rules *object_rules(struct compiler *c, struct node *n)
{
	if (!n->object && (n->object = take(c, 1, sizeof *n->object)))
		n->object->max = UINT64_MAX;
	return n->object;
}

static struct array_rules *array_rules(struct compiler *c, struct node *n)
{
	if (!n->array && (n->array = take(c, 1, sizeof *n->array)))
		n->array->max = UINT64_MAX;
	return n->array;
}

static struct string_rules *string_rules(struct compiler *c, struct node *n)
{
	if (!n->string && (n->string = take(c, 1, sizeof *n->string)))
		n->string->max = UINT64_MAX;
	return n->string;
}

static struct number_rules *number_rules(struct compiler *c, struct node *n)
{
	if (!n->number)
		n->number = take(c, 1, sizeof *n->number);
	return n->number;
}

/* ---- keywords ---- */

#define KEYWORD(name) static int k_##name(struct compiler *c, struct node *n, const struct json *v)

static int add_type(struct compiler *c, struct node *n, const struct json *v)
{
	static const struct { const char *name; uint8_t bit; } types[] = {
		{ "null", IS_NULL },   { "boolean", IS_BOOLEAN }, { "number", IS_NUMBER | IS_INTEGER },
		{ "string", IS_STRING }, { "array", IS_ARRAY },   { "object", IS_OBJECT },
		{ "integer", IS_INTEGER },
	};

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (json_is(v, types[i].name)) {
			n->types |= types[i].bit;
			return 0;
		}
	return json_error(c->s->doc, v, c->e, ERR_FORMAT, "\"type\": not one of the seven type names");
}

KEYWORD(type)
{
	n->types = 0;
	if (v->type != JSON_ARRAY)
		return add_type(c, n, v);
	if (!v->count)
		return json_error(c->s->doc, v, c->e, ERR_FORMAT, "\"type\": expected at least one type name");
	for (uint32_t i = 0; i < v->count; i++)
		if (add_type(c, n, &v->u.items[i]) < 0)
			return c->e->code;
	return 0;
}

KEYWORD(enum)
{
	n->values = v;
	return want(c, v, "enum", JSON_ARRAY);
}

KEYWORD(const)
{
	(void)c;
	n->constant = v;
	return 0;
}

static struct property *add_property(struct object_rules *o, struct json_string name)
{
	struct property *p;

	for (uint32_t i = 0; i < o->property_count; i++) {
		p = &o->properties[i];
		if (p->name.len == name.len && memcmp(p->name.text, name.text, name.len) == 0)
			return p;
	}
	p = &o->properties[o->property_count++];
	p->name = name;
	return p;
}

/* `properties` and `required` share one table; room for both is made by whichever comes first. */
static int property_room(struct compiler *c, struct node *n)
{
	const struct json *known = json_get(n->at, "properties"), *required = json_get(n->at, "required");
	struct object_rules *o = object_rules(c, n);

	if (!o || o->properties)
		return o ? 0 : c->e->code;
	o->properties = take(c, (known ? known->count : 0) + (required ? required->count : 0), sizeof *o->properties);
	return o->properties ? 0 : c->e->code;
}

#define PROPERTIES_MAX 1024

KEYWORD(properties)
{
	if (want(c, v, "properties", JSON_OBJECT) < 0)
		return c->e->code;
	if (v->count > PROPERTIES_MAX)
		return json_error(c->s->doc, v, c->e, ERR_LIMIT, "more than %d properties", PROPERTIES_MAX);
	if (property_room(c, n) < 0)
		return c->e->code;
	for (uint32_t i = 0; i < v->count; i++) {
		const struct json_member *m = &v->u.members[i];

		if (want_node(c, &m->value, &add_property(n->object, m->key)->node) < 0)
			return c->e->code;
	}
	return 0;
}

KEYWORD(required)
{
	if (want(c, v, "required", JSON_ARRAY) < 0)
		return c->e->code;
	if (v->count > PROPERTIES_MAX)
		return json_error(c->s->doc, v, c->e, ERR_LIMIT, "more than %d required members", PROPERTIES_MAX);
	if (property_room(c, n) < 0)
		return c->e->code;
	for (uint32_t i = 0; i < v->count; i++) {
		const struct json *name = &v->u.items[i];
		struct property *p;

		if (want(c, name, "required", JSON_STRING) < 0)
			return c->e->code;
		if (strlen(name->u.text) != name->count)
			return json_error(c->s->doc, name, c->e, ERR_UNSUPPORTED, "\"required\": a name with a NUL character inside");
		p = add_property(n->object, (struct json_string){ name->u.text, name->count });
		if (p->required)
			return json_error(c->s->doc, name, c->e, ERR_FORMAT, "\"required\": a name a second time");
		p->required = true;
		n->object->required_count++;
	}
	return 0;
}

KEYWORD(additionalProperties)
{
	struct object_rules *o = object_rules(c, n);

	return o ? want_node(c, v, &o->additional) : c->e->code;
}

KEYWORD(patternProperties)
{
	struct object_rules *o = object_rules(c, n);

	if (!o || want(c, v, "patternProperties", JSON_OBJECT) < 0)
		return c->e->code;
	o->patterns = take(c, v->count, sizeof *o->patterns);
	if (!o->patterns)
		return c->e->code;
	for (uint32_t i = 0; i < v->count; i++) {
		const struct json_member *m = &v->u.members[i];
		struct json key = json_key(c->s->doc, m);

		if (want_pattern(c, &key, m->key.text, m->key.len, &o->patterns[i].pattern) < 0 ||
		    want_node(c, &m->value, &o->patterns[i].node) < 0)
			return c->e->code;
	}
	o->pattern_count = v->count;
	return 0;
}

KEYWORD(propertyNames)
{
	struct object_rules *o = object_rules(c, n);

	return o ? want_node(c, v, &o->names) : c->e->code;
}

KEYWORD(minProperties)
{
	struct object_rules *o = object_rules(c, n);

	return o ? want_count(c, v, "minProperties", &o->min) : c->e->code;
}

KEYWORD(maxProperties)
{
	struct object_rules *o = object_rules(c, n);

	return o ? want_count(c, v, "maxProperties", &o->max) : c->e->code;
}

KEYWORD(items)
{
	struct array_rules *a = array_rules(c, n);

	return a ? want_node(c, v, &a->items) : c->e->code;
}

KEYWORD(prefixItems)
{
	struct array_rules *a = array_rules(c, n);
	struct nodes list = { 0 };

	if (!a || want_nodes(c, v, "prefixItems", &list) < 0)
		return c->e->code;
	a->prefix = list.at;
	a->prefix_count = list.count;
	return 0;
}

KEYWORD(minItems)
{
	struct array_rules *a = array_rules(c, n);

	return a ? want_count(c, v, "minItems", &a->min) : c->e->code;
}

KEYWORD(maxItems)
{
	struct array_rules *a = array_rules(c, n);

	return a ? want_count(c, v, "maxItems", &a->max) : c->e->code;
}

KEYWORD(uniqueItems)
{
	struct array_rules *a = array_rules(c, n);

	if (!a)
		return c->e->code;
	a->unique = v->type == JSON_TRUE;
	return a->unique ? 0 : want(c, v, "uniqueItems", JSON_FALSE);
}

KEYWORD(minLength)
{
	struct string_rules *s = string_rules(c, n);

	return s ? want_count(c, v, "minLength", &s->min) : c->e->code;
}

KEYWORD(maxLength)
{
	struct string_rules *s = string_rules(c, n);

	return s ? want_count(c, v, "maxLength", &s->max) : c->e->code;
}

KEYWORD(pattern)
{
	struct string_rules *s = string_rules(c, n);

	if (!s || want(c, v, "pattern", JSON_STRING) < 0)
		return c->e->code;
	s->pattern_text = v;
	return want_pattern(c, v, v->u.text, v->count, &s->pattern);
}

#define BOUND(keyword, member)                                                  \
	KEYWORD(keyword)                                                        \
	{                                                                       \
		struct number_rules *r = number_rules(c, n);                    \
										\
		if (!r || want(c, v, #keyword, JSON_NUMBER) < 0)                \
			return c->e->code;                                      \
		r->member = v;                                                  \
		return 0;                                                       \
	}
BOUND(minimum, least)
BOUND(maximum, most)
BOUND(exclusiveMinimum, above)
BOUND(exclusiveMaximum, below)

#define LIST(keyword, member)                                                   \
	KEYWORD(keyword)                                                        \
	{                                                                       \
		return want_nodes(c, v, #keyword, &n->member);                  \
	}
LIST(allOf, all)
LIST(anyOf, any)
LIST(oneOf, one)

#define ONE(keyword, member)                                                    \
	KEYWORD(keyword)                                                        \
	{                                                                       \
		return want_node(c, v, &n->member);                             \
	}
ONE(not, not)
ONE(if, when)
ONE(then, then)
ONE(else, otherwise)

/* Each definition must be a sound schema, used or not. */
KEYWORD(defs)
{
	(void)n;
	if (want(c, v, "$defs", JSON_OBJECT) < 0)
		return c->e->code;
	for (uint32_t i = 0; i < v->count; i++)
		if (!node_of(c, &v->u.members[i].value))
			return c->e->code;
	return 0;
}

/* Steps into v by one token of a JSON pointer; answers NULL when there is nothing. */
static const struct json *step(const struct json *v, const char *token)
{
	char *end;
	unsigned long i;

	if (v->type != JSON_ARRAY)
		return json_get(v, token);
	i = strtoul(token, &end, 10);
	return *token >= '0' && *token <= '9' && !*end && i < v->count ? &v->u.items[i] : NULL;
}

/* One token at *at, percent and tilde escapes decoded into out. */
static bool next_token(const char **at, char *out, size_t cap)
{
	const char *s = *at;
	size_t len = 0;

	while (*s && *s != '/') {
		char ch = *s++;

		if (ch == '%') {
			if (!s[0] || !s[1] || !hex_decode(&ch, 1, s, 2))
				return false;
			s += 2;
		}
		if (ch == '~') {
			if (*s != '0' && *s != '1')
				return false;
			ch = *s++ == '0' ? '~' : '/';
		}
		if (len + 1 >= cap)
			return false;
		out[len++] = ch;
	}
	out[len] = '\0';
	*at = s;
	return true;
}

KEYWORD(ref)
{
	const struct json *target = c->s->at;
	const char *s;
	char token[256];

	if (want(c, v, "$ref", JSON_STRING) < 0)
		return c->e->code;
	s = v->u.text;
	if (s[0] != '#' || (s[1] && s[1] != '/'))
		return json_error(c->s->doc, v, c->e, ERR_UNSUPPORTED,
				  "\"$ref\": only pointers into the same schema (\"#/...\") are supported, found \"%.100s\"", s);
	for (s++; target && *s == '/';) {
		s++;
		if (!next_token(&s, token, sizeof token))
			target = NULL;
		else
			target = step(target, token);
	}
	if (!target)
		return json_error(c->s->doc, v, c->e, ERR_FORMAT, "\"$ref\": nothing stands at \"%.100s\"", v->u.text);
	return want_node(c, target, &n->ref);
}

KEYWORD(schema)
{
	(void)n;
	if (want(c, v, "$schema", JSON_STRING) < 0)
		return c->e->code;
	if (json_is(v, DIALECT) || json_is(v, DIALECT "#"))
		return 0;
	return json_error(c->s->doc, v, c->e, ERR_UNSUPPORTED, "the dialect \"%.100s\" is not supported, " DIALECT " is",
			  v->u.text);
}

/* Below the root it would change what $ref means. */
KEYWORD(id)
{
	if (n->at != c->s->at)
		return json_error(c->s->doc, v, c->e, ERR_UNSUPPORTED, "\"$id\" below the root is not supported");
	return want(c, v, "$id", JSON_STRING);
}

KEYWORD(annotation)
{
	(void)c;
	(void)n;
	(void)v;
	return 0;
}

static const struct {
	const char *name;
	int (*compile)(struct compiler *c, struct node *n, const struct json *v);
} keywords[] = {
	{ "type", k_type }, { "enum", k_enum }, { "const", k_const },
	{ "properties", k_properties }, { "required", k_required },
	{ "additionalProperties", k_additionalProperties }, { "patternProperties", k_patternProperties },
	{ "propertyNames", k_propertyNames }, { "minProperties", k_minProperties }, { "maxProperties", k_maxProperties },
	{ "items", k_items }, { "prefixItems", k_prefixItems }, { "minItems", k_minItems }, { "maxItems", k_maxItems },
	{ "uniqueItems", k_uniqueItems },
	{ "minLength", k_minLength }, { "maxLength", k_maxLength }, { "pattern", k_pattern },
	{ "minimum", k_minimum }, { "maximum", k_maximum },
	{ "exclusiveMinimum", k_exclusiveMinimum }, { "exclusiveMaximum", k_exclusiveMaximum },
	{ "allOf", k_allOf }, { "anyOf", k_anyOf }, { "oneOf", k_oneOf }, { "not", k_not },
	{ "if", k_if }, { "then", k_then }, { "else", k_else },
	{ "$ref", k_ref }, { "$defs", k_defs }, { "$schema", k_schema }, { "$id", k_id },
	{ "$comment", k_annotation }, { "title", k_annotation }, { "description", k_annotation },
	{ "format", k_annotation }, { "default", k_annotation }, { "examples", k_annotation },
	{ "deprecated", k_annotation }, { "readOnly", k_annotation }, { "writeOnly", k_annotation },
};

/* The i-th node that n applies to the same value; NULL behind the last. */
static const struct node *in_place(const struct node *n, uint32_t i)
{
	const struct node *single[] = { n->ref, n->not, n->when, n->then, n->otherwise };
	const struct nodes *lists[] = { &n->all, &n->any, &n->one };

	for (size_t k = 0; k < ARRAY_LEN(single); k++)
		if (single[k] && i-- == 0)
			return single[k];
	for (size_t k = 0; k < ARRAY_LEN(lists); k++) {
		if (i < lists[k]->count)
			return lists[k]->at[i];
		i -= lists[k]->count;
	}
	return NULL;
}

/* ---- nodes, one after the other ---- */

static int make_table(struct compiler *c, struct object_rules *o)
{
	uint32_t cap = 8;

	while (cap < 2 * o->property_count)
		cap *= 2;
	o->table = take(c, cap, sizeof *o->table);
	if (!o->table)
		return c->e->code;
	o->table_mask = cap - 1;
	for (uint32_t i = 0; i < o->property_count; i++) {
		const struct json_string *name = &o->properties[i].name;
		uint64_t at = json_hash_text(name->text, name->len) & o->table_mask;

		while (o->table[at])
			at = (at + 1) & o->table_mask;
		o->table[at] = i + 1;
	}
	return 0;
}

static int compile_node(struct compiler *c, struct node *n)
{
	if (n->at->type != JSON_OBJECT) {
		n->never = n->at->type == JSON_FALSE;
		return 0;
	}
	for (uint32_t i = 0; i < n->at->count; i++) {
		const struct json_member *m = &n->at->u.members[i];
		size_t k = 0;

		while (k < ARRAY_LEN(keywords) && (strlen(keywords[k].name) != m->key.len ||
						   memcmp(keywords[k].name, m->key.text, m->key.len) != 0))
			k++;
		if (k == ARRAY_LEN(keywords)) {
			struct json key = json_key(c->s->doc, m);

			return json_error(c->s->doc, &key, c->e, ERR_UNSUPPORTED,
					  "the schema keyword \"%.64s\" is not supported", m->key.text);
		}
		if (keywords[k].compile(c, n, &m->value) < 0)
			return c->e->code;
	}
	n->in_place = in_place(n, 0) != NULL;
	return n->object ? make_table(c, n->object) : 0;
}

/* ---- a schema that would apply to one value for ever ---- */

enum { WHITE, GREY, BLACK };

static int no_cycle_from(struct compiler *c, struct node *n)
{
	struct node *path[IN_PLACE_MAX];
	size_t depth = 0;

	path[depth++] = n;
	n->colour = GREY;
	while (depth) {
		struct node *top = path[depth - 1];
		const struct node *below = in_place(top, top->edge++);
		struct node *next;

		if (!below) {
			top->colour = BLACK;
			depth--;
			continue;
		}
		next = c->s->nodes[slot_of(c->s, below->at)];
		if (next->colour == GREY)
			return json_error(c->s->doc, next->at, c->e, ERR_FORMAT, "this schema refers to itself without end");
		if (next->colour == BLACK)
			continue;
		if (depth == IN_PLACE_MAX)
			return json_error(c->s->doc, next->at, c->e, ERR_LIMIT, "schemas nested too deeply");
		next->colour = GREY;
		path[depth++] = next;
	}
	return 0;
}

static int no_cycles(struct compiler *c)
{
	for (size_t i = 0; i < c->s->node_cap; i++)
		if (c->s->nodes[i] && c->s->nodes[i]->colour == WHITE && no_cycle_from(c, c->s->nodes[i]) < 0)
			return c->e->code;
	return 0;
}

int schema_compile(struct schema **out, const struct json_doc *d, const struct json *at, struct err *e)
{
	AUTO(schema) struct schema *s = calloc(1, sizeof *s);
	struct compiler c = { .s = s, .e = e };
	int rc = 0;

	if (!s)
		return err_memory(e);
	s->doc = d;
	s->at = at;
	s->root = node_of(&c, at);
	if (!s->root)
		rc = e->code;
	while (rc == 0 && c.todo_count)
		rc = compile_node(&c, c.todo[--c.todo_count]);
	free(c.todo);
	if (rc < 0 || (rc = no_cycles(&c)) < 0)
		return rc;
	*out = TAKE(s);
	return 0;
}
