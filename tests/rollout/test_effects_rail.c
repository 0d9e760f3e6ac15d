#include "rollout/verdict.h"
#include "tests/test.h"

static struct effects report(uint64_t alerts, uint64_t cpu_ms)
{
	struct effects f = { .counted = true, .counted_s = 3600, .events = 10000, .load_ms = 40, .measured = true, .measured_s = 3600,
			     .cpu_ms = cpu_ms, .rss_bytes = 100 << 20 };

	f.verdicts[EFFECTS_ALERT] = alerts;
	return f;
}

static void add(struct effects_sums *s, enum effects_side side, int hosts, const struct effects *f)
{
	while (hosts-- > 0)
		effects_rail_add(s, side, f);
}

static const struct effects_bounds shipped = { .ratio = 5, .least = 100, .cpu_ms_s = 10, .rss_bytes = 32 << 20, .load_ms = 500 };

static const char *said(const struct effects_sums *s)
{
	static char sentence[EFFECTS_RAIL_SENTENCE];

	return effects_rail(sentence, s, &shipped) ? sentence : NULL;
}

static void a_storm_of_verdicts_stands_out_against_before_and_waiting(void **state)
{
	struct effects calm = report(20, 5000), storm = report(120, 5000);
	struct effects_sums s = { .rule_count = 0 };

	(void)state;
	add(&s, EFFECTS_WAITING, 10, &calm);
	add(&s, EFFECTS_BEFORE, 5, &calm);
	add(&s, EFFECTS_OFFERED, 5, &storm);
	assert_non_null(strstr(said(&s), "verdicts of endpoints with the content: 120 an hour, of others 20"));
}

/* An attack strikes those that wait as well. */
static void what_those_that_wait_see_as_well_is_not_the_contents_doing(void **state)
{
	struct effects calm = report(20, 5000), storm = report(120, 5000);
	struct effects_sums s = { .rule_count = 0 };

	(void)state;
	add(&s, EFFECTS_WAITING, 10, &storm);
	add(&s, EFFECTS_BEFORE, 5, &calm);
	add(&s, EFFECTS_OFFERED, 5, &storm);
	assert_null(said(&s));
}

static void few_verdicts_and_few_endpoints_say_nothing(void **state)
{
	struct effects none = report(0, 5000), some = report(19, 5000), storm = report(5000, 5000);
	struct effects_sums s = { .rule_count = 0 }, alone = { .rule_count = 0 };

	(void)state;
	add(&s, EFFECTS_WAITING, 10, &none);
	add(&s, EFFECTS_OFFERED, 5, &some);     /* 95 are not 100 */
	assert_null(said(&s));
	add(&s, EFFECTS_OFFERED, 1, &some);
	assert_non_null(said(&s));
	add(&alone, EFFECTS_OFFERED, 5, &storm);
	assert_null(said(&alone));              /* nobody to compare with */
	add(&alone, EFFECTS_WAITING, EFFECTS_RAIL_HOSTS - 1, &none);
	assert_null(said(&alone));
	add(&alone, EFFECTS_WAITING, 1, &none);
	assert_non_null(said(&alone));
}

static void cpu_memory_and_load_time_stand_out_too(void **state)
{
	struct effects calm = report(0, 5000), hot = report(0, 50000), fat = calm, slow = calm;
	const struct { const struct effects *f; const char *want; } cases[] = { { &hot, "CPU time" }, { &fat, "memory" }, { &slow, "load time" } };

	(void)state;
	fat.rss_bytes *= 6;
	slow.load_ms *= 20;
	for (size_t i = 0; i < 3; i++) {
		struct effects_sums s = { .rule_count = 0 };

		add(&s, EFFECTS_WAITING, 10, &calm);
		add(&s, EFFECTS_OFFERED, 5, cases[i].f);
		assert_non_null(said(&s));
		assert_non_null(strstr(said(&s), cases[i].want));
	}
}

/* Ten times next to nothing is next to nothing: so much more it must be, and the policy says how much. */
static void what_harms_nobody_does_not_stand_out(void **state)
{
	const struct effects_bounds none = { .ratio = 5, .least = 100 };
	struct effects idle = { .measured = true, .measured_s = 1000, .cpu_ms = 500, .rss_bytes = 2 << 20, .counted = true, .counted_s = 1000, .load_ms = 5 };
	struct effects cases[3] = { idle, idle, idle };
	char sentence[EFFECTS_RAIL_SENTENCE];

	(void)state;
	cases[0].cpu_ms = 10499;                /* 9.999 ms a second more */
	cases[1].rss_bytes = (34 << 20) - 1;    /* a byte less than 32 MiB more */
	cases[2].load_ms = 504;
	for (size_t i = 0; i < 3; i++) {
		struct effects_sums s = { .rule_count = 0 };

		add(&s, EFFECTS_WAITING, 10, &idle);
		add(&s, EFFECTS_OFFERED, 5, &cases[i]);
		assert_null(said(&s));
		assert_true(effects_rail(sentence, &s, &none));
	}
	cases[0].cpu_ms++;
	cases[1].rss_bytes++;
	cases[2].load_ms++;
	for (size_t i = 0; i < 3; i++) {
		struct effects_sums s = { .rule_count = 0 };

		add(&s, EFFECTS_WAITING, 10, &idle);
		add(&s, EFFECTS_OFFERED, 5, &cases[i]);
		assert_non_null(said(&s));
	}
}

