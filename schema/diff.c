/* diff: a list of classed changes. */
#include "schema/diff.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int diff_new(struct diff **out, struct err *e)
{
	AUTO(diff) struct diff *d = calloc(1, sizeof *d);

	if (d)
		d->items = calloc(DIFF_CHANGES_MAX, sizeof *d->items);
	if (!d || !d->items)
		return err_memory(e);
	*out = TAKE(d);
	return 0;
}

void diff_free(struct diff *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->count; i++) {
		free(d->items[i].where);
		free(d->items[i].what);
	}
	free(d->items);
	free(d);
}

int diff_add(struct diff *d, enum diff_class class, const char *where, struct err *e, const char *fmt, ...)
{
	struct diff_change *c = &d->items[d->count];
	char what[400];
	va_list args;

	d->of[class]++;
	if (d->count == DIFF_CHANGES_MAX)
		return 0;
	va_start(args, fmt);
	vsnprintf(what, sizeof what, fmt, args);
	va_end(args);
	c->class = class;
	c->where = strdup(where);
	c->what = strdup(what);
	d->count++;
	return c->where && c->what ? 0 : err_memory(e);
}

enum diff_class diff_class(const struct diff *d)
{
	return d->of[DIFF_NARROWING] ? DIFF_NARROWING : d->of[DIFF_WIDENING] ? DIFF_WIDENING : DIFF_COMPATIBLE;
}

const char *diff_class_name(enum diff_class class)
{
	static const char *const names[] = {
		[DIFF_COMPATIBLE] = "compatible", [DIFF_WIDENING] = "widening", [DIFF_NARROWING] = "narrowing" };

	return names[class];
}
