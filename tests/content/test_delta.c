/* delta: the new bundle exactly, or nothing. */
#include "content/delta.h"

#include <zstd.h>

#include "content/archive_read.h"
#include "tests/content/sample.h"

/* Two bundles of one channel, unpacked, and the delta between them. */
struct fixture {
	char *dir;
	struct bundle *old_bundle, *new_bundle;
	int old_dir, new_dir;
	struct buf *delta;
	struct delta_info info;
	struct buf *said;       /* what the new bundle's archive tells a sink */
};

static struct bundle *build_as(const char *dir, int64_t serial)
{
	struct bundle_options o = BUNDLE_OPTIONS_NONE;
	struct bundle *b = NULL;
	struct err e;

	o.serial = serial;
	assert_ok(bundle_build(&b, dir, &o, &e));
	return b;
}

static struct buf *said_by_archive(const struct bundle *b)
{
	struct archive_want want = { .size = b->size, .digest = b->digest };
	struct sample_log log = { .text = NULL };
	struct archive_sink sink = sample_log_sink(&log);
	struct archive_reader *r = archive_reader_new(&want, &sink);
	struct err e;

	assert_ok(archive_reader_add(r, b->archive->data, b->archive->len, &e));
	assert_ok(archive_reader_finish(r, &e));
	archive_reader_free(r);
	return log.text;
}

/* Text of a rule file that no other seed has. */
static void rule(const char *dir, const char *path, unsigned seed)
{
	AUTO(buf) struct buf *b = buf_new(0);

	for (int i = 0; i < 200; i++) {
		seed = seed * 1103515245 + 12345;
		buf_addf(b, "{\"id\":%u,\"field\":\"value-%x\"}\n", i, seed >> 8);
	}
	sample_bytes(dir, path, b->data, b->len);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	char *src = sample_dir();
	struct err e;

	f->dir = sample_dir();
	sample_source(src);
	rule(src, "rules/changed.json", 1);
	rule(src, "rules/deleted.json", 2);
	rule(src, "rules/kept.json", 3);
	rule(src, "rules/moved.json", 4);
	sample_file(src, "rules/emptied.json", "x");
	f->old_bundle = build_as(src, 110);
	f->old_dir = sample_tree(f->old_bundle, f->dir, "old");
	rule(src, "rules/changed.json", 5);
	sample_unlink(src, "rules/deleted.json");
	sample_unlink(src, "rules/moved.json");
	rule(src, "rules/moved-here.json", 4);
	rule(src, "rules/added.json", 6);
	sample_file(src, "rules/emptied.json", "");
	f->new_bundle = build_as(src, 111);
	f->new_dir = sample_tree(f->new_bundle, f->dir, "new");
	sample_dir_remove(src);
	f->delta = buf_new(0);
	assert_ok(delta_make(f->delta, f->old_dir, f->new_dir, &f->info, &e));
	f->said = said_by_archive(f->new_bundle);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	close(f->old_dir);
	close(f->new_dir);
	bundle_free(f->old_bundle);
	bundle_free(f->new_bundle);
	buf_free(f->delta);
	buf_free(f->said);
	sample_dir_remove(f->dir);
	free(f);
	return 0;
}

static int apply(const struct fixture *f, const void *delta, size_t len, struct buf **said, struct err *e)
{
	struct sample_log log = { .text = NULL };
	struct archive_sink sink = sample_log_sink(&log);
	int code = delta_apply(f->old_dir, delta, len, &f->info, &sink, NULL, e);

	if (said)
		*said = TAKE(log.text);
	buf_free(log.text);
	return code;
}

static void a_delta_says_what_the_archive_says(void **state)
{
	const struct fixture *f = *state;
	AUTO(buf) struct buf *said = NULL;
	struct err e;

	assert_true(digest_equal(&f->info.from, &f->old_bundle->digest));
	assert_true(digest_equal(&f->info.to, &f->new_bundle->digest));
	assert_int_equal(f->info.size, f->new_bundle->size);
	assert_ok(apply(f, f->delta->data, f->delta->len, &said, &e));
	assert_int_equal(said->len, f->said->len);
	assert_memory_equal(said->data, f->said->data, said->len);
}

static void what_was_moved_costs_next_to_nothing(void **state)
{
	const struct fixture *f = *state;

	/* Two files of 200 random numbers each are new; the moved one has as many. */
	assert_true(f->delta->len < f->new_bundle->archive->len);
	assert_true(f->delta->len < 2500);
}

