/* proc: fixed commands with bounds. */
#include "tests/test.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/proc.h"

#define SH "/bin/sh"

static int run_with(struct proc_run *r, const char *script, struct proc_result *out, struct err *e)
{
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)script, NULL };

	r->path = r->path ? r->path : SH;
	r->argv = argv;
	return proc_run(r, out, e);
}

static struct proc_run plain(void)
{
	return (struct proc_run){ .stdin_fd = -1, .timeout_ms = 60000, .output_max = 4096 };
}

static void status_and_output_come_back(void **state)
{
	struct proc_run r = plain();
	struct proc_result out;
	char words[100];
	struct err e;

	(void)state;
	assert_ok(run_with(&r, "echo a; echo b >&2; cat; exit 3", &out, &e));
	assert_int_equal(out.exit_status, 3);
	assert_int_equal(out.signal, 0);
	assert_false(out.timed_out);
	assert_string_equal(out.output->data, "a\nb\n");
	assert_true(out.max_rss > 0);
	proc_result_words(&out, words, sizeof words);
	assert_string_equal(words, "exit status 3");
	proc_result_release(&out);
}

static void the_environment_is_what_is_given(void **state)
{
	char *env[] = { (char *)"ONLY=this", NULL };
	struct proc_run r = plain();
	struct proc_result out;
	struct err e;

	(void)state;
	setenv("SECRET", "leaked", 1);
	assert_ok(run_with(&r, "echo $LANG-$SECRET", &out, &e));
	assert_string_equal(out.output->data, "C-\n");
	proc_result_release(&out);
	r.env = env;
	assert_ok(run_with(&r, "echo $ONLY-$LANG", &out, &e));
	assert_string_equal(out.output->data, "this-\n");
	proc_result_release(&out);
}

static void only_three_descriptors_are_inherited(void **state)
{
	struct proc_run r = plain();
	struct proc_result out;
	int leak = open("/dev/null", O_RDONLY);
	struct err e;

	(void)state;
	dup2(leak, 99);
	assert_ok(run_with(&r, "cd /proc/self/fd && echo [0-9]*", &out, &e));
	/* The shell itself opens the directory it globs. */
	assert_memory_equal(out.output->data, "0 1 2", 5);
	assert_null(strstr(out.output->data, "99"));
	assert_true(strlen(out.output->data) <= strlen("0 1 2 3\n"));
	proc_result_release(&out);
	close(leak);
	close(99);
}

static void standard_input_may_be_a_descriptor(void **state)
{
	struct proc_run r = plain();
	struct proc_result out;
	int ends[2];
	struct err e;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "fed", 3), 3);
	close(ends[1]);
	r.stdin_fd = ends[0];
	assert_ok(run_with(&r, "cat", &out, &e));
	assert_string_equal(out.output->data, "fed");
	proc_result_release(&out);
	close(ends[0]);
}

static void output_beyond_the_limit_is_dropped_and_the_command_goes_on(void **state)
{
	struct proc_run r = plain();
	struct proc_result out;
	struct err e;

	(void)state;
	r.output_max = 10;
	assert_ok(run_with(&r, "i=0; while [ $i -lt 30000 ]; do echo 12345678; i=$((i+1)); done; exit 7",
			   &out, &e));
	assert_int_equal(out.exit_status, 7);
	assert_int_equal(out.output->len, 10);
	proc_result_release(&out);
	r.output_max = 0;
	assert_ok(run_with(&r, "echo x", &out, &e));
	assert_int_equal(out.output->len, 0);
	proc_result_release(&out);
}

static bool lives(pid_t pid)
{
	char path[64], text[256] = "";
	FILE *f;

	snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
	f = fopen(path, "r");
	if (!f)
		return false;
	(void)!fread(text, 1, sizeof text - 1, f);
	fclose(f);
	return *text && !strstr(text, ") Z");
}

static void output_beyond_the_limit_ends_the_command_when_that_is_wanted(void **state)
{
	struct proc_run r = plain();
	struct proc_result out;
	char words[100];
	struct err e;

	(void)state;
	r.output_ends = true;
	assert_ok(run_with(&r, "while :; do echo 0123456789; done", &out, &e));
	assert_true(out.too_much);
	assert_false(out.timed_out);
	assert_int_equal(out.output->len, r.output_max);
	proc_result_words(&out, words, sizeof words);
	assert_string_equal(words, "printed more than it may");
	proc_result_release(&out);
	assert_ok(run_with(&r, "echo 0123456789", &out, &e));
	assert_false(out.too_much);
	assert_int_equal(out.exit_status, 0);
	proc_result_release(&out);
}

