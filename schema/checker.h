/* checker: what the answer (check*.c) and its sentences (report.c) share; private to them. */
#ifndef SCHEMA_CHECKER_H
#define SCHEMA_CHECKER_H

#include "schema/program.h"

/* Only the unlucky come here: kept out of the functions that run for every value. */
#define COLD __attribute__((cold, noinline))
#define NOINLINE __attribute__((noinline))
#define LIKELY(x) __builtin_expect(!!(x), 1)

#define FEW_MARKS 64            /* up to here they need no memory of their own */

struct closeness {              /* how far a value is from one alternative, while that is measured */
	const struct json *value;
	bool other_kind;        /* the value itself has another type or another constant */
	unsigned constants;     /* its members that have another constant: a discriminator says no */
	unsigned count;
	char first[256];        /* sentence of its first error, with the pointer from the value */
};

struct report {                 /* where errors go */
	void (*each)(void *context, const struct schema_error *error);
	void *context;
	unsigned most, count;
	unsigned level;         /* alternatives inside alternatives */
	struct closeness *measure;      /* instead of all that */
	struct err *e;
};

struct check {
	const struct schema *s;
	const struct json_doc *d;
	const struct json *top;         /* the instance's "" */
	const struct node **way;        /* from the root to the node that is checked */
	unsigned depth;                 /* of way */
	int fatal;                      /* ERR_LIMIT, ERR_MEMORY: the answer is unknown */
	uint64_t steps;
	struct report *report;          /* NULL: only the answer counts, and the first failure is enough */
	uint8_t *marks;                 /* of the children of this value that something evaluated; NULL: nobody asks */
	size_t marks_total;             /* bytes of all marks there are */
	struct pattern_memory *patterns;
	struct err *e;
};

/* ---- check.c ---- */

bool check_node(struct check *c, const struct node *n, const struct json *v);

/* ---- check_quick.c: as check_node(), where nobody wants a report or marks ---- */

bool check_quick(struct check *c, const struct node *n, const struct json *v);
/* The members of an object against simple rules. */
bool check_simple(struct check *c, const struct object_rules *o, const struct json *v);

/* ---- check_leaf.c ---- */

/* A text, a number or a literal against a node that applies no other to it. */
bool check_leaf(struct check *c, const struct node *n, const struct json *v);
bool check_values(struct check *c, const struct node *n, const struct json *v);
bool check_number(struct check *c, const struct node *n, const struct json *v);
bool check_text(struct check *c, const struct node *n, const struct json *v);
bool check_match(struct check *c, const struct pattern *p, const struct json *place, const char *text, size_t len);

/* ---- check_in_place.c ---- */

bool check_in_place(struct check *c, const struct node *n, const struct json *v);
/* Tries a branch without reporting: its failure alone is no error. */
bool check_fits(struct check *c, const struct node *n, const struct json *v);
/* Marks for the children of v: `small` when they are few, NULL when there is no more room (reported). */
uint8_t *marks_take(struct check *c, const struct json *v, uint8_t small[FEW_MARKS]);
void marks_return(struct check *c, const struct json *v, uint8_t *marks, const uint8_t *small);

/* ---- report.c: all answer false, so that a rule says: return report_...() ---- */

/* `member`: the place is that member's key. */
COLD bool report_wrong(struct check *c, const struct node *n, const struct json *v, const struct json_member *member,
		       const char *keyword, const char *fmt, ...) PRINTF_LIKE(6, 7);
COLD bool report_fatal(struct check *c, const struct json *v, int code, const char *fmt, ...) PRINTF_LIKE(4, 5);

COLD bool report_type(struct check *c, const struct node *n, const struct json *v);
COLD bool report_constant(struct check *c, const struct node *n, const struct json *v);
COLD bool report_values(struct check *c, const struct node *n, const struct json *v);
COLD bool report_number(struct check *c, const struct node *n, const struct json *v);
COLD bool report_length(struct check *c, const struct node *n, const struct json *v, uint64_t len);
COLD bool report_pattern(struct check *c, const struct node *n, const struct json *v);
COLD bool report_format(struct check *c, const struct node *n, const struct json *v);
COLD bool report_count(struct check *c, const struct node *n, const struct json *v, const char *keyword, bool least,
		       uint64_t limit, const char *of, uint64_t found);
COLD bool report_missing(struct check *c, const struct node *n, const struct json *v);
COLD bool report_name(struct check *c, const struct node *n, const struct json *v, const struct json_member *m);
COLD bool report_none(struct check *c, const struct node *n, const struct json *v, const char *keyword,
		      const struct nodes *list);
COLD bool report_several(struct check *c, const struct node *n, const struct json *v, uint32_t first, uint32_t second);
COLD bool report_not(struct check *c, const struct node *n, const struct json *v);

/* ---- small enough to be part of their callers ---- */

static inline bool spend(struct check *c, const struct json *v, uint64_t steps)
{
	if (LIKELY(c->steps >= steps)) {
		c->steps -= steps;
		return true;
	}
	return report_fatal(c, v, ERR_LIMIT, "checking this document against its schema takes too many steps");
}

/* Whether a rule may go on looking for further errors after the first. */
static inline bool go_on(const struct check *c, bool valid)
{
	return LIKELY(!c->fatal) && (valid || c->report);
}

#endif
