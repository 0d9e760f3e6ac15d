/* test_canary: what comes of a try, of content that is sound and of content that is not, and on a host that cannot try. */
#include "canary_job.h"

#include <sys/resource.h>

static void sound_content_passes_with_its_figures(void **state)
{
	AUTO(content_tree) struct content_tree *t = content_tree_new(good);
	static const char contract[] = CONTRACT("\"load_ms\":10000,\"rss_bytes\":268435456,\"us_per_event\":100000");
	struct canary_job job = { .contract = contract, .contract_len = sizeof(contract) - 1 };
	struct canary_result r;
	char words[200];

	(void)state;
	run_job(&job, t, &r);
	expect_result(&r, CANARY_OK, "", "");
	assert_int_equal(r.rules, 2);
	assert_int_equal(r.files, 1);
	assert_int_equal(r.selftests, 2);
	assert_true(r.rss_bytes < 64 << 20);
	canary_confinement_words(CANARY_CONFINEMENT_ALL & ~r.confinement, words, sizeof(words));
	fprintf(stderr, "not in force here: %s; landlock ABI %u\n", *words ? words : "nothing", r.landlock_abi);
	assert_true(r.confinement & CANARY_NO_NEW_PRIVS);
	assert_true(r.confinement & CANARY_RLIMITS);
	assert_true(r.confinement & CANARY_SECCOMP);
	assert_true(r.confinement & CANARY_ALONE);
}

static void content_the_contract_does_not_accept_is_refused_before_it_is_loaded(void **state)
{
	static const char contract[] =
		"{\"format\":1,\"sensor\":\"s\",\"version\":\"1\",\"accepts\":{\"rules\":{\"versions\":[1],"
		"\"templates\":{\"t\":{\"fields\":[{\"name\":\"other\",\"type\":\"path\"}]}}}}}";
	AUTO(content_tree) struct content_tree *t = content_tree_new(good);
	struct canary_job job = { .contract = contract, .contract_len = sizeof(contract) - 1 };
	struct canary_result r;

	(void)state;
	run_job(&job, t, &r);
	expect_result(&r, CANARY_REFUSED, "contract", "r.json:1:");
	assert_int_equal(r.load_ms, 0);
	assert_int_equal(r.rules, 0);
}

static void a_failing_self_test_is_refused_by_line(void **state)
{
	const struct content_file files[] = { { "r.json", "rules", RULES }, { "t.ndjson", "selftest", GOOD_TEST BAD_TEST }, { 0 } };
	AUTO(content_tree) struct content_tree *t = content_tree_new(files);
	struct canary_job job = { 0 };
	struct canary_result r;

	(void)state;
	run_job(&job, t, &r);
	expect_result(&r, CANARY_REFUSED, "selftest", "t.ndjson:2: expected alert by nc, got none");
	assert_true(canary_is_final(r.outcome));
}

static void a_dropped_rule_s_self_tests_are_skipped(void **state)
{
	static const char *const drop[] = { "nc" };
	AUTO(content_tree) struct content_tree *t = content_tree_new(good);
	struct canary_job job = { .drop = drop, .drop_count = 1 };
	struct canary_result r;

	(void)state;
	run_job(&job, t, &r);
	expect_result(&r, CANARY_OK, "", "");
	assert_int_equal(r.dropped, 1);
	assert_int_equal(r.selftests_skipped, 2);
}

static void benign_corpora_are_run(void **state)
{
	static const char contract[] = CONTRACT("");
	AUTO(content_tree) struct content_tree *t = content_tree_new(good);
	char dir[200];
	const char *benign[] = { dir };
	struct canary_job job = { .contract = contract, .contract_len = sizeof(contract) - 1, .benign = benign, .benign_count = 1 };
	struct canary_result r;

	(void)state;
	content_temp(dir);
	content_write(dir, "site.ndjson", "{\"template\":\"t\",\"fields\":{\"image\":\"/bin/zsh\",\"n\":1}}\n");
	run_job(&job, t, &r);
	expect_result(&r, CANARY_REFUSED, "protected", "site.ndjson:1: rule sh would block the protected object /bin/zsh");
	content_write(dir, "site.ndjson", "{\"template\":\"t\",\"fields\":{\"image\":\"/bin/true\"}}\n");
	run_job(&job, t, &r);
	expect_result(&r, CANARY_OK, "", "");
	assert_int_equal(r.benign_events, 1);
	content_write(dir, "site.ndjson", "{\n");
	run_job(&job, t, &r);
	expect_result(&r, CANARY_ENVIRONMENT, "internal", "benign corpus");
	assert_int_equal(file_remove_tree(dir, &(struct err){ 0 }), 0);
}

static void a_bundle_s_own_benign_corpus_is_run(void **state)
{
	static const char contract[] = CONTRACT("");
	const struct content_file files[] = {
		{ "benign/own.ndjson", "benign", "{\"template\":\"t\",\"fields\":{\"image\":\"/bin/true\"}}\n"
						 "{\"template\":\"t\",\"fields\":{\"image\":\"/bin/zsh\",\"n\":1}}\n" },
		{ "r.json", "rules", RULES }, { 0 } };
	const struct content_file malformed[] = { { "benign/own.ndjson", "benign", "{\n" }, { "r.json", "rules", RULES }, { 0 } };
	AUTO(content_tree) struct content_tree *t = content_tree_new(files), *bad = content_tree_new(malformed);
	struct canary_job job = { .contract = contract, .contract_len = sizeof(contract) - 1 };
	struct canary_result r;

	(void)state;
	run_job(&job, t, &r);
	expect_result(&r, CANARY_REFUSED, "protected", "benign/own.ndjson:2: rule sh would block the protected object /bin/zsh");
	run_job(&job, bad, &r);
	expect_result(&r, CANARY_REFUSED, "benign", "benign/own.ndjson:1:");
}

