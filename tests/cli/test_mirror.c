/* test_mirror: a copy is a repository of its own, complete or as it was, whatever upstream and power do. */
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/proc.h"
#include "cli/mirror.h"
#include "signing/driver.h"
#include "signing/repo.h"
#include "tests/program.h"
#include "tests/shell.h"

#define EDR "bundles/edr/7.tar.gz"
#define NET "bundles/net/3.tar.gz"
#define STOPS "stop/edr/stops.json"
#define LARGE 300000

struct place {
	char dir[128], up[160], url[200], copy[160], root[200];
	struct keyring *keys;
	struct repo *repo;
	struct fetch *fetch;
};

/* ---- upstream ---- */

static void put(struct place *p, const char *role, const char *path, const char *body, size_t len)
{
	struct err e;

	assert_ok(repo_put_target(p->repo, role, path, body, len, NULL, &e));
}

static void publish(struct place *p)
{
	struct err e;

	assert_ok(repo_publish(p->repo, p->keys, clock_now(), &e));
}

static void next_stops(struct place *p, const char *body)
{
	put(p, "stop", STOPS, body, strlen(body));
	publish(p);
}

static struct keyring *new_keys(void)
{
	struct keyring *ring = keyring_new();
	struct seckey *k;
	struct err e;

	assert_ok(seckey_generate(&k, &e));
	assert_ok(keyring_add(ring, "all", k, &e));
	return ring;
}

static void create(const char *dir, const struct keyring *ring, struct repo **out)
{
	const struct pubkey *key = seckey_public(ring->keys[0].key);
	const struct author_role one = { .keys = &key, .key_count = 1, .threshold = 1 };
	struct author_role roles[] = { { .name = "content-edr" }, { .name = "content-net" }, { .name = "ring-canary" }, { .name = "stop" } };
	const struct repo_plan plan = { .root = one, .targets = one, .snapshot = one, .timestamp = one, .roles = roles, .count = ARRAY_LEN(roles) };
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
		roles[i].keys = &key;
		roles[i].key_count = 1;
		roles[i].threshold = 1;
	}
	assert_ok(repo_create(dir, &plan, ring, clock_now(), &e));
	assert_ok(repo_open(out, dir, &e));
}

/* Root 2, 3, ... by the same keys. */
static void next_root(struct place *p)
{
	const struct metadata *now = repo_root(p->repo);
	struct authority by = { now, &now->roles[METADATA_ROOT] };
	AUTO(author) struct author *a = NULL;
	AUTO(buf) struct buf *bare = NULL, *signed_ = NULL;
	bool met = false;
	struct err e;

	assert_ok(author_load(&a, now, &e));
	author_set_version(a, now->version + 1);
	assert_ok(author_finish(a, &bare, &e));
	assert_ok(author_sign(&signed_, bare->data, bare->len, METADATA_ROOT, p->keys, &by, &met, &e));
	assert_true(met);
	assert_ok(repo_put_signed(p->repo, "root", signed_->data, signed_->len, clock_now(), &e));
	publish(p);
}

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof *p);
	const char *tmp = getenv("TMPDIR") ? getenv("TMPDIR") : access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	AUTO_FREE char *large = calloc(1, LARGE);
	struct err e;

	snprintf(p->dir, sizeof p->dir, "%s/ringhold-mirror.XXXXXX", tmp);
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->up, sizeof p->up, "%s/up", p->dir);
	snprintf(p->url, sizeof p->url, "file://%s", p->up);
	snprintf(p->copy, sizeof p->copy, "%s/copy", p->dir);
	snprintf(p->root, sizeof p->root, "%s/up/metadata/1.root.json", p->dir);
	p->keys = new_keys();
	create(p->up, p->keys, &p->repo);
	put(p, "content-edr", EDR, large, LARGE);
	put(p, "content-net", NET, "net", 3);
	next_stops(p, "one");
	assert_ok(fetch_new(&p->fetch, &(const struct fetch_settings){ 0 }, &e));
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;
	struct err e;

	fetch_free(p->fetch);
	repo_free(p->repo);
	keyring_free(p->keys);
	assert_ok(file_remove_tree(p->dir, &e));
	free(p);
	return 0;
}

/* ---- the copy ---- */

