/* confine_examine: a child confines itself, says what is in force, and ends. */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/confine.h"
#include "agent/role.h"
#include "base/log.h"

struct finding {
	int code;
	unsigned in_force;
	char why[200];
};

__attribute__((noreturn)) static void examined(const struct settings *s, enum confine_role role, int out)
{
	struct settings lenient = *s;   /* what is missing is the answer here */
	struct finding f = { 0 };
	struct err e = { 0 };

	lenient.strict_sandbox = false;
	if (role == CONFINE_ROLES)
		f.in_force = confine_supervisor();
	else if ((role == CONFINE_FETCH && role_begin_network(&e) < 0) || confine(&lenient, role, &f.in_force, &e) < 0)
		f.code = e.code;
	memcpy(f.why, e.msg, sizeof f.why - 1);
	_exit(write(out, &f, sizeof f) == sizeof f ? 0 : 1);
}

int confine_examine(const struct settings *s, enum confine_role role, unsigned *in_force, struct err *e)
{
	struct finding f = { 0 };
	int ends[2];
	ssize_t n;
	pid_t pid;

	*in_force = 0;
	if (pipe(ends) < 0)
		return err_errno(e, "examine %s", confine_role_name(role));
	pid = fork();
	if (pid == 0)
		examined(s, role, ends[1]);
	close(ends[1]);
	while ((n = read(ends[0], &f, sizeof f)) < 0 && errno == EINTR)
		;
	close(ends[0]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (n != sizeof f)
		return err_set(e, ERR_INTERNAL, "%s: the process that confined itself gave no answer", confine_role_name(role));
	*in_force = f.in_force;
	return f.code < 0 ? err_set(e, f.code, "%s: %s", confine_role_name(role), f.why) : 0;
}

int confine_examine_all(const struct settings *s, struct err *e)
{
	unsigned got, want;
	char missing[160];

	for (int role = 0; role <= CONFINE_ROLES; role++) {
		want = role == CONFINE_ROLES ? CONFINE_SUPERVISOR : CONFINE_ALL;
		if (confine_examine(s, (enum confine_role)role, &got, e) < 0) {
			if (e->code != ERR_IO)
				return e->code;
			log_warn("%s", e->msg); /* of this time: each process says for itself whether it can begin */
			continue;
		}
		if (!(want & ~got))
			continue;
		confine_words(want & ~got, missing, sizeof missing);
		if (s->strict_sandbox)
			return err_set(e, ERR_UNSUPPORTED, "%s: strict-sandbox is on, and not in force: %s",
				       confine_role_name((enum confine_role)role), missing);
		log_warn("%s process: not in force: %s", confine_role_name((enum confine_role)role), missing);
	}
	return 0;
}
