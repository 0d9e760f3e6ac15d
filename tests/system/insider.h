/*
 * insider: what somebody makes with every key that the server has, and with its
 * store: drafts, requests, records and metadata that say what they like.
 */
#ifndef TESTS_SYSTEM_INSIDER_H
#define TESTS_SYSTEM_INSIDER_H

#include <dlfcn.h>

#include "base/clock.h"
#include "base/file.h"
#include "rollout/assignment.h"
#include "rollout/replay.h"
#include "signing/repo.h"
#include "signing/sigreq.h"
#include "tests/test.h"
#include "watch.h"

/* ---- asking ---- */

static inline struct keyring *insider_keys(struct world *w)
{
	AUTO_FREE char *dir = file_join(w->dir, "server/keys");
	struct keyring *ring = NULL;
	struct err e;

	assert_ok(keyring_load(&ring, dir, NULL, NULL, &e));
	return ring;
}

/* What they want ring early to run, as the server would write it: one signature of two. */
static inline void insider_draft(struct repo *r, const struct keyring *ring, const struct bundle_made *wanted, const char *reason,
				 struct buf **document, struct buf **envelope)
{
	struct assignment a = { .attempt = 1, .issued = clock_now(), .permit_required = true, .probation_s = 600, .probation_boots = 1 };
	struct buf *text = buf_new(ASSIGNMENT_MAX);
	char path[PATH_LEN_MAX + 1];
	struct err e;
	bool met;

	strcpy(a.channel, "edr");
	strcpy(a.ring, "early");
	snprintf(a.reason, sizeof a.reason, "%s", reason);
	snprintf(a.bundle.version, sizeof a.bundle.version, "%llu", (unsigned long long)wanted->serial);
	bundle_path(a.bundle.path, "edr", wanted->serial);
	a.bundle.serial = wanted->serial;
	a.bundle.digest = wanted->digest;
	assert_ok(assignment_write(text, &a, &e));
	assignment_path(path, "early", "edr");
	assert_ok(repo_put_target(r, "ring-early", path, text->data, text->len, NULL, &e));
	assert_ok(repo_draft(r, "ring-early", ring, clock_now(), envelope, &met, &e));
	assert_false(met);
	*document = text;
}

static inline void insider_post(struct world *w, const char *path, const struct buf *body)
{
	AUTO_FREE char *url = NULL;
	struct fetch_request q = { .method = "POST", .bearer = w->token, .body = body->data, .body_len = body->len, .max = 1 << 20 };
	struct fetch_answer answer = { 0 };
	struct err e;

	assert_true(asprintf(&url, "%s%s", w->url, path) > 0);
	q.url = url;
	assert_ok(fetch_do(w->http, &q, &answer, &e));
	if (answer.status / 100 != 2)
		fail_msg("%s: %ld: %s", path, answer.status, answer.body->data);
	fetch_answer_release(&answer);
}

/* A signing request as the server makes them, with the evidence they like. */
static inline void insider_asks(struct world *w, const struct bundle_made *wanted, const char *reason, const char *evidence)
{
	AUTO_FREE char *dir = file_join(w->dir, "server/repository");
	AUTO(keyring) struct keyring *ring = insider_keys(w);
	AUTO(repo) struct repo *r = NULL;
	AUTO(buf) struct buf *document = NULL, *envelope = NULL, *text = buf_new(SIGREQ_MAX);
	AUTO(sigreq) struct sigreq *q = NULL;
	char path[PATH_LEN_MAX + 1];
	struct err e;

	assert_ok(repo_open(&r, dir, &e));
	insider_draft(r, ring, wanted, reason, &document, &envelope);
	assignment_path(path, "early", "edr");
	assert_ok(sigreq_new(&q, "ringholdd", reason, repo_root(r), repo_role(r, "targets"), clock_now(), clock_now() + SIGREQ_LIFE, &e));
	assert_ok(sigreq_add(q, "ring-early", repo_role(r, "ring-early"), envelope->data, envelope->len, &e));
	assert_ok(sigreq_attach(q, path, document->data, document->len, &e));
	if (evidence)
		assert_ok(sigreq_set_evidence(q, evidence, &e));
	assert_ok(sigreq_seal(q, &e));
	assert_ok(sigreq_write(text, q, &e));
	insider_post(w, "/v1/signing-requests", text);
}

/* ---- with the store ---- */

/* Statements in the server's own database; the library is what ringholdd links. */
static inline void insider_sql(struct world *w, const char *text)
{
	AUTO_FREE char *path = file_join(w->dir, "server/store.db");
	void *lib = dlopen("libsqlite3.so.0", RTLD_NOW), *db = NULL;
	int (*open_db)(const char *, void **), (*exec)(void *, const char *, void *, void *, char **), (*close_db)(void *),
		(*wait_ms)(void *, int);
	char *why = NULL;

	assert_non_null(lib);
	*(void **)&open_db = dlsym(lib, "sqlite3_open");
	*(void **)&exec = dlsym(lib, "sqlite3_exec");
	*(void **)&close_db = dlsym(lib, "sqlite3_close");
	*(void **)&wait_ms = dlsym(lib, "sqlite3_busy_timeout");
	assert_int_equal(open_db(path, &db), 0);
	wait_ms(db, 20000);
	if (exec(db, text, NULL, NULL, &why) != 0)
		fail_msg("%s", why);
	close_db(db);
	dlclose(lib);
}

