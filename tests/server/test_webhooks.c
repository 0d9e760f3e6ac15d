/* test_webhooks: messages and questions of a real server at a real receiver, verified by the npm packages standardwebhooks and cloudevents. */
#include "plane.h"

#include <sys/mman.h>

struct place {
	struct plane *plane;
	pid_t receiver;
	int from;               /* what the receiver prints */
	char url[64];
	struct fetch *http;
};

static volatile int64_t *shift_ms;      /* of the clock that server and test see */

static void pass_time(int64_t seconds)
{
	*shift_ms += seconds * 1000;
}

/* ---- the receiver ---- */

static bool start_receiver(struct place *x)
{
	const char *node = test_other_program("node");
	struct pollfd ready;
	char line[16] = "";
	int pipes[2];
	struct err e;

	if (!node || access("tests/peers/node_modules/standardwebhooks/package.json", R_OK) < 0)
		return false;
	assert_int_equal(pipe(pipes), 0);
	x->receiver = fork();
	if (x->receiver == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(pipes[1], STDOUT_FILENO);
		execl(node, "node", "tests/peers/receiver.mjs", (char *)NULL);
		_exit(127);
	}
	close(pipes[1]);
	x->from = pipes[0];
	for (size_t len = 0; !strchr(line, '\n'); line[++len] = '\0') {
		assert_true(len < sizeof line - 1);
		ready = (struct pollfd){ .fd = x->from, .events = POLLIN };
		assert_int_equal(poll(&ready, 1, LIMIT_MS), 1);
		assert_int_equal(read(x->from, line + len, 1), 1);
	}
	snprintf(x->url, sizeof x->url, "http://127.0.0.1:%d", atoi(line));
	assert_ok(fetch_new(&x->http, &(const struct fetch_settings){ .agent = "test" }, &e));
	return true;
}

static struct json_doc *receiver(struct place *x, const char *method, const char *path, const char *body)
{
	struct fetch_answer a = { 0 };
	struct json_doc *d = NULL;
	char url[128];
	struct err e;

	snprintf(url, sizeof url, "%s%s", x->url, path);
	assert_ok(fetch_do(x->http, &(const struct fetch_request){ .method = method, .url = url, .body = body, .body_len = body ? strlen(body) : 0, .max = 1 << 20 },
			   &a, &e));
	if (!body)
		assert_ok(json_parse(&d, path, a.body->data, a.body->len, NULL, &e));
	fetch_answer_release(&a);
	return d;
}

static void behave(struct place *x, const char *mode)
{
	char body[64];

	snprintf(body, sizeof body, "{\"mode\":\"%s\"}", mode);
	receiver(x, "POST", "/control", body);
}

static void knows(struct place *x, const char *first, const char *second)
{
	char body[300];

	snprintf(body, sizeof body, "{\"secrets\":[\"%s\"%s%s%s]}", first, second ? ",\"" : "", second ? second : "", second ? "\"" : "");
	receiver(x, "POST", "/control", body);
}

static bool is_type(const struct json *item, const char *type)
{
	const struct json *event = json_get(item, "event");

	return event && event->type == JSON_OBJECT && json_is(json_get(event, "type"), type);
}

/* How many messages of this type (NULL: at all) came. */
static size_t count_of(struct place *x, const char *type)
{
	AUTO(json) struct json_doc *d = receiver(x, "GET", "/got", NULL);
	const struct json *items = json_get(d->root, "items");
	size_t count = 0;

	for (uint32_t i = 0; i < items->count; i++)
		count += !type || is_type(&items->u.items[i], type);
	return count;
}

/* Until so many of a type came; the document is the caller's, *item the newest of them. */
static struct json_doc *wait_for(struct place *x, const char *type, size_t count, const struct json **item)
{
	int64_t until = clock_work_ms() + LIMIT_MS;

	for (;;) {
		struct json_doc *d = receiver(x, "GET", "/got", NULL);
		const struct json *items = json_get(d->root, "items");
		size_t seen = 0;

		for (uint32_t i = 0; i < items->count; i++)
			if (is_type(&items->u.items[i], type)) {
				*item = &items->u.items[i];
				seen++;
			}
		if (seen >= count)
			return d;
		json_free(d);
		if (clock_work_ms() > until)
			fail_msg("%zu of %s came instead of %zu", seen, type, count);
		poll(NULL, 0, 20);
	}
}

static const char *text_of(const struct json *o, const char *key)
{
	const struct json *v = json_get(o, key);

	return v && v->type == JSON_STRING ? v->u.text : "";
}

static long number_of(const struct json *o, const char *key)
{
	const struct json *v = json_get(o, key);

	return v && v->type == JSON_NUMBER ? atol(v->u.text) : -1;
}

/* ---- a server ---- */

