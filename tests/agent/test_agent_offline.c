/* test_agent_offline: the real agent against a repository served as files, with no server at all. */
#include "endpoint.h"

#define GOOD "deploy/demo/edr-good"
#define BAD "deploy/demo/edr-21"

#define NEED_AGENT(p)                                                            \
	do {                                                                     \
		if (access((p)->bin, X_OK) < 0)                                  \
			skip_named("%s is not built", (p)->bin);                 \
	} while (0)

static void content_comes_on_trial_and_is_committed_by_health_alone(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;
	char *out;

	NEED_AGENT(p);
	one = endpoint_bundle(p, GOOD, 110, NULL);
	endpoint_assign(p, &one, NULL, 1, 30, 0);
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_until(p, "the first bundle is committed", endpoint_runs_committed, &one, 1000);
	assert_int_equal(p->loads, 1);
	two = endpoint_bundle(p, GOOD, 111, NULL);
	endpoint_assign(p, &two, &one, 1, 30, 0);
	endpoint_until(p, "the second bundle is committed", endpoint_runs_committed, &two, 1000);
	assert_true(endpoint_has_history(p, "survived"));
	assert_int_equal(endpoint_command(p, &out, "check", NULL, NULL), 0);
	free(out);
	assert_int_equal(endpoint_command(p, &out, "status", "--json", NULL), 0);
	assert_non_null(strstr(out, "\"phase\": \"idle\""));
	free(out);
	assert_int_equal(endpoint_agent_end(p, SIGTERM), 0);
	assert_int_equal(endpoint_look(p).record.flags & BOOT_FLAG_CLEAN, BOOT_FLAG_CLEAN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(content_comes_on_trial_and_is_committed_by_health_alone, endpoint_setup, endpoint_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
