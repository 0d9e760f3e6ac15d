/*
 * test_backup: `ringholdd backup` while a crowd works and bundles are published,
 * and what a server has that was restored from one: the state of one moment,
 * with all that was acknowledged before the backup began.
 */
#include <inttypes.h>
#include <sqlite3.h>

#include "base/log.h"
#include "drill.h"
#include "server/backup_files.h"
#include "signing/audit_checkpoint.h"

#define BACKUPS 4
#define TRIES 20                /* backups at most, until the crowd was answered during so many of them */
#define ACKS 60                 /* answers between two of them */

struct taken {
	char *dir;
	struct crowd before;            /* as it was told when the backup began */
	uint64_t during;                /* answers while it was taken */
};

struct copies {
	struct drill *d;
	struct taken t[TRIES];
	size_t count;
};

static int setup(void **state)
{
	struct copies *k = calloc(1, sizeof *k);
	void *d;

	drill_open(&d, "");
	k->d = d;
	/* what is published from now on waits for people, and takes no ring from the crowd's bundle */
	if (k->d->p->o->pid)
		expect(k->d->p, 200, "PUT", "/v1/policies/edr",
		       "{\"format\":1,\"channel\":\"edr\",\"rings\":[{\"name\":\"canary\",\"approvals\":{\"count\":1}},{\"name\":\"early\"},{\"name\":\"broad\"}]}",
		       NULL, 0);
	*state = k;
	return 0;
}

static int teardown(void **state)
{
	struct copies *k = *state;
	void *d = k->d;

	for (size_t i = 0; i < k->count; i++) {
		crowd_free(&k->t[i].before);
		free(k->t[i].dir);
	}
	free(k);
	return drill_close(&d);
}

/* ---- taking them ---- */

struct started {
	pid_t pid;
	char *log;
};

static struct started begin_program(struct office *o, const char *log, const char *program, const char *const *argv)
{
	struct started p = { fork(), fixture_path(o->f, log) };

	assert_true(p.pid >= 0);
	if (p.pid == 0) {
		int fd = open(p.log, O_WRONLY | O_CREAT | O_APPEND, 0644);

		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
		execv(program, (char *const *)argv);
		_exit(127);
	}
	return p;
}

static bool has_ended(struct started *p)
{
	AUTO(buf) struct buf *said = NULL;
	struct err e;
	int status;

	if (!p->pid || waitpid(p->pid, &status, WNOHANG) == 0)
		return !p->pid;
	p->pid = 0;
	assert_ok(file_read(&said, p->log, 1 << 16, &e));
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("status %d: %s", status, said->data);
	free(p->log);
	return true;
}

/* While it is taken a bundle is published, and the audit log gets one checkpoint after the other. */
static void take(struct copies *k)
{
	struct drill *d = k->d;
	struct office *o = d->p->o;
	struct taken *t = &k->t[k->count++];
	char name[32], hex[DIGEST_HEX_LEN + 1];
	AUTO_FREE char *ini = fixture_path(o->f, "ringholdd.ini"), *archive = make_archive(o, 1 + k->count, "rules", hex);
	AUTO_FREE char *key = fixture_path(o->f, "content-edr.pem");
	const char *const publishing[] = { "ringhold", "publish", archive, "--home", o->f->data, "--key", key, NULL };
	struct started backup, publisher;
	bool backed_up = false, published = false;

	snprintf(name, sizeof name, "backup-%zu", k->count);
	t->dir = fixture_path(o->f, name);
	load(d, ACKS);
	crowd_look(&t->before, &d->c);
	publisher = begin_program(o, "publish.log", o->tool, publishing);
	backup = begin_program(o, "backup.log", o->server, (const char *const[]){ "ringholdd", "backup", t->dir, "--secrets", "--config", ini, NULL });
	while (!backed_up || !published) {
		expect(d->p, 200, "GET", "/v1/audit/checkpoints?limit=1", NULL, NULL, 0);
		if (!backed_up && (backed_up = has_ended(&backup))) {
			pthread_mutex_lock(&d->c.lock);
			t->during = d->c.acks - t->before.acks;
			pthread_mutex_unlock(&d->c.lock);
		}
		published = has_ended(&publisher);
	}
	well(d);
}

/* ---- what is in one ---- */

