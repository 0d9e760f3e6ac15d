/* role: from `--role NAME` to the body of that process. */
#include "agent/role.h"

#include <unistd.h>

#include "agent/spawn.h"
#include "base/fetch.h"
#include "base/log.h"

/* Libraries that load code when first used do so while they still can. */
int role_begin_network(struct err *e)
{
	AUTO(fetch) struct fetch *f = NULL;

	return fetch_new(&f, &(struct fetch_settings){ .agent = "ringhold-agent" }, e);
}

/* Where the kernel makes neither, the try says what it lacks, and commands judge no events. */
static void begin_canary(const struct settings *s)
{
	struct err e;

	if (confine_begin_namespace(&e) < 0)
		log_warn("%s", e.msg);
	if (confine_runs_commands(s) && confine_begin_scratch(s, &e) < 0)
		log_warn("%s", e.msg);
}

static int begin(const struct settings *s, enum confine_role role, struct err *e)
{
	if (role == CONFINE_FETCH && role_begin_network(e) < 0)
		return e->code;
	if (role == CONFINE_CANARY)
		begin_canary(s);
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

int role_main(const char *name, const char *root, const char *mirror)
{
	int role = confine_role_parse(name);
	AUTO(settings) struct settings *s = NULL;
	struct err e = { 0 };

	log_init(name, LOG_INFO);
	if (role < 0) {
		log_error("role %s: no such process", name);
		return 2;
	}
	if (settings_load(&s, root, NULL, &e) < 0) {
		log_error("%s", e.msg);
		return 1;
	}
	s->mirror = mirror;
	if (begin(s, (enum confine_role)role, &e) < 0) {
		log_error("%s", e.msg);
		return 1;
	}
	/* Not through exit(): what libraries do there is more than a confined process may, and it leaves nothing to tidy. */
	_exit(body(s, (enum confine_role)role));
}
