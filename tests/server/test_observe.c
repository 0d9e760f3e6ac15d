/* test_observe: what whoever watches a server sees: metrics, alerts, dashboards, logs, health. */
#include "plane.h"

#include <sys/resource.h>

#include "server/metrics.h"
#include "server/ready.h"

#define RULES "deploy/prometheus/ringhold.rules.yml"
#define DASHBOARD "deploy/grafana/ringhold.json"
#define DOC "docs/observe.md"

struct place {
	struct plane *plane;
};

static struct plane *begin(struct place *x, const char *more)
{
	x->plane = plane_open(more);
	return x->plane;
}

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct place));
	return 0;
}

static int teardown(void **state)
{
	struct place *x = *state;

	if (x->plane)
		plane_close(x->plane);
	free(x);
	return 0;
}

static struct buf *page_of(struct plane *p, const char *token)
{
	struct answer a = ask(p, token, "GET", "/metrics", NULL);
	struct buf *text = a.text;

	assert_int_equal(a.status, 200);
	json_free(a.doc);
	return text;
}

/* The value of a series as it stands on the page; fails when there is none. */
static double value_of(const struct buf *page, const char *series)
{
	size_t len = strlen(series);

	for (const char *at = strstr(page->data, series); at; at = strstr(at + 1, series))
		if ((at == page->data || at[-1] == '\n') && at[len] == ' ')
			return atof(at + len);
	fail_msg("no %s in\n%s", series, page->data);
	return 0;
}

static char *read_text(const char *path)
{
	struct buf *b;
	char *text;
	struct err e;

	if (file_read(&b, path, 1 << 20, &e) < 0)
		return NULL;
	text = buf_take(b);
	buf_free(b);
	return text;
}

/* ---- promtool ---- */

#define PROMTOOL()                                            \
	do {                                                  \
		if (!test_other_program("promtool"))          \
			skip_missing_program("promtool");     \
	} while (0)

static void promtool(const char *const *words, const char *input)
{
	char *env[] = { (char *)"PATH=/usr/bin:/bin", (char *)"TMPDIR=/tmp", NULL };
	char path[] = "/tmp/ringhold-promtool-XXXXXX";
	struct proc_run run = { .path = test_other_program("promtool"), .argv = (char *const *)words, .env = env, .stdin_fd = -1,
				.timeout_ms = LIMIT_MS, .output_max = 1 << 20 };
	struct proc_result r;
	struct err e;

	if (input) {
		run.stdin_fd = mkostemp(path, O_CLOEXEC);
		assert_true(run.stdin_fd >= 0);
		unlink(path);
		assert_ok(file_write_all(run.stdin_fd, input, strlen(input), &e));
		assert_int_equal(lseek(run.stdin_fd, 0, SEEK_SET), 0);
	}
	assert_ok(proc_run(&run, &r, &e));
	if (r.exit_status != 0 || (input && r.output->len > 0))
		fail_msg("promtool %s %s: %s", words[1], words[2], r.output->data);
	proc_result_release(&r);
	if (input)
		close(run.stdin_fd);
}

/* ---- metrics ---- */

static void every_name_is_on_the_page_once_and_promtool_finds_nothing_wrong(void **state)
{
	static const char *const check[] = { "promtool", "check", "metrics", NULL };
	struct plane *p = begin(*state, "");
	AUTO(buf) struct buf *page = NULL;
	size_t types = 0;

	NEED(p->o);
	page = page_of(p, FIXTURE_TOKEN);
	for (size_t m = 0; m < METRICS; m++) {
		char line[200];
		const char *at;

		snprintf(line, sizeof line, "# TYPE %s %s\n", metric_families[m].name, metric_families[m].type);
		at = strstr(page->data, line);
		if (!at || strstr(at + 1, line))
			fail_msg("%s: missing, or there twice", metric_families[m].name);
	}
	for (const char *at = strstr(page->data, "# TYPE "); at; at = strstr(at + 1, "# TYPE "))
		types++;
	assert_int_equal(types, METRICS);
	PROMTOOL();
	promtool(check, page->data);
}

