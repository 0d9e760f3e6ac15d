/*
 * The runbook is walked: every command of docs/runbook.md, in its order, against
 * a real server, with a client that began with the first root and is told
 * nothing since. After every block it refreshes and still follows; keys that a
 * block calls stolen or lost are refused from then on.
 */
#include "tests/test.h"

#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/proc.h"
#include "signing/author.h"
#include "signing/driver.h"
#include "signing/repo.h"
#include "signing/sigreq.h"
#include "world.h"

#define RUNBOOK "docs/runbook.md"
#define BLOCKS_MAX 64
#define BLOCK_LIMIT_MS 120000

static struct world *world;
static struct err e;

static char *in_world(const char *name)
{
	char *path = file_join(world->dir, name);

	assert_non_null(path);
	return path;
}

/* ---- the client ---- */

struct client {
	char *dir;
	struct buf *anchor;             /* the first root, as installed */
};
static struct client client;

/* From the server over TLS. */
static int get_served(void *arg, const char *name, size_t max, struct buf **out, struct err *why)
{
	AUTO_FREE char *url = NULL;
	struct fetch_answer answer = { 0 };
	struct fetch_request q = { .method = "GET", .max = max };
	long status;

	(void)arg;
	assert_true(asprintf(&url, "%s/content/metadata/%s", world->url, name) > 0);
	q.url = url;
	if (fetch_do(world->http, &q, &answer, why) < 0)
		return why->code;
	status = answer.status;
	if (status == 200)
		*out = TAKE(answer.body);
	fetch_answer_release(&answer);
	return status == 200 ? 0 : 1;
}

/* From a directory: what somebody put between us and the server. */
static int get_forged(void *arg, const char *name, size_t max, struct buf **out, struct err *why)
{
	AUTO_FREE char *path = file_join(arg, name);
	int got = file_read(out, path, max, why);

	return got == ERR_NOT_FOUND ? 1 : got;
}

static int refresh_from(driver_get *get, void *arg, struct tuf_client **out, struct err *why)
{
	struct driver d = { client.dir, get, arg };
	AUTO(tuf_client) struct tuf_client *c = NULL;

	if (driver_open(&c, client.dir, client.anchor->data, client.anchor->len, TUF_HOUSE, why) < 0 ||
	    driver_refresh(&d, c, clock_now(), why) < 0)
		return why->code;
	if (out)
		*out = TAKE(c);
	return 0;
}

/* It goes on, and finds what its ring map and its ring's role say. */
static void follows(const char *after)
{
	struct driver d = { client.dir, get_served, NULL };
	AUTO(tuf_client) struct tuf_client *c = NULL;
	const struct tuf_target *t = NULL;

	if (refresh_from(get_served, NULL, &c, &e) < 0)
		fail_msg("the client no longer follows after \"%s\": %s", after, e.msg);
	if (driver_find(&d, c, "fleet/map/ringmap.json", &t, &e) < 0 || !t)
		fail_msg("after \"%s\" the client finds no ring map: %s", after, t ? "" : e.msg);
	/* nothing is there, and its role must be good for that to be known */
	assert_ok(driver_find(&d, c, "rings/canary/none.json", &t, &e));
	assert_ok(driver_find(&d, c, "rings/early/none.json", &t, &e));
	assert_ok(driver_find(&d, c, "bundles/edr/1.tar.gz", &t, &e));
	assert_ok(driver_find(&d, c, "stop/edr/none.json", &t, &e));
}

/* ---- stolen keys ---- */

static const struct theft {
	const char *file, *role;
	bool online;                    /* of snapshot or timestamp: a whole refresh is forged with it */
} thefts[] = {
	{ "stolen-content.pem", "content-edr", false },     { "stolen-timestamp.pem", "timestamp", true },
	{ "stolen-snapshot.pem", "snapshot", true },        { "stolen-stop.pem", "stop", false },
	{ "stolen-ring-canary.pem", "ring-canary", false }, { "stolen-ring-early.pem", "ring-early", false },
	{ "stolen-promoter.pem", "ring-broad", false },
};
static bool checked[ARRAY_LEN(thefts)];

