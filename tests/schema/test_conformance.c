/*
 * test_conformance: the public suite of JSON Schema, 2020-12 and draft-07, every required test.
 *
 * Its schemas refer to documents of remotes/, which stand in the library under
 * the address the suite gives them. Every schema must compile, every test must
 * be answered rightly, with and without a report of errors.
 */
#include <dirent.h>
#include <ftw.h>

#include "base/file.h"
#include "schema/schema.h"
#include "test.h"

#define REMOTES_MAX 300
#define ADDRESS "http://localhost:1234/"

static struct err e;
static unsigned tests, wrong;

/* ---- the library ---- */

static struct { struct buf *raw; struct json_doc *doc; } remotes[REMOTES_MAX];
static unsigned remote_count;
static struct schema_library *library;
static size_t root_len;

static int add_remote(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	char uri[600];

	(void)st;
	(void)ftw;
	if (type != FTW_F || !strstr(path, ".json"))
		return 0;
	assert_true(remote_count < REMOTES_MAX);
	snprintf(uri, sizeof uri, ADDRESS "%s", path + root_len);
	assert_ok(file_read(&remotes[remote_count].raw, path, 1 << 20, &e));
	assert_ok(json_parse(&remotes[remote_count].doc, "remote", remotes[remote_count].raw->data,
			     remotes[remote_count].raw->len, NULL, &e));
	assert_ok(schema_library_add(library, uri, remotes[remote_count].doc, &e));
	remote_count++;
	return 0;
}

/* The suite's folder; NULL when there is none. */
static const char *suite(void)
{
	static char path[600];
	const char *shared = getenv("RINGHOLD_SHARED");

	snprintf(path, sizeof path, "%s/conformance/json-schema", shared ? shared : "../shared");
	return file_exists(path) ? path : NULL;
}

static int open_library(void **state)
{
	const char *root = suite();
	char path[700];

	(void)state;
	assert_ok(schema_library_new(&library, &e));
	if (!root)
		return 0;
	root_len = (size_t)snprintf(path, sizeof path, "%s/remotes/", root);
	path[root_len - 1] = '\0';
	return nftw(path, add_remote, 16, FTW_PHYS);
}

static int close_library(void **state)
{
	(void)state;
	schema_library_free(library);
	while (remote_count--) {
		json_free(remotes[remote_count].doc);
		buf_free(remotes[remote_count].raw);
	}
	return 0;
}

/* ---- the tests ---- */

static void answer(const char *file, const struct schema *s, const struct json_doc *d, const struct json *group,
		     const struct json *test)
{
	bool valid = json_get(test, "valid")->type == JSON_TRUE;
	struct schema_errors errors;
	int rc = schema_check(s, d, json_get(test, "data"), NULL, &e);
	int again = schema_check(s, d, json_get(test, "data"), &errors, &e);

	tests++;
	assert_int_equal(rc, again);
	assert_true((rc == 0) == (errors.count == 0));
	if (rc == (valid ? 0 : ERR_FORMAT))
		return;
	wrong++;
	print_error("%s: %s: %s: %s\n", file, json_get(group, "description")->u.text,
		    json_get(test, "description")->u.text, rc ? e.msg : "valid");
}

static void run_group(const char *file, const struct json_doc *d, const struct json *group,
		      const struct schema_options *o)
{
	const struct json *list = json_get(group, "tests");
	AUTO(schema) struct schema *s = NULL;

	if (schema_compile_as(&s, d, json_get(group, "schema"), o, &e) < 0) {
		wrong += list->count;
		print_error("%s: %s: %s\n", file, json_get(group, "description")->u.text, e.msg);
		return;
	}
	for (uint32_t i = 0; i < list->count; i++)
		answer(file, s, d, group, &list->u.items[i]);
}

static void run_file(const char *path, const struct schema_options *o)
{
	AUTO(buf) struct buf *raw = NULL;
	AUTO(json) struct json_doc *d = NULL;

	assert_ok(file_read(&raw, path, 1 << 22, &e));
	assert_ok(json_parse(&d, path, raw->data, raw->len, NULL, &e));
	for (uint32_t i = 0; i < d->root->count; i++)
		run_group(strrchr(path, '/') + 1, d, &d->root->u.items[i], o);
}

static void run_draft(const char *name, enum schema_dialect dialect, unsigned least)
{
	struct schema_options o = { .dialect = dialect, .library = library };
	char path[700], file[1000];
	DIR *dir;

	if (!suite())
		skip_named("no ../shared/conformance/json-schema");
	snprintf(path, sizeof path, "%s/%s", suite(), name);
	dir = opendir(path);
	assert_non_null(dir);
	tests = wrong = 0;
	for (struct dirent *entry; (entry = readdir(dir));) {
		if (!strstr(entry->d_name, ".json"))
			continue;
		snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
		run_file(file, &o);
	}
	closedir(dir);
	print_message("%s: %u tests, %u answered wrongly\n", name, tests, wrong);
	assert_int_equal(wrong, 0);
	assert_true(tests >= least);
}

static void every_required_test_of_2020_12_is_answered_rightly(void **state)
{
	(void)state;
	run_draft("draft2020-12", SCHEMA_2020_12, 1200);
}

static void every_required_test_of_draft_07_is_answered_rightly(void **state)
{
	(void)state;
	run_draft("draft7", SCHEMA_DRAFT_07, 900);
}

int main(void)
{
	const struct CMUnitTest list[] = {
		cmocka_unit_test(every_required_test_of_2020_12_is_answered_rightly),
		cmocka_unit_test(every_required_test_of_draft_07_is_answered_rightly),
	};

	return cmocka_run_group_tests(list, open_library, close_library);
}
