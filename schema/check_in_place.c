/*
 * check_in_place: what a schema applies to the value itself: references,
 * alternatives, negation, conditions; and the marks of what they evaluated.
 */
#include <stdlib.h>
#include <string.h>

#include "schema/checker.h"

#define MARKS_MAX ((size_t)64 << 20)

/* ---- marks: which children of a value something has evaluated ---- */

COLD uint8_t *marks_take(struct check *c, const struct json *v, uint8_t small[FEW_MARKS])
{
	uint8_t *marks = small;

	if (!spend(c, v, 1 + v->count / 16))
		return NULL;
	if (v->count > FEW_MARKS) {
		marks = c->marks_total + v->count > MARKS_MAX ? NULL : malloc(v->count);
		if (!marks) {
			report_fatal(c, v, ERR_LIMIT, "keeping account of what its schema evaluates takes too much memory");
			return NULL;
		}
		c->marks_total += v->count;
	}
	return marks;
}

void marks_return(struct check *c, const struct json *v, uint8_t *marks, const uint8_t *small)
{
	if (marks && marks != small) {
		c->marks_total -= v->count;
		free(marks);
	}
}

/* ---- applied to the same value ---- */

/* Of a branch that does not fit, the marks are forgotten, too. */
static COLD bool fits_marked(struct check *c, const struct node *n, const struct json *v)
{
	uint8_t small[FEW_MARKS], *before = marks_take(c, v, small);
	bool valid;

	if (!before)
		return false;
	if (v->count)
		memcpy(before, c->marks, v->count);
	valid = check_node(c, n, v);
	if (!valid && v->count)
		memcpy(c->marks, before, v->count);
	marks_return(c, v, before, small);
	return valid && !c->fatal;
}

bool check_fits(struct check *c, const struct node *n, const struct json *v)
{
	struct report *report = c->report;
	bool valid;

	c->report = NULL;
	valid = c->marks ? fits_marked(c, n, v) : check_node(c, n, v);
	c->report = report;
	return valid && !c->fatal;
}

static bool check_any(struct check *c, const struct node *n, const struct json *v)
{
	bool valid = false;

	for (uint32_t i = 0; i < n->any.count && !c->fatal && (!valid || c->marks); i++)
		valid |= check_fits(c, n->any.at[i], v);
	if (valid || c->fatal)
		return valid;
	return report_none(c, n, v, "anyOf", &n->any);
}

static bool check_one(struct check *c, const struct node *n, const struct json *v)
{
	uint32_t first = UINT32_MAX;

	for (uint32_t i = 0; i < n->one.count && !c->fatal; i++) {
		if (!check_fits(c, n->one.at[i], v))
			continue;
		if (first != UINT32_MAX)
			return report_several(c, n, v, first, i);
		first = i;
	}
	if (first != UINT32_MAX || c->fatal)
		return !c->fatal;
	return report_none(c, n, v, "oneOf", &n->one);
}

static bool check_not(struct check *c, const struct node *n, const struct json *v)
{
	uint8_t *marks = c->marks;
	bool found;

	c->marks = NULL;
	found = check_fits(c, n->not, v);
	c->marks = marks;
	return found ? report_not(c, n, v) : true;
}

/* The outermost resource on the way here that has such an anchor decides (2020-12, section 8.2.3.2). */
static const struct node *dynamic_target(struct check *c, const struct node *n, const struct json *v)
{
	const struct dynamic *d = n->dynamic;

	if (!d || d->count < 2 || !spend(c, v, c->depth))
		return n->dynamic_ref;
	for (unsigned i = 0; i < c->depth; i++) {
		const struct resource *r = c->way[i]->resource;

		if (i && r == c->way[i - 1]->resource)
			continue;
		if (!spend(c, v, d->count))
			break;
		for (size_t k = 0; k < d->count; k++)
			if (d->targets[k].resource == r)
				return d->targets[k].node;
	}
	return n->dynamic_ref;
}

bool check_in_place(struct check *c, const struct node *n, const struct json *v)
{
	bool valid = true;

	if (n->ref)
		valid = check_node(c, n->ref, v);
	if (n->dynamic_ref && go_on(c, valid))
		valid &= check_node(c, dynamic_target(c, n, v), v);
	for (uint32_t i = 0; i < n->all.count && go_on(c, valid); i++)
		valid &= check_node(c, n->all.at[i], v);
	if (n->any.count && go_on(c, valid))
		valid &= check_any(c, n, v);
	if (n->one.count && go_on(c, valid))
		valid &= check_one(c, n, v);
	if (n->not && go_on(c, valid))
		valid &= check_not(c, n, v);
	if (n->when && go_on(c, valid)) {
		const struct node *branch = check_fits(c, n->when, v) ? n->then : n->otherwise;

		if (branch && !c->fatal)
			valid &= check_node(c, branch, v);
	}
	return valid;
}