static void what_is_asked_is_counted_by_route_and_status(void **state)
{
	struct plane *p = begin(*state, "");
	AUTO(buf) struct buf *page = NULL;

	NEED(p->o);
	for (int i = 0; i < 3; i++) {
		AUTO_REPLY a = ask(p, FIXTURE_TOKEN, "GET", "/v1/devices/00112233445566778899aabbccddeeff", NULL);

		assert_int_equal(a.status, 404);
	}
	{
		AUTO_REPLY a = ask(p, "rho_wrong", "GET", "/v1/status", NULL);
		AUTO_REPLY b = ask(p, NULL, "GET", "/nowhere/at/all", NULL);

		assert_int_equal(a.status, 401);
		assert_int_equal(b.status, 404);
	}
	page = page_of(p, FIXTURE_TOKEN);
	assert_true(value_of(page, "ringhold_http_requests_total{method=\"GET\",route=\"/v1/devices/{device}\",code=\"404\"}") == 3);
	assert_true(value_of(page, "ringhold_http_requests_total{method=\"GET\",route=\"/v1/status\",code=\"401\"}") == 1);
	assert_true(value_of(page, "ringhold_http_requests_total{method=\"any\",route=\"none\",code=\"404\"}") == 1);
	assert_true(value_of(page, "ringhold_http_request_duration_seconds_count{method=\"GET\",route=\"/v1/devices/{device}\"}") == 3);
	assert_true(value_of(page, "ringhold_store_commits_total{result=\"done\"}") > 0);
	assert_true(value_of(page, "ringhold_http_connections") >= 1);
	assert_true(value_of(page, "process_resident_memory_bytes") > 1e6);
	assert_true(value_of(page, "process_open_fds") > 5);
	assert_null(strstr(page->data, "nowhere"));
	assert_null(strstr(page->data, "00112233445566778899aabbccddeeff"));
}

/* A device enrols and checks in, a bundle is on its way: the page knows the ring and not the device. */
static void rings_and_channels_are_labels_and_devices_are_not(void **state)
{
	struct plane *p = begin(*state, "");
	AUTO(buf) struct buf *page = NULL;
	char hex[DIGEST_HEX_LEN + 1], device[80], token[200];

	NEED(p->o);
	{
		AUTO_REPLY made = ask(p, FIXTURE_TOKEN, "POST", "/v1/enrolment-tokens", "{\"name\":\"lab\",\"attributes\":{\"ring\":\"canary\"}}");
		AUTO_REPLY enrolled = ask(p, member(&made, "token"), "POST", "/device/v1/enrol", "{\"format\":1,\"facts\":{\"os\":\"debian-12\",\"host\":\"dolores\"}}");

		assert_int_equal(enrolled.status, 201);
		snprintf(device, sizeof device, "%s", member(&enrolled, "device"));
		snprintf(token, sizeof token, "%s", member(&enrolled, "token"));
	}
	{
		AUTO_REPLY a = ask(p, token, "POST", "/device/v1/checkin",
				   "{\"format\":1,\"epoch\":\"0123456789abcdef\",\"seq\":5,\"sent\":1738324800,\"boot_id\":\"00112233445566778899aabbccddeeff\","
				   "\"facts\":{\"os\":\"debian-12\",\"host\":\"dolores\"},\"channels\":[],\"events\":[],\"want\":[]}");

		assert_int_equal(a.status, 200);
	}
	publish(p->o, 1, "one", hex);
	page = page_of(p, FIXTURE_TOKEN);
	assert_true(value_of(page, "ringhold_devices{state=\"present\"}") == 1);
	assert_true(value_of(page, "ringhold_ring_devices{ring=\"canary\"}") == 1);
	assert_true(value_of(page, "ringhold_ring_state{channel=\"edr\",ring=\"canary\",state=\"offering\"}") == 1);
	assert_true(value_of(page, "ringhold_ring_state{channel=\"edr\",ring=\"canary\",state=\"halted\"}") == 0);
	assert_true(value_of(page, "ringhold_gate_e_limit{channel=\"edr\",ring=\"canary\",test=\"pooled\"}") > 100);
	assert_true(value_of(page, "ringhold_rollouts_total{channel=\"edr\"}") == 1);
	assert_true(value_of(page, "ringhold_role_expiry_timestamp_seconds{role=\"root\",signed_by=\"people\"}") > (double)clock_now());
	assert_true(value_of(page, "ringhold_role_expiry_timestamp_seconds{role=\"timestamp\",signed_by=\"server\"}") > (double)clock_now());
	assert_true(value_of(page, "ringhold_tls_certificate_expiry_timestamp_seconds") > (double)clock_now() + 3000 * 86400.0);
	assert_true(value_of(page, "ringhold_backup_timestamp_seconds") == 0);
	assert_null(strstr(page->data, device));
	assert_null(strstr(page->data, "dolores"));
	assert_null(strstr(page->data, "127.0.0.1"));
	assert_null(strstr(page->data, hex));
}

