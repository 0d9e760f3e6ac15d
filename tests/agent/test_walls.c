/*
 * test_walls: the processes of an agent at work, as the kernel sees them.
 * test_confine asks what confine() does; here nobody asks a process to confine
 * itself: it is the real agent, it updates, and a thread reads /proc beside it.
 * What the kernel tells of nobody else's process is its Landlock; that a role
 * has it, and what it is worth, is in test_confine and test_hostile.
 */
#include <pthread.h>
#include <unistd.h>

#include "endpoint.h"
#include "endpoint_content.h"
#include "walls.h"

#define LOOK_EVERY_US 500
#define SMALL_FILES 1000
#define BIG_BYTES 4000000
#define BUNDLES 10              /* at most; a process that lives for a moment may be missed once */

/* The last that was read of each role, once it had finished with itself. */
struct observer {
	pid_t agent;
	pthread_t thread;
	volatile bool over;
	volatile bool met[CONFINE_ROLES];
	unsigned filters;               /* of the supervisor, which all others inherit */
	char status[CONFINE_ROLES][4096], limits[CONFINE_ROLES][4096];
};

static long number_or(const char *status, const char *name, long otherwise)
{
	const char *at = strstr(status, name);

	return at ? strtol(at + strlen(name), NULL, 10) : otherwise;
}

static int role_of(pid_t pid)
{
	char line[4096] = "";
	const char *name;

	kernel_read(pid, "cmdline", line, sizeof line);
	name = memmem(line, sizeof line, "--role", sizeof "--role");
	return name ? confine_role_parse(name + sizeof "--role") : -1;
}

/* The filter comes last of all that a process gives up. */
static void observe(struct observer *o, pid_t pid, int role)
{
	char status[4096], limits[4096];

	kernel_read(pid, "status", status, sizeof status);
	kernel_read(pid, "limits", limits, sizeof limits);
	if (!*limits || number_or(status, "\nSeccomp_filters:", 0) <= (long)o->filters)
		return;
	memcpy(o->status[role], status, sizeof status);
	memcpy(o->limits[role], limits, sizeof limits);
	o->met[role] = true;
}

static void observe_below(struct observer *o, pid_t pid)
{
	char children[40], list[4096], *end;
	int role;

	snprintf(children, sizeof children, "task/%d/children", (int)pid);
	kernel_read(pid, children, list, sizeof list);
	for (char *at = list; *at; at = end) {
		pid_t child = (pid_t)strtol(at, &end, 10);

		if (end == at)
			return;
		role = role_of(child);
		if (role >= 0 && !o->met[role])
			observe(o, child, role);
		/* The canary is the first process of a namespace, which its parent waits for. */
		if (role == CONFINE_CANARY && !o->met[role])
			observe_below(o, child);
	}
}

static void *observer_run(void *arg)
{
	struct observer *o = arg;

	while (!o->over) {
		observe_below(o, o->agent);
		usleep(LOOK_EVERY_US);
	}
	return NULL;
}

static bool met_all(const struct observer *o)
{
	for (int role = 0; role < CONFINE_ROLES; role++)
		if (!o->met[role])
			return false;
	return true;
}

#define NEED_AGENT(p)                                                        \
	do {                                                                 \
		static char own[4096];                                       \
		if (access((p)->bin, X_OK) < 0)                              \
			skip_named("%s is not built", (p)->bin);             \
		if (geteuid())                                               \
			skip_named("not root: no users to change");          \
		kernel_read(getpid(), "status", own, sizeof own);            \
		if (number_or(own, "\nSeccomp_filters:", -1) < 0)            \
			skip_named("this kernel does not count filters");    \
	} while (0)

static unsigned filters_of(pid_t pid)
{
	static char status[4096];

	kernel_read(pid, "status", status, sizeof status);
	return (unsigned)kernel_number(status, "Seccomp_filters", 10);
}

/* ---- */

static void every_process_of_an_agent_at_work_is_held(void **state)
{
	static struct observer o;
	struct endpoint *p = *state;
	struct published before = { 0 }, next;
	const char *dir;

	NEED_AGENT(p);
	dir = endpoint_content(p, SMALL_FILES, BIG_BYTES);
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_agent_up(p);
	memset(&o, 0, sizeof o);
	o.agent = p->agent;
	o.filters = MAX(filters_of(p->agent), filters_of(getpid()) + 1);
	assert_int_equal(pthread_create(&o.thread, NULL, observer_run, &o), 0);
	for (int i = 0; i < BUNDLES && !met_all(&o); i++) {
		next = endpoint_bundle(p, dir, (uint64_t)(110 + i), NULL);
		endpoint_assign(p, &next, i ? &before : NULL, 1, 5, 0);
		endpoint_until(p, "it is committed", endpoint_runs_committed, &next, 1000);
		before = next;
	}
	o.over = true;
	pthread_join(o.thread, NULL);
	for (int role = 0; role < CONFINE_ROLES; role++) {
		if (!o.met[role])
			fail_msg("no %s process confined itself", confine_role_name((enum confine_role)role));
		walls_hold(o.status[role], o.limits[role], (enum confine_role)role);
	}
}

static void the_supervisor_gives_up_what_root_has_no_use_for(void **state)
{
	static char status[4096], limits[4096];
	struct endpoint *p = *state;
	struct published one;

	NEED_AGENT(p);
	one = endpoint_bundle(p, "deploy/demo/edr-good", 110, NULL);
	endpoint_assign(p, &one, NULL, 1, 5, 0);
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_until(p, "it is committed", endpoint_runs_committed, &one, 1000);
	kernel_read(p->agent, "status", status, sizeof status);
	kernel_read(p->agent, "limits", limits, sizeof limits);
	assert_int_equal(kernel_number(status, "NoNewPrivs", 10), 1);
	assert_int_equal(kernel_number(status, "Seccomp", 10), 2);
	assert_int_equal(filters_of(p->agent), filters_of(getpid()) + 1);
	assert_int_equal(kernel_limit(limits, "Max core file size"), 0);
	assert_int_equal(kernel_limit(limits, "Max msgqueue size"), 0);
}

static int setup(void **state)
{
	return endpoint_setup_with(state, geteuid() ? "" : USERS);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, endpoint_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(every_process_of_an_agent_at_work_is_held),
		T(the_supervisor_gives_up_what_root_has_no_use_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