static struct metadata *first_root, *first_targets;     /* what the stolen keys were good for */

static struct metadata *read_metadata(const char *name, enum metadata_type type)
{
	AUTO_FREE char *path = in_world(name);
	AUTO(buf) struct buf *bytes = NULL;
	struct metadata *m = NULL;

	assert_ok(file_read(&bytes, path, METADATA_LISTED_MAX, &e));
	assert_ok(metadata_parse(&m, type, name, bytes->data, bytes->len, &e));
	return m;
}

static enum metadata_type type_of(const char *role)
{
	return strcmp(role, "timestamp") == 0 ? METADATA_TIMESTAMP : strcmp(role, "snapshot") == 0 ? METADATA_SNAPSHOT : METADATA_TARGETS;
}

/* The next version of what stands, signed by the stolen key under the id it had. */
static struct buf *forge(const struct theft *t, const struct metadata *stands)
{
	AUTO_FREE char *path = in_world(t->file);
	AUTO(keyring) struct keyring *ring = keyring_new();
	AUTO(author) struct author *a = NULL;
	AUTO(buf) struct buf *plain = NULL;
	struct seckey *k = NULL;
	struct authority by;
	struct buf *out = NULL;
	bool met;

	assert_int_equal(chown(path, geteuid(), getegid()), 0);
	assert_ok(seckey_load(&k, path, NULL, NULL, &e));
	assert_ok(keyring_add(ring, t->file, k, &e));
	assert_true(authority_of(&by, t->online ? first_root : first_targets, t->role));
	assert_ok(author_load(&a, stands, &e));
	author_set_version(a, stands->version + 1);
	author_set_expires(a, clock_now() + 86400);
	assert_ok(author_finish(a, &plain, &e));
	assert_int_equal(author_sign(&out, plain->data, plain->len, stands->type, ring, &by, &met, &e), 1);
	return out;
}

static void the_client_refuses_the_forged_refresh(const struct theft *t, const struct buf *forged)
{
	AUTO_FREE char *dir = in_world("forged"), *from = in_world("server/repository/metadata/."), *file = NULL;
	char *argv[] = { (char *)"cp", (char *)"-a", from, dir, NULL };
	struct proc_run run = { .path = "/bin/cp", .argv = argv, .stdin_fd = -1, .timeout_ms = BLOCK_LIMIT_MS, .output_max = 4096 };
	struct proc_result result = { 0 };
	struct err why;

	assert_ok(file_remove_tree(dir, &e));
	assert_ok(file_mkdirs(dir, 0755, &e));
	assert_ok(proc_run(&run, &result, &e));
	assert_int_equal(result.exit_status, 0);
	proc_result_release(&result);
	assert_true(asprintf(&file, "%s/%s.json", dir, t->role) > 0);
	assert_ok(file_replace(file, forged->data, forged->len, 0644, &e));
	/* whoever has the snapshot's key alone cannot even name his file; with the timestamp's he can try */
	if (strcmp(t->role, "timestamp") == 0)
		assert_refused(refresh_from(get_forged, dir, NULL, &why), ERR_AUTH, "");
	else
		assert_ok(refresh_from(get_forged, dir, NULL, &why));
}

static void refuses(const struct theft *t)
{
	AUTO(tuf_client) struct tuf_client *c = NULL;
	AUTO(buf) struct buf *forged = NULL;
	AUTO(repo) struct repo *r = NULL;
	AUTO(metadata) struct metadata *m = NULL;
	AUTO_FREE char *repository = in_world("server/repository");
	struct authority by;

	assert_ok(refresh_from(get_served, NULL, &c, &e));
	assert_ok(repo_open(&r, repository, &e));
	forged = forge(t, repo_role(r, t->role));
	assert_ok(metadata_parse(&m, type_of(t->role), t->role, forged->data, forged->len, &e));
	assert_true(authority_of(&by, tuf_client_metadata(c, t->online ? "root" : "targets"), t->role));
	if (verify_count(m, &by) != 0)
		fail_msg("%s still counts for %s", t->file, t->role);
	if (t->online)
		the_client_refuses_the_forged_refresh(t, forged);
}

