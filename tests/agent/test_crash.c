/* crash: what a kernel left behind is found once, and blamed on the content that was on trial. */
#include "agent/crash.h"
#include "endpoint.h"

#define GOOD "deploy/demo/edr-good"
#define DUMP "Panic#1 Part1\n<6>[    1.000001] random: crng init done\n<0>[    2.345678] Kernel panic - not syncing: Fatal exception\n<0>[    2.4] ---\n"

/* ---- words ---- */

static void words(const char *dump, const char *want)
{
	char got[200];

	crash_words(got, sizeof got, dump, strlen(dump));
	assert_string_equal(got, want);
}

static void the_line_that_says_why_is_the_words(void **state)
{
	(void)state;
	words(DUMP, "Kernel panic - not syncing: Fatal exception");
	words("Oops#1 Part1\n<1>[   17.000000] BUG: kernel NULL pointer dereference, address: 0\n", "BUG: kernel NULL pointer dereference, address: 0");
	words("[    2.345678] Kernel panic - not syncing: x", "Kernel panic - not syncing: x");
	words("no line says why\n<6>[ 1.0] it ends\n", "no line says why");
	words("", "");
	words("\n\n\n", "");
	words("<", "<");
	words("<6>[", "<6>[");
	words("<6>[ 1.0]", "");
}

static void whatever_bytes_are_in_it_the_words_are_one_short_printable_line(void **state)
{
	char dump[600], got[200];

	(void)state;
	for (size_t i = 0; i < sizeof dump; i++)
		dump[i] = (char)(i % 251 + 128);
	memcpy(dump, "Kernel panic \x1b[2J\x7f", 16);
	crash_words(got, sizeof got, dump, sizeof dump);
	assert_true(strlen(got) < sizeof got);
	assert_memory_equal(got, "Kernel panic ?[2", 16);
	for (const char *c = got; *c; c++)
		assert_in_range(*c, 0x20, 0x7e);
	/* Without an end of line, or an end at all. */
	for (size_t len = 0; len < sizeof DUMP; len++)
		crash_words(got, sizeof got, DUMP, len);
}

/* ---- records ---- */

static bool found(struct endpoint *p, struct journal *j, const char *want)
{
	struct crash c;
	struct err e;
	bool was;

	assert_ok(crash_look(&c, p->root, j, &e));
	was = c.found;
	if (was)
		assert_string_equal(c.words, want);
	assert_ok(crash_told(&c, j, &e));
	return was;
}

static void a_record_is_news_once_wherever_it_is_moved(void **state)
{
	struct endpoint *p = *state;
	AUTO(journal) struct journal *j = NULL;
	char from[300], to[300];
	struct crash c;
	struct err e;

	assert_ok(home_make_channel(p->root, "edr", &e));
	assert_ok(journal_open(&j, p->root, &e));
	assert_false(found(p, j, ""));
	endpoint_write(p, "/sys/fs/pstore/console-ramoops-0", "Kernel panic - of the console's record\n", 0400);
	assert_false(found(p, j, ""));
	endpoint_write(p, "/sys/fs/pstore/dmesg-ramoops-0", DUMP, 0400);
	/* Looked at without being told: it stays news. */
	assert_ok(crash_look(&c, p->root, j, &e));
	assert_true(c.found);
	assert_true(found(p, j, "Kernel panic - not syncing: Fatal exception"));
	assert_false(found(p, j, ""));
	snprintf(from, sizeof from, "%s/sys/fs/pstore/dmesg-ramoops-0", p->root);
	snprintf(to, sizeof to, "%s/var/lib/systemd/pstore/177/dmesg-ramoops-0", p->root);
	endpoint_write(p, "/var/lib/systemd/pstore/177/dmesg.txt", DUMP, 0400);
	assert_int_equal(rename(from, to), 0);
	assert_false(found(p, j, ""));
	endpoint_write(p, "/sys/fs/pstore/dmesg-ramoops-0", "Panic#1 Part1\n<0>[ 9.9] Kernel panic - not syncing: another\n", 0400);
	assert_true(found(p, j, "Kernel panic - not syncing: another"));
	assert_false(found(p, j, ""));
	/* More records than the list has room for: the last ones may be news again, none is forgotten to be told. */
	for (int i = 0; i < 600; i++) {
		FILE *f;

		snprintf(to, sizeof to, "%s/sys/fs/pstore/dmesg-efi-%d", p->root, i);
		f = fopen(to, "w");
		assert_non_null(f);
		fprintf(f, "BUG: number %d\n", i);
		fclose(f);
	}
	assert_ok(crash_look(&c, p->root, j, &e));
	assert_true(c.found);
	assert_ok(crash_told(&c, j, &e));
}

