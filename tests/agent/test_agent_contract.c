/* test_agent_contract: a contract that changed under what runs, with the real agent. */
#include "endpoint_story.h"
#include "processes.h"

static bool on_trial_again(const struct seen *s, const void *arg)
{
	const struct published *b = arg;

	return s->record.mode == BOOT_TRIAL && s->state.phase == PHASE_ACTIVE && digest_equal(&s->running, &b->digest) &&
	       !memcmp(s->record.digest[RUNG_CURRENT], b->digest.bytes, DIGEST_LEN);
}

static void quarantine_for(struct endpoint *p, const struct published *b, const char *cause)
{
	struct quarantine q = { .digest = b->digest, .attempt = 9, .at = clock_now() };
	char path[300];
	struct err e;

	snprintf(path, sizeof path, "%s" HOME_CHANNELS "/edr", p->root);
	AUTO_FD int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(q.cause, sizeof q.cause, "%s", cause);
	memset(q.contract.bytes, 7, DIGEST_LEN);
	assert_ok(quarantine_add(dir, &q, &e));
}

static bool quarantined(struct endpoint *p, const struct published *b, uint64_t attempt)
{
	char path[512], hex[DIGEST_HEX_LEN + 1];

	digest_hex(hex, &b->digest);
	snprintf(path, sizeof path, "%s" HOME_CHANNELS "/edr/quarantine.d/%s.%llu", p->root, hex, (unsigned long long)attempt);
	return file_exists(path);
}

struct bundle_of {
	struct endpoint *p;
	const struct published *b;
};

static bool is_quarantined(const struct seen *s, const void *arg)
{
	const struct bundle_of *of = arg;

	return s->state.phase == PHASE_IDLE && quarantined(of->p, of->b, 1);
}

static void a_contract_that_accepts_what_runs_puts_it_on_trial_again(void **state)
{
	struct endpoint *p = *state;
	struct published one;
	struct seen seen;

	NEED_AGENT(p);
	one = settled(p);
	assert_tells(p, "contract-changed", NULL, 0, "serial 110 is accepted\n");       /* nothing changed */
	endpoint_agent_end(p, SIGTERM);
	endpoint_sensor_stop(p);        /* the hook: the old sensor is stopped */
	quarantine_for(p, &one, "ceiling-load");
	put_contract(p, true, "7.12");
	assert_tells(p, "contract-changed", NULL, 0, "and on trial again");
	assert_false(quarantined(p, &one, 9));
	seen = endpoint_look(p);
	assert_true(on_trial_again(&seen, &one));
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_until(p, "the trial is committed", endpoint_runs_committed, &one, 1000);
	assert_int_equal(endpoint_look(p).record.high_water, 110);
	assert_true(endpoint_has_history(p, "accepted, and on trial again"));
}

static void a_running_agent_does_it_too_whoever_tells_it(void **state)
{
	struct endpoint *p = *state;
	struct published one;

	NEED_AGENT(p);
	one = settled(p);
	put_contract(p, true, "7.12");
	endpoint_until(p, "the agent saw the contract change", on_trial_again, &one, 100);
	endpoint_until(p, "the trial is committed", endpoint_runs_committed, &one, 1000);
	put_contract(p, true, "7.13");
	assert_tells(p, "contract-changed", NULL, 0, "serial 110 is accepted");
	endpoint_until(p, "the second trial is committed", endpoint_runs_committed, &one, 1000);
	assert_tells(p, "status", "--json", 0, "\"trouble\": null");     /* the judge reads the new file as well */
}

/* Nobody tells the agent, nobody assigns anything anew: what the old contract may have caused is over with it. */
static void a_running_agent_lifts_what_the_old_contract_refused_and_the_same_attempt_is_committed(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;

	NEED_AGENT(p);
	put_contract(p, false, "7.10");
	one = settled(p);
	two = endpoint_bundle(p, ONE_MORE, 111, NULL);
	endpoint_assign(p, &two, &one, 1, 10, 0);
	endpoint_until(p, "it is refused", is_quarantined, &(struct bundle_of){ p, &two }, 1000);
	assert_true(endpoint_has_history(p, "contract: "));
	quarantine_for(p, &one, "hang");
	quarantine_for(p, &two, "boot-failed");
	put_contract(p, true, "7.11");
	endpoint_until(p, "the same attempt is committed", endpoint_runs_committed, &two, 1000);
	assert_false(quarantined(p, &two, 1));
	assert_false(quarantined(p, &one, 9));
	assert_true(quarantined(p, &two, 9));   /* a boot fails under any contract */
}

