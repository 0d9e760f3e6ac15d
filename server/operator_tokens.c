/* operator_tokens: the tokens of the operator plane, made, shown, rotated and revoked. A token itself is shown once. */
#include <stdio.h>
#include <string.h>

#include "server/handlers.h"
#include "server/now.h"

#define PAGE 200
#define PAGE_MAX 1000
#define LIFE_S (90 * (int64_t)86400)
#define LIFE_MAX_S (2 * 366 * (int64_t)86400)
#define OVERLAP_MAX_S (7 * (int64_t)86400)
#define NOTE_MAX 200
#define CHANNELS_MAX 64

/* A row with room for its own texts, while it is looked at or changed. */
struct held {
	struct store_token row;
	char id[OPERATORS_ID_LEN + 1], name[ACCESS_WHO_MAX + 1], channels[ACCESS_CHANNELS_MAX], by[ACCESS_WHO_MAX + 1], note[NOTE_MAX + 1];
};

static int hold(const struct store_token *row, void *arg, struct err *e)
{
	struct held *h = arg;

	(void)e;
	h->row = *row;
	snprintf(h->id, sizeof h->id, "%s", row->id);
	snprintf(h->name, sizeof h->name, "%s", row->name);
	snprintf(h->channels, sizeof h->channels, "%s", row->channels);
	snprintf(h->by, sizeof h->by, "%s", row->by);
	snprintf(h->note, sizeof h->note, "%s", row->note);
	h->row.id = h->id;
	h->row.name = h->name;
	h->row.channels = h->channels;
	h->row.by = h->by;
	h->row.note = h->note;
	return 0;
}

/* ---- shown ---- */

static void put_roles(struct json_writer *w, unsigned roles)
{
	json_open_array(w, "roles");
	for (int r = 0; r < ROLES; r++)
		if (roles & (1u << r))
			json_put_text(w, NULL, role_name((enum role)r));
	json_close_array(w);
}

static void put_channels(struct json_writer *w, const char *channels)
{
	if (channels[0])
		handler_put_words(w, "channels", channels);
	else
		json_put_null(w, "channels");
}

static const char *state_of(const struct store_token *t, int64_t now)
{
	return t->revoked ? "revoked" : now >= t->expires ? "expired" : "valid";
}

/* token NULL: not the moment it is shown. */
static void put_token(struct json_writer *w, const struct store_token *t, int64_t now, const char *token)
{
	char version[24];

	snprintf(version, sizeof version, "%llu", (unsigned long long)t->version);
	json_open_object(w, NULL);
	json_put_text(w, "id", t->id);
	json_put_text(w, "etag", version);
	json_put_text(w, "name", t->name);
	if (token)
		json_put_text(w, "token", token);
	json_put_text(w, "state", state_of(t, now));
	put_roles(w, t->roles);
	put_channels(w, t->channels);
	json_put_time(w, "created", t->created);
	handler_put_text(w, "by", t->by);
	json_put_time(w, "expires", t->expires);
	handler_put_time(w, "last_used", t->used);
	handler_put_time(w, "revoked", t->revoked);
	handler_put_time(w, "old_until", now < t->old_until ? t->old_until : 0);
	handler_put_text(w, "note", t->note);
	json_close_object(w);
}

struct listing {
	struct handler_page page;
	int64_t now;
};

static int list_token(const struct store_token *t, void *arg, struct err *e)
{
	struct listing *l = arg;

	(void)e;
	if (handler_page_takes(&l->page, t->id))
		put_token(&l->page.w, t, l->now, NULL);
	return 0;
}

void operator_tokens(struct request *q)
{
	struct listing l = { .now = server_now(q->server) };
	struct err e;

	if (!handler_page_begin(q, &l.page, PAGE, PAGE_MAX))
		return;
	if (operators_each(q->server->operators, list_token, &l, &e) < 0)
		reply_error(&q->reply, &e);
	else
		handler_page_end(q, &l.page);
}

static void reply_token(struct request *q, int status, const struct store_token *t, const char *token)
{
	struct json_writer w = reply_json(&q->reply, status);

	put_token(&w, t, server_now(q->server), token);
	handler_etag(q, "%llu", (unsigned long long)t->version);
}

void operator_token(struct request *q)
{
	struct held h;
	struct err e;

	if (operators_get(q->server->operators, q->params[0], hold, &h, &e) < 0)
		reply_error(&q->reply, &e);
	else
		reply_token(q, 200, &h.row, NULL);
}

/* Who the server takes the caller for. */
void operator_self(struct request *q)
{
	const struct identity *i = q->identity;
	struct json_writer w = reply_json(&q->reply, 200);

	json_open_object(&w, NULL);
	json_put_text(&w, "who", i->who);
	handler_put_text(&w, "token", i->token);
	handler_put_time(&w, "expires", i->expires);
	json_open_array(&w, "grants");
	for (size_t k = 0; k < i->count; k++) {
		json_open_object(&w, NULL);
		put_roles(&w, i->grants[k].roles);
		put_channels(&w, i->grants[k].channels);
		json_close_object(&w);
	}
	json_close_array(&w);
	json_close_object(&w);
}

