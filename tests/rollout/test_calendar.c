/* test_calendar: windows and freezes together. Instants are told in UTC; the zones are the system's. */
#include "base/clock.h"
#include "base/file.h"
#include "rollout/calendar.h"
#include "tests/test.h"

static int64_t at(const char *text)
{
	int64_t out;

	assert_true(clock_parse(&out, text, strlen(text)));
	return out;
}

static void take(struct calendar *c, const char *text)
{
	AUTO(json) struct json_doc *d = NULL;
	struct err e;

	assert_ok(json_parse(&d, "policy", text, strlen(text), NULL, &e));
	assert_ok(calendar_parse(c, d, d->root, &e));
	assert_ok(calendar_resolve(c, &e));
}

#define NIGHTS "\"windows\":[{\"days\":\"mon-fri\",\"from\":\"22:00\",\"to\":\"05:00\",\"zone\":\"Europe/Berlin\"}]"
#define YEAR_END "\"freezes\":[{\"from\":\"2026-12-21\",\"to\":\"2027-01-03\",\"zone\":\"Europe/Berlin\",\"reason\":\"year end\"}]"

static void without_windows_and_freezes_it_is_always_open(void **state)
{
	struct calendar c;
	struct calendar_state s;

	(void)state;
	take(&c, "{}");
	assert_true(calendar_always(&c));
	s = calendar_at(&c, 0);
	assert_true(s.open && s.until == CALENDAR_NEVER);
	assert_int_equal(calendar_closed(&c, 0, 1000000), 0);
	assert_int_equal(calendar_paced(&c, 50, 3, 600), 50 + 1200);
	calendar_release(&c);
}

static void a_freeze_is_whole_days_of_its_zone_and_wins_over_windows(void **state)
{
	struct calendar c;
	struct calendar_state s;

	(void)state;
	take(&c, "{" YEAR_END "}");
	/* midnight in Berlin is 23:00 in UTC */
	s = calendar_at(&c, at("2026-12-20T22:59:59Z"));
	assert_true(s.open);
	assert_int_equal(s.until, at("2026-12-20T23:00:00Z"));
	s = calendar_at(&c, s.until);
	assert_false(s.open);
	assert_string_equal(s.freeze->reason, "year end");
	assert_int_equal(s.until, at("2027-01-03T23:00:00Z"));
	assert_true(calendar_at(&c, s.until).open);
	calendar_release(&c);

	take(&c, "{" NIGHTS "," YEAR_END "}");
	/* it thaws on a Monday at midnight; the next night begins at 22:00 */
	s = calendar_at(&c, at("2026-12-24T00:00:00Z"));
	assert_false(s.open);
	assert_int_equal(s.until, at("2027-01-04T21:00:00Z"));
	/* a night that the freeze ends early */
	s = calendar_at(&c, at("2026-12-18T23:30:00Z"));
	assert_true(s.open);
	assert_int_equal(s.until, at("2026-12-19T04:00:00Z"));
	calendar_release(&c);
}

static void overlapping_freezes_are_one(void **state)
{
	struct calendar c;

	(void)state;
	take(&c, "{\"freezes\":[{\"from\":\"2026-06-03\",\"to\":\"2026-06-05\",\"zone\":\"UTC\"},{\"from\":\"2026-06-01\",\"to\":\"2026-06-03\",\"zone\":\"UTC\"},"
		 "{\"from\":\"2026-06-06\",\"to\":\"2026-06-06\",\"zone\":\"UTC\"}]}");
	assert_int_equal(calendar_next(&c, at("2026-06-01T00:00:00Z")), at("2026-06-07T00:00:00Z"));
	assert_int_equal(calendar_closed(&c, at("2026-05-31T00:00:00Z"), at("2026-06-30T00:00:00Z")), 6 * 86400);
	calendar_release(&c);
}

