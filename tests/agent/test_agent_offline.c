/* test_agent_offline: the real agent against a repository served as files, with no server at all. */
#include "endpoint.h"
#include "endpoint_delta.h"
#include "shell.h"

#define GOOD "deploy/demo/edr-good"
#define TOO_MANY_FIELDS "deploy/demo/edr-21"

#define NEED_AGENT(p)                                                            \
	do {                                                                     \
		if (access((p)->bin, X_OK) < 0)                                  \
			skip_named("%s is not built", (p)->bin);                 \
	} while (0)

/* One good bundle, committed, agent and sensor running. */
static struct published settled(struct endpoint *p)
{
	struct published one = endpoint_bundle(p, GOOD, 110, NULL);

	endpoint_assign(p, &one, NULL, 1, 30, 0);
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_until(p, "the first bundle is committed", endpoint_runs_committed, &one, 1000);
	return one;
}

static bool quarantined(struct endpoint *p, const struct published *b, uint64_t attempt)
{
	char path[512], hex[DIGEST_HEX_LEN + 1];

	digest_hex(hex, &b->digest);
	snprintf(path, sizeof path, "%s" HOME_CHANNELS "/edr/quarantine.d/%s.%llu", p->root, hex, (unsigned long long)attempt);
	return file_exists(path);
}

static bool has_slot(struct endpoint *p, const struct published *b)
{
	char path[512], hex[DIGEST_HEX_LEN + 1];

	digest_hex(hex, &b->digest);
	snprintf(path, sizeof path, "%s" HOME_CHANNELS "/edr/slots/%s", p->root, hex);
	return file_exists(path);
}

static bool runs(struct endpoint *p, const struct published *b)
{
	struct seen s = endpoint_look(p);

	return digest_equal(&s.running, &b->digest);
}

/* The phase is idle again, and the latest verdict is about this bundle. */
static bool idle_after(const struct seen *s, const void *arg)
{
	const struct published *b = arg;

	return s->state.phase == PHASE_IDLE && digest_equal(&s->state.last.assigned, &b->digest) && s->state.last.say == SAY_NOTHING;
}

static bool in_phase(const struct seen *s, const void *arg)
{
	return s->state.phase == *(const enum phase *)arg;
}

static void content_comes_on_trial_and_is_committed_by_health_alone(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;
	char *out;

	NEED_AGENT(p);
	one = settled(p);
	assert_int_equal(p->loads, 1);
	two = endpoint_bundle(p, GOOD, 111, NULL);
	endpoint_assign(p, &two, &one, 1, 30, 0);
	endpoint_until(p, "the second bundle is committed", endpoint_runs_committed, &two, 1000);
	assert_true(endpoint_has_history(p, "survived"));
	assert_int_equal(endpoint_command(p, &out, "check", NULL, NULL), 0);
	free(out);
	assert_int_equal(endpoint_command(p, &out, "status", "--json", NULL), 0);
	assert_non_null(strstr(out, "\"phase\": \"idle\""));
	free(out);
	assert_int_equal(endpoint_agent_end(p, SIGTERM), 0);
	assert_int_equal(endpoint_look(p).record.flags & BOOT_FLAG_CLEAN, BOOT_FLAG_CLEAN);
}

static void content_that_the_contract_refuses_is_declined_before_its_canary_runs(void **state)
{
	struct endpoint *p = *state;
	struct published one, bad;

	NEED_AGENT(p);
	one = settled(p);
	bad = endpoint_bundle(p, TOO_MANY_FIELDS, 111, NULL);
	endpoint_assign(p, &bad, &one, 1, 30, 0);
	endpoint_until(p, "the bad bundle is refused", idle_after, &bad, 1000);
	assert_true(endpoint_has_history(p, "declined"));
	assert_true(endpoint_has_history(p, "supplies 20"));
	assert_true(quarantined(p, &bad, 1));
	assert_false(has_slot(p, &bad));
	assert_int_equal(p->loads, 1);
	assert_true(runs(p, &one));
}

static void cut_the_end(struct buf *b)
{
	b->len -= 40;
}

static void change_a_byte(struct buf *b)
{
	b->data[b->len / 2] ^= 0x20;
}

static void add_a_byte(struct buf *b)
{
	buf_addc(b, 'x');
}

