/* operator_audit: the audit log, by pages, and its checkpoints. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "server/audit_log.h"
#include "server/handlers.h"
#include "server/now.h"

#define PAGE 100
#define PAGE_MAX 1000
#define SUBJECT_MAX 200
#define PAGE_BYTES ((size_t)2 << 20)    /* a page that has so much ends: rows may hold whole policies */

struct page {
	struct json_writer w;
	uint64_t last;
	int64_t count, limit;
	bool more;
};

static int list_row(const struct store_chain *c, void *arg, struct err *e)
{
	struct page *p = arg;

	(void)e;
	if (p->count == p->limit || (p->count > 0 && p->w.out->len > PAGE_BYTES)) {
		p->more = true;
		return 1;
	}
	json_open_object(&p->w, NULL);
	json_put_int(&p->w, "id", (int64_t)c->id);
	json_put_int(&p->w, "form", c->form);
	json_put_time(&p->w, "at", c->a.at);
	json_put_text(&p->w, "who", c->a.who);
	json_put_text(&p->w, "action", c->a.action);
	json_put_text(&p->w, "subject", c->a.subject);
	json_put_text(&p->w, "detail", c->a.detail);
	json_put_text(&p->w, "why", c->a.why);
	json_put_text(&p->w, "was", c->a.was);
	json_put_text(&p->w, "becomes", c->a.becomes);
	handler_put_digest(&p->w, "hash", &c->hash);
	json_close_object(&p->w);
	p->last = c->id;
	p->count++;
	return 0;
}

struct asked {
	/* with room for their escapes */
	char who[3 * ACCESS_WHO_MAX + 2], action[3 * NAME_LEN_MAX + 2], subject[3 * SUBJECT_MAX + 2];
	struct store_audit_filter filter;
};

/* A text of the query that names what is wanted; false: the reply says what is wrong with it. */
static bool ask_text(struct request *q, const char *name, char *out, size_t cap, const char **filter)
{
	char key[32];

	snprintf(key, sizeof key, "%s=", name);
	if (!strstr(q->http->query, key))
		return true;
	if (http_query(q->http, name, out, cap)) {
		*filter = out;
		return true;
	}
	reply_problem(&q->reply, PROBLEM_MALFORMED, "%s: printable ASCII characters, at most %zu with their escapes", name, cap - 2);
	return false;
}

static bool ask_time(struct request *q, const char *name, int64_t *out)
{
	char text[3 * CLOCK_TEXT_LEN + 2];
	const char *given = NULL;

	if (!ask_text(q, name, text, sizeof text, &given))
		return false;
	if (!given || clock_parse(out, given, strlen(given)))
		return true;
	reply_problem(&q->reply, PROBLEM_MALFORMED, "%s is a time such as 2026-01-31T12:00:00Z", name);
	return false;
}

static bool ask(struct request *q, struct asked *x, int64_t *limit)
{
	int64_t after;

	*x = (struct asked){ .who = "" };
	if (!handler_query_int(q, "after", 0, INT64_MAX, &after) || !handler_query_int(q, "limit", PAGE, PAGE_MAX, limit) ||
	    !ask_text(q, "who", x->who, sizeof x->who, &x->filter.who) || !ask_text(q, "action", x->action, sizeof x->action, &x->filter.action) ||
	    !ask_text(q, "subject", x->subject, sizeof x->subject, &x->filter.subject) || !ask_time(q, "since", &x->filter.since) ||
	    !ask_time(q, "until", &x->filter.until))
		return false;
	x->filter.after = (uint64_t)after;
	x->filter.limit = *limit + 1;
	return true;
}

void operator_audit(struct request *q)
{
	struct asked x;
	struct page p = { .count = 0 };
	struct err e;

	if (!ask(q, &x, &p.limit))
		return;
	p.last = x.filter.after;
	p.w = reply_json(&q->reply, 200);
	json_open_object(&p.w, NULL);
	json_open_array(&p.w, "items");
	if (store_each_audit(q->server->store, &x.filter, list_row, &p, &e) < 0) {
		reply_error(&q->reply, &e);
		return;
	}
	json_close_array(&p.w);
	json_put_int(&p.w, "last", (int64_t)p.last);
	json_put_bool(&p.w, "more", p.more);
	json_close_object(&p.w);
}

static int list_checkpoint(const struct store_checkpoint *c, void *arg, struct err *e)
{
	struct page *p = arg;
	AUTO(json) struct json_doc *d = NULL;

	if (p->count == p->limit) {
		p->more = true;
		return 1;
	}
	if (json_parse(&d, "checkpoint", c->body, strlen(c->body), NULL, e) < 0)
		return e->code;
	json_put_value(&p->w, NULL, d->root);
	p->count++;
	p->last = c->count;
	return 0;
}

/* The newest is of what is there now: who asks wants to hold everything against it. */
void operator_checkpoints(struct request *q)
{
	struct page p = { .count = 0 };
	int64_t cursor;
	char next[24];
	struct err e;

	if (!handler_query_int(q, "limit", PAGE, PAGE_MAX, &p.limit) || !handler_query_int(q, "cursor", 0, INT64_MAX, &cursor))
		return;
	if (audit_log_sign(q->server, server_now(q->server), &e) < 0) {
		reply_error(&q->reply, &e);
		return;
	}
	p.limit = MAX(p.limit, 1);
	p.w = reply_json(&q->reply, 200);
	json_open_object(&p.w, NULL);
	json_open_array(&p.w, "items");
	if (store_each_checkpoint(q->server->store, (uint64_t)cursor, p.limit + 1, list_checkpoint, &p, &e) < 0) {
		reply_error(&q->reply, &e);
		return;
	}
	snprintf(next, sizeof next, "%llu", (unsigned long long)p.last);
	json_close_array(&p.w);
	json_put_text(&p.w, "next", p.more ? next : NULL);
	json_close_object(&p.w);
}
