/* A repository through its life: read during a thousand publications, killed, restored, and cleared of what is old. */
#include "signing/repo_fixture.h"

#define PUBLICATIONS 1000
#define STOPS "stop/edr/stops.json"

static void put_stop(struct repo *r, struct fixture *f, const char *body, int64_t now)
{
	struct err e;

	assert_ok(repo_put_target(r, "stop", STOPS, body, strlen(body), NULL, &e));
	assert_ok(repo_publish(r, f->online, now, &e));
}

/* ---- order of publication ---- */

static void forget(struct fixture *f)
{
	struct err e;

	assert_ok(file_remove_tree(f->store, &e));
	assert_int_equal(mkdir(f->store, 0755), 0);
}

/* One client that remembers, and one that comes for the first time, each time; neither goes back. */
static void read_once(struct fixture *f, bool fresh, long last[2])
{
	AUTO(buf) struct buf *bytes = NULL;
	struct err e;

	if (fresh)
		forget(f);
	assert_ok(read_as_client(f, NOW, STOPS, &bytes, &e));
	assert_true(atol(bytes->data) >= last[fresh]);
	last[fresh] = atol(bytes->data);
}

static void write_many(struct fixture *f, struct repo *r)
{
	const struct repo_retention keep = { .bundles = 1, .seconds = 60 };
	struct err e;

	for (int i = 1; i <= PUBLICATIONS; i++) {
		char body[16];

		snprintf(body, sizeof body, "%d", i);
		if (repo_put_target(r, "stop", STOPS, body, strlen(body), NULL, &e) < 0 || repo_publish(r, f->online, NOW, &e) < 0)
			_exit(1);
		if (i % 100 == 0 && repo_sweep(r, &keep, NOW, false, NULL, NULL, &e) < 0)
			_exit(2);
	}
	_exit(0);
}

static void no_reader_sees_a_gap_during_a_thousand_publications(void **state)
{
	struct fixture *f = *state;
	struct fixture newcomer = *f;
	AUTO(repo) struct repo *r = reopen(f);
	long last[2] = { 0 };
	int status, reads = 0;
	pid_t writer;

	snprintf(newcomer.store, sizeof newcomer.store, "%s/newcomer", f->dir);
	put_stop(r, f, "0", NOW);
	writer = fork();
	if (writer == 0)
		write_many(f, r);
	for (; waitpid(writer, &status, WNOHANG) == 0; reads++) {
		read_once(f, false, last);
		if (reads % 3 == 0)
			read_once(&newcomer, true, last);
	}
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_true(reads > 1);
	assert_client_reads(f, NOW, STOPS, "1000");
	print_message("%d reads during %d publications, a third by newcomers as well\n", reads, PUBLICATIONS);
}

/* ---- versions ---- */

/* Counts in a file, as a server counts in its store; it survives whoever is killed. */
static int count_in_file(struct repo_reservation *list, size_t count, void *arg, struct err *e)
{
	const struct fixture *f = arg;

	for (size_t i = 0; i < count; i++) {
		AUTO_FREE char *path = NULL;
		AUTO(buf) struct buf *text = NULL;
		char line[32];

		if (asprintf(&path, "%s/count.%s", f->dir, list[i].role) < 0)
			return err_memory(e);
		if (file_read(&text, path, sizeof line, e) == 0)
			list[i].version = MAX(list[i].version, atoll(text->data) + 1);
		snprintf(line, sizeof line, "%lld", (long long)list[i].version);
		if (file_replace(path, line, strlen(line), 0600, e) < 0)
			return e->code;
	}
	return 0;
}

struct seen {
	struct { char name[64]; struct digest sha256; } items[1024];
	size_t count;
};

