/*
 * audited: what the audit log says of every operation that changes something.
 *
 * A row of the table for each; an operation of server/openapi.yaml that is not
 * in it must say in `silent` why nothing is kept. Rows hold words that the
 * state before and the state after must have: "" none, for there is no such
 * state; an operation may have several rows.
 */
#ifndef TESTS_SERVER_AUDITED_H
#define TESTS_SERVER_AUDITED_H

#include "base/json.h"
#include "tests/test.h"

#define AUDITED_MAX 64

static const struct audited {
	const char *method, *path, *action;
	const char *why;                /* NULL: as the caller said, in the body or the query */
	const char *was, *becomes;      /* words of both; "": empty */
} audited[] = {
	{ "POST",   "/v1/bundles",                              "publish",                  NULL, "", "\"rollout\":" },
	{ "POST",   "/v1/contracts",                            "contract",                 NULL, "", "\"digest\":" },
	{ "PUT",    "/v1/policies/{channel}",                   "policy",                   NULL, "\"rings\":", "\"rings\":" },
	{ "PUT",    "/v1/roles/{role}",                         "role",                     NULL, "\"version\":2", "\"version\":3" },
	{ "POST",   "/v1/signing-requests",                     "signing-request",          NULL, "", "\"signatures\":0,\"state\":\"open\"" },
	{ "DELETE", "/v1/signing-requests/{request}",           "signing-request-withdrawn", NULL, "\"state\":\"open\"", "\"state\":\"withdrawn\"" },
	{ "POST",   "/v1/signing-requests/{request}/signatures", "signing-request-signed",  "", "\"signatures\":1", "\"signatures\":2" },
	{ "POST",   "/v1/rollouts/{id}/approve",                "approve",                  NULL, "{\"agreed\":false}", "{\"agreed\":true}" },
	{ "POST",   "/v1/rollouts/{id}/{move}",                 "operator",                 NULL, "\"operator_hold\":false", "\"operator_hold\":true" },
	{ "POST",   "/v1/rollouts/{id}/{move}",                 "operator",                 NULL, "\"operator_hold\":true", "\"operator_hold\":false" },
	{ "POST",   "/v1/channels/{channel}/rollback",          "rollback",                 NULL, "\"serial\":1", "\"serial\":1" },
	{ "POST",   "/v1/channels/{channel}/drops",             "drop",                     NULL, "[]", "ipc-0001" },
	{ "POST",   "/v1/channels/{channel}/drops",             "undrop",                   NULL, "ipc-0001", "[]" },
	{ "POST",   "/v1/channels/{channel}/rollouts",          "publish",                  NULL, "", "\"rollout\":" },
	{ "DELETE", "/v1/devices/{device}",                     "revoke",                   NULL, "\"revoked\":false", "\"revoked\":true" },
	{ "POST",   "/v1/devices/{device}/clear",               "clear",                    NULL, "\"flag\":\"", "\"flag\":null" },
	{ "PUT",    "/v1/devices/{device}/attributes",          "attributes",               NULL, "\"attributes\":[]", "ring=canary" },
	{ "POST",   "/v1/enrolment-tokens",                     "enrolment-token",          NULL, "", "{" },
	{ "DELETE", "/v1/enrolment-tokens/{token}",             "enrolment-token-end",      NULL, "{", "" },
	{ "POST",   "/v1/tokens",                               "token",                    NULL, "", "\"roles\":[\"viewer\"]" },
	{ "DELETE", "/v1/tokens/{token}",                       "token-revoke",             NULL, "\"revoked\":null", "\"revoked\":\"" },
	{ "POST",   "/v1/tokens/{token}/rotate",                "token-rotate",             NULL, "\"version\":1", "\"version\":2" },
	{ "PUT",    "/v1/webhooks/{webhook}",                   "webhook",                  NULL, "", "example.com" },
	{ "PUT",    "/v1/webhooks/{webhook}",                   "webhook-change",           NULL, "example.com", "example.org" },
	{ "DELETE", "/v1/webhooks/{webhook}",                   "webhook-end",              NULL, "example.org", "" },
	{ "POST",   "/v1/webhooks/{webhook}/rotate",            "webhook-change",           NULL, "\"version\":", "\"version\":" },
	{ "POST",   "/v1/webhooks/{webhook}/test",              "webhook-test",             NULL, "", "\"delivery\":\"due\"" },
	{ "POST",   "/v1/webhooks/{webhook}/redeliver",         "webhook-again",            NULL, "\"delivery\":\"dead\"", "\"delivery\":\"due\"" },
};
_Static_assert(ARRAY_LEN(audited) <= AUDITED_MAX, "room for what was seen");