static void check_thefts(void)
{
	for (size_t i = 0; i < ARRAY_LEN(thefts); i++) {
		AUTO_FREE char *path = in_world(thefts[i].file);

		if (checked[i] || !file_exists(path))
			continue;
		refuses(&thefts[i]);
		checked[i] = true;
	}
}

/* ---- blocks ---- */

struct block {
	char heading[128];
	char tag[32];                   /* "", "offline", "server-down", "promoter-down", "wait" */
	char *text;                     /* owned */
};

static size_t read_blocks(struct block out[BLOCKS_MAX])
{
	AUTO(buf) struct buf *doc = NULL;
	char heading[128] = "";
	size_t count = 0;
	char *next;

	assert_ok(file_read(&doc, RUNBOOK, 1 << 20, &e));
	for (char *line = doc->data; line; line = next) {
		char *end = strchr(line, '\n');

		next = end ? end + 1 : NULL;
		if (end)
			*end = '\0';
		if (line[0] == '#')
			snprintf(heading, sizeof heading, "%s", line + strspn(line, "# "));
		if (strncmp(line, "```sh", 5) == 0) {
			char *close = strstr(next, "\n```");

			assert_non_null(close);
			assert_true(count < BLOCKS_MAX);
			snprintf(out[count].heading, sizeof out[count].heading, "%s", heading);
			snprintf(out[count].tag, sizeof out[count].tag, "%s", line[5] ? line + 6 : "");
			out[count].text = strndup(next, (size_t)(close - next));
			count++;
			next = strchr(close + 1, '\n');
		}
	}
	return count;
}

struct place {
	const char *dir;
	bool offline;
};

static int enter(void *arg)
{
	const struct place *p = arg;

	if (p->offline && unshare(CLONE_NEWNET) < 0)
		return -1;
	return chdir(p->dir);
}

static void run(const struct block *b)
{
	AUTO_FREE char *path = NULL, *home = NULL, *clock_file = NULL;
	char *argv[] = { (char *)"sh", (char *)"-eu", (char *)"-c", b->text, NULL };
	char *env[] = { NULL, NULL, NULL, (char *)"USER=walker", (char *)"LANG=C", NULL };
	struct place place = { world->dir, strcmp(b->tag, "offline") == 0 };
	struct proc_run r = { .path = "/bin/sh", .argv = argv, .env = env, .stdin_fd = -1, .timeout_ms = BLOCK_LIMIT_MS,
			      .output_max = 1 << 20, .confine = enter, .confine_arg = &place };
	struct proc_result result = { 0 };

	assert_true(asprintf(&path, "PATH=%s:/usr/sbin:/usr/bin:/sbin:/bin", world->bin) > 0);
	assert_true(asprintf(&home, "RINGHOLD_HOME=%s/server", world->dir) > 0);
	assert_true(asprintf(&clock_file, "RINGHOLD_TEST_CLOCK=%s", getenv("RINGHOLD_TEST_CLOCK")) > 0);
	env[0] = path;
	env[1] = home;
	env[2] = clock_file;
	assert_ok(proc_run(&r, &result, &e));
	if (result.exit_status != 0 || result.timed_out)
		fail_msg("\"%s\" (%s): exit status %d\n%s\n%s", b->heading, b->tag, result.exit_status, b->text,
			 result.output->data ? result.output->data : "");
	proc_result_release(&result);
}

/* Programs that read their keys and certificates at start. */
static void server_again(void)
{
	free(TAKE(world->pin));
	assert_ok(world_server_start(world, &e));
}

static int nothing_open(struct world *w, void *arg, struct err *why)
{
	struct world_reply reply = { 0 };
	const struct json *items;
	int done;

	(void)arg;
	if (world_get(w, "/v1/signing-requests", &reply, why) < 0)
		return why->code;
	items = json_get(reply.doc->root, "items");
	done = items && items->count == 0;
	world_reply_release(&reply);
	return done;
}

