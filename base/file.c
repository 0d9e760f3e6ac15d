/* file: whole files, durable replacement, small directory work. */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_CHUNK ((size_t)64 * 1024)
#define DEPTH_MAX 64

char *file_join(const char *dir, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", dir, name) < 0 ? NULL : path;
}

int file_read_fd(struct buf **out, int fd, size_t max, struct err *e)
{
	AUTO(buf) struct buf *b = buf_new(max);

	if (!b)
		return err_memory(e);
	for (;;) {
		char over = 0;
		size_t room = MIN(READ_CHUNK, max - b->len);
		void *at = room ? buf_grow(b, room) : &over;
		ssize_t n;

		if (!at)
			return err_memory(e);
		n = read(fd, at, room ? room : 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, "read");
		if (n == 0)
			break;
		if (!room)
			return err_set(e, ERR_LIMIT, "larger than %zu bytes", max);
		b->len += (size_t)n;
		b->data[b->len] = '\0';
	}
	if (!buf_grow(b, 0))
		return err_memory(e);
	*out = TAKE(b);
	return 0;
}

/* Who may meddle with what st describes, be it a path or an open file. */
static int check_private(const struct stat *st, const char *path, bool secret, struct err *e)
{
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return err_set(e, ERR_REFUSED, "%s: owned by user %u, not by root or us", path,
			       (unsigned)st->st_uid);
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return err_set(e, ERR_REFUSED, "%s: mode %04o lets others write it", path,
			       (unsigned)st->st_mode & 07777);
	if (secret && (st->st_mode & (S_IRWXG | S_IRWXO)))
		return err_set(e, ERR_REFUSED, "%s: mode %04o lets others read it; chmod 600", path,
			       (unsigned)st->st_mode & 07777);
	return 0;
}

int file_check_private(const char *path, bool secret, struct err *e)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_errno(e, "%s: stat", path);
	return check_private(&st, path, secret, e);
}

static int read_regular(struct buf **out, int fd, const char *path, size_t max, bool secret, struct err *e)
{
	struct stat st;

	if (fd < 0)
		return err_errno(e, "%s: open", path);
	if (fstat(fd, &st) < 0)
		return err_errno(e, "%s: stat", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_FORMAT, "%s: not a regular file", path);
	if (secret && check_private(&st, path, true, e) < 0)
		return e->code;
	return file_read_fd(out, fd, max, e) < 0 ? err_wrap(e, "%s", path) : 0;
}

int file_readat(struct buf **out, int dir, const char *path, size_t max, struct err *e)
{
	AUTO_FD int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	return read_regular(out, fd, path, max, false, e);
}

int file_read(struct buf **out, const char *path, size_t max, struct err *e)
{
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	return read_regular(out, fd, path, max, false, e);
}

int file_read_secret(struct buf **out, const char *path, size_t max, struct err *e)
{
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	return read_regular(out, fd, path, max, true, e);
}

int file_write_all(int fd, const void *bytes, size_t len, struct err *e)
{
	const char *at = bytes;

	while (len) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, "write");
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

static int write_new(int dir, const char *name, const void *bytes, size_t len, mode_t mode,
		     struct err *e)
{
	AUTO_FD int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
				mode);

	if (fd < 0)
		return err_errno(e, "create");
	if (file_write_all(fd, bytes, len, e) < 0)
		return e->code;
	if (fchmod(fd, mode) < 0)
		return err_errno(e, "chmod");
	if (fsync(fd) < 0)
		return err_errno(e, "fsync");
	return 0;
}

static int put(int dir, const char *name, const char *temp, const void *bytes, size_t len, mode_t mode, unsigned flags, struct err *e)
{
	if (write_new(dir, temp, bytes, len, mode, e) < 0) {
		unlinkat(dir, temp, 0);
		return err_wrap(e, "%s", name);
	}
	if (renameat2(dir, temp, dir, name, flags) < 0) {
		int code = errno == EEXIST ? err_set(e, ERR_CONFLICT, "%s: exists already", name) : err_errno(e, "%s: rename", name);

		unlinkat(dir, temp, 0);
		return code;
	}
	if (fsync(dir) < 0)
		return err_errno(e, "%s: fsync of its directory", name);
	return 0;
}

int file_replaceat(int dir, const char *name, const void *bytes, size_t len, mode_t mode,
		   struct err *e)
{
	char temp[NAME_MAX + 1];

