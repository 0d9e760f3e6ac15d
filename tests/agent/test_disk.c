/* test_disk: slots, quarantine and the boot record with its link, as the supervisor handles them. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/home.h"
#include "agent/quarantine.h"
#include "agent/slots.h"
#include "agent/trial.h"
#include "base/file.h"
#include "schema/reason.h"
#include "test.h"

static char root[128];
static int dir;         /* of the channel */

static struct digest digest_of(uint8_t byte)
{
	struct digest d;

	memset(d.bytes, byte, sizeof d.bytes);
	return d;
}

static void make_slot(const char *name)
{
	char path[512];
	struct err e;

	snprintf(path, sizeof path, "%s" HOME_CHANNELS "/edr/slots/%s/sub", root, name);
	assert_ok(file_mkdirs(path, 0755, &e));
	snprintf(path, sizeof path, "%s" HOME_CHANNELS "/edr/slots/%s/sub/file", root, name);
	assert_ok(file_replace(path, "x", 1, 0444, &e));
}

static struct digest slot(uint8_t byte)
{
	struct digest d = digest_of(byte);
	char hex[DIGEST_HEX_LEN + 1];

	digest_hex(hex, &d);
	make_slot(hex);
	return d;
}

static size_t slot_count(void)
{
	char path[512];
	size_t n = 0;
	DIR *list;

	snprintf(path, sizeof path, "%s" HOME_CHANNELS "/edr/slots", root);
	list = opendir(path);
	assert_non_null(list);
	for (struct dirent *e; (e = readdir(list));)
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	closedir(list);
	return n;
}

/* ---- slots ---- */

static void clean_up_keeps_what_is_named_and_takes_the_unfinished(void **state)
{
	struct digest a = slot(1), b = slot(2), none = digest_of(0);
	struct digest keep[] = { a, none };
	struct err e;

	(void)state;
	make_slot(".0202.new");
	make_slot("not-a-digest");
	assert_int_equal(slots_clean(dir, keep, 2, &e), 2);
	assert_true(slots_have(dir, &a));
	assert_false(slots_have(dir, &b));
	assert_int_equal(slot_count(), 2);      /* a, and what is not ours to judge */
	assert_int_equal(slots_clean(dir, keep, 2, &e), 0);
}

static void a_slot_that_somebody_reads_stays(void **state)
{
	struct digest a = slot(1);
	struct err e;
	AUTO_FD int fd = slots_open_slot(dir, &a, &e);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_SH), 0);
	assert_refused(slots_remove(dir, &a, &e), ERR_CONFLICT, "in use");
	assert_int_equal(slots_clean(dir, NULL, 0, &e), 0);
	assert_true(slots_have(dir, &a));
	flock(fd, LOCK_UN);
	assert_ok(slots_remove(dir, &a, &e));
	assert_false(slots_have(dir, &a));
	assert_ok(slots_remove(dir, &a, &e));
}

static void what_is_being_built_or_still_read_under_a_hidden_name_stays(void **state)
{
	char path[512];
	struct err e;

	(void)state;
	make_slot(".0202.old");
	snprintf(path, sizeof path, "%s" HOME_CHANNELS "/edr/slots/.0202.old", root);
	AUTO_FD int reader = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(reader, LOCK_SH), 0);
	assert_int_equal(slots_clean(dir, NULL, 0, &e), 0);
	assert_int_equal(slot_count(), 1);
	flock(reader, LOCK_UN);
	assert_int_equal(slots_clean(dir, NULL, 0, &e), 1);
	assert_int_equal(slot_count(), 0);
}

static void a_link_in_the_place_of_a_slot_is_none(void **state)
{
	struct digest a = digest_of(9);
	char path[512], hex[DIGEST_HEX_LEN + 1];

	(void)state;
	digest_hex(hex, &a);
	snprintf(path, sizeof path, "%s" HOME_CHANNELS "/edr/slots/%s", root, hex);
	assert_int_equal(symlink("/etc", path), 0);
	assert_false(slots_have(dir, &a));
}

/* ---- quarantine ---- */

static int count_one(void *arg, const struct quarantine *q, struct err *e)
{
	(void)q;
	(void)e;
	++*(int *)arg;
	return 0;
}

static int entries(void)
{
	struct err e;
	int n = 0;

	assert_ok(quarantine_each(dir, count_one, &n, &e));
	return n;
}

static void add(uint8_t byte, uint64_t attempt, enum reason cause, uint8_t contract)
{
	struct quarantine q = { .digest = digest_of(byte), .attempt = attempt, .at = 5, .contract = digest_of(contract),
				.evidence = "rules/a.json:3:1: \"quoted\"" };
	struct err e;

	snprintf(q.cause, sizeof q.cause, "%s", reason_word(cause));
	assert_ok(quarantine_add(dir, &q, &e));
}

