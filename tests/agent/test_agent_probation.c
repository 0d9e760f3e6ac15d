/* test_agent_probation: the real agent beside the real reference sensor: what content does on trial decides. */
#include "reference_sensor.h"
#include "shell.h"

#define NEW_TOOL "{\"template\":\"process\",\"fields\":{\"image\":\"/opt/new/tool\",\"command_line\":\"tool\"}}\n"
#define NEW_PREY "{\"template\":\"process\",\"fields\":{\"image\":\"/opt/new/prey\",\"command_line\":\"prey\"}}\n"
#define NEW_JAIL                                                                                             \
	"{\"id\": \"process-0101\", \"template\": \"process\", \"verdict\": \"quarantine\", \"note\": \"n\", "  \
	"\"match\": {\"image\": {\"equals\": \"/opt/new/prey\"}}}"
#define NEW_RULE                                                                                              \
	"{\"id\": \"process-0100\", \"template\": \"process\", \"verdict\": \"block\", \"note\": \"n\", "       \
	"\"match\": {\"image\": {\"equals\": \"/opt/new/tool\"}}}"

static void a_storm_of_verdicts_reverts_and_quarantines(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;

	NEED_PROGRAMS(p);
	one = first(p);
	two = trial_of(p, &one, GOOD, "verdict-rate = 60\nverdict-times = 0\nceiling-window = 2s\n", FOREVER);
	for (int i = 0; i < 20; i++)
		assert_non_null(strstr(judged(ALERT), "\"verdict\":\"alert\""));
	taken_back(p, &one, &two, "verdict-storm", "20 verdicts within 2 s, at most 2 are allowed");
}

static void a_sensor_that_takes_the_processor_reverts(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;
	pid_t flood;

	NEED_PROGRAMS(p);
	one = first(p);
	two = trial_of(p, &one, GOOD, "cpu-ceiling = 5\nceiling-window = 1s\nverdict-rate = 0\n", FOREVER);
	flood = fork();
	assert_true(flood >= 0);
	if (flood == 0) {       /* events without end, and nobody who looks at the verdicts */
		char drop[65536];

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			while (read(fileno(sensor.out), drop, sizeof drop) > 0)
				;
			_exit(0);
		}
		while (write(sensor.in, NEW_TOOL, strlen(NEW_TOOL)) > 0)
			;
		_exit(0);
	}
	taken_back(p, &one, &two, "ceiling-cpu", "% of a processor over 1 s, at most 5 % are allowed");
	kill(flood, SIGKILL);
	waitpid(flood, NULL, 0);
}

static void a_sensor_that_keeps_too_much_memory_reverts(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;

	NEED_PROGRAMS(p);
	one = first(p);
	two = trial_of(p, &one, GOOD, "rss-ceiling = 64K\nceiling-window = 1s\n", FOREVER);
	taken_back(p, &one, &two, "ceiling-rss", "over 1 s, at most 65536 are allowed");
}

static bool log_says(const struct endpoint *p, const char *words)
{
	AUTO(buf) struct buf *b = NULL;
	char log[256];
	struct err e;

	snprintf(log, sizeof log, "%s/agent.log", p->dir);
	return file_read(&b, log, 1 << 24, &e) == 0 && strstr(b->data, words);
}

/* A process that the agent never looked at cannot be missed: then there has to be another. */
static bool restart_is_seen(struct endpoint *p, int i)
{
	int64_t until = clock_work_ms() + 5000;
	char words[64];

	snprintf(words, sizeof words, "restarted, for the %d. time", i);
	if (log_says(p, words))
		return true;
	sensor_kill();
	sensor_start(p);
	while (!log_says(p, words) && clock_work_ms() < until)
		poll(NULL, 0, 20);
	return log_says(p, words);
}

static void a_sensor_that_is_restarted_again_and_again_reverts(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;

	NEED_PROGRAMS(p);
	one = first(p);
	two = trial_of(p, &one, GOOD, "max-restarts = 1\n", FOREVER);
	for (int i = 1; i <= 2; i++) {
		int64_t until = clock_work_ms() + ENDPOINT_LIMIT_MS;

		while (!restart_is_seen(p, i))
			if (clock_work_ms() > until)
				fail_msg("the agent did not see the sensor's %d. restart", i);
	}
	taken_back(p, &one, &two, "sensor-died", "restarted 2 times, at most 1 are allowed");
}

