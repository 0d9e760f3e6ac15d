/*
 * writelog: what a disk was told, in order, as blklogwrites of QEMU writes it
 * down (the format of the kernel's dm-log-writes), and the disks that a power
 * cut may leave of it.
 *
 * A write counts from the next flush on. What was written since the last
 * flush before a cut may be there or not, in any mixture.
 */
#ifndef TESTS_POWERCUT_WRITELOG_H
#define TESTS_POWERCUT_WRITELOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct writelog_entry {
	uint64_t at, len;       /* bytes of the disk; len 0: a flush, or a discard */
	uint64_t data;          /* where the log holds them */
	uint64_t end;           /* position in the log behind this entry */
	bool flush;
};

struct writelog {
	uint8_t *log;           /* the whole file */
	size_t len;
	struct writelog_entry *entries;
	size_t count;
};

/* What becomes of the writes that no flush has followed. */
enum writelog_rest {
	REST_LOST,
	REST_FIRST,             /* the first of them, a random number */
	REST_SOME,              /* a random choice of their 4096-byte pieces */
	REST_KINDS,
};

struct writelog_cut {
	uint64_t at;            /* the last entry that was written ends here */
	enum writelog_rest rest;
	unsigned seed;
};

int writelog_open(struct writelog *out, const char *path, struct err *e) MUST_CHECK;
void writelog_close(struct writelog *w);

/* Entries that end at `at` or before it. */
size_t writelog_entries(const struct writelog *w, uint64_t at);

/* The disk as it was before the log began, and how far a flush has made it newer. */
struct writelog_disk {
	uint8_t *bytes;
	size_t len;
	size_t durable;         /* entries that are in it for good */
};

int writelog_disk_open(struct writelog_disk *out, const char *path, struct err *e) MUST_CHECK;
void writelog_disk_close(struct writelog_disk *d);

/* Writes into fd what a cut leaves; cuts of one disk must come in the order of their positions. */
int writelog_cut(const struct writelog *w, struct writelog_disk *d, const struct writelog_cut *cut, int fd, struct err *e) MUST_CHECK;

#endif
