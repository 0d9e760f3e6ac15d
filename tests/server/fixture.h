/* fixture: an installation in a temporary directory: keys, repository, a bundle, a server's data directory. */
#ifndef TESTS_SERVER_FIXTURE_H
#define TESTS_SERVER_FIXTURE_H

#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "content/bundle.h"
#include "rollout/assignment.h"
#include "rollout/ringmap.h"
#include "server/route.h"
#include "signing/repo.h"
#include "tests/test.h"

#define FIXTURE_TOKEN "rho_test-operator"
#define FIXTURE_CHANNEL "edr"

struct fixture {
	char dir[256];
	char *data, *repository, *keys;
	struct keyring *all;            /* every key */
	struct keyring *vendor;         /* content-edr alone */
};

static const char *const fixture_rings[] = { "canary", "early", "broad" };

static inline char *fixture_path(const struct fixture *f, const char *name)
{
	char *path = file_join(f->dir, name);

	assert_non_null(path);
	return path;
}

static inline void fixture_write(const struct fixture *f, const char *name, const char *text)
{
	AUTO_FREE char *path = fixture_path(f, name), *parent = strdup(path);
	struct err e;

	*strrchr(parent, '/') = '\0';
	assert_ok(file_mkdirs(parent, 0755, &e));
	assert_ok(file_replace(path, text, strlen(text), 0644, &e));
}

/* One key for a role; those of the server also as a file. */
static inline const struct pubkey *fixture_key(struct fixture *f, const char *role, bool server)
{
	struct seckey *k;
	const struct pubkey *public;
	struct err e;
	char name[128];

	assert_ok(seckey_generate(&k, &e));
	public = seckey_public(k);
	if (server) {
		snprintf(name, sizeof name, "data/keys/%s.pem", role);
		AUTO_FREE char *path = fixture_path(f, name);
		assert_ok(seckey_save(k, path, NULL, &e));
	}
	assert_ok(keyring_add(f->all, role, k, &e));
	return public;
}

static inline void fixture_repository(struct fixture *f)
{
	static const struct { const char *name; bool server; } roles[] = {
		{ "root", false }, { "targets", false }, { "snapshot", true }, { "timestamp", true }, { "content-edr", false },
		{ "ring-canary", true }, { "ring-early", true }, { "ring-broad", true }, { "fleet", false }, { "stop", true },
		{ "recall", false }, { "approve-bank", false },
	};
	const struct pubkey *keys[ARRAY_LEN(roles)];
	struct author_role made[ARRAY_LEN(roles)];
	AUTO(repo) struct repo *r = NULL;
	AUTO(buf) struct buf *map = buf_new(RINGMAP_MAX);
	struct repo_plan plan = { .roles = made + 4, .count = ARRAY_LEN(roles) - 4 };
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
		keys[i] = fixture_key(f, roles[i].name, roles[i].server);
		made[i] = (struct author_role){ .name = roles[i].name, .keys = &keys[i], .key_count = 1, .threshold = 1 };
	}
	plan.root = made[0];
	plan.targets = made[1];
	plan.snapshot = made[2];
	plan.timestamp = made[3];
	assert_ok(repo_create(f->repository, &plan, f->all, clock_now(), &e));
	assert_ok(repo_open(&r, f->repository, &e));
	assert_ok(ringmap_write_default(map, fixture_rings, 3, "0123456789abcdef", 16, &e));
	assert_ok(repo_put_target(r, "fleet", RINGMAP_PATH, map->data, map->len, NULL, &e));
	assert_ok(repo_publish(r, f->all, clock_now(), &e));
}