static const struct published *settled(struct endpoint *p)
{
	static struct published one;

	one = endpoint_bundle(p, GOOD, 110, NULL);
	endpoint_assign(p, &one, NULL, 1, 30, 0);
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_until(p, "the first bundle is committed", endpoint_runs_committed, &one, 1000);
	return &one;
}

static bool on_trial(const struct seen *s, const void *arg)
{
	return s->state.phase == PHASE_ACTIVE && digest_equal(&s->running, &((const struct published *)arg)->digest);
}

static void a_trial_whose_kernel_crashed_ends_at_the_next_start(void **state)
{
	struct endpoint *p = *state;
	const struct published *one = settled(p);
	struct published two = endpoint_bundle(p, GOOD, 111, NULL);

	endpoint_assign(p, &two, one, 1, 100000, 1);
	endpoint_until(p, "the trial runs", on_trial, &two, 1000);
	endpoint_agent_end(p, SIGKILL);
	endpoint_write(p, "/sys/fs/pstore/dmesg-ramoops-0", DUMP, 0400);
	endpoint_agent_start(p);
	endpoint_until(p, "it is taken back", endpoint_runs_committed, one, 1000);
	assert_true(endpoint_has_history(p, "kernel-crash"));
	assert_true(endpoint_has_history(p, "Kernel panic - not syncing: Fatal exception"));
}

static void a_crash_before_the_trial_is_not_its_fault(void **state)
{
	struct endpoint *p = *state;
	const struct published *one;
	struct published two;

	endpoint_write(p, "/sys/fs/pstore/dmesg-ramoops-0", DUMP, 0400);
	one = settled(p);
	two = endpoint_bundle(p, GOOD, 111, NULL);
	endpoint_assign(p, &two, one, 1, 100, 0);
	endpoint_until(p, "the trial runs", on_trial, &two, 1000);
	endpoint_agent_end(p, SIGKILL);
	endpoint_agent_start(p);
	endpoint_until(p, "it is committed", endpoint_runs_committed, &two, 1000);
}

static bool told_of_it(const struct seen *s, const void *arg)
{
	(void)s;
	return endpoint_history_count((struct endpoint *)arg, "Kernel panic - not syncing: Fatal exception") > 0;
}

/* Nothing was on trial, and the ladder had no reason to step down: it is no verdict, and no secret. */
static void a_crash_under_committed_content_is_reported_once_and_counts_against_nothing(void **state)
{
	struct endpoint *p = *state;
	const struct published *one = settled(p);

	endpoint_agent_end(p, SIGKILL);
	endpoint_write(p, "/sys/fs/pstore/dmesg-ramoops-0", DUMP, 0400);
	endpoint_agent_start(p);
	endpoint_until(p, "it is told of", told_of_it, p, 1000);
	endpoint_agent_end(p, SIGKILL);
	endpoint_agent_start(p);
	endpoint_until(p, "it runs on", endpoint_runs_committed, one, 1000);
	endpoint_agent_end(p, SIGTERM);
	assert_int_equal(endpoint_history_count(p, "Kernel panic - not syncing: Fatal exception"), 1);
	assert_int_equal(endpoint_history_count(p, "kernel-crash: the kernel crashed with nothing on trial"), 1);
	assert_int_equal(endpoint_history_count(p, "late_failure"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_line_that_says_why_is_the_words),
		cmocka_unit_test(whatever_bytes_are_in_it_the_words_are_one_short_printable_line),
		cmocka_unit_test_setup_teardown(a_record_is_news_once_wherever_it_is_moved, endpoint_setup, endpoint_teardown),
		cmocka_unit_test_setup_teardown(a_trial_whose_kernel_crashed_ends_at_the_next_start, endpoint_setup, endpoint_teardown),
		cmocka_unit_test_setup_teardown(a_crash_before_the_trial_is_not_its_fault, endpoint_setup, endpoint_teardown),
		cmocka_unit_test_setup_teardown(a_crash_under_committed_content_is_reported_once_and_counts_against_nothing, endpoint_setup,
						endpoint_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
