/* test_agent_orders: what people at the machine order, with the agent running and without. */
#include "endpoint_story.h"

static int order(struct endpoint *p, const char *command)
{
	char *out;
	int status = endpoint_command(p, &out, command, "edr", NULL);

	if (status)
		fprintf(stderr, "%s: %s\n", command, out);
	free(out);
	return status;
}

/* The phase is idle again, and the latest verdict is about this bundle. */
static bool idle_after(const struct seen *s, const void *arg)
{
	const struct published *b = arg;

	return s->state.phase == PHASE_IDLE && digest_equal(&s->state.last.assigned, &b->digest) && s->state.last.say == SAY_NOTHING;
}

static void orders_of_people_take_effect_with_and_without_a_running_agent(void **state)
{
	static const struct digest none;
	struct endpoint *p = *state;
	struct published one, two;

	NEED_AGENT(p);
	one = settled(p);
	assert_int_equal(order(p, "hold"), 0);
	two = endpoint_bundle(p, GOOD, 111, NULL);
	endpoint_assign(p, &two, &one, 1, 10, 0);
	endpoint_until(p, "the hold is the reason", idle_after, &two, 5000);
	assert_true(runs(p, &one.digest));
	assert_int_equal(order(p, "unhold"), 0);
	endpoint_until(p, "the second bundle is committed", endpoint_runs_committed, &two, 1000);
	assert_int_equal(order(p, "revert"), 0);
	endpoint_until(p, "the older one runs", endpoint_runs_committed, &one, 1000);
	assert_int_equal(order(p, "pin"), 0);
	assert_int_equal(endpoint_look(p).record.mode, BOOT_PINNED);
	assert_int_equal(endpoint_agent_end(p, SIGTERM), 0);
	assert_int_equal(order(p, "unpin"), 0);
	assert_int_equal(order(p, "disable"), 0);
	assert_true(runs(p, &none));
	assert_int_equal(order(p, "enable"), 0);
	assert_true(runs(p, &one.digest));
	assert_int_not_equal(order(p, "revert"), 0);    /* nothing older is there */
	assert_true(endpoint_has_history(p, "local-disable"));
}

static void a_baseline_comes_from_a_local_archive(void **state)
{
	struct endpoint *p = *state;
	struct published one;
	char *out, *archive;
	struct err e;

	NEED_AGENT(p);
	one = endpoint_bundle(p, GOOD, 5, NULL);
	endpoint_publish(p);
	assert_ok(repo_target_file(p->published, one.path, &archive, &e));
	assert_int_equal(endpoint_command(p, &out, "baseline", "edr", archive), 0);
	free(out);
	assert_true(runs(p, &one.digest));
	assert_int_equal(endpoint_look(p).record.rung, RUNG_BASELINE);
	assert_int_not_equal(endpoint_command(p, &out, "baseline", "edr", "/etc/passwd"), 0);
	free(out);
	free(archive);
	assert_true(runs(p, &one.digest));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ENDPOINT_TEST(orders_of_people_take_effect_with_and_without_a_running_agent, endpoint_setup),
		ENDPOINT_TEST(a_baseline_comes_from_a_local_archive, endpoint_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
