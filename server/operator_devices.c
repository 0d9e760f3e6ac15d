/* operator_devices: the devices, and what operators say about them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/handlers.h"
#include "server/now.h"

#define PAGE 100
#define PAGE_MAX 500

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

/* Tags that operators gave it in the ring map, which stand instead of the ones it claims in its facts. */
static void put_override(struct json_writer *w, const struct ringmap *map, const char *id)
{
	const char *const *tags;
	size_t count;

	if (!map || !ringmap_override(map, id, &tags, &count)) {
		json_put_null(w, "tags_override");
		return;
	}
	json_open_array(w, "tags_override");
	for (size_t i = 0; i < count; i++)
		json_put_text(w, NULL, tags[i]);
	json_close_array(w);
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
	handler_put_digest(w, "drop", &c->drop);
	json_put_int(w, "high_water", (int64_t)c->high_water);
	handler_put_text(w, "held", c->held);
	json_close_object(w);
}

/* What operators can change about one, as it is. */
static void put_state(struct buf *out, const struct device *d)
{
	struct json_writer w = { .out = out };

	json_open_object(&w, NULL);
	json_open_array(&w, "attributes");
	for (size_t i = 0; i < d->attribute_count; i++)
		json_put_text(&w, NULL, d->attributes[i]);
	json_close_array(&w);
	handler_put_text(&w, "flag", d->flag ? d->flag : "");
	json_put_bool(&w, "revoked", d->revoked);
	json_close_object(&w);
}

#define VERSION_LEN 16

/* Of that alone: a check-in makes no other version of a device. */
static void version_of(const struct device *d, char out[DIGEST_HEX_LEN + 1])
{
	struct buf state = { .max = CHECKIN_MAX };
	struct digest hash;

	put_state(&state, d);
	hash_bytes(&hash, state.data, state.len);
	digest_hex(out, &hash);
	out[VERSION_LEN] = '\0';
	buf_release(&state);
}