static void a_required_health_check_that_fails_reverts(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;

	NEED_PROGRAMS(p);
	one = first(p);
	/* With what every command gets: slot, channel, digest, serial. */
	endpoint_write(p, "/etc/ringhold/health.d/required.d/10-args", "#!/bin/sh\n[ -d \"$1\" ] && [ \"$2\" = edr ] && [ ${#3} = 64 ] && [ \"$4\" = 111 ]\n", 0755);
	endpoint_write(p, "/etc/ringhold/health.d/required.d/20-network", "#!/bin/sh\nexit 3\n", 0755);
	two = trial_of(p, &one, GOOD, "", FOREVER);
	taken_back(p, &one, &two, "health", "required health check 20-network: exit status 3");
}

static void a_wanted_health_check_that_fails_is_told_and_the_content_stays(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;

	NEED_PROGRAMS(p);
	one = first(p);
	endpoint_write(p, "/etc/ringhold/health.d/required.d/network", "#!/bin/sh\nexit 0\n", 0755);
	endpoint_write(p, "/etc/ringhold/health.d/wanted.d/printer", "#!/bin/sh\nexit 4\n", 0755);
	two = trial_of(p, &one, GOOD, "", 30);
	endpoint_until(p, "the second bundle is committed", endpoint_runs_committed, &two, 1000);
	assert_true(endpoint_has_history(p, "wanted health check printer: exit status 4"));
	assert_true(endpoint_has_history(p, "wanted health checks fail: printer"));
}

static void a_probe_that_cannot_be_run_blames_nobody(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;
	struct seen s;

	NEED_PROGRAMS(p);
	one = first(p);
	two = trial_of(p, &one, GOOD, "probe = /etc/ringhold/probe\nprobe-every = 1s\n", 30);
	for (int64_t until = clock_work_ms() + ENDPOINT_LIMIT_MS; !endpoint_has_history(p, "/etc/ringhold/probe cannot be run"); poll(NULL, 0, 20))
		if (clock_work_ms() > until)
			fail_msg("nobody was told that there is no probe");
	s = endpoint_look(p);
	assert_true(on_trial(&s, &two));
	endpoint_write(p, "/etc/ringhold/probe", "#!/bin/sh\nexit 0\n", 0755);
	endpoint_until(p, "the second bundle is committed", endpoint_runs_committed, &two, 1000);
}

static void a_probe_that_fails_reverts(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;

	NEED_PROGRAMS(p);
	one = first(p);
	endpoint_write(p, "/etc/ringhold/probe", "#!/bin/sh\nexit 5\n", 0755);
	two = trial_of(p, &one, GOOD, "probe = /etc/ringhold/probe\nprobe-every = 1s\n", FOREVER);
	taken_back(p, &one, &two, "probe", "/etc/ringhold/probe: exit status 5");
}

static bool left(const struct seen *s, const void *arg)
{
	const struct published *b = arg;

	return s->state.phase == PHASE_IDLE && !digest_equal(&s->running, &b->digest);
}

static void change_contract(const struct endpoint *p, const char *more)
{
	AUTO(buf) struct buf *text = NULL;
	struct err e;

	assert_ok(file_read(&text, "deploy/demo/contract.json", 1 << 20, &e));
	buf_adds(text, more);
	assert_ok(buf_check(text, &e));
	endpoint_write(p, "/etc/ringhold/contract.json", text->data, 0644);
}

static int setup_contract(void **state)
{
	int rc = endpoint_setup_with(state, "contract = /etc/ringhold/contract.json\n");

	change_contract(*state, "");
	return rc;
}

