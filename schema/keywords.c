/* keywords: each keyword of a schema, from its JSON to the rules of a node. */
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "schema/compiler.h"

#define DIALECT "https://json-schema.org/draft/2020-12/schema"

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
	*out = compiler_node(c, v);
	return *out ? 0 : c->e->code;
}

static int want_nodes(struct compiler *c, const struct json *v, const char *keyword, struct nodes *out)
{
	if (want(c, v, keyword, JSON_ARRAY) < 0)
		return c->e->code;
	if (!v->count)
		return json_error(c->s->doc, v, c->e, ERR_FORMAT, "\"%s\": expected at least one schema", keyword);
	out->at = compiler_take(c, v->count, sizeof(*out->at));
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

	if (compiler_room(c, (void **)&s->patterns, s->pattern_count, &s->pattern_cap) < 0)
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
	if (!n->object && (n->object = compiler_take(c, 1, sizeof *n->object)))
		n->object->max = UINT64_MAX;
	return n->object;
}

static struct array_rules *array_rules(struct compiler *c, struct node *n)
{
	if (!n->array && (n->array = compiler_take(c, 1, sizeof *n->array)))
		n->array->max = UINT64_MAX;
	return n->array;
}

static struct string_rules *string_rules(struct compiler *c, struct node *n)
{
	if (!n->string && (n->string = compiler_take(c, 1, sizeof *n->string)))
		n->string->max = UINT64_MAX;
	return n->string;
}

static struct number_rules *number_rules(struct compiler *c, struct node *n)
{
	if (!n->number)
		n->number = compiler_take(c, 1, sizeof *n->number);
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
	o->properties = compiler_take(c, (known ? known->count : 0) + (required ? required->count : 0), sizeof *o->properties);
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
	o->patterns = compiler_take(c, v->count, sizeof *o->patterns);
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
		if (!compiler_node(c, &v->u.members[i].value))
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

int keyword_compile(struct compiler *c, struct node *n, const struct json_member *m)
{
	struct json key;

	for (size_t i = 0; i < ARRAY_LEN(keywords); i++)
		if (strlen(keywords[i].name) == m->key.len && memcmp(keywords[i].name, m->key.text, m->key.len) == 0)
			return keywords[i].compile(c, n, &m->value);
	key = json_key(c->s->doc, m);
	return json_error(c->s->doc, &key, c->e, ERR_UNSUPPORTED, "the schema keyword \"%.64s\" is not supported",
			  m->key.text);
}
