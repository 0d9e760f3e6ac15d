/* test_alerts: no alert without a test in which it fires, and one in which it keeps silent. promtool runs them (test_dashboards). */
#include <glob.h>
#include <unistd.h>

#include "base/file.h"
#include "base/yaml.h"
#include "tests/test.h"

#define RULES "deploy/prometheus/ringhold.rules.yml"
#define TESTS "deploy/prometheus/*.test.yml"

static struct json_doc *read_yaml(const char *path)
{
	AUTO(buf) struct buf *text = NULL;
	struct json_doc *d;
	struct err e;

	assert_ok(file_read(&text, path, 1 << 20, &e));
	assert_ok(yaml_parse(&d, path, text->data, text->len, NULL, &e));
	return d;
}

struct tried {
	bool fires, silent;
};

static void look(const struct json *cases, const char *alert, struct tried *out)
{
	for (uint32_t i = 0; i < cases->count; i++) {
		const struct json *rows = json_get(&cases->u.items[i], "alert_rule_test");

		for (uint32_t k = 0; rows && k < rows->count; k++) {
			const struct json *row = &rows->u.items[k], *expected = json_get(row, "exp_alerts");

			if (!json_is(json_get(row, "alertname"), alert))
				continue;
			assert_non_null(expected);
			*(expected->count ? &out->fires : &out->silent) = true;
		}
	}
}

static void every_alert_fires_in_one_test_and_is_silent_in_another(void **state)
{
	AUTO(json) struct json_doc *rules = NULL;
	glob_t files;

	(void)state;
	if (access(RULES, R_OK) < 0)
		skip_named(RULES " is not here");
	rules = read_yaml(RULES);
	assert_int_equal(glob(TESTS, 0, NULL, &files), 0);
	const struct json *groups = json_get(rules->root, "groups");
	for (uint32_t g = 0; g < groups->count; g++) {
		const struct json *list = json_get(&groups->u.items[g], "rules");

		for (uint32_t i = 0; i < list->count; i++) {
			const char *alert = json_get(&list->u.items[i], "alert")->u.text;
			struct tried tried = { false, false };

			for (size_t f = 0; f < files.gl_pathc; f++) {
				AUTO(json) struct json_doc *d = read_yaml(files.gl_pathv[f]);

				look(json_get(d->root, "tests"), alert, &tried);
			}
			if (!tried.fires || !tried.silent)
				fail_msg("%s is never seen %s", alert, tried.fires ? "silent" : "firing");
		}
	}
	globfree(&files);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_alert_fires_in_one_test_and_is_silent_in_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