static void quarantine_is_by_digest_and_attempt(void **state)
{
	struct digest one = digest_of(1);
	struct err e;

	(void)state;
	add(1, 1, REASON_CRASH, 7);
	add(1, 1, REASON_HANG, 7);
	assert_int_equal(entries(), 1);
	add(1, 2, REASON_CRASH, 7);
	add(2, 1, REASON_CRASH, 7);
	assert_int_equal(entries(), 3);
	assert_ok(quarantine_remove(dir, &one, 1, &e));
	assert_ok(quarantine_remove(dir, &one, 1, &e));
	assert_int_equal(entries(), 2);
}

static void a_new_contract_lifts_what_the_old_one_may_have_caused_and_nothing_else(void **state)
{
	struct digest same = digest_of(7), other = digest_of(8);
	struct err e;

	(void)state;
	add(1, 1, REASON_CRASH, 7);
	add(2, 1, REASON_CEILING_RSS, 7);
	add(3, 1, REASON_CONTRACT, 7);
	add(4, 1, REASON_BOOT, 7);
	add(5, 1, REASON_SELFTEST, 7);
	add(6, 1, REASON_HANG, 7);
	add(7, 1, REASON_VERDICTS, 7);
	assert_int_equal(quarantine_lift(dir, &same, &e), 0);
	assert_int_equal(quarantine_lift(dir, &other, &e), 5);
	assert_int_equal(entries(), 2);
}

static void quarantine_survives_clean_up(void **state)
{
	struct digest one = slot(1);
	struct err e;

	(void)state;
	add(1, 1, REASON_CRASH, 7);
	assert_int_equal(slots_clean(dir, NULL, 0, &e), 1);
	assert_false(slots_have(dir, &one));
	assert_int_equal(quarantine_has(dir, &one, 1, &e), 1);
}

static void every_ceiling_is_the_contracts(void **state)
{
	struct quarantine q = { .digest = digest_of(1), .attempt = 1, .contract = digest_of(7), .cause = "ceiling-cpu" };
	struct digest other = digest_of(8);
	struct err e;

	(void)state;
	assert_ok(quarantine_add(dir, &q, &e));
	assert_int_equal(quarantine_lift(dir, &q.contract, &e), 0);
	assert_int_equal(quarantine_lift(dir, &other, &e), 1);
}

static void a_damaged_entry_still_counts(void **state)
{
	char path[600], hex[DIGEST_HEX_LEN + 1];
	struct digest d = digest_of(6);
	struct err e;

	(void)state;
	digest_hex(hex, &d);
	snprintf(path, sizeof path, "%s" HOME_CHANNELS "/edr/quarantine.d/%s.4", root, hex);
	assert_ok(file_replace(path, "{", 1, 0644, &e));
	snprintf(path, sizeof path, "%s" HOME_CHANNELS "/edr/quarantine.d/README", root);
	assert_ok(file_replace(path, "{", 1, 0644, &e));
	assert_int_equal(entries(), 1);
}

/* ---- record and link ---- */

static bool linked(const struct trial *t, const struct digest *d)
{
	uint8_t got[BOOT_DIGEST_LEN] = { 0 };
	struct boot_report why;
	int rc = boot_link_get(t->run, got, &why);

	return digest_is_zero(d) ? rc == 0 : rc == 1 && !memcmp(got, d->bytes, DIGEST_LEN);
}

static void the_link_follows_the_record_through_a_whole_life(void **state)
{
	struct digest one = slot(1), two = slot(2), none = digest_of(0), at;
	struct trial t;
	struct err e;

	(void)state;
	assert_ok(trial_open(&t, root, "edr", &e));
	assert_true(linked(&t, &none));
	assert_ok(trial_arm(&t, &one, 1, &e));
	assert_ok(trial_arm(&t, &one, 1, &e));          /* again, after a death */
	assert_true(trial_on(&t) && linked(&t, &one));
	assert_refused(trial_arm(&t, &two, 1, &e), ERR_CONFLICT, "arm a trial");
	assert_ok(trial_commit(&t, 10, &e));
	assert_true(!trial_on(&t) && linked(&t, &one));
	assert_int_equal(t.record.high_water, 10);
	assert_ok(trial_arm(&t, &two, 1, &e));
	assert_ok(trial_revert(&t, &e));
	assert_true(linked(&t, &one));
	assert_ok(trial_arm(&t, &two, 2, &e));
	assert_ok(trial_commit(&t, 11, &e));
	at = trial_at(&t, RUNG_PREVIOUS);
	assert_true(digest_equal(&at, &one));
	assert_ok(trial_leave(&t, &one, &e));
	assert_true(linked(&t, &one));
	assert_ok(trial_disable(&t, true, &e));
	assert_true(linked(&t, &none));
	assert_ok(trial_disable(&t, false, &e));
	assert_true(linked(&t, &one));
	trial_close(&t);
}

