/* events: the same lines give the same verdicts, however they arrive. */
#include "tests/test.h"

#include "sensor/engine.h"
#include "sensor/events.h"

static char *feed(const char *text, size_t len, size_t piece)
{
	struct buf out = { 0 };
	struct events ev = { .out = &out };

	for (size_t at = 0; at < len; at += piece)
		events_feed(&ev, NULL, text + at, MIN(piece, len - at));
	events_end(&ev, NULL);
	events_release(&ev);
	return buf_take(&out);
}

static void pieces_do_not_matter(void **state)
{
	static const char text[] = "{\"a\":1}\n\n  \r\n{\"b\":2}\r\n{\"c\":3}";
	AUTO_FREE char *whole = feed(text, strlen(text), strlen(text));

	(void)state;
	assert_non_null(strstr(whole, "{\"event\":3,\"verdict\":\"none\""));
	assert_null(strstr(whole, "\"event\":4"));
	for (size_t piece = 1; piece < strlen(text); piece++) {
		AUTO_FREE char *pieces = feed(text, strlen(text), piece);

		assert_string_equal(pieces, whole);
	}
}

static void an_endless_line_costs_one_event_and_bounded_memory(void **state)
{
	static char part[1 << 16];
	struct buf out = { 0 };
	struct events ev = { .out = &out };

	(void)state;
	memset(part, 'x', sizeof part);
	for (int i = 0; i < 100; i++) {
		events_feed(&ev, NULL, part, sizeof part);
		assert_true(ev.line.cap <= 2 * LOADER_EVENT_MAX);
	}
	assert_int_equal(out.len, 0);
	events_feed(&ev, NULL, "\n{}\n", 4);
	assert_string_equal(out.data,
			    "{\"event\":1,\"error\":\"longer than an event may be\"}\n"
			    "{\"event\":2,\"verdict\":\"none\",\"rule\":\"\",\"matches\":0,\"serial\":null}\n");
	events_release(&ev);
	buf_release(&out);
}

static void a_line_of_the_greatest_length_is_an_event(void **state)
{
	AUTO_FREE char *line = malloc(LOADER_EVENT_MAX + 2);
	AUTO_FREE char *fits = NULL;
	AUTO_FREE char *over = NULL;

	(void)state;
	assert_non_null(line);
	memset(line, 'x', LOADER_EVENT_MAX + 2);
	fits = feed(line, LOADER_EVENT_MAX, 4096);
	assert_non_null(strstr(fits, "\"verdict\":\"none\""));
	over = feed(line, LOADER_EVENT_MAX + 1, 4096);
	assert_non_null(strstr(over, "longer than an event may be"));
}

static void nothing_in_gives_nothing_out(void **state)
{
	AUTO_FREE char *none = feed("", 0, 1);
	AUTO_FREE char *blank = feed("\n\n\n", 3, 1);

	(void)state;
	assert_string_equal(none, "");
	assert_string_equal(blank, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_do_not_matter),
		cmocka_unit_test(an_endless_line_costs_one_event_and_bounded_memory),
		cmocka_unit_test(a_line_of_the_greatest_length_is_an_event),
		cmocka_unit_test(nothing_in_gives_nothing_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
