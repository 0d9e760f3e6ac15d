/* confine_commands: what the canary makes for check commands while it still can: a namespace of processes, and a place to write. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/confine.h"
#include "agent/home.h"
#include "agent/spawn.h"
#include "content/sandbox.h"

#define SCRATCH_BYTES ((uint64_t)128 << 20)
#define SCRATCH_FILES 65536

/*
 * The canary starts programs of others when content needs it: as the first
 * process of a namespace it takes all of them along when it ends.
 */
int confine_begin_namespace(struct err *e)
{
	int status = 0;
	pid_t pid;

	if (unshare(CLONE_NEWPID) < 0)
		return err_errno(e, "process namespace");
	pid = fork();
	if (pid == 0)
		return 0;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	spawn_close_above(2);   /* the conversation is the child's */
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	_exit(pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

/* Bounded, nobody else's, and gone with the canary. */
int confine_begin_scratch(const struct settings *s, struct err *e)
{
	struct confine_identity who;
	char path[HOME_PATH_MAX];

	if (home_make(s->root, HOME_SCRATCH, false, e) < 0 || home_path(path, s->root, HOME_SCRATCH, e) < 0 ||
	    confine_identity(&who, s, CONFINE_CANARY, e) < 0)
		return e->code;
	if (geteuid())
		who = (struct confine_identity){ .uid = geteuid(), .gid = getegid() };
	return sandbox_scratch(path, who.uid, who.gid, SCRATCH_BYTES, SCRATCH_FILES, e);
}

/* In a child, which takes the mount along when it ends. */
__attribute__((noreturn)) static void examined(const struct settings *s, int out)
{
	struct err e = { 0 };

	if (confine_begin_scratch(s, &e) == 0 && unshare(CLONE_NEWPID) < 0)
		err_errno(&e, "process namespace");
	_exit(write(out, e.msg, sizeof e.msg) == sizeof e.msg ? 0 : 1);
}

void confine_examine_commands(const struct settings *s, char *lacks, size_t cap)
{
	struct err e = { .msg = "no answer" };
	int ends[2];
	pid_t pid;

	snprintf(lacks, cap, "%s", e.msg);
	if (pipe(ends) < 0)
		return;
	pid = fork();
	if (pid == 0)
		examined(s, ends[1]);
	close(ends[1]);
	if (read(ends[0], e.msg, sizeof e.msg) == sizeof e.msg)
		snprintf(lacks, cap, "%s", e.msg);
	close(ends[0]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}
