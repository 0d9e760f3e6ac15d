/* archive: exactly one encoding, and every other is refused. */
#include <zlib.h>

#include "base/name.h"
#include "content/archive_read.h"
#include "tests/content/sample.h"
#include "tests/shell.h"

static const struct archive_want anything;

/* The sample bundle, its tar stream, and how it reads. */
struct fixture {
	char *dir;
	struct bundle *bundle;
	struct buf *tar;
	struct buf *said;       /* what a sink is told */
};

static struct buf *gunzip(const struct buf *gz)
{
	struct buf *out = buf_new(0);
	z_stream z = { .next_in = (Bytef *)gz->data, .avail_in = (uInt)gz->len };
	int code;

	assert_int_equal(inflateInit2(&z, 31), Z_OK);
	do {
		z.next_out = buf_grow(out, 4096);
		z.avail_out = 4096;
		code = inflate(&z, Z_NO_FLUSH);
		out->len += 4096 - z.avail_out;
	} while (code == Z_OK);
	assert_int_equal(code, Z_STREAM_END);
	inflateEnd(&z);
	return out;
}

static void gzip_more(struct buf *out, const void *bytes, size_t len)
{
	z_stream z = { .next_in = (Bytef *)(uintptr_t)bytes, .avail_in = (uInt)len };

	assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY), Z_OK);
	z.avail_out = (uInt)deflateBound(&z, len);
	z.next_out = buf_grow(out, z.avail_out);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	out->len += z.total_out;
	deflateEnd(&z);
}

/* Reads gz, in pieces of `piece` bytes; what the sink was told goes to *said when not NULL. */
static int read_all(const struct archive_want *want, const void *gz, size_t len, size_t piece,
		    struct buf **said, size_t *bytes, struct err *e)
{
	struct sample_log log = { .text = NULL };
	struct archive_sink sink = sample_log_sink(&log);
	AUTO(archive_reader) struct archive_reader *r = archive_reader_new(want, &sink);
	const char *at = gz;
	int code = 0;

	assert_non_null(r);
	while (code == 0 && len) {
		size_t n = MIN(piece, len);

		code = archive_reader_add(r, at, n, e);
		at += n;
		len -= n;
	}
	if (code == 0)
		code = archive_reader_finish(r, e);
	else
		assert_int_equal(archive_reader_finish(r, e), code);    /* sticky */
	if (bytes)
		*bytes = log.bytes;
	if (said)
		*said = TAKE(log.text);
	buf_free(log.text);
	return code;
}

/* Zips a stream and reads it, with no size or digest known beforehand. */
static int read_tar(const void *tar, size_t len, struct err *e)
{
	AUTO(buf) struct buf *gz = buf_new(0);

	gzip_more(gz, tar, len);
	return read_all(&anything, gz->data, gz->len, 1 << 20, NULL, NULL, e);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	struct err e;

	f->dir = sample_dir();
	sample_source(f->dir);
	f->bundle = sample_build(f->dir);
	f->tar = gunzip(f->bundle->archive);
	assert_ok(read_all(&anything, f->bundle->archive->data, f->bundle->archive->len, 1 << 20, &f->said,
			   NULL, &e));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	buf_free(f->said);
	buf_free(f->tar);
	bundle_free(f->bundle);
	sample_dir_remove(f->dir);
	free(f);
	return 0;
}

static struct archive_want want_of(const struct fixture *f)
{
	return (struct archive_want){ .size = f->bundle->size, .digest = f->bundle->digest };
}

static void the_format_never_changes(void **state)
{
	const struct fixture *f = *state;
	char hex[DIGEST_HEX_LEN + 1];

	/* Everything signed so far would be void. */
	digest_hex(hex, &f->bundle->digest);
	assert_string_equal(hex, "c2355b5268e079f6a8a2f72912099e7fe36384be3de1d43375f1f6b53b0f18b6");
	assert_int_equal(f->bundle->size, f->tar->len);
}

