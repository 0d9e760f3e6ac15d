/* lint_commands: `ringhold lint` and `ringhold bundle test`: what an author is told before anybody else is. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/author_check.h"
#include "cli/commands.h"
#include "cli/tree_watch.h"

struct lint_options {
	struct author_check check;
	bool json;
};

static const struct cli_option lint_rows[] = {
	AUTHOR_CHECK_ROWS(struct lint_options, check),
	{ "json", 0, CLI_FLAG, offsetof(struct lint_options, json), NULL, "for programs" },
};

static int print_json(const struct author_result *r, struct err *e)
{
	AUTO(buf) struct buf *out = buf_new(0);

	if (!out)
		return err_memory(e);
	if (author_json(r, out, e) < 0)
		return e->code;
	return file_write_all(STDOUT_FILENO, out->data, out->len, e);
}

static int lint(int argc, char **argv, const void *options, struct err *e)
{
	const struct lint_options *o = options;
	AUTO(author_tree) struct author_tree *tree = NULL;
	AUTO(author_result) struct author_result *r = NULL;
	struct err why;

	(void)argc;
	if (author_tree_open(&tree, argv[0], e) < 0 || author_examine(&r, tree, &o->check, false, e) < 0)
		return e->code;
	if (!o->json)
		author_print_findings(r, stdout);
	else if (print_json(r, e) < 0)
		return e->code;
	return author_verdict(r, &why) < 0 ? 1 : 0;
}

/* ---- bundle test ---- */

struct test_options {
	struct author_check check;
	const char *junit;
	bool json, watch;
};

static const struct cli_option test_rows[] = {
	AUTHOR_CHECK_ROWS(struct test_options, check),
	{ "junit", 0, CLI_TEXT, offsetof(struct test_options, junit), "FILE", "write the results as JUnit XML, too" },
	{ "watch", 'w', CLI_FLAG, offsetof(struct test_options, watch), NULL, "run again whenever the directory changes, until interrupted" },
	{ "json", 0, CLI_FLAG, offsetof(struct test_options, json), NULL, "for programs" },
};

static int write_junit(const struct author_result *r, const char *path, struct err *e)
{
	AUTO(buf) struct buf *out = buf_new(0);

	if (!out)
		return err_memory(e);
	if (author_junit(r, out, e) < 0)
		return e->code;
	return file_replace(path, out->data, out->len, 0644, e);
}

static int run_once(const char *what, const struct test_options *o, struct err *e)
{
	AUTO(author_tree) struct author_tree *tree = NULL;
	AUTO(author_result) struct author_result *r = NULL;

	if (author_tree_open(&tree, what, e) < 0 || author_examine(&r, tree, &o->check, true, e) < 0 ||
	    (o->junit && write_junit(r, o->junit, e) < 0))
		return e->code;
	if (o->json) {
		struct err why;

		if (print_json(r, e) < 0)
			return e->code;
		return author_verdict(r, &why) < 0 ? 1 : 0;
	}
	author_print_findings(r, stderr);
	author_print_try(r, stdout);
	return author_verdict(r, e);
}

/* Every change runs everything again; a run that fails is told and waited over. */
static int run_watching(const char *what, const struct test_options *o, struct err *e)
{
	AUTO(tree_watch) struct tree_watch *w = NULL;
	struct err why;

	for (;;) {
		tree_watch_free(TAKE(w));
		/* Watched before it is read: what changes meanwhile counts. */
		if (tree_watch_new(&w, what, e) < 0)
			return e->code;
		if (run_once(what, o, &why) < 0)
			cli_complain("ringhold", "bundle test", &why);
		printf("-- waiting for %s to change\n", what);
		fflush(stdout);
		if (tree_watch_wait(w, e) < 0)
			return e->code;
	}
}

static int test(int argc, char **argv, const void *options, struct err *e)
{
	const struct test_options *o = options;
	struct stat st;

	(void)argc;
	if (!o->watch)
		return run_once(argv[0], o, e);
	if (stat(argv[0], &st) < 0)
		return err_errno(e, "%s", argv[0]);
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ERR_USAGE, "--watch: %s is no directory", argv[0]);
	return run_watching(argv[0], o, e);
}

const struct cli_command lint_commands[] = {
	{ .name = "lint", .args = "BUNDLE", .help = "check a bundle, an archive or the directory it comes from, without running it",
	  .min_args = 1, .max_args = 1, .run = lint, .options = lint_rows, .option_count = ARRAY_LEN(lint_rows),
	  .options_size = sizeof(struct lint_options),
	  .more = "Exit status 1 when anything refuses the content. `ringhold bundle test` also loads it and runs its self-tests." },
	{ .name = "bundle test", .args = "BUNDLE", .help = "check a bundle as server and hosts will: self-tests and corpora in the canary process",
	  .min_args = 1, .max_args = 1, .run = test, .options = test_rows, .option_count = ARRAY_LEN(test_rows),
	  .options_size = sizeof(struct test_options),
	  .more = "BUNDLE is an archive or the directory it comes from. Prints what each self-test does with each field of the\n"
		  "templates, and the time an event takes. Exit status 1 when anything refuses the content." },
};
const size_t lint_command_count = ARRAY_LEN(lint_commands);
