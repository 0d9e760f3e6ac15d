/* schema_diff_walk: what the parts of schema_diff share; for schema/schema_diff*.c only. */
#ifndef SCHEMA_SCHEMA_DIFF_WALK_H
#define SCHEMA_SCHEMA_DIFF_WALK_H

#include "schema/schema_diff.h"

/* What it means for the whole when a part accepts more. */
enum diff_sense {
	DIFF_SAME,              /* the whole accepts more */
	DIFF_INVERSE,           /* it accepts less: beneath "not" */
	DIFF_UNCLEAR,           /* either: beneath "oneOf", beside "maxContains" */
};

struct diff_pair;

struct diff_walk {
	struct diff *d;
	const struct json *before, *after;      /* the roots */
	struct buf where;
	bool unevaluated;                       /* unevaluatedItems or -Properties stand somewhere */
	struct diff_pair *seen;                 /* pairs of schemas already compared: a hash table */
	size_t seen_count, seen_cap;
	uint64_t steps;
	unsigned depth;
	struct err *e;
};

/* One keyword of two schema objects; the value is NULL where it is absent. a and b are the objects. */
struct diff_keyword {
	const struct json *a, *b;
	const struct json *was, *is;
	const char *name;
	enum diff_sense sense;
};

int diff_note(struct diff_walk *w, enum diff_sense sense, enum diff_class class, const char *fmt, ...) PRINTF_LIKE(4, 5) MUST_CHECK;
int diff_step(struct diff_walk *w, uint64_t steps) MUST_CHECK;

/* Compares two schemas at where + "/name"; NULL: absent, which accepts everything. */
int diff_part(struct diff_walk *w, const char *name, const struct json *a, const struct json *b, enum diff_sense sense) MUST_CHECK;
void diff_enter(struct diff_walk *w, const char *name, size_t *mark);
void diff_leave(struct diff_walk *w, size_t mark);

/* Accepts everything whatever it says: true, or nothing but annotations. */
bool diff_accepts_all(const struct json *schema);

/* Rules for keywords that hold schemas, and for those about values: 1 when the keyword is one of them. */
int diff_part_keyword(struct diff_walk *w, const struct diff_keyword *k) MUST_CHECK;
int diff_value_keyword(struct diff_walk *w, const struct diff_keyword *k) MUST_CHECK;

#endif
