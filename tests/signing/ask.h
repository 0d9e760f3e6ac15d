/* ask: a repository with keys at hand, and requests about it, for tests. */
#ifndef TESTS_SIGNING_ASK_H
#define TESTS_SIGNING_ASK_H

#include <unistd.h>

#include "base/file.h"
#include "signing/repo.h"
#include "signing/sigreq.h"
#include "tests/test.h"

#define ASK_NOW 1770000000
#define ASK_KEYS 16

/* root 1-3 and targets 1-2 by two, the others by one. */
struct ask {
	char dir[64];
	struct seckey *keys[ASK_KEYS];  /* borrowed from `all` */
	struct keyring *all, *online;
	struct repo *repo;
};

enum ask_key { ASK_ROOT1, ASK_ROOT2, ASK_ROOT3, ASK_TARGETS1, ASK_TARGETS2, ASK_SNAPSHOT, ASK_TIMESTAMP, ASK_CONTENT, ASK_RING,
	       ASK_PROMOTER, ASK_FLEET, ASK_NEW, ASK_OTHER, ASK_COUNT };
static const char *const ask_names[ASK_COUNT] = { "root1", "root2", "root3", "targets1", "targets2", "snapshot", "timestamp",
						  "content", "ring", "promoter", "fleet", "new", "other" };

static inline const struct pubkey *ask_public(const struct ask *a, enum ask_key k)
{
	return seckey_public(a->keys[k]);
}

/* A ring of some keys; they are made again from their files, as rings own theirs. */
static inline struct keyring *ask_ring(const struct ask *a, const enum ask_key *which, size_t count)
{
	struct keyring *ring = keyring_new();
	struct err e;

	for (size_t i = 0; i < count; i++) {
		struct seckey *k;
		char path[128];

		snprintf(path, sizeof path, "%s/%s.pem", a->dir, ask_names[which[i]]);
		assert_ok(seckey_load(&k, path, NULL, NULL, &e));
		assert_ok(keyring_add(ring, ask_names[which[i]], k, &e));
	}
	return ring;
}
#define ASK_RING_OF(a, ...) ask_ring(a, (const enum ask_key[]){ __VA_ARGS__ }, sizeof((const enum ask_key[]){ __VA_ARGS__ }) / sizeof(enum ask_key))

static inline void ask_reopen(struct ask *a)
{
	char path[96];
	struct err e;

	repo_free(TAKE(a->repo));
	snprintf(path, sizeof path, "%s/repository", a->dir);
	assert_ok(repo_open(&a->repo, path, &e));
}

static inline struct ask *ask_new(void)
{
	struct ask *a = calloc(1, sizeof *a);
	const struct pubkey *root[3], *targets[2], *rings[2], *one[ASK_COUNT];
	struct err e;
	char path[128];

	strcpy(a->dir, "/tmp/ringhold-ask-XXXXXX");
	assert_non_null(mkdtemp(a->dir));
	a->all = keyring_new();
	for (int i = 0; i < ASK_COUNT; i++) {
		assert_ok(seckey_generate(&a->keys[i], &e));
		snprintf(path, sizeof path, "%s/%s.pem", a->dir, ask_names[i]);
		assert_ok(seckey_save(a->keys[i], path, NULL, &e));
		assert_ok(keyring_add(a->all, ask_names[i], a->keys[i], &e));
		one[i] = ask_public(a, i);
	}
	for (int i = 0; i < 3; i++)
		root[i] = one[ASK_ROOT1 + i];
	for (int i = 0; i < 2; i++)
		targets[i] = one[ASK_TARGETS1 + i];
	rings[0] = one[ASK_RING];
	rings[1] = one[ASK_PROMOTER];
	const struct author_role roles[] = {
		{ .name = "content-edr", .keys = &one[ASK_CONTENT], .key_count = 1, .threshold = 1 },
		{ .name = "ring-early", .keys = rings, .key_count = 2, .threshold = 2 },
		{ .name = "fleet", .keys = &one[ASK_FLEET], .key_count = 1, .threshold = 1 },
	};
	const struct repo_plan plan = {
		.root = { .keys = root, .key_count = 3, .threshold = 2 }, .targets = { .keys = targets, .key_count = 2, .threshold = 2 },
		.snapshot = { .keys = &one[ASK_SNAPSHOT], .key_count = 1, .threshold = 1 },
		.timestamp = { .keys = &one[ASK_TIMESTAMP], .key_count = 1, .threshold = 1 }, .roles = roles, .count = 3,
	};

	snprintf(path, sizeof path, "%s/repository", a->dir);
	assert_ok(repo_create(path, &plan, a->all, ASK_NOW, &e));
	a->online = ASK_RING_OF(a, ASK_SNAPSHOT, ASK_TIMESTAMP);
	ask_reopen(a);
	return a;
}

