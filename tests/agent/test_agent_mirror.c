/* test_agent_mirror: the real agent lives from a mirror's plain files, as from a stick that is carried to it. */
#include "endpoint.h"
#include "tests/program.h"

#define GOOD "deploy/demo/edr-good"

static char *copy;

static int carry(const struct endpoint *p)
{
	char tool[1024], url[256], root[256];
	char *argv[] = { tool, (char *)"mirror", url, copy, (char *)"--root", root, NULL };
	struct proc_run run = { .path = tool, .argv = argv, .stdin_fd = -1, .timeout_ms = 60000, .output_max = 1 << 16 };
	struct proc_result r;
	struct err e;
	int status;

	snprintf(tool, sizeof tool, "%s", test_program("ringhold"));
	snprintf(url, sizeof url, "file://%s", p->repo);
	snprintf(root, sizeof root, "%s/etc/ringhold/trust/content.root.json", p->root);
	assert_ok(proc_run(&run, &r, &e));
	status = r.exit_status;
	proc_result_release(&r);
	return status;
}

static int setup(void **state)
{
	struct endpoint *p;
	AUTO_FREE char *path = NULL;
	AUTO(buf) struct buf *ini = buf_new(0);
	struct err e;

	if (endpoint_setup(state) < 0)
		return -1;
	p = *state;
	copy = file_join(p->dir, "copy");
	path = file_join(p->root, "etc/ringhold/agent.ini");
	buf_addf(ini, "[agent]\ncontent-url = file://%s\nattributes = ring=canary\npoll = 5s\nboot-ok = 60s\n\n[channel edr]\nsensor-wait = 2s\n",
		 copy);
	assert_ok(file_replace(path, ini->data, ini->len, 0644, &e));
	return 0;
}

#define NEED_BOTH(p)                                                                          \
	do {                                                                                  \
		if (access((p)->bin, X_OK) < 0 || access(test_program("ringhold"), X_OK) < 0) \
			skip_named("ringhold and ringhold-agent are not built");              \
	} while (0)

/* One is committed, by mirror; the order to run the other is not mirrored yet. */
static void one_is_mirrored_and_two_assigned(struct endpoint *p, struct published *one, struct published *two)
{
	*one = endpoint_bundle(p, GOOD, 110, NULL);
	endpoint_assign(p, one, NULL, 1, 30, 0);
	assert_int_equal(carry(p), 0);
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_until(p, "the mirrored bundle is committed", endpoint_runs_committed, one, 1000);
	*two = endpoint_bundle(p, GOOD, 111, NULL);
	endpoint_assign(p, two, one, 1, 30, 0);
}

static void what_was_mirrored_is_installed_and_what_was_not_is_unknown(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;

	NEED_BOTH(p);
	one_is_mirrored_and_two_assigned(p, &one, &two);
	assert_int_equal(endpoint_command(p, NULL, "check", NULL, NULL), 0);
	assert_true(endpoint_runs_committed(&(const struct seen){ .state.phase = PHASE_IDLE, .record = endpoint_look(p).record,
								  .running = endpoint_look(p).running }, &one));
	assert_int_equal(carry(p), 0);
	endpoint_until(p, "the next one is committed", endpoint_runs_committed, &two, 1000);
}

static void a_stop_arrives_by_mirror(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;

	NEED_BOTH(p);
	one_is_mirrored_and_two_assigned(p, &one, &two);
	assert_int_equal(carry(p), 0);
	endpoint_until(p, "the second bundle is committed", endpoint_runs_committed, &two, 1000);
	endpoint_stop(p, &two);
	assert_int_equal(carry(p), 0);
	endpoint_until(p, "the first bundle is back", endpoint_runs_committed, &one, 1000);
}

static int teardown(void **state)
{
	free(copy);
	return endpoint_teardown(state);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_was_mirrored_is_installed_and_what_was_not_is_unknown),
		T(a_stop_arrives_by_mirror),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
