/* test_agent_held: what a hold, pin or disable leaves out, and what explain knows, with the real agent. */
#include "as_published.h"
#include "endpoint_story.h"

static bool compared(const struct seen *s, const void *arg)
{
	const struct published *b = arg;

	return digest_equal(&s->state.compared[1], &b->digest);
}

static void order(struct endpoint *p, const char *command)
{
	free(told(p, command, "edr", 0));
}

/* A command with --json; WHAT may be NULL. */
static void assert_json(struct endpoint *p, const char *schema, const char *command, const char *what, int status, const char *text)
{
	char *out = NULL;
	int got = endpoint_command(p, &out, command, "--json", what);

	if (got != status || !strstr(out, text))
		fail_msg("%s --json: exit status %d instead of %d, or no %s in:\n%s", command, got, status, text, out);
	assert_as_published(schema, out);
	free(out);
}

#define STATUS "schema/agent-status.schema.json"
#define CHECK "schema/agent-check.schema.json"
#define EXPLAIN "schema/agent-explain.schema.json"

/* A document each. */
static void assert_json_lines(struct endpoint *p, const char *schema, const char *command)
{
	char *out = NULL, *rest;
	unsigned n = 0;

	assert_int_equal(endpoint_command(p, &out, command, "--json", NULL), 0);
	rest = out;
	for (char *line; (line = strsep(&rest, "\n"));)
		if (*line && ++n)
			assert_as_published(schema, line);
	assert_true(n > 1);
	free(out);
}

static void a_hold_says_which_detections_it_leaves_out_and_since_when(void **state)
{
	struct endpoint *p = *state;
	struct published one, two, three;
	char since[CLOCK_TEXT_LEN + 1];
	char *out;

	NEED_AGENT(p);
	one = settled(p);
	order(p, "hold");
	clock_text(since, endpoint_look(p).state.held_since);
	assert_tells(p, "check", NULL, 0, "");
	two = endpoint_bundle(p, ONE_MORE, 111, NULL);
	endpoint_assign(p, &two, &one, 1, 10, 0);
	endpoint_until(p, "the missing detections are known", compared, &two, 1000);
	assert_true(runs(p, &one.digest));
	assert_int_equal(p->loads, 1);
	out = told(p, "check", NULL, 1);
	assert_non_null(strstr(out, "leaves out serial 111 (1, "));
	assert_non_null(strstr(out, "1 detections do not run"));
	assert_non_null(strstr(out, "new     ipc-0008, serial 111, since "));
	assert_non_null(strstr(out, "edr: hold since "));
	assert_non_null(strstr(out, since));
	free(out);
	assert_tells(p, "status", NULL, 0, "ipc-0008");
	assert_json(p, STATUS, "status", NULL, 0, "\"detection\": \"ipc-0008\"");
	assert_json(p, CHECK, "check", NULL, 1, "\"detection\": \"ipc-0008\"");
	assert_json(p, EXPLAIN, "explain", NULL, 0, "\"detection\": \"ipc-0008\"");
	assert_json(p, EXPLAIN, "explain", "111", 0, "\"fact\": \"kept-away\"");
	assert_tells(p, "explain", NULL, 0, "ipc-0008");
	assert_tells(p, "explain", "111", 0, "by hold");
	assert_tells(p, "history", "edr", 0, "leaves out serial 111, 1 detections");
	assert_json_lines(p, "schema/agent-history.schema.json", "history");
	/* A newer one is kept away as well; what was known to be missing keeps its day, and needs no network. */
	*p->clock_ms += 3600 * 1000;
	three = endpoint_bundle(p, ONE_MORE, 112, NULL);
	endpoint_assign(p, &three, &one, 1, 10, 0);
	endpoint_until(p, "the newer one is compared", compared, &three, 1000);
	endpoint_agent_end(p, SIGTERM);
	out = told(p, "check", NULL, 1);
	assert_non_null(strstr(out, "leaves out serial 112"));
	assert_non_null(strstr(out, "leaves out serial 111"));
	assert_non_null(strstr(out, "new     ipc-0008, serial 111, since "));
	free(out);
	order(p, "unhold");
	endpoint_agent_start(p);
	endpoint_until(p, "the newest is committed", endpoint_runs_committed, &three, 1000);
	assert_tells(p, "check", NULL, 0, "");
	assert_json(p, STATUS, "status", NULL, 0, "\"held\": null");
	assert_json(p, CHECK, "check", NULL, 0, "\"up_to_date\": true");
}

static void a_pin_and_a_disable_say_it_too(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;

	NEED_AGENT(p);
	one = settled(p);
	order(p, "pin");
	two = endpoint_bundle(p, ONE_MORE, 111, NULL);
	endpoint_assign(p, &two, &one, 1, 10, 0);
	endpoint_until(p, "the missing detections are known", compared, &two, 1000);
	assert_tells(p, "check", NULL, 1, "edr: pin since ");
	assert_tells(p, "check", NULL, 1, "new     ipc-0008");
	order(p, "unpin");
	order(p, "disable");
	for (int i = 0; i < 2000; i++) {
		char *out = told(p, "check", NULL, 1);
		bool all = strstr(out, "edr: disabled since ") && strstr(out, "12 detections do not run");

		free(out);
		if (all)
			break;
		*p->clock_ms += 1000;
		poll(NULL, 0, 50);
		assert_int_not_equal(i, 1999);
	}
	assert_json(p, STATUS, "status", NULL, 0, "\"held\": \"disabled\"");
	assert_json(p, CHECK, "check", NULL, 1, "\"held\": \"disabled\"");
	order(p, "enable");
	endpoint_until(p, "the newer one is committed", endpoint_runs_committed, &two, 1000);
}

static void explain_says_what_it_knows_of_one_bundle(void **state)
{
	struct endpoint *p = *state;
	struct published one;
	char hex[DIGEST_HEX_LEN + 1];

	NEED_AGENT(p);
	one = settled(p);
	digest_hex(hex, &one.digest);
	hex[12] = 0;
	assert_tells(p, "explain", "110", 0, "runs, as current content");
	assert_tells(p, "explain", hex, 0, "survived");
	assert_tells(p, "explain", "109", 1, "this host never saw it");
	assert_tells(p, "explain", "ffffffffffff", 1, "this host never saw it");
	free(told(p, "explain", "zebra", 2));
	assert_json(p, EXPLAIN, "explain", NULL, 0, "\"clause\": \"not-quarantined\"");
	assert_json(p, EXPLAIN, "explain", "110", 0, "\"fact\": \"runs\"");
	assert_json(p, EXPLAIN, "explain", "109", 1, "\"known\": false");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ENDPOINT_TEST(a_hold_says_which_detections_it_leaves_out_and_since_when, setup_wide),
		ENDPOINT_TEST(a_pin_and_a_disable_say_it_too, setup_wide),
		ENDPOINT_TEST(explain_says_what_it_knows_of_one_bundle, endpoint_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
