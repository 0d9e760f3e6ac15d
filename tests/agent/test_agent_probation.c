/* test_agent_probation: the real agent beside the real reference sensor: what content does on trial decides. */
#include <sys/prctl.h>

#include "endpoint.h"

#define GOOD "deploy/demo/edr-good"
#define FOREVER 86400           /* a probation that ends by a failure only */

#define ALERT "{\"template\":\"ipc\",\"fields\":{\"image\":\"/usr/bin/nc\",\"pid\":4711}}\n"
#define NEW_TOOL "{\"template\":\"process\",\"fields\":{\"image\":\"/opt/new/tool\",\"command_line\":\"tool\"}}\n"
#define NEW_RULE                                                                                              \
	"{\"id\": \"process-0100\", \"template\": \"process\", \"verdict\": \"block\", \"note\": \"n\", "       \
	"\"match\": {\"image\": {\"equals\": \"/opt/new/tool\"}}}"

#define NEED_PROGRAMS(p)                                                                               \
	do {                                                                                           \
		if (access((p)->bin, X_OK) < 0 || access(sensor_program(p), X_OK) < 0)                 \
			skip_named("%s is not built", access((p)->bin, X_OK) < 0 ? (p)->bin : sensor_program(p)); \
	} while (0)

/* ---- the reference sensor ---- */

static struct {
	pid_t pid;
	int in;
	FILE *out;
} sensor = { .pid = -1, .in = -1 };

static const char *sensor_program(const struct endpoint *p)
{
	static char path[560];

	snprintf(path, sizeof path, "%.*s/ringhold-sensor", (int)(strrchr(p->bin, '/') - p->bin), p->bin);
	return path;
}

static void sensor_kill(void)
{
	if (sensor.pid <= 0)
		return;
	kill(sensor.pid, SIGKILL);
	waitpid(sensor.pid, NULL, 0);
	close(sensor.in);
	fclose(sensor.out);
	sensor.pid = -1;
}

