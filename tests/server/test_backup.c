/*
 * test_backup: `ringholdd backup` beside a running server, and `restore` into
 * an empty data directory: what was published last, what waits, what is
 * refused, and what a kill in the middle leaves.
 */
#include <dirent.h>
#include <limits.h>
#include <sys/stat.h>

#include "older.h"
#include "plane.h"
#include "published.h"
#include "server/backup_files.h"
#include "server/store.h"

static struct err e;

static int setup(void **state)
{
	*state = office_open("");
	return 0;
}

static int teardown(void **state)
{
	office_close(*state);
	return 0;
}

static void expect_status(const struct office *o, int got, int want)
{
	if (got != want)
		fail_msg("exit status %d, not %d: %s", got, want, o->said);
}

static void end(struct office *o)
{
	AUTO_FREE char *listening = fixture_path(o->f, "data/listening");
	int status;

	kill(o->pid, SIGTERM);
	assert_int_equal(waitpid(o->pid, &status, 0), o->pid);
	assert_int_equal(status, 0);
	unlink(listening);
}

static void move(const struct office *o, const char *from, const char *to)
{
	AUTO_FREE char *a = fixture_path(o->f, from), *b = fixture_path(o->f, to);

	assert_int_equal(rename(a, b), 0);
}

/* The machine is gone; of its data only what is named survives. What people keep elsewhere comes back: keys, the operator's token. */
static void lose_everything_but(struct office *o, const char *survivor)
{
	AUTO_FREE char *data = fixture_path(o->f, "data");
	static const char *const kept[] = { "keys", "operator-token" };

	move(o, "data", "lost");
	assert_int_equal(mkdir(data, 0700), 0);
	for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
		char from[64], to[64];

		snprintf(from, sizeof from, "lost/%s", kept[i]);
		snprintf(to, sizeof to, "data/%s", kept[i]);
		move(o, from, to);
	}
	if (*survivor)
		move(o, "lost/repository", survivor);
}

static int is_action(const struct store_chain *row, void *arg, struct err *why)
{
	(void)why;
	return strcmp(row->a.action, arg) == 0;
}

static void expect_audited(const struct office *o, const char *action)
{
	AUTO_FREE char *path = fixture_path(o->f, "data/store.db");
	AUTO(store) struct store *store = NULL;

	assert_ok(store_open(&store, path, &e));
	assert_int_equal(store_each_audit(store, &(struct store_audit_filter){ 0 }, is_action, (void *)action, &e), 1);
}

static int first_rollout(const struct office *o, const char *word)
{
	const char *at = strstr(o->said, word);

	assert_non_null(at);
	return atoi(at + strlen(word));
}

static void a_backup_of_a_running_server_restores_to_one_whose_rollouts_wait(void **state)
{
	struct office *o = *state;
	char hex[DIGEST_HEX_LEN + 1], id[16];
	AUTO_FREE char *dir = NULL, *key = NULL;

	NEED(o);
	dir = fixture_path(o->f, "backup");
	key = fixture_path(o->f, "data/device-token.key");
	publish(o, 1, "one", hex);
	expect_status(o, DAEMON(o, "backup", dir, "--secrets"), 0);
	expect_said(o, "private signing keys are not in it");
	expect_status(o, DAEMON(o, "backup", dir), 1);
	expect_said(o, "not empty");
	end(o);
	lose_everything_but(o, "");
	expect_status(o, DAEMON(o, "restore", dir), 0);
	expect_said(o, "1 rollouts wait");
	assert_true(file_exists(key));
	expect_status(o, DAEMON(o, "restore", dir), 1);
	expect_said(o, "a store already");
	office_start(o);
	assert_int_equal(TOOL(o, "", "rollout", "list", "--json"), 0);
	expect_said(o, "\"restored\": true");
	snprintf(id, sizeof id, "%d", first_rollout(o, "\"id\": "));
	assert_int_equal(TOOL(o, "", "rollout", "show", id), 0);
	expect_said(o, "held");
	assert_int_equal(TOOL(o, "", "rollout", "resume", id, "--reason", "looked at"), 0);
	assert_int_equal(TOOL(o, "", "rollout", "list", "--json"), 0);
	expect_said(o, "\"restored\": false");
	end(o);
	expect_audited(o, "restore");
	office_start(o);
}

