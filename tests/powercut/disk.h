/*
 * disk: block devices from files, and a recorder below a file system: what
 * ext4 writes goes through a loop device and a FUSE export into
 * qemu-storage-daemon, which writes all of it down in a write log.
 */
#ifndef TESTS_POWERCUT_DISK_H
#define TESTS_POWERCUT_DISK_H

#include <sys/types.h>

#include "base/err.h"

#define DISK_BYTES (32 << 20)

/* What is missing to do this here; NULL: nothing. A program of disk_missing_program() can be installed, the rest cannot. */
const char *disk_missing(void);
const char *disk_missing_program(void);

/* A file system in a file: what lies below `tree`. */
int disk_make(const char *image, const char *tree, struct err *e) MUST_CHECK;

/* Waits for whoever just died to let go of it. */
int disk_unmount(const char *path, struct err *e) MUST_CHECK;

/* A file as a block device. */
struct disk_loop {
	int fd;                         /* -1: none */
	char path[64];                  /* /dev/loopN */
};

int disk_loop_attach(struct disk_loop *out, int file, struct err *e) MUST_CHECK;
void disk_loop_detach(struct disk_loop *l);

/* A mounted disk whose writes are recorded. */
struct disk_recorder {
	char base[256];                 /* the disk as it was at first */
	char log[256];
	char mounted[160];              /* "": not mounted */
	char exported[256];             /* the FUSE file; "": none */
	pid_t daemon;
	struct disk_loop loop;
};

/* dir: a directory for its files; `tree` becomes the disk's first content, mounted at dir/disk. */
int disk_record(struct disk_recorder *r, const char *dir, const char *tree, struct err *e) MUST_CHECK;
/* Unmounts and ends the daemon: base and log are complete. May be repeated. */
void disk_record_end(struct disk_recorder *r);

#endif
