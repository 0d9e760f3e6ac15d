/*
 * test_job: children that lie. A job starts "this same program" with a role;
 * here that is this test, whose main() then plays a hostile child. Whatever it
 * does, no slot appears but the one whose digest was wanted.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/home.h"
#include "agent/job.h"
#include "agent/slots.h"
#include "base/clock.h"
#include "base/file.h"
#include "test.h"

static char root[128];
static int channel_dir;
static struct settings settings;

static const char manifest[] = "{}\n", body[] = "hello\n";

/* ---- the children ---- */

static void member(const char *path, const char *bytes, uint64_t size, size_t len)
{
	static struct message_data d;
	struct message_member m = { .size = size };
	struct message_end end = { 0 };
	struct err e;

	snprintf(m.path, sizeof m.path, "%s", path);
	d.bytes.len = len;
	memcpy(d.bytes.data, bytes, len);
	(void)!message_send(SPAWN_SOCKET, MSG_MEMBER, &m, -1, &e);
	(void)!message_send(SPAWN_SOCKET, MSG_DATA, &d, -1, &e);
	(void)!message_send(SPAWN_SOCKET, MSG_END, &end, -1, &e);
}

static void file(const char *path, const char *bytes)
{
	member(path, bytes, strlen(bytes), strlen(bytes));
}

/* The same in one record. */
static void whole(const char *path, const char *bytes)
{
	static struct message_file f;
	struct err e;

	snprintf(f.path, sizeof f.path, "%s", path);
	f.bytes.len = strlen(bytes);
	memcpy(f.bytes.data, bytes, f.bytes.len);
	(void)!message_send(SPAWN_SOCKET, MSG_FILE, &f, -1, &e);
}

static void result(enum result_outcome outcome)
{
	struct message_result r = { .outcome = outcome };
	struct err e;

	snprintf(r.text, sizeof r.text, "says the child");
	(void)!message_send(SPAWN_SOCKET, MSG_RESULT, &r, -1, &e);
}

static void right(void)
{
	file("manifest.json", manifest);
	file("rules/a.json", body);
	result(RESULT_OK);
}

static void other_content(void)
{
	file("manifest.json", manifest);
	file("rules/a.json", "evil!\n");
	result(RESULT_OK);
}

static void one_file_more(void)
{
	file("manifest.json", manifest);
	file("rules/a.json", body);
	file("rules/b.json", body);
	result(RESULT_OK);
}

static void nothing_but_success(void)
{
	result(RESULT_OK);
}

static void path_escape(void)
{
	file("manifest.json", manifest);
	file("../../../../escaped", body);
	result(RESULT_OK);
}

static void absolute_path(void)
{
	file("/tmp/escaped", body);
	result(RESULT_OK);
}

static void too_large(void)
{
	file("manifest.json", manifest);
	member("rules/a.json", body, (uint64_t)1 << 40, 6);
	result(RESULT_OK);
}

static void more_bytes_than_announced(void)
{
	file("manifest.json", manifest);
	member("rules/a.json", body, 2, 6);
	result(RESULT_OK);
}

static void right_as_whole_files(void)
{
	whole("manifest.json", manifest);
	whole("rules/a.json", body);
	result(RESULT_OK);
}

static void whole_file_that_escapes(void)
{
	whole("manifest.json", manifest);
	whole("../../../../../../tmp/escaped", body);
	result(RESULT_OK);
}

static void whole_file_inside_a_member(void)
{
	struct message_member m = { .path = "manifest.json", .size = 3 };
	struct err e;

	(void)!message_send(SPAWN_SOCKET, MSG_MEMBER, &m, -1, &e);
	whole("rules/a.json", body);
	result(RESULT_OK);
}

static void whole_file_twice(void)
{
	whole("manifest.json", manifest);
	whole("rules/a.json", body);
	whole("rules/a.json", body);
	result(RESULT_OK);
}

static void whole_file_beyond_the_size(void)
{
	whole("manifest.json", manifest);
	for (char name[] = "rules/a.json"; name[6] <= 'z'; name[6]++) {
		static char much[400];

		memset(much, 'x', sizeof much - 1);
		whole(name, much);
	}
	result(RESULT_OK);
}

static void unfinished_member(void)
{
	struct message_member m = { .path = "manifest.json", .size = 3 };
	struct err e;

	(void)!message_send(SPAWN_SOCKET, MSG_MEMBER, &m, -1, &e);
	result(RESULT_OK);
}

