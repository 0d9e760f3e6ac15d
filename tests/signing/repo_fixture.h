/* repo_fixture: a repository in a directory, its keys, a client that reads it, and a way to kill who publishes. */
#ifndef TESTS_SIGNING_REPO_FIXTURE_H
#define TESTS_SIGNING_REPO_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "signing/driver.h"
#include "signing/repo.h"
#include "test.h"

#define NOW ((int64_t)1800000000)
#define DAY 86400

enum { K_ROOT0, K_ROOT1, K_ROOT2, K_TARGETS, K_ONLINE, K_VENDOR0, K_VENDOR1, K_PEOPLE, K_PERSON, KEYS };

struct fixture {
	char dir[128], repo[160], store[160];
	struct keyring *all, *online, *vendor;
	const struct pubkey *pub[KEYS];
};

/* A ring of its own with some of the keys; they are written and read back, so that they have two owners. */
static inline void lend(struct fixture *f, struct keyring *to, int at)
{
	AUTO_FREE char *path = NULL;
	struct seckey *k;
	struct err e;

	assert_true(asprintf(&path, "%s/lent.pem", f->dir) > 0);
	unlink(path);
	assert_ok(seckey_save(f->all->keys[at].key, path, NULL, &e));
	assert_ok(seckey_load(&k, path, NULL, NULL, &e));
	assert_ok(keyring_add(to, f->all->keys[at].name, k, &e));
	unlink(path);
}

static inline void create(struct fixture *f, const struct keyring *ring)
{
	const struct pubkey *vendor[] = { f->pub[K_VENDOR0], f->pub[K_VENDOR1] };
	const struct pubkey *later[] = { f->pub[K_ONLINE], f->pub[K_PERSON] };
	const struct author_role roles[] = {
		{ .name = "content-edr", .keys = vendor, .key_count = 2, .threshold = 2 },
		{ .name = "ring-canary", .keys = &f->pub[K_ONLINE], .key_count = 1, .threshold = 1 },
		{ .name = "ring-early", .keys = later, .key_count = 2, .threshold = 2 },
		{ .name = "fleet", .keys = &f->pub[K_PEOPLE], .key_count = 1, .threshold = 1 },
		{ .name = "stop", .keys = &f->pub[K_ONLINE], .key_count = 1, .threshold = 1 },
		{ .name = "recall", .keys = &f->pub[K_PEOPLE], .key_count = 1, .threshold = 1 },
	};
	const struct repo_plan plan = {
		.root = { .keys = &f->pub[K_ROOT0], .key_count = 3, .threshold = 2 },
		.targets = { .keys = &f->pub[K_TARGETS], .key_count = 1, .threshold = 1 },
		.snapshot = { .keys = &f->pub[K_ONLINE], .key_count = 1, .threshold = 1 },
		.timestamp = { .keys = &f->pub[K_ONLINE], .key_count = 1, .threshold = 1 },
		.roles = roles, .count = ARRAY_LEN(roles),
	};
	struct err e;

	assert_ok(repo_create(f->repo, &plan, ring, NOW, &e));
}

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	const char *tmp = getenv("TMPDIR");
	struct err e;

	snprintf(f->dir, sizeof f->dir, "%s/ringhold-repo.XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->repo, sizeof f->repo, "%s/repo", f->dir);
	snprintf(f->store, sizeof f->store, "%s/store", f->dir);
	assert_int_equal(mkdir(f->store, 0755), 0);
	f->all = keyring_new();
	f->online = keyring_new();
	f->vendor = keyring_new();
	for (int i = 0; i < KEYS; i++) {
		struct seckey *k;
		char name[16];

		snprintf(name, sizeof name, "k%d", i);
		assert_ok(seckey_generate(&k, &e));
		f->pub[i] = seckey_public(k);
		assert_ok(keyring_add(f->all, name, k, &e));
	}
	lend(f, f->online, K_ONLINE);
	lend(f, f->vendor, K_VENDOR0);
	lend(f, f->vendor, K_VENDOR1);
	create(f, f->all);
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;
	struct err e;

	keyring_free(f->all);
	keyring_free(f->online);
	keyring_free(f->vendor);
	assert_ok(file_remove_tree(f->dir, &e));
	free(f);
	return 0;
}

