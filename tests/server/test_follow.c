/* test_follow: a server whose rings take in what another authority's repository publishes, and nothing else. */
#include <sys/mman.h>

#include "base/json.h"
#include "office.h"
#include "rollout/stops.h"
#include "server/config.h"

/* Time is injected: looks are a second apart, and nobody waits for it. */
static volatile int64_t *clock_ms;
static char clock_path[256];

struct both {
	struct fixture *vendor;         /* a repository with keys of its own, served as files; no server */
	struct office *ours;
};

static void copy_root(const struct fixture *from, const struct fixture *to)
{
	AUTO_FREE char *path = fixture_path(from, "data/repository/metadata/1.root.json");
	AUTO(buf) struct buf *root = NULL;
	struct err e;

	assert_ok(file_read(&root, path, 1 << 20, &e));
	fixture_write(to, "vendor.root.json", root->data);
}

/* more: further lines of the section. */
static void open_both(void **state, bool right_root, const char *more)
{
	struct both *b = calloc(1, sizeof *b);
	struct fixture *stranger = fixture_new();
	char ini[1024];

	*state = b;
	b->vendor = fixture_new();
	copy_root(right_root ? b->vendor : stranger, b->vendor);
	snprintf(ini, sizeof ini, "[follow works]\nurl = file://%s\nroot = %s/vendor.root.json\nchannels = edr\npoll = 1s\n%s",
		 b->vendor->repository, b->vendor->dir, more);
	b->ours = office_open(ini);
	fixture_free(stranger);
}

static int setup(void **state)
{
	open_both(state, true, "");
	return 0;
}

static int setup_manual(void **state)
{
	open_both(state, true, "automatic = no\n");
	return 0;
}

static int setup_stranger(void **state)
{
	open_both(state, false, "");
	return 0;
}

static int teardown(void **state)
{
	struct both *b = *state;

	office_close(b->ours);
	fixture_free(b->vendor);
	free(b);
	return 0;
}

/* ---- the vendor ---- */

/* A bundle of the vendor's, with the digest that the role claims for it. */
static void vendor_lists(struct fixture *f, uint64_t serial, const char *rules, const char *claimed, char hex[DIGEST_HEX_LEN + 1])
{
	AUTO(repo) struct repo *r = NULL;
	struct fixture_bundle b;
	char custom[512], path[PATH_LEN_MAX + 1];
	struct err e;

	fixture_bundle(f, &b, serial, rules);
	digest_hex(hex, &b.bundle->digest);
	bundle_path(path, "edr", serial);
	snprintf(custom, sizeof custom,
		 "{\"ringhold\":{\"kind\":\"full\",\"channel\":\"edr\",\"serial\":%llu,\"version\":\"%s\",\"digest\":\"%s\",\"size\":%llu}}",
		 (unsigned long long)serial, b.bundle->manifest->version, claimed ? claimed : hex, (unsigned long long)b.bundle->size);
	assert_ok(repo_open(&r, f->repository, &e));
	assert_ok(repo_put_target(r, "content-edr", path, b.bundle->archive->data, b.bundle->archive->len, custom, &e));
	assert_ok(repo_publish(r, f->all, clock_now(), &e));
	fixture_bundle_release(&b);
}

static void vendor_stops(struct fixture *f, const char *hex)
{
	AUTO(stops) struct stops *s = stops_new(STOPS_STOP, "edr");
	AUTO(buf) struct buf *text = buf_new(0);
	AUTO(repo) struct repo *r = NULL;
	struct stop_entry entry = { .at = clock_now(), .reason = "the vendor found a defect" };
	struct err e;

	assert_true(digest_parse(&entry.digest, hex, DIGEST_HEX_LEN));
	assert_ok(stops_add(s, &entry, &e));
	assert_ok(stops_write(text, s, &e));
	assert_ok(repo_open(&r, f->repository, &e));
	assert_ok(repo_put_target(r, "stop", "stop/edr/stops.json", text->data, text->len, NULL, &e));
	assert_ok(repo_publish(r, f->all, clock_now(), &e));
}

/* ---- what our server says of it ---- */

