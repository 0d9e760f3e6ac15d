/*
 * pattern: regular expressions as JSON Schema writes them (ECMA-262 with the u flag), run by PCRE2.
 *
 * What ECMA-262 does not know (\A, \a, (?>...), (?i), possessive quantifiers,
 * [:classes:]) is refused; \s and . mean what ECMA-262 says. A match takes a
 * bounded number of steps.
 */
#ifndef SCHEMA_PATTERN_H
#define SCHEMA_PATTERN_H

#include <stdbool.h>

#include "base/err.h"

#define PATTERN_LEN_MAX 4096            /* bytes */
#define PATTERN_STEPS 100000            /* PCRE2's match limit */

struct pattern;

/* text is UTF-8 of len bytes and is copied. ERR_FORMAT says what is wrong and where in the pattern. */
int pattern_compile(struct pattern **out, const char *text, size_t len, struct err *e) MUST_CHECK;
void pattern_free(struct pattern *p);   /* NULL is fine */

/* Found anywhere in text (UTF-8)? 1 yes, 0 no, ERR_LIMIT when it took too many steps, ERR_MEMORY. Thread-safe. */
int pattern_match(const struct pattern *p, const char *text, size_t len);

AUTO_DEFINE(pattern, struct pattern *, pattern_free);

#endif
