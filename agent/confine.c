/* confine: the same steps for every role, with limits from one table. */
#include "agent/confine.h"

#include <errno.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "agent/confine_access.h"
#include "base/clock.h"
#include "base/number.h"

#define MIB ((rlim_t)1 << 20)
#define ANY RLIM_INFINITY
#define NOBODY 65534

static const struct {
	const char *name;
	const char *user;       /* when the settings name none */
	rlim_t files;           /* descriptors */
	rlim_t file_size;       /* bytes of any file it writes */
	rlim_t cpu;             /* seconds */
	rlim_t memory;          /* of address space; not in sanitizer builds */
	rlim_t processes;       /* of its user, threads too */
} roles[CONFINE_ROLES] = {
	[CONFINE_FETCH]  = { "fetch",  "ringhold-fetch",  64, 2048 * MIB, ANY, 1024 * MIB, 64 },
	[CONFINE_JUDGE]  = { "judge",  "ringhold-judge",  64, 64 * MIB,   ANY, 2048 * MIB, 0 },
	[CONFINE_UNPACK] = { "unpack", "ringhold-unpack", 32, 0,          600, 2048 * MIB, 0 },
	[CONFINE_CHECK]  = { "check",  "ringhold-unpack", 64, 0,          600, 2048 * MIB, 0 },
	/* The canary watches a child of its own, which content/canary.c bounds by the content's budget. */
	[CONFINE_CANARY] = { "canary", "ringhold-canary", 256, 64 * MIB,  ANY, ANY,        ANY },
};

const char *confine_role_name(enum confine_role role)
{
	return (size_t)role < CONFINE_ROLES ? roles[role].name : "supervisor";
}

int confine_role_parse(const char *name)
{
	for (int i = 0; i < CONFINE_ROLES; i++)
		if (!strcmp(roles[i].name, name))
			return i;
	return -1;
}

/* ---- identity ---- */

static const char *user_of(const struct settings *s, enum confine_role role)
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

static int identity_of(struct confine_identity *out, const struct settings *s, enum confine_role role, struct err *e)
{
	const char *user = user_of(s, role);
	struct passwd *pw;
	int64_t number;

	*out = (struct confine_identity){ .uid = 0 };
	if (number_parse(&number, user) && number > 0 && number < INT32_MAX) {
		*out = (struct confine_identity){ .uid = (uid_t)number, .gid = (gid_t)number };
		return 0;
	}
	pw = getpwnam(*user ? user : roles[role].user);
	if (pw)
		*out = (struct confine_identity){ .uid = pw->pw_uid, .gid = pw->pw_gid };
	else if (*user)
		return err_set(e, ERR_USAGE, "user %s: no such user", user);
	else if (role == CONFINE_CANARY)
		*out = (struct confine_identity){ .uid = NOBODY, .gid = NOBODY, .shared = true };
	return 0;
}

/* Unpack and check are one to each other: the same slots, one after the other, and neither is ever there for long. */
static bool is_anothers(const struct settings *s, enum confine_role role, uid_t uid)
{
	struct confine_identity other;
	struct err ignored;

	for (int i = 0; i < CONFINE_ROLES; i++)
		if (user_of(s, (enum confine_role)i) != user_of(s, role) && identity_of(&other, s, (enum confine_role)i, &ignored) == 0 &&
		    other.uid == uid)
			return true;
	return false;
}

int confine_identity(struct confine_identity *out, const struct settings *s, enum confine_role role, struct err *e)
{
	if (identity_of(out, s, role, e) < 0)
		return e->code;
	out->shared |= out->uid && is_anothers(s, role, out->uid);
	return 0;
}

/* ---- the steps ---- */

/* A file that grows too large is an error of the write, not the end of the process. */
static bool limits(enum confine_role role)
{
	/* Threads of a user who was there before count with everything else that user runs. */
	rlim_t processes = roles[role].processes && geteuid() ? ANY : roles[role].processes;
	const struct { int which; rlim_t most; } all[] = {
		{ RLIMIT_NOFILE, roles[role].files },        { RLIMIT_FSIZE, roles[role].file_size },
		{ RLIMIT_CPU, roles[role].cpu },             { RLIMIT_CORE, 0 },
		{ RLIMIT_NPROC, processes },                 { RLIMIT_MSGQUEUE, 0 },
		{ RLIMIT_AS, SANDBOX_SANITIZED ? ANY : roles[role].memory },
	};
	bool ok = true;

	signal(SIGXFSZ, SIG_IGN);
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		ok = sandbox_limit(all[i].which, all[i].most) && ok;
	return ok;
}

