/* operator_documents: contracts, policies, and the roles that people sign. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "schema/contract.h"
#include "server/control.h"
#include "server/document_check.h"
#include "server/handlers.h"
#include "server/recalls.h"

#define TARGETS_MAX 64
#define DOCUMENT_MAX ((size_t)8 << 20)

static void raw_json(struct request *q, const char *bytes, size_t len)
{
	struct json_writer w = reply_json(&q->reply, 200);

	buf_add(w.out, bytes, len);
}

/* ---- contracts ---- */

static int list_contract(const struct store_contract *row, void *arg, struct err *e)
{
	struct json_writer *w = arg;

	(void)e;
	json_open_object(w, NULL);
	handler_put_digest(w, "digest", &row->digest);
	json_put_text(w, "sensor", row->sensor);
	json_put_text(w, "version", row->version);
	json_put_time(w, "registered", row->registered);
	json_put_text(w, "by", row->by);
	json_close_object(w);
	return 0;
}

void operator_contracts(struct request *q)
{
	struct json_writer w = reply_json(&q->reply, 200);
	struct err e;

	json_open_object(&w, NULL);
	json_open_array(&w, "items");
	if (store_each_contract(q->server->store, list_contract, &w, &e) < 0) {
		reply_error(&q->reply, &e);
		return;
	}
	json_close_array(&w);
	json_close_object(&w);
}

struct wanted {
	struct digest digest;
	struct request *q;
	bool found;
};

static int one_contract(const struct store_contract *row, void *arg, struct err *e)
{
	struct wanted *wanted = arg;

	(void)e;
	if (!digest_equal(&row->digest, &wanted->digest))
		return 0;
	wanted->found = true;
	if (wanted->q)
		raw_json(wanted->q, row->body, row->body_len);
	return 1;
}

void operator_contract(struct request *q)
{
	struct wanted wanted = { .q = q };
	struct err e;

	if (!digest_parse(&wanted.digest, q->params[0], strlen(q->params[0])))
		reply_problem(&q->reply, PROBLEM_MALFORMED, "a contract is named by its SHA-256");
	else if (store_each_contract(q->server->store, one_contract, &wanted, &e) < 0)
		reply_error(&q->reply, &e);
	else if (!wanted.found)
		reply_problem(&q->reply, PROBLEM_NOT_FOUND, "no such contract is registered");
}

void operator_register(struct request *q)
{
	AUTO(contract) struct contract *c = NULL;
	struct server_batch b = { .count = 0 };
	struct wanted wanted = { .q = NULL };
	char subject[200];
	int64_t now = clock_now();
	struct json_writer w;
	struct err e;

	if (contract_parse(&c, "contract", q->body->data ? q->body->data : "", q->body->len, &e) < 0) {
		reply_error(&q->reply, &e);
		return;
	}
	wanted.digest = c->digest;
	snprintf(subject, sizeof subject, "%s %s", c->sensor, c->version);
	server_record(&b, STORE_CONTRACT)->u.contract = (struct store_contract){
		c->digest, c->sensor, c->version, q->body->data, q->body->len, now, q->who };
	server_audit(&b, now, q->who, "contract", subject, "");
	if (store_each_contract(q->server->store, one_contract, &wanted, &e) < 0 ||
	    (!wanted.found && server_write(q->server, &b, &e) < 0)) {
		reply_error(&q->reply, &e);
		return;
	}
	w = reply_json(&q->reply, wanted.found ? 200 : 201);
	json_open_object(&w, NULL);
	handler_put_digest(&w, "digest", &c->digest);
	json_put_text(&w, "sensor", c->sensor);
	json_put_text(&w, "version", c->version);
	json_close_object(&w);
}

/* ---- policies ---- */

void operator_policy(struct request *q)
{
	AUTO(policy) struct policy *p = NULL;
	struct json_writer w;
	uint64_t version;
	struct err e;

	if (!name_valid(q->params[0], strlen(q->params[0]))) {
		reply_problem(&q->reply, PROBLEM_NOT_FOUND, "that is no name of a channel");
		return;
	}
	if (control_policy(q->server, q->params[0], &p, &version, &e) < 0) {
		reply_error(&q->reply, &e);
		return;
	}
	w = reply_json(&q->reply, 200);
	if (policy_write(w.out, p, &e) < 0)
		reply_error(&q->reply, &e);
	snprintf(q->reply.etag, sizeof q->reply.etag, "\"%llu\"", (unsigned long long)version);
}

/* How many devices the map puts in a ring. */
static int64_t members(struct server *s, const char *ring)
{
	int64_t count = 0;

	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->fleet.count; i++)
		count += s->fleet.items[i]->ring && strcmp(s->fleet.items[i]->ring, ring) == 0;
	pthread_mutex_unlock(&s->lock);
	return count;
}

static void reply_exposure(struct request *q, const struct policy *p, uint64_t version)
{
	struct json_writer w = reply_json(&q->reply, 200);

	json_open_object(&w, NULL);
	json_put_text(&w, "channel", p->channel);
	json_put_int(&w, "version", (int64_t)version);
	json_open_array(&w, "rings");
	for (size_t i = 0; i < p->count; i++) {
		int64_t count = members(q->server, p->rings[i].name);
		struct policy_exposure x;

		policy_exposure(&x, p, i, count);
		json_open_object(&w, NULL);
		json_put_text(&w, "ring", p->rings[i].name);
		json_put_int(&w, "members", count);
		json_put_int(&w, "clean_to_pass", x.clean_to_pass);
		json_put_int(&w, "failures_to_halt", x.failures_to_halt);
		json_put_int(&w, "worst_exposed", x.worst_exposed);
		json_put_int(&w, "best_s", x.best_s);
		json_put_bool(&w, "by_coverage", x.by_coverage);
		json_close_object(&w);
	}
	json_close_array(&w);
	json_close_object(&w);
}

