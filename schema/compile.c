/* compile: from a parsed schema to the program of schema/program.h. */
#include <stdlib.h>
#include <string.h>

#include "schema/compiler.h"

#define NODES_MAX 200000
#define PATTERNS_MAX 20000
#define IN_PLACE_MAX 256        /* applicators one inside the other on the same value */

/* ---- memory ---- */

void *compiler_take(struct compiler *c, size_t count, size_t size)
{
	void *p = pool_take(&c->s->pool, count, size);

	if (!p)
		err_memory(c->e);
	return p;
}

int compiler_room(struct compiler *c, void **list, size_t count, size_t *cap)
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
	for (size_t i = 0; i < s->values_count; i++)
		table_release(&s->values[i]->numbers);
	for (size_t i = 0; i < s->dynamic_count; i++)
		free(s->dynamics[i]->targets);
	pool_release(&s->pool);
	for (size_t i = 0; i < s->builtin_count; i++)
		json_free(s->builtin[i]);
	free(s->patterns);
	free(s->values);
	free(s->dynamics);
	free(s->builtin);
	free(s);
}

/* ---- nodes and patterns, each once ---- */

static struct node *find_node(const struct compiler *c, const struct json *at)
{
	struct node *n;
	size_t probe = 0;

	while ((n = table_next(&c->nodes, table_address(at), &probe)))
		if (n->at == at)
			return n;
	return NULL;
}

static bool speaks_a_known_dialect(struct compiler *c, struct resource *r)
{
	if (r->unknown && r->unknown->type == JSON_STRING)
		resource_error(c, r, r->unknown, ERR_UNSUPPORTED, "the dialect \"%.200s\" is not known", r->unknown->u.text);
	else if (r->unknown)
		resource_error(c, r, r->unknown, ERR_FORMAT, "\"$schema\": expected a string, found %s",
			       json_type_name(r->unknown->type));
	return !r->unknown;
}

struct node *compiler_node(struct compiler *c, const struct resource *r, const struct json *at)
{
	struct node *n = find_node(c, at);
	struct resource *own;

	if (n)
		return n;
	if (at->type != JSON_OBJECT && at->type != JSON_TRUE && at->type != JSON_FALSE) {
		resource_error(c, r, at, ERR_FORMAT, "expected a schema (an object, true or false), found %s",
			       json_type_name(at->type));
		return NULL;
	}
	if (c->all_count == NODES_MAX) {
		resource_error(c, r, at, ERR_LIMIT, "more than %d schemas in one", NODES_MAX);
		return NULL;
	}
	own = resource_at(c, at);
	own = own ? own : (struct resource *)(uintptr_t)r;
	n = compiler_take(c, 1, sizeof *n);
	if (!n || !speaks_a_known_dialect(c, own) ||
	    compiler_room(c, (void **)&c->todo, c->todo_count, &c->todo_cap) < 0 ||
	    compiler_room(c, (void **)&c->all, c->all_count, &c->all_cap) < 0 ||
	    table_add(&c->nodes, table_address(at), n, c->e) < 0)
		return NULL;
	own->reached = true;
	n->at = at;
	n->resource = own;
	n->types = IS_ANY;
	c->todo[c->todo_count++] = n;
	c->all[c->all_count++] = n;
	return n;
}

int compiler_pattern(struct compiler *c, const struct resource *r, const struct json *place, const char *text,
		     size_t len, struct pattern **out)
{
	uint64_t hash = json_hash_text(text, len);
	struct schema *s = c->s;
	struct pattern *p;
	struct err why;
	size_t at = 0;
	int rc;

	while ((p = table_next(&c->patterns, hash, &at)))
		if (pattern_is(p, text, len)) {
			*out = p;
			return 0;
		}
	if (s->pattern_count == PATTERNS_MAX)
		return resource_error(c, r, place, ERR_LIMIT, "more than %d patterns", PATTERNS_MAX);
	if (compiler_room(c, (void **)&s->patterns, s->pattern_count, &s->pattern_cap) < 0)
		return c->e->code;
	rc = pattern_compile(&p, text, len, c->options.jit, &why);
	if (rc < 0)
		return resource_error(c, r, place, rc, "%s", why.msg);
	s->patterns[s->pattern_count++] = p;
	*out = p;
	return table_add(&c->patterns, hash, p, c->e);
}

/* ---- dynamic references ---- */

struct dynamic *compiler_dynamic(struct compiler *c, struct json_string name)
{
	struct schema *s = c->s;
	struct dynamic *d;

	for (size_t i = 0; i < s->dynamic_count; i++) {
		d = s->dynamics[i];
		if (d->name.len == name.len && memcmp(d->name.text, name.text, name.len) == 0)
			return d;
	}
	if (compiler_room(c, (void **)&s->dynamics, s->dynamic_count, &s->dynamic_cap) < 0)
		return NULL;
	d = compiler_take(c, 1, sizeof *d);
	if (!d)
		return NULL;
	d->name = name;
	s->dynamics[s->dynamic_count++] = d;
	return d;
}

static int add_target(struct compiler *c, struct dynamic *d, const struct anchor *a)
{
	const struct node *n = compiler_node(c, a->resource, a->at);
	size_t cap = d->cap ? 2 * d->cap : 4;
	struct dynamic_target *targets;

	if (!n)
		return c->e->code;
	if (d->count == d->cap) {
		targets = realloc(d->targets, cap * sizeof *targets);
		if (!targets)
			return err_memory(c->e);
		d->targets = targets;
		d->cap = cap;
	}
	d->targets[d->count++] = (struct dynamic_target){ a->resource, n };
	return 0;
}

