/* idempotency: a request with an Idempotency-Key happens once. */
#include "server/idempotency.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "server/handlers.h"
#include "server/now.h"

#define KEEP_MAX ((size_t)1 << 20)
#define LEFT_MAX 4096
/* Instead of a Content-Type: the answer was given, and what it said is not kept. */
static const char once[] = "once";
static const char *const types[] = { "application/json", "application/problem+json" };

/* ---- which requests ---- */

static bool changes(const struct request *q)
{
	return q->identity && q->route->method != HTTP_METHOD_GET && q->route->body != BODY_FILE && !handler_dry_run(q);
}

static bool key_valid(const char *key)
{
	size_t len = strlen(key);

	return len > 0 && len <= IDEMPOTENCY_KEY_MAX &&
	       strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == len;
}

static void add_text(struct hash *h, const char *text)
{
	hash_add(h, text, strlen(text) + 1);
}

/* What was asked: all of it that the answer depends on. */
static int fingerprint(const struct request *q, struct digest *out, struct err *e)
{
	const char *match = http_header(q->http, "if-match");
	AUTO(hash) struct hash *h = hash_new();

	if (!h)
		return err_memory(e);
	add_text(h, http_method_name(q->http->method));
	add_text(h, q->http->path);
	add_text(h, q->http->query);
	add_text(h, match ? match : "");
	/* And by what right: an answer is not given again to a token that may less than then. */
	for (size_t i = 0; q->identity && i < q->identity->count; i++) {
		const struct grant *g = &q->identity->grants[i];

		hash_add(h, &g->roles, sizeof g->roles);
		add_text(h, g->channels);
	}
	if (q->body)
		hash_add(h, q->body->data ? q->body->data : "", q->body->len);
	hash_final(h, out);
	return 0;
}

/* ---- those under way ---- */

static bool enter(struct request *q, struct idempotency *r)
{
	struct server *s = q->server;
	const struct idempotency *o;

	pthread_mutex_lock(&s->keying);
	for (o = s->keyed; o && (strcmp(o->key, r->key) || strcmp(o->q->who, q->who)); o = o->next)
		;
	if (!o) {
		r->next = s->keyed;
		s->keyed = r;
	}
	pthread_mutex_unlock(&s->keying);
	return !o;
}

static void leave(struct server *s, struct idempotency *r)
{
	struct idempotency **at;

	pthread_mutex_lock(&s->keying);
	for (at = &s->keyed; *at && *at != r; at = &(*at)->next)
		;
	if (*at)
		*at = r->next;
	pthread_mutex_unlock(&s->keying);
}

/* ---- what is kept ---- */

static int keep(struct server *s, const struct store_answer *a, struct err *e)
{
	struct server_batch b = { .count = 0 };

	server_record(&b, STORE_ANSWER)->u.answer = *a;
	return server_write(s, &b, e);
}

/* ---- what should not be kept any more ---- */

/* A disk that takes no answer does not take its end either: it goes when the key comes again, or with a sweep. */
struct idempotency_left {
	struct idempotency_left *next;
	bool going;                     /* somebody is about it: nobody else is */
	char who[ACCESS_WHO_MAX + 1], key[IDEMPOTENCY_KEY_MAX + 1];
};

static void leave_behind(struct server *s, const char *who, const char *key)
{
	struct idempotency_left *l, **at;
	size_t count = 0;

	pthread_mutex_lock(&s->keying);
	for (at = &s->left; *at && (strcmp((*at)->key, key) || strcmp((*at)->who, who)); at = &(*at)->next)
		count++;
	l = *at || count == LEFT_MAX ? NULL : calloc(1, sizeof *l);
	if (l) {
		snprintf(l->who, sizeof l->who, "%s", who);
		snprintf(l->key, sizeof l->key, "%s", key);
		*at = l;
	}
	pthread_mutex_unlock(&s->keying);
}

static int forget(struct server *s, const char *who, const char *key, struct err *e)
{
	return keep(s, &(const struct store_answer){ .who = who, .key = key, .status = STORE_ANSWER_NONE }, e);
}

/* Listed until its row is gone: who finds the row knows that it is no answer. */
static int forget_this(struct server *s, struct idempotency_left *l, struct err *e)
{
	struct idempotency_left **at;
	int got = forget(s, l->who, l->key, e);

	pthread_mutex_lock(&s->keying);
	l->going = false;
	for (at = &s->left; got == 0 && *at != l; at = &(*at)->next)
		;
	if (got == 0)
		*at = l->next;
	pthread_mutex_unlock(&s->keying);
	if (got == 0)
		free(l);
	return got;
}

/* An attempt that failed for want of a store left its claim: it is none. */
static int forget_left(struct server *s, const char *who, const char *key, struct err *e)
{
	struct idempotency_left *l;
	bool going;

	pthread_mutex_lock(&s->keying);
	for (l = s->left; l && (strcmp(l->key, key) || strcmp(l->who, who)); l = l->next)
		;
	going = l && l->going;
	if (l)
		l->going = true;
	pthread_mutex_unlock(&s->keying);
	if (going)
		return err_set(e, ERR_STORE, "what the last attempt with this Idempotency-Key left is being removed");
	return l ? forget_this(s, l, e) : 0;
}

