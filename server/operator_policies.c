/* operator_policies: how the rings of a channel are judged: every version of it, who set it and why. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema/embedded.h"
#include "server/control.h"
#include "server/handlers.h"
#include "server/now.h"

#define PAGE 200
#define PAGE_MAX 1000

static bool channel_named(struct request *q)
{
	if (name_valid(q->params[0], strlen(q->params[0])))
		return true;
	reply_problem(&q->reply, PROBLEM_NOT_FOUND, "that is no name of a channel");
	return false;
}

/* ---- looking ---- */

struct wanted {
	struct request *q;
	uint64_t version;
	bool found;
};

/* As it was put: the schema may have got members since. */
static int one_version(const struct store_policy *row, void *arg, struct err *e)
{
	struct wanted *wanted = arg;
	struct json_writer w;

	(void)e;
	if (row->version != wanted->version)
		return 0;
	wanted->found = true;
	w = reply_json(&wanted->q->reply, 200);
	buf_adds(w.out, row->body);
	handler_etag(wanted->q, "%llu", (unsigned long long)row->version);
	return 1;
}

static void show_version(struct request *q, uint64_t version)
{
	struct wanted wanted = { q, version, false };
	struct err e;

	if (store_each_policy_of(q->server->store, q->params[0], one_version, &wanted, &e) < 0)
		reply_error(&q->reply, &e);
	else if (!wanted.found)
		reply_problem(&q->reply, PROBLEM_NOT_FOUND, "channel %s has no policy of version %llu", q->params[0], (unsigned long long)version);
}

void operator_policy(struct request *q)
{
	AUTO(policy) struct policy *p = NULL;
	struct json_writer w;
	uint64_t version;
	int64_t asked;
	struct err e;

	if (!channel_named(q) || !handler_query_int(q, "version", 0, INT64_MAX, &asked))
		return;
	if (asked) {
		show_version(q, (uint64_t)asked);
		return;
	}
	if (control_policy(q->server, q->params[0], &p, &version, &e) < 0) {
		reply_error(&q->reply, &e);
		return;
	}
	w = reply_json(&q->reply, 200);
	if (policy_write(w.out, p, &e) < 0)
		reply_error(&q->reply, &e);
	else
		handler_etag(q, "%llu", (unsigned long long)version);
}

static int list_version(const struct store_policy *row, void *arg, struct err *e)
{
	struct handler_page *p = arg;
	struct json_writer *w = &p->w;
	struct digest digest;
	char key[24];

	(void)e;
	snprintf(key, sizeof key, "%llu", (unsigned long long)row->version);
	if (!handler_page_takes(p, key))
		return 0;
	hash_bytes(&digest, row->body, strlen(row->body));
	json_open_object(w, NULL);
	json_put_int(w, "version", (int64_t)row->version);
	json_put_time(w, "at", row->at);
	json_put_text(w, "by", row->by);
	handler_put_text(w, "reason", row->reason);
	handler_put_digest(w, "sha256", &digest);
	json_close_object(w);
	return 0;
}

void operator_policy_versions(struct request *q)
{
	struct handler_page page;
	struct err e;

	if (!channel_named(q) || !handler_page_begin(q, &page, PAGE, PAGE_MAX))
		return;
	if (store_each_policy_of(q->server->store, q->params[0], list_version, &page, &e) < 0)
		reply_error(&q->reply, &e);
	else
		handler_page_end(q, &page);
}

/* ---- setting ---- */

static void put_exposure(struct request *q, struct json_writer *w, const struct policy *p, size_t ring, int64_t now)
{
	int64_t count = handler_members(q->server, p->rings[ring].name);
	struct policy_exposure x;
	struct err e;

	policy_exposure(&x, p, ring, count, now);
	json_open_object(w, NULL);
	json_put_text(w, "ring", p->rings[ring].name);
	json_put_int(w, "members", count);
	json_put_int(w, "clean_to_pass", x.clean_to_pass);
	json_put_int(w, "failures_to_halt", x.failures_to_halt);
	json_put_int(w, "worst_exposed", x.worst_exposed);
	if (x.best_s == CALENDAR_NEVER)
		json_put_null(w, "best_s");
	else
		json_put_int(w, "best_s", x.best_s);
	json_put_bool(w, "by_coverage", x.by_coverage);
	/* rings grow: with these members it is told, not refused */
	if (policy_check_size(p, ring, count, now, &e) < 0)
		json_put_text(w, "cannot_pass", e.msg);
	else
		json_put_null(w, "cannot_pass");
	json_close_object(w);
}