/* Where a dynamic reference may lead: the anchors of its name in all resources that anything leads into. */
static int add_targets(struct compiler *c)
{
	for (size_t i = 0; i < c->dynamic_anchor_count; i++) {
		struct anchor *a = c->dynamic_anchors[i];

		if (a->known || !a->resource->reached)
			continue;
		for (size_t k = 0; k < c->s->dynamic_count; k++) {
			struct dynamic *d = c->s->dynamics[k];

			if (d->name.len != a->name.len || memcmp(d->name.text, a->name.text, a->name.len) != 0)
				continue;
			a->known = true;
			if (add_target(c, d, a) < 0)
				return c->e->code;
		}
	}
	return 0;
}

/* ---- nodes, one after the other ---- */

static int compile_node(struct compiler *c, struct node *n)
{
	const struct json *ref = n->resource->draft_07 ? json_get(n->at, "$ref") : NULL;

	if (n->at->type != JSON_OBJECT) {
		n->never = n->at->type == JSON_FALSE;
		return 0;
	}
	for (uint32_t i = 0; i < n->at->count; i++) {
		const struct json_member *m = &n->at->u.members[i];

		/* in draft-07 the neighbours of $ref mean nothing */
		if (ref && ref->type == JSON_STRING && ref != &m->value && !c->options.strict)
			continue;
		if (keyword_compile(c, n, m) < 0)
			return c->e->code;
	}
	return keywords_finish(c, n);
}

static int compile_all(struct compiler *c)
{
	do {
		while (c->todo_count)
			if (compile_node(c, c->todo[--c->todo_count]) < 0)
				return c->e->code;
		if (add_targets(c) < 0)
			return c->e->code;
	} while (c->todo_count);
	return 0;
}

/* ---- a schema that would apply to one value for ever ---- */

/* The i-th node that n applies to the same value; NULL behind the last. */
const struct node *node_in_place(const struct node *n, uint32_t i)
{
	const struct node *single[] = { n->ref, n->dynamic_ref, n->not, n->when, n->then, n->otherwise };
	const struct nodes *lists[] = { &n->all, &n->any, &n->one };

	for (size_t k = 0; k < ARRAY_LEN(single); k++)
		if (single[k] && i-- == 0)
			return single[k];
	for (size_t k = 0; k < ARRAY_LEN(lists); k++) {
		if (i < lists[k]->count)
			return lists[k]->at[i];
		i -= lists[k]->count;
	}
	for (uint32_t k = 0; n->object && k < n->object->dependency_count; k++)
		if (n->object->dependencies[k].node && i-- == 0)
			return n->object->dependencies[k].node;
	return NULL;
}

enum { WHITE, GREY, BLACK };

static int no_cycle_from(struct compiler *c, struct node *n)
{
	struct node *path[IN_PLACE_MAX];
	size_t depth = 0;

	path[depth++] = n;
	n->colour = GREY;
	while (depth) {
		struct node *top = path[depth - 1];
		const struct node *below = node_in_place(top, top->edge++);
		struct node *next;

		if (!below) {
			top->colour = BLACK;
			depth--;
			continue;
		}
		next = (struct node *)(uintptr_t)below;
		if (next->colour == GREY)
			return resource_error(c, next->resource, next->at, ERR_FORMAT,
					      "this schema refers to itself without end");
		if (next->colour == BLACK)
			continue;
		if (depth == IN_PLACE_MAX)
			return resource_error(c, next->resource, next->at, ERR_LIMIT, "schemas nested too deeply");
		next->colour = GREY;
		path[depth++] = next;
	}
	return 0;
}

static int finish(struct compiler *c)
{
	for (size_t i = 0; i < c->all_count; i++)
		if (c->all[i]->colour == WHITE && no_cycle_from(c, c->all[i]) < 0)
			return c->e->code;
	for (size_t i = 0; i < c->all_count; i++)
		node_find_shortcuts(c->all[i]);
	for (size_t i = 0; i < c->all_count; i++)
		node_follow_shortcuts(c->all[i]);
	return 0;
}

static int compile(struct compiler *c, const struct json_doc *d, const struct json *at)
{
	struct resource *root;
	char uri[URI_MAX];

	if (!uri_resolve(uri, "", c->options.uri ? c->options.uri : "", c->options.uri ? strlen(c->options.uri) : 0))
		return err_set(c->e, ERR_LIMIT, "%s: a URI longer than %d bytes", d->name, URI_MAX - 1);
	if (resource_index(c, d, at, uri, NULL, &root) < 0)
		return c->e->code;
	c->s->root = compiler_node(c, root, at);
	if (!c->s->root || compile_all(c) < 0)
		return c->e->code;
	return finish(c);
}

int schema_compile_as(struct schema **out, const struct json_doc *d, const struct json *at,
		      const struct schema_options *options, struct err *e)
{
	AUTO(schema) struct schema *s = calloc(1, sizeof *s);
	struct compiler c = { .s = s, .e = e };
	int rc;

	if (!s)
		return err_memory(e);
	if (options)
		c.options = *options;
	s->doc = d;
	s->at = at;
	s->seed = json_hash_text("seed", 4);
	rc = compile(&c, d, at);
	free(c.todo);
	free(c.all);
	free(c.dynamic_anchors);
	table_release(&c.nodes);
	table_release(&c.patterns);
	table_release(&c.roots);
	table_release(&c.uris);
	table_release(&c.anchors);
	if (rc < 0)
		return rc;
	*out = TAKE(s);
	return 0;
}

int schema_compile(struct schema **out, const struct json_doc *d, const struct json *at, struct err *e)
{
	return schema_compile_as(out, d, at, &(struct schema_options){ .strict = true }, e);
}
