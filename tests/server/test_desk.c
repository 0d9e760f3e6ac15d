/* The desk: versions that are set aside, copies that came from a backup, drafts. */
#include <pthread.h>
#include <dirent.h>
#include <fcntl.h>

#include "tests/server/desk_place.h"

/* ---- restored ---- */

static void a_restored_server_signs_nothing_that_looks_older_to_anybody(void **state)
{
	struct world *w = *state;
	int64_t before;

	stop(w);
	reopen_after(w, "data", "backup");
	for (int i = 0; i < 5; i++)
		stop(w);
	client_sees_stops(w, 6);
	before = version_of(w, "timestamp", NULL);
	/* database and repository as they were; some time has passed */
	reopen_after(w, "backup", "data");
	w->now += 60;
	stop(w);
	assert_true(version_of(w, "timestamp", NULL) > before);
	client_sees_stops(w, 2);
	reader_forget(&w->client);
	client_sees_stops(w, 2);
}

static void a_repository_restored_alone_goes_on_above_every_version_that_was_signed(void **state)
{
	struct world *w = *state;
	int64_t before, reserved;

	/* the clock stands still: only the store knows what was signed */
	stop(w);
	reopen_after(w, "data/repository", "backup");
	for (int i = 0; i < 50; i++)
		stop(w);
	client_sees_stops(w, 51);
	before = version_of(w, "stop", &reserved);
	assert_int_equal(before, reserved);
	assert_true(before > w->now);
	reopen_after(w, "backup", "data/repository");
	assert_true(version_of(w, "stop", &reserved) < before);
	assert_int_equal(reserved, before);
	stop(w);
	assert_true(version_of(w, "stop", NULL) > before);
	client_sees_stops(w, 2);
}

static void a_database_restored_alone_learns_from_what_is_published(void **state)
{
	struct world *w = *state;
	int64_t before, reserved;

	stop(w);
	reopen_after(w, "data", "backup");
	for (int i = 0; i < 5; i++)
		stop(w);
	before = version_of(w, "stop", NULL);
	reopen_after(w, "backup/store.db", "data/store.db");
	version_of(w, "stop", &reserved);
	assert_int_equal(reserved, before);
	stop(w);
	client_sees_stops(w, 7);
}

/* ---- what people sign ---- */

/* The fleet's role with another ring map. */
static struct buf *sign_fleet(struct world *w, int64_t version, const char *salt)
{
	AUTO(repo) struct repo *r = NULL;
	AUTO(author) struct author *a = NULL;
	AUTO(buf) struct buf *plain = NULL, *map = buf_new(RINGMAP_MAX);
	AUTO_FREE char *path = fixture_path(w->f, "ringmap");
	struct buf *whole = NULL;
	struct authority by;
	struct digest sha;
	bool met;
	struct err e;

	assert_ok(ringmap_write_default(map, fixture_rings, 3, salt, 16, &e));
	assert_ok(file_replace(path, map->data, map->len, 0644, &e));
	hash_bytes(&sha, map->data, map->len);
	assert_ok(repo_open(&r, w->f->repository, &e));
	assert_ok(author_load(&a, repo_role(r, "fleet"), &e));
	assert_ok(author_put_target(a, RINGMAP_PATH, map->len, &sha, NULL, &e));
	author_set_version(a, version);
	author_set_expires(a, w->now + REPO_PEOPLE_LIFE);
	assert_ok(author_finish(a, &plain, &e));
	assert_true(authority_of(&by, repo_role(r, "targets"), "fleet"));
	assert_true(author_sign(&whole, plain->data, plain->len, METADATA_TARGETS, w->f->all, &by, &met, &e) > 0);
	return whole;
}

static int put_recorded(struct world *w, const struct buf *role, const struct desk_record *record, struct err *e)
{
	AUTO_FREE char *path = fixture_path(w->f, "ringmap");
	struct desk_file file = { .path = RINGMAP_PATH, .from = path };

	return desk_publish(w->p.desk, "fleet", role->data, role->len, &file, 1, record, w->now, e);
}

static int put_fleet(struct world *w, const struct buf *role, struct err *e)
{
	return put_recorded(w, role, NULL, e);
}

