/* cli: a command line is a table. */
#include "tests/test.h"

#include <unistd.h>

#include "base/cli.h"
#include "base/file.h"
#include "tests/shell.h"

struct common {
	const char *server;
	bool json;
};

struct options {
	bool force;
	const char *output;
	int64_t count, wait;
	struct cli_list tags;
};

static struct common common;
static struct {
	struct options options;
	char args[256], tags[64];
	int calls;
} seen;

static int record(int argc, char **argv, const void *options, struct err *e)
{
	const struct options *o = options;

	(void)e;
	seen.calls++;
	seen.options = *o;
	seen.args[0] = seen.tags[0] = '\0';
	for (int i = 0; i < argc; i++)
		strcat(strcat(seen.args, argv[i]), "|");
	for (size_t i = 0; i < o->tags.count; i++)
		strcat(strcat(seen.tags, o->tags.items[i]), "|");
	return 0;
}

static int refuse(int argc, char **argv, const void *options, struct err *e)
{
	(void)argc;
	(void)options;
	return err_set(e, ERR_REFUSED, "%s: \x1b[31mno", argv[0]);
}

static int answer_one(int argc, char **argv, const void *options, struct err *e)
{
	(void)argc;
	(void)argv;
	(void)options;
	(void)e;
	return 1;
}

static const struct cli_option build_options[] = {
	{ "force", 'f', CLI_FLAG, offsetof(struct options, force), NULL, "overwrite" },
	{ "output", 'o', CLI_TEXT, offsetof(struct options, output), "FILE", "where to" },
	{ "count", 0, CLI_INT, offsetof(struct options, count), "N", "how many" },
	{ "wait", 0, CLI_SECONDS, offsetof(struct options, wait), "TIME", "how long" },
	{ "tag", 't', CLI_MANY, offsetof(struct options, tags), "TAG", "labels" },
};

static const struct cli_option common_options[] = {
	{ "server", 0, CLI_TEXT, offsetof(struct common, server), "URL", "whom to ask" },
	{ "json", 0, CLI_FLAG, offsetof(struct common, json), NULL, "for programs" },
};

static const struct cli_command commands[] = {
	{ "bundle build", "DIR [FILE...]", "make an archive", 1, 3, build_options,
	  ARRAY_LEN(build_options), sizeof(struct options), record, "More about it." },
	{ "bundle show", "FILE", "print a manifest", 1, 1, NULL, 0, 0, refuse, NULL },
	{ "check", "", "is there an update", 0, 0, NULL, 0, 0, answer_one, NULL },
};

static const struct cli_program program = {
	"prog", "does things", commands, ARRAY_LEN(commands),
	common_options, ARRAY_LEN(common_options), &common,
};

static const struct cli_command only[] = {
	{ "", "[FILE...]", "reads files", 0, -1, build_options, ARRAY_LEN(build_options),
	  sizeof(struct options), record, NULL },
};
static const struct cli_program single = { "one", "reads files", only, 1, NULL, 0, NULL };

/* Options alone mean the row without a name; words mean the others. */
static const struct cli_command mixed_commands[] = {
	{ "", "-o FILE", "serves", 0, 0, build_options, ARRAY_LEN(build_options), sizeof(struct options), record, NULL },
	{ "check", "", "is there an update", 0, 0, NULL, 0, 0, answer_one, NULL },
};
static const struct cli_program mixed = { "two", "serves", mixed_commands, ARRAY_LEN(mixed_commands), NULL, 0, NULL };

static char out[16384], complaint[4096];

static void slurp(FILE *from, char *to, size_t cap)
{
	size_t n;

	rewind(from);
	n = fread(to, 1, cap - 1, from);
	to[n] = '\0';
	fclose(from);
}

/* Runs a line of words separated by blanks; what it prints is in out and complaint. */
static int run_program(const struct cli_program *p, const char *line)
{
	FILE *to = tmpfile(), *wrong = tmpfile();
	int keep_out = dup(STDOUT_FILENO), keep_err = dup(STDERR_FILENO);
	static char words[512];         /* options point into it afterwards */
	char *argv[32] = { (char *)"argv0" };
	int argc = 1, status;

	memset(&common, 0, sizeof common);
	memset(&seen, 0, sizeof seen);
	snprintf(words, sizeof words, "%s", line);
	for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	fflush(stdout);
	dup2(fileno(to), STDOUT_FILENO);
	dup2(fileno(wrong), STDERR_FILENO);
	status = cli_run(p, argc, argv);
	fflush(stdout);
	dup2(keep_out, STDOUT_FILENO);
	dup2(keep_err, STDERR_FILENO);
	close(keep_out);
	close(keep_err);
	slurp(to, out, sizeof out);
	slurp(wrong, complaint, sizeof complaint);
	return status;
}

