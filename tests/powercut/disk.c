/* disk: mke2fs, loop devices and the recorder. */
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/proc.h"

#define DAEMON "/usr/bin/qemu-storage-daemon"
#define MKE2FS "/sbin/mke2fs"
#define EXPORT_MS 30000
#define BUSY_MS 30000                   /* the children of a killed agent see it and end */
#define LOOP_TRIES 100                  /* somebody else takes the free one before us */

const char *disk_missing_program(void)
{
	if (access(DAEMON, X_OK) < 0)
		return "qemu-storage-daemon (qemu-system-common)";
	return access(MKE2FS, X_OK) < 0 ? "mke2fs (e2fsprogs)" : NULL;
}

const char *disk_missing(void)
{
	if (geteuid() != 0)
		return "root";
	if (access("/dev/fuse", R_OK | W_OK) < 0)
		return "FUSE (/dev/fuse)";
	return access("/dev/loop-control", R_OK | W_OK) < 0 ? "loop devices (/dev/loop-control)" : NULL;
}

static int run(char *const *argv, struct err *e)
{
	struct proc_run how = { .path = argv[0], .argv = argv, .stdin_fd = -1, .timeout_ms = 60000, .output_max = 4096 };
	struct proc_result got = { 0 };
	int rc = 0;

	if (proc_run(&how, &got, e) < 0)
		return e->code;
	if (got.exit_status != 0)
		rc = err_set(e, ERR_IO, "%s: %.200s", argv[0], got.output && got.output->data ? got.output->data : "");
	proc_result_release(&got);
	return rc;
}

/* As a machine would have it: a journal, blocks of 4096 bytes, and nothing left to be done later. */
int disk_make(const char *image, const char *tree, struct err *e)
{
	char *argv[] = { (char *)MKE2FS, (char *)"-q", (char *)"-t", (char *)"ext4", (char *)"-b", (char *)"4096", (char *)"-J", (char *)"size=4",
			 (char *)"-E", (char *)"lazy_itable_init=0,lazy_journal_init=0", (char *)"-d", (char *)tree, (char *)image, NULL };
	AUTO_FD int fd = open(image, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, DISK_BYTES) < 0)
		return err_errno(e, "%s", image);
	return run(argv, e);
}

int disk_unmount(const char *path, struct err *e)
{
	int64_t until = clock_work_ms() + BUSY_MS;

	while (umount(path) < 0) {
		if (errno != EBUSY || clock_work_ms() > until)
			return err_errno(e, "unmount %s", path);
		poll(NULL, 0, 10);
	}
	return 0;
}

/* ---- loop devices ---- */

static int try_attach(struct disk_loop *out, int control, int file)
{
	struct loop_config how = { .fd = (uint32_t)file, .block_size = 512, .info.lo_flags = LO_FLAGS_AUTOCLEAR };
	int number = ioctl(control, LOOP_CTL_GET_FREE);

	if (number < 0)
		return -1;
	snprintf(out->path, sizeof out->path, "/dev/loop%d", number);
	out->fd = open(out->path, O_RDWR | O_CLOEXEC);
	if (out->fd < 0)
		return -1;
	if (ioctl(out->fd, LOOP_CONFIGURE, &how) == 0)
		return 0;
	fd_freep(&out->fd);
	out->fd = -1;
	return -1;
}

int disk_loop_attach(struct disk_loop *out, int file, struct err *e)
{
	AUTO_FD int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);

	*out = (struct disk_loop){ .fd = -1 };
	if (control < 0)
		return err_errno(e, "/dev/loop-control");
	for (int i = 0; i < LOOP_TRIES; i++) {
		if (try_attach(out, control, file) == 0)
			return 0;
		if (errno != EBUSY)
			break;
	}
	return err_errno(e, "loop device %s", out->path);
}

/* Autoclear: it is free once the last descriptor and the last mount are gone. */
void disk_loop_detach(struct disk_loop *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}

/* ---- the recorder ---- */