	/* One writer per directory is the rule here; what a killed one left is ours to remove. */
	if (snprintf(temp, sizeof temp, ".%s.new", name) >= (int)sizeof temp)
		return err_set(e, ERR_LIMIT, "%s: name too long", name);
	if (unlinkat(dir, temp, 0) < 0 && errno != ENOENT)
		return err_errno(e, "%s: remove the old temporary file", name);
	return put(dir, name, temp, bytes, len, mode, 0, e);
}

/* Several may want to be the first: each has a temporary name of its own. */
static int createat(int dir, const char *name, const void *bytes, size_t len, mode_t mode, struct err *e)
{
	char temp[NAME_MAX + 1];

	if (snprintf(temp, sizeof temp, ".%s.%d.new", name, (int)getpid()) >= (int)sizeof temp)
		return err_set(e, ERR_LIMIT, "%s: name too long", name);
	return put(dir, name, temp, bytes, len, mode, RENAME_NOREPLACE, e);
}

static int beneath_parent(int (*write)(int, const char *, const void *, size_t, mode_t, struct err *), const char *path, const void *bytes,
			  size_t len, mode_t mode, struct err *e)
{
	const char *slash = strrchr(path, '/');
	AUTO_FREE char *parent = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path))
				       : strdup(".");
	AUTO_FD int dir = -1;

	if (!parent)
		return err_memory(e);
	dir = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_errno(e, "%s: open", parent);
	if (write(dir, slash ? slash + 1 : path, bytes, len, mode, e) < 0)
		return err_wrap(e, "%s", parent);
	return 0;
}

int file_replace(const char *path, const void *bytes, size_t len, mode_t mode, struct err *e)
{
	return beneath_parent(file_replaceat, path, bytes, len, mode, e);
}

int file_create(const char *path, const void *bytes, size_t len, mode_t mode, struct err *e)
{
	return beneath_parent(createat, path, bytes, len, mode, e);
}

int file_sync_dir(const char *path, struct err *e)
{
	AUTO_FD int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_errno(e, "%s: open", path);
	if (fsync(fd) < 0)
		return err_errno(e, "%s: fsync", path);
	return 0;
}

/* The directory at path, new or not; a new one is durable as soon as its parent is synced. */
static int make_dir(char *path, mode_t mode, struct err *e)
{
	char *slash = strrchr(path, '/');
	struct stat st;
	int code;

	if (mkdir(path, mode) < 0) {
		if (errno != EEXIST)
			return err_errno(e, "%s: mkdir", path);
		if (stat(path, &st) < 0)
			return err_errno(e, "%s: stat", path);
		return S_ISDIR(st.st_mode) ? 0 : err_set(e, ERR_IO, "%s: mkdir: %s", path, strerror(ENOTDIR));
	}
	if (!slash || slash == path)
		return file_sync_dir(slash ? "/" : ".", e);
	*slash = '\0';
	code = file_sync_dir(path, e);
	*slash = '/';
	return code;
}

int file_mkdirs(const char *path, mode_t mode, struct err *e)
{
	AUTO_FREE char *copy = strdup(path);

	if (!copy)
		return err_memory(e);
	for (char *at = copy + 1; at[-1]; at++) {
		char c = *at;

		if ((c != '/' && c != '\0') || at[-1] == '/')
			continue;
		*at = '\0';
		if (make_dir(copy, mode, e) < 0)
			return e->code;
		*at = c;
		if (c == '\0')
			break;
	}
	return 0;
}

static int remove_beneath(int parent, const char *name, int depth, struct err *e)
{
	struct dirent *entry;
	DIR *dir;
	int fd;

	if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return err_errno(e, "%s: unlink", name);
	if (depth == DEPTH_MAX)
		return err_set(e, ERR_LIMIT, "%s: more than %d directories deep", name, DEPTH_MAX);
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_errno(e, "%s: open", name);
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return err_memory(e);
	}
	while ((entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (remove_beneath(fd, entry->d_name, depth + 1, e) < 0) {
			closedir(dir);
			return err_wrap(e, "%s", name);
		}
	}
	closedir(dir);
	if (unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_errno(e, "%s: rmdir", name);
	return 0;
}

int file_remove_tree(const char *path, struct err *e)
{
	return remove_beneath(AT_FDCWD, path, 0, e);
}

int file_remove_treeat(int dir, const char *name, struct err *e)
{
	return remove_beneath(dir, name, 0, e);
}

bool file_exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}
