/* test_openapi_rollouts: server/openapi.yaml is what a real server does: content on its way through the rings. */
#include "by_hand.h"

/* A person is asked before the first ring. */
static void ask_first(struct place *x)
{
	AUTO_REPLY a = ask(x->plane, ADMIN, "PUT", "/v1/policies/edr",
			   "{\"format\":1,\"channel\":\"edr\",\"rings\":[{\"name\":\"canary\",\"promote\":\"manual\"},{\"name\":\"early\"},{\"name\":\"broad\"}]}");

	assert_int_equal(a.status, 200);
}

/* A check-in of the device, which is in the first ring. */
static void checkin(struct place *x, int seq, const char *events, const char *wants)
{
	char body[1200];

	snprintf(body, sizeof body,
		 "{\"format\":1,\"epoch\":\"0123456789abcdef\",\"seq\":%d,\"sent\":1,\"boot_id\":\"b\",\"facts\":{\"os\":\"debian-12\"},"
		 "\"channels\":[{\"channel\":\"edr\",\"ring\":\"canary\",\"phase\":\"IDLE\",\"rung\":\"current\",\"running\":null,\"drop\":null,"
		 "\"high_water\":0,\"held\":null}],\"events\":[%s],\"want\":[%s]}",
		 seq, events, wants);
	does(x, "POST", "/device/v1/checkin", x->device, NULL, body, NULL, 200, NULL);
}

/* A second bundle, which crashes the first machine that loads it: its gate decides. */
static void call_gate_records(struct place *x)
{
	static const char path[] = "/v1/channels/{channel}/rollback", address[] = "/v1/channels/edr/rollback";
	AUTO(json) struct json_doc *explained = NULL;
	struct fixture_bundle b;
	char hex[DIGEST_HEX_LEN + 1], text[400];
	struct err e;

	fixture_bundle(x->plane->o->f, &b, 2, "bad rules");
	digest_hex(hex, &b.bundle->digest);
	fixture_bundle_release(&b);
	publish_by_hand(x, 2, "bad rules", true, "", 201, NULL);
	wait_for(x, "/v1/rollouts/2", "awaiting-approval");
	does(x, "POST", "/v1/rollouts/{id}/approve", x->approver, "/v1/rollouts/2/approve", "{\"reason\":\"looked at it\"}", NULL, 200, NULL);
	wait_for(x, "/v1/rollouts/2", "\"state\":\"offering\"");
	snprintf(text, sizeof text, "{\"channel\":\"edr\",\"digest\":\"%s\",\"attempt\":1}", hex);
	checkin(x, 5, "", "");          /* by which it has its ring */
	checkin(x, 6, "", text);
	snprintf(text, sizeof text, "{\"n\":1,\"at\":1,\"channel\":\"edr\",\"digest\":\"%s\",\"attempt\":1,\"kind\":\"failed\",\"reason\":\"kernel-crash\"}", hex);
	checkin(x, 7, text, "");
	wait_for(x, "/v1/rollouts/2", "\"state\":\"rolled-back\"");
	{
		AUTO_REPLY a = call(x, &(const struct call){ "GET", "/v1/gate-records", ADMIN, NULL, NULL, NULL, 200, NULL });
		const struct json *items = json_get(a.doc->root, "items");

		assert_true(items->count > 0);
		snprintf(text, sizeof text, "/v1/gate-records/%s", json_get(&items->u.items[0], "digest")->u.text);
	}
	GOOD("GET", "/v1/gate-records/{sha256}", text, NULL);
	BAD("GET", "/v1/gate-records", "/v1/gate-records?after=x", NULL, 400, "malformed");
	BAD("GET", "/v1/gate-records/{sha256}", "/v1/gate-records/" HEX64, NULL, 404, "not-found");
	assert_int_equal(TOOL(x->plane->o, "", "rollout", "explain", "2", "--json"), 0);
	assert_ok(json_parse(&explained, "explain", x->plane->o->said, strlen(x->plane->o->said), NULL, &e));
	assert_true(json_get(explained->root, "items")->count > 0);
	spec_fits_published("rollout-explain", explained, "rollout explain");
	snprintf(text, sizeof text, "{\"to\":\"%s\",\"reason\":\"it was good\"}", hex);
	BAD("POST", path, address, text, 409, "conflict");
}

