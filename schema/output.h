/*
 * output: what a check found, as JSON in the "basic" form of the specification (2020-12, section 12.4.2).
 *
 *   {"valid": false, "errors": [{"keywordLocation": "/items/$ref/maxItems",
 *    "absoluteKeywordLocation": "https://example.com/rules#/$defs/rule/maxItems",
 *    "instanceLocation": "/3", "error": "expected at most 20 elements, found 21"}]}
 */
#ifndef SCHEMA_OUTPUT_H
#define SCHEMA_OUTPUT_H

#include "schema/schema.h"

/*
 * Check as schema_check() does and write one object under `key` (NULL inside
 * an array or at the top) with at most `most` errors. Answers 0 or ERR_FORMAT
 * as the check did; at any other code nothing was written.
 */
int schema_output_basic(struct json_writer *w, const char *key, const struct schema *s, const struct json_doc *d,
			const struct json *v, unsigned most, struct err *e) MUST_CHECK;

#endif