static void a_page_needs_a_token_and_shows_its_channels_alone(void **state)
{
	struct plane *p = begin(*state, "");
	AUTO(buf) struct buf *page = NULL, *other = NULL;
	AUTO_FREE char *viewer = NULL, *elsewhere = NULL;
	char hex[DIGEST_HEX_LEN + 1];

	NEED(p->o);
	publish(p->o, 1, "one", hex);
	viewer = new_token(p, "edr-viewer", "viewer", "edr");
	elsewhere = new_token(p, "waf-viewer", "viewer", "waf");
	{
		AUTO_REPLY a = ask(p, NULL, "GET", "/metrics", NULL);

		expect_problem(&a, 401, "unauthenticated");
	}
	page = page_of(p, viewer);
	other = page_of(p, elsewhere);
	assert_non_null(strstr(page->data, "channel=\"edr\""));
	assert_null(strstr(other->data, "channel=\"edr\""));
}

static void a_server_may_open_its_metrics_close_them_or_show_them_elsewhere(void **state)
{
	struct place *x = *state;
	struct plane *p = begin(x, "metrics = open\n");
	struct err e;

	NEED(p->o);
	{
		AUTO_REPLY a = ask(p, NULL, "GET", "/metrics", NULL);

		assert_int_equal(a.status, 200);
	}
	plane_close(p);
	p = begin(x, "metrics = off\nmetrics-listen = 127.0.0.1:0\n");
	{
		AUTO_REPLY a = ask(p, FIXTURE_TOKEN, "GET", "/metrics", NULL);
		AUTO_FREE char *where = fixture_path(p->o->f, "data/metrics-listening"), *text = read_text(where);

		expect_problem(&a, 404, "not-found");
		assert_non_null(text);
		snprintf(p->url, sizeof p->url, "http://%.*s", (int)strcspn(text, "\n"), text);
		fetch_free(p->http);
		assert_ok(fetch_new(&p->http, &(const struct fetch_settings){ .agent = "test" }, &e));
	}
	static const char *const there[] = { "/metrics", "/healthz", "/readyz" }, *const not_there[] = { "/v1/status", "/v1/self", "/content/metadata/timestamp.json" };
	for (size_t i = 0; i < 3; i++) {
		AUTO_REPLY a = ask(p, NULL, "GET", there[i], NULL);
		AUTO_REPLY b = ask(p, FIXTURE_TOKEN, "GET", not_there[i], NULL);

		assert_int_equal(a.status, 200);
		assert_int_equal(b.status, 404);
	}
}

/* ---- alerts and dashboards ---- */

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

/* ---- is it ready? ---- */

/* Asks until it answers so, and hands the last answer over. */
static struct answer wait_ready(struct plane *p, const char *path, long status)
{
	int64_t until = clock_work_ms() + LIMIT_MS;

	for (;;) {
		struct answer a = ask(p, NULL, "GET", path, NULL);

		if (a.status == status)
			return a;
		if (clock_work_ms() > until)
			fail_msg("%s: %ld %s", path, a.status, a.text->data);
		answer_release(&a);
		poll(NULL, 0, 50);
	}
}

/* Exactly this condition does not hold. */
static void expect_only(const struct answer *a, enum ready broken)
{
	const struct json *list = json_get(a->doc->root, "conditions");

	assert_int_equal(list->count, READY_CONDITIONS);
	for (uint32_t i = 0; i < list->count; i++) {
		bool holds = json_get(&list->u.items[i], "holds")->type == JSON_TRUE;

		if (holds == (i == (uint32_t)broken))
			fail_msg("%s", a->text->data);
		assert_true(json_is(json_get(&list->u.items[i], "condition"), ready_name((enum ready)i)));
	}
}

static void it_is_ready_and_alive(void **state)
{
	struct plane *p = begin(*state, "");

	NEED(p->o);
	AUTO_REPLY ready = wait_ready(p, "/readyz", 200);
	AUTO_REPLY alive = ask(p, NULL, "GET", "/healthz", NULL);
	expect_only(&ready, READY_CONDITIONS);
	assert_int_equal(alive.status, 200);
}

