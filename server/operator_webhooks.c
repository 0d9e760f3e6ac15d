/* operator_webhooks: webhooks, made, shown, tested; and the messages that were given up. A secret is shown once. */
#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "server/handlers.h"
#include "server/now.h"
#include "server/webhooks.h"

#define PAGE 200
#define PAGE_MAX 1000
#define TIMEOUT_S 10
#define OVERLAP_S 86400
#define OVERLAP_MAX_S (7 * (int64_t)86400)
#define MESSAGE_NAME_MAX 160
#define LIST_ITEMS_MAX 32

#define BY(q, at) (&(const struct webhooks_by){ (q)->who, (q)->why, at })

static int hold(const struct webhook_view *v, void *arg, struct err *e)
{
	return webhook_take(arg, v->row, e);
}

/* ---- shown ---- */

struct showing {
	struct request *q;
	struct json_writer *w;
	const char *secret;             /* NULL: not the moment it is shown */
	int64_t now;
};

static void put_version(struct json_writer *w, uint64_t version)
{
	char text[24];

	snprintf(text, sizeof text, "%llu", (unsigned long long)version);
	json_put_text(w, "etag", text);
}

static int put_webhook(const struct webhook_view *v, void *arg, struct err *e)
{
	struct showing *s = arg;
	struct json_writer *w = s->w;
	const struct store_webhook *row = v->row;

	(void)e;
	json_open_object(w, NULL);
	json_put_text(w, "name", row->name);
	put_version(w, row->version);
	json_put_text(w, "kind", webhook_kind_name((enum webhook_kind)row->kind));
	json_put_text(w, "url", row->url);
	handler_put_words(w, "types", row->types);
	handler_put_words(w, "channels", row->channels);
	handler_put_words(w, "rings", row->rings);
	json_put_int(w, "timeout_s", row->timeout_s);
	json_put_bool(w, "paused", row->paused);
	if (s->secret)
		json_put_text(w, "secret", s->secret);
	handler_put_time(w, "old_secret_until", s->now < row->old_until ? row->old_until : 0);
	json_put_time(w, "created", row->created);
	json_put_text(w, "by", row->by);
	json_put_int(w, "delivered", (int64_t)v->delivered);
	json_put_int(w, "failed", (int64_t)v->failed);
	handler_put_text(w, "trouble", v->trouble);
	json_close_object(w);
	handler_etag(s->q, "%llu", (unsigned long long)row->version);
	return 0;
}

static void reply_webhook(struct request *q, int status, const char *name, const char *secret)
{
	struct json_writer w = reply_json(&q->reply, status);
	struct showing s = { q, &w, secret, server_now(q->server) };
	struct err e;

	if (webhooks_get(q->server, name, put_webhook, &s, &e) < 0)
		reply_error(&q->reply, &e);
}

struct listing {
	struct handler_page page;
	struct showing showing;
};

static int list_webhook(const struct webhook_view *v, void *arg, struct err *e)
{
	struct listing *l = arg;

	return handler_page_takes(&l->page, v->row->name) ? put_webhook(v, &l->showing, e) : 0;
}

void operator_webhooks(struct request *q)
{
	struct listing l = { .showing = { q, &l.page.w, NULL, server_now(q->server) } };
	struct err e;

	if (!handler_page_begin(q, &l.page, PAGE, PAGE_MAX))
		return;
	if (webhooks_each(q->server, list_webhook, &l, &e) < 0)
		reply_error(&q->reply, &e);
	else
		handler_page_end(q, &l.page);
	q->reply.etag[0] = '\0';
}

void operator_webhook(struct request *q)
{
	reply_webhook(q, 200, q->params[0], NULL);
}

/* ---- made and changed ---- */

