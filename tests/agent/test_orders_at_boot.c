/*
 * test_orders_at_boot: what people ordered holds at the next boot. Each order
 * is given by the command, no agent comes after it, the power is cut, and the
 * real guard decides what the sensor finds.
 */
#include "endpoint_boot.h"
#include "endpoint_story.h"

static unsigned boots;

/* The machine dies, and boots. */
static void boot(struct endpoint *p)
{
	char id[64];

	snprintf(id, sizeof id, "%08x-aaaa-bbbb-cccc-dddddddddddd\n", ++boots);
	power_is_cut(p);
	the_guard_runs(p, id);
}

static void boot_until_left(struct endpoint *p, unsigned rung)
{
	for (unsigned n = 0; endpoint_look(p).record.rung == rung; n++) {
		assert_in_range(n, 0, 9);
		boot(p);
	}
}

static bool linked_to_nothing(struct endpoint *p)
{
	uint8_t digest[BOOT_DIGEST_LEN];
	struct boot_report why;
	int dir = boot_run_open(p->root, "edr", false, &why);
	bool none = boot_link_get(dir, digest, &why) == 0;

	close(dir);
	return none;
}

static void order(struct endpoint *p, const char *command)
{
	free(told(p, command, "edr", 0));
}

/* Two bundles committed after one another, in a boot that was counted; no agent runs. */
static void run_second(struct endpoint *p, struct published *one, struct published *two)
{
	*one = settled(p);
	*two = endpoint_bundle(p, GOOD, 111, NULL);
	commit(p, two, one);
	boot(p);
	assert_true(linked_to(p, two));
}

/* The agent comes back after all that, and delivers as ever: the fix is what the next boot runs. */
static void is_fixed(struct endpoint *p, const struct published *one)
{
	struct published fix = endpoint_bundle(p, GOOD, 113, NULL);

	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	commit(p, &fix, one);
	boot(p);
	assert_true(linked_to(p, &fix));
}

static void a_revert_holds_at_every_boot_until_newer_content_comes(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;

	NEED_AGENT(p);
	run_second(p, &one, &two);
	order(p, "revert");
	for (int i = 0; i < 2; i++) {
		boot(p);
		assert_true(linked_to(p, &one));
	}
	is_fixed(p, &one);
}

static void what_is_disabled_runs_at_no_boot_until_it_is_enabled(void **state)
{
	struct endpoint *p = *state;
	struct published one;

	NEED_AGENT(p);
	one = settled(p);
	boot(p);
	order(p, "disable");
	for (int i = 0; i < 5; i++) {           /* more than there are tries */
		boot(p);
		assert_true(linked_to_nothing(p));
		assert_int_equal(endpoint_look(p).record.mode, BOOT_DISABLED);
	}
	order(p, "enable");
	assert_true(linked_to(p, &one));        /* at once, */
	boot(p);
	assert_true(linked_to(p, &one));        /* and at boot */
	assert_int_equal(endpoint_look(p).record.rung, RUNG_CURRENT);
}

/* It keeps its content from the rollout and from nothing else: the ladder goes on under it. */
static void a_pin_stays_through_boots_and_never_overrides_the_ladder(void **state)
{
	struct endpoint *p = *state;
	struct published one, two, three;

	NEED_AGENT(p);
	run_second(p, &one, &two);
	order(p, "pin");
	three = endpoint_bundle(p, GOOD, 112, NULL);
	endpoint_assign(p, &three, &two, 1, 10, 0);
	boot(p);
	assert_true(linked_to(p, &two));
	assert_int_equal(endpoint_look(p).record.mode, BOOT_PINNED);
	boot_until_left(p, RUNG_CURRENT);
	assert_true(linked_to(p, &one));
	assert_int_equal(endpoint_look(p).record.mode, BOOT_PINNED);
	order(p, "unpin");
	boot(p);
	assert_true(linked_to(p, &one));
	is_fixed(p, &one);
}

/* The last rung was left as well: nothing climbs by itself, and two orders bring it back with all its tries. */
static void from_the_end_of_the_ladder_a_person_goes_back_up(void **state)
{
	struct endpoint *p = *state;
	struct published one, base;
	AUTO_FREE char *archive = NULL;
	struct boot_record r;
	struct err e;

	NEED_AGENT(p);
	one = settled(p);
	base = endpoint_bundle(p, GOOD, 5, NULL);
	endpoint_publish(p);
	assert_ok(repo_target_file(p->published, base.path, &archive, &e));
	endpoint_agent_end(p, SIGTERM);
	assert_int_equal(endpoint_command(p, NULL, "baseline", "edr", archive), 0);
	boot(p);
	assert_true(linked_to(p, &one));
	boot_until_left(p, RUNG_CURRENT);
	assert_true(linked_to(p, &base));
	boot_until_left(p, RUNG_BASELINE);
	assert_true(linked_to_nothing(p));
	boot(p);
	assert_true(linked_to_nothing(p));
	order(p, "disable");
	order(p, "enable");
	boot(p);
	assert_true(linked_to(p, &base));
	r = endpoint_look(p).record;
	assert_int_equal(r.tries_left, r.tries[RUNG_BASELINE] - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ENDPOINT_TEST(a_revert_holds_at_every_boot_until_newer_content_comes, endpoint_setup),
		ENDPOINT_TEST(what_is_disabled_runs_at_no_boot_until_it_is_enabled, endpoint_setup),
		ENDPOINT_TEST(a_pin_stays_through_boots_and_never_overrides_the_ladder, endpoint_setup),
		ENDPOINT_TEST(from_the_end_of_the_ladder_a_person_goes_back_up, endpoint_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