static void the_manifest_comes_first_then_files_by_path(void **state)
{
	const struct fixture *f = *state;
	static const char *const order[] = { "begin manifest.json", "begin rules/a.json", "begin rules/b.json",
					     "begin selftest/x.ndjson" };
	const char *at = f->said->data;

	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		at = strstr(at, order[i]);
		assert_non_null(at);
	}
	assert_null(strstr(f->said->data, "README"));
	assert_null(strstr(f->said->data, "bundle.json"));
}

static void tar_reads_it(void **state)
{
	const struct fixture *f = *state;

	sample_bytes(f->dir, "out.tar", f->tar->data, f->tar->len);
	if (!shell_ok("tar --version > /dev/null 2>&1"))
		skip_named("no tar here");
	shell_must("cd %s && tar xf out.tar rules/a.json -O > a.out && cmp a.out rules/a.json", f->dir);
}

static void pieces_of_any_size_read_the_same(void **state)
{
	const struct fixture *f = *state;
	const struct archive_want want = want_of(f);
	struct err e;

	for (size_t piece = 1; piece < 70; piece += 4) {
		AUTO(buf) struct buf *said = NULL;

		assert_ok(read_all(&want, f->bundle->archive->data, f->bundle->archive->len, piece, &said,
				   NULL, &e));
		/* data may come in other portions; what it says may not differ */
		assert_int_equal(said->len, f->said->len);
		assert_memory_equal(said->data, f->said->data, said->len);
	}
}

static void every_flipped_header_bit_is_refused(void **state)
{
	const struct fixture *f = *state;
	AUTO(buf) struct buf *tar = buf_new(0);
	struct err e;
	size_t at = 0;

	buf_add(tar, f->tar->data, f->tar->len);
	for (size_t member = 0; member <= f->bundle->manifest->file_count; member++) {
		uint64_t size;

		for (size_t i = 0; i < ARCHIVE_BLOCK; i++) {
			for (int bit = 0; bit < 8; bit++) {
				tar->data[at + i] ^= (char)(1 << bit);
				if (read_tar(tar->data, tar->len, &e) == 0)
					fail_msg("member %zu, byte %zu, bit %d: accepted", member, i, bit);
				tar->data[at + i] ^= (char)(1 << bit);
			}
		}
		assert_true(archive_header_size((uint8_t *)tar->data + at, &size));
		at += ARCHIVE_BLOCK + archive_padded(size);
	}
	assert_int_equal(at + 2 * ARCHIVE_BLOCK, tar->len);
}

static void every_changed_byte_of_files_and_padding_is_refused(void **state)
{
	const struct fixture *f = *state;
	AUTO(buf) struct buf *tar = buf_new(0);
	uint64_t manifest;
	struct err e;

	buf_add(tar, f->tar->data, f->tar->len);
	assert_true(archive_header_size((uint8_t *)tar->data, &manifest));
	/* In the manifest itself a changed word can be another sound bundle: D tells, see below. */
	for (size_t i = ARCHIVE_BLOCK + manifest; i < tar->len; i++) {
		tar->data[i] ^= 0x20;
		if (read_tar(tar->data, tar->len, &e) == 0)
			fail_msg("byte %zu: accepted", i);
		tar->data[i] ^= 0x20;
	}
}

static void another_bundle_than_wanted_is_refused(void **state)
{
	const struct fixture *f = *state;
	const struct buf *gz = f->bundle->archive;
	struct archive_want want = want_of(f);
	struct err e;

	assert_ok(read_all(&want, gz->data, gz->len, 100, NULL, NULL, &e));
	want.digest.bytes[31] ^= 1;
	assert_refused(read_all(&want, gz->data, gz->len, 100, NULL, NULL, &e), ERR_FORMAT, "digest");
	want = want_of(f);
	want.size += ARCHIVE_BLOCK;
	assert_refused(read_all(&want, gz->data, gz->len, 100, NULL, NULL, &e), ERR_FORMAT, "announced");
	want.size -= 2 * ARCHIVE_BLOCK;
	assert_true(read_all(&want, gz->data, gz->len, 100, NULL, NULL, &e) < 0);
}

