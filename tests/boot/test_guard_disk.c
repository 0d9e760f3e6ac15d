/* test_guard_disk: the real boot guard on disks that are read-only, full or failing, and killed at any call. */
#include <sys/mount.h>

#include "guard_run.h"

static void a_trial_is_not_run_from_a_read_only_disk(void **state)
{
	const char *var = machine_path("var");

	(void)state;
	install(BOOT_TRIAL, RUNG_TRIAL, "TC B");
	if (mount(var, var, NULL, MS_BIND, NULL) < 0)
		skip_named("no right to mount");
	assert_int_equal(mount(NULL, var, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(boot(), 'C');
		assert_int_equal(machine_status(CHANNEL).reason, BOOT_UNCOUNTED);
		assert_false(machine_status(CHANNEL).trial);
		assert_non_null(strstr(said, "tries left), this boot is not counted: "));
		assert_non_null(strstr(said, "Read-only file system"));
	}
	umount(var);
	assert_int_equal(boot(), 'T');
	assert_int_equal(machine_read(CHANNEL).tries_left, 1);
}

static void a_full_disk_neither_stops_the_boot_nor_the_count(void **state)
{
	struct boot_record r = machine_record(BOOT_TRIAL, RUNG_TRIAL, "TC B");
	const char *var = machine_path("var");
	char ran[8];

	(void)state;
	shell_must("rm -rf %s/var && mkdir %s/var", root, root);
	if (mount("tmpfs", var, "tmpfs", 0, "size=128k") < 0)
		skip_named("no right to mount a small tmpfs");
	machine_install(CHANNEL, &r);
	shell_must("cat /dev/zero >%s/fill 2>/dev/null; true", var);
	boots(ran, 3);
	umount(var);
	assert_string_equal(ran, "TTC");
}

static void a_full_run_directory_is_reported_and_the_boot_counted(void **state)
{
	const char *run = machine_path("run");

	(void)state;
	install(BOOT_TRIAL, RUNG_TRIAL, "TC B");
	power_up();
	if (mount("tmpfs", run, "tmpfs", 0, "size=4k,nr_inodes=3") < 0)
		skip_named("no right to mount a small tmpfs");
	assert_int_equal(guard(), 0);
	assert_int_equal(machine_runs(CHANNEL), '-');
	umount(run);
	assert_non_null(strstr(said, "No space left"));
	assert_int_equal(machine_read(CHANNEL).tries_left, 1);
}

/* Whatever call is its last: the record is whole, no more than one try is gone, the next boot runs. */
static void a_guard_killed_anywhere_strands_nothing(void **state)
{
	static const char *const calls[] = { "openat",	 "pread64",   "pwrite64", "fsync",    "mkdir",
					     "readlinkat", "symlinkat", "renameat", "unlinkat", "close" };
	char prefix[300];
	int killed = 0;

	(void)state;
	setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
	install(BOOT_TRIAL, RUNG_TRIAL, "TC B");
	power_up();
	if (guard_under(STRACE " -qq -o /dev/null -e trace=none ", "") != 0)
		skip_named("strace cannot trace here");
	for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
		for (int when = 1;; when++) {
			struct boot_record r;
			char runs;

			install(BOOT_TRIAL, RUNG_TRIAL, "TC B");
			power_up();
			snprintf(prefix, sizeof prefix,
				 STRACE " -qq -o /dev/null -e inject=%s:signal=KILL:when=%d ", calls[i],
				 when);
			if (guard_under(prefix, "") == 0)
				break;
			killed++;
			r = machine_read(CHANNEL);
			assert_in_range(r.tries_left, 1, 2);
			/* Never on trial without being counted. */
			runs = machine_runs(CHANNEL);
			assert_true(runs == '-' || (runs == 'T' && r.tries_left == 1));
			assert_int_equal(boot(), 'T');
			assert_in_range(machine_read(CHANNEL).tries_left, 0, 1);
		}
	unsetenv("ASAN_OPTIONS");
	assert_true(killed > 10);
}

static const char *strace_failing(const char *call, const char *error)
{
	static char prefix[300];

	/* Of the record only: the loader of programs asks the disk as well. */
	snprintf(prefix, sizeof prefix, STRACE " -qq -o /dev/null -P %s/var/lib/ringhold/channels/edr/boot -e inject=%s:error=%s ",
		 root, call, error);
	return prefix;
}

/* The disk says no, whichever call it is asked by: reported, and the machine boots on what is committed. */
static void a_trial_that_a_failing_disk_cannot_count_is_not_run(void **state)
{
	static const struct { const char *call, *error, *words; } fails[] = {
		{ "pwrite64", "ENOSPC", "boot record: write: No space left" },
		{ "pwrite64", "EIO", "boot record: write: Input/output error" },
		{ "fsync", "EIO", "boot record: fsync: Input/output error" },
	};

	(void)state;
	setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
	for (size_t i = 0; i < sizeof fails / sizeof fails[0]; i++) {
		uint64_t seq;

		install(BOOT_TRIAL, RUNG_TRIAL, "TC B");
		power_up();
		if (guard_under(STRACE " -qq -o /dev/null -e trace=none ", "") != 0)
			skip_named("strace cannot trace here");
		install(BOOT_TRIAL, RUNG_TRIAL, "TC B");
		seq = machine_read(CHANNEL).seq;
		power_up();
		assert_int_equal(guard_under(strace_failing(fails[i].call, fails[i].error), ""), 0);
		assert_int_equal(machine_runs(CHANNEL), 'C');
		assert_int_equal(machine_status(CHANNEL).reason, BOOT_UNCOUNTED);
		assert_non_null(strstr(machine_status(CHANNEL).report, fails[i].words));
		/* What could not be synced is not there to be read: the next writer begins from the record before. */
		assert_int_equal(machine_read(CHANNEL).seq, seq);
		assert_int_equal(machine_read(CHANNEL).tries_left, 2);
	}
	unsetenv("ASAN_OPTIONS");
}

static void a_record_that_cannot_be_read_is_reported_as_uncounted_and_nothing_runs(void **state)
{
	(void)state;
	setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
	install(BOOT_COMMITTED, RUNG_CURRENT, " CPB");
	power_up();
	if (guard_under(STRACE " -qq -o /dev/null -e trace=none ", "") != 0)
		skip_named("strace cannot trace here");
	power_up();
	assert_int_equal(guard_under(strace_failing("pread64", "EIO"), ""), 0);
	assert_int_equal(machine_runs(CHANNEL), '-');
	assert_int_equal(machine_status(CHANNEL).reason, BOOT_NO_RECORD);
	assert_true(machine_status(CHANNEL).uncounted);
	assert_non_null(strstr(machine_status(CHANNEL).report, "boot record: read: Input/output error"));
	unsetenv("ASAN_OPTIONS");
	/* The disk came back, and so does the content. */
	assert_int_equal(boot(), 'C');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_trial_is_not_run_from_a_read_only_disk),
		cmocka_unit_test(a_full_disk_neither_stops_the_boot_nor_the_count),
		cmocka_unit_test(a_full_run_directory_is_reported_and_the_boot_counted),
		cmocka_unit_test(a_guard_killed_anywhere_strands_nothing),
		cmocka_unit_test(a_trial_that_a_failing_disk_cannot_count_is_not_run),
		cmocka_unit_test(a_record_that_cannot_be_read_is_reported_as_uncounted_and_nothing_runs),
	};

	return guard_tests(tests);
}