void operator_put_policy(struct request *q)
{
	AUTO(policy) struct policy *p = NULL, *old = NULL;
	struct server_batch b = { .count = 0 };
	const char *channel = q->params[0];
	int64_t now = clock_now();
	uint64_t version = 0;
	struct err e;

	if (policy_parse(&p, "policy", q->body->data ? q->body->data : "", q->body->len, &e) < 0) {
		reply_error(&q->reply, &e);
		return;
	}
	if (strcmp(p->channel, channel) != 0) {
		reply_problem(&q->reply, PROBLEM_REFUSED, "the policy is for channel %s, the address for %s", p->channel, channel);
		return;
	}
	if (control_policy(q->server, channel, &old, &version, &e) < 0)
		version = 0;
	version++;
	server_record(&b, STORE_POLICY)->u.policy = (struct store_policy){ channel, q->body->data, version, now, q->who };
	server_audit(&b, now, q->who, "policy", channel, "");
	if (server_write(q->server, &b, &e) < 0)
		reply_error(&q->reply, &e);
	else
		reply_exposure(q, p, version);
}

/* ---- roles ---- */

void operator_role(struct request *q)
{
	AUTO(buf) struct buf *envelope = NULL;
	struct err e;

	if (desk_role(q->server->desk, q->params[0], &envelope, &e) < 0)
		reply_error(&q->reply, &e);
	else
		raw_json(q, envelope->data, envelope->len);
}

void operator_draft(struct request *q)
{
	AUTO(buf) struct buf *envelope = NULL;
	struct err e;

	if (desk_draft(q->server->desk, q->params[0], clock_now(), &envelope, &e) < 0)
		reply_error(&q->reply, &e);
	else
		raw_json(q, envelope->data, envelope->len);
}

/* [{"path":..,"sha256":..}] into files among the uploads. */
static int take_targets(struct request *q, const struct json_doc *d, struct desk_file files[TARGETS_MAX], size_t *count, struct err *e)
{
	static const char *const known[] = { "path", "sha256", NULL };
	const struct json *list = NULL;

	if (json_may_array(d, d->root, "targets", TARGETS_MAX, &list, e) < 0)
		return e->code;
	for (uint32_t i = 0; list && i < list->count; i++) {
		const struct json *o = &list->u.items[i];
		struct desk_file *f = &files[*count];
		struct digest sha256;
		char hex[DIGEST_HEX_LEN + 1];
		const char *path;

		if (o->type != JSON_OBJECT)
			return json_error(d, o, e, ERR_FORMAT, "a target is an object");
		if (json_only(d, o, known, e) < 0 || json_want_text(d, o, "path", PATH_LEN_MAX, &path, e) < 0 ||
		    handler_digest(d, o, "sha256", &sha256, e) < 0)
			return e->code;
		if (!name_path_valid(path, strlen(path)))
			return json_error(d, o, e, ERR_FORMAT, "\"%s\" is no path of a target", path);
		snprintf(f->path, sizeof f->path, "%s", path);
		digest_hex(hex, &sha256);
		f->from = file_join(q->server->uploads, hex);
		if (!f->from)
			return err_memory(e);
		++*count;
		if (!file_exists(f->from))
			return err_set(e, ERR_NOT_FOUND, "%s: %s was not uploaded", path, hex);
	}
	return 0;
}

static int put_role(struct request *q, const struct json_doc *d, struct desk_file *files, size_t *count, struct err *e)
{
	AUTO(buf) struct buf *envelope = buf_new(0);
	AUTO(stops) struct stops *recalls = NULL;
	struct server_batch b = { .count = 0 };
	int64_t now = clock_now();
	const struct json *role;

	if (!envelope)
		return err_memory(e);
	/* A vendor's bundles come through the checks of /v1/bundles only. */
	if (strncmp(q->params[0], "content-", 8) == 0)
		return err_set(e, ERR_REFUSED, "%s is published through /v1/bundles", q->params[0]);
	if (json_want_object(d, d->root, "role", &role, e) < 0 || json_canonical(envelope, role, e) < 0 ||
	    take_targets(q, d, files, count, e) < 0)
		return e->code;
	for (size_t i = 0; i < *count; i++) {
		AUTO(buf) struct buf *text = NULL;

		if (file_read(&text, files[i].from, DOCUMENT_MAX, e) < 0 || document_check(files[i].path, text, &recalls, e) < 0)
			return e->code;
	}
	server_audit(&b, now, q->who, "role", q->params[0], "");
	if (desk_publish(q->server->desk, q->params[0], envelope->data, envelope->len, files, *count, now, e) < 0 ||
	    server_write(q->server, &b, e) < 0)
		return e->code;
	if (recalls)
		recalls_halt(q->server, recalls->channel, recalls, q->who, "recalled", now);
	return server_refresh_ringmap(q->server, e);
}

void operator_put_role(struct request *q)
{
	static const char *const known[] = { "role", "targets", NULL };
	AUTO(json) struct json_doc *d = handler_body(q, known);
	struct desk_file files[TARGETS_MAX];
	struct json_writer w;
	size_t count = 0;
	struct err e;
	int got;

	if (!d)
		return;
	got = put_role(q, d, files, &count, &e);
	for (size_t i = 0; i < count; i++)
		free(files[i].from);
	if (got < 0) {
		reply_error(&q->reply, &e);
		return;
	}
	w = reply_json(&q->reply, 200);
	json_open_object(&w, NULL);
	json_put_text(&w, "role", q->params[0]);
	json_close_object(&w);
}
