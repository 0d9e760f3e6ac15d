/*
 * test_pages: every list of the operator plane, page by page. One at a time is
 * the same list as all at once: none left out, none twice, none out of turn.
 */
#include "plane.h"

#define MANY 3
#define MORE 120                /* than a page holds, unless a greater one is asked for */

static int setup(void **state)
{
	struct plane *p = plane_open(EAGER);

	*state = p;
	return 0;
}

static int teardown(void **state)
{
	plane_close(*state);
	return 0;
}

/* ---- something to list ---- */

/* An admin's request that must be taken. */
static void PRINTF_LIKE(4, 5) make(struct plane *p, const char *method, const char *path, const char *body, ...)
{
	AUTO_FREE char *text = NULL;
	va_list args;

	va_start(args, body);
	assert_true(vasprintf(&text, body, args) > 0);
	va_end(args);
	AUTO_REPLY a = ask(p, FIXTURE_TOKEN, method, path, text);

	if (a.status >= 300)
		fail_msg("%s %s: %ld %s", method, path, a.status, a.text->data);
}

static void enrol_devices(struct plane *p)
{
	AUTO_REPLY token = ask(p, FIXTURE_TOKEN, "POST", "/v1/enrolment-tokens", "{\"name\":\"lab\",\"uses\":100}");

	for (int i = 0; i < MANY; i++) {
		AUTO_REPLY d = ask(p, member(&token, "token"), "POST", "/device/v1/enrol", "{\"format\":1,\"facts\":{}}");

		assert_int_equal(d.status, 201);
	}
}

static void fill(struct plane *p)
{
	char hex[DIGEST_HEX_LEN + 1], rules[20], hook[40];

	enrol_devices(p);
	for (int i = 1; i <= MANY; i++) {
		snprintf(rules, sizeof rules, "rules %d", i);
		publish(p->o, (uint64_t)i, rules, hex);
		make(p, "POST", "/v1/contracts", "{\"format\":1,\"sensor\":\"sensor-x\",\"version\":\"1.%d\",\"accepts\":{\"doc\":{\"versions\":[1]}}}", i);
		make(p, "PUT", "/v1/policies/edr",
		     "{\"format\":1,\"channel\":\"edr\",\"rings\":[{\"name\":\"canary\",\"soak_s\":%d},{\"name\":\"early\"},{\"name\":\"broad\"}]}", i);
		snprintf(hook, sizeof hook, "/v1/webhooks/hook-%d", i);
		make(p, "PUT", hook, "{\"url\":\"https://example.com/%d\",\"types\":[\"ringhold.test\"],\"paused\":true}", i);
		make(p, "POST", "/v1/tokens", "{\"name\":\"someone-%d\",\"roles\":[\"viewer\"]}", i);
		make(p, "POST", "/v1/enrolment-tokens", "{\"name\":\"lab-%d\"}", i);
		/* who asks for checkpoints has one made of what is there */
		AUTO_REPLY made = ask(p, FIXTURE_TOKEN, "GET", "/v1/audit/checkpoints?limit=1", NULL);
		assert_int_equal(made.status, 200);
	}
	for (int i = 0; i < MANY; i++)
		make(p, "POST", "/v1/webhooks/hook-1/test", "{}");
	for (int i = 1; i <= MANY; i++) {
		snprintf(hook, sizeof hook, "/v1/rollouts/%d/halt", i);
		make(p, "POST", hook, "{\"reason\":\"it hurts\"}");
	}
}

/* ---- the lists ---- */

static const struct list {
	const char *path, *key;         /* what tells one item from another */
	bool numbered;                  /* goes on after a number, its answer's "last" */
} lists[] = {
	{ "/v1/bundles", "digest", false },
	{ "/v1/contracts", "digest", false },
	{ "/v1/policies/edr/versions", "version", false },
	{ "/v1/rollouts", "id", false },
	{ "/v1/devices", "device", false },
	{ "/v1/enrolment-tokens", "id", false },
	{ "/v1/tokens", "id", false },
	{ "/v1/webhooks", "name", false },
	{ "/v1/webhooks/hook-1/messages", "message", false },
	{ "/v1/channels/edr/stops", "digest", false },
	{ "/v1/audit", "id", true },
	{ "/v1/audit/checkpoints", "signature", false },
	{ "/v1/events", "id", true },
};

static const struct json *items_of(const struct answer *a, const char *path)
{
	const struct json *items = a->doc ? json_get(a->doc->root, "items") : NULL;

	if (a->status != 200 || !items)
		fail_msg("%s: %ld %s", path, a->status, a->text->data);
	return items;
}

static const char *key_of(const struct json *item, const struct list *l)
{
	const struct json *v = json_get(item, l->key);

	if (!v)
		fail_msg("%s: an item without %s", l->path, l->key);
	return v->u.text;
}

/* As it may stand in a query. */
static void escape(char *out, const char *text)
{
	for (; *text; text++)
		out += sprintf(out, strchr("%&+# ", *text) ? "%%%02x" : "%c", (unsigned char)*text);
	*out = '\0';
}

