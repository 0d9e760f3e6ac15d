/* home: paths, directories and the lock. */
#include "agent/home.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/number.h"

int home_pathf(char out[HOME_PATH_MAX], struct err *e, const char *root, const char *fmt, ...)
{
	size_t at = strlen(root);
	va_list args;
	int n;

	if (at >= HOME_PATH_MAX)
		return err_set(e, ERR_LIMIT, "the root directory's path is too long");
	memcpy(out, root, at);
	va_start(args, fmt);
	n = vsnprintf(out + at, HOME_PATH_MAX - at, fmt, args);
	va_end(args);
	if (n < 0 || (size_t)n >= HOME_PATH_MAX - at)
		return err_set(e, ERR_LIMIT, "%s: path too long", root);
	return 0;
}

int home_path(char out[HOME_PATH_MAX], const char *root, const char *path, struct err *e)
{
	return home_pathf(out, e, root, "%s", path);
}

int home_make(const char *root, const char *path, bool secret, struct err *e)
{
	char full[HOME_PATH_MAX];

	if (home_path(full, root, path, e) < 0)
		return e->code;
	return file_mkdirs(full, secret ? 0700 : 0755, e);
}

int home_open(const char *root, const char *path, struct err *e)
{
	char full[HOME_PATH_MAX];
	int fd;

	if (home_path(full, root, path, e) < 0)
		return e->code;
	fd = open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 ? fd : err_errno(e, "directory %s", full);
}

int home_make_channel(const char *root, const char *channel, struct err *e)
{
	static const char *const below[] = { "slots", "quarantine.d", "incoming", "drop.d" };
	char path[HOME_PATH_MAX];

	for (size_t i = 0; i < ARRAY_LEN(below); i++) {
		if (home_pathf(path, e, "", HOME_CHANNELS "/%s/%s", channel, below[i]) < 0 ||
		    home_make(root, path, false, e) < 0)
			return e->code;
	}
	if (home_pathf(path, e, "", HOME_RUN "/%s", channel) < 0)
		return e->code;
	return home_make(root, path, false, e);
}

static int holder(int fd)
{
	char text[32] = { 0 };
	int64_t pid;
	ssize_t n = pread(fd, text, sizeof text - 1, 0);

	if (n <= 0)
		return 0;
	text[strcspn(text, "\n")] = 0;
	return number_parse(&pid, text) && pid > 0 && pid < INT32_MAX ? (int)pid : 0;
}

static int take_lock(int fd, const char *path, int *pid, struct err *e)
{
	char text[32];

	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return err_errno(e, "lock %s", path);
		if (pid)
			*pid = holder(fd);
		return err_set(e, ERR_CONFLICT, "lock %s: an agent is running", path);
	}
	snprintf(text, sizeof text, "%d\n", (int)getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, strlen(text), 0) < 0)
		return err_errno(e, "lock %s", path);
	if (pid)
		*pid = (int)getpid();
	return 0;
}

int home_lock(const char *root, int *pid, struct err *e)
{
	char path[HOME_PATH_MAX];
	int fd;

	if (home_make(root, HOME_RUN, false, e) < 0 || home_path(path, root, HOME_RUN "/agent.lock", e) < 0)
		return e->code;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return err_errno(e, "lock %s", path);
	if (take_lock(fd, path, pid, e) == 0)
		return fd;
	close(fd);
	return e->code;
}
