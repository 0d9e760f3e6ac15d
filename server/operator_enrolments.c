/* operator_enrolments: the tokens that devices enrol with. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/handlers.h"
#include "server/now.h"

#define PAGE 100
#define PAGE_MAX 500
#define LIFETIME_S (7 * 86400)
#define LIFETIME_MAX_S (10 * 365 * 86400)

/* What people call a token: the first half of its hash. */
#define TOKEN_ID_LEN 32

static void token_id(char out[DIGEST_HEX_LEN + 1], const struct digest *hash)
{
	digest_hex(out, hash);
	out[TOKEN_ID_LEN] = '\0';
}

/* The text of a row is an object, written by us. */
static void put_attributes(struct json_writer *w, const char *text)
{
	AUTO(json) struct json_doc *d = NULL;
	struct err e;

	if (json_parse(&d, "attributes", text, strlen(text), NULL, &e) == 0) {
		json_put_value(w, "attributes", d->root);
		return;
	}
	json_open_object(w, "attributes");
	json_close_object(w);
}

static int list_enrolment(const struct store_enrolment *n, void *arg, struct err *e)
{
	struct handler_page *p = arg;
	struct json_writer *w = &p->w;
	char id[DIGEST_HEX_LEN + 1];

	(void)e;
	token_id(id, &n->hash);
	if (!handler_page_takes(p, id))
		return 0;
	json_open_object(w, NULL);
	json_put_text(w, "id", id);
	json_put_text(w, "name", n->name);
	put_attributes(w, n->attributes);
	json_put_text(w, "by", n->by);
	json_put_time(w, "created", n->created);
	json_put_time(w, "expires", n->expires);
	if (n->uses < 0)
		json_put_null(w, "uses");
	else
		json_put_int(w, "uses", n->uses);
	json_close_object(w);
	return 0;
}

void operator_enrolments(struct request *q)
{
	struct handler_page page;
	struct err e;

	if (!handler_page_begin(q, &page, PAGE, PAGE_MAX))
		return;
	if (store_each_enrolment(q->server->store, list_enrolment, &page, &e) < 0)
		reply_error(&q->reply, &e);
	else
		handler_page_end(q, &page);
}

/* token NULL: it was only asked for. */
static void reply_enrolment(struct request *q, const struct store_enrolment *n, const char *token)
{
	AUTO(buf) struct buf *text = buf_new(1024);
	struct json_writer w = reply_json(&q->reply, token ? 201 : 200);
	char host[256], id[DIGEST_HEX_LEN + 1];
	int port;

	server_advertised(q->server, host, &port);
	token_id(id, &n->hash);
	if (text && token)
		token_enrolment(text, host, port, &q->server->pin, token);
	json_open_object(&w, NULL);
	json_put_text(&w, "id", token ? id : NULL);
	json_put_text(&w, "name", n->name);
	json_put_text(&w, "token", token);
	json_put_text(&w, "enrolment", text && token ? text->data : NULL);
	json_put_time(&w, "expires", n->expires);
	if (n->uses < 0)
		json_put_null(&w, "uses");
	else
		json_put_int(&w, "uses", n->uses);
	json_close_object(&w);
}

static int add_enrolment(struct request *q, const struct json_doc *d, struct err *e)
{
	struct server_batch b = { .count = 0 };
	AUTO_FREE char *attributes = NULL;
	int64_t now = server_now(q->server), lifetime = LIFETIME_S, uses = 0;
	struct store_enrolment n = { .by = q->who, .created = now };
	char token[TOKEN_WORD_MAX], id[DIGEST_HEX_LEN + 1];

	if (json_want_text(d, d->root, "name", NAME_LEN_MAX, &n.name, e) < 0 ||
	    json_may_int(d, d->root, "uses", 0, 100000000, &uses, e) < 0 ||
	    json_may_int(d, d->root, "lifetime_s", 60, LIFETIME_MAX_S, &lifetime, e) < 0)
		return e->code;
	if (!name_valid(n.name, strlen(n.name)))
		return err_set(e, ERR_FORMAT, "name: a name is of a-z, 0-9 and inner hyphens");
	attributes = handler_attributes(d, false, e);
	if (!attributes || token_word(token, "rhe_", e) < 0)
		return e->code;
	token_hash(&n.hash, token);
	n.attributes = attributes;
	n.expires = now + lifetime;
	n.uses = uses == 0 ? -1 : uses;
	server_record(&b, STORE_ENROLMENT)->u.enrolment = n;
	token_id(id, &n.hash);
	server_audit_entry(&b, &(const struct audit_entry){ .at = now, .who = q->who, .action = "enrolment-token", .subject = id, .detail = n.name,
							    .why = q->why, .becomes = attributes });
	if (!handler_dry_run(q) && server_write(q->server, &b, e) < 0)
		return e->code;
	reply_enrolment(q, &n, handler_dry_run(q) ? NULL : token);
	return 0;
}

void operator_add_enrolment(struct request *q)
{
	static const char *const members[] = { "name", "attributes", "uses", "lifetime_s", NULL };
	AUTO(json) struct json_doc *d = handler_body(q, members);
	struct err e;

	if (d && add_enrolment(q, d, &e) < 0)
		reply_error(&q->reply, &e);
}

struct ended {
	const char *id;
	struct digest hash;
	char name[NAME_LEN_MAX + 1];
	char attributes[DEVICE_ATTRIBUTES_TEXT + 1];
	bool found, over;               /* it can enrol nobody any more */
	int64_t now;
};

static int find_enrolment(const struct store_enrolment *n, void *arg, struct err *e)
{
	struct ended *x = arg;
	char id[DIGEST_HEX_LEN + 1];

	(void)e;
	token_id(id, &n->hash);
	if (strcmp(id, x->id) != 0)
		return 0;
	x->hash = n->hash;
	snprintf(x->name, sizeof x->name, "%s", n->name);
	snprintf(x->attributes, sizeof x->attributes, "%s", n->attributes);
	x->found = true;
	x->over = n->uses == 0 || (n->expires && n->expires <= x->now);
	return 1;
}

void operator_end_enrolment(struct request *q)
{
	int64_t now = server_now(q->server);
	struct ended x = { .id = q->params[0], .now = now };
	struct server_batch b = { .count = 0 };
	struct json_writer w;
	struct err e;

	if (store_each_enrolment(q->server->store, find_enrolment, &x, &e) < 0) {
		reply_error(&q->reply, &e);
		return;
	}
	if (!x.found) {
		reply_problem(&q->reply, PROBLEM_NOT_FOUND, "no enrolment token has this id");
		return;
	}
	/* Used up and expired: the row stays for the record. */
	server_record(&b, STORE_ENROLMENT)->u.enrolment = (struct store_enrolment){
		.hash = x.hash, .name = "", .attributes = "{}", .expires = now, .uses = 0, .by = "" };
	server_audit_entry(&b, &(const struct audit_entry){ .at = now, .who = q->who, .action = "enrolment-token-end", .subject = x.id, .detail = x.name,
							    .why = q->why, .was = x.attributes });
	/* Ended twice is ended: the log tells of it once. */
	if (!x.over && !handler_dry_run(q) && server_write(q->server, &b, &e) < 0) {
		reply_error(&q->reply, &e);
		return;
	}
	w = reply_json(&q->reply, 200);
	json_open_object(&w, NULL);
	json_put_text(&w, "id", x.id);
	json_close_object(&w);
}
