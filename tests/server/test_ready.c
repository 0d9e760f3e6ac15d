/* test_ready: a server says whether it is ready and why not, and its log tells of each request and of no secret. */
#include "observe.h"

#include <sys/resource.h>

#include "server/ready.h"

/* ---- is it ready? ---- */

/* Asks until it answers so, and hands the last answer over. */
static struct answer wait_ready(struct plane *p, const char *path, long status)
{
	int64_t until = clock_work_ms() + LIMIT_MS;

	for (;;) {
		struct answer a = ask(p, NULL, "GET", path, NULL);

		if (a.status == status)
			return a;
		if (clock_work_ms() > until)
			fail_msg("%s: %ld %s", path, a.status, a.text->data);
		answer_release(&a);
		poll(NULL, 0, 50);
	}
}

/* Exactly this condition does not hold. */
static void expect_only(const struct answer *a, enum ready broken)
{
	const struct json *list = json_get(a->doc->root, "conditions");

	assert_int_equal(list->count, READY_CONDITIONS);
	for (uint32_t i = 0; i < list->count; i++) {
		bool holds = json_get(&list->u.items[i], "holds")->type == JSON_TRUE;

		if (holds == (i == (uint32_t)broken))
			fail_msg("%s", a->text->data);
		assert_true(json_is(json_get(&list->u.items[i], "condition"), ready_name((enum ready)i)));
	}
}

static void it_is_ready_and_alive(void **state)
{
	struct plane *p = begin(*state, "");

	NEED(p->o);
	AUTO_REPLY ready = wait_ready(p, "/readyz", 200);
	AUTO_REPLY alive = ask(p, NULL, "GET", "/healthz", NULL);
	expect_only(&ready, READY_CONDITIONS);
	assert_int_equal(alive.status, 200);
}

static void a_store_that_cannot_be_written_is_found_by_itself_and_so_is_its_return(void **state)
{
	struct plane *p = begin(*state, "");
	struct rlimit was, none;

	NEED(p->o);
	assert_int_equal(prlimit(p->o->pid, RLIMIT_FSIZE, NULL, &was), 0);
	none = (struct rlimit){ 0, was.rlim_max };
	assert_int_equal(prlimit(p->o->pid, RLIMIT_FSIZE, &none, NULL), 0);
	{
		AUTO_REPLY no = wait_ready(p, "/readyz", 503);
		AUTO_REPLY alive = ask(p, NULL, "GET", "/healthz", NULL);

		expect_problem(&no, 503, "unavailable");
		expect_only(&no, READY_STORE);
		assert_int_equal(alive.status, 200);
	}
	assert_int_equal(prlimit(p->o->pid, RLIMIT_FSIZE, &was, NULL), 0);
	AUTO_REPLY again = wait_ready(p, "/readyz", 200);
	expect_only(&again, READY_CONDITIONS);
}

static void a_full_disk_is_not_ready(void **state)
{
	struct plane *p = begin(*state, "min-free = 900000G\n");

	NEED(p->o);
	AUTO_REPLY no = wait_ready(p, "/readyz", 503);
	expect_only(&no, READY_SPACE);
	AUTO_REPLY excluded = ask(p, NULL, "GET", "/readyz?exclude=space", NULL);
	assert_int_equal(excluded.status, 200);
	AUTO_REPLY odd = ask(p, NULL, "GET", "/readyz?exclude=spaces", NULL);
	expect_problem(&odd, 400, "malformed");
}

static void a_server_without_its_online_keys_is_not_ready(void **state)
{
	struct plane *p = begin(*state, "");

	NEED(p->o);
	{
		AUTO_FREE char *key = fixture_path(p->o->f, "data/keys/timestamp.pem");

		assert_int_equal(unlink(key), 0);
	}
	plane_restart(p, SIGTERM);
	AUTO_REPLY no = wait_ready(p, "/readyz", 503);
	expect_only(&no, READY_KEYS);
}

static void a_vendor_that_is_not_there_is_not_followed(void **state)
{
	struct place *x = *state;
	struct plane *p = begin(x, "");
	AUTO_FREE char *root = NULL, *ini = NULL;

	NEED(p->o);
	root = fixture_path(p->o->f, "data/repository/metadata/1.root.json");
	assert_true(asprintf(&ini,
			     "listen = 127.0.0.1:0\ndata = %s\n[follow vendor]\nurl = http://127.0.0.1:9/\nroot = %s\nchannels = waf\npoll = 1s\n",
			     p->o->f->data, root) > 0);
	fixture_write(p->o->f, "ringholdd.ini", ini);
	plane_restart(p, SIGTERM);
	AUTO_REPLY no = wait_ready(p, "/readyz", 503);
	expect_only(&no, READY_FOLLOWED);
	AUTO_REPLY excluded = ask(p, NULL, "GET", "/readyz?exclude=followed", NULL);
	assert_int_equal(excluded.status, 200);
}

/* ---- logs ---- */

static char *log_of(struct plane *p)
{
	AUTO_FREE char *path = fixture_path(p->o->f, "log");
	char *text = read_text(path);

	return text ? text : strdup("");
}