static void every_cut_is_refused(void **state)
{
	const struct fixture *f = *state;
	struct err e;

	for (size_t len = 0; len < f->delta->len; len++)
		if (apply(f, f->delta->data, len, NULL, &e) == 0)
			fail_msg("%zu bytes of %zu: accepted", len, f->delta->len);
}

static void a_changed_byte_never_gives_other_content(void **state)
{
	const struct fixture *f = *state;
	AUTO(buf) struct buf *bad = buf_new(0);
	size_t accepted = 0;
	struct err e;

	buf_add(bad, f->delta->data, f->delta->len);
	for (size_t i = 0; i < bad->len; i++) {
		AUTO(buf) struct buf *said = NULL;
		char was = bad->data[i];

		bad->data[i] ^= (char)(1 << i % 8);
		if (apply(f, bad->data, bad->len, &said, &e) == 0) {
			accepted++;     /* other words of zstd for the same bytes */
			assert_int_equal(said->len, f->said->len);
			assert_memory_equal(said->data, f->said->data, said->len);
		}
		bad->data[i] = was;
	}
	print_message("accepted %zu of %zu, same bytes\n", accepted, bad->len);
	assert_true(accepted * 20 < bad->len);
}

static void nothing_may_follow_or_stand_before(void **state)
{
	static const char skippable[] = "\x50\x2a\x4d\x18\x00\x00\x00\x00";
	const struct fixture *f = *state;
	AUTO(buf) struct buf *bad = buf_new(0);
	struct err e;

	buf_add(bad, f->delta->data, f->delta->len);
	buf_addc(bad, '\0');
	assert_refused(apply(f, bad->data, bad->len, NULL, &e), ERR_FORMAT, "after its end");
	bad->len--;
	buf_add(bad, skippable, 8);
	assert_refused(apply(f, bad->data, bad->len, NULL, &e), ERR_FORMAT, "after its end");
	buf_clear(bad);
	buf_add(bad, skippable, 8);
	buf_add(bad, f->delta->data, f->delta->len);
	assert_refused(apply(f, bad->data, bad->len, NULL, &e), ERR_FORMAT, "frame");
	assert_refused(apply(f, "", 0, NULL, &e), ERR_FORMAT, "frame");
}

static void only_the_announced_bundle_comes_out(void **state)
{
	struct fixture *f = *state;
	struct delta_info right = f->info;
	struct err e;

	f->info.to.bytes[5] ^= 1;
	assert_refused(apply(f, f->delta->data, f->delta->len, NULL, &e), ERR_FORMAT, "digest");
	f->info = right;
	f->info.size += 512;
	assert_refused(apply(f, f->delta->data, f->delta->len, NULL, &e), ERR_FORMAT, "announced");
	f->info = right;
}

static void the_window_bounds_what_is_decoded(void **state)
{
	struct fixture *f = *state;
	struct delta_info right = f->info;
	struct err e;

	f->info.window_log = 10;
	assert_refused(apply(f, f->delta->data, f->delta->len, NULL, &e), ERR_LIMIT, "");
	f->info.window_log = 25;
	assert_refused(apply(f, f->delta->data, f->delta->len, NULL, &e), ERR_LIMIT, "25");
	f->info.window_log = 0;
	assert_refused(apply(f, f->delta->data, f->delta->len, NULL, &e), ERR_LIMIT, "0");
	f->info = right;
}

static void a_bomb_is_refused_before_it_is_decoded(void **state)
{
	const struct fixture *f = *state;
	AUTO(buf) struct buf *zeros = buf_new(0);
	AUTO(buf) struct buf *bomb = buf_new(0);
	size_t len = (size_t)64 << 20, room;
	struct err e;

	memset(buf_grow(zeros, len), 0, len);
	room = ZSTD_compressBound(len);
	bomb->len = ZSTD_compress(buf_grow(bomb, room), room, zeros->data, len, 1);
	assert_true(bomb->len < 16384);
	assert_refused(apply(f, bomb->data, bomb->len, NULL, &e), ERR_LIMIT, "limit");
}

static void damage_in_the_old_tree_is_found_before_use(void **state)
{
	static const char *const files[] = { "old/rules/kept.json", "old/rules/changed.json",
					     "old/rules/deleted.json", "old/rules/moved.json" };
	const struct fixture *f = *state;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		AUTO_FREE char *path = file_join(f->dir, files[i]);
		AUTO(buf) struct buf *was = NULL;

		assert_ok(file_read(&was, path, 1 << 20, &e));
		was->data[100] ^= 1;
		sample_bytes(f->dir, files[i], was->data, was->len);
		assert_refused(apply(f, f->delta->data, f->delta->len, NULL, &e), ERR_CONFLICT,
			       files[i] + strlen("old/"));
		was->data[100] ^= 1;
		sample_bytes(f->dir, files[i], was->data, was->len);
	}
	assert_ok(apply(f, f->delta->data, f->delta->len, NULL, &e));
}