static int mirror_with(struct place *p, struct mirror_report *r, const char *const *channels, size_t count, bool prune, struct err *e)
{
	const struct cli_list list = { (const char **)(uintptr_t)channels, count };

	return mirror(r, &(const struct mirror_plan){ .url = p->url, .dir = p->copy, .root = p->root, .channels = &list, .prune = prune }, p->fetch,
		      clock_now(), e);
}

static struct mirror_report mirrored(struct place *p)
{
	struct mirror_report r;
	struct err e;

	assert_ok(mirror_with(p, &r, NULL, 0, false, &e));
	return r;
}

static int get_below(const char *copy, const char *below, const char *name, size_t max, struct buf **out, struct err *e)
{
	AUTO_FREE char *path = NULL;
	int rc;

	assert_true(asprintf(&path, "%s/%s/%s", copy, below, name) > 0);
	rc = file_read(out, path, max, e);
	return rc == ERR_NOT_FOUND ? 1 : rc;
}

static int get_metadata(void *arg, const char *name, size_t max, struct buf **out, struct err *e)
{
	return get_below(((struct place *)arg)->copy, "metadata", name, max, out, e);
}

static int get_target(void *arg, const char *name, size_t max, struct buf **out, struct err *e)
{
	return get_below(((struct place *)arg)->copy, "targets", name, max, out, e);
}

/* A client that knows root 1 and reads the copy's plain files; NULL: it finds none. The caller frees. */
static char *client_reads(struct place *p, const char *path)
{
	AUTO(tuf_client) struct tuf_client *c = NULL;
	AUTO(buf) struct buf *anchor = NULL, *bytes = NULL;
	char store[] = "/tmp/ringhold-mirror-store.XXXXXX";
	struct driver d = { .dir = store, .get = get_metadata, .arg = p };
	char *text = NULL;
	struct err e;
	int rc;

	assert_non_null(mkdtemp(store));
	assert_ok(file_read(&anchor, p->root, METADATA_ROOT_MAX, &e));
	assert_ok(driver_open(&c, store, anchor->data, anchor->len, TUF_HOUSE, &e));
	assert_ok(driver_refresh(&d, c, clock_now(), &e));
	rc = driver_target(&d, c, path, get_target, p, 1 << 20, &bytes, NULL, &e);
	if (rc == 0)
		text = buf_take(bytes);
	assert_ok(file_remove_tree(store, &e));
	return text;
}

static void assert_copy_holds(struct place *p, const char *path, const char *want)
{
	AUTO_FREE char *text = client_reads(p, path);

	assert_non_null(text);
	assert_string_equal(text, want);
}

static int add_file(const char *rel, bool is_dir, void *arg, struct err *e)
{
	void **in = arg;
	AUTO(buf) struct buf *bytes = NULL;
	AUTO_FREE char *path = file_join(in[1], rel);

	hash_add(in[0], rel, strlen(rel) + 1);
	if (is_dir || !strncmp(rel, ".mirror", 7))
		return 0;
	if (file_read(&bytes, path, 1 << 24, e) < 0)
		return e->code;
	hash_add(in[0], bytes->data, bytes->len);
	return 0;
}

/* All that it serves. */
static struct digest served(const char *copy)
{
	AUTO(hash) struct hash *h = hash_new();
	struct digest d;
	struct err e;

	for (int i = 0; i < 2; i++) {
		AUTO_FREE char *dir = file_join(copy, i ? "targets" : "metadata");
		void *in[] = { h, dir };

		if (file_exists(dir))
			assert_ok(file_walk(dir, add_file, in, &e));
	}
	hash_final(h, &d);
	return d;
}

static char *upstream_file(struct place *p, const char *path)
{
	char *file = NULL;
	struct err e;

	assert_ok(repo_target_file(p->repo, path, &file, &e));
	return file;
}

static void assert_refused_and_as_it_was(struct place *p, int code)
{
	struct digest before = served(p->copy), after;
	struct mirror_report r;
	struct err e = { 0 };

	assert_int_equal(mirror_with(p, &r, NULL, 0, true, &e), code);
	after = served(p->copy);
	assert_true(digest_equal(&before, &after));
}

/* ---- tests ---- */

