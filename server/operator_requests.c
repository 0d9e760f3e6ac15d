/* operator_requests: signing requests over HTTP. What is signed needs no further right: the signature is it. */
#include <stdio.h>
#include <string.h>

#include "rollout/assignment.h"
#include "server/handlers.h"
#include "server/desk_requests.h"
#include "server/now.h"
#include "server/requests.h"
#include "server/requests_bundle.h"
#include "signing/change_text.h"

#define SIGNATURES_MAX 256
#define SIG_HEX_MAX 2048
#define KEYID_MAX 256
#define PAGE 200
#define PAGE_MAX 1000

/* ---- lists ---- */

struct collecting {
	struct request *q;
	struct handler_page *page;
	struct buf *ids;
	bool all;               /* of every state */
};

static int collect(const struct store_request *row, void *arg, struct err *e)
{
	struct collecting *c = arg;

	/* One that is signed while somebody pages through what is open stays a place in the list. */
	if (!c->all && row->state != REQUESTS_OPEN)
		handler_page_skips(c->page, row->id);
	else if (handler_sees_roles(c->q, row->roles) && handler_page_takes(c->page, row->id))
		buf_add(c->ids, row->id, strlen(row->id) + 1);
	return buf_check(c->ids, e);
}

static int ask_about(const struct store_request *row, void *arg, struct err *e)
{
	(void)e;
	return handler_may_roles(arg, row->roles) ? 1 : 2;
}

/* Is the request in the address there, and about channels of who asks? False: the reply says no. */
static bool may_touch(struct request *q)
{
	struct err e;
	int got;

	q->scope_asked = true;
	got = store_request(q->server->store, q->params[0], ask_about, q, &e);
	if (got < 0)
		reply_error(&q->reply, &e);
	return got == 0 && !q->reply.status;
}

static void put_roles(struct json_writer *w, const struct sigreq *q, const struct sigreq_trust *t)
{
	json_open_array(w, "roles");
	for (size_t i = 0; i < q->draft_count; i++) {
		const struct sigreq_draft *d = &q->drafts[i];
		size_t have = 0;
		int64_t need = 0;

		(void)!sigreq_count(q, d->role, t, &have, &need);
		json_open_object(w, NULL);
		json_put_text(w, "role", d->role);
		json_put_int(w, "base", d->base ? d->base->version : 0);
		json_put_int(w, "version", d->draft->version);
		json_put_time(w, "expires", d->draft->expires);
		json_put_int(w, "have", (int64_t)have);
		json_put_int(w, "need", need);
		json_put_bool(w, "renewal", sigreq_is_renewal(d));
		json_close_object(w);
	}
	json_close_array(w);
}

static int read_note(const struct store_request *row, void *arg, struct err *e)
{
	char *note = arg;

	(void)e;
	snprintf(note, 512, "%s", row->note);
	return 1;
}

static int put_item(struct json_writer *w, struct server *s, const char *id, const struct sigreq_trust *t, struct err *e)
{
	AUTO(buf) struct buf *text = NULL;
	AUTO(sigreq) struct sigreq *q = NULL;
	struct requests_info info;
	char note[512] = "";

	if (requests_get(s, id, &text, &info, e) < 0 || store_request(s->store, id, read_note, note, e) < 0 ||
	    sigreq_parse(&q, id, text->data, text->len, e) < 0)
		return e->code;
	json_open_object(w, NULL);
	json_put_text(w, "id", q->id);
	json_put_text(w, "state", requests_state_name(info.state));
	json_put_text(w, "by", q->by);
	json_put_text(w, "reason", q->reason);
	json_put_time(w, "created", q->created);
	json_put_time(w, "expires", q->expires);
	put_roles(w, q, t);
	handler_put_text(w, "note", note);
	json_close_object(w);
	return 0;
}

static int put_items(struct json_writer *w, struct server *s, const struct buf *ids, struct err *e)
{
	struct desk_trust t;
	int got = 0;

	if (desk_trust(s->desk, &t, e) < 0)
		return e->code;
	for (size_t at = 0; at < ids->len && got == 0; at += strlen(ids->data + at) + 1)
		got = put_item(w, s, ids->data + at, &(const struct sigreq_trust){ t.root, t.targets }, e);
	desk_trust_release(&t);
	return got;
}

void operator_requests(struct request *q)
{
	AUTO(buf) struct buf *ids = buf_new(0);
	struct handler_page page;
	struct collecting c = { .q = q, .page = &page, .ids = ids };
	char state[16];
	struct err e;

	if (!ids) {
		reply_problem(&q->reply, PROBLEM_UNAVAILABLE, "out of memory");
		return;
	}
	if (!handler_query_text(q, "state", state, sizeof state))
		return;
	c.all = strcmp(state, "all") == 0;
	if (state[0] && strcmp(state, "open") != 0 && !c.all) {
		reply_problem(&q->reply, PROBLEM_MALFORMED, "state is open or all");
		return;
	}
	if (!handler_page_begin(q, &page, PAGE, PAGE_MAX))
		return;
	if (store_each_request(q->server->store, -1, collect, &c, &e) < 0 ||
	    put_items(&page.w, q->server, ids, &e) < 0)
		reply_error(&q->reply, &e);
	else
		handler_page_end(q, &page);
}

/* ---- one ---- */

void operator_request(struct request *q)
{
	AUTO(buf) struct buf *text = NULL;
	struct json_writer w;
	struct err e;

	if (!may_touch(q))
		return;
	if (requests_get(q->server, q->params[0], &text, NULL, &e) < 0) {
		reply_error(&q->reply, &e);
		return;
	}
	w = reply_json(&q->reply, 200);
	buf_add(w.out, text->data, text->len);
}