static void an_archive_cut_anywhere_is_refused(void **state)
{
	const struct fixture *f = *state;
	const struct buf *gz = f->bundle->archive;
	struct err e;

	for (size_t len = 0; len < gz->len; len++)
		assert_refused(read_all(&anything, gz->data, len, 1 << 20, NULL, NULL, &e), ERR_FORMAT,
			       "cut short");
	for (size_t len = 0; len < f->tar->len; len += 37)
		assert_refused(read_tar(f->tar->data, len, &e), ERR_FORMAT, "cut short");
	assert_true(read_tar(f->tar->data, f->tar->len - 1, &e) < 0);
}

static void nothing_may_follow(void **state)
{
	const struct fixture *f = *state;
	AUTO(buf) struct buf *tar = buf_new(0);
	AUTO(buf) struct buf *gz = buf_new(0);
	struct err e;

	buf_add(tar, f->tar->data, f->tar->len);
	buf_add(tar, "", 1);
	assert_refused(read_tar(tar->data, tar->len, &e), ERR_FORMAT, "after its end");

	buf_add(gz, f->bundle->archive->data, f->bundle->archive->len);
	buf_add(gz, "", 1);
	assert_refused(read_all(&anything, gz->data, gz->len, 1 << 20, NULL, NULL, &e), ERR_FORMAT,
		       "after the gzip data");
	assert_refused(read_all(&anything, gz->data, gz->len, 1, NULL, NULL, &e), ERR_FORMAT,
		       "after the gzip data");
	gz->len--;
	gzip_more(gz, "", 0);
	assert_refused(read_all(&anything, gz->data, gz->len, 1 << 20, NULL, NULL, &e), ERR_FORMAT,
		       "after the gzip data");
}

static void one_stream_in_two_gzip_members_is_refused(void **state)
{
	const struct fixture *f = *state;
	AUTO(buf) struct buf *gz = buf_new(0);
	struct err e;

	gzip_more(gz, f->tar->data, 1000);
	gzip_more(gz, f->tar->data + 1000, f->tar->len - 1000);
	assert_true(read_all(&anything, gz->data, gz->len, 1 << 20, NULL, NULL, &e) < 0);
}

static void what_is_no_gzip_is_refused(void **state)
{
	const struct fixture *f = *state;
	AUTO(buf) struct buf *z = buf_new(0);
	uLongf len = compressBound(f->tar->len);
	struct err e;

	assert_refused(read_all(&anything, f->tar->data, f->tar->len, 1 << 20, NULL, NULL, &e), ERR_FORMAT, "gzip");
	assert_int_equal(compress(buf_grow(z, len), &len, (Bytef *)f->tar->data, f->tar->len), Z_OK);
	assert_refused(read_all(&anything, z->data, len, 1 << 20, NULL, NULL, &e), ERR_FORMAT, "gzip");
	assert_refused(read_all(&anything, "", 0, 1, NULL, NULL, &e), ERR_FORMAT, "cut short");
}

/* ---- streams put together by hand ---- */

static void put_member(struct buf *tar, const char *path, const void *bytes, size_t len)
{
	static const char zeros[ARCHIVE_BLOCK];
	uint8_t header[ARCHIVE_BLOCK];

	archive_header(header, path, len);
	buf_add(tar, header, sizeof header);
	buf_add(tar, bytes, len);
	buf_add(tar, zeros, archive_padded(len) - len);
}

static int read_members(const struct fixture *f, const char *const *paths, size_t count, struct err *e)
{
	AUTO(buf) struct buf *tar = buf_new(0);
	static const char end[2 * ARCHIVE_BLOCK];

	for (size_t i = 0; i < count; i++) {
		if (!strcmp(paths[i], MANIFEST_NAME)) {
			put_member(tar, paths[i], f->bundle->json->data, f->bundle->json->len);
		} else {
			AUTO(buf) struct buf *body = NULL;
			AUTO_FREE char *full = file_join(f->dir, paths[i]);

			assert_int_equal(file_read(&body, full, 4096, e), 0);
			put_member(tar, paths[i], body->data, body->len);
		}
	}
	buf_add(tar, end, sizeof end);
	return read_tar(tar->data, tar->len, e);
}