/* A sensor that dies on what it ran before: late, and back to the content before it. */
static void what_the_new_sensor_does_not_survive_is_left(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;

	NEED_AGENT(p);
	one = settled(p);
	two = endpoint_bundle(p, GOOD, 111, NULL);
	commit(p, &two, &one);
	endpoint_agent_end(p, SIGTERM);
	endpoint_sensor_stop(p);
	put_contract(p, true, "7.12");
	assert_tells(p, "contract-changed", NULL, 0, "serial 111 is accepted, and on trial again");
	p->refused = two.digest;
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_until(p, "the one before is on trial, for the new contract", on_trial_again, &one, 1000);
	assert_true(endpoint_has_history(p, "late_failure"));
	assert_true(quarantined(p, &two, 1));
	endpoint_until(p, "the one before is committed", endpoint_runs_committed, &one, 1000);
}

static struct published refused_soon(struct endpoint *p, struct published *one)
{
	struct published two;

	*one = settled(p);
	two = endpoint_bundle(p, ONE_MORE, 111, NULL);
	commit(p, &two, one);
	endpoint_agent_end(p, SIGTERM);
	endpoint_sensor_stop(p);
	put_contract(p, false, "7.10");         /* supplies 20 fields: the sensor was taken back */
	return two;
}

/* As a package's postinst runs it, with this agent for the installed one. */
static void assert_hook_says(struct endpoint *p, const char *words)
{
	char script[1400], command[800];
	char *argv[] = { (char *)"sh", (char *)"-c", command, NULL };
	struct proc_run run = { .path = "/bin/sh", .argv = argv, .stdin_fd = -1, .timeout_ms = 120000, .output_max = 1 << 16 };
	struct proc_result r;
	struct err e;

	snprintf(script, sizeof script, "#!/bin/sh\nRINGHOLD_TEST_CLOCK='%s' exec '%s' \"$@\" --root '%s'\n", getenv("RINGHOLD_TEST_CLOCK"),
		 p->bin, p->root);
	endpoint_write(p, "/agent.sh", script, 0755);
	snprintf(command, sizeof command, "RINGHOLD_AGENT='%s/agent.sh'; . deploy/hooks/sensor-upgrade.sh; ringhold_contract_changed 2>&1", p->root);
	assert_ok(proc_run(&run, &r, &e));
	if (!strstr(r.output->data ? r.output->data : "", words))
		fail_msg("no \"%s\" in: %s", words, r.output->data);
	assert_int_equal(r.exit_status, 1);
	proc_result_release(&r);
}

static void what_the_contract_refuses_gives_way_to_what_it_accepts(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;

	NEED_AGENT(p);
	two = refused_soon(p, &one);
	assert_tells(p, "contract-changed", NULL, 3, "serial 110 runs instead");
	assert_true(runs(p, &one.digest));
	assert_true(quarantined(p, &two, 1));
	assert_tells(p, "contract-changed", NULL, 3, "serial 110 runs instead");        /* the same again */
	assert_hook_says(p, "what ran is refused by the new contract; older content runs");
	assert_tells(p, "explain", "111", 0, "quarantined here since");
	assert_true(endpoint_has_history(p, "late_failure"));
}

static void killed_anywhere_it_comes_to_the_same(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;
	int status = -1;

	NEED_AGENT(p);
	two = refused_soon(p, &one);
	for (int life = 5; status != 3; life += 15) {
		pid_t pid = fork();

		assert_true(life < 60000);
		if (pid == 0) {
			int null = open("/dev/null", O_WRONLY);

			dup2(null, STDOUT_FILENO);
			dup2(null, STDERR_FILENO);
			execl(p->bin, "ringhold-agent", "contract-changed", "--root", p->root, (char *)NULL);
			_exit(127);
		}
		for (int64_t end = clock_work_ms() + life; clock_work_ms() < end && waitpid(pid, &status, WNOHANG) == 0;)
			poll(NULL, 0, 2);
		if (status >= 0 && WIFEXITED(status) && kill(pid, 0) < 0) {
			status = WEXITSTATUS(status);
			continue;
		}
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		status = -1;
		/* Whatever was running is whole, and one of the two. */
		assert_true((runs(p, &two.digest) && whole(p, &two)) || (runs(p, &one.digest) && whole(p, &one)));
	}
	assert_true(runs(p, &one.digest));
	assert_true(quarantined(p, &two, 1));
}

static void where_nothing_is_accepted_nothing_runs_until_something_is(void **state)
{
	static const struct digest none;
	struct endpoint *p = *state;
	struct published one, two;

	NEED_AGENT(p);
	one = endpoint_bundle(p, ONE_MORE, 110, NULL);
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	commit(p, &one, NULL);
	endpoint_agent_end(p, SIGTERM);
	put_contract(p, false, "7.10");
	assert_tells(p, "contract-changed", NULL, 4, "nothing on this host is accepted");
	assert_true(runs(p, &none));
	two = endpoint_bundle(p, GOOD, 111, NULL);
	endpoint_agent_start(p);
	commit(p, &two, NULL);
}

/* ---- a sensor that dies while it is proved ---- */