/* They may lie in the data directory under any name, and so may the backup. */
static void private_keys_are_not_in_it_wherever_they_are(void **state)
{
	static const char *const secrets[] = { "backup/data/signing", "backup/data/own.key", "backup/secrets", "backup/data/backup" };
	struct office *o = *state;
	AUTO_FREE char *dir = NULL, *ini = NULL;
	AUTO(buf) struct buf *before = NULL;
	char more[4 * PATH_MAX];

	NEED(o);
	dir = fixture_path(o->f, "data/backup");
	ini = fixture_path(o->f, "ringholdd.ini");
	end(o);
	move(o, "data/keys", "data/signing");
	fixture_write(o->f, "data/own.key", "a private key");
	fixture_write(o->f, "data/own.crt", "a certificate");
	assert_ok(file_read(&before, ini, 1 << 16, &e));
	snprintf(more, sizeof more, "%s\nkeys = %s/signing\ntls-key = %s/own.key\ntls-certificate = %s/own.crt\n", before->data, o->f->data,
		 o->f->data, o->f->data);
	fixture_write(o->f, "ringholdd.ini", more);
	expect_status(o, DAEMON(o, "backup", dir), 0);
	move(o, "data/backup", "backup");
	for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
		AUTO_FREE char *path = fixture_path(o->f, secrets[i]);

		assert_false(file_exists(path));
	}
	move(o, "data/signing", "data/keys");
	fixture_write(o->f, "ringholdd.ini", before->data);
	office_start(o);
}

static void what_was_published_after_the_backup_is_put_back_first(void **state)
{
	struct office *o = *state;
	char hex[DIGEST_HEX_LEN + 1];
	AUTO_FREE char *dir = NULL, *mirror = NULL, *archive = NULL;

	NEED(o);
	dir = fixture_path(o->f, "backup");
	mirror = fixture_path(o->f, "mirror");
	publish(o, 1, "one", hex);
	expect_status(o, DAEMON(o, "backup", dir), 0);
	publish(o, 2, "two", hex);
	end(o);
	lose_everything_but(o, "mirror");
	expect_status(o, DAEMON(o, "restore", dir, "--published", mirror), 0);
	expect_said(o, "1 bundles were published after it");
	expect_said(o, "every device enrols again");
	office_start(o);
	/* The serial is taken, and versions go on above everything that anybody has seen. */
	archive = make_archive(o, 2, "another two", hex);
	assert_int_not_equal(TOOL(o, "content-edr", "publish", archive), 0);
	publish(o, 3, "three", hex);
}

static void the_repository_that_survived_is_newer_than_the_backup_s(void **state)
{
	struct office *o = *state;
	char hex[DIGEST_HEX_LEN + 1];
	AUTO_FREE char *dir = NULL;

	NEED(o);
	dir = fixture_path(o->f, "backup");
	expect_status(o, DAEMON(o, "backup", dir), 0);
	publish(o, 1, "one", hex);
	end(o);
	lose_everything_but(o, "data/repository");
	expect_status(o, DAEMON(o, "restore", dir, "--json"), 0);
	expect_said(o, "\"bundles_learnt\":1");
	office_start(o);
	publish(o, 2, "two", hex);
}

static void a_repository_with_another_root_is_refused(void **state)
{
	struct office *o = *state, *other;
	AUTO_FREE char *dir = NULL;

	NEED(o);
	other = office_open("");
	dir = fixture_path(o->f, "backup");
	expect_status(o, DAEMON(o, "backup", dir), 0);
	end(o);
	lose_everything_but(o, "");
	expect_status(o, DAEMON(o, "restore", dir, "--published", other->f->repository), 1);
	expect_said(o, "another repository");
	office_close(other);
	expect_status(o, DAEMON(o, "restore", dir), 0);
	office_start(o);
}

