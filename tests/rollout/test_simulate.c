/* test_simulate: what a plan shows is what the gates would do. */
#include <fcntl.h>
#include <unistd.h>

#include "base/proc.h"
#include "rollout/simulate.h"
#include "rollout/verdict.h"
#include "tests/program.h"
#include "tests/test.h"

#define LIMIT_MS 60000
#define MONDAY 1748854800       /* 2025-06-02T09:00:00Z */

struct fixture {
	struct policy *policy;
	struct simulate_trace trace;
	struct simulate_plan plan;
	struct simulate_report report;
};

static int setup(void **state)
{
	static const char *const names[] = { "canary", "early", "broad" };
	struct fixture *f = calloc(1, sizeof *f);
	struct err e;

	if (!f || policy_default(&f->policy, "edr", names, 3, &e) < 0)
		return -1;
	simulate_trace_default(&f->trace, f->policy);
	f->plan = (struct simulate_plan){ .policy = f->policy, .begins = MONDAY, .trace = &f->trace, .fleet = 100000, .stratum = -1, .way = SIMULATE_CRASH, .seed = 1 };
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	policy_free(f->policy);
	free(f);
	return 0;
}

static void play(struct fixture *f, uint32_t runs)
{
	struct err e;

	assert_ok(simulate(&f->report, &f->plan, runs, 4000000, &e));
}

static void july_2024_hits_no_more_than_the_first_rings_places(void **state)
{
	struct fixture *f = *state;
	const struct simulate_report *r = &f->report;

	f->plan.fleet = 8500000;
	f->plan.defect = 1;
	play(f, 200);
	printf("# every load boot-loops: %lld hit (median), %lld (95 %%), %lld (worst of %u runs) of 8,500,000, halted after %lld s at worst\n",
	       (long long)r->hit.median, (long long)r->hit.p95, (long long)r->hit.worst, r->runs, (long long)r->halt_s.worst);
	assert_int_equal(r->runs, 200);
	assert_int_equal(r->halted, 200);
	assert_true(r->hit.worst > 0 && r->hit.worst <= verdict_in_flight(&f->policy->rings[0], 0));
	assert_true(r->halt_s.worst < 3600);
}

/* Without the rail for crashes the tests take a few failures more, and each frees a place. */
static void the_tests_alone_stop_it_in_the_first_ring_too(void **state)
{
	static const enum simulate_way ways[] = { SIMULATE_FAIL, SIMULATE_SILENT };
	struct fixture *f = *state;

	f->plan.defect = 1;
	for (size_t i = 0; i < 2; i++) {
		f->plan.way = ways[i];
		play(f, 200);
		printf("# %s: %lld hit at worst\n", i ? "silent" : "failing", (long long)f->report.hit.worst);
		assert_int_equal(f->report.halted + f->report.held, 200);
		assert_int_equal(f->report.halted, 200);
		assert_true(f->report.hit.worst <= 2 * f->policy->rings[0].m0);
		assert_int_equal(f->report.worst.ring, 0);
	}
}

/* Lost offers alone could only hold, after the observation; those who wait and are heard of tell the difference sooner. */
static void silence_is_held_against_those_who_wait(void **state)
{
	struct fixture *f = *state;

	f->plan.fleet = 1000000;
	f->plan.defect = 1;
	f->plan.way = SIMULATE_SILENT;
	play(f, 50);
	assert_int_equal(f->report.halted, 50);
	assert_true(f->report.halt_s.worst < f->policy->rings[0].observe_s);
	assert_non_null(strstr(f->report.worst.sentence, "silen"));
	/* in a ring where everybody was offered it nobody waits: then it takes the lost, which hold */
	f->plan.fleet = 3000;
	f->trace.rings[0].share = 0.002;
	play(f, 50);
	assert_int_equal(f->report.halted + f->report.held, 50);
	assert_true(f->report.held > 0);
}

static void a_ring_passes_when_every_large_stratum_has_its_survivors(void **state)
{
	struct fixture *f = *state;
	int64_t few;

	f->plan.fleet = 1000000;
	for (size_t i = 0; i < 3; i++)
		f->policy->rings[i].strata_survivors = 1;
	play(f, 1);
	few = f->report.worst.passed_s[0];
	f->policy->rings[0].strata_survivors = 100;
	play(f, 1);
	assert_true(few > 0 && f->report.worst.passed_s[0] > few);
}

