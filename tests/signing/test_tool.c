/* ringhold-tuf as conformance tests drive it: exit statuses, what it stores, what it leaves alone. */
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/proc.h"
#include "signing/repo.h"
#include "test.h"
#include "tests/program.h"
#include "tool_run.h"

#define PATH "fleet/map/ringmap.json"

struct fixture {
	char tool[1024], dir[128], repo[160], md[160], td[160], mu[200], tu[200], root[200];
	struct keyring *ring;
};

static void publish(struct fixture *f, const char *body)
{
	AUTO(repo) struct repo *r = NULL;
	struct err e;

	assert_ok(repo_open(&r, f->repo, &e));
	assert_ok(repo_put_target(r, "fleet", PATH, body, strlen(body), NULL, &e));
	assert_ok(repo_publish(r, f->ring, clock_now(), &e));
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	const char *tmp = getenv("TMPDIR");
	struct seckey *k;
	struct err e;

	snprintf(f->tool, sizeof f->tool, "%s", test_program("ringhold-tuf"));
	snprintf(f->dir, sizeof f->dir, "%s/ringhold-tool.XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->repo, sizeof f->repo, "%s/repo", f->dir);
	snprintf(f->md, sizeof f->md, "%s/md", f->dir);
	snprintf(f->td, sizeof f->td, "%s/td", f->dir);
	snprintf(f->mu, sizeof f->mu, "file://%s/metadata", f->repo);
	snprintf(f->tu, sizeof f->tu, "file://%s/targets/", f->repo);
	snprintf(f->root, sizeof f->root, "%s/metadata/1.root.json", f->repo);
	assert_int_equal(mkdir(f->md, 0755), 0);
	assert_int_equal(mkdir(f->td, 0755), 0);
	f->ring = keyring_new();
	assert_ok(seckey_generate(&k, &e));
	assert_ok(keyring_add(f->ring, "only", k, &e));

	const struct pubkey *public = seckey_public(f->ring->keys[0].key);
	const struct author_role role = { .name = "fleet", .keys = &public, .key_count = 1, .threshold = 1 };
	const struct repo_plan plan = { .root = role, .targets = role, .snapshot = role, .timestamp = role, .roles = &role, .count = 1 };

	assert_ok(repo_create(f->repo, &plan, f->ring, clock_now(), &e));
	publish(f, "{\"rules\":[]}");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	struct err e;

	keyring_free(f->ring);
	assert_ok(file_remove_tree(f->dir, &e));
	free(f);
	return 0;
}

static char said[65536];        /* by the last run */

#define RUN(f, ...) tool_run((f)->tool, (const char *const[]){ __VA_ARGS__, NULL }, said, sizeof said)
#define INIT(f) RUN(f, "--metadata-dir", (f)->md, "init", (f)->root)
#define REFRESH(f) RUN(f, "--metadata-url", (f)->mu, "--metadata-dir", (f)->md, "refresh")
#define DOWNLOAD(f, ...) RUN(f, "--target-dir", (f)->td, __VA_ARGS__, "--metadata-url", (f)->mu, "--metadata-dir", (f)->md, \
			     "--target-base-url", (f)->tu, "download")
#define NEEDS_TOOL(f)                                             \
	do {                                                      \
		if (access((f)->tool, X_OK) < 0)                  \
			skip_named("%s is not built", (f)->tool); \
	} while (0)

static int entries(const char *dir)
{
	DIR *d = opendir(dir);
	int count = -2;

	assert_non_null(d);
	while (readdir(d))
		count++;
	closedir(d);
	return count;
}

static void init_keeps_a_byte_copy_and_refuses_a_bad_root(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *copy = file_join(f->md, "root.json"), *bad = file_join(f->dir, "bad.json");
	AUTO(buf) struct buf *a = NULL, *b = NULL;
	struct err e;

	NEEDS_TOOL(f);
	assert_ok(file_replace(bad, "{}", 2, 0644, &e));
	assert_int_equal(RUN(f, "--metadata-dir", f->md, "init", bad), 1);
	assert_int_equal(entries(f->md), 0);
	assert_int_equal(INIT(f), 0);
	assert_ok(file_read(&a, f->root, 1 << 20, &e));
	assert_ok(file_read(&b, copy, 1 << 20, &e));
	assert_int_equal(a->len, b->len);
	assert_memory_equal(a->data, b->data, a->len);
	assert_int_equal(entries(f->md), 1);
}

static void what_a_complaint_quotes_cannot_play_with_the_terminal(void **state)
{
	struct fixture *f = *state;

	NEEDS_TOOL(f);
	assert_int_equal(RUN(f, "--metadata-dir", f->md, "init", "/no\x1b[2Jroot"), 1);
	assert_null(strchr(said, '\x1b'));
	assert_non_null(strstr(said, "/no\\x1b[2Jroot: open: No such file"));
}

static void refresh_stores_four_files_and_nothing_else(void **state)
{
	struct fixture *f = *state;

	NEEDS_TOOL(f);
	assert_int_equal(REFRESH(f), 1);
	assert_int_equal(INIT(f), 0);
	assert_int_equal(REFRESH(f), 0);
	assert_int_equal(entries(f->md), 4);
	assert_int_equal(REFRESH(f), 0);
	assert_int_equal(entries(f->md), 4);
}