/* Of a channel that who asks does not see nothing is said. */
static void put_device(struct json_writer *w, const struct request *q, const struct device *d)
{
	const struct server *s = q->server;
	char version[DIGEST_HEX_LEN + 1];

	version_of(d, version);
	json_open_object(w, NULL);
	json_put_text(w, "device", d->id);
	json_put_text(w, "etag", version);
	json_put_text(w, "ring", d->ring);
	json_put_time(w, "enrolled", d->enrolled);
	handler_put_time(w, "last_seen", d->last_seen);
	json_put_bool(w, "goodbye", device_away(d));
	json_put_bool(w, "revoked", d->revoked);
	json_put_bool(w, "flagged", d->flagged);
	handler_put_text(w, "flag", d->flag ? d->flag : "");
	handler_put_text(w, "certificate", d->certificate ? d->certificate + DIGEST_HEX_LEN + 1 : "");
	json_open_object(w, "token");
	json_put_int(w, "generation", (int64_t)d->generation);
	handler_put_time(w, "since", d->issued);
	json_close_object(w);
	json_open_array(w, "attributes");
	for (size_t i = 0; i < d->attribute_count; i++)
		json_put_text(w, NULL, d->attributes[i]);
	json_close_array(w);
	if (d->said)
		put_facts(w, &d->said->facts);
	put_override(w, s->ringmap, d->id);
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
		char version[DIGEST_HEX_LEN + 1];

		put_device(&w, q, d);
		version_of(d, version);
		handler_etag(q, "%s", version);
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

struct filter {
	char after[DEVICE_ID_LEN + 2], ring[NAME_LEN_MAX + 1];
	int64_t limit;
};

/* With `lock`. */
static int put_page(struct json_writer *w, struct request *q, const struct filter *f, struct err *e)
{
	struct device *const *list;
	const char *last = NULL;
	size_t count, i = 0;
	int64_t taken = 0;

	if (fleet_after(&q->server->fleet, f->after, &list, &count, e) < 0)
		return e->code;
	*w = reply_json(&q->reply, 200);
	json_open_object(w, NULL);
	json_open_array(w, "items");
	for (; i < count; i++) {
		if (f->ring[0] && (!list[i]->ring || strcmp(list[i]->ring, f->ring) != 0))
			continue;
		if (taken == f->limit)
			break;
		put_device(w, q, list[i]);
		last = list[i]->id;
		taken++;
	}
	json_close_array(w);
	json_put_text(w, "next", i < count ? last : NULL);
	json_close_object(w);
	return 0;
}

void operator_devices(struct request *q)
{
	struct server *s = q->server;
	struct filter f = { .limit = PAGE };
	struct json_writer w;
	struct err e;
	int got;

	if (!handler_query_int(q, "limit", PAGE, PAGE_MAX, &f.limit))
		return;
	if (!handler_query_text(q, http_query_given(q->http, "cursor") ? "cursor" : "after", f.after, sizeof f.after) ||
	    !handler_query_text(q, "ring", f.ring, sizeof f.ring))
		return;
	pthread_mutex_lock(&s->lock);
	got = put_page(&w, q, &f, &e);
	pthread_mutex_unlock(&s->lock);
	if (got < 0)
		reply_error(&q->reply, &e);
}

/* ---- changing one ---- */

struct edit {
	const char *action, *why;
	int (*check)(const struct device *, struct err *);      /* NULL: always possible */
	int (*run)(struct device *, const void *, struct err *);        /* in a copy */
	const void *arg;
};

/* What is to be written while nothing of the device changes. */
struct edited {
	struct server_batch batch;
	struct buf said, was, becomes;
	struct device to;               /* a copy, with its own of what operators change; the rest is the device's */
};

static int copy_of(struct device *to, const struct device *d, struct err *e)
{
	const char *attributes = d->attribute_text ? d->attribute_text : "{}";

	*to = *d;
	to->attributes = NULL;
	to->attribute_text = to->flag = NULL;
	to->attribute_count = 0;
	if (device_set_attributes(to, attributes, strlen(attributes), e) < 0)
		return e->code;
	return !d->flag || device_set_flag(to, d->flag) ? 0 : err_memory(e);
}

/* With `lock`, the device busy. */
static int edit(struct request *q, const struct device *d, const struct edit *x, struct edited *out, struct err *e)
{
	put_state(&out->was, d);
	if (copy_of(&out->to, d, e) < 0 || x->run(&out->to, x->arg, e) < 0)
		return e->code;
	put_state(&out->becomes, &out->to);
	if (buf_check(&out->was, e) < 0 || buf_check(&out->becomes, e) < 0 ||
	    device_row(&out->to, &server_record(&out->batch, STORE_DEVICE)->u.device, &out->said, e) < 0)
		return e->code;
	server_audit_entry(&out->batch, &(const struct audit_entry){ .at = server_now(q->server), .who = q->who, .action = x->action, .subject = d->id,
								     .why = x->why, .was = out->was.data, .becomes = out->becomes.data });
	return 0;
}

/* With `lock`, once it is kept. */
static void apply(struct server *s, struct device *d, struct device *to)
{
	device_forget_attributes(d);
	free(d->flag);
	d->attribute_count = to->attribute_count;
	to->attribute_count = 0;
	d->attributes = TAKE(to->attributes);
	d->attribute_text = TAKE(to->attribute_text);
	d->flag = TAKE(to->flag);
	d->flagged = to->flagged;
	d->revoked = to->revoked;
	d->news = to->news;
	device_place(d, s->ringmap);
	device_judge_again(s, d, server_now(s));
}

static void edited_release(struct edited *x)
{
	device_forget_attributes(&x->to);
	free(x->to.flag);
	buf_release(&x->said);
	buf_release(&x->was);
	buf_release(&x->becomes);
}

/* With `lock`: the device in the address, when it is as who asks saw it and may be changed so; NULL: the reply says why not. */
static struct device *open_for_change(struct request *q, const struct edit *x)
{
	struct device *d = fleet_find(&q->server->fleet, q->params[0]);
	char version[DIGEST_HEX_LEN + 1];
	struct err e;

	if (!d) {
		reply_problem(&q->reply, PROBLEM_NOT_FOUND, "no device has this id");
		return NULL;
	}
	version_of(d, version);
	if (!handler_if_match(q, version))
		return NULL;
	if (x->check && x->check(d, &e) < 0) {
		reply_error(&q->reply, &e);
		return NULL;
	}
	return d;
}

/* Waits until nothing of the device is being written; it may be another one by then. With `lock`. */
static struct device *open_idle(struct request *q, const struct edit *x)
{
	struct server *s = q->server;
	struct device *d = open_for_change(q, x);

	while (d && d->busy) {
		pthread_cond_wait(&s->idle, &s->lock);
		d = open_for_change(q, x);
	}
	return d;
}

/* Changes a device's row, without a check-in of it in between, keeps that with an audit row, and then changes the device. */
static int write_change(struct request *q, struct device *d, const struct edit *x, struct err *e)
{
	struct server *s = q->server;
	struct edited to = { .said = { .max = 2 * CHECKIN_MAX }, .was = { .max = CHECKIN_MAX }, .becomes = { .max = CHECKIN_MAX } };
	int got;

	d->busy = true;
	got = edit(q, d, x, &to, e);
	pthread_mutex_unlock(&s->lock);
	if (got == 0)
		got = server_write(s, &to.batch, e);
	pthread_mutex_lock(&s->lock);
	d->busy = false;
	if (got == 0)
		apply(s, d, &to.to);
	pthread_cond_broadcast(&s->idle);
	edited_release(&to);
	return got;
}

/* The device in the address, changed, or tried; the reply is the device, or why not. */
static void change_device(struct request *q, const struct edit *x)
{
	struct server *s = q->server;
	struct device *d;
	struct err e;
	int got = 0;

	pthread_mutex_lock(&s->lock);
	d = open_idle(q, x);
	if (d && !handler_dry_run(q))
		got = write_change(q, d, x, &e);
	pthread_mutex_unlock(&s->lock);
	if (got < 0)
		reply_error(&q->reply, &e);
	else if (d)
		reply_device(q, q->params[0]);
}

static int set_attributes(struct device *d, const void *arg, struct err *e)
{
	if (device_set_attributes(d, arg, strlen(arg), e) < 0)
		return e->code;
	d->news = true;
	return 0;
}

char *handler_attributes(const struct json_doc *d, bool required, struct err *e)
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
	text = handler_attributes(d, true, &e);
	if (text)
		change_device(q, &(const struct edit){ "attributes", q->why, NULL, set_attributes, text });
	else
		reply_error(&q->reply, &e);
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
	change_device(q, &(const struct edit){ "revoke", q->why, NULL, revoke, NULL });
}

static int is_flagged(const struct device *d, struct err *e)
{
	return d->flagged ? 0 : err_set(e, ERR_CONFLICT, "the device is not flagged");
}

/* A person looked and found one machine: from here on it is as if no other had been seen. */
static int clear(struct device *d, const void *arg, struct err *e)
{
	(void)arg;
	(void)e;
	(void)!device_set_flag(d, NULL);
	return 0;
}

void operator_clear(struct request *q)
{
	static const char *const members[] = { "reason", NULL };
	AUTO(json) struct json_doc *d = handler_body(q, members);
	const char *reason;
	struct err e;

	if (!d)
		return;
	if (json_want_text(d, d->root, "reason", REASON_LEN_MAX, &reason, &e) < 0)
		reply_error(&q->reply, &e);
	else
		change_device(q, &(const struct edit){ "clear", reason, is_flagged, clear, NULL });
}