/* The check that passed in the trial before is not due again for a day: it is asked all the same. */
static void a_trial_under_a_new_contract_counts_nothing_that_was_found_before(void **state)
{
	struct endpoint *p = *state;
	struct published one;

	NEED_PROGRAMS(p);
	more_settings(p, "health-every = 24h\n");
	endpoint_write(p, "/etc/ringhold/health.d/required.d/network", "#!/bin/sh\nexit 0\n", 0755);
	one = first(p);
	endpoint_write(p, "/etc/ringhold/health.d/required.d/network", "#!/bin/sh\nexit 3\n", 0755);
	change_contract(p, "\n");
	endpoint_until(p, "what ran is left", left, &one, 1000);
	assert_true(endpoint_has_history(p, "late_failure"));
	assert_true(endpoint_has_history(p, "required health check network: exit status 3"));
}

/* The demo's content with two rules more: one blocks, one quarantines. */
static void make_newer(const struct endpoint *p, char dir[300])
{
	snprintf(dir, 300, "%s/newer", p->dir);
	shell_must("cp -r " GOOD " %s && sed -i 's|\"instances\": \\[|\"instances\": [\\n    " NEW_RULE ", " NEW_JAIL ",|' %s/rules/process.json", dir, dir);
}

static const struct endpoint *audited_host;

/* The agent's note of what the sensor that counts now counted: events, and of them those that would be blocked and quarantined. */
static bool counted(const struct seen *s, const void *arg)
{
	AUTO(journal) struct journal *j = NULL;
	char note[256];
	struct err e;
	size_t end;

	(void)s;
	assert_ok(journal_open(&j, audited_host->root, &e));
	assert_ok(journal_get(j, "audited.edr", note, sizeof note, &e));
	end = strlen(note);
	return end > strlen(arg) && !strcmp(note + end - strlen(arg), arg);
}

static void new_rules_only_observe_on_trial_are_counted_over_a_restart_and_act_once_committed(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;
	char dir[300], list[512];
	struct seen s;

	NEED_PROGRAMS(p);
	audited_host = p;
	one = first(p);
	make_newer(p, dir);
	p->observe = true;
	two = trial_of(p, &one, dir, "", 3000);
	/* The line comes with the switch or just after it. */
	for (int64_t until = clock_work_ms() + ENDPOINT_LIMIT_MS; !endpoint_has_history(p, "2 rules only observe"); poll(NULL, 0, 20))
		if (clock_work_ms() > until)
			fail_msg("nobody was told that rules only observe");
	for (int i = 0; i < 3; i++) {
		const char *said = judged(NEW_TOOL);

		assert_non_null(strstr(said, "\"verdict\":\"observe\""));
		assert_non_null(strstr(said, "\"would\":\"block\""));
	}
	assert_non_null(strstr(judged(NEW_PREY), "\"would\":\"quarantine\""));
	assert_non_null(strstr(judged(ALERT), "\"verdict\":\"alert\""));
	endpoint_until(p, "the agent has noted what was counted", counted, " 5 3 1", 1000);
	/* Both killed in the middle of it, and the sensor starts before the agent looks again: it still only observes. */
	endpoint_agent_end(p, SIGKILL);
	sensor_kill();
	snprintf(list, sizeof list, "%s/run/ringhold/edr/observe", p->root);
	assert_int_equal(unlink(list), 0);
	sensor_start(p);
	assert_non_null(strstr(judged(NEW_TOOL), "\"would\":\"block\""));
	assert_non_null(strstr(judged(NEW_TOOL), "\"would\":\"block\""));
	assert_non_null(strstr(judged(NEW_PREY), "\"would\":\"quarantine\""));
	endpoint_agent_start(p);
	endpoint_until(p, "the agent has noted what the new sensor counted", counted, " 3 2 1", 1000);
	endpoint_until(p, "the second bundle is committed", endpoint_runs_committed, &two, 10000);
	assert_true(endpoint_has_history(p, "its new rules would have blocked 5 and quarantined 2 of 8 events"));
	s = endpoint_look(p);
	assert_true(digest_equal(&s.running, &two.digest));
	assert_true(verdict_is(judged(NEW_TOOL), "block"));
	assert_true(verdict_is(judged(NEW_PREY), "quarantine"));
	assert_false(file_exists(list));
	snprintf(list, sizeof list, "%s" HOME_CHANNELS "/edr/observe", p->root);
	assert_false(file_exists(list));
}

