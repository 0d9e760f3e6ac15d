/*
 * test_audit: whatever is done to the table of the audit log is found: each
 * row changed, left out, moved and added in turn, the end cut off, the whole
 * written anew; and a real server's log, as people check and keep it.
 */
#include "plane.h"

#include <sqlite3.h>

#include "server/writer.h"
#include "signing/audit_checkpoint.h"

#define ROWS 12

/* ---- the table ---- */

struct table {
	char dir[64];
	char *path, *copy;
	struct seckey *key;
	struct buf *checkpoint;         /* of all rows */
};

static void fill(struct table *t)
{
	struct store *s = NULL;
	struct writer *w = NULL;
	struct err e;

	assert_ok(store_open(&s, t->path, &e));
	assert_ok(writer_start(&w, s, &e));
	for (int i = 0; i < ROWS; i++) {
		char subject[20];
		struct store_record r = { .kind = STORE_AUDIT };
		struct write write = { .append = { .records = &r, .count = 1 } };

		snprintf(subject, sizeof subject, "device-%d", i);
		r.u.audit = (struct audit_entry){ .at = 1000 + i, .who = i % 2 ? "anna" : "ben", .action = "revoke", .subject = subject, .detail = "d",
						  .why = "stolen", .was = "{\"revoked\":false}", .becomes = "{\"revoked\":true}" };
		assert_ok(writer_submit(w, &write, &e));
	}
	writer_stop(w);
	store_close(s);
}

static int walk_row(const struct store_chain *c, void *arg, struct err *e)
{
	return audit_walk_row(arg, c->id, c->form, &c->a, &c->hash, e);
}

/* 0: all is what was written, as far as the rows and the checkpoint tell. */
static int check(const struct table *t, const char *path, bool checkpoint, struct err *e)
{
	AUTO(store) struct store *s = NULL;
	struct audit_walk w = { .count = 0 };
	struct audit_checkpoint c;
	int got;

	assert_int_equal(store_open(&s, path, e), 0);
	got = store_each_audit(s, &(struct store_audit_filter){ .limit = 0 }, walk_row, &w, e);
	if (got < 0 || !checkpoint)
		return got;
	assert_int_equal(audit_checkpoint_parse(&c, "kept", t->checkpoint->data, t->checkpoint->len, e), 0);
	got = audit_checkpoint_meets(&c, &w, e);
	if (got == 0)
		got = audit_checkpoint_reached(&c, &w, e);
	audit_checkpoint_release(&c);
	return got;
}

static int last_hash(const struct store_chain *c, void *arg, struct err *e)
{
	(void)e;
	*(struct digest *)arg = c->hash;
	return 1;
}

static int setup_table(void **state)
{
	struct table *t = calloc(1, sizeof *t);
	struct audit_checkpoint c = { .server = "content", .count = ROWS, .at = 2000 };
	AUTO(store) struct store *s = NULL;
	struct err e;

	*state = t;
	strcpy(t->dir, "/tmp/ringhold-audit-XXXXXX");
	assert_non_null(mkdtemp(t->dir));
	t->path = file_join(t->dir, "store.db");
	t->copy = file_join(t->dir, "copy.db");
	fill(t);
	assert_ok(seckey_generate(&t->key, &e));
	assert_ok(store_open(&s, t->path, &e));
	assert_int_equal(store_audit_last(s, last_hash, &c.head, &e), 1);
	t->checkpoint = buf_new(0);
	assert_ok(audit_checkpoint_sign(t->checkpoint, &c, t->key, &e));
	return 0;
}

static int teardown_table(void **state)
{
	struct table *t = *state;
	struct err e;

	assert_ok(file_remove_tree(t->dir, &e));
	seckey_free(t->key);
	buf_free(t->checkpoint);
	free(t->path);
	free(t->copy);
	free(t);
	return 0;
}

