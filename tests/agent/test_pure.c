/* test_pure: probation, schedule, enrolment: decisions without any I/O. */
#include "agent/enrolment.h"
#include "agent/probation.h"
#include "agent/schedule.h"
#include "test.h"

/* ---- probation ---- */

static struct probation_facts healthy(void)
{
	return (struct probation_facts){ .watched = true, .reported = true, .alive = true, .state = RINGHOLD_HEALTHY, .same_digest = true,
					 .sensor_reason = "", .wait_ms = 60000, .healthy_s = 600, .need_s = 600, .boots = 1,
					 .need_boots = 1 };
}

static enum probation_say said(struct probation_facts f, const char *reason)
{
	struct probation p;

	probation_judge(&p, &f);
	assert_string_equal(p.reason, reason);
	assert_true(*p.sentence);
	return p.say;
}

static void only_time_and_boots_and_health_together_pass(void **state)
{
	struct probation_facts f = healthy();

	(void)state;
	assert_int_equal(said(f, ""), PROBATION_PASS);
	f.healthy_s--;
	assert_int_equal(said(f, ""), PROBATION_WAIT);
	f = healthy();
	f.boots = 0;
	assert_int_equal(said(f, ""), PROBATION_WAIT);
	f = healthy();
	f.state = RINGHOLD_STARTING;
	assert_int_equal(said(f, ""), PROBATION_WAIT);
	f = healthy();
	f.same_digest = false;
	assert_int_equal(said(f, ""), PROBATION_WAIT);
}

static void whatever_fails_fails_even_when_time_is_over(void **state)
{
	struct probation_facts f = healthy();

	(void)state;
	f.probe_failed = true;
	assert_int_equal(said(f, "probe"), PROBATION_FAIL);
	f = healthy();
	f.state = RINGHOLD_UNHEALTHY;
	assert_int_equal(said(f, "load"), PROBATION_FAIL);
	f = healthy();
	f.alive = false;
	f.down_ms = 60000;
	assert_int_equal(said(f, "sensor-died"), PROBATION_FAIL);
	f = healthy();
	f.same_digest = false;
	f.down_ms = 60000;
	assert_int_equal(said(f, "reload"), PROBATION_FAIL);
	f = healthy();
	f.reported = false;
	f.down_ms = 60000;
	assert_int_equal(said(f, "reload"), PROBATION_FAIL);
}

static void a_kernel_crash_fails_whatever_else_is_well(void **state)
{
	struct probation_facts f = healthy();

	(void)state;
	f.crashed = true;
	assert_int_equal(said(f, "kernel-crash"), PROBATION_FAIL);
	f.crash_words = "Kernel panic - not syncing: sysrq triggered crash";
	f.probe_failed = true;
	f.alive = false;
	assert_int_equal(said(f, "kernel-crash"), PROBATION_FAIL);
}

static void a_sensor_has_its_time_to_come_back_and_an_orderly_stop_is_no_death(void **state)
{
	struct probation_facts f = healthy();

	(void)state;
	f.alive = false;
	f.down_ms = 59999;
	assert_int_equal(said(f, ""), PROBATION_WAIT);
	f.state = RINGHOLD_STOPPED;
	f.down_ms = 10000000;
	assert_int_equal(said(f, ""), PROBATION_WAIT);
	/* Unhealthy about older content says nothing about this one. */
	f = healthy();
	f.state = RINGHOLD_UNHEALTHY;
	f.same_digest = false;
	assert_int_equal(said(f, ""), PROBATION_WAIT);
}

static void what_content_does_fails_it_as_well(void **state)
{
	struct probation_facts f = healthy();

	(void)state;
	f.window_s = 60;
	f.restarts_max = f.restarts = 3;
	assert_int_equal(said(f, ""), PROBATION_PASS);
	f.restarts++;
	assert_int_equal(said(f, "sensor-died"), PROBATION_FAIL);
	f = healthy();
	f.verdicts = 601;
	assert_int_equal(said(f, ""), PROBATION_PASS);  /* no ceiling */
	f.verdicts_ceiling = 601;
	assert_int_equal(said(f, ""), PROBATION_PASS);
	f.verdicts_ceiling = 600;
	assert_int_equal(said(f, "verdict-storm"), PROBATION_FAIL);
	f = healthy();
	f.cpu_percent = f.cpu_ceiling = 50;
	f.rss_bytes = f.rss_ceiling = 1000;
	f.window_whole = true;
	assert_int_equal(said(f, ""), PROBATION_PASS);
	f.cpu_percent++;
	assert_int_equal(said(f, "ceiling-cpu"), PROBATION_FAIL);
	f.window_whole = false;         /* a burst so far */
	assert_int_equal(said(f, ""), PROBATION_PASS);
	f.window_whole = true;
	f.cpu_percent = 0;
	f.rss_bytes++;
	assert_int_equal(said(f, "ceiling-rss"), PROBATION_FAIL);
}

