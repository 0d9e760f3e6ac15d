/* test_plan_commands: planning and checking as people type it; no server is asked. */
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "typed.h"

#define POLICY "{\"format\":1,\"channel\":\"edr\",\"rings\":[{\"name\":\"canary\"},{\"name\":\"early\"},{\"name\":\"broad\"}]}"

static int setup(void **state)
{
	*state = typed_enter();
	typed_put("policy.json", POLICY);
	return 0;
}

static void july_2024_is_shown_beside_its_fleet(void **state)
{
	(void)state;
	assert_says(0, "worst run: 10 hit of 8500000; the first ring begins with 10 in flight", "plan", "simulate", "--fleet", "8500000", "--defect",
		    "1", "--policy", "policy.json");
}

static void programs_get_json_and_people_a_picture(void **state)
{
	AUTO(buf) struct buf *said = NULL, *svg = NULL;
	AUTO(json) struct json_doc *d = NULL;
	int64_t worst = -1;
	struct err e;

	(void)state;
	assert_int_equal(typed_run(&said, (const char *const[]){ "plan", "simulate", "--fleet", "5000", "--defect", "0.5,debian-12/7.11/C", "--way", "fail",
							   "--runs", "5", "--json", "--svg", "plan.svg", NULL }), 0);
	assert_ok(json_parse(&d, "answer", said->data, said->len, NULL, &e));
	assert_true(json_to_int(json_get(json_get(d->root, "hit"), "worst"), &worst) && worst >= 0);
	assert_true(json_is(json_get(d->root, "stratum"), "debian-12/7.11/C"));
	assert_ok(file_read(&svg, "plan.svg", 1 << 20, &e));
	assert_non_null(strstr(svg->data, "</svg>"));
}

static void a_trace_is_read_and_nonsense_is_wrong_use(void **state)
{
	static const char trace[] = "{\"format\":1,\"strata\":[{\"name\":\"one\",\"share\":1},{\"name\":\"two\",\"share\":1}]}";
	struct err e;

	(void)state;
	assert_ok(file_replace("trace.json", trace, strlen(trace), 0644, &e));
	assert_says(0, "of two", "plan", "simulate", "--fleet", "3000", "--trace", "trace.json", "--defect", "1,two", "--runs", "3");
	assert_says(2, "no stratum three; one is one", "plan", "simulate", "--fleet", "3000", "--trace", "trace.json", "--defect", "1,three");
	assert_says(2, "--fleet", "plan", "simulate");
	assert_says(2, "a share from 0 to 1", "plan", "simulate", "--fleet", "10", "--defect", "7");
	assert_says(2, "crash, fail or silent", "plan", "simulate", "--fleet", "10", "--way", "loudly");
	assert_says(1, "nowhere.json", "plan", "simulate", "--fleet", "10", "--policy", "nowhere.json");
}

static void check_shows_what_a_ring_costs_and_refuses_what_cannot_pass(void **state)
{
	(void)state;
	assert_says(0, "WORST CASE EXPOSED", "policy", "check", "policy.json");
	assert_says(0, "2420 min", "policy", "check", "policy.json", "--members", "early=425000");
	assert_says(0, "coverage", "policy", "check", "policy.json", "--members", "5");
	assert_says(1, "ring canary: with 2 endpoints it can never pass", "policy", "check", "policy.json", "--members", "canary=2");
	assert_says(2, "no such ring", "policy", "check", "policy.json", "--members", "late=2");
}

