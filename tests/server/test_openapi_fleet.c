/* test_openapi_fleet: server/openapi.yaml is what a real server does: devices, tokens, webhooks, policies, and what there is to see. */
#include "operations.h"

static void call_tokens(struct place *x)
{
	char id[40], path[100];

	GOOD("GET", "/v1/self", NULL, NULL);
	GOOD("GET", "/v1/tokens", NULL, NULL);
	BAD("GET", "/v1/tokens", "/v1/tokens?limit=x", NULL, 400, "malformed");
	GOOD("POST", "/v1/tokens", "/v1/tokens?dry_run=true", "{\"name\":\"x\",\"roles\":[\"viewer\"]}");
	{
		static const struct { const char *name; size_t at; } made[] = {
			{ "viewer", offsetof(struct place, viewer) }, { "publisher", offsetof(struct place, publisher) },
			{ "approver", offsetof(struct place, approver) },
		};

		for (size_t i = 0; i < ARRAY_LEN(made); i++) {
			char body[100];

			snprintf(body, sizeof body, "{\"name\":\"%s-1\",\"roles\":[\"%s\"]}", made[i].name, made[i].name);
			AUTO_REPLY a = call(x, &(const struct call){ "POST", "/v1/tokens", ADMIN, "/v1/tokens?reason=a+hand+more", body,
								     i ? NULL : "Idempotency-Key: token-viewer", 201, NULL });

			keep((char *)x + made[i].at, 80, &a, "token");
			keep(id, sizeof id, &a, "id");
		}
	}
	BAD("POST", "/v1/tokens", NULL, "{\"name\":\"y\",\"roles\":[]}", 400, "malformed");
	BAD("POST", "/v1/tokens", NULL, "{\"name\":\"viewer-1\",\"roles\":[\"viewer\"]}", 409, "conflict");
	does(x, "POST", "/v1/tokens", ADMIN, NULL, "{\"name\":\"z\",\"roles\":[\"viewer\"]}", "Idempotency-Key: token-viewer", 422,
	     "idempotency-key-reused");
	{
		AUTO_REPLY a = call(x, &(const struct call){ "POST", "/v1/tokens", ADMIN, NULL, "{\"name\":\"gone\",\"roles\":[\"viewer\"]}", NULL, 201, NULL });

		keep(id, sizeof id, &a, "id");
	}
	snprintf(path, sizeof path, "/v1/tokens/%s", id);
	GOOD("GET", "/v1/tokens/{token}", path, NULL);
	BAD("GET", "/v1/tokens/{token}", "/v1/tokens/00", NULL, 404, "not-found");
	OLD("DELETE", "/v1/tokens/{token}", path, NULL);
	BAD("DELETE", "/v1/tokens/{token}", "/v1/tokens/00", NULL, 404, "not-found");
	snprintf(path, sizeof path, "/v1/tokens/%s/rotate", id);
	snprintf(path, sizeof path, "/v1/tokens/%s/rotate?reason=yearly", id);
	GOOD("POST", "/v1/tokens/{token}/rotate", path, "{\"overlap_s\":60}");
	OLD("POST", "/v1/tokens/{token}/rotate", path, "{}");
	BAD("POST", "/v1/tokens/{token}/rotate", path, "{\"overlap_s\":-1}", 400, "malformed");
	BAD("POST", "/v1/tokens/{token}/rotate", "/v1/tokens/00/rotate", "{}", 404, "not-found");
	snprintf(path, sizeof path, "/v1/tokens/%s?reason=gone", id);
	GOOD("DELETE", "/v1/tokens/{token}", path, NULL);
	BAD("DELETE", "/v1/tokens/{token}", path, NULL, 409, "conflict");
	snprintf(path, sizeof path, "/v1/tokens/%s/rotate", id);
	BAD("POST", "/v1/tokens/{token}/rotate", path, "{}", 409, "conflict");
}

