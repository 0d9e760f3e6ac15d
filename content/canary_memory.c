/* canary_memory: one pass over /proc, then up from each process to its ancestors. */
#include "content/canary_memory.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"

#define DEPTH_MAX 64

struct task {
	int pid, parent;
	uint64_t pages;
};

/* "pid (any name) S ppid ...": the name may hold blanks and brackets. */
static int read_task(struct task *t, int proc, const char *name)
{
	char path[300], text[1024], *after;
	unsigned long long rss;
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "%s/stat", name);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof text - 1);
	close(fd);
	text[n < 0 ? 0 : n] = '\0';
	after = strrchr(text, ')');
	t->pid = atoi(name);
	if (!after || sscanf(after, ") %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %*u %*u %llu",
			     &t->parent, &rss) != 2)
		return 0;
	t->pages = rss;
	return 1;
}

static int by_pid(const void *a, const void *b)
{
	return ((const struct task *)a)->pid - ((const struct task *)b)->pid;
}

static int is_below(const struct task *t, const struct task *all, size_t count, int self)
{
	struct task key = { .pid = t->parent };

	for (int depth = 0; depth < DEPTH_MAX; depth++) {
		const struct task *up;

		if (key.pid == self)
			return 1;
		up = bsearch(&key, all, count, sizeof *all, by_pid);
		if (!up)
			return 0;
		key.pid = up->parent;
	}
	return 0;
}

/* Our own number as /proc has it, which a process namespace may hide from us. */
static int own_pid(int proc)
{
	char text[32];
	ssize_t n = readlinkat(proc, "self", text, sizeof text - 1);

	text[n < 0 ? 0 : n] = '\0';
	return atoi(text);
}

static uint64_t add_up(DIR *dir)
{
	AUTO(buf) struct buf *all = buf_new(0);
	const struct task *tasks;
	struct dirent *d;
	uint64_t pages = 0;
	size_t count;
	int self;

	while (all && (d = readdir(dir))) {
		struct task t = { 0 };

		if (d->d_name[0] >= '0' && d->d_name[0] <= '9' && read_task(&t, dirfd(dir), d->d_name))
			buf_add(all, &t, sizeof t);
	}
	if (!all || !all->data || all->failed)
		return 0;
	count = all->len / sizeof(struct task);
	qsort(all->data, count, sizeof(struct task), by_pid);
	tasks = (const struct task *)(const void *)all->data;
	self = own_pid(dirfd(dir));
	for (size_t i = 0; i < count; i++)
		pages += is_below(&tasks[i], tasks, count, self) ? tasks[i].pages : 0;
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t canary_memory_below(void)
{
	DIR *dir = opendir("/proc");
	uint64_t bytes = dir ? add_up(dir) : 0;

	if (dir)
		closedir(dir);
	return bytes;
}
