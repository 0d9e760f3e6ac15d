#include "rollout/strata.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS 3                 /* as it is, without locale, without locale and patch level; then other */

/* One stratum as it was met, and the group it is counted in. */
struct raw {
	struct stratum_size at;
	uint32_t group;
};

struct strata {
	struct raw *raw;
	size_t raw_count;
	struct stratum_size *groups;    /* by name, other last */
	uint32_t count, ring;
};

/* The name with `step` of its parts left out. The locale is the last part, the patch level the version's last number. */
static void shorten(char out[STRATA_NAME_MAX + 1], const char *name, int step)
{
	char *slash, *dot;

	snprintf(out, STRATA_NAME_MAX + 1, "%s", name);
	if (step == 0)
		return;
	slash = strrchr(out, '/');
	if (slash)
		*slash = '\0';
	if (step == 1)
		return;
	slash = strrchr(out, '/');
	dot = strrchr(slash ? slash : out, '.');
	if (dot && strchr(slash ? slash : out, '.') != dot)
		*dot = '\0';    /* 7.11.2 becomes 7.11; 7.11 has no patch level */
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct raw *)a)->at.name, ((const struct raw *)b)->at.name);
}

bool strata_large(uint32_t size, uint32_t ring)
{
	return size > 0 && (size >= 20 || (uint64_t)size * 100 >= ring);
}

static uint32_t find(const struct strata *s, const char *name)
{
	for (uint32_t i = 0; i < s->count; i++)
		if (strcmp(s->groups[i].name, name) == 0)
			return i;
	return UINT32_MAX;
}

/*
 * Every group that is large enough when this much of the names is left out.
 * Sorted names that are shortened alike stand side by side: one look at each.
 */
static void pool(struct strata *s, int step)
{
	char name[STRATA_NAME_MAX + 1], next[STRATA_NAME_MAX + 1];
	size_t end;

	for (size_t i = 0; i < s->raw_count && s->count < STRATA_MAX - 1; i = end) {
		uint32_t size = 0;

		shorten(name, s->raw[i].at.name, step);
		for (end = i; end < s->raw_count; end++) {
			shorten(next, s->raw[end].at.name, step);
			if (strcmp(name, next) != 0)
				break;
			if (s->raw[end].group == UINT32_MAX)
				size += s->raw[end].at.size;
		}
		if (!strata_large(size, s->ring))
			continue;
		for (size_t k = i; k < end; k++)
			if (s->raw[k].group == UINT32_MAX)
				s->raw[k].group = s->count;
		memcpy(s->groups[s->count].name, name, sizeof name);
		s->groups[s->count++].size = size;
	}
}

static void take_rest(struct strata *s)
{
	uint32_t size = 0;

	for (size_t i = 0; i < s->raw_count; i++)
		if (s->raw[i].group == UINT32_MAX) {
			size += s->raw[i].at.size;
			s->raw[i].group = s->count;
		}
	s->groups[s->count] = (struct stratum_size){ .name = STRATA_OTHER, .size = size };
	s->count++;
}

/* Sorted, and each name once. */
static void unite(struct strata *s)
{
	size_t kept = 0;

	qsort(s->raw, s->raw_count, sizeof *s->raw, by_name);
	for (size_t i = 0; i < s->raw_count; i++)
		if (kept > 0 && strcmp(s->raw[kept - 1].at.name, s->raw[i].at.name) == 0)
			s->raw[kept - 1].at.size += s->raw[i].at.size;
		else
			s->raw[kept++] = s->raw[i];
	s->raw_count = kept;
}

int strata_plan(struct strata **out, const struct stratum_size *raw, size_t count, struct err *e)
{
	AUTO(strata) struct strata *s = calloc(1, sizeof *s);

	if (!s)
		return err_memory(e);
	s->raw = calloc(count + 1, sizeof *s->raw);
	s->groups = calloc((count < STRATA_MAX ? count : STRATA_MAX) + 1, sizeof *s->groups);
	if (!s->raw || !s->groups)
		return err_memory(e);
	for (s->raw_count = 0; s->raw_count < count; s->raw_count++) {
		s->raw[s->raw_count] = (struct raw){ .at = raw[s->raw_count], .group = UINT32_MAX };
		s->ring += raw[s->raw_count].size;
	}
	unite(s);
	for (int step = 0; step < STEPS; step++)
		pool(s, step);
	take_rest(s);
	*out = TAKE(s);
	return 0;
}

void strata_free(struct strata *s)
{
	if (!s)
		return;
	free(s->raw);
	free(s->groups);
	free(s);
}

uint32_t strata_count(const struct strata *s)
{
	return s->count;
}

const char *strata_name(const struct strata *s, uint32_t group)
{
	return s->groups[group].name;
}

uint32_t strata_size(const struct strata *s, uint32_t group)
{
	return s->groups[group].size;
}

uint32_t strata_find(const struct strata *s, const char *name)
{
	struct raw key = { .group = 0 };
	const struct raw *met;
	char shorter[STRATA_NAME_MAX + 1];

	snprintf(key.at.name, sizeof key.at.name, "%s", name);
	met = bsearch(&key, s->raw, s->raw_count, sizeof *s->raw, by_name);
	if (met)
		return met->group;
	for (int step = 1; step < STEPS; step++) {
		uint32_t group;

		shorten(shorter, key.at.name, step);
		group = find(s, shorter);
		if (group != UINT32_MAX)
			return group;
	}
	return s->count - 1;
}

uint32_t strata_wanted(const struct strata *s, uint32_t group)
{
	uint32_t size = s->groups[group].size;

	if (!strata_large(size, s->ring))
		return 0;
	return size < STRATA_SURVIVORS ? size : STRATA_SURVIVORS;
}

uint32_t strata_lacking(const struct strata *s, const uint32_t *survived, uint32_t *first)
{
	uint32_t lacking = 0;

	for (uint32_t i = s->count; i-- > 0; )
		if (survived[i] < strata_wanted(s, i)) {
			*first = i;
			lacking++;
		}
	return lacking;
}

void strata_explain(const struct strata *s, struct buf *out)
{
	for (size_t i = 0; i < s->raw_count; i++) {
		const char *group = s->groups[s->raw[i].group].name;

		if (strcmp(group, s->raw[i].at.name) != 0)
			buf_addf(out, "%s: %u endpoints counted with %s\n", s->raw[i].at.name, s->raw[i].at.size, group);
	}
}
