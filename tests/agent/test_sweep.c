/* test_sweep: a seeded sample of the sweep; all of it is tests/powercut/test_sweep.c. */
#include "sweep_judge.h"

#define SAMPLE 3

static void sample(struct endpoint *p, enum sweep_end end)
{
	static const char *const faults[] = { "signal=KILL", "error=EIO", "error=ENOSPC" };     /* the last: not of calls that only look */
	static struct sweep s;
	unsigned seed = 7 + end;

	NEED_STRACE();
	sweep_prepare(&s, p, end);
	sweep_count(&s);
	for (size_t i = 0; i < SAMPLE; i++) {
		const struct call *c = &s.calls.list[(size_t)rand_r(&seed) % s.calls.count];

		sweep_one(&s, c, faults[i % (c->looks ? 2 : ARRAY_LEN(faults))], false);
	}
}

static void whichever_call_goes_wrong_good_content_is_committed_in_the_end(void **state)
{
	sample(*state, SWEEP_COMMITTED);
}

static void whichever_call_goes_wrong_bad_content_is_left_in_the_end(void **state)
{
	sample(*state, SWEEP_REVERTED);
}

static bool is_about(const struct call *c, const char *name, const char *what)
{
	return !strcmp(c->name, name) && strstr(c->text, what);
}

/*
 * Once each of these left an agent that lived and did nothing: the record of
 * the trial, not synced but there to be read, "changed by somebody else"; the
 * journal, opened for reading only; the record that could not be opened at the
 * start; the trial, running, and unknown to the journal.
 */
static void an_agent_whose_disk_failed_once_goes_on_by_itself(void **state)
{
	static struct sweep s;
	unsigned synced = 0, opened = 0, shared = 0, read = 0, armed = 0;

	NEED_STRACE();
	sweep_prepare(&s, *state, SWEEP_COMMITTED);
	sweep_count(&s);
	for (size_t i = 0; i < s.calls.count; i++) {
		const struct call *c = &s.calls.list[i];
		bool arms = !strcmp(c->stage, "armed");

		if (is_about(c, "fsync", "/channels/edr/boot") && synced++ < 3)
			sweep_one(&s, c, "error=EIO", false);
		else if (is_about(c, "openat", "/agent.db>") && opened++ == 0)
			sweep_one(&s, c, "error=ENOSPC", false);
		else if (is_about(c, "openat", "/agent.db-shm>") && shared++ == 0)
			sweep_one(&s, c, "error=EIO", false);
		else if (is_about(c, "openat", "/channels/edr/boot>") && read++ == 0)
			sweep_one(&s, c, "error=EIO", false);
		else if (arms && synced > 1 && is_about(c, "pwrite64", "/agent.db-wal") && armed++ < 2)
			sweep_one(&s, c, "error=ENOSPC", false);
	}
	assert_true(synced >= 3 && opened && shared && read && armed);
}

/* From the sync of the record to the look for what may go now: the phase and the event that tells of it, in one transaction. */
static unsigned journal_syncs_of_the_switch(const struct sweep *s)
{
	const struct call *c = s->calls.list, *end = c + s->calls.count;
	unsigned n = 0;

	while (c < end && (strcmp(c->stage, phase_name(PHASE_ARMED)) != 0 || !is_about(c, "fsync", "/channels/edr/boot>")))
		c++;
	for (; c < end && !is_about(c, "openat", "/channels/edr/slots>"); c++)
		n += !strcmp(c->name, "fdatasync");
	return n;
}

/* Each sync, counted: the time they take is the machine's, and in the benches. */
static void syncs_no_more_than_it_must(const struct sweep *s)
{
	const char *fetching = phase_name(PHASE_FETCHING), *armed = phase_name(PHASE_ARMED);

	/* Staging: all files by one syncfs, and the slot's name. */
	assert_int_equal(sweep_calls(s, fetching, "syncfs", "/slots/"), 1);
	assert_int_equal(sweep_calls(s, fetching, "syncfs", ""), 1);
	assert_int_equal(sweep_calls(s, fetching, "fsync", "/slots>"), 1);
	assert_int_equal(sweep_calls(s, fetching, "fsync", ""), 1);
	/* Switch: the record, in place; the link is on a file system in memory. */
	assert_int_equal(sweep_calls(s, armed, "fsync", "/channels/edr/boot>"), 1);
	assert_int_equal(sweep_calls(s, armed, "fsync", ""), 1);
	assert_int_equal(sweep_calls(s, armed, "syncfs", ""), 0);
	assert_int_equal(journal_syncs_of_the_switch(s), 1);
}