static void members_are_the_manifests_files_in_order(void **state)
{
	static const char *const right[] = { "manifest.json", "rules/a.json", "rules/b.json", "selftest/x.ndjson" };
	static const char *const wrong[][6] = {
		{ "rules/a.json", "manifest.json", "rules/b.json", "selftest/x.ndjson" },
		{ "manifest.json", "rules/b.json", "rules/a.json", "selftest/x.ndjson" },
		{ "manifest.json", "rules/a.json", "rules/a.json", "rules/b.json", "selftest/x.ndjson" },
		{ "manifest.json", "manifest.json", "rules/a.json", "rules/b.json", "selftest/x.ndjson" },
		{ "manifest.json", "rules/a.json", "selftest/x.ndjson" },
		{ "manifest.json", "rules/a.json", "rules/b.json" },
		{ "manifest.json" },
		{ "rules/a.json" },
		{ "manifest.json", "README.md", "rules/a.json", "rules/b.json", "selftest/x.ndjson" },
		{ "manifest.json", "rules/a.json", "rules/b.json", "selftest/x.ndjson", "README.md" },
	};
	const struct fixture *f = *state;
	struct err e;

	assert_ok(read_members(f, right, ARRAY_LEN(right), &e));
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		size_t count = 0;

		while (count < 6 && wrong[i][count])
			count++;
		if (read_members(f, wrong[i], count, &e) == 0)
			fail_msg("order %zu: accepted", i);
	}
}

static void other_encodings_of_the_same_files_are_refused(void **state)
{
	const struct fixture *f = *state;
	AUTO_FREE char *path = file_join(f->dir, "other.tar");
	AUTO(buf) struct buf *tar = NULL;
	struct err e;

	if (!shell_ok("tar --version > /dev/null 2>&1"))
		skip_named("no tar here");
	sample_bytes(f->dir, "manifest.json", f->bundle->json->data, f->bundle->json->len);
	shell_must("cd %s && tar --format=ustar -b 1 --owner=:0 --group=:0 --mtime=@0 --mode=0644 -cf "
		   "other.tar manifest.json rules/a.json rules/b.json selftest/x.ndjson", f->dir);
	assert_ok(file_read(&tar, path, 1 << 20, &e));
	sample_unlink(f->dir, "manifest.json");
	sample_unlink(f->dir, "other.tar");
	assert_refused(read_tar(tar->data, tar->len, &e), ERR_FORMAT, "header");
}

/* ---- bounds ---- */

/* zeros zipped a thousand to one, behind `tar` */
static struct buf *bomb(const struct buf *tar, size_t len, size_t zeros)
{
	AUTO(buf) struct buf *plain = buf_new(0);
	struct buf *gz = buf_new(0);

	buf_add(plain, tar->data, len);
	assert_non_null(buf_grow(plain, zeros));
	memset(plain->data + plain->len, 0, zeros);
	gzip_more(gz, plain->data, plain->len + zeros);
	return gz;
}

static void a_bomb_stops_at_the_announced_size(void **state)
{
	const struct fixture *f = *state;
	const struct archive_want want = want_of(f);
	AUTO(buf) struct buf *gz = bomb(f->tar, f->tar->len, (size_t)64 << 20);
	size_t bytes;
	struct err e;

	assert_true(gz->len < 512 * 1024);
	assert_refused(read_all(&want, gz->data, gz->len, 1 << 20, NULL, &bytes, &e), ERR_LIMIT, "unpack");
	assert_true(bytes <= f->tar->len);
}