static void a_backup_that_is_not_what_it_was_is_refused_and_named(void **state)
{
	struct office *o = *state;
	AUTO_FREE char *dir = NULL, *store = NULL, *list = NULL;
	AUTO(buf) struct buf *bytes = NULL;

	NEED(o);
	dir = fixture_path(o->f, "backup");
	store = fixture_path(o->f, "backup/store.db");
	list = fixture_path(o->f, "backup/backup.json");
	expect_status(o, DAEMON(o, "backup", dir), 0);
	expect_status(o, VERIFY_BACKUP(o, dir), 0);
	expect_said(o, "whole");
	end(o);
	lose_everything_but(o, "");
	assert_ok(file_read(&bytes, store, 1 << 24, &e));
	bytes->data[bytes->len / 2] ^= 1;
	assert_ok(file_replace(store, bytes->data, bytes->len, 0600, &e));
	expect_status(o, VERIFY_BACKUP(o, dir), 1);
	expect_said(o, "store.db: not the");
	expect_status(o, DAEMON(o, "restore", dir), 1);
	expect_said(o, "store.db: not the");
	bytes->data[bytes->len / 2] ^= 1;
	assert_ok(file_replace(store, bytes->data, bytes->len, 0600, &e));
	move(o, "backup/backup.json", "list");
	expect_status(o, VERIFY_BACKUP(o, dir), 1);
	expect_said(o, "no whole backup");
	expect_status(o, DAEMON(o, "restore", dir), 1);
	expect_said(o, "no whole backup");
	move(o, "list", "backup/backup.json");
	expect_status(o, DAEMON(o, "restore", dir), 0);
	office_start(o);
}

static void a_link_beneath_the_data_is_refused_by_its_name(void **state)
{
	struct office *o = *state;
	AUTO_FREE char *dir = NULL, *link = NULL;

	NEED(o);
	dir = fixture_path(o->f, "backup");
	link = fixture_path(o->f, "data/elsewhere");
	assert_int_equal(symlink("/etc", link), 0);
	expect_status(o, DAEMON(o, "backup", dir), 1);
	expect_said(o, "elsewhere: a symbolic link");
	assert_int_equal(unlink(link), 0);
}

/* Bundles are unpacked there, and gone a moment later. */
static void what_the_server_tries_out_is_not_even_looked_at(void **state)
{
	struct office *o = *state;
	AUTO_FREE char *dir = NULL, *link = NULL;

	NEED(o);
	dir = fixture_path(o->f, "backup");
	link = fixture_path(o->f, "data/trials/link");
	assert_int_equal(symlink("/etc", link), 0);
	expect_status(o, DAEMON(o, "backup", dir), 0);
	assert_int_equal(unlink(link), 0);
}

static void a_store_of_a_newer_program_is_left_alone(void **state)
{
	struct office *o = *state;
	AUTO_FREE char *store = NULL;
	AUTO(buf) struct buf *before = NULL, *after = NULL;

	NEED(o);
	store = fixture_path(o->f, "data/store.db");
	end(o);
	expect_status(o, DAEMON(o, "migrate"), 0);
	expect_said(o, "nothing to do");
	/* The version is a big-endian number at offset 60 of an SQLite file. */
	assert_ok(file_read(&before, store, 1 << 24, &e));
	assert_int_equal(before->data[63], STORE_VERSION);
	before->data[63]++;
	assert_ok(file_replace(store, before->data, before->len, 0600, &e));
	expect_status(o, DAEMON(o, "migrate"), 1);
	expect_said(o, "use a newer one");
	expect_status(o, daemon_tool(o, (const char *const[]){ NULL }), 1);     /* it refuses to start */
	expect_said(o, "use a newer one");
	assert_ok(file_read(&after, store, 1 << 24, &e));
	assert_int_equal(before->len, after->len);
	assert_memory_equal(before->data, after->data, after->len);
	before->data[63]--;
	assert_ok(file_replace(store, before->data, before->len, 0600, &e));
	office_start(o);
}