/* The vendor's own keys signed bytes that are not the bundle they name. */
static void an_archive_that_is_not_its_digest_is_refused_and_what_runs_is_untouched(void **state)
{
	static void (*const how[])(struct buf *) = { cut_the_end, change_a_byte, add_a_byte };
	struct endpoint *p = *state;
	struct published one, bad;

	NEED_AGENT(p);
	one = settled(p);
	for (size_t i = 0; i < ARRAY_LEN(how); i++) {
		bad = endpoint_bundle(p, GOOD, 111 + i, how[i]);
		endpoint_assign(p, &bad, &one, 1, 30, 0);
		endpoint_until(p, "the damaged bundle is refused", idle_after, &bad, 1000);
		assert_true(quarantined(p, &bad, 1));
		assert_false(has_slot(p, &bad));
		assert_true(runs(p, &one));
	}
	assert_int_equal(p->loads, 1);
}

/* The mirror serves other bytes than were signed: refused before decoding, tried again, right in the end. */
static void bytes_that_were_not_signed_are_never_decoded_and_the_right_ones_still_arrive(void **state)
{
	static const enum phase fetching = PHASE_FETCHING;
	struct endpoint *p = *state;
	AUTO(buf) struct buf *right = NULL;
	struct published one, two;
	char *file, *out;
	struct err e;

	NEED_AGENT(p);
	one = settled(p);
	two = endpoint_bundle(p, GOOD, 111, NULL);
	assert_ok(repo_target_file(p->published, two.path, &file, &e));
	assert_ok(file_read(&right, file, 1 << 24, &e));
	right->data[100] ^= 1;
	assert_ok(file_replace(file, right->data, right->len, 0644, &e));
	endpoint_assign(p, &two, &one, 1, 30, 0);
	endpoint_until(p, "it is fetched", in_phase, &fetching, 1000);
	for (int i = 0; i < 40; i++) {
		*p->clock_ms += 1000;
		poll(NULL, 0, 20);
		assert_false(has_slot(p, &two));
	}
	assert_int_equal(endpoint_command(p, &out, "history", NULL, NULL), 0);
	assert_non_null(strstr(out, "digest-mismatch"));
	free(out);
	right->data[100] ^= 1;
	assert_ok(file_replace(file, right->data, right->len, 0644, &e));
	endpoint_until(p, "the right bytes are committed", endpoint_runs_committed, &two, 5000);
	free(file);
}

static void a_sensor_that_refuses_the_content_gets_the_old_one_back(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;

	NEED_AGENT(p);
	one = settled(p);
	p->sensor_refuses = true;
	two = endpoint_bundle(p, GOOD, 111, NULL);
	endpoint_assign(p, &two, &one, 1, 30, 0);
	endpoint_until(p, "the trial is reverted", idle_after, &two, 1000);
	assert_true(endpoint_has_history(p, "failed"));
	assert_true(quarantined(p, &two, 1));
	assert_true(runs(p, &one));
	/* A new attempt is a new chance, the same one is not. */
	p->sensor_refuses = false;
	endpoint_assign(p, &two, &one, 2, 30, 0);
	endpoint_until(p, "the second attempt is committed", endpoint_runs_committed, &two, 1000);
}

/* The second bundle is on trial over the first, for so long and so many boots. */
static void second_on_trial(struct endpoint *p, struct published *one, struct published *two, int seconds, int boots)
{
	static const enum phase active = PHASE_ACTIVE;

	*one = settled(p);
	*two = endpoint_bundle(p, GOOD, 111, NULL);
	endpoint_assign(p, two, one, 1, seconds, boots);
	endpoint_until(p, "the trial runs", in_phase, &active, 1000);
}

static void a_sensor_that_dies_on_trial_gets_the_old_content_back(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;

	NEED_AGENT(p);
	second_on_trial(p, &one, &two, 100000, 0);
	while (p->loads < 2) {
		poll(NULL, 0, 10);
		if (ringhold_switched(&p->sensor))
			endpoint_sensor_load(p);
	}
	endpoint_sensor_stop(p);
	endpoint_until(p, "the trial is reverted", idle_after, &two, 100);
	assert_true(endpoint_has_history(p, "sensor-died"));
	assert_true(runs(p, &one));
}