static void sound_content_reaches_every_endpoint_and_halts_nowhere(void **state)
{
	struct fixture *f = *state;
	const struct simulate_run *r = &f->report.worst;

	for (size_t i = 0; i < 3; i++)
		f->policy->rings[i].boots = 0;
	play(f, 3);
	assert_int_equal(f->report.covered, 3);
	assert_int_equal(f->report.hit.worst, 0);
	assert_int_equal(r->exposed, 100000);
	/* rings follow each other, and the age that hosts demand */
	assert_true(r->passed_s[0] >= 3600 && r->passed_s[1] >= r->passed_s[0] + 3600 && r->passed_s[2] >= r->passed_s[1] + 4 * 3600);
	assert_true(r->cover_s >= r->passed_s[2]);
	/* as long as some sleep at night, not everybody is there at once */
	assert_true(f->report.cover_s.worst < 7 * 86400);
}

static void a_slow_ring_and_required_boots_take_their_time(void **state)
{
	struct fixture *f = *state;
	int64_t quick;

	f->plan.fleet = 20000;
	for (size_t i = 0; i < 3; i++)
		f->policy->rings[i].boots = 0;
	play(f, 1);
	quick = f->report.worst.cover_s;
	f->trace.rings[2].lag_s = 5 * 86400;
	play(f, 1);
	assert_true(f->report.worst.cover_s >= 5 * 86400 && f->report.worst.cover_s > quick);
	f->trace.rings[2].lag_s = 0;
	f->policy->rings[2].boots = 1;
	play(f, 1);
	assert_true(f->report.worst.cover_s > quick);
}

static void a_defect_in_a_small_stratum_hits_no_more_than_lives_there(void **state)
{
	struct fixture *f = *state;

	f->plan.way = SIMULATE_FAIL;
	f->plan.fleet = 20000;
	f->plan.defect = 1;
	f->plan.stratum = 5;
	for (size_t i = 0; i < 3; i++)
		f->policy->rings[i].boots = 0;
	play(f, 20);
	printf("# every load in 1 %% of a fleet of 20000: %lld hit at worst\n", (long long)f->report.hit.worst);
	assert_true(f->report.hit.worst > 0 && f->report.hit.worst < 260);
}

static void the_same_seed_gives_the_same_run_and_another_another(void **state)
{
	struct fixture *f = *state;
	struct simulate_run a, b;
	struct err e;

	f->plan.defect = 0.1;
	f->plan.way = SIMULATE_FAIL;
	assert_ok(simulate_run(&a, &f->plan, &e));
	assert_ok(simulate_run(&b, &f->plan, &e));
	assert_memory_equal(&a, &b, sizeof a);
	f->plan.seed = 2;
	assert_ok(simulate_run(&b, &f->plan, &e));
	assert_memory_not_equal(&a, &b, sizeof a);
}

static void runs_end_when_their_offers_are_used_up(void **state)
{
	struct fixture *f = *state;
	struct err e;

	f->plan.fleet = 1000;
	assert_ok(simulate(&f->report, &f->plan, 50, 1, &e));
	assert_int_equal(f->report.runs, 1);
	f->plan.fleet = 0;
	assert_refused(simulate(&f->report, &f->plan, 1, 1, &e), ERR_LIMIT, "fleet of 0");
}

static void a_trace_replaces_what_it_names_and_refuses_what_is_none(void **state)
{
	static const char good[] = "{\"format\":1,\"kinds\":[{\"name\":\"kiosk\",\"share\":3,\"boot_s\":3600,\"online\":"
				   "[0,0,0,0,0,0,0,0,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0,0,0,0,0,0]}],"
				   "\"rings\":[{\"name\":\"early\",\"share\":0.05,\"lag_s\":7200}]}";
	static const struct { const char *text, *says; } bad[] = {
		{ "{\"format\":2}", "format" },
		{ "{\"format\":1,\"rings\":[{\"name\":\"late\",\"share\":1}]}", "no ring late" },
		{ "{\"format\":1,\"kinds\":[{\"name\":\"a\",\"share\":1,\"online\":[1]}]}", "24 shares" },
		{ "{\"format\":1,\"kinds\":[{\"name\":\"a\",\"share\":1,\"online\":[2]}]}", "from 0 to 1" },
		{ "{\"format\":1,\"strata\":[{\"name\":\"a\",\"share\":-1}]}", "share" },
		{ "{\"format\":1,\"moods\":[]}", "moods" },
	};
	struct fixture *f = *state;
	struct simulate_trace t;
	struct err e;

	assert_ok(simulate_trace_parse(&t, f->policy, "trace", good, strlen(good), &e));
	assert_int_equal(t.kind_count, 1);
	assert_true(t.kinds[0].share == 1 && t.kinds[0].online[9] == 1 && t.kinds[0].online[3] == 0);
	assert_int_equal(t.rings[1].lag_s, 7200);
	assert_int_equal(t.stratum_count, f->trace.stratum_count);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_refused(simulate_trace_parse(&t, f->policy, "trace", bad[i].text, strlen(bad[i].text), &e), e.code, bad[i].says);
}

/* ---- what is said of many runs ---- */

