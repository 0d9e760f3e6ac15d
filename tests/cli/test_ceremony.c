/* test_ceremony: what people sign from files and directories, and what they are kept from signing. */
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/proc.h"
#include "tests/program.h"
#include "tests/test.h"

#define LIMIT_MS 60000

static char dir[64];
static struct err e;

/* A script in the installation, without a terminal; its output until the next call. */
static const char *shell(int expect, const char *script)
{
	static char output[65536];
	static char path[1200];
	char *argv[] = { (char *)"sh", (char *)"-eu", (char *)"-c", NULL, NULL };
	char *env[] = { path, (char *)"USER=anna", (char *)"LANG=C", NULL };
	struct proc_run run = { .path = "/bin/sh", .argv = argv, .env = env, .stdin_fd = -1, .timeout_ms = LIMIT_MS, .output_max = sizeof output - 1 };
	struct proc_result result = { 0 };
	AUTO_FREE char *text = NULL;
	char bin[1024];

	snprintf(bin, sizeof bin, "%s", test_program("ringhold"));
	*strrchr(bin, '/') = '\0';
	snprintf(path, sizeof path, "PATH=%s:/usr/bin:/bin", bin);
	assert_true(asprintf(&text, "cd %s\n%s", dir, script) > 0);
	argv[3] = text;
	assert_ok(proc_run(&run, &result, &e));
	snprintf(output, sizeof output, "%s", result.output->data ? result.output->data : "");
	if (result.exit_status != expect)
		fail_msg("exit status %d instead of %d:\n%s\n%s", result.exit_status, expect, script, output);
	proc_result_release(&result);
	return output;
}

static void says(const char *output, const char *what)
{
	if (!strstr(output, what))
		fail_msg("\"%s\" is not said in:\n%s", what, output);
}

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/ringhold-ceremony-XXXXXX");
	assert_non_null(mkdtemp(dir));
	shell(0, "ringhold init . --channel edr >/dev/null; ringhold init other --channel edr >/dev/null; ringhold key generate new.pem >/dev/null\n"
		 "ringhold key rotate root --add new.pem --remove offline-keys/root-3.pem --repository server/repository -o q.json >/dev/null");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_ok(file_remove_tree(dir, &e));
	return 0;
}

/* ---- signing a file ---- */

static void nothing_is_signed_where_nobody_can_be_asked(void **state)
{
	const char *out;

	(void)state;
	out = shell(1, "cp q.json before.json\nringhold sign q.json --key offline-keys/root-1.pem --trusted root.json 2>&1");
	says(out, "may sign from now on");
	says(out, "there is no terminal");
	shell(0, "cmp q.json before.json");
	out = shell(0, "ringhold sign q.json --dry-run 2>&1\ncmp q.json before.json");
	says(out, "root: 0 of 2 signatures");
}

static void a_signature_lands_in_the_file_in_one_step(void **state)
{
	AUTO_FREE char *path = NULL;
	struct stat before, after;

	(void)state;
	assert_true(asprintf(&path, "%s/q.json", dir) > 0);
	assert_int_equal(stat(path, &before), 0);
	says(shell(0, "ringhold sign q.json --key offline-keys/root-1.pem --trusted root.json --yes"), "1 signature added; others must sign, too");
	assert_int_equal(stat(path, &after), 0);
	assert_true(before.st_ino != after.st_ino);     /* written new and renamed */
	says(shell(0, "ringhold sign q.json --key offline-keys/root-1.pem --yes 2>&1"), "0 signatures added");
	says(shell(0, "ringhold sign q.json --key offline-keys/root-2.pem -o whole.json --yes"), "that is all it needs");
	says(shell(0, "ringhold request show q.json; ringhold request show whole.json --json"), "root: 1 of 2 signatures");
}

static void keys_that_may_not_sign_do_not(void **state)
{
	(void)state;
	says(shell(1, "ringhold sign q.json --key vendor-keys/content-edr.pem --yes 2>&1"), "none of the 1 keys at hand may sign");
	says(shell(2, "ringhold sign q.json --yes 2>&1"), "which keys sign?");
}

static void a_request_about_another_root_is_refused(void **state)
{
	(void)state;
	says(shell(1, "ringhold sign q.json --key offline-keys/root-1.pem --trusted other/root.json --yes 2>&1"), "is not the one of other/root.json");
	/* nor one whose root is made up: signed by nobody that the trusted one names */
	says(shell(1, "cd other\nringhold root edit --repository server/repository --key offline-keys/root-1.pem --key offline-keys/root-2.pem --yes >/dev/null\n"
		      "ringhold root edit --repository server/repository -o ../foreign.json >/dev/null\ncd ..\n"
		      "ringhold sign foreign.json --key offline-keys/root-1.pem --trusted root.json --yes 2>&1"),
	     "does not follow the trusted one");
}

static void a_request_that_was_changed_on_its_way_is_refused(void **state)
{
	(void)state;
	says(shell(1, "sed 's/\"threshold\":2/\"threshold\":1/g' q.json >bad.json\n"
		      "ringhold sign bad.json --key offline-keys/root-1.pem --yes 2>&1"),
	     "bad.json:1:");
	says(shell(1, "sed 's/\"id\":\"[0-9a-f]*\"/\"id\":\"0123456789abcdef\"/' q.json >bad.json\n"
		      "ringhold sign bad.json --key offline-keys/root-1.pem --yes 2>&1"),
	     "is not that of its drafts");
}