/* A list of words into one text; names: each must be a name of ours, else a type. */
static int take_words(const struct json_doc *d, const char *key, bool names, char out[WEBHOOK_LIST_MAX + 1], struct err *e)
{
	const struct json *list = NULL;
	size_t len = 0;

	if (json_may_array(d, d->root, key, LIST_ITEMS_MAX, &list, e) < 0)
		return e->code;
	if (!list)
		return 0;
	out[0] = '\0';
	for (uint32_t i = 0; i < list->count; i++) {
		const struct json *v = &list->u.items[i];
		bool good = v->type == JSON_STRING && v->count > 0 && v->count < WEBHOOK_TYPE_MAX && strlen(v->u.text) == v->count;

		if (good)
			good = names ? name_valid(v->u.text, v->count) : strspn(v->u.text, "abcdefghijklmnopqrstuvwxyz-.") == v->count;
		if (!good || len + v->count + 2 > WEBHOOK_LIST_MAX)
			return json_error(d, v, e, ERR_FORMAT, names ? "%s is a list of names" : "%s is a list of event types such as ringhold.ring", key);
		len += (size_t)snprintf(out + len, WEBHOOK_LIST_MAX + 1 - len, "%s%s", len ? " " : "", v->u.text);
	}
	return 0;
}

/* What it says of the host is asked when it is called: names change. Nothing in it that a log or a header would trip over. */
static int check_url(const struct json_doc *d, const char *url, struct err *e)
{
	bool web = strncmp(url, "https://", 8) == 0 || strncmp(url, "http://", 7) == 0;
	const char *host = strstr(url, "://");

	for (const char *c = url; *c; c++)
		if (*c <= ' ' || *c > '~')
			web = false;
	if (!web || !host || !host[3] || host[3] == '/')
		return json_error(d, json_get(d->root, "url"), e, ERR_FORMAT, "url is an http or https URL");
	/* no user name: it would be a secret that is shown */
	if (memchr(host + 3, '@', strcspn(host + 3, "/?#")))
		return json_error(d, json_get(d->root, "url"), e, ERR_FORMAT, "url holds no user name: the signature says who calls");
	return 0;
}

static int take_body(const struct json_doc *d, struct webhook *h, struct err *e)
{
	const struct json *root = d->root;
	const char *url, *kind = NULL;

	if (json_want_text(d, root, "url", WEBHOOK_URL_MAX, &url, e) < 0 || check_url(d, url, e) < 0 ||
	    json_may_text(d, root, "kind", 32, &kind, e) < 0 || take_words(d, "types", false, h->types, e) < 0 ||
	    take_words(d, "channels", true, h->channels, e) < 0 || take_words(d, "rings", true, h->rings, e) < 0 ||
	    json_may_int(d, root, "timeout_s", 1, WEBHOOK_TIMEOUT_MAX, &h->row.timeout_s, e) < 0 ||
	    json_may_bool(d, root, "paused", &h->row.paused, e) < 0)
		return e->code;
	if (kind && webhook_kind_parse(kind) < 0)
		return json_error(d, json_get(root, "kind"), e, ERR_FORMAT, "kind is events or before-ring");
	h->row.kind = kind ? webhook_kind_parse(kind) : WEBHOOK_EVENTS;
	snprintf(h->url, sizeof h->url, "%s", url);
	return 0;
}

/* What it is when nothing is said; a change says everything anew but the secret. */
static void begin(struct webhook *h, const struct webhook *before, const char *name, const char *who, int64_t now)
{
	*h = (struct webhook){ .row = { .timeout_s = TIMEOUT_S, .created = now, .version = 1 } };
	snprintf(h->types, sizeof h->types, WEBHOOK_TYPES);
	snprintf(h->name, sizeof h->name, "%s", name);
	snprintf(h->by, sizeof h->by, "%s", who);
	if (before) {
		h->row.created = before->row.created;
		h->row.version = before->row.version + 1;
		h->row.old_until = before->row.old_until;
		memcpy(h->secret, before->secret, sizeof h->secret);
		memcpy(h->old_secret, before->old_secret, sizeof h->old_secret);
		memcpy(h->by, before->by, sizeof h->by);
	}
	webhook_point(h);
}

/* The one before, when there is one; the answer says whether. */
static bool is_there(struct request *q, struct webhook *h)
{
	struct err e;

	return webhooks_get(q->server, q->params[0], hold, h, &e) == 0;
}

