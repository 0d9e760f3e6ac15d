#include "content/observe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/name.h"

struct observe {
	bool all;
	size_t count;
	char **ids;             /* sorted */
};

const struct observe observe_every = { .all = true };

void observe_free(struct observe *o)
{
	if (!o)
		return;
	for (size_t i = 0; i < o->count; i++)
		free(o->ids[i]);
	free(o->ids);
	free(o);
}

static int by_id(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int observe_new(struct observe **out, const char *const *ids, size_t count, struct err *e)
{
	AUTO(observe) struct observe *o = calloc(1, sizeof(*o));

	if (!o)
		return err_memory(e);
	o->ids = calloc(count + 1, sizeof(*o->ids));
	if (!o->ids)
		return err_memory(e);
	for (; o->count < count; o->count++) {
		o->ids[o->count] = strdup(ids[o->count]);
		if (!o->ids[o->count])
			return err_memory(e);
		o->all |= strcmp(ids[o->count], OBSERVE_ALL) == 0;
	}
	qsort(o->ids, o->count, sizeof(*o->ids), by_id);
	*out = TAKE(o);
	return 0;
}

bool observe_has(const struct observe *o, const char *id)
{
	return o && (o->all || bsearch(&id, o->ids, o->count, sizeof(*o->ids), by_id));
}

bool observe_has_of_file(const struct observe *o, const char *path, const char *name)
{
	char id[PATH_LEN_MAX + sizeof(OBSERVE_OF_FILE) + DETECTION_RULE_MAX];

	if (!o || (size_t)snprintf(id, sizeof(id), "%s" OBSERVE_FILE, path) >= sizeof(id))
		return false;
	if (observe_has(o, id))
		return true;
	return (size_t)snprintf(id, sizeof(id), "%s" OBSERVE_OF_FILE "%s", path, name) < sizeof(id) && observe_has(o, id);
}

static void keep(enum detection_action *strongest, char rule[DETECTION_RULE_MAX + 1], enum detection_action action, const char *id)
{
	if (action <= *strongest)
		return;
	*strongest = action;
	snprintf(rule, DETECTION_RULE_MAX + 1, "%s", id);
}

void observe_take(const struct observe *o, struct detection *out, enum detection_action action, const char *rule)
{
	if (detection_destructive(action) && observe_has(o, rule)) {
		keep(&out->would, out->would_rule, action, rule);
		action = DETECTION_OBSERVE;
	}
	keep(&out->action, out->rule, action, rule);
}
