/* effects: what a sensor counted reaches the agent whole, and nothing else does. */
#include "tests/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "boot/effects.h"
#include "boot/sensor_status.h"
#include "tests/boot/machine.h"

#define CHANNEL "edr"
#define HEX "4343434343434343434343434343434343434343434343434343434343434343"
#define HEAD "ringhold-effects 1\ndigest " HEX "\nseconds 60\nevents 10\nerrors 1\nobserve 2\nalert 3\nblock 4\nquarantine 0\n" \
	     "would-block 1\nwould-quarantine 1\nload-ms 12\n"

static struct boot_effects got;
static struct ringhold_sensor s;
static struct ringhold_content content;

static int setup(void **state)
{
	struct ringhold_why why;

	(void)state;
	if (!mkdtemp(root) || !shell_ok("mkdir -p %s/run", root) || ringhold_open(&s, root, CHANNEL, &why) < 0)
		return -1;
	memset(content.digest, 'C', sizeof content.digest);
	boot_digest_hex(content.digest_hex, content.digest);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ringhold_close(&s);
	return shell_ok("rm -rf %s", root) ? 0 : -1;
}

static int parse(const char *text)
{
	struct boot_report why;

	return boot_effects_parse(&got, text, strlen(text), &why);
}

static void what_the_sensor_counts_the_agent_reads(void **state)
{
	const struct ringhold_rule rules[] = { { "ipc-0001", 30 }, { "proc-7", 2 } };
	const struct ringhold_effects e = { .seconds = 60, .events = 100, .errors = 1, .observe = 2, .alert = 30, .block = 4, .quarantine = 5,
					    .would_block = 6, .would_quarantine = 7, .load_ms = 12, .rules = rules, .rule_count = 2 };
	struct ringhold_why why;
	struct boot_report trouble;

	(void)state;
	assert_int_equal(boot_effects_read(&got, s.run, &trouble), 0);
	assert_int_equal(ringhold_effects(&s, &content, &e, &why), 0);
	assert_int_equal(boot_effects_read(&got, s.run, &trouble), 1);
	assert_memory_equal(got.digest, content.digest, sizeof got.digest);
	assert_int_equal(got.counts.seconds, 60);
	assert_int_equal(got.counts.quarantine, 5);
	assert_int_equal(got.counts.would_quarantine, 7);
	assert_int_equal(got.counts.load_ms, 12);
	assert_int_equal(got.counts.rule_count, 2);
	assert_string_equal(got.counts.rules[0].id, "ipc-0001");
	assert_int_equal(got.counts.rules[1].verdicts, 2);
}

static void more_rules_and_odd_ids_do_no_harm(void **state)
{
	static char ids[RINGHOLD_RULES_MAX + 50][RINGHOLD_RULE_MAX + 2];
	static struct ringhold_rule rules[RINGHOLD_RULES_MAX + 50];
	struct ringhold_effects e = { .events = UINT32_MAX, .rules = rules, .rule_count = RINGHOLD_RULES_MAX + 50 };
	struct ringhold_why why;
	struct boot_report trouble;

	(void)state;
	for (size_t i = 0; i < e.rule_count; i++) {
		memset(ids[i], 'r', RINGHOLD_RULE_MAX);
		rules[i] = (struct ringhold_rule){ ids[i], INT64_MAX };
	}
	strcpy(ids[0], "two\nlines");
	memset(ids[1], 'x', RINGHOLD_RULE_MAX + 1);
	ids[2][0] = '\0';
	assert_int_equal(ringhold_effects(&s, &content, &e, &why), 0);
	assert_int_equal(boot_effects_read(&got, s.run, &trouble), 1);
	assert_int_equal(got.counts.rule_count, RINGHOLD_RULES_MAX - 3);
	assert_int_equal(got.counts.rules[0].verdicts, INT64_MAX);
}

