/* canary_confine: limits, capabilities, Landlock, in that order; the system call filter is in canary_filter.c. */
#include "content/canary_confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "content/canary.h"
#include "content/canary_filter.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#define FILES_OPEN 64
#define PROCESSES 64                    /* of an exec check */

/* ---- limits ---- */

static bool limit(int what, rlim_t most)
{
	struct rlimit now, want;

	if (getrlimit(what, &now) < 0)
		return false;
	want.rlim_max = MIN(now.rlim_max, most);
	want.rlim_cur = want.rlim_max;
	return setrlimit(what, &want) == 0;
}

static bool limits(const struct confine *c)
{
	const struct { int what; rlim_t most; } rows[] = {
		{ RLIMIT_CPU, (rlim_t)c->cpu_s }, { RLIMIT_FSIZE, 0 },   { RLIMIT_CORE, 0 },
		{ RLIMIT_NOFILE, FILES_OPEN },    { RLIMIT_MEMLOCK, 0 }, { RLIMIT_MSGQUEUE, 0 },
		{ RLIMIT_NPROC, c->commands ? PROCESSES : 0 },
	};
	bool ok = true;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		ok = limit((int)rows[i].what, rows[i].most) && ok;
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

	if (SANITIZED)
		return false;           /* their shadow memory is terabytes */
	if (!before)
		before = space_used();
	return limit(RLIMIT_AS, (rlim_t)(before + more));
}

/* ---- identity ---- */

static int become(const struct confine *c, struct err *e)
{
	if (!c->uid || geteuid() != 0)
		return 0;
	if (setgroups(0, NULL) < 0 || setresgid(c->gid, c->gid, c->gid) < 0 || setresuid(c->uid, c->uid, c->uid) < 0)
		return err_errno(e, "canary: cannot become uid %u", (unsigned)c->uid);
	return 0;
}

static bool drop_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2];

	memset(none, 0, sizeof(none));
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return syscall(SYS_capset, &head, none) == 0;
}

/* ---- Landlock: the headers here may be older than the kernel, so its words are our own ---- */

struct landlock_ruleset {
	uint64_t fs, net, scoped;       /* net since ABI 4, scoped since ABI 6 */
};

struct landlock_beneath {
	uint64_t allowed;
	int32_t parent;
} __attribute__((packed));

#define LL_EXECUTE (1u << 0)
#define LL_READ_FILE (1u << 2)
#define LL_READ_DIR (1u << 3)
#define LL_VERSION 1u

static const struct {
	uint32_t abi;
	uint64_t fs;                    /* rights that this ABI knows */
	size_t size;                    /* of the ruleset it takes */
} landlock_abis[] = {
	{ 1, (1u << 13) - 1, 8 }, { 2, (1u << 14) - 1, 8 },  { 3, (1u << 15) - 1, 8 },
	{ 4, (1u << 15) - 1, 16 }, { 5, (1u << 16) - 1, 16 }, { 6, (1u << 16) - 1, 24 },
};

static bool allow(int ruleset, int dir, uint64_t rights)
{
	struct landlock_beneath b = { .allowed = rights, .parent = dir };

	return syscall(SYS_landlock_add_rule, ruleset, 1 /* beneath a path */, &b, 0) == 0;
}

static int landlock_rules(const struct confine *c, uint32_t abi)
{
	struct landlock_ruleset r = { .net = 3, .scoped = 3 };
	size_t row = MIN((size_t)abi, ARRAY_LEN(landlock_abis)) - 1;
	AUTO_FD int root = c->commands ? open("/", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	int fd;
	bool ok = true;

	r.fs = landlock_abis[row].fs;
	fd = (int)syscall(SYS_landlock_create_ruleset, &r, landlock_abis[row].size, 0);
	if (fd < 0)
		return -1;
	for (size_t i = 0; i < c->readable_count; i++)
		ok = allow(fd, c->readable[i], LL_READ_FILE | LL_READ_DIR) && ok;
	if (c->commands)
		ok = allow(fd, root, LL_READ_FILE | LL_READ_DIR | LL_EXECUTE) && ok;
	if (ok)
		return fd;
	close(fd);
	return -1;
}

static bool landlock(const struct confine *c, uint32_t *abi)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LL_VERSION);
	AUTO_FD int fd = -1;

	*abi = version > 0 ? (uint32_t)version : 0;
	if (!*abi)
		return false;
	fd = landlock_rules(c, *abi);
	return fd >= 0 && syscall(SYS_landlock_restrict_self, fd, 0) == 0;
}

int canary_confine(const struct confine *c, uint32_t *mask, uint32_t *abi, struct err *e)
{
	static const uint64_t unparsed = (uint64_t)4 << 30;     /* until the budget is known */

	*mask = 0;
	*abi = 0;
	(void)!unshare(CLONE_NEWNET | CLONE_NEWIPC);            /* where it may; the filter forbids sockets anyhow */
	if (canary_bound_memory(unparsed))
		*mask |= CANARY_RLIMIT_AS;
	if (limits(c))
		*mask |= CANARY_RLIMITS;
	if (become(c, e) < 0)
		return e->code;
	if (geteuid() != 0)
		*mask |= CANARY_UID;
	if (drop_capabilities())
		*mask |= CANARY_NO_CAPS;
	/* A change of identity takes both back, so they come after it. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
		*mask |= CANARY_NO_NEW_PRIVS;
	if (landlock(c, abi))
		*mask |= CANARY_LANDLOCK;
	if (canary_filter(c->commands))
		*mask |= CANARY_SECCOMP;
	return 0;
}