/* Every numbered file is what it was when it was seen first. */
static void check_unchanged(struct fixture *f, struct seen *seen)
{
	AUTO_FREE char *dir = file_join(f->repo, "metadata");
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_FREE char *cmd = NULL;
	FILE *ls;
	char name[64];
	struct err e;

	assert_true(fd >= 0);
	assert_true(asprintf(&cmd, "ls %s", dir) > 0);
	ls = popen(cmd, "r");
	assert_non_null(ls);
	while (fgets(name, sizeof name, ls)) {
		AUTO(buf) struct buf *bytes = NULL;
		struct digest is;
		size_t i = 0;

		name[strcspn(name, "\n")] = '\0';
		if (name[0] < '0' || name[0] > '9')
			continue;
		assert_ok(file_readat(&bytes, fd, name, 1 << 20, &e));
		hash_bytes(&is, bytes->data, bytes->len);
		while (i < seen->count && strcmp(seen->items[i].name, name) != 0)
			i++;
		if (i < seen->count && !digest_equal(&seen->items[i].sha256, &is))
			fail_msg("%s was written twice with different bytes", name);
		if (i == seen->count && i < ARRAY_LEN(seen->items)) {
			snprintf(seen->items[i].name, sizeof seen->items[i].name, "%s", name);
			seen->items[i].sha256 = is;
			seen->count++;
		}
	}
	pclose(ls);
	close(fd);
}

static void whoever_is_killed_at_any_call_never_signs_two_files_under_one_version(void **state)
{
	struct fixture *f = *state;
	struct seen *seen = calloc(1, sizeof *seen);
	bool killed = true;
	struct err e;

	if (!can_trace())
		skip_named("no ptrace here");
	/* every call is killed in test_repo.c; here every eleventh, and the publication after it */
	for (int at = 0; killed; at += 22) {
		char body[16];

		/* the clock stands still, so that only the count keeps versions apart */
		snprintf(body, sizeof body, "new%d", at);
		killed = publish_killed_at(f, at, body, count_in_file);
		check_unchanged(f, seen);
		AUTO(repo) struct repo *again = reopen(f);

		snprintf(body, sizeof body, "again%d", at);
		repo_set_reserve(again, count_in_file, f);
		assert_ok(repo_put_target(again, "ring-canary", "rings/canary/edr.json", body, strlen(body), NULL, &e));
		put_stop(again, f, body, NOW + 10);
		check_unchanged(f, seen);
		assert_client_reads(f, NOW + 20, STOPS, body);
	}
	assert_true(seen->count > 50);
	free(seen);
}

static int refuse(struct repo_reservation *list, size_t count, void *arg, struct err *e)
{
	(void)arg;
	assert_true(count >= 1);
	return err_set(e, ERR_ROLLBACK, "%s: not again", list[0].role);
}

static void without_a_version_nothing_is_signed_and_the_change_stays_pending(void **state)
{
	struct fixture *f = *state;
	AUTO(repo) struct repo *r = reopen(f);
	struct err e;

	put_stop(r, f, "old", NOW + 1);
	repo_set_reserve(r, refuse, NULL);
	assert_ok(repo_put_target(r, "stop", STOPS, "new", 3, NULL, &e));
	assert_refused(repo_publish(r, f->online, NOW + 2, &e), ERR_ROLLBACK, "not again");
	assert_client_reads(f, NOW + 2, STOPS, "old");
	repo_set_reserve(r, NULL, NULL);
	assert_ok(repo_publish(r, f->online, NOW + 2, &e));
	assert_client_reads(f, NOW + 2, STOPS, "new");
}

/* ---- time ---- */

static void a_clock_that_fell_back_takes_no_expiry_back_with_it(void **state)
{
	struct fixture *f = *state;
	AUTO(repo) struct repo *r = reopen(f);

	put_stop(r, f, "1", NOW + 10 * DAY);
	assert_int_equal(repo_issued(r), NOW + 10 * DAY);
	put_stop(r, f, "2", NOW);
	assert_int_equal(repo_issued(r), NOW + 10 * DAY);
	assert_int_equal(repo_role(r, "timestamp")->expires, NOW + 11 * DAY);
	assert_int_equal(repo_role(r, "stop")->expires, NOW + 40 * DAY);
	assert_client_reads(f, NOW + 10 * DAY, STOPS, "2");
	put_stop(r, f, "3", NOW + 12 * DAY);
	assert_int_equal(repo_issued(r), NOW + 12 * DAY);
}