void operator_request_changes(struct request *q)
{
	AUTO(change_text) struct change_text *changes = NULL;
	AUTO(buf) struct buf *text = NULL;
	AUTO(sigreq) struct sigreq *asked = NULL;
	struct json_writer w;
	struct err e;

	if (!may_touch(q))
		return;
	if (requests_get(q->server, q->params[0], &text, NULL, &e) < 0 ||
	    sigreq_parse(&asked, q->params[0], text->data, text->len, &e) < 0 || change_text_of(&changes, asked, NULL, NULL, &e) < 0) {
		reply_error(&q->reply, &e);
		return;
	}
	w = reply_json(&q->reply, 200);
	json_open_object(&w, NULL);
	change_text_json(&w, "items", changes);
	json_close_object(&w);
}

static void reply_info(struct request *q, const struct requests_info *info)
{
	struct json_writer w = reply_json(&q->reply, info->opened ? 201 : 200);
	char note[512] = "";
	struct err e;

	/* Why it was closed, or what keeps it from being published; without it the answer holds all the same. */
	(void)!store_request(q->server->store, info->id, read_note, note, &e);

	json_open_object(&w, NULL);
	json_put_text(&w, "id", info->id);
	json_put_text(&w, "state", requests_state_name(info->state));
	json_put_int(&w, "added", info->added);
	if (note[0])
		json_put_text(&w, "note", note);
	json_close_object(&w);
}

/* Whoever brings the last signature of a bundle sees it published. */
static int go_on(struct request *q, struct requests_info *info, struct err *e)
{
	return info->ready ? requests_bundle_finish(q->server, info->id, q->who, server_now(q->server), info, e) : 0;
}

/* Each role that it drafts is asked about. */
static bool may_open(struct request *q, const struct sigreq *asked)
{
	q->scope_asked = true;
	for (size_t i = 0; i < asked->draft_count; i++)
		if (!handler_may_roles(q, asked->drafts[i].role))
			return false;
	return true;
}

void operator_open_request(struct request *q)
{
	AUTO(sigreq) struct sigreq *asked = NULL;
	struct requests_info info;
	struct err e;

	if (sigreq_parse(&asked, "signing request", q->body->data ? q->body->data : "", q->body->len, &e) < 0) {
		reply_error(&q->reply, &e);
		return;
	}
	if (!may_open(q, asked))
		return;
	if (requests_open(q->server, asked, q->who, server_now(q->server), &info, &e) < 0 || go_on(q, &info, &e) < 0)
		reply_error(&q->reply, &e);
	else
		reply_info(q, &info);
}

static int take_signatures(const struct json_doc *d, struct requests_signature sigs[SIGNATURES_MAX], size_t *count, struct err *e)
{
	static const char *const known[] = { "role", "keyid", "sig", NULL };
	const struct json *list;

	if (json_want_array(d, d->root, "signatures", SIGNATURES_MAX, &list, e) < 0)
		return e->code;
	for (uint32_t i = 0; i < list->count; i++) {
		const struct json *o = &list->u.items[i];
		struct requests_signature *s = &sigs[*count];

		if (o->type != JSON_OBJECT)
			return json_error(d, o, e, ERR_FORMAT, "a signature is an object");
		if (json_only(d, o, known, e) < 0 || json_want_text(d, o, "role", NAME_LEN_MAX * 2, &s->role, e) < 0 ||
		    json_want_text(d, o, "keyid", KEYID_MAX, &s->keyid, e) < 0 ||
		    json_want_text(d, o, "sig", SIG_HEX_MAX, &s->sig, e) < 0)
			return e->code;
		++*count;
	}
	return 0;
}

void operator_sign_request(struct request *q)
{
	static const char *const known[] = { "signatures", NULL };
	AUTO(json) struct json_doc *d = handler_body(q, known);
	struct requests_signature sigs[SIGNATURES_MAX];
	struct requests_info info;
	size_t count = 0;
	struct err e;

	if (!d || !may_touch(q))
		return;
	if (take_signatures(d, sigs, &count, &e) < 0 ||
	    requests_sign(q->server, q->params[0], sigs, count, q->who, server_now(q->server), &info, &e) < 0 || go_on(q, &info, &e) < 0)
		reply_error(&q->reply, &e);
	else
		reply_info(q, &info);
}

static int can_withdraw(struct request *q, struct err *e)
{
	AUTO(buf) struct buf *text = NULL;
	struct requests_info info;

	if (requests_get(q->server, q->params[0], &text, &info, e) < 0)
		return e->code;
	return info.state == REQUESTS_OPEN ? 0 : err_set(e, ERR_CONFLICT, "signing request %s is %s", info.id, requests_state_name(info.state));
}

void operator_withdraw_request(struct request *q)
{
	char reason[REASON_LEN_MAX + 2];
	struct requests_info info = { .state = REQUESTS_WITHDRAWN };
	struct err e;

	if (!may_touch(q))
		return;
	if (!http_query(q->http, "reason", reason, sizeof reason)) {
		if (strstr(q->http->query, "reason=")) {
			reply_problem(&q->reply, PROBLEM_MALFORMED, "a reason is at most %d bytes of printable ASCII", REASON_LEN_MAX);
			return;
		}
		snprintf(reason, sizeof reason, "withdrawn by an operator");
	}
	if ((handler_dry_run(q) ? can_withdraw(q, &e) : requests_withdraw(q->server, q->params[0], q->who, reason, server_now(q->server), &e)) < 0) {
		reply_error(&q->reply, &e);
		return;
	}
	snprintf(info.id, sizeof info.id, "%s", q->params[0]);
	reply_info(q, &info);
}