static void call_policies(struct place *x)
{
	static const char path[] = "/v1/policies/{channel}", policy[] = "{\"format\":1,\"channel\":\"edr\",\"rings\":[{\"name\":\"canary\","
									"\"promote\":\"manual\"},{\"name\":\"early\"},{\"name\":\"broad\"}]}";

	GOOD("GET", path, "/v1/policies/edr", NULL);
	BAD("GET", path, "/v1/policies/No", NULL, 404, "not-found");
	OLD("PUT", path, "/v1/policies/edr", policy);
	BAD("PUT", path, "/v1/policies/edr", "{}", 400, "malformed");
	BAD("PUT", path, "/v1/policies/waf", policy, 422, "refused");
	GOOD("PUT", path, "/v1/policies/edr?dry_run=true", policy);
	GOOD("PUT", path, "/v1/policies/edr", policy);
	GOOD("PUT", path, "/v1/policies/edr?reason=a+person+first", policy);
	GOOD("GET", path, "/v1/policies/edr?version=1", NULL);
	BAD("GET", path, "/v1/policies/edr?version=77", NULL, 404, "not-found");
	BAD("PUT", path, "/v1/policies/edr?reason=%ff", policy, 400, "malformed");
	GOOD("GET", "/v1/policies/{channel}/versions", "/v1/policies/edr/versions?limit=1", NULL);
	BAD("GET", "/v1/policies/{channel}/versions", "/v1/policies/No/versions", NULL, 404, "not-found");
	GOOD("GET", "/v1/policies/{channel}/background", "/v1/policies/edr/background", NULL);
	BAD("GET", "/v1/policies/{channel}/background", "/v1/policies/No/background", NULL, 404, "not-found");
}

static void call_rings(struct place *x)
{
	static const char path[] = "/v1/rings/simulate";

	GOOD("GET", "/v1/rings", NULL, NULL);
	GOOD("POST", path, path,
	     "{\"format\":1,\"salt\":\"00112233445566778899aabbccddeeff\",\"rings\":[\"canary\",\"rest\"],\"rules\":[]}");
	BAD("POST", path, path, "{\"format\":1}", 400, "malformed");
}

static void call_devices(struct place *x)
{
	char path[160], id[80];

	GOOD("GET", "/v1/enrolment-tokens", NULL, NULL);
	BAD("GET", "/v1/enrolment-tokens", "/v1/enrolment-tokens?cursor=x", NULL, 400, "malformed");
	BAD("POST", "/v1/enrolment-tokens", NULL, "{}", 400, "malformed");
	GOOD("POST", "/v1/enrolment-tokens", "/v1/enrolment-tokens?dry_run=true", "{\"name\":\"lab\"}");
	{
		AUTO_REPLY a = call(x, &(const struct call){ "POST", "/v1/enrolment-tokens", ADMIN, "/v1/enrolment-tokens?reason=a+lab", "{\"name\":\"lab\"}", "Idempotency-Key: lab", 201, NULL });

		does(x, "POST", "/v1/enrolment-tokens", ADMIN, "/v1/enrolment-tokens?reason=a+lab", "{\"name\":\"lab\"}", "Idempotency-Key: lab", 409, "answered-once");
		keep(id, sizeof id, &a, "id");
		does(x, "POST", "/device/v1/enrol", member(&a, "token"), NULL, "{}", NULL, 400, "malformed");
		AUTO_REPLY device = call(x, &(const struct call){ "POST", "/device/v1/enrol", member(&a, "token"), NULL,
								  "{\"format\":1,\"facts\":{\"os\":\"debian-12\"}}", NULL, 201, NULL });

		keep(x->device, sizeof x->device, &device, "token");
		keep(x->device_id, sizeof x->device_id, &device, "device");
	}
	does(x, "POST", "/device/v1/enrol", "rhe_x", NULL, "{\"format\":1,\"facts\":{}}", NULL, 401, "unauthenticated");
	does(x, "GET", "/device/v1/self", x->device, NULL, NULL, NULL, 200, NULL);
	does(x, "POST", "/device/v1/checkin", x->device, NULL,
	     "{\"format\":1,\"epoch\":\"0123456789abcdef\",\"seq\":5,\"sent\":1738324800,\"boot_id\":\"00112233445566778899aabbccddeeff\","
	     "\"facts\":{\"os\":\"debian-12\"},\"channels\":[],\"events\":[],\"want\":[]}",
	     NULL, 200, NULL);
	does(x, "POST", "/device/v1/checkin", x->device, NULL, "{}", NULL, 400, "malformed");
	GOOD("GET", "/v1/devices", NULL, NULL);
	BAD("GET", "/v1/devices", "/v1/devices?limit=501", NULL, 400, "malformed");
	snprintf(path, sizeof path, "/v1/devices/%s", x->device_id);
	GOOD("GET", "/v1/devices/{device}", path, NULL);
	BAD("GET", "/v1/devices/{device}", "/v1/devices/0", NULL, 404, "not-found");
	BAD("DELETE", "/v1/devices/{device}", "/v1/devices/0", NULL, 404, "not-found");
	snprintf(path, sizeof path, "/v1/devices/%s/clear", x->device_id);
	OLD("POST", "/v1/devices/{device}/clear", path, "{\"reason\":\"one machine\"}");
	BAD("POST", "/v1/devices/{device}/clear", path, "{\"reason\":\"one machine\"}", 409, "conflict");
	BAD("POST", "/v1/devices/{device}/clear", path, "{}", 400, "malformed");
	BAD("POST", "/v1/devices/{device}/clear", "/v1/devices/0/clear", "{\"reason\":\"one machine\"}", 404, "not-found");
	snprintf(path, sizeof path, "/v1/devices/%s/attributes?reason=a+canary", x->device_id);
	OLD("PUT", "/v1/devices/{device}/attributes", path, "{\"attributes\":{}}");
	GOOD("PUT", "/v1/devices/{device}/attributes", path, "{\"attributes\":{\"ring\":\"canary\"}}");
	BAD("PUT", "/v1/devices/{device}/attributes", path, "{}", 400, "malformed");
	call_rings(x);
	BAD("PUT", "/v1/devices/{device}/attributes", "/v1/devices/0/attributes", "{\"attributes\":{}}", 404, "not-found");
	snprintf(path, sizeof path, "/v1/enrolment-tokens/%s?reason=found+on+a+wiki", id);
	GOOD("DELETE", "/v1/enrolment-tokens/{token}", path, NULL);
	BAD("DELETE", "/v1/enrolment-tokens/{token}", "/v1/enrolment-tokens/00", NULL, 404, "not-found");
}

