/* test_remote: what a command takes from a server that it need not trust. */
#include <sys/stat.h>

#include "base/file.h"
#include "cli/remote.h"
#include "tests/test.h"

static struct err e;

/* A directory laid out like a server, with one list and a token. */
static void lay_out(char dir[64], const char *list)
{
	AUTO_FREE char *at = NULL, *token = NULL;

	strcpy(dir, "/tmp/ringhold-remote-XXXXXX");
	assert_non_null(mkdtemp(dir));
	at = file_join(dir, "list");
	token = file_join(dir, "token");
	assert_ok(file_replace(at, list, strlen(list), 0644, &e));
	assert_ok(file_replace(token, "rho_t\n", 6, 0600, &e));
}

static int read_all(const char *dir, struct remote_answer *out)
{
	AUTO(remote) struct remote *r = NULL;
	AUTO_FREE char *token = file_join(dir, "token");
	char url[80];

	snprintf(url, sizeof url, "file://%s", dir);
	assert_ok(remote_open(&r, &(const struct remote_options){ .server = url, .token_file = token }, &e));
	return remote_all(r, "/list", out, &e);
}

static void a_list_is_read_to_its_last_page(void **state)
{
	AUTO_ANSWER answer = { 0 };
	char dir[64];

	(void)state;
	lay_out(dir, "{\"items\":[1,2],\"next\":null}");
	assert_ok(read_all(dir, &answer));
	assert_int_equal(json_get(answer.doc->root, "items")->count, 2);
	assert_ok(file_remove_tree(dir, &e));
}

static void a_list_without_end_is_refused(void **state)
{
	AUTO_ANSWER answer = { 0 };
	char dir[64];

	(void)state;
	lay_out(dir, "{\"items\":[],\"next\":\"again\"}");
	assert_refused(read_all(dir, &answer), ERR_LIMIT, "no end");
	assert_ok(file_remove_tree(dir, &e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_is_read_to_its_last_page),
		cmocka_unit_test(a_list_without_end_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
