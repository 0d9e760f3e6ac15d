/* confine: the same five steps for every role, with limits from one table. */
#include "agent/confine.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define MIB ((rlim_t)1 << 20)

static const struct {
	const char *name;
	rlim_t files;           /* descriptors */
	rlim_t file_size;       /* bytes of any file it writes */
	rlim_t cpu;             /* seconds; 0: no limit */
	rlim_t core;
} roles[CONFINE_ROLES] = {
	[CONFINE_FETCH]  = { "fetch",  64, 2048 * MIB, 0, 0 },
	[CONFINE_JUDGE]  = { "judge",  64, 64 * MIB, 0, 0 },
	[CONFINE_UNPACK] = { "unpack", 32, 0, 600, 0 },
	[CONFINE_CHECK]  = { "check",  64, 0, 600, 0 },
	/* The canary watches a child of its own, which content/canary.c confines much further. */
	[CONFINE_CANARY] = { "canary", 64, 64 * MIB, 0, 0 },
};

const char *confine_role_name(enum confine_role role)
{
	return (size_t)role < CONFINE_ROLES ? roles[role].name : "unknown";
}

int confine_role_parse(const char *name)
{
	for (int i = 0; i < CONFINE_ROLES; i++)
		if (!strcmp(roles[i].name, name))
			return i;
	return -1;
}

const char *confine_user(const struct settings *s, enum confine_role role)
{
	switch (role) {
	case CONFINE_FETCH:
		return s->fetch_user;
	case CONFINE_JUDGE:
		return s->judge_user;
	case CONFINE_UNPACK:
	case CONFINE_CHECK:
		return s->unpack_user;
	default:
		return s->canary_user;
	}
}

/* A file that grows too large is an error of the write, not the end of the process. */
static int limits(enum confine_role role, struct err *e)
{
	const struct { int which; rlim_t most; } all[] = {
		{ RLIMIT_NOFILE, roles[role].files },
		{ RLIMIT_FSIZE, roles[role].file_size },
		{ RLIMIT_CPU, roles[role].cpu ? roles[role].cpu : RLIM_INFINITY },
		{ RLIMIT_CORE, roles[role].core },
	};

	signal(SIGXFSZ, SIG_IGN);
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct rlimit l;

		if (getrlimit(all[i].which, &l) < 0)
			return err_errno(e, "%s: resource limits", roles[role].name);
		l.rlim_max = MIN(l.rlim_max, all[i].most);
		l.rlim_cur = l.rlim_max;
		if (setrlimit(all[i].which, &l) < 0)
			return err_errno(e, "%s: resource limits", roles[role].name);
	}
	return 0;
}

static int become(const char *user, struct err *e)
{
	struct passwd *pw;

	if (!*user || geteuid() != 0)
		return 0;
	errno = 0;
	pw = getpwnam(user);
	if (!pw)
		return err_set(e, ERR_USAGE, "user %s: no such user", user);
	if (setgroups(0, NULL) < 0 || setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0)
		return err_errno(e, "become user %s", user);
	return 0;
}

int confine(const struct settings *s, enum confine_role role, unsigned *in_force, struct err *e)
{
	unsigned got = 0;
	char missing[128];

	if (become(confine_user(s, role), e) < 0)
		return e->code;
	got |= geteuid() ? CONFINE_USER : 0;
	/* After the change of user, which would reset both. */
	got |= prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 ? CONFINE_PARENT : 0;
	got |= prctl(PR_SET_DUMPABLE, 0) == 0 ? CONFINE_UNDUMPABLE : 0;
	got |= prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? CONFINE_NO_NEW_PRIVS : 0;
	if (limits(role, e) < 0)
		return e->code;
	got |= CONFINE_RLIMITS;
	if (in_force)
		*in_force = got;
	if (!s->strict_sandbox || got == CONFINE_ALL)
		return 0;
	confine_words(CONFINE_ALL & ~got, missing, sizeof missing);
	return err_set(e, ERR_UNSUPPORTED, "%s: strict_sandbox is on, and not in force: %s", roles[role].name, missing);
}

void confine_words(unsigned bits, char *out, size_t cap)
{
	static const char *const words[] = { "no_new_privs", "rlimits", "own user", "undumpable", "dies with supervisor" };
	size_t at = 0;

	out[0] = 0;
	for (size_t i = 0; i < ARRAY_LEN(words) && at < cap; i++)
		if (bits & 1u << i)
			at += (size_t)snprintf(out + at, cap - at, "%s%s", at ? ", " : "", words[i]);
}
