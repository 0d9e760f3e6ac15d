/*
 * schema: JSON Schema 2020-12, compiled to an immutable program.
 *
 * What our documents and contracts need: type, enum, const, properties,
 * patternProperties, additionalProperties, propertyNames, required,
 * minProperties, maxProperties, items, prefixItems, minItems, maxItems,
 * uniqueItems, minLength, maxLength, pattern, minimum, maximum,
 * exclusiveMinimum, exclusiveMaximum, multipleOf, allOf, anyOf, oneOf, not,
 * if/then/else, $defs, and $ref to a pointer in the same schema ("#/...").
 * Annotations ($schema, $id, $comment, title, description, format, default,
 * examples, deprecated, readOnly, writeOnly) are accepted and assert nothing.
 * Any other keyword is refused by name when compiling: what we do not check is
 * never taken for checked.
 *
 * Both schema and instance are hostile: patterns run with a match limit, and
 * one check has a budget of steps.
 */
#ifndef SCHEMA_SCHEMA_H
#define SCHEMA_SCHEMA_H

#include "base/json.h"

struct schema;

/*
 * Compile the schema that stands at `at` in d; "#" means at. Both are borrowed:
 * d must outlive the schema. ERR_UNSUPPORTED names the keyword that is not
 * known, ERR_FORMAT what is malformed, each with file, line and column.
 */
int schema_compile(struct schema **out, const struct json_doc *d, const struct json *at, struct err *e) MUST_CHECK;
void schema_free(struct schema *s);     /* NULL is fine */

#define SCHEMA_ERRORS 8         /* kept per check; the rest is only counted */
#define SCHEMA_POINTER_MAX 192

struct schema_error {
	unsigned line, column;                  /* in the instance; 1-based */
	char pointer[SCHEMA_POINTER_MAX];       /* RFC 6901, into the instance: "/rules/3/fields"; cut when longer */
	char keyword[SCHEMA_POINTER_MAX];       /* into the schema: "/$defs/rule/properties/fields/maxItems" */
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
 * neither valid nor invalid. errors may be NULL. Pure; a schema may be used by
 * several threads at once.
 */
int schema_check(const struct schema *s, const struct json_doc *d, const struct json *v,
		 struct schema_errors *errors, struct err *e) MUST_CHECK;

AUTO_DEFINE(schema, struct schema *, schema_free);

#endif