/* ---- made ---- */

static int take_words(const struct json_doc *d, const char *key, size_t max, struct buf *out, struct err *e)
{
	const struct json *list = NULL;

	if (json_may_array(d, d->root, key, max, &list, e) < 0)
		return e->code;
	for (uint32_t i = 0; list && i < list->count; i++) {
		const struct json *v = &list->u.items[i];

		if (v->type != JSON_STRING || strlen(v->u.text) != v->count || v->count == 0 || v->count > NAME_LEN_MAX || strchr(v->u.text, ','))
			return json_error(d, v, e, ERR_FORMAT, "%s is a list of names", key);
		buf_addf(out, "%s%s", out->len ? "," : "", v->u.text);
	}
	return buf_check(out, e);
}

static int take_channels(const struct json_doc *d, char channels[ACCESS_CHANNELS_MAX], struct err *e)
{
	AUTO(buf) struct buf *words = buf_new(0);

	if (!words)
		return err_memory(e);
	if (take_words(d, "channels", CHANNELS_MAX, words, e) < 0)
		return e->code;
	/* none at all would be kept as every channel */
	if (json_get(d->root, "channels") && !words->len)
		return json_error(d, json_get(d->root, "channels"), e, ERR_FORMAT, "channels names none; leave it out for every channel");
	for (char *save = NULL, *word = words->len ? strtok_r(words->data, ",", &save) : NULL; word; word = strtok_r(NULL, ",", &save))
		if (access_add_channel(channels, word, e) < 0)
			return e->code;
	return 0;
}

static int take_token(struct held *h, const struct json_doc *d, const char *who, int64_t now, struct err *e)
{
	AUTO(buf) struct buf *words = buf_new(0);
	const char *name, *note = "";
	int64_t life = LIFE_S;

	if (!words)
		return err_memory(e);
	if (json_want_text(d, d->root, "name", NAME_LEN_MAX, &name, e) < 0 || json_may_text(d, d->root, "note", NOTE_MAX, &note, e) < 0 ||
	    json_may_int(d, d->root, "lifetime_s", 60, LIFE_MAX_S, &life, e) < 0 || take_words(d, "roles", ROLES, words, e) < 0)
		return e->code;
	if (!name_valid(name, strlen(name)))
		return json_error(d, d->root, e, ERR_FORMAT, "name: a name is of a-z, 0-9 and inner hyphens");
	if (!words->len)
		return json_error(d, d->root, e, ERR_FORMAT, "roles: at least one is needed");
	hold(&(struct store_token){ .id = "", .name = name, .channels = "", .by = who, .note = note, .created = now, .expires = now + life,
				    .version = 1 }, h, e);
	return roles_parse(&h->row.roles, words->data, e) < 0 ? e->code : take_channels(d, h->channels, e);
}

/* A new secret for a row; its id is that of its first one. */
static int new_secret(struct held *h, char token[TOKEN_WORD_MAX], struct err *e)
{
	char hex[DIGEST_HEX_LEN + 1];

	if (token_word(token, "rho_", e) < 0)
		return e->code;
	token_hash(&h->row.hash, token);
	digest_hex(hex, &h->row.hash);
	if (!h->id[0])
		snprintf(h->id, sizeof h->id, "%.*s", OPERATORS_ID_LEN, hex);
	return 0;
}

/* What a token is, but for its secret; for the audit log. */
static void token_text(struct buf *out, const struct store_token *t)
{
	struct json_writer w = { .out = out };

	json_open_object(&w, NULL);
	json_put_text(&w, "channels", t->channels[0] ? t->channels : "all");
	json_put_time(&w, "expires", t->expires);
	json_open_array(&w, "roles");
	for (int r = 0; r < ROLES; r++)
		if (t->roles & (1u << r))
			json_put_text(&w, NULL, role_name((enum role)r));
	json_close_array(&w);
	handler_put_time(&w, "revoked", t->revoked);
	json_put_int(&w, "version", (int64_t)t->version);
	json_close_object(&w);
}

struct earlier {
	const char *id;
	struct buf *text;
};

static int find_earlier(const struct store_token *t, void *arg, struct err *e)
{
	struct earlier *x = arg;

	(void)e;
	if (strcmp(t->id, x->id) != 0)
		return 0;
	token_text(x->text, t);
	return 1;
}

