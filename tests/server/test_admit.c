/* test_admit: what a stranger behind the same address may use up, and what lists and parameters do not forgive. */
#include "plane.h"

static int setup(void **state)
{
	*state = plane_open("token-rate = 100000\ntoken-burst = 100000\naddress-rate = 1\naddress-burst = 3\nbad-tokens = 1000\n");
	return 0;
}

static int setup_wide(void **state)
{
	*state = plane_open("token-rate = 100000\ntoken-burst = 100000\n");
	return 0;
}

static int teardown(void **state)
{
	plane_close(*state);
	return 0;
}

static void a_stranger_with_bad_tokens_uses_up_nothing_of_a_colleague(void **state)
{
	struct plane *p = *state;
	int refused = 0;

	NEED(p->o);
	for (int i = 0; i < 12; i++) {
		AUTO_REPLY bad = ask(p, "rho_nobody", "GET", "/v1/status", NULL);
		AUTO_REPLY good = ask(p, FIXTURE_TOKEN, "GET", "/v1/self", NULL);

		assert_true(bad.status == 401 || bad.status == 429);
		refused += bad.status == 429;
		assert_int_equal(good.status, 200);
	}
	assert_true(refused > 0);
}

static void a_parameter_that_is_too_long_is_refused_and_not_overlooked(void **state)
{
	static const char *const lists[] = { "/v1/bundles?channel=", "/v1/rollouts?channel=", "/v1/devices?ring=", "/v1/devices?after=", "/v1/devices?limit=",
					     "/v1/signing-requests?state=", "/v1/rollouts?cursor=", "/v1/events?after=" };
	struct plane *p = *state;
	char path[600];

	NEED(p->o);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		snprintf(path, sizeof path, "%s%0400d", lists[i], 0);
		AUTO_REPLY a = ask(p, FIXTURE_TOKEN, "GET", path, NULL);

		expect_problem(&a, 400, "malformed");
	}
}

static void a_cursor_outlives_the_state_of_what_it_stands_at(void **state)
{
	static const char *const roles[] = { "targets", "fleet", "recall" };
	struct plane *p = *state;
	char path[300], first[100];

	NEED(p->o);
	for (size_t i = 0; i < ARRAY_LEN(roles); i++)
		if (TOOL(p->o, "", "request", "renew", roles[i], "--reason", "yearly") != 0)
			fail_msg("%s", p->o->said);
	{
		AUTO_REPLY a = ask(p, FIXTURE_TOKEN, "GET", "/v1/signing-requests?limit=1", NULL);

		assert_int_equal(a.status, 200);
		snprintf(first, sizeof first, "%s", member(&a, "next"));
	}
	snprintf(path, sizeof path, "/v1/signing-requests/%s", first);
	{
		AUTO_REPLY a = ask(p, FIXTURE_TOKEN, "DELETE", path, NULL);

		assert_int_equal(a.status, 200);
	}
	snprintf(path, sizeof path, "/v1/signing-requests?limit=10&cursor=%s", first);
	AUTO_REPLY rest = ask(p, FIXTURE_TOKEN, "GET", path, NULL);
	assert_int_equal(rest.status, 200);
	assert_int_equal(json_get(rest.doc->root, "items")->count, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_stranger_with_bad_tokens_uses_up_nothing_of_a_colleague, setup, teardown),
		cmocka_unit_test_setup_teardown(a_parameter_that_is_too_long_is_refused_and_not_overlooked, setup_wide, teardown),
		cmocka_unit_test_setup_teardown(a_cursor_outlives_the_state_of_what_it_stands_at, setup_wide, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
