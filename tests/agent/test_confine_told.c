/* test_confine_told: what is in force of the confinement, and what the kernel lacks, is told; a strict agent does not run without. */
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "agent/confine.h"
#include "as_published.h"
#include "confine_host.h"
#include "content/sandbox.h"
#include "program.h"
#include "tests/shell.h"

static int run_agent(char **output, const char *command, const char *option, void (*before)(void *arg), void *arg)
{
	char bin[1024];
	int ends[2], status;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	snprintf(bin, sizeof bin, "%s", test_program("ringhold-agent"));
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(ends[1], 1);
		dup2(ends[1], 2);
		close(ends[0]);
		close(ends[1]);
		if (before)
			before(arg);
		execl(bin, "ringhold-agent", command, "--root", host_root, option, (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	*output = calloc(1, 65536);
	while ((n = read(ends[0], *output + len, 65535 - len)) > 0)
		len += (size_t)n;
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* A kernel that has never heard of these. */
static void without(void *arg)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);

	if (!strcmp(arg, "landlock")) {
		(void)!seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(landlock_create_ruleset), 0);
	} else {
		(void)!seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(seccomp), 0);
		(void)!seccomp_rule_add(f, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(prctl), 1, SCMP_A0(SCMP_CMP_EQ, 22 /* PR_SET_SECCOMP */, 0));
	}
	if (seccomp_load(f) < 0)
		_exit(126);
	seccomp_release(f);
}

static void expect_said(const char *out, const char *text)
{
	if (!strstr(out, text))
		fail_msg("no \"%s\" in:\n%s", text, out);
}

#define NEED_AGENT()                                                     \
	do {                                                             \
		NEED_ROOT();                                             \
		if (access(test_program("ringhold-agent"), X_OK) < 0)    \
			skip_named("the agent is not built");            \
	} while (0)

static void doctor_says_of_every_process_what_is_in_force(void **state)
{
	char *out;

	(void)state;
	NEED_AGENT();
	settings_free(confine_host_settings(USERS));
	(void)run_agent(&out, "doctor", NULL, NULL, NULL);
	for (int role = 0; role <= CONFINE_ROLES; role++)
		expect_said(out, confine_role_name((enum confine_role)role));
	for (int uid = 64001; uid <= 64004; uid++) {
		char text[32];

		snprintf(text, sizeof text, "uid %d; in force: ", uid);
		expect_said(out, text);
	}
	if (sandbox_landlock_abi())
		assert_null(strstr(out, "missing"));
	free(out);
}

static void doctor_says_it_to_programs_as_published(void **state)
{
	static const char schema[] = "schema/agent-doctor.schema.json";
	char *out;

	(void)state;
	NEED_AGENT();
	settings_free(confine_host_settings(USERS));
	(void)run_agent(&out, "doctor", "--json", NULL, NULL);
	assert_as_published(schema, out);
	for (int role = 0; role <= CONFINE_ROLES; role++)
		expect_said(out, confine_role_name((enum confine_role)role));
	expect_said(out, "\"fine\": false");           /* there is no root of trust */
	expect_said(out, "\"uid\": 64001");
	if (sandbox_landlock_abi())
		assert_null(strstr(out, "\"missing\": [\n"));
	free(out);
	(void)run_agent(&out, "doctor", "--json", without, (void *)(uintptr_t)"landlock");
	assert_as_published(schema, out);
	expect_said(out, "\"landlock_abi\": 0");
	expect_said(out, "\"missing\": [\n");
	free(out);
}

static void doctor_says_whether_check_commands_have_a_place_of_their_own(void **state)
{
	char *out;

	(void)state;
	NEED_AGENT();
	settings_free(confine_host_settings(USERS "\n[channel blobs]\nexec = blob=/etc/ringhold/check\n"));
	(void)run_agent(&out, "doctor", NULL, NULL, NULL);
	expect_said(out, "check commands");
	if (!strstr(out, "end together with the canary, and write into a place of their own"))
		expect_said(out, "they judge no events here, or leave processes behind: ");
	free(out);
}

static void doctor_says_what_the_kernel_lacks(void **state)
{
	char *out;

	(void)state;
	NEED_AGENT();
	settings_free(confine_host_settings(USERS));
	(void)run_agent(&out, "doctor", NULL, without, (void *)(uintptr_t)"landlock");
	expect_said(out, "seccomp; missing: ");         /* the supervisor's line has none: the others' end so */
	expect_said(out, "missing: landlock");
	expect_said(out, "Landlock ABI 0; it does not restrain files");
	free(out);
	(void)run_agent(&out, "doctor", NULL, without, (void *)(uintptr_t)"seccomp");
	expect_said(out, "missing: seccomp");
	free(out);
	settings_free(confine_host_settings(""));
	(void)run_agent(&out, "doctor", NULL, NULL, NULL);
	expect_said(out, "missing: own user");
	free(out);
}