#define RUNS 21

static int ascending(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* The middle one, the first that 95 % are not above, and the last. */
static void expect_spread(const struct simulate_spread *s, int64_t *values, size_t count)
{
	size_t at95 = 0;

	if (count == 0) {
		assert_true(s->median == -1 && s->p95 == -1 && s->worst == -1);
		return;
	}
	qsort(values, count, sizeof *values, ascending);
	while (100 * (at95 + 1) < 95 * count)
		at95++;
	assert_int_equal(s->median, values[(count - 1) / 2]);
	assert_int_equal(s->p95, values[at95]);
	assert_int_equal(s->worst, values[count - 1]);
}

static void median_and_95_percent_and_worst_are_those_of_the_runs_one_by_one(void **state)
{
	/* so few fail that all runs cover the fleet, and so many that all halt: each after another while */
	static const double defects[] = { 0.001, 0.004 };
	struct fixture *f = *state;
	int64_t hit[RUNS], halt[RUNS], cover[RUNS];
	size_t halted = 0, covered = 0;
	struct simulate_run run;
	struct err e;

	f->plan.way = SIMULATE_FAIL;
	f->plan.fleet = 50000;
	for (size_t i = 0; i < ARRAY_LEN(defects); i++) {
		struct simulate_plan one;
		size_t halts = 0, covers = 0;

		f->plan.defect = defects[i];
		assert_ok(simulate(&f->report, &f->plan, RUNS, UINT64_MAX, &e));
		assert_int_equal(f->report.runs, RUNS);
		/* else any of them would do */
		assert_true(f->report.hit.median < f->report.hit.p95 && f->report.hit.p95 < f->report.hit.worst);
		one = f->plan;
		for (size_t n = 0; n < RUNS; n++, one.seed++) {
			assert_ok(simulate_run(&run, &one, &e));
			hit[n] = run.hit;
			if (run.halt_s >= 0)
				halt[halts++] = run.halt_s;
			if (run.cover_s >= 0)
				cover[covers++] = run.cover_s;
		}
		expect_spread(&f->report.hit, hit, RUNS);
		expect_spread(&f->report.halt_s, halt, halts);
		expect_spread(&f->report.cover_s, cover, covers);
		halted += halts;
		covered += covers;
	}
	assert_true(halted > 0 && covered > 0);
}

/* ---- the picture ---- */

/* By a parser of somebody else's. */
static void expect_xml(const struct buf *text)
{
	const char *xmllint = test_other_program("xmllint");
	char path[] = "/tmp/ringhold-picture-XXXXXX", *env[] = { NULL };
	char *argv[] = { (char *)"xmllint", (char *)"--noout", (char *)"--nonet", path, NULL };
	struct proc_run how = { .path = xmllint, .argv = argv, .env = env, .stdin_fd = -1, .timeout_ms = LIMIT_MS, .output_max = 65536 };
	struct proc_result r;
	struct err e;
	int fd;

	if (!xmllint)
		skip_missing_program("xmllint");
	fd = mkostemp(path, O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text->data, text->len), text->len);
	close(fd);
	assert_ok(proc_run(&how, &r, &e));
	unlink(path);
	if (r.exit_status != 0)
		fail_msg("%s", r.output->data);
	proc_result_release(&r);
}

static void the_picture_is_xml_and_names_what_happened(void **state)
{
	struct fixture *f = *state;
	AUTO(buf) struct buf *out = buf_new(0);

	f->plan.defect = 1;
	play(f, 2);
	simulate_svg(out, &f->plan, &f->report);
	assert_false(out->failed);
	assert_int_equal(strncmp(out->data, "<svg xmlns=", 11), 0);
	assert_non_null(strstr(out->data, "canary halted"));
	assert_non_null(strstr(out->data, "<polyline"));
	assert_string_equal(out->data + out->len - 7, "</svg>\n");
	expect_xml(out);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(july_2024_hits_no_more_than_the_first_rings_places),
		CASE(the_tests_alone_stop_it_in_the_first_ring_too),
		CASE(silence_is_held_against_those_who_wait),
		CASE(a_ring_passes_when_every_large_stratum_has_its_survivors),
		CASE(sound_content_reaches_every_endpoint_and_halts_nowhere),
		CASE(a_slow_ring_and_required_boots_take_their_time),
		CASE(a_defect_in_a_small_stratum_hits_no_more_than_lives_there),
		CASE(the_same_seed_gives_the_same_run_and_another_another),
		CASE(runs_end_when_their_offers_are_used_up),
		CASE(a_trace_replaces_what_it_names_and_refuses_what_is_none),
		CASE(median_and_95_percent_and_worst_are_those_of_the_runs_one_by_one),
		CASE(the_picture_is_xml_and_names_what_happened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
