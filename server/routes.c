/* routes: every address of the server, who may use it, and what it takes. */
#include "rollout/checkin.h"
#include "rollout/policy.h"
#include "schema/contract.h"
#include "server/handlers.h"
#include "signing/sigreq.h"

#define SMALL 65536
#define ROLE_BYTES ((size_t)8 << 20)    /* a signed role with room for white space */
#define SIGNATURE_BYTES ((size_t)1 << 20)

#define GET HTTP_METHOD_GET
#define PUT HTTP_METHOD_PUT
#define POST HTTP_METHOD_POST
#define DELETE HTTP_METHOD_DELETE

const struct route routes[] = {
	{ GET,    "/content/metadata/{file}",         ROLE_OPEN,      BODY_NONE, 0, content_metadata },
	{ GET,    "/content/targets/{path*}",         ROLE_OPEN,      BODY_NONE, 0, content_target },

	{ POST,   "/device/v1/enrol",                 ROLE_ENROLLING, BODY_JSON, SMALL, device_enrol },
	{ POST,   "/device/v1/checkin",               ROLE_DEVICE,    BODY_JSON, CHECKIN_MAX, device_checkin },
	{ GET,    "/device/v1/self",                  ROLE_DEVICE,    BODY_NONE, 0, device_self },

	{ PUT,    "/v1/uploads/{sha256}",             ROLE_PUBLISHER, BODY_FILE, 0, operator_upload },
	{ GET,    "/v1/bundles",                      ROLE_VIEWER,    BODY_NONE, 0, operator_bundles },
	{ POST,   "/v1/bundles",                      ROLE_PUBLISHER, BODY_JSON, ROLE_BYTES, operator_publish },
	{ GET,    "/v1/contracts",                    ROLE_VIEWER,    BODY_NONE, 0, operator_contracts },
	{ POST,   "/v1/contracts",                    ROLE_PUBLISHER, BODY_JSON, CONTRACT_BYTES_MAX, operator_register },
	{ GET,    "/v1/contracts/{sha256}",           ROLE_VIEWER,    BODY_NONE, 0, operator_contract },
	{ GET,    "/v1/policies/{channel}",           ROLE_VIEWER,    BODY_NONE, 0, operator_policy },
	{ PUT,    "/v1/policies/{channel}",           ROLE_OPERATOR,  BODY_JSON, POLICY_MAX, operator_put_policy },
	{ GET,    "/v1/roles/{role}",                 ROLE_VIEWER,    BODY_NONE, 0, operator_role },
	{ PUT,    "/v1/roles/{role}",                 ROLE_OPERATOR,  BODY_JSON, ROLE_BYTES, operator_put_role },
	{ GET,    "/v1/roles/{role}/draft",           ROLE_VIEWER,    BODY_NONE, 0, operator_draft },
	{ GET,    "/v1/signing-requests",             ROLE_VIEWER,    BODY_NONE, 0, operator_requests },
	{ POST,   "/v1/signing-requests",             ROLE_OPERATOR,  BODY_JSON, SIGREQ_MAX, operator_open_request },
	{ GET,    "/v1/signing-requests/{id}",        ROLE_VIEWER,    BODY_NONE, 0, operator_request },
	{ DELETE, "/v1/signing-requests/{id}",        ROLE_OPERATOR,  BODY_NONE, 0, operator_withdraw_request },
	{ GET,    "/v1/signing-requests/{id}/changes", ROLE_VIEWER,   BODY_NONE, 0, operator_request_changes },
	{ POST,   "/v1/signing-requests/{id}/signatures", ROLE_VIEWER, BODY_JSON, SIGNATURE_BYTES, operator_sign_request },
	{ GET,    "/v1/rollouts",                     ROLE_VIEWER,    BODY_NONE, 0, operator_rollouts },
	{ GET,    "/v1/rollouts/{id}",                ROLE_VIEWER,    BODY_NONE, 0, operator_rollout },
	{ POST,   "/v1/rollouts/{id}/{move}",         ROLE_OPERATOR,  BODY_JSON, SMALL, operator_move },
	{ POST,   "/v1/channels/{channel}/rollback",  ROLE_OPERATOR,  BODY_JSON, SMALL, operator_rollback },
	{ POST,   "/v1/channels/{channel}/rollouts",  ROLE_OPERATOR,  BODY_JSON, SMALL, operator_begin },
	{ GET,    "/v1/followed",                     ROLE_VIEWER,    BODY_NONE, 0, operator_follows },
	{ GET,    "/v1/gate-records",                 ROLE_VIEWER,    BODY_NONE, 0, operator_gate_records },
	{ GET,    "/v1/gate-records/{sha256}",        ROLE_VIEWER,    BODY_NONE, 0, operator_gate_record },
	{ GET,    "/v1/devices",                      ROLE_VIEWER,    BODY_NONE, 0, operator_devices },
	{ GET,    "/v1/devices/{device}",             ROLE_VIEWER,    BODY_NONE, 0, operator_device },
	{ DELETE, "/v1/devices/{device}",             ROLE_OPERATOR,  BODY_NONE, 0, operator_revoke },
	{ PUT,    "/v1/devices/{device}/attributes",  ROLE_OPERATOR,  BODY_JSON, SMALL, operator_attributes },
	{ GET,    "/v1/enrolment-tokens",             ROLE_OPERATOR,  BODY_NONE, 0, operator_enrolments },
	{ POST,   "/v1/enrolment-tokens",             ROLE_OPERATOR,  BODY_JSON, SMALL, operator_add_enrolment },
	{ DELETE, "/v1/enrolment-tokens/{id}",        ROLE_OPERATOR,  BODY_NONE, 0, operator_end_enrolment },
	{ GET,    "/v1/status",                       ROLE_VIEWER,    BODY_NONE, 0, operator_status },
	{ GET,    "/v1/events",                       ROLE_VIEWER,    BODY_NONE, 0, operator_events },
	{ GET,    "/v1/audit",                        ROLE_VIEWER,    BODY_NONE, 0, operator_audit },

	{ GET,    "/healthz",                         ROLE_OPEN,      BODY_NONE, 0, health },
	{ GET,    "/readyz",                          ROLE_OPEN,      BODY_NONE, 0, readiness },
};

const size_t route_count = ARRAY_LEN(routes);
