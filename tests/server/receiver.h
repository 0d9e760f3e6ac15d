/*
 * receiver: a real server's webhooks at a real receiver, which verifies them
 * with the npm packages standardwebhooks and cloudevents; and a clock that
 * server and test see, which passes when the test says so.
 */
#ifndef TESTS_SERVER_RECEIVER_H
#define TESTS_SERVER_RECEIVER_H

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

static inline void pass_time(int64_t seconds)
{
	*shift_ms += seconds * 1000;
}

/* ---- the receiver ---- */

/* key NULL: plain http; else PEM files, and `ca` vouches for them. */
static inline bool start_receiver(struct place *x, const char *key, const char *certificate, const char *ca)
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
		execl(node, "node", "tests/peers/receiver.mjs", key, certificate, (char *)NULL);
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
	snprintf(x->url, sizeof x->url, "%s://127.0.0.1:%d", key ? "https" : "http", atoi(line));
	assert_ok(fetch_new(&x->http, &(const struct fetch_settings){ .agent = "test", .ca_file = ca }, &e));
	return true;
}

static inline struct json_doc *receiver(struct place *x, const char *method, const char *path, const char *body)
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

static inline void behave(struct place *x, const char *mode)
{
	char body[64];

	snprintf(body, sizeof body, "{\"mode\":\"%s\"}", mode);
	receiver(x, "POST", "/control", body);
}

static inline void knows(struct place *x, const char *first, const char *second)
{
	char body[300];

	snprintf(body, sizeof body, "{\"secrets\":[\"%s\"%s%s%s]}", first, second ? ",\"" : "", second ? second : "", second ? "\"" : "");
	receiver(x, "POST", "/control", body);
}

static inline bool is_type(const struct json *item, const char *type)
{
	const struct json *event = json_get(item, "event");

	return event && event->type == JSON_OBJECT && json_is(json_get(event, "type"), type);
}

/* How many messages of this type (NULL: at all) came. */
static inline size_t count_of(struct place *x, const char *type)
{
	AUTO(json) struct json_doc *d = receiver(x, "GET", "/got", NULL);
	const struct json *items = json_get(d->root, "items");
	size_t count = 0;

	for (uint32_t i = 0; i < items->count; i++)
		count += !type || is_type(&items->u.items[i], type);
	return count;
}

/* Until so many of a type came; the document is the caller's, *item the newest of them. */
static inline struct json_doc *wait_for(struct place *x, const char *type, size_t count, const struct json **item)
{
	int64_t until = clock_work_ms() + LIMIT_MS;

	*item = NULL;
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

static inline const char *text_of(const struct json *o, const char *key)
{
	const struct json *v = json_get(o, key);

	return v && v->type == JSON_STRING ? v->u.text : "";
}

static inline long number_of(const struct json *o, const char *key)
{
	const struct json *v = json_get(o, key);

	return v && v->type == JSON_NUMBER ? atol(v->u.text) : -1;
}

/* ---- a server ---- */

/* The receiver stays; what it got and how it behaves begins anew. */
static struct place shared;

static inline int setup(void **state)
{
	struct place *x = &shared;

	*state = x;
	*shift_ms = 0;
	if (!x->receiver && !start_receiver(x, NULL, NULL, NULL))
		return 0;
	receiver(x, "POST", "/control", "{\"mode\":\"ok\",\"forget\":true}");
	return 0;
}

static inline int teardown(void **state)
{
	struct place *x = *state;

	if (x->plane)
		plane_close(x->plane);
	x->plane = NULL;
	return 0;
}

static inline void end_receiver(struct place *x)
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
static inline char *make(struct place *x, const char *name, const char *more)
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

static inline void make_known(struct place *x, const char *name, const char *more)
{
	AUTO_FREE char *secret = make(x, name, more);

	knows(x, secret, NULL);
}

/* Until a member of the webhook is not null and not 0, and holds these words. */
static inline void wait_trouble(struct place *x, const char *name, const char *words)
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

static inline struct answer messages(struct place *x, const char *name, const char *state)
{
	char path[120];

	snprintf(path, sizeof path, "/v1/webhooks/%s/messages?state=%s", name, state);
	return ask(x->plane, FIXTURE_TOKEN, "GET", path, NULL);
}

static inline size_t wait_messages(struct place *x, const char *name, const char *state, size_t least)
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

static inline bool open_clock(void)
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

/* The tests of a program, with one receiver for all of them. */
static inline int run_with_receiver(const char *name, const struct CMUnitTest *tests, size_t count)
{
	int failed;

	if (!open_clock())
		return 1;
	failed = _cmocka_run_group_tests(name, tests, count, NULL, NULL);
	end_receiver(&shared);
	unlink(getenv("RINGHOLD_TEST_CLOCK"));
	return failed;
}

#endif
