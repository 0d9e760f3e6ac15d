/* webhooks: the list of them, as people change it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hex.h"
#include "base/log.h"
#include "server/webhooks_parts.h"

static const char *const kinds[] = { [WEBHOOK_EVENTS] = "events", [WEBHOOK_BEFORE_RING] = "before-ring" };

const char *webhook_kind_name(enum webhook_kind k)
{
	return kinds[k];
}

int webhook_kind_parse(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strcmp(kinds[i], name) == 0)
			return (int)i;
	return -1;
}

/* ---- rows ---- */

void webhook_point(struct webhook *w)
{
	w->row.name = w->name;
	w->row.url = w->url;
	w->row.types = w->types;
	w->row.channels = w->channels;
	w->row.rings = w->rings;
	w->row.secret = w->secret;
	w->row.old_secret = w->old_secret;
	w->row.by = w->by;
}

static bool copy(char *to, size_t cap, const char *from)
{
	return (size_t)snprintf(to, cap, "%s", from) < cap;
}

int webhook_take(struct webhook *w, const struct store_webhook *row, struct err *e)
{
	bool fits;

	w->row = *row;
	fits = copy(w->name, sizeof w->name, row->name) && copy(w->url, sizeof w->url, row->url) &&
	       copy(w->types, sizeof w->types, row->types) && copy(w->channels, sizeof w->channels, row->channels) &&
	       copy(w->rings, sizeof w->rings, row->rings) && copy(w->secret, sizeof w->secret, row->secret) &&
	       copy(w->old_secret, sizeof w->old_secret, row->old_secret) && copy(w->by, sizeof w->by, row->by);
	webhook_point(w);
	w->used = true;
	return fits ? 0 : err_set(e, ERR_LIMIT, "webhook %s: a text of it is too long", row->name);
}

/* With `lock`. NULL: there is none of this name. */
static struct slot *slot_of(struct webhooks *all, const char *name)
{
	for (size_t i = 0; i < WEBHOOKS_MAX; i++)
		if (all->slots[i].hook.used && strcmp(all->slots[i].hook.name, name) == 0)
			return &all->slots[i];
	return NULL;
}

static struct slot *free_slot(struct webhooks *all)
{
	for (size_t i = 0; i < WEBHOOKS_MAX; i++)
		if (!all->slots[i].hook.used)
			return &all->slots[i];
	return NULL;
}

static int start_thread(struct slot *t, struct err *e)
{
	if (t->runs || !t->all->started)
		return 0;
	t->runs = pthread_create(&t->thread, NULL, webhook_main, t) == 0;
	return t->runs ? 0 : err_set(e, ERR_IO, "the thread of a webhook cannot be started");
}

static void poke(struct webhooks *all, struct slot *t)
{
	t->poked = true;
	pthread_cond_broadcast(&all->wake);
}

/* ---- beginning and end ---- */

static int load(const struct store_webhook *row, void *arg, struct err *e)
{
	struct webhooks *all = arg;
	struct slot *t = free_slot(all);

	return t ? webhook_take(&t->hook, row, e) : err_set(e, ERR_LIMIT, "the store has more webhooks than %d", WEBHOOKS_MAX);
}

static int take_networks(struct webhooks *all, struct err *e)
{
	for (char **one = all->server->config->webhook_networks; *one; one++) {
		if (all->network_count == NETWORKS_MAX)
			return err_set(e, ERR_LIMIT, "webhook-networks: more than %d", NETWORKS_MAX);
		if (network_parse(&all->networks[all->network_count++], *one, e) < 0)
			return err_wrap(e, "webhook-networks");
	}
	return 0;
}

