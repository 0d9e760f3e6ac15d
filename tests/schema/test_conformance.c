/*
 * test_conformance: the public suite for JSON Schema 2020-12.
 *
 * A schema that compiles must answer every test of its group rightly. One that
 * does not compile must have been refused as unsupported, never as malformed;
 * how many is part of the test, so that support can only grow knowingly.
 */
#include <dirent.h>

#include "base/file.h"
#include "schema/schema.h"
#include "test.h"

#define GROUPS_LEAST 200        /* of the suite's schemas that compile */

static struct err e;
static unsigned compiled, unsupported, tests, wrong;

static void run_group(const char *file, const struct json_doc *d, const struct json *group)
{
	const struct json *list = json_get(group, "tests");
	AUTO(schema) struct schema *s = NULL;
	int rc = schema_compile(&s, d, json_get(group, "schema"), &e);

	if (rc == ERR_UNSUPPORTED) {
		unsupported++;
		return;
	}
	if (rc < 0)
		fail_msg("%s: %s: %s", file, json_get(group, "description")->u.text, e.msg);
	compiled++;
	for (uint32_t i = 0; i < list->count; i++) {
		const struct json *test = &list->u.items[i];
		bool valid = json_get(test, "valid")->type == JSON_TRUE;

		tests++;
		rc = schema_check(s, d, json_get(test, "data"), NULL, &e);
		if (rc == (valid ? 0 : ERR_FORMAT))
			continue;
		wrong++;
		print_error("%s: %s: %s: %s\n", file, json_get(group, "description")->u.text,
			    json_get(test, "description")->u.text, rc ? e.msg : "valid");
	}
}

static void run_file(const char *path)
{
	AUTO(buf) struct buf *raw = NULL;
	AUTO(json) struct json_doc *d = NULL;

	assert_ok(file_read(&raw, path, 1 << 22, &e));
	assert_ok(json_parse(&d, path, raw->data, raw->len, NULL, &e));
	for (uint32_t i = 0; i < d->root->count; i++)
		run_group(path, d, &d->root->u.items[i]);
}

static void what_compiles_answers_like_the_public_suite(void **state)
{
	const char *shared = getenv("RINGHOLD_SHARED");
	char path[600], file[900];
	DIR *dir;

	(void)state;
	snprintf(path, sizeof path, "%s/conformance/json-schema/draft2020-12", shared ? shared : "../shared");
	dir = opendir(path);
	if (!dir)
		skip_named("no %s", path);
	for (struct dirent *entry; (entry = readdir(dir));) {
		if (!strstr(entry->d_name, ".json"))
			continue;
		snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
		run_file(file);
	}
	closedir(dir);
	print_message("%u schemas compiled, %u refused as unsupported, %u tests\n", compiled, unsupported, tests);
	assert_int_equal(wrong, 0);
	assert_true(compiled >= GROUPS_LEAST);
}

int main(void)
{
	const struct CMUnitTest list[] = {
		cmocka_unit_test(what_compiles_answers_like_the_public_suite),
	};

	return cmocka_run_group_tests(list, NULL, NULL);
}