static void closed_seconds_add_up_to_what_the_state_says_minute_by_minute(void **state)
{
	int64_t from = at("2026-10-23T00:00:00Z"), to = at("2026-10-27T00:00:00Z"), closed = 0; /* summer time ends on the 25th */
	struct calendar c;

	(void)state;
	take(&c, "{\"windows\":[{\"days\":\"fri-sun\",\"from\":\"01:30\",\"to\":\"03:30\",\"zone\":\"Europe/Berlin\"}],"
		 "\"freezes\":[{\"from\":\"2026-10-24\",\"to\":\"2026-10-24\",\"zone\":\"America/New_York\"}]}");
	for (int64_t t = from; t < to; t += 60)
		closed += calendar_at(&c, t).open ? 0 : 60;
	assert_int_equal(calendar_closed(&c, from, to), closed);
	assert_true(closed > 0 && closed < to - from);
	calendar_release(&c);
}

/* The other way round of closed seconds: what is left of a span is what was open of it. */
static void so_many_open_seconds_are_over_when_the_closed_ones_are_left_out(void **state)
{
	int64_t from = at("2026-12-14T12:00:00Z");
	struct calendar c;

	(void)state;
	take(&c, "{" NIGHTS "," YEAR_END "}");
	for (int64_t s = 0; s < 10 * 86400; s += 1237) {
		int64_t to = calendar_after(&c, from, s);

		assert_int_equal(to - from - calendar_closed(&c, from, to), s);
		assert_true(calendar_at(&c, to).open);
	}
	calendar_release(&c);
	take(&c, "{\"freezes\":[{\"from\":\"2026-12-21\",\"to\":\"2099-01-03\",\"zone\":\"UTC\"}]}");
	assert_int_equal(calendar_after(&c, from, 3600), from + 3600);
	assert_true(calendar_after(&c, from, 30 * 86400) > at("2099-01-01T00:00:00Z"));
	calendar_release(&c);
}

static void what_is_paced_begins_only_while_it_is_open(void **state)
{
	int64_t monday = at("2026-06-01T00:00:00Z");
	struct calendar c;

	(void)state;
	take(&c, "{\"windows\":[{\"days\":\"mon\",\"from\":\"10:00\",\"to\":\"11:00\",\"zone\":\"UTC\"}]}");
	/* 10:00, 10:20, 10:40, and the fourth a week later */
	assert_int_equal(calendar_paced(&c, monday, 3, 1200), monday + 10 * 3600 + 2400);
	assert_int_equal(calendar_paced(&c, monday, 4, 1200), monday + 7 * 86400 + 10 * 3600);
	/* one that lasts for longer than the window takes a week each */
	assert_int_equal(calendar_paced(&c, monday, 5, 7200), monday + 4 * 7 * 86400 + 10 * 3600);
	/* begun in the middle */
	assert_int_equal(calendar_paced(&c, monday + 10 * 3600 + 3000, 2, 1200), monday + 7 * 86400 + 10 * 3600);
	assert_int_equal(calendar_paced(&c, monday, 1000000, 7200), CALENDAR_NEVER);
	calendar_release(&c);
}

static void a_zone_that_is_not_there_is_named_and_never_open(void **state)
{
	AUTO(json) struct json_doc *d = NULL;
	const char *text = "{\"freezes\":[{\"from\":\"2026-06-01\",\"to\":\"2026-06-01\",\"zone\":\"Mars/Olympus\"}]}";
	struct calendar c;
	struct err e;

	(void)state;
	assert_ok(json_parse(&d, "policy", text, strlen(text), NULL, &e));
	assert_ok(calendar_parse(&c, d, d->root, &e));
	assert_refused(calendar_resolve(&c, &e), ERR_NOT_FOUND, "Mars/Olympus");
	assert_false(calendar_at(&c, 0).open);
	assert_int_equal(calendar_next(&c, 0), CALENDAR_NEVER);
	assert_int_equal(calendar_closed(&c, 5, 105), 100);
	calendar_release(&c);
}

int main(void)
{
	if (!file_exists(ZONE_DIR "/Europe/Berlin"))
		skip_missing_program("tzdata");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_windows_and_freezes_it_is_always_open),
		cmocka_unit_test(a_freeze_is_whole_days_of_its_zone_and_wins_over_windows),
		cmocka_unit_test(overlapping_freezes_are_one),
		cmocka_unit_test(closed_seconds_add_up_to_what_the_state_says_minute_by_minute),
		cmocka_unit_test(so_many_open_seconds_are_over_when_the_closed_ones_are_left_out),
		cmocka_unit_test(what_is_paced_begins_only_while_it_is_open),
		cmocka_unit_test(a_zone_that_is_not_there_is_named_and_never_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
