/* test_witness: what a promoter saw stays seen: after kills, and whoever edits the file. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "cli/witness.h"
#include "tests/test.h"

static char path[64];

static int make(void **state)
{
	int fd;

	(void)state;
	strcpy(path, "/tmp/ringhold-witness-XXXXXX");
	fd = mkstemp(path);
	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

static int drop(void **state)
{
	(void)state;
	return unlink(path);
}

static struct assignment an_assignment(const char *ring, uint64_t serial)
{
	struct assignment a = { .attempt = 1, .issued = 1000 + (int64_t)serial };

	strcpy(a.channel, "edr");
	strcpy(a.ring, ring);
	a.bundle.serial = serial;
	memset(a.bundle.digest.bytes, (int)serial, DIGEST_LEN);
	memset(a.previous.digest.bytes, (int)serial - 1, DIGEST_LEN);
	return a;
}

static struct digest name(int n)
{
	struct digest d;

	memset(d.bytes, n, sizeof d.bytes);
	return d;
}

/* Everything there is to note, as three lines or more of each kind. */
static void note_all(struct witness *w)
{
	struct gate_record r = { .rollout = 7, .channel = "edr", .ring = "canary", .event = "bound" };
	struct err e;

	r.bundle.digest = name(42);
	for (uint64_t serial = 1; serial <= 5; serial++) {
		struct assignment a = an_assignment("canary", serial);
		struct digest d = name((int)serial);

		assert_ok(witness_note_assigned(w, &a, 100 * (int64_t)serial, &e));
		assert_ok(witness_note_assigned(w, &a, 9999, &e));
		assert_ok(witness_note_record(w, &r, &d, 100 * (int64_t)serial, &e));
		assert_ok(witness_note_record(w, &r, &d, 9999, &e));
	}
	assert_ok(witness_note_distrust(w, 9, "it was \"rewritten\"", 600, &e));
	assert_ok(witness_note_signed(w, "0123456789abcdef", "early", "edr", true, 700, &e));
	assert_ok(witness_note_signed(w, "fedcba9876543210", "early", "", false, 800, &e));
}

static void check_all(const struct witness *w)
{
	struct digest third = name(3), zeroth = name(0), none = name(77);

	assert_int_equal(w->assigned_count, 5);
	assert_int_equal(w->record_count, 5);
	assert_int_equal(witness_first(w, "canary", "edr", &third, 1)->at, 300);
	assert_null(witness_first(w, "canary", "edr", &third, 2));
	assert_null(witness_first(w, "early", "edr", &third, 1));
	assert_true(witness_in_force(w, "canary", "edr", &third));
	assert_true(witness_in_force(w, "canary", "edr", &zeroth) == digest_is_zero(&zeroth));
	assert_false(witness_in_force(w, "canary", "edr", &none));
	assert_int_equal(witness_greatest(w, NULL, "edr"), 5);
	assert_int_equal(witness_greatest(w, "early", "edr"), 0);
	assert_int_equal(witness_bound_since(w, 7, "canary"), 100);
	assert_int_equal(witness_bound_since(w, 8, "canary"), 0);
	assert_string_equal(witness_distrusted(w, 9)->sentence, "it was \"rewritten\"");
	assert_null(witness_distrusted(w, 7));
	assert_int_equal(witness_signed_since(w, "early", "edr", true, 600, "x"), 1);
	assert_int_equal(witness_signed_since(w, "early", "edr", true, 700, "x"), 0);
	assert_int_equal(witness_signed_since(w, "early", "edr", true, 600, "0123456789abcdef"), 0);
}

static void what_was_seen_is_read_again(void **state)
{
	struct witness *w = NULL;
	struct err e;

	(void)state;
	assert_ok(witness_open(&w, path, &e));
	note_all(w);
	check_all(w);
	witness_close(TAKE(w));
	assert_ok(witness_open(&w, path, &e));
	check_all(w);
	witness_close(w);
}

/* Killed anywhere: the lines before are whole, the one cut short never was. */
static void a_file_cut_anywhere_is_the_lines_before(void **state)
{
	AUTO(buf) struct buf *whole = NULL;
	struct witness *w = NULL;
	struct err e;

	(void)state;
	assert_ok(witness_open(&w, path, &e));
	note_all(w);
	witness_close(TAKE(w));
	assert_ok(file_read(&whole, path, 1 << 20, &e));
	for (size_t len = whole->len; len > 0; len -= MIN(len, (size_t)37)) {
		struct assignment a = an_assignment("broad", 9);
		size_t lines = 0;

		assert_ok(file_replace(path, whole->data, len, 0600, &e));
		for (size_t i = 0; i < len; i++)
			lines += whole->data[i] == '\n';
		assert_ok(witness_open(&w, path, &e));
		assert_int_equal(w->assigned_count + w->record_count + w->distrust_count + w->signed_count, lines);
		assert_ok(witness_note_assigned(w, &a, 5000, &e));
		witness_close(TAKE(w));
		assert_ok(witness_open(&w, path, &e));
		assert_int_equal(w->assigned_count + w->record_count + w->distrust_count + w->signed_count, lines + 1);
		witness_close(TAKE(w));
	}
}

static void a_line_that_was_changed_removed_or_moved_is_noticed(void **state)
{
	AUTO(buf) struct buf *whole = NULL, *less = buf_new(0);
	struct witness *w = NULL;
	char *second, *third;
	struct err e;

	(void)state;
	assert_ok(witness_open(&w, path, &e));
	note_all(w);
	witness_close(TAKE(w));
	assert_ok(file_read(&whole, path, 1 << 20, &e));
	second = strchr(whole->data, '\n') + 1;
	third = strchr(second, '\n') + 1;
	buf_add(less, whole->data, (size_t)(second - whole->data));
	buf_add(less, third, whole->len - (size_t)(third - whole->data));
	assert_ok(file_replace(path, less->data, less->len, 0600, &e));
	assert_refused(witness_open(&w, path, &e), ERR_FORMAT, "line 2: it does not follow");
	*strstr(whole->data, "\"at\":100") = ' ';
	assert_ok(file_replace(path, whole->data, whole->len, 0600, &e));
	assert_true(witness_open(&w, path, &e) < 0);
	whole->data[1] = '"';
}

static void one_promoter_at_a_time_and_nobody_reads_along(void **state)
{
	struct witness *one = NULL, *two = NULL;
	struct err e;

	(void)state;
	assert_ok(witness_open(&one, path, &e));
	assert_refused(witness_open(&two, path, &e), ERR_CONFLICT, "another promoter");
	witness_close(one);
	assert_int_equal(chmod(path, 0644), 0);
	assert_true(witness_open(&two, path, &e) < 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, make, drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_was_seen_is_read_again),
		CASE(a_file_cut_anywhere_is_the_lines_before),
		CASE(a_line_that_was_changed_removed_or_moved_is_noticed),
		CASE(one_promoter_at_a_time_and_nobody_reads_along),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