/* An epoch that was left is not come back to. */
static void call_resync(struct place *x)
{
	static const char form[] = "{\"format\":1,\"epoch\":\"%s\",\"seq\":%d,\"sent\":1738324800,\"boot_id\":\"00112233445566778899aabbccddeeff\","
				   "\"facts\":{\"os\":\"debian-12\"},\"channels\":[],\"events\":[],\"want\":[]}";
	char body[400], path[80];

	snprintf(body, sizeof body, form, "1111111111111111", 1);
	does(x, "POST", "/device/v1/checkin", x->device, NULL, body, NULL, 200, NULL);
	snprintf(body, sizeof body, form, "0123456789abcdef", 9);
	does(x, "POST", "/device/v1/checkin", x->device, NULL, body, NULL, 409, "resync");
	snprintf(path, sizeof path, "/v1/devices/%s/clear", x->device_id);
	GOOD("POST", "/v1/devices/{device}/clear", path, "{\"reason\":\"one machine, put back to yesterday\"}");
	snprintf(path, sizeof path, "/v1/devices/%s?reason=stolen", x->device_id);
	OLD("DELETE", "/v1/devices/{device}", path, NULL);
	GOOD("DELETE", "/v1/devices/{device}", path, NULL);
}

static void call_status(struct place *x)
{
	GOOD("GET", "/v1/status", NULL, NULL);
	GOOD("GET", "/v1/events", NULL, NULL);
	GOOD("GET", "/v1/events", "/v1/events?rollout=1", NULL);
	BAD("GET", "/v1/events", "/v1/events?limit=x", NULL, 400, "malformed");
	GOOD("GET", "/v1/audit", NULL, NULL);
	GOOD("GET", "/v1/audit", "/v1/audit?action=policy&since=2026-01-01T00:00:00Z&limit=1", NULL);
	BAD("GET", "/v1/audit", "/v1/audit?limit=x", NULL, 400, "malformed");
	BAD("GET", "/v1/audit", "/v1/audit?since=yesterday", NULL, 400, "malformed");
	GOOD("GET", "/v1/audit/checkpoints", NULL, NULL);
	BAD("GET", "/v1/audit/checkpoints", "/v1/audit/checkpoints?limit=x", NULL, 400, "malformed");
	BAD("GET", "/v1/audit/checkpoints", "/v1/audit/checkpoints?cursor=x", NULL, 400, "malformed");
	does(x, "GET", "/healthz", NULL, NULL, NULL, NULL, 200, NULL);
	does(x, "GET", "/readyz", NULL, NULL, NULL, NULL, 200, NULL);
	does(x, "GET", "/readyz", NULL, "/readyz?exclude=x", NULL, NULL, 400, "malformed");
	GOOD("GET", "/metrics", NULL, NULL);
	does(x, "GET", "/metrics", NULL, NULL, NULL, NULL, 401, "unauthenticated");
}