static unsigned sealed(void)
{
	unsigned got = sandbox_seal() ? CONFINE_NO_NEW_PRIVS : 0;
	int sig = 0;

	got |= prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? CONFINE_UNDUMPABLE : 0;
	got |= prctl(PR_GET_PDEATHSIG, &sig, 0, 0, 0) == 0 && sig == SIGKILL ? CONFINE_PARENT : 0;
	return got;
}

static int steps(const struct settings *s, enum confine_role role, const struct confine_paths *paths, unsigned *got, struct err *e)
{
	struct confine_identity who;

	if (confine_identity(&who, s, role, e) < 0)
		return e->code;
	(void)clock_now();      /* a test's clock is a file */
	(void)!unshare(role == CONFINE_FETCH ? CLONE_NEWIPC : CLONE_NEWIPC | CLONE_NEWNET);     /* where it may; the filter forbids sockets anyhow */
	*got |= limits(role) ? CONFINE_RLIMITS : 0;
	*got |= sandbox_empty_bounding_set() ? CONFINE_BOUNDING : 0;
	if (sandbox_become(roles[role].name, who.uid, who.gid, e) < 0)
		return e->code;
	*got |= who.uid && geteuid() == who.uid && !who.shared ? CONFINE_USER : 0;
	*got |= sandbox_drop_capabilities() ? CONFINE_NO_CAPS : 0;
	*got |= sealed();
	*got |= !paths->full && sandbox_landlock(paths->of, paths->count, role == CONFINE_FETCH) ? CONFINE_LANDLOCK : 0;
	*got |= confine_filter(s, role) ? CONFINE_SECCOMP : 0;
	return 0;
}

int confine(const struct settings *s, enum confine_role role, unsigned *in_force, struct err *e)
{
	struct confine_paths paths;
	unsigned got = 0;
	char missing[160];
	int rc;

	rc = confine_paths_open(&paths, s, role, e);
	if (rc == 0)
		rc = steps(s, role, &paths, &got, e);
	confine_paths_close(&paths);
	if (rc < 0)
		return rc;
	if (in_force)
		*in_force = got;
	if (!s->strict_sandbox || got == CONFINE_ALL)
		return 0;
	confine_words(CONFINE_ALL & ~got, missing, sizeof missing);
	return err_set(e, ERR_UNSUPPORTED, "%s: strict-sandbox is on, and not in force: %s", roles[role].name, missing);
}

/* What it starts for the operator may be a sensor, and inherits these: no limit that a sensor could need more of. */
unsigned confine_supervisor(void)
{
	bool limited = sandbox_limit(RLIMIT_CORE, 0) && sandbox_limit(RLIMIT_MSGQUEUE, 0);
	unsigned got = limited ? CONFINE_RLIMITS : 0;

	got |= prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 ? CONFINE_UNDUMPABLE : 0;
	got |= prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? CONFINE_NO_NEW_PRIVS : 0;
	got |= sandbox_filter_root() ? CONFINE_SECCOMP : 0;
	return got;
}

const char *confine_word(unsigned bit)
{
	static const char *const words[] = { "no_new_privs", "rlimits",         "own user", "undumpable", "dies with supervisor",
					     "no capabilities", "empty bounding set", "landlock", "seccomp" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (bit == 1u << i)
			return words[i];
	return NULL;
}

void confine_words(unsigned bits, char *out, size_t cap)
{
	size_t at = 0;

	out[0] = 0;
	for (unsigned bit = 1; bit < CONFINE_ALL && at < cap; bit <<= 1)
		if (bits & bit)
			at += (size_t)snprintf(out + at, cap - at, "%s%s", at ? ", " : "", confine_word(bit));
}
