/* file: whole files, durable replacement, small directory work. */
#include "tests/test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

#define OLD "the old content"
#define NEW "the new content, which is longer"
#define STRACE "/usr/bin/strace"

static char dir[] = "/tmp/test_file.XXXXXX";

static const char *at(const char *name)
{
	static char paths[4][256];
	static int turn;
	char *path = paths[turn++ % 4];

	snprintf(path, sizeof paths[0], "%s/%s", dir, name);
	return path;
}

static void put(const char *name, const char *text)
{
	struct err e;

	assert_ok(file_replace(at(name), text, strlen(text), 0644, &e));
}

static void assert_holds(const char *name, const char *text)
{
	AUTO(buf) struct buf *got = NULL;
	struct err e;

	assert_ok(file_read(&got, at(name), 1000, &e));
	assert_string_equal(got->data, text);
}

static void a_file_is_read_up_to_its_limit(void **state)
{
	AUTO(buf) struct buf *got = NULL;
	AUTO(buf) struct buf *empty = NULL;
	struct err e;

	(void)state;
	put("limit", "12345");
	assert_ok(file_read(&got, at("limit"), 5, &e));
	assert_int_equal(got->len, 5);
	assert_refused(file_read(&got, at("limit"), 4, &e), ERR_LIMIT, "larger than 4 bytes");
	put("empty", "");
	assert_ok(file_read(&empty, at("empty"), 0, &e));
	assert_string_equal(empty->data, "");
}

static void what_is_no_regular_file_is_not_read(void **state)
{
	AUTO(buf) struct buf *got = NULL;
	AUTO_FD int fd = open(dir, O_RDONLY | O_DIRECTORY);
	struct err e;

	(void)state;
	assert_refused(file_read(&got, at("absent"), 9, &e), ERR_NOT_FOUND, "absent");
	assert_refused(file_read(&got, dir, 9, &e), ERR_FORMAT, "not a regular file");
	assert_int_equal(mkfifo(at("fifo"), 0600), 0);
	assert_refused(file_read(&got, at("fifo"), 9, &e), ERR_FORMAT, "not a regular file");
	put("target", "x");
	assert_int_equal(symlink("target", at("link")), 0);
	assert_int_equal(file_readat(&got, fd, "link", 9, &e), ERR_IO);
	assert_ok(file_readat(&got, fd, "target", 9, &e));
}

static void replacing_sets_content_and_mode_and_leaves_no_litter(void **state)
{
	struct stat st;
	struct err e;

	(void)state;
	put("sub-file", OLD);
	assert_ok(file_replace(at("sub-file"), NEW, strlen(NEW), 0600, &e));
	assert_holds("sub-file", NEW);
	assert_int_equal(stat(at("sub-file"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_false(file_exists(at(".sub-file.new")));
	assert_refused(file_replace(at("no/such/dir"), "", 0, 0600, &e), ERR_NOT_FOUND, "no/such");
}

static void a_left_over_temporary_file_does_not_stop_the_next_writer(void **state)
{
	(void)state;
	put("again", OLD);
	put(".again.new", "half of someth");
	put("again", NEW);
	assert_holds("again", NEW);
}

static void of_many_who_create_a_file_one_is_the_first(void **state)
{
	enum { RIVALS = 8 };
	AUTO_FREE char *path = strdup(at("first"));
	AUTO(buf) struct buf *text = NULL;
	unsigned first = 0;
	int gate[2];
	char one;
	struct err e;

	(void)state;
	assert_int_equal(pipe(gate), 0);
	for (int i = 0; i < RIVALS; i++)
		if (fork() == 0) {
			close(gate[1]);
			(void)!read(gate[0], &one, 1);          /* all at once, when the other end closes */
			_exit(file_create(path, "whole", 5, 0600, &e) == 0 ? 0 : e.code == ERR_CONFLICT ? 1 : 2);
		}
	close(gate[0]);
	close(gate[1]);
	for (int i = 0; i < RIVALS; i++) {
		int status;

		assert_true(wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) < 2);
		first += WEXITSTATUS(status) == 0;
	}
	assert_int_equal(first, 1);
	assert_ok(file_read(&text, path, 100, &e));
	assert_string_equal(text->data, "whole");
	assert_refused(file_create(path, "", 0, 0600, &e), ERR_CONFLICT, "exists already");
}

/* Runs this program's own --replace or --mkdirs with one system call made to go wrong. */
static int run_under(const char *self, const char *mode, const char *path, const char *call, const char *what, int when)
{
	char rule[100];
	int status;
	pid_t pid;

	snprintf(rule, sizeof rule, "inject=%s:%s:when=%d", call, what, when);
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, STDERR_FILENO);
		dup2(null, STDOUT_FILENO);
		setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
		execl(STRACE, "strace", "-qq", "-o", "/dev/null", "-e", rule, self, mode, path, (char *)NULL);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	return status;
}

static int replace_under(const char *self, const char *call, const char *what, int when)
{
	return run_under(self, "--replace", at("swept"), call, what, when);
}

static const char *self_path(void)
{
	static char path[512];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);

	path[n < 0 ? 0 : n] = '\0';
	return path;
}

