/* test_webhooks: what happens reaches a receiver, signed, once it can be reached, and nothing is lost on the way. */
#include "receiver.h"

static void what_happens_arrives_signed_as_a_cloud_event(void **state)
{
	struct place *x = *state;
	AUTO(json) struct json_doc *d = NULL, *ring = NULL;
	const struct json *item, *data;
	char hex[DIGEST_HEX_LEN + 1];

	BEGIN(x, LOCAL);
	make_known(x, "siem", "");
	publish(x->plane->o, 1, "one", hex);
	d = wait_for(x, "ringhold.bundle.published", 1, &item);
	assert_int_equal(number_of(item, "verified"), 1);
	assert_string_equal(text_of(item, "type"), "application/cloudevents+json; charset=utf-8");
	assert_true(json_is(json_get(json_get(item, "event"), "specversion"), "1.0"));
	assert_true(json_is(json_get(json_get(item, "event"), "source"), "urn:ringhold:content"));
	data = json_get(json_get(item, "event"), "data");
	assert_string_equal(text_of(data, "channel"), "edr");
	assert_string_equal(text_of(data, "digest"), hex);
	ring = wait_for(x, "ringhold.ring.offering", 1, &item);
	assert_int_equal(number_of(item, "verified"), 1);
	assert_string_equal(text_of(json_get(json_get(item, "event"), "data"), "ring"), "canary");
}

static void a_webhook_hears_what_it_asked_for(void **state)
{
	struct place *x = *state;
	AUTO(json) struct json_doc *d = NULL;
	const struct json *item;
	char hex[DIGEST_HEX_LEN + 1];

	BEGIN(x, LOCAL);
	make_known(x, "siem", "\"types\":[\"ringhold.ring.offering\",\"ringhold.webhook\"]");
	publish(x->plane->o, 1, "one", hex);
	d = wait_for(x, "ringhold.ring.offering", 1, &item);
	/* messages come in order: what was before this one would be here */
	assert_int_equal(count_of(x, NULL), 1);
}

static void wait_empty(struct place *x, const char *name)
{
	int64_t until = clock_work_ms() + LIMIT_MS;

	for (;;) {
		AUTO_REPLY a = messages(x, name, "waiting");

		if (json_get(a.doc->root, "items")->count == 0)
			return;
		assert_true(clock_work_ms() < until);
		poll(NULL, 0, 20);
	}
}

/* Killed between the event and its delivery, with a receiver that takes nothing: afterwards all is there, each under one name. */
static void nothing_is_lost_by_a_kill_and_a_message_keeps_its_name(void **state)
{
	struct place *x = *state;
	AUTO(json) struct json_doc *before = NULL, *after = NULL;
	const struct json *item, *items;
	char hex[DIGEST_HEX_LEN + 1], first[100], name[100];
	size_t taken = 0, as_first = 0;

	BEGIN(x, LOCAL);
	make_known(x, "siem", "\"types\":[\"ringhold.bundle\"]");
	behave(x, "500");
	publish(x->plane->o, 1, "one", hex);
	before = wait_for(x, "ringhold.bundle.published", 1, &item);
	snprintf(first, sizeof first, "%s", text_of(item, "id"));
	publish(x->plane->o, 2, "two", hex);
	plane_restart(x->plane, SIGKILL);
	behave(x, "ok");
	pass_time(60);
	/* of the second it is not known whether it was a message yet */
	after = wait_for(x, "ringhold.bundle.published", 3, &item);
	wait_empty(x, "siem");
	json_free(after);
	after = receiver(x, "GET", "/got", NULL);
	items = json_get(after->root, "items");
	for (uint32_t i = 0; i < items->count; i++) {
		const struct json *one = &items->u.items[i];

		assert_int_equal(number_of(one, "verified"), 1);
		snprintf(name, sizeof name, "siem-%s", text_of(json_get(one, "event"), "id"));
		assert_string_equal(text_of(one, "id"), name);
		if (strcmp(text_of(one, "mode"), "ok") == 0) {
			taken++;
			as_first += strcmp(text_of(one, "id"), first) == 0;
		}
	}
	assert_int_equal(taken, 2);
	assert_int_equal(as_first, 1);
}