static bool tells_of_a_stop(const struct seen *s, const void *arg)
{
	(void)s;
	return endpoint_history_count((struct endpoint *)arg, "stop") > 0;
}

static void stopped_content_is_left_for_the_one_before_and_never_comes_back(void **state)
{
	static const enum phase active = PHASE_ACTIVE;
	struct endpoint *p = *state;
	struct published one, two, three;

	NEED_AGENT(p);
	one = settled(p);
	two = endpoint_bundle(p, GOOD, 111, NULL);
	endpoint_assign(p, &two, &one, 1, 30, 0);
	endpoint_until(p, "the second bundle is committed", endpoint_runs_committed, &two, 1000);
	endpoint_stop(p, &two);
	endpoint_until(p, "the stop is obeyed", endpoint_runs_committed, &one, 1000);
	endpoint_until(p, "people are told of it", tells_of_a_stop, p, 1000);
	endpoint_assign(p, &two, &one, 2, 30, 0);
	endpoint_until(p, "a new attempt at stopped content is refused", idle_after, &two, 5000);
	/* On trial it is given up, which is no failure of the content. */
	three = endpoint_bundle(p, GOOD, 112, NULL);
	endpoint_assign(p, &three, &one, 1, 100000, 0);
	endpoint_until(p, "the third is on trial", in_phase, &active, 1000);
	endpoint_stop(p, &three);
	endpoint_until(p, "the trial is given up", endpoint_runs_committed, &one, 1000);
	assert_false(quarantined(p, &three, 1));
}

static void a_delta_is_taken_when_there_is_one_and_the_whole_archive_when_it_fails(void **state)
{
	struct endpoint *p = *state;
	struct published one, two, three;
	char *archive;
	struct err e;

	NEED_AGENT(p);
	one = settled(p);
	two = endpoint_bundle(p, GOOD, 111, NULL);
	endpoint_delta(p, &one, &two, false);
	endpoint_assign(p, &two, &one, 1, 30, 0);
	assert_ok(repo_target_file(p->published, two.path, &archive, &e));
	assert_int_equal(unlink(archive), 0);   /* only the delta can do it */
	endpoint_until(p, "the delta is committed", endpoint_runs_committed, &two, 1000);
	free(archive);
	three = endpoint_bundle(p, GOOD, 112, NULL);
	endpoint_delta(p, &two, &three, true);
	endpoint_assign(p, &three, &two, 1, 30, 0);
	endpoint_until(p, "the whole archive is committed", endpoint_runs_committed, &three, 1000);
}

static void expired_metadata_keeps_what_runs_and_installs_nothing(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;
	char *out;

	NEED_AGENT(p);
	one = settled(p);
	two = endpoint_bundle(p, GOOD, 111, NULL);
	endpoint_agent_end(p, SIGKILL);
	endpoint_assign(p, &two, &one, 1, 30, 0);
	*p->clock_ms += (int64_t)2 * 86400 * 1000;
	endpoint_agent_start(p);
	for (int i = 0; i < 40; i++) {
		*p->clock_ms += 1000;
		poll(NULL, 0, 20);
	}
	assert_true(runs(p, &one));
	assert_int_equal(endpoint_look(p).state.phase, PHASE_IDLE);
	assert_int_equal(endpoint_command(p, &out, "status", "--json", NULL), 0);
	assert_non_null(strstr(out, "\"say\": \"unknown\""));
	free(out);
}

/* ---- death anywhere ---- */

static void what_the_record_names_is_whole_on_disk(struct endpoint *p)
{
	struct seen s = endpoint_look(p);
	char path[512], hex[DIGEST_HEX_LEN + 1];
	struct err e;

	if (digest_is_zero(&s.running))
		return;
	digest_hex(hex, &s.running);
	snprintf(path, sizeof path, "%s" HOME_CHANNELS "/edr/slots/%s", p->root, hex);
	AUTO_FD int dir = open(path, O_RDONLY | O_DIRECTORY);
	assert_true(dir >= 0);
	assert_ok(tree_verify(dir, &s.running, NULL, NULL, NULL, &e));
}