static bool strace_works(void)
{
	int status;

	put("swept", OLD);
	status = replace_under(self_path(), "fsync", "error=EIO", 9999);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* True when the file holds the new content; anything but old or new fails. */
static bool is_new(void)
{
	AUTO(buf) struct buf *got = NULL;
	struct err e;

	assert_ok(file_read(&got, at("swept"), 1000, &e));
	if (strcmp(got->data, OLD) != 0)
		assert_string_equal(got->data, NEW);
	return strcmp(got->data, NEW) == 0;
}

static const char *const calls[] = { "openat",	 "write",    "fchmod", "fsync",
				     "renameat", "unlinkat", "close" };

static void a_writer_killed_at_any_call_leaves_old_or_new_whole(void **state)
{
	int killed = 0, old = 0;

	(void)state;
	if (!strace_works())
		skip_named("strace cannot trace here");
	for (size_t i = 0; i < ARRAY_LEN(calls); i++)
		for (int when = 1;; when++) {
			int status;

			put("swept", OLD);
			status = replace_under(self_path(), calls[i], "signal=KILL", when);
			if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
				break;
			killed++;
			old += !is_new();
			/* And the next writer gets through. */
			put("swept", NEW);
			assert_true(is_new());
		}
	assert_true(killed > (int)ARRAY_LEN(calls));
	assert_in_range(old, 1, killed);
}

static void a_failing_call_is_told_and_leaves_the_old_content(void **state)
{
	static const char *const failing[] = { "write", "fchmod", "renameat" };

	(void)state;
#ifdef __SANITIZE_THREAD__
	skip_named("ThreadSanitizer writes by itself, before we do");
#endif
	if (!strace_works())
		skip_named("strace cannot trace here");
	for (size_t i = 0; i < ARRAY_LEN(failing); i++) {
		int status;

		put("swept", OLD);
		status = replace_under(self_path(), failing[i], "error=ENOSPC", 1);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), -ERR_SPACE);
		assert_false(is_new());
		assert_false(file_exists(at(".swept.new")));
	}
}

static void directories_are_made_and_removed_whole(void **state)
{
	struct err e;

	(void)state;
	assert_ok(file_mkdirs(at("a/b/c"), 0755, &e));
	assert_ok(file_mkdirs(at("a/b/c"), 0755, &e));
	put("a/b/file", "x");
	put("kept", "kept");
	assert_int_equal(symlink(at("kept"), at("a/link")), 0);
	assert_int_equal(symlink(dir, at("a/dirlink")), 0);
	assert_ok(file_remove_tree(at("a"), &e));
	assert_false(file_exists(at("a")));
	assert_holds("kept", "kept");
	assert_ok(file_remove_tree(at("a"), &e));
	assert_int_equal(file_mkdirs(at("kept/x"), 0755, &e), ERR_IO);
	assert_refused(file_mkdirs(at("kept"), 0755, &e), ERR_IO, "kept: mkdir: Not a directory");
	assert_ok(file_mkdirs(at("a//b/"), 0755, &e));
	assert_true(file_exists(at("a/b")));
	assert_ok(file_remove_tree(at("a"), &e));
}

static void a_new_directory_that_is_not_durable_is_no_success(void **state)
{
	char path[300];
	int status;

	(void)state;
	if (!strace_works())
		skip_named("strace cannot trace here");
	snprintf(path, sizeof path, "%s", at("one/two"));
	for (int when = 1; when <= 2; when++) {
		struct err e;

		status = run_under(self_path(), "--mkdirs", path, "fsync", "error=EIO", when);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), -ERR_IO);
		assert_ok(file_remove_tree(at("one"), &e));
	}
}

static int note(const char *rel, bool is_dir, void *arg, struct err *e)
{
	(void)e;
	buf_addf(arg, "%s%s ", rel, is_dir ? "/" : "");
	return 0;
}

static int stop_at_b(const char *rel, bool is_dir, void *arg, struct err *e)
{
	(void)is_dir;
	buf_addf(arg, "%s ", rel);
	return strcmp(rel, "b") ? 0 : err_set(e, ERR_REFUSED, "enough");
}