#define SLOW "/etc/ringhold/loaders/slow"
#define MARK "/etc/ringhold/marks/hang"

/* Content whose check command never ends once the mark is there. */
static int setup_slow(void **state)
{
	static const char command[] = "#!/bin/sh\n[ -e \"${1%/var/lib/*}" MARK "\" ] && exec sleep 86398\nexit 0\n";
	AUTO(buf) struct buf *ini = NULL;
	AUTO_FREE char *path = NULL;
	struct endpoint *p;
	struct err e;

	if (endpoint_setup_with(state, "contract = /etc/ringhold/contract.json\n") < 0)
		return -1;
	p = *state;
	path = file_join(p->root, "etc/ringhold/agent.ini");
	assert_ok(file_read(&ini, path, 1 << 16, &e));
	buf_adds(ini, "exec = slow=" SLOW "\nexec-reads = /etc/ringhold/marks\ncanary-wall = 10m\n");
	assert_ok(file_replace(path, ini->data, ini->len, 0644, &e));
	endpoint_write(p, SLOW, command, 0755);
	endpoint_write(p, "/etc/ringhold/marks/.keep", "", 0644);
	endpoint_write(p, "/etc/ringhold/contract.json",
		       "{\"format\":1,\"sensor\":\"s\",\"version\":\"1\",\"accepts\":{\"slow\":{\"versions\":[1]}}}", 0644);
	return 0;
}

static struct published slow_bundle(struct endpoint *p, uint64_t serial)
{
	char dir[200], path[300];
	struct err e;

	snprintf(dir, sizeof dir, "%.100s/slow", p->dir);
	assert_ok(file_mkdirs(dir, 0755, &e));
	snprintf(path, sizeof path, "%s/bundle.json", dir);
	static const char manifest[] = "{\"format\":1,\"channel\":\"edr\",\"created\":\"2026-02-01T08:00:00Z\","
				       "\"types\":[{\"match\":\"*.bin\",\"type\":\"slow\"}]}";
	assert_ok(file_replace(path, manifest, strlen(manifest), 0644, &e));
	snprintf(path, sizeof path, "%s/x.bin", dir);
	assert_ok(file_replace(path, "x\n", 2, 0644, &e));
	return endpoint_bundle(p, dir, serial, NULL);
}

static bool on_trial(const struct seen *s, const void *arg)
{
	(void)arg;
	return s->state.phase == PHASE_ACTIVE;
}

static bool proving(const struct seen *s, const void *arg)
{
	(void)s;
	(void)arg;
	return processes_naming("86398");
}

static bool left(const struct seen *s, const void *arg)
{
	const struct published *b = arg;

	return s->state.phase == PHASE_IDLE && !digest_equal(&s->running, &b->digest);
}

/* The proof would take ten minutes; whoever waits here gives up after two. */
static void a_trial_is_watched_while_a_new_contract_is_proved(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;

	NEED_AGENT(p);
	if (geteuid())
		skip_named("not root: check commands have no namespace");
	one = slow_bundle(p, 110);
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	commit(p, &one, NULL);
	two = slow_bundle(p, 111);
	endpoint_assign(p, &two, &one, 1, 3600, 0);
	endpoint_until(p, "the second bundle is on trial", on_trial, NULL, 1000);
	endpoint_write(p, MARK, "", 0644);
	endpoint_write(p, "/etc/ringhold/contract.json",
		       "{\"format\":1,\"sensor\":\"s\",\"version\":\"2\",\"accepts\":{\"slow\":{\"versions\":[1]}}}", 0644);
	endpoint_until(p, "it is being proved", proving, NULL, 0);
	assert_int_equal(endpoint_look(p).state.phase, PHASE_ACTIVE);
	p->sensor_refuses = true;
	endpoint_sensor_load(p);
	endpoint_until(p, "what the sensor refuses is left", left, &two, 100);
	assert_true(quarantined(p, &two, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ENDPOINT_TEST(a_contract_that_accepts_what_runs_puts_it_on_trial_again, setup_wide),
		ENDPOINT_TEST(a_running_agent_does_it_too_whoever_tells_it, setup_wide),
		ENDPOINT_TEST(a_running_agent_lifts_what_the_old_contract_refused_and_the_same_attempt_is_committed, setup_wide),
		ENDPOINT_TEST(what_the_new_sensor_does_not_survive_is_left, setup_wide),
		ENDPOINT_TEST(what_the_contract_refuses_gives_way_to_what_it_accepts, setup_wide),
		ENDPOINT_TEST(killed_anywhere_it_comes_to_the_same, setup_wide),
		ENDPOINT_TEST(a_trial_is_watched_while_a_new_contract_is_proved, setup_slow),
		ENDPOINT_TEST(where_nothing_is_accepted_nothing_runs_until_something_is, setup_wide),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
