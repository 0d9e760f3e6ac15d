/* compile: from a parsed schema to the program of schema/program.h. */
#include <stdlib.h>
#include <string.h>

#include "schema/compiler.h"

#define NODES_MAX 200000
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

struct node *compiler_node(struct compiler *c, const struct json *at)
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
	n = compiler_take(c, 1, sizeof *n);
	if (!n || compiler_room(c, (void **)&c->todo, c->todo_count, &c->todo_cap) < 0)
		return NULL;
	n->at = at;
	n->types = IS_ANY;
	s->nodes[i] = n;
	s->node_count++;
	c->todo[c->todo_count++] = n;
	return n;
}

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
	o->table = compiler_take(c, cap, sizeof *o->table);
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
	for (uint32_t i = 0; i < n->at->count; i++)
		if (keyword_compile(c, n, &n->at->u.members[i]) < 0)
			return c->e->code;
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
	s->root = compiler_node(&c, at);
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
