/*
 * test_powercut: the real agent on a real ext4 whose every write is recorded;
 * then the power fails at 200 points of each thing it does. docs/durability.md
 * is about what this proves.
 */
#include "agent/endpoint.h"
#include "disk.h"
#include "marks.h"
#include "program.h"
#include "shell.h"
#include "survey.h"
#include "writelog.h"

#include <sys/mount.h>

#define GOOD "deploy/demo/edr-good"
#define CUTS 200
#define WHOLE_LIVES 4           /* of a chapter's cuts: the agent lives on until nothing is left to do */

#define needs_a_recorder()                                           \
	do {                                                         \
		if (disk_missing())                                  \
			skip_named("needs %s", disk_missing());      \
		if (disk_missing_program())                          \
			skip_missing_program(disk_missing_program()); \
	} while (0)

/* ---- recording ---- */

static struct disk_recorder recorder = { .loop.fd = -1 };
static char marks_path[256], cut_root[160];

/* Windows in their order; a recording goes through all of them up to one. */
enum chapter { INSTALL, SWITCH, COMMIT, REVERT, STOP, CHAPTERS };

static const char *const chapter_names[CHAPTERS] = { "first install", "switch", "commit", "revert", "stop" };

struct story {
	struct published one, two, three;
};

static void start_witnessed(struct endpoint *p)
{
	char library[200];

	snprintf(library, sizeof library, "%s/witness.so", p->dir);
	setenv("LD_PRELOAD", library, 1);
	endpoint_agent_start(p);
	unsetenv("LD_PRELOAD");
}

/* without: the kind of sync that is left out (preload/witness.c); "": none. */
static void record_on(struct endpoint *p, const char *without)
{
	char library[200], run[300];
	struct err e;

	snprintf(library, sizeof library, "%s/witness.so", p->dir);
	if (marks_witness(library, &e) < 0) {
		if (e.code == ERR_NOT_FOUND)
			skip_missing_program("cc");
		fail_msg("%s", e.msg);
	}
	snprintf(run, sizeof run, "%s/run", p->root);
	assert_ok(file_mkdirs(run, 0755, &e));
	assert_ok(disk_record(&recorder, p->dir, p->root, &e));
	snprintf(p->root, sizeof p->root, "%s", recorder.mounted);
	snprintf(run, sizeof run, "%s/run", p->root);
	assert_int_equal(mount("tmpfs", run, "tmpfs", 0, "size=4m"), 0);        /* as on a machine */
	snprintf(marks_path, sizeof marks_path, "%s/marks", p->dir);
	setenv("WITNESS_ROOT", p->root, 1);
	setenv("WITNESS_LOG", recorder.log, 1);
	setenv("WITNESS_MARKS", marks_path, 1);
	setenv("WITNESS_WITHOUT", without, 1);
	assert_ok(marks_add(marks_path, recorder.log, "begin", "", &e));
	start_witnessed(p);
}

static void record_off(struct endpoint *p)
{
	char run[300];

	endpoint_agent_end(p, SIGKILL);
	endpoint_sensor_stop(p);
	snprintf(run, sizeof run, "%s/run", p->root);
	umount2(run, MNT_DETACH);
	disk_record_end(&recorder);
}

static void chapter_opens(enum chapter w)
{
	struct err e;

	assert_ok(marks_add(marks_path, recorder.log, "opens", chapter_names[w], &e));
}

static void chapter_closes(enum chapter w)
{
	struct err e;

	assert_ok(marks_add(marks_path, recorder.log, "closes", chapter_names[w], &e));
}

static bool is_active(const struct seen *s, const void *arg)
{
	return s->state.phase == PHASE_ACTIVE && digest_equal(&s->running, &((const struct published *)arg)->digest);
}

static bool idle_after(const struct seen *s, const void *arg)
{
	const struct published *b = arg;

	return s->state.phase == PHASE_IDLE && digest_equal(&s->state.last.assigned, &b->digest) && s->state.last.say == SAY_NOTHING;
}