static void a_restored_server_refuses_to_use_a_peoples_version_again(void **state)
{
	struct world *w = *state;
	AUTO(buf) struct buf *newest = NULL, *lower = NULL, *other = NULL, *next = NULL, *text = NULL, *same_map = NULL;
	int64_t first = version_of(w, "fleet", NULL), reserved;
	struct err e;

	reopen_after(w, "data/repository", "backup");
	newest = sign_fleet(w, first + 1, "aaaaaaaaaaaaaaaa");
	assert_ok(put_fleet(w, newest, &e));
	buf_free(TAKE(newest));
	newest = sign_fleet(w, first + 2, "bbbbbbbbbbbbbbbb");
	assert_ok(put_fleet(w, newest, &e));
	assert_ok(reader_read(&w->client, w->now, RINGMAP_PATH, &text, &e));
	reopen_after(w, "backup", "data/repository");
	assert_int_equal(version_of(w, "fleet", &reserved), first);
	assert_int_equal(reserved, first + 2);
	/* whoever signs on top of the old copy would make another file under a version that clients have */
	lower = sign_fleet(w, first + 1, "cccccccccccccccc");
	assert_refused(put_fleet(w, lower, &e), ERR_ROLLBACK, "is not used again");
	other = sign_fleet(w, first + 2, "cccccccccccccccc");
	assert_refused(put_fleet(w, other, &e), ERR_CONFLICT, "another file was published under version");
	/* the very file that was there may come back */
	same_map = sign_fleet(w, first + 2, "bbbbbbbbbbbbbbbb");
	assert_ok(put_fleet(w, newest, &e));
	buf_free(TAKE(text));
	assert_ok(reader_read(&w->client, w->now, RINGMAP_PATH, &text, &e));
	next = sign_fleet(w, first + 3, "dddddddddddddddd");
	assert_ok(put_fleet(w, next, &e));
}

static void what_was_lost_with_database_and_repository_is_mended_by_the_same_file(void **state)
{
	struct world *w = *state;
	AUTO(buf) struct buf *newest = NULL, *text = NULL;
	int64_t first = version_of(w, "fleet", NULL);
	struct err e;

	reopen_after(w, "data", "backup");
	newest = sign_fleet(w, first + 1, "aaaaaaaaaaaaaaaa");
	assert_ok(put_fleet(w, newest, &e));
	assert_ok(reader_read(&w->client, w->now, RINGMAP_PATH, &text, &e));
	reopen_after(w, "backup", "data");
	w->now += 60;
	stop(w);
	/* the client keeps what it has rather than believe that the role went back */
	buf_free(TAKE(text));
	assert_true(reader_read(&w->client, w->now, RINGMAP_PATH, &text, &e) < 0);
	assert_ok(put_fleet(w, newest, &e));
	assert_ok(reader_read(&w->client, w->now, RINGMAP_PATH, &text, &e));
	client_sees_stops(w, 1);
}

static int refuse(void *times, struct err *e)
{
	++*(int *)times;
	return err_set(e, ERR_SPACE, "no room for a record");
}

static void what_cannot_be_recorded_is_not_published_and_what_is_refused_is_not_recorded(void **state)
{
	struct world *w = *state;
	int64_t first = version_of(w, "fleet", NULL);
	AUTO(buf) struct buf *newest = sign_fleet(w, first + 1, "aaaaaaaaaaaaaaaa"), *stale = NULL;
	int times = 0;
	const struct desk_record never = { refuse, &times };
	struct err e;

	assert_refused(put_recorded(w, newest, &never, &e), ERR_SPACE, "no room for a record");
	assert_int_equal(times, 1);
	assert_int_equal(version_of(w, "fleet", NULL), first);
	assert_ok(put_fleet(w, newest, &e));
	assert_int_equal(version_of(w, "fleet", NULL), first + 1);
	stale = sign_fleet(w, first, "bbbbbbbbbbbbbbbb");
	assert_refused(put_recorded(w, stale, &never, &e), ERR_ROLLBACK, "is published");
	assert_int_equal(times, 1);
}

static void what_nobody_could_see_may_be_signed_again(void **state)
{
	struct world *w = *state;
	AUTO(buf) struct buf *unseen = NULL, *again = NULL;
	AUTO_FREE char *ringmap = fixture_path(w->f, "ringmap");
	int64_t first = version_of(w, "fleet", NULL);
	struct err e;

	unseen = sign_fleet(w, first + 1, "aaaaaaaaaaaaaaaa");
	assert_int_equal(unlink(ringmap), 0);
	assert_true(put_fleet(w, unseen, &e) < 0);
	again = sign_fleet(w, first + 1, "bbbbbbbbbbbbbbbb");
	assert_ok(put_fleet(w, again, &e));
}

/* ---- two servers ---- */

struct racer {
	struct place place;
	int64_t now;
	int from;
};

static void *race(void *arg)
{
	struct racer *r = arg;
	struct err e;

	for (int i = 0; i < 25; i++)
		if (try_stop(r->place.desk, r->from + i, r->now, &e) < 0)
			fail_msg("%s", e.msg);
	return NULL;
}