static size_t files_in(const char *dir)
{
	DIR *d = opendir(dir);
	size_t count = 0;

	assert_non_null(d);
	for (struct dirent *f; (f = readdir(d));)
		count += f->d_name[0] != '.';
	closedir(d);
	return count;
}

/* The role whose key has this id; NULL: none. */
static const char *role_of(const struct office *o, const char *keyid)
{
	for (size_t i = 0; i < o->f->all->count; i++) {
		char id[DIGEST_HEX_LEN + 1];

		assert_ok(pubkey_id(seckey_public(o->f->all->keys[i].key), id, &e));
		if (strcmp(id, keyid) == 0)
			return o->f->all->keys[i].name;
	}
	return NULL;
}

/* Whoever restores sees which keys must be at hand again. */
static void it_names_each_signing_key_by_its_id_and_none_twice(void **state)
{
	struct office *o = *state;
	AUTO_FREE char *dir = NULL, *path = NULL;
	AUTO(buf) struct buf *text = NULL;
	AUTO(json) struct json_doc *doc = NULL;
	const struct json *keys;

	NEED(o);
	dir = fixture_path(o->f, "backup");
	path = fixture_path(o->f, "backup/keys.json");
	expect_status(o, DAEMON(o, "backup", dir), 0);
	assert_ok(file_read(&text, path, 1 << 20, &e));
	assert_ok(json_parse(&doc, "keys.json", text->data, text->len, NULL, &e));
	keys = json_get(doc->root, "keys");
	assert_int_equal(keys->count, files_in(o->f->keys));
	for (uint32_t i = 0; i < keys->count; i++) {
		const char *id = json_get(&keys->u.items[i], "keyid")->u.text, *role = role_of(o, id);

		assert_non_null(role);
		assert_non_null(strstr(json_get(&keys->u.items[i], "name")->u.text, role));
		for (uint32_t k = 0; k < i; k++)
			assert_string_not_equal(json_get(&keys->u.items[k], "keyid")->u.text, id);
	}
	assert_null(strstr(text->data, "PRIVATE"));
}

static void expect_checkin(struct plane *p, const char *token, int seq, long status)
{
	char body[500];
	AUTO_REPLY a = { 0 };

	snprintf(body, sizeof body,
		 "{\"format\":1,\"epoch\":\"0123456789abcdef\",\"seq\":%d,\"sent\":1,\"boot_id\":\"b\",\"facts\":{\"os\":\"debian-12\"},\"channels\":[],"
		 "\"events\":[],\"want\":[]}", seq);
	a = ask(p, token, "POST", "/device/v1/checkin", body);
	if (a.status != status)
		fail_msg("check-in: %ld instead of %ld: %s", a.status, status, a.text->data);
}

/* With the server's secrets a fleet notices nothing; without them every device has to enrol again, and is told so. */
static void what_a_device_enrolled_before_meets_depends_on_the_secrets(void **state)
{
	struct office *o = *state;
	struct plane p = { .o = o };
	AUTO_FREE char *with = NULL, *without = NULL, *lost = NULL;
	char token[256];

	NEED(o);
	with = fixture_path(o->f, "with");
	without = fixture_path(o->f, "without");
	lost = fixture_path(o->f, "lost");
	plane_connect(&p);
	{
		AUTO_REPLY t = ask(&p, FIXTURE_TOKEN, "POST", "/v1/enrolment-tokens", "{\"name\":\"lab\"}");
		AUTO_REPLY d = ask(&p, member(&t, "token"), "POST", "/device/v1/enrol", "{\"format\":1,\"facts\":{}}");

		assert_int_equal(d.status, 201);
		snprintf(token, sizeof token, "%s", member(&d, "token"));
	}
	expect_checkin(&p, token, 1, 200);
	expect_status(o, DAEMON(o, "backup", with, "--secrets"), 0);
	expect_status(o, DAEMON(o, "backup", without), 0);
	end(o);
	lose_everything_but(o, "");
	expect_status(o, DAEMON(o, "restore", with), 0);
	office_start(o);
	plane_connect(&p);
	expect_checkin(&p, token, 2, 200);
	end(o);
	assert_ok(file_remove_tree(lost, &e));
	lose_everything_but(o, "");
	expect_status(o, DAEMON(o, "restore", without), 0);
	office_start(o);
	plane_connect(&p);
	expect_checkin(&p, token, 3, 401);
	fetch_free(p.http);
}

