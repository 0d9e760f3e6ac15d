/* canary_confine: what content/sandbox.h offers, with the limits and paths of a try. */
#include "content/canary_confine.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "content/canary.h"
#include "content/sandbox.h"

#define FILES_OPEN 64
#define PROCESSES 64                    /* of an exec check */

static bool limits(const struct confine *c)
{
	const struct { int what; rlim_t most; } rows[] = {
		{ RLIMIT_CPU, (rlim_t)c->cpu_s }, { RLIMIT_FSIZE, 0 },   { RLIMIT_CORE, 0 },
		{ RLIMIT_NOFILE, FILES_OPEN },    { RLIMIT_MEMLOCK, 0 }, { RLIMIT_MSGQUEUE, 0 },
		{ RLIMIT_NPROC, c->commands ? PROCESSES : 0 },
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

static bool landlock(const struct confine *c)
{
	struct sandbox_path paths[CONFINE_READABLE_MAX + 1];
	AUTO_FD int root = c->commands ? open("/", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	size_t n = 0;

	if (c->readable_count > CONFINE_READABLE_MAX || (c->commands && root < 0))
		return false;
	for (size_t i = 0; i < c->readable_count; i++)
		paths[n++] = (struct sandbox_path){ c->readable[i], SANDBOX_READ };
	if (c->commands)
		paths[n++] = (struct sandbox_path){ root, SANDBOX_READ | SANDBOX_EXECUTE };
	return sandbox_landlock(paths, n, false);
}

int canary_confine(const struct confine *c, uint32_t *mask, uint32_t *abi, struct err *e)
{
	static const uint64_t unparsed = (uint64_t)4 << 30;     /* until the budget is known */
	static const struct sandbox_filter reading = { .also = NULL };

	*mask = 0;
	*abi = sandbox_landlock_abi();
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
	if (landlock(c))
		*mask |= CANARY_LANDLOCK;
	if (c->commands ? sandbox_filter_commands() : sandbox_filter(&reading))
		*mask |= CANARY_SECCOMP;
	return 0;
}