static void what_new_rules_would_have_done_is_told_of_a_trial_that_is_taken_back_too(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;
	char dir[300];

	NEED_PROGRAMS(p);
	audited_host = p;
	one = first(p);
	make_newer(p, dir);
	p->observe = true;
	endpoint_write(p, "/etc/ringhold/health.d/required.d/network", "#!/bin/sh\nexit 0\n", 0755);
	two = trial_of(p, &one, dir, "", FOREVER);
	for (int i = 0; i < 3; i++)
		(void)judged(NEW_TOOL);
	endpoint_until(p, "the agent has noted what was counted", counted, " 3 3 0", 1000);
	endpoint_write(p, "/etc/ringhold/health.d/required.d/network", "#!/bin/sh\nexit 3\n", 0755);
	taken_back(p, &one, &two, "health", "its new rules would have blocked 3 and quarantined 0 of 3 events");
}

/* A bundle of YARA rules that block: for each word a file, or all of them in one. */
static void make_yara(const struct endpoint *p, const char *name, const char *const *words, size_t count, bool together, char dir[300])
{
	static const char recipe[] = "{\"format\":1,\"channel\":\"edr\",\"created\":\"2026-02-01T08:00:00Z\","
				     "\"types\":[{\"match\":\"*.yar\",\"type\":\"yara\"}]}";
	AUTO(buf) struct buf *rules = buf_new(0);
	char path[400];
	struct err e;

	snprintf(dir, 300, "%s/%s", p->dir, name);
	assert_ok(file_mkdirs(dir, 0755, &e));
	snprintf(path, sizeof path, "%s/bundle.json", dir);
	assert_ok(file_replace(path, recipe, strlen(recipe), 0644, &e));
	for (size_t i = 0; i < count; i++) {
		if (!together)
			buf_clear(rules);
		buf_addf(rules, "rule r_%s { meta: verdict = \"block\" strings: $a = \"%s\" condition: $a }\n", words[i], words[i]);
		snprintf(path, sizeof path, "%s/%s.yar", dir, together ? "all" : words[i]);
		assert_ok(file_replace(path, rules->data, rules->len, 0644, &e));
	}
}

/* ---- a rule that is too slow ---- */

static void write_rule(const struct endpoint *p, const char *dir, const char *condition)
{
	char path[400], rule[300];
	struct err e;

	snprintf(path, sizeof path, "%s/all.yar", dir);
	snprintf(rule, sizeof rule, "rule r { condition: %s }\n", condition);
	assert_ok(file_replace(path, rule, strlen(rule), 0644, &e));
	endpoint_write(p, "/etc/ringhold/contract.json",
		       "{\"format\":1,\"sensor\":\"s\",\"version\":\"1\",\"accepts\":{\"yara\":{\"versions\":[1]}},\"ceilings\":{\"sensor_cpu_percent\":10}}", 0644);
}

struct at_work {
	endpoint_done *done;
	const void *arg;
};

/* Between two looks the sensor judges one event, and has to answer. */
static bool done_at_work(const struct seen *s, const void *arg)
{
	const struct at_work *w = arg;

	(void)judged("{\"text\":\"one of many\"}\n");
	return w->done(s, w->arg);
}

static int setup_slow(void **state)
{
	return endpoint_setup_with(state, "contract = /etc/ringhold/contract.json\n");
}