static void lives_are_those_of_the_design(void **state)
{
	struct fixture *f = *state;
	AUTO(repo) struct repo *r = reopen(f);
	static const struct { const char *role; int64_t days; } rows[] = {
		{ "timestamp", 1 }, { "snapshot", 7 }, { "stop", 30 }, { "ring-canary", 30 }, { "ring-early", 30 },
		{ "root", 400 }, { "targets", 400 }, { "content-edr", 400 }, { "fleet", 400 }, { "recall", 400 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct metadata *m = strcmp(rows[i].role, "root") == 0 ? repo_root(r) : repo_role(r, rows[i].role);

		assert_int_equal(m->expires, NOW + rows[i].days * DAY);
	}
}

/* ---- retention ---- */

static bool has(const struct fixture *f, int64_t version, const char *role)
{
	AUTO_FREE char *path = NULL;

	assert_true(asprintf(&path, "%s/metadata/%lld.%s.json", f->repo, (long long)version, role) > 0);
	return file_exists(path);
}

static bool has_target(const struct fixture *f, const char *dir, const char *base, const char *body)
{
	AUTO_FREE char *path = NULL;
	char hex[DIGEST_HEX_LEN + 1];
	struct digest d;

	hash_bytes(&d, body, strlen(body));
	digest_hex(hex, &d);
	assert_true(asprintf(&path, "%s/targets/%s/%s.%s", f->repo, dir, hex, base) > 0);
	return file_exists(path);
}

/* Files staged "now" have the real clock's time; these tests have their own. */
static int age(const char *rel, bool is_dir, void *arg, struct err *e)
{
	const struct timespec old[2] = { { NOW, 0 }, { NOW, 0 } };

	(void)e;
	if (!is_dir)
		assert_int_equal(utimensat(*(int *)arg, rel, old, 0), 0);
	return 0;
}

static void age_targets(struct fixture *f)
{
	AUTO_FREE char *path = file_join(f->repo, "targets");
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err e;

	assert_ok(file_walkat(fd, age, &fd, &e));
	close(fd);
}

static int count_gone(const char *file, uint64_t bytes, void *arg, struct err *e)
{
	(void)e;
	assert_true(bytes > 0);
	assert_true(strncmp(file, "metadata/", 9) == 0 || strncmp(file, "targets/", 8) == 0);
	++*(int *)arg;
	return 0;
}

static void what_was_replaced_goes_when_nobody_can_be_reading_it_any_more(void **state)
{
	const struct repo_retention keep = { .bundles = 1, .seconds = 5 * DAY };
	struct fixture *f = *state;
	AUTO(repo) struct repo *r = reopen(f);
	struct err e;
	int told = 0, dry;

	for (int day = 1; day <= 10; day++) {
		char body[16];

		snprintf(body, sizeof body, "%d", day);
		put_stop(r, f, body, NOW + day * DAY);
	}
	age_targets(f);
	dry = repo_sweep(r, &keep, NOW + 10 * DAY, true, count_gone, &told, &e);
	assert_ok(dry);
	assert_int_equal(dry, told);
	assert_true(has(f, NOW + DAY, "stop"));
	assert_int_equal(repo_sweep(r, &keep, NOW + 10 * DAY, false, NULL, NULL, &e), dry);
	/* day 5 was replaced on day 6, four days ago: whoever began with it finds all of it */
	for (int day = 1; day <= 10; day++) {
		char body[16];

		snprintf(body, sizeof body, "%d", day);
		assert_int_equal(has(f, NOW + day * DAY, "stop"), day >= 5);
		assert_int_equal(has(f, NOW + day * DAY, "snapshot"), day >= 5);
		assert_int_equal(has_target(f, "stop/edr", "stops.json", body), day >= 5);
	}
	assert_true(has(f, 1, "root"));
	assert_true(has(f, 1, "content-edr"));
	assert_client_reads(f, NOW + 10 * DAY, STOPS, "10");
	assert_int_equal(repo_sweep(r, &keep, NOW + 10 * DAY, false, NULL, NULL, &e), 0);
	/* and the newest two whatever their age */
	assert_true(repo_sweep(r, &keep, NOW + 100 * DAY, false, NULL, NULL, &e) > 0);
	assert_false(has(f, NOW + 8 * DAY, "stop"));
	assert_true(has(f, NOW + 9 * DAY, "stop"));
	AUTO(repo) struct repo *again = reopen(f);

	assert_int_equal(repo_role(again, "stop")->version, NOW + 10 * DAY);
}

static struct buf *content_role(struct fixture *f, struct repo *r, const int *serials, size_t count)
{
	AUTO(author) struct author *a = NULL;
	AUTO(buf) struct buf *plain = NULL;
	struct buf *out = NULL;
	struct authority by;
	bool met;
	struct err e;

	assert_ok(author_new(&a, METADATA_TARGETS, &e));
	for (size_t i = 0; i < count; i++) {
		char path[64], body[32];
		struct digest sha;

		snprintf(path, sizeof path, "bundles/edr/%d.tar.gz", serials[i]);
		snprintf(body, sizeof body, "archive %d", serials[i]);
		assert_ok(repo_stage(r, path, body, strlen(body), &sha, &e));
		assert_ok(author_put_target(a, path, strlen(body), &sha, NULL, &e));
	}
	author_set_version(a, repo_role(r, "content-edr")->version + 1);
	author_set_expires(a, NOW + 400 * DAY);
	assert_ok(author_finish(a, &plain, &e));
	assert_true(authority_of(&by, repo_role(r, "targets"), "content-edr"));
	assert_ok(author_sign(&out, plain->data, plain->len, METADATA_TARGETS, f->vendor, &by, &met, &e));
	assert_true(met);
	return out;
}

static void put_content(struct fixture *f, struct repo *r, const int *serials, size_t count, int64_t now)
{
	AUTO(buf) struct buf *role = content_role(f, r, serials, count);
	struct err e;

	assert_ok(repo_put_signed(r, "content-edr", role->data, role->len, now, &e));
	assert_ok(repo_publish(r, f->online, now, &e));
}

static bool has_archive(const struct fixture *f, int serial)
{
	char base[32], body[32];

	snprintf(base, sizeof base, "%d.tar.gz", serial);
	snprintf(body, sizeof body, "archive %d", serial);
	return has_target(f, "bundles/edr", base, body);
}

static void of_archives_stay_the_newest_the_listed_and_those_that_are_named(void **state)
{
	static const char *const named[] = { "bundles/edr/2.tar.gz", "bundles/edr/99.tar.gz" };
	const struct repo_retention keep = { .bundles = 3, .seconds = 5 * DAY, .named = named, .named_count = 2 };
	static const int all[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, few[] = { 4, 10 };
	struct fixture *f = *state;
	AUTO(repo) struct repo *r = reopen(f);
	AUTO_FREE char *stray = file_join(f->repo, "targets/bundles/README");
	struct err e;

	put_content(f, r, all, ARRAY_LEN(all), NOW + DAY);
	put_content(f, r, few, ARRAY_LEN(few), NOW + 2 * DAY);
	assert_ok(file_replace(stray, "ours", 4, 0644, &e));
	age_targets(f);
	/* the list of all was replaced yesterday */
	assert_int_equal(repo_sweep(r, &keep, NOW + 3 * DAY, false, NULL, NULL, &e), 0);
	put_content(f, r, few, ARRAY_LEN(few), NOW + 3 * DAY);
	age_targets(f);
	assert_true(repo_sweep(r, &keep, NOW + 20 * DAY, false, NULL, NULL, &e) > 0);
	for (int serial = 1; serial <= 10; serial++)
		assert_int_equal(has_archive(f, serial), serial == 2 || serial == 4 || serial >= 8);
	assert_true(file_exists(stray));
	/* listed again: the bytes must come again */
	AUTO(buf) struct buf *role = content_role(f, r, all, ARRAY_LEN(all));

	assert_ok(repo_put_signed(r, "content-edr", role->data, role->len, NOW + 20 * DAY, &e));
	assert_refused(repo_sweep(r, &keep, NOW + 20 * DAY, false, NULL, NULL, &e), ERR_CONFLICT, "not published yet");
}

static void what_is_staged_for_a_document_to_come_stays_for_a_while(void **state)
{
	const struct repo_retention keep = { .bundles = 1, .seconds = 5 * DAY };
	struct fixture *f = *state;
	AUTO(repo) struct repo *r = reopen(f);
	struct err e;

	assert_ok(repo_stage(r, "recall/edr/recalls.json", "soon", 4, NULL, &e));
	assert_int_equal(repo_sweep(r, &keep, clock_now() + 4 * DAY, false, NULL, NULL, &e), 0);
	assert_true(has_target(f, "recall/edr", "recalls.json", "soon"));
	/* staged again it is new */
	age_targets(f);
	assert_ok(repo_stage(r, "recall/edr/recalls.json", "soon", 4, NULL, &e));
	assert_int_equal(repo_sweep(r, &keep, clock_now() + 4 * DAY, false, NULL, NULL, &e), 0);
	assert_int_equal(repo_sweep(r, &keep, clock_now() + 6 * DAY, false, NULL, NULL, &e), 1);
	assert_false(has_target(f, "recall/edr", "recalls.json", "soon"));
}

static void a_retired_role_keeps_its_entry_and_its_file(void **state)
{
	const struct repo_retention keep = { .bundles = 1, .seconds = DAY };
	struct fixture *f = *state;
	AUTO(repo) struct repo *r = reopen(f);
	const struct metadata *targets = repo_role(r, "targets");
	AUTO(author) struct author *a = NULL;
	AUTO(buf) struct buf *plain = NULL, *whole = NULL;
	struct author_role roles[2] = {
		{ .name = "stop", .keys = &f->pub[K_ONLINE], .key_count = 1, .threshold = 1, .patterns = (const char *const[]){ "stop/*/*" }, .pattern_count = 1 },
		{ .name = "ring-canary", .keys = &f->pub[K_ONLINE], .key_count = 1, .threshold = 1, .patterns = (const char *const[]){ "rings/canary/*" }, .pattern_count = 1 },
	};
	struct authority by;
	bool met;
	struct err e;

	put_stop(r, f, "1", NOW + 1);
	assert_client_reads(f, NOW + 1, STOPS, "1");
	assert_ok(author_load(&a, targets, &e));
	assert_ok(author_set_delegations(a, roles, 2, &e));
	author_set_version(a, targets->version + 1);
	assert_ok(author_finish(a, &plain, &e));
	assert_true(authority_of(&by, repo_root(r), "targets"));
	assert_ok(author_sign(&whole, plain->data, plain->len, METADATA_TARGETS, f->all, &by, &met, &e));
	assert_ok(repo_put_signed(r, "targets", whole->data, whole->len, NOW + 2, &e));
	assert_ok(repo_publish(r, f->online, NOW + 2, &e));
	put_stop(r, f, "2", NOW + 3);
	assert_null(repo_role(r, "content-edr"));
	assert_non_null(metadata_entry(repo_role(r, "snapshot"), "content-edr.json", 16));
	/* a client that knew the role would call its disappearance a rollback */
	assert_client_reads(f, NOW + 3, STOPS, "2");
	assert_ok(repo_sweep(r, &keep, NOW + 100 * DAY, false, NULL, NULL, &e));
	assert_true(has(f, 1, "content-edr"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(no_reader_sees_a_gap_during_a_thousand_publications),
		T(whoever_is_killed_at_any_call_never_signs_two_files_under_one_version),
		T(without_a_version_nothing_is_signed_and_the_change_stays_pending),
		T(a_clock_that_fell_back_takes_no_expiry_back_with_it),
		T(lives_are_those_of_the_design),
		T(what_was_replaced_goes_when_nobody_can_be_reading_it_any_more),
		T(of_archives_stay_the_newest_the_listed_and_those_that_are_named),
		T(what_is_staged_for_a_document_to_come_stays_for_a_while),
		T(a_retired_role_keeps_its_entry_and_its_file),
	};

	/* a thousand publications are some four thousand fsyncs */
	if (!getenv("TMPDIR") && access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