static void a_huge_manifest_is_refused_by_its_header(void **state)
{
	uint8_t header[ARCHIVE_BLOCK];
	struct err e;

	(void)state;
	archive_header(header, MANIFEST_NAME, MANIFEST_BYTES_MAX + 1);
	assert_refused(read_tar(header, sizeof header, &e), ERR_LIMIT, "manifest.json");
	archive_header(header, MANIFEST_NAME, 0);
	assert_refused(read_tar(header, sizeof header, &e), ERR_FORMAT, "manifest.json");
}

static void a_sink_that_fails_stops_the_reader(void **state)
{
	const struct fixture *f = *state;
	struct err e;

	for (int at = 1;; at++) {
		struct sample_log log = { .fail_at = at };
		struct archive_sink sink = sample_log_sink(&log);
		struct archive_reader *r = archive_reader_new(&anything, &sink);
		int code = archive_reader_add(r, f->bundle->archive->data, f->bundle->archive->len, &e);
		int calls = log.calls;

		if (code == 0)
			assert_ok(archive_reader_finish(r, &e));
		else
			assert_int_equal(archive_reader_add(r, "x", 1, &e), ERR_SPACE);
		assert_int_equal(log.calls, calls);
		archive_reader_free(r);
		buf_free(log.text);
		if (code == 0) {
			assert_true(at > 10);
			return;
		}
		assert_int_equal(code, ERR_SPACE);
		assert_int_equal(calls, at);
	}
}

/* ---- headers and D ---- */

/* "a/a/…" or "aaa…" with a slash at `slash` (0: none), len bytes long */
static void make_path(char *out, size_t len, size_t slash)
{
	memset(out, 'a', len);
	if (slash)
		out[slash] = '/';
	out[len] = '\0';
}

static void a_path_has_one_split_and_it_reads_back(void **state)
{
	char path[PATH_LEN_MAX + 2], whole[2 * PATH_LEN_MAX];
	uint8_t header[ARCHIVE_BLOCK];

	(void)state;
	for (size_t len = 1; len <= PATH_LEN_MAX + 1; len++) {
		for (size_t slash = 0; slash + 1 < len; slash++) {
			bool fits = len <= PATH_LEN_MAX &&
				    (len <= 100 || (slash && slash <= 155 && len - slash - 1 <= 100));

			make_path(path, len, slash);
			assert_int_equal(archive_path_valid(path, len), fits);
			if (!fits)
				continue;
			archive_header(header, path, 7);
			if (header[345])
				snprintf(whole, sizeof whole, "%.155s/%.100s", header + 345, header);
			else
				snprintf(whole, sizeof whole, "%.100s", header);
			assert_string_equal(whole, path);
			assert_int_equal(!!header[345], len > 100);
		}
	}
}

static void long_paths_survive_the_way(void **state)
{
	char *dir = sample_dir();
	char deep[PATH_LEN_MAX + 1] = "rules/";
	struct bundle *b;
	size_t len = strlen(deep);
	struct err e;

	(void)state;
	while (len < 200) {
		deep[len] = len % 40 == 0 ? '/' : 'd';
		len++;
	}
	strcpy(deep + len, "/f.json");
	sample_file(dir, "bundle.json", "{\"format\":1,\"channel\":\"c\",\"serial\":1,\"created\":\"2026-02-01T12:00:00Z\","
					"\"types\":[{\"match\":\"rules/**\",\"type\":\"rules\"}]}");
	sample_file(dir, deep, "{}");
	b = sample_build(dir);
	assert_ok(read_all(&anything, b->archive->data, b->archive->len, 333, NULL, NULL, &e));
	assert_string_equal(b->manifest->files[0].path, deep);
	bundle_free(b);
	sample_dir_remove(dir);
}

static int feed(struct archive_digest *d, const char *path, const char *body, struct err *e)
{
	if (archive_digest_begin(d, path, strlen(body), e) < 0 ||
	    archive_digest_data(d, body, strlen(body), e) < 0)
		return e->code;
	return archive_digest_end(d, e);
}