int webhooks_open(struct server *s, struct err *e)
{
	struct webhooks *all = calloc(1, sizeof *all);
	pthread_condattr_t monotonic;

	if (!all)
		return err_memory(e);
	s->webhooks = all;
	all->server = s;
	pthread_mutex_init(&all->changing, NULL);
	pthread_mutex_init(&all->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&all->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	for (size_t i = 0; i < WEBHOOKS_MAX; i++) {
		all->slots[i].all = all;
		pthread_mutex_init(&all->slots[i].working, NULL);
	}
	snprintf(all->source, sizeof all->source, "urn:ringhold:%.100s", s->config->name);
	if (take_networks(all, e) < 0)
		return e->code;
	return store_each_webhook(s->store, load, all, e);
}

int webhooks_start(struct server *s, struct err *e)
{
	struct webhooks *all = s->webhooks;

	all->started = true;
	for (size_t i = 0; i < WEBHOOKS_MAX; i++)
		if (all->slots[i].hook.used && start_thread(&all->slots[i], e) < 0)
			return e->code;
	return 0;
}

void webhooks_stop(struct server *s)
{
	struct webhooks *all = s->webhooks;

	if (!all)
		return;
	pthread_mutex_lock(&all->lock);
	all->stopping = true;
	pthread_cond_broadcast(&all->wake);
	pthread_mutex_unlock(&all->lock);
	for (size_t i = 0; i < WEBHOOKS_MAX; i++) {
		if (all->slots[i].runs)
			pthread_join(all->slots[i].thread, NULL);
		all->slots[i].runs = false;
	}
}

void webhooks_close(struct server *s)
{
	struct webhooks *all = TAKE(s->webhooks);

	if (!all)
		return;
	for (size_t i = 0; i < WEBHOOKS_MAX; i++) {
		fetch_free(all->slots[i].http);
		pthread_mutex_destroy(&all->slots[i].working);
	}
	pthread_cond_destroy(&all->wake);
	pthread_mutex_destroy(&all->lock);
	pthread_mutex_destroy(&all->changing);
	explicit_bzero(all, sizeof *all);
	free(all);
}

/* ---- people's changes ---- */

static int absent(const char *name, struct err *e)
{
	return err_set(e, ERR_NOT_FOUND, "there is no webhook %.80s", name);
}

/* What one is, but for its secrets; for the audit log. */
static void describe(struct buf *out, const struct store_webhook *w)
{
	struct json_writer j = { .out = out };

	json_open_object(&j, NULL);
	json_put_text(&j, "channels", w->channels);
	json_put_text(&j, "kind", webhook_kind_name((enum webhook_kind)w->kind));
	json_put_bool(&j, "paused", w->paused);
	json_put_text(&j, "rings", w->rings);
	json_put_int(&j, "timeout_s", w->timeout_s);
	json_put_text(&j, "types", w->types);
	json_put_text(&j, "url", w->url);
	json_put_int(&j, "version", (int64_t)w->version);
	json_close_object(&j);
}

static void audit(struct server_batch *b, const struct webhooks_by *by, const char *action, const struct audit_entry *what)
{
	struct audit_entry a = *what;

	a.at = by->now;
	a.who = by->who;
	a.why = by->why;
	a.action = action;
	server_audit_entry(b, &a);
}

static int changed(const char *name, struct err *e)
{
	return err_set(e, ERR_CONFLICT, "webhook %s was changed meanwhile", name);
}

static int put(struct webhooks *all, const struct store_webhook *w, uint64_t version, const struct webhooks_by *by, struct err *e)
{
	AUTO(buf) struct buf *was = buf_new(0), *becomes = buf_new(0);
	struct server_batch b = { .count = 0 };
	struct store_record *row = server_record(&b, STORE_WEBHOOK);
	struct webhook fresh = { .used = false };
	uint64_t rows;
	struct slot *t;

	if (!was || !becomes)
		return err_memory(e);
	pthread_mutex_lock(&all->lock);
	t = slot_of(all, w->name);
	if ((t ? t->hook.row.version : 0) != version)
		changed(w->name, e);
	else if (!t && !(t = free_slot(all)))
		err_set(e, ERR_LIMIT, "there are %d webhooks: remove one first", WEBHOOKS_MAX);
	else if (version)
		describe(was, &t->hook.row);
	pthread_mutex_unlock(&all->lock);
	if (e->code || webhook_take(&fresh, w, e) < 0)
		return e->code;
	/* What happened before it was made is not told. */
	if (version == 0 && store_heads(all->server->store, &fresh.row.cursor, &rows, e) < 0)
		return e->code;
	row->u.webhook = fresh.row;
	describe(becomes, &fresh.row);
	if (buf_check(was, e) < 0 || buf_check(becomes, e) < 0)
		return e->code;
	audit(&b, by, version ? "webhook-change" : "webhook",
	      &(const struct audit_entry){ .subject = w->name, .detail = w->url, .was = version ? was->data : "", .becomes = becomes->data });
	if (server_write(all->server, &b, e) < 0)
		return e->code;
	pthread_mutex_lock(&all->lock);
	fresh.row.cursor = MAX(fresh.row.cursor, t->hook.used ? t->hook.row.cursor : 0);
	t->hook = fresh;
	webhook_point(&t->hook);
	poke(all, t);
	pthread_mutex_unlock(&all->lock);
	return start_thread(t, e);
}

int webhooks_put(struct server *s, const struct store_webhook *w, uint64_t version, const struct webhooks_by *by, struct err *e)
{
	int got;

	e->code = 0;
	pthread_mutex_lock(&s->webhooks->changing);
	got = put(s->webhooks, w, version, by, e);
	pthread_mutex_unlock(&s->webhooks->changing);
	return got;
}

/* The webhook by name, with `changing`: nobody else removes it meanwhile. */
static struct slot *find(struct webhooks *all, const char *name)
{
	struct slot *t;

	pthread_mutex_lock(&all->lock);
	t = slot_of(all, name);
	pthread_mutex_unlock(&all->lock);
	return t;
}

/* With `changing` and `working`: its thread makes no more messages of it. */
static int end(struct webhooks *all, struct slot *t, const struct webhooks_by *by, struct err *e)
{
	AUTO(buf) struct buf *was = buf_new(0);
	struct server_batch b = { .count = 0 };

	if (!was)
		return err_memory(e);
	describe(was, &t->hook.row);
	server_record(&b, STORE_WEBHOOK_END)->u.webhook.name = t->hook.name;
	audit(&b, by, "webhook-end", &(const struct audit_entry){ .subject = t->hook.name, .was = was->data });
	if (buf_check(was, e) < 0 || server_write(all->server, &b, e) < 0)
		return e->code;
	pthread_mutex_lock(&all->lock);
	memset(&t->hook, 0, sizeof t->hook);
	memset(t->asks, 0, sizeof t->asks);
	t->trouble[0] = '\0';
	t->delivered = t->failed = t->dead = 0;
	pthread_mutex_unlock(&all->lock);
	return 0;
}

int webhooks_end(struct server *s, const char *name, uint64_t version, const struct webhooks_by *by, struct err *e)
{
	struct webhooks *all = s->webhooks;
	struct slot *t;
	int got;

	pthread_mutex_lock(&all->changing);
	t = find(all, name);
	if (!t) {
		got = absent(name, e);
	} else if (t->hook.row.version != version) {
		got = changed(name, e);
	} else {
		pthread_mutex_lock(&t->working);
		got = end(all, t, by, e);
		pthread_mutex_unlock(&t->working);
	}
	pthread_mutex_unlock(&all->changing);
	return got;
}

/* Keeps a batch that is about a webhook, and wakes its thread. */
static int keep(struct server *s, const char *name, struct server_batch *b, struct err *e)
{
	struct webhooks *all = s->webhooks;
	struct slot *t;
	int got;

	pthread_mutex_lock(&all->changing);
	t = find(all, name);
	got = t ? server_write(s, b, e) : absent(name, e);
	if (got == 0) {
		pthread_mutex_lock(&all->lock);
		poke(all, t);
		pthread_mutex_unlock(&all->lock);
	}
	pthread_mutex_unlock(&all->changing);
	return got;
}

int webhooks_test(struct server *s, const char *name, const struct webhooks_by *by, struct err *e)
{
	const struct store_feed test = { 0, { .at = by->now, .kind = "test", .channel = "", .ring = "", .device = "", .from = "", .to = "",
					      .cause = "", .sentence = "somebody looks whether messages arrive", .inputs = "" } };
	AUTO(buf) struct buf *body = buf_new(WEBHOOK_MESSAGE_MAX);
	struct server_batch b = { .count = 0 };
	char message[NAME_LEN_MAX + 40];
	unsigned char salt[8];
	char hex[2 * sizeof salt + 1];

	if (!body)
		return err_memory(e);
	if (random_bytes(salt, sizeof salt, e) < 0 || webhook_event(body, &test, s->webhooks->source, e) < 0)
		return e->code;
	hex_encode(hex, salt, sizeof salt);
	snprintf(message, sizeof message, "%s-test-%s", name, hex);
	server_record(&b, STORE_DELIVERY)->u.delivery = (struct store_delivery){
		.webhook = name, .message = message, .type = "ringhold.webhook.test", .made = by->now, .due = by->now, .body = body->data,
	};
	audit(&b, by, "webhook-test", &(const struct audit_entry){ .subject = name, .detail = message, .becomes = "{\"delivery\":\"due\"}" });
	return keep(s, name, &b, e);
}

int webhooks_again(struct server *s, const char *name, const char *message, const struct webhooks_by *by, struct err *e)
{
	struct server_batch b = { .count = 0 };

	server_record(&b, STORE_DELIVERIES_AGAIN)->u.delivery = (struct store_delivery){ .webhook = name, .message = message, .due = by->now };
	audit(&b, by, "webhook-again", &(const struct audit_entry){ .subject = name, .detail = message[0] ? message : "all dead letters",
								    .was = "{\"delivery\":\"dead\"}", .becomes = "{\"delivery\":\"due\"}" });
	return keep(s, name, &b, e);
}

/* ---- seen ---- */

static int show(const struct slot *t, int (*visit)(const struct webhook_view *, void *, struct err *), void *arg, struct err *e)
{
	return visit(&(const struct webhook_view){ &t->hook.row, t->delivered, t->failed, t->dead, t->trouble }, arg, e);
}

int webhooks_get(struct server *s, const char *name, int (*visit)(const struct webhook_view *, void *, struct err *), void *arg, struct err *e)
{
	struct webhooks *all = s->webhooks;
	const struct slot *t;
	int got;

	pthread_mutex_lock(&all->lock);
	t = slot_of(all, name);
	got = t ? show(t, visit, arg, e) : absent(name, e);
	pthread_mutex_unlock(&all->lock);
	return got;
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(const struct slot *const *)a)->hook.name, (*(const struct slot *const *)b)->hook.name);
}

int webhooks_each(struct server *s, int (*visit)(const struct webhook_view *, void *, struct err *), void *arg, struct err *e)
{
	struct webhooks *all = s->webhooks;
	const struct slot *sorted[WEBHOOKS_MAX];
	size_t count = 0;
	int got = 0;

	pthread_mutex_lock(&all->lock);
	for (size_t i = 0; i < WEBHOOKS_MAX; i++)
		if (all->slots[i].hook.used)
			sorted[count++] = &all->slots[i];
	qsort(sorted, count, sizeof *sorted, by_name);
	for (size_t i = 0; i < count && got == 0; i++)
		got = show(sorted[i], visit, arg, e);
	pthread_mutex_unlock(&all->lock);
	return got;
}