static void check_works_the_errors_out_exactly(void **state)
{
	AUTO(buf) struct buf *said = NULL;
	AUTO(json) struct json_doc *d = NULL;
	const struct json *rings;
	struct err e;

	(void)state;
	assert_says(0, "0.008247", "policy", "check", "policy.json", "--exact");
	assert_int_equal(typed_run(&said, (const char *const[]){ "policy", "check", "policy.json", "--exact", "--json", NULL }), 0);
	assert_ok(json_parse(&d, "answer", said->data, said->len, NULL, &e));
	rings = json_get(d->root, "rings");
	for (size_t i = 0; i < rings->count; i++) {
		double pass, halt;

		assert_true(json_to_double(&json_get(&rings->u.items[i], "passes_at_p1")->u.items[1], &pass));
		assert_true(json_to_double(&json_get(&rings->u.items[i], "halts_at_p0")->u.items[1], &halt));
		assert_true(pass <= 0.01 && halt <= 0.002);
	}
}

static void suggest_fits_p0_and_observation_to_what_was_measured(void **state)
{
	(void)state;
	assert_says(0, "broad: \"p0\": 0.001, \"observe_s\": 14400", "policy", "suggest", "policy.json", "--loss", "1h=12/20000", "--loss", "4h=3/20000");
	assert_says(0, "canary: \"p0\": 0.005, \"observe_s\": 3600 (as it is)", "policy", "suggest", "policy.json", "--loss", "1h=12/20000");
	assert_says(1, "broad: no p0 up to 0.5 % fits", "policy", "suggest", "policy.json", "--loss", "1h=700/20000");
	assert_says(0, "\"unchanged\": true", "policy", "suggest", "policy.json", "--loss", "1h=0/20000", "--json");
	assert_says(2, "wanted such as", "policy", "suggest", "policy.json", "--loss", "much");
	assert_says(2, "no such ring", "policy", "suggest", "policy.json", "--loss", "late:1h=1/2");
	assert_says(2, "which server", "policy", "suggest", "policy.json");
}

static void windows_and_freezes_count_into_the_best_case_and_rings_that_never_open_are_refused(void **state)
{
	(void)state;
	/* 10, 10, 20 of 40: two waves on a Friday, the next one is frozen, the last a week later */
	typed_put("hours.json", "{\"format\":1,\"channel\":\"edr\",\"rings\":[{\"name\":\"canary\",\"windows\":[{\"days\":\"fri\",\"from\":\"00:00\",\"to\":\"00:15\","
		  "\"zone\":\"UTC\"}],\"freezes\":[{\"from\":\"2026-06-12\",\"to\":\"2026-06-12\",\"zone\":\"UTC\",\"reason\":\"audit\"}]}]}");
	assert_says(0, "20290 min", "policy", "check", "hours.json", "--members", "40", "--at", "2026-06-04T23:00:00Z");
	assert_says(0, "canary: closed until 2026-06-05T00:00:00Z", "policy", "check", "hours.json", "--at", "2026-06-04T23:00:00Z");
	assert_says(0, "canary: frozen until 2026-06-19T00:00:00Z: audit", "policy", "check", "hours.json", "--at", "2026-06-12T12:00:00Z");
	assert_says(0, "\"best_s\": 1217400", "policy", "check", "hours.json", "--members", "40", "--at", "2026-06-04T23:00:00Z", "--json");
	typed_put("never.json", "{\"format\":1,\"channel\":\"edr\",\"rings\":[{\"name\":\"canary\",\"freezes\":[{\"from\":\"2026-06-12\",\"to\":\"2099-06-12\","
		  "\"zone\":\"UTC\"}]}]}");
	assert_says(1, "does not open within ten years", "policy", "check", "never.json", "--at", "2026-07-01T00:00:00Z");
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, typed_leave)
	const struct CMUnitTest tests[] = {
		CASE(july_2024_is_shown_beside_its_fleet),
		CASE(programs_get_json_and_people_a_picture),
		CASE(a_trace_is_read_and_nonsense_is_wrong_use),
		CASE(check_shows_what_a_ring_costs_and_refuses_what_cannot_pass),
		CASE(windows_and_freezes_count_into_the_best_case_and_rings_that_never_open_are_refused),
		CASE(check_works_the_errors_out_exactly),
		CASE(suggest_fits_p0_and_observation_to_what_was_measured),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
