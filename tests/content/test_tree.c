/* tree: complete and right, or absent. */
#include "content/tree.h"

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>

#include "tests/content/sample.h"

static const struct digest any;

static void add(const struct archive_sink *s, const char *path, const void *bytes, size_t len)
{
	struct err e;

	assert_ok(s->begin(s->arg, path, len, &e));
	assert_ok(s->data(s->arg, bytes, len, &e));
	assert_ok(s->end(s->arg, &e));
}

/* What a directory holds, the dots left out. */
static size_t entries(const char *dir)
{
	struct dirent *entry;
	DIR *d = opendir(dir);
	size_t count = 0;

	assert_non_null(d);
	while ((entry = readdir(d)))
		count += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
	closedir(d);
	return count;
}

/* A parent for trees, and the sample bundle built elsewhere. */
struct fixture {
	char *source, *slots;
	int parent;
	struct bundle *bundle;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	f->source = sample_dir();
	f->slots = sample_dir();
	sample_source(f->source);
	f->bundle = sample_build(f->source);
	f->parent = open(f->slots, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	bundle_free(f->bundle);
	close(f->parent);
	sample_dir_remove(f->source);
	sample_dir_remove(f->slots);
	free(f);
	return 0;
}

static void an_unpacked_bundle_verifies(void **state)
{
	const struct fixture *f = *state;
	AUTO(manifest) struct manifest *m = NULL;
	struct digest got;
	uint64_t size;
	struct err e;
	int dir = sample_tree(f->bundle, f->slots, "one");

	assert_ok(tree_verify(dir, &f->bundle->digest, &m, &got, &size, &e));
	assert_true(digest_equal(&got, &f->bundle->digest));
	assert_int_equal(size, f->bundle->size);
	assert_int_equal(m->file_count, 3);
	assert_int_equal(entries(f->slots), 1);
	close(dir);
}

static void trees_are_readable_whatever_the_umask(void **state)
{
	const struct fixture *f = *state;
	mode_t old = umask(0777);
	struct stat st;
	int dir = sample_tree(f->bundle, f->slots, "one");

	umask(old);
	assert_int_equal(fstat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(fstatat(dir, "rules", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(fstatat(dir, "rules/a.json", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0444);
	close(dir);
}

/* Each damage is done to a fresh tree; verify must name the place. */
static void every_damage_is_found(void **state)
{
	const struct fixture *f = *state;
	static const struct { const char *file, *bytes, *says; } damage[] = {
		{ "one/rules/a.json", "{\"format\":2}\n", "rules/a.json" },
		{ "one/rules/a.json", "{\"format\":1}", "rules/a.json" },
		{ "one/rules/a.json", "", "rules/a.json" },
		{ "one/rules/a.json", NULL, "rules/a.json" },
		{ "one/rules/c.json", "{}", "rules/c.json" },
		{ "one/c.json", "{}", "c.json" },
		{ "one/.hidden", "{}", ".hidden" },
		{ "one/more/c.json", "{}", "more" },
		{ "one/manifest.json", "{}\n", "manifest.json" },
		{ "one/manifest.json", NULL, "manifest.json" },
	};
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(damage); i++) {
		int dir = sample_tree(f->bundle, f->slots, "one");
		int code;

		if (damage[i].bytes)
			sample_file(f->slots, damage[i].file, damage[i].bytes);
		else
			sample_unlink(f->slots, damage[i].file);
		code = tree_verify(dir, &f->bundle->digest, NULL, NULL, NULL, &e);
		if (code == 0 || !strstr(e.msg, damage[i].says))
			fail_msg("damage %zu: %s", i, code ? e.msg : "not found");
		close(dir);
		assert_ok(file_remove_treeat(f->parent, "one", &e));
	}
}

static void links_and_pipes_in_a_tree_are_refused(void **state)
{
	const struct fixture *f = *state;
	int dir = sample_tree(f->bundle, f->slots, "one");
	struct err e;

	assert_int_equal(unlinkat(dir, "rules/a.json", 0), 0);
	assert_int_equal(symlinkat("b.json", dir, "rules/a.json"), 0);
	assert_true(tree_verify(dir, &any, NULL, NULL, NULL, &e) < 0);
	assert_int_equal(unlinkat(dir, "rules/a.json", 0), 0);
	assert_int_equal(mkfifoat(dir, "rules/a.json", 0600), 0);
	assert_true(tree_verify(dir, &any, NULL, NULL, NULL, &e) < 0);      /* and does not hang */
	close(dir);
}

static void another_sound_tree_is_not_the_wanted_one(void **state)
{
	const struct fixture *f = *state;
	struct digest other = f->bundle->digest;
	int dir = sample_tree(f->bundle, f->slots, "one");
	struct err e;

	other.bytes[0] ^= 1;
	assert_refused(tree_verify(dir, &other, NULL, NULL, NULL, &e), ERR_CONFLICT, "digest");
	close(dir);
}

/* Whose fault: the disk's, unless these are the very bytes that were signed. */
static void a_bundle_that_was_built_wrong_is_told_from_a_damaged_disk(void **state)
{
	const struct fixture *f = *state;
	int dir = sample_tree(f->bundle, f->slots, "one");
	AUTO(manifest) struct manifest *m = NULL;
	AUTO(buf) struct buf *json = NULL;
	struct archive_digest *d = archive_digest_new();
	struct digest built_wrong;
	struct err e;

	assert_ok(tree_manifest(dir, &m, &json, &e));
	sample_file(f->slots, "one/rules/a.json", "{\"format\":2}\n");
	assert_refused(tree_verify(dir, &f->bundle->digest, NULL, NULL, NULL, &e), ERR_CONFLICT, "rules/a.json");
	/* D of what is there now, as if it had been signed with this manifest. */
	assert_ok(archive_digest_begin(d, MANIFEST_NAME, json->len, &e));
	assert_ok(archive_digest_data(d, json->data, json->len, &e));
	assert_ok(archive_digest_end(d, &e));
	for (size_t i = 0; i < m->file_count; i++) {
		AUTO(buf) struct buf *b = NULL;

		assert_ok(file_readat(&b, dir, m->files[i].path, 1 << 20, &e));
		assert_ok(archive_digest_begin(d, m->files[i].path, b->len, &e));
		assert_ok(archive_digest_data(d, b->data, b->len, &e));
		assert_ok(archive_digest_end(d, &e));
	}
	assert_ok(archive_digest_finish(d, &built_wrong, NULL, &e));
	archive_digest_free(d);
	assert_refused(tree_verify(dir, &built_wrong, NULL, NULL, NULL, &e), ERR_REFUSED, "rules/a.json");
	close(dir);
}

static void a_wrong_digest_leaves_nothing(void **state)
{
	const struct fixture *f = *state;
	struct tree_writer *w;
	struct archive_sink s;
	struct err e;

	assert_ok(tree_writer_new(&w, f->parent, "one", -1, &e));
	s = tree_writer_sink(w);
	add(&s, MANIFEST_NAME, f->bundle->json->data, f->bundle->json->len);
	add(&s, "rules/a.json", "evil", 4);
	assert_refused(tree_writer_commit(w, &f->bundle->digest, &e), ERR_REFUSED, "digest");
	tree_writer_free(w);
	assert_int_equal(entries(f->slots), 0);
}

static void the_writer_creates_nothing_outside_its_tree(void **state)
{
	static const char *const paths[] = { "../x", "/tmp/ringhold-x", "rules/../../x", "a//b", "", ".", "..",
					     ".one.new", "a\\b", "a b" };
	const struct fixture *f = *state;
	AUTO(tree_writer) struct tree_writer *w = NULL;
	struct archive_sink s;
	struct err e;

	assert_ok(tree_writer_new(&w, f->parent, "one", -1, &e));
	s = tree_writer_sink(w);
	add(&s, MANIFEST_NAME, "{}\n", 3);
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		assert_true(s.begin(s.arg, paths[i], 1, &e) < 0);
	assert_int_equal(entries(f->slots), 1);
	assert_null(s.same);
}

static void more_or_less_than_announced_is_refused(void **state)
{
	const struct fixture *f = *state;
	AUTO(tree_writer) struct tree_writer *w = NULL;
	struct archive_sink s;
	struct err e;

	assert_ok(tree_writer_new(&w, f->parent, "one", -1, &e));
	s = tree_writer_sink(w);
	assert_ok(s.begin(s.arg, MANIFEST_NAME, 3, &e));
	assert_true(s.data(s.arg, "1234", 4, &e) < 0);
	assert_ok(s.data(s.arg, "12", 2, &e));
	assert_true(s.end(s.arg, &e) < 0);
	assert_true(tree_writer_commit(w, &f->bundle->digest, &e) < 0);
}

static void what_a_killed_writer_left_is_replaced(void **state)
{
	const struct fixture *f = *state;
	struct err e;

	sample_file(f->slots, ".one.new/rules/a.json", "half");
	sample_file(f->slots, ".one.new/evil.json", "{}");

	int dir = sample_tree(f->bundle, f->slots, "one");

	assert_ok(tree_verify(dir, &f->bundle->digest, NULL, NULL, NULL, &e));
	assert_int_equal(entries(f->slots), 1);
	close(dir);
}

static void a_tree_that_is_there_is_not_replaced(void **state)
{
	const struct fixture *f = *state;
	struct archive_want want = { .size = f->bundle->size, .digest = f->bundle->digest };
	AUTO_FREE char *path = file_join(f->source, "again.tar.gz");
	int dir = sample_tree(f->bundle, f->slots, "one");
	struct err e;

	sample_bytes(f->source, "again.tar.gz", f->bundle->archive->data, f->bundle->archive->len);
	assert_refused(bundle_unpack(path, &want, f->slots, "one", NULL, NULL, &e), ERR_CONFLICT, "already");
	assert_ok(tree_verify(dir, &f->bundle->digest, NULL, NULL, NULL, &e));
	assert_int_equal(entries(f->slots), 1);
	close(dir);
}

static void a_refused_archive_leaves_nothing(void **state)
{
	const struct fixture *f = *state;
	AUTO_FREE char *path = file_join(f->source, "cut.tar.gz");
	struct err e;

	sample_bytes(f->source, "cut.tar.gz", f->bundle->archive->data, f->bundle->archive->len - 9);
	assert_refused(bundle_unpack(path, NULL, f->slots, "one", NULL, NULL, &e), ERR_FORMAT, "cut.tar.gz");
	assert_int_equal(entries(f->slots), 0);
}

static void a_write_that_fails_anywhere_leaves_nothing(void **state)
{
	const struct fixture *f = *state;
	AUTO_FREE char *path = file_join(f->source, "whole.tar.gz");
	struct rlimit was, small;
	size_t failures = 0;
	struct err e;

	sample_bytes(f->source, "whole.tar.gz", f->bundle->archive->data, f->bundle->archive->len);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	signal(SIGXFSZ, SIG_IGN);
	for (small = was, small.rlim_cur = 0;; small.rlim_cur++) {
		int code;

		assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
		code = bundle_unpack(path, NULL, f->slots, "one", NULL, NULL, &e);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
		if (code == 0)
			break;
		assert_int_equal(code, ERR_IO);
		assert_int_equal(entries(f->slots), 0);
		failures++;
	}
	signal(SIGXFSZ, SIG_DFL);
	assert_int_equal(failures, f->bundle->json->len);       /* the longest member */
}

enum how { SHARED, COPIED, REPLACED };

/* Writes the sample bundle's tree with every file taken from `old`. */
static int write_same_as(const struct fixture *f, int old, const char *name, enum how how, struct err *e)
{
	AUTO(tree_writer) struct tree_writer *w = NULL;
	const struct manifest *m = f->bundle->manifest;
	struct archive_sink s;

	if (tree_writer_new(&w, f->parent, name, old, e) < 0)
		return e->code;
	if (how != SHARED)
		tree_writer_copy(w);
	s = tree_writer_sink(w);
	assert_non_null(s.same);
	add(&s, MANIFEST_NAME, f->bundle->json->data, f->bundle->json->len);
	for (size_t i = 0; i < m->file_count; i++)
		if (s.same(s.arg, m->files[i].path, m->files[i].size, e) < 0)
			return e->code;
	return how == REPLACED ? tree_writer_replace(w, &f->bundle->digest, e) : tree_writer_commit(w, &f->bundle->digest, e);
}

static int write_same(const struct fixture *f, int old, const char *name, struct err *e)
{
	return write_same_as(f, old, name, SHARED, e);
}

static void unchanged_files_are_shared_when_they_are_right(void **state)
{
	const struct fixture *f = *state;
	int old = sample_tree(f->bundle, f->slots, "one");
	struct stat a, b;
	struct err e;
	int new;

	assert_ok(write_same(f, old, "two", &e));
	new = sample_open(f->slots, "two");
	assert_ok(tree_verify(new, &f->bundle->digest, NULL, NULL, NULL, &e));
	assert_int_equal(fstatat(old, "rules/a.json", &a, 0), 0);
	assert_int_equal(fstatat(new, "rules/a.json", &b, 0), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	close(new);
	close(old);
}

static void a_copy_shares_no_file(void **state)
{
	const struct fixture *f = *state;
	const struct manifest *m = f->bundle->manifest;
	int old = sample_tree(f->bundle, f->slots, "one");
	struct stat a;
	struct err e;
	int new;

	assert_ok(write_same_as(f, old, "two", COPIED, &e));
	new = sample_open(f->slots, "two");
	assert_ok(tree_verify(new, &f->bundle->digest, NULL, NULL, NULL, &e));
	for (size_t i = 0; i < m->file_count; i++) {
		assert_int_equal(fstatat(new, m->files[i].path, &a, 0), 0);
		assert_int_equal(a.st_nlink, 1);
	}
	close(new);
	close(old);
}

static void a_damaged_tree_makes_room_in_one_step_and_its_readers_keep_it(void **state)
{
	const struct fixture *f = *state;
	int whole = sample_tree(f->bundle, f->slots, "one"), damaged = sample_tree(f->bundle, f->slots, "two"), now;
	AUTO(buf) struct buf *read = NULL;
	struct err e;

	sample_unlink(f->slots, "two/rules/a.json");
	sample_file(f->slots, "two/rules/a.json", "{\"format\":7}\n");
	assert_true(tree_verify(damaged, &f->bundle->digest, NULL, NULL, NULL, &e) < 0);
	assert_ok(write_same_as(f, whole, "two", REPLACED, &e));
	now = sample_open(f->slots, "two");
	assert_ok(tree_verify(now, &f->bundle->digest, NULL, NULL, NULL, &e));
	assert_ok(file_readat(&read, damaged, "rules/a.json", 64, &e));
	assert_string_equal(read->data, "{\"format\":7}\n");
	assert_int_equal(entries(f->slots), 3);         /* one, two, .two.old */
	close(now);
	assert_ok(write_same_as(f, whole, "three", REPLACED, &e));      /* nothing was there */
	assert_int_equal(entries(f->slots), 4);
	close(damaged);
	close(whole);
}

static void a_damaged_file_is_never_shared(void **state)
{
	const struct fixture *f = *state;
	int old = sample_tree(f->bundle, f->slots, "one");
	struct err e;

	sample_file(f->slots, "one/rules/a.json", "{\"format\":7}\n");
	assert_refused(write_same(f, old, "two", &e), ERR_REFUSED, "digest");
	sample_file(f->slots, "one/rules/a.json", "longer than it was by some\n");
	assert_refused(write_same(f, old, "two", &e), ERR_CONFLICT, "rules/a.json");
	sample_unlink(f->slots, "one/rules/a.json");
	assert_refused(write_same(f, old, "two", &e), ERR_NOT_FOUND, "rules/a.json");
	assert_int_equal(symlinkat("b.json", old, "rules/a.json"), 0);
	assert_true(write_same(f, old, "two", &e) < 0);
	assert_int_equal(entries(f->slots), 1);
	close(old);
}

static void names_of_trees_are_plain(void **state)
{
	static const char *const names[] = { "", ".", "..", "a/b", "../x", ".x" };
	const struct fixture *f = *state;
	struct tree_writer *w = NULL;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		assert_refused(tree_writer_new(&w, f->parent, names[i], -1, &e), ERR_USAGE, "name");
	assert_null(w);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(an_unpacked_bundle_verifies),
		CASE(trees_are_readable_whatever_the_umask),
		CASE(every_damage_is_found),
		CASE(links_and_pipes_in_a_tree_are_refused),
		CASE(another_sound_tree_is_not_the_wanted_one),
		CASE(a_bundle_that_was_built_wrong_is_told_from_a_damaged_disk),
		CASE(a_wrong_digest_leaves_nothing),
		CASE(the_writer_creates_nothing_outside_its_tree),
		CASE(more_or_less_than_announced_is_refused),
		CASE(what_a_killed_writer_left_is_replaced),
		CASE(a_tree_that_is_there_is_not_replaced),
		CASE(a_refused_archive_leaves_nothing),
		CASE(a_write_that_fails_anywhere_leaves_nothing),
		CASE(unchanged_files_are_shared_when_they_are_right),
		CASE(a_copy_shares_no_file),
		CASE(a_damaged_tree_makes_room_in_one_step_and_its_readers_keep_it),
		CASE(a_damaged_file_is_never_shared),
		CASE(names_of_trees_are_plain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
