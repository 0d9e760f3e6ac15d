/* test_hooks: a ring is entered when its hook agrees, and held, with the reason, while it does not. */
#include "receiver.h"

/* Is this ring of rollout 1 in this state, with these words in its sentence? */
static bool ring_is(struct place *x, size_t position, const char *want, const char *words)
{
	AUTO_REPLY a = ask(x->plane, FIXTURE_TOKEN, "GET", "/v1/rollouts/1", NULL);
	const struct json *ring = a.status == 200 ? &json_get(a.doc->root, "rings")->u.items[position] : NULL;

	return ring && json_is(json_get(ring, "state"), want) && strstr(text_of(ring, "sentence"), words);
}

/* Until it is. */
static void wait_ring_at(struct place *x, size_t position, const char *want, const char *words)
{
	int64_t until = clock_work_ms() + LIMIT_MS;

	while (!ring_is(x, position, want, words)) {
		if (clock_work_ms() > until) {
			AUTO_REPLY a = ask(x->plane, FIXTURE_TOKEN, "GET", "/v1/rollouts/1", NULL);

			fail_msg("ring %zu is not %s (%s): %s", position, want, words, a.text->data);
		}
		poll(NULL, 0, 20);
	}
}

static void wait_ring(struct place *x, const char *want, const char *words)
{
	wait_ring_at(x, 0, want, words);
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

/* Its own people agree to it, and nobody else is asked: the hook that holds the ring still says no, and is not even heard. */
static void the_emergency_lane_asks_no_hook(void **state)
{
	struct place *x = *state;
	char hex[DIGEST_HEX_LEN + 1];
	size_t asked;

	BEGIN(x, LOCAL);
	make_known(x, "board", ASKED_FIRST);
	behave(x, "409");
	publish(x->plane->o, 1, "one", hex);
	wait_ring(x, "queued", "the hook board holds: answered 409");
	{
		AUTO_REPLY lane = ask(x->plane, FIXTURE_TOKEN, "POST", "/v1/rollouts/1/emergency", "{\"reason\":\"it is exploited\"}");

		assert_int_equal(lane.status, 200);
	}
	asked = count_of(x, "ringhold.hook.before-ring");
	assert_true(asked > 0);
	for (int i = 0; i < 2; i++) {
		AUTO_FREE char *token = new_token(x->plane, i ? "anna" : "olga", "approver", NULL);
		AUTO_REPLY agreed = ask(x->plane, token, "POST", "/v1/rollouts/1/approve", "{\"reason\":\"so be it\",\"emergency\":true}");

		assert_true(ring_is(x, 0, "queued", "") || i == 1);     /* one of two opens nothing */
		assert_int_equal(agreed.status, 200);
	}
	wait_ring(x, "offering", "");
	pass_time(310);         /* long enough for it to be asked again, were it asked at all */
	assert_int_equal(TOOL(x->plane->o, "", "rollout", "explain", "1"), 0);
	expect_said(x->plane->o, "EMERGENCY LANE");
	wait_ring(x, "offering", "");
	assert_int_equal(count_of(x, "ringhold.hook.before-ring"), asked);
}

/* ---- a promotion ---- */

#define HOSTS 4
#define INTERVAL 300

struct host {
	char token[128];
	uint64_t seq, n;
};

static void enrol_hosts(struct place *x, struct host hosts[HOSTS])
{
	AUTO_REPLY t = ask(x->plane, FIXTURE_TOKEN, "POST", "/v1/enrolment-tokens", "{\"name\":\"lab\",\"attributes\":{\"ring\":\"canary\"},\"uses\":100}");

	assert_int_equal(t.status, 201);
	for (size_t i = 0; i < HOSTS; i++) {
		AUTO_REPLY d = ask(x->plane, member(&t, "token"), "POST", "/device/v1/enrol", "{\"format\":1,\"facts\":{}}");

		assert_int_equal(d.status, 201);
		hosts[i] = (struct host){ .seq = 0 };
		snprintf(hosts[i].token, sizeof hosts[i].token, "%s", member(&d, "token"));
	}
}

/* want: the digest it asks a permit for; events: JSON. Whether it got a permit. */
static bool checks_in(struct place *x, struct host *h, size_t number, const char *want, const char *events)
{
	AUTO(buf) struct buf *body = buf_new(4096);
	AUTO_REPLY a = { 0 };

	buf_addf(body,
		 "{\"format\":1,\"epoch\":\"%016zx\",\"seq\":%llu,\"sent\":1,\"boot_id\":\"b\",\"facts\":{\"os\":\"debian-12\"},\"channels\":[{"
		 "\"channel\":\"edr\",\"ring\":\"canary\",\"phase\":\"IDLE\",\"rung\":\"current\",\"running\":null,\"drop\":null,\"high_water\":0,"
		 "\"held\":null}],\"events\":[%s],\"want\":[",
		 number + 1, (unsigned long long)++h->seq, events);
	if (want)
		buf_addf(body, "{\"channel\":\"edr\",\"digest\":\"%s\",\"attempt\":1}", want);
	buf_adds(body, "]}");
	a = ask(x->plane, h->token, "POST", "/device/v1/checkin", body->data);
	if (a.status != 200)
		fail_msg("check-in: %ld %s\n%s", a.status, a.text->data, body->data);
	return strstr(a.text->data, "\"answer\":\"go\"") != NULL;
}

static void everybody_checks_in(struct place *x, struct host hosts[HOSTS])
{
	for (size_t i = 0; i < HOSTS; i++)
		checks_in(x, &hosts[i], i, NULL, "");
}

static void tells(struct place *x, struct host *h, size_t number, const char *hex, const char *kind)
{
	char event[300];

	snprintf(event, sizeof event, "{\"n\":%llu,\"at\":1,\"channel\":\"edr\",\"digest\":\"%s\",\"attempt\":1,\"kind\":\"%s\",\"reason\":null}",
		 (unsigned long long)++h->n, hex, kind);
	checks_in(x, h, number, NULL, event);
}

/* Every host of the first ring takes the bundle and survives it, and then time goes by until the ring has passed. */
static void canary_passes(struct place *x, struct host hosts[HOSTS], const char *hex)
{
	int64_t until = clock_work_ms() + LIMIT_MS;

	for (size_t i = 0; i < HOSTS; i++) {
		assert_true(checks_in(x, &hosts[i], i, hex, ""));
		tells(x, &hosts[i], i, hex, "armed");
		tells(x, &hosts[i], i, hex, "survived");
	}
	while (!ring_is(x, 0, "passed", "")) {
		assert_true(clock_work_ms() < until);
		pass_time(INTERVAL);
		everybody_checks_in(x, hosts);
		poll(NULL, 0, 50);
	}
}

/* A server whose hook is asked where it is asked when nobody says where; its first ring has passed. */
static void until_canary_passed(struct place *x, const char *mode)
{
	struct host hosts[HOSTS];
	char hex[DIGEST_HEX_LEN + 1];
	AUTO_REPLY policy = ask(x->plane, FIXTURE_TOKEN, "PUT", "/v1/policies/edr",
				"{\"format\":1,\"channel\":\"edr\",\"rings\":[{\"name\":\"canary\",\"soak_s\":60},{\"name\":\"early\"},{\"name\":\"broad\"}]}");

	assert_int_equal(policy.status, 200);
	make_known(x, "board", "\"kind\":\"before-ring\",\"timeout_s\":1");
	behave(x, mode);
	enrol_hosts(x, hosts);
	for (int i = 0; i < 3; i++) {
		everybody_checks_in(x, hosts);
		pass_time(INTERVAL + 1);
	}
	publish(x->plane->o, 1, "one", hex);
	wait_ring(x, "offering", "");
	assert_int_equal(count_of(x, "ringhold.hook.before-ring"), 0);  /* what is published is not promoted: nobody was asked */
	everybody_checks_in(x, hosts);
	canary_passes(x, hosts, hex);
}

static void without_rings_it_is_asked_before_every_one_but_the_first_and_holds_a_promotion(void **state)
{
	struct place *x = *state;
	AUTO(json) struct json_doc *d = NULL;
	const struct json *item;

	BEGIN(x, LOCAL);
	until_canary_passed(x, "409");
	wait_ring_at(x, 1, "queued", "the hook board holds: answered 409");
	d = wait_for(x, "ringhold.hook.before-ring", 1, &item);
	assert_string_equal(text_of(json_get(json_get(item, "event"), "data"), "ring"), "early");
	behave(x, "ok");
	pass_time(70);
	wait_ring_at(x, 1, "offering", "");
}

/* Only 2xx is a yes: not an address where the answer may be had, not an error, not a port where nobody listens. */
static void what_is_no_2xx_holds_a_promotion(void **state)
{
	static const struct { const char *mode, *words; } answers[] = { { "500", "answered 500" }, { "410", "answered 410" }, { "429", "answered 429" } };
	struct place *x = *state;

	BEGIN(x, LOCAL);
	until_canary_passed(x, "redirect");
	wait_ring_at(x, 1, "queued", "the hook board holds: answered 307");
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		behave(x, answers[i].mode);
		pass_time(310);
		wait_ring_at(x, 1, "queued", answers[i].words);
	}
	end_receiver(x);
	pass_time(310);
	wait_ring_at(x, 1, "queued", "connect to");
	plane_restart(x->plane, SIGKILL);
	wait_trouble(x, "board", "connect to");         /* asked anew */
	wait_ring_at(x, 1, "queued", "connect to");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_ring_is_entered_when_its_hook_agrees),
		TEST(a_hook_that_says_no_holds_the_ring_is_asked_again_and_lets_go),
		TEST(a_hook_that_does_not_answer_holds_the_ring_and_nothing_else),
		TEST(passing_a_hook_over_needs_approval),
		TEST(the_emergency_lane_asks_no_hook),
		TEST(without_rings_it_is_asked_before_every_one_but_the_first_and_holds_a_promotion),
		TEST(what_is_no_2xx_holds_a_promotion),
	};

	return run_with_receiver("hooks", tests, ARRAY_LEN(tests));
}
