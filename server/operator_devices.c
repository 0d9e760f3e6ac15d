/* operator_devices: devices and the tokens they enrol with. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "server/handlers.h"

#define PAGE 100
#define PAGE_MAX 500
#define LIFETIME_S (7 * 86400)
#define LIFETIME_MAX_S (10 * 365 * 86400)

/* ---- one device; with `lock` ---- */

static void put_facts(struct json_writer *w, const struct checkin_facts *f)
{
	json_open_object(w, "facts");
	json_put_text(w, "os", f->os);
	json_put_text(w, "arch", f->arch);
	json_put_text(w, "host", f->host);
	json_put_text(w, "sensor", f->sensor);
	json_put_text(w, "sensor_version", f->sensor_version);
	json_put_text(w, "locale", f->locale);
	handler_put_digest(w, "contract", &f->contract);
	json_open_array(w, "tags");
	for (size_t i = 0; i < f->tag_count; i++)
		json_put_text(w, NULL, f->tags[i]);
	json_close_array(w);
	json_close_object(w);
}

static void put_channel(struct json_writer *w, const struct server *s, const struct checkin_channel *c)
{
	const struct rollout *r = digest_is_zero(&c->running) ? NULL : rollouts_of(&s->rollouts, c->channel, &c->running);

	json_open_object(w, NULL);
	json_put_text(w, "channel", c->channel);
	json_put_text(w, "ring", c->ring);
	json_put_text(w, "phase", c->phase);
	json_put_text(w, "rung", c->rung);
	handler_put_digest(w, "running", &c->running);
	if (r)
		json_put_int(w, "serial", (int64_t)r->bundle.serial);
	else
		json_put_null(w, "serial");
	json_put_int(w, "high_water", (int64_t)c->high_water);
	handler_put_text(w, "held", c->held);
	json_close_object(w);
}

/* Of a channel that who asks does not see nothing is said. */
static void put_device(struct json_writer *w, const struct request *q, const struct device *d)
{
	const struct server *s = q->server;

	json_open_object(w, NULL);
	json_put_text(w, "device", d->id);
	json_put_text(w, "ring", d->ring);
	json_put_time(w, "enrolled", d->enrolled);
	handler_put_time(w, "last_seen", d->last_seen);
	json_put_bool(w, "goodbye", device_away(d));
	json_put_bool(w, "revoked", d->revoked);
	json_put_bool(w, "flagged", d->flagged);
	json_open_array(w, "attributes");
	for (size_t i = 0; i < d->attribute_count; i++)
		json_put_text(w, NULL, d->attributes[i]);
	json_close_array(w);
	if (d->said)
		put_facts(w, &d->said->facts);
	json_open_array(w, "channels");
	for (size_t i = 0; d->said && i < d->said->channel_count; i++)
		if (handler_sees(q, d->said->channels[i].channel))
			put_channel(w, s, &d->said->channels[i]);
	json_close_array(w);
	json_open_array(w, "offers");
	for (const struct offer_link *l = d->offers; l; l = l->next) {
		const struct offer *o = &l->stage->offers[l->n - 1];

		if (!handler_sees(q, l->stage->rollout->channel))
			continue;
		json_open_object(w, NULL);
		json_put_int(w, "rollout", (int64_t)l->stage->rollout->id);
		json_put_text(w, "ring", l->stage->policy->name);
		json_put_int(w, "n", l->n);
		json_put_text(w, "outcome", outcome_name(o->outcome));
		handler_put_text(w, "reason", o->reason);
		json_close_object(w);
	}
	json_close_array(w);
	json_close_object(w);
}

static void reply_device(struct request *q, const char *id)
{
	struct server *s = q->server;
	const struct device *d;

	pthread_mutex_lock(&s->lock);
	d = fleet_find(&s->fleet, id);
	if (d) {
		struct json_writer w = reply_json(&q->reply, 200);

		put_device(&w, q, d);
	}
	pthread_mutex_unlock(&s->lock);
	if (!d)
		reply_problem(&q->reply, PROBLEM_NOT_FOUND, "no device has this id");
}

void operator_device(struct request *q)
{
	reply_device(q, q->params[0]);
}