static bool matches(struct request *q, uint64_t version)
{
	char text[24];

	snprintf(text, sizeof text, "%llu", (unsigned long long)version);
	return handler_if_match(q, text);
}

/* What it would be. */
static void reply_tried(struct request *q, const struct webhook *h, int64_t now)
{
	struct json_writer w = reply_json(&q->reply, 200);
	struct showing s = { q, &w, NULL, now };
	struct err e;

	(void)!put_webhook(&(const struct webhook_view){ &h->row, 0, 0, 0, "" }, &s, &e);
}

void operator_put_webhook(struct request *q)
{
	static const char *const members[] = { "url", "kind", "types", "channels", "rings", "timeout_s", "paused", NULL };
	AUTO(json) struct json_doc *d = handler_body(q, members);
	struct webhook before, h;
	int64_t now = server_now(q->server);
	bool there;
	struct err e;

	if (!d)
		return;
	if (!name_valid(q->params[0], strlen(q->params[0]))) {
		reply_problem(&q->reply, PROBLEM_MALFORMED, "a webhook's name is lower-case letters, digits and inner hyphens");
		return;
	}
	there = is_there(q, &before);
	if (!there && http_header(q->http, "if-match")) {
		reply_problem(&q->reply, PROBLEM_PRECONDITION, "there is no webhook %s", q->params[0]);
		return;
	}
	if (there && !matches(q, before.row.version))
		return;
	begin(&h, there ? &before : NULL, q->params[0], q->who, now);
	if (take_body(d, &h, &e) < 0 || (!there && webhook_secret(h.secret, &e) < 0)) {
		reply_error(&q->reply, &e);
	} else if (handler_dry_run(q)) {
		reply_tried(q, &h, now);
	} else if (webhooks_put(q->server, &h.row, there ? before.row.version : 0, BY(q, now), &e) < 0) {
		reply_error(&q->reply, &e);
	} else {
		reply_webhook(q, there ? 200 : 201, h.name, there ? NULL : h.secret);
	}
	explicit_bzero(&h, sizeof h);
}

void operator_rotate_webhook(struct request *q)
{
	static const char *const members[] = { "overlap_s", NULL };
	AUTO(json) struct json_doc *d = handler_body(q, members);
	int64_t overlap = OVERLAP_S, now = server_now(q->server);
	struct webhook before, h;
	struct err e;

	if (!d)
		return;
	if (webhooks_get(q->server, q->params[0], hold, &before, &e) < 0 || json_may_int(d, d->root, "overlap_s", 0, OVERLAP_MAX_S, &overlap, &e) < 0) {
		reply_error(&q->reply, &e);
		return;
	}
	if (!matches(q, before.row.version))
		return;
	h = before;
	begin(&h, &before, before.name, before.by, now);
	h.row.kind = before.row.kind;
	h.row.timeout_s = before.row.timeout_s;
	h.row.paused = before.row.paused;
	memcpy(h.url, before.url, sizeof h.url);
	memcpy(h.types, before.types, sizeof h.types);
	memcpy(h.channels, before.channels, sizeof h.channels);
	memcpy(h.rings, before.rings, sizeof h.rings);
	memcpy(h.old_secret, before.secret, sizeof h.old_secret);
	h.row.old_until = now + overlap;
	if (handler_dry_run(q))
		reply_tried(q, &h, now);
	else if (webhook_secret(h.secret, &e) < 0 || webhooks_put(q->server, &h.row, before.row.version, BY(q, now), &e) < 0)
		reply_error(&q->reply, &e);
	else
		reply_webhook(q, 200, h.name, h.secret);
	explicit_bzero(&h, sizeof h);
	explicit_bzero(&before, sizeof before);
}

static void reply_done(struct request *q, int got, const struct err *e)
{
	struct json_writer w;

	if (got < 0) {
		reply_error(&q->reply, e);
		return;
	}
	w = reply_json(&q->reply, 200);
	json_open_object(&w, NULL);
	json_put_text(&w, "name", q->params[0]);
	json_close_object(&w);
}

