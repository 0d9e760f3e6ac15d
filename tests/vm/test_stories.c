/* test_stories: what a machine with a real kernel goes through over content, from its first panic to its last rung. */
#include "story.h"

#define OPTIONS_PSTORE "memmap=1M$0xe000000 rh.pstore=0xe000000"       /* memory that outlives a reset */

static void a_kernel_module_that_faults_over_a_trial_costs_two_boots(void **state)
{
	struct endpoint *p = *state;
	const char *fault = story_module("fault");
	struct published good;
	AUTO(vm_report) struct vm_report *r = NULL;

	story_needs_a_machine();
	if (!fault)
		skip_missing_program("the kernel module that faults (linux-headers-cloud-amd64)");
	good = story_committed(p, STORY_GOOD, 110, NULL);
	(void)story_on_trial(p, STORY_BOMB, 111, &good);
	struct vm_boot how = { .disk = story_power_off(p, fault), .options = "rh.fault=module", .most = 8 };

	r = story_boots(&how, VM_HEALTHY, &good);
	assert_int_equal(r->panics, 2);
	story_tells(r, "fault_init");           /* it was the module */
	story_tells(r, "boot-failed");
}

static void committed_content_that_panics_from_a_date_on_steps_down_as_a_late_failure(void **state)
{
	struct endpoint *p = *state;
	struct published good, late;
	AUTO(vm_report) struct vm_report *before = NULL;
	AUTO(vm_report) struct vm_report *after = NULL;

	story_needs_a_machine();
	good = story_committed(p, STORY_GOOD, 110, NULL);
	late = story_committed(p, story_bomb_of_kind(p, "late-bomb-0001"), 111, &good);
	struct vm_boot how = { .disk = story_power_off(p, NULL), .most = 8 };

	before = story_boots(&how, VM_HEALTHY, &late);
	assert_int_equal(before->panics, 0);
	how.clock = "2030-02-01T00:00:00";
	after = story_boots(&how, VM_HEALTHY, &good);
	/* Three tries; one went to the boot before, which ended without a shutdown. */
	assert_int_equal(after->panics, 2);
	story_tells(after, "late_failure");
	story_tells(after, "late-boot-failed");
}

static void a_sensor_upgrade_that_cannot_stand_unchanged_content_steps_down(void **state)
{
	struct endpoint *p = *state;
	struct published good, next;
	AUTO(vm_report) struct vm_report *before = NULL;
	AUTO(vm_report) struct vm_report *after = NULL;

	story_needs_a_machine();
	good = story_committed(p, STORY_GOOD, 110, NULL);
	next = story_committed(p, story_bomb_of_kind(p, "process-0005"), 111, &good);
	struct vm_boot how = { .disk = story_power_off(p, NULL), .most = 8 };

	before = story_boots(&how, VM_HEALTHY, &next);
	assert_int_equal(before->panics, 0);
	how.options = "rh.defect=process-0005";
	after = story_boots(&how, VM_HEALTHY, &good);
	assert_int_equal(after->panics, 2);
	story_tells(after, "late_failure");
}

/* The content that came with the sensor, as bad as all the others. */
static struct published install_baseline(struct endpoint *p, uint64_t serial)
{
	struct published b = endpoint_bundle(p, STORY_BOMB, serial, NULL);
	char archive[512];

	endpoint_publish(p);
	assert_int_equal(shell_says(archive, sizeof archive, "find %s -name '*.%llu.tar.gz'", p->repo, (unsigned long long)serial), 0);
	archive[strcspn(archive, "\n")] = 0;
	assert_int_equal(endpoint_command(p, NULL, "baseline", "edr", archive), 0);
	return b;
}

static void every_rung_may_panic_and_the_machine_boots_with_an_idle_sensor(void **state)
{
	struct endpoint *p = *state;
	struct published baseline, previous, current;
	AUTO(vm_report) struct vm_report *r = NULL;

	story_needs_a_machine();
	baseline = install_baseline(p, 100);
	previous = story_committed(p, STORY_BOMB, 110, NULL);
	current = story_committed(p, STORY_BOMB, 111, &previous);
	(void)story_on_trial(p, STORY_BOMB, 112, &current);
	struct vm_boot how = { .disk = story_power_off(p, NULL), .most = 14 };

	r = story_boots(&how, VM_HEALTHY, NULL);
	assert_int_equal(r->panics, 2 + 3 + 3 + 3);
	assert_int_equal(r->boots, 12);
	/* none of these boots had an agent before the last */
	story_reports_of(r, "late_failure", &current);
	story_reports_of(r, "late_failure", &previous);
	story_reports_of(r, "late_failure", &baseline);
}