static void a_walk_goes_in_byte_order_and_follows_nothing(void **state)
{
	AUTO(buf) struct buf *seen = buf_new(0);
	struct err e;

	(void)state;
	assert_ok(file_mkdirs(at("w/b"), 0755, &e));
	put("w/a", "");
	put("w/b/z", "");
	put("w/b/y", "");
	put("w/B", "");
	put("w/b-c", "");
	assert_ok(file_walk(at("w"), note, seen, &e));
	assert_string_equal(seen->data, "B a b/ b/y b/z b-c ");
	buf_clear(seen);
	assert_refused(file_walk(at("w"), stop_at_b, seen, &e), ERR_REFUSED, "enough");
	assert_string_equal(seen->data, "B a b ");
	assert_int_equal(symlink("a", at("w/c")), 0);
	assert_refused(file_walk(at("w"), note, seen, &e), ERR_REFUSED, "c: a symbolic link");
}

/* Another one at work in the same tree. */
static int note_and_spoil(const char *rel, bool is_dir, void *arg, struct err *e)
{
	if (strcmp(rel, "a") == 0) {
		assert_int_equal(unlink(at("live/b")), 0);
		assert_int_equal(rmdir(at("live/c")), 0);
	}
	if (strcmp(rel, "g") == 0)
		assert_int_equal(rmdir(at("live/g")), 0);
	return note(rel, is_dir, arg, e) < 0 ? e->code : strcmp(rel, "past") == 0 ? FILE_WALK_PAST : 0;
}

static void a_live_walk_passes_over_what_goes_away_and_what_it_is_told_to(void **state)
{
	AUTO(buf) struct buf *seen = buf_new(0);
	struct err e;

	(void)state;
	assert_ok(file_mkdirs(at("live/c"), 0755, &e));
	assert_ok(file_mkdirs(at("live/g"), 0755, &e));
	assert_ok(file_mkdirs(at("live/past"), 0755, &e));
	put("live/a", "");
	put("live/b", "");
	put("live/d", "");
	assert_int_equal(symlink("a", at("live/past/link")), 0);
	assert_ok(file_walk_live(at("live"), note_and_spoil, seen, &e));
	assert_string_equal(seen->data, "a d g/ past/ ");
	put("live/b", "");
	assert_ok(file_mkdirs(at("live/c"), 0755, &e));
	assert_refused(file_walk(at("live"), note_and_spoil, seen, &e), ERR_NOT_FOUND, "b: stat");
	assert_refused(file_walk_live(at("none"), note, seen, &e), ERR_NOT_FOUND, "none: open");
}

static void a_private_file_is_writable_by_nobody_else(void **state)
{
	AUTO(buf) struct buf *secret = NULL, *none = NULL;
	struct err e;

	(void)state;
	put("key", "secret");
	chmod(at("key"), 0600);
	assert_ok(file_check_private(at("key"), true, &e));
	assert_ok(file_read_secret(&secret, at("key"), 100, &e));
	assert_string_equal(secret->data, "secret");
	chmod(at("key"), 0644);
	assert_refused(file_read_secret(&none, at("key"), 100, &e), ERR_REFUSED, "key: mode 0644 lets others read");
	assert_null(none);
	assert_ok(file_check_private(at("key"), false, &e));
	assert_refused(file_check_private(at("key"), true, &e), ERR_REFUSED, "read");
	chmod(at("key"), 0620);
	assert_refused(file_check_private(at("key"), false, &e), ERR_REFUSED, "write");
	chmod(at("key"), 0600);
	if (geteuid() == 0) {
		assert_int_equal(chown(at("key"), 12345, 0), 0);
		assert_refused(file_check_private(at("key"), false, &e), ERR_REFUSED, "12345");
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_many_who_create_a_file_one_is_the_first),
		cmocka_unit_test(a_file_is_read_up_to_its_limit),
		cmocka_unit_test(what_is_no_regular_file_is_not_read),
		cmocka_unit_test(replacing_sets_content_and_mode_and_leaves_no_litter),
		cmocka_unit_test(a_left_over_temporary_file_does_not_stop_the_next_writer),
		cmocka_unit_test(a_writer_killed_at_any_call_leaves_old_or_new_whole),
		cmocka_unit_test(a_failing_call_is_told_and_leaves_the_old_content),
		cmocka_unit_test(directories_are_made_and_removed_whole),
		cmocka_unit_test(a_new_directory_that_is_not_durable_is_no_success),
		cmocka_unit_test(a_walk_goes_in_byte_order_and_follows_nothing),
		cmocka_unit_test(a_live_walk_passes_over_what_goes_away_and_what_it_is_told_to),
		cmocka_unit_test(a_private_file_is_writable_by_nobody_else),
	};
	struct err e;
	int failed;

	if (argc == 3 && !strcmp(argv[1], "--replace"))
		return -file_replace(argv[2], NEW, strlen(NEW), 0644, &e);
	if (argc == 3 && !strcmp(argv[1], "--mkdirs"))
		return -file_mkdirs(argv[2], 0755, &e);
	if (!mkdtemp(dir))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	return file_remove_tree(dir, &e) < 0 ? 1 : failed;
}
