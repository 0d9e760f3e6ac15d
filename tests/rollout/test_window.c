/* test_window: hours of the week, across midnight, weeks, zones and summer time. */
#include <unistd.h>

#include "base/clock.h"
#include "rollout/window.h"
#include "test.h"

static int64_t at(const char *text)
{
	int64_t t = 0;

	assert_true(clock_parse(&t, text, strlen(text)));
	return t;
}

static struct windows of(const char *text)
{
	struct windows w;
	struct err e;

	if (access(ZONE_DIR "/Europe/Berlin", R_OK) < 0)
		skip_missing_program("tzdata");
	assert_ok(windows_parse(&w, text, &e));
	assert_ok(windows_resolve(&w, &e));
	return w;
}

static void each_instant_is_in_or_out_and_knows_until_when(void **state)
{
	static const char week[] = "mon-fri 22:00-05:00 Europe/Berlin";
	static const struct { const char *windows, *now; bool open; const char *until; } cases[] = {
		{ week, "2026-01-07T20:59:59Z", false, "2026-01-07T21:00:00Z" },        /* a Wednesday, 21:59:59 there */
		{ week, "2026-01-07T21:00:00Z", true, "2026-01-08T04:00:00Z" },
		{ week, "2026-01-08T03:59:59Z", true, "2026-01-08T04:00:00Z" },
		{ week, "2026-01-08T04:00:00Z", false, "2026-01-08T21:00:00Z" },
		{ week, "2026-01-10T03:00:00Z", true, "2026-01-10T04:00:00Z" },         /* Saturday morning belongs to Friday */
		{ week, "2026-01-10T21:30:00Z", false, "2026-01-12T21:00:00Z" },        /* Saturday night has none */
		{ week, "2026-07-08T20:00:00Z", true, "2026-07-09T03:00:00Z" },         /* summer: an hour earlier in UTC */
		/* the night of 2026-03-29 is an hour short, that of 2026-10-25 an hour longer */
		{ "sat 22:00-05:00 Europe/Berlin", "2026-03-28T22:00:00Z", true, "2026-03-29T03:00:00Z" },
		{ "sat 22:00-05:00 Europe/Berlin", "2026-10-24T21:00:00Z", true, "2026-10-25T04:00:00Z" },
		/* a window in the hour that is skipped is opened by nothing; one in the hour that comes twice opens once */
		{ "sun 02:10-02:50 Europe/Berlin", "2026-03-28T12:00:00Z", false, "2026-04-05T00:10:00Z" },
		{ "sun 02:10-02:50 Europe/Berlin", "2026-10-25T00:10:00Z", true, "2026-10-25T00:50:00Z" },
		{ "sun 02:10-02:50 Europe/Berlin", "2026-10-25T01:20:00Z", false, "2026-11-01T01:10:00Z" },
		{ "sun 02:30-04:00 Europe/Berlin", "2026-03-29T00:59:59Z", false, "2026-03-29T01:00:00Z" },
		{ "daily 00:00-24:00 UTC", "2026-01-07T12:00:00Z", true, NULL },
		{ "sat-sun 00:00-24:00 UTC", "2026-01-10T12:00:00Z", true, "2026-01-12T00:00:00Z" },
		{ "fri 22:00-24:00 UTC; sat 00:00-06:00 UTC", "2026-01-09T23:00:00Z", true, "2026-01-10T06:00:00Z" },
		{ "wed 01:00-02:00 America/New_York; wed 01:00-02:00 Asia/Tokyo", "2026-01-06T12:00:00Z", false, "2026-01-06T16:00:00Z" },
		{ "", "2026-01-06T12:00:00Z", true, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct windows w = of(cases[i].windows);
		struct window_state s = windows_at(&w, at(cases[i].now));
		int64_t until = cases[i].until ? at(cases[i].until) : INT64_MAX;
		char text[CLOCK_TEXT_LEN + 1];

		clock_text(text, s.until);
		if (s.open != cases[i].open || s.until != until)
			fail_msg("%s at %s: %s until %s", cases[i].windows, cases[i].now, s.open ? "open" : "closed", text);
		windows_release(&w);
	}
}

/* Whatever it says at one instant, it says until then, and the opposite at it. */
static void what_it_says_holds_until_it_says_so(void **state)
{
	struct windows w = of("mon,wed,fri 23:30-03:10 America/St_Johns; sat 09:00-17:00 Pacific/Chatham; tue 02:15-02:45 Europe/Dublin");

	(void)state;
	for (int64_t t = at("2026-01-01T00:00:00Z"), end = at("2027-02-01T00:00:00Z"); t < end;) {
		struct window_state s = windows_at(&w, t);

		assert_true(s.until > t && s.until < t + 8 * 86400);
		for (int64_t probe = t; probe < s.until; probe += 1 + (s.until - t) / 5)
			assert_true(windows_at(&w, probe).open == s.open);
		assert_true(windows_at(&w, s.until - 1).open == s.open);
		assert_true(windows_at(&w, s.until).open != s.open);
		t = s.until;
	}
	windows_release(&w);
}

static void what_cannot_be_read_is_refused_with_what_could(void **state)
{
	static const struct { const char *text, *says; } cases[] = {
		{ "mon", "DAYS FROM-TO ZONE" }, { "mon 1:00-2:00 UTC", "22:00-05:00" }, { "mon 01:00-01:00 UTC", "no time at all" },
		{ "mon 24:00-01:00 UTC", "22:00-05:00" }, { "mon 01:60-02:00 UTC", "22:00-05:00" }, { "mon 01:00-25:00 UTC", "22:00-05:00" },
		{ "moon 01:00-02:00 UTC", "days of the week" }, { "mon- 01:00-02:00 UTC", "days of the week" },
		{ "mon, 01:00-02:00 UTC", "days of the week" }, { "mon 01:00-02:00 ../UTC", "time zone" },
		{ "mon 01:00-02:00 UTC more", "DAYS FROM-TO ZONE" }, { "mon 01:00-02:00 UTC;", "DAYS FROM-TO ZONE" }, { " ", "DAYS FROM-TO ZONE" },
	};
	AUTO_FREE char *many = calloc(1, 4096);
	char days[WINDOW_DAYS_LEN];
	struct windows w;
	unsigned set;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (windows_parse(&w, cases[i].text, &e) >= 0)
			fail_msg("\"%s\" was taken for a window", cases[i].text);
		assert_non_null(strstr(e.msg, cases[i].says));
		assert_int_equal(w.count, 0);
	}
	for (int i = 0; i <= WINDOWS_MAX; i++)
		strcat(many, i ? ";daily 01:00-02:00 UTC" : "daily 01:00-02:00 UTC");
	assert_refused(windows_parse(&w, many, &e), ERR_LIMIT, "more than 32");
	assert_ok(windows_parse(&w, "daily 01:00-02:00 Europe/Atlantis", &e));
	assert_refused(windows_resolve(&w, &e), ERR_NOT_FOUND, "Europe/Atlantis");
	windows_release(&w);
	assert_true(window_days_parse(&set, "fri-mon,wed"));
	window_days_text(days, set);
	assert_string_equal(days, "mon,wed,fri,sat,sun");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_instant_is_in_or_out_and_knows_until_when),
		cmocka_unit_test(what_it_says_holds_until_it_says_so),
		cmocka_unit_test(what_cannot_be_read_is_refused_with_what_could),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