static int take_version(const struct webhook_view *v, void *arg, struct err *e)
{
	uint64_t *version = arg;

	(void)e;
	*version = v->row->version;
	return 0;
}

/* ERR_NOT_FOUND */
static int version_now(struct request *q, uint64_t *version, struct err *e)
{
	return webhooks_get(q->server, q->params[0], take_version, version, e);
}

/* Whichever version was looked at is the one that goes. */
void operator_end_webhook(struct request *q)
{
	uint64_t version;
	struct err e;
	int got = version_now(q, &version, &e);

	if (got == 0 && !matches(q, version))
		return;
	if (got == 0 && !handler_dry_run(q))
		got = webhooks_end(q->server, q->params[0], version, BY(q, server_now(q->server)), &e);
	reply_done(q, got, &e);
}

/* A dry run asks for a webhook that is there. */
static int is_known(struct request *q, struct err *e)
{
	uint64_t version;

	return version_now(q, &version, e);
}

void operator_test_webhook(struct request *q)
{
	struct err e;

	reply_done(q, handler_dry_run(q) ? is_known(q, &e) : webhooks_test(q->server, q->params[0], BY(q, server_now(q->server)), &e), &e);
}

/* ---- messages ---- */

static int list_message(const struct store_delivery *m, void *arg, struct err *e)
{
	struct handler_page *p = arg;
	struct json_writer *w = &p->w;
	char key[24];

	(void)e;
	snprintf(key, sizeof key, "%llu", (unsigned long long)m->id);
	if (!handler_page_takes(p, key))
		return p->more;
	json_open_object(w, NULL);
	json_put_text(w, "message", m->message);
	json_put_text(w, "type", m->type);
	json_put_time(w, "made", m->made);
	json_put_text(w, "state", m->dead ? "dead" : "waiting");
	handler_put_time(w, "due", m->dead ? 0 : m->due);
	handler_put_time(w, "given_up", m->dead);
	json_put_int(w, "attempts", m->attempts);
	json_put_int(w, "status", m->status);
	handler_put_text(w, "error", m->error);
	json_close_object(w);
	return 0;
}

/* A message that is delivered meanwhile is gone from the list: the page goes on behind its number. */
static void messages(struct request *q, struct handler_page *page, bool dead)
{
	int64_t after = 0;
	struct err e;

	if (page->cursor[0] && (!number_parse(&after, page->cursor) || after < 0)) {
		reply_problem(&q->reply, PROBLEM_MALFORMED, "the cursor is none of this list");
		return;
	}
	page->found = true;
	if (store_each_delivery(q->server->store, q->params[0], dead, (uint64_t)after, page->limit + 1, list_message, page, &e) < 0)
		reply_error(&q->reply, &e);
	else
		handler_page_end(q, page);
}

void operator_webhook_messages(struct request *q)
{
	struct handler_page page;
	char state[16] = "waiting";
	struct webhook h;
	struct err e;

	(void)http_query(q->http, "state", state, sizeof state);
	if (strcmp(state, "waiting") != 0 && strcmp(state, "dead") != 0)
		reply_problem(&q->reply, PROBLEM_MALFORMED, "state is waiting or dead");
	else if (webhooks_get(q->server, q->params[0], hold, &h, &e) < 0)
		reply_error(&q->reply, &e);
	else if (!handler_page_begin(q, &page, PAGE, PAGE_MAX))
		return;
	else
		messages(q, &page, strcmp(state, "dead") == 0);
}

void operator_redeliver(struct request *q)
{
	static const char *const members[] = { "message", NULL };
	AUTO(json) struct json_doc *d = handler_body(q, members);
	const char *message = "";
	struct err e;

	if (!d)
		return;
	if (json_may_text(d, d->root, "message", MESSAGE_NAME_MAX, &message, &e) < 0)
		reply_error(&q->reply, &e);
	else
		reply_done(q, handler_dry_run(q) ? is_known(q, &e) : webhooks_again(q->server, q->params[0], message, BY(q, server_now(q->server)), &e), &e);
}
