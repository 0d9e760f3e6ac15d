/* webhook_thread: a webhook's own thread: messages from the feed, and their way to the receiver. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "server/now.h"
#include "server/webhooks_parts.h"

#define LOOK_MS 1000
#define FEED_AT_ONCE 500        /* lines of the feed in one transaction, and */
#define MESSAGES_AT_ONCE 64     /* messages made of them */
#define WAITING_MAX 500         /* messages made; beyond, the feed itself is where they wait */
#define ANSWER_MAX 65536        /* bytes of an answer's body, which nobody reads */
#define RETRY_AFTER_MAX 86400
#define STATUS_GONE 410

/* ---- one request ---- */

static bool may_connect(const void *arg, const struct sockaddr *to, bool tls)
{
	const struct webhooks *all = arg;

	return address_allowed(all->networks, all->network_count, to, tls);
}

static int open_client(struct slot *t, struct err *e)
{
	const struct config *c = t->all->server->config;
	const struct fetch_settings settings = {
		.agent = "ringholdd", .ca_file = c->webhook_ca_file[0] ? c->webhook_ca_file : NULL, .total_ms = t->at_work.row.timeout_s * 1000,
		.connect_ms = t->at_work.row.timeout_s * 1000, .may_connect = may_connect, .may_arg = t->all,
		.may_why = "its address is none that webhooks may have: public with https, or within webhook-networks",
	};

	fetch_free(TAKE(t->http));
	return fetch_new(&t->http, &settings, e);
}

int webhook_send(struct slot *t, const char *message, const char *type, const char *body, int64_t *retry_after, char why[HOOK_WHY])
{
	const struct store_webhook *w = &t->at_work.row;
	int64_t now = clock_now();      /* the receiver compares it with a clock of its own */
	const char *old = server_now(t->all->server) < w->old_until ? w->old_secret : "";
	char id[2 * NAME_LEN_MAX + 96], at[64], signature[WEBHOOK_SIGNATURES + 32] = "webhook-signature: ";
	const char *const headers[] = { id, at, signature, NULL };
	const struct fetch_request r = { .method = "POST", .url = w->url, .type = type, .headers = headers, .body = body,
					 .body_len = strlen(body), .max = ANSWER_MAX, .status_only = true };
	struct fetch_answer answer;
	struct err e;
	int status;

	*retry_after = -1;
	snprintf(id, sizeof id, "webhook-id: %s", message);
	snprintf(at, sizeof at, "webhook-timestamp: %lld", (long long)now);
	if (webhook_sign(signature + strlen(signature), w->secret, old, message, now, body, strlen(body), &e) < 0 ||
	    open_client(t, &e) < 0 || fetch_do(t->http, &r, &answer, &e) < 0) {
		snprintf(why, HOOK_WHY, "%.190s", e.msg);
		return e.code;
	}
	status = (int)answer.status;
	*retry_after = answer.retry_after;
	fetch_answer_release(&answer);
	if (status >= 200 && status < 300)
		why[0] = '\0';
	else
		snprintf(why, HOOK_WHY, status >= 300 && status < 400 ? "answered %d: redirects are not followed" : "answered %d", status);
	return status;
}

/* ---- from the feed to messages ---- */

struct making {
	struct slot *slot;
	struct store_record *records;   /* the cursor, and MESSAGES_AT_ONCE */
	char (*names)[NAME_LEN_MAX + 24], (*types)[WEBHOOK_TYPE_MAX];
	struct buf *bodies;
	size_t count;                   /* messages */
	uint64_t last;
	size_t seen;
};

static int make_one(const struct store_feed *f, void *arg, struct err *e)
{
	struct making *m = arg;
	const struct store_webhook *w = &m->slot->at_work.row;
	char *type = m->types[m->count], *name = m->names[m->count];
	struct buf *body = &m->bodies[m->count];

	webhook_type(type, f);
	if (webhook_wants(w->types, type) && access_listed(w->channels, f->d.channel) && (!f->d.ring[0] || access_listed(w->rings, f->d.ring))) {
		if (webhook_event(body, f, m->slot->all->source, e) < 0)
			return e->code;
		snprintf(name, sizeof *m->names, "%s-%llu", w->name, (unsigned long long)f->id);
		m->records[1 + m->count++] = (struct store_record){ .kind = STORE_DELIVERY, .u.delivery = {
			.webhook = w->name, .message = name, .type = type, .made = f->d.at, .due = f->d.at, .body = body->data } };
	}
	m->last = f->id;
	m->seen++;
	return m->count == MESSAGES_AT_ONCE;
}