static void until_loaded(struct endpoint *p, unsigned loads)
{
	while (p->loads < loads) {
		poll(NULL, 0, 10);
		if (ringhold_switched(&p->sensor))
			endpoint_sensor_load(p);
	}
}

/* The host's life, as far as chapter `last`; the agent runs already. */
static void tell(struct endpoint *p, struct story *s, enum chapter last)
{
	for (enum chapter w = INSTALL; w <= last; w++) {
		unsigned loads = p->loads;

		switch (w) {
		case INSTALL:
			s->one = endpoint_bundle(p, GOOD, 110, NULL);
			chapter_opens(w);
			endpoint_sensor_start(p);
			endpoint_assign(p, &s->one, NULL, 1, 30, 0);
			endpoint_until(p, "the first bundle is committed", endpoint_runs_committed, &s->one, 1000);
			break;
		case SWITCH:
			s->two = endpoint_bundle(p, GOOD, 111, NULL);
			endpoint_assign(p, &s->two, &s->one, 1, 3000, 0);
			chapter_opens(w);
			endpoint_until(p, "the second bundle is on trial", is_active, &s->two, 500);
			until_loaded(p, loads + 1);
			break;
		case COMMIT:
			chapter_opens(w);
			endpoint_until(p, "the second bundle is committed", endpoint_runs_committed, &s->two, 30000);
			break;
		case REVERT:
			s->three = endpoint_bundle(p, GOOD, 112, NULL);
			endpoint_assign(p, &s->three, &s->two, 1, 600, 0);
			endpoint_until(p, "the third bundle is on trial", is_active, &s->three, 500);
			until_loaded(p, loads + 1);
			chapter_opens(w);
			p->sensor_refuses = true;
			endpoint_sensor_load(p);
			p->sensor_refuses = false;
			endpoint_until(p, "the third bundle is reverted", idle_after, &s->three, 500);
			break;
		default:
			endpoint_stop(p, &s->two);
			chapter_opens(w);
			endpoint_until(p, "the second bundle is left", endpoint_runs_committed, &s->one, 500);
			break;
		}
		chapter_closes(w);
	}
}

/* ---- cutting ---- */

struct cutting {
	struct endpoint *p;
	struct writelog log;
	struct writelog_disk disk;
	struct marks marks;
	int image;                      /* memory: the cut disk */
	char guard[1024];
	unsigned count[FINDINGS], ran[3];       /* ran: old, new, neither */
};

static void cutting_open(struct cutting *c, struct endpoint *p)
{
	struct err e;

	memset(c, 0, sizeof *c);
	c->p = p;
	assert_ok(writelog_open(&c->log, recorder.log, &e));
	assert_ok(writelog_disk_open(&c->disk, recorder.base, &e));
	assert_ok(marks_read(&c->marks, marks_path, &e));
	c->image = memfd_create("cut", MFD_CLOEXEC);
	assert_true(c->image >= 0);
	assert_int_equal(ftruncate(c->image, (off_t)c->disk.len), 0);
	snprintf(c->guard, sizeof c->guard, "%s", test_program("ringhold-bootguard"));
	snprintf(cut_root, sizeof cut_root, "%s/cut", p->dir);
	assert_ok(file_mkdirs(cut_root, 0755, &e));
}

static void cutting_close(struct cutting *c)
{
	close(c->image);
	marks_free(&c->marks);
	writelog_disk_close(&c->disk);
	writelog_close(&c->log);
}

static bool nothing_half_done(const struct seen *s, const void *arg)
{
	const struct endpoint *p = arg;

	(void)s;
	return shell_ok("cd %s" HOME_CHANNELS "/edr && test -z \"$(find slots quarantine.d incoming -name '.*' -o -path 'incoming/*')\"", p->root);
}

/* After the boot the agent lives on: whatever the cut left, it comes to an end and leaves no rubbish. */
static void lives_on(struct endpoint *p, const struct published *latest)
{
	char root[sizeof p->root];

	memcpy(root, p->root, sizeof root);
	snprintf(p->root, sizeof p->root, "%s", cut_root);
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_until(p, "nothing is left to do", idle_after, latest, 5000);
	endpoint_until(p, "nothing half-done is left", nothing_half_done, p, 1000);
	endpoint_agent_end(p, SIGKILL);
	endpoint_sensor_stop(p);
	memcpy(p->root, root, sizeof root);
}