static void staging_and_switching_sync_what_must_be_synced_and_once(void **state)
{
	static struct sweep s;

	NEED_STRACE();
	sweep_prepare(&s, *state, SWEEP_COMMITTED);
	sweep_count(&s);
	syncs_no_more_than_it_must(&s);
}

/*
 * Once it went on for good without what the disk had not given when it confined
 * itself; and of what it keeps, one file in two halves.
 */
static void a_judge_whose_disk_failed_once_goes_on_or_makes_room_for_another(void **state)
{
	static struct sweep s;
	unsigned trust = 0, kept = 0;

	NEED_STRACE();
	sweep_prepare(&s, *state, SWEEP_COMMITTED);
	s.start = sweep_judge_start;
	sweep_count(&s);
	for (size_t i = 0; i < s.calls.count; i++) {
		const struct call *c = &s.calls.list[i];

		if (is_about(c, "openat", "/etc/ringhold/trust>") && trust++ == 0)
			sweep_one(&s, c, "error=EIO", false);
		else if (is_about(c, "fsync", "/.ring-canary.json.new>") && kept++ == 0)
			sweep_one(&s, c, "signal=KILL", false);
	}
	assert_true(trust && kept);
}

/*
 * Once nobody was: the record says what runs, and neither what was left nor
 * why; and the link that is right does not say whether the sensor knows.
 */
static void people_and_sensor_are_told_of_a_stop_that_was_obeyed_whatever_came_in_between(void **state)
{
	static struct sweep s;
	unsigned linked = 0, synced = 0, written = 0;

	NEED_STRACE();
	sweep_prepare(&s, *state, SWEEP_STOPPED);
	sweep_count(&s);
	for (size_t i = 0; i < s.calls.count; i++) {
		const struct call *c = &s.calls.list[i];

		if (strcmp(c->stage, phase_name(PHASE_IDLE)) != 0)
			continue;
		if (is_about(c, "renameat", "/edr>, \"current\"") && linked++ == 0)
			sweep_one(&s, c, "signal=KILL", false);
		else if (linked && is_about(c, "pwrite64", "/agent.db-wal>") && written++ < 4)  /* to tell, and that it was */
			sweep_one(&s, c, "signal=KILL", false);
		else if (!is_about(c, "fdatasync", "/agent.db-wal>") || synced++ > 1)
			continue;
		sweep_one(&s, c, "error=EIO", false);
	}
	assert_true(linked == 1 && synced > 1 && written > 1);
}

static void plant(struct endpoint *p, const char *name)
{
	char path[200];

	snprintf(path, sizeof path, HOME_CHANNELS "/edr/%.120s", name);
	endpoint_write(p, path, "x", 0644);
}

static bool has(struct endpoint *p, const char *name)
{
	char path[512];

	snprintf(path, sizeof path, "%s" HOME_CHANNELS "/edr/%.120s", p->root, name);
	return file_exists(path);
}

#define SOME_DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static bool rubbish_is_gone(const struct seen *s, const void *arg)
{
	struct endpoint *p = (struct endpoint *)arg;

	(void)s;
	return !has(p, "incoming/" SOME_DIGEST) && !has(p, "slots/" SOME_DIGEST) && !has(p, "slots/." SOME_DIGEST ".new");
}

static void what_a_dead_agent_left_half_done_goes_when_the_next_one_starts(void **state)
{
	struct endpoint *p = *state;
	static struct sweep s;

	sweep_prepare(&s, p, SWEEP_COMMITTED);
	plant(p, "incoming/" SOME_DIGEST);              /* of an offer that was withdrawn */
	plant(p, "slots/" SOME_DIGEST "/manifest.json");
	plant(p, "slots/." SOME_DIGEST ".new/manifest.json");
	endpoint_agent_start(p);
	endpoint_until(p, "the rubbish is gone", rubbish_is_gone, p, 0);
	(void)sweep_whole(&s, "after the clean-up");
}

#define SWEEP_TEST(name) cmocka_unit_test_setup_teardown(name, endpoint_setup, endpoint_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		SWEEP_TEST(whichever_call_goes_wrong_good_content_is_committed_in_the_end),
		SWEEP_TEST(whichever_call_goes_wrong_bad_content_is_left_in_the_end),
		SWEEP_TEST(an_agent_whose_disk_failed_once_goes_on_by_itself),
		SWEEP_TEST(staging_and_switching_sync_what_must_be_synced_and_once),
		SWEEP_TEST(a_judge_whose_disk_failed_once_goes_on_or_makes_room_for_another),
		SWEEP_TEST(people_and_sensor_are_told_of_a_stop_that_was_obeyed_whatever_came_in_between),
		SWEEP_TEST(what_a_dead_agent_left_half_done_goes_when_the_next_one_starts),
	};

	sweep_judge_stand_in(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
