#include "rollout/strata.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS 3                 /* as it is, without locale, without locale and patch level; then other */

/* One stratum as it was met, and whether it has a group by now. */
struct raw {
	struct stratum_size at;
	bool taken;
};

struct strata {
	struct raw *raw;                /* only for explaining; none in a plan that was read back */
	size_t raw_count;
	struct stratum_size *groups;    /* by name, other last */
	uint32_t count, ring;
};

void strata_clean(char out[STRATA_NAME_MAX + 1], const char *name)
{
	size_t len = strlen(name);

	if (len > STRATA_NAME_MAX) {
		len = STRATA_NAME_MAX;
		while (len > 0 && ((unsigned char)name[len] & 0xc0) == 0x80)
			len--;
	}
	for (size_t i = 0; i < len; i++)
		out[i] = (unsigned char)name[i] < ' ' || name[i] == 0x7f ? '?' : name[i];
	out[len] = '\0';
}

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
			if (!s->raw[end].taken)
				size += s->raw[end].at.size;
		}
		if (!strata_large(size, s->ring) || strcmp(name, STRATA_OTHER) == 0)
			continue;
		for (size_t k = i; k < end; k++)
			s->raw[k].taken = true;
		memcpy(s->groups[s->count++].name, name, sizeof name);
	}
}

static int groups_by_name(const void *a, const void *b)
{
	return strcmp(((const struct stratum_size *)a)->name, ((const struct stratum_size *)b)->name);
}

/* In order, each once, other last; then everybody is counted by the rule that finds who comes later. */
static void settle(struct strata *s)
{
	uint32_t kept = 0;

	qsort(s->groups, s->count, sizeof *s->groups, groups_by_name);
	for (uint32_t i = 0; i < s->count; i++)
		if (kept == 0 || strcmp(s->groups[kept - 1].name, s->groups[i].name) != 0)
			s->groups[kept++] = s->groups[i];
	s->groups[kept] = (struct stratum_size){ .name = STRATA_OTHER };
	s->count = kept + 1;
	for (size_t i = 0; i < s->raw_count; i++)
		s->groups[strata_find(s, s->raw[i].at.name)].size += s->raw[i].at.size;
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
	for (; s->raw_count < count; s->raw_count++) {
		strata_clean(s->raw[s->raw_count].at.name, raw[s->raw_count].name);
		s->raw[s->raw_count].at.size = raw[s->raw_count].size;
		s->ring += raw[s->raw_count].size;
	}
	unite(s);
	for (int step = 0; step < STEPS; step++)
		pool(s, step);
	settle(s);
	*out = TAKE(s);
	return 0;
}

int strata_from(struct strata **out, const struct stratum_size *groups, size_t count, struct err *e)
{
	AUTO(strata) struct strata *s = calloc(1, sizeof *s);
	uint64_t ring = 0;

	if (!s || !(s->groups = calloc(count + 1, sizeof *s->groups)))
		return err_memory(e);
	if (count == 0 || count > STRATA_MAX || strcmp(groups[count - 1].name, STRATA_OTHER) != 0)
		return err_set(e, ERR_FORMAT, "a plan of strata has from 1 to %d groups, and ends with " STRATA_OTHER, STRATA_MAX);
	for (size_t i = 0; i < count; i++) {
		char name[STRATA_NAME_MAX + 1];

		strata_clean(name, groups[i].name);
		if (strcmp(name, groups[i].name) != 0 || (i > 0 && i + 1 < count && strcmp(groups[i - 1].name, name) >= 0))
			return err_set(e, ERR_FORMAT, "a plan of strata: group %zu is out of order or has no clean name", i + 1);
		s->groups[i] = groups[i];
		ring += groups[i].size;
	}
	if (ring > UINT32_MAX)
		return err_set(e, ERR_FORMAT, "a plan of strata: more endpoints than a ring can have");
	s->count = (uint32_t)count;
	s->ring = (uint32_t)ring;
	*out = TAKE(s);
	return 0;
}

int strata_copy(struct strata **out, const struct strata *s, struct err *e)
{
	return strata_from(out, s->groups, s->count, e);
}

bool strata_same(const struct strata *a, const struct strata *b)
{
	if (!a || !b || a->count != b->count)
		return a == b;
	for (uint32_t i = 0; i < a->count; i++)
		if (a->groups[i].size != b->groups[i].size || strcmp(a->groups[i].name, b->groups[i].name) != 0)
			return false;
	return true;
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

uint32_t strata_ring(const struct strata *s)
{
	return s->ring;
}

uint32_t strata_find(const struct strata *s, const char *name)
{
	struct stratum_size key;
	char whole[STRATA_NAME_MAX + 1];

	strata_clean(whole, name);
	for (int step = 0; step < STEPS; step++) {
		const struct stratum_size *met;

		shorten(key.name, whole, step);
		met = bsearch(&key, s->groups, s->count - 1, sizeof *s->groups, groups_by_name);
		if (met)
			return (uint32_t)(met - s->groups);
	}
	return s->count - 1;
}

uint32_t strata_large_count(const struct strata *s)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < s->count; i++)
		count += strata_large(s->groups[i].size, s->ring);
	return count;
}

uint32_t strata_wanted(const struct strata *s, uint32_t group, int64_t survivors)
{
	uint32_t size = s->groups[group].size;

	return strata_large(size, s->ring) ? (uint32_t)MIN((int64_t)size, survivors) : 0;
}

uint32_t strata_lacking(const struct strata *s, const uint32_t *survived, int64_t survivors, uint32_t *first)
{
	uint32_t lacking = 0;

	for (uint32_t i = s->count; i-- > 0; )
		if (survived[i] < strata_wanted(s, i, survivors)) {
			*first = i;
			lacking++;
		}
	return lacking;
}

void strata_explain(const struct strata *s, struct buf *out)
{
	for (size_t i = 0; i < s->raw_count; i++) {
		const char *group = s->groups[strata_find(s, s->raw[i].at.name)].name;

		if (strcmp(group, s->raw[i].at.name) != 0)
			buf_addf(out, "%s: %u endpoints counted with %s\n", s->raw[i].at.name, s->raw[i].at.size, group);
	}
}