static void only_these_lines_in_this_order_are_believed(void **state)
{
	static const char *const bad[] = {
		"", "\n", "ringhold-effects 1\n", "ringhold-effects 2\ndigest " HEX "\n", HEAD, HEAD "rules 1\n", HEAD "rules 0",
		HEAD "rules 1\n5\n", HEAD "rules 1\n5 \n", HEAD "rules 1\n5 a\n5 b\n", HEAD "rules 257\n", HEAD "rules -1\n", HEAD "rules 01x\n",
		HEAD "rules 1\n99999999999999999999 a\n", HEAD "rules 1\n 5 a\n", HEAD "rules 1\n5 a\x01\n", HEAD "rules 1\n5 a\n\n",
		HEAD "rule 0\n", HEAD "rules  0\n",
	};

	(void)state;
	assert_int_equal(parse(HEAD "rules 1\n5 a b\n"), 0);
	assert_string_equal(got.counts.rules[0].id, "a b");
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (parse(bad[i]) == 0)
			fail_msg("taken: %s", bad[i]);
}

/* A reader in a loop beside a writer in a loop: always one whole report. */
static void a_report_is_never_seen_torn(void **state)
{
	struct ringhold_why trouble;
	pid_t writer;
	int seen = 0;

	(void)state;
	assert_int_equal(ringhold_effects(&s, &content, &(struct ringhold_effects){ .seconds = 1 }, &trouble), 0);
	writer = fork();
	assert_true(writer >= 0);
	if (writer == 0) {
		struct ringhold_rule rules[200];
		struct ringhold_why why;

		for (uint64_t n = 1; n < 400; n++) {
			struct ringhold_effects e = { .events = n, .alert = n, .rules = rules, .rule_count = n % 200 };

			for (size_t i = 0; i < 200; i++)
				rules[i] = (struct ringhold_rule){ "a-rule-with-a-name-of-some-length", n };
			if (ringhold_effects(&s, &content, &e, &why) < 0)
				_exit(1);
		}
		_exit(0);
	}
	for (int status = -1; waitpid(writer, &status, WNOHANG) == 0; seen++) {
		struct boot_report why = { "" };

		if (boot_effects_read(&got, s.run, &why) < 0)
			fail_msg("%s", why.text);
		assert_true(got.counts.events == got.counts.alert);
		for (size_t i = 0; i < got.counts.rule_count; i++)
			assert_int_equal(got.counts.rules[i].verdicts, got.counts.events);
	}
	assert_true(seen > 0);
}

/* ---- which process, and what it uses ---- */

static void a_process_is_read_whatever_it_calls_itself(void **state)
{
	struct sensor_process p;
	const char *odd = "7 (a) R 1 2) S 1 7 7 0 -1 4194304 100 0 0 0 30 12 0 0 20 0 1 0 4711 1000000 250 18446744073709551615 1 1";

	(void)state;
	assert_true(sensor_process_parse(&p, odd));
	assert_int_equal(p.cpu_ticks, 42);
	assert_int_equal(p.started, 4711);
	assert_int_equal(p.rss_pages, 250);
	assert_false(sensor_process_parse(&p, ""));
	assert_false(sensor_process_parse(&p, "7 (a"));
	assert_false(sensor_process_parse(&p, "7 (a) S 1 7 7"));
	assert_false(sensor_process_parse(&p, "7 (a) Z 1 7 7 0 -1 4194304 100 0 0 0 30 12 0 0 20 0 1 0 4711 0 0 1"));
	assert_true(sensor_process_read(&p, getpid()) && p.started > 0 && p.rss_pages > 0);
}

static void a_report_names_the_process_so_that_its_number_cannot_be_taken_over(void **state)
{
	struct sensor_process own;
	struct sensor_status status;
	struct boot_report trouble;
	struct ringhold_why why;

	(void)state;
	assert_int_equal(ringhold_report(&s, NULL, RINGHOLD_HEALTHY, "", 1, &why), 0);
	assert_int_equal(sensor_status_read(&status, s.run, &trouble), 1);
	assert_true(sensor_process_read(&own, 0));
	assert_int_equal(status.pid, getpid());
	assert_int_equal(status.started, own.started);
}

