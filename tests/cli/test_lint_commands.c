/* test_lint_commands: the author's commands as people and pipelines type them. */
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "typed.h"

#define RECIPE "{\"format\":1,\"channel\":\"edr\",\"serial\":7,\"created\":\"2026-02-01T12:00:00Z\"," \
	       "\"types\":[{\"match\":\"rules/*\",\"type\":\"rules\"}],\"selftest\":[\"selftest/*.ndjson\"]}"
#define RULES(verdict) "{\"format\":1,\"templates\":[{\"name\":\"t\",\"fields\":[{\"name\":\"n\",\"type\":\"integer\"}," \
		       "{\"name\":\"text\",\"type\":\"string\"}]}],\"instances\":[{\"id\":\"r-1\",\"template\":\"t\",\"verdict\":\"" verdict \
		       "\",\"match\":{\"n\":{\"equals\":1}}}]}"
#define TEST(n, verdict) "{\"event\":{\"template\":\"t\",\"fields\":{\"n\":" n "}},\"expect\":{\"verdict\":\"" verdict "\"}}\n"

static int setup(void **state)
{
	*state = typed_enter();
	assert_int_equal(mkdir("src", 0755) | mkdir("src/rules", 0755) | mkdir("src/selftest", 0755), 0);
	typed_put("src/bundle.json", RECIPE);
	typed_put("src/rules/a.json", RULES("alert"));
	typed_put("src/selftest/a.ndjson", TEST("1", "alert") TEST("2", "none"));
	return 0;
}

static void lint_says_what_refuses_by_its_status(void **state)
{
	(void)state;
	assert_says(0, "every sensor: 0 errors, 1 warnings", "lint", "src");
	assert_says(1, "every sensor: 0 errors, 1 warnings", "lint", "src", "--strict");
	typed_put("src/rules/a.json", RULES("shout"));
	assert_says(1, "rules/a.json:1:", "lint", "src");
	assert_says(1, "no-such", "lint", "no-such");
	assert_says(2, "--widest 101", "lint", "src", "--widest", "101");
}

static void sizes_are_held_against_the_bundle_before(void **state)
{
	char *many = calloc(1, 65536);

	(void)state;
	assert_says(0, "edr 7", "bundle", "build", "src", "-o", "before.tar.gz");
	memset(many, '\n', 60000);
	memcpy(many, RULES("alert"), strlen(RULES("alert")));
	typed_put("src/rules/a.json", many);
	free(many);
	assert_says(0, "0 errors", "lint", "src");
	assert_says(1, "times larger", "lint", "src", "--previous", "before.tar.gz");
	assert_says(0, "0 errors", "lint", "src", "--previous", "before.tar.gz", "--size-ratio", "1000");
}

static void every_self_test_is_told_not_only_the_first_that_fails(void **state)
{
	AUTO(buf) struct buf *said = NULL;

	(void)state;
	typed_put("src/selftest/a.ndjson", TEST("1", "block") TEST("1", "alert") TEST("2", "observe") TEST("2", "none"));
	assert_int_equal(typed_run(&said, (const char *const[]){ "bundle", "test", "src", NULL }), 1);
	assert_non_null(strstr(said->data, "failed: selftest/a.ndjson:1: expected block, got alert by r-1"));
	assert_non_null(strstr(said->data, "failed: selftest/a.ndjson:3: expected observe, got none"));
	assert_non_null(strstr(said->data, "the canary process says refused: selftest/a.ndjson:1"));
}

static void coverage_is_told_field_by_field(void **state)
{
	AUTO(buf) struct buf *said = NULL;

	(void)state;
	assert_int_equal(typed_run(&said, (const char *const[]){ "bundle", "test", "src", NULL }), 0);
	assert_non_null(strstr(said->data, "1 of 2 fields tried"));
	assert_non_null(strstr(said->data, "us an event"));
	assert_non_null(strstr(said->data, "slowest event: "));
}

static int64_t number(const struct json *o, const char *key)
{
	int64_t n = -1;

	assert_non_null(json_get(o, key));
	assert_true(json_to_int(json_get(o, key), &n));
	return n;
}