/* No backup has the key of its checkpoints: those of the first server stay good, and a new one signs the next. */
static void the_audit_log_goes_on_after_a_restore_under_another_key(void **state)
{
	struct office *o = *state;
	char hex[DIGEST_HEX_LEN + 1];
	AUTO_FREE char *dir = NULL, *kept = NULL, *fresh = NULL, *file = NULL;

	NEED(o);
	dir = fixture_path(o->f, "backup");
	kept = fixture_path(o->f, "kept.json");
	fresh = fixture_path(o->f, "fresh.json");
	file = fixture_path(o->f, "audit.jsonl");
	publish(o, 1, "one", hex);
	expect_status(o, TOOL(o, "", "audit", "verify", "--keep", kept), 0);
	expect_status(o, TOOL(o, "", "audit", "export", "--output", file), 0);
	expect_status(o, DAEMON(o, "backup", dir), 0);
	end(o);
	lose_everything_but(o, "");
	expect_status(o, DAEMON(o, "restore", dir), 0);
	office_start(o);
	for (int i = 0; i < 2; i++)
		expect_status(o, TOOL(o, "", "audit", "verify", "--keep", fresh), 0);
	expect_status(o, TOOL(o, "", "audit", "export", "--output", file), 0);
	expect_status(o, TOOL(o, "", "audit", "verify", "--export", file, "--checkpoint", fresh), 0);
	expect_status(o, TOOL(o, "", "audit", "verify", "--keep", kept), 1);
	expect_said(o, "another key than those that were kept");
	expect_said(o, "keep a new checkpoint");
}

static void a_restore_excuses_no_other_change_of_the_audit_logs_key(void **state)
{
	struct office *o = *state;
	char hex[DIGEST_HEX_LEN + 1];
	AUTO_FREE char *dir = NULL, *key = NULL;

	NEED(o);
	dir = fixture_path(o->f, "backup");
	key = fixture_path(o->f, "data/audit.pem");
	publish(o, 1, "one", hex);
	end(o);
	assert_int_equal(unlink(key), 0);
	office_start(o);
	publish(o, 2, "two", hex);
	expect_status(o, TOOL(o, "", "audit", "verify"), 1);
	expect_status(o, DAEMON(o, "backup", dir), 0);
	end(o);
	lose_everything_but(o, "");
	expect_status(o, DAEMON(o, "restore", dir), 0);
	office_start(o);
	expect_status(o, TOOL(o, "", "audit", "verify"), 1);
	expect_said(o, "another key than the next");
}

static void an_older_store_is_brought_up_by_name_and_serves(void **state)
{
	struct office *o = *state;
	AUTO_FREE char *path = NULL;
	char from[60], tokens[DIGEST_HEX_LEN + 20], hex[DIGEST_HEX_LEN + 1];
	struct digest hash;

	NEED(o);
	path = fixture_path(o->f, "data/store.db");
	hash_bytes(&hash, FIXTURE_TOKEN, strlen(FIXTURE_TOKEN));
	digest_hex(hex, &hash);
	snprintf(tokens, sizeof tokens, "%s admin tester\n", hex);
	for (int version = 1; version < STORE_VERSION; version += 6) {
		end(o);
		older_store(path, version);
		fixture_write(o->f, "data/operator-tokens", tokens);
		snprintf(from, sizeof from, "brought from version %d to %d", version, STORE_VERSION);
		expect_status(o, DAEMON(o, "migrate"), 0);
		expect_said(o, from);
		expect_status(o, DAEMON(o, "migrate"), 0);
		expect_said(o, "nothing to do");
		office_start(o);
		expect_status(o, TOOL(o, "", "devices", "show", OLDER_DEVICE), 0);
		expect_status(o, TOOL(o, "", "audit", "verify"), 0);
	}
}

