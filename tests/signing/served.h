/*
 * served: a forged repository (forge.h) on a web server of the test's own
 * (loopback.h), and ringhold-tuf run against it.
 */
#ifndef TESTS_SIGNING_SERVED_H
#define TESTS_SIGNING_SERVED_H

#include <dirent.h>
#include <sys/stat.h>
#include <time.h>

#include "base/file.h"
#include "loopback.h"
#include "tests/program.h"
#include "tool_run.h"

#define PATH "one/t"
#define CONTENT "what the sensor loads"
#define DAY 86400

struct served {
	struct forge *f;                /* targets delegates "one/?*" to one (key a), "two/?*" to two (key b) */
	struct forge_files targets;
	struct loopback *web;
	char tool[1024], dir[128], md[160], td[160], mu[64], tu[64];
	const char *patience;           /* seconds */
	char said[8192];                /* by the last run */
};

/* ---- the repository ---- */

static inline struct forge_doc *one(struct served *x)
{
	return forge_doc(x->f, "one");
}

/* Role one with a second key under the id "alias" (NULL: none), and its threshold. */
static inline void delegate(struct served *x, const char *alias, int threshold)
{
	AUTO(buf) struct buf *keys = buf_new(0);
	struct forge *f = x->f;

	forge_key_member(keys, NULL, f->a);
	forge_key_member(keys, NULL, f->b);
	if (alias)
		buf_addf(keys, ",\"alias\":%s", alias);
	snprintf(f->docs[TARGETS].body, sizeof f->docs[TARGETS].body,
		 "\"targets\":{},\"delegations\":{\"keys\":{%s},\"roles\":["
		 "{\"name\":\"one\",\"keyids\":[\"%s\"%s],\"threshold\":%d,\"terminating\":true,\"paths\":[\"one/?*\"]},"
		 "{\"name\":\"two\",\"keyids\":[\"%s\"],\"threshold\":1,\"terminating\":true,\"paths\":[\"two/?*\"]}]}",
		 keys->data, forge_keyid(f->a), alias ? ",\"alias\"" : "", threshold, forge_keyid(f->b));
}

static inline void serve_content(struct served *x, const char *bytes)
{
	char name[128], hex[DIGEST_HEX_LEN + 1];
	struct digest d;

	hash_bytes(&d, CONTENT, strlen(CONTENT));
	digest_hex(hex, &d);
	snprintf(name, sizeof name, "one/%s.t", hex);
	forge_put(&x->targets, name, bytes, strlen(bytes));
}

static inline void publish(struct served *x)
{
	forge_publish(x->f);
}

/* The next version of everything, root aside. */
static inline void publish_next(struct served *x)
{
	forge_bump(x->f);
	publish(x);
}

static inline int served_setup(void **state)
{
	struct served *x = calloc(1, sizeof *x);
	/* In memory where there is such a place: a store is synced file by file. */
	const char *tmp = getenv("TMPDIR") ? getenv("TMPDIR") : access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	struct forge_doc *two;
	char target[512];

	snprintf(x->tool, sizeof x->tool, "%s", test_program("ringhold-tuf"));
	snprintf(x->dir, sizeof x->dir, "%s/ringhold-served.XXXXXX", tmp);
	assert_non_null(mkdtemp(x->dir));
	snprintf(x->md, sizeof x->md, "%s/md", x->dir);
	snprintf(x->td, sizeof x->td, "%s/td", x->dir);
	x->f = forge_new();
	forge_target(target, PATH, CONTENT);
	snprintf(forge_add(x->f, "one", "targets", x->f->a)->body, sizeof x->f->docs[0].body, "\"targets\":{%s}", target);
	two = forge_add(x->f, "two", "targets", x->f->b);
	forge_target(target, "two/t", CONTENT);
	snprintf(two->body, sizeof two->body, "\"targets\":{%s}", target);
	/* The tool has a clock of its own. */
	for (size_t i = 0; i < x->f->doc_count; i++)
		x->f->docs[i].expires = time(NULL) + 10 * DAY;
	delegate(x, NULL, 1);
	serve_content(x, CONTENT);
	x->patience = "60";
	publish(x);
	x->web = loopback_new(&x->f->net, &x->targets);
	snprintf(x->mu, sizeof x->mu, "http://127.0.0.1:%d/metadata/", x->web->port);
	snprintf(x->tu, sizeof x->tu, "http://127.0.0.1:%d/targets", x->web->port);
	*state = x;
	return 0;
}

static inline int served_teardown(void **state)
{
	struct served *x = *state;
	struct err e;

	loopback_free(x->web);
	forge_free(x->f);
	forge_clear(&x->targets);
	assert_ok(file_remove_tree(x->dir, &e));
	free(x);
	return 0;
}

/* ---- the client ---- */

static inline int run(struct served *x, const char *const *args)
{
	return tool_run(x->tool, args, x->said, sizeof x->said);
}

/* A client that knows the first root and nothing else. */
static inline void fresh(struct served *x)
{
	struct buf *root = forge_get(&x->f->net, "1.root.json");
	AUTO_FREE char *path = file_join(x->md, "root.json");
	struct err e;

	assert_ok(file_remove_tree(x->md, &e));
	assert_ok(file_remove_tree(x->td, &e));
	assert_int_equal(mkdir(x->md, 0755) + mkdir(x->td, 0755), 0);
	assert_ok(file_replace(path, root->data, root->len, 0644, &e));
	x->web->log[0] = '\0';
	x->web->bytes = 0;
}

static inline int download(struct served *x, const char *path)
{
	return run(x, (const char *const[]){ "--metadata-url", x->mu, "--metadata-dir", x->md, "--target-name", path, "--target-dir",
					     x->td, "--target-base-url", x->tu, "--patience", x->patience, "download", NULL });
}

static inline bool same(const struct buf *a, const struct buf *b)
{
	return a && b ? a->len == b->len && !memcmp(a->data, b->data, a->len) : a == b;
}

static inline struct buf *stored(struct served *x, const char *name)
{
	AUTO_FREE char *path = file_join(x->md, name);
	struct buf *out = NULL;
	struct err e;

	return file_read(&out, path, METADATA_LISTED_MAX, &e) < 0 ? NULL : out;
}

static inline void no_content(struct served *x)
{
	DIR *d = opendir(x->td);
	int entries = -2;

	assert_non_null(d);
	while (readdir(d))
		entries++;
	closedir(d);
	assert_int_equal(entries, 0);
}

static inline void accepted(struct served *x)
{
	AUTO_FREE char *path = file_join(x->td, "one%2Ft");
	AUTO(buf) struct buf *got = NULL;
	struct err e;

	if (download(x, PATH) != 0)
		fail_msg("what nobody forged was refused: %s", x->said);
	assert_ok(file_read(&got, path, 1000, &e));
	assert_string_equal(got->data, CONTENT);
	assert_int_equal(unlink(path), 0);
}

/* Refused with these words; `name` in the store is what it was, and nothing is left of the content. */
static inline void refused(struct served *x, const char *name, const char *words)
{
	AUTO(buf) struct buf *before = stored(x, name);
	int status = download(x, PATH);
	AUTO(buf) struct buf *after = stored(x, name);

	if (status != 1)
		fail_msg("status %d instead of a refusal with \"%s\": %s", status, words, x->said);
	if (!strstr(x->said, words))
		fail_msg("refused without \"%s\": %s", words, x->said);
	assert_true(same(before, after));
	no_content(x);
}

#endif
