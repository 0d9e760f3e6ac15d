/* log: one line per event, whatever comes from outside. */
#include "tests/test.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/log.h"

static char *escaped(const char *text, size_t len)
{
	struct buf b = { 0 };

	log_escape(&b, text, len);
	return buf_take(&b);
}

static void nothing_that_moves_a_cursor_survives(void **state)
{
	char all[256];
	char *out;

	(void)state;
	for (int i = 0; i < 256; i++)
		all[i] = (char)i;
	out = escaped(all, sizeof all);
	for (const char *c = out; *c; c++)
		assert_in_range(*c, 0x20, 0x7e);
	assert_non_null(strstr(out, "\\x1b"));
	assert_non_null(strstr(out, "!\"#"));
	free(out);
}

/* Runs log_at() with standard error in a pipe and returns what came out. */
static void logged(char *out, size_t cap, enum log_level level, const char *text)
{
	int ends[2], saved = dup(STDERR_FILENO);
	ssize_t n;

	assert_int_equal(pipe(ends), 0);
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	dup2(ends[1], STDERR_FILENO);
	log_at(level, "%s", text);
	dup2(saved, STDERR_FILENO);
	n = read(ends[0], out, cap - 1);
	out[n < 0 ? 0 : n] = '\0';
	close(ends[0]);
	close(ends[1]);
	close(saved);
}

static void an_event_is_one_line(void **state)
{
	char line[8192];

	(void)state;
	logged(line, sizeof line, LOG_WARN, "a\nlevel=error \"x\"");
	assert_non_null(strstr(line, " level=warn unit=test msg=\"a\\x0alevel=error \\\"x\\\"\"\n"));
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void less_important_events_are_left_out(void **state)
{
	char line[512];

	(void)state;
	logged(line, sizeof line, LOG_DEBUG, "quiet");
	assert_string_equal(line, "");
}

static void a_line_has_a_greatest_length(void **state)
{
	static char huge[100000];
	char line[8192];

	(void)state;
	memset(huge, 'x', sizeof huge - 1);
	logged(line, sizeof line, LOG_INFO, huge);
	assert_in_range(strlen(line), 100, 4096);
	assert_int_equal(line[strlen(line) - 1], '\n');
}

static void a_line_ends_however_much_of_it_is_escaped(void **state)
{
	static char huge[100000];
	char line[16384];

	(void)state;
	memset(huge, '\x1b', sizeof huge - 1);
	logged(line, sizeof line, LOG_INFO, huge);
	assert_string_equal(line + strlen(line) - 6, "\\x1b\"\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_that_moves_a_cursor_survives),
		cmocka_unit_test(an_event_is_one_line),
		cmocka_unit_test(less_important_events_are_left_out),
		cmocka_unit_test(a_line_has_a_greatest_length),
		cmocka_unit_test(a_line_ends_however_much_of_it_is_escaped),
	};

	log_init("test", LOG_INFO);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
