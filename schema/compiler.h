/* compiler: what schema/compile.c and schema/keywords.c share; private to the two. */
#ifndef SCHEMA_COMPILER_H
#define SCHEMA_COMPILER_H

#include "schema/program.h"

struct compiler {
	struct schema *s;
	struct node **todo;     /* known, not compiled yet */
	size_t todo_count, todo_cap;
	struct err *e;
};

/* Memory of the schema; NULL with the error set. */
void *compiler_take(struct compiler *c, size_t count, size_t size);
/* Room for one more pointer in a list that grows by doubling. */
int compiler_room(struct compiler *c, void **list, size_t count, size_t *cap) MUST_CHECK;
/* The node of the schema at `at`; compiled later, so that cycles end. NULL: error set. */
struct node *compiler_node(struct compiler *c, const struct json *at);

/* Compiles one member of a schema object into n; a name that is no keyword is ERR_UNSUPPORTED. */
int keyword_compile(struct compiler *c, struct node *n, const struct json_member *m) MUST_CHECK;

#endif
