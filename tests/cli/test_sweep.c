/* `ringhold repo sweep` on a repository in a directory. */
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/install.h"
#include "signing/repo.h"
#include "tests/program.h"
#include "tests/shell.h"

#define DAY 86400
#define STOPS "stop/edr/stops.json"

struct place {
	char *dir, *repo;
};

static int setup(void **state)
{
	static const char *const channels[] = { "edr" }, *const rings[] = { "canary", "broad" };
	const char *tmp = getenv("TMPDIR");
	struct place *p = calloc(1, sizeof *p);
	AUTO_FREE char *keys = NULL;
	AUTO(keyring) struct keyring *ring = NULL;
	AUTO(repo) struct repo *r = NULL;
	struct install_plan plan = { .channels = channels, .channel_count = 1, .rings = rings, .ring_count = 2, .listen = "127.0.0.1:0",
				     .now = clock_now() - 60 * DAY };
	struct err e;

	p->dir = file_join(tmp && *tmp ? tmp : "/tmp", "ringhold-sweep-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	plan.dir = p->dir;
	assert_ok(install(&plan, &e));
	p->repo = file_join(p->dir, "server/repository");
	keys = file_join(p->dir, "server/keys");
	assert_ok(keyring_load(&ring, keys, NULL, NULL, &e));
	assert_ok(repo_open(&r, p->repo, &e));
	/* sixty days ago, and day by day since */
	for (int i = 0; i < 6; i++) {
		char body[16];

		snprintf(body, sizeof body, "%d", i);
		assert_ok(repo_put_target(r, "stop", STOPS, body, 1, NULL, &e));
		assert_ok(repo_publish(r, ring, clock_now() - (60 - 10 * i) * DAY, &e));
	}
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;
	struct err e;

	assert_ok(file_remove_tree(p->dir, &e));
	free(p->repo);
	free(p->dir);
	free(p);
	return 0;
}

static int run(const struct place *p, const char *options, struct json_doc **doc)
{
	static char text[65536];
	int status = shell_says(text, sizeof text, "%s repo sweep %s %s", test_program("ringhold"), p->repo, options);
	struct err e;

	if (doc)
		assert_ok(json_parse(doc, "sweep", text, strlen(text), NULL, &e));
	return status;
}

static int64_t count_of(const struct json_doc *doc)
{
	int64_t n;

	assert_true(json_to_int(json_get(doc->root, "count"), &n));
	assert_int_equal(json_get(doc->root, "files")->count, n);
	return n;
}

static void what_would_go_is_told_and_then_goes_and_the_rest_still_verifies(void **state)
{
	struct place *p = *state;
	AUTO(json) struct json_doc *dry = NULL, *again = NULL, *done = NULL, *after = NULL;
	AUTO(repo) struct repo *r = NULL;
	struct err e;

	if (access(test_program("ringhold"), X_OK) < 0)
		skip_named("ringhold is not built");
	assert_int_equal(run(p, "--dry-run --json --keep-days 15", &dry), 0);
	assert_true(count_of(dry) > 4);
	assert_int_equal(run(p, "--dry-run --json --keep-days 15", &again), 0);
	assert_int_equal(count_of(again), count_of(dry));
	assert_int_equal(run(p, "--json --keep-days 15", &done), 0);
	assert_int_equal(count_of(done), count_of(dry));
	assert_int_equal(run(p, "--json --keep-days 15", &after), 0);
	assert_int_equal(count_of(after), 0);
	assert_ok(repo_open(&r, p->repo, &e));
	assert_int_equal(run(p, "--keep-days -1", NULL), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_would_go_is_told_and_then_goes_and_the_rest_still_verifies, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
