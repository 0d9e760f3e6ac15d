/* typed: `ringhold` as people type it, the real program, in a directory of the test's own. */
#ifndef TESTS_CLI_TYPED_H
#define TESTS_CLI_TYPED_H

#include <unistd.h>

#include "base/file.h"
#include "base/proc.h"
#include "tests/program.h"
#include "tests/test.h"

#define TYPED_LIMIT_MS 300000

struct typed {
	char *dir;
	char here[4096];
};

static inline void typed_put(const char *path, const char *text)
{
	struct err e;

	assert_ok(file_replace(path, text, strlen(text), 0644, &e));
}

/* A new directory, and into it. */
static inline struct typed *typed_enter(void)
{
	struct typed *t = calloc(1, sizeof *t);
	const char *tmp = getenv("TMPDIR");

	assert_non_null(t);
	t->dir = file_join(tmp && *tmp ? tmp : "/tmp", "ringhold-typed-XXXXXX");
	assert_non_null(mkdtemp(t->dir));
	assert_non_null(getcwd(t->here, sizeof t->here));
	assert_int_equal(chdir(t->dir), 0);
	return t;
}

static inline int typed_leave(void **state)
{
	struct typed *t = *state;
	struct err e;

	assert_int_equal(chdir(t->here), 0);
	assert_ok(file_remove_tree(t->dir, &e));
	free(t->dir);
	free(t);
	return 0;
}

/* Exit status; everything it said, owned by the caller. */
static inline int typed_run(struct buf **said, const char *const *words)
{
	const char *argv[24] = { "ringhold" };
	struct proc_result got = { 0 };
	struct proc_run how = { .path = test_program("ringhold"), .argv = (char *const *)(uintptr_t)argv, .stdin_fd = -1,
				.timeout_ms = TYPED_LIMIT_MS, .output_max = 1 << 20 };
	struct err e;

	for (size_t i = 0; words[i]; i++)
		argv[i + 1] = words[i];
	assert_ok(proc_run(&how, &got, &e));
	assert_false(got.timed_out);
	*said = got.output;
	return got.exit_status;
}

#define assert_says(status, text, ...)                                                                      \
	do {                                                                                                \
		AUTO(buf) struct buf *said_ = NULL;                                                         \
		int got_ = typed_run(&said_, (const char *const[]){ __VA_ARGS__, NULL });                   \
		if (got_ != (status) || !strstr(said_->data, text))                                         \
			fail_msg("status %d, expected %d and \"%s\": %s", got_, status, text, said_->data); \
	} while (0)

#endif