static int keep_made(struct making *m, struct err *e)
{
	struct slot *t = m->slot;
	struct write w = { .append = { .records = m->records, .count = 1 + m->count } };

	m->records[0] = (struct store_record){ .kind = STORE_WEBHOOK_CURSOR, .u.webhook = { .name = t->at_work.name, .cursor = m->last } };
	if (writer_submit(t->all->server->writer, &w, e) < 0)
		return e->code;
	pthread_mutex_lock(&t->all->lock);
	if (t->hook.used && strcmp(t->hook.name, t->at_work.name) == 0)
		t->hook.row.cursor = MAX(t->hook.row.cursor, m->last);
	pthread_mutex_unlock(&t->all->lock);
	t->at_work.row.cursor = m->last;
	return 0;
}

/* 1: there is more. With `working`. */
static int make_some(struct slot *t, struct making *m, struct err *e)
{
	int got = store_each_feed(t->all->server->store, t->at_work.row.cursor, FEED_AT_ONCE, make_one, m, e);

	if (got < 0 || m->seen == 0)
		return got < 0 ? got : 0;
	if (keep_made(m, e) < 0)
		return e->code;
	return got > 0 || m->seen == FEED_AT_ONCE;
}

static bool still_there(struct slot *t)
{
	bool same;

	pthread_mutex_lock(&t->all->lock);
	same = t->hook.used && strcmp(t->hook.name, t->at_work.name) == 0;
	pthread_mutex_unlock(&t->all->lock);
	return same;
}

static int make_messages(struct slot *t, struct err *e)
{
	struct making m = { .slot = t };
	int got = -1;

	m.records = calloc(1 + MESSAGES_AT_ONCE, sizeof *m.records);
	m.names = calloc(MESSAGES_AT_ONCE + 1, sizeof *m.names);
	m.types = calloc(MESSAGES_AT_ONCE + 1, sizeof *m.types);
	m.bodies = calloc(MESSAGES_AT_ONCE + 1, sizeof *m.bodies);
	if (!m.records || !m.names || !m.types || !m.bodies) {
		got = err_memory(e);
	} else {
		for (size_t i = 0; i <= MESSAGES_AT_ONCE; i++)
			m.bodies[i].max = WEBHOOK_MESSAGE_MAX;
		pthread_mutex_lock(&t->working);
		got = still_there(t) ? make_some(t, &m, e) : 0;
		pthread_mutex_unlock(&t->working);
	}
	for (size_t i = 0; m.bodies && i <= MESSAGES_AT_ONCE; i++)
		buf_release(&m.bodies[i]);
	free(m.bodies);
	free(m.types);
	free(m.names);
	free(m.records);
	return got;
}

/* ---- messages on their way ---- */

struct due {
	struct store_delivery row;
	char message[NAME_LEN_MAX + 64];
	char *body;                     /* owned */
};

static int take_due(const struct store_delivery *d, void *arg, struct err *e)
{
	struct due *out = arg;

	out->row = *d;
	snprintf(out->message, sizeof out->message, "%s", d->message);
	out->body = strdup(d->body);
	return out->body ? 0 : err_memory(e);
}

