/* test_contracts: contracts registered with a real server, and what they mean for `ringhold publish` and `ringhold contract diff`. */
#include "office.h"

static int setup(void **state)
{
	*state = office_open("");
	return 0;
}

static int teardown(void **state)
{
	office_close(*state);
	return 0;
}

#define CONTRACT(version, accepts) "{\"format\":1,\"sensor\":\"edr\",\"version\":\"" version "\",\"accepts\":{" accepts "}}"

static char *put_contract(struct office *o, const char *name, const char *text)
{
	fixture_write(o->f, name, text);
	return fixture_path(o->f, name);
}

/* A bundle that needs version 1 of the type doc; its archive's path. */
static char *make_bundle(struct office *o)
{
	const struct bundle_options options = { .channel = FIXTURE_CHANNEL, .serial = 7, .created = 1700000000 };
	AUTO_FREE char *dir = fixture_path(o->f, "needy");
	AUTO(bundle) struct bundle *b = NULL;
	char *path = fixture_path(o->f, "needy.tar.gz");
	struct err e;

	fixture_write(o->f, "needy/bundle.json", "{\"format\":1,\"types\":[{\"match\":\"*.txt\",\"type\":\"doc\"}],"
						 "\"requires\":[{\"type\":\"doc\",\"version\":\"1\"}]}");
	fixture_write(o->f, "needy/notes.txt", "text");
	assert_ok(bundle_build(&b, dir, &options, &e));
	assert_ok(file_replace(path, b->archive->data, b->archive->len, 0644, &e));
	return path;
}

static void a_file_far_larger_than_in_the_bundle_before_does_not_go_out(void **state)
{
	const struct bundle_options options = { .channel = FIXTURE_CHANNEL, .serial = 8, .created = 1700000000 };
	struct office *o = *state;
	AUTO_FREE char *first = NULL, *dir = NULL, *second = NULL, *many = calloc(1, 100001);
	AUTO(bundle) struct bundle *b = NULL;
	struct err e;

	NEED(o);
	first = make_bundle(o);
	assert_int_equal(TOOL(o, "content-edr", "publish", first), 0);
	dir = fixture_path(o->f, "needy");
	second = fixture_path(o->f, "larger.tar.gz");
	assert_non_null(many);
	memset(many, 'x', 100000);
	fixture_write(o->f, "needy/notes.txt", many);
	assert_ok(bundle_build(&b, dir, &options, &e));
	assert_ok(file_replace(second, b->archive->data, b->archive->len, 0644, &e));
	assert_int_equal(TOOL(o, "content-edr", "publish", second), 1);
	expect_said(o, "100000 bytes, 4 in bundle 7 before: more than 10 times larger");
}

/* Only the hosts have the engine: here the contract is checked, there the canaries of the first ring are the first to load it. */
static void content_for_a_command_of_the_hosts_goes_out_after_the_checks_that_need_none(void **state)
{
	const struct bundle_options options = { .channel = FIXTURE_CHANNEL, .serial = 7, .created = 1700000000 };
	struct office *o = *state;
	AUTO_FREE char *dir = NULL, *path = NULL, *contract = NULL;
	AUTO(bundle) struct bundle *b = NULL;
	struct err e;

	NEED(o);
	dir = fixture_path(o->f, "signatures");
	path = fixture_path(o->f, "signatures.tar.gz");
	fixture_write(o->f, "signatures/bundle.json", "{\"format\":1,\"types\":[{\"match\":\"*.ndb\",\"type\":\"clamav\"}]}");
	fixture_write(o->f, "signatures/evil.ndb", "Evil:0:*:4556494c\n");
	assert_ok(bundle_build(&b, dir, &options, &e));
	assert_ok(file_replace(path, b->archive->data, b->archive->len, 0644, &e));
	contract = put_contract(o, "clam.json", CONTRACT("1.4", "\"clamav\":{\"versions\":[1],\"limits\":{\"bytes\":4}}"));
	assert_int_equal(TOOL(o, "", "contract", "register", contract), 0);
	assert_int_equal(TOOL(o, "content-edr", "publish", path), 1);
	expect_said(o, "18 bytes, the contract of edr 1.4 allows 4");
	free(contract);
	contract = put_contract(o, "clam.json", CONTRACT("1.5", "\"clamav\":{\"versions\":[1]}"));
	assert_int_equal(TOOL(o, "", "contract", "register", contract), 0);
	assert_int_equal(TOOL(o, "content-edr", "publish", path), 0);
	expect_said(o, "published; rollout 1");
}

static void contracts_are_registered_once_and_listed(void **state)
{
	struct office *o = *state;
	AUTO_FREE char *one = NULL, *wrong = NULL;

	NEED(o);
	one = put_contract(o, "one.json", CONTRACT("1", "\"doc\":{\"versions\":[1]}"));
	wrong = put_contract(o, "wrong.json", CONTRACT("2", "\"doc\":{\"versions\":[1],\"limits\":{\"files\":0}}"));
	assert_int_equal(TOOL(o, "", "contract", "register", one), 0);
	expect_said(o, "edr 1 is registered");
	assert_int_equal(TOOL(o, "", "contract", "register", one), 0);
	expect_said(o, "was registered before");
	assert_int_equal(TOOL(o, "", "contract", "register", wrong), 1);
	expect_said(o, "no content could keep to it");
	assert_int_equal(TOOL(o, "", "contract", "list"), 0);
	expect_said(o, "edr");
	assert_null(strstr(o->said, "edr     2"));
}

