/* test_boots: guard and agent together: what is a shutdown, and what becomes of a boot record that is lost. */
#include "endpoint.h"

#define GOOD "deploy/demo/edr-good"

static void the_guard_runs(struct endpoint *p, const char *boot_id)
{
	char line[1024];

	endpoint_write(p, "/proc/sys/kernel/random/boot_id", boot_id, 0644);
	snprintf(line, sizeof line, "%.*s/ringhold-bootguard --root %s >/dev/null", (int)(strrchr(p->bin, '/') - p->bin), p->bin, p->root);
	assert_int_equal(system(line), 0);
}

static bool marked_clean(struct endpoint *p)
{
	return endpoint_look(p).record.flags & BOOT_FLAG_CLEAN;
}

static bool agent_is_up(const struct seen *s, const void *since)
{
	return s->state.last.evaluated > *(const int64_t *)since;
}

static bool runs_unmarked(const struct seen *s, const void *arg)
{
	return endpoint_runs_committed(s, arg) && !(s->record.flags & BOOT_FLAG_CLEAN);
}

/* A host that runs committed content, in the first boot that the guard counted. */
static struct published settled(struct endpoint *p)
{
	struct published one = endpoint_bundle(p, GOOD, 110, NULL);
	int64_t since;

	endpoint_assign(p, &one, NULL, 1, 30, 0);
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_until(p, "the first bundle is committed", endpoint_runs_committed, &one, 1000);
	assert_int_equal(endpoint_agent_end(p, SIGTERM), 0);
	the_guard_runs(p, "00000001-aaaa-bbbb-cccc-dddddddddddd\n");
	since = endpoint_look(p).state.last.evaluated;
	endpoint_agent_start(p);
	endpoint_until(p, "the agent is up", agent_is_up, &since, 100);
	assert_int_equal(endpoint_look(p).record.flags, 0);
	return one;
}

static void an_agent_that_is_only_restarted_takes_its_goodbye_back(void **state)
{
	struct endpoint *p = *state;
	struct published one = settled(p);
	uint8_t tries = endpoint_look(p).record.tries_left;

	assert_int_equal(endpoint_agent_end(p, SIGTERM), 0);
	assert_true(marked_clean(p));
	/* An upgrade: the same boot goes on, and then the power is cut. */
	endpoint_agent_start(p);
	endpoint_until(p, "the mark is gone", runs_unmarked, &one, 0);
	endpoint_agent_end(p, SIGKILL);
	the_guard_runs(p, "00000002-aaaa-bbbb-cccc-dddddddddddd\n");
	assert_int_equal(endpoint_look(p).record.tries_left, tries - 1);
}

static void a_shutdown_stays_one_until_the_guard_has_counted_the_next_boot(void **state)
{
	struct endpoint *p = *state;
	struct boot_record r;

	(void)settled(p);
	assert_int_equal(endpoint_agent_end(p, SIGTERM), 0);
	assert_true(marked_clean(p));
	the_guard_runs(p, "00000002-aaaa-bbbb-cccc-dddddddddddd\n");
	r = endpoint_look(p).record;
	assert_int_equal(r.tries_left, r.tries[RUNG_CURRENT] - 1);      /* as after the first of them */
	assert_int_equal(r.flags, 0);
}

/* ---- a record that is lost ---- */

static void damage(struct endpoint *p, const char *how)
{
	char line[1024];

	snprintf(line, sizeof line, "cd %s" HOME_CHANNELS "/edr && %s", p->root, how);
	assert_int_equal(system(line), 0);
}

/* The machine boots without content; the agent says so and brings back what is assigned, and nothing older. */
static void loses_its_record(struct endpoint *p, const char *how, const char *words)
{
	struct published one = settled(p);
	struct seen s;

	endpoint_agent_end(p, SIGKILL);
	damage(p, how);
	the_guard_runs(p, "00000002-aaaa-bbbb-cccc-dddddddddddd\n");
	s = endpoint_look(p);
	assert_true(digest_is_zero(&s.running));
	endpoint_agent_start(p);
	endpoint_until(p, "it is back", endpoint_runs_committed, &one, 1000);
	assert_true(endpoint_look(p).record.high_water >= one.serial);
	assert_int_equal(endpoint_history_count(p, words), 1);
}

static void a_record_damaged_in_both_places_is_reported_and_the_content_comes_back(void **state)
{
	loses_its_record(*state, "head -c 8192 /dev/zero >boot", "damaged in both places");
}

static void a_record_that_is_gone_is_reported_and_the_content_comes_back(void **state)
{
	loses_its_record(*state, "rm boot", "the boot record is gone");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_agent_that_is_only_restarted_takes_its_goodbye_back, endpoint_setup, endpoint_teardown),
		cmocka_unit_test_setup_teardown(a_shutdown_stays_one_until_the_guard_has_counted_the_next_boot, endpoint_setup, endpoint_teardown),
		cmocka_unit_test_setup_teardown(a_record_damaged_in_both_places_is_reported_and_the_content_comes_back, endpoint_setup,
						endpoint_teardown),
		cmocka_unit_test_setup_teardown(a_record_that_is_gone_is_reported_and_the_content_comes_back, endpoint_setup, endpoint_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
