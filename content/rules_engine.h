/* rules_engine: the compiled form; for content/rules*.c and the check only. */
#ifndef CONTENT_RULES_ENGINE_H
#define CONTENT_RULES_ENGINE_H

#include "content/rules_matcher.h"

struct rules_condition {
	unsigned field;                 /* index in the template; always below its count */
	struct rules_matcher *matcher;  /* owned */
};

struct rules_rule {
	char *id;                       /* owned */
	enum detection_action verdict;
	size_t order;                   /* place among all rules, in file order */
	struct rules_condition *conditions;     /* owned; cheapest first */
	size_t count;
};

struct rules_group {                    /* one template and its rules */
	char *name;                     /* owned */
	struct rules_field *fields;     /* owned, with names and values */
	size_t field_count;
	size_t *by_name;                /* owned; indexes of fields, sorted by name */
	struct rules_rule *rules;       /* owned; in file order */
	size_t count;
};

struct rules {
	struct rules_group *groups;     /* sorted by name */
	size_t count;
	char **ids;                     /* sorted; borrowed from the rules */
	size_t id_count;
	struct rules_limits limits;
	struct loader_stats stats;
	const struct observe *observe;  /* borrowed; NULL: every verdict stands */
};

/* The values of one event, in the order of its template's fields. */
struct rules_event {
	const struct rules_group *group;        /* NULL: no rule is about it */
	struct rules_value values[RULES_FIELDS_MAX];
	size_t count;                   /* of values: the template's fields */
	struct buf scratch;
};

/* Reads an event against the engine's templates. */
int rules_event_read(struct rules_event *out, const struct rules *r, const struct json_doc *d,
		     const struct json *event, struct err *e) MUST_CHECK;
void rules_event_release(struct rules_event *ev);

/* The only way to a value: NULL for an index the event does not have. */
static inline const struct rules_value *rules_event_value(const struct rules_event *ev, unsigned field)
{
	return field < ev->count ? &ev->values[field] : NULL;
}

/* 1 all conditions hold, 0 not, -1 over a limit. */
int rules_rule_try(const struct rules_rule *rule, const struct rules_event *ev, struct rules_budget *b) MUST_CHECK;

const struct rules_group *rules_group_find(const struct rules *r, const char *name);

#endif
