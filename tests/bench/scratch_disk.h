/*
 * scratch_disk: a new ext4 with a journal, in a file on a loop device, mounted
 * where only this process sees it: it goes when the process does.
 */
#ifndef TESTS_BENCH_SCRATCH_DISK_H
#define TESTS_BENCH_SCRATCH_DISK_H

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/proc.h"

struct scratch_disk {
	char dir[64];                   /* holds the image */
	char at[96];                    /* where it is mounted; "": not */
};

/* What is missing to do this here; NULL: nothing. */
static inline const char *scratch_disk_missing(void)
{
	if (geteuid() != 0)
		return "root";
	if (access("/dev/loop-control", R_OK | W_OK) < 0)
		return "loop devices (/dev/loop-control)";
	return access("/sbin/mke2fs", X_OK) < 0 ? "mke2fs (e2fsprogs)" : NULL;
}

static inline int scratch_run(char *const *argv, struct err *e)
{
	const struct proc_run how = { .path = argv[0], .argv = argv, .stdin_fd = -1, .timeout_ms = 120000, .output_max = 4096 };
	struct proc_result got = { 0 };
	int rc = 0;

	if (proc_run(&how, &got, e) < 0)
		return e->code;
	if (got.exit_status != 0)
		rc = err_set(e, ERR_IO, "%s: %.300s", argv[0], got.output && got.output->data ? got.output->data : "");
	proc_result_release(&got);
	return rc;
}

static inline int scratch_disk_open(struct scratch_disk *d, off_t bytes, struct err *e)
{
	char image[96];
	char *make[] = { (char *)"/sbin/mke2fs", (char *)"-q", (char *)"-t", (char *)"ext4", (char *)"-b", (char *)"4096", (char *)"-E",
			 (char *)"lazy_itable_init=0,lazy_journal_init=0", image, NULL };
	char *attach[] = { (char *)"/bin/mount", (char *)"-o", (char *)"loop", image, d->at, NULL };

	memset(d, 0, sizeof *d);
	snprintf(d->dir, sizeof d->dir, "/var/tmp/ringhold-bench.XXXXXX");
	if (!mkdtemp(d->dir))
		return err_errno(e, "%s", d->dir);
	snprintf(image, sizeof image, "%s/image", d->dir);
	AUTO_FD int fd = open(image, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || posix_fallocate(fd, 0, bytes) != 0)
		return err_errno(e, "%s", image);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_errno(e, "a mount namespace");
	if (scratch_run(make, e) < 0)
		return e->code;
	snprintf(d->at, sizeof d->at, "%s/disk", d->dir);
	if (mkdir(d->at, 0755) < 0)
		return err_errno(e, "%s", d->at);
	return scratch_run(attach, e);
}

static inline void scratch_disk_close(struct scratch_disk *d)
{
	struct err ignored;

	if (*d->at)
		umount2(d->at, MNT_DETACH);
	if (*d->dir)
		(void)!file_remove_tree(d->dir, &ignored);
}

static inline double scratch_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static inline int scratch_by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static inline double scratch_median(double *values, size_t count)
{
	qsort(values, count, sizeof *values, scratch_by_size);
	return values[count / 2];
}

#endif