/* ---- pages of them ---- */

static int by_id(const void *a, const void *b)
{
	return strcmp((*(struct device *const *)a)->id, (*(struct device *const *)b)->id);
}

struct filter {
	char after[DEVICE_ID_LEN + 2], ring[NAME_LEN_MAX + 1];
	int64_t limit;
};

/* With `lock`: those that fit, sorted. */
static size_t choose(const struct server *s, const struct filter *f, struct device **out)
{
	size_t count = 0;

	for (size_t i = 0; i < s->fleet.count; i++) {
		struct device *d = s->fleet.items[i];

		if (strcmp(d->id, f->after) > 0 && (!f->ring[0] || (d->ring && strcmp(d->ring, f->ring) == 0)))
			out[count++] = d;
	}
	qsort(out, count, sizeof *out, by_id);
	return count;
}

void operator_devices(struct request *q)
{
	struct server *s = q->server;
	struct filter f = { .limit = PAGE };
	AUTO_FREE struct device **found = NULL;
	struct json_writer w;
	size_t count;

	if (!handler_query_int(q, "limit", PAGE, PAGE_MAX, &f.limit))
		return;
	if (!http_query(q->http, "cursor", f.after, sizeof f.after) && !http_query(q->http, "after", f.after, sizeof f.after))
		f.after[0] = '\0';
	(void)http_query(q->http, "ring", f.ring, sizeof f.ring);
	pthread_mutex_lock(&s->lock);
	found = calloc(s->fleet.count + 1, sizeof *found);
	count = found ? choose(s, &f, found) : 0;
	w = reply_json(&q->reply, 200);
	json_open_object(&w, NULL);
	json_open_array(&w, "items");
	for (size_t i = 0; i < count && (int64_t)i < f.limit; i++)
		put_device(&w, q, found[i]);
	json_close_array(&w);
	json_put_text(&w, "next", (int64_t)count > f.limit && f.limit > 0 ? found[f.limit - 1]->id : NULL);
	json_close_object(&w);
	pthread_mutex_unlock(&s->lock);
}

/* ---- changing one ---- */

/* Keeps a device's row with an audit row, without a check-in of it in between; edit changes it in memory first. */
static int change_device(struct request *q, const char *action, const char *detail, int (*edit)(struct device *, const void *, struct err *),
			 const void *arg, struct err *e)
{
	struct server *s = q->server;
	struct server_batch b = { .count = 0 };
	struct buf said = { .max = 2 * CHECKIN_MAX };
	struct device *d;
	int got;

	pthread_mutex_lock(&s->lock);
	d = fleet_find(&s->fleet, q->params[0]);
	if (!d) {
		pthread_mutex_unlock(&s->lock);
		return err_set(e, ERR_NOT_FOUND, "no device has this id");
	}
	while (d->busy)
		pthread_cond_wait(&s->idle, &s->lock);
	d->busy = true;
	got = edit(d, arg, e);
	if (got == 0) {
		device_place(d, s->ringmap);
		got = device_row(d, &server_record(&b, STORE_DEVICE)->u.device, &said, e);
	}
	pthread_mutex_unlock(&s->lock);
	server_audit(&b, clock_now(), q->who, action, q->params[0], detail);
	if (got == 0)
		got = server_write(s, &b, e);
	pthread_mutex_lock(&s->lock);
	d->busy = false;
	d->unsaved = d->unsaved || got < 0;
	pthread_cond_broadcast(&s->idle);
	pthread_mutex_unlock(&s->lock);
	buf_release(&said);
	return got;
}

static int set_attributes(struct device *d, const void *arg, struct err *e)
{
	if (device_set_attributes(d, arg, strlen(arg), e) < 0)
		return e->code;
	d->news = true;
	return 0;
}

/* The member "attributes" of the body as its own text. */
static char *attributes_text(const struct json_doc *d, bool required, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(DEVICE_ATTRIBUTES_TEXT);
	const struct json *object = NULL;
	struct device check = { .attributes = NULL };
	int got = required ? json_want_object(d, d->root, "attributes", &object, e) :
			     json_may_object(d, d->root, "attributes", &object, e);

	if (got < 0)
		return NULL;
	if (!text) {
		err_memory(e);
		return NULL;
	}
	if (object ? json_canonical(text, object, e) < 0 : (buf_adds(text, "{}"), 0))
		return NULL;
	if (buf_check(text, e) < 0 || device_set_attributes(&check, text->data, text->len, e) < 0)
		return NULL;
	device_forget_attributes(&check);
	return buf_take(text);
}

