/* test_journal: what agent.db keeps, in which order, and what its loss costs. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>

#include "agent/journal.h"
#include "base/file.h"
#include "base/log.h"
#include "scratch.h"

static void forget(void)
{
	char path[256];
	struct err e;

	snprintf(path, sizeof path, "%s/var", scratch);
	assert_ok(file_remove_tree(path, &e));
}

static struct journal *fresh(void)
{
	struct journal *j;
	struct err e;

	forget();
	assert_ok(journal_open(&j, scratch, &e));
	return j;
}

static struct journal *again(struct journal *j)
{
	struct err e;

	journal_close(j);
	assert_ok(journal_open(&j, scratch, &e));
	return j;
}

static struct digest digest_of(uint8_t byte)
{
	struct digest d;

	memset(d.bytes, byte, sizeof d.bytes);
	return d;
}

static void a_channel_comes_back_as_it_was_stored(void **state)
{
	AUTO(journal) struct journal *j = fresh();
	static struct journal_channel in, out;
	struct err e;

	(void)state;
	assert_ok(journal_channel_load(j, &in, "edr", &e));
	assert_int_equal(in.phase, PHASE_IDLE);
	in.phase = PHASE_ACTIVE;
	in.offer.digest = digest_of(3);
	in.offer.attempt = 9;
	snprintf(in.offer.channel, sizeof in.offer.channel, "edr");
	in.last.say = SAY_UNKNOWN;
	in.permit_until = 77;
	in.healthy_s = 12;
	in.no_delta = in.held = true;
	in.pinned = digest_of(5);
	snprintf(in.ring, sizeof in.ring, "early");
	snprintf(in.ending, sizeof in.ending, "unhealthy");
	snprintf(in.evidence, sizeof in.evidence, "it said \"no\"");
	assert_ok(journal_channel_store(j, &in, &e));
	j = again(j);
	assert_ok(journal_channel_load(j, &out, "edr", &e));
	assert_memory_equal(&in, &out, sizeof in);
}

static void what_was_not_ended_never_happened(void **state)
{
	AUTO(journal) struct journal *j = fresh();
	struct message_event event = { .kind = "armed", .channel = "edr" };
	uint64_t count;
	struct err e;

	(void)state;
	assert_ok(journal_begin(j, &e));
	assert_ok(journal_event(j, &event, &e));
	j = again(j);
	assert_ok(journal_outbox_count(j, &count, &e));
	assert_int_equal(count, 0);
	assert_ok(journal_begin(j, &e));
	assert_ok(journal_event(j, &event, &e));
	journal_undo(j);
	journal_undo(j);
	assert_ok(journal_outbox_count(j, &count, &e));
	assert_int_equal(count, 0);
}

static int remember(void *arg, const struct message_event *event, struct err *e)
{
	uint64_t *last = arg;

	(void)e;
	assert_true(event->n > *last);
	*last = event->n;
	return 0;
}

static void event_numbers_rise_for_ever_and_acknowledged_ones_go(void **state)
{
	AUTO(journal) struct journal *j = fresh();
	struct message_event event = { .kind = "armed", .channel = "edr", .reason = "load" };
	uint64_t last = 0, count;
	struct err e;

	(void)state;
	for (int i = 0; i < 5; i++)
		assert_ok(journal_event(j, &event, &e));
	assert_int_equal(event.n, 5);
	assert_ok(journal_outbox(j, 3, remember, &last, &e));
	assert_int_equal(last, 3);
	assert_ok(journal_acked(j, 3, &e));
	assert_ok(journal_drop_event(j, 4, &e));
	assert_ok(journal_outbox_count(j, &count, &e));
	assert_int_equal(count, 1);
	assert_ok(journal_acked(j, UINT64_MAX, &e));
	j = again(j);
	assert_ok(journal_event(j, &event, &e));
	assert_int_equal(event.n, 6);
}

static void the_first_sight_of_a_digest_stays_the_first(void **state)
{
	AUTO(journal) struct journal *j = fresh();
	struct digest d = digest_of(1);
	int64_t at;
	struct err e;

	(void)state;
	assert_ok(journal_first_seen(j, "edr", &d, 100, &at, &e));
	assert_int_equal(at, 100);
	assert_ok(journal_first_seen(j, "edr", &d, 900, &at, &e));
	assert_int_equal(at, 100);
	assert_ok(journal_first_seen(j, "yara", &d, 900, &at, &e));
	assert_int_equal(at, 900);
}

static int count_stop(void *arg, const struct message_stop *stop, struct err *e)
{
	int *people = arg;

	(void)e;
	*people += stop->by_people ? 100 : 1;
	return 0;
}

static void a_stop_is_for_ever_and_a_recall_makes_it_stronger(void **state)
{
	AUTO(journal) struct journal *j = fresh();
	struct message_stop stop = { .channel = "edr", .reason = "hurts", .digest = digest_of(2) };
	struct digest other = digest_of(4);
	int counted = 0;
	struct err e;

	(void)state;
	assert_int_equal(journal_stop_add(j, &stop, 1, &e), 1);
	assert_int_equal(journal_stop_add(j, &stop, 2, &e), 0);
	assert_int_equal(journal_stopped(j, "edr", &stop.digest, &e), 1);
	assert_int_equal(journal_stopped(j, "edr", &other, &e), 0);
	assert_int_equal(journal_stopped(j, "yara", &stop.digest, &e), 0);
	stop.by_people = 1;
	assert_int_equal(journal_stop_add(j, &stop, 3, &e), 1);
	stop.by_people = 0;
	assert_int_equal(journal_stop_add(j, &stop, 4, &e), 0);
	j = again(j);
	assert_ok(journal_stops(j, count_stop, &counted, &e));
	assert_int_equal(counted, 100);
}

static int first_stop(void *arg, const struct message_stop *stop, struct err *e)
{
	struct message_stop *first = arg;

	(void)e;
	if (!*first->channel)
		*first = *stop;
	first->by_people++;
	return 0;
}

static void no_stop_makes_another_forgotten(void **state)
{
	AUTO(journal) struct journal *j = fresh();
	struct message_stop stop = { .channel = "edr", .reason = "hurts", .digest = digest_of(2), .by_people = 1 }, first = { .by_people = 0 };
	struct err e;

	(void)state;
	assert_ok(journal_begin(j, &e));
	assert_int_equal(journal_stop_add(j, &stop, 1, &e), 1);
	stop.by_people = 0;
	for (unsigned i = 0; i < 20000; i++) {
		hash_bytes(&stop.digest, &i, sizeof i);
		assert_int_equal(journal_stop_add(j, &stop, 2, &e), 1);
	}
	assert_ok(journal_end(j, &e));
	assert_ok(journal_stops(j, first_stop, &first, &e));
	stop.digest = digest_of(2);
	assert_true(digest_equal(&first.digest, &stop.digest));         /* the people's come first */
	assert_int_equal(first.by_people, 1 + 20001);
}