static void what_was_written_is_found_again_and_a_lost_link_comes_back(void **state)
{
	struct digest one = slot(1), running;
	struct trial t;
	char path[512];
	struct err e;

	(void)state;
	assert_ok(trial_open(&t, root, "edr", &e));
	assert_ok(trial_arm(&t, &one, 4, &e));
	trial_close(&t);
	snprintf(path, sizeof path, "%s" HOME_RUN "/edr/current", root);
	assert_int_equal(unlink(path), 0);
	assert_ok(trial_open(&t, root, "edr", &e));
	running = trial_running(&t);
	assert_true(digest_equal(&running, &one));
	assert_int_equal(t.record.attempt, 4);
	assert_int_equal(trial_link(&t, &e), 1);
	assert_true(linked(&t, &one));
	trial_close(&t);
}

static void what_is_not_on_disk_is_never_armed(void **state)
{
	struct digest absent = digest_of(77);
	struct trial t;
	struct err e;

	(void)state;
	assert_ok(trial_open(&t, root, "edr", &e));
	assert_refused(trial_arm(&t, &absent, 1, &e), ERR_NOT_FOUND, "not on disk");
	assert_int_equal(t.record.seq, 0);
	trial_close(&t);
}

static void a_damaged_record_is_told_and_the_host_goes_on(void **state)
{
	struct digest one = slot(1), running;
	char path[512], zeros[BOOT_FILE_BYTES] = { 0 };
	struct trial t;
	struct err e;

	(void)state;
	snprintf(path, sizeof path, "%s" HOME_CHANNELS "/edr/boot", root);
	assert_ok(file_replace(path, zeros, sizeof zeros, 0644, &e));
	assert_ok(trial_open(&t, root, "edr", &e));
	assert_true(*t.trouble);
	running = trial_running(&t);
	assert_true(digest_is_zero(&running));
	assert_ok(trial_arm(&t, &one, 1, &e));
	trial_close(&t);
}

/* ---- the lock ---- */

static void one_agent_holds_the_lock_and_says_who_it_is(void **state)
{
	int pid = 0, first, second;
	struct err e;

	(void)state;
	first = home_lock(root, &pid, &e);
	assert_true(first >= 0);
	assert_int_equal(pid, getpid());
	pid = 0;
	second = home_lock(root, &pid, &e);
	assert_int_equal(second, ERR_CONFLICT);
	assert_int_equal(pid, getpid());
	close(first);
	second = home_lock(root, &pid, &e);
	assert_true(second >= 0);
	close(second);
}

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");
	struct err e;

	(void)state;
	snprintf(root, sizeof root, "%s/ringhold-disk.XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(root) || home_make_channel(root, "edr", &e) < 0)
		return -1;
	dir = home_open(root, HOME_CHANNELS "/edr", &e);
	return dir >= 0 ? 0 : -1;
}

static int teardown(void **state)
{
	struct err e;

	(void)state;
	close(dir);
	return file_remove_tree(root, &e);
}

#define DISK_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		DISK_TEST(clean_up_keeps_what_is_named_and_takes_the_unfinished),
		DISK_TEST(a_slot_that_somebody_reads_stays),
		DISK_TEST(what_is_being_built_or_still_read_under_a_hidden_name_stays),
		DISK_TEST(a_link_in_the_place_of_a_slot_is_none),
		DISK_TEST(quarantine_is_by_digest_and_attempt),
		DISK_TEST(a_new_contract_lifts_what_the_old_one_may_have_caused_and_nothing_else),
		DISK_TEST(quarantine_survives_clean_up),
		DISK_TEST(every_ceiling_is_the_contracts),
		DISK_TEST(a_damaged_entry_still_counts),
		DISK_TEST(the_link_follows_the_record_through_a_whole_life),
		DISK_TEST(what_was_written_is_found_again_and_a_lost_link_comes_back),
		DISK_TEST(what_is_not_on_disk_is_never_armed),
		DISK_TEST(a_damaged_record_is_told_and_the_host_goes_on),
		DISK_TEST(one_agent_holds_the_lock_and_says_who_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