/* It passes the canary, which has no event for it, and burns the processor with those of the host. */
static void a_rule_that_burns_the_processor_in_the_sensor_is_taken_back_by_the_contracts_ceiling(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;
	char dir[300];

	NEED_PROGRAMS(p);
	make_yara(p, "slow", (const char *const[]){ "THREAT" }, 1, true, dir);
	write_rule(p, dir, "filesize == 1");
	more_settings(p, "ceiling-window = 1s\nverdict-rate = 0\n");
	one = endpoint_bundle(p, dir, 110, NULL);
	endpoint_assign(p, &one, NULL, 1, 30, 0);
	sensor_start(p);
	endpoint_agent_start(p);
	endpoint_until(p, "the quick rule is committed", done_at_work, &(struct at_work){ endpoint_runs_committed, &one }, 1000);
	write_rule(p, dir, "for all i in (1..2000000) : ( uint8(0) != i + 256 )");
	two = endpoint_bundle(p, dir, 111, NULL);
	endpoint_assign(p, &two, &one, 1, FOREVER, 0);
	endpoint_until(p, "the slow rule is tried", tried, &two, 1000);
	endpoint_until(p, "it is taken back", done_at_work, &(struct at_work){ given_up, &two }, 100);
	assert_true(endpoint_has_history(p, "ceiling-cpu"));
	assert_true(endpoint_has_history(p, "% of a processor over 1 s, at most 10 % are allowed"));
	assert_true(quarantined(p, &two));
	endpoint_until(p, "the sensor runs the quick one", done_at_work, &(struct at_work){ endpoint_runs_committed, &one }, 0);
}

static void audit_yara(struct endpoint *p, bool together)
{
	struct published one, two;
	char before[300], after[300];

	make_yara(p, "before", (const char *const[]){ "OLDTHREAT" }, 1, together, before);
	make_yara(p, "after", (const char *const[]){ "OLDTHREAT", "NEWTHREAT" }, 2, together, after);
	one = endpoint_bundle(p, before, 110, NULL);
	endpoint_assign(p, &one, NULL, 1, 30, 0);
	sensor_start(p);
	endpoint_agent_start(p);
	endpoint_until(p, "the first bundle is committed", endpoint_runs_committed, &one, 1000);
	p->observe = true;
	two = trial_of(p, &one, after, "", 3000);
	assert_true(verdict_is(judged("{\"text\":\"an OLDTHREAT\"}\n"), "block"));
	assert_non_null(strstr(judged("{\"text\":\"a NEWTHREAT\"}\n"), "\"would\":\"block\""));
	endpoint_until(p, "the second bundle is committed", endpoint_runs_committed, &two, 10000);
	assert_true(endpoint_has_history(p, "its new rules would have blocked 1 and quarantined 0 of 2 events"));
	for (int64_t until = clock_work_ms() + ENDPOINT_LIMIT_MS; strstr(judged("{\"text\":\"a NEWTHREAT\"}\n"), "\"would\""); poll(NULL, 0, 20))
		if (clock_work_ms() > until)
			fail_msg("the new rules do not act");
}

static void of_yara_a_new_file_only_observes_and_an_old_one_goes_on(void **state)
{
	NEED_PROGRAMS((struct endpoint *)*state);
	audit_yara(*state, false);
}

static void of_a_changed_yara_file_the_new_rule_only_observes_and_the_old_one_goes_on(void **state)
{
	NEED_PROGRAMS((struct endpoint *)*state);
	audit_yara(*state, true);
}

int main(int argc, char **argv)
{
#define T(f) cmocka_unit_test_setup_teardown(f, endpoint_setup, sensor_teardown)
	const struct CMUnitTest tests[] = {
		T(a_storm_of_verdicts_reverts_and_quarantines),
		T(a_sensor_that_takes_the_processor_reverts),
		T(a_sensor_that_keeps_too_much_memory_reverts),
		T(a_sensor_that_is_restarted_again_and_again_reverts),
		T(a_required_health_check_that_fails_reverts),
		T(a_wanted_health_check_that_fails_is_told_and_the_content_stays),
		T(a_probe_that_cannot_be_run_blames_nobody),
		T(a_probe_that_fails_reverts),
		cmocka_unit_test_setup_teardown(a_trial_under_a_new_contract_counts_nothing_that_was_found_before, setup_contract, sensor_teardown),
		T(new_rules_only_observe_on_trial_are_counted_over_a_restart_and_act_once_committed),
		T(what_new_rules_would_have_done_is_told_of_a_trial_that_is_taken_back_too),
		T(of_yara_a_new_file_only_observes_and_an_old_one_goes_on),
		cmocka_unit_test_setup_teardown(a_rule_that_burns_the_processor_in_the_sensor_is_taken_back_by_the_contracts_ceiling, setup_slow, sensor_teardown),
		T(of_a_changed_yara_file_the_new_rule_only_observes_and_the_old_one_goes_on),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
