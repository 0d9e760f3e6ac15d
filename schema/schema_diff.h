/*
 * schema_diff: does one JSON Schema accept what another one accepted?
 *
 * Keyword by keyword, through references within each document. What cannot be
 * decided that way (a changed pattern, a branch more in oneOf, a changed "if",
 * a keyword nobody knows) counts as narrowing.
 */
#ifndef SCHEMA_SCHEMA_DIFF_H
#define SCHEMA_SCHEMA_DIFF_H

#include "base/json.h"
#include "schema/diff.h"

/* Adds to d what changed from `before` to `after`; `where` goes before every pointer. Pure. ERR_LIMIT: too deep or too large to follow. */
int schema_diff(struct diff *d, const char *where, const struct json *before, const struct json *after, struct err *e) MUST_CHECK;

#endif