static void a_request_is_found_in_the_log_by_the_id_that_its_answer_has(void **state)
{
	struct plane *p = begin(*state, "");
	AUTO_FREE char *log = NULL;
	char want[200];

	NEED(p->o);
	{
		AUTO_REPLY given = ask_with(p, FIXTURE_TOKEN, "GET", "/v1/devices/0", NULL, "X-Request-Id: ticket-4711");
		AUTO_REPLY traced = ask_with(p, FIXTURE_TOKEN, "GET", "/v1/devices/1", NULL, "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
		AUTO_REPLY odd = ask_with(p, FIXTURE_TOKEN, "GET", "/v1/devices/2", NULL, "X-Request-Id: a\" level=\"error");

		assert_string_equal(member(&given, "request_id"), "ticket-4711");
		assert_string_equal(member(&traced, "request_id"), "4bf92f3577b34da6a3ce929d0e0e4736");
		assert_int_equal(strlen(member(&odd, "request_id")), 32);
		snprintf(want, sizeof want, "path=\"/v1/devices/2\" route=\"/v1/devices/{device}\" status=\"404\"");
		log = log_of(p);
		assert_non_null(strstr(log, want));
		snprintf(want, sizeof want, "request=\"%s\"", member(&odd, "request_id"));
		assert_non_null(strstr(log, want));
	}
	assert_non_null(strstr(log, "request=\"ticket-4711\""));
	assert_non_null(strstr(log, "request=\"4bf92f3577b34da6a3ce929d0e0e4736\""));
	assert_non_null(strstr(log, "who=\"tester\""));
}

static void check_lines(const char *log)
{
	size_t lines = 0;

	for (const char *at = log; *at; lines++) {
		size_t len = strcspn(at, "\n");
		AUTO(json) struct json_doc *d = NULL;
		struct err e;

		if (json_parse(&d, "log", at, len, NULL, &e) < 0)
			fail_msg("%s: %.*s", e.msg, (int)len, at);
		assert_true(json_is(json_get(d->root, "unit"), "ringholdd"));
		assert_non_null(json_get(d->root, "time"));
		assert_non_null(json_get(d->root, "level"));
		assert_non_null(json_get(d->root, "msg"));
		at += len + (at[len] == '\n');
	}
	assert_true(lines > 5);
}

/* Everything is logged, as JSON, while every kind of secret goes by: no line has one. */
static void no_secret_is_logged(void **state)
{
	struct plane *p = begin(*state, "log = json\naccess-log = all\n");
	AUTO_FREE char *log = NULL, *operator_token = NULL;
	char enrolment[120], device[200], webhook[100];

	NEED(p->o);
	operator_token = new_token(p, "second", "viewer", NULL);
	{
		AUTO_REPLY hook = ask(p, FIXTURE_TOKEN, "PUT", "/v1/webhooks/siem", "{\"url\":\"https://127.0.0.1:9/?key=open\"}");
		AUTO_REPLY sent = ask(p, FIXTURE_TOKEN, "POST", "/v1/webhooks/siem/test", "{}");
		AUTO_REPLY made = ask(p, FIXTURE_TOKEN, "POST", "/v1/enrolment-tokens", "{\"name\":\"lab\"}");
		AUTO_REPLY enrolled = ask(p, member(&made, "token"), "POST", "/device/v1/enrol", "{\"format\":1,\"facts\":{}}");
		AUTO_REPLY self = ask(p, member(&enrolled, "token"), "GET", "/device/v1/self?token=sesame", NULL);
		AUTO_REPLY bad = ask(p, "rho_guessed-by-nobody", "GET", "/v1/self", NULL);
		AUTO_REPLY odd = ask_with(p, operator_token, "GET", "/v1/devices/%22%7B%7D", NULL, "X-Request-Id: {\"a\":1}");

		snprintf(webhook, sizeof webhook, "%s", member(&hook, "secret"));
		assert_int_equal(sent.status, 200);
		snprintf(enrolment, sizeof enrolment, "%s", member(&made, "token"));
		snprintf(device, sizeof device, "%s", member(&enrolled, "token"));
		assert_int_equal(self.status, 200);
		assert_int_equal(bad.status, 401);
		assert_int_equal(odd.status, 404);
	}
	log = log_of(p);
	check_lines(log);
	assert_non_null(strstr(log, "\"route\":\"/device/v1/self\""));
	assert_null(strstr(log, FIXTURE_TOKEN));
	assert_null(strstr(log, operator_token));
	assert_null(strstr(log, webhook));
	assert_null(strstr(log, "key=open"));
	assert_null(strstr(log, enrolment));
	assert_null(strstr(log, device));
	assert_null(strstr(log, "guessed-by-nobody"));
	assert_null(strstr(log, "sesame"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(it_is_ready_and_alive),
		TEST(a_store_that_cannot_be_written_is_found_by_itself_and_so_is_its_return),
		TEST(a_full_disk_is_not_ready),
		TEST(a_server_without_its_online_keys_is_not_ready),
		TEST(a_vendor_that_is_not_there_is_not_followed),
		TEST(a_request_is_found_in_the_log_by_the_id_that_its_answer_has),
		TEST(no_secret_is_logged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
