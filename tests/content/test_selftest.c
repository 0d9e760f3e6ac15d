/* test_selftest: self-tests and benign corpora against the rules engine. */
#include "content_tree.h"

#include "content/selftest.h"
#include "schema/contract.h"

#define RULES                                                                                                       \
	"{\"format\":1,\"templates\":[{\"name\":\"t\",\"fields\":[{\"name\":\"image\",\"type\":\"path\"}]}],"       \
	"\"instances\":[{\"id\":\"nc\",\"template\":\"t\",\"verdict\":\"alert\",\"match\":{\"image\":{\"suffix\":\"/nc\"}}}," \
	"{\"id\":\"sh\",\"template\":\"t\",\"verdict\":\"block\",\"match\":{\"image\":{\"suffix\":\"/sh\"}}},"      \
	"{\"id\":\"slow\",\"template\":\"t\",\"verdict\":\"alert\",\"match\":{\"image\":{\"regex\":\"^(a+)+$\"}}}," \
	"{\"id\":\"see\",\"template\":\"t\",\"verdict\":\"observe\",\"match\":{\"image\":{\"suffix\":\"/ls\"}}}]}"
#define EVENT(path) "{\"template\":\"t\",\"fields\":{\"image\":\"" path "\"}}"
#define TEST(path, expect) "{\"event\":" EVENT(path) ",\"expect\":{" expect "}}\n"

struct bench {
	struct content_tree *tree;
	struct contract *contract;
	struct loader_set *engine;
	struct selftest_run run;
	struct selftest_figures figures;
};

static void set_up(struct bench *b, const char *tests, const char *const *drop, size_t drop_count)
{
	static const char contract[] = "{\"format\":1,\"sensor\":\"s\",\"version\":\"1\",\"accepts\":{\"rules\":{\"versions\":[1]}},"
				       "\"ceilings\":{\"matches_per_10000\":100},\"protected\":[\"/bin/sh\"]}";
	const struct content_file files[] = { { "r.json", "rules", RULES }, { "t.ndjson", "selftest", tests }, { 0 } };
	struct loader_job job = { .drop = drop, .drop_count = drop_count };
	struct err e = { 0 };

	memset(b, 0, sizeof(*b));
	b->tree = content_tree_new(files);
	assert_ok(contract_parse(&b->contract, "contract", contract, sizeof(contract) - 1, &e));
	job.slot = b->tree->dir;
	job.manifest = b->tree->manifest;
	assert_ok(loader_set_load(&b->engine, &job, NULL, &e));
	b->run = (struct selftest_run){ .engine = b->engine, .drop = drop, .drop_count = drop_count, .contract = b->contract };
}

static void tear_down(struct bench *b)
{
	loader_set_free(b->engine);
	contract_free(b->contract);
	content_tree_remove(b->tree);
}

static int run(struct bench *b, struct err *e)
{
	return selftest_file(&b->run, b->tree->dir, "t.ndjson", &b->figures, e);
}

static void a_file_of_met_expectations_passes(void **state)
{
	struct bench b;
	struct err e = { 0 };

	(void)state;
	set_up(&b, TEST("/bin/nc", "\"verdict\":\"alert\",\"rule\":\"nc\"") "\n" TEST("/bin/x", "\"verdict\":\"none\"")
		       TEST("/bin/sh", "\"verdict\":\"block\""), NULL, 0);
	assert_ok(run(&b, &e));
	assert_int_equal(b.figures.run, 3);
	assert_int_equal(b.figures.skipped, 0);
	assert_int_equal(b.figures.timed, 3);
	tear_down(&b);
}

static void an_unmet_expectation_is_named_by_file_and_line(void **state)
{
	static const struct { const char *tests, *sentence; int code; } rows[] = {
		{ "\n" TEST("/bin/x", "\"verdict\":\"alert\",\"rule\":\"nc\""), "t.ndjson:2: expected alert by nc, got none", ERR_REFUSED },
		{ TEST("/bin/nc", "\"verdict\":\"none\""), "t.ndjson:1: expected none, got alert by nc", ERR_REFUSED },
		{ TEST("/bin/nc", "\"verdict\":\"alert\",\"rule\":\"sh\""), "expected alert by sh, got alert by nc", ERR_REFUSED },
		{ "{", "t.ndjson:1:1:", ERR_FORMAT },
		{ "{\"event\":{}}\n", "\"expect\" is missing", ERR_FORMAT },
		{ TEST("/bin/nc", "\"verdict\":\"none\",\"rule\":\"nc\""), "comes from no rule", ERR_FORMAT },
		{ "{\"event\":{\"template\":\"t\",\"fields\":{\"image\":5}},\"expect\":{\"verdict\":\"none\"}}",
		  "t.ndjson:1:1:", ERR_FORMAT },
		{ TEST("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", "\"verdict\":\"none\""), "t.ndjson:1: instance slow", ERR_LIMIT },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bench b;
		struct err e = { 0 };

		set_up(&b, rows[i].tests, NULL, 0);
		assert_refused(run(&b, &e), rows[i].code, rows[i].sentence);
		tear_down(&b);
	}
}