/* Starts and kills the agent at random until done; answers how often. */
static unsigned killed_until(struct endpoint *p, endpoint_done *done, const struct published *b)
{
	int64_t until = clock_work_ms() + ENDPOINT_LIMIT_MS;
	unsigned kills = 0;

	srand(1);
	for (;;) {
		struct seen s = endpoint_look(p);
		int64_t life = 20 + rand() % (40 + 10 * (int)kills), end = clock_work_ms() + life;

		if (done(&s, b))
			return kills;
		assert_true(clock_work_ms() < until);
		endpoint_agent_start(p);
		while (clock_work_ms() < end) {
			poll(NULL, 0, 5);
			*p->clock_ms += 500;
			if (ringhold_switched(&p->sensor))
				endpoint_sensor_load(p);
		}
		endpoint_agent_end(p, SIGKILL);
		kills++;
		what_the_record_names_is_whole_on_disk(p);
	}
}

static void an_agent_killed_again_and_again_still_commits_good_content(void **state)
{
	struct endpoint *p = *state;
	struct published one;

	NEED_AGENT(p);
	one = endpoint_bundle(p, GOOD, 110, NULL);
	endpoint_assign(p, &one, NULL, 1, 20, 0);
	endpoint_sensor_start(p);
	assert_true(killed_until(p, endpoint_runs_committed, &one) > 3);
	assert_true(endpoint_has_history(p, "survived"));
}

static void an_agent_killed_again_and_again_still_refuses_and_reverts(void **state)
{
	struct endpoint *p = *state;
	struct published one, two, three;

	NEED_AGENT(p);
	one = settled(p);
	endpoint_agent_end(p, SIGKILL);
	two = endpoint_bundle(p, TOO_MANY_FIELDS, 111, NULL);
	endpoint_assign(p, &two, &one, 1, 20, 0);
	killed_until(p, idle_after, &two);
	assert_true(quarantined(p, &two, 1));
	assert_int_equal(p->loads, 1);
	p->sensor_refuses = true;
	three = endpoint_bundle(p, GOOD, 112, NULL);
	endpoint_assign(p, &three, &one, 1, 100000, 0);
	killed_until(p, idle_after, &three);
	assert_true(quarantined(p, &three, 1));
	assert_true(runs(p, &one));
	assert_true(endpoint_has_history(p, "failed"));
}

static void once_ends_when_nothing_is_left_to_do(void **state)
{
	struct endpoint *p = *state;
	char *out;

	NEED_AGENT(p);
	assert_int_equal(endpoint_command(p, &out, "run", "--once", NULL), 0);
	free(out);
	assert_int_equal(endpoint_look(p).state.phase, PHASE_IDLE);
}

/* ---- boots ---- */

static void boot_again(struct endpoint *p)
{
	char run[200], id[64];
	struct err e;

	endpoint_sensor_stop(p);
	snprintf(run, sizeof run, "%s/run", p->root);
	assert_ok(file_remove_tree(run, &e));
	snprintf(run, sizeof run, "%s/run/ringhold", p->root);
	assert_ok(file_mkdirs(run, 0755, &e));
	snprintf(id, sizeof id, "%08x-0000-4000-8000-%012x\n", rand(), rand());
	endpoint_write(p, "/proc/sys/kernel/random/boot_id", id, 0644);
	shell_must("%s --root %s", endpoint_program(p, "ringhold-bootguard"), p->root);
}

#define NEED_GUARD(p)                                                            \
	do {                                                                     \
		NEED_AGENT(p);                                                   \
		if (access(endpoint_program(p, "ringhold-bootguard"), X_OK) < 0) \
			skip_named("ringhold-bootguard is not built");           \
	} while (0)

static void a_trial_that_the_guard_left_is_reported_and_quarantined(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;

	NEED_GUARD(p);
	second_on_trial(p, &one, &two, 100000, 1);
	/* The machine dies with the sensor, boot after boot. */
	endpoint_agent_end(p, SIGKILL);
	for (int boot = 0; boot < 3; boot++)
		boot_again(p);
	assert_true(runs(p, &one));
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_until(p, "it is reported", idle_after, &two, 1000);
	assert_true(endpoint_has_history(p, "boot-failed"));
	assert_true(quarantined(p, &two, 1));
	struct seen s = endpoint_look(p);

	assert_true(digest_equal(&s.running, &one.digest));
	assert_true(boot_digest_empty(s.record.digest[RUNG_TRIAL]));
}