static void walk(struct plane *p, const struct list *l)
{
	char path[800], next[200] = "", escaped[600] = "";
	AUTO_REPLY all = ask(p, FIXTURE_TOKEN, "GET", l->path, NULL);
	const struct json *whole = items_of(&all, l->path);

	if (whole->count < MANY)
		fail_msg("%s: only %u to walk over", l->path, (unsigned)whole->count);
	for (uint32_t i = 0; i < whole->count; i++) {
		snprintf(path, sizeof path, "%s?limit=1%s%s", l->path, !next[0] ? "" : l->numbered ? "&after=" : "&cursor=", escaped);
		AUTO_REPLY page = ask(p, FIXTURE_TOKEN, "GET", path, NULL);
		const struct json *items = items_of(&page, path);

		if (items->count != 1 || strcmp(key_of(&items->u.items[0], l), key_of(&whole->u.items[i], l)) != 0)
			fail_msg("%s: item %u is not the one of the whole list: %s", path, (unsigned)i, page.text->data);
		snprintf(next, sizeof next, "%s", member(&page, l->numbered ? "last" : "next"));
		escape(escaped, next);
		if ((next[0] != '\0') != (l->numbered || i + 1 < whole->count))
			fail_msg("%s: \"next\" of item %u of %u is \"%s\"", path, (unsigned)i + 1, (unsigned)whole->count, next);
	}
}

static void every_list_is_the_same_by_pages_as_at_once(void **state)
{
	struct plane *p = *state;

	NEED(p->o);
	fill(p);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		walk(p, &lists[i]);
}

/* The command reads on to the last page. */
static void a_command_shows_all_of_a_list_that_has_several_pages(void **state)
{
	struct plane *p = *state;
	AUTO(json) struct json_doc *d = NULL;
	struct err e;

	NEED(p->o);
	for (int i = 0; i < MORE; i++)
		make(p, "POST", "/v1/enrolment-tokens", "{\"name\":\"lab-%d\"}", i);
	AUTO_REPLY first = ask(p, FIXTURE_TOKEN, "GET", "/v1/enrolment-tokens", NULL);

	assert_true(member(&first, "next")[0] != '\0');
	assert_int_equal(TOOL(p->o, "", "token", "enrolments", "--json"), 0);
	assert_ok(json_parse(&d, "the list", p->o->said, strlen(p->o->said), NULL, &e));
	assert_int_equal(json_get(d->root, "items")->count, MORE);
}

/* Whatever became of its rollout. */
static void a_command_stops_a_bundle_that_waits_and_shows_that_it_is_stopped(void **state)
{
	struct plane *p = *state;
	char hex[DIGEST_HEX_LEN + 1];

	NEED(p->o);
	assert_int_equal(TOOL(p->o, "", "stop", "edr"), 0);
	/* who forgot the digest is not shown a list as if it were done */
	assert_int_equal(TOOL(p->o, "", "stop", "edr", "--reason", "it hurts"), 2);
	publish(p->o, 1, "rules", hex);
	publish(p->o, 2, "other rules", hex);
	assert_int_equal(TOOL(p->o, "", "stop", "edr", hex, "--reason", "it hurts"), 0);
	assert_int_equal(TOOL(p->o, "", "stop", "edr"), 0);
	expect_said(p->o, hex);
	expect_said(p->o, "it hurts");
	assert_int_not_equal(TOOL(p->o, "", "stop", "No"), 0);
}

/* ---- what happens, as it happens ---- */

static void whoever_asks_again_hears_what_happened_since_and_nothing_twice(void **state)
{
	struct plane *p = *state;
	char hex[DIGEST_HEX_LEN + 1], path[80];
	int64_t limit = clock_work_ms() + LIMIT_MS;
	bool heard = false;

	NEED(p->o);
	publish(p->o, 1, "rules", hex);
	AUTO_REPLY before = ask(p, FIXTURE_TOKEN, "GET", "/v1/events", NULL);
	int64_t last = strtoll(member(&before, "last"), NULL, 10);

	assert_true(last > 0 && !strstr(before.text->data, "\"serial\":2"));
	publish(p->o, 2, "other rules", hex);
	while (!heard) {
		snprintf(path, sizeof path, "/v1/events?after=%lld", (long long)last);
		AUTO_REPLY a = ask(p, FIXTURE_TOKEN, "GET", path, NULL);
		const struct json *items = items_of(&a, path);

		for (uint32_t i = 0; i < items->count; i++) {
			int64_t id = strtoll(json_get(&items->u.items[i], "id")->u.text, NULL, 10);

			assert_true(id > last);
			last = id;
		}
		heard = strstr(a.text->data, hex) != NULL;
		assert_true(clock_work_ms() < limit);
		poll(NULL, 0, heard ? 0 : 20);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_list_is_the_same_by_pages_as_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(a_command_shows_all_of_a_list_that_has_several_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(a_command_stops_a_bundle_that_waits_and_shows_that_it_is_stopped, setup, teardown),
		cmocka_unit_test_setup_teardown(whoever_asks_again_hears_what_happened_since_and_nothing_twice, setup, teardown),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