static void a_host_that_cannot_try_says_nothing_about_the_content(void **state)
{
	AUTO(content_tree) struct content_tree *t = content_tree_new(good);
	const char *benign[] = { "/nonexistent/corpus" };
	struct canary_job job = { .benign = benign, .benign_count = 1 };
	struct canary_result r;
	struct rlimit was, none = { 0 };
	struct err e = { 0 };

	(void)state;
	run_job(&job, t, &r);
	assert_int_equal(r.outcome, CANARY_ENVIRONMENT);
	assert_false(canary_is_final(r.outcome));
	assert_refused(canary_run(&(struct canary_job){ 0 }, &r, &e), ERR_USAGE, "no slot");
	job.benign_count = 0;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none.rlim_max = was.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	run_job(&job, t, &r);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_int_equal(r.outcome, CANARY_ENVIRONMENT);
}

#ifdef RINGHOLD_YARA
static void yara_works_in_the_same_confinement(void **state)
{
	const struct content_file files[] = {
		{ "y/a.yar", "yara", "import \"pe\"\nimport \"math\"\nrule evil { strings: $a = \"EVIL\" $b = /x[0-9]+y/ condition: any of them }" },
		{ "y/sample", "doc", "x123y" },
		{ "t.ndjson", "selftest", "{\"event\":{\"file\":\"y/sample\"},\"expect\":{\"verdict\":\"alert\",\"rule\":\"evil\"}}\n" },
		{ 0 },
	};
	AUTO(content_tree) struct content_tree *t = content_tree_new(files);
	struct canary_job job = { 0 };
	struct canary_result r;

	(void)state;
	run_job(&job, t, &r);
	expect_result(&r, CANARY_OK, "", "");
	assert_int_equal(r.selftests, 1);
	content_write(t->path, "y/a.yar", "rule evil {\n strings: }");
	run_job(&job, t, &r);
	expect_result(&r, CANARY_REFUSED, "load", "y/a.yar:2: ");
}
#endif

static void a_damaged_manifest_is_refused(void **state)
{
	AUTO(content_tree) struct content_tree *t = content_tree_new(good);
	struct canary_job job = { 0 };
	struct canary_result r;

	(void)state;
	content_write(t->path, MANIFEST_NAME, "{\"format\":1}\n");
	run_job(&job, t, &r);
	assert_int_equal(r.outcome, CANARY_REFUSED);
	assert_string_equal(r.reason, "lint");
}

static void a_try_becomes_another_user_when_told(void **state)
{
	AUTO(content_tree) struct content_tree *t = content_tree_new(good);
	struct canary_job job = { .uid = 65534, .gid = 65534 };
	struct canary_result r;

	(void)state;
	if (geteuid() != 0)
		skip_named("only root can become somebody else");
	run_job(&job, t, &r);
	expect_result(&r, CANARY_OK, "", "");
	assert_true(r.confinement & CANARY_UID);
}

static void a_program_with_threads_runs_itself_as_the_canary(void **state)
{
	static const char contract[] = CONTRACT("");
	static const char *const drop[] = { "nc" };
	const struct content_file files[] = { { "b.bin", "blob", "x" }, { "r.json", "rules", RULES },
					      { "t.ndjson", "selftest", GOOD_TEST }, { 0 } };
	AUTO(content_tree) struct content_tree *t = content_tree_new(files);
	const char *argv[] = { "/bin/sh", "-c", "exit $1", "sh", "5", NULL };
	const struct loader *const ours[] = { NULL };
	const struct loader_exec exec = { .type = "blob", .argv = argv, .timeout_ms = 5000 };
	struct canary_job job = { .slot = t->path, .contract = contract, .contract_len = sizeof(contract) - 1,
				  .drop = drop, .drop_count = 1, .exec = &exec, .exec_count = 1, .wall_ms = 10000 };
	struct canary_result r;
	struct err e = { 0 };

	(void)state;
	assert_ok(canary_spawn("/proc/self/exe", &job, &r, &e));
	expect_result(&r, CANARY_REFUSED, "load", "/bin/sh (type \"blob\"): exit status 5");
	argv[4] = "0";
	assert_ok(canary_spawn("/proc/self/exe", &job, &r, &e));
	expect_result(&r, CANARY_OK, "", "");
	assert_int_equal(r.dropped, 1);
	assert_int_equal(r.selftests_skipped, 1);
	assert_ok(canary_spawn("/bin/true", &job, &r, &e));
	expect_result(&r, CANARY_ENVIRONMENT, "internal", "gave no result");
	job.loaders = ours;
	assert_refused(canary_spawn("/proc/self/exe", &job, &r, &e), ERR_USAGE, "cannot cross");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sound_content_passes_with_its_figures),
		cmocka_unit_test(content_the_contract_does_not_accept_is_refused_before_it_is_loaded),
		cmocka_unit_test(a_failing_self_test_is_refused_by_line),
		cmocka_unit_test(a_dropped_rule_s_self_tests_are_skipped),
		cmocka_unit_test(benign_corpora_are_run),
		cmocka_unit_test(a_bundle_s_own_benign_corpus_is_run),
		cmocka_unit_test(a_host_that_cannot_try_says_nothing_about_the_content),
#ifdef RINGHOLD_YARA
		cmocka_unit_test(yara_works_in_the_same_confinement),
#endif
		cmocka_unit_test(a_damaged_manifest_is_refused),
		cmocka_unit_test(a_try_becomes_another_user_when_told),
		cmocka_unit_test(a_program_with_threads_runs_itself_as_the_canary),
	};

	if (argc > 1 && strcmp(argv[1], "canary") == 0)         /* as any program of ours does */
		return canary_main(argc - 2, argv + 2);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
