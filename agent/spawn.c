/* spawn: fork, descriptors in place, exec of /proc/self/exe. */
#include "agent/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/wire.h"

/* What a child keeps of the environment: test builds need their clock, sanitizers their options. */
static const char *const kept_variables[] = {
#ifdef RINGHOLD_TEST
	"RINGHOLD_TEST_CLOCK",
#endif
	"ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "LLVM_PROFILE_FILE", "GCOV_PREFIX",
};

#ifdef RINGHOLD_TEST
/* Tests put another program, a hostile one, in a role's place. */
static const char *program_of(enum confine_role role)
{
	char name[64];
	const char *program;

	snprintf(name, sizeof name, "RINGHOLD_TEST_ROLE_%s", confine_role_name(role));
	program = getenv(name);
	return program ? program : "/proc/self/exe";
}
#else
static const char *program_of(enum confine_role role)
{
	(void)role;
	return "/proc/self/exe";
}
#endif

#define VARIABLE_MAX 1024
#define ENVIRONMENT_MAX (ARRAY_LEN(kept_variables) + 3)

static size_t environment(char *env[ENVIRONMENT_MAX], char room[ENVIRONMENT_MAX][VARIABLE_MAX])
{
	size_t n = 0;

	snprintf(room[n], VARIABLE_MAX, "PATH=/usr/sbin:/usr/bin:/sbin:/bin");
	n++;
	snprintf(room[n], VARIABLE_MAX, "LANG=C");
	n++;
	for (size_t i = 0; i < ARRAY_LEN(kept_variables); i++) {
		const char *v = getenv(kept_variables[i]);

		if (v && (size_t)snprintf(room[n], VARIABLE_MAX, "%s=%s", kept_variables[i], v) < VARIABLE_MAX)
			n++;
	}
	for (size_t i = 0; i < n; i++)
		env[i] = room[i];
	env[n] = NULL;
	return n;
}

void spawn_close_above(int highest)
{
	if (close_range((unsigned)highest + 1, ~0u, 0) == 0)
		return;
	for (long fd = highest + 1, most = sysconf(_SC_OPEN_MAX); fd < most; fd++)
		close((int)fd);
}

/* Moves fd to `to`, which loses close-on-exec. Only calls that are safe after fork. */
static bool place(int fd, int to)
{
	if (fd == to)
		return fcntl(fd, F_SETFD, 0) == 0;
	return dup2(fd, to) == to;
}

static void child(const struct settings *s, enum confine_role role, const char *program, int sock, int extra, char *const *env)
{
	const char *argv[] = { "ringhold-agent", "--role", confine_role_name(role), "--root", s->root, s->mirror ? "--mirror" : NULL, s->mirror, NULL };
	int high_sock = fcntl(sock, F_DUPFD_CLOEXEC, 16), high_extra = extra < 0 ? -1 : fcntl(extra, F_DUPFD_CLOEXEC, 16);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setpgid(0, 0);
	if (high_sock < 0 || null < 0 || !place(null, 0) || !place(null, 1) || !place(high_sock, SPAWN_SOCKET) ||
	    (extra >= 0 && !place(high_extra, SPAWN_FETCH_SOCKET)))
		_exit(126);
	spawn_close_above(extra >= 0 ? SPAWN_FETCH_SOCKET : SPAWN_SOCKET);
	execve(program, (char *const *)argv, env);
	_exit(127);
}

int spawn(struct spawned *out, const struct settings *s, enum confine_role role, int extra, struct err *e)
{
	char room[ENVIRONMENT_MAX][VARIABLE_MAX], *env[ENVIRONMENT_MAX];
	const char *program = program_of(role);
	int ends[2];
	pid_t pid;

	*out = SPAWNED_NONE;
	environment(env, room);
	if (wire_pair(ends, e) < 0)
		return e->code;
	pid = fork();
	if (pid == 0)
		child(s, role, program, ends[1], extra, env);
	close(ends[1]);
	if (pid < 0) {
		err_errno(e, "start process %s", confine_role_name(role));
		close(ends[0]);
		return e->code;
	}
	setpgid(pid, pid);
	*out = (struct spawned){ .pid = pid, .sock = ends[0] };
	return 0;
}

void spawn_kill(struct spawned *c)
{
	if (c->sock >= 0)
		close(c->sock);
	if (c->pid > 0) {
		kill(-c->pid, SIGKILL);
		kill(c->pid, SIGKILL);
		while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	*c = SPAWNED_NONE;
}

bool spawn_ended(struct spawned *c, char *words, size_t cap)
{
	int status;

	if (c->pid <= 0 || waitpid(c->pid, &status, WNOHANG) != c->pid)
		return false;
	if (WIFSIGNALED(status))
		snprintf(words, cap, "killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(words, cap, "exit status %d", WEXITSTATUS(status));
	kill(-c->pid, SIGKILL);
	if (c->sock >= 0)
		close(c->sock);
	*c = SPAWNED_NONE;
	return true;
}