static enum finding look(struct cutting *c, const struct writelog_cut *cut, const struct digest may_run[2], const struct published *latest)
{
	struct survey s = { .root = cut_root, .guard = c->guard, .marks = &c->marks, .at = cut->at, .may_run = may_run, .count = 2 };
	struct disk_loop loop;
	enum finding f;
	struct err e;

	assert_ok(writelog_cut(&c->log, &c->disk, cut, c->image, &e));
	assert_ok(disk_loop_attach(&loop, c->image, &e));
	if (mount(loop.path, cut_root, "ext4", 0, NULL) < 0) {
		disk_loop_detach(&loop);
		fail_msg("the disk cut at %llu cannot be mounted", (unsigned long long)cut->at);
	}
	f = survey(&s);
	if (f == FOUND_WHOLE && latest)
		lives_on(c->p, latest);
	assert_ok(disk_unmount(cut_root, &e));
	disk_loop_detach(&loop);
	c->count[f]++;
	if (f == FOUND_WHOLE)
		c->ran[digest_equal(&s.runs, &may_run[1]) ? 1 : digest_equal(&s.runs, &may_run[0]) ? 0 : 2]++;
	else if (c->count[f] <= 3)
		fprintf(stderr, "cut at %llu, %s: %s: %s\n", (unsigned long long)cut->at,
			(const char *const[]){ "what was not flushed is lost", "the first of it stays", "some of it stays" }[cut->rest],
			finding_name(f), s.words);
	return f;
}

static int by_position(const void *a, const void *b)
{
	const struct writelog_cut *x = a, *y = b;

	return x->at < y->at ? -1 : x->at > y->at;
}

/* The moments of promises, with all lost that was not flushed; the journal has many, hence apart. */
static size_t choose_promises(struct writelog_cut cuts[CUTS], const struct marks *m, uint64_t from, uint64_t to, bool journal)
{
	size_t n = 0;

	for (size_t i = 0; i < m->count && n < CUTS / 4; i++)
		if (m->list[i].at > from && m->list[i].at <= to && !strcmp(m->list[i].what, "journal") == journal)
			cuts[n++] = (struct writelog_cut){ .at = m->list[i].at, .rest = REST_LOST };
	return n;
}

/* Where anything was promised, then anywhere; each with all that may become of the rest. */
static void choose(struct writelog_cut cuts[CUTS], const struct cutting *c, enum chapter w)
{
	uint64_t from = marks_last(&c->marks, "opens", chapter_names[w], UINT64_MAX)->at;
	uint64_t to = marks_last(&c->marks, "closes", chapter_names[w], UINT64_MAX)->at;
	size_t first = writelog_entries(&c->log, from), last = writelog_entries(&c->log, to), n;
	unsigned seed = 20 + w;

	assert_true(last > first);
	n = choose_promises(cuts, &c->marks, from, to, false);
	n += choose_promises(cuts + n, &c->marks, from, to, true);
	for (; n < CUTS; n++)
		cuts[n] = (struct writelog_cut){ .at = c->log.entries[first + (size_t)rand_r(&seed) % (last - first)].end,
						 .rest = (enum writelog_rest)(n % REST_KINDS), .seed = (unsigned)n };
	qsort(cuts, CUTS, sizeof *cuts, by_position);
}

static void cut_chapter(struct cutting *c, enum chapter w, const struct published *old, const struct published *new, const struct published *latest)
{
	struct digest may_run[2] = { old ? old->digest : (struct digest){ { 0 } }, new->digest };
	struct writelog_cut cuts[CUTS];

	memset(c->count, 0, sizeof c->count);
	memset(c->ran, 0, sizeof c->ran);
	choose(cuts, c, w);
	for (size_t i = 0; i < CUTS; i++)
		look(c, &cuts[i], may_run, latest && i % (CUTS / WHOLE_LIVES) == 0 ? latest : NULL);
	fprintf(stderr, "power cuts, %s: %d cuts, %u on the old content, %u on the new, %u broken or lost\n", chapter_names[w], CUTS, c->ran[0],
		c->ran[1], CUTS - c->count[FOUND_WHOLE]);
}

