/* guard_faults: every call by which the guard asks the disk goes wrong, one after the other; the machine boots. */
#include "tests/test.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/boot/machine.h"
#include "tests/calls.h"
#include "tests/program.h"

#define CHANNEL "edr"

static unsigned boot_count;

static void power_up(void)
{
	boot_count++;
	shell_must("cd %s && rm -rf run && mkdir run && echo %08x-aaaa-bbbb-cccc-dddddddddddd >proc/sys/kernel/random/boot_id", root,
		   boot_count);
}

/* Hosts as they stand before the boot, and what runs at a boot of each in which nothing goes wrong. */
static const struct host { enum boot_rung rung; const char *digests; char runs; } hosts[BOOT_MODES] = {
	[BOOT_COMMITTED] = { RUNG_CURRENT, " CPB", 'C' },
	[BOOT_TRIAL] = { RUNG_TRIAL, "TC B", 'T' },
	[BOOT_PINNED] = { RUNG_CURRENT, " CPB", 'C' },
	[BOOT_DISABLED] = { RUNG_NONE, " CPB", '-' },
};

/* Once; each boot that goes wrong begins from a copy. */
static void install(enum boot_mode mode)
{
	struct boot_record r = machine_record(mode, hosts[mode].rung, hosts[mode].digests);

	shell_must("rm -rf %s/var %s/kept", root, root);
	machine_install(CHANNEL, &r);
	shell_must("cp -a %s/var %s/kept", root, root);
}

static void put_back(void)
{
	shell_must("cd %s && rm -rf var && cp -a kept var", root);
	power_up();
}

/* The guard, under strace with an option; its exit status, -1 when a signal ended it. */
static int guard_under(const char *option, const char *trace)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
		if (option)
			execl(CALLS_STRACE, "strace", "-qq", "-y", "-o", trace, "-e", option, test_program("ringhold-bootguard"), "--root", root,
			      (char *)NULL);
		else
			execl(test_program("ringhold-bootguard"), "ringhold-bootguard", "--root", root, (char *)NULL);
		_exit(126);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* What holds after a boot in which something went wrong, whatever it was: no one fault leaves a rung for good. */
static void check(const char *what, enum boot_mode mode)
{
	char runs = machine_runs(CHANNEL);
	struct boot_record r = machine_read(CHANNEL);

	if (runs == '?' || (runs == 'T' && r.tries_left != 1) || (mode == BOOT_DISABLED && runs != '-'))
		fail_msg("%s: %c runs with %u tries left", what, runs, r.tries_left);
	power_up();
	if (guard_under(NULL, NULL) != 0)
		fail_msg("%s: the next boot fails", what);
	runs = machine_runs(CHANNEL);
	if (runs != hosts[mode].runs || machine_read(CHANNEL).mode != mode)
		fail_msg("%s: %c runs at the next boot", what, runs);
}

/* how: "signal=KILL"; then "+": that call, and all of its name that follow. */
static void fault(const struct call *c, const char *how, enum boot_mode mode)
{
	char option[100], what[400];
	int status;

	snprintf(option, sizeof option, "inject=%s:%.*s:when=%u%s", c->name, (int)strcspn(how, "+"), how, c->when, strchr(how, '+') ? "+" : "");
	snprintf(what, sizeof what, "%s (%s)", option, c->text);
	put_back();
	status = guard_under(option, "/dev/null");
	if (status != 0 && !strstr(how, "KILL"))
		fail_msg("%s: exit status %d", what, status);
	check(what, mode);
}

/* The calls of one boot in which nothing goes wrong. */
static void trace(struct calls *calls, enum boot_mode mode)
{
	char path[64];

	NEED_STRACE();
	install(mode);
	put_back();
	snprintf(path, sizeof path, "%s/trace", root);
	assert_int_equal(guard_under("trace=" CALLS_NAMES, path), 0);
	assert_true(calls_read(calls, path, root, 0));
	assert_true(calls->count > 20);
}

static void sweep(enum boot_mode mode)
{
	static const char *const hows[] = { "signal=KILL", "error=EIO", "error=ENOSPC", "error=ENOSPC+" };
	static struct calls calls;

	trace(&calls, mode);
	for (size_t i = 0; i < calls.count; i++)
		for (size_t k = 0; k < sizeof hows / sizeof *hows; k++)
			if (k < 2 || !calls_listed(CALLS_READ, calls.list[i].name))     /* reading needs no space */
				fault(&calls.list[i], hows[k], mode);
}

static void a_trial_is_counted_or_not_run_whatever_goes_wrong(void **state)
{
	(void)state;
	sweep(BOOT_TRIAL);
}

static void committed_content_boots_whatever_goes_wrong(void **state)
{
	(void)state;
	sweep(BOOT_COMMITTED);
}

static void pinned_content_boots_and_stays_pinned_whatever_goes_wrong(void **state)
{
	(void)state;
	sweep(BOOT_PINNED);
}

static void a_disabled_channel_stays_disabled_whatever_goes_wrong(void **state)
{
	(void)state;
	sweep(BOOT_DISABLED);
}

/* The time of a sync is the machine's (bench_boot); their number is ours. */
static void a_boot_is_counted_with_one_sync_of_the_record_and_no_other(void **state)
{
	static struct calls calls;

	(void)state;
	for (int mode = 0; mode < BOOT_MODES; mode++) {
		unsigned syncs = 0;

		trace(&calls, (enum boot_mode)mode);
		for (size_t i = 0; i < calls.count; i++)
			if (calls_syncs(calls.list[i].name)) {
				assert_string_equal(calls.list[i].name, "fsync");
				assert_non_null(strstr(calls.list[i].text, "/channels/" CHANNEL "/boot>"));
				syncs++;
			}
		assert_int_equal(syncs, mode == BOOT_DISABLED ? 0 : 1);         /* nothing runs: nothing is counted */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_trial_is_counted_or_not_run_whatever_goes_wrong),
		cmocka_unit_test(committed_content_boots_whatever_goes_wrong),
		cmocka_unit_test(pinned_content_boots_and_stays_pinned_whatever_goes_wrong),
		cmocka_unit_test(a_disabled_channel_stays_disabled_whatever_goes_wrong),
		cmocka_unit_test(a_boot_is_counted_with_one_sync_of_the_record_and_no_other),
	};
	int failed;

	if (!mkdtemp(root))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	shell_ok("rm -rf %s", root);
	return failed;
}