static void a_commit_waits_for_required_checks_and_fails_with_one(void **state)
{
	struct probation_facts f = healthy();

	(void)state;
	f.health_waits = true;
	assert_int_equal(said(f, ""), PROBATION_WAIT);
	f.health_failed = true;
	f.health_words = "required health check dns: exit status 3";
	assert_int_equal(said(f, "health"), PROBATION_FAIL);
	/* A dead kernel says more. */
	f.crashed = true;
	assert_int_equal(said(f, "kernel-crash"), PROBATION_FAIL);
}

static void without_a_reporting_sensor_the_probe_speaks_alone(void **state)
{
	struct probation_facts f = { .watched = false, .healthy_s = 5, .need_s = 5, .wait_ms = 1, .down_ms = 100 };

	(void)state;
	assert_int_equal(said(f, ""), PROBATION_PASS);
	f.probe_failed = true;
	f.probe_words = "exit status 1";
	assert_int_equal(said(f, "probe"), PROBATION_FAIL);
}

/* ---- schedule ---- */

static void polls_spread_and_are_never_late(void **state)
{
	int64_t least = INT64_MAX, most = 0;

	(void)state;
	for (uint64_t chance = 0; chance < 200000; chance += 7) {
		int64_t ms = schedule_poll_ms(300, chance);

		assert_in_range(ms, 240000, 300000);
		least = least < ms ? least : ms;
		most = most > ms ? most : ms;
	}
	assert_true(least < 241000 && most > 299000);
	assert_true(schedule_poll_ms(0, 5) > 0);
}

static void back_off_doubles_to_its_bound_with_spread(void **state)
{
	(void)state;
	for (uint64_t chance = 0; chance < 50; chance++) {
		assert_in_range(schedule_backoff_ms(1, 5, 3600, chance * 997), 2500, 5000);
		assert_in_range(schedule_backoff_ms(3, 5, 3600, chance * 997), 10000, 20000);
		assert_in_range(schedule_backoff_ms(UINT64_MAX, 5, 3600, chance * 99991), 1800000, 3600000);
		assert_in_range(schedule_backoff_ms(0, 5, 3600, chance), 2500, 5000);
	}
}

/* ---- enrolment ---- */

#define HASH "OvgNck2HKduO1RHQVjL0ypEN5A5-QglMYEd6Ydm7J0U"

static void an_enrolment_string_gives_server_pin_and_token(void **state)
{
	struct enrolment en;
	struct err e;

	(void)state;
	assert_ok(enrolment_parse(&en, " rh1:ringhold.example:8443:" HASH ":rhe_abc-DEF\n", &e));
	assert_string_equal(en.server, "https://ringhold.example:8443");
	assert_string_equal(en.pin, "sha256//OvgNck2HKduO1RHQVjL0ypEN5A5+QglMYEd6Ydm7J0U=");
	assert_string_equal(en.token, "rhe_abc-DEF");
	assert_ok(enrolment_parse(&en, "rh1:[2001:db8::1]:443:" HASH ":t", &e));
	assert_string_equal(en.server, "https://[2001:db8::1]:443");
}

static void a_bad_enrolment_string_is_refused_and_its_token_never_shown(void **state)
{
	static const char *const bad[] = {
		"", "rh2:h:1:" HASH ":SECRET", "rh1::1:" HASH ":SECRET", "rh1:h:0:" HASH ":SECRET", "rh1:h:65536:" HASH ":SECRET",
		"rh1:h:1:short:SECRET", "rh1:h:1:" HASH "x:SECRET", "rh1:h:1:" HASH ":", "rh1:h:1:" HASH, "rh1:h/x:1:" HASH ":SECRET",
		"rh1:h@x:1:" HASH ":SECRET", "rh1:h:1:" HASH ":SECRET more", "rh1:h:1:" HASH ":SEC\"RET", "rh1:h", "rh1:h:", "rh1:[::1:1:" HASH ":SECRET",
		"rh1:h:123456789:" HASH ":SECRET", "rh1:h:+1:" HASH ":SECRET",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct enrolment en;
		struct err e;

		assert_int_equal(enrolment_parse(&en, bad[i], &e), ERR_USAGE);
		assert_null(strstr(e.msg, "SEC"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_time_and_boots_and_health_together_pass),
		cmocka_unit_test(whatever_fails_fails_even_when_time_is_over),
		cmocka_unit_test(a_kernel_crash_fails_whatever_else_is_well),
		cmocka_unit_test(a_sensor_has_its_time_to_come_back_and_an_orderly_stop_is_no_death),
		cmocka_unit_test(what_content_does_fails_it_as_well),
		cmocka_unit_test(a_commit_waits_for_required_checks_and_fails_with_one),
		cmocka_unit_test(without_a_reporting_sensor_the_probe_speaks_alone),
		cmocka_unit_test(polls_spread_and_are_never_late),
		cmocka_unit_test(back_off_doubles_to_its_bound_with_spread),
		cmocka_unit_test(an_enrolment_string_gives_server_pin_and_token),
		cmocka_unit_test(a_bad_enrolment_string_is_refused_and_its_token_never_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
