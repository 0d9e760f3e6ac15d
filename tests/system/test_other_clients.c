/*
 * An independent TUF client (tuf-js) reads what we publish: from a running
 * ringholdd over TLS, and from the same repository served as plain files.
 */
#include "tests/test.h"

#include <glob.h>

#include "base/file.h"
#include "base/proc.h"
#include "tests/program.h"
#include "watch.h"

#define PEERS "tests/peers"
#define ASSIGNMENT "rings/canary/edr.json"
#define ARCHIVE "bundles/edr/100.tar.gz"
#define PEER_LIMIT_MS 300000
#define TARGET_MAX ((size_t)64 << 20)

static struct world *world;
static struct bundle_made bundle;

static bool peer_is_here(void)
{
	return test_other_program("node") && file_exists(PEERS "/node_modules/tuf-js");
}

#define NEEDS_PEER()                                                  \
	do {                                                          \
		if (!peer_is_here())                                  \
			skip_missing_program("node with tuf-js");     \
	} while (0)

static char *in_world(const char *name)
{
	char *path = file_join(world->dir, name);

	assert_non_null(path);
	return path;
}

/* ---- a world with one bundle on offer ---- */

/* The file of a target below a repository's targets/, whatever hash is in its name. */
static char *published(const char *repo, const char *path)
{
	const char *base = strrchr(path, '/') + 1;
	AUTO_FREE char *pattern = NULL;
	char *found = NULL;
	glob_t g;

	assert_true(asprintf(&pattern, "%s/targets/%.*s*.%s", repo, (int)(base - path), path, base) > 0);
	if (glob(pattern, 0, NULL, &g) == 0 && g.gl_pathc == 1)
		found = strdup(g.gl_pathv[0]);
	globfree(&g);
	return found;
}

static int assigned(struct world *w, void *arg, struct err *e)
{
	AUTO_FREE char *repo = in_world("server/repository");
	AUTO_FREE char *file = published(repo, ASSIGNMENT);

	(void)w;
	(void)arg;
	(void)e;
	return file != NULL;
}

static int setup(void **state)
{
	struct err e = { 0 };

	(void)state;
	if (!peer_is_here())
		return 0;
	if (world_new(&world, "edr", false, &e) == 0 && world_install(world, &e) == 0 &&
	    bundle_make(&bundle, world, "deploy/demo/edr-good", 100, &e) == 0 && bundle_publish(&bundle, world, &e) == 0 &&
	    world_until(world, false, "the first ring is assigned serial 100", assigned, NULL, &e) == 0)
		return 0;
	print_error("%s\n", e.msg);
	return -1;
}

static int teardown(void **state)
{
	(void)state;
	world_free(TAKE(world));
	return 0;
}

/* ---- the peer ---- */

/* Its exit status; what it trusts and fetched is below home, what it said in said. */
static char said[8192];

static int peer(const char *repository, const char *home)
{
	AUTO_FREE char *root = in_world("root.json"), *certificate = in_world("server/tls.crt"), *trust = NULL;
	char *argv[] = { (char *)"node", (char *)PEERS "/tuf.mjs", root, (char *)(uintptr_t)repository, (char *)(uintptr_t)home,
			 (char *)ASSIGNMENT, (char *)ARCHIVE, NULL };
	char *env[] = { (char *)"PATH=/usr/bin:/bin", (char *)"LANG=C", NULL, NULL };
	struct proc_run r = { .path = test_other_program("node"), .argv = argv, .env = env, .stdin_fd = -1, .timeout_ms = PEER_LIMIT_MS,
			      .output_max = sizeof said - 1 };
	struct proc_result result;
	struct err e;
	int status;

	assert_true(asprintf(&trust, "NODE_EXTRA_CA_CERTS=%s", certificate) > 0);
	env[2] = trust;
	assert_ok(proc_run(&r, &result, &e));
	status = result.exit_status;
	snprintf(said, sizeof said, "%s", result.output->data ? result.output->data : "");
	proc_result_release(&result);
	return status;
}

