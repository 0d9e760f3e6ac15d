/*
 * embedded: published schemas that programs carry with them, byte for byte as
 * in schema/, for those who check what people send.
 */
#ifndef SCHEMA_EMBEDDED_H
#define SCHEMA_EMBEDDED_H

#include "schema/schema.h"

/* schema/policy.schema.json */
extern const char embedded_policy[];
extern const char embedded_policy_end[];

/* The bytes from..to compiled, strict. The document is borrowed by the schema: free it after it. */
int embedded_compile(struct schema **out, struct json_doc **doc, const char *name, const char *from, const char *to, struct err *e) MUST_CHECK;

#endif