static void from_the_old_slot(void)
{
	struct message_member m = { .path = "rules/a.json", .size = 6 };
	struct err e;

	file("manifest.json", manifest);
	(void)!message_send(SPAWN_SOCKET, MSG_SAME, &m, -1, &e);
	result(RESULT_OK);
}

static void words_out_of_place(void)
{
	struct message_token t = { .token = "give me more" };
	struct err e;

	(void)!message_send(SPAWN_SOCKET, MSG_TOKEN, &t, -1, &e);
}

static void noise(void)
{
	(void)!write(SPAWN_SOCKET, "\xff\xff noise", 8);
}

static void death_in_the_middle(void)
{
	file("manifest.json", manifest);
	abort();
}

static void silence(void)
{
	for (;;)
		pause();
}

static void refusal(void)
{
	result(RESULT_REFUSED);
}

static const struct {
	const char *name;
	void (*play)(void);
	enum result_outcome outcome;    /* what the job makes of it */
} children[] = {
	{ "right", right, RESULT_OK },
	{ "right, as whole files", right_as_whole_files, RESULT_OK },
	{ "whole file that escapes", whole_file_that_escapes, RESULT_REFUSED },
	{ "whole file inside a member", whole_file_inside_a_member, RESULT_REFUSED },
	{ "whole file twice", whole_file_twice, RESULT_REFUSED },
	{ "whole file beyond the size", whole_file_beyond_the_size, RESULT_REFUSED },
	{ "other content", other_content, RESULT_REFUSED },
	{ "one file more", one_file_more, RESULT_REFUSED },
	{ "nothing but success", nothing_but_success, RESULT_REFUSED },
	{ "path escape", path_escape, RESULT_REFUSED },
	{ "absolute path", absolute_path, RESULT_REFUSED },
	{ "too large", too_large, RESULT_REFUSED },
	{ "more bytes than announced", more_bytes_than_announced, RESULT_REFUSED },
	{ "unfinished member", unfinished_member, RESULT_REFUSED },
	{ "from the old slot", from_the_old_slot, RESULT_REFUSED },
	{ "words out of place", words_out_of_place, RESULT_RETRY },
	{ "noise", noise, RESULT_RETRY },
	{ "death in the middle", death_in_the_middle, RESULT_RETRY },
	{ "refusal", refusal, RESULT_REFUSED },
	{ "silence", silence, RESULT_RETRY },
};

