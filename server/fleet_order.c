/*
 * fleet_order: the devices by their id, for pages.
 *
 * Sorted once and added to afterwards: what came since is sorted alone, and
 * each of them looks for its place. So a page of a million devices costs a few
 * comparisons, whoever enrols meanwhile.
 */
#include <stdlib.h>
#include <string.h>

#include "server/fleet.h"

static int by_id(const void *a, const void *b)
{
	return strcmp((*(struct device *const *)a)->id, (*(struct device *const *)b)->id);
}

/* How many of the first `count` are not beyond this id. */
static size_t up_to(struct device *const *order, size_t count, const char *id)
{
	size_t low = 0;

	while (low < count) {
		size_t mid = low + (count - low) / 2;

		if (strcmp(order[mid]->id, id) <= 0)
			low = mid + 1;
		else
			count = mid;
	}
	return low;
}

/* Each block of those that are in order moves once, by as many as go before it. */
static void merge(struct device **order, size_t count, struct device *const *came, size_t more)
{
	while (more > 0) {
		size_t at = up_to(order, count, came[more - 1]->id);

		memmove(order + at + more, order + at, (count - at) * sizeof *order);
		more--;
		order[at + more] = came[more];
		count = at;
	}
}

static int bring_in_order(struct fleet *f, struct err *e)
{
	size_t more = f->count - f->ordered;
	AUTO_FREE struct device **came = more ? malloc(more * sizeof *came) : NULL;
	struct device **order;

	if (more == 0)
		return 0;
	order = came ? realloc(f->order, f->count * sizeof *order) : NULL;
	if (!order)
		return err_memory(e);
	f->order = order;
	memcpy(came, f->items + f->ordered, more * sizeof *came);
	qsort(came, more, sizeof *came, by_id);
	merge(order, f->ordered, came, more);
	f->ordered = f->count;
	return 0;
}

int fleet_after(struct fleet *f, const char *id, struct device *const **out, size_t *count, struct err *e)
{
	size_t first;

	if (bring_in_order(f, e) < 0)
		return e->code;
	first = up_to(f->order, f->ordered, id);
	*out = f->order + first;
	*count = f->ordered - first;
	return 0;
}