static int run(const char *line)
{
	return run_program(&program, line);
}

static void options_and_arguments_may_be_mixed(void **state)
{
	(void)state;
	assert_int_equal(run("bundle build a --count=-5 -f b --wait 15m -o x --tag p -t q --server u"), 0);
	assert_string_equal(seen.args, "a|b|");
	assert_string_equal(seen.tags, "p|q|");
	assert_true(seen.options.force);
	assert_int_equal(seen.options.count, -5);
	assert_int_equal(seen.options.wait, 900);
	assert_string_equal(seen.options.output, "x");
	assert_string_equal(common.server, "u");
}

static void common_options_may_come_first(void **state)
{
	(void)state;
	assert_int_equal(run("--server u --json bundle build d"), 0);
	assert_string_equal(common.server, "u");
	assert_true(common.json);
	assert_string_equal(seen.args, "d|");
}

static void two_dashes_end_the_options_and_one_is_an_argument(void **state)
{
	(void)state;
	assert_int_equal(run("bundle build - -- --force -o"), 0);
	assert_string_equal(seen.args, "-|--force|-o|");
	assert_false(seen.options.force);
}

static void options_alone_mean_the_row_without_a_name(void **state)
{
	(void)state;
	assert_int_equal(run_program(&mixed, "-o x"), 0);
	assert_string_equal(seen.options.output, "x");
	assert_int_equal(run_program(&mixed, "check"), 1);
	assert_int_equal(run_program(&mixed, ""), 2);
	assert_int_equal(run_program(&mixed, "chekc"), 2);
	assert_non_null(strstr(complaint, "did you mean check?"));
	assert_int_equal(run_program(&mixed, "--help"), 0);
	assert_non_null(strstr(out, "two -o FILE"));
	assert_non_null(strstr(out, "--output FILE"));
	assert_non_null(strstr(out, "\n  check  "));
}