static void the_digest_builder_computes_d_from_members(void **state)
{
	const struct fixture *f = *state;
	AUTO(archive_digest) struct archive_digest *d = archive_digest_new();
	struct digest got, plain;
	uint64_t size;
	struct err e;

	assert_ok(feed(d, MANIFEST_NAME, f->bundle->json->data, &e));
	assert_ok(feed(d, "rules/a.json", "{\"format\":1}\n", &e));
	assert_ok(feed(d, "rules/b.json", "{\"format\":1,\"b\":true}\n", &e));
	assert_ok(feed(d, "selftest/x.ndjson", "{\"event\":{}}\n", &e));
	assert_ok(archive_digest_finish(d, &got, &size, &e));
	hash_bytes(&plain, f->tar->data, f->tar->len);
	assert_true(digest_equal(&got, &plain));
	assert_true(digest_equal(&got, &f->bundle->digest));
	assert_int_equal(size, f->bundle->size);
}

static void the_digest_builder_refuses_what_no_archive_holds(void **state)
{
	static const char *const bad_second[] = { "manifest.json", "../x", "/x", "", ".x", "a//b", "a b" };
	AUTO(archive_digest) struct archive_digest *d = archive_digest_new();
	struct digest got;
	struct err e;

	(void)state;
	assert_true(archive_digest_finish(d, &got, NULL, &e) < 0);
	assert_refused(feed(d, "a", "x", &e), ERR_FORMAT, "order");
	assert_true(archive_digest_data(d, "x", 1, &e) < 0);
	assert_true(archive_digest_end(d, &e) < 0);
	assert_ok(feed(d, MANIFEST_NAME, "{}\n", &e));
	for (size_t i = 0; i < ARRAY_LEN(bad_second); i++)
		assert_true(feed(d, bad_second[i], "x", &e) < 0);
	assert_ok(feed(d, "b", "x", &e));
	assert_refused(feed(d, "b", "x", &e), ERR_FORMAT, "order");
	assert_refused(feed(d, "a", "x", &e), ERR_FORMAT, "order");
	assert_refused(archive_digest_begin(d, "c", ARCHIVE_SIZE_MAX, &e), ERR_LIMIT, "bytes");
	assert_ok(archive_digest_begin(d, "c", 2, &e));
	assert_true(archive_digest_begin(d, "d", 2, &e) < 0);
	assert_true(archive_digest_data(d, "xxx", 3, &e) < 0);
	assert_ok(archive_digest_data(d, "x", 1, &e));
	assert_true(archive_digest_end(d, &e) < 0);
	assert_true(archive_digest_finish(d, &got, NULL, &e) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_format_never_changes),
		cmocka_unit_test(the_manifest_comes_first_then_files_by_path),
		cmocka_unit_test(tar_reads_it),
		cmocka_unit_test(pieces_of_any_size_read_the_same),
		cmocka_unit_test(every_flipped_header_bit_is_refused),
		cmocka_unit_test(every_changed_byte_of_files_and_padding_is_refused),
		cmocka_unit_test(another_bundle_than_wanted_is_refused),
		cmocka_unit_test(an_archive_cut_anywhere_is_refused),
		cmocka_unit_test(nothing_may_follow),
		cmocka_unit_test(one_stream_in_two_gzip_members_is_refused),
		cmocka_unit_test(what_is_no_gzip_is_refused),
		cmocka_unit_test(members_are_the_manifests_files_in_order),
		cmocka_unit_test(other_encodings_of_the_same_files_are_refused),
		cmocka_unit_test(a_bomb_stops_at_the_announced_size),
		cmocka_unit_test(a_huge_manifest_is_refused_by_its_header),
		cmocka_unit_test(a_sink_that_fails_stops_the_reader),
		cmocka_unit_test(a_path_has_one_split_and_it_reads_back),
		cmocka_unit_test(long_paths_survive_the_way),
		cmocka_unit_test(the_digest_builder_computes_d_from_members),
		cmocka_unit_test(the_digest_builder_refuses_what_no_archive_holds),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