/* Dies at the nth rename; false: it had fewer. */
static bool killed_at(struct office *o, const char *dir, int n)
{
	AUTO_FREE char *ini = fixture_path(o->f, "ringholdd.ini");
	char inject[80];
	const char *argv[] = { "strace", "-f", "-qq", "-o", "/dev/null", "-e", inject, o->server, "restore", dir, "--config", ini, NULL };
	struct proc_run run = { .path = test_other_program("strace"), .argv = (char *const *)argv, .stdin_fd = -1, .timeout_ms = LIMIT_MS,
				.output_max = 1 << 20 };
	struct proc_result r;
	bool killed;

	snprintf(inject, sizeof inject, "inject=rename,renameat,renameat2:signal=KILL:when=%d", n);
	assert_ok(proc_run(&run, &r, &e));
	killed = r.exit_status != 0;
	proc_result_release(&r);
	return killed;
}

static void a_restore_that_is_killed_anywhere_is_repeated(void **state)
{
	struct office *o = *state;
	char hex[DIGEST_HEX_LEN + 1];
	AUTO_FREE char *dir = NULL, *store = NULL;
	int kills = 0;

	NEED(o);
	if (!test_other_program("strace"))
		skip_missing_program("strace");
	dir = fixture_path(o->f, "backup");
	store = fixture_path(o->f, "data/store.db");
	publish(o, 1, "one", hex);
	expect_status(o, DAEMON(o, "backup", dir), 0);
	end(o);
	lose_everything_but(o, "");
	/* Each goes on where the one before died: at its first rename, its second, up to its ninth. */
	while (killed_at(o, dir, 1 + kills % 9)) {
		kills++;
		if (file_exists(store))
			break;
		assert_in_range(kills, 1, 200);
	}
	assert_true(kills > 3);
	if (!file_exists(store))
		expect_status(o, DAEMON(o, "restore", dir), 0);
	office_start(o);
	assert_int_equal(TOOL(o, "", "rollout", "list", "--json"), 0);
	expect_said(o, "\"restored\": true");
}

static int read_list(const char *text, size_t len, struct err *why)
{
	struct backup_list l = { .taken = 0 };
	int got = backup_list_parse(&l, "backup.json", text, len, why);

	backup_list_release(&l);
	return got;
}

static void the_list_of_a_backup_is_as_its_schema_says(void **state)
{
	(void)state;
	published_hold("backup", "", read_list);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_backup_of_a_running_server_restores_to_one_whose_rollouts_wait),
		TEST(private_keys_are_not_in_it_wherever_they_are),
		TEST(what_was_published_after_the_backup_is_put_back_first),
		TEST(the_repository_that_survived_is_newer_than_the_backup_s),
		TEST(a_repository_with_another_root_is_refused),
		TEST(a_backup_that_is_not_what_it_was_is_refused_and_named),
		TEST(a_link_beneath_the_data_is_refused_by_its_name),
		TEST(what_the_server_tries_out_is_not_even_looked_at),
		TEST(a_store_of_a_newer_program_is_left_alone),
		TEST(it_names_each_signing_key_by_its_id_and_none_twice),
		TEST(what_a_device_enrolled_before_meets_depends_on_the_secrets),
		TEST(the_audit_log_goes_on_after_a_restore_under_another_key),
		TEST(a_restore_excuses_no_other_change_of_the_audit_logs_key),
		TEST(an_older_store_is_brought_up_by_name_and_serves),
		TEST(a_restore_that_is_killed_anywhere_is_repeated),
		cmocka_unit_test(the_list_of_a_backup_is_as_its_schema_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
