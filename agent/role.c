/* role: from `--role NAME` to the body of that process. */
#include "agent/role.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/spawn.h"
#include "base/fetch.h"
#include "base/log.h"

/*
 * The canary starts programs of others when content needs it: as the first
 * process of a namespace it takes all of them along when it ends. Where the
 * kernel makes none, the try says what it lacks.
 */
static void begin_namespace(void)
{
	int status = 0;
	pid_t pid;

	if (unshare(CLONE_NEWPID) < 0)
		return;
	pid = fork();
	if (pid == 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	spawn_close_above(2);   /* the conversation is the child's */
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	_exit(pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

/* Libraries that load code when first used do so while they still can. */
static int begin_network(struct err *e)
{
	AUTO(fetch) struct fetch *f = NULL;

	return fetch_new(&f, &(struct fetch_settings){ .agent = "ringhold-agent" }, e);
}

static int begin(const struct settings *s, enum confine_role role, struct err *e)
{
	if (role == CONFINE_FETCH && begin_network(e) < 0)
		return e->code;
	if (role == CONFINE_CANARY)
		begin_namespace();
	return confine(s, role, NULL, e);
}

static int body(const struct settings *s, enum confine_role role)
{
	switch (role) {
	case CONFINE_FETCH:
		return role_fetch(s, SPAWN_SOCKET);
	case CONFINE_JUDGE:
		return role_judge(s, SPAWN_SOCKET, SPAWN_FETCH_SOCKET);
	case CONFINE_UNPACK:
		return role_unpack(s, SPAWN_SOCKET);
	case CONFINE_CHECK:
		return role_check(s, SPAWN_SOCKET);
	default:
		return role_canary(s, SPAWN_SOCKET);
	}
}

int role_main(const char *name, const char *root)
{
	int role = confine_role_parse(name);
	AUTO(settings) struct settings *s = NULL;
	struct err e = { 0 };

	log_init(name, LOG_INFO);
	if (role < 0) {
		log_error("role %s: no such process", name);
		return 2;
	}
	if (settings_load(&s, root, NULL, &e) < 0 || begin(s, (enum confine_role)role, &e) < 0) {
		log_error("%s", e.msg);
		return 1;
	}
	/* Not through exit(): what libraries do there is more than a confined process may, and it leaves nothing to tidy. */
	_exit(body(s, (enum confine_role)role));
}
