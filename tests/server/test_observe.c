/* test_observe: what the metrics of a server say, and to whom. */
#include "observe.h"

#include "server/metrics.h"


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

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(every_name_is_on_the_page_once_and_promtool_finds_nothing_wrong),
		TEST(what_is_asked_is_counted_by_route_and_status),
		TEST(rings_and_channels_are_labels_and_devices_are_not),
		TEST(a_page_needs_a_token_and_shows_its_channels_alone),
		TEST(a_server_may_open_its_metrics_close_them_or_show_them_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
