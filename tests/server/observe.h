/* observe: a server that is watched. */
#ifndef TESTS_SERVER_OBSERVE_H
#define TESTS_SERVER_OBSERVE_H

#include "plane.h"

struct place {
	struct plane *plane;
};

static inline struct plane *begin(struct place *x, const char *more)
{
	x->plane = plane_open(more);
	return x->plane;
}

static inline int setup(void **state)
{
	*state = calloc(1, sizeof(struct place));
	return 0;
}

static inline int teardown(void **state)
{
	struct place *x = *state;

	if (x->plane)
		plane_close(x->plane);
	free(x);
	return 0;
}

static inline struct buf *page_of(struct plane *p, const char *token)
{
	struct answer a = ask(p, token, "GET", "/metrics", NULL);
	struct buf *text = a.text;

	assert_int_equal(a.status, 200);
	json_free(a.doc);
	return text;
}

/* The value of a series as it stands on the page; fails when there is none. */
static inline double value_of(const struct buf *page, const char *series)
{
	size_t len = strlen(series);

	for (const char *at = strstr(page->data, series); at; at = strstr(at + 1, series))
		if ((at == page->data || at[-1] == '\n') && at[len] == ' ')
			return atof(at + len);
	fail_msg("no %s in\n%s", series, page->data);
	return 0;
}

static inline char *read_text(const char *path)
{
	struct buf *b;
	char *text;
	struct err e;

	if (file_read(&b, path, 1 << 20, &e) < 0)
		return NULL;
	text = buf_take(b);
	buf_free(b);
	return text;
}

/* ---- promtool ---- */

#define PROMTOOL()                                            \
	do {                                                  \
		if (!test_other_program("promtool"))          \
			skip_missing_program("promtool");     \
	} while (0)

static inline void promtool(const char *const *words, const char *input)
{
	char *env[] = { (char *)"PATH=/usr/bin:/bin", (char *)"TMPDIR=/tmp", NULL };
	char path[] = "/tmp/ringhold-promtool-XXXXXX";
	struct proc_run run = { .path = test_other_program("promtool"), .argv = (char *const *)words, .env = env, .stdin_fd = -1,
				.timeout_ms = LIMIT_MS, .output_max = 1 << 20 };
	struct proc_result r;
	struct err e;

	if (input) {
		run.stdin_fd = mkostemp(path, O_CLOEXEC);
		assert_true(run.stdin_fd >= 0);
		unlink(path);
		assert_ok(file_write_all(run.stdin_fd, input, strlen(input), &e));
		assert_int_equal(lseek(run.stdin_fd, 0, SEEK_SET), 0);
	}
	assert_ok(proc_run(&run, &r, &e));
	if (r.exit_status != 0 || (input && r.output->len > 0))
		fail_msg("promtool %s %s: %s", words[1], words[2], r.output->data);
	proc_result_release(&r);
	if (input)
		close(run.stdin_fd);
}

#endif
