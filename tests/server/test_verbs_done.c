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

static void a_stop_that_is_repeated_finds_it_stopped(void **state)
{
	struct place *x = *state;
	struct office *o = x->plane->o;
	char hex[DIGEST_HEX_LEN + 1];

	NEED(o);
	publish(o, 1, "rules", hex);
	/* wanted in haste is another list's word, and no stop */
	if (TOOL(o, "recall", "recall", "edr", "1", "--reason", "an outbreak", "--urgent") != 0)
		fail_msg("recall: %s", o->said);
	assert_int_equal(TOOL(o, "", "stop", "edr", hex, "--reason", "it hurts", "--dry-run"), 0);
	expect_said(o, "would be stopped");
	assert_int_equal(TOOL(o, "", "stop", "edr", hex, "--reason", "it hurts"), 0);
	expect_said(o, "a stopped digest is final");
	assert_int_equal(TOOL(o, "", "stop", "edr", hex, "--reason", "it hurts"), 0);
	expect_said(o, "stopped already");
	assert_int_equal(TOOL(o, "", "stop", "edr", hex, "--reason", "it hurts", "--json"), 0);
	expect_said(o, hex);
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

/* ---- people and rollouts ---- */

#define DONE(o, ...)                                        \
	do {                                                \
		if (TOOL(o, "", __VA_ARGS__) != 0)          \
			fail_msg("%s", (o)->said);          \
	} while (0)

static void what_people_agree_to_and_order_is_done(void **state)
{
	struct place *x = *state;
	struct office *o = x->plane->o;
	AUTO_FREE char *anna = NULL;
	char hex[DIGEST_HEX_LEN + 1];

	NEED(o);
	anna = new_token(x->plane, "anna", "operator\",\"approver", NULL);
	write_file(x, x->anna, "anna.token", anna);
	assert_int_equal(chmod(x->anna, 0600), 0);
	write_file(x, x->policy, "policy.json",
		   "{\"format\":1,\"channel\":\"edr\",\"rings\":[{\"name\":\"canary\",\"promote\":\"manual\",\"approvals\":{\"count\":1}},"
		   "{\"name\":\"early\"},{\"name\":\"broad\"}]}");
	DONE(o, "policy", "set", x->policy);
	publish(o, 1, "rules", hex);
	wait_says(x, "/v1/rollouts/1", "awaiting-approval");
	assert_int_not_equal(TOOL(o, "", "rollout", "approve", "1", "--reason", "my own"), 0);
	expect_said(o, "another has to approve");
	assert_int_not_equal(TOOL(o, "", "rollout", "promote", "1", "--reason", "too early", "--token-file", x->anna), 0);
	DONE(o, "rollout", "approve", "1", "--reason", "read it", "--token-file", x->anna);
	wait_says(x, "/v1/rollouts/1", "awaiting-approval");
	DONE(o, "rollout", "promote", "1", "--reason", "now", "--token-file", x->anna);
	wait_says(x, "/v1/rollouts/1", "\"state\":\"offering\"");
	wait_says(x, "/v1/rollouts/1", "\"attempt\":1");
	DONE(o, "rollout", "retry", "1", "--reason", "once more");
	wait_says(x, "/v1/rollouts/1", "\"attempt\":2");
	DONE(o, "rollout", "emergency", "1", "--reason", "it is exploited");
	assert_int_not_equal(TOOL(o, "", "rollout", "approve", "1", "--emergency", "--reason", "my own"), 0);
	DONE(o, "rollout", "approve", "1", "--emergency", "--reason", "agreed", "--token-file", x->anna);
	DONE(o, "rollout", "show", "1", "--json");
	assert_null(strstr(o->said, "\"emergency\": null"));
	DONE(o, "audit", "list", "--json");
	expect_said(o, "it is exploited");
	expect_said(o, "agreed");
}

/* Two machines with one identity: the epoch that was left comes back. */
static void clone(struct place *x, const char *token)
{
	static const char *const epochs[] = { "0123456789abcdef", "1123456789abcdef", "0123456789abcdef" };

	for (size_t i = 0; i < ARRAY_LEN(epochs); i++) {
		char body[400];

		snprintf(body, sizeof body,
			 "{\"format\":1,\"epoch\":\"%s\",\"seq\":%zu,\"sent\":1738324800,\"boot_id\":\"b\",\"facts\":{\"os\":\"debian-12\"},"
			 "\"channels\":[],\"events\":[],\"want\":[]}", epochs[i], 10 + i);
		AUTO_REPLY c = ask(x->plane, token, "POST", "/device/v1/checkin", body);

		assert_non_null(c.text);        /* whatever the last one is told */
	}
}

static void what_is_ordered_of_a_device_is_done(void **state)
{
	struct place *x = *state;
	struct office *o = x->plane->o;
	char path[100], token[256];

	NEED(o);
	{
		AUTO_REPLY t = ask(x->plane, FIXTURE_TOKEN, "POST", "/v1/enrolment-tokens", "{\"name\":\"lab\"}");
		AUTO_REPLY d = ask(x->plane, member(&t, "token"), "POST", "/device/v1/enrol", DEVICE_FACTS);

		snprintf(x->device, sizeof x->device, "%s", member(&d, "device"));
		snprintf(token, sizeof token, "%s", member(&d, "token"));
	}
	snprintf(path, sizeof path, "/v1/devices/%s", x->device);
	DONE(o, "devices", "assign", x->device, "ring=early");
	wait_says(x, path, "\"attributes\":[\"ring=early\"]");
	clone(x, token);
	wait_says(x, path, "\"flagged\":true");
	DONE(o, "devices", "clear", x->device, "--reason", "restored from a snapshot");
	wait_says(x, path, "\"flagged\":false");
	DONE(o, "devices", "revoke", x->device, "--reason", "lost");
	wait_says(x, path, "\"revoked\":true");
	AUTO_REPLY c = ask(x->plane, token, "POST", "/device/v1/checkin",
			   "{\"format\":1,\"epoch\":\"2123456789abcdef\",\"seq\":50,\"sent\":1738324800,\"boot_id\":\"b\",\"facts\":{},\"channels\":[],"
			   "\"events\":[],\"want\":[]}");
	assert_int_equal(c.status, 403);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_rollback_goes_to_any_bundle_at_or_above_the_floor),
		T(a_change_can_be_bound_to_the_version_that_was_looked_at),
		T(a_stop_that_is_repeated_finds_it_stopped),
		T(what_people_agree_to_and_order_is_done),
		T(what_is_ordered_of_a_device_is_done),
		T(a_simulated_move_happens_when_it_is_signed_and_an_override_takes_it_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