/* Everything acknowledged before it, exactly once; the rest at most once, and nothing that nobody sent. */
static int hold_against(struct copies *k, const struct crowd *before, const char *store, struct tally *out, struct err *e)
{
	struct crowd c;
	int got;

	crowd_look(&c, &k->d->c);
	crowd_between(before, &c);
	got = tally_check(&c, store, false, out, e);
	crowd_free(&c);
	return got;
}

static char *store_of(const struct taken *t)
{
	char *path = file_join(t->dir, "store.db");

	assert_non_null(path);
	return path;
}

static sqlite3 *open_store(const char *path)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	sqlite3_busy_timeout(db, 60000);        /* the original's server may be at work */
	return db;
}

static int64_t count_of(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *st = NULL;
	int64_t n;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK || sqlite3_step(st) != SQLITE_ROW)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return n;
}

/* The checkpoint's file that came along speaks of rows that came along. */
static void checkpoint_is_met(const struct taken *t)
{
	AUTO_FREE char *path = file_join(t->dir, "data/audit-checkpoint.json"), *store = store_of(t);
	AUTO(buf) struct buf *text = NULL;
	struct audit_checkpoint c;
	char sql[200], hex[DIGEST_HEX_LEN + 1];
	sqlite3 *db = open_store(store);
	struct err e;

	assert_ok(file_read(&text, path, AUDIT_CHECKPOINT_MAX, &e));
	assert_ok(audit_checkpoint_parse(&c, path, text->data, text->len, &e));
	digest_hex(hex, &c.head);
	snprintf(sql, sizeof sql, "SELECT count(*) FROM audit WHERE id = %" PRIu64 " AND lower(hex(hash)) = '%s'", c.count, hex);
	if (count_of(db, sql) != 1)
		fail_msg("%s: its checkpoint is of row %" PRIu64 ", which its store has not", t->dir, c.count);
	audit_checkpoint_release(&c);
	sqlite3_close(db);
}

/* Events and decisions have one sequence of numbers, the audit log and offers have theirs. */
#define HAPPENED(in) "SELECT id, device || ' ' || epoch || ' ' || n AS what FROM " in ".event" \
		     " UNION ALL SELECT id, ring || ' ' || was || ' ' || becomes FROM " in ".decision"
#define AUDITED(in) "SELECT id, hash AS what FROM " in ".audit"
#define OFFERED(in) "SELECT n AS id, device AS what FROM " in ".offer WHERE rollout = 1 AND ring = 0"
/* Rows of one that the other has not, and the other way round up to where the copy ends. */
#define ALL(rows, in) "SELECT * FROM (" rows(in) ")"
#define MORE(rows) "SELECT count(*) FROM (" ALL(rows, "copy") " EXCEPT " ALL(rows, "main") ")"
#define LESS(rows) \
	"SELECT count(*) FROM (" ALL(rows, "main") " WHERE id <= (SELECT max(id) FROM (" rows("copy") ")) EXCEPT " ALL(rows, "copy") ")"

/* The first ones of each, and all of these. */
static void is_one_moment_of(const char *store, const struct taken *t)
{
	static const char *const nothing[] = { MORE(HAPPENED), LESS(HAPPENED), MORE(AUDITED), LESS(AUDITED), MORE(OFFERED), LESS(OFFERED) };
	AUTO_FREE char *copy = store_of(t), *attach = NULL;
	sqlite3 *db = open_store(store);

	assert_true(asprintf(&attach, "ATTACH '%s' AS copy", copy) > 0);
	assert_int_equal(sqlite3_exec(db, attach, NULL, NULL, NULL), SQLITE_OK);
	for (size_t i = 0; i < ARRAY_LEN(nothing); i++)
		if (count_of(db, nothing[i]) != 0)
			fail_msg("%s: %" PRId64 " rows: %s", t->dir, count_of(db, nothing[i]), nothing[i]);
	sqlite3_close(db);
}

static void is_whole(struct copies *k, struct taken *t)
{
	struct office *o = k->d->p->o;
	AUTO_FREE char *store = store_of(t);
	struct tally tally;
	struct err e;

	if (VERIFY_BACKUP(o, t->dir) != 0)
		fail_msg("%s", o->said);
	expect_said(o, "whole");
	assert_ok(hold_against(k, &t->before, store, &tally, &e));
	checkpoint_is_met(t);
}

/* ---- a server of it ---- */

/* Another machine: nothing of the first but its keys, and what is still to be had of its repository. */
static struct plane *elsewhere(struct office *o, const struct taken *t)
{
	struct plane *p = calloc(1, sizeof *p);
	struct fixture *f = calloc(1, sizeof *f);
	char ini[1200];