/* ---- lists of rules ---- */

static char seen[4096];

static int note(void *arg, const char *id)
{
	strcat(strcat(seen, id), ",");
	return arg ? -1 : 0;
}

static int list(enum ringhold_list which)
{
	struct ringhold_why why;

	seen[0] = '\0';
	return ringhold_list(&s, &content, which, note, NULL, &why);
}

static void a_list_counts_for_its_own_content_only(void **state)
{
	(void)state;
	assert_int_equal(list(RINGHOLD_DROP), 0);
	shell_must("printf '" HEX "\\na\\nb c\\n' >%s/run/ringhold/edr/drop", root);
	assert_int_equal(list(RINGHOLD_DROP), 2);
	assert_string_equal(seen, "a,b c,");
	assert_int_equal(list(RINGHOLD_OBSERVE), 0);
	content.digest_hex[0] = '5';
	assert_int_equal(list(RINGHOLD_DROP), 0);
	content.digest_hex[0] = '4';
}

/* The sensor starts before the agent, and must not act on a trial's new rules until then. */
static void at_boot_the_list_to_observe_is_found_where_it_is_kept(void **state)
{
	(void)state;
	shell_must("mkdir -p %s/var/lib/ringhold/channels/edr && printf '" HEX "\\n*\\n' >%s/var/lib/ringhold/channels/edr/observe", root, root);
	assert_int_equal(list(RINGHOLD_OBSERVE), 1);
	assert_string_equal(seen, "*,");
	shell_must("printf '" HEX "\\nx\\n' >%s/run/ringhold/edr/observe", root);
	assert_int_equal(list(RINGHOLD_OBSERVE), 1);
	assert_string_equal(seen, "x,");
}

static void a_list_that_cannot_be_read_is_an_error_and_not_an_empty_one(void **state)
{
	static const char *const bad[] = { "a", "a\\nb", "a\\0b\\n" };
	struct ringhold_why why;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		shell_must("printf '" HEX "\\n%s' >%s/run/ringhold/edr/drop", bad[i], root);
		assert_int_equal(list(RINGHOLD_DROP), -1);
	}
	shell_must("printf '" HEX "\\n%%0300d\\n' 1 >%s/run/ringhold/edr/drop", root);
	assert_int_equal(list(RINGHOLD_DROP), -1);
	shell_must("printf '" HEX "\\na\\n' >%s/run/ringhold/edr/drop", root);
	assert_int_equal(ringhold_list(&s, &content, RINGHOLD_DROP, note, &why, &why), -1);
}

static void news_of_a_list_are_told_and_our_own_reports_are_not(void **state)
{
	const struct ringhold_effects e = { .events = 1 };
	struct ringhold_why why;

	(void)state;
	(void)ringhold_switched(&s);
	assert_int_equal(ringhold_report(&s, NULL, RINGHOLD_HEALTHY, "", 1, &why), 0);
	assert_int_equal(ringhold_effects(&s, &content, &e, &why), 0);
	assert_false(ringhold_switched(&s));
	shell_must("rm -f %s/run/ringhold/edr/observe", root);
	assert_true(ringhold_switched(&s));
	assert_false(ringhold_switched(&s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_sensor_counts_the_agent_reads),
		cmocka_unit_test(more_rules_and_odd_ids_do_no_harm),
		cmocka_unit_test(only_these_lines_in_this_order_are_believed),
		cmocka_unit_test(a_report_is_never_seen_torn),
		cmocka_unit_test(a_process_is_read_whatever_it_calls_itself),
		cmocka_unit_test(a_report_names_the_process_so_that_its_number_cannot_be_taken_over),
		cmocka_unit_test(a_list_counts_for_its_own_content_only),
		cmocka_unit_test(at_boot_the_list_to_observe_is_found_where_it_is_kept),
		cmocka_unit_test(a_list_that_cannot_be_read_is_an_error_and_not_an_empty_one),
		cmocka_unit_test(news_of_a_list_are_told_and_our_own_reports_are_not),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
