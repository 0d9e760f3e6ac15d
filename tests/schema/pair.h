/* pair: a schema and a document, as texts, for the tests of the validator. */
#ifndef TESTS_SCHEMA_PAIR_H
#define TESTS_SCHEMA_PAIR_H

#include "schema/schema.h"
#include "test.h"

static struct err e;            /* of the last call */

struct pair {
	struct json_doc *schema_doc, *doc;
	struct schema *schema;
};

static inline void open_pair_as(struct pair *p, const char *schema, const char *doc, const struct schema_options *o)
{
	*p = (struct pair){ 0 };
	if (json_parse(&p->schema_doc, "s", schema, strlen(schema), NULL, &e) < 0 ||
	    json_parse(&p->doc, "d", doc, strlen(doc), NULL, &e) < 0 ||
	    schema_compile_as(&p->schema, p->schema_doc, p->schema_doc->root, o, &e) < 0)
		fail_msg("%s against %s: %s", doc, schema, e.msg);
}

static inline void open_pair(struct pair *p, const char *schema, const char *doc)
{
	open_pair_as(p, schema, doc, &(struct schema_options){ .strict = true });
}

static inline void close_pair(struct pair *p)
{
	schema_free(p->schema);
	json_free(p->doc);
	json_free(p->schema_doc);
}

static inline int checked(const char *schema, const char *doc, struct schema_errors *errors)
{
	struct pair p;
	int rc;

	open_pair(&p, schema, doc);
	rc = schema_check(p.schema, p.doc, p.doc->root, errors, &e);
	close_pair(&p);
	return rc;
}

static inline int checked_as(const char *schema, const char *doc, const struct schema_options *o)
{
	struct pair p;
	int rc;

	open_pair_as(&p, schema, doc, o);
	rc = schema_check(p.schema, p.doc, p.doc->root, NULL, &e);
	close_pair(&p);
	return rc;
}

#endif
