/* test_ringholdd: a real server end to end: devices enrol and check in, bundles are published, offered and survive kill -9. */
#include "daemon.h"

static int setup(void **state)
{
	prepare(state, "", true);
	return 0;
}

static void only_the_pinned_key_is_the_server(void **state)
{
	struct world *w = *state;
	struct fetch_settings wrong = { .pin = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" }, none = { .agent = "x" };
	struct fetch_answer got;
	struct fetch_request r = { .method = "GET", .max = 1000 };
	AUTO_FREE char *url = NULL, *key = NULL;
	AUTO(fetch) struct fetch *f = NULL;
	struct answer a = { 0 };
	char pin[80];
	struct stat st;
	struct err e;

	NEED_PROGRAM(w);
	get(w, &a, "/healthz");
	assert_status(&a, 200);
	answer_release(&a);
	assert_true(asprintf(&url, "%s/healthz", w->url) > 0);
	r.url = url;
	assert_ok(fetch_new(&f, &wrong, &e));
	assert_int_equal(fetch_do(f, &r, &got, &e), ERR_NET);
	fetch_free(TAKE(f));
	assert_ok(fetch_new(&f, &none, &e));
	assert_int_equal(fetch_do(f, &r, &got, &e), ERR_NET);
	key = fixture_path(w->f, "data/tls.key");
	assert_int_equal(stat(key, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	/* the pin stays over a restart */
	strcpy(pin, w->pin);
	end(w, SIGTERM);
	start(w, true);
	assert_string_equal(pin, w->pin);
}

static void devices_enrol_check_in_and_are_refused(void **state)
{
	struct world *w = *state;
	struct device d = { .seq = 0 };
	struct answer a = { 0 }, again = { 0 };
	char path[128], forged[256];

	NEED_PROGRAM(w);
	enrol(w, &d, "canary");
	checkin(w, &a, &d, 5, "", "");
	assert_status(&a, 200);
	checkin(w, &again, &d, 5, "", "");
	assert_status(&again, 200);
	assert_string_equal(a.text->data, again.text->data);
	checkin(w, &a, &d, 4, "", "");
	assert_status(&a, 409);
	assert_non_null(strstr(text_of(&a, "type"), "resync"));
	/* a poisoned event is named */
	checkin(w, &a, &d, 6, "{\"n\":3,\"at\":1,\"channel\":\"edr\",\"digest\":null,\"attempt\":1,\"kind\":\"no such kind\",\"reason\":null}", "");
	assert_status(&a, 400);
	assert_non_null(strstr(a.text->data, "\"poisoned\":{\"n\":3,\"index\":0}"));
	call(w, &a, "GET", "/device/v1/self", d.token, NULL, 0, NULL);
	assert_status(&a, 200);
	assert_string_equal(text_of(&a, "ring"), "canary");
	/* forged, foreign and revoked tokens */
	strcpy(forged, d.token);
	forged[10] = forged[10] == 'a' ? 'b' : 'a';
	post(w, &a, "/device/v1/checkin", forged, "{}");
	assert_status(&a, 401);
	post(w, &a, "/device/v1/checkin", FIXTURE_TOKEN, "{}");
	assert_status(&a, 401);
	call(w, &a, "GET", "/v1/devices", d.token, NULL, 0, NULL);
	assert_status(&a, 401);
	call(w, &a, "GET", "/v1/devices", NULL, NULL, 0, NULL);
	assert_status(&a, 401);
	snprintf(path, sizeof path, "/v1/devices/%s", d.id);
	call(w, &a, "DELETE", path, FIXTURE_TOKEN, NULL, 0, NULL);
	assert_status(&a, 200);
	checkin(w, &a, &d, 7, "", "");
	assert_status(&a, 403);
	post(w, &a, "/device/v1/enrol", "rhe_never", "{\"format\":1,\"facts\":{}}");
	assert_status(&a, 401);
	answer_release(&a);
	answer_release(&again);
}

static void a_bundle_is_published_offered_and_survives_kill_9(void **state)
{
	struct world *w = *state;
	struct fixture_bundle b, other;
	struct device d[3] = { { .seq = 0 } };
	struct answer a = { 0 };
	char want[256], event[512], hex[DIGEST_HEX_LEN + 1], path[200], archive[DIGEST_HEX_LEN + 1];

	NEED_PROGRAM(w);
	for (size_t i = 0; i < ARRAY_LEN(d); i++) {
		enrol(w, &d[i], "canary");
		checkin(w, &a, &d[i], ++d[i].seq, "", "");
		assert_status(&a, 200);
	}
	fixture_bundle(w->f, &b, 7, "one");
	digest_hex(hex, &b.bundle->digest);
	digest_hex(archive, &b.archive);
	publish(w, &a, &b, "content-edr");
	assert_status(&a, 404);
	upload(w, &b, 201);
	upload(w, &b, 200);
	/* nobody else's signature, and none at all */
	publish(w, &a, &b, "nobody");
	assert_status(&a, 403);
	publish(w, &a, &b, "content-edr");
	assert_status(&a, 201);
	wait_for_ring(w, "canary", "offering");
	end(w, SIGKILL);
	start(w, true);
	wait_for_ring(w, "canary", "offering");
	/* the vendor's file is there as it came, under its hash */
	snprintf(path, sizeof path, "/content/targets/bundles/edr/%s.7.tar.gz", archive);
	get(w, &a, path);
	assert_status(&a, 200);
	assert_int_equal(a.text->len, b.bundle->archive->len);
	assert_memory_equal(a.text->data, b.bundle->archive->data, a.text->len);
	/* permits: durable before the answer, the same after a kill */
	snprintf(want, sizeof want, "{\"channel\":\"edr\",\"digest\":\"%s\",\"attempt\":1}", hex);
	for (size_t i = 0; i < ARRAY_LEN(d); i++) {
		checkin(w, &a, &d[i], ++d[i].seq, "", want);
		assert_non_null(strstr(a.text->data, "\"answer\":\"go\""));
		end(w, SIGKILL);
		start(w, true);
	}
	get(w, &a, "/v1/rollouts/1");
	assert_non_null(strstr(a.text->data, "\"offers\":{\"total\":3"));
	for (size_t i = 0; i < 2; i++) {
		snprintf(event, sizeof event, "{\"n\":%d,\"at\":1,\"channel\":\"edr\",\"digest\":\"%s\",\"attempt\":1,\"kind\":\"failed\",\"reason\":\"health\"}",
			 ++d[i].n, hex);
		checkin(w, &a, &d[i], ++d[i].seq, event, "");
		assert_status(&a, 200);
		end(w, SIGKILL);
		start(w, true);
	}
	wait_for_ring(w, "canary", "rolled-back");
	get(w, &a, "/v1/rollouts/1");
	assert_non_null(strstr(a.text->data, "\"failed\":2"));
	/* one serial, one digest; an older serial is no news */
	fixture_bundle(w->f, &other, 7, "two");
	upload(w, &other, 201);
	publish(w, &a, &other, "content-edr");
	assert_status(&a, 409);
	fixture_bundle_release(&other);
	fixture_bundle(w->f, &other, 6, "three");
	upload(w, &other, 201);
	publish(w, &a, &other, "content-edr");
	assert_status(&a, 409);
	/* the same again is no mistake */
	publish(w, &a, &b, "content-edr");
	assert_status(&a, 200);
	get(w, &a, "/v1/audit");
	assert_non_null(strstr(a.text->data, "\"action\":\"publish\""));
	fixture_bundle_release(&b);
	fixture_bundle_release(&other);
	answer_release(&a);
}

/* A check-in that says which contract it runs. */
static void checkin_with(struct world *w, struct device *d, const char *contract)
{
	struct answer a = { 0 };
	char body[1024];

	snprintf(body, sizeof body,
		 "{\"format\":1,\"epoch\":\"00000000000000aa\",\"seq\":%d,\"sent\":1,\"boot_id\":\"b\",\"facts\":{\"sensor\":\"s\",\"contract\":\"%s\"},"
		 "\"channels\":[{\"channel\":\"edr\",\"ring\":\"canary\",\"phase\":\"IDLE\",\"rung\":\"current\",\"running\":null,"
		 "\"drop\":null,\"high_water\":0,\"held\":null}],\"events\":[],\"want\":[]}", ++d->seq, contract);
	post(w, &a, "/device/v1/checkin", d->token, body);
	assert_status(&a, 200);
	answer_release(&a);
}

static void bundle_that_requires(struct fixture *f, struct fixture_bundle *out)
{
	const struct bundle_options o = { .channel = FIXTURE_CHANNEL, .serial = 7, .created = 1700000000 };
	AUTO_FREE char *dir = fixture_path(f, "needy");
	struct err e;

	fixture_write(f, "needy/bundle.json", "{\"format\":1,\"types\":[{\"match\":\"*.txt\",\"type\":\"doc\"}],"
					      "\"requires\":[{\"type\":\"doc\",\"version\":\"1\"}]}");
	fixture_write(f, "needy/rules.txt", "text");
	assert_ok(bundle_build(&out->bundle, dir, &o, &e));
	hash_bytes(&out->archive, out->bundle->archive->data, out->bundle->archive->len);
}

static void a_bundle_goes_to_a_fleet_that_accepts_it_or_out_by_name(void **state)
{
	static const char *const contracts[] = {
		"{\"format\":1,\"sensor\":\"s\",\"version\":\"1\",\"accepts\":{\"doc\":{\"versions\":[9]}}}",
		"{\"format\":1,\"sensor\":\"s\",\"version\":\"2\",\"accepts\":{\"doc\":{\"versions\":[1]}}}",
		"{\"format\":1,\"sensor\":\"waf\",\"version\":\"1\",\"accepts\":{\"waf\":{\"versions\":[1]}}}",
	};
	struct world *w = *state;
	struct fixture_bundle b;
	struct device d = { .seq = 0 }, old = { .seq = 0 };
	struct answer a = { 0 };
	char digests[3][DIGEST_HEX_LEN + 1];

	NEED_PROGRAM(w);
	for (size_t i = 0; i < ARRAY_LEN(contracts); i++) {
		post(w, &a, "/v1/contracts", FIXTURE_TOKEN, contracts[i]);
		assert_status(&a, 201);
		snprintf(digests[i], sizeof digests[i], "%s", text_of(&a, "digest"));
	}
	enrol(w, &d, "canary");
	checkin_with(w, &d, digests[1]);
	bundle_that_requires(w->f, &b);
	upload(w, &b, 201);
	/* asked about: an answer, and nothing else */
	publish_with(w, &a, &b, "content-edr", "\"dry_run\":true,");
	assert_status(&a, 200);
	assert_non_null(strstr(a.text->data, "\"version\":\"1\",\"answer\":\"refuse\",\"why\":\"manifest.json: requires doc 1:"));
	assert_non_null(strstr(a.text->data, "\"version\":\"2\",\"answer\":\"pass\",\"why\":null,\"devices\":1,\"rings\":{\"canary\":1}"));
	assert_non_null(strstr(a.text->data, "\"sensor\":\"waf\",\"version\":\"1\",\"answer\":\"not addressed\""));
	get(w, &a, "/v1/bundles");
	assert_string_equal(a.text->data, "{\"items\":[],\"next\":null}");
	/* a device of the old build appears */
	enrol(w, &old, "early");
	checkin_with(w, &old, digests[0]);
	publish(w, &a, &b, "content-edr");
	assert_status(&a, 422);
	assert_non_null(strstr(text_of(&a, "detail"), "s 1 refuses it (1 device in early)"));
	assert_non_null(strstr(a.text->data, "\"blocks\":true"));
	/* by name, with a reason, or not at all */
	publish_with(w, &a, &b, "content-edr", "\"allow_refused\":[\"s/1\"],");
	assert_status(&a, 400);
	publish_with(w, &a, &b, "content-edr", "\"reason\":\"x\",\"allow_refused\":[\"*\"],");
	assert_status(&a, 404);
	publish_with(w, &a, &b, "content-edr", "\"reason\":\"x\",\"allow_refused\":[\"s/2\"],");
	assert_status(&a, 422);
	publish_with(w, &a, &b, "content-edr", "\"reason\":\"the last two leave on Monday\",\"allow_refused\":[\"s/1\"],");
	assert_status(&a, 201);
	assert_non_null(strstr(a.text->data, "\"allowed\":true,\"blocks\":false"));
	get(w, &a, "/v1/audit");
	assert_non_null(strstr(a.text->data, "\"action\":\"publish-allow-refused\""));
	assert_non_null(strstr(a.text->data, "although refused by s/1: the last two leave on Monday"));
	fixture_bundle_release(&b);
	answer_release(&a);
}

static void an_archive_that_is_not_what_was_signed_is_refused(void **state)
{
	struct world *w = *state;
	struct fixture_bundle b, other;
	struct answer a = { 0 };

	NEED_PROGRAM(w);
	fixture_bundle(w->f, &b, 1, "one");
	fixture_bundle(w->f, &other, 2, "two");
	/* signed under serial 1, but the bytes are those of serial 2 */
	buf_clear(b.bundle->archive);
	buf_add(b.bundle->archive, other.bundle->archive->data, other.bundle->archive->len);
	b.archive = other.archive;
	upload(w, &b, 201);
	publish(w, &a, &b, "content-edr");
	assert_true(a.status == 422 || a.status == 400);
	assert_non_null(strstr(a.text->data, "archive"));
	get(w, &a, "/v1/bundles");
	assert_string_equal(a.text->data, "{\"items\":[],\"next\":null}");
	/* an upload that is not what its name says */
	b.archive.bytes[0] ^= 1;
	upload(w, &b, 422);
	fixture_bundle_release(&b);
	fixture_bundle_release(&other);
	answer_release(&a);
}

static void attributes_of_operators_move_a_device(void **state)
{
	struct world *w = *state;
	struct device d = { .seq = 0 };
	struct answer a = { 0 };
	char path[128];
	static const char body[] = "{\"attributes\":{\"ring\":\"early\",\"site\":\"hq\"}}", blank[] = "{\"attributes\":{\"ring\":\"a b\"}}";

	NEED_PROGRAM(w);
	enrol(w, &d, "canary");
	checkin(w, &a, &d, 1, "", "");
	assert_non_null(strstr(a.text->data, "\"refresh\":false"));
	snprintf(path, sizeof path, "/v1/devices/%s/attributes", d.id);
	call(w, &a, "PUT", path, FIXTURE_TOKEN, body, strlen(body), NULL);
	assert_status(&a, 200);
	assert_string_equal(text_of(&a, "ring"), "early");
	checkin(w, &a, &d, 2, "", "");
	assert_non_null(strstr(a.text->data, "\"refresh\":true"));
	call(w, &a, "GET", "/device/v1/self", d.token, NULL, 0, NULL);
	assert_non_null(strstr(a.text->data, "\"ring=early\",\"site=hq\""));
	checkin(w, &a, &d, 3, "", "");
	assert_non_null(strstr(a.text->data, "\"refresh\":false"));
	end(w, SIGKILL);
	start(w, true);
	get(w, &a, "/v1/devices?ring=early");
	assert_non_null(strstr(a.text->data, d.id));
	call(w, &a, "PUT", path, FIXTURE_TOKEN, blank, strlen(blank), NULL);
	assert_status(&a, 400);
	answer_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(only_the_pinned_key_is_the_server, setup, teardown),
		cmocka_unit_test_setup_teardown(devices_enrol_check_in_and_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_bundle_is_published_offered_and_survives_kill_9, setup, teardown),
		cmocka_unit_test_setup_teardown(a_bundle_goes_to_a_fleet_that_accepts_it_or_out_by_name, setup, teardown),
		cmocka_unit_test_setup_teardown(an_archive_that_is_not_what_was_signed_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(attributes_of_operators_move_a_device, setup, teardown),
	};

	signal(SIGPIPE, SIG_IGN);
	log_init("test", LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
