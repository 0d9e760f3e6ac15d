/* zone: TZif, and the way between instants and clocks on walls. */
#include "base/zone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/zone_rule.h"

#define FILE_MAX ((size_t)256 * 1024)
#define HEADER 44
#define TRANSITIONS_MAX 4096
#define TYPES_MAX 256
#define OFFSET_MAX (26 * 3600)          /* RFC 9636 asks for -25 h to 26 h */
#define DAY 86400

struct zone {
	int64_t *times;                 /* owned; ascending */
	int32_t *offsets;               /* owned; from times[i] on */
	size_t count;
	int32_t before;                 /* before the first */
	bool ruled;                     /* after the last one the rule holds, from the first when there is none */
	struct zone_rule rule;
};

struct header {
	uint8_t version;
	uint32_t isut, isstd, leap, time, type, chars;
};

bool zone_name_valid(const char *name)
{
	size_t len = strlen(name);

	if (!len || len > ZONE_NAME_MAX || name[len - 1] == '/')
		return false;
	for (const char *p = name; *p; p++) {
		bool first = p == name || p[-1] == '/', letter = (*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z') || *p == '_';

		if (!letter && (first || (!(*p >= '0' && *p <= '9') && !strchr("+-/", *p))))
			return false;
	}
	return true;
}

void zone_free(struct zone *z)
{
	if (!z)
		return;
	free(z->times);
	free(z->offsets);
	free(z);
}

/* ---- TZif ---- */

static uint64_t big_endian(const uint8_t *at, int bytes)
{
	uint64_t n = 0;

	while (bytes--)
		n = n << 8 | *at++;
	return n;
}

static bool read_header(struct header *h, const uint8_t *at, size_t len)
{
	uint32_t *const counts[] = { &h->isut, &h->isstd, &h->leap, &h->time, &h->type, &h->chars };

	if (len < HEADER || memcmp(at, "TZif", 4) != 0)
		return false;
	h->version = at[4];
	for (size_t i = 0; i < ARRAY_LEN(counts); i++)
		*counts[i] = (uint32_t)big_endian(at + 20 + 4 * i, 4);
	return true;
}

/* Bytes behind the header, with times of `wide` bytes. */
static uint64_t block_size(const struct header *h, unsigned wide)
{
	return (uint64_t)h->time * (wide + 1) + (uint64_t)h->type * 6 + h->chars + (uint64_t)h->leap * (wide + 4) + h->isstd + h->isut;
}

static bool read_types(int32_t offsets[TYPES_MAX], const struct header *h, const uint8_t *at)
{
	for (uint32_t i = 0; i < h->type; i++) {
		offsets[i] = (int32_t)big_endian(at + (size_t)6 * i, 4);
		if (offsets[i] < -OFFSET_MAX || offsets[i] > OFFSET_MAX)
			return false;
	}
	return true;
}

static int read_block(struct zone *z, const char *name, const struct header *h, const uint8_t *at, struct err *e)
{
	const uint8_t *kinds = at + (size_t)8 * h->time;
	int32_t offsets[TYPES_MAX];

	if (!h->type || h->type > TYPES_MAX || h->time > TRANSITIONS_MAX || h->leap || !read_types(offsets, h, kinds + h->time))
		return err_set(e, ERR_FORMAT, "time zone %s: not a table that can be used", name);
	z->times = calloc(h->time + 1, sizeof *z->times);
	z->offsets = calloc(h->time + 1, sizeof *z->offsets);
	if (!z->times || !z->offsets)
		return err_memory(e);
	z->before = offsets[0];
	for (z->count = 0; z->count < h->time; z->count++) {
		size_t i = z->count;

		z->times[i] = (int64_t)big_endian(at + 8 * i, 8);
		if (kinds[i] >= h->type || (i && z->times[i] <= z->times[i - 1]))
			return err_set(e, ERR_FORMAT, "time zone %s: transitions out of order", name);
		z->offsets[i] = offsets[kinds[i]];
	}
	return 0;
}

/* "\n<rule>\n"; an empty one says nothing about the future, then the last offset stays. */
static int read_footer(struct zone *z, const char *name, const char *at, size_t len, struct err *e)
{
	const char *end = len > 1 && *at == '\n' ? memchr(at + 1, '\n', len - 1) : NULL;

	if (!end)
		return err_set(e, ERR_FORMAT, "time zone %s: no footer", name);
	z->ruled = end != at + 1;
	if (z->ruled && !zone_rule_parse(&z->rule, at + 1, (size_t)(end - at - 1)))
		return err_set(e, ERR_FORMAT, "time zone %s: its rule cannot be read", name);
	return 0;
}

int zone_parse(struct zone **out, const char *name, const void *bytes, size_t len, struct err *e)
{
	AUTO(zone) struct zone *z = calloc(1, sizeof *z);
	const uint8_t *at = bytes;
	struct header old, h;
	uint64_t skip, body;

	if (!z)
		return err_memory(e);
	if (!read_header(&old, at, len) || old.version < '2')
		return err_set(e, ERR_FORMAT, "time zone %s: no TZif file of version 2 or later", name);
	skip = HEADER + block_size(&old, 4);
	if (skip > len || !read_header(&h, at + skip, len - (size_t)skip))
		return err_set(e, ERR_FORMAT, "time zone %s: cut short", name);
	body = skip + HEADER + block_size(&h, 8);
	if (body > len)
		return err_set(e, ERR_FORMAT, "time zone %s: cut short", name);
	if (read_block(z, name, &h, at + skip + HEADER, e) < 0 ||
	    read_footer(z, name, (const char *)at + body, len - (size_t)body, e) < 0)
		return e->code;
	*out = TAKE(z);
	return 0;
}

int zone_open(struct zone **out, const char *name, struct err *e)
{
	AUTO(buf) struct buf *raw = NULL;
	char path[sizeof ZONE_DIR + 1 + ZONE_NAME_MAX];

	if (!zone_name_valid(name))
		return err_set(e, ERR_USAGE, "time zone \"%.80s\": not the name of one, such as Europe/Berlin", name);
	if (!strcmp(name, "UTC")) {
		*out = calloc(1, sizeof **out);
		return *out ? 0 : err_memory(e);
	}
	snprintf(path, sizeof path, "%s/%s", ZONE_DIR, name);
	if (file_read(&raw, path, FILE_MAX, e) < 0)
		return e->code == ERR_NOT_FOUND ? err_set(e, ERR_NOT_FOUND, "time zone %s: not in %s; is tzdata installed?", name, ZONE_DIR)
						: err_wrap(e, "time zone %s", name);
	return zone_parse(out, name, raw->data, raw->len, e);
}

/* ---- asking ---- */

int64_t zone_offset(const struct zone *z, int64_t at)
{
	size_t low = 0, high = z->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (z->times[middle] <= at)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == z->count && z->ruled)
		return zone_rule_offset(&z->rule, at);
	return low ? z->offsets[low - 1] : z->before;
}

/* Between these instants the offset changes once: the first with the later offset. */
static int64_t change_between(const struct zone *z, int64_t low, int64_t high)
{
	int64_t then = zone_offset(z, high);

	while (low + 1 < high) {
		int64_t middle = low + (high - low) / 2;

		if (zone_offset(z, middle) == then)
			high = middle;
		else
			low = middle;
	}
	return high;
}

int64_t zone_instant(const struct zone *z, int64_t local)
{
	int64_t before = zone_offset(z, local - DAY), after = zone_offset(z, local + DAY);
	int64_t early = local - MAX(before, after), late = local - MIN(before, after);

	if (early + zone_offset(z, early) == local)
		return early;
	if (late + zone_offset(z, late) == local)
		return late;
	return change_between(z, early, late);
}
