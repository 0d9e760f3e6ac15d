/*
 * syncs: stands between SQLite and the kernel, and writes down what was
 * written to the store, and what the kernel answered when it was to be synced.
 *
 *     SYNCS_LOG    the list, on another disk: records of ../syncs.h
 *     SYNCS_LIE    a file; while it is there, a sync is answered with success and not made
 */
#include "../syncs.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define FDS 4096

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Which file of the store it is; -1: none. SQLite opens with open64(), and nobody else here writes by pwrite64(). */
static signed char opened[FDS];         /* 0: none, else its number and one */

int open64(const char *path, int flags, ...)
{
	const char *name = strrchr(path, '/');
	va_list args;
	int mode, fd;

	va_start(args, flags);
	mode = va_arg(args, int);
	va_end(args);
	fd = NEXT(open64)(path, flags, mode);
	if (fd < 0 || fd >= FDS)
		return fd;
	opened[fd] = 0;
	for (int i = 0; name && i < SYNCS_FILES; i++)
		if (strcmp(name + 1, syncs_files[i]) == 0)
			opened[fd] = (signed char)(i + 1);
	return fd;
}

static int file_of(int fd)
{
	return fd >= 0 && fd < FDS ? opened[fd] - 1 : -1;
}

static int list(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = open(getenv("SYNCS_LOG"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		abort();
	return fd;
}

static void note(struct syncs_record r, const void *bytes)
{
	struct iovec parts[] = { { &r, sizeof r }, { (void *)bytes, r.kind == SYNCS_WRITE ? (size_t)r.count : 0 } };
	int fd = list(), before = errno;
	ssize_t all = (ssize_t)(parts[0].iov_len + parts[1].iov_len);

	if (writev(fd, parts, 2) != all)
		abort();
	errno = before;
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at)
{
	int file = file_of(fd);
	ssize_t got;

	if (file < 0)
		return NEXT(pwrite64)(fd, bytes, count, at);
	pthread_mutex_lock(&lock);
	got = NEXT(pwrite64)(fd, bytes, count, at);
	if (got > 0)
		note((struct syncs_record){ .kind = SYNCS_WRITE, .file = file, .at = at, .count = got }, bytes);
	pthread_mutex_unlock(&lock);
	return got;
}

int ftruncate64(int fd, off64_t size)
{
	int file = file_of(fd), got;

	if (file < 0)
		return NEXT(ftruncate64)(fd, size);
	pthread_mutex_lock(&lock);
	got = NEXT(ftruncate64)(fd, size);
	if (got == 0)
		note((struct syncs_record){ .kind = SYNCS_CUT, .file = file, .at = size }, NULL);
	pthread_mutex_unlock(&lock);
	return got;
}

int fdatasync(int fd)
{
	const char *lie = getenv("SYNCS_LIE");
	int file = file_of(fd), got;
	off_t began;

	if (file < 0)
		return NEXT(fdatasync)(fd);
	pthread_mutex_lock(&lock);
	began = lseek(list(), 0, SEEK_END);     /* what is written from here on is not in it */
	pthread_mutex_unlock(&lock);
	got = lie && access(lie, F_OK) == 0 ? 0 : NEXT(fdatasync)(fd);
	pthread_mutex_lock(&lock);
	note((struct syncs_record){ .kind = SYNCS_SYNC, .file = file, .at = began, .count = got < 0 ? errno : 0 }, NULL);
	pthread_mutex_unlock(&lock);
	return got;
}