static void tests_of_dropped_rules_are_skipped_and_the_rest_still_runs(void **state)
{
	static const char *const drop[] = { "nc" };
	struct bench b;
	struct err e = { 0 };

	(void)state;
	set_up(&b, TEST("/bin/nc", "\"verdict\":\"alert\",\"rule\":\"nc\"") TEST("/bin/nc", "\"verdict\":\"alert\"")
		       TEST("/bin/sh", "\"verdict\":\"block\",\"rule\":\"sh\"") TEST("/bin/nc", "\"verdict\":\"none\""),
	       drop, 1);
	assert_ok(run(&b, &e));
	assert_int_equal(b.figures.skipped, 2);
	assert_int_equal(b.figures.run, 2);
	tear_down(&b);
	set_up(&b, TEST("/bin/x", "\"verdict\":\"block\",\"rule\":\"sh\""), drop, 1);
	assert_refused(run(&b, &e), ERR_REFUSED, "expected block by sh, got none");
	tear_down(&b);
}

/* ---- benign corpora ---- */

static int run_benign(struct bench *b, const char *events, struct err *e)
{
	char dir[200];
	int fd, rc;

	content_temp(dir);
	content_write(dir, "a.ndjson", events);
	content_write(dir, "notes.txt", "not an event");
	fd = open(dir, O_RDONLY | O_DIRECTORY);
	assert_true(fd >= 0);
	rc = selftest_benign(&b->run, fd, "site", &b->figures, e);
	close(fd);
	if (rc == 0)
		rc = selftest_benign_verdict(&b->run, &b->figures, e);
	assert_int_equal(file_remove_tree(dir, &(struct err){ 0 }), 0);
	return rc;
}

static void undisturbed_events_pass(void **state)
{
	struct bench b;
	struct err e = { 0 };

	(void)state;
	set_up(&b, "", NULL, 0);
	assert_ok(run_benign(&b, EVENT("/bin/cat") "\n" EVENT("/bin/ls") "\n{\"other\":1}", &e));
	assert_int_equal(b.figures.events, 3);
	assert_int_equal(b.figures.ignored, 1);
	assert_int_equal(b.figures.matches, 0);
	tear_down(&b);
}

static void a_destructive_verdict_on_a_protected_object_refuses(void **state)
{
	struct bench b;
	struct err e = { 0 };

	(void)state;
	set_up(&b, "", NULL, 0);
	assert_refused(run_benign(&b, EVENT("/bin/cat") "\n" EVENT("/bin/sh"), &e), ERR_REFUSED,
		       "site/a.ndjson:2: rule sh would block the protected object /bin/sh");
	tear_down(&b);
}

static void too_many_matches_refuse(void **state)
{
	struct buf events = { 0 };
	struct bench b;
	struct err e = { 0 };

	(void)state;
	for (int i = 0; i < 99; i++)
		buf_adds(&events, EVENT("/bin/cat") "\n");
	buf_adds(&events, EVENT("/bin/nc") "\n");
	set_up(&b, "", NULL, 0);
	assert_ok(run_benign(&b, events.data, &e));
	tear_down(&b);
	buf_adds(&events, EVENT("/opt/nc") "\n");
	set_up(&b, "", NULL, 0);
	assert_refused(run_benign(&b, events.data, &e), ERR_LIMIT, "2 matches in 101 benign events: the contract of s 1 allows 100");
	tear_down(&b);
	buf_release(&events);
}

static void a_broken_corpus_is_the_host_s_fault(void **state)
{
	struct bench b;
	struct err e = { 0 };

	(void)state;
	set_up(&b, "", NULL, 0);
	assert_refused(run_benign(&b, "{", &e), ERR_USAGE, "site/a.ndjson");
	assert_refused(run_benign(&b, EVENT("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"), &e), ERR_LIMIT, "instance slow");
	tear_down(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_of_met_expectations_passes),
		cmocka_unit_test(an_unmet_expectation_is_named_by_file_and_line),
		cmocka_unit_test(tests_of_dropped_rules_are_skipped_and_the_rest_still_runs),
		cmocka_unit_test(undisturbed_events_pass),
		cmocka_unit_test(a_destructive_verdict_on_a_protected_object_refuses),
		cmocka_unit_test(too_many_matches_refuse),
		cmocka_unit_test(a_broken_corpus_is_the_host_s_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
