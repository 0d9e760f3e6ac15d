/* file_walk: everything beneath a directory, in byte order. */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 64

struct walk {
	file_visit *visit;
	void *arg;
	bool live;      /* others change it meanwhile */
};

static int skip_dots(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int walk_dir(const struct walk *w, int fd, const char *rel, int depth, struct err *e);

/* What its directory named a moment ago. */
static int gone(const struct walk *w, const char *path, const char *call, struct err *e)
{
	return w->live && errno == ENOENT ? 0 : err_errno(e, "%s: %s", path, call);
}

static int walk_entry(const struct walk *w, int fd, const char *rel, const char *name, int depth,
		      struct err *e)
{
	AUTO_FREE char *path = *rel ? file_join(rel, name) : strdup(name);
	struct stat st;
	int got;

	if (!path)
		return err_memory(e);
	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return gone(w, path, "stat", e);
	if (S_ISREG(st.st_mode))
		return w->visit(path, false, w->arg, e);
	if (S_ISLNK(st.st_mode))
		return err_set(e, ERR_REFUSED, "%s: a symbolic link: what it points to is not followed; put the file itself here, or the link elsewhere", path);
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ERR_REFUSED, "%s: neither a regular file nor a directory", path);
	if (depth == DEPTH_MAX)
		return err_set(e, ERR_LIMIT, "%s: more than %d directories deep", path, DEPTH_MAX);
	got = w->visit(path, true, w->arg, e);
	if (got < 0 || (w->live && got == FILE_WALK_PAST))
		return got;

	AUTO_FD int sub = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (sub < 0)
		return gone(w, path, "open", e);
	return walk_dir(w, sub, path, depth + 1, e);
}

static int walk_dir(const struct walk *w, int fd, const char *rel, int depth, struct err *e)
{
	struct dirent **entries;
	int code = 0;
	int count = scandirat(fd, ".", &entries, skip_dots, by_bytes);

	if (count < 0)
		return err_errno(e, "%s: read the directory", *rel ? rel : ".");
	for (int i = 0; i < count; i++) {
		if (code >= 0)
			code = walk_entry(w, fd, rel, entries[i]->d_name, depth, e);
		free(entries[i]);
	}
	free(entries);
	return code < 0 ? code : 0;
}

int file_walkat(int dir, file_visit *visit, void *arg, struct err *e)
{
	const struct walk w = { .visit = visit, .arg = arg };

	return walk_dir(&w, dir, "", 0, e);
}

static int walk_root(const struct walk *w, const char *root, struct err *e)
{
	AUTO_FD int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_errno(e, "%s: open", root);
	if (walk_dir(w, fd, "", 0, e) < 0)
		return err_wrap(e, "%s", root);
	return 0;
}

int file_walk(const char *root, file_visit *visit, void *arg, struct err *e)
{
	return walk_root(&(const struct walk){ .visit = visit, .arg = arg }, root, e);
}

int file_walk_live(const char *root, file_visit *visit, void *arg, struct err *e)
{
	return walk_root(&(const struct walk){ .visit = visit, .arg = arg, .live = true }, root, e);
}
