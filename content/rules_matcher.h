/*
 * rules_matcher: one field's condition, compiled, and the values it is held against.
 *
 * Values are read once per event with their type; a matcher never sees an
 * event, only the value it was given. Everything it does is paid for in steps.
 */
#ifndef CONTENT_RULES_MATCHER_H
#define CONTENT_RULES_MATCHER_H

#include "content/rules_model.h"

#define RULES_IP_LEN 16                 /* IPv4 as ::ffff:a.b.c.d */

struct rules_value {
	bool present;
	enum rules_type type;
	const char *text;               /* string, path, enum; decoded bytes */
	size_t len;
	int64_t number;                 /* integer; index of an enum's value, or -1 */
	uint8_t ip[RULES_IP_LEN];
};

/* What one event may still cost. */
struct rules_budget {
	uint64_t left;
	uint64_t regex_steps;           /* for each regular expression */
};

static inline bool rules_spend(struct rules_budget *b, uint64_t steps)
{
	if (b->left < steps) {
		b->left = 0;
		return false;
	}
	b->left -= steps;
	return true;
}

enum rules_kind { RULES_ANY, RULES_EQUALS, RULES_PREFIX, RULES_SUFFIX, RULES_CONTAINS, RULES_GLOB, RULES_SET,
		  RULES_RANGE, RULES_CIDR, RULES_REGEX };
#define RULES_KINDS 10

const char *rules_kind_name(enum rules_kind k);
bool rules_kind_fits(enum rules_kind k, enum rules_type t);

struct rules_matcher;

/*
 * Compiles one member of a field's object, {"suffix":"/nc"}: kind by its name,
 * value by the field's type. RULES_ANY gives *out NULL and success. Errors are
 * a sentence without a place, *at the value at fault.
 */
int rules_matcher_new(struct rules_matcher **out, const struct rules_field *field, const struct json_member *member,
		      const struct json **at, enum rules_fault *fault, struct err *e) MUST_CHECK;
void rules_matcher_free(struct rules_matcher *m);

enum rules_kind rules_matcher_kind(const struct rules_matcher *m);
unsigned rules_matcher_cost(const struct rules_matcher *m);     /* to try the cheap ones first */

/* The texts of an "equals" or "set", one after the other from 0; NULL beyond the last, and for every other kind. */
const char *rules_matcher_text(const struct rules_matcher *m, size_t i);

/* The source of a "regex"; NULL for every other kind. */
const char *rules_matcher_pattern(const struct rules_matcher *m, size_t *len);

/* A regular expression that goes back to what it matched before, or into itself: no engine matches it in linear time. */
bool rules_matcher_refers(const struct rules_matcher *m);

/*
 * Between two matchers of one field, as far as can be told without trying
 * values for ever; "no" may mean "unknown". No budget is needed: both are the author's.
 */
bool rules_matcher_implies(const struct rules_matcher *a, const struct rules_matcher *b);      /* b holds wherever a does */
bool rules_matcher_excludes(const struct rules_matcher *a, const struct rules_matcher *b);     /* they never hold together */

/* 1 it holds, 0 it does not, -1 over a limit. An absent value never holds. */
int rules_matcher_try(const struct rules_matcher *m, const struct rules_value *v, struct rules_budget *b) MUST_CHECK;

/*
 * Reads a value of a type from JSON. Decoded bytes are appended to scratch,
 * which must have the room: half the text's length. ERR_FORMAT: a sentence
 * without a place.
 */
int rules_value_read(struct rules_value *out, const struct rules_field *field, const struct json *v,
		     struct buf *scratch, struct err *e) MUST_CHECK;
bool rules_ip_parse(uint8_t out[RULES_IP_LEN], const char *text, size_t len, bool *v4);

/* ---- patterns ---- */

struct rules_glob;
int rules_glob_new(struct rules_glob **out, const char *text, size_t len, bool path, struct err *e) MUST_CHECK;
void rules_glob_free(struct rules_glob *g);
int rules_glob_try(const struct rules_glob *g, const char *text, size_t len, struct rules_budget *b) MUST_CHECK;

struct rules_regex;
int rules_regex_new(struct rules_regex **out, const char *text, size_t len, struct err *e) MUST_CHECK;
void rules_regex_free(struct rules_regex *x);
bool rules_regex_refers(const struct rules_regex *x, const char *text, size_t len);
int rules_regex_try(const struct rules_regex *x, const char *text, size_t len, struct rules_budget *b) MUST_CHECK;

#endif
