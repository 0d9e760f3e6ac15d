/* role: from `--role NAME` to the body of that process. */
#include "agent/role.h"

#include "agent/spawn.h"
#include "base/log.h"

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
	if (settings_load(&s, root, NULL, &e) < 0 || confine(s, (enum confine_role)role, NULL, &e) < 0) {
		log_error("%s", e.msg);
		return 1;
	}
	switch ((enum confine_role)role) {
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