static void sql(const char *path, const char *text)
{
	sqlite3 *db;
	char *why = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, LIMIT_MS);     /* its server may be at work */
	if (sqlite3_exec(db, text, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", text, why);
	sqlite3_close(db);
}

/* A copy in which this was done is found out, with words that fit. */
static void PRINTF_LIKE(4, 5) found_out(const struct table *t, bool checkpoint, const char *words, const char *fmt, ...)
{
	char text[600];
	va_list args;
	struct err e;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	assert_ok(store_copy(t->path, t->copy, &e));
	sql(t->copy, text);
	if (check(t, t->copy, checkpoint, &e) != ERR_REFUSED)
		fail_msg("not found: %s", text);
	if (!strstr(e.msg, words))
		fail_msg("%s: %s", text, e.msg);
	assert_int_equal(unlink(t->copy), 0);
}

static void the_log_as_it_was_written_is_sound(void **state)
{
	const struct table *t = *state;
	struct err e;

	assert_ok(check(t, t->path, true, &e));
}

static void every_change_of_every_row_is_found(void **state)
{
	static const char *const changes[] = { "at = at + 1", "who = 'eve'", "action = 'x'", "subject = subject || 'x'", "detail = ''", "why = ''", "was = '{}'",
					       "becomes = ''", "form = 1", "form = 3", "hash = zeroblob(32)", "id = id + 100" };
	const struct table *t = *state;

	for (int row = 1; row <= ROWS; row++)
		for (size_t i = 0; i < ARRAY_LEN(changes); i++)
			found_out(t, false, "audit: row", "UPDATE audit SET %s WHERE id = %d", changes[i], row);
}

static void every_row_that_is_left_out_moved_or_added_is_found(void **state)
{
	const struct table *t = *state;

	for (int row = 1; row <= ROWS; row++) {
		if (row < ROWS) {
			found_out(t, false, "audit: row", "DELETE FROM audit WHERE id = %d", row);
			/* and when the others close up */
			found_out(t, false, "audit: row", "DELETE FROM audit WHERE id = %d; UPDATE audit SET id = -(id - 1) WHERE id > %d; UPDATE audit SET id = -id WHERE id < 0",
				  row, row);
			found_out(t, false, "audit: row", "UPDATE audit SET id = -1 WHERE id = %d; UPDATE audit SET id = %d WHERE id = %d; UPDATE audit SET id = %d WHERE id = -1",
				  row, row, row + 1, row + 1);
		}
		found_out(t, false, "audit: row",
			  "UPDATE audit SET id = -(id + 1) WHERE id >= %d; UPDATE audit SET id = -id WHERE id < 0;"
			  " INSERT INTO audit SELECT %d, at, who, action, subject, detail, hash, form, why, was, becomes FROM audit WHERE id = 1 + (%d = 1)",
			  row, row, row);
	}
	found_out(t, false, "audit: row", "INSERT INTO audit SELECT id + 1, at, who, action, subject, detail, hash, form, why, was, becomes FROM audit WHERE id = %d",
		  ROWS);
}

static void a_cut_end_is_found_wherever_it_was_cut(void **state)
{
	const struct table *t = *state;

	for (int row = 1; row <= ROWS; row++)
		found_out(t, true, "the end was cut off", "DELETE FROM audit WHERE id >= %d", row);
}

/* Whoever can write can also reckon: every hash fits again, and only what was kept tells. */
static void a_log_that_was_written_anew_is_found_by_what_was_kept(void **state)
{
	const struct table *t = *state;
	struct table other = { .path = t->copy };
	struct err e;

	assert_ok(store_copy(t->path, t->copy, &e));
	sql(t->copy, "DELETE FROM audit");
	fill(&other);
	sql(t->copy, "UPDATE audit SET who = 'eve' WHERE id = 12");
	sql(t->copy, "DELETE FROM audit WHERE id = 12");
	{
		AUTO(store) struct store *s = NULL;
		struct writer *w = NULL;
		struct store_record r = { .kind = STORE_AUDIT, .u.audit = { .at = 1011, .who = "eve", .action = "revoke", .subject = "device-11" } };
		struct write write = { .append = { .records = &r, .count = 1 } };

		assert_ok(store_open(&s, t->copy, &e));
		assert_ok(writer_start(&w, s, &e));
		assert_ok(writer_submit(w, &write, &e));
		writer_stop(w);
	}
	assert_ok(check(t, t->copy, false, &e));
	assert_refused(check(t, t->copy, true, &e), ERR_REFUSED, "written anew");
}

static void a_checkpoint_says_what_was_signed_and_nothing_else(void **state)
{
	const struct table *t = *state;
	struct audit_checkpoint c;
	struct err e;

	for (size_t i = 0; i < t->checkpoint->len; i++) {
		AUTO_FREE char *bad = strdup(t->checkpoint->data);

		bad[i] = bad[i] == '1' ? '2' : '1';
		if (audit_checkpoint_parse(&c, "forged", bad, t->checkpoint->len, &e) == 0)
			fail_msg("taken with byte %zu changed: %s", i, bad);
	}
}

/* ---- a real server ---- */

static int setup(void **state)
{
	*state = plane_open("");
	return 0;
}

static int teardown(void **state)
{
	plane_close(*state);
	return 0;
}

#define PLACE(p)                                        \
	struct plane *p = *state;                       \
	NEED((p)->o)
#define IN_PLACE(p, name) fixture_path((p)->o->f, name)

static void do_something(struct plane *p, const char *name)
{
	AUTO_FREE char *token = new_token(p, name, "viewer", NULL);

	assert_non_null(token);
}

static void said(struct office *o, int status, const char *words)
{
	(void)status;
	if (!strstr(o->said, words))
		fail_msg("expected \"%s\": %s", words, o->said);
}

#define SAYS(status, words, ...)                                               \
	do {                                                                   \
		int got_ = TOOL(p->o, "", __VA_ARGS__);                        \
		said(p->o, got_, words);                                       \
		assert_int_equal(got_ != 0, (status) != 0);                    \
	} while (0)

static void people_check_keep_and_export_it_and_go_on_where_they_were(void **state)
{
	PLACE(p);
	AUTO_FREE char *kept = IN_PLACE(p, "kept.json"), *file = IN_PLACE(p, "audit.jsonl");
	AUTO(buf) struct buf *once = NULL, *twice = NULL;
	struct err e;

	do_something(p, "one");
	SAYS(0, "are what was written", "audit", "verify", "--keep", kept);
	SAYS(0, "", "audit", "export", "--output", file);
	SAYS(0, "are what was written", "audit", "verify", "--export", file, "--checkpoint", kept);
	do_something(p, "two");
	plane_restart(p, SIGKILL);
	/* half a line, as a run that was killed leaves it */
	assert_ok(file_read(&once, file, 1 << 20, &e));
	assert_true(truncate(file, (off_t)once->len - 10) == 0);
	SAYS(0, "", "audit", "export", "--output", file);
	SAYS(0, "are what was written", "audit", "verify", "--export", file, "--checkpoint", kept);
	assert_ok(file_read(&twice, file, 1 << 20, &e));
	SAYS(0, "", "audit", "export", "--output", file);
	SAYS(0, "", "audit", "verify", "--keep", kept, "--json");
	said(p->o, 0, "\"key_known_before\": true");
	/* nothing is there twice */
	AUTO(buf) struct buf *thrice = NULL;
	assert_ok(file_read(&thrice, file, 1 << 20, &e));
	assert_string_equal(twice->data, thrice->data);
	/* and a line that says something else is found */
	*strstr(twice->data, "two") = 'T';
	assert_ok(file_replace(file, twice->data, twice->len, 0600, &e));
	SAYS(1, "is not what was written", "audit", "verify", "--export", file, "--checkpoint", kept);
}

/* Killed between its last row and the checkpoint: the next run has no new row, and the end must not stay open. */
static void an_export_ends_with_a_checkpoint_though_its_rows_came_in_an_earlier_run(void **state)
{
	PLACE(p);
	AUTO_FREE char *file = IN_PLACE(p, "audit.jsonl");
	AUTO(buf) struct buf *once = NULL, *twice = NULL;
	const char *checkpoint;
	struct err e;

	do_something(p, "one");
	SAYS(0, "", "audit", "export", "--output", file);
	assert_ok(file_read(&once, file, 1 << 20, &e));
	checkpoint = strstr(once->data, "{\"format\":");
	assert_non_null(checkpoint);
	for (off_t cut = checkpoint - once->data; cut < (off_t)once->len; cut += 40) {
		assert_int_equal(truncate(file, cut), 0);
		SAYS(0, "", "audit", "export", "--output", file);
		buf_free(TAKE(twice));
		assert_ok(file_read(&twice, file, 1 << 20, &e));
		assert_string_equal(twice->data, once->data);
	}
}

static void what_was_done_to_the_table_is_told_to_whoever_checks(void **state)
{
	PLACE(p);
	AUTO_FREE char *kept = IN_PLACE(p, "kept.json"), *file = IN_PLACE(p, "audit.jsonl");
	AUTO_FREE char *db = IN_PLACE(p, "data/store.db");

	do_something(p, "one");
	do_something(p, "two");
	SAYS(0, "are what was written", "audit", "verify", "--keep", kept);
	do_something(p, "three");
	SAYS(0, "", "audit", "export", "--output", file);
	sql(db, "UPDATE audit SET who = 'eve' WHERE subject = 'one'");
	SAYS(1, "is not what was written", "audit", "verify", "--keep", kept);
	sql(db, "DELETE FROM audit WHERE id > 1; DELETE FROM audit_checkpoint");
	SAYS(1, "the end was cut off", "audit", "verify", "--keep", kept);
	/* what was exported is still whole */
	SAYS(0, "are what was written", "audit", "verify", "--export", file, "--checkpoint", kept);
	assert_int_equal(truncate(file, 40), 0);
	SAYS(1, "cut off", "audit", "verify", "--export", file, "--checkpoint", kept);
}

static void a_server_that_lost_rows_says_so_when_it_starts(void **state)
{
	PLACE(p);
	AUTO_FREE char *db = IN_PLACE(p, "data/store.db");
	AUTO_FREE char *path = fixture_path(p->o->f, "log");
	AUTO(buf) struct buf *log = NULL;
	struct err e;

	do_something(p, "one");
	SAYS(0, "are what was written", "audit", "verify");
	do_something(p, "two");
	SAYS(0, "are what was written", "audit", "verify");
	plane_restart(p, SIGKILL);
	sql(db, "DELETE FROM audit WHERE id > 1; DELETE FROM audit_checkpoint");
	plane_restart(p, SIGKILL);
	assert_ok(file_read(&log, path, 1 << 20, &e));
	assert_non_null(strstr(log->data, "they are not all here"));
}

/* A key that changes without a restore is somebody else's; test_backup.c has the other half. */
static void checkpoints_of_another_key_are_refused(void **state)
{
	PLACE(p);
	AUTO_FREE char *key = IN_PLACE(p, "data/audit.pem"), *kept = IN_PLACE(p, "kept.json"), *file = IN_PLACE(p, "audit.jsonl");

	do_something(p, "one");
	SAYS(0, "are what was written", "audit", "verify", "--keep", kept);
	SAYS(0, "", "audit", "export", "--output", file);
	assert_int_equal(unlink(key), 0);
	plane_restart(p, SIGKILL);
	do_something(p, "two");
	SAYS(1, "is signed by another key than the next", "audit", "verify");
	SAYS(1, "is signed by another key than those that were kept", "audit", "verify", "--keep", kept);
	SAYS(0, "", "audit", "export", "--output", file);
	SAYS(1, "is signed by another key than the next", "audit", "verify", "--export", file);
}

static void auditors_read_it_by_what_they_look_for_and_others_do_not(void **state)
{
	PLACE(p);
	AUTO_FREE char *auditor = new_token(p, "auditor-1", "auditor", NULL), *operator = new_token(p, "operator-1", "operator", NULL);
	AUTO_REPLY no = ask(p, operator, "GET", "/v1/audit", NULL);
	AUTO_REPLY neither = ask(p, operator, "GET", "/v1/audit/checkpoints", NULL);
	AUTO_REPLY some = ask(p, auditor, "GET", "/v1/audit?subject=auditor-1&action=token", NULL);
	AUTO_REPLY none = ask(p, auditor, "GET", "/v1/audit?subject=auditor-1&until=2001-01-01T00:00:00Z", NULL);
	AUTO_REPLY points = ask(p, auditor, "GET", "/v1/audit/checkpoints", NULL);

	expect_problem(&no, 403, "forbidden");
	expect_problem(&neither, 403, "forbidden");
	assert_int_equal(json_get(some.doc->root, "items")->count, 1);
	assert_int_equal(json_get(none.doc->root, "items")->count, 0);
	assert_int_equal(points.status, 200);
	SAYS(0, "operator-1", "audit", "list", "--action", "token", "--since", "2001-01-01T00:00:00Z");
	assert_null(strstr(p->o->said, "checkpoint"));
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup_table, teardown_table)
#define S(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(the_log_as_it_was_written_is_sound),
		T(every_change_of_every_row_is_found),
		T(every_row_that_is_left_out_moved_or_added_is_found),
		T(a_cut_end_is_found_wherever_it_was_cut),
		T(a_log_that_was_written_anew_is_found_by_what_was_kept),
		T(a_checkpoint_says_what_was_signed_and_nothing_else),
		S(people_check_keep_and_export_it_and_go_on_where_they_were),
		S(checkpoints_of_another_key_are_refused),
		S(an_export_ends_with_a_checkpoint_though_its_rows_came_in_an_earlier_run),
		S(what_was_done_to_the_table_is_told_to_whoever_checks),
		S(a_server_that_lost_rows_says_so_when_it_starts),
		S(auditors_read_it_by_what_they_look_for_and_others_do_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
