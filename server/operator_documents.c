/* operator_documents: contracts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema/contract.h"
#include "server/handlers.h"
#include "server/now.h"

#define PAGE 200
#define PAGE_MAX 1000

static void raw_json(struct request *q, const char *bytes, size_t len)
{
	struct json_writer w = reply_json(&q->reply, 200);

	buf_add(w.out, bytes, len);
}

/* ---- contracts ---- */

static int list_contract(const struct store_contract *row, void *arg, struct err *e)
{
	struct handler_page *p = arg;
	struct json_writer *w = &p->w;
	char hex[DIGEST_HEX_LEN + 1];

	(void)e;
	digest_hex(hex, &row->digest);
	if (!handler_page_takes(p, hex))
		return 0;
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
	struct handler_page page;
	struct err e;

	if (!handler_page_begin(q, &page, PAGE, PAGE_MAX))
		return;
	if (store_each_contract(q->server->store, list_contract, &page, &e) < 0)
		reply_error(&q->reply, &e);
	else
		handler_page_end(q, &page);
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
	char subject[200], hex[DIGEST_HEX_LEN + 1], becomes[DIGEST_HEX_LEN + 20];
	int64_t now = server_now(q->server);
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
	digest_hex(hex, &c->digest);
	snprintf(becomes, sizeof becomes, "{\"digest\":\"%s\"}", hex);
	server_audit_entry(&b, &(const struct audit_entry){ .at = now, .who = q->who, .action = "contract", .subject = subject, .why = q->why,
							    .becomes = becomes });
	if (store_each_contract(q->server->store, one_contract, &wanted, &e) < 0 ||
	    (!wanted.found && !handler_dry_run(q) && server_write(q->server, &b, &e) < 0)) {
		reply_error(&q->reply, &e);
		return;
	}
	w = reply_json(&q->reply, wanted.found || handler_dry_run(q) ? 200 : 201);
	json_open_object(&w, NULL);
	handler_put_digest(&w, "digest", &c->digest);
	json_put_text(&w, "sensor", c->sensor);
	json_put_text(&w, "version", c->version);
	json_close_object(&w);
}