	snprintf(f->dir, sizeof f->dir, "%.200s/elsewhere", o->f->dir);
	f->data = fixture_path(f, "data");
	snprintf(ini, sizeof ini, "listen = 127.0.0.1:0\ndata = %s\nkeys = %s\n" DRILL_RATES, f->data, o->f->keys);
	fixture_write(f, "ringholdd.ini", ini);
	p->o = calloc(1, sizeof *p->o);
	*p->o = (struct office){ .f = f, .server = strdup(o->server), .tool = strdup(o->tool) };
	if (DAEMON(p->o, "restore", t->dir, "--published", o->f->repository) != 0)
		fail_msg("%s", p->o->said);
	expect_said(p->o, "bundles were published after it, and are known");
	expect_said(p->o, "rollouts wait");
	return p;
}

static void expect_words(const struct office *o, int status, const char *words)
{
	if (status != 0)
		fail_msg("exit status %d: %s", status, o->said);
	expect_said(o, words);
}

/* May it have the bundle? */
static struct answer device_asks(struct plane *p, const struct crowd *c, const struct crowd_device *d)
{
	char body[1000];

	snprintf(body, sizeof body,
		 "{\"format\":1,\"epoch\":\"%016" PRIx64 "\",\"seq\":%" PRIu64 ",\"sent\":1,\"boot_id\":\"b\",\"facts\":{\"os\":\"debian-12\"},"
		 "\"channels\":[{\"channel\":\"%s\",\"ring\":\"" CROWD_RING "\",\"phase\":\"IDLE\",\"rung\":\"current\",\"running\":null,\"drop\":null,"
		 "\"high_water\":0,\"held\":null}],\"events\":[],\"want\":[{\"channel\":\"%s\",\"digest\":\"%s\",\"attempt\":1}]}",
		 d->epoch, d->seq + 1, c->channel, c->channel, c->digest);
	return ask(p, d->token, "POST", "/device/v1/checkin", body);
}

/* A new device asks until it may. */
static void next_offer_is_given(struct plane *p, const struct crowd *c)
{
	struct crowd_device d = { .epoch = 1 };
	int64_t until = clock_work_ms() + LIMIT_MS;
	AUTO_REPLY enrolled = ask(p, c->enrolment, "POST", "/device/v1/enrol", "{\"format\":1,\"facts\":{}}");
	bool may = false;

	assert_int_equal(enrolled.status, 201);
	snprintf(d.token, sizeof d.token, "%s", member(&enrolled, "token"));
	while (!may) {
		AUTO_REPLY a = device_asks(p, c, &d);

		d.seq++;
		assert_int_equal(a.status, 200);
		may = strstr(a.text->data, "\"answer\":\"go\"");
		if (!may && clock_work_ms() > until)
			fail_msg("no offer: %s", a.text->data);
		poll(NULL, 0, 20);
	}
}

static bool show_says(struct office *o, const char *words)
{
	expect_words(o, TOOL(o, "", "rollout", "show", "1", "--json"), "\"id\": 1");
	return strstr(o->said, words);
}

/* What was under way waits for an operator, and goes on where it was: the next offer has the next number. */
static void goes_on(struct plane *p, const struct crowd *c, const struct tally *was)
{
	struct office *o = p->o;
	AUTO_FREE char *store = fixture_path(o->f, "data/store.db");
	struct drill there = { .p = p, .t = *was };
	sqlite3 *db = open_store(store);

	gate_agrees(&there);
	assert_true(show_says(o, "\"restored\": true"));
	{
		AUTO_REPLY a = device_asks(p, c, &c->devices[0]);

		assert_int_equal(a.status, 200);
		assert_non_null(strstr(a.text->data, "\"answer\":\"wait\",\"valid_s\":0,\"reason\":\"restored\""));
	}
	expect_words(o, TOOL(o, "", "rollout", "resume", "1", "--reason", "looked at"), "");
	/* the crowd's own operator may have paused it */
	if (show_says(o, "\"state\": \"held\""))
		expect_words(o, TOOL(o, "", "rollout", "resume", "1", "--reason", "looked at"), "");
	assert_true(show_says(o, "\"restored\": false"));
	next_offer_is_given(p, c);
	there.t.offers++;
	gate_agrees(&there);
	assert_int_equal(count_of(db, "SELECT max(n) FROM offer WHERE rollout = 1 AND ring = 0"), there.t.offers);
	sqlite3_close(db);
}

