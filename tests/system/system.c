/*
 * system: the demo and the system tests are one program.
 *
 *   system                          the stories as cmocka tests
 *   system --demo                   the same stories, told on the terminal
 *   system --demo --content DIR...  YARA files through the same rings
 */
#include "tests/test.h"

#include "base/clock.h"
#include "base/file.h"
#include "stories.h"

static struct world *world;

static int world_up(const char *channel, bool narrate, struct err *e)
{
	return world_new(&world, channel, narrate, e) < 0 || world_install(world, e) < 0 ||
		       world_populate(world, e) < 0
		       ? e->code : 0;
}

/* ---- as tests ---- */

static int edr_setup(void **state)
{
	struct err e;

	(void)state;
	if (world_up("edr", false, &e) == 0)
		return 0;
	print_error("%s\n", e.msg);
	return -1;
}

static int world_teardown(void **state)
{
	(void)state;
	world_free(TAKE(world));
	return 0;
}

/* What the server and the first endpoint say of themselves, for who reads of a failure. */
static void tell_state(void)
{
	AUTO_FREE char *home = file_join(world->dir, "server");
	AUTO(buf) struct buf *status = NULL, *explained = NULL;
	struct err e;

	if (!home)
		return;
	if (world_run(world, &status, &e, "ringhold", "status", "--home", home, NULL) >= 0)
		print_error("%s\n", status->data);
	if (world_run(world, &explained, &e, "ringhold-agent", "explain", "--root", world->machines[0].root, NULL) >= 0)
		print_error("%s: %s\n", world->machines[0].name, explained->data);
}

static void run_story(void **state)
{
	const struct story *s = *state;
	struct err e;

	if (s->tell(world, &e) == 0)
		return;
	tell_state();
	fail_msg("%s", e.msg);
}

static void yara_rules_pass_the_rings_and_then_as_a_delta(void **state)
{
	const char *shared = getenv("RINGHOLD_SHARED");
	char first[512], second[512];
	struct err e;

	(void)state;
	snprintf(first, sizeof first, "%s/content/yara-2024-03-04", shared ? shared : "../shared");
	snprintf(second, sizeof second, "%s/content/yara-2024-03-18", shared ? shared : "../shared");
	if (!file_exists(first) || !file_exists(second))
		skip_named("no public YARA rules at %s", first);
	assert_ok(world_up("yara", false, &e));
	assert_ok(story_yara(world, first, second, &e));
	assert_ok(world_verdict(world, &e));
}

static void everybody_ends_when_told_to_and_no_log_holds_a_finding(void **state)
{
	struct err e;

	(void)state;
	assert_ok(world_verdict(world, &e));
}

static int tell_as_tests(void)
{
	struct CMUnitTest tests[16] = { 0 };
	const struct CMUnitTest yara[] = {
		cmocka_unit_test_teardown(yara_rules_pass_the_rings_and_then_as_a_delta, world_teardown),
	};
	int failed;

	for (size_t i = 0; i < story_count; i++)
		tests[i] = (struct CMUnitTest){ .name = stories[i].name, .test_func = run_story,
						.initial_state = (void *)&stories[i] };
	tests[story_count] = (struct CMUnitTest)cmocka_unit_test(everybody_ends_when_told_to_and_no_log_holds_a_finding);
	/* cmocka counts by array size; the private call takes ours. */
	failed = _cmocka_run_group_tests("stories", tests, story_count + 1, edr_setup, world_teardown);
	failed += cmocka_run_group_tests_name("yara", yara, NULL, NULL);
	return failed ? 1 : 0;
}

/* ---- as a demo ---- */

static int verdict(int code, const struct err *e)
{
	if (code == 0)
		printf("\nThe demo held: everything above happened, with real processes.\n");
	else
		printf("\nThe demo FAILED: %s\n", e->msg);
	stories_table(world);
	world_free(TAKE(world));
	return code == 0 ? 0 : 1;
}

static int demo_edr(void)
{
	struct err e = { 0 };
	int code = world_up("edr", true, &e);

	for (size_t i = 0; i < story_count && code == 0; i++) {
		if (!stories[i].title)
			continue;
		printf("\n(%c) %s\n", (char)('a' + i), stories[i].title);
		code = stories[i].tell(world, &e);
	}
	return verdict(code, &e);
}

static int demo_yara(const char *first, const char *second)
{
	struct err e = { 0 };
	int code = world_up("yara", true, &e);

	if (code == 0)
		code = story_yara(world, first, second, &e);
	return verdict(code, &e);
}

int main(int argc, char **argv)
{
	if (argc == 1)
		return tell_as_tests();
	if (strcmp(argv[1], "--demo") != 0 || argc == 3 || (argc > 3 && strcmp(argv[2], "--content") != 0)) {
		fprintf(stderr, "usage: system [--demo [--content DIR [DIR]]]\n");
		return 2;
	}
	return argc == 2 ? demo_edr() : demo_yara(argv[3], argc > 4 ? argv[4] : NULL);
}