static void walk(const struct block *b)
{
	bool server = strcmp(b->tag, "server-down") == 0, promoter = server || strcmp(b->tag, "promoter-down") == 0;

	if (promoter)
		assert_ok(world_promoter_stop(world, SIGTERM, &e));
	if (server)
		assert_ok(world_server_stop(world, SIGTERM, &e));
	run(b);
	if (server)
		server_again();
	if (promoter)
		assert_ok(world_promoter_start(world, &e));
	if (strcmp(b->tag, "wait") == 0)
		assert_ok(world_until(world, false, "server and promoter sign between them", nothing_open, NULL, &e));
	check_thefts();
	follows(b->heading);
}

/* ---- the tests ---- */

static bool can_take_network_away(void)
{
	pid_t child = fork();
	int status = 0;

	if (child == 0)
		_exit(unshare(CLONE_NEWNET) == 0 ? 0 : 1);
	return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void every_command_of_the_runbook_does_what_it_says(void **state)
{
	static struct block blocks[BLOCKS_MAX];
	size_t count = read_blocks(blocks), offline = 0;

	(void)state;
	if (!can_take_network_away())
		skip_named("no network namespaces here");
	assert_true(count > 20);
	follows("the installation");
	for (size_t i = 0; i < count; i++) {
		offline += strcmp(blocks[i].tag, "offline") == 0;
		walk(&blocks[i]);
		free(blocks[i].text);
	}
	assert_true(offline >= 5);
	for (size_t i = 0; i < ARRAY_LEN(thefts); i++)
		if (!checked[i])
			fail_msg("the runbook never replaced %s", thefts[i].file);
}

/* A file signed for what stood before is worth nothing, however many signed it. */
static void a_request_that_was_overtaken_is_refused_where_it_is_signed_and_where_it_is_brought(void **state)
{
	static const char both[] =
		"ringhold request renew targets -o one.json\n"
		"ringhold key generate extra.pem\n"
		"ringhold delegate set recall --public extra.pem -o two.json\n"
		"for f in one two; do\n"
		"	ringhold sign $f.json --key offline-keys/targets-2.pem --key offline-keys/targets-4.pem --trusted root.json --yes\n"
		"done\n"
		"ringhold request import one.json\n";
	static const char late[] =
		"if ringhold request import two.json >out 2>&1; then exit 3; fi\n"
		"grep -q 'stale: it replaces version' out\n"
		"if ringhold sign targets.json --key offline-keys/targets-2.pem --trusted root.json --yes >out 2>&1; then exit 4; fi\n"
		"grep -q 'stale: it builds on root version 1' out\n";
	struct block b = { .heading = "overtaken" };

	(void)state;
	if (!checked[0])
		skip_named("the runbook was not walked");
	b.text = (char *)both;
	run(&b);
	b.text = (char *)late;
	run(&b);
	follows("the late request");
}

static int setup(void **state)
{
	AUTO_FREE char *root = NULL;

	(void)state;
	assert_ok(world_new(&world, "edr", false, &e));
	assert_ok(world_install(world, &e));
	client.dir = in_world("client");
	root = in_world("root.json");
	assert_ok(file_mkdirs(client.dir, 0700, &e));
	assert_ok(file_read(&client.anchor, root, METADATA_ROOT_MAX, &e));
	first_root = read_metadata("server/repository/metadata/1.root.json", METADATA_ROOT);
	first_targets = read_metadata("server/repository/metadata/1.targets.json", METADATA_TARGETS);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	metadata_free(first_root);
	metadata_free(first_targets);
	buf_free(client.anchor);
	free(client.dir);
	world_free(world);
	return 0;
}

static void everybody_ends_when_told_to_and_no_log_holds_a_finding(void **state)
{
	(void)state;
	assert_ok(world_verdict(world, &e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_command_of_the_runbook_does_what_it_says),
		cmocka_unit_test(a_request_that_was_overtaken_is_refused_where_it_is_signed_and_where_it_is_brought),
		cmocka_unit_test(everybody_ends_when_told_to_and_no_log_holds_a_finding),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
