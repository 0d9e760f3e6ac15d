/* compiler: what the parts of schema_compile() share; private to the room. */
#ifndef SCHEMA_COMPILER_H
#define SCHEMA_COMPILER_H

#include "schema/program.h"
#include "schema/uri.h"

struct anchor {
	const struct resource *resource;
	struct json_string name;
	const struct json *at;
	bool dynamic, known;            /* known: it is a target already */
};

struct compiler {
	struct schema *s;
	struct schema_options options;
	struct node **todo;             /* known, not compiled yet */
	size_t todo_count, todo_cap;
	struct node **all;              /* every node */
	size_t all_count, all_cap;
	struct table nodes;             /* by address of the JSON value */
	const struct json *properties, *required;       /* of the node that is being compiled */
	struct table patterns;          /* by text */
	/* resource.c */
	struct table roots, uris;       /* resources by address of their root and by URI */
	struct table anchors;           /* struct anchor by resource and name */
	struct anchor **dynamic_anchors;
	size_t dynamic_anchor_count, dynamic_anchor_cap;
	size_t resource_count;
	uint64_t work;                  /* names compared while following references */
	bool library_indexed;
	struct err *e;
};

/* ---- compile.c ---- */

/* Memory of the schema; NULL with the error set. */
void *compiler_take(struct compiler *c, size_t count, size_t size);
/* Room for one more pointer in a list that grows by doubling. */
int compiler_room(struct compiler *c, void **list, size_t count, size_t *cap) MUST_CHECK;
/* The node of the schema at `at`, inside r unless it is a resource itself; compiled later, so that cycles end. NULL: error set. */
struct node *compiler_node(struct compiler *c, const struct resource *r, const struct json *at);
/* The dynamic anchors of one name; NULL: error set. */
struct dynamic *compiler_dynamic(struct compiler *c, struct json_string name);
/* The i-th node that n applies to the same value; NULL behind the last. */
const struct node *node_in_place(const struct node *n, uint32_t i);
int compiler_pattern(struct compiler *c, const struct resource *r, const struct json *place, const char *text,
		     size_t len, struct pattern **out) MUST_CHECK;

/* ---- keywords.c ---- */

enum { DRAFT_07 = 1, DRAFT_2020 = 2 };

enum {                          /* vocabularies */
	V_CORE = 1, V_APPLICATOR = 2, V_UNEVALUATED = 4, V_VALIDATION = 8, V_FORMAT = 16, V_NOTES = 32, V_CONTENT = 64,
	V_ALL = 127,
};

enum shape { PLAIN, SCHEMA, LIST, MAP, SCHEMA_OR_LIST, MAP_OR_NAMES };  /* what schemas stand in its value */

struct keyword {
	const char *name;
	uint8_t drafts, vocabulary, shape;
	/* NULL: an annotation */
	int (*compile)(struct compiler *c, struct node *n, const struct json *v);
};

/* NULL: no keyword of that resource's dialect. */
const struct keyword *keyword_find(const struct resource *r, const struct json_string *name);
/* Compiles one member of a schema object into n. */
int keyword_compile(struct compiler *c, struct node *n, const struct json_member *m) MUST_CHECK;
/* keywords_finish.c: what several keywords of one node say together. */
int keywords_finish(struct compiler *c, struct node *n) MUST_CHECK;

/* ---- keywords_arguments.c ---- */

/* What a keyword takes; anything else is an error that names it. */
int keyword_want(struct compiler *c, const struct node *n, const struct json *v, const char *keyword, enum json_type type) MUST_CHECK;
int keyword_want_count(struct compiler *c, const struct node *n, const struct json *v, const char *keyword, uint64_t *out) MUST_CHECK;
int keyword_want_node(struct compiler *c, const struct node *n, const struct json *v, const struct node **out) MUST_CHECK;
int keyword_want_nodes(struct compiler *c, const struct node *n, const struct json *v, const char *keyword, bool some, struct nodes *out) MUST_CHECK;
int keyword_want_names(struct compiler *c, const struct node *n, const struct json *v, const char *keyword) MUST_CHECK;
/* The rules of n for values of one type, made when a keyword first needs them; NULL: error set. */
struct object_rules *node_object_rules(struct compiler *c, struct node *n);
struct array_rules *node_array_rules(struct compiler *c, struct node *n);
struct string_rules *node_string_rules(struct compiler *c, struct node *n);
struct number_rules *node_number_rules(struct compiler *c, struct node *n);

/* ---- shortcuts.c ---- */

/* An empty table for so many texts. */
int text_table_init(struct compiler *c, struct text_table *t, size_t count) MUST_CHECK;
/* Fills it with all of an array, anew; each text is the first member of something of `stride` bytes, and they differ. */
void text_table_fill(const struct compiler *c, struct text_table *t, const void *texts, size_t stride, uint32_t count);
/* First for every node, then the other for every node. */
void node_find_shortcuts(struct node *n);
void node_follow_shortcuts(struct node *n);

/* ---- resource.c ---- */

/* Finds all resources and anchors of the schema that stands at `at`. */
int resource_index(struct compiler *c, const struct json_doc *d, const struct json *at, const char *uri,
		   const struct resource *referrer, struct resource **out) MUST_CHECK;
/* The resource whose root that is; NULL: none. */
struct resource *resource_at(const struct compiler *c, const struct json *root);
/* Where a reference in r leads. anchor (may be NULL) is set when it is a name. */
int resource_resolve(struct compiler *c, const struct resource *r, const struct json *v, const char *keyword,
		     const struct json **at, const struct resource **in, const struct anchor **anchor) MUST_CHECK;
int resource_error(struct compiler *c, const struct resource *r, const struct json *v, int code, const char *fmt, ...)
	PRINTF_LIKE(5, 6);

/* ---- library.c ---- */

struct library_entry {
	const char *uri;                /* NULL: none */
	const struct json_doc *doc;
};
size_t library_count(const struct schema_library *l);   /* NULL: 0 */
const struct library_entry *library_at(const struct schema_library *l, size_t i);
const struct library_entry *library_find(const struct schema_library *l, const char *uri);

/* ---- metaschema.c ---- */

const char *metaschema_text(const char *uri);           /* NULL: none of that name */

#endif