/* Which child to play stands in a file: nothing else reaches it. */
static int play(const char *dir)
{
	AUTO(buf) struct buf *name = NULL;
	static struct message m;
	static const enum message_type any[] = { MSG_UNPACK, MSG_TRY, MSG_GO, 0 };
	char path[256];
	struct err e;

	/* Descriptors, environment: a child has what it needs and no more. */
	for (int fd = SPAWN_SOCKET + 1; fd < 256; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			return 3;
	if (getenv("SECRET"))
		return 4;
	if (message_receive(SPAWN_SOCKET, &m, any, 10000, &e) != 1)
		return 5;
	if (m.type == MSG_TRY)  /* a canary is told GO, a check is not */
		(void)!message_receive(SPAWN_SOCKET, &m, any, 100, &e);
	snprintf(path, sizeof path, "%s/play", dir);
	if (file_read(&name, path, 64, &e) < 0)
		return 6;
	for (size_t i = 0; i < ARRAY_LEN(children); i++)
		if (!strcmp(children[i].name, name->data))
			children[i].play();
	return 0;
}

/* ---- the tests ---- */

static struct digest wanted(void)
{
	AUTO(archive_digest) struct archive_digest *a = archive_digest_new();
	struct digest d;
	uint64_t size;
	struct err e;

	assert_ok(archive_digest_begin(a, "manifest.json", strlen(manifest), &e));
	assert_ok(archive_digest_data(a, manifest, strlen(manifest), &e));
	assert_ok(archive_digest_end(a, &e));
	assert_ok(archive_digest_begin(a, "rules/a.json", strlen(body), &e));
	assert_ok(archive_digest_data(a, body, strlen(body), &e));
	assert_ok(archive_digest_end(a, &e));
	assert_ok(archive_digest_finish(a, &d, &size, &e));
	return d;
}

static struct job_result finished(struct job *j, int64_t within_ms)
{
	int64_t until = clock_work_ms() + 30000;
	struct job_result r;

	if (within_ms)
		j->deadline = clock_work_ms() + within_ms;
	while (job_turn(j, &r) == 0) {
		struct pollfd p = { .fd = j->child.sock, .events = POLLIN };

		assert_true(clock_work_ms() < until);
		poll(&p, 1, 20);
	}
	assert_int_equal(j->kind, JOB_NONE);
	assert_int_equal(j->child.pid, 0);
	return r;
}

static void say_what_to_play(const char *name)
{
	char path[256];
	struct err e;

	snprintf(path, sizeof path, "%s/play", root);
	assert_ok(file_replace(path, name, strlen(name), 0644, &e));
}

static size_t entries_of_slots(void)
{
	size_t n = 0;
	int fd = openat(channel_dir, "slots", O_RDONLY | O_DIRECTORY);
	DIR *list = fdopendir(fd);

	assert_non_null(list);
	for (struct dirent *e; (e = readdir(list));)
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	closedir(list);
	return n;
}

static void only_the_wanted_digest_ever_becomes_a_slot(void **state)
{
	struct digest want = wanted();
	struct message_unpack u = { .digest = want, .size = 4096 };
	struct err e;

	(void)state;
	for (size_t i = ARRAY_LEN(children); i-- > 0;) {
		AUTO_FD int null = open("/dev/null", O_RDONLY);
		struct job_result r;
		struct job j;

		say_what_to_play(children[i].name);
		assert_ok(job_unpack(&j, &settings, null, channel_dir, &u, &e));
		r = finished(&j, children[i].play == silence ? 100 : 0);
		if (r.outcome != children[i].outcome)
			fail_msg("%s: outcome %d (%s)", children[i].name, r.outcome, r.text);
		assert_int_equal(slots_have(channel_dir, &want), children[i].outcome == RESULT_OK);
		assert_int_equal(entries_of_slots(), children[i].outcome == RESULT_OK);
	}
	assert_false(file_exists("/tmp/escaped"));
}

static void a_check_or_canary_can_refuse_or_delay_and_nothing_else(void **state)
{
	static struct message_attempt t = { .slot = "/nowhere", .channel = "edr" };
	static const struct { const char *play; enum result_outcome outcome; } cases[] = {
		{ "nothing but success", RESULT_OK }, { "refusal", RESULT_REFUSED }, { "words out of place", RESULT_RETRY },
		{ "noise", RESULT_RETRY }, { "other content", RESULT_RETRY },
	};
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct job j;

		say_what_to_play(cases[i].play);
		assert_ok(job_check(&j, &settings, &t, &e));
		assert_int_equal(finished(&j, 0).outcome, cases[i].outcome);
		assert_ok(job_canary(&j, &settings, &t, NULL, 0, 1000, &e));
		assert_int_equal(finished(&j, 0).outcome, cases[i].outcome);
	}
	assert_int_equal(entries_of_slots(), 0);
}

static void a_job_that_is_stopped_leaves_no_process_and_no_trace(void **state)
{
	struct message_unpack u = { .digest = wanted(), .size = 4096 };
	AUTO_FD int null = open("/dev/null", O_RDONLY);
	struct job j;
	pid_t pid;
	struct err e;

	(void)state;
	say_what_to_play("silence");
	assert_ok(job_unpack(&j, &settings, null, channel_dir, &u, &e));
	pid = j.child.pid;
	job_stop(&j);
	assert_int_equal(kill(pid, 0), -1);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(entries_of_slots(), 0);
	job_stop(&j);
}

static int setup(void **state)
{
	static char none[] = "";
	const char *tmp = getenv("TMPDIR");
	struct err e;

	(void)state;
	setenv("SECRET", "of the supervisor", 1);
	snprintf(root, sizeof root, "%s/ringhold-job.XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(root) || home_make_channel(root, "edr", &e) < 0)
		return -1;
	settings = (struct settings){ .root = root, .fetch_user = none, .judge_user = none, .unpack_user = none, .canary_user = none };
	channel_dir = home_open(root, HOME_CHANNELS "/edr", &e);
	return channel_dir >= 0 ? 0 : -1;
}

static int teardown(void **state)
{
	struct err e;

	(void)state;
	close(channel_dir);
	return file_remove_tree(root, &e);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(only_the_wanted_digest_ever_becomes_a_slot, setup, teardown),
		cmocka_unit_test_setup_teardown(a_check_or_canary_can_refuse_or_delay_and_nothing_else, setup, teardown),
		cmocka_unit_test_setup_teardown(a_job_that_is_stopped_leaves_no_process_and_no_trace, setup, teardown),
	};

	if (argc == 5 && !strcmp(argv[1], "--role"))
		return play(argv[4]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