static void download_names_the_file_by_the_quoted_path_and_leaves_a_right_one_alone(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *file = file_join(f->td, "fleet%2Fmap%2Fringmap.json");
	AUTO(buf) struct buf *b = NULL;
	struct stat first, again;
	struct err e;

	NEEDS_TOOL(f);
	assert_int_equal(INIT(f), 0);
	assert_int_equal(DOWNLOAD(f, "--target-name", PATH), 0);
	assert_int_equal(entries(f->td), 1);
	assert_int_equal(stat(file, &first), 0);
	assert_int_equal(DOWNLOAD(f, "--target-name", PATH, "--target-name", PATH), 0);
	assert_int_equal(stat(file, &again), 0);
	assert_true(first.st_ino == again.st_ino && first.st_mtim.tv_nsec == again.st_mtim.tv_nsec);

	assert_ok(file_replace(file, "damaged", 7, 0644, &e));
	assert_int_equal(DOWNLOAD(f, "--target-name=" PATH), 0);
	publish(f, "{\"rules\":[1]}");
	assert_int_equal(DOWNLOAD(f, "--target-name", PATH), 0);
	assert_ok(file_read(&b, file, 100, &e));
	assert_string_equal(b->data, "{\"rules\":[1]}");
}

static int spoil(const char *rel, bool is_dir, void *arg, struct err *e)
{
	AUTO_FREE char *path = file_join(arg, rel);

	if (is_dir)
		return 0;
	return file_replace(path, "{\"rules\":[\"evil\"]}", 18, 0644, e);
}

static void wrong_bytes_leave_nothing_behind(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *targets = file_join(f->repo, "targets");
	struct err e;

	NEEDS_TOOL(f);
	assert_int_equal(INIT(f), 0);
	assert_ok(file_walk(targets, spoil, targets, &e));
	assert_int_equal(DOWNLOAD(f, "--target-name", PATH), 1);
	assert_int_equal(entries(f->td), 0);
	assert_ok(file_remove_tree(targets, &e));
	assert_int_equal(DOWNLOAD(f, "--target-name", PATH), 1);
	assert_int_equal(entries(f->td), 0);
}

static void the_first_failure_ends_a_download(void **state)
{
	struct fixture *f = *state;

	NEEDS_TOOL(f);
	assert_int_equal(INIT(f), 0);
	assert_int_equal(DOWNLOAD(f, "--target-name", "no/such/target", "--target-name", PATH), 1);
	assert_int_equal(entries(f->td), 0);
	assert_int_equal(DOWNLOAD(f, "--target-name", PATH, "--target-name", "no/such/target"), 1);
	assert_int_equal(entries(f->td), 1);
}

/* Whoever wants to see it at another time can slip a clock between: the programs are not linked statically. */
static void the_clock_is_asked_of_libc(void **state)
{
	const char *nm = test_other_program("nm");
	struct fixture *f = *state;
	char *argv[] = { (char *)"nm", (char *)"-D", f->tool, NULL };
	struct proc_run r = { .path = nm, .argv = argv, .stdin_fd = -1, .timeout_ms = 60000, .output_max = 1 << 20 };
	struct proc_result result;
	struct err e;

	NEEDS_TOOL(f);
	if (!nm)
		skip_missing_program("nm");
	assert_ok(proc_run(&r, &result, &e));
	assert_true(strstr(result.output->data, " U time\n") || strstr(result.output->data, " U time@"));
	proc_result_release(&result);
}

static void wrong_use_is_status_1_too(void **state)
{
	struct fixture *f = *state;

	NEEDS_TOOL(f);
	assert_int_equal(RUN(f, "refresh"), 1);
	assert_int_equal(RUN(f, "--metadata-dir", f->md), 1);
	assert_int_equal(RUN(f, "--metadata-dir", f->md, "init"), 1);
	assert_int_equal(RUN(f, "--metadata-dir", f->md, "init", "/no/such/file"), 1);
	assert_int_equal(RUN(f, "--metadata-dir", f->md, "explode"), 1);
	assert_int_equal(RUN(f, "--what", "x", "refresh"), 1);
	assert_int_equal(RUN(f, "--patience", "soon", "--metadata-url", f->mu, "--metadata-dir", f->md, "refresh"), 1);
	assert_int_equal(RUN(f, "--metadata-url", "gopher://x", "--metadata-dir", f->md, "refresh"), 1);
	assert_int_equal(RUN(f, "--help"), 0);
	assert_int_equal(RUN(f, "--version"), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(init_keeps_a_byte_copy_and_refuses_a_bad_root),
		T(what_a_complaint_quotes_cannot_play_with_the_terminal),
		T(refresh_stores_four_files_and_nothing_else),
		T(download_names_the_file_by_the_quoted_path_and_leaves_a_right_one_alone),
		T(wrong_bytes_leave_nothing_behind),
		T(the_first_failure_ends_a_download),
		T(the_clock_is_asked_of_libc),
		T(wrong_use_is_status_1_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
