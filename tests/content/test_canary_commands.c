/* test_canary_commands: content that only a command of the host can judge, confined and bounded with all it starts. */
#include "canary_job.h"

#include <dirent.h>
#include <poll.h>

static void write_script(const char *path, const char *text)
{
	struct err e = { 0 };

	assert_ok(file_replace(path, text, strlen(text), 0755, &e));
}

static char script_dir[200];    /* of the last command: what started from there can be found by it */

static void run_command(const char *script, int64_t wall_ms, struct canary_result *r)
{
	const struct content_file files[] = { { "b.bin", "blob", "x" }, { "r.json", "rules", RULES }, { 0 } };
	AUTO(content_tree) struct content_tree *t = content_tree_new(files);
	static const char contract[] = CONTRACT("");
	char path[256];
	const char *argv[] = { path, "fixed", NULL };
	struct loader_exec exec = { .type = "blob", .argv = argv };
	struct canary_job job = { .contract = contract, .contract_len = sizeof(contract) - 1, .exec = &exec, .exec_count = 1,
				  .digest = "d1", .wall_ms = wall_ms };

	content_temp(script_dir);
	snprintf(path, sizeof(path), "%s/check", script_dir);
	write_script(path, script);
	run_job(&job, t, r);
	assert_int_equal(file_remove_tree(script_dir, &(struct err){ 0 }), 0);
}

static void a_check_command_judges_what_no_loader_can(void **state)
{
	struct canary_result r;

	(void)state;
	run_command("#!/bin/sh\n[ \"$1\" = fixed ] && [ -f \"$2/b.bin\" ] && [ \"$3 $4 $5\" = 'edr d1 7' ]\n", 10000, &r);
	expect_result(&r, CANARY_OK, "", "");
	assert_int_equal(r.rules, 2);
	assert_true(r.confinement & CANARY_SECCOMP);
	run_command("#!/bin/sh\necho 'signature 7 is bad' >&2; exit 3\n", 10000, &r);
	expect_result(&r, CANARY_REFUSED, "load", "exit status 3: signature 7 is bad");
	run_command("#!/bin/sh\nkill -SEGV $$\n", 10000, &r);
	expect_result(&r, CANARY_CRASH, "crash", "signal 11");
	run_command("#!/bin/sh\necho x > /tmp/ringhold-escaped-$$ 2>/dev/null && exit 0; exit 4\n", 10000, &r);
	expect_result(&r, CANARY_REFUSED, "load", "exit status 4");
}

/* In the kernel's words; the wall time is 10 s. */
static void a_check_command_is_held_to_a_processor_time_of_its_own(void **state)
{
	struct canary_result r;

	(void)state;
	run_command("#!/bin/sh\nset -- $(grep '^Max cpu time' /proc/self/limits)\necho \"cpu $4, at most $5\" >&2; exit 3\n", 10000, &r);
	expect_result(&r, CANARY_REFUSED, "load", "exit status 3: cpu 12, at most 12");
}

/* Processes whose command line names the directory of the last command. */
static int survivors(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *d;
	int n = 0;

	assert_non_null(proc);
	while ((d = readdir(proc))) {
		AUTO(buf) struct buf *line = NULL;
		struct err e = { 0 };
		char path[300];

		snprintf(path, sizeof(path), "/proc/%s/cmdline", d->d_name);
		if (d->d_name[0] < '0' || d->d_name[0] > '9' || file_read(&line, path, 1 << 20, &e) < 0)
			continue;
		n += line->len && memmem(line->data, line->len, script_dir, strlen(script_dir)) != NULL;
	}
	closedir(proc);
	return n;
}

static void nothing_a_check_command_started_outlives_the_try(void **state)
{
	struct canary_result r;

	(void)state;
	run_command("#!/bin/sh\nsetsid sh -c 'while :; do sleep 1; done' \"$0\" &\nwhile :; do sleep 1; done\n", 1000, &r);
	expect_result(&r, CANARY_HANG, "hang", "no end after 1000 ms");
	if (!(r.confinement & CANARY_ALONE))
		skip_named("no process namespaces without privilege");
	for (int i = 0; i < 500 && survivors(); i++)
		poll(NULL, 0, 10);
	assert_int_equal(survivors(), 0);
}

