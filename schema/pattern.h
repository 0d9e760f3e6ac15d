/*
 * pattern: regular expressions as JSON Schema writes them (ECMA-262 with the u flag), run by PCRE2.
 *
 * What ECMA-262 does not know (\A, \a, (?>...), (?i), possessive quantifiers,
 * [:classes:]) is refused; \s, \S and . mean what ECMA-262 says.
 *
 * A match runs on a leash. First PCRE2 with a low match limit (its JIT where
 * allowed); long texts in which a match may begin anywhere, and what does not
 * end there, run interpreted with a call-out at every item, each of which
 * costs a step and one for every byte passed; beyond that there is no answer. A sequence of ASCII classes behind a
 * ^ that never needs to go back (^[a-z0-9-]{1,64}$) does without PCRE2.
 */
#ifndef SCHEMA_PATTERN_H
#define SCHEMA_PATTERN_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

#define PATTERN_LEN_MAX 8192            /* bytes */
#define PATTERN_STEPS 1000000           /* of one match, plus PATTERN_STEPS_PER_BYTE of the text */
#define PATTERN_STEPS_PER_BYTE 16

struct pattern;
struct pattern_simple;
struct pattern_memory;          /* of one thread's matches, made when one first needs it */

/* text is UTF-8 of len bytes and is copied. ERR_FORMAT says what is wrong and where in the pattern. */
int pattern_compile(struct pattern **out, const char *text, size_t len, bool jit, struct err *e) MUST_CHECK;
void pattern_free(struct pattern *p);   /* NULL is fine */
bool pattern_is(const struct pattern *p, const char *text, size_t len);
const char *pattern_text(const struct pattern *p);

/*
 * Found anywhere in text (UTF-8)? 1 yes, 0 no, ERR_LIMIT when it took too many
 * steps, ERR_MEMORY. *memory starts as NULL. *steps are those left to the
 * caller; what the match took is subtracted. Thread-safe.
 */
int pattern_match(const struct pattern *p, const char *text, size_t len, struct pattern_memory **memory,
		  uint64_t *steps);
void pattern_memory_free(struct pattern_memory *m);

/* The same, when it does without PCRE2: pattern_simple_match() is its match, at one step for 16 bytes. NULL: it does not. */
const struct pattern_simple *pattern_is_simple(const struct pattern *p);

/* ---- its parts ---- */

/* From ECMA-262 to PCRE2, appended to out. */
int pattern_translate(struct buf *out, const char *text, size_t len, struct err *e) MUST_CHECK;

/* NULL: the pattern is none of that kind, or there is no memory. */
struct pattern_simple *pattern_simple_new(const char *text, size_t len);
bool pattern_simple_match(const struct pattern_simple *p, const char *text, size_t len);

AUTO_DEFINE(pattern, struct pattern *, pattern_free);

#endif