/* ---- directories ---- */

static void a_new_root_needs_its_threshold_and_then_is_followed(void **state)
{
	(void)state;
	says(shell(1, "ringhold root publish q.json --repository server/repository 2>&1"), "root has 1 of 2 signatures");
	shell(0, "test ! -e server/repository/metadata/2.root.json");
	says(shell(0, "ringhold root publish whole.json --repository server/repository"), "published");
	says(shell(0, "ringhold repo verify server/repository --root root.json"), "everything is sound");
	/* what was asked before it is stale */
	says(shell(1, "ringhold sign q.json --key offline-keys/root-2.pem --trusted server/repository/metadata --yes 2>&1"), "stale");
	says(shell(1, "ringhold root publish whole.json --repository server/repository 2>&1"), "stale");
	/* the key that went no longer signs */
	says(shell(1, "ringhold root edit --repository server/repository --key offline-keys/root-3.pem --yes 2>&1"), "none of the 1 keys");
}

static void nobody_can_ask_for_a_role_that_nobody_could_sign(void **state)
{
	(void)state;
	says(shell(2, "ringhold root edit --threshold root=4 --repository server/repository --dry-run 2>&1"), "nobody could sign it");
	says(shell(2, "ringhold key rotate stop --remove server/keys/stop.pem --repository server/repository --dry-run 2>&1"), "nobody could sign it");
	says(shell(2, "ringhold delegate add odd-role --public new.pem --repository server/repository --dry-run 2>&1"), "which paths may it sign?");
	says(shell(1, "ringhold key rotate nobody --add new.pem --repository server/repository --dry-run 2>&1"), "there is no role nobody");
	says(shell(1, "ringhold key rotate root --remove ffff --add new.pem --repository server/repository --dry-run 2>&1"), "");
}

static void roles_come_change_and_go(void **state)
{
	static const char by[] = "--repository server/repository --key offline-keys/targets-1.pem --key offline-keys/targets-2.pem --yes";
	char script[1024];

	(void)state;
	snprintf(script, sizeof script, "ringhold delegate add content-dns --public vendor-keys/content-edr.pem --public new.pem --threshold 2 %s", by);
	says(shell(0, script), "content-dns: may sign bundles/dns/*");
	says(shell(0, "ringhold repo status server/repository"), "content-dns");
	says(shell(0, "ringhold repo verify server/repository --root root.json --json"), "content-dns: delegated, never published");
	snprintf(script, sizeof script, "ringhold delegate set content-dns --remove new.pem --threshold 1 %s", by);
	says(shell(0, script), "!     content-dns: 1 of 1 keys must sign, was 2 of 2");
	snprintf(script, sizeof script, "ringhold delegate remove content-dns %s", by);
	says(shell(0, script), "content-dns: nobody is believed about it any more");
	says(shell(0, "ringhold repo verify server/repository --root root.json"), "everything is sound");
}

static void verify_reports_what_is_damaged_missing_or_strange(void **state)
{
	(void)state;
	shell(0, "cp -a server/repository copy\nt=$(ls copy/targets/fleet/map/*)\nprintf x >>$t\ntouch copy/metadata/9.stranger.json copy/targets/y");
	says(shell(1, "ringhold repo verify copy --root root.json"), "problem: fleet/map/");
	says(shell(1, "ringhold repo verify copy --root root.json"), "problem: metadata/9.stranger.json: nobody names this file");
	says(shell(1, "ringhold repo verify copy --root root.json"), "problem: targets/y: nobody names this file");
	says(shell(1, "rm copy/targets/fleet/map/*\nringhold repo verify copy --root root.json"), "is listed and is not there");
	says(shell(1, "ringhold repo verify copy --root other/root.json"), "problem: ");
	says(shell(0, "ringhold repo verify file://$PWD/server/repository --root root.json"), "everything is sound");
}

static void status_names_keys_thresholds_and_holders_for_programs(void **state)
{
	const char *out;

	(void)state;
	out = shell(0, "ringhold repo status server/repository --json");
	says(out, "\"role\": \"root\"");
	says(out, "\"signed_by\": \"people\"");
	says(out, "\"held_where\": \"beside the directory\"");
	says(out, "\"threshold\": 2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_signed_where_nobody_can_be_asked),
		cmocka_unit_test(a_signature_lands_in_the_file_in_one_step),
		cmocka_unit_test(keys_that_may_not_sign_do_not),
		cmocka_unit_test(a_request_about_another_root_is_refused),
		cmocka_unit_test(a_request_that_was_changed_on_its_way_is_refused),
		cmocka_unit_test(a_new_root_needs_its_threshold_and_then_is_followed),
		cmocka_unit_test(nobody_can_ask_for_a_role_that_nobody_could_sign),
		cmocka_unit_test(roles_come_change_and_go),
		cmocka_unit_test(verify_reports_what_is_damaged_missing_or_strange),
		cmocka_unit_test(status_names_keys_thresholds_and_holders_for_programs),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
