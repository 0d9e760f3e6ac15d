/* test_hooks: a ring is entered when its hook agrees, and held, with the reason, while it does not. */
#include "receiver.h"

/* Until the first ring of rollout 1 is in this state, with these words in its sentence. */
static void wait_ring(struct place *x, const char *want, const char *words)
{
	int64_t until = clock_work_ms() + LIMIT_MS;

	for (;;) {
		AUTO_REPLY a = ask(x->plane, FIXTURE_TOKEN, "GET", "/v1/rollouts/1", NULL);
		const struct json *ring = a.status == 200 ? &json_get(a.doc->root, "rings")->u.items[0] : NULL;

		if (ring && json_is(json_get(ring, "state"), want) && strstr(text_of(ring, "sentence"), words))
			return;
		if (clock_work_ms() > until)
			fail_msg("canary is not %s (%s): %s", want, words, a.text->data);
		poll(NULL, 0, 20);
	}
}

#define ASKED_FIRST "\"kind\":\"before-ring\",\"rings\":[\"canary\"],\"timeout_s\":1"

static void a_ring_is_entered_when_its_hook_agrees(void **state)
{
	struct place *x = *state;
	AUTO(json) struct json_doc *d = NULL;
	const struct json *item, *data;
	char hex[DIGEST_HEX_LEN + 1];

	BEGIN(x, LOCAL);
	make_known(x, "board", ASKED_FIRST);
	publish(x->plane->o, 1, "one", hex);
	d = wait_for(x, "ringhold.hook.before-ring", 1, &item);
	assert_int_equal(number_of(item, "verified"), 1);
	data = json_get(json_get(item, "event"), "data");
	assert_string_equal(text_of(data, "ring"), "canary");
	assert_string_equal(text_of(data, "digest"), hex);
	wait_ring(x, "offering", "");
}

static void a_hook_that_says_no_holds_the_ring_is_asked_again_and_lets_go(void **state)
{
	struct place *x = *state;
	AUTO(json) struct json_doc *d = NULL;
	const struct json *item;
	char hex[DIGEST_HEX_LEN + 1];

	BEGIN(x, LOCAL);
	make_known(x, "board", ASKED_FIRST);
	behave(x, "409");
	publish(x->plane->o, 1, "one", hex);
	wait_ring(x, "queued", "the hook board holds: answered 409");
	assert_int_equal(TOOL(x->plane->o, "", "status"), 0);
	expect_said(x->plane->o, "the hook board holds: answered 409");
	assert_int_equal(TOOL(x->plane->o, "", "rollout", "explain", "1"), 0);
	expect_said(x->plane->o, "the hook board holds: answered 409");
	pass_time(35);
	d = wait_for(x, "ringhold.hook.before-ring", 2, &item);
	wait_ring(x, "queued", "the hook board holds: answered 409");
	behave(x, "ok");
	pass_time(70);
	wait_ring(x, "offering", "");
	/* and afterwards */
	assert_int_equal(TOOL(x->plane->o, "", "rollout", "explain", "1", "--json"), 0);
	expect_said(x->plane->o, "\"sentence\": \"the hook board holds: answered 409\"");
}

static void a_hook_that_does_not_answer_holds_the_ring_and_nothing_else(void **state)
{
	struct place *x = *state;
	char hex[DIGEST_HEX_LEN + 1];

	BEGIN(x, LOCAL);
	make_known(x, "board", ASKED_FIRST);
	behave(x, "hang");
	publish(x->plane->o, 1, "one", hex);
	wait_ring(x, "queued", "the hook board holds: ");
	plane_restart(x->plane, SIGKILL);
	wait_trouble(x, "board", "timed out");  /* asked anew */
	behave(x, "ok");
	pass_time(70);
	wait_ring(x, "offering", "");
}

/* An operator may pass a hook over, and then another person has to approve that. */
static void passing_a_hook_over_needs_approval(void **state)
{
	struct place *x = *state;
	AUTO_FREE char *operator = NULL, *approver = NULL;
	char hex[DIGEST_HEX_LEN + 1];

	BEGIN(x, LOCAL);
	operator = new_token(x->plane, "olga", "operator\",\"approver", NULL);
	approver = new_token(x->plane, "anna", "approver", NULL);
	make_known(x, "board", ASKED_FIRST);
	behave(x, "409");
	publish(x->plane->o, 1, "one", hex);
	wait_ring(x, "queued", "answered 409");
	{
		AUTO_REPLY early = ask(x->plane, approver, "POST", "/v1/rollouts/1/approve", "{\"reason\":\"fine\"}");
		AUTO_REPLY passed = ask(x->plane, operator, "POST", "/v1/rollouts/1/promote", "{\"reason\":\"the board is out\"}");

		assert_int_equal(early.status, 409);
		assert_int_equal(passed.status, 200);
	}
	wait_ring(x, "awaiting-approval", "olga passes over");
	{
		AUTO_REPLY alone = ask(x->plane, operator, "POST", "/v1/rollouts/1/approve", "{\"reason\":\"me too\"}");
		AUTO_REPLY again = ask(x->plane, operator, "POST", "/v1/rollouts/1/promote", "{\"reason\":\"now\"}");

		expect_problem(&alone, 403, "requester-approves");
		expect_problem(&again, 409, "conflict");
	}
	plane_restart(x->plane, SIGKILL);
	wait_ring(x, "awaiting-approval", "olga passes over");
	{
		AUTO_REPLY agreed = ask(x->plane, approver, "POST", "/v1/rollouts/1/approve", "{\"reason\":\"so be it\"}");

		assert_int_equal(agreed.status, 200);
	}
	wait_ring(x, "offering", "");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_ring_is_entered_when_its_hook_agrees),
		TEST(a_hook_that_says_no_holds_the_ring_is_asked_again_and_lets_go),
		TEST(a_hook_that_does_not_answer_holds_the_ring_and_nothing_else),
		TEST(passing_a_hook_over_needs_approval),
	};

	return run_with_receiver("hooks", tests, ARRAY_LEN(tests));
}