static inline struct fixture *fixture_new(void)
{
	struct fixture *f = calloc(1, sizeof *f);
	const char *tmp = getenv("TMPDIR");
	struct digest hash;
	char line[256], hex[DIGEST_HEX_LEN + 1];
	struct err e;

	assert_non_null(f);
	snprintf(f->dir, sizeof f->dir, "%s/ringhold-server-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(f->dir));
	f->data = fixture_path(f, "data");
	f->repository = fixture_path(f, "data/repository");
	f->keys = fixture_path(f, "data/keys");
	f->all = keyring_new();
	assert_ok(file_mkdirs(f->repository, 0755, &e));
	assert_ok(file_mkdirs(f->keys, 0700, &e));
	fixture_repository(f);
	hash_bytes(&hash, FIXTURE_TOKEN, strlen(FIXTURE_TOKEN));
	digest_hex(hex, &hash);
	snprintf(line, sizeof line, "%s admin tester\n", hex);
	fixture_write(f, "data/operator-tokens", line);
	return f;
}

static inline void fixture_free(struct fixture *f)
{
	struct err e;

	assert_ok(file_remove_tree(f->dir, &e));
	keyring_free(f->all);
	free(f->data);
	free(f->repository);
	free(f->keys);
	free(f);
}

/* Somebody who may everything, for a handler that is called without a connection. */
static inline void fixture_identity(struct request *q, const char *who)
{
	q->identity = calloc(1, sizeof *q->identity);
	assert_non_null(q->identity);
	snprintf(q->who, sizeof q->who, "%s", who);
	snprintf(q->identity->who, sizeof q->identity->who, "%s", who);
	q->identity->grants[0].roles = MAY(ADMIN);
	q->identity->count = 1;
}

/* ---- bundles ---- */

struct fixture_bundle {
	struct bundle *bundle;
	struct digest archive;          /* SHA-256 of the gzipped bytes */
};

static inline void fixture_bundle(struct fixture *f, struct fixture_bundle *out, uint64_t serial, const char *rules)
{
	struct bundle_options o = BUNDLE_OPTIONS_NONE;
	AUTO_FREE char *dir = fixture_path(f, "content");
	struct err e;

	fixture_write(f, "content/bundle.json", "{\"format\":1,\"types\":[{\"match\":\"*.txt\",\"type\":\"doc\"}]}");
	fixture_write(f, "content/rules.txt", rules);
	o.channel = FIXTURE_CHANNEL;
	o.serial = (int64_t)serial;
	o.created = 1700000000;
	assert_ok(bundle_build(&out->bundle, dir, &o, &e));
	hash_bytes(&out->archive, out->bundle->archive->data, out->bundle->archive->len);
}

/* The signed content role with this bundle added to what `before` lists (NULL: what the repository has). */
static inline struct buf *fixture_role(struct fixture *f, const struct fixture_bundle *b, const char *signer)
{
	AUTO(repo) struct repo *r = NULL;
	AUTO(author) struct author *a = NULL;
	AUTO(buf) struct buf *plain = NULL;
	struct buf *signed_role = NULL;
	struct authority by;
	char path[PATH_LEN_MAX + 1], custom[512], hex[DIGEST_HEX_LEN + 1];
	bool met;
	struct err e;

	assert_ok(repo_open(&r, f->repository, &e));
	assert_ok(author_load(&a, repo_role(r, "content-edr"), &e));
	bundle_path(path, FIXTURE_CHANNEL, b->bundle->manifest->serial);
	digest_hex(hex, &b->bundle->digest);
	snprintf(custom, sizeof custom,
		 "{\"ringhold\":{\"kind\":\"full\",\"channel\":\"edr\",\"serial\":%llu,\"version\":\"%s\",\"digest\":\"%s\",\"size\":%llu}}",
		 (unsigned long long)b->bundle->manifest->serial, b->bundle->manifest->version, hex,
		 (unsigned long long)b->bundle->size);
	assert_ok(author_put_target(a, path, b->bundle->archive->len, &b->archive, custom, &e));
	author_set_version(a, author_version(a) + 1);
	author_set_expires(a, clock_now() + REPO_PEOPLE_LIFE);
	assert_ok(author_finish(a, &plain, &e));
	assert_true(authority_of(&by, repo_role(r, "targets"), "content-edr"));
	if (strcmp(signer, "content-edr") == 0) {
		assert_true(author_sign(&signed_role, plain->data, plain->len, METADATA_TARGETS, f->all, &by, &met, &e) >= 0);
		assert_true(met);
	} else {
		signed_role = TAKE(plain);
	}
	return signed_role;
}

static inline void fixture_bundle_release(struct fixture_bundle *b)
{
	bundle_free(b->bundle);
	b->bundle = NULL;
}

#endif
