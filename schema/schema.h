/*
 * schema: JSON Schema 2020-12 and draft-07, compiled to an immutable program.
 *
 * `$schema` chooses the dialect, for every schema resource by itself; options
 * say which one holds where there is none. A metaschema of one's own, with
 * `$vocabulary`, is found in the library. All keywords of both drafts are
 * known; contentEncoding, contentMediaType and contentSchema are annotations,
 * and so is format unless options (or the metaschema's vocabulary) say
 * otherwise. Both official metaschemas are built in, nothing is ever fetched:
 * a reference names something in the schema, in the library or in those two.
 *
 * Schema and instance are hostile: patterns run on a leash, one check has a
 * budget of steps and a limit of depth. Beyond any of them the answer is
 * ERR_LIMIT, which is neither valid nor invalid.
 */
#ifndef SCHEMA_SCHEMA_H
#define SCHEMA_SCHEMA_H

#include "base/json.h"

struct schema;
struct schema_library;

/* ---- the documents that references may name ---- */

int schema_library_new(struct schema_library **out, struct err *e) MUST_CHECK;
void schema_library_free(struct schema_library *l);     /* NULL is fine; not before the schemas compiled with it */

/*
 * Add d, borrowed, under `uri` (absolute, without fragment, copied; NULL: only
 * by the `$id`s it holds) and under every `$id` inside. ERR_CONFLICT: that uri
 * is known already. Its keywords are only looked at once something refers to
 * it; an `$id` that two documents claim can then not be referred to. A document
 * without `$schema` speaks the dialect of the schema that refers to it.
 * Not while another thread compiles with the library.
 */
int schema_library_add(struct schema_library *l, const char *uri, const struct json_doc *d, struct err *e) MUST_CHECK;

/* ---- compiling ---- */

enum schema_dialect { SCHEMA_2020_12, SCHEMA_DRAFT_07 };

struct schema_options {         /* zeros are the defaults */
	enum schema_dialect dialect;    /* where no $schema says */
	bool strict;            /* an authoring aid: a keyword that no vocabulary knows is ERR_UNSUPPORTED, not an annotation */
	bool formats;           /* assert format */
	bool jit;               /* compile patterns to machine code where the process may; the answers are the same */
	const char *uri;        /* of the schema, for relative references; NULL: none */
	const struct schema_library *library;   /* NULL: none */
};

/*
 * Compile the schema that stands at `at` in d; "#" means at. d, the library
 * and its documents are borrowed and must outlive the schema. options may be
 * NULL. ERR_FORMAT names what is malformed or refers to nothing,
 * ERR_UNSUPPORTED a dialect or vocabulary that is not known, each with file,
 * line and column.
 */
int schema_compile_as(struct schema **out, const struct json_doc *d, const struct json *at,
		      const struct schema_options *options, struct err *e) MUST_CHECK;

/* The same, strict: for schemas in contracts and for our own documents. */
int schema_compile(struct schema **out, const struct json_doc *d, const struct json *at, struct err *e) MUST_CHECK;
void schema_free(struct schema *s);     /* NULL is fine */

/* ---- checking ---- */

#define SCHEMA_ERRORS 8         /* kept by schema_check(); the rest is only counted */
#define SCHEMA_POINTER_MAX 512

struct schema_error {
	unsigned line, column;                  /* in the instance; 1-based */
	unsigned schema_line, schema_column;    /* of the schema object that failed */
	const char *schema_name;                /* of the document that holds it; borrowed */
	const char *uri;                        /* of the schema resource that holds it, "" when it has none; borrowed */
	char pointer[SCHEMA_POINTER_MAX];       /* RFC 6901, into the instance: "/rules/3/fields"; cut when longer */
	char keyword[SCHEMA_POINTER_MAX];       /* into the schema: "/$defs/rule/properties/fields/maxItems" */
	char resource[SCHEMA_POINTER_MAX];      /* the same from the root of its schema resource: behind `uri` and "#" */
	char path[SCHEMA_POINTER_MAX];          /* the way there through references: "/items/$ref/properties/fields/maxItems" */
	char text[256];                         /* "expected at most 20 elements, found 21" */
};

struct schema_errors {
	unsigned count;                         /* of errors found; may exceed SCHEMA_ERRORS */
	struct schema_error at[SCHEMA_ERRORS];  /* the first of them */
};

/*
 * Check v, a value of d. 0: valid. ERR_FORMAT: invalid, e says
 * "file:line:column: /pointer: expected ..., found ..." for the first error.
 * ERR_LIMIT: a pattern or the whole check took too many steps, which is
 * neither valid nor invalid; e names the pattern. errors may be NULL. Pure; a
 * schema may be used by several threads at once.
 */
int schema_check(const struct schema *s, const struct json_doc *d, const struct json *v,
		 struct schema_errors *errors, struct err *e) MUST_CHECK;

/* The same for any number of errors: each of the first `most` goes to each(); *count (may be NULL) is of all. */
int schema_check_each(const struct schema *s, const struct json_doc *d, const struct json *v, unsigned most,
		      void (*each)(void *context, const struct schema_error *error), void *context,
		      unsigned *count, struct err *e) MUST_CHECK;

AUTO_DEFINE(schema, struct schema *, schema_free);
AUTO_DEFINE(schema_library, struct schema_library *, schema_library_free);

#endif