/* Asks until every word is in the answer. */
static void until_said(struct office *o, const char *const *command, const char *const *words)
{
	int64_t until = clock_work_ms() + LIMIT_MS;

	for (;;) {
		bool all = true;

		assert_int_equal(tool(o, "", command), 0);
		for (const char *const *w = words; *w; w++)
			all = all && strstr(o->said, *w);
		if (all)
			return;
		if (clock_work_ms() > until)
			fail_msg("never \"%s\"...: %s", words[0], o->said);
		*clock_ms += 1000;
		poll(NULL, 0, 20);
	}
}

#define UNTIL(o, command, ...) until_said(o, command, (const char *const[]){ __VA_ARGS__, NULL })

static const char *const followed[] = { "followed", "--json", NULL };
static const char *const rollouts[] = { "rollout", "list", "--json", NULL };

static struct buf *assignment_of(const struct office *o)
{
	AUTO(repo) struct repo *r = NULL;
	struct buf *text = NULL;
	struct err e;

	assert_ok(repo_open(&r, o->f->repository, &e));
	return repo_read_target(r, "rings/canary/edr.json", 1 << 20, &text, &e) == 0 ? text : NULL;
}

static void what_the_vendor_publishes_begins_its_way_here_and_the_newest_counts(void **state)
{
	struct both *b = *state;
	char one[DIGEST_HEX_LEN + 1], two[DIGEST_HEX_LEN + 1];

	NEED(b->ours);
	vendor_lists(b->vendor, 5, "one", NULL, one);
	UNTIL(b->ours, followed, "\"started\"", "\"serial\": 5");
	UNTIL(b->ours, rollouts, one, "follow:works");
	AUTO(buf) struct buf *assigned = assignment_of(b->ours);
	assert_non_null(assigned);
	assert_non_null(strstr(assigned->data, one));
	/* The bundle itself is the vendor's to publish, not ours. */
	AUTO_FREE char *copy = fixture_path(b->ours->f, "data/repository/targets/bundles/edr");
	assert_false(file_exists(copy));
	vendor_lists(b->vendor, 6, "two", NULL, two);
	vendor_lists(b->vendor, 7, "three", NULL, two);
	UNTIL(b->ours, followed, "\"serial\": 7", "\"started\"");
	UNTIL(b->ours, rollouts, two);
}

static void a_restart_begins_nothing_twice(void **state)
{
	struct both *b = *state;
	AUTO_FREE char *listening = fixture_path(b->ours->f, "data/listening");
	char one[DIGEST_HEX_LEN + 1];
	const char *at;

	NEED(b->ours);
	vendor_lists(b->vendor, 5, "one", NULL, one);
	UNTIL(b->ours, rollouts, one);
	kill(b->ours->pid, SIGKILL);
	waitpid(b->ours->pid, NULL, 0);
	unlink(listening);
	office_start(b->ours);
	UNTIL(b->ours, followed, "\"started\"", "\"rollout\": 1");
	assert_int_equal(tool(b->ours, "", rollouts), 0);
	at = strstr(b->ours->said, one);
	assert_non_null(at);
	assert_null(strstr(at + 1, one));
}

static void without_automatic_a_person_begins_it(void **state)
{
	struct both *b = *state;
	char one[DIGEST_HEX_LEN + 1];

	NEED(b->ours);
	vendor_lists(b->vendor, 5, "one", NULL, one);
	UNTIL(b->ours, followed, "\"waiting\"", "\"serial\": 5");
	assert_null(assignment_of(b->ours));
	assert_int_not_equal(TOOL(b->ours, "", "rollout", "start", "edr", "4"), 0);
	assert_int_not_equal(TOOL(b->ours, "", "rollout", "start", "av", "5"), 0);
	assert_int_equal(TOOL(b->ours, "", "rollout", "start", "edr", "5", "--reason", "looked at"), 0);
	UNTIL(b->ours, rollouts, one);
	assert_int_not_equal(TOOL(b->ours, "", "rollout", "start", "edr", "5"), 0);
	expect_said(b->ours, "began already");
}

