/* test_dashboards: alerts fire when they should, and alerts, dashboards and the guide name what exists. */
#include "observe.h"

#include "server/metrics.h"

#define RULES "deploy/prometheus/ringhold.rules.yml"
#define DASHBOARD "deploy/grafana/ringhold.json"
#define DOC "docs/observe.md"

static void alerts_are_valid_and_fire_when_their_tests_say(void **state)
{
	static const char *const check[] = { "promtool", "check", "rules", RULES, NULL };
	static const char *const test[] = { "promtool", "test", "rules", "deploy/prometheus/ringhold.rules.test.yml",
					    "deploy/prometheus/ringhold.days.test.yml", "deploy/prometheus/ringhold.fires.test.yml", NULL };

	(void)state;
	PROMTOOL();
	if (access(RULES, R_OK) < 0)
		skip_named(RULES " is not here");
	promtool(check, NULL);
	promtool(test, NULL);
}

/* What an alert tells people to type is there to be typed. */
static void alerts_name_commands_that_exist(void **state)
{
	struct plane *p = begin(*state, "");
	AUTO_FREE char *rules = read_text(RULES);
	size_t found = 0;

	NEED(p->o);
	if (!rules)
		skip_named(RULES " is not here");
	for (const char *at = strstr(rules, "`ringhold "); at; at = strstr(at + 1, "`ringhold "), found++) {
		char first[40], second[40] = "";

		assert_true(sscanf(at, "`ringhold %39[a-z] %39[a-z]", first, second) >= 1);
		if (run_tool(p->o, (const char *const[]){ "ringhold", first, second[0] ? second : "--help", "--help", NULL }) != 0)
			fail_msg("ringhold %s %s: %s", first, second, p->o->said);
	}
	assert_true(found >= 8);
}

static bool is_family(const char *name, size_t len)
{
	static const char *const parts[] = { "_bucket", "_sum", "_count" };

	for (size_t m = 0; m < METRICS; m++) {
		const char *known = metric_families[m].name;
		size_t n = strlen(known);

		if (len == n && strncmp(name, known, n) == 0)
			return true;
		for (size_t i = 0; strcmp(metric_families[m].type, "histogram") == 0 && i < ARRAY_LEN(parts); i++)
			if (len == n + strlen(parts[i]) && strncmp(name, known, n) == 0 && strncmp(name + n, parts[i], strlen(parts[i])) == 0)
				return true;
	}
	return false;
}

/* Every word of a text that looks like one of our metrics, or a process's, is one. How many there were. */
static size_t names_exist(const char *text, const char *where)
{
	static const char *const prefixes[] = { "ringhold_", "process_" };
	size_t found = 0;

	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
		for (const char *at = strstr(text, prefixes[i]); at; at = strstr(at + 1, prefixes[i])) {
			size_t len = strspn(at, "abcdefghijklmnopqrstuvwxyz_0123456789");

			if (at > text && strchr("abcdefghijklmnopqrstuvwxyz_", at[-1]))
				continue;
			if (!is_family(at, len))
				fail_msg("%s: %.*s is no metric of ours", where, (int)len, at);
			found++;
		}
	return found;
}

/* Every "expr" of the document, as a rule of its own. */
static void gather(const struct json *v, struct buf *rules, size_t *count)
{
	if (v->type == JSON_ARRAY)
		for (uint32_t i = 0; i < v->count; i++)
			gather(&v->u.items[i], rules, count);
	for (uint32_t i = 0; v->type == JSON_OBJECT && i < v->count; i++) {
		const struct json_member *m = &v->u.members[i];

		if (strcmp(m->key.text, "expr") == 0) {
			buf_addf(rules, "  - record: a:b%zu\n    expr: '%s'\n", ++*count, m->value.u.text);
			assert_true(names_exist(m->value.u.text, DASHBOARD) > 0);
		}
		gather(&m->value, rules, count);
	}
}

static void alerts_and_dashboards_name_metrics_that_exist(void **state)
{
	AUTO_FREE char *rules = read_text(RULES), *dashboard = read_text(DASHBOARD);
	AUTO(json) struct json_doc *d = NULL;
	AUTO(buf) struct buf *queries = buf_new(0);
	char path[] = "/tmp/ringhold-queries-XXXXXX";
	const char *const check[] = { "promtool", "check", "rules", path, NULL };
	size_t count = 0;
	struct err e;
	int fd;

	(void)state;
	if (!rules || !dashboard)
		skip_named("deploy/ is not here");
	assert_true(names_exist(rules, RULES) >= 25);
	assert_ok(json_parse(&d, DASHBOARD, dashboard, strlen(dashboard), NULL, &e));
	buf_adds(queries, "groups:\n- name: q\n  rules:\n");
	gather(d->root, queries, &count);
	assert_true(count >= 30);
	PROMTOOL();
	fd = mkostemp(path, O_CLOEXEC);
	assert_true(fd >= 0);
	assert_ok(file_write_all(fd, queries->data, queries->len, &e));
	close(fd);
	promtool(check, NULL);
	unlink(path);
}

static void the_guide_explains_every_metric_and_every_alert(void **state)
{
	AUTO_FREE char *doc = read_text(DOC), *rules = read_text(RULES);

	(void)state;
	if (!doc || !rules)
		skip_named("docs/ and deploy/ are not here");
	for (size_t m = 0; m < METRICS; m++) {
		char name[120];

		snprintf(name, sizeof name, "`%s`", metric_families[m].name);
		if (!strstr(doc, name))
			fail_msg("%s is not in " DOC, name);
	}
	names_exist(doc, DOC);
	for (const char *at = strstr(rules, "alert: "); at; at = strstr(at + 1, "alert: ")) {
		char name[80];

		snprintf(name, sizeof name, "%.*s", (int)strcspn(at + 7, "\n"), at + 7);
		if (!strstr(doc, name))
			fail_msg("%s is not in " DOC, name);
	}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(alerts_are_valid_and_fire_when_their_tests_say),
		TEST(alerts_name_commands_that_exist),
		TEST(alerts_and_dashboards_name_metrics_that_exist),
		TEST(the_guide_explains_every_metric_and_every_alert),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