static void publish_prints_the_matrix_and_a_dry_run_publishes_nothing(void **state)
{
	struct office *o = *state;
	AUTO_FREE char *good = NULL, *old = NULL, *other = NULL, *bundle = NULL;

	NEED(o);
	good = put_contract(o, "good.json", CONTRACT("7.11", "\"doc\":{\"versions\":[1]}"));
	old = put_contract(o, "old.json", CONTRACT("7.10", "\"doc\":{\"versions\":[9]}"));
	other = put_contract(o, "other.json", CONTRACT("lite", "\"waf\":{\"versions\":[1]}"));
	assert_int_equal(TOOL(o, "", "contract", "register", good), 0);
	assert_int_equal(TOOL(o, "", "contract", "register", old), 0);
	assert_int_equal(TOOL(o, "", "contract", "register", other), 0);
	bundle = make_bundle(o);
	assert_int_equal(TOOL(o, "content-edr", "publish", bundle, "--dry-run"), 0);
	expect_said(o, "not addressed");
	expect_said(o, "requires doc 1");
	expect_said(o, "nothing was");
	assert_int_equal(TOOL(o, "content-edr", "publish", bundle, "--dry-run", "--json"), 0);
	expect_said(o, "\"answer\": \"pass\"");
	expect_said(o, "\"answer\": \"refuse\"");
	expect_said(o, "\"rollout\": null");
	/* nobody runs 7.10, so its refusal is shown and keeps nothing back */
	assert_int_equal(TOOL(o, "content-edr", "publish", bundle), 0);
	expect_said(o, "published; rollout 1");
}

static void what_no_sensor_accepts_goes_out_by_name_and_reason_only(void **state)
{
	struct office *o = *state;
	AUTO_FREE char *old = NULL, *bundle = NULL;

	NEED(o);
	old = put_contract(o, "old.json", CONTRACT("7.10", "\"doc\":{\"versions\":[9]}"));
	assert_int_equal(TOOL(o, "", "contract", "register", old), 0);
	bundle = make_bundle(o);
	assert_int_equal(TOOL(o, "content-edr", "publish", bundle), 1);
	expect_said(o, "edr 7.10 refuses it: manifest.json: requires doc 1");
	assert_int_equal(TOOL(o, "content-edr", "publish", bundle, "--allow-refused", "edr/7.10"), 2);
	expect_said(o, "--reason");
	assert_int_equal(TOOL(o, "content-edr", "publish", bundle, "--allow-refused", "edr/7.99", "--reason", "x"), 1);
	expect_said(o, "no contract edr/7.99 is registered");
	assert_int_equal(TOOL(o, "content-edr", "publish", bundle, "--allow-refused", "edr/7.10", "--reason", "7.10 goes on Monday"), 0);
	expect_said(o, "published; rollout 1");
}

static void diff_says_which_published_bundles_a_new_contract_would_refuse(void **state)
{
	struct office *o = *state;
	AUTO_FREE char *now = NULL, *next = NULL, *wider = NULL, *bundle = NULL;

	NEED(o);
	now = put_contract(o, "now.json", CONTRACT("1", "\"doc\":{\"versions\":[1]}"));
	next = put_contract(o, "next.json", CONTRACT("2", "\"doc\":{\"versions\":[2]}"));
	wider = put_contract(o, "wider.json", CONTRACT("2", "\"doc\":{\"versions\":[1,2]}"));
	bundle = make_bundle(o);
	assert_int_equal(TOOL(o, "content-edr", "publish", bundle), 0);
	assert_int_equal(TOOL(o, "", "contract", "diff", now, next, "--published"), 4);
	expect_said(o, "edr 7 (7)  pass    refuse  manifest.json: requires doc 1");
	expect_said(o, "1 of 1 bundles refused");
	assert_int_equal(TOOL(o, "", "contract", "diff", now, wider, "--published"), 0);
	expect_said(o, "0 of 1 bundles refused");
	assert_int_equal(TOOL(o, "", "contract", "diff", now, next, "--published", "--channel", "other"), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_file_far_larger_than_in_the_bundle_before_does_not_go_out, setup, teardown),
		cmocka_unit_test_setup_teardown(content_for_a_command_of_the_hosts_goes_out_after_the_checks_that_need_none, setup, teardown),
		cmocka_unit_test_setup_teardown(contracts_are_registered_once_and_listed, setup, teardown),
		cmocka_unit_test_setup_teardown(publish_prints_the_matrix_and_a_dry_run_publishes_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(what_no_sensor_accepts_goes_out_by_name_and_reason_only, setup, teardown),
		cmocka_unit_test_setup_teardown(diff_says_which_published_bundles_a_new_contract_would_refuse, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