static inline struct repo *reopen(struct fixture *f)
{
	struct repo *r = NULL;
	struct err e;

	assert_ok(repo_open(&r, f->repo, &e));
	return r;
}

/* ---- a reader: the client engine on the plain files ---- */

static inline int get_below(const char *dir, const char *name, size_t max, struct buf **out, struct err *e)
{
	AUTO_FREE char *path = file_join(dir, name);
	int rc = file_read(out, path, max, e);

	return rc == ERR_NOT_FOUND ? 1 : rc;
}

static inline int get_metadata(void *arg, const char *name, size_t max, struct buf **out, struct err *e)
{
	char dir[256];

	snprintf(dir, sizeof dir, "%s/metadata", ((struct fixture *)arg)->repo);
	return get_below(dir, name, max, out, e);
}

static inline int get_target(void *arg, const char *name, size_t max, struct buf **out, struct err *e)
{
	char dir[256];

	snprintf(dir, sizeof dir, "%s/targets", ((struct fixture *)arg)->repo);
	return get_below(dir, name, max, out, e);
}

static inline int read_as_client(struct fixture *f, int64_t now, const char *path, struct buf **out, struct err *e)
{
	struct driver d = { .dir = f->store, .get = get_metadata, .arg = f };
	AUTO(tuf_client) struct tuf_client *c = NULL;
	AUTO(buf) struct buf *anchor = NULL;

	if (get_metadata(f, "1.root.json", METADATA_ROOT_MAX, &anchor, e) != 0)
		return e->code;
	if (driver_open(&c, f->store, anchor->data, anchor->len, TUF_HOUSE, e) < 0 || driver_refresh(&d, c, now, e) < 0)
		return e->code;
	return path ? driver_target(&d, c, path, get_target, f, 1 << 20, out, NULL, e) : 0;
}

static inline void assert_client_reads(struct fixture *f, int64_t now, const char *path, const char *want)
{
	AUTO(buf) struct buf *bytes = NULL;
	struct err e;

	assert_ok(read_as_client(f, now, path, &bytes, &e));
	if (path)
		assert_string_equal(bytes->data, want);
}

/* ---- cut short ---- */

/* Publishes in a child that is stopped at its at-th system call that changes files; false: it finished before. */
static inline bool publish_killed_at(struct fixture *f, int at, const char *body, repo_reserve *reserve)
{
	struct repo *r = reopen(f);
	struct err e;
	int status;
	pid_t child;

	repo_set_reserve(r, reserve, f);
	child = fork();
	if (child == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		if (repo_put_target(r, "stop", "stop/edr/stops.json", body, strlen(body), NULL, &e) < 0 ||
		    repo_put_target(r, "ring-canary", "rings/canary/edr.json", body, strlen(body), NULL, &e) < 0 ||
		    repo_publish(r, f->online, NOW + 10, &e) < 0)
			_exit(1);
		_exit(0);
	}
	assert_true(child > 0);
	repo_free(r);
	assert_int_equal(waitpid(child, &status, 0), child);
	for (int n = 0;; n++) {
		if (n == at) {
			kill(child, SIGKILL);
			waitpid(child, &status, 0);
			return true;
		}
		/* one stop at entry and one at exit of every call */
		if (ptrace(PTRACE_SYSCALL, child, NULL, NULL) < 0)
			fail_msg("ptrace: %s", strerror(errno));
		assert_int_equal(waitpid(child, &status, 0), child);
		if (WIFEXITED(status)) {
			assert_int_equal(WEXITSTATUS(status), 0);
			return false;
		}
		assert_true(WIFSTOPPED(status));
	}
}

static inline bool can_trace(void)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(1);
		raise(SIGSTOP);
		_exit(0);
	}
	waitpid(child, &status, 0);
	if (!WIFSTOPPED(status))
		return false;
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	return true;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
