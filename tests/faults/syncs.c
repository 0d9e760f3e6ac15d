/* syncs: what the kernel said was on the disk, held against what is there. */
#include "syncs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

#define LIST_MAX ((size_t)1 << 30)
#define FILE_MAX ((size_t)256 << 20)

struct image {                  /* one file, as it was promised */
	char *bytes;
	char *known;            /* beside each byte: 1 promised, 0 written since, or never */
	size_t len;
};

static void put(struct image *m, const struct syncs_record *r, const char *bytes)
{
	size_t end = (size_t)(r->at + r->count);

	memcpy(m->bytes + r->at, bytes, (size_t)r->count);
	memset(m->known + r->at, 1, (size_t)r->count);
	if (end > m->len)
		m->len = end;
}

static void cut(struct image *m, size_t size)
{
	if (size < m->len) {
		memset(m->bytes + size, 0, m->len - size);
		memset(m->known + size, 0, m->len - size);
	}
	m->len = size;
}

/* What was written and not promised may be there, or not. */
static void doubt(struct image *m, const struct syncs_record *r)
{
	if (r->kind == SYNCS_WRITE)
		memset(m->known + r->at, 0, (size_t)r->count);
	else if ((size_t)r->at < m->len)
		memset(m->known + r->at, 0, m->len - (size_t)r->at);
}

struct reading {
	const char *list;
	size_t len;
	struct syncs *out;
	struct image *image;
	int file;
	size_t from;            /* records before are promised, or never will be */
};

static const struct syncs_record *record_at(const struct reading *g, size_t at, size_t *next)
{
	const struct syncs_record *r = (const void *)(g->list + at);

	if (at + sizeof *r > g->len)
		return NULL;
	*next = at + sizeof *r + (r->kind == SYNCS_WRITE ? (size_t)r->count : 0);
	return *next <= g->len ? r : NULL;      /* the last one may be torn: the process was killed */
}

/* Of the records between: those of this file are as the sync says. */
static void settle(struct reading *g, size_t until, bool promised)
{
	const struct syncs_record *r;
	size_t next;

	for (; g->from < until && (r = record_at(g, g->from, &next)); g->from = next) {
		if (r->file != g->file || r->kind == SYNCS_SYNC)
			continue;
		if (!promised)
			doubt(g->image, r);
		else if (r->kind == SYNCS_WRITE)
			put(g->image, r, (const char *)(r + 1));
		else
			cut(g->image, (size_t)r->at);
	}
}

static void replay(struct reading *g)
{
	const struct syncs_record *r;

	for (size_t at = 0, next; (r = record_at(g, at, &next)); at = next) {
		if (r->kind != SYNCS_SYNC || r->file != g->file)
			continue;
		g->out->made += r->count == 0;
		g->out->failed += r->count != 0;
		settle(g, (size_t)r->at, r->count == 0);
	}
	settle(g, g->len, false);
}

static void compare(const struct image *m, const struct buf *disk, int file, struct syncs *out)
{
	for (size_t i = 0; i < m->len; i++) {
		if (!m->known[i])
			continue;
		out->promised++;
		if (i < disk->len && disk->data[i] == m->bytes[i])
			continue;
		if (out->broken++ == 0)
			snprintf(out->first, sizeof out->first, "%s at byte %zu of %zu, of which %zu are there", syncs_files[file], i, m->len, disk->len);
	}
}

static int each(const char *list, const char *dir, struct syncs *out, bool mend, struct err *e)
{
	AUTO(buf) struct buf *all = NULL;
	int got = file_read(&all, list, LIST_MAX, e);

	*out = (struct syncs){ 0 };
	for (int i = 0; i < SYNCS_FILES && got == 0; i++) {
		struct image m = { calloc(1, FILE_MAX), calloc(1, FILE_MAX), 0 };
		struct reading g = { .list = all->data, .len = all->len, .out = out, .image = &m, .file = i };
		AUTO_FREE char *path = file_join(dir, syncs_files[i]);
		AUTO(buf) struct buf *disk = NULL;

		if (!m.bytes || !m.known || !path) {
			got = err_memory(e);
		} else {
			replay(&g);
			got = file_read(&disk, path, FILE_MAX, e);
		}
		if (got == 0)
			compare(&m, disk, i, out);
		if (got == 0 && mend)
			got = file_replace(path, m.bytes, m.len, 0600, e);
		free(m.bytes);
		free(m.known);
	}
	return got;
}

int syncs_check(struct syncs *out, const char *list, const char *dir, struct err *e)
{
	return each(list, dir, out, false, e);
}

int syncs_keep(const char *list, const char *dir, struct err *e)
{
	struct syncs ignored;

	return each(list, dir, &ignored, true, e);
}