static void one_rule_stands_out_where_the_sum_does_not(void **state)
{
	struct effects_rule usual = { .rule = "usual", .n = 300 }, both[2] = { usual, { .rule = "noisy", .n = 60 } };
	struct effects calm = report(300, 5000), noisy = report(360, 5000);
	struct effects_sums s = { .rule_count = 0 };

	(void)state;
	calm.rules = &usual;
	calm.rule_count = 1;
	noisy.rules = both;
	noisy.rule_count = 2;
	add(&s, EFFECTS_WAITING, 10, &calm);
	add(&s, EFFECTS_OFFERED, 5, &noisy);
	assert_non_null(strstr(said(&s), "rule noisy on endpoints with the content: 60 verdicts an hour"));
}

/* Five endpoints with the content against five that wait: what one figure was, and the bound that it is held to. */
static const struct figure {
	enum effects_figure of;
	bool one_rule;                  /* of which all verdicts are */
	int64_t offered, waiting, per;
	size_t bound;                   /* in struct policy_ring */
	int64_t more;                   /* by so much it stands out: one more is asked and it does not */
} figures[] = {
	{ FIGURE_VERDICTS, false, 120, 10, 18000, offsetof(struct policy_ring, effects_least), 120 },
	{ FIGURE_VERDICTS, true, 120, 10, 18000, offsetof(struct policy_ring, effects_least), 120 },
	{ FIGURE_BLOCKS, false, 150, 15, 18000, offsetof(struct policy_ring, effects_least), 150 },
	{ FIGURE_CPU, false, 5 * 12000, 5 * 1000, 5 * 1000, offsetof(struct policy_ring, effects_cpu_ms_s), 11 },
	{ FIGURE_RSS, false, (int64_t)500 << 20, 50 << 20, 5, offsetof(struct policy_ring, effects_rss_bytes), 90 << 20 },
	{ FIGURE_LOAD, false, 5 * 2000, 5 * 180, 5, offsetof(struct policy_ring, effects_load_ms), 1820 },
};

static void fill(struct effects_sums *s, const struct figure *f)
{
	*s = (struct effects_sums){ .hosts = { [EFFECTS_OFFERED] = 5, [EFFECTS_WAITING] = 5 } };
	s->of[EFFECTS_OFFERED][f->of] = (struct effects_sum){ f->one_rule ? 0 : f->offered, f->per };
	s->of[EFFECTS_WAITING][f->of] = (struct effects_sum){ f->one_rule ? 0 : f->waiting, f->per };
	if (f->one_rule)
		s->rules[s->rule_count++] = (struct effects_rule_sum){ .rule = "noisy", .n = { [EFFECTS_OFFERED] = f->offered, [EFFECTS_WAITING] = f->waiting } };
}

static void expect(const struct policy_ring *r, const struct effects_sums *s, enum verdict v, const char *says)
{
	struct verdict_facts f = { .ring = r, .now = 1000000, .began = 1000000, .eligible = 1000, .effects = s, .sums = { .max_e = 1, .max_e_known = 1 } };
	struct verdict_result got;

	verdict_of(&got, &f);
	if (got.verdict != v || (v != VERDICT_CONTINUE && got.cause != CAUSE_EFFECTS) || !strstr(got.sentence, says))
		fail_msg("%s, %s: \"%s\"", verdict_name(got.verdict), verdict_cause_name(got.cause), got.sentence);
}

/* Of each figure the policy says how many times, how many or how much more, and what then. */
static void every_bound_of_effects_is_the_policys(void **state)
{
	static const char *const names[] = { "canary" };
	AUTO(policy) struct policy *p = NULL;
	struct effects_sums s;
	struct err e;

	(void)state;
	assert_ok(policy_default(&p, "edr", names, 1, &e));
	for (size_t i = 0; i < ARRAY_LEN(figures); i++) {
		const struct figure *f = &figures[i];
		struct policy_ring r = p->rings[0];
		int64_t *bound = (int64_t *)(void *)((char *)&r + f->bound);

		fill(&s, f);
		expect(&r, &s, VERDICT_HOLD, f->one_rule ? "rule noisy" : "endpoints with the content");
		r.effects = EFFECTS_HALT;
		*bound = f->more;
		expect(&r, &s, VERDICT_HALT, "more than 5 times");
		*bound = f->more + 1;
		expect(&r, &s, VERDICT_CONTINUE, "");
		*bound = 0;
		r.effects_ratio = (double)f->offered / (double)f->waiting - 0.01;
		expect(&r, &s, VERDICT_HALT, "");
		r.effects_ratio += 0.02;
		expect(&r, &s, VERDICT_CONTINUE, "");
		r.effects_ratio = 0;
		expect(&r, &s, VERDICT_CONTINUE, "");
	}
}

static void numbers_that_no_sensor_counts_are_left_out(void **state)
{
	struct effects calm = report(1, 5000), wild = report(UINT64_MAX, UINT64_MAX);
	struct effects_sums s = { .rule_count = 0 };

	(void)state;
	wild.rss_bytes = UINT64_MAX;
	wild.load_ms = UINT64_MAX;
	add(&s, EFFECTS_WAITING, 10, &calm);
	add(&s, EFFECTS_OFFERED, 10, &wild);
	assert_null(said(&s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_storm_of_verdicts_stands_out_against_before_and_waiting),
		cmocka_unit_test(what_those_that_wait_see_as_well_is_not_the_contents_doing),
		cmocka_unit_test(few_verdicts_and_few_endpoints_say_nothing),
		cmocka_unit_test(cpu_memory_and_load_time_stand_out_too),
		cmocka_unit_test(what_harms_nobody_does_not_stand_out),
		cmocka_unit_test(one_rule_stands_out_where_the_sum_does_not),
		cmocka_unit_test(every_bound_of_effects_is_the_policys),
		cmocka_unit_test(numbers_that_no_sensor_counts_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