static void wrong_use_is_one_sentence_and_status_2(void **state)
{
	static const char *const rows[][2] = {
		{ "", "no command given" },
		{ "bundle build", "too few arguments: DIR" },
		{ "bundle build 1 2 3 4", "unexpected argument 4" },
		{ "bundle build d --nope", "unknown option --nope" },
		{ "bundle build d --force=1", "--force takes no value" },
		{ "bundle build d --output", "--output needs a value (FILE)" },
		{ "bundle build d --count 1x", "--count 1x: not a whole number" },
		{ "bundle build d --wait 1w", "not a time" },
		{ "bundle build d -f --force", "--force given twice" },
		{ "check x", "unexpected argument x" },
		{ "bundle", "bundle needs a second word" },
		{ "bundel build d", "did you mean bundle build?" },
		{ "chekc", "did you mean check?" },
		{ "frobnicate", "unknown command frobnicate" },
		{ "--nope check", "unknown option --nope" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(run(rows[i][0]), 2);
		if (!strstr(complaint, rows[i][1]))
			fail_msg("%s: %s", rows[i][0], complaint);
		assert_ptr_equal(strchr(complaint, '\n'), complaint + strlen(complaint) - 1);
		assert_string_equal(out, "");
		assert_int_equal(seen.calls, 0);
	}
}

static void a_refusal_is_status_1_and_cannot_play_with_the_terminal(void **state)
{
	(void)state;
	assert_int_equal(run("bundle show file"), 1);
	assert_string_equal(complaint, "prog bundle show: file: \\x1b[31mno\n");
	assert_int_equal(run("check"), 1);
	assert_string_equal(complaint, "");
}

static void help_comes_from_the_table(void **state)
{
	static const char *const ways[] = { "--help", "-h", "help", "help nonsense" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		assert_int_equal(run(ways[i]), 0);
		for (size_t j = 0; j < ARRAY_LEN(commands); j++) {
			assert_non_null(strstr(out, commands[j].name));
			assert_non_null(strstr(out, commands[j].help));
		}
		assert_non_null(strstr(out, "--server URL"));
		assert_non_null(strstr(out, "--version"));
	}
	assert_int_equal(run("help bundle"), 0);
	assert_non_null(strstr(out, "bundle show"));
	assert_null(strstr(out, "check"));
}

static void help_of_a_command_wins_over_every_mistake(void **state)
{
	static const char *const ways[] = { "bundle build --help", "help bundle build",
					    "bundle build --help --nope", "bundle build 1 2 3 4 5 -h" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		assert_int_equal(run(ways[i]), 0);
		assert_non_null(strstr(out, "usage: prog bundle build [OPTION...] DIR [FILE...]"));
		assert_non_null(strstr(out, "-o, --output FILE"));
		assert_non_null(strstr(out, "--tag TAG ..."));
		assert_non_null(strstr(out, "More about it."));
		assert_int_equal(seen.calls, 0);
	}
}

static void the_version_is_told_everywhere(void **state)
{
	(void)state;
	assert_int_equal(run("--version"), 0);
	assert_string_equal(out, "prog " RINGHOLD_VERSION "\n");
	assert_int_equal(run("check --version"), 0);
	assert_string_equal(out, "prog " RINGHOLD_VERSION "\n");
	assert_int_equal(run_program(&single, "--version"), 0);
	assert_string_equal(out, "one " RINGHOLD_VERSION "\n");
}

static void a_program_of_one_command_needs_no_name(void **state)
{
	(void)state;
	assert_int_equal(run_program(&single, "help -f completion"), 0);
	assert_string_equal(seen.args, "help|completion|");
	assert_int_equal(run_program(&single, "--help"), 0);
	assert_non_null(strstr(out, "usage: one [OPTION...] [FILE...]"));
}

/* Sourced by bash, with COMP_WORDS as bash would set them. */
static void bash_completes_words_and_options(void **state)
{
	char path[] = "/tmp/test_cli.XXXXXX", answer[300];
	int fd = mkstemp(path);
	struct err e;

	(void)state;
	if (access("/bin/bash", X_OK) < 0)
		skip_named("there is no bash");
	assert_int_equal(run("completion bash"), 0);
	assert_ok(file_write_all(fd, out, strlen(out), &e));
	close(fd);
	assert_int_equal(shell_says(answer, sizeof answer,
				    "/bin/bash -c '. %s; COMP_WORDS=(prog bun); COMP_CWORD=1; _prog; echo ${COMPREPLY[@]};"
				    " COMP_WORDS=(prog bundle s); COMP_CWORD=2; _prog; echo ${COMPREPLY[@]};"
				    " COMP_WORDS=(prog bundle build --o); COMP_CWORD=3; _prog; echo ${COMPREPLY[@]}'", path), 0);
	unlink(path);
	assert_string_equal(answer, "bundle\nshow\n--output\n");
}

static void a_table_is_aligned_and_escaped(void **state)
{
	static const char *const titles[] = { "NAME", "WHAT" }, *const rows[][2] = {
		{ "a", "x" }, { "longer", "\x1b[2J" }, { "b", "" } };
	static const char head[] = "NAME    WHAT\na       x\nlonger  \\x1b[2J\nb       \na ";
	struct cli_table *t = cli_table_new(titles, 2);
	FILE *to = tmpfile();

	(void)state;
	for (int round = 0; round < 40; round++)
		for (size_t i = 0; i < ARRAY_LEN(rows); i++)
			cli_table_row(t, rows[i]);
	cli_table_print(t, to);
	cli_table_free(t);
	slurp(to, out, sizeof out);
	assert_int_equal(strncmp(out, head, strlen(head)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_and_arguments_may_be_mixed),
		cmocka_unit_test(common_options_may_come_first),
		cmocka_unit_test(two_dashes_end_the_options_and_one_is_an_argument),
		cmocka_unit_test(options_alone_mean_the_row_without_a_name),
		cmocka_unit_test(wrong_use_is_one_sentence_and_status_2),
		cmocka_unit_test(a_refusal_is_status_1_and_cannot_play_with_the_terminal),
		cmocka_unit_test(help_comes_from_the_table),
		cmocka_unit_test(help_of_a_command_wins_over_every_mistake),
		cmocka_unit_test(the_version_is_told_everywhere),
		cmocka_unit_test(a_program_of_one_command_needs_no_name),
		cmocka_unit_test(bash_completes_words_and_options),
		cmocka_unit_test(a_table_is_aligned_and_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
