/* checker: what the answer (check.c) and its sentences (report.c) share; private to the two. */
#ifndef SCHEMA_CHECKER_H
#define SCHEMA_CHECKER_H

#include "schema/program.h"

/* Only the unlucky come here: kept out of the functions that run for every value. */
#define COLD __attribute__((cold, noinline))

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

bool check_node(struct check *c, const struct node *n, const struct json *v);

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

#endif