/* Of a user of its own; the kernel counts none of root's. */
static void a_check_command_starts_only_so_many_processes(void **state)
{
	const struct content_file files[] = { { "b.bin", "blob", "x" }, { 0 } };
	AUTO(content_tree) struct content_tree *t = content_tree_new(files);
	const char *argv[] = { "/usr/bin/perl", "-e",
			       "for (1 .. 1000) { my $pid = fork(); defined $pid or die \"$_ is one too many\\n\"; $pid or do { sleep 100; exit } }", NULL };
	const struct loader_exec exec = { .type = "blob", .argv = argv };
	struct canary_job job = { .exec = &exec, .exec_count = 1, .uid = 64005, .gid = 64005 };
	struct canary_result r;
	int started = 0;

	(void)state;
	if (geteuid() != 0)
		skip_named("only root can become somebody else");
	run_job(&job, t, &r);
	expect_result(&r, CANARY_REFUSED, "load", "is one too many");
	sscanf(strstr(r.sentence, "exit status"), "%*[^:]: %d", &started);
	assert_true(started > 8 && started <= 64);
}

static void a_check_command_reads_programs_and_no_secrets(void **state)
{
	struct canary_result r;

	(void)state;
	run_command("#!/bin/sh\n[ -r /usr/bin/env ] && cat /etc/passwd >/dev/null || exit 2\n"
		    "for f in /etc/shadow /etc/hostname; do head -c 1 $f >/dev/null 2>&1 && { echo \"read $f\"; exit 3; }; done\n"
		    "for f in / /etc /root /home /var/lib /tmp; do ls $f >/dev/null 2>&1 && "
		    "{ echo \"listed $f\"; exit 3; }; done; exit 0\n", 10000, &r);
	if (!(r.confinement & CANARY_LANDLOCK))
		skip_named("this kernel has no Landlock");
	expect_result(&r, CANARY_OK, "", "");
}

/* More bytes than one batch holds (a text counts twice: as itself and in its event): the bundle's own are its fault, the host's are the host's. */
static void too_many_benign_events_are_blamed_on_whose_they_are(void **state)
{
	static const char script[] = "#!/bin/sh\necho ringhold events\n", contract[] = CONTRACT("");
	AUTO(buf) struct buf *many = buf_new(0);
	char dir[200], path[256], scratch[256], corpus[256];
	const char *argv[] = { path, NULL }, *benign[] = { corpus };
	const struct loader_exec exec = { .type = "blob", .argv = argv };
	struct canary_job job = { .contract = contract, .contract_len = sizeof(contract) - 1, .exec = &exec, .exec_count = 1, .digest = "d",
				  .scratch = scratch, .wall_ms = 60000 };
	struct canary_result r;

	(void)state;
	for (int i = 0; i < 40; i++)
		buf_addf(many, "{\"text\":\"%0*d\"}\n", 1 << 20, i);
	content_temp(dir);
	snprintf(path, sizeof(path), "%s/check", dir);
	snprintf(scratch, sizeof(scratch), "%s/scratch", dir);
	snprintf(corpus, sizeof(corpus), "%s/corpus", dir);
	write_script(path, script);
	assert_int_equal(mkdir(scratch, 0700), 0);
	const struct content_file own[] = { { "b.bin", "blob", "x" }, { "own.ndjson", "benign", many->data }, { 0 } };
	const struct content_file none[] = { { "b.bin", "blob", "x" }, { 0 } };
	AUTO(content_tree) struct content_tree *a = content_tree_new(own), *b = content_tree_new(none);

	run_job(&job, a, &r);
	expect_result(&r, CANARY_REFUSED, "benign", "too many events or bytes");
	content_write(corpus, "site.ndjson", many->data);
	assert_int_equal(file_remove_tree(scratch, &(struct err){ 0 }), 0);
	assert_int_equal(mkdir(scratch, 0700), 0);
	job.benign = benign;
	job.benign_count = 1;
	run_job(&job, b, &r);
	expect_result(&r, CANARY_ENVIRONMENT, "internal", "too many events or bytes");
	assert_int_equal(file_remove_tree(dir, &(struct err){ 0 }), 0);
}

static void without_a_command_a_type_has_no_loader(void **state)
{
	const struct content_file files[] = { { "b.bin", "blob", "x" }, { 0 } };
	AUTO(content_tree) struct content_tree *t = content_tree_new(files);
	struct canary_job job = { 0 };
	struct canary_result r;

	(void)state;
	run_job(&job, t, &r);
	expect_result(&r, CANARY_REFUSED, "load", "b.bin: no loader here for content of type \"blob\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_check_command_judges_what_no_loader_can),
		cmocka_unit_test(a_check_command_is_held_to_a_processor_time_of_its_own),
		cmocka_unit_test(nothing_a_check_command_started_outlives_the_try),
		cmocka_unit_test(a_check_command_starts_only_so_many_processes),
		cmocka_unit_test(a_check_command_reads_programs_and_no_secrets),
		cmocka_unit_test(too_many_benign_events_are_blamed_on_whose_they_are),
		cmocka_unit_test(without_a_command_a_type_has_no_loader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