/* ---- the tests ---- */

static void wherever_the_power_fails_old_or_new_is_whole_and_nothing_acknowledged_is_lost(void **state)
{
	struct endpoint *p = *state;
	struct cutting c;
	struct story s;

	needs_a_recorder();
	record_on(p, "");
	tell(p, &s, STOP);
	record_off(p);
	cutting_open(&c, p);
	const struct { const struct published *old, *new; } sides[CHAPTERS] = {
		[INSTALL] = { NULL, &s.one }, [SWITCH] = { &s.one, &s.two }, [COMMIT] = { &s.two, &s.two },
		[REVERT] = { &s.three, &s.two }, [STOP] = { &s.two, &s.one },
	};

	for (enum chapter w = INSTALL; w < CHAPTERS; w++) {
		cut_chapter(&c, w, sides[w].old, sides[w].new, &s.three);
		assert_int_equal(c.count[FOUND_WHOLE], CUTS);
		assert_true(c.ran[1] > 0);
		assert_true(w == COMMIT || c.ran[0] > 0);       /* what is committed ran before */
	}
	cutting_close(&c);
}

/* An agent is killed before one sync of the switch; another one goes on from what it finds, without one of its own syncs ("": with all). */
static void tell_of_two(struct endpoint *p, struct story *s, const char *killed_before, const char *without)
{
	int status;

	tell(p, s, INSTALL);
	endpoint_agent_end(p, SIGKILL);
	setenv("WITNESS_KILL", killed_before, 1);
	start_witnessed(p);
	unsetenv("WITNESS_KILL");
	s->two = endpoint_bundle(p, GOOD, 111, NULL);
	endpoint_assign(p, &s->two, &s->one, 1, 3000, 0);
	chapter_opens(SWITCH);
	while (waitpid(p->agent, &status, WNOHANG) == 0) {
		poll(NULL, 0, 20);
		*p->clock_ms += 500;
	}
	p->agent = 0;
	assert_true(WIFSIGNALED(status));
	setenv("WITNESS_WITHOUT", without, 1);
	start_witnessed(p);
	endpoint_until(p, "the second bundle is on trial", is_active, &s->two, 500);
	until_loaded(p, 2);
	chapter_closes(SWITCH);
}

/*
 * Readers were not led to a slot whose name nobody had synced. No cut shows
 * that: ext4 has one journal, and by then the next agent has synced agent.db.
 */
static void slot_was_synced_before_it_was_shown(const struct cutting *c, const struct digest *d)
{
	char hex[DIGEST_HEX_LEN + 1];
	const struct mark *shown;

	digest_hex(hex, d);
	shown = marks_last(&c->marks, "link", hex, UINT64_MAX);
	assert_non_null(shown);
	assert_non_null(marks_last(&c->marks, "slot", hex, shown->at));
}

/* expected: of all cuts, or without a sync of some of them. */
static void one_goes_on_after_another(struct endpoint *p, const char *killed_before, const char *without, enum finding expected)
{
	struct cutting c;
	struct story s;

	needs_a_recorder();
	record_on(p, "");
	tell_of_two(p, &s, killed_before, without);
	record_off(p);
	cutting_open(&c, p);
	slot_was_synced_before_it_was_shown(&c, &s.two.digest);
	if (*without)
		fprintf(stderr, "without the sync \"%s\", as it must be:\n", without);
	cut_chapter(&c, SWITCH, &s.one, &s.two, NULL);
	assert_true(*without ? c.count[expected] > 0 : c.count[expected] == CUTS);
	cutting_close(&c);
}

static void a_trial_that_a_killed_agent_left_unsynced_is_not_lost_after_the_next_one_showed_it(void **state)
{
	one_goes_on_after_another(*state, "record", "", FOUND_WHOLE);
}