static void call_rollback(struct place *x)
{
	static const char path[] = "/v1/channels/{channel}/rollback", address[] = "/v1/channels/edr/rollback";
	struct fixture_bundle b;
	char hex[DIGEST_HEX_LEN + 1], body[200];

	fixture_bundle(x->plane->o->f, &b, 1, "rules");
	digest_hex(hex, &b.bundle->digest);
	fixture_bundle_release(&b);
	BAD("POST", path, address, "{}", 400, "malformed");
	OLD("POST", path, address, "{\"to\":\"1\",\"reason\":\"x\"}");
	BAD("POST", path, address, "{\"to\":\"last week\",\"reason\":\"x\"}", 400, "malformed");
	BAD("POST", path, address, "{\"to\":\"previous\",\"reason\":\"x\"}", 404, "not-found");
	GOOD("POST", path, "/v1/channels/edr/rollback?dry_run=true", "{\"to\":\"1\",\"reason\":\"it was good\"}");
	snprintf(body, sizeof body, "{\"to\":\"%s\",\"reason\":\"it was good\"}", hex);
	GOOD("POST", path, address, body);
}

static void call_drops(struct place *x)
{
	static const char path[] = "/v1/channels/{channel}/drops", address[] = "/v1/channels/edr/drops";
	static const char one[] = "{\"rules\":[\"ipc-0001\"],\"reason\":\"false positives\"}", undo[] = "{\"rules\":[\"ipc-0001\"],\"reason\":\"mended\",\"undo\":true}";

	GOOD("GET", path, address, NULL);
	BAD("GET", path, "/v1/channels/unheard-of/drops", NULL, 404, "not-found");
	BAD("POST", path, address, "{\"rules\":[],\"reason\":\"x\"}", 400, "malformed");
	BAD("POST", path, address, undo, 404, "not-found");
	GOOD("POST", path, "/v1/channels/edr/drops?dry_run=true", one);
	GOOD("POST", path, address, one);
	OLD("POST", path, address, undo);
	GOOD("POST", path, address, undo);
}

/* A vendor's repository of its own, whose bundle waits for an operator. */
static void call_followed(struct place *x)
{
	static const char begin[] = "/v1/channels/{channel}/rollouts";
	int64_t before_rows;
	struct plane *before = x->plane;
	struct fixture *vendor = fixture_new();
	AUTO_FREE char *path = fixture_path(vendor, "data/repository/metadata/1.root.json");
	AUTO(repo) struct repo *r = NULL;
	struct fixture_bundle b;
	char ini[1024], hex[DIGEST_HEX_LEN + 1], custom[512], target[PATH_LEN_MAX + 1];
	int64_t until = clock_work_ms() + LIMIT_MS;
	bool waits = false;
	struct err e;

	fixture_bundle(vendor, &b, 1, "rules");
	digest_hex(hex, &b.bundle->digest);
	bundle_path(target, "edr", 1);
	snprintf(custom, sizeof custom, "{\"ringhold\":{\"kind\":\"full\",\"channel\":\"edr\",\"serial\":1,\"version\":\"%s\",\"digest\":\"%s\",\"size\":%llu}}",
		 b.bundle->manifest->version, hex, (unsigned long long)b.bundle->size);
	assert_ok(repo_open(&r, vendor->repository, &e));
	assert_ok(repo_put_target(r, "content-edr", target, b.bundle->archive->data, b.bundle->archive->len, custom, &e));
	assert_ok(repo_publish(r, vendor->all, clock_now(), &e));
	fixture_bundle_release(&b);
	snprintf(ini, sizeof ini, "[follow works]\nurl = file://%s\nroot = %s\nchannels = edr\npoll = 1s\nautomatic = no\n", vendor->repository, path);
	x->plane = plane_open(ini);
	while (!waits) {
		AUTO_REPLY a = call(x, &(const struct call){ "GET", "/v1/followed", ADMIN, NULL, NULL, NULL, 200, NULL });

		waits = strstr(a.text->data, "\"state\":\"waiting\"") != NULL;
		assert_true(clock_work_ms() < until);
		poll(NULL, 0, waits ? 0 : 50);
	}
	before_rows = x->audited;
	x->audited = 0;
	does(x, "POST", begin, ADMIN, "/v1/channels/edr/rollouts?dry_run=true", "{\"serial\":1,\"reason\":\"ours\"}", NULL, 200, NULL);
	does(x, "POST", begin, ADMIN, "/v1/channels/edr/rollouts", "{\"serial\":1,\"reason\":\"ours\"}", NULL, 201, NULL);
	x->audited = before_rows;
	plane_close(x->plane);
	x->plane = before;
	fixture_free(vendor);
}

