/*
 * syncs: what the kernel said was on the disk, held against what is there.
 *
 * preload/syncs.c writes down each write to the store and each answer to a
 * sync of it. A write is promised when a sync that began after it was answered
 * with success; one whose sync failed is promised never again, for the kernel
 * tells such a failure once.
 */
#ifndef TESTS_FAULTS_SYNCS_H
#define TESTS_FAULTS_SYNCS_H

#include <stdint.h>

#include "base/err.h"

enum { SYNCS_WRITE, SYNCS_CUT, SYNCS_SYNC };
#define SYNCS_FILES 2
static const char *const syncs_files[SYNCS_FILES] = { "store.db", "store.db-wal" };

struct syncs_record {           /* of the list; the bytes of a write follow */
	int32_t kind, file;
	int64_t at;             /* write: offset. cut: size. sync: length of the list when it began */
	int64_t count;          /* write: bytes. sync: 0, or errno */
};

struct syncs {
	uint64_t made, failed;  /* syncs, by their answer */
	uint64_t promised;      /* bytes of the two files that must be there */
	uint64_t broken;        /* of those: bytes that are not */
	char first[96];         /* where the first of them is */
};

/* Looks at the files of the store in `dir`, when nobody has them open any more. */
int syncs_check(struct syncs *out, const char *list, const char *dir, struct err *e) MUST_CHECK;
/* Makes them what the kernel said they were: as every write is that was promised, and no other. */
int syncs_keep(const char *list, const char *dir, struct err *e) MUST_CHECK;

#endif