/* They change nothing that anybody could see. */
static const struct { const char *method, *path; } silent[] = {
	{ "PUT",  "/v1/uploads/{sha256}" },     /* bytes that nobody asked for yet */
	{ "POST", "/v1/rings/simulate" },
};

static inline const char *audited_text(const struct json *row, const char *key)
{
	const struct json *v = json_get(row, key);

	assert_true(v && v->type == JSON_STRING && strlen(v->u.text) == v->count);
	return v->u.text;
}

/* "reason=looked+at+it" of the address, or the body's member; "" when none was given. */
static inline void audited_reason(char out[200], const char *address, const char *body)
{
	const char *query = strstr(address, "reason=");
	AUTO(json) struct json_doc *d = NULL;
	const struct json *v = NULL;
	struct err e;

	if (query)
		snprintf(out, 200, "%.*s", (int)strcspn(query + 7, "&"), query + 7);
	else if (body && json_parse(&d, "body", body, strlen(body), NULL, &e) == 0)
		v = json_get(d->root, "reason");
	if (!query)
		snprintf(out, 200, "%s", v ? v->u.text : "");
}

static inline bool audited_state(const char *text, const char *words)
{
	AUTO(json) struct json_doc *d = NULL;
	struct err e;

	if (!*words || !*text)
		return *words == *text;
	if (json_parse(&d, "a state", text, strlen(text), NULL, &e) < 0)
		fail_msg("%s: %s", text, e.msg);
	return strstr(text, words) != NULL;
}

/* Which row of the table this row of the log is, of this operation by this person; -1: none. */
static inline int audited_row(const struct json *row, const char *method, const char *path, const char *address, const char *body, const char *who)
{
	char why[200];

	audited_reason(why, address, body);
	for (size_t i = 0; i < ARRAY_LEN(audited); i++) {
		const struct audited *a = &audited[i];

		if (strcmp(a->method, method) != 0 || strcmp(a->path, path) != 0 || strcmp(audited_text(row, "action"), a->action) != 0 ||
		    strcmp(audited_text(row, "who"), who) != 0 || !*audited_text(row, "subject") || !audited_state(audited_text(row, "was"), a->was) ||
		    !audited_state(audited_text(row, "becomes"), a->becomes))
			continue;
		if (a->why ? strstr(audited_text(row, "why"), a->why) != NULL : *why && strcmp(audited_text(row, "why"), why) == 0)
			return (int)i;
	}
	return -1;
}

/* Adds the operation to `out` when it changes something and one of its rows was not met. */
static inline void audited_missing(const bool *kept, const char *method, const char *path, struct buf *out)
{
	bool known = strcmp(method, "GET") == 0 || strncmp(path, "/v1/", 4) != 0;

	for (size_t i = 0; i < ARRAY_LEN(silent); i++)
		known = known || (strcmp(silent[i].method, method) == 0 && strcmp(silent[i].path, path) == 0);
	for (size_t i = 0; i < ARRAY_LEN(audited); i++) {
		if (strcmp(audited[i].method, method) != 0 || strcmp(audited[i].path, path) != 0)
			continue;
		known = true;
		if (!kept[i])
			buf_addf(out, "\n  %s %s: %s", method, path, audited[i].action);
	}
	if (!known)
		buf_addf(out, "\n  %s %s: tests/server/audited.h does not know it", method, path);
}

#endif