static void call_rollouts(struct place *x)
{
	static const char one[] = "/v1/rollouts/{id}", approve[] = "/v1/rollouts/{id}/approve", move[] = "/v1/rollouts/{id}/{move}";
	static const char why[] = "{\"reason\":\"looked at it\"}";

	wait_for(x, "/v1/rollouts/1", "awaiting-approval");
	GOOD("GET", "/v1/rollouts", NULL, NULL);
	BAD("GET", "/v1/rollouts", "/v1/rollouts?cursor=77", NULL, 400, "malformed");
	GOOD("GET", one, "/v1/rollouts/1", NULL);
	BAD("GET", one, "/v1/rollouts/77", NULL, 404, "not-found");
	OLD("POST", approve, "/v1/rollouts/1/approve", why);
	does(x, "POST", approve, x->publisher, "/v1/rollouts/1/approve", why, NULL, 403, "forbidden");
	BAD("POST", approve, "/v1/rollouts/1/approve", "{}", 400, "malformed");
	BAD("POST", approve, "/v1/rollouts/77/approve", why, 404, "not-found");
	GOOD("POST", approve, "/v1/rollouts/1/approve?dry_run=true", why);
	does(x, "POST", approve, x->approver, "/v1/rollouts/1/approve", why, NULL, 200, NULL);
	BAD("POST", approve, "/v1/rollouts/1/approve", why, 409, "conflict");
	OLD("POST", move, "/v1/rollouts/1/pause", why);
	does(x, "POST", move, x->viewer, "/v1/rollouts/1/pause", why, NULL, 403, "forbidden");
	BAD("POST", move, "/v1/rollouts/1/pause", "[]", 400, "malformed");
	BAD("POST", move, "/v1/rollouts/1/fly", why, 404, "not-found");
	BAD("POST", move, "/v1/rollouts/1/resume", why, 409, "conflict");
	GOOD("POST", move, "/v1/rollouts/1/pause", why);
	GOOD("POST", move, "/v1/rollouts/1/resume", why);
	GOOD("POST", move, "/v1/rollouts/1/pause?dry_run=true", why);
	GOOD("POST", move, "/v1/rollouts/1/pause", why);
	call_rollback(x);
	call_drops(x);
	GOOD("GET", "/v1/channels/{channel}/stops", "/v1/channels/edr/stops", NULL);
	BAD("GET", "/v1/channels/{channel}/stops", "/v1/channels/edr/stops?limit=x", NULL, 400, "malformed");
	BAD("GET", "/v1/channels/{channel}/stops", "/v1/channels/No/stops", NULL, 404, "not-found");
	call_gate_records(x);
	BAD("POST", "/v1/channels/{channel}/rollouts", "/v1/channels/edr/rollouts", "{}", 400, "malformed");
	BAD("POST", "/v1/channels/{channel}/rollouts", "/v1/channels/edr/rollouts", "{\"serial\":1}", 404, "not-found");
}

static void every_operation_on_rollouts_answers_as_the_file_says(void **state)
{
	static const char *const tags[] = { OPERATIONS_OF_ROLLOUTS, NULL };
	struct place *x = *state;

	NEED_SPEC(&x->spec);
	NEED(x->plane->o);
	hire_people(x);
	enrol_device(x, "{\"ring\":\"canary\"}");
	ask_first(x);
	publish_by_hand(x, 1, "rules", true, "", 201, NULL);
	call_rollouts(x);
	call_followed(x);
	expect_all_called(x, tags);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_operation_on_rollouts_answers_as_the_file_says, place_open, place_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