static void sensor_start(struct endpoint *p)
{
	int in[2], out[2];

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	sensor.pid = fork();
	assert_true(sensor.pid >= 0);
	if (sensor.pid == 0) {
		int null = open("/dev/null", O_WRONLY);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		execl(sensor_program(p), "ringhold-sensor", "--root", p->root, "--channel", "edr", (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	sensor.in = in[1];
	sensor.out = fdopen(out[0], "r");
	assert_non_null(sensor.out);
}

/* One event in, its verdict out; the text lives until the next call. */
static const char *judged(const char *event)
{
	static char line[1024];

	assert_int_equal(write(sensor.in, event, strlen(event)), strlen(event));
	assert_non_null(fgets(line, sizeof line, sensor.out));
	return line;
}

static bool verdict_is(const char *said, const char *verdict)
{
	char want[64];

	snprintf(want, sizeof want, "\"verdict\":\"%s\"", verdict);
	if (!strstr(said, want))
		fprintf(stderr, "no %s: %s", want, said);
	return strstr(said, want);
}

/* ---- scenes ---- */

static void more_settings(struct endpoint *p, const char *lines)
{
	AUTO(buf) struct buf *b = NULL;
	char path[512], *wait;
	struct err e;

	snprintf(path, sizeof path, "%s/etc/ringhold/agent.ini", p->root);
	assert_ok(file_read(&b, path, 65536, &e));
	wait = strstr(b->data, "sensor-wait = 2s");
	/* A busy machine takes its time to start a sensor again. */
	if (wait)
		memcpy(wait, "sensor-wait = 5m", strlen("sensor-wait = 5m"));
	buf_adds(b, lines);
	assert_ok(file_replace(path, b->data, b->len, 0644, &e));
}

static bool on_trial(const struct seen *s, const void *arg)
{
	const struct published *b = arg;

	return s->state.phase == PHASE_ACTIVE && digest_equal(&s->running, &b->digest);
}

static bool given_up(const struct seen *s, const void *arg)
{
	const struct published *b = arg;

	return s->state.phase == PHASE_IDLE && digest_equal(&s->state.last.assigned, &b->digest) && s->record.mode == BOOT_COMMITTED &&
	       !digest_equal(&s->running, &b->digest);
}

/* Some trials are over before anybody could look. */
static bool tried(const struct seen *s, const void *arg)
{
	return on_trial(s, arg) || given_up(s, arg);
}

static bool quarantined(struct endpoint *p, const struct published *b)
{
	char path[512], hex[DIGEST_HEX_LEN + 1];

	digest_hex(hex, &b->digest);
	snprintf(path, sizeof path, "%s" HOME_CHANNELS "/edr/quarantine.d/%s.1", p->root, hex);
	return file_exists(path);
}

/* Content committed under the settings as they ship; then those of the scene, and newer content on trial. */
static struct published first(struct endpoint *p)
{
	struct published one = endpoint_bundle(p, GOOD, 110, NULL);

	endpoint_assign(p, &one, NULL, 1, 30, 0);
	sensor_start(p);
	endpoint_agent_start(p);
	endpoint_until(p, "the first bundle is committed", endpoint_runs_committed, &one, 1000);
	return one;
}

static struct published trial_of(struct endpoint *p, const struct published *one, const char *dir, const char *settings, int64_t probation_s)
{
	struct published two;

	endpoint_agent_end(p, SIGTERM);
	more_settings(p, settings);
	endpoint_agent_start(p);
	two = endpoint_bundle(p, dir, 111, NULL);
	endpoint_assign(p, &two, one, 1, probation_s, 0);
	endpoint_until(p, "the second bundle is tried", tried, &two, 1000);
	return two;
}

static void taken_back(struct endpoint *p, const struct published *one, const struct published *two, const char *reason, const char *words)
{
	struct seen s;

	endpoint_until(p, "the second bundle is taken back", given_up, two, 100);
	s = endpoint_look(p);
	assert_true(digest_equal(&s.running, &one->digest));
	if (!endpoint_has_history(p, reason) || !endpoint_has_history(p, words)) {
		endpoint_print_log(p);
		fail_msg("taken back, but not for %s, %s: %s", reason, words, s.state.last.reason);
	}
	assert_true(quarantined(p, two));
}

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

/* The demo's content with one rule more, that blocks. */
static void make_newer(const struct endpoint *p, char dir[300])
{
	char line[1200];

	snprintf(dir, 300, "%s/newer", p->dir);
	snprintf(line, sizeof line,
		 "cp -r " GOOD " %s && sed -i 's|\"instances\": \\[|\"instances\": [\\n    " NEW_RULE ",|' %s/rules/process.json", dir, dir);
	assert_int_equal(system(line), 0);
}

static void new_rules_only_observe_on_trial_are_counted_and_act_once_committed(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;
	char dir[300], list[512];
	struct seen s;

	NEED_PROGRAMS(p);
	one = first(p);
	make_newer(p, dir);
	p->observe = true;
	two = trial_of(p, &one, dir, "", 3000);
	/* The line comes with the switch or just after it. */
	for (int64_t until = clock_work_ms() + ENDPOINT_LIMIT_MS; !endpoint_has_history(p, "1 rules only observe"); poll(NULL, 0, 20))
		if (clock_work_ms() > until)
			fail_msg("nobody was told that a rule only observes");
	for (int i = 0; i < 3; i++) {
		const char *said = judged(NEW_TOOL);

		assert_non_null(strstr(said, "\"verdict\":\"observe\""));
		assert_non_null(strstr(said, "\"would\":\"block\""));
	}
	assert_non_null(strstr(judged(ALERT), "\"verdict\":\"alert\""));
	/* Killed and started in the middle of it, before the agent looks again: it still only observes. */
	sensor_kill();
	snprintf(list, sizeof list, "%s/run/ringhold/edr/observe", p->root);
	assert_int_equal(unlink(list), 0);
	sensor_start(p);
	assert_non_null(strstr(judged(NEW_TOOL), "\"would\":\"block\""));
	assert_non_null(strstr(judged(NEW_TOOL), "\"would\":\"block\""));
	endpoint_until(p, "the second bundle is committed", endpoint_runs_committed, &two, 1000);
	assert_true(endpoint_has_history(p, "its new rules would have blocked 2 and quarantined 0 of 2 events"));
	s = endpoint_look(p);
	assert_true(digest_equal(&s.running, &two.digest));
	assert_true(verdict_is(judged(NEW_TOOL), "block"));
	assert_false(file_exists(list));
	snprintf(list, sizeof list, "%s" HOME_CHANNELS "/edr/observe", p->root);
	assert_false(file_exists(list));
}

static int teardown(void **state)
{
	sensor_kill();
	return endpoint_teardown(state);
}

int main(int argc, char **argv)
{
#define T(f) cmocka_unit_test_setup_teardown(f, endpoint_setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_storm_of_verdicts_reverts_and_quarantines),
		T(a_sensor_that_takes_the_processor_reverts),
		T(a_sensor_that_keeps_too_much_memory_reverts),
		T(a_sensor_that_is_restarted_again_and_again_reverts),
		T(a_required_health_check_that_fails_reverts),
		T(a_wanted_health_check_that_fails_is_told_and_the_content_stays),
		T(a_probe_that_cannot_be_run_blames_nobody),
		cmocka_unit_test_setup_teardown(a_trial_under_a_new_contract_counts_nothing_that_was_found_before, setup_contract, teardown),
		T(new_rules_only_observe_on_trial_are_counted_and_act_once_committed),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
