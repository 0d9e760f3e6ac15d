/*
 * routes: every address of the server, who may use it, and what it takes.
 *
 * This is the permission table: an operator's token comes in with one of the
 * roles of the row, for the channel that the scope says. docs/api.md tells how
 * to add a row.
 */
#include "rollout/checkin.h"
#include "rollout/policy.h"
#include "schema/contract.h"
#include "server/handlers.h"
#include "signing/sigreq.h"

#define SMALL 65536
#define ROLE_BYTES ((size_t)8 << 20)    /* a signed role with room for white space */
#define DROPS_BYTES ((size_t)1 << 18)
#define SIGNATURE_BYTES ((size_t)1 << 20)

/* Whoever may come at all may look; admin may everything. */
#define ANYONE (MAY(VIEWER) | MAY(PUBLISHER) | MAY(OPERATOR) | MAY(APPROVER) | MAY(AUDITOR) | MAY(ADMIN))
#define SIGNERS (ANYONE & ~MAY(AUDITOR))        /* a signature proves itself: whoever takes part may bring it */
#define PUBLISHERS (MAY(PUBLISHER) | MAY(ADMIN))
#define OPERATORS (MAY(OPERATOR) | MAY(ADMIN))
#define SENDERS (PUBLISHERS | OPERATORS)
#define APPROVERS (MAY(APPROVER) | MAY(OPERATOR) | MAY(ADMIN))    /* then the policy says which of them */
#define AUDITORS (MAY(AUDITOR) | MAY(ADMIN))
#define ADMINS MAY(ADMIN)

#define GET HTTP_METHOD_GET
#define PUT HTTP_METHOD_PUT
#define POST HTTP_METHOD_POST
#define DELETE HTTP_METHOD_DELETE

