/* sample: directories and bundles for the tests of content/. */
#ifndef TESTS_CONTENT_SAMPLE_H
#define TESTS_CONTENT_SAMPLE_H

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "content/bundle.h"
#include "content/tree.h"
#include "tests/test.h"

/* A fresh directory; sample_dir_remove() takes it and everything in it away. */
static inline char *sample_dir(void)
{
	const char *tmp = getenv("TMPDIR");
	char *dir = file_join(tmp && *tmp ? tmp : "/tmp", "ringhold-test-XXXXXX");

	assert_non_null(dir);
	assert_non_null(mkdtemp(dir));
	return dir;
}

static inline void sample_dir_remove(char *dir)
{
	struct err e;

	assert_ok(file_remove_tree(dir, &e));
	free(dir);
}

/* Writes dir/path, with its directories. */
static inline void sample_bytes(const char *dir, const char *path, const void *bytes, size_t len)
{
	char *full = file_join(dir, path);
	char *slash;
	struct err e;
	int fd;

	assert_non_null(full);
	slash = strrchr(full, '/');
	*slash = '\0';
	assert_ok(file_mkdirs(full, 0755, &e));
	*slash = '/';
	fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_ok(file_write_all(fd, bytes, len, &e));
	close(fd);
	free(full);
}

static inline void sample_file(const char *dir, const char *path, const char *text)
{
	sample_bytes(dir, path, text, strlen(text));
}

static inline void sample_unlink(const char *dir, const char *path)
{
	char *full = file_join(dir, path);

	assert_non_null(full);
	assert_int_equal(unlink(full), 0);
	free(full);
}

static inline int sample_open(const char *dir, const char *path)
{
	char *full = file_join(dir, path);
	int fd;

	assert_non_null(full);
	fd = open(full, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	free(full);
	return fd;
}

#define SAMPLE_RECIPE                                                                       \
	"{\"format\":1,\"channel\":\"edr\",\"serial\":110,\"version\":\"2026.02.1\","       \
	"\"created\":\"2026-02-01T12:00:00Z\",\"severity\":\"high\",\"notes\":\"two\\nlines\"," \
	"\"types\":[{\"match\":\"rules/*.json\",\"type\":\"rules\"}],"                      \
	"\"selftest\":[\"selftest/*.ndjson\"],\"leave_out\":[\"README.md\"],"               \
	"\"requires\":[{\"type\":\"rules\",\"version\":\"1\"}],"                            \
	"\"budget\":{\"load_ms\":500,\"rss_bytes\":67108864,\"us_per_event\":50}}\n"

/* A directory with a bundle.json, two rule files and a self-test. */
static inline void sample_source(const char *dir)
{
	sample_file(dir, "bundle.json", SAMPLE_RECIPE);
	sample_file(dir, "README.md", "not part of it\n");
	sample_file(dir, "rules/b.json", "{\"format\":1,\"b\":true}\n");
	sample_file(dir, "rules/a.json", "{\"format\":1}\n");
	sample_file(dir, "selftest/x.ndjson", "{\"event\":{}}\n");
}

static inline struct bundle *sample_build(const char *dir)
{
	struct bundle_options options = BUNDLE_OPTIONS_NONE;
	struct bundle *b = NULL;
	struct err e;

	assert_ok(bundle_build(&b, dir, &options, &e));
	return b;
}

/* Unpacks b to dir/name and opens it. */
static inline int sample_tree(const struct bundle *b, const char *dir, const char *name)
{
	struct archive_want want = { .size = b->size, .digest = b->digest };
	char *path = file_join(dir, "sample.tar.gz");
	struct err e;

	assert_non_null(path);
	assert_ok(file_replace(path, b->archive->data, b->archive->len, 0600, &e));
	assert_ok(bundle_unpack(path, &want, dir, name, NULL, NULL, &e));
	assert_int_equal(unlink(path), 0);
	free(path);
	return sample_open(dir, name);
}

/* A sink that writes down what it was told, for comparison. */
struct sample_log {
	struct buf *text;
	size_t bytes;           /* of data so far */
	int fail_at;            /* the call that answers ERR_SPACE; 0: none */
	int calls;
};

static inline int sample_log_call(struct sample_log *l, struct err *e)
{
	return ++l->calls == l->fail_at ? err_set(e, ERR_SPACE, "the sink is full") : 0;
}

static inline int sample_log_begin(void *arg, const char *path, uint64_t size, struct err *e)
{
	struct sample_log *l = arg;

	buf_addf(l->text, "begin %s %llu\n", path, (unsigned long long)size);
	return sample_log_call(l, e);
}

static inline int sample_log_data(void *arg, const void *bytes, size_t len, struct err *e)
{
	struct sample_log *l = arg;

	l->bytes += len;
	buf_add(l->text, bytes, len);
	return sample_log_call(l, e);
}

static inline int sample_log_end(void *arg, struct err *e)
{
	struct sample_log *l = arg;

	buf_adds(l->text, "\nend\n");
	return sample_log_call(l, e);
}

static inline struct archive_sink sample_log_sink(struct sample_log *l)
{
	l->text = buf_new(0);
	assert_non_null(l->text);
	return (struct archive_sink){ .begin = sample_log_begin, .data = sample_log_data,
				      .end = sample_log_end, .arg = l };
}

/* The directory of shared test data, or NULL. */
static inline const char *sample_shared(void)
{
	const char *dir = getenv("RINGHOLD_SHARED");

	return dir && *dir ? dir : "../shared";
}

#endif