/* Store first, then memory; with `tokens`. */
static int keep(struct request *q, const struct held *h, const char *action, int64_t now, struct err *e)
{
	AUTO(buf) struct buf *was = buf_new(0), *becomes = buf_new(0);
	struct server *s = q->server;
	struct server_batch b = { .count = 0 };
	struct earlier old = { .id = h->id, .text = was };
	struct operators_fresh *fresh;

	if (!was || !becomes)
		return err_memory(e);
	/* A token that is revoked in the store must not go on here for want of memory. */
	if (operators_each(s->operators, find_earlier, &old, e) < 0 || operators_ready(&fresh, s->operators, &h->row, e) < 0)
		return e->code;
	token_text(becomes, &h->row);
	server_record(&b, STORE_TOKEN)->u.token = h->row;
	server_audit_entry(&b, &(const struct audit_entry){ .at = now, .who = q->who, .action = action, .subject = h->name, .detail = h->id,
							    .why = q->why, .was = was->data, .becomes = becomes->data });
	if (server_write(s, &b, e) < 0) {
		operators_forget(fresh);
		return e->code;
	}
	operators_take(s->operators, fresh);
	return 0;
}

static int same_name(const struct store_token *t, void *arg, struct err *e)
{
	return strcmp(t->name, arg) ? 0 : err_set(e, ERR_CONFLICT, "an operator token named %s was made before: no other gets this name", t->name);
}

void operator_add_token(struct request *q)
{
	static const char *const members[] = { "name", "roles", "channels", "lifetime_s", "note", NULL };
	AUTO(json) struct json_doc *d = handler_body(q, members);
	struct server *s = q->server;
	char token[TOKEN_WORD_MAX];
	int64_t now = server_now(q->server);
	struct held h = { .id = "" };
	bool dry = handler_dry_run(q);
	struct err e;
	int got;

	if (!d)
		return;
	pthread_mutex_lock(&s->tokens);
	got = take_token(&h, d, q->who, now, &e);
	if (got == 0)
		got = operators_each(s->operators, same_name, h.name, &e);
	if (got == 0)
		got = new_secret(&h, token, &e);
	if (got == 0 && !dry)
		got = keep(q, &h, "token", now, &e);
	pthread_mutex_unlock(&s->tokens);
	if (got < 0)
		reply_error(&q->reply, &e);
	else
		reply_token(q, dry ? 200 : 201, &h.row, dry ? NULL : token);
	explicit_bzero(token, sizeof token);
}

/* ---- changed ---- */

/* The row in the address, as it may be changed; with `tokens`. False: the reply says why not. */
static bool open_for_change(struct request *q, struct held *h)
{
	char version[24];
	struct err e;

	if (operators_get(q->server->operators, q->params[0], hold, h, &e) < 0) {
		reply_error(&q->reply, &e);
		return false;
	}
	snprintf(version, sizeof version, "%llu", (unsigned long long)h->row.version);
	if (!handler_if_match(q, version))
		return false;
	if (h->row.revoked) {
		reply_problem(&q->reply, PROBLEM_CONFLICT, "the token was revoked");
		return false;
	}
	return true;
}

static void rotate(struct request *q, struct held *h, int64_t overlap, int64_t life)
{
	char token[TOKEN_WORD_MAX];
	int64_t now = server_now(q->server);
	bool dry = handler_dry_run(q);
	struct err e;

	h->row.old_hash = overlap ? h->row.hash : (struct digest){ 0 };
	h->row.old_until = overlap ? now + overlap : 0;
	h->row.expires = now + life;
	h->row.version++;
	if (new_secret(h, token, &e) < 0 || (!dry && keep(q, h, "token-rotate", now, &e) < 0))
		reply_error(&q->reply, &e);
	else
		reply_token(q, 200, &h->row, dry ? NULL : token);
	explicit_bzero(token, sizeof token);
}

void operator_rotate_token(struct request *q)
{
	static const char *const members[] = { "overlap_s", "lifetime_s", NULL };
	AUTO(json) struct json_doc *d = handler_body(q, members);
	int64_t overlap = 0, life = LIFE_S;
	struct held h;
	struct err e;

	if (!d)
		return;
	if (json_may_int(d, d->root, "overlap_s", 0, OVERLAP_MAX_S, &overlap, &e) < 0 ||
	    json_may_int(d, d->root, "lifetime_s", 60, LIFE_MAX_S, &life, &e) < 0) {
		reply_error(&q->reply, &e);
		return;
	}
	pthread_mutex_lock(&q->server->tokens);
	if (open_for_change(q, &h))
		rotate(q, &h, overlap, life);
	pthread_mutex_unlock(&q->server->tokens);
}

void operator_end_token(struct request *q)
{
	int64_t now = server_now(q->server);
	struct held h;
	struct err e;

	pthread_mutex_lock(&q->server->tokens);
	if (open_for_change(q, &h)) {
		h.row.revoked = now;
		h.row.version++;
		if (!handler_dry_run(q) && keep(q, &h, "token-revoke", now, &e) < 0)
			reply_error(&q->reply, &e);
		else
			reply_token(q, 200, &h.row, NULL);
	}
	pthread_mutex_unlock(&q->server->tokens);
}