static void reply_exposure(struct request *q, const struct policy *p, uint64_t version, int64_t now)
{
	struct json_writer w = reply_json(&q->reply, 200);

	json_open_object(&w, NULL);
	json_put_text(&w, "channel", p->channel);
	json_put_int(&w, "version", (int64_t)version);
	json_open_array(&w, "rings");
	for (size_t i = 0; i < p->count; i++)
		put_exposure(q, &w, p, i, now);
	json_close_array(&w);
	json_close_object(&w);
}

/* First by the published schema, which says where; then by what no schema can say. */
static int take(struct policy **out, const struct buf *body, struct err *e)
{
	AUTO(json) struct json_doc *published = NULL, *d = NULL;
	AUTO(schema) struct schema *schema = NULL;
	AUTO(policy) struct policy *p = NULL;
	const char *text = body->data ? body->data : "";

	if (embedded_compile(&schema, &published, "policy.schema.json", embedded_policy, embedded_policy_end, e) < 0 ||
	    json_parse(&d, "policy", text, body->len, NULL, e) < 0 || schema_check(schema, d, d->root, NULL, e) < 0 ||
	    policy_parse(&p, "policy", text, body->len, e) < 0)
		return e->code;
	if (policy_resolve(p, e) < 0)
		return e->code = ERR_REFUSED;   /* a zone that is not here is no address that is not here */
	*out = TAKE(p);
	return 0;
}

static int keep(struct request *q, const char *channel, const struct policy *old, uint64_t version, const char *reason, int64_t now, struct err *e)
{
	AUTO(buf) struct buf *was = buf_new(POLICY_MAX);
	struct server_batch b = { .count = 0 };
	char detail[32];

	if (!was)
		return err_memory(e);
	if (old && policy_write(was, old, e) < 0)
		return e->code;
	snprintf(detail, sizeof detail, "version %llu", (unsigned long long)version);
	server_record(&b, STORE_POLICY)->u.policy = (struct store_policy){ channel, q->body->data, version, now, q->who, reason };
	server_audit_entry(&b, &(struct audit_entry){ .at = now, .who = q->who, .action = "policy", .subject = channel, .detail = detail, .why = reason,
						      .was = was->data ? was->data : "", .becomes = q->body->data });
	return server_write(q->server, &b, e);
}

void operator_put_policy(struct request *q)
{
	AUTO(policy) struct policy *p = NULL, *old = NULL;
	const char *channel = q->params[0];
	char tag[24], reason[REASON_LEN_MAX + 1] = "";
	int64_t now = server_now(q->server);
	uint64_t version = 0;
	struct err e;

	if (take(&p, q->body, &e) < 0) {
		reply_error(&q->reply, &e);
		return;
	}
	if (strcmp(p->channel, channel) != 0) {
		reply_problem(&q->reply, PROBLEM_REFUSED, "the policy is for channel %s, the address for %s", p->channel, channel);
		return;
	}
	if (!http_query(q->http, "reason", reason, sizeof reason) && strstr(q->http->query, "reason=")) {
		reply_problem(&q->reply, PROBLEM_MALFORMED, "reason is at most %d printable ASCII characters", REASON_LEN_MAX);
		return;
	}
	if (control_policy(q->server, channel, &old, &version, &e) < 0)
		version = 0;
	snprintf(tag, sizeof tag, "%llu", (unsigned long long)version);
	if (!handler_if_match(q, tag))
		return;
	version++;
	if (!handler_dry_run(q) && keep(q, channel, old, version, reason, now, &e) < 0) {
		reply_error(&q->reply, &e);
		return;
	}
	reply_exposure(q, p, version, now);
	handler_etag(q, "%llu", (unsigned long long)(handler_dry_run(q) ? version - 1 : version));
}