static void probation_that_wants_a_boot_ends_only_after_one(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;

	NEED_GUARD(p);
	second_on_trial(p, &one, &two, 10, 1);
	for (int i = 0; i < 25; i++) {
		*p->clock_ms += 1000;
		poll(NULL, 0, 20);
		if (ringhold_switched(&p->sensor))
			endpoint_sensor_load(p);
	}
	assert_int_equal(endpoint_look(p).state.phase, PHASE_ACTIVE);
	endpoint_agent_end(p, SIGTERM);
	boot_again(p);
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_until(p, "it is committed", endpoint_runs_committed, &two, 1000);
}

static bool settled_on(const struct seen *s, const void *arg)
{
	return s->record.rung == RUNG_CURRENT && endpoint_runs_committed(s, arg);
}

static void committed_content_that_the_guard_left_is_a_late_failure(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;

	NEED_GUARD(p);
	one = settled(p);
	two = endpoint_bundle(p, GOOD, 111, NULL);
	endpoint_assign(p, &two, &one, 1, 10, 0);
	endpoint_until(p, "the second bundle is committed", endpoint_runs_committed, &two, 1000);
	endpoint_agent_end(p, SIGKILL);
	for (int boot = 0; boot < 4; boot++)
		boot_again(p);
	endpoint_write(p, "/sys/fs/pstore/dmesg-ramoops-0", "Panic#2 Part1\n<0>[ 7.1] Kernel panic - not syncing: it was a Tuesday\n", 0400);
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_until(p, "the host settles on the one before", settled_on, &one, 1000);
	assert_true(endpoint_has_history(p, "late_failure"));
	/* The kernel's last words are in that report, and in no other. */
	assert_int_equal(endpoint_history_count(p, "late-boot-failed: the boot guard left current for previous (stepped); the kernel crashed: "
						   "Kernel panic - not syncing: it was a Tuesday"), 1);
	assert_int_equal(endpoint_history_count(p, "it was a Tuesday"), 1);
	endpoint_until(p, "the bundle is refused from now on", idle_after, &two, 1000);
	assert_true(quarantined(p, &two, 1));
}

/* ---- users of their own ---- */

static int strict(void **state)
{
	return endpoint_setup_with(state, geteuid() ? ""
					  : "fetch-user = 64001\njudge-user = 64002\nunpack-user = 64003\ncanary-user = nobody\n"
					    "strict-sandbox = yes\n");
}

static void processes_without_root_do_the_same_work(void **state)
{
	struct endpoint *p = *state;
	char *out;

	NEED_AGENT(p);
	if (geteuid())
		skip_named("not root: processes cannot become another user");
	settled(p);
	assert_int_equal(endpoint_command(p, &out, "doctor", NULL, NULL), 0);
	assert_null(strstr(out, "missing"));
	free(out);
}

#define HOST_TEST(f) cmocka_unit_test_setup_teardown(f, endpoint_setup, endpoint_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		HOST_TEST(content_comes_on_trial_and_is_committed_by_health_alone),
		HOST_TEST(content_that_the_contract_refuses_is_declined_before_its_canary_runs),
		HOST_TEST(an_archive_that_is_not_its_digest_is_refused_and_what_runs_is_untouched),
		HOST_TEST(bytes_that_were_not_signed_are_never_decoded_and_the_right_ones_still_arrive),
		HOST_TEST(a_sensor_that_refuses_the_content_gets_the_old_one_back),
		HOST_TEST(a_sensor_that_dies_on_trial_gets_the_old_content_back),
		HOST_TEST(stopped_content_is_left_for_the_one_before_and_never_comes_back),
		HOST_TEST(a_delta_is_taken_when_there_is_one_and_the_whole_archive_when_it_fails),
		HOST_TEST(expired_metadata_keeps_what_runs_and_installs_nothing),
		HOST_TEST(an_agent_killed_again_and_again_still_commits_good_content),
		HOST_TEST(an_agent_killed_again_and_again_still_refuses_and_reverts),
		HOST_TEST(once_ends_when_nothing_is_left_to_do),
		HOST_TEST(a_trial_that_the_guard_left_is_reported_and_quarantined),
		HOST_TEST(probation_that_wants_a_boot_ends_only_after_one),
		HOST_TEST(committed_content_that_the_guard_left_is_a_late_failure),
		cmocka_unit_test_setup_teardown(processes_without_root_do_the_same_work, strict, endpoint_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
