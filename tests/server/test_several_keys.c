/*
 * test_several_keys: roles of several people. The first one's command opens a
 * signing request, the last signature publishes, and then everything goes on
 * as if one had signed for all.
 */
#include <dirent.h>
#include <sys/stat.h>

#include "office.h"
#include "rollout/approvals.h"
#include "rollout/stops.h"
#include "signing/sigreq.h"

#define ID_LEN SIGREQ_ID_LEN

static const char *const two_of_three[] = { "second", "third" };

static struct err e;

static char *key_file(const struct office *o, const char *name)
{
	char *path = NULL;

	assert_true(asprintf(&path, "%s/%s.pem", o->f->dir, name) > 0);
	return path;
}

static void make_key(const struct office *o, const char *name)
{
	AUTO_FREE char *path = key_file(o, name);
	AUTO(seckey) struct seckey *k = NULL;

	assert_ok(seckey_generate(&k, &e));
	assert_ok(seckey_save(k, path, NULL, &e));
}

static int setup(void **state)
{
	struct office *o = office_open("");

	*state = o;
	if (!o->pid)
		return 0;
	hand_out(o->f, "targets");
	hand_out(o->f, "fleet");
	for (size_t i = 0; i < ARRAY_LEN(two_of_three); i++)
		make_key(o, two_of_three[i]);
	return 0;
}

static int teardown(void **state)
{
	office_close(*state);
	return 0;
}

