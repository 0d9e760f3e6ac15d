/* test_operator_policies: policies as people put, read and compare them with `ringhold`, on a real server. */
#include "plane.h"

#define RINGS "\"rings\":[{\"name\":\"canary\"%s},{\"name\":\"early\"},{\"name\":\"broad\"}]}"

static char *policy_file(struct office *o, const char *more)
{
	char text[1024];

	snprintf(text, sizeof text, "{\"format\":1,\"channel\":\"edr\"," RINGS, more);
	fixture_write(o->f, "policy.json", text);
	return fixture_path(o->f, "policy.json");
}

static int setup(void **state)
{
	*state = office_open("");
	return 0;
}

static int teardown(void **state)
{
	office_close(*state);
	return 0;
}

static void every_version_is_kept_with_who_when_and_why(void **state)
{
	struct office *o = *state;
	AUTO_FREE char *file = NULL, *again = NULL;

	NEED(o);
	assert_int_equal(TOOL(o, "", "policy", "versions", "edr", "--json"), 0);
	expect_said(o, "\"items\": []");
	file = policy_file(o, ",\"cap\":20");
	assert_int_equal(TOOL(o, "", "policy", "set", file, "--reason", "a careful start"), 0);
	expect_said(o, "channel edr: version 1 is in force");
	again = policy_file(o, ",\"cap\":40");
	assert_int_equal(TOOL(o, "", "policy", "set", again, "--reason", "it went well", "--json"), 0);
	expect_said(o, "\"version\": 2");
	expect_said(o, "\"cannot_pass\": null");
	assert_int_equal(TOOL(o, "", "policy", "versions", "edr"), 0);
	expect_said(o, "a careful start");
	expect_said(o, "it went well");
	assert_int_equal(TOOL(o, "", "policy", "show", "edr", "--version", "1"), 0);
	expect_said(o, "\"cap\": 20");
	assert_int_equal(TOOL(o, "", "policy", "show", "edr"), 0);
	expect_said(o, "\"cap\": 40");
	expect_said(o, "\"last_share\": 0.05");
	assert_int_not_equal(TOOL(o, "", "policy", "show", "edr", "--version", "7"), 0);
	expect_said(o, "no policy of version 7");
}

static void a_policy_is_put_over_the_version_that_was_seen_and_dry_runs_change_nothing(void **state)
{
	struct office *o = *state;
	AUTO_FREE char *file = NULL;

	NEED(o);
	file = policy_file(o, "");
	assert_int_equal(TOOL(o, "", "policy", "set", file, "--dry-run"), 0);
	expect_said(o, "version 1 would be in force");
	assert_int_equal(TOOL(o, "", "policy", "set", file, "--if-match", "0"), 0);
	expect_said(o, "version 1 is in force");
	assert_int_not_equal(TOOL(o, "", "policy", "set", file, "--if-match", "0"), 0);
	expect_said(o, "412");
	assert_int_equal(TOOL(o, "", "policy", "set", file, "--if-match", "1"), 0);
}

static void the_published_schema_and_the_time_zones_are_asked_on_the_server(void **state)
{
	struct office *o = *state;
	AUTO_FREE char *file = NULL;

	NEED(o);
	file = policy_file(o, ",\"freezes\":[{\"from\":\"2026-12-20\",\"to\":\"2027-01-03\",\"zone\":\"Mars/Olympus\"}]");
	assert_int_not_equal(TOOL(o, "", "policy", "set", file), 0);
	expect_said(o, "Mars/Olympus");
	expect_said(o, "422");
}

/* Of a fleet of one in its first ring; without a server, or when they are named, nobody is asked. */
static void a_check_asks_the_server_how_many_endpoints_each_ring_has(void **state)
{
	struct office *o = *state;
	AUTO_FREE char *file = NULL;
	struct plane p = { .o = o };
	const char *offline[] = { o->tool, "policy", "check", NULL, "--json", NULL };

	NEED(o);
	plane_connect(&p);
	{
		AUTO_REPLY a = ask(&p, FIXTURE_TOKEN, "POST", "/v1/enrolment-tokens", "{\"name\":\"lab\",\"attributes\":{\"ring\":\"canary\"}}");
		AUTO_REPLY d = ask(&p, member(&a, "token"), "POST", "/device/v1/enrol", "{\"format\":1,\"facts\":{\"os\":\"debian-12\"}}");

		AUTO_REPLY c = ask(&p, member(&d, "token"), "POST", "/device/v1/checkin",
				   "{\"format\":1,\"epoch\":\"0123456789abcdef\",\"seq\":1,\"sent\":1,\"boot_id\":\"b\",\"facts\":{\"os\":\"debian-12\"},"
				   "\"channels\":[],\"events\":[],\"want\":[]}");

		assert_int_equal(c.status, 200);
	}
	fetch_free(p.http);
	file = policy_file(o, "");
	(void)TOOL(o, "", "policy", "check", file, "--json");
	expect_said(o, "\"members\": 1");
	offline[3] = file;
	assert_int_equal(run_tool(o, offline), 0);
	assert_null(strstr(o->said, "\"members\""));
	assert_int_equal(TOOL(o, "", "policy", "check", file, "--json", "--members", "5000"), 0);
	assert_null(strstr(o->said, "\"members\": 1,"));
	expect_said(o, "\"members\": 5000");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_version_is_kept_with_who_when_and_why, setup, teardown),
		cmocka_unit_test_setup_teardown(a_check_asks_the_server_how_many_endpoints_each_ring_has, setup, teardown),
		cmocka_unit_test_setup_teardown(a_policy_is_put_over_the_version_that_was_seen_and_dry_runs_change_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(the_published_schema_and_the_time_zones_are_asked_on_the_server, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