/* Rows that came after the backup are gone, which is told to whoever saw them; the log itself goes on. */
static void audit_goes_on(struct office *o, const char *saw_all)
{
	AUTO_FREE char *fresh = fixture_path(o->f, "fresh.json"), *log = fixture_path(o->f, "log");
	AUTO(buf) struct buf *said = NULL;
	struct err e;

	expect_words(o, TOOL(o, "", "audit", "verify", "--keep", fresh), "rows are what was written");
	expect_words(o, TOOL(o, "", "audit", "verify", "--keep", fresh), "rows are what was written");
	assert_int_equal(TOOL(o, "", "audit", "verify", "--keep", saw_all), 1);
	assert_ok(file_read(&said, log, 1 << 20, &e));
	assert_null(strstr(said->data, "not all here"));
}

/* The first machine is lost; of what its operators kept there is a checkpoint of the audit log. */
static void lives_elsewhere(struct copies *k, const struct taken *t)
{
	struct drill *d = k->d;
	AUTO_FREE char *copy = store_of(t), *store = NULL, *saw_all = fixture_path(d->p->o->f, "kept.json");
	struct tally in_copy, restored;
	struct plane *p;
	struct err e;

	expect_words(d->p->o, TOOL(d->p->o, "", "audit", "verify", "--keep", saw_all), "rows are what was written");
	put_down(d);
	p = elsewhere(d->p->o, t);
	store = fixture_path(p->o->f, "data/store.db");
	office_start(p->o);
	plane_connect(p);
	assert_ok(hold_against(k, &t->before, copy, &in_copy, &e));
	assert_ok(hold_against(k, &t->before, store, &restored, &e));
	assert_memory_equal(&in_copy, &restored, sizeof restored);
	audit_goes_on(p->o, saw_all);
	goes_on(p, &d->c, &restored);
	plane_close(p);
}

/* ---- the sentences ---- */

static void take_them(struct copies *k)
{
	for (size_t busy = 0; busy < BACKUPS; busy += k->t[k->count - 1].during > 0) {
		assert_true(k->count < TRIES);
		take(k);
	}
}

static void a_backup_while_a_crowd_works_is_of_one_moment_and_has_all_that_was_acknowledged_before_it(void **state)
{
	struct copies *k = *state;
	struct drill *d = k->d;

	NEED(d->p->o);
	begin(d, CROWD_AGENTS);
	take_them(k);
	for (size_t i = 0; i < k->count; i++)
		is_whole(k, &k->t[i]);
	load(d, ACKS);
	settle(d);
	/* and the first server lost nothing */
	holds(d, true);
	for (size_t i = 0; i < k->count; i++) {
		is_one_moment_of(d->store, &k->t[i]);
		print_message("backup %zu: %" PRIu64 " answers before it, %" PRIu64 " while it was taken\n", i + 1, k->t[i].before.acks, k->t[i].during);
	}
	lives_elsewhere(k, &k->t[1]);
	crowd_free(&d->c);
}

/* The controls: an older backup, and the store's file without its log. */
static void what_is_no_backup_of_this_moment_is_noticed(void **state)
{
	struct copies *k = *state;
	struct drill *d = k->d;
	AUTO_FREE char *old = NULL, *bare = fixture_path(d->p->o->f, "bare.db");
	struct digest sha256;
	struct tally tally;
	struct crowd now;
	uint64_t size;
	struct err e;

	NEED(d->p->o);
	plane_restart(d->p, SIGTERM);   /* which leaves no log, so that what the file has is whole, and old */
	begin(d, CROWD_AGENTS);
	take(k);
	old = store_of(&k->t[0]);
	load(d, ACKS);
	crowd_look(&now, &d->c);
	assert_refused(hold_against(k, &now, old, &tally, &e), ERR_REFUSED, "");
	assert_ok(backup_copy(d->store, bare, 0600, &size, &sha256, &e));
	assert_refused(hold_against(k, &now, bare, &tally, &e), ERR_REFUSED, "");
	crowd_free(&now);
	settle(d);
	crowd_free(&d->c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_backup_while_a_crowd_works_is_of_one_moment_and_has_all_that_was_acknowledged_before_it, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_backup_of_this_moment_is_noticed, setup, teardown),
	};

	signal(SIGPIPE, SIG_IGN);
	log_init("test", LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