static void a_strict_agent_does_not_run_without(void **state)
{
	char *out;

	(void)state;
	NEED_AGENT();
	settings_free(confine_host_settings(USERS "strict-sandbox = yes\n"));
	assert_int_not_equal(run_agent(&out, "run", "--once", without, (void *)(uintptr_t)"landlock"), 0);
	expect_said(out, "strict-sandbox is on, and not in force: landlock");
	free(out);
	assert_int_not_equal(run_agent(&out, "run", "--once", without, (void *)(uintptr_t)"seccomp"), 0);
	expect_said(out, "strict-sandbox is on, and not in force: seccomp");
	free(out);
	settings_free(confine_host_settings("strict-sandbox = yes\n"));
	assert_int_not_equal(run_agent(&out, "run", "--once", NULL, NULL), 0);
	expect_said(out, "strict-sandbox is on, and not in force: own user");
	free(out);
}

/* A role that was taken over could signal the other and read its memory, files and all. */
static void nor_one_in_which_two_roles_are_one_user(void **state)
{
	static const char *const pairs[] = {
		"fetch-user = 64001\njudge-user = 64001\nunpack-user = 64003\ncanary-user = 64004\n",
		"fetch-user = 64001\njudge-user = 64002\nunpack-user = 64003\ncanary-user = 64003\n",
		"fetch-user = nobody\njudge-user = 64002\nunpack-user = 64003\ncanary-user = 65534\n",
	};
	char *out, text[200];

	(void)state;
	NEED_AGENT();
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		snprintf(text, sizeof text, "%sstrict-sandbox = yes\n", pairs[i]);
		settings_free(confine_host_settings(text));
		assert_int_not_equal(run_agent(&out, "run", "--once", NULL, NULL), 0);
		expect_said(out, "strict-sandbox is on, and not in force: own user");
		free(out);
		settings_free(confine_host_settings(pairs[i]));
		(void)run_agent(&out, "doctor", NULL, NULL, NULL);
		expect_said(out, "missing: own user");
		free(out);
	}
}

static void nor_does_a_strict_role_by_itself(void **state)
{
	struct settings *s;
	struct err e = { 0 };
	unsigned got;

	(void)state;
	NEED_ROOT();
	s = confine_host_settings("strict-sandbox = yes\n");
	for (int role = 0; role < CONFINE_ROLES; role++) {
		pid_t pid = fork();
		int status;

		if (pid == 0)
			_exit(confine(s, (enum confine_role)role, NULL, &e) == ERR_UNSUPPORTED ? 0 : 1);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
	settings_free(s);
	s = confine_host_settings("judge-user = no-such-user-here\n");
	assert_refused(confine_examine(s, CONFINE_JUDGE, &got, &e), ERR_USAGE, "no such user");
	settings_free(s);
}

/* As on a host where somebody forgot it: nothing but the agent itself asks for it. */
static void hide_libcurl(void *library)
{
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount("/dev/null", library, NULL, MS_BIND, NULL) < 0)
		_exit(126);
}

static void a_host_without_libcurl_is_told_so_before_anything_runs(void **state)
{
	static const char *const commands[][2] = { { "run", "--once" }, { "doctor", NULL } };
	char library[400], *out;

	(void)state;
	NEED_ROOT();
	assert_int_equal(shell_says(library, sizeof library, "/sbin/ldconfig -p | sed -n 's|.*libcurl\\.so\\.4 .*=> ||p' | head -n 1"), 0);
	library[strcspn(library, "\n")] = '\0';
	settings_free(confine_host_settings(""));
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		int status = run_agent(&out, commands[i][0], commands[i][1], hide_libcurl, library);

		if (status != 1 || !strstr(out, "fetch") || !strstr(out, "libcurl.so.4"))
			fail_msg("exit status %d: %s", status, out);
		free(out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(doctor_says_of_every_process_what_is_in_force),
		cmocka_unit_test(doctor_says_whether_check_commands_have_a_place_of_their_own),
		cmocka_unit_test(doctor_says_it_to_programs_as_published),
		cmocka_unit_test(doctor_says_what_the_kernel_lacks),
		cmocka_unit_test(a_strict_agent_does_not_run_without),
		cmocka_unit_test(nor_one_in_which_two_roles_are_one_user),
		cmocka_unit_test(nor_does_a_strict_role_by_itself),
		cmocka_unit_test(a_host_without_libcurl_is_told_so_before_anything_runs),
	};

	return cmocka_run_group_tests(tests, confine_host_make, confine_host_remove);
}
