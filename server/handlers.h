/* handlers: every function of the route table; all run on pool threads. */
#ifndef SERVER_HANDLERS_H
#define SERVER_HANDLERS_H

#include "server/server.h"

/* content_plane.c */
void content_metadata(struct request *q);
void content_target(struct request *q);

/* device_enrol.c, device_checkin.c */
void device_enrol(struct request *q);
void device_checkin(struct request *q);
void device_self(struct request *q);

/* device_clone.c: is the token the newest of its device? False: the device is flagged, and the reply says why. */
bool device_current(struct request *q);
/* device_bind.c: where client certificates are asked for, is it there, and the one of this device? False: the reply says why not. */
bool device_certificate(struct request *q);

/* operator_publish.c */
void operator_upload(struct request *q);
void operator_publish(struct request *q);

/* operator_documents.c */
void operator_contracts(struct request *q);
void operator_contract(struct request *q);
void operator_register(struct request *q);

/* operator_policies.c */
void operator_policy(struct request *q);
void operator_policy_versions(struct request *q);
void operator_put_policy(struct request *q);

/* operator_roles.c */
void operator_role(struct request *q);
void operator_put_role(struct request *q);
void operator_draft(struct request *q);

/* operator_requests.c */
void operator_requests(struct request *q);
void operator_open_request(struct request *q);
void operator_request(struct request *q);
void operator_request_changes(struct request *q);
void operator_sign_request(struct request *q);
void operator_withdraw_request(struct request *q);

/* operator_rollouts.c */
void operator_bundles(struct request *q);
void operator_rollouts(struct request *q);
void operator_rollout(struct request *q);
void operator_move(struct request *q);
void operator_approve(struct request *q);
void operator_rollback(struct request *q);

/* operator_gates.c */
void operator_gate_records(struct request *q);
void operator_gate_record(struct request *q);
void operator_background(struct request *q);

/* operator_tokens.c */
void operator_self(struct request *q);
void operator_tokens(struct request *q);
void operator_token(struct request *q);
void operator_add_token(struct request *q);
void operator_rotate_token(struct request *q);
void operator_end_token(struct request *q);

/* operator_devices.c, operator_enrolments.c */
void operator_devices(struct request *q);
void operator_device(struct request *q);
void operator_attributes(struct request *q);
void operator_revoke(struct request *q);
void operator_clear(struct request *q);
void operator_enrolments(struct request *q);
void operator_add_enrolment(struct request *q);
void operator_end_enrolment(struct request *q);

/* operator_follow.c */
void operator_follows(struct request *q);
void operator_begin(struct request *q);

/* operator_feed.c */
void operator_events(struct request *q);

/* operator_audit.c */
void operator_audit(struct request *q);
void operator_checkpoints(struct request *q);

/* operator_rings.c */
void operator_rings(struct request *q);
void operator_rings_simulate(struct request *q);

/* operator_drops.c */
void operator_drops(struct request *q);
void operator_drop(struct request *q);

/* operator_stops.c */
void operator_stops(struct request *q);

/* operator_status.c */
void operator_status(struct request *q);

/* operator_webhooks.c */
void operator_webhooks(struct request *q);
void operator_webhook(struct request *q);
void operator_put_webhook(struct request *q);
void operator_rotate_webhook(struct request *q);
void operator_end_webhook(struct request *q);
void operator_test_webhook(struct request *q);
void operator_webhook_messages(struct request *q);
void operator_redeliver(struct request *q);

/* operator_health.c, metrics_page.c */
void health(struct request *q);
void readiness(struct request *q);
void metrics_page(struct request *q);

/* ---- what they share (handlers.c) ---- */

/* The body as a strict JSON object with no member but these; on failure the reply is filled in and the answer is NULL. */
struct json_doc *handler_body(struct request *q, const char *const *members);
/* A member that is a digest in hex; ERR_FORMAT. */
int handler_digest(const struct json_doc *d, const struct json *o, const char *key, struct digest *out, struct err *e) MUST_CHECK;
/* A text in the query, "" when absent. False: the reply says that it is too long or badly escaped. */
bool handler_query_text(struct request *q, const char *name, char *out, size_t cap);
/* A whole number in the query, or the fallback. False: the reply says what is wrong. */
bool handler_query_int(struct request *q, const char *name, int64_t fallback, int64_t max, int64_t *out);
/* "dry_run=true" in the query: check and answer, change nothing. Only in rows with ROUTE_DRY; elsewhere such a request is refused. */
bool handler_dry_run(const struct request *q);

/* May who asks do this to the channel (NULL: to every one)? False: the reply says no. For rows with SCOPE_ASKS. */
bool handler_may(struct request *q, const char *channel);
/* The same for roles of the repository, separated by blanks: each content-<channel>; any other concerns every channel. */
bool handler_may_roles(struct request *q, const char *roles);
/* May who asks see this channel? Of no channel ("" or NULL): yes. For rows with SCOPE_LEAVES_OUT. */
bool handler_sees(const struct request *q, const char *channel);
bool handler_sees_roles(const struct request *q, const char *roles);

/* The member "attributes" of a body as its own text, checked; absent and not required: "{}". NULL: e says why. The caller frees. */
char *handler_attributes(const struct json_doc *d, bool required, struct err *e);

/* How many devices the ring map puts in a ring; those that were revoked are none. */
int64_t handler_members(struct server *s, const char *ring);

/* The ETag of the answer: a version in quotes. */
void handler_etag(struct request *q, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Does If-Match, when there is one, hold for this version? False: the reply says what it is now. */
bool handler_if_match(struct request *q, const char *version);

/*
 * Pages of a list whose items have keys and a fixed order: `limit` and
 * `cursor` of the query; "next" of the answer is the next page's cursor, or
 * null. Begin opens the object and its array "items".
 */
#define HANDLER_CURSOR_MAX 160
struct handler_page {
	struct json_writer w;
	char cursor[HANDLER_CURSOR_MAX + 1];    /* the last item of the page before; "": from the beginning */
	char last[HANDLER_CURSOR_MAX + 1];
	int64_t limit, count;
	bool found;             /* the cursor's item went by */
	bool more;
};
bool handler_page_begin(struct request *q, struct handler_page *p, int64_t fallback, int64_t max);     /* false: the reply says why */
bool handler_page_takes(struct handler_page *p, const char *key);      /* is this item of the page? In the list's order */
void handler_page_skips(struct handler_page *p, const char *key);      /* an item that is not in the list now, and may be where a cursor stands */
void handler_page_end(struct request *q, struct handler_page *p);

/*
 * Pages of a list that only grows: `after` and `limit` of the query; "last" of
 * the answer is the id to go on after. Begin opens the object and its "items".
 */
struct handler_feed {
	struct request *q;
	struct json_writer w;
	uint64_t after, last;
	int64_t limit;
};
bool handler_feed_begin(struct request *q, struct handler_feed *p);     /* false: the reply says why */
bool handler_feed_takes(struct handler_feed *p, uint64_t id, const char *channel);     /* may the asker see this row? In the list's order */
void handler_feed_end(struct handler_feed *p);

void handler_put_digest(struct json_writer *w, const char *key, const struct digest *d);       /* zero: null */
void handler_put_time(struct json_writer *w, const char *key, int64_t at);     /* 0: null */
void handler_put_text(struct json_writer *w, const char *key, const char *text);       /* "": null */
void handler_put_words(struct json_writer *w, const char *key, const char *words);     /* separated by one blank: a list */

#endif
