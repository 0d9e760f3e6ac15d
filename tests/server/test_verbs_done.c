/* test_verbs_done: what people order with `ringhold` is done: rings moved, rollouts taken back, changes bound to what was seen. */
#include "verbs.h"

/* The map that was simulated is signed; then an operator's word stands instead of the claim. */
static void a_simulated_move_happens_when_it_is_signed_and_an_override_takes_it_back(void **state)
{
	struct place *x = *state;
	struct office *o = x->plane->o;
	char path[100];

	NEED(o);
	furnish(x);
	assert_int_equal(TOOL(o, "", "rings", "simulate", x->map), 0);
	expect_said(o, "1 of 1 devices would move");
	expect_said(o, "pilot");
	assert_int_equal(TOOL(o, "fleet", "rings", "set", x->map), 0);
	expect_said(o, "the ring map of 3 rings is published");
	assert_int_equal(TOOL(o, "", "rings", "simulate", x->map), 0);
	expect_said(o, "0 of 1 devices would move");
	assert_int_equal(TOOL(o, "fleet", "rings", "override", x->device, "--dry-run"), 0);
	expect_said(o, "1 of 1 devices would move");
	assert_int_equal(TOOL(o, "fleet", "rings", "override", x->device), 0);
	snprintf(path, sizeof path, "/v1/devices/%s", x->device);
	{
		AUTO_REPLY d = ask(x->plane, FIXTURE_TOKEN, "GET", path, NULL);

		assert_string_equal(member(&d, "ring"), "broad");
		assert_int_equal(json_get(d.doc->root, "tags_override")->type, JSON_ARRAY);
		assert_int_equal(json_get(json_get(d.doc->root, "facts"), "tags")->count, 1);
	}
	assert_int_equal(TOOL(o, "fleet", "rings", "override", x->device, "--clear"), 0);
	AUTO_REPLY d = ask(x->plane, FIXTURE_TOKEN, "GET", path, NULL);
	assert_string_equal(member(&d, "ring"), "early");
}

static void a_change_can_be_bound_to_the_version_that_was_looked_at(void **state)
{
	struct place *x = *state;
	struct office *o = x->plane->o;
	char seen[80], hex[DIGEST_HEX_LEN + 1];

	NEED(o);
	publish(o, 1, "rules", hex);
	{
		AUTO_REPLY a = ask(x->plane, FIXTURE_TOKEN, "GET", "/v1/rollouts/1", NULL);

		snprintf(seen, sizeof seen, "%s", member(&a, "etag"));
	}
	assert_int_equal(TOOL(o, "", "rollout", "show", "1"), 0);
	expect_said(o, seen);
	assert_int_equal(TOOL(o, "", "rollout", "pause", "1", "--reason", "x", "--if-match", seen), 0);
	assert_int_not_equal(TOOL(o, "", "rollout", "resume", "1", "--reason", "x", "--if-match", seen), 0);
	expect_said(o, "look at it again");
	assert_int_equal(TOOL(o, "", "rollout", "resume", "1", "--reason", "x", "--if-match", "*"), 0);
}

/* The newest is not always the one before: by serial or digest, down to the floor. */
static void a_rollback_goes_to_any_bundle_at_or_above_the_floor(void **state)
{
	static const char *const rules[] = { "one", "two", "three", "four" };
	struct place *x = *state;
	struct office *o = x->plane->o;
	char hex[4][DIGEST_HEX_LEN + 1];

	NEED(o);
	for (uint64_t i = 0; i < 4; i++)
		publish(o, i + 1, rules[i], hex[i]);
	if (TOOL(o, "content-edr", "floor", "edr", "2", "--reason", "one is dangerous") != 0)
		fail_msg("floor: %s", o->said);
	assert_int_not_equal(TOOL(o, "", "rollout", "rollback", "edr", "--to", "1", "--reason", "x"), 0);
	expect_said(o, "below the floor");
	assert_int_not_equal(TOOL(o, "", "rollout", "rollback", "edr", "--to", hex[0], "--reason", "x"), 0);
	expect_said(o, "below the floor");
	assert_int_equal(TOOL(o, "", "rollout", "rollback", "edr", "--to", "2", "--reason", "x", "--dry-run"), 0);
	expect_said(o, "would go back to serial 2");
	assert_int_equal(TOOL(o, "", "rollout", "rollback", "edr", "--to", hex[2], "--reason", "x"), 0);
	expect_said(o, "back to serial 3");
	assert_int_equal(TOOL(o, "", "rollout", "rollback", "edr", "--to", "2", "--reason", "x"), 0);
	expect_said(o, "back to serial 2");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_rollback_goes_to_any_bundle_at_or_above_the_floor),
		T(a_change_can_be_bound_to_the_version_that_was_looked_at),
		T(a_simulated_move_happens_when_it_is_signed_and_an_override_takes_it_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
