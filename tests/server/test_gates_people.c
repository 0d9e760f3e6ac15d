/* test_gates_people: what the gates count besides outcomes, as people see it with `ringhold`. */
#include "office.h"
#include "server/store.h"

static void stop_server(struct office *o)
{
	AUTO_FREE char *listening = fixture_path(o->f, "data/listening");
	int status;

	kill(o->pid, SIGTERM);
	assert_int_equal(waitpid(o->pid, &status, 0), o->pid);
	assert_int_equal(status, 0);
	(void)unlink(listening);
}

/* So many placebo offers of one ring, as if the server had made them today. */
static void measured(struct office *o, const char *ring, int64_t observe, int64_t placebos, int64_t lost)
{
	AUTO_FREE char *path = fixture_path(o->f, "data/store.db");
	AUTO(store) struct store *s = NULL;
	struct store_record r = { .kind = STORE_BACKGROUND, .u.background = { .channel = FIXTURE_CHANNEL, .ring = ring, .observe = observe,
				  .day = clock_now() / 86400, .placebos = placebos, .lost = lost } };
	struct store_append a = { .records = &r, .count = 1 }, *all = &a;
	struct err e;

	assert_ok(store_open(&s, path, &e));
	assert_ok(store_begin(s, &e));
	append_batch(s, &all, 1);
	assert_int_equal(a.error.code, 0);
	assert_ok(store_commit(s, &e));
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

static void policy_suggest_goes_by_what_the_server_measured(void **state)
{
	struct office *o = *state;
	AUTO_FREE char *policy = fixture_path(o->f, "policy.json");

	NEED(o);
	fixture_write(o->f, "policy.json", "{\"format\":1,\"channel\":\"edr\",\"rings\":[{\"name\":\"canary\"},{\"name\":\"early\"}]}");
	assert_int_not_equal(TOOL(o, "", "policy", "suggest", policy), 0);
	expect_said(o, "has measured no background loss yet");
	stop_server(o);
	measured(o, "canary", 3600, 20000, 140);
	measured(o, "canary", 4 * 3600, 20000, 20);
	measured(o, "early", 3600, 30000, 3);
	office_start(o);
	assert_int_equal(TOOL(o, "", "policy", "suggest", policy), 0);
	/* four hours keep canary's p0, an hour would not; early may stay as it is */
	expect_said(o, "canary: \"p0\": 0.005, \"observe_s\": 14400");
	expect_said(o, "early: \"p0\": 0.002, \"observe_s\": 3600 (as it is); background loss 3 of 30000");
}

static void a_rollout_says_whether_silence_is_compared_at_all(void **state)
{
	struct office *o = *state;
	char hex[DIGEST_HEX_LEN + 1];

	NEED(o);
	publish(o, 1, "one\n", hex);
	assert_int_equal(TOOL(o, "", "rollout", "show", "1"), 0);
	expect_said(o, "SILENCE");
	expect_said(o, "unarmed");
	assert_int_equal(TOOL(o, "", "rollout", "show", "1", "--json"), 0);
	expect_said(o, "\"placebos\"");
	expect_said(o, "\"lacking\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(policy_suggest_goes_by_what_the_server_measured, setup, teardown),
		cmocka_unit_test_setup_teardown(a_rollout_says_whether_silence_is_compared_at_all, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