static void a_copy_is_a_repository_of_its_own_with_every_root(void **state)
{
	struct place *p = *state;
	struct mirror_report r;

	next_root(p);
	next_root(p);
	r = mirrored(p);
	assert_int_equal(r.root, 3);
	assert_int_equal(r.roles, 4);
	assert_int_equal(r.targets, 3);
	/* the client knows root 1 only */
	assert_copy_holds(p, STOPS, "one");
	assert_copy_holds(p, NET, "net");
	/* one that is told the newest root copies the older ones too, for readers that are not */
	snprintf(p->copy, sizeof p->copy, "%s/other", p->dir);
	snprintf(p->root, sizeof p->root, "%s/up/metadata/3.root.json", p->dir);
	mirrored(p);
	snprintf(p->root, sizeof p->root, "%s/up/metadata/1.root.json", p->dir);
	assert_copy_holds(p, STOPS, "one");
}

static void nothing_is_fetched_twice(void **state)
{
	struct place *p = *state;
	struct mirror_report r = mirrored(p);

	assert_int_equal(r.fetched, 1 + 1 + 1 + 4 + 3);       /* timestamp, snapshot, targets; roles; files */
	assert_true(r.bytes > LARGE);
	r = mirrored(p);
	assert_int_equal(r.fetched, 1);
	assert_int_equal(r.changed, 0);
	next_stops(p, "two");
	r = mirrored(p);
	assert_int_equal(r.fetched, 1 + 1 + 1 + 1);
	assert_int_equal(r.changed, 4);
	assert_true(r.bytes < LARGE);
	assert_copy_holds(p, STOPS, "two");
}

static void what_was_damaged_is_fetched_again(void **state)
{
	struct place *p = *state;
	struct mirror_report r;

	mirrored(p);
	shell_must("cd %s && for f in targets/stop/edr/* metadata/*.stop.json; do printf X > $f; done", p->copy);
	r = mirrored(p);
	assert_int_equal(r.changed, 2);
	assert_copy_holds(p, STOPS, "one");
}

static void bundles_of_other_channels_stay_away_and_pruning_removes_what_nothing_names(void **state)
{
	static const char *const edr[] = { "edr" };
	struct place *p = *state;
	struct mirror_report r;
	AUTO_FREE char *net = NULL;
	struct err e;

	mirrored(p);
	next_stops(p, "two");
	assert_ok(mirror_with(p, &r, edr, 1, false, &e));
	assert_int_equal(r.left_out, 1);
	assert_int_equal(r.removed, 0);
	assert_copy_holds(p, NET, "net");
	assert_ok(mirror_with(p, &r, edr, 1, true, &e));
	assert_int_equal(r.removed, 1 + 1 + 1 + 1);   /* net; the stops of before, their role, the snapshot */
	net = client_reads(p, NET);
	assert_null(net);
	assert_copy_holds(p, STOPS, "two");
	r = mirrored(p);
	assert_copy_holds(p, NET, "net");
}

static void a_forged_upstream_is_refused_and_the_copy_is_as_it_was(void **state)
{
	struct place *p = *state;
	AUTO(keyring) struct keyring *theirs = new_keys();
	AUTO(repo) struct repo *forged = NULL;
	AUTO_FREE char *file = NULL, *old = NULL, *evil = NULL;
	struct err e;

	mirrored(p);
	assert_true(asprintf(&old, "%s/old", p->dir) > 0);
	assert_true(asprintf(&evil, "%s/evil", p->dir) > 0);
	shell_must("cp -a %s %s", p->up, old);
	next_stops(p, "two");
	/* bytes that nobody signed */
	file = upstream_file(p, STOPS);
	shell_must("printf EVL > %s", file);
	assert_refused_and_as_it_was(p, ERR_REFUSED);
	shell_must("printf two > %s", file);
	mirrored(p);
	/* an older state, signed by the right keys */
	snprintf(p->url, sizeof p->url, "file://%s", old);
	assert_refused_and_as_it_was(p, ERR_ROLLBACK);
	/* everything signed, by other keys */
	create(evil, theirs, &forged);
	assert_ok(repo_put_target(forged, "stop", STOPS, "none", 4, NULL, &e));
	assert_ok(repo_publish(forged, theirs, clock_now() + 1000, &e));
	snprintf(p->url, sizeof p->url, "file://%s", evil);
	assert_refused_and_as_it_was(p, ERR_AUTH);
	/* and the operator names their root by mistake */
	snprintf(p->root, sizeof p->root, "%s/metadata/1.root.json", evil);
	snprintf(p->url, sizeof p->url, "file://%s", p->up);
	assert_refused_and_as_it_was(p, ERR_AUTH);
	snprintf(p->root, sizeof p->root, "%s/metadata/1.root.json", p->up);
	assert_copy_holds(p, STOPS, "two");
}