void operator_attributes(struct request *q)
{
	static const char *const members[] = { "attributes", NULL };
	AUTO(json) struct json_doc *d = handler_body(q, members);
	AUTO_FREE char *text = NULL;
	struct err e;

	if (!d)
		return;
	text = attributes_text(d, true, &e);
	if (!text || change_device(q, "attributes", text, set_attributes, text, &e) < 0)
		reply_error(&q->reply, &e);
	else
		reply_device(q, q->params[0]);
}

static int revoke(struct device *d, const void *arg, struct err *e)
{
	(void)arg;
	(void)e;
	d->revoked = true;
	return 0;
}

void operator_revoke(struct request *q)
{
	struct err e;

	if (change_device(q, "revoke", "", revoke, NULL, &e) < 0)
		reply_error(&q->reply, &e);
	else
		reply_device(q, q->params[0]);
}

/* ---- enrolment tokens ---- */

/* What people call a token: the first half of its hash. */
#define TOKEN_ID_LEN 32

static void token_id(char out[DIGEST_HEX_LEN + 1], const struct digest *hash)
{
	digest_hex(out, hash);
	out[TOKEN_ID_LEN] = '\0';
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

static void reply_enrolment(struct request *q, const struct store_enrolment *n, const char *token)
{
	AUTO(buf) struct buf *text = buf_new(1024);
	struct json_writer w = reply_json(&q->reply, 201);
	char host[256], id[DIGEST_HEX_LEN + 1];
	int port;

	server_advertised(q->server, host, &port);
	token_id(id, &n->hash);
	if (text)
		token_enrolment(text, host, port, &q->server->pin, token);
	json_open_object(&w, NULL);
	json_put_text(&w, "id", id);
	json_put_text(&w, "name", n->name);
	json_put_text(&w, "token", token);
	json_put_text(&w, "enrolment", text ? text->data : NULL);
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
	int64_t now = clock_now(), lifetime = LIFETIME_S, uses = 0;
	struct store_enrolment n = { .by = q->who, .created = now };
	char token[TOKEN_WORD_MAX];

	if (json_want_text(d, d->root, "name", NAME_LEN_MAX, &n.name, e) < 0 ||
	    json_may_int(d, d->root, "uses", 0, 100000000, &uses, e) < 0 ||
	    json_may_int(d, d->root, "lifetime_s", 60, LIFETIME_MAX_S, &lifetime, e) < 0)
		return e->code;
	if (!name_valid(n.name, strlen(n.name)))
		return err_set(e, ERR_FORMAT, "name: a name is of a-z, 0-9 and inner hyphens");
	attributes = attributes_text(d, false, e);
	if (!attributes || token_word(token, "rhe_", e) < 0)
		return e->code;
	token_hash(&n.hash, token);
	n.attributes = attributes;
	n.expires = now + lifetime;
	n.uses = uses == 0 ? -1 : uses;
	server_record(&b, STORE_ENROLMENT)->u.enrolment = n;
	server_audit(&b, now, q->who, "enrolment-token", n.name, attributes);
	if (server_write(q->server, &b, e) < 0)
		return e->code;
	reply_enrolment(q, &n, token);
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
	bool found;
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
	x->found = true;
	return 1;
}

void operator_end_enrolment(struct request *q)
{
	struct ended x = { .id = q->params[0] };
	struct server_batch b = { .count = 0 };
	int64_t now = clock_now();
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
	server_audit(&b, now, q->who, "enrolment-token-end", x.id, "");
	if (server_write(q->server, &b, &e) < 0) {
		reply_error(&q->reply, &e);
		return;
	}
	w = reply_json(&q->reply, 200);
	json_open_object(&w, NULL);
	json_put_text(&w, "id", x.id);
	json_close_object(&w);
}
