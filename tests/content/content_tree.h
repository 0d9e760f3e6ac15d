/* content_tree: a bundle's tree in a temporary directory, for the tests of this folder. */
#ifndef TESTS_CONTENT_TREE_H
#define TESTS_CONTENT_TREE_H

#include "test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "content/manifest.h"

struct content_tree {
	char path[200];
	int dir;
	struct manifest *manifest;
};

struct content_file {
	const char *path, *type, *text;
};

static inline void content_tree_remove(struct content_tree *t)
{
	struct err e = { 0 };

	if (!t)
		return;
	manifest_free(t->manifest);
	fd_freep(&t->dir);
	(void)!file_remove_tree(t->path, &e);
	free(t);
}

AUTO_DEFINE(content_tree, struct content_tree *, content_tree_remove);

static inline void content_write(const char *root, const char *path, const char *text)
{
	char *full = file_join(root, path), *slash;
	struct err e = { 0 };

	assert_non_null(full);
	slash = strrchr(full, '/');
	*slash = '\0';
	assert_ok(file_mkdirs(full, 0755, &e));
	*slash = '/';
	assert_ok(file_replace(full, text, strlen(text), 0644, &e));
	free(full);
}

/* An empty directory to be removed with file_remove_tree(). */
static inline void content_temp(char out[200])
{
	const char *tmp = getenv("TMPDIR");

	snprintf(out, 200, "%s/ringhold-content-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(out));
	assert_int_equal(chmod(out, 0755), 0);
}

static inline int content_by_path(const void *a, const void *b)
{
	return strcmp(((const struct manifest_file *)a)->path, ((const struct manifest_file *)b)->path);
}

/* files ends with a NULL path. */
static inline struct content_tree *content_tree_new(const struct content_file *files)
{
	struct content_tree *t = calloc(1, sizeof(*t));
	struct manifest *m = calloc(1, sizeof(*m));
	struct buf *json = buf_new(0);
	struct err e = { 0 };
	size_t n = 0;

	assert_non_null(t);
	assert_non_null(m);
	assert_non_null(json);
	content_temp(t->path);
	while (files[n].path)
		n++;
	m->channel = strdup("edr");
	m->serial = 7;
	m->version = strdup("7");
	m->severity = strdup("normal");
	m->notes = strdup("");
	m->files = calloc(n + 1, sizeof(*m->files));
	m->selftests = calloc(n + 1, sizeof(*m->selftests));
	for (size_t i = 0; i < n; i++) {
		struct manifest_file *f = &m->files[m->file_count++];

		content_write(t->path, files[i].path, files[i].text);
		f->path = strdup(files[i].path);
		f->type = strdup(files[i].type);
		f->size = strlen(files[i].text);
		hash_bytes(&f->sha256, files[i].text, f->size);
	}
	qsort(m->files, n, sizeof(*m->files), content_by_path);
	for (size_t i = 0; i < n; i++)
		if (strcmp(m->files[i].type, MANIFEST_TYPE_SELFTEST) == 0)
			m->selftests[m->selftest_count++] = strdup(m->files[i].path);
	assert_ok(manifest_write(json, m, &e));
	content_write(t->path, MANIFEST_NAME, json->data);
	buf_free(json);
	t->manifest = m;
	t->dir = open(t->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(t->dir >= 0);
	return t;
}

/* After a change to t->manifest: budget, requires. */
static inline void content_tree_rewrite(struct content_tree *t)
{
	struct buf *json = buf_new(0);
	struct err e = { 0 };

	assert_ok(manifest_write(json, t->manifest, &e));
	content_write(t->path, MANIFEST_NAME, json->data);
	buf_free(json);
}

#endif
