/* writelog: reading the log, and replaying it up to a cut. */
#include "writelog.h"

#include <endian.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

#define MAGIC 0x6a736677736872ull
#define VERSION 1
#define FLAG_FLUSH 1
#define FLAG_DISCARD 4
#define SUPER_BYTES 28
#define ENTRY_BYTES 32
#define PIECE ((uint64_t)4096)

static uint64_t le64(const uint8_t *at)
{
	uint64_t v;

	memcpy(&v, at, sizeof v);
	return le64toh(v);
}

static uint32_t le32(const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof v);
	return le32toh(v);
}

/* A private copy of a file in memory. */
static int map(uint8_t **out, size_t *len, const char *path, struct err *e)
{
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *at;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(e, "%s: open", path);
	at = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (at == MAP_FAILED)
		return err_errno(e, "%s: map", path);
	*out = at;
	*len = (size_t)st.st_size;
	return 0;
}

/* One entry takes a sector, its data follow; the log ends where the file does. */
static int read_entries(struct writelog *w, uint64_t sector, struct err *e)
{
	size_t room = 0;

	for (uint64_t at = sector; at + ENTRY_BYTES <= w->len;) {
		const uint8_t *p = w->log + at;
		uint64_t flags = le64(p + 16), len = flags & FLAG_DISCARD ? 0 : le64(p + 8) * sector;

		if (w->count == room) {
			room = room ? 2 * room : 1024;
			w->entries = reallocarray(w->entries, room, sizeof *w->entries);
			if (!w->entries)
				return err_memory(e);
		}
		if (len > w->len - at - MIN(sector, w->len - at))
			return err_set(e, ERR_FORMAT, "the write log breaks off in entry %zu", w->count);
		w->entries[w->count++] = (struct writelog_entry){ .at = le64(p) * sector, .len = len, .data = at + sector,
								  .end = at + sector + len, .flush = flags & FLAG_FLUSH };
		at += sector + len;
	}
	return 0;
}

int writelog_open(struct writelog *out, const char *path, struct err *e)
{
	struct writelog w = { 0 };
	int rc;

	if (map(&w.log, &w.len, path, e) < 0)
		return e->code;
	if (w.len < SUPER_BYTES || le64(w.log) != MAGIC || le64(w.log + 8) != VERSION || le32(w.log + 24) < 512)
		rc = err_set(e, ERR_FORMAT, "%s: no write log", path);
	else
		rc = read_entries(&w, le32(w.log + 24), e);
	if (rc < 0) {
		writelog_close(&w);
		return rc;
	}
	*out = w;
	return 0;
}

void writelog_close(struct writelog *w)
{
	if (w->log)
		munmap(w->log, w->len);
	free(w->entries);
	memset(w, 0, sizeof *w);
}

size_t writelog_entries(const struct writelog *w, uint64_t at)
{
	size_t n = 0;

	while (n < w->count && w->entries[n].end <= at)
		n++;
	return n;
}

int writelog_disk_open(struct writelog_disk *out, const char *path, struct err *e)
{
	memset(out, 0, sizeof *out);
	return map(&out->bytes, &out->len, path, e);
}

void writelog_disk_close(struct writelog_disk *d)
{
	if (d->bytes)
		munmap(d->bytes, d->len);
	memset(d, 0, sizeof *d);
}

static int too_far(const struct writelog_disk *d, const struct writelog_entry *w, struct err *e)
{
	if (w->at <= d->len && w->len <= d->len - w->at)
		return 0;
	return err_set(e, ERR_FORMAT, "a write of %llu bytes at %llu is beyond the disk", (unsigned long long)w->len, (unsigned long long)w->at);
}

static int write_piece(const struct writelog *w, const struct writelog_entry *entry, uint64_t from, uint64_t len, int fd, struct err *e)
{
	if (pwrite(fd, w->log + entry->data + from, (size_t)len, (off_t)(entry->at + from)) != (ssize_t)len)
		return err_errno(e, "the cut disk: write");
	return 0;
}

/* The writes that nothing has flushed: some of them got there. */
static int write_rest(const struct writelog *w, size_t from, size_t to, const struct writelog_cut *cut, int fd, struct err *e)
{
	unsigned seed = cut->seed;

	if (cut->rest == REST_LOST)
		return 0;
	if (cut->rest == REST_FIRST)
		to = from + (size_t)rand_r(&seed) % (to - from + 1);
	for (size_t i = from; i < to; i++) {
		const struct writelog_entry *entry = &w->entries[i];

		for (uint64_t at = 0; at < entry->len; at += PIECE)
			if ((cut->rest == REST_FIRST || rand_r(&seed) % 2) &&
			    write_piece(w, entry, at, MIN(PIECE, entry->len - at), fd, e) < 0)
				return e->code;
	}
	return 0;
}

int writelog_cut(const struct writelog *w, struct writelog_disk *d, const struct writelog_cut *cut, int fd, struct err *e)
{
	size_t all = writelog_entries(w, cut->at), flushed = d->durable;

	for (size_t i = d->durable; i < all; i++) {
		if (too_far(d, &w->entries[i], e) < 0)
			return e->code;
		if (w->entries[i].flush)
			flushed = i + 1;
	}
	for (; d->durable < flushed; d->durable++) {
		const struct writelog_entry *entry = &w->entries[d->durable];

		memcpy(d->bytes + entry->at, w->log + entry->data, entry->len);
	}
	for (size_t at = 0; at < d->len;) {
		ssize_t n = pwrite(fd, d->bytes + at, d->len - at, (off_t)at);

		if (n < 0)
			return err_errno(e, "the cut disk: write");
		at += (size_t)n;
	}
	return write_rest(w, flushed, all, cut, fd, e);
}
