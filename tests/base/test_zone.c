/* test_zone: the time zone database, with the C library as the oracle. */
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/zone.h"
#include "base/zone_rule.h"
#include "test.h"

static const char *const zones[] = { "Europe/Berlin", "Europe/Dublin", "America/New_York", "America/St_Johns", "America/Sao_Paulo",
				     "Australia/Lord_Howe", "Asia/Kolkata", "Asia/Tehran", "Africa/Casablanca", "Pacific/Apia",
				     "Pacific/Chatham", "America/Nuuk", "Antarctica/Troll", "Asia/Gaza", "Etc/GMT+5" };

#define FROM (-(int64_t)2000000000)     /* 1906 */
#define TO ((int64_t)6000000000)        /* 2160: far beyond the recorded transitions */

static struct zone *open_zone(const char *name)
{
	struct zone *z = NULL;
	struct err e;

	if (access(ZONE_DIR "/Europe/Berlin", R_OK) < 0)
		skip_missing_program("tzdata");
	assert_ok(zone_open(&z, name, &e));
	return z;
}

static void every_offset_is_the_c_librarys(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(zones); i++) {
		AUTO(zone) struct zone *z = open_zone(zones[i]);

		setenv("TZ", zones[i], 1);
		tzset();
		for (int64_t at = FROM; at < TO; at += 7 * 86400 + 3607) {
			time_t t = (time_t)at;
			struct tm tm;

			assert_non_null(localtime_r(&t, &tm));
			if (zone_offset(z, at) != tm.tm_gmtoff)
				fail_msg("%s at %lld: %lld instead of %ld", zones[i], (long long)at, (long long)zone_offset(z, at), tm.tm_gmtoff);
		}
	}
	unsetenv("TZ");
	tzset();
}

/* 2026-03-29 02:00 becomes 03:00 at 01:00 UTC; 2026-10-25 03:00 becomes 02:00 at 01:00 UTC. */
static void a_clock_that_jumps_shows_each_time_first_at_one_instant(void **state)
{
	AUTO(zone) struct zone *z = open_zone("Europe/Berlin");
	const int64_t spring = 1774746000, autumn = 1792890000;

	(void)state;
	assert_int_equal(zone_instant(z, spring + 3600 - 1), spring - 1);               /* 01:59:59 */
	assert_int_equal(zone_instant(z, spring + 3600), spring);                       /* 02:00 is skipped */
	assert_int_equal(zone_instant(z, spring + 3600 + 1800), spring);                /* 02:30 too */
	assert_int_equal(zone_instant(z, spring + 7200), spring);                       /* 03:00 */
	assert_int_equal(zone_instant(z, autumn + 3600 + 1800), autumn - 1800);         /* 02:30, the first of two */
	assert_int_equal(zone_instant(z, autumn + 7200), autumn + 3600);                /* 03:00, after both */
}

static void rules_of_every_form_are_read(void **state)
{
	static const struct { const char *text; int64_t at, offset; } cases[] = {
		{ "UTC0", 0, 0 }, { "<+0330>-3:30", 0, 12600 }, { "EST5EDT,M3.2.0,M11.1.0", 1782864000, -14400 },
		{ "EST5EDT,M3.2.0,M11.1.0", 1767225600, -18000 }, { "XXX3YYY1,J60,J61", 1772409600, -3600 },
		{ "XXX0YYY,0/-24,365/25", 1782864000, 3600 }, { "IST-1GMT0,M10.5.0,M3.5.0/1", 1782864000, 3600 },
	};
	static const char *const wrong[] = { "", "U", "UTC", "UTC0 ", "UTC999", "EST5EDT", "EST5EDT,M13.1.0,M1.1.0", "EST5EDT,M1.6.0,M1.1.0",
					     "EST5EDT,M1.1.7,M1.1.0", "EST5EDT,J0,J1", "EST5EDT,1,2,3", "<UTC0", "EST5EDT,M3.2.0/168,M11.1.0" };
	struct zone_rule r;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_true(zone_rule_parse(&r, cases[i].text, strlen(cases[i].text)));
		assert_int_equal(zone_rule_offset(&r, cases[i].at), cases[i].offset);
	}
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		if (zone_rule_parse(&r, wrong[i], strlen(wrong[i])))
			fail_msg("\"%s\" was taken for a rule", wrong[i]);
	assert_true(zone_rule_parse(&r, cases[2].text, strlen(cases[2].text)));
	(void)zone_rule_offset(&r, INT64_MAX);
	(void)zone_rule_offset(&r, INT64_MIN);
}

static void what_is_no_zone_is_refused(void **state)
{
	static const char *const names[] = { "", "/etc/passwd", "../../etc/passwd", "Europe/../Berlin", "Europe/", "-x", "Europe//Berlin", "a b" };
	AUTO(buf) struct buf *raw = NULL;
	struct zone *z = NULL;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		assert_refused(zone_open(&z, names[i], &e), ERR_USAGE, "time zone");
	zone_free(open_zone("UTC"));
	assert_refused(zone_open(&z, "Europe/Atlantis", &e), ERR_NOT_FOUND, "Europe/Atlantis");
	assert_ok(file_read(&raw, ZONE_DIR "/Europe/Berlin", 65536, &e));
	for (size_t len = 0; len < raw->len; len += 1 + len / 16)
		assert_refused(zone_parse(&z, "cut", raw->data, len, &e), ERR_FORMAT, "cut");
	assert_null(z);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_offset_is_the_c_librarys),
		cmocka_unit_test(a_clock_that_jumps_shows_each_time_first_at_one_instant),
		cmocka_unit_test(rules_of_every_form_are_read),
		cmocka_unit_test(what_is_no_zone_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