/* It prints as fast as it can, for ever: reading must not outlast the deadline. */
static void a_flood_of_output_does_not_move_the_deadline(void **state)
{
	struct proc_run r = plain();
	struct proc_result out;
	struct err e;

	(void)state;
	r.timeout_ms = 300;
	assert_ok(run_with(&r, "exec yes", &out, &e));
	assert_true(out.timed_out);
	proc_result_release(&out);
}

static void time_ends_the_command_and_its_children(void **state)
{
	struct proc_run r = plain();
	struct proc_result out;
	char words[100];
	int64_t until;
	struct err e;
	long child;

	(void)state;
	r.timeout_ms = 200;
	assert_ok(run_with(&r, "trap '' TERM; sleep 1000 & echo $!; wait; sleep 1000", &out, &e));
	assert_true(out.timed_out);
	assert_int_equal(out.signal, SIGKILL);
	assert_true(out.wall_ms < 30000);
	proc_result_words(&out, words, sizeof words);
	assert_non_null(strstr(words, "timed out after"));
	child = strtol(out.output->data, NULL, 10);
	assert_true(child > 0);
	/* Killed with its group: sooner or later gone, or a zombie that its new parent has yet to reap. */
	for (until = clock_work_ms() + 10000; lives((pid_t)child) && clock_work_ms() < until;)
		poll(NULL, 0, 10);
	assert_false(lives((pid_t)child));
	proc_result_release(&out);
}

static void a_grandchild_holding_the_output_does_not_hold_us(void **state)
{
	struct proc_run r = plain();
	struct proc_result out;
	struct err e;

	(void)state;
	assert_ok(run_with(&r, "sleep 1000 & echo left; exit 0", &out, &e));
	assert_int_equal(out.exit_status, 0);
	assert_false(out.timed_out);
	assert_true(out.wall_ms < 30000);
	assert_string_equal(out.output->data, "left\n");
	proc_result_release(&out);
}

static void a_signal_is_named(void **state)
{
	struct proc_run r = plain();
	struct proc_result out;
	char words[100];
	struct err e;

	(void)state;
	assert_ok(run_with(&r, "kill -SEGV $$", &out, &e));
	assert_int_equal(out.signal, SIGSEGV);
	assert_int_equal(out.exit_status, -1);
	proc_result_words(&out, words, sizeof words);
	assert_string_equal(words, "killed by signal 11 (Segmentation fault)");
	proc_result_release(&out);
}

static int no(void *arg)
{
	(void)arg;
	return -1;
}

static int few_files(void *arg)
{
	return setrlimit(RLIMIT_NOFILE, arg);
}

static void confinement_comes_before_the_command_or_the_command_never_comes(void **state)
{
	struct rlimit limit = { 17, 17 };
	struct proc_run r = plain();
	struct proc_result out;
	struct err e;

	(void)state;
	r.confine = few_files;
	r.confine_arg = &limit;
	assert_ok(run_with(&r, "ulimit -n", &out, &e));
	assert_string_equal(out.output->data, "17\n");
	proc_result_release(&out);
	r.confine = no;
	assert_ok(run_with(&r, "echo ran", &out, &e));
	assert_int_equal(out.exit_status, 126);
	assert_string_equal(out.output->data, "");
	proc_result_release(&out);
}

static void what_cannot_be_started_is_told(void **state)
{
	struct proc_run r = plain();
	struct proc_result out;
	struct err e;

	(void)state;
	r.path = "/nonexistent/command";
	assert_refused(run_with(&r, "", &out, &e), ERR_IO, "/nonexistent/command: cannot be started");
	r.path = "sh";
	assert_refused(run_with(&r, "", &out, &e), ERR_USAGE, "not an absolute path");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_and_output_come_back),
		cmocka_unit_test(the_environment_is_what_is_given),
		cmocka_unit_test(only_three_descriptors_are_inherited),
		cmocka_unit_test(standard_input_may_be_a_descriptor),
		cmocka_unit_test(output_beyond_the_limit_is_dropped_and_the_command_goes_on),
		cmocka_unit_test(output_beyond_the_limit_ends_the_command_when_that_is_wanted),
		cmocka_unit_test(a_flood_of_output_does_not_move_the_deadline),
		cmocka_unit_test(time_ends_the_command_and_its_children),
		cmocka_unit_test(a_grandchild_holding_the_output_does_not_hold_us),
		cmocka_unit_test(a_signal_is_named),
		cmocka_unit_test(confinement_comes_before_the_command_or_the_command_never_comes),
		cmocka_unit_test(what_cannot_be_started_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