static void a_role_of_another_key_is_refused(void **state)
{
	struct place *p = *state;
	AUTO(keyring) struct keyring *theirs = new_keys();
	AUTO(buf) struct buf *bare = NULL, *envelope = NULL;
	AUTO(author) struct author *a = NULL;
	AUTO_FREE char *path = NULL;
	const struct metadata *stop;
	bool met;
	struct err e;

	mirrored(p);
	next_stops(p, "two");
	stop = repo_role(p->repo, "stop");
	assert_true(asprintf(&path, "%s/metadata/%lld.stop.json", p->up, (long long)stop->version) > 0);
	assert_ok(author_load(&a, stop, &e));
	assert_true(author_remove_target(a, STOPS));
	assert_ok(author_finish(a, &bare, &e));
	/* by their key, which the delegation does not list: no signature comes of it */
	assert_int_equal(author_sign(&envelope, bare->data, bare->len, METADATA_TARGETS, theirs,
				     &(struct authority){ repo_role(p->repo, "targets"), &repo_role(p->repo, "targets")->delegations[3].role }, &met, &e), 0);
	assert_false(met);
	assert_ok(file_replace(path, envelope ? envelope->data : bare->data, envelope ? envelope->len : bare->len, 0644, &e));
	assert_refused_and_as_it_was(p, ERR_REFUSED);
	assert_copy_holds(p, STOPS, "one");
}

static void what_is_missing_upstream_delays_the_change_and_the_rest_is_not_fetched_again(void **state)
{
	struct place *p = *state;
	AUTO_FREE char *file = NULL, *aside = NULL;
	struct mirror_report r;
	struct err e;

	mirrored(p);
	put(p, "content-edr", "bundles/edr/8.tar.gz", "eight", 5);
	next_stops(p, "two");
	file = upstream_file(p, STOPS);
	assert_true(asprintf(&aside, "%s.aside", file) > 0);
	assert_int_equal(rename(file, aside), 0);
	assert_int_equal(mirror_with(p, &r, NULL, 0, false, &e), ERR_NET);
	assert_copy_holds(p, STOPS, "one");
	assert_int_equal(rename(aside, file), 0);
	r = mirrored(p);
	assert_int_equal(r.fetched, 1 + 1);   /* the timestamp, and what was missing */
	assert_copy_holds(p, STOPS, "two");
	assert_copy_holds(p, "bundles/edr/8.tar.gz", "eight");
}

static void a_file_that_arrived_in_part_is_gone_on_with_and_a_damaged_part_begun_anew(void **state)
{
	struct place *p = *state;
	AUTO_FREE char *file = upstream_file(p, EDR), *part = NULL, *net = upstream_file(p, NET), *bad = NULL;
	struct mirror_report r;

	assert_true(asprintf(&part, "%s/.mirror/new/%s.part", p->copy, file + strlen(p->up) + 1) > 0);
	assert_true(asprintf(&bad, "%s/.mirror/new/%s.part", p->copy, net + strlen(p->up) + 1) > 0);
	shell_must("mkdir -p $(dirname %s %s)", part, bad);
	shell_must("head -c 299000 %s > %s", file, part);
	shell_must("printf XX > %s", bad);
	r = mirrored(p);
	assert_true(r.bytes < LARGE);
	assert_copy_holds(p, NET, "net");
}

static void a_repository_that_is_no_mirror_is_left_alone(void **state)
{
	struct place *p = *state;
	AUTO_FREE char *own = NULL;
	struct digest before, after;
	struct mirror_report r;
	struct err e;

	assert_true(asprintf(&own, "%s/own", p->dir) > 0);
	shell_must("cp -a %s %s", p->up, own);
	snprintf(p->copy, sizeof p->copy, "%s", own);
	before = served(own);
	assert_int_equal(mirror_with(p, &r, NULL, 0, true, &e), ERR_CONFLICT);
	after = served(own);
	assert_true(digest_equal(&before, &after));
}

/* ---- cut short ---- */