static void a_slot_that_a_killed_agent_left_unsynced_is_not_lost_after_the_next_one_built_on_it(void **state)
{
	one_goes_on_after_another(*state, "slots-dir", "", FOUND_WHOLE);
}

static void without_the_sync_of_a_record_as_found_acknowledged_switches_are_lost(void **state)
{
	one_goes_on_after_another(*state, "record", "record-found", FOUND_RECORD_LOST);
}

/* ---- the same host, one of its syncs taken away ---- */

static void without(struct endpoint *p, const char *kind, enum chapter last, enum finding expected)
{
	struct cutting c;
	struct story s;

	needs_a_recorder();
	record_on(p, kind);
	tell(p, &s, last);
	record_off(p);
	cutting_open(&c, p);
	fprintf(stderr, "without the sync \"%s\", as it must be:\n", kind);
	cut_chapter(&c, last, last == SWITCH ? &s.one : last == REVERT ? &s.three : NULL, last == SWITCH ? &s.two : last == REVERT ? &s.two : &s.one, NULL);
	if (c.count[expected] == 0)
		fail_msg("without the sync \"%s\" no cut finds a %s", kind, finding_name(expected));
	cutting_close(&c);
}

static void without_the_sync_of_the_record_acknowledged_switches_are_lost(void **state)
{
	without(*state, "record", SWITCH, FOUND_RECORD_LOST);
}

static void without_the_sync_of_the_records_directory_the_first_install_is_lost(void **state)
{
	without(*state, "record-dir", INSTALL, FOUND_RECORD_LOST);
}

static void without_the_sync_of_what_was_staged_slots_are_broken(void **state)
{
	without(*state, "staging", SWITCH, FOUND_SLOT_BROKEN);
}

static void without_the_sync_of_the_slots_directory_slots_are_lost(void **state)
{
	without(*state, "slots-dir", SWITCH, FOUND_SLOT_LOST);
}

static void without_the_sync_of_a_quarantine_entry_it_is_empty(void **state)
{
	without(*state, "quarantine", REVERT, FOUND_QUARANTINE_LOST);
}

static void without_the_sync_of_the_quarantine_directory_entries_are_lost(void **state)
{
	without(*state, "quarantine-dir", REVERT, FOUND_QUARANTINE_LOST);
}

static void without_the_sync_of_the_journal_reports_are_lost(void **state)
{
	without(*state, "journal", SWITCH, FOUND_JOURNAL_LOST);
}

static int setup(void **state)
{
	return endpoint_setup(state);
}

static int teardown(void **state)
{
	struct endpoint *p = *state;

	endpoint_agent_end(p, SIGKILL);
	endpoint_sensor_stop(p);
	if (*cut_root)
		umount2(cut_root, MNT_DETACH);
	*cut_root = 0;
	if (*recorder.mounted)
		record_off(p);
	return endpoint_teardown(state);
}

#define POWER_CUT(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		POWER_CUT(wherever_the_power_fails_old_or_new_is_whole_and_nothing_acknowledged_is_lost),
		POWER_CUT(a_trial_that_a_killed_agent_left_unsynced_is_not_lost_after_the_next_one_showed_it),
		POWER_CUT(a_slot_that_a_killed_agent_left_unsynced_is_not_lost_after_the_next_one_built_on_it),
		POWER_CUT(without_the_sync_of_the_record_acknowledged_switches_are_lost),
		POWER_CUT(without_the_sync_of_the_records_directory_the_first_install_is_lost),
		POWER_CUT(without_the_sync_of_a_record_as_found_acknowledged_switches_are_lost),
		POWER_CUT(without_the_sync_of_what_was_staged_slots_are_broken),
		POWER_CUT(without_the_sync_of_the_slots_directory_slots_are_lost),
		POWER_CUT(without_the_sync_of_a_quarantine_entry_it_is_empty),
		POWER_CUT(without_the_sync_of_the_quarantine_directory_entries_are_lost),
		POWER_CUT(without_the_sync_of_the_journal_reports_are_lost),
	};

	if (argc > 1)   /* the ones whose names match */
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