static void expect_same(const char *home, const char *name, const char *path)
{
	AUTO_FREE char *repo = in_world("server/repository");
	AUTO_FREE char *ours = published(repo, path), *theirs = file_join(home, name);
	AUTO(buf) struct buf *a = NULL, *b = NULL;
	struct err e;

	assert_non_null(ours);
	assert_ok(file_read(&a, ours, TARGET_MAX, &e));
	assert_ok(file_read(&b, theirs, TARGET_MAX, &e));
	assert_int_equal(a->len, b->len);
	assert_memory_equal(a->data, b->data, a->len);
}

static void expect_everything(const char *home)
{
	AUTO(buf) struct buf *built = NULL, *fetched = NULL;
	AUTO_FREE char *archive = file_join(home, "targets/bundles%2Fedr%2F100.tar.gz");
	struct err e;

	expect_same(home, "targets/rings%2Fcanary%2Fedr.json", ASSIGNMENT);
	expect_same(home, "targets/bundles%2Fedr%2F100.tar.gz", ARCHIVE);
	assert_ok(file_read(&built, bundle.archive, TARGET_MAX, &e));
	assert_ok(file_read(&fetched, archive, TARGET_MAX, &e));
	assert_int_equal(built->len, fetched->len);
	assert_memory_equal(built->data, fetched->data, built->len);
}

static void it_reads_a_running_server(void **state)
{
	AUTO_FREE char *home = NULL, *url = NULL;

	(void)state;
	NEEDS_PEER();
	home = in_world("peer-server");
	assert_true(asprintf(&url, "%s/content", world->url) > 0);
	if (peer(url, home) != 0)
		fail_msg("%s", said);
	expect_everything(home);
	/* And once more, from what it kept. */
	if (peer(url, home) != 0)
		fail_msg("%s", said);
	expect_everything(home);
}

static void it_reads_the_same_repository_served_as_plain_files(void **state)
{
	AUTO_FREE char *home = NULL, *repo = NULL;

	(void)state;
	NEEDS_PEER();
	home = in_world("peer-files");
	repo = in_world("server/repository");
	if (peer(repo, home) != 0)
		fail_msg("%s", said);
	expect_everything(home);
}

/* ---- the control: it does look ---- */

struct copying {
	const char *from, *to;
	const char *spoil;      /* in the name of the file whose last byte changes */
};

static int copy(const char *rel, bool is_dir, void *arg, struct err *e)
{
	const struct copying *c = arg;
	AUTO_FREE char *from = file_join(c->from, rel), *to = file_join(c->to, rel);
	AUTO(buf) struct buf *b = NULL;

	if (is_dir)
		return file_mkdirs(to, 0755, e);
	if (file_read(&b, from, TARGET_MAX, e) < 0)
		return e->code;
	if (strstr(rel, c->spoil))
		b->data[b->len / 2] ^= 1;
	return file_replace(to, b->data, b->len, 0644, e);
}

static void one_bit_changed_anywhere_is_noticed(void **state)
{
	static const char *const spoil[] = { "timestamp.json", ".snapshot.json", "100.tar.gz" };
	struct err e;

	(void)state;
	NEEDS_PEER();
	for (size_t i = 0; i < ARRAY_LEN(spoil); i++) {
		AUTO_FREE char *from = in_world("server/repository"), *to = in_world("spoilt"), *home = in_world("peer-spoilt");
		struct copying c = { from, to, spoil[i] };

		assert_ok(file_remove_tree(to, &e));
		assert_ok(file_remove_tree(home, &e));
		assert_ok(file_mkdirs(to, 0755, &e));
		assert_ok(file_walk(from, copy, &c, &e));
		assert_int_equal(peer(to, home), 1);
	}
}

static void everybody_ends_when_told_to_and_no_log_holds_a_finding(void **state)
{
	struct err e;

	(void)state;
	if (!peer_is_here())
		skip_missing_program("node with tuf-js");
	assert_ok(world_verdict(world, &e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_reads_a_running_server),
		cmocka_unit_test(it_reads_the_same_repository_served_as_plain_files),
		cmocka_unit_test(one_bit_changed_anywhere_is_noticed),
		cmocka_unit_test(everybody_ends_when_told_to_and_no_log_holds_a_finding),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