static void a_store_that_cannot_be_written_is_found_by_itself_and_so_is_its_return(void **state)
{
	struct plane *p = begin(*state, "");
	struct rlimit was, none;

	NEED(p->o);
	assert_int_equal(prlimit(p->o->pid, RLIMIT_FSIZE, NULL, &was), 0);
	none = (struct rlimit){ 0, was.rlim_max };
	assert_int_equal(prlimit(p->o->pid, RLIMIT_FSIZE, &none, NULL), 0);
	{
		AUTO_REPLY no = wait_ready(p, "/readyz", 503);
		AUTO_REPLY alive = ask(p, NULL, "GET", "/healthz", NULL);

		expect_problem(&no, 503, "unavailable");
		expect_only(&no, READY_STORE);
		assert_int_equal(alive.status, 200);
	}
	assert_int_equal(prlimit(p->o->pid, RLIMIT_FSIZE, &was, NULL), 0);
	AUTO_REPLY again = wait_ready(p, "/readyz", 200);
	expect_only(&again, READY_CONDITIONS);
}

static void a_full_disk_is_not_ready(void **state)
{
	struct plane *p = begin(*state, "min-free = 900000G\n");

	NEED(p->o);
	AUTO_REPLY no = wait_ready(p, "/readyz", 503);
	expect_only(&no, READY_SPACE);
	AUTO_REPLY excluded = ask(p, NULL, "GET", "/readyz?exclude=space", NULL);
	assert_int_equal(excluded.status, 200);
	AUTO_REPLY odd = ask(p, NULL, "GET", "/readyz?exclude=spaces", NULL);
	expect_problem(&odd, 400, "malformed");
}

static void a_server_without_its_online_keys_is_not_ready(void **state)
{
	struct plane *p = begin(*state, "");

	NEED(p->o);
	{
		AUTO_FREE char *key = fixture_path(p->o->f, "data/keys/timestamp.pem");

		assert_int_equal(unlink(key), 0);
	}
	plane_restart(p, SIGTERM);
	AUTO_REPLY no = wait_ready(p, "/readyz", 503);
	expect_only(&no, READY_KEYS);
}

static void a_vendor_that_is_not_there_is_not_followed(void **state)
{
	struct place *x = *state;
	struct plane *p = begin(x, "");
	AUTO_FREE char *root = NULL, *ini = NULL;

	NEED(p->o);
	root = fixture_path(p->o->f, "data/repository/metadata/1.root.json");
	assert_true(asprintf(&ini,
			     "listen = 127.0.0.1:0\ndata = %s\n[follow vendor]\nurl = http://127.0.0.1:9/\nroot = %s\nchannels = waf\npoll = 1s\n",
			     p->o->f->data, root) > 0);
	fixture_write(p->o->f, "ringholdd.ini", ini);
	plane_restart(p, SIGTERM);
	AUTO_REPLY no = wait_ready(p, "/readyz", 503);
	expect_only(&no, READY_FOLLOWED);
	AUTO_REPLY excluded = ask(p, NULL, "GET", "/readyz?exclude=followed", NULL);
	assert_int_equal(excluded.status, 200);
}

/* ---- logs ---- */

static char *log_of(struct plane *p)
{
	AUTO_FREE char *path = fixture_path(p->o->f, "log");
	char *text = read_text(path);

	return text ? text : strdup("");
}