#define OK(o, role, ...)                                                \
	do {                                                            \
		if (TOOL(o, role, __VA_ARGS__) != 0)                    \
			fail_msg("%s: %s", #__VA_ARGS__, (o)->said);    \
	} while (0)

/* From now on the role wants two of three signatures; what stands is signed again by two in the same request. */
static void want_two(struct office *o, const char *role)
{
	AUTO_FREE char *second = key_file(o, "second"), *third = key_file(o, "third"), *first = key_file(o, role);

	OK(o, "targets", "delegate", "set", role, "--public", second, "--public", third, "--threshold", "2", "--yes", "--key", first, "--key",
	   second);
	expect_said(o, "published");
}

/* The request that the last command opened. */
static void opened(const struct office *o, char id[ID_LEN + 1])
{
	const char *at = strstr(o->said, "1 of 2 signatures; request ");

	if (!at)
		fail_msg("no request in: %s", o->said);
	at += strlen("1 of 2 signatures; request ");
	assert_int_equal(strspn(at, "0123456789abcdef"), ID_LEN);
	snprintf(id, ID_LEN + 1, "%.*s", ID_LEN, at);
}

/* Carries a request to the second person's machine, which knows no server, and has it signed there. */
static char *carry_and_sign(struct office *o, const char *id, const char *key)
{
	AUTO_FREE char *pem = key_file(o, key);
	char *file = fixture_path(o->f, "request.json");
	const char *const sign[] = { "ringhold", "sign", file, "--key", pem, "--yes", NULL };

	OK(o, "", "request", "export", id, "-o", file);
	if (run_tool(o, sign) != 0)
		fail_msg("sign: %s", o->said);
	expect_said(o, "that is all it needs");
	return file;
}

/* ---- what is visible ---- */

static struct buf *published(const struct office *o, const char *path)
{
	AUTO(repo) struct repo *r = NULL;
	struct buf *text = NULL;

	assert_ok(repo_open(&r, o->f->repository, &e));
	return repo_read_target(r, path, 1 << 20, &text, &e) < 0 ? NULL : text;
}

static bool lists(const struct office *o, const char *path)
{
	AUTO(buf) struct buf *text = published(o, path);

	return text != NULL;
}

static size_t files_in(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	size_t count = 0;

	while (d && (entry = readdir(d)))
		count += entry->d_name[0] != '.';
	if (d)
		closedir(d);
	return count;
}

static void nothing_is_visible(struct office *o)
{
	AUTO_FREE char *archives = fixture_path(o->f, "data/repository/targets/bundles/edr");

	assert_int_equal(files_in(archives), 0);
	assert_false(lists(o, "bundles/edr/7.tar.gz"));
	assert_false(lists(o, "rings/canary/edr.json"));
	OK(o, "", "rollout", "list", "--json");
	assert_null(strstr(o->said, "\"serial\": 7"));
}

static void rolls_out(struct office *o)
{
	OK(o, "", "rollout", "list", "--json");
	expect_said(o, "\"serial\": 7");
	assert_true(lists(o, "bundles/edr/7.tar.gz"));
	assert_true(lists(o, "rings/canary/edr.json"));
}

static void bring(struct office *o, char id[ID_LEN + 1])
{
	char hex[DIGEST_HEX_LEN + 1];
	AUTO_FREE char *archive = make_archive(o, 7, "one", hex);

	OK(o, "content-edr", "publish", archive);
	opened(o, id);
}

static void is_closed(struct office *o, const char *id, const char *state, const char *why)
{
	char open[80];

	snprintf(open, sizeof open, "%s", id);
	OK(o, "", "request", "list");
	assert_null(strstr(o->said, open));
	OK(o, "", "request", "list", "--all", "--json");
	expect_said(o, state);
	expect_said(o, why);
}

/* ---- bundles ---- */

static void a_bundle_waits_for_the_second_signature_and_then_its_rollout_begins(void **state)
{
	struct office *o = *state;
	AUTO_FREE char *file = NULL;
	char id[ID_LEN + 1];

	NEED(o);
	want_two(o, "content-edr");
	bring(o, id);
	nothing_is_visible(o);
	OK(o, "", "request", "show", id);
	expect_said(o, "bundles/edr/7.tar.gz");
	file = carry_and_sign(o, id, "third");
	nothing_is_visible(o);
	OK(o, "", "request", "import", file);
	expect_said(o, ": published");
	rolls_out(o);
	OK(o, "", "request", "import", file);
	expect_said(o, ": published");
	is_closed(o, id, "\"published\"", "serial 7");
}

static void with_all_keys_at_hand_nothing_waits(void **state)
{
	struct office *o = *state;
	AUTO_FREE char *second = key_file(o, "second"), *archive = NULL;
	char hex[DIGEST_HEX_LEN + 1];

	NEED(o);
	want_two(o, "content-edr");
	archive = make_archive(o, 7, "one", hex);
	OK(o, "content-edr", "publish", archive, "--dry-run");
	expect_said(o, "1 of 2 signatures: it would wait for the others");
	OK(o, "", "request", "list");
	expect_said(o, "nothing waits");
	OK(o, "content-edr", "publish", archive, "--key", second);
	expect_said(o, "published; rollout 1");
	rolls_out(o);
}

static void who_brings_it_twice_finds_the_request_that_is_open(void **state)
{
	struct office *o = *state;
	AUTO_FREE char *archive = fixture_path(o->f, "bundle.tar.gz");
	char id[ID_LEN + 1], again[ID_LEN + 1];

	NEED(o);
	want_two(o, "content-edr");
	bring(o, id);
	OK(o, "second", "publish", archive);
	opened(o, again);
	assert_string_equal(id, again);
	nothing_is_visible(o);
}

/* Signed by nobody who may, it is no bundle of the vendor's that others might sign. */
static void a_stranger_opens_no_request(void **state)
{
	struct office *o = *state;
	AUTO_FREE char *archive = NULL;
	char hex[DIGEST_HEX_LEN + 1];

	NEED(o);
	want_two(o, "content-edr");
	make_key(o, "stranger");
	archive = make_archive(o, 7, "one", hex);
	assert_int_not_equal(TOOL(o, "stranger", "publish", archive), 0);
	OK(o, "", "request", "list");
	expect_said(o, "nothing waits");
}

#define CONTRACT(version, doc) \
	"{\"format\":1,\"sensor\":\"edr\",\"version\":\"" version "\",\"accepts\":{\"doc\":{\"versions\":[" doc "]}}}"

/* A bundle that needs version 1 of the type doc. */
static char *make_needy(struct office *o)
{
	const struct bundle_options options = { .channel = FIXTURE_CHANNEL, .serial = 7, .created = 1700000000 };
	AUTO_FREE char *dir = fixture_path(o->f, "needy");
	AUTO(bundle) struct bundle *b = NULL;
	char *path = fixture_path(o->f, "needy.tar.gz");

	fixture_write(o->f, "needy/bundle.json", "{\"format\":1,\"types\":[{\"match\":\"*.txt\",\"type\":\"doc\"}],"
						 "\"requires\":[{\"type\":\"doc\",\"version\":\"1\"}]}");
	fixture_write(o->f, "needy/notes.txt", "text");
	assert_ok(bundle_build(&b, dir, &options, &e));
	assert_ok(file_replace(path, b->archive->data, b->archive->len, 0644, &e));
	return path;
}

static void register_contract(struct office *o, const char *text)
{
	AUTO_FREE char *path = fixture_path(o->f, "contract.json");

	fixture_write(o->f, "contract.json", text);
	OK(o, "", "contract", "register", path);
}

static void a_refused_bundle_opens_no_request(void **state)
{
	struct office *o = *state;
	AUTO_FREE char *archive = NULL;

	NEED(o);
	want_two(o, "content-edr");
	archive = make_needy(o);
	register_contract(o, CONTRACT("7.10", "9"));
	assert_int_equal(TOOL(o, "content-edr", "publish", archive), 1);
	OK(o, "", "request", "list");
	expect_said(o, "nothing waits");
	nothing_is_visible(o);
}

/* Between the first signature and the last the only sensor there is was replaced. */
static void what_sensors_refuse_by_then_is_closed_instead_of_published(void **state)
{
	struct office *o = *state;
	AUTO_FREE char *archive = NULL, *file = NULL;
	char id[ID_LEN + 1];

	NEED(o);
	want_two(o, "content-edr");
	archive = make_needy(o);
	OK(o, "content-edr", "publish", archive);
	opened(o, id);
	register_contract(o, CONTRACT("7.10", "9"));
	file = carry_and_sign(o, id, "second");
	OK(o, "", "request", "import", file);
	expect_said(o, "stale: it cannot be published any more");
	nothing_is_visible(o);
	is_closed(o, id, "\"stale\"", "cannot be published any more");
	assert_int_not_equal(TOOL(o, "", "request", "import", file), 0);
	expect_said(o, "is stale: it cannot be published any more");
}

static void what_was_overtaken_is_refused(void **state)
{
	struct office *o = *state;
	AUTO_FREE char *second = key_file(o, "second"), *archive = NULL, *file = NULL;
	char id[ID_LEN + 1], hex[DIGEST_HEX_LEN + 1];

	NEED(o);
	want_two(o, "content-edr");
	bring(o, id);
	file = carry_and_sign(o, id, "third");
	archive = make_archive(o, 8, "two", hex);
	OK(o, "content-edr", "publish", archive, "--key", second);
	assert_int_not_equal(TOOL(o, "", "request", "import", file), 0);
	expect_said(o, "stale");
	assert_false(lists(o, "bundles/edr/7.tar.gz"));
	assert_true(lists(o, "bundles/edr/8.tar.gz"));
}

/* Every upload as if it had come three days ago; how many there are. */
static size_t age_uploads(const struct office *o)
{
	const struct timespec times[2] = { { clock_now() - 3 * 86400, 0 }, { clock_now() - 3 * 86400, 0 } };
	AUTO_FREE char *dir = fixture_path(o->f, "data/uploads");
	DIR *d = opendir(dir);
	struct dirent *entry;
	size_t count = 0;

	assert_non_null(d);
	while ((entry = readdir(d)))
		if (entry->d_name[0] != '.') {
			assert_int_equal(utimensat(dirfd(d), entry->d_name, times, 0), 0);
			count++;
		}
	closedir(d);
	return count;
}

static void stop_server(struct office *o, int sig)
{
	AUTO_FREE char *listening = fixture_path(o->f, "data/listening");

	kill(o->pid, sig);
	waitpid(o->pid, NULL, 0);
	unlink(listening);
}

/* It sweeps when it begins. */
static size_t uploads_after_a_sweep(struct office *o)
{
	AUTO_FREE char *dir = fixture_path(o->f, "data/uploads");
	int64_t until = clock_work_ms() + LIMIT_MS;

	fixture_write(o->f, "data/uploads/incoming-left", "by a killed server");
	stop_server(o, SIGTERM);
	age_uploads(o);
	office_start(o);
	do {
		AUTO_FREE char *left = fixture_path(o->f, "data/uploads/incoming-left");

		assert_true(clock_work_ms() < until);
		if (!file_exists(left))
			return files_in(dir);
		poll(NULL, 0, 5);
	} while (true);
}

static void files_of_a_bundle_that_waits_stay_however_long(void **state)
{
	struct office *o = *state;
	AUTO_FREE char *file = NULL;
	char id[ID_LEN + 1];

	NEED(o);
	want_two(o, "content-edr");
	bring(o, id);
	assert_int_equal(uploads_after_a_sweep(o), 1);
	file = carry_and_sign(o, id, "third");
	OK(o, "", "request", "import", file);
	expect_said(o, ": published");
	rolls_out(o);
}

static void a_withdrawn_bundle_leaves_nothing_behind(void **state)
{
	struct office *o = *state;
	AUTO_FREE char *file = NULL;
	char id[ID_LEN + 1];

	NEED(o);
	want_two(o, "content-edr");
	bring(o, id);
	file = carry_and_sign(o, id, "third");
	OK(o, "", "request", "withdraw", id, "--reason", "not this one");
	is_closed(o, id, "\"withdrawn\"", "not this one");
	/* nor does it come back with its signatures */
	assert_int_not_equal(TOOL(o, "", "request", "import", file), 0);
	expect_said(o, "is withdrawn: not this one");
	nothing_is_visible(o);
	assert_int_equal(uploads_after_a_sweep(o), 0);
	/* the same bundle may be brought again */
	bring(o, id);
}

static void a_publisher_may_bring_the_last_signature(void **state)
{
	struct office *o = *state;
	AUTO_FREE char *file = NULL, *token = fixture_path(o->f, "publisher");
	char id[ID_LEN + 1], line[400], hex[2][DIGEST_HEX_LEN + 1];
	struct digest hash[2];

	NEED(o);
	want_two(o, "content-edr");
	bring(o, id);
	file = carry_and_sign(o, id, "third");
	stop_server(o, SIGTERM);
	hash_bytes(&hash[0], FIXTURE_TOKEN, strlen(FIXTURE_TOKEN));
	hash_bytes(&hash[1], "rho_publisher", strlen("rho_publisher"));
	for (int i = 0; i < 2; i++)
		digest_hex(hex[i], &hash[i]);
	snprintf(line, sizeof line, "%s admin tester\n%s publisher vendor\n", hex[0], hex[1]);
	fixture_write(o->f, "data/operator-tokens", line);
	fixture_write(o->f, "publisher", "rho_publisher\n");
	assert_int_equal(chmod(token, 0600), 0);
	office_start(o);
	OK(o, "", "request", "import", file, "--token-file", token);
	expect_said(o, ": published");
	rolls_out(o);
}

/* The role is published, the store does not know, and nobody began the rollout. */
static void publish_and_die(struct office *o, const char *file)
{
	AUTO_FREE char *archive = fixture_path(o->f, "bundle.tar.gz");
	AUTO(buf) struct buf *text = NULL;
	AUTO(sigreq) struct sigreq *q = NULL;
	AUTO(repo) struct repo *r = NULL;
	struct digest sha256;
	uint64_t length;

	stop_server(o, SIGKILL);
	assert_ok(file_read(&text, file, SIGREQ_MAX, &e));
	assert_ok(sigreq_parse(&q, file, text->data, text->len, &e));
	assert_ok(repo_open(&r, o->f->repository, &e));
	assert_ok(repo_stage_file(r, "bundles/edr/7.tar.gz", archive, &length, &sha256, &e));
	assert_ok(sigreq_publish(q, r, o->f->all, clock_now(), &e));
	office_start(o);
}

static void a_server_that_died_in_between_begins_the_rollout_when_it_is_back(void **state)
{
	struct office *o = *state;
	AUTO_FREE char *file = NULL;
	int64_t until = clock_work_ms() + LIMIT_MS;
	char id[ID_LEN + 1];

	NEED(o);
	want_two(o, "content-edr");
	bring(o, id);
	file = carry_and_sign(o, id, "third");
	publish_and_die(o, file);
	do {
		assert_true(clock_work_ms() < until);
		OK(o, "", "request", "list");
	} while (!strstr(o->said, "nothing waits"));
	rolls_out(o);
	is_closed(o, id, "\"published\"", "serial 7");
}

/* ---- ring maps, recalls, approvals ---- */

static void a_ring_map_waits_for_the_second_signature(void **state)
{
	static const char *const rings[] = { "canary", "broad" };
	struct office *o = *state;
	AUTO_FREE char *path = fixture_path(o->f, "map.json"), *file = NULL;
	AUTO(buf) struct buf *map = buf_new(RINGMAP_MAX), *was = NULL, *between = NULL, *is = NULL;
	char id[ID_LEN + 1];

	NEED(o);
	want_two(o, "fleet");
	assert_ok(ringmap_write_default(map, rings, 2, "0123456789abcdef", 16, &e));
	assert_ok(file_replace(path, map->data, map->len, 0644, &e));
	was = published(o, RINGMAP_PATH);
	OK(o, "fleet", "rings", "set", path);
	opened(o, id);
	between = published(o, RINGMAP_PATH);
	assert_true(was->len == between->len && memcmp(was->data, between->data, was->len) == 0);
	file = carry_and_sign(o, id, "second");
	OK(o, "", "request", "import", file);
	expect_said(o, ": published");
	is = published(o, RINGMAP_PATH);
	assert_true(is->len == map->len && memcmp(is->data, map->data, map->len) == 0);
}

static void a_recall_waits_for_the_second_signature_and_then_halts_the_rollout(void **state)
{
	struct office *o = *state;
	AUTO_FREE char *file = NULL;
	int64_t until = clock_work_ms() + LIMIT_MS;
	char id[ID_LEN + 1], hex[DIGEST_HEX_LEN + 1];

	NEED(o);
	want_two(o, "recall");
	publish(o, 7, "one", hex);
	OK(o, "recall", "recall", "edr", "7", "--reason", "boots fail");
	opened(o, id);
	assert_false(lists(o, "recall/edr/recalls.json"));
	OK(o, "", "rollout", "list", "--json");
	assert_null(strstr(o->said, "halted"));
	file = carry_and_sign(o, id, "third");
	OK(o, "", "request", "import", file);
	expect_said(o, ": published");
	assert_true(lists(o, "recall/edr/recalls.json"));
	do {
		assert_true(clock_work_ms() < until);
		OK(o, "", "rollout", "list", "--json");
	} while (!strstr(o->said, "halted") && !strstr(o->said, "rolled-back"));
}

static void an_approval_waits_for_the_second_signature(void **state)
{
	struct office *o = *state;
	AUTO(approvals) struct approvals *a = NULL;
	AUTO(buf) struct buf *text = NULL;
	AUTO_FREE char *file = NULL;
	char id[ID_LEN + 1], hex[DIGEST_HEX_LEN + 1];
	struct digest d;

	NEED(o);
	want_two(o, "approve-bank");
	publish(o, 7, "one", hex);
	assert_true(digest_parse(&d, hex, DIGEST_HEX_LEN));
	OK(o, "approve-bank", "approve", "edr", "7", "--party", "bank");
	opened(o, id);
	assert_false(lists(o, "approvals/bank/edr.json"));
	file = carry_and_sign(o, id, "third");
	OK(o, "", "request", "import", file);
	expect_said(o, ": published");
	text = published(o, "approvals/bank/edr.json");
	assert_non_null(text);
	assert_ok(approvals_parse(&a, "approvals", text->data, text->len, &e));
	assert_true(approvals_has(a, &d));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_bundle_waits_for_the_second_signature_and_then_its_rollout_begins),
		TEST(with_all_keys_at_hand_nothing_waits),
		TEST(who_brings_it_twice_finds_the_request_that_is_open),
		TEST(a_stranger_opens_no_request),
		TEST(a_refused_bundle_opens_no_request),
		TEST(what_sensors_refuse_by_then_is_closed_instead_of_published),
		TEST(what_was_overtaken_is_refused),
		TEST(files_of_a_bundle_that_waits_stay_however_long),
		TEST(a_withdrawn_bundle_leaves_nothing_behind),
		TEST(a_publisher_may_bring_the_last_signature),
		TEST(a_server_that_died_in_between_begins_the_rollout_when_it_is_back),
		TEST(a_ring_map_waits_for_the_second_signature),
		TEST(a_recall_waits_for_the_second_signature_and_then_halts_the_rollout),
		TEST(an_approval_waits_for_the_second_signature),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
