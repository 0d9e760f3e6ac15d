/* test_boots: guard and agent together: what is a shutdown, and what becomes of a boot record that is lost. */
#include <dirent.h>

#include "endpoint_boot.h"

#define GOOD "deploy/demo/edr-good"

static bool quarantined(struct endpoint *p)
{
	return shell_ok("ls %s" HOME_CHANNELS "/edr/quarantine.d 2>/dev/null | grep -q .", p->root);
}

static bool in_phase(const struct seen *s, const void *arg)
{
	return s->state.phase == *(const enum phase *)arg;
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
	shell_must("cd %s" HOME_CHANNELS "/edr && %s", p->root, how);
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
	endpoint_agent_end(p, SIGKILL);
	endpoint_agent_start(p);
	endpoint_agent_up(p);
	endpoint_agent_end(p, SIGTERM);
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

static void a_record_damaged_in_one_place_is_reported_once(void **state)
{
	struct endpoint *p = *state;
	int64_t since;

	(void)settled(p);
	power_is_cut(p);
	/* The guard's own count puts it right, so that the agent finds nothing. */
	damage(p, "dd if=/dev/zero of=boot bs=4096 count=1 conv=notrunc 2>/dev/null");
	the_guard_runs(p, "00000002-aaaa-bbbb-cccc-dddddddddddd\n");
	endpoint_sensor_start(p);
	for (int start = 0; start < 2; start++) {
		since = endpoint_look(p).state.last.evaluated;
		endpoint_agent_start(p);
		endpoint_until(p, "the agent is up", agent_is_up, &since, 1000);
		assert_int_equal(endpoint_history_count(p, "the boot guard met: boot record: damaged in one place"), 1);
		endpoint_agent_end(p, SIGKILL);
	}
	assert_false(quarantined(p));
}

/* It has none to lose: neither the agent, when it has armed content in that boot, nor its doctor may take that for a failing disk. */
static void a_new_host_is_in_no_trouble_about_its_record(void **state)
{
	struct endpoint *p = *state;
	struct published one = endpoint_bundle(p, GOOD, 110, NULL);
	char *out;

	endpoint_write(p, HOME_CHANNELS "/edr/.keep", "", 0644);
	the_guard_runs(p, "00000001-aaaa-bbbb-cccc-dddddddddddd\n");
	endpoint_assign(p, &one, NULL, 1, 30, 0);
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_until(p, "it is committed", endpoint_runs_committed, &one, 1000);
	endpoint_agent_end(p, SIGTERM);
	endpoint_agent_start(p);
	endpoint_agent_up(p);
	endpoint_agent_end(p, SIGTERM);
	assert_int_equal(endpoint_history_count(p, "disk-error"), 0);
	(void)endpoint_command(p, &out, "doctor", NULL, NULL);
	assert_non_null(strstr(out, "boot guard ran\n"));
	free(out);
}

/* ---- a slot that is lost ---- */

static void committed_content_whose_slot_is_gone_is_nobodys_late_failure_and_comes_back(void **state)
{
	struct endpoint *p = *state;
	struct published one = settled(p);
	char how[160], hex[DIGEST_HEX_LEN + 1];

	digest_hex(hex, &one.digest);
	snprintf(how, sizeof how, "rm -rf slots/%s", hex);
	for (int reported_late = 0; reported_late < 2; reported_late++) {
		power_is_cut(p);
		damage(p, how);
		the_guard_runs(p, "00000002-aaaa-bbbb-cccc-dddddddddddd\n");
		/* Nobody reported it in the boot that met it: of the next one the guard has nothing to say. */
		if (reported_late) {
			power_is_cut(p);
			the_guard_runs(p, "00000003-aaaa-bbbb-cccc-dddddddddddd\n");
		}
		endpoint_sensor_start(p);
		endpoint_agent_start(p);
		endpoint_until(p, "it is back", endpoint_runs_committed, &one, 1000);
		assert_false(quarantined(p));
		assert_int_equal(endpoint_history_count(p, "late_failure"), 0);
	}
	assert_true(endpoint_has_history(p, "disk-error"));
}

/* The rung above it failed as it may, and this one was not there to be booted. */
static void content_that_a_boot_passed_over_because_its_slot_was_gone_is_told_of_as_that(void **state)
{
	struct endpoint *p = *state;
	struct published one = settled(p), two = endpoint_bundle(p, GOOD, 111, NULL), base = endpoint_bundle(p, GOOD, 5, NULL);
	char how[160], id[64], hex[DIGEST_HEX_LEN + 1];
	AUTO_FREE char *archive = NULL;
	struct err e;

	endpoint_assign(p, &two, &one, 1, 30, 0);
	endpoint_until(p, "the second bundle is committed", endpoint_runs_committed, &two, 1000);
	power_is_cut(p);
	assert_ok(repo_target_file(p->published, base.path, &archive, &e));
	assert_int_equal(endpoint_command(p, NULL, "baseline", "edr", archive), 0);
	digest_hex(hex, &one.digest);
	snprintf(how, sizeof how, "rm -rf slots/%s", hex);
	damage(p, how);
	for (unsigned boot = 0; endpoint_look(p).record.rung == RUNG_CURRENT; boot++) {
		assert_in_range(boot, 0, 9);
		snprintf(id, sizeof id, "0000002%u-aaaa-bbbb-cccc-dddddddddddd\n", boot);
		power_is_cut(p);
		the_guard_runs(p, id);
	}
	assert_true(linked_to(p, &base));
	assert_int_equal(endpoint_command(p, NULL, "hold", "edr", NULL), 0);
	assert_true(endpoint_has_history(p, "the boot guard left current for baseline"));
	assert_true(endpoint_has_history(p, "the boot guard passed over previous: its slot is not on disk; baseline runs now"));
	assert_int_equal(endpoint_history_count(p, "in an earlier boot"), 0);
	assert_int_equal(endpoint_history_count(p, "late_failure"), 1);
}

/* Boots were counted while the disk hid the slot, and then it is gone: what could not be seen did not fail. */
static void committed_content_whose_slot_was_hidden_until_it_was_gone_is_not_blamed(void **state)
{
	struct endpoint *p = *state;
	struct published one = settled(p);
	char how[200], id[64], hex[DIGEST_HEX_LEN + 1];

	digest_hex(hex, &one.digest);
	for (unsigned boot = 0; endpoint_look(p).record.rung == RUNG_CURRENT; boot++) {
		assert_in_range(boot, 0, 9);
		snprintf(id, sizeof id, "0000001%u-aaaa-bbbb-cccc-dddddddddddd\n", boot);
		power_is_cut(p);
		damage(p, "mv slots away && ln -s slots slots");
		the_guard_runs(p, id);
		damage(p, "rm slots && mv away slots");
	}
	snprintf(how, sizeof how, "rm -rf slots/%s", hex);
	damage(p, how);
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_until(p, "it is back", endpoint_runs_committed, &one, 1000);
	assert_false(quarantined(p));
	assert_int_equal(endpoint_history_count(p, "late_failure"), 0);
}

/* ---- a boot that the guard cannot count ---- */

/* Committed content below, and on trial what comes next: the power is cut under it. */
static void cut_on_trial(struct endpoint *p, struct published *one, struct published *two)
{
	static const enum phase active = PHASE_ACTIVE;

	*one = settled(p);
	*two = endpoint_bundle(p, GOOD, 111, NULL);
	endpoint_assign(p, two, one, 1, 600, 0);
	endpoint_until(p, "it is on trial", in_phase, &active, 1000);
	power_is_cut(p);
}

/* The disk fails the guard's call on the record, and is well again when the agent comes. */
static void the_guard_fails(struct endpoint *p, const char *inject, const char *boot_id)
{
	char prefix[400];

	snprintf(prefix, sizeof prefix, "ASAN_OPTIONS=detect_leaks=0 strace -qq -o /dev/null -P %s" HOME_CHANNELS "/edr/boot -e inject=%s ",
		 p->root, inject);
	the_guard_runs_under(p, prefix, boot_id);
}

/* The trial that was on is not, and no other is armed in this agent's time. */
static void stays_off_trial(struct endpoint *p, const struct published *one)
{
	static const enum phase validated = PHASE_VALIDATED;

	endpoint_agent_start(p);
	endpoint_until(p, "the trial waits for another boot", in_phase, &validated, 1000);
	for (int i = 0; i < 100; i++) {
		assert_true(linked_to(p, one));
		*p->clock_ms += 1000;
		poll(NULL, 0, 5);
	}
	assert_int_equal(endpoint_look(p).record.mode, BOOT_COMMITTED);
	endpoint_agent_end(p, SIGKILL);
}

static void passes_when_boots_are_counted(struct endpoint *p, const struct published *two)
{
	assert_false(quarantined(p));
	power_is_cut(p);
	the_guard_runs(p, "00000003-aaaa-bbbb-cccc-dddddddddddd\n");
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_until(p, "it is committed after a boot that was counted", endpoint_runs_committed, two, 5000);
}

static void a_trial_that_the_guard_could_not_count_does_not_run_in_that_boot(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;
	char *out;

	if (access("/usr/bin/strace", X_OK) < 0)
		skip_missing_program("strace");
	cut_on_trial(p, &one, &two);
	the_guard_fails(p, "fsync:error=EIO", "00000002-aaaa-bbbb-cccc-dddddddddddd\n");
	assert_true(linked_to(p, &one));
	endpoint_sensor_start(p);
	/* However often the agent starts, whatever it is offered. */
	stays_off_trial(p, &one);
	stays_off_trial(p, &one);
	assert_int_equal(endpoint_command(p, &out, "status", NULL, NULL), 0);
	assert_non_null(strstr(out, "the boot guard could not count this one"));
	free(out);
	assert_true(endpoint_has_history(p, "disk-error: the boot guard could not count this boot, which runs current"));
	assert_int_equal(endpoint_history_count(p, "the boot guard met: boot record: fsync"), 1);
	passes_when_boots_are_counted(p, &two);
}

static void a_trial_whose_record_the_guard_could_not_read_does_not_run_in_that_boot(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;

	if (access("/usr/bin/strace", X_OK) < 0)
		skip_missing_program("strace");
	cut_on_trial(p, &one, &two);
	the_guard_fails(p, "pread64:error=EIO", "00000002-aaaa-bbbb-cccc-dddddddddddd\n");
	endpoint_sensor_start(p);
	stays_off_trial(p, &one);
	stays_off_trial(p, &one);
	assert_true(endpoint_has_history(p, "disk-error: the boot guard could not count this boot, which runs none"));
	passes_when_boots_are_counted(p, &two);
}

/* Killed by its time limit, with /run full: it counted boots before, and nobody knows of this one. */
static void a_trial_does_not_run_in_a_boot_of_which_the_guard_left_no_word(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;

	cut_on_trial(p, &one, &two);
	endpoint_write(p, "/proc/sys/kernel/random/boot_id", "00000002-aaaa-bbbb-cccc-dddddddddddd\n", 0644);
	endpoint_write(p, "/sys/fs/pstore/dmesg-ramoops-0", "Panic#2 Part1\n<0>[ 7.1] Kernel panic - not syncing: it was a Tuesday\n", 0400);
	endpoint_sensor_start(p);
	stays_off_trial(p, &one);
	assert_true(endpoint_has_history(p, "disk-error: the boot guard, which counted boots before, left no word of this one; "
					    "the kernel crashed: Kernel panic - not syncing: it was a Tuesday"));
	passes_when_boots_are_counted(p, &two);
}

/* The agent died committing, before the record knew; and the machine with it, boot after boot. */
static void a_commit_that_was_cut_short_does_not_hold_up_a_step_down(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;
	struct journal_channel c;
	struct journal *j;
	struct err e;

	cut_on_trial(p, &one, &two);
	c = endpoint_look(p).state;
	snprintf(c.ending, sizeof c.ending, "%s", phase_event_name(ON_HEALTHY));
	assert_ok(journal_open(&j, p->root, &e));
	assert_ok(journal_channel_store(j, &c, &e));
	journal_close(j);
	for (int boot = 2; boot < 5; boot++) {
		char id[64];

		snprintf(id, sizeof id, "0000000%d-aaaa-bbbb-cccc-dddddddddddd\n", boot);
		power_is_cut(p);
		the_guard_runs(p, id);
	}
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_until(p, "the step down is settled", endpoint_runs_committed, &one, 1000);
	assert_true(quarantined(p));
	assert_true(endpoint_has_history(p, "boot-failed"));
}

/* Three boots failed, and in the one that steps down the guard can write nothing. */
static void a_step_down_that_the_guard_could_not_write_stands(void **state)
{
	struct endpoint *p = *state;
	struct published one = settled(p), two = endpoint_bundle(p, GOOD, 111, NULL);
	char id[64];

	if (access("/usr/bin/strace", X_OK) < 0)
		skip_missing_program("strace");
	endpoint_assign(p, &two, &one, 1, 30, 0);
	endpoint_until(p, "it is committed", endpoint_runs_committed, &two, 1000);
	power_is_cut(p);
	while (endpoint_look(p).record.tries_left || endpoint_look(p).record.flags) {
		snprintf(id, sizeof id, "0000001%u-aaaa-bbbb-cccc-dddddddddddd\n", endpoint_look(p).record.tries_left);
		power_is_cut(p);
		the_guard_runs(p, id);
	}
	power_is_cut(p);
	the_guard_fails(p, "pwrite64:error=EROFS", "00000020-aaaa-bbbb-cccc-dddddddddddd\n");
	assert_true(linked_to(p, &one));
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_until(p, "the older content is settled for", endpoint_runs_committed, &one, 1000);
	assert_true(linked_to(p, &one));
	assert_true(endpoint_has_history(p, "late_failure"));
	assert_true(quarantined(p));
}

/* ---- the whole ladder ---- */

/* Boots that nobody proves good, until this rung runs. */
static void boots_down_to(struct endpoint *p, unsigned rung, unsigned *boots)
{
	while (endpoint_look(p).record.rung != rung) {
		char id[64];

		snprintf(id, sizeof id, "%08x-bbbb-cccc-dddd-eeeeeeeeeeee\n", ++*boots);
		power_is_cut(p);
		the_guard_runs(p, id);
		assert_true(*boots < 20);
	}
}

static int count_quarantined(struct endpoint *p)
{
	char path[512];
	struct dirent *entry;
	int count = 0;
	DIR *d;

	snprintf(path, sizeof path, "%s" HOME_CHANNELS "/edr/quarantine.d", p->root);
	d = opendir(path);
	while (d && (entry = readdir(d)))
		count += entry->d_name[0] != '.';
	if (d)
		closedir(d);
	return count;
}

struct rungs {
	struct published baseline, previous, current;
};

/* A host that has content on each; the agent runs. */
static struct rungs three_rungs(struct endpoint *p)
{
	struct rungs r;
	char *archive;
	struct err e;

	r.previous = settled(p);
	r.current = endpoint_bundle(p, GOOD, 111, NULL);
	r.baseline = endpoint_bundle(p, GOOD, 5, NULL);
	assert_ok(repo_target_file(p->published, r.baseline.path, &archive, &e));
	assert_int_equal(endpoint_command(p, NULL, "baseline", "edr", archive), 0);
	free(archive);
	endpoint_assign(p, &r.current, &r.previous, 1, 30, 0);
	endpoint_until(p, "it is committed", endpoint_runs_committed, &r.current, 1000);
	return r;
}

static void every_rung_that_was_left_before_an_agent_ran_is_a_late_failure_of_its_own(void **state)
{
	struct endpoint *p = *state;
	unsigned boots = 0;

	(void)three_rungs(p);
	boots_down_to(p, RUNG_BASELINE, &boots);
	for (int start = 0; start < 2; start++) {
		endpoint_agent_start(p);
		endpoint_agent_up(p);
		endpoint_agent_end(p, SIGTERM);
		assert_int_equal(endpoint_history_count(p, "late_failure"), 2);
		assert_int_equal(count_quarantined(p), 2);
	}
	boots_down_to(p, RUNG_NONE, &boots);
	for (int start = 0; start < 2; start++) {
		endpoint_agent_start(p);
		endpoint_agent_up(p);
		endpoint_agent_end(p, SIGTERM);
		assert_int_equal(endpoint_history_count(p, "late_failure"), 3);
	}
}

static bool has_no_previous(const struct seen *s, const void *arg)
{
	(void)arg;
	return boot_digest_empty(s->record.digest[RUNG_PREVIOUS]);
}

static void the_ladder_does_not_come_to_content_that_was_stopped_meanwhile(void **state)
{
	struct endpoint *p = *state;
	struct rungs r = three_rungs(p);
	unsigned boots = 0;

	assert_false(boot_digest_empty(endpoint_look(p).record.digest[RUNG_PREVIOUS]));
	endpoint_stop(p, &r.previous);
	endpoint_until(p, "the content before is forgotten", has_no_previous, NULL, 1000);
	boots_down_to(p, RUNG_BASELINE, &boots);
	assert_int_equal(boots, 4);     /* three of current, and one */
	assert_true(linked_to(p, &r.baseline));
}

/* ---- a clock that is wrong ---- */

static void a_clock_at_1970_is_reported_once_a_boot(void **state)
{
	struct endpoint *p = *state;
	struct published one = settled(p);
	int64_t *shift = (int64_t *)p->clock_ms, now = clock_now();
	char *out;

	power_is_cut(p);
	the_guard_runs(p, "00000002-aaaa-bbbb-cccc-dddddddddddd\n");
	*shift -= now * 1000;
	for (int start = 0; start < 2; start++) {
		endpoint_agent_start(p);
		endpoint_agent_up(p);
		endpoint_agent_end(p, SIGTERM);
		assert_int_equal(endpoint_history_count(p, "the clock says 1970-01-01T"), 1);
	}
	assert_true(linked_to(p, &one));
	assert_int_not_equal(endpoint_command(p, &out, "doctor", NULL, NULL), 0);
	assert_non_null(strstr(out, "before this program was built"));
	free(out);
	power_is_cut(p);
	the_guard_runs(p, "00000003-aaaa-bbbb-cccc-dddddddddddd\n");
	endpoint_agent_start(p);
	endpoint_agent_up(p);
	endpoint_agent_end(p, SIGTERM);
	assert_int_equal(endpoint_history_count(p, "the clock says 1970-01-01T"), 2);
	assert_false(quarantined(p));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_agent_that_is_only_restarted_takes_its_goodbye_back, endpoint_setup, endpoint_teardown),
		cmocka_unit_test_setup_teardown(a_shutdown_stays_one_until_the_guard_has_counted_the_next_boot, endpoint_setup, endpoint_teardown),
		cmocka_unit_test_setup_teardown(a_record_damaged_in_both_places_is_reported_and_the_content_comes_back, endpoint_setup,
						endpoint_teardown),
		cmocka_unit_test_setup_teardown(a_record_that_is_gone_is_reported_and_the_content_comes_back, endpoint_setup, endpoint_teardown),
		cmocka_unit_test_setup_teardown(a_record_damaged_in_one_place_is_reported_once, endpoint_setup, endpoint_teardown),
		cmocka_unit_test_setup_teardown(committed_content_whose_slot_is_gone_is_nobodys_late_failure_and_comes_back, endpoint_setup,
						endpoint_teardown),
		cmocka_unit_test_setup_teardown(a_trial_that_the_guard_could_not_count_does_not_run_in_that_boot, endpoint_setup,
						endpoint_teardown),
		cmocka_unit_test_setup_teardown(a_trial_whose_record_the_guard_could_not_read_does_not_run_in_that_boot, endpoint_setup,
						endpoint_teardown),
		cmocka_unit_test_setup_teardown(a_trial_does_not_run_in_a_boot_of_which_the_guard_left_no_word, endpoint_setup, endpoint_teardown),
		cmocka_unit_test_setup_teardown(a_commit_that_was_cut_short_does_not_hold_up_a_step_down, endpoint_setup, endpoint_teardown),
		cmocka_unit_test_setup_teardown(a_new_host_is_in_no_trouble_about_its_record, endpoint_setup, endpoint_teardown),
		cmocka_unit_test_setup_teardown(content_that_a_boot_passed_over_because_its_slot_was_gone_is_told_of_as_that, endpoint_setup,
						endpoint_teardown),
		cmocka_unit_test_setup_teardown(committed_content_whose_slot_was_hidden_until_it_was_gone_is_not_blamed, endpoint_setup,
						endpoint_teardown),
		cmocka_unit_test_setup_teardown(every_rung_that_was_left_before_an_agent_ran_is_a_late_failure_of_its_own, endpoint_setup,
						endpoint_teardown),
		cmocka_unit_test_setup_teardown(the_ladder_does_not_come_to_content_that_was_stopped_meanwhile, endpoint_setup, endpoint_teardown),
		cmocka_unit_test_setup_teardown(a_clock_at_1970_is_reported_once_a_boot, endpoint_setup, endpoint_teardown),
		cmocka_unit_test_setup_teardown(a_step_down_that_the_guard_could_not_write_stands, endpoint_setup, endpoint_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