static void programs_get_json(void **state)
{
	AUTO(buf) struct buf *said = NULL;
	AUTO(json) struct json_doc *d = NULL;
	const struct json *sensor, *tests;
	struct err e;

	(void)state;
	typed_put("src/selftest/a.ndjson", TEST("1", "block") TEST("2", "none"));
	assert_int_equal(typed_run(&said, (const char *const[]){ "bundle", "test", "src", "--json", NULL }), 1);
	assert_ok(json_parse(&d, "answer", said->data, said->len, NULL, &e));
	sensor = &json_get(d->root, "sensors")->u.items[0];
	assert_int_equal(number(sensor, "errors"), 0);
	assert_int_equal(json_get(sensor, "fields")->count, 2);
	tests = json_get(json_get(sensor, "try"), "selftests");
	assert_int_equal(tests->count, 2);
	assert_true(json_is(json_get(&tests->u.items[0], "outcome"), "failed"));
	assert_true(json_is(json_get(&tests->u.items[1], "outcome"), "passed"));
}

static size_t count(const char *text, const char *what)
{
	size_t n = 0;

	while ((text = strstr(text, what))) {
		text++;
		n++;
	}
	return n;
}

static char *junit(void)
{
	AUTO(buf) struct buf *xml = NULL;
	struct err e;

	assert_says(1, "", "bundle", "test", "src", "--junit", "out.xml");
	assert_ok(file_read(&xml, "out.xml", 1 << 20, &e));
	assert_int_equal(strncmp(xml->data, "<?xml version=\"1.0\"", 19), 0);
	return buf_take(xml);
}

static void pipelines_get_junit_xml(void **state)
{
	AUTO_FREE char *failed = NULL, *refused = NULL;

	(void)state;
	typed_put("src/selftest/a.ndjson", TEST("1", "block") TEST("2", "none"));
	failed = junit();
	assert_non_null(strstr(failed, "tests=\"4\" failures=\"2\" errors=\"0\" skipped=\"0\""));
	assert_int_equal(count(failed, "<testcase "), 4);
	assert_int_equal(count(failed, "<failure "), 2);
	assert_non_null(strstr(failed, "name=\"selftest/a.ndjson:1\""));
	typed_put("src/selftest/a.ndjson", "{\"event\":{\"template\":\"t\",\"fields\":{\"n\":1}},\"expect\":{\"verdict\":\"alert\",\"rule\":\"<&\\\">\"}}\n");
	refused = junit();
	assert_non_null(strstr(refused, "&lt;&amp;&quot;&gt;"));
	assert_null(strstr(refused, "<&"));
}

/* Reads until the text was seen so many times. */
static void read_until(int fd, char *all, size_t cap, const char *text, size_t times)
{
	int64_t limit = clock_work_ms() + 120000;
	size_t len = strlen(all);

	while (count(all, text) < times) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n = 0;

		if (clock_work_ms() > limit)
			fail_msg("waited in vain for \"%s\": %s", text, all);
		if (poll(&p, 1, 1000) > 0)
			n = read(fd, all + len, cap - 1 - len);
		len += n > 0 ? (size_t)n : 0;
		all[len] = '\0';
	}
}

static void watching_runs_again_on_a_change_and_survives_a_failure(void **state)
{
	static char all[1 << 16];
	int out[2];
	pid_t pid;

	(void)state;
	all[0] = '\0';
	assert_int_equal(pipe(out), 0);
	pid = fork();
	if (pid == 0) {
		dup2(out[1], 1);
		dup2(out[1], 2);
		execl(test_program("ringhold"), "ringhold", "bundle", "test", "src", "--watch", (char *)NULL);
		_exit(127);
	}
	close(out[1]);
	read_until(out[0], all, sizeof all, "-- waiting", 1);
	assert_int_equal(count(all, "1 of 2 fields tried"), 1);
	typed_put("src/rules/a.json", "{");
	read_until(out[0], all, sizeof all, "-- waiting", 2);
	assert_non_null(strstr(all, "rules/a.json:1:2"));
	typed_put("src/rules/a.json", RULES("alert"));
	read_until(out[0], all, sizeof all, "1 of 2 fields tried", 2);
	assert_true(pid > 0);
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	close(out[0]);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, typed_leave)
	const struct CMUnitTest tests[] = {
		CASE(lint_says_what_refuses_by_its_status),
		CASE(sizes_are_held_against_the_bundle_before),
		CASE(every_self_test_is_told_not_only_the_first_that_fails),
		CASE(coverage_is_told_field_by_field),
		CASE(programs_get_json),
		CASE(pipelines_get_junit_xml),
		CASE(watching_runs_again_on_a_change_and_survives_a_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