static void never_the_same_version_with_other_bytes(const char *a, const char *b, int *common)
{
	AUTO_FREE char *first = file_join(a, "metadata");
	AUTO_FREE char *second = file_join(b, "metadata");
	DIR *dir = opendir(first);
	struct dirent *entry;
	struct err e;

	*common = 0;
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		AUTO_FREE char *x = file_join(first, entry->d_name);
		AUTO_FREE char *y = file_join(second, entry->d_name);
		AUTO(buf) struct buf *one = NULL, *other = NULL;

		if (entry->d_name[0] < '0' || entry->d_name[0] > '9' || !file_exists(y))
			continue;
		assert_ok(file_read(&one, x, 1 << 20, &e));
		assert_ok(file_read(&other, y, 1 << 20, &e));
		if (one->len != other->len || memcmp(one->data, other->data, one->len) != 0)
			fail_msg("%s is two files", entry->d_name);
		++*common;
	}
	closedir(dir);
}

static void two_servers_with_one_store_never_sign_two_files_under_one_version(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *second = fixture_path(w->f, "second");
	struct racer racers[2] = { { .now = w->now, .from = 1 }, { .now = w->now, .from = 1000 } };
	pthread_t threads[2];
	int common;

	reopen_after(w, "data/repository", "second");
	place_open(&racers[0].place, w->f, w->f->repository);
	place_open(&racers[1].place, w->f, second);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	never_the_same_version_with_other_bytes(w->f->repository, second, &common);
	assert_true(common > 0);
	for (int i = 0; i < 2; i++)
		place_close(&racers[i].place);
}

static void two_servers_with_one_repository_publish_in_turn(void **state)
{
	struct world *w = *state;
	struct place other = { 0 };
	struct err e;

	place_open(&other, w->f, w->f->repository);
	for (int i = 1; i <= 10; i++)
		assert_ok(try_stop(i % 2 ? w->p.desk : other.desk, i, w->now, &e));
	client_sees_stops(w, 10);
	place_close(&other);
}

/* ---- retention ---- */

static void what_an_assignment_names_stays(void **state)
{
	struct world *w = *state;
	const struct retention keep = { .bundles = 1, .days = 1 };
	struct assignment a = { .attempt = 1, .issued = w->now, .channel = "edr", .ring = "canary", .reason = "r" };
	char names[6][160], hex[DIGEST_HEX_LEN + 1];
	uint64_t bytes;
	struct err e;

	for (int serial = 1; serial <= 5; serial++) {
		struct digest d;

		hash_bytes(&d, &serial, sizeof serial);
		digest_hex(hex, &d);
		snprintf(names[serial], sizeof names[serial], "data/repository/targets/bundles/edr/%s.%d.tar.gz", hex, serial);
		fixture_write(w->f, names[serial], "archive");
	}
	for (int i = 0; i < 2; i++) {
		struct bundle_ref *b = i ? &a.previous : &a.bundle;

		b->serial = i ? 2 : 3;
		snprintf(b->version, sizeof b->version, "v");
		bundle_path(b->path, "edr", b->serial);
		hash_bytes(&b->digest, &b->serial, sizeof b->serial);
	}
	assert_ok(desk_assign(w->p.desk, &a, w->now, &e));
	assert_int_equal(desk_sweep(w->p.desk, &keep, w->now, &bytes, &e), 0);
	assert_true(desk_sweep(w->p.desk, &keep, w->now + 30 * DAY, &bytes, &e) >= 2);
	assert_true(bytes >= 2 * strlen("archive"));
	/* 2 and 3 are named, 5 is the newest */
	for (int serial = 1; serial <= 5; serial++) {
		AUTO_FREE char *path = fixture_path(w->f, names[serial]);

		assert_int_equal(file_exists(path), serial != 1 && serial != 4);
	}
}

/* ---- drafts ---- */

static void a_draft_that_somebody_looked_at_keeps_no_stop_from_being_signed(void **state)
{
	struct world *w = *state;
	AUTO(buf) struct buf *draft = NULL;
	struct err e;

	assert_ok(desk_draft(w->p.desk, "content-edr", w->now, &draft, &e));
	stop(w);
	client_sees_stops(w, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_restored_server_signs_nothing_that_looks_older_to_anybody),
		T(a_repository_restored_alone_goes_on_above_every_version_that_was_signed),
		T(a_database_restored_alone_learns_from_what_is_published),
		T(a_restored_server_refuses_to_use_a_peoples_version_again),
		T(what_was_lost_with_database_and_repository_is_mended_by_the_same_file),
		T(what_cannot_be_recorded_is_not_published_and_what_is_refused_is_not_recorded),
		T(what_nobody_could_see_may_be_signed_again),
		T(two_servers_with_one_store_never_sign_two_files_under_one_version),
		T(two_servers_with_one_repository_publish_in_turn),
		T(what_an_assignment_names_stays),
		T(a_draft_that_somebody_looked_at_keeps_no_stop_from_being_signed),
	};

	desk_tests_begin();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