/* Signed by the vendor's own keys, and still not what it says it is. */
static void an_archive_that_is_not_its_digest_is_refused(void **state)
{
	struct both *b = *state;
	char hex[DIGEST_HEX_LEN + 1];

	NEED(b->ours);
	vendor_lists(b->vendor, 5, "one", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", hex);
	UNTIL(b->ours, followed, "\"refused\"", "\"serial\": 5");
	assert_int_equal(tool(b->ours, "", rollouts), 0);
	assert_null(strstr(b->ours->said, "\"serial\""));
}

static void what_the_vendor_stops_is_halted_or_never_begins(void **state)
{
	struct both *b = *state;
	char one[DIGEST_HEX_LEN + 1], two[DIGEST_HEX_LEN + 1];

	NEED(b->ours);
	vendor_lists(b->vendor, 5, "one", NULL, one);
	UNTIL(b->ours, rollouts, one);
	vendor_stops(b->vendor, one);
	UNTIL(b->ours, rollouts, one, "\"rolled-back\"");
	assert_null(assignment_of(b->ours));
	vendor_lists(b->vendor, 6, "one", NULL, two);   /* the same text under another serial is another digest */
	UNTIL(b->ours, rollouts, two);
}

static void another_authoritys_root_lets_nothing_in(void **state)
{
	struct both *b = *state;
	char one[DIGEST_HEX_LEN + 1];

	NEED(b->ours);
	vendor_lists(b->vendor, 5, "one", NULL, one);
	UNTIL(b->ours, followed, "\"trouble\": \"", "\"none\"");
	assert_int_equal(tool(b->ours, "", rollouts), 0);
	assert_null(strstr(b->ours->said, one));
}

static void a_section_that_says_too_little_or_too_much_is_an_error_with_its_name(void **state)
{
	static const struct { const char *text, *says; } bad[] = {
		{ "[follow Works]\nurl = https://x\nroot = r\nchannels = edr\n", "follow Works" },
		{ "[follow works]\nroot = r\nchannels = edr\n", "url" },
		{ "[follow works]\nurl = ftp://x\nroot = r\nchannels = edr\n", "ftp://x" },
		{ "[follow works]\nurl = https://x\nroot = r\n", "channels" },
		{ "[follow works]\nurl = https://x\nroot = r\nchannels = edr ../x\n", "../x" },
		{ "[follow a]\nurl = https://x\nroot = r\nchannels = edr\n[follow b]\nurl = https://y\nroot = r\nchannels = av edr\n",
		  "comes from a already" },
		{ "[follow a]\nurl = https://x\nroot = r\nchannels = edr\nspeed = 1\n", "speed" },
	};
	struct both *b = *state;
	struct config *c;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		AUTO_FREE char *path = fixture_path(b->vendor, "bad.ini");
		char text[512];

		snprintf(text, sizeof text, "data = /x\n%s", bad[i].text);
		fixture_write(b->vendor, "bad.ini", text);
		assert_refused(config_read(&c, path, &e), ERR_USAGE, bad[i].says);
	}
}

static int clock_up(void **state)
{
	const char *tmp = getenv("TMPDIR");
	int fd;

	(void)state;
	snprintf(clock_path, sizeof clock_path, "%s/ringhold-clock.XXXXXX", tmp ? tmp : "/tmp");
	fd = mkstemp(clock_path);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, sizeof *clock_ms), 0);
	clock_ms = mmap(NULL, sizeof *clock_ms, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(clock_ms != MAP_FAILED);
	close(fd);
	return setenv("RINGHOLD_TEST_CLOCK", clock_path, 1);
}

static int clock_down(void **state)
{
	(void)state;
	munmap((void *)(uintptr_t)clock_ms, sizeof *clock_ms);
	return unlink(clock_path);
}

#define TEST(name, up) cmocka_unit_test_setup_teardown(name, up, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_the_vendor_publishes_begins_its_way_here_and_the_newest_counts, setup),
		TEST(a_restart_begins_nothing_twice, setup),
		TEST(without_automatic_a_person_begins_it, setup_manual),
		TEST(an_archive_that_is_not_its_digest_is_refused, setup),
		TEST(what_the_vendor_stops_is_halted_or_never_begins, setup),
		TEST(a_section_that_says_too_little_or_too_much_is_an_error_with_its_name, setup),
		TEST(another_authoritys_root_lets_nothing_in, setup_stranger),
	};

	return cmocka_run_group_tests(tests, clock_up, clock_down);
}
