/* guard_run: the real boot guard, booting roots of its own. */
#ifndef TESTS_BOOT_GUARD_RUN_H
#define TESTS_BOOT_GUARD_RUN_H

#include "tests/test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/boot/machine.h"
#include "tests/program.h"
#include "tests/shell.h"

#define CHANNEL "edr"
#define STRACE "/usr/bin/strace"

static unsigned boot_count;
static char said[8192];         /* what the guard printed */

/* Runs the guard, beneath a shell prefix; its exit status. */
static inline int guard_under(const char *prefix, const char *options)
{
	return shell_says(said, sizeof said, "%s%s --root %s %s", prefix, test_program("ringhold-bootguard"), root, options);
}

static inline int guard(void)
{
	return guard_under("", "");
}

static inline void power_up(void)
{
	boot_count++;
	shell_must("rm -rf %s/run && mkdir -p %s/run &&"
		   "echo %08x-aaaa-bbbb-cccc-dddddddddddd"
		   " >%s/proc/sys/kernel/random/boot_id", root, root, boot_count, root);
}

/* One boot that fails afterwards; what it ran. */
static inline char boot(void)
{
	power_up();
	assert_int_equal(guard(), 0);
	return machine_runs(CHANNEL);
}

static inline void boots(char *out, int count)
{
	for (int i = 0; i < count; i++)
		out[i] = boot();
	out[count] = '\0';
}

static inline void install(enum boot_mode mode, enum boot_rung rung, const char *digests)
{
	struct boot_record r = machine_record(mode, rung, digests);

	shell_must("rm -rf %s/var %s/run", root, root);
	machine_install(CHANNEL, &r);
}

#define guard_tests(tests) guard_run_tests(#tests, tests, sizeof tests / sizeof tests[0])

static inline int guard_run_tests(const char *name, const struct CMUnitTest *tests, size_t count)
{
	int failed;

	if (access(test_program("ringhold-bootguard"), X_OK) < 0) {
		fprintf(stderr, "%s: build it first\n", test_program("ringhold-bootguard"));
		return 1;
	}
	if (!mkdtemp(root))
		return 1;
	failed = _cmocka_run_group_tests(name, tests, count, NULL, NULL);
	shell_ok("rm -rf %s", root);
	return failed;
}

#endif
