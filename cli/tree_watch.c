/* tree_watch: inotify over a tree. */
#include "cli/tree_watch.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/file.h"

#define QUIET_MS 100

struct tree_watch {
	int fd;
	const char *dir;        /* while it is being built */
};

static int watch_one(struct tree_watch *w, const char *path, struct err *e)
{
	const uint32_t changes = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF;

	return inotify_add_watch(w->fd, path, changes | IN_ONLYDIR) < 0 ? err_errno(e, "%s: watch", path) : 0;
}

static int visit(const char *rel, bool is_dir, void *arg, struct err *e)
{
	struct tree_watch *w = arg;
	AUTO_FREE char *path = is_dir ? file_join(w->dir, rel) : NULL;

	if (!is_dir)
		return 0;
	if (!path)
		return err_memory(e);
	if (watch_one(w, path, e) == 0 || e->code == ERR_NOT_FOUND)     /* gone already */
		return 0;
	return e->code;
}

int tree_watch_new(struct tree_watch **out, const char *dir, struct err *e)
{
	AUTO(tree_watch) struct tree_watch *w = calloc(1, sizeof *w);

	if (!w)
		return err_memory(e);
	w->dir = dir;
	w->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (w->fd < 0)
		return err_errno(e, "inotify");
	if (watch_one(w, dir, e) < 0 || file_walk(dir, visit, w, e) < 0)
		return e->code;
	*out = TAKE(w);
	return 0;
}

void tree_watch_free(struct tree_watch *w)
{
	if (!w)
		return;
	fd_freep(&w->fd);
	free(w);
}

int tree_watch_wait(struct tree_watch *w, struct err *e)
{
	struct pollfd p = { .fd = w->fd, .events = POLLIN };
	char events[4096] __attribute__((aligned(8)));
	int limit = -1;

	for (;;) {
		int n = poll(&p, 1, limit);

		if (n < 0 && errno != EINTR)
			return err_errno(e, "inotify: poll");
		if (n == 0)
			return 0;
		if (n < 0)
			continue;
		if (read(w->fd, events, sizeof events) < 0 && errno != EAGAIN)
			return err_errno(e, "inotify: read");
		limit = QUIET_MS;
	}
}
