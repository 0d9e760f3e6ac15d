/* log: one line per event, whatever comes from outside. */
#include "tests/test.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/json.h"
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

/* Runs log_at(), with a field unless it is NULL, with standard error in a pipe, and returns what came out. */
static void logged_with(char *out, size_t cap, enum log_level level, const char *text, const char *field)
{
	const struct log_field fields[] = { { "path", field }, { "absent", NULL } };
	int ends[2], saved = dup(STDERR_FILENO);
	ssize_t n;

	assert_int_equal(pipe(ends), 0);
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	dup2(ends[1], STDERR_FILENO);
	if (field)
		log_fields(level, fields, ARRAY_LEN(fields), text);
	else
		log_at(level, "%s", text);
	dup2(saved, STDERR_FILENO);
	n = read(ends[0], out, cap - 1);
	out[n < 0 ? 0 : n] = '\0';
	close(ends[0]);
	close(ends[1]);
	close(saved);
}

static void logged(char *out, size_t cap, enum log_level level, const char *text)
{
	logged_with(out, cap, level, text, NULL);
}

static void an_event_is_one_line(void **state)
{
	char line[8192];

	(void)state;
	logged(line, sizeof line, LOG_WARN, "a\nlevel=error \"x\"");
	assert_non_null(strstr(line, " level=warn unit=test msg=\"a\\x0alevel=error \\\"x\\\"\"\n"));
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

/* Every byte there is, in the message and in a field: a line of JSON that says the same. */
static void json_is_json_whatever_is_said(void **state)
{
	AUTO(json) struct json_doc *d = NULL;
	char all[256], line[16384];
	struct err e;

	(void)state;
	for (int i = 1; i < 256; i++)
		all[i - 1] = (char)i;
	all[255] = '\0';
	log_set_form(LOG_JSON);
	log_request("4bf92f3577b34da6");
	logged_with(line, sizeof line, LOG_ERROR, all, all);
	log_request(NULL);
	log_set_form(LOG_LOGFMT);
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
	if (json_parse(&d, "line", line, strlen(line) - 1, NULL, &e) < 0)
		fail_msg("%s: %s", e.msg, line);
	assert_true(json_is(json_get(d->root, "level"), "error"));
	assert_true(json_is(json_get(d->root, "request"), "4bf92f3577b34da6"));
	assert_string_equal(json_get(d->root, "msg")->u.text, json_get(d->root, "path")->u.text);
	assert_non_null(strstr(json_get(d->root, "msg")->u.text, " !\"#"));
	assert_non_null(strstr(json_get(d->root, "msg")->u.text, "[\\]"));
	assert_non_null(strstr(json_get(d->root, "msg")->u.text, "\\x0a"));
	assert_null(json_get(d->root, "absent"));
}

static void a_line_names_the_request_it_is_about(void **state)
{
	char line[8192];

	(void)state;
	log_request("abc-1");
	logged_with(line, sizeof line, LOG_WARN, "no", "/v1/x\" level=\"error");
	assert_non_null(strstr(line, "msg=\"no\" path=\"/v1/x\\\" level=\\\"error\" request=\"abc-1\"\n"));
	log_request(NULL);
	logged(line, sizeof line, LOG_WARN, "no");
	assert_null(strstr(line, "request="));
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
		cmocka_unit_test(json_is_json_whatever_is_said),
		cmocka_unit_test(a_line_names_the_request_it_is_about),
		cmocka_unit_test(less_important_events_are_left_out),
		cmocka_unit_test(a_line_has_a_greatest_length),
		cmocka_unit_test(a_line_ends_however_much_of_it_is_escaped),
	};

	log_init("test", LOG_INFO);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