static void call_webhooks(struct place *x)
{
	static const char one[] = "/v1/webhooks/{webhook}", body[] = "{\"url\":\"https://example.com/x\",\"types\":[\"ringhold.ring\"],\"paused\":true}",
			  moved[] = "{\"url\":\"https://example.org/x\",\"types\":[\"ringhold.ring\"],\"paused\":true}";

	OLD("PUT", one, "/v1/webhooks/siem", body);
	does(x, "PUT", one, ADMIN, "/v1/webhooks/siem?reason=they+asked", body, NULL, 201, NULL);
	GOOD("PUT", one, "/v1/webhooks/siem?reason=it+moved", moved);
	GOOD("PUT", one, "/v1/webhooks/siem?dry_run=true", body);
	BAD("PUT", one, "/v1/webhooks/siem", "{}", 400, "malformed");
	OLD("PUT", one, "/v1/webhooks/siem", body);
	GOOD("GET", "/v1/webhooks", NULL, NULL);
	BAD("GET", "/v1/webhooks", "/v1/webhooks?limit=x", NULL, 400, "malformed");
	GOOD("GET", one, "/v1/webhooks/siem", NULL);
	BAD("GET", one, "/v1/webhooks/none", NULL, 404, "not-found");
	GOOD("POST", "/v1/webhooks/{webhook}/rotate", "/v1/webhooks/siem/rotate?dry_run=true", "{\"overlap_s\":60}");
	GOOD("POST", "/v1/webhooks/{webhook}/rotate", "/v1/webhooks/siem/rotate?reason=so+it+is", "{\"overlap_s\":60}");
	BAD("POST", "/v1/webhooks/{webhook}/rotate", "/v1/webhooks/siem/rotate", "{\"overlap_s\":-1}", 400, "malformed");
	BAD("POST", "/v1/webhooks/{webhook}/rotate", "/v1/webhooks/none/rotate", "{}", 404, "not-found");
	OLD("POST", "/v1/webhooks/{webhook}/rotate", "/v1/webhooks/siem/rotate", "{}");
	GOOD("POST", "/v1/webhooks/{webhook}/test", "/v1/webhooks/siem/test?dry_run=true", "{}");
	GOOD("POST", "/v1/webhooks/{webhook}/test", "/v1/webhooks/siem/test?reason=so+it+is", "{}");
	BAD("POST", "/v1/webhooks/{webhook}/test", "/v1/webhooks/none/test", "{}", 404, "not-found");
	GOOD("GET", "/v1/webhooks/{webhook}/messages", "/v1/webhooks/siem/messages", NULL);
	BAD("GET", "/v1/webhooks/{webhook}/messages", "/v1/webhooks/siem/messages?state=x", NULL, 400, "malformed");
	BAD("GET", "/v1/webhooks/{webhook}/messages", "/v1/webhooks/none/messages", NULL, 404, "not-found");
	GOOD("POST", "/v1/webhooks/{webhook}/redeliver", "/v1/webhooks/siem/redeliver?dry_run=true", "{}");
	GOOD("POST", "/v1/webhooks/{webhook}/redeliver", "/v1/webhooks/siem/redeliver?reason=so+it+is", "{}");
	BAD("POST", "/v1/webhooks/{webhook}/redeliver", "/v1/webhooks/siem/redeliver", "[]", 400, "malformed");
	BAD("POST", "/v1/webhooks/{webhook}/redeliver", "/v1/webhooks/none/redeliver", "{}", 404, "not-found");
	OLD("DELETE", one, "/v1/webhooks/siem", NULL);
	GOOD("DELETE", one, "/v1/webhooks/siem?reason=no+more", NULL);
	BAD("DELETE", one, "/v1/webhooks/siem", NULL, 404, "not-found");
}

static void every_operation_on_the_fleet_and_on_people_answers_as_the_file_says(void **state)
{
	static const char *const tags[] = { OPERATIONS_OF_FLEET, NULL };
	struct place *x = *state;

	NEED_SPEC(&x->spec);
	NEED(x->plane->o);
	call_tokens(x);
	call_policies(x);
	call_devices(x);
	call_status(x);
	call_webhooks(x);
	call_resync(x);
	expect_all_called(x, tags);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_operation_on_the_fleet_and_on_people_answers_as_the_file_says, place_open, place_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