/* Writes down what came of an attempt. */
static int note(struct slot *t, const struct due *d, int status, int64_t retry_after, const char *why, struct err *e)
{
	struct server *s = t->all->server;
	struct server_batch b = { .count = 0 };
	int64_t now = server_now(s), attempts = d->row.attempts + 1, wait;
	bool good = !why[0], dead = !good && (status == STATUS_GONE || now - d->row.made >= s->config->webhook_give_up_s);
	unsigned jitter = 0;

	(void)!random_bytes(&jitter, sizeof jitter, e);
	e->code = 0;
	wait = webhook_wait(attempts, jitter);
	if (retry_after > wait)
		wait = MIN(retry_after, RETRY_AFTER_MAX);
	server_record(&b, good ? STORE_DELIVERY_END : STORE_DELIVERY_TRIED)->u.delivery = (struct store_delivery){
		.message = d->message, .due = now + wait, .dead = dead ? now : 0, .attempts = attempts, .status = MAX(status, 0), .error = why,
	};
	pthread_mutex_lock(&t->all->lock);
	t->delivered += good;
	t->failed += !good;
	t->dead += dead;
	snprintf(t->trouble, sizeof t->trouble, "%s", why);
	pthread_mutex_unlock(&t->all->lock);
	if (dead)
		log_warn("webhook %s: message %s is given up: %s", t->at_work.name, d->message, why);
	return server_write(t->all->server, &b, e);
}

/* 1: one was tried; 0: none is due. */
static int deliver_one(struct slot *t, struct err *e)
{
	struct due d = { .body = NULL };
	int64_t retry_after;
	char why[HOOK_WHY];
	int got = store_delivery_due(t->all->server->store, t->at_work.name, server_now(t->all->server), take_due, &d, e), status;

	if (got == 0) {
		status = webhook_send(t, d.message, "application/cloudevents+json; charset=utf-8", d.body, &retry_after, why);
		got = note(t, &d, status, retry_after, why, e);
		got = got < 0 ? got : 1;
	} else if (got == ERR_NOT_FOUND) {
		got = 0;
	}
	free(d.body);
	return got;
}

/* ---- the thread ---- */

struct backlog {
	const char *name;
	int64_t count;
};

static int count_waiting(const struct store_queue *q, void *arg, struct err *e)
{
	struct backlog *w = arg;

	(void)e;
	if (strcmp(q->webhook, w->name) == 0)
		w->count = q->waiting;
	return 0;
}

static bool room_for_more(struct slot *t, struct err *e)
{
	struct backlog w = { t->at_work.name, 0 };

	return store_each_queue(t->all->server->store, count_waiting, &w, e) == 0 && w.count < WAITING_MAX;
}

/* 1: there is more to be done at once. */
static int work(struct slot *t, struct err *e)
{
	int made = room_for_more(t, e) ? make_messages(t, e) : 0, sent;

	if (made < 0)
		return made;
	sent = deliver_one(t, e);
	return sent < 0 ? sent : made > 0 || sent > 0;
}

/* Copies the webhook; false: there is nothing to be done for it now. */
static bool look(struct slot *t)
{
	bool there;

	pthread_mutex_lock(&t->all->lock);
	t->poked = false;
	there = t->hook.used;
	t->at_work = t->hook;
	webhook_point(&t->at_work);
	pthread_mutex_unlock(&t->all->lock);
	return there && !t->at_work.row.paused;
}

/* False: the end. */
static bool rest(struct slot *t, bool at_once)
{
	struct webhooks *all = t->all;
	struct timespec until;
	int ms = clock_poll_ms(LOOK_MS);
	bool stop;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)ms * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&all->lock);
	while (!at_once && !all->stopping && !t->poked && pthread_cond_timedwait(&all->wake, &all->lock, &until) != ETIMEDOUT)
		;
	stop = all->stopping;
	pthread_mutex_unlock(&all->lock);
	return !stop;
}

void *webhook_main(void *arg)
{
	struct slot *t = arg;
	char said[256] = "";
	int more = 0;

	while (rest(t, more > 0)) {
		struct err e = { 0 };

		more = 0;
		if (!look(t))
			continue;
		if (t->at_work.row.kind == WEBHOOK_BEFORE_RING)
			webhook_questions(t);
		/* a hook too can be tested: then it has a message that waits */
		more = work(t, &e);
		if (more < 0 && strncmp(said, e.msg, sizeof said - 1) != 0) {
			snprintf(said, sizeof said, "%.255s", e.msg);
			log_error("webhook %s: %s", t->at_work.name, e.msg);
		}
	}
	explicit_bzero(&t->at_work, sizeof t->at_work);
	return NULL;
}
