/* canary_confine: what content/sandbox.h offers, with the limits and paths of a try. */
#include "content/canary_confine.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "content/canary.h"
#include "content/sandbox.h"

#define FILES_OPEN 64
#define FILES_OPEN_COMMANDS 256
#define FILE_SIZE_COMMANDS ((rlim_t)64 << 20)
#define CONFINE_MORE_MAX 64             /* commands and what they read, of the host's configuration */
#define PROCESSES 64                    /* of check commands, threads too, beside what their user runs already */

/* Processes and threads of a user, as the kernel counts them. */
static rlim_t tasks_of(uid_t uid)
{
	DIR *proc = opendir("/proc");
	struct dirent *d;
	rlim_t n = 0;

	while (proc && (d = readdir(proc))) {
		char path[300];
		struct stat st;

		if (d->d_name[0] < '0' || d->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/task", d->d_name);
		if (stat(path, &st) == 0 && st.st_uid == uid)
			n += st.st_nlink > 2 ? (rlim_t)st.st_nlink - 2 : 1;
	}
	if (proc)
		closedir(proc);
	return n;
}

static bool limits(const struct confine *c)
{
	uid_t who = c->uid && geteuid() == 0 ? c->uid : geteuid();
	const struct { int what; rlim_t most; } rows[] = {
		{ RLIMIT_CPU, (rlim_t)c->cpu_s },
		{ RLIMIT_FSIZE, c->commands ? FILE_SIZE_COMMANDS : 0 },
		{ RLIMIT_CORE, 0 },
		{ RLIMIT_NOFILE, c->commands ? FILES_OPEN_COMMANDS : FILES_OPEN },
		{ RLIMIT_MEMLOCK, 0 },
		{ RLIMIT_MSGQUEUE, 0 },
		{ RLIMIT_NPROC, c->commands ? tasks_of(who) + PROCESSES : 0 },
	};
	bool ok = true;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		ok = sandbox_limit((int)rows[i].what, rows[i].most) && ok;
	return ok;
}

/* Bytes of address space in use. */
static uint64_t space_used(void)
{
	AUTO_FD int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	unsigned long pages = 0;
	char text[64];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	text[MAX(n, 0)] = '\0';
	(void)!sscanf(text, "%lu", &pages);
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

bool canary_bound_memory(uint64_t more)
{
	static uint64_t before;         /* the first call is the one that may still read /proc */

	if (SANDBOX_SANITIZED)
		return false;
	if (!before)
		before = space_used();
	return sandbox_limit(RLIMIT_AS, (rlim_t)(before + more));
}

struct paths {
	struct sandbox_path of[CONFINE_READABLE_MAX + SANDBOX_COMMAND_PATHS_MAX + CONFINE_MORE_MAX];
	size_t count, borrowed;         /* the first are the caller's */
	bool full;
};

static void add(struct paths *p, const char *path, unsigned rights)
{
	int fd = open(path, O_PATH | O_CLOEXEC);

	if (fd < 0)
		return;
	if (p->count == ARRAY_LEN(p->of)) {
		p->full = true;
		close(fd);
		return;
	}
	p->of[p->count++] = (struct sandbox_path){ fd, rights };
}

static void add_for_commands(struct paths *p, const struct confine *c)
{
	struct sandbox_path system[SANDBOX_COMMAND_PATHS_MAX];
	size_t count = sandbox_command_paths(system);

	memcpy(p->of + p->count, system, count * sizeof(system[0]));
	p->count += count;
	for (const char *const *program = c->programs; program && *program; program++)
		add(p, *program, SANDBOX_READ | SANDBOX_EXECUTE);
	for (size_t i = 0; i < c->read_count; i++)
		add(p, c->reads[i], SANDBOX_READ | SANDBOX_EXECUTE);
}

/* Before the limits: they leave room for fewer descriptors. */
static void open_paths(struct paths *p, const struct confine *c)
{
	*p = (struct paths){ .full = c->readable_count + 1 > CONFINE_READABLE_MAX };
	for (size_t i = 0; i < c->readable_count && !p->full; i++)
		p->of[p->count++] = (struct sandbox_path){ c->readable[i], SANDBOX_READ };
	if (c->scratch >= 0 && !p->full)
		p->of[p->count++] = (struct sandbox_path){ c->scratch, SANDBOX_READ | SANDBOX_WRITE | SANDBOX_SPECIAL };
	p->borrowed = p->count;
	if (c->commands && !p->full)
		add_for_commands(p, c);
}

static void close_paths(struct paths *p)
{
	while (p->count > p->borrowed)
		close(p->of[--p->count].fd);
}

static int confine_with(const struct confine *c, const struct paths *paths, uint32_t *mask, struct err *e)
{
	static const uint64_t unparsed = (uint64_t)4 << 30;     /* until the budget is known */
	static const struct sandbox_filter reading = { .also = NULL };

	(void)!unshare(CLONE_NEWNET | CLONE_NEWIPC);            /* where it may; the filter forbids sockets anyhow */
	if (canary_bound_memory(unparsed))
		*mask |= CANARY_RLIMIT_AS;
	if (limits(c))
		*mask |= CANARY_RLIMITS;
	if (sandbox_become("canary", c->uid, c->gid, e) < 0)
		return e->code;
	if (geteuid() != 0)
		*mask |= CANARY_UID;
	if (sandbox_drop_capabilities())
		*mask |= CANARY_NO_CAPS;
	if (sandbox_seal())
		*mask |= CANARY_NO_NEW_PRIVS;
	if (!paths->full && sandbox_landlock(paths->of, paths->count, false))
		*mask |= CANARY_LANDLOCK;
	if (c->commands ? sandbox_filter_commands(false) : sandbox_filter(&reading))
		*mask |= CANARY_SECCOMP;
	return 0;
}

int canary_confine(const struct confine *c, uint32_t *mask, uint32_t *abi, struct err *e)
{
	struct paths paths;
	int rc;

	*mask = 0;
	*abi = sandbox_landlock_abi();
	open_paths(&paths, c);
	rc = confine_with(c, &paths, mask, e);
	close_paths(&paths);
	return rc;
}