static int start_daemon(struct disk_recorder *r, const char *image, struct err *e)
{
	char disk[400], log[400], export[400];

	snprintf(disk, sizeof disk, "driver=file,node-name=disk,filename=%s", image);
	snprintf(log, sizeof log, "driver=file,node-name=log,filename=%s", r->log);
	snprintf(export, sizeof export, "type=fuse,id=export,node-name=recorded,writable=on,allow-other=off,mountpoint=%s", r->exported);
	r->daemon = fork();
	if (r->daemon < 0)
		return err_errno(e, "start " DAEMON);
	if (r->daemon == 0) {
		execl(DAEMON, DAEMON, "--blockdev", disk, "--blockdev", log, "--blockdev",
		      "driver=blklogwrites,node-name=recorded,file=disk,log=log,log-sector-size=512", "--export", export, (char *)NULL);
		_exit(127);
	}
	return 0;
}

/* The export is there when the file has become the disk's size. */
static int wait_exported(const struct disk_recorder *r, struct err *e)
{
	int64_t until = clock_work_ms() + EXPORT_MS;
	struct stat st;

	while (stat(r->exported, &st) < 0 || st.st_size != DISK_BYTES) {
		if (waitpid(r->daemon, NULL, WNOHANG) != 0)
			return err_set(e, ERR_IO, DAEMON ": it ended");
		if (clock_work_ms() > until)
			return err_set(e, ERR_TIMEOUT, DAEMON ": no export after %d ms", EXPORT_MS);
		poll(NULL, 0, 10);
	}
	return 0;
}

static int make_files(struct disk_recorder *r, const char *dir, const char *tree, char image[256], struct err *e)
{
	char *copy[] = { (char *)"/bin/cp", r->base, image, NULL };

	snprintf(r->base, sizeof r->base, "%.200s/base.img", dir);
	snprintf(r->log, sizeof r->log, "%.200s/write.log", dir);
	snprintf(r->exported, sizeof r->exported, "%.200s/exported.img", dir);
	snprintf(image, 256, "%.200s/disk.img", dir);
	if (disk_make(r->base, tree, e) < 0 || run(copy, e) < 0 || file_replace(r->log, "", 0, 0600, e) < 0)
		return e->code;
	return file_replace(r->exported, "", 0, 0600, e);
}

static int mount_exported(struct disk_recorder *r, const char *dir, struct err *e)
{
	AUTO_FD int file = open(r->exported, O_RDWR | O_CLOEXEC);
	char at[sizeof r->mounted];

	if (file < 0)
		return err_errno(e, "%s", r->exported);
	if (disk_loop_attach(&r->loop, file, e) < 0)
		return e->code;
	snprintf(at, sizeof at, "%.140s/disk", dir);
	if (file_mkdirs(at, 0755, e) < 0)
		return e->code;
	if (mount(r->loop.path, at, "ext4", 0, NULL) < 0)
		return err_errno(e, "mount %s", r->loop.path);
	memcpy(r->mounted, at, sizeof r->mounted);
	return 0;
}

int disk_record(struct disk_recorder *r, const char *dir, const char *tree, struct err *e)
{
	char image[256];

	memset(r, 0, sizeof *r);
	r->loop.fd = -1;
	if (make_files(r, dir, tree, image, e) < 0 || start_daemon(r, image, e) < 0 || wait_exported(r, e) < 0 || mount_exported(r, dir, e) < 0) {
		disk_record_end(r);
		return e->code;
	}
	return 0;
}

void disk_record_end(struct disk_recorder *r)
{
	struct err ignored;

	if (*r->mounted && disk_unmount(r->mounted, &ignored) < 0)
		umount2(r->mounted, MNT_DETACH);
	if (r->loop.fd > 0)
		disk_loop_detach(&r->loop);
	if (r->daemon > 0) {
		kill(r->daemon, SIGTERM);
		while (waitpid(r->daemon, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (*r->exported)
		umount2(r->exported, MNT_DETACH);
	r->daemon = 0;
	*r->mounted = *r->exported = 0;
}