const struct route routes[] = {
	{ GET,    "/content/metadata/{file}",                 MAY_ANYBODY, SCOPE_NONE,       BODY_NONE, 0, content_metadata, 0 },
	{ GET,    "/content/targets/{path*}",                 MAY_ANYBODY, SCOPE_NONE,       BODY_NONE, 0, content_target, 0 },

	{ POST,   "/device/v1/enrol",                         MAY_ENROL,   SCOPE_NONE,       BODY_JSON, SMALL, device_enrol, 0 },
	{ POST,   "/device/v1/checkin",                       MAY_DEVICE,  SCOPE_NONE,       BODY_JSON, CHECKIN_MAX, device_checkin, 0 },
	{ GET,    "/device/v1/self",                          MAY_DEVICE,  SCOPE_NONE,       BODY_NONE, 0, device_self, 0 },

	{ PUT,    "/v1/uploads/{sha256}",                     SENDERS,     SCOPE_NONE,       BODY_FILE, 0, operator_upload, 0 },
	{ GET,    "/v1/bundles",                              ANYONE,      SCOPE_LEAVES_OUT, BODY_NONE, 0, operator_bundles, 0 },
	{ POST,   "/v1/bundles",                              PUBLISHERS,  SCOPE_ASKS,       BODY_JSON, ROLE_BYTES, operator_publish, 0 },
	{ GET,    "/v1/contracts",                            ANYONE,      SCOPE_NONE,       BODY_NONE, 0, operator_contracts, 0 },
	{ POST,   "/v1/contracts",                            PUBLISHERS,  SCOPE_EVERY,      BODY_JSON, CONTRACT_BYTES_MAX, operator_register, ROUTE_DRY },
	{ GET,    "/v1/contracts/{sha256}",                   ANYONE,      SCOPE_NONE,       BODY_NONE, 0, operator_contract, 0 },
	{ GET,    "/v1/policies/{channel}",                   ANYONE,      SCOPE_PATH,       BODY_NONE, 0, operator_policy, 0 },
	{ GET,    "/v1/policies/{channel}/versions",          ANYONE,      SCOPE_PATH,       BODY_NONE, 0, operator_policy_versions, 0 },
	{ GET,    "/v1/policies/{channel}/background",        ANYONE,      SCOPE_PATH,       BODY_NONE, 0, operator_background, 0 },
	{ PUT,    "/v1/policies/{channel}",                   OPERATORS,   SCOPE_PATH,       BODY_JSON, POLICY_MAX, operator_put_policy, ROUTE_DRY },
	{ GET,    "/v1/roles/{role}",                         ANYONE,      SCOPE_NONE,       BODY_NONE, 0, operator_role, 0 },
	{ PUT,    "/v1/roles/{role}",                         OPERATORS,   SCOPE_ASKS,       BODY_JSON, ROLE_BYTES, operator_put_role, ROUTE_DRY },
	{ GET,    "/v1/roles/{role}/draft",                   ANYONE,      SCOPE_NONE,       BODY_NONE, 0, operator_draft, 0 },
	{ GET,    "/v1/signing-requests",                     ANYONE,      SCOPE_LEAVES_OUT, BODY_NONE, 0, operator_requests, 0 },
	{ POST,   "/v1/signing-requests",                     OPERATORS,   SCOPE_ASKS,       BODY_JSON, SIGREQ_MAX, operator_open_request, 0 },
	{ GET,    "/v1/signing-requests/{id}",                ANYONE,      SCOPE_ASKS,       BODY_NONE, 0, operator_request, 0 },
	{ DELETE, "/v1/signing-requests/{id}",                OPERATORS,   SCOPE_ASKS,       BODY_NONE, 0, operator_withdraw_request, ROUTE_DRY },
	{ GET,    "/v1/signing-requests/{id}/changes",        ANYONE,      SCOPE_ASKS,       BODY_NONE, 0, operator_request_changes, 0 },
	{ POST,   "/v1/signing-requests/{id}/signatures",     SIGNERS,     SCOPE_ASKS,       BODY_JSON, SIGNATURE_BYTES, operator_sign_request, 0 },
	{ GET,    "/v1/rollouts",                             ANYONE,      SCOPE_LEAVES_OUT, BODY_NONE, 0, operator_rollouts, 0 },
	{ GET,    "/v1/rollouts/{id}",                        ANYONE,      SCOPE_ASKS,       BODY_NONE, 0, operator_rollout, 0 },
	{ POST,   "/v1/rollouts/{id}/approve",                APPROVERS,   SCOPE_ASKS,       BODY_JSON, SMALL, operator_approve, ROUTE_DRY },
	{ POST,   "/v1/rollouts/{id}/{move}",                 OPERATORS,   SCOPE_ASKS,       BODY_JSON, SMALL, operator_move, ROUTE_DRY },
	{ POST,   "/v1/channels/{channel}/rollback",          OPERATORS,   SCOPE_PATH,       BODY_JSON, SMALL, operator_rollback, ROUTE_DRY },
	{ GET,    "/v1/channels/{channel}/drops",             ANYONE,      SCOPE_PATH,       BODY_NONE, 0, operator_drops, 0 },
	{ POST,   "/v1/channels/{channel}/drops",             OPERATORS,   SCOPE_PATH,       BODY_JSON, DROPS_BYTES, operator_drop, ROUTE_DRY },
	{ GET,    "/v1/channels/{channel}/stops",             ANYONE,      SCOPE_PATH,       BODY_NONE, 0, operator_stops, 0 },
	{ POST,   "/v1/channels/{channel}/rollouts",          OPERATORS,   SCOPE_PATH,       BODY_JSON, SMALL, operator_begin, ROUTE_DRY },
	{ GET,    "/v1/followed",                             ANYONE,      SCOPE_LEAVES_OUT, BODY_NONE, 0, operator_follows, 0 },
	{ GET,    "/v1/gate-records",                         ANYONE,      SCOPE_LEAVES_OUT, BODY_NONE, 0, operator_gate_records, 0 },
	{ GET,    "/v1/gate-records/{sha256}",                ANYONE,      SCOPE_ASKS,       BODY_NONE, 0, operator_gate_record, 0 },
	{ GET,    "/v1/rings",                                ANYONE,      SCOPE_NONE,       BODY_NONE, 0, operator_rings, 0 },
	{ POST,   "/v1/rings/simulate",                       ANYONE,      SCOPE_NONE,       BODY_JSON, RINGMAP_MAX, operator_rings_simulate, 0 },
	{ GET,    "/v1/devices",                              ANYONE,      SCOPE_LEAVES_OUT, BODY_NONE, 0, operator_devices, 0 },
	{ GET,    "/v1/devices/{device}",                     ANYONE,      SCOPE_LEAVES_OUT, BODY_NONE, 0, operator_device, 0 },
	{ DELETE, "/v1/devices/{device}",                     OPERATORS,   SCOPE_EVERY,      BODY_NONE, 0, operator_revoke, ROUTE_DRY },
	{ POST,   "/v1/devices/{device}/clear",               OPERATORS,   SCOPE_EVERY,      BODY_JSON, SMALL, operator_clear, ROUTE_DRY },
	{ PUT,    "/v1/devices/{device}/attributes",          OPERATORS,   SCOPE_EVERY,      BODY_JSON, SMALL, operator_attributes, ROUTE_DRY },
	{ GET,    "/v1/enrolment-tokens",                     OPERATORS,   SCOPE_EVERY,      BODY_NONE, 0, operator_enrolments, 0 },
	{ POST,   "/v1/enrolment-tokens",                     OPERATORS,   SCOPE_EVERY,      BODY_JSON, SMALL, operator_add_enrolment, ROUTE_DRY | ROUTE_SECRET },
	{ DELETE, "/v1/enrolment-tokens/{id}",                OPERATORS,   SCOPE_EVERY,      BODY_NONE, 0, operator_end_enrolment, ROUTE_DRY },
	{ GET,    "/v1/self",                                 ANYONE,      SCOPE_NONE,       BODY_NONE, 0, operator_self, 0 },
	{ GET,    "/v1/tokens",                               AUDITORS,    SCOPE_EVERY,      BODY_NONE, 0, operator_tokens, 0 },
	{ POST,   "/v1/tokens",                               ADMINS,      SCOPE_EVERY,      BODY_JSON, SMALL, operator_add_token, ROUTE_DRY | ROUTE_SECRET },
	{ GET,    "/v1/tokens/{id}",                          AUDITORS,    SCOPE_EVERY,      BODY_NONE, 0, operator_token, 0 },
	{ DELETE, "/v1/tokens/{id}",                          ADMINS,      SCOPE_EVERY,      BODY_NONE, 0, operator_end_token, ROUTE_DRY },
	{ POST,   "/v1/tokens/{id}/rotate",                   ADMINS,      SCOPE_EVERY,      BODY_JSON, SMALL, operator_rotate_token, ROUTE_DRY | ROUTE_SECRET },
	{ GET,    "/v1/webhooks",                             AUDITORS,    SCOPE_EVERY,      BODY_NONE, 0, operator_webhooks, 0 },
	{ GET,    "/v1/webhooks/{webhook}",                      AUDITORS,    SCOPE_EVERY,      BODY_NONE, 0, operator_webhook, 0 },
	{ PUT,    "/v1/webhooks/{webhook}",                      ADMINS,      SCOPE_EVERY,      BODY_JSON, SMALL, operator_put_webhook, ROUTE_DRY | ROUTE_SECRET },
	{ DELETE, "/v1/webhooks/{webhook}",                      ADMINS,      SCOPE_EVERY,      BODY_NONE, 0, operator_end_webhook, ROUTE_DRY },
	{ POST,   "/v1/webhooks/{webhook}/rotate",               ADMINS,      SCOPE_EVERY,      BODY_JSON, SMALL, operator_rotate_webhook, ROUTE_DRY | ROUTE_SECRET },
	{ POST,   "/v1/webhooks/{webhook}/test",                 ADMINS,      SCOPE_EVERY,      BODY_JSON, SMALL, operator_test_webhook, ROUTE_DRY },
	{ GET,    "/v1/webhooks/{webhook}/messages",             AUDITORS,    SCOPE_EVERY,      BODY_NONE, 0, operator_webhook_messages, 0 },
	{ POST,   "/v1/webhooks/{webhook}/redeliver",            ADMINS,      SCOPE_EVERY,      BODY_JSON, SMALL, operator_redeliver, ROUTE_DRY },
	{ GET,    "/v1/status",                               ANYONE,      SCOPE_LEAVES_OUT, BODY_NONE, 0, operator_status, 0 },
	{ GET,    "/v1/events",                               ANYONE,      SCOPE_LEAVES_OUT, BODY_NONE, 0, operator_events, 0 },
	{ GET,    "/v1/audit",                                AUDITORS,    SCOPE_EVERY,      BODY_NONE, 0, operator_audit, 0 },
	{ GET,    "/v1/audit/checkpoints",                    AUDITORS,    SCOPE_EVERY,      BODY_NONE, 0, operator_checkpoints, 0 },

	{ GET,    "/healthz",                                 MAY_ANYBODY, SCOPE_NONE,       BODY_NONE, 0, health, 0 },
	{ GET,    "/metrics",                                 ANYONE,      SCOPE_LEAVES_OUT, BODY_NONE, 0, metrics_page, ROUTE_SCRAPED },
	{ GET,    "/readyz",                                  MAY_ANYBODY, SCOPE_NONE,       BODY_NONE, 0, readiness, 0 },
};

const size_t route_count = ARRAY_LEN(routes);

/* Of the second address, which only those reach who may see all of it (docs/observe.md). */
const struct route side_routes[] = {
	{ GET,    "/healthz",                                 MAY_ANYBODY, SCOPE_NONE,       BODY_NONE, 0, health, 0 },
	{ GET,    "/metrics",                                 MAY_ANYBODY, SCOPE_NONE,       BODY_NONE, 0, metrics_page, ROUTE_SCRAPED },
	{ GET,    "/readyz",                                  MAY_ANYBODY, SCOPE_NONE,       BODY_NONE, 0, readiness, 0 },
};
const size_t side_route_count = ARRAY_LEN(side_routes);