static void a_message_nobody_takes_is_a_dead_letter_until_it_is_sent_again(void **state)
{
	struct place *x = *state;
	AUTO(json) struct json_doc *d = NULL;
	const struct json *item;
	char hex[DIGEST_HEX_LEN + 1];

	BEGIN(x, LOCAL "webhook-give-up = 60s\n");
	make_known(x, "siem", "\"types\":[\"ringhold.bundle\"]");
	behave(x, "500");
	publish(x->plane->o, 1, "one", hex);
	wait_trouble(x, "siem", "answered 500");
	pass_time(120);
	assert_int_equal(wait_messages(x, "siem", "dead", 1), 1);
	assert_int_equal(TOOL(x->plane->o, "", "webhooks", "dead", "siem"), 0);
	expect_said(x->plane->o, "ringhold.bundle.published");
	expect_said(x->plane->o, "answered 500");
	{
		AUTO_REPLY page = ask(x->plane, FIXTURE_TOKEN, "GET", "/metrics", NULL);

		assert_non_null(strstr(page.text->data, "ringhold_webhook_dead_letters{webhook=\"siem\"} 1"));
	}
	behave(x, "ok");
	assert_int_equal(TOOL(x->plane->o, "", "webhooks", "redeliver", "siem"), 0);
	d = wait_for(x, "ringhold.bundle.published", 3, &item);
	assert_int_equal(number_of(item, "verified"), 1);
}

static void a_receiver_says_how_long_to_wait_or_that_it_is_gone(void **state)
{
	struct place *x = *state;
	AUTO(json) struct json_doc *d = NULL;
	const struct json *item;
	char hex[DIGEST_HEX_LEN + 1];

	BEGIN(x, LOCAL);
	make_known(x, "siem", "\"types\":[\"ringhold.bundle\"]");
	behave(x, "429");
	publish(x->plane->o, 1, "one", hex);
	wait_trouble(x, "siem", "answered 429");
	{
		AUTO_REPLY a = messages(x, "siem", "waiting");
		const struct json *one = &json_get(a.doc->root, "items")->u.items[0];
		int64_t due;

		assert_true(clock_parse(&due, text_of(one, "due"), strlen(text_of(one, "due"))));
		assert_true(due > clock_now() + 10);    /* without Retry-After it were five seconds */
	}
	behave(x, "410");
	pass_time(60);
	assert_int_equal(wait_messages(x, "siem", "dead", 1), 1);
	d = wait_for(x, "ringhold.bundle.published", 2, &item);
}

static void both_secrets_sign_while_one_is_replaced(void **state)
{
	struct place *x = *state;
	AUTO_FREE char *old = NULL;
	AUTO(json) struct json_doc *d = NULL, *later = NULL;
	const struct json *item;
	char fresh[100];

	BEGIN(x, LOCAL);
	old = make(x, "siem", "");
	{
		AUTO_REPLY a = ask(x->plane, FIXTURE_TOKEN, "POST", "/v1/webhooks/siem/rotate", "{\"overlap_s\":600}");

		assert_int_equal(a.status, 200);
		snprintf(fresh, sizeof fresh, "%s", member(&a, "secret"));
		assert_string_not_equal(fresh, old);
	}
	knows(x, old, fresh);
	assert_int_equal(TOOL(x->plane->o, "", "webhooks", "test", "siem"), 0);
	d = wait_for(x, "ringhold.webhook.test", 1, &item);
	assert_int_equal(number_of(item, "signatures"), 2);
	assert_int_equal(number_of(item, "verified"), 2);
	pass_time(700);
	assert_int_equal(TOOL(x->plane->o, "", "webhooks", "test", "siem"), 0);
	later = wait_for(x, "ringhold.webhook.test", 2, &item);
	assert_int_equal(number_of(item, "signatures"), 1);
	assert_int_equal(TOOL(x->plane->o, "", "webhooks", "show", "siem"), 0);
	assert_null(strstr(x->plane->o->said, "whsec_"));
}

static void no_redirect_is_followed(void **state)
{
	struct place *x = *state;

	BEGIN(x, LOCAL);
	make_known(x, "siem", "");
	behave(x, "redirect");
	assert_int_equal(TOOL(x->plane->o, "", "webhooks", "test", "siem"), 0);
	wait_trouble(x, "siem", "redirects are not followed");
	assert_int_equal(count_of(x, NULL), 1);
}

static void an_address_within_needs_to_be_listed(void **state)
{
	struct place *x = *state;

	BEGIN(x, "");
	make_known(x, "siem", "");
	assert_int_equal(TOOL(x->plane->o, "", "webhooks", "test", "siem"), 0);
	wait_trouble(x, "siem", "none that webhooks may have");
	assert_int_equal(count_of(x, NULL), 0);
}