static inline void ask_free(struct ask *a)
{
	struct err e;

	repo_free(a->repo);
	keyring_free(a->all);
	keyring_free(a->online);
	assert_ok(file_remove_tree(a->dir, &e));
	free(a);
}

static inline struct sigreq *ask_request(const struct ask *a)
{
	struct sigreq *q = NULL;
	struct err e;

	assert_ok(sigreq_new(&q, "tester", "a test", repo_root(a->repo), repo_role(a->repo, "targets"), ASK_NOW, ASK_NOW + SIGREQ_LIFE, &e));
	return q;
}

/* The next version of a role as it stands, changed by `change` (may be NULL). */
static inline void ask_draft(const struct ask *a, struct sigreq *q, const char *role, void (*change)(struct author *, const struct ask *))
{
	const struct metadata *m = strcmp(role, "root") == 0 ? repo_root(a->repo) : repo_role(a->repo, role);
	AUTO(author) struct author *author = NULL;
	AUTO(buf) struct buf *text = NULL;
	struct err e;

	assert_ok(author_load(&author, m, &e));
	author_set_version(author, m->version + 1);
	author_set_expires(author, ASK_NOW + 1000 + REPO_PEOPLE_LIFE);
	if (change)
		change(author, a);
	assert_ok(author_finish(author, &text, &e));
	assert_ok(sigreq_add(q, role, m, text->data, text->len, &e));
}

/* root's third key becomes the new one */
static inline void ask_rotate_root(struct author *author, const struct ask *a)
{
	const struct pubkey *root[] = { ask_public(a, ASK_ROOT1), ask_public(a, ASK_ROOT2), ask_public(a, ASK_NEW) };
	const struct pubkey *targets[] = { ask_public(a, ASK_TARGETS1), ask_public(a, ASK_TARGETS2) };
	const struct pubkey *snapshot = ask_public(a, ASK_SNAPSHOT), *timestamp = ask_public(a, ASK_TIMESTAMP);
	const struct author_role roles[] = {
		{ .name = "root", .keys = root, .key_count = 3, .threshold = 3 }, { .name = "targets", .keys = targets, .key_count = 2, .threshold = 2 },
		{ .name = "snapshot", .keys = &snapshot, .key_count = 1, .threshold = 1 },
		{ .name = "timestamp", .keys = &timestamp, .key_count = 1, .threshold = 1 },
	};
	struct err e;

	assert_ok(author_set_roles(author, roles, 4, true, &e));
}

/* content-edr's only key becomes the new one; fleet goes; content-xyz comes */
static inline void ask_change_delegations(struct author *author, const struct ask *a)
{
	static const char *const edr = "bundles/edr/*", *const early = "rings/early/*", *const everything = "bundles/*/*";
	const struct pubkey *content = ask_public(a, ASK_NEW), *rings[] = { ask_public(a, ASK_RING), ask_public(a, ASK_PROMOTER) };
	const struct pubkey *other = ask_public(a, ASK_OTHER);
	const struct author_role roles[] = {
		{ "content-edr", &content, 1, 1, &edr, 1 }, { "ring-early", rings, 2, 1, &early, 1 }, { "content-xyz", &other, 1, 1, &everything, 1 },
	};
	struct err e;

	assert_ok(author_set_delegations(author, roles, 3, &e));
}

#endif