static void orders_are_taken_in_order_and_answered_once(void **state)
{
	AUTO(journal) struct journal *j = fresh();
	struct journal_order one = { .command = "hold", .channel = "edr" }, two = { .command = "pin", .channel = "edr" }, got;
	struct err e;

	(void)state;
	assert_ok(journal_order_add(j, &one, &e));
	assert_ok(journal_order_add(j, &two, &e));
	assert_int_equal(journal_order_next(j, &got, &e), 1);
	assert_string_equal(got.command, "hold");
	assert_ok(journal_order_done(j, got.id, 1, "held", &e));
	assert_int_equal(journal_order_next(j, &got, &e), 1);
	assert_string_equal(got.command, "pin");
	assert_ok(journal_order_done(j, got.id, ERR_CONFLICT, "no", &e));
	assert_int_equal(journal_order_next(j, &got, &e), 0);
	assert_ok(journal_order_get(j, two.id, &got, &e));
	assert_int_equal(got.done, ERR_CONFLICT);
	assert_int_equal(journal_order_get(j, 99, &got, &e), ERR_NOT_FOUND);
}

static void a_new_journal_has_a_new_epoch_and_an_old_one_keeps_its(void **state)
{
	AUTO(journal) struct journal *j = fresh();
	uint64_t first, second, seq;
	struct err e;

	(void)state;
	assert_ok(journal_epoch(j, &first, &e));
	assert_ok(journal_next_seq(j, &seq, &e));
	assert_ok(journal_next_seq(j, &seq, &e));
	assert_int_equal(seq, 2);
	j = again(j);
	assert_ok(journal_epoch(j, &second, &e));
	assert_int_equal(first, second);
	assert_ok(journal_new_epoch(j, &e));
	assert_ok(journal_epoch(j, &second, &e));
	assert_int_not_equal(first, second);
	assert_ok(journal_next_seq(j, &seq, &e));
	assert_int_equal(seq, 1);
}

