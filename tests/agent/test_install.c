/* test_install: content brought to a host by hand, as a file and as a mirror directory, with the real agent. */
#include <dirent.h>

#include "as_published.h"
#include "endpoint_story.h"

/* ---- bytes that no repository serves ---- */

static char *beside(const struct endpoint *p, const char *name)
{
	static char path[4][300];
	static unsigned next;
	char *out = path[next++ % 4];

	snprintf(out, sizeof path[0], "%s/%s", p->dir, name);
	return out;
}

/* Takes the archive out of the repository, as a stick would carry it. */
static void carry(struct endpoint *p, const struct published *b, const char *to)
{
	char *archive;
	struct err e;

	assert_ok(repo_target_file(p->published, b->path, &archive, &e));
	endpoint_copy(archive, to);
	assert_int_equal(unlink(archive), 0);
	free(archive);
}

/* Of a directory of the host: bytes in its files. */
static int64_t bytes_below(const struct endpoint *p, const char *below)
{
	char path[512];
	int64_t sum = 0;
	struct dirent *entry;
	DIR *d;

	snprintf(path, sizeof path, "%s%s", p->root, below);
	d = opendir(path);
	while (d && (entry = readdir(d))) {
		struct stat st;

		if (fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
			sum += st.st_size;
	}
	if (d)
		closedir(d);
	return sum;
}

static void assert_nothing_left(const struct endpoint *p)
{
	assert_int_equal(bytes_below(p, HOME_CHANNELS "/edr/incoming"), 0);
	assert_int_equal(bytes_below(p, HOME_STATE "/install"), 0);
}

/* Exit status of install; its words hold `says`. */
static void assert_install(struct endpoint *p, const char *path, int status, const char *says)
{
	char *out;
	int got = endpoint_command(p, &out, "install", path, NULL);

	if (got != status || !strstr(out, says)) {
		endpoint_print_log(p);
		fail_msg("exit status %d, wanted %d and \"%s\":\n%s", got, status, says, out);
	}
	free(out);
}

/* The same for programs: one outcome, as schema/ has it. */
static void assert_install_json(struct endpoint *p, const char *path, int status, const char *outcome)
{
	char want[64], *out;
	int got = endpoint_command(p, &out, "install", path, "--json");
	char *start = strchr(out, '{'), *end = strrchr(out, '}');

	assert_true(start && end);      /* an error's sentence stands beside it, on standard error */
	end[1] = '\0';
	snprintf(want, sizeof want, "\"outcome\": \"%s\"", outcome);
	if (got != status || !strstr(out, want))
		fail_msg("exit status %d, wanted %d and %s:\n%s", got, status, want, out);
	assert_as_published("schema/agent-install.schema.json", start);
	free(out);
}

static void once(struct endpoint *p)
{
	assert_int_equal(endpoint_command(p, NULL, "run", "--once", NULL), 0);
}

/* Assigned and known here, its bytes only at `to`; no agent runs. */
static struct published only_by_hand(struct endpoint *p, const char *to)
{
	struct published one = endpoint_bundle(p, GOOD, 110, NULL);

	endpoint_assign(p, &one, NULL, 1, 20, 0);
	carry(p, &one, to);
	once(p);
	return one;
}

static bool fetching(const struct seen *s, const void *arg)
{
	(void)arg;
	return s->state.phase == PHASE_FETCHING && s->state.tries > 0;
}

/* ---- a file ---- */

static void the_assigned_archive_is_taken_from_a_file_while_the_agent_runs(void **state)
{
	struct endpoint *p = *state;
	struct published one;
	char *file;

	NEED_AGENT(p);
	file = beside(p, "one.tar.gz");
	one = endpoint_bundle(p, GOOD, 110, NULL);
	endpoint_assign(p, &one, NULL, 1, 20, 0);
	carry(p, &one, file);
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_until(p, "it cannot be downloaded", fetching, NULL, 0);
	assert_install(p, file, 0, "serial 110 is here");
	endpoint_until(p, "it is committed", endpoint_runs_committed, &one, 1000);
	assert_true(endpoint_has_history(p, "local-install"));
	assert_nothing_left(p);
	assert_install(p, file, 0, "runs already");
	assert_install_json(p, file, 0, "running");
}

static void it_is_taken_without_an_agent_and_goes_on_when_one_runs(void **state)
{
	struct endpoint *p = *state;
	struct published one;
	char *file;

	NEED_AGENT(p);
	file = beside(p, "one.tar.gz");
	one = only_by_hand(p, file);
	assert_install(p, file, 0, "goes on when the agent runs");
	assert_true(bytes_below(p, HOME_CHANNELS "/edr/incoming") > 0);
	assert_install(p, file, 0, "serial 110 is here");
	assert_install_json(p, file, 0, "needs-agent");
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_until(p, "it is committed", endpoint_runs_committed, &one, 1000);
	assert_nothing_left(p);
}

static void other_bytes_are_refused_with_the_hashes_of_both(void **state)
{
	struct endpoint *p = *state;
	AUTO(buf) struct buf *bytes = NULL;
	char hex[DIGEST_HEX_LEN + 1];
	struct digest sha256;
	char *file, *bad;
	struct err e;

	NEED_AGENT(p);
	file = beside(p, "one.tar.gz");
	bad = beside(p, "bad.tar.gz");
	only_by_hand(p, file);
	assert_ok(file_read(&bytes, file, 1 << 24, &e));
	hash_bytes(&sha256, bytes->data, bytes->len);
	digest_hex(hex, &sha256);
	bytes->data[bytes->len / 2] ^= 1;
	assert_ok(file_replace(bad, bytes->data, bytes->len, 0644, &e));
	assert_install(p, bad, 1, hex);
	hash_bytes(&sha256, bytes->data, bytes->len);
	digest_hex(hex, &sha256);
	assert_install(p, bad, 1, hex);
	assert_ok(file_replace(bad, "", 0, 0644, &e));
	assert_install(p, bad, 1, "assigned is serial 110");
	assert_install_json(p, bad, 1, "refused");
	assert_nothing_left(p);
}

static void an_older_serial_and_another_channels_archive_are_refused(void **state)
{
	struct endpoint *p = *state;
	struct published old, other, new;
	char *older, *newer, *others;

	NEED_AGENT(p);
	older = beside(p, "old.tar.gz");
	newer = beside(p, "new.tar.gz");
	others = beside(p, "other.tar.gz");
	old = endpoint_bundle(p, GOOD, 109, NULL);
	new = endpoint_bundle(p, GOOD, 110, NULL);
	other = endpoint_bundle_of(p, "waf", GOOD, 110, NULL);
	endpoint_assign(p, &new, NULL, 1, 20, 0);
	carry(p, &old, older);
	carry(p, &new, newer);
	carry(p, &other, others);
	once(p);
	assert_install(p, older, 1, "assigned is serial 110");
	assert_install(p, others, 1, "assigned is serial 110");
	assert_nothing_left(p);
}

static void stopped_and_held_content_is_refused_with_the_reason(void **state)
{
	struct endpoint *p = *state;
	struct published one;
	char *file;

	NEED_AGENT(p);
	file = beside(p, "one.tar.gz");
	one = only_by_hand(p, file);
	assert_int_equal(endpoint_command(p, NULL, "hold", "edr", NULL), 0);
	once(p);
	assert_install(p, file, 1, "held");
	assert_int_equal(endpoint_command(p, NULL, "unhold", "edr", NULL), 0);
	endpoint_stop(p, &one);
	once(p);
	assert_install(p, file, 1, "stopped");
	assert_nothing_left(p);
}

static void what_this_host_quarantined_is_refused(void **state)
{
	struct endpoint *p = *state;
	struct published one;
	char *file;

	NEED_AGENT(p);
	file = beside(p, "one.tar.gz");
	one = only_by_hand(p, file);
	struct quarantine q = { .digest = one.digest, .attempt = 1, .at = clock_now(), .cause = "benign", .evidence = "too many matches" };
	struct trial t;
	struct err e;

	assert_ok(trial_open(&t, p->root, "edr", &e));
	assert_ok(quarantine_add(t.dir, &q, &e));
	trial_close(&t);
	assert_install(p, file, 1, "quarantine");
	assert_nothing_left(p);
}

static void expired_metadata_lets_nothing_in(void **state)
{
	struct endpoint *p = *state;
	char *file;

	NEED_AGENT(p);
	file = beside(p, "one.tar.gz");
	only_by_hand(p, file);
	*p->clock_ms += (int64_t)3 * 86400 * 1000;
	assert_install(p, file, 1, "at most 3600 count");
	assert_nothing_left(p);
}

static void what_is_no_file_of_its_own_is_refused(void **state)
{
	struct endpoint *p = *state;
	char *file, *alias, *fifo;

	NEED_AGENT(p);
	file = beside(p, "one.tar.gz");
	alias = beside(p, "link");
	fifo = beside(p, "fifo");
	only_by_hand(p, file);
	assert_int_equal(symlink(file, alias), 0);
	assert_int_equal(mkfifo(fifo, 0644), 0);
	assert_install(p, alias, 1, "symbolic link");
	assert_install(p, fifo, 1, "neither a file nor a directory");
	assert_install(p, "/dev/null", 1, "neither a file nor a directory");
	assert_install(p, beside(p, "absent"), 1, "absent");
	assert_install(p, p->dir, 1, "no such directory");
	assert_nothing_left(p);
}

/* A kill leaves a copy that is half or whole; neither is taken for anything, and both go. */
static void a_copy_that_was_cut_short_goes(void **state)
{
	struct endpoint *p = *state;
	char *file;

	NEED_AGENT(p);
	file = beside(p, "one.tar.gz");
	only_by_hand(p, file);
	endpoint_write(p, HOME_STATE "/install/new", "half of", 0600);
	endpoint_write(p, HOME_STATE "/install/0123", "whole", 0600);
	once(p);
	assert_nothing_left(p);
	endpoint_write(p, HOME_STATE "/install/new", "half of", 0600);
	assert_install(p, file, 0, "serial 110 is here");
	assert_int_equal(bytes_below(p, HOME_STATE "/install"), 0);
}

/* At any moment: what lies where downloads lie is nothing or the whole archive. */
static void a_command_that_is_killed_leaves_nothing_half_done(void **state)
{
	struct endpoint *p = *state;
	char *file;
	struct stat st;

	NEED_AGENT(p);
	file = beside(p, "one.tar.gz");
	only_by_hand(p, file);
	assert_int_equal(stat(file, &st), 0);
	for (int ms = 0; ms < 200; ms += 10) {
		pid_t pid = fork();
		int64_t there;

		assert_true(pid >= 0);
		if (pid == 0) {
			int null = open("/dev/null", O_WRONLY);

			dup2(null, STDOUT_FILENO);
			dup2(null, STDERR_FILENO);
			execl(p->bin, "ringhold-agent", "install", "--root", p->root, file, (char *)NULL);
			_exit(127);
		}
		poll(NULL, 0, ms);
		kill(pid, SIGKILL);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		there = bytes_below(p, HOME_CHANNELS "/edr/incoming");
		assert_true(there == 0 || there == st.st_size);
	}
	assert_install(p, file, 0, "serial 110 is here");
	assert_int_equal(bytes_below(p, HOME_CHANNELS "/edr/incoming"), st.st_size);
	assert_int_equal(bytes_below(p, HOME_STATE "/install"), 0);
}

/* ---- a mirror directory ---- */

/* The configured repository is out of reach, and there is no server. */
static int cut_off(void **state)
{
	struct endpoint *p;

	if (endpoint_setup(state) < 0)
		return -1;
	p = *state;
	endpoint_write(p, "/etc/ringhold/agent.ini",
		       "[agent]\ncontent-url = file:///nonexistent/ringhold\nattributes = ring=canary\npoll = 5s\nboot-ok = 60s\n\n"
		       "[channel edr]\nsensor-wait = 2s\n", 0644);
	return 0;
}

static void a_mirror_brings_metadata_and_content_to_a_host_without_any_network(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;

	NEED_AGENT(p);
	one = endpoint_bundle(p, GOOD, 110, NULL);
	endpoint_assign(p, &one, NULL, 1, 20, 0);
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	assert_install(p, p->repo, 0, "on trial");
	endpoint_until(p, "it is committed", endpoint_runs_committed, &one, 1000);
	two = endpoint_bundle(p, GOOD, 111, NULL);
	endpoint_assign(p, &two, &one, 1, 20, 0);
	assert_install(p, p->repo, 0, "serial 111 is here");
	endpoint_until(p, "the next one is committed", endpoint_runs_committed, &two, 1000);
	assert_true(endpoint_has_history(p, "metadata comes from"));
	assert_install(p, p->repo, 0, "runs");
	assert_install_json(p, p->repo, 0, "nothing");
	endpoint_stop(p, &two);
	assert_install(p, p->repo, 0, "");
	endpoint_until(p, "the stop is obeyed", endpoint_runs_committed, &one, 1000);
	assert_nothing_left(p);
}

static void a_mirror_is_read_without_an_agent_too(void **state)
{
	struct endpoint *p = *state;
	struct published one;

	NEED_AGENT(p);
	one = endpoint_bundle(p, GOOD, 110, NULL);
	endpoint_assign(p, &one, NULL, 1, 20, 0);
	assert_install(p, p->repo, 0, "goes on when the agent runs");
	assert_true(bytes_below(p, HOME_CHANNELS "/edr/incoming") > 0);
}

static void a_ring_that_gives_permits_still_needs_one(void **state)
{
	struct endpoint *p = *state;
	struct published one;

	NEED_AGENT(p);
	p->gated = true;
	one = endpoint_bundle(p, GOOD, 110, NULL);
	endpoint_assign(p, &one, NULL, 1, 20, 0);
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_agent_up(p);
	assert_install(p, p->repo, 0, "waits for the permit of its server");
	assert_install_json(p, p->repo, 0, "under-way");
	struct seen s = endpoint_look(p);

	assert_int_equal(s.state.phase, PHASE_VALIDATED);
	assert_true(digest_is_zero(&s.running));
}

/* Like the network path, which would have refused the same bytes. */
static void what_was_tampered_with_in_a_mirror_is_refused(void **state)
{
	struct endpoint *p = *state;
	AUTO(buf) struct buf *timestamp = NULL;
	struct published one;
	char *archive, path[512], alias[512];
	struct err e;

	NEED_AGENT(p);
	one = endpoint_bundle(p, GOOD, 110, NULL);
	endpoint_assign(p, &one, NULL, 1, 20, 0);
	snprintf(path, sizeof path, "%s/metadata/timestamp.json", p->repo);
	assert_ok(file_read(&timestamp, path, 1 << 20, &e));
	char *version = strstr(timestamp->data, "\"version\"");
	assert_non_null(version);
	version += strcspn(version, "0123456789");
	char was = *version;
	*version = was == '9' ? '8' : was + 1;
	assert_ok(file_replace(path, timestamp->data, timestamp->len, 0644, &e));
	assert_install(p, p->repo, 1, "signature");
	*version = was;
	assert_ok(file_replace(path, timestamp->data, timestamp->len, 0644, &e));
	assert_ok(repo_target_file(p->published, one.path, &archive, &e));
	assert_ok(file_replace(archive, "other bytes", 11, 0644, &e));
	free(archive);
	assert_install(p, p->repo, 1, "assigned is serial 110");
	snprintf(alias, sizeof alias, "%s/link", p->dir);
	assert_int_equal(symlink(p->repo, alias), 0);
	assert_install(p, alias, 1, "link");
	assert_nothing_left(p);
}

#define HOST_TEST(f) cmocka_unit_test_setup_teardown(f, endpoint_setup, endpoint_teardown)
#define MIRROR_TEST(f) cmocka_unit_test_setup_teardown(f, cut_off, endpoint_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		HOST_TEST(the_assigned_archive_is_taken_from_a_file_while_the_agent_runs),
		HOST_TEST(it_is_taken_without_an_agent_and_goes_on_when_one_runs),
		HOST_TEST(other_bytes_are_refused_with_the_hashes_of_both),
		HOST_TEST(an_older_serial_and_another_channels_archive_are_refused),
		HOST_TEST(stopped_and_held_content_is_refused_with_the_reason),
		HOST_TEST(what_this_host_quarantined_is_refused),
		HOST_TEST(expired_metadata_lets_nothing_in),
		HOST_TEST(what_is_no_file_of_its_own_is_refused),
		HOST_TEST(a_copy_that_was_cut_short_goes),
		MIRROR_TEST(a_mirror_brings_metadata_and_content_to_a_host_without_any_network),
		HOST_TEST(a_command_that_is_killed_leaves_nothing_half_done),
		MIRROR_TEST(a_ring_that_gives_permits_still_needs_one),
		MIRROR_TEST(a_mirror_is_read_without_an_agent_too),
		MIRROR_TEST(what_was_tampered_with_in_a_mirror_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
