/* test_health: rounds of checks beside a loop that never waits. */
#include "agent/health.h"

#include <poll.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "test.h"

#define LIMIT_MS 60000

static char root[64];
static struct health h;
static unsigned told;
static char words[400];

static int setup(void **state)
{
	(void)state;
	strcpy(root, "/tmp/test_health.XXXXXX");
	told = 0;
	words[0] = '\0';
	return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
	struct err e;

	(void)state;
	health_stop(&h);
	return file_remove_tree(root, &e);
}

static void check(const char *dir, const char *name, const char *script, mode_t mode)
{
	char path[400];
	struct err e;

	snprintf(path, sizeof path, "%s%s", root, dir);
	assert_ok(file_mkdirs(path, 0755, &e));
	snprintf(path, sizeof path, "%s%s/%s", root, dir, name);
	assert_ok(file_replace(path, script, strlen(script), mode, &e));
	assert_int_equal(chmod(path, mode), 0);
}

static void tell(void *arg, const char *text)
{
	(void)arg;
	told++;
	snprintf(words, sizeof words, "%s", text);
}

static void turn(int64_t now_ms, int64_t limit_ms)
{
	char *argv[] = { NULL, (char *)"/slot", (char *)"edr", NULL };
	const struct health_job job = { .root = root, .argv = argv, .now_ms = now_ms, .every_ms = 1000, .limit_ms = limit_ms, .tell = tell };

	argv[0] = (char *)"";
	health_turn(&h, &job);
}

/* One round, at that time. */
static void round_at(int64_t now_ms, int64_t limit_ms)
{
	int64_t until = clock_work_ms() + LIMIT_MS;

	do {
		turn(now_ms, limit_ms);
		poll(NULL, 0, 2);
		assert_true(clock_work_ms() < until);
	} while (h.next < h.count && !h.failed);
}

static void without_checks_nothing_is_waited_for(void **state)
{
	(void)state;
	health_begin(&h);
	turn(0, 1000);
	assert_true(h.passed && !h.failed);
}

static void all_of_the_first_round_is_waited_for(void **state)
{
	(void)state;
	check(HEALTH_REQUIRED, "a", "#!/bin/sh\n[ \"$1 $2\" = '/slot edr' ]\n", 0755);
	check(HEALTH_WANTED, "z", "#!/bin/sh\nexit 5\n", 0755);
	health_begin(&h);
	turn(0, LIMIT_MS);
	assert_false(h.passed);
	round_at(0, LIMIT_MS);
	assert_true(h.passed && !h.failed);
	health_warnings(&h, words, sizeof words);
	assert_string_equal(words, "z");
}

static void a_wanted_check_is_told_once_and_again_after_it_was_well(void **state)
{
	(void)state;
	check(HEALTH_WANTED, "z", "#!/bin/sh\nexit 5\n", 0755);
	health_begin(&h);
	round_at(0, LIMIT_MS);
	round_at(2000, LIMIT_MS);
	assert_int_equal(told, 1);
	assert_string_equal(words, "wanted health check z: exit status 5");
	check(HEALTH_WANTED, "z", "#!/bin/sh\nexit 0\n", 0755);
	round_at(4000, LIMIT_MS);
	health_warnings(&h, words, sizeof words);
	assert_string_equal(words, "");
	check(HEALTH_WANTED, "z", "#!/bin/sh\nexit 5\n", 0755);
	round_at(6000, LIMIT_MS);
	assert_int_equal(told, 2);
	assert_true(h.passed && !h.failed);
}

static void a_required_check_that_fails_later_fails_the_trial(void **state)
{
	(void)state;
	check(HEALTH_REQUIRED, "a", "#!/bin/sh\nexit 0\n", 0755);
	health_begin(&h);
	round_at(0, LIMIT_MS);
	assert_true(h.passed);
	check(HEALTH_REQUIRED, "a", "#!/bin/sh\nkill -SEGV $$\n", 0755);
	turn(999, LIMIT_MS);
	assert_true(h.passed);  /* not due yet */
	round_at(1000, LIMIT_MS);
	assert_true(h.failed && !h.passed);
	assert_non_null(strstr(h.words, "required health check a: killed by signal"));
}

/* A machine that is too busy to finish a check in time is no fault of the content; one that stays so is. */
static void a_check_that_takes_too_long_is_tried_again_before_blame(void **state)
{
	(void)state;
	check(HEALTH_REQUIRED, "a", "#!/bin/sh\nsleep 60\n", 0755);
	health_begin(&h);
	for (int i = 0; i < 3; i++) {
		assert_false(h.failed || h.passed);
		round_at(i * 2000, 20);
	}
	assert_true(h.failed);
	assert_non_null(strstr(h.words, "timed out"));
}

static void the_loop_is_never_held_up(void **state)
{
	(void)state;
	check(HEALTH_REQUIRED, "a", "#!/bin/sh\nsleep 60\n", 0755);
	health_begin(&h);
	for (int i = 0; i < 100; i++)
		turn(0, LIMIT_MS);
	assert_true(h.errand.pid > 0 && !h.passed && !h.failed);
	health_stop(&h);
	assert_int_equal(h.errand.pid, 0);
}

static void what_others_may_write_is_not_run_and_not_passed(void **state)
{
	(void)state;
	check(HEALTH_REQUIRED, "a", "#!/bin/sh\nexit 0\n", 0777);
	health_begin(&h);
	round_at(0, LIMIT_MS);
	round_at(2000, LIMIT_MS);
	assert_false(h.failed || h.passed);
	assert_int_equal(told, 1);
	assert_non_null(strstr(words, "required health check a cannot be run"));
	check(HEALTH_REQUIRED, "a", "#!/bin/sh\nexit 0\n", 0755);
	check(HEALTH_REQUIRED, "a.dpkg-old", "#!/bin/sh\nexit 1\n", 0755);      /* no check: as run-parts has it */
	check(HEALTH_REQUIRED, ".hidden", "#!/bin/sh\nexit 1\n", 0755);
	health_begin(&h);
	round_at(0, LIMIT_MS);
	assert_true(h.passed);
}

/* A missing interpreter, a process that cannot be made: that is this host's, and the content stays unjudged. */
static void a_check_that_cannot_be_started_blames_nobody(void **state)
{
	(void)state;
	check(HEALTH_REQUIRED, "a", "#!/no/such/interpreter\n", 0755);
	health_begin(&h);
	for (int i = 0; i < 5; i++)
		round_at(i * 2000, LIMIT_MS);
	assert_false(h.failed || h.passed);
	assert_int_equal(told, 1);
	assert_non_null(strstr(words, "required health check a cannot be run"));
	check(HEALTH_REQUIRED, "a", "#!/bin/sh\nexit 0\n", 0755);
	round_at(12000, LIMIT_MS);
	assert_true(h.passed);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(without_checks_nothing_is_waited_for),
		T(all_of_the_first_round_is_waited_for),
		T(a_wanted_check_is_told_once_and_again_after_it_was_well),
		T(a_required_check_that_fails_later_fails_the_trial),
		T(a_check_that_takes_too_long_is_tried_again_before_blame),
		T(the_loop_is_never_held_up),
		T(what_others_may_write_is_not_run_and_not_passed),
		T(a_check_that_cannot_be_started_blames_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