static void a_guard_in_the_initramfs_counts_even_when_the_clock_says_1970(void **state)
{
	struct endpoint *p = *state;
	struct published good;
	char initrd[200];
	AUTO(vm_report) struct vm_report *r = NULL;
	struct err e;

	story_needs_a_machine();
	good = story_committed(p, STORY_GOOD, 110, NULL);
	(void)story_on_trial(p, STORY_BOMB, 111, &good);
	snprintf(initrd, sizeof initrd, "%s/initrd.gz", p->dir);
	assert_ok(vm_initrd(story_bin(p), initrd, &e));
	struct vm_boot how = { .disk = story_power_off(p, NULL), .initrd = initrd, .options = "rh.guard=early", .most = 8,
			       .clock = "1970-01-01T00:00:00" };

	r = story_boots(&how, VM_HEALTHY, &good);
	assert_int_equal(r->panics, 2);
	story_tells(r, "vm: year 1970");
	story_tells(r, "vm: early guard edr: current");
	story_reports(r, "the clock says 1970-01-01T");
	story_tells(r, "boot-failed");
}

static void what_the_dying_kernel_left_in_pstore_is_in_the_report(void **state)
{
	struct endpoint *p = *state;
	const char *ramoops = story_module("ramoops"), *code = story_module("reed_solomon");
	struct published good;
	char extra[200];
	AUTO(vm_report) struct vm_report *r = NULL;

	story_needs_a_machine();
	if (!ramoops || !code)
		skip_missing_program("the kernel module ramoops");
	good = story_committed(p, STORY_GOOD, 110, NULL);
	(void)story_on_trial(p, STORY_BOMB, 111, &good);
	snprintf(extra, sizeof extra, "%s %s", ramoops, code);
	struct vm_boot how = { .disk = story_power_off(p, extra), .options = OPTIONS_PSTORE, .most = 8 };

	r = story_boots(&how, VM_HEALTHY, &good);
	assert_int_equal(r->panics, 2);
	story_tells(r, "vm: pstore dmesg-ramoops");
	story_reports(r, "kernel-crash");
	story_reports(r, "sysrq triggered crash");
}

/* ---- the same machine, with what protects it taken away ---- */

static void without_the_guard_the_machine_is_lost(void **state)
{
	struct endpoint *p = *state;
	struct published good, bomb;
	char link[200], hex[DIGEST_HEX_LEN + 1];
	AUTO(vm_report) struct vm_report *r = NULL;

	story_needs_a_machine();
	good = story_committed(p, STORY_GOOD, 110, NULL);
	bomb = story_on_trial(p, STORY_BOMB, 111, &good);
	digest_hex(hex, &bomb.digest);
	snprintf(link, sizeof link, "../../../var/lib/ringhold/channels/edr/slots/%s", hex);
	endpoint_write(p, "/guard-removed", link, 0644);
	struct vm_boot how = { .disk = story_power_off(p, NULL), .options = "rh.guard=off", .most = 5 };

	r = story_boots(&how, VM_TOO_MANY_PANICS, &bomb);
	assert_int_equal(r->panics, 5);
}

/* fsync() that says yes and does nothing; a path for vm_disk(). */
static const char *no_fsync(const struct endpoint *p)
{
	static const char source[] = "int fsync(int fd) { (void)fd; return 0; }\nint fdatasync(int fd) { (void)fd; return 0; }\n";
	static char library[200];
	char path[200];
	struct err e;

	snprintf(path, sizeof path, "%s/nofsync.c", p->dir);
	snprintf(library, sizeof library, "%s/nofsync.so", p->dir);
	assert_ok(file_replace(path, source, strlen(source), 0644, &e));
	return shell_ok("cc -shared -fPIC -o %s %s", library, path) ? library : NULL;
}

static void without_fsync_the_count_is_lost_with_every_panic(void **state)
{
	struct endpoint *p = *state;
	const char *library = no_fsync(p);
	struct published good, bomb;
	AUTO(vm_report) struct vm_report *r = NULL;

	story_needs_a_machine();
	if (!library)
		skip_missing_program("cc");
	good = story_committed(p, STORY_GOOD, 110, NULL);
	bomb = story_on_trial(p, STORY_BOMB, 111, &good);
	struct vm_boot how = { .disk = story_power_off(p, library), .options = "rh.preload=/usr/lib/nofsync.so", .most = 5 };

	r = story_boots(&how, VM_TOO_MANY_PANICS, &bomb);
	assert_int_equal(r->panics, 5);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, endpoint_setup, endpoint_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		STORY(a_kernel_module_that_faults_over_a_trial_costs_two_boots),
		STORY(committed_content_that_panics_from_a_date_on_steps_down_as_a_late_failure),
		STORY(a_sensor_upgrade_that_cannot_stand_unchanged_content_steps_down),
		STORY(every_rung_may_panic_and_the_machine_boots_with_an_idle_sensor),
		STORY(a_guard_in_the_initramfs_counts_even_when_the_clock_says_1970),
		STORY(what_the_dying_kernel_left_in_pstore_is_in_the_report),
		STORY(without_the_guard_the_machine_is_lost),
		STORY(without_fsync_the_count_is_lost_with_every_panic),
	};

	if (argc > 1)   /* the stories whose names match */
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