static inline void insider_put_record(struct world *w, const struct gate_record *r)
{
	AUTO(buf) struct buf *body = buf_new(GATE_RECORD_MAX), *text = buf_new(0);
	char hex[DIGEST_HEX_LEN + 1];
	struct digest digest;
	struct replay replay;
	struct gate_record *back = NULL;
	struct err e;

	assert_ok(gate_record_write(body, r, &digest, &e));
	assert_ok(gate_record_parse(&back, "invented", body->data, body->len, &e));
	assert_ok(replay_record(&replay, back, &e));
	gate_record_free(back);
	digest_hex(hex, &digest);
	assert_null(strchr(body->data, '\''));
	buf_addf(text, "INSERT INTO gate_record SELECT max(id) + 1, %llu, 0, 'edr', 'canary', 'pass', 'pass', 'coverage', 'invented', %lld,"
		 " x'%s', '%s' FROM gate_record", (unsigned long long)r->rollout, (long long)r->facts.now, hex, body->data);
	assert_ok(buf_check(text, &e));
	insider_sql(w, text->data);
}

/* ---- forging metadata ---- */

static inline void insider_signs(struct world *w, struct repo *r, const struct keyring *ring, const char *role, enum metadata_type type,
				 const char *file, const char *listed, const struct metadata *what, int64_t version)
{
	AUTO_FREE char *path = NULL;
	AUTO(author) struct author *a = NULL;
	AUTO(buf) struct buf *plain = NULL, *text = NULL;
	struct authority by;
	struct digest sha256;
	struct err e;
	bool met;

	assert_ok(author_load(&a, repo_role(r, role), &e));
	hash_bytes(&sha256, what->raw->data, what->raw->len);
	assert_ok(author_put_meta(a, listed, what->version, (int64_t)what->raw->len, &sha256, &e));
	author_set_version(a, version);
	author_set_expires(a, clock_now() + 86400 * 5);
	assert_ok(author_finish(a, &plain, &e));
	assert_true(authority_of(&by, repo_root(r), role));
	assert_ok(author_sign(&text, plain->data, plain->len, type, ring, &by, &met, &e));
	assert_true(met);
	assert_true(asprintf(&path, "%s/server/repository/metadata/%s", w->dir, file) > 0);
	assert_ok(file_replace(path, text->data, text->len, 0644, &e));
}

static inline struct metadata *insider_reads(struct world *w, const char *file, enum metadata_type type)
{
	AUTO_FREE char *path = NULL;
	AUTO(buf) struct buf *text = NULL;
	struct metadata *m = NULL;
	struct err e;

	assert_true(asprintf(&path, "%s/server/repository/metadata/%s", w->dir, file) > 0);
	assert_ok(file_read(&text, path, METADATA_LISTED_MAX, &e));
	assert_ok(metadata_parse(&m, type, file, text->data, text->len, &e));
	return m;
}

/* Everything that the server's keys can sign says that early runs the bundle; one signature of two is on it. */
static inline void insider_forges(struct world *w, const struct bundle_made *wanted)
{
	AUTO_FREE char *dir = file_join(w->dir, "server/repository"), *path = NULL;
	AUTO(keyring) struct keyring *ring = insider_keys(w);
	AUTO(repo) struct repo *r = NULL;
	AUTO(buf) struct buf *document = NULL, *envelope = NULL;
	AUTO(metadata) struct metadata *early = NULL, *snapshot = NULL;
	int64_t version = clock_now() + 5;
	char file[64];
	struct err e;

	assert_ok(repo_open(&r, dir, &e));
	insider_draft(r, ring, wanted, "forged", &document, &envelope);
	assert_ok(metadata_parse(&early, METADATA_TARGETS, "ring-early", envelope->data, envelope->len, &e));
	assert_int_equal(early->signature_count, 1);
	assert_true(asprintf(&path, "%s/metadata/%lld.ring-early.json", dir, (long long)early->version) > 0);
	assert_ok(file_replace(path, envelope->data, envelope->len, 0644, &e));
	snprintf(file, sizeof file, "%lld.snapshot.json", (long long)version);
	insider_signs(w, r, ring, "snapshot", METADATA_SNAPSHOT, file, "ring-early.json", early, version);
	snapshot = insider_reads(w, file, METADATA_SNAPSHOT);
	insider_signs(w, r, ring, "timestamp", METADATA_TIMESTAMP, "timestamp.json", "snapshot.json", snapshot, version);
}

#endif