static int forget_all_left(struct server *s, struct err *e)
{
	struct idempotency_left *l;
	int got;

	do {
		pthread_mutex_lock(&s->keying);
		for (l = s->left; l && l->going; l = l->next)
			;
		if (l)
			l->going = true;
		pthread_mutex_unlock(&s->keying);
		got = l ? forget_this(s, l, e) : 0;
	} while (l && got == 0);
	return got;
}

void idempotency_close(struct server *s)
{
	struct idempotency_left *l;

	while ((l = s->left)) {
		s->left = l->next;
		free(l);
	}
}

struct asked {
	struct request *q;
	struct digest digest;
	bool answered;
};

static int answer_again(const struct store_answer *a, void *arg, struct err *e)
{
	struct asked *x = arg;
	struct request *q = x->q;
	struct json_writer w;

	(void)e;
	x->answered = true;
	if (!digest_equal(&a->request, &x->digest)) {
		reply_problem(&q->reply, PROBLEM_KEY_REUSED, "the Idempotency-Key came with another request, or with other rights, before");
	} else if (a->status == 0) {
		reply_problem(&q->reply, PROBLEM_KEY_UNKNOWN, "the server ended while it did this: look what became of it");
	} else if (strcmp(a->type, once) == 0) {
		reply_problem(&q->reply, PROBLEM_KEY_SECRET, "this was done, with status %d, and its answer is not kept", a->status);
	} else {
		w = reply_json(&q->reply, a->status);
		buf_add(w.out, a->body, a->body_len);
		q->reply.type = strcmp(a->type, types[1]) == 0 ? types[1] : types[0];
		snprintf(q->reply.etag, sizeof q->reply.etag, "%s", a->etag);
		snprintf(q->reply.location, sizeof q->reply.location, "%s", a->location);
		q->reply.replayed = true;
	}
	return 1;
}

/* Nothing known of the key: 0, and it is now. Else the reply has it. */
static int first_time(struct request *q, const char *key, struct err *e)
{
	struct asked x = { .q = q };
	int got;

	if (fingerprint(q, &x.digest, e) < 0 || forget_left(q->server, q->who, key, e) < 0)
		return e->code;
	got = store_answer(q->server->store, q->who, key, answer_again, &x, e);
	if (x.answered)
		return 1;
	if (got < 0 && got != ERR_NOT_FOUND)
		return got;
	return keep(q->server, &(const struct store_answer){ .who = q->who, .key = key, .at = server_now(q->server), .request = x.digest }, e);
}

bool idempotency_begin(struct request *q, struct idempotency *r)
{
	const char *key = changes(q) ? http_header(q->http, "idempotency-key") : NULL;
	struct err e;
	int got;

	*r = (struct idempotency){ .q = q };
	if (!key)
		return true;
	if (!key_valid(key)) {
		reply_problem(&q->reply, PROBLEM_MALFORMED, "an Idempotency-Key is 1 to %d of A-Z a-z 0-9 - _", IDEMPOTENCY_KEY_MAX);
		return false;
	}
	snprintf(r->key, sizeof r->key, "%s", key);
	if (!enter(q, r)) {
		r->key[0] = '\0';
		reply_problem(&q->reply, PROBLEM_KEY_IN_USE, "a request with this Idempotency-Key is under way");
		q->reply.retry_after = 1;
		return false;
	}
	got = first_time(q, key, &e);
	if (got == 0)
		return true;
	leave(q->server, r);
	r->key[0] = '\0';
	if (got < 0)
		reply_error(&q->reply, &e);
	return false;
}

void idempotency_end(struct request *q, struct idempotency *r)
{
	const struct reply *reply = &q->reply;
	bool whole = reply->body && !reply->body->failed && reply->body->len > 0 && reply->body->len <= KEEP_MAX && reply->fd < 0 &&
		     !((q->route->flags & ROUTE_SECRET) && reply->status < 300);
	/* "Not now" is no answer: the same request may come again. */
	bool later = reply->status == 503 || reply->status == 429;
	struct store_answer a = {
		.who = q->who, .key = r->key, .status = reply->status, .type = whole && reply->type ? reply->type : once,
		.etag = reply->etag, .location = reply->location, .body = whole ? reply->body->data : "",
		.body_len = whole ? reply->body->len : 0,
	};
	struct err e;

	if (!r->key[0])
		return;
	if ((later ? forget(q->server, q->who, r->key, &e) : keep(q->server, &a, &e)) < 0) {
		log_error("the answer to a request with an Idempotency-Key was not kept: %s", e.msg);
		if (later)
			leave_behind(q->server, q->who, r->key);
	}
	leave(q->server, r);
}

int idempotency_sweep(struct server *s, int64_t now, struct err *e)
{
	struct server_batch b = { .count = 0 };

	if (forget_all_left(s, e) < 0)
		return e->code;
	server_record(&b, STORE_ANSWERS_END)->u.answer = (struct store_answer){ .at = now - IDEMPOTENCY_S };
	return server_write(s, &b, e);
}