static void another_old_tree_does_not_fit(void **state)
{
	struct fixture *f = *state;
	int right = f->old_dir;
	struct err e;

	f->old_dir = f->new_dir;
	assert_true(apply(f, f->delta->data, f->delta->len, NULL, &e) < 0);
	f->old_dir = right;
}

static void damaged_trees_make_no_delta(void **state)
{
	const struct fixture *f = *state;
	AUTO(buf) struct buf *out = buf_new(0);
	struct delta_info info;
	struct err e;

	sample_file(f->dir, "new/rules/stray.json", "{}");
	assert_refused(delta_make(out, f->old_dir, f->new_dir, &info, &e), ERR_CONFLICT, "stray.json");
	sample_unlink(f->dir, "new/rules/stray.json");
	sample_file(f->dir, "old/rules/stray.json", "{}");
	assert_refused(delta_make(out, f->old_dir, f->new_dir, &info, &e), ERR_CONFLICT, "stray.json");
	sample_unlink(f->dir, "old/rules/stray.json");
	assert_int_equal(out->len, 0);
}

static void a_slot_is_built_from_a_delta_and_shares_what_is_kept(void **state)
{
	const struct fixture *f = *state;
	AUTO_FD int parent = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO(tree_writer) struct tree_writer *w = NULL;
	struct archive_sink sink;
	struct stat a, b;
	struct err e;

	assert_ok(tree_writer_new(&w, parent, "built", f->old_dir, &e));
	sink = tree_writer_sink(w);
	assert_ok(delta_apply(f->old_dir, f->delta->data, f->delta->len, &f->info, &sink, NULL, &e));
	assert_ok(tree_writer_commit(w, &f->info.to, &e));

	AUTO_FD int built = sample_open(f->dir, "built");

	assert_ok(tree_verify(built, &f->info.to, NULL, NULL, NULL, &e));
	assert_int_equal(fstatat(built, "rules/kept.json", &a, 0), 0);
	assert_int_equal(fstatat(f->old_dir, "rules/kept.json", &b, 0), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(fstatat(built, "rules/changed.json", &a, 0), 0);
	assert_int_equal(fstatat(f->old_dir, "rules/changed.json", &b, 0), 0);
	assert_int_not_equal(a.st_ino, b.st_ino);
	assert_ok(file_remove_treeat(parent, "built", &e));
}

static void a_sink_that_fails_stops_it(void **state)
{
	const struct fixture *f = *state;
	struct err e;

	for (int at = 1;; at++) {
		struct sample_log log = { .fail_at = at };
		struct archive_sink sink = sample_log_sink(&log);
		int code = delta_apply(f->old_dir, f->delta->data, f->delta->len, &f->info, &sink, NULL, &e);

		buf_free(log.text);
		if (code == 0)
			return;
		assert_int_equal(code, ERR_SPACE);
		assert_int_equal(log.calls, at);
	}
}

/* Builds old and new from texts for one file and returns delta_make()'s answer. */
static int make_between(const char *path_a, const void *a, size_t a_len, const char *path_b, const void *b, size_t b_len,
			const char *channel_b, struct buf *out, struct err *e)
{
	struct bundle_options o = { .channel = "c", .serial = 1, .created = 0, .type = "yara" };
	char *dir = sample_dir();
	struct bundle *bundle;
	struct delta_info info = { .window_log = 0 };
	int from, to, code;

	sample_bytes(dir, path_a, a, a_len);
	assert_int_equal(bundle_build(&bundle, dir, &o, e), 0);
	sample_unlink(dir, path_a);
	char *slots = sample_dir();
	from = sample_tree(bundle, slots, "old");
	bundle_free(bundle);
	sample_bytes(dir, path_b, b, b_len);
	o.channel = channel_b;
	o.serial = 2;
	assert_int_equal(bundle_build(&bundle, dir, &o, e), 0);
	to = sample_tree(bundle, slots, "new");
	bundle_free(bundle);
	code = delta_make(out, from, to, &info, e);
	if (code == 0)
		code = delta_apply(from, out->data, out->len, &info, NULL, NULL, e);
	close(from);
	close(to);
	sample_dir_remove(dir);
	sample_dir_remove(slots);
	return code;
}

static void only_the_manifest_may_differ(void **state)
{
	AUTO(buf) struct buf *out = buf_new(0);
	struct err e;

	(void)state;
	assert_ok(make_between("x.yara", "rule x", 6, "x.yara", "rule x", 6, "c", out, &e));
	assert_true(out->len < 100);
}

static void a_file_may_become_empty_or_come_from_nothing(void **state)
{
	AUTO(buf) struct buf *out = buf_new(0);
	struct err e;

	(void)state;
	assert_ok(make_between("x.yara", "rule x", 6, "x.yara", "", 0, "c", out, &e));
	buf_clear(out);
	assert_ok(make_between("x.yara", "", 0, "x.yara", "rule x", 6, "c", out, &e));
	buf_clear(out);
	assert_ok(make_between("x.yara", "", 0, "y.yara", "rule x", 6, "c", out, &e));
	buf_clear(out);
	assert_ok(make_between("x/y.yara", "1", 1, "x.yara", "1", 1, "c", out, &e));
}

static void too_much_for_the_window_asks_for_the_full_archive(void **state)
{
	size_t len = (size_t)9 << 20;
	AUTO(buf) struct buf *out = buf_new(0);
	AUTO_FREE char *a = calloc(1, len);
	AUTO_FREE char *b = calloc(1, len);
	struct err e;

	(void)state;
	b[5] = 1;
	assert_refused(make_between("x.yara", a, len, "x.yara", b, len, "c", out, &e), ERR_UNSUPPORTED, "full archive");
	assert_int_equal(out->len, 0);
	assert_ok(make_between("x.yara", a, len, "x.yara", a, len, "c", out, &e));      /* unchanged: of no account */
}

static void channels_do_not_mix(void **state)
{
	AUTO(buf) struct buf *out = buf_new(0);
	struct err e;

	(void)state;
	assert_refused(make_between("x.yara", "1", 1, "x.yara", "2", 1, "d", out, &e), ERR_USAGE, "channel");
}

static struct bundle *build_real(const char *name, int64_t serial)
{
	struct bundle_options o = { .channel = "yara", .serial = serial, .created = 1709510400, .type = "yara" };
	AUTO_FREE char *content = file_join(sample_shared(), "content");
	AUTO_FREE char *dir = file_join(content, name);
	struct bundle *b = NULL;
	struct err e;

	if (file_exists(dir))
		assert_ok(bundle_build(&b, dir, &o, &e));
	return b;
}

static void real_content_travels_as_a_small_delta(void **state)
{
	AUTO(bundle) struct bundle *a = build_real("yara-2024-03-04", 20240304);
	AUTO(bundle) struct bundle *b = build_real("yara-2024-03-18", 20240318);
	AUTO(buf) struct buf *out = buf_new(0);
	struct delta_info info;
	char *dir;
	struct err e;

	(void)state;
	if (!a || !b)
		skip_named("the shared YARA directories are not here");
	dir = sample_dir();

	AUTO_FD int from = sample_tree(a, dir, "from");
	AUTO_FD int to = sample_tree(b, dir, "to");

	assert_ok(delta_make(out, from, to, &info, &e));
	assert_ok(delta_apply(from, out->data, out->len, &info, NULL, NULL, &e));
	print_message("delta %zu bytes, full archive %zu\n", out->len, b->archive->len);
	assert_true(out->len * 100 < b->archive->len);
	sample_dir_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_delta_says_what_the_archive_says),
		cmocka_unit_test(what_was_moved_costs_next_to_nothing),
		cmocka_unit_test(every_cut_is_refused),
		cmocka_unit_test(a_changed_byte_never_gives_other_content),
		cmocka_unit_test(nothing_may_follow_or_stand_before),
		cmocka_unit_test(only_the_announced_bundle_comes_out),
		cmocka_unit_test(the_window_bounds_what_is_decoded),
		cmocka_unit_test(a_bomb_is_refused_before_it_is_decoded),
		cmocka_unit_test(damage_in_the_old_tree_is_found_before_use),
		cmocka_unit_test(another_old_tree_does_not_fit),
		cmocka_unit_test(damaged_trees_make_no_delta),
		cmocka_unit_test(a_slot_is_built_from_a_delta_and_shares_what_is_kept),
		cmocka_unit_test(a_sink_that_fails_stops_it),
		cmocka_unit_test(only_the_manifest_may_differ),
		cmocka_unit_test(a_file_may_become_empty_or_come_from_nothing),
		cmocka_unit_test(too_much_for_the_window_asks_for_the_full_archive),
		cmocka_unit_test(channels_do_not_mix),
		cmocka_unit_test(real_content_travels_as_a_small_delta),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