static void a_request_is_found_in_the_log_by_the_id_that_its_answer_has(void **state)
{
	struct plane *p = begin(*state, "");
	AUTO_FREE char *log = NULL;
	char want[200];

	NEED(p->o);
	{
		AUTO_REPLY given = ask_with(p, FIXTURE_TOKEN, "GET", "/v1/devices/0", NULL, "X-Request-Id: ticket-4711");
		AUTO_REPLY traced = ask_with(p, FIXTURE_TOKEN, "GET", "/v1/devices/1", NULL, "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
		AUTO_REPLY odd = ask_with(p, FIXTURE_TOKEN, "GET", "/v1/devices/2", NULL, "X-Request-Id: a\" level=\"error");

		assert_string_equal(member(&given, "request_id"), "ticket-4711");
		assert_string_equal(member(&traced, "request_id"), "4bf92f3577b34da6a3ce929d0e0e4736");
		assert_int_equal(strlen(member(&odd, "request_id")), 32);
		snprintf(want, sizeof want, "path=\"/v1/devices/2\" route=\"/v1/devices/{device}\" status=\"404\"");
		log = log_of(p);
		assert_non_null(strstr(log, want));
		snprintf(want, sizeof want, "request=\"%s\"", member(&odd, "request_id"));
		assert_non_null(strstr(log, want));
	}
	assert_non_null(strstr(log, "request=\"ticket-4711\""));
	assert_non_null(strstr(log, "request=\"4bf92f3577b34da6a3ce929d0e0e4736\""));
	assert_non_null(strstr(log, "who=\"tester\""));
}

static void check_lines(const char *log)
{
	size_t lines = 0;

	for (const char *at = log; *at; lines++) {
		size_t len = strcspn(at, "\n");
		AUTO(json) struct json_doc *d = NULL;
		struct err e;

		if (json_parse(&d, "log", at, len, NULL, &e) < 0)
			fail_msg("%s: %.*s", e.msg, (int)len, at);
		assert_true(json_is(json_get(d->root, "unit"), "ringholdd"));
		assert_non_null(json_get(d->root, "time"));
		assert_non_null(json_get(d->root, "level"));
		assert_non_null(json_get(d->root, "msg"));
		at += len + (at[len] == '\n');
	}
	assert_true(lines > 5);
}

/* Everything is logged, as JSON, while every kind of secret goes by: no line has one. */
static void no_secret_is_logged(void **state)
{
	struct plane *p = begin(*state, "log = json\naccess-log = all\n");
	AUTO_FREE char *log = NULL, *operator_token = NULL;
	char enrolment[120], device[200], webhook[100];

	NEED(p->o);
	operator_token = new_token(p, "second", "viewer", NULL);
	{
		AUTO_REPLY hook = ask(p, FIXTURE_TOKEN, "PUT", "/v1/webhooks/siem", "{\"url\":\"https://127.0.0.1:9/?key=open\"}");
		AUTO_REPLY sent = ask(p, FIXTURE_TOKEN, "POST", "/v1/webhooks/siem/test", "{}");
		AUTO_REPLY made = ask(p, FIXTURE_TOKEN, "POST", "/v1/enrolment-tokens", "{\"name\":\"lab\"}");
		AUTO_REPLY enrolled = ask(p, member(&made, "token"), "POST", "/device/v1/enrol", "{\"format\":1,\"facts\":{}}");
		AUTO_REPLY self = ask(p, member(&enrolled, "token"), "GET", "/device/v1/self?token=sesame", NULL);
		AUTO_REPLY bad = ask(p, "rho_guessed-by-nobody", "GET", "/v1/self", NULL);
		AUTO_REPLY odd = ask_with(p, operator_token, "GET", "/v1/devices/%22%7B%7D", NULL, "X-Request-Id: {\"a\":1}");

		snprintf(webhook, sizeof webhook, "%s", member(&hook, "secret"));
		assert_int_equal(sent.status, 200);
		snprintf(enrolment, sizeof enrolment, "%s", member(&made, "token"));
		snprintf(device, sizeof device, "%s", member(&enrolled, "token"));
		assert_int_equal(self.status, 200);
		assert_int_equal(bad.status, 401);
		assert_int_equal(odd.status, 404);
	}
	log = log_of(p);
	check_lines(log);
	assert_non_null(strstr(log, "\"route\":\"/device/v1/self\""));
	assert_null(strstr(log, FIXTURE_TOKEN));
	assert_null(strstr(log, operator_token));
	assert_null(strstr(log, webhook));
	assert_null(strstr(log, "key=open"));
	assert_null(strstr(log, enrolment));
	assert_null(strstr(log, device));
	assert_null(strstr(log, "guessed-by-nobody"));
	assert_null(strstr(log, "sesame"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(every_name_is_on_the_page_once_and_promtool_finds_nothing_wrong),
		TEST(what_is_asked_is_counted_by_route_and_status),
		TEST(rings_and_channels_are_labels_and_devices_are_not),
		TEST(a_page_needs_a_token_and_shows_its_channels_alone),
		TEST(a_server_may_open_its_metrics_close_them_or_show_them_elsewhere),
		TEST(alerts_are_valid_and_fire_when_their_tests_say),
		TEST(alerts_name_commands_that_exist),
		TEST(alerts_and_dashboards_name_metrics_that_exist),
		TEST(the_guide_explains_every_metric_and_every_alert),
		TEST(it_is_ready_and_alive),
		TEST(a_store_that_cannot_be_written_is_found_by_itself_and_so_is_its_return),
		TEST(a_full_disk_is_not_ready),
		TEST(a_server_without_its_online_keys_is_not_ready),
		TEST(a_vendor_that_is_not_there_is_not_followed),
		TEST(a_request_is_found_in_the_log_by_the_id_that_its_answer_has),
		TEST(no_secret_is_logged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
