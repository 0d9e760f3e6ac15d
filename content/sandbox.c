/* sandbox: limits, identity, capabilities, Landlock; system call filters are in sandbox_filter.c, what programs of others need in sandbox_commands.c. */
#include "content/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/defs.h"
#include "base/file.h"

bool sandbox_limit(int what, rlim_t most)
{
	struct rlimit now, want;

	if (getrlimit(what, &now) < 0)
		return false;
	want.rlim_max = MIN(now.rlim_max, most);
	want.rlim_cur = want.rlim_max;
	return setrlimit(what, &want) == 0;
}

/* ---- identity ---- */

int sandbox_become(const char *who, uid_t uid, gid_t gid, struct err *e)
{
	if (!uid || geteuid() != 0)
		return 0;
	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return err_errno(e, "%s: cannot become uid %u", who, (unsigned)uid);
	return 0;
}

bool sandbox_empty_bounding_set(void)
{
	bool ok = true;

	for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1 && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			ok = false;
	return ok;
}

bool sandbox_drop_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2];

	memset(none, 0, sizeof(none));
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return syscall(SYS_capset, &head, none) == 0;
}

bool sandbox_seal(void)
{
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
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
#define LL_WRITE_FILE (1u << 1)
#define LL_READ_FILE (1u << 2)
#define LL_READ_DIR (1u << 3)
#define LL_REMOVE_DIR (1u << 4)
#define LL_REMOVE_FILE (1u << 5)
#define LL_MAKE_DIR (1u << 7)
#define LL_MAKE_REG (1u << 8)
#define LL_MAKE_SOCK (1u << 9)
#define LL_MAKE_FIFO (1u << 10)
#define LL_MAKE_SYM (1u << 12)
#define LL_REFER (1u << 13)
#define LL_TRUNCATE (1u << 14)
#define LL_OF_FILES (LL_EXECUTE | LL_WRITE_FILE | LL_READ_FILE | LL_TRUNCATE)

#define LL_NET_BIND 1u
#define LL_NET_CONNECT 2u
#define LL_VERSION 1u

static const struct {
	uint32_t abi;
	uint64_t fs;                    /* rights that this ABI knows */
	size_t size;                    /* of the ruleset it takes */
} landlock_abis[] = {
	{ 1, (1u << 13) - 1, 8 }, { 2, (1u << 14) - 1, 8 },  { 3, (1u << 15) - 1, 8 },
	{ 4, (1u << 15) - 1, 16 }, { 5, (1u << 16) - 1, 16 }, { 6, (1u << 16) - 1, 24 },
};

static const struct {
	unsigned right;
	uint64_t fs;
} landlock_rights[] = {
	{ SANDBOX_READ, LL_READ_FILE | LL_READ_DIR },
	{ SANDBOX_WRITE, LL_WRITE_FILE | LL_REMOVE_DIR | LL_REMOVE_FILE | LL_MAKE_DIR | LL_MAKE_REG | LL_TRUNCATE },
	{ SANDBOX_EXECUTE, LL_EXECUTE },
	{ SANDBOX_SPECIAL, LL_MAKE_SOCK | LL_MAKE_FIFO | LL_MAKE_SYM | LL_REFER },
};

static bool allow(int ruleset, const struct sandbox_path *p, uint64_t known)
{
	struct landlock_beneath b = { .parent = p->fd };
	struct stat st;

	if (fstat(p->fd, &st) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(landlock_rights); i++)
		if (p->rights & landlock_rights[i].right)
			b.allowed |= landlock_rights[i].fs;
	b.allowed &= S_ISDIR(st.st_mode) ? known : known & LL_OF_FILES;
	return syscall(SYS_landlock_add_rule, ruleset, 1 /* beneath a path */, &b, 0) == 0;
}

uint32_t sandbox_landlock_abi(void)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LL_VERSION);

	return version > 0 ? (uint32_t)version : 0;
}

bool sandbox_landlock(const struct sandbox_path *paths, size_t count, bool connect)
{
	struct landlock_ruleset r = { .net = LL_NET_BIND | (connect ? 0 : LL_NET_CONNECT), .scoped = 3 };
	uint32_t abi = sandbox_landlock_abi();
	size_t row = MIN((size_t)abi, ARRAY_LEN(landlock_abis)) - 1;
	AUTO_FD int fd = -1;

	if (!abi)
		return false;
	r.fs = landlock_abis[row].fs;
	fd = (int)syscall(SYS_landlock_create_ruleset, &r, landlock_abis[row].size, 0);
	if (fd < 0)
		return false;
	for (size_t i = 0; i < count; i++)
		if (!allow(fd, &paths[i], r.fs))
			return false;
	return syscall(SYS_landlock_restrict_self, fd, 0) == 0;
}