/* In a child that is killed at its at-th system call; false: it finished before. */
static bool mirror_killed_at(struct place *p, int at)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		struct mirror_report r;
		struct fetch *own;
		struct err e;

		if (fetch_new(&own, &(const struct fetch_settings){ 0 }, &e) < 0 || ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(2);
		p->fetch = own;
		raise(SIGSTOP);
		_exit(mirror_with(p, &r, NULL, 0, false, &e) < 0);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status))
		skip_named("no ptrace here");
	for (int n = 0; n < at; n++) {
		assert_int_equal(ptrace(PTRACE_SYSCALL, child, NULL, NULL), 0);
		assert_int_equal(waitpid(child, &status, 0), child);
		if (WIFEXITED(status)) {
			assert_int_equal(WEXITSTATUS(status), 0);
			return false;
		}
		assert_true(WIFSTOPPED(status));
	}
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	return true;
}

static void killed_anywhere_it_serves_the_old_or_the_new_state_and_run_again_it_completes(void **state)
{
	struct place *p = *state;
	AUTO_FREE char *saved = NULL;
	bool killed = true;
	int runs = 0;

	mirrored(p);
	assert_true(asprintf(&saved, "%s/saved", p->dir) > 0);
	shell_must("cp -a %s %s", p->copy, saved);
	next_root(p);
	put(p, "content-edr", "bundles/edr/8.tar.gz", "eight", 5);
	next_stops(p, "two");
	/* an odd stride: entries and exits of calls in turn */
	for (int at = 1; killed; at += 61, runs++) {
		AUTO_FREE char *stops = NULL, *eight = NULL;

		shell_must("rm -rf %s && cp -a %s %s", p->copy, saved, p->copy);
		killed = mirror_killed_at(p, at);
		stops = client_reads(p, STOPS);
		eight = client_reads(p, "bundles/edr/8.tar.gz");
		assert_non_null(stops);
		assert_int_equal(!strcmp(stops, "two"), eight != NULL);
		mirrored(p);
		assert_copy_holds(p, STOPS, "two");
		assert_copy_holds(p, "bundles/edr/8.tar.gz", "eight");
	}
	assert_true(runs > 10);
}

/* ---- other readers ---- */

static void the_tool_for_any_repository_reads_a_copy_that_the_command_made(void **state)
{
	struct place *p = *state;
	AUTO_FREE char *tool = NULL, *ringhold = NULL;

	if (access(test_program("ringhold-tuf"), X_OK) < 0 || access(test_program("ringhold"), X_OK) < 0)
		skip_named("ringhold and ringhold-tuf are not built");
	tool = strdup(test_program("ringhold-tuf"));
	ringhold = strdup(test_program("ringhold"));
	shell_must("cd %s && mkdir td md && %s mirror file://$PWD/up copy --root %s --json | grep -q '\"targets\": 3' && "
		   "%s mirror file://$PWD/up copy --root %s --dry-run | grep -q '1 files would be' && "
		   "%s --metadata-dir md init %s && %s --metadata-url file://$PWD/copy/metadata --metadata-dir md refresh && "
		   "%s --metadata-url file://$PWD/copy/metadata --metadata-dir md --target-name " STOPS
		   " --target-dir td --target-base-url file://$PWD/copy/targets download && test \"$(cat td/*)\" = one && "
		   "%s repo verify copy --root %s | grep -q 'everything is sound' && ! %s mirror file://$PWD/up copy 2>/dev/null",
		   p->dir, ringhold, p->root, ringhold, p->root, tool, p->root, tool, tool, ringhold, p->root, ringhold);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_copy_is_a_repository_of_its_own_with_every_root),
		T(nothing_is_fetched_twice),
		T(what_was_damaged_is_fetched_again),
		T(bundles_of_other_channels_stay_away_and_pruning_removes_what_nothing_names),
		T(a_forged_upstream_is_refused_and_the_copy_is_as_it_was),
		T(a_role_of_another_key_is_refused),
		T(what_is_missing_upstream_delays_the_change_and_the_rest_is_not_fetched_again),
		T(a_file_that_arrived_in_part_is_gone_on_with_and_a_damaged_part_begun_anew),
		T(a_repository_that_is_no_mirror_is_left_alone),
		T(killed_anywhere_it_serves_the_old_or_the_new_state_and_run_again_it_completes),
		T(the_tool_for_any_repository_reads_a_copy_that_the_command_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