/* The receiver stays; what it got and how it behaves begins anew. */
static struct place shared;

static int setup(void **state)
{
	struct place *x = &shared;

	*state = x;
	*shift_ms = 0;
	if (!x->receiver && !start_receiver(x))
		return 0;
	receiver(x, "POST", "/control", "{\"mode\":\"ok\",\"forget\":true}");
	return 0;
}

static int teardown(void **state)
{
	struct place *x = *state;

	if (x->plane)
		plane_close(x->plane);
	x->plane = NULL;
	return 0;
}

static void end_receiver(struct place *x)
{
	if (x->receiver > 0) {
		kill(x->receiver, SIGKILL);
		waitpid(x->receiver, NULL, 0);
		close(x->from);
	}
	x->receiver = 0;
	fetch_free(x->http);
	x->http = NULL;
}

#define LOCAL "webhook-networks = 127.0.0.0/8\n"
#define BEGIN(x, more)                                                      \
	do {                                                                \
		if (!(x)->receiver)                                         \
			skip_missing_program("node with standardwebhooks"); \
		(x)->plane = plane_open(more);                              \
		NEED((x)->plane->o);                                        \
	} while (0)

/* A webhook at the receiver; its secret, freed by the caller. */
static char *make(struct place *x, const char *name, const char *more)
{
	char body[300], path[80];

	snprintf(body, sizeof body, "{\"url\":\"%s/hook\"%s%s}", x->url, *more ? "," : "", more);
	snprintf(path, sizeof path, "/v1/webhooks/%s", name);
	AUTO_REPLY a = ask(x->plane, FIXTURE_TOKEN, "PUT", path, body);
	if (a.status != 201)
		fail_msg("%s: %s", path, a.text->data);
	assert_memory_equal(member(&a, "secret"), "whsec_", 6);
	return strdup(member(&a, "secret"));
}

static void make_known(struct place *x, const char *name, const char *more)
{
	AUTO_FREE char *secret = make(x, name, more);

	knows(x, secret, NULL);
}

/* Until a member of the webhook is not null and not 0, and holds these words. */
static void wait_trouble(struct place *x, const char *name, const char *words)
{
	int64_t until = clock_work_ms() + LIMIT_MS;
	char path[80];

	snprintf(path, sizeof path, "/v1/webhooks/%s", name);
	for (;;) {
		AUTO_REPLY a = ask(x->plane, FIXTURE_TOKEN, "GET", path, NULL);

		assert_int_equal(a.status, 200);
		if (strstr(member(&a, "trouble"), words))
			return;
		if (clock_work_ms() > until)
			fail_msg("no \"%s\": %s", words, a.text->data);
		poll(NULL, 0, 20);
	}
}

static struct answer messages(struct place *x, const char *name, const char *state)
{
	char path[120];

	snprintf(path, sizeof path, "/v1/webhooks/%s/messages?state=%s", name, state);
	return ask(x->plane, FIXTURE_TOKEN, "GET", path, NULL);
}

static size_t wait_messages(struct place *x, const char *name, const char *state, size_t least)
{
	int64_t until = clock_work_ms() + LIMIT_MS;

	for (;;) {
		AUTO_REPLY a = messages(x, name, state);
		size_t count = json_get(a.doc->root, "items")->count;

		if (count >= least)
			return count;
		if (clock_work_ms() > until)
			fail_msg("%zu messages are %s", count, state);
		poll(NULL, 0, 20);
	}
}

/* ---- messages ---- */

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

/* ---- questions ---- */

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
	pass_time(35);
	d = wait_for(x, "ringhold.hook.before-ring", 2, &item);
	wait_ring(x, "queued", "the hook board holds: answered 409");
	behave(x, "ok");
	pass_time(70);
	wait_ring(x, "offering", "");
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

static bool open_clock(void)
{
	char path[] = "/tmp/ringhold-clock-XXXXXX";
	int64_t zero = 0;
	int fd = mkostemp(path, O_CLOEXEC);

	if (fd < 0 || write(fd, &zero, sizeof zero) != sizeof zero || setenv("RINGHOLD_TEST_CLOCK", path, 1) < 0)
		return false;
	shift_ms = mmap(NULL, sizeof zero, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return shift_ms != MAP_FAILED;
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
		TEST(a_ring_is_entered_when_its_hook_agrees),
		TEST(a_hook_that_says_no_holds_the_ring_is_asked_again_and_lets_go),
		TEST(a_hook_that_does_not_answer_holds_the_ring_and_nothing_else),
		TEST(passing_a_hook_over_needs_approval),
	};
	int failed;

	if (!open_clock())
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	end_receiver(&shared);
	unlink(getenv("RINGHOLD_TEST_CLOCK"));
	return failed;
}