static void a_damaged_database_is_put_aside_and_begun_anew(void **state)
{
	struct journal *j = fresh();
	uint64_t first, second;
	char path[256];
	struct err e;

	(void)state;
	assert_ok(journal_epoch(j, &first, &e));
	journal_close(j);
	snprintf(path, sizeof path, "%s" JOURNAL_PATH, scratch);
	assert_ok(file_replace(path, "this is no database, but it is long enough to look at", 53, 0644, &e));
	assert_ok(journal_open(&j, scratch, &e));
	assert_ok(journal_epoch(j, &second, &e));
	assert_int_not_equal(first, second);
	journal_close(j);
	snprintf(path, sizeof path, "%s" JOURNAL_PATH ".bad", scratch);
	assert_true(file_exists(path));
}

/* A process that opens the database when `starts` is closed; it exits with 0 and has told the epoch to `says`. */
static pid_t opener(const int starts[2], int says)
{
	pid_t pid = fork();
	struct journal *j;
	uint64_t epoch;
	struct err e;
	char none;

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	close(starts[1]);
	if (read(starts[0], &none, 1) != 0 || journal_open(&j, scratch, &e) < 0 || journal_epoch(j, &epoch, &e) < 0)
		_exit(1);
	_exit(write(says, &epoch, sizeof epoch) == sizeof epoch ? 0 : 1);
}

/* The agent at its first start, and a person who asks for its status in that moment. */
static void a_new_database_is_opened_by_many_at_once_with_one_epoch(void **state)
{
	enum { ROUNDS = 10, OPENERS = 8 };

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t first = 0, epoch;
		pid_t pids[OPENERS];
		int starts[2], says[2], status;

		forget();
		assert_int_equal(pipe(starts), 0);
		assert_int_equal(pipe(says), 0);
		for (int i = 0; i < OPENERS; i++)
			pids[i] = opener(starts, says[1]);
		close(starts[0]);
		close(starts[1]);
		for (int i = 0; i < OPENERS; i++) {
			assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
			assert_int_equal(status, 0);
			assert_int_equal(read(says[0], &epoch, sizeof epoch), sizeof epoch);
			assert_true(first == 0 || epoch == first);
			first = epoch;
		}
		close(says[0]);
		close(says[1]);
	}
}

static void a_row_that_cannot_be_read_begins_at_idle(void **state)
{
	AUTO(journal) struct journal *j = fresh();
	static struct journal_channel c;
	char path[256];
	sqlite3 *db;
	struct err e;

	(void)state;
	assert_ok(journal_channel_load(j, &c, "edr", &e));
	c.phase = PHASE_ARMED;
	assert_ok(journal_channel_store(j, &c, &e));
	/* Another program's hand: the verdict's record is cut. */
	snprintf(path, sizeof path, "%s" JOURNAL_PATH, scratch);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "UPDATE channel SET offer = x'0102'", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	assert_ok(journal_channel_load(j, &c, "edr", &e));
	assert_int_equal(c.phase, PHASE_IDLE);
}

static int count_line(void *arg, const struct journal_line *line, struct err *e)
{
	(void)line;
	(void)e;
	++*(int *)arg;
	return 0;
}

static void history_is_trimmed_to_the_newest(void **state)
{
	AUTO(journal) struct journal *j = fresh();
	struct journal_line line = { .what = "x" };
	int count = 0;
	struct err e;

	(void)state;
	for (int i = 0; i < 30; i++)
		assert_ok(journal_history_add(j, &line, &e));
	assert_ok(journal_trim(j, 10, &e));
	assert_ok(journal_history(j, "", 100, count_line, &count, &e));
	assert_int_equal(count, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_channel_comes_back_as_it_was_stored),
		cmocka_unit_test(what_was_not_ended_never_happened),
		cmocka_unit_test(event_numbers_rise_for_ever_and_acknowledged_ones_go),
		cmocka_unit_test(the_first_sight_of_a_digest_stays_the_first),
		cmocka_unit_test(a_stop_is_for_ever_and_a_recall_makes_it_stronger),
		cmocka_unit_test(no_stop_makes_another_forgotten),
		cmocka_unit_test(orders_are_taken_in_order_and_answered_once),
		cmocka_unit_test(a_new_journal_has_a_new_epoch_and_an_old_one_keeps_its),
		cmocka_unit_test(a_damaged_database_is_put_aside_and_begun_anew),
		cmocka_unit_test(a_new_database_is_opened_by_many_at_once_with_one_epoch),
		cmocka_unit_test(a_row_that_cannot_be_read_begins_at_idle),
		cmocka_unit_test(history_is_trimmed_to_the_newest),
	};

	log_init("test", LOG_ERROR);
	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