/* One receiver never answers: the server does, and so does another webhook. */
static void a_receiver_that_hangs_holds_nobody_up(void **state)
{
	struct place *x = *state;
	AUTO(json) struct json_doc *first = NULL, *second = NULL;
	const struct json *item;

	BEGIN(x, LOCAL);
	make_known(x, "slow", "\"timeout_s\":30");
	behave(x, "hang");
	assert_int_equal(TOOL(x->plane->o, "", "webhooks", "test", "slow"), 0);
	first = wait_for(x, "ringhold.webhook.test", 1, &item);
	behave(x, "ok");
	make_known(x, "fast", "");
	assert_int_equal(TOOL(x->plane->o, "", "webhooks", "test", "fast"), 0);
	second = wait_for(x, "ringhold.webhook.test", 2, &item);
	{
		AUTO_REPLY a = ask(x->plane, FIXTURE_TOKEN, "GET", "/v1/webhooks/slow", NULL);

		assert_int_equal(a.status, 200);
		assert_string_equal(member(&a, "delivered"), "0");      /* it still waits */
	}
	/* so that the server may end at once */
	end_receiver(x);
	wait_trouble(x, "slow", "hook");
}

static void webhooks_are_listed_changed_and_removed(void **state)
{
	struct place *x = *state;
	AUTO_FREE char *secret = NULL;

	BEGIN(x, LOCAL);
	secret = make(x, "siem", "");
	assert_int_equal(TOOL(x->plane->o, "", "webhooks", "list"), 0);
	expect_said(x->plane->o, "siem");
	{
		AUTO_REPLY stale = ask_with(x->plane, FIXTURE_TOKEN, "PUT", "/v1/webhooks/siem", "{\"url\":\"https://example.com/\"}", "If-Match: \"7\"");
		AUTO_REPLY bad = ask(x->plane, FIXTURE_TOKEN, "PUT", "/v1/webhooks/siem", "{\"url\":\"https://me:pass@example.com/\"}");
		AUTO_REPLY file = ask(x->plane, FIXTURE_TOKEN, "PUT", "/v1/webhooks/siem", "{\"url\":\"file:///etc/passwd\"}");
		AUTO_REPLY changed = ask_with(x->plane, FIXTURE_TOKEN, "PUT", "/v1/webhooks/siem", "{\"url\":\"https://example.com/\",\"paused\":true}", "If-Match: \"1\"");

		expect_problem(&stale, 412, "precondition-failed");
		expect_problem(&bad, 400, "malformed");
		expect_problem(&file, 400, "malformed");
		assert_int_equal(changed.status, 200);
		assert_string_equal(member(&changed, "secret"), "");
	}
	plane_restart(x->plane, SIGTERM);
	{
		AUTO_REPLY a = ask(x->plane, FIXTURE_TOKEN, "GET", "/v1/webhooks/siem", NULL);

		assert_string_equal(member(&a, "url"), "https://example.com/");
	}
	assert_int_equal(TOOL(x->plane->o, "", "webhooks", "remove", "siem", "--dry-run"), 0);
	expect_said(x->plane->o, "nothing was changed");
	assert_int_equal(TOOL(x->plane->o, "", "webhooks", "remove", "siem"), 0);
	assert_int_not_equal(TOOL(x->plane->o, "", "webhooks", "show", "siem"), 0);
	assert_int_equal(TOOL(x->plane->o, "", "webhooks", "set", "siem", "--url", "https://example.org/", "--type", "ringhold.ring"), 0);
	expect_said(x->plane->o, "whsec_");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(what_happens_arrives_signed_as_a_cloud_event),
		TEST(a_webhook_hears_what_it_asked_for),
		TEST(nothing_is_lost_by_a_kill_and_a_message_keeps_its_name),
		TEST(a_message_nobody_takes_is_a_dead_letter_until_it_is_sent_again),
		TEST(a_receiver_says_how_long_to_wait_or_that_it_is_gone),
		TEST(both_secrets_sign_while_one_is_replaced),
		TEST(no_redirect_is_followed),
		TEST(an_address_within_needs_to_be_listed),
		TEST(a_receiver_that_hangs_holds_nobody_up),
		TEST(webhooks_are_listed_changed_and_removed),
	};

	return run_with_receiver("webhooks", tests, ARRAY_LEN(tests));
}
