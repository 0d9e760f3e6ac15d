/* operators: the tokens of the operator plane, as memory knows them. */
#include "server/operators.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/name.h"
#include "server/token.h"

struct entry {
	struct store_token row;         /* its texts are owned: the block below */
	char *texts;
	int64_t kept;                   /* the last use that the store knows */
};

struct operators {
	pthread_mutex_t lock;
	struct entry *items;
	size_t count;
};

struct operators *operators_new(void)
{
	struct operators *o = calloc(1, sizeof *o);

	if (o)
		pthread_mutex_init(&o->lock, NULL);
	return o;
}

void operators_free(struct operators *o)
{
	if (!o)
		return;
	for (size_t i = 0; i < o->count; i++)
		free(o->items[i].texts);
	free(o->items);
	pthread_mutex_destroy(&o->lock);
	free(o);
}

/* ---- rows ---- */

/* One block for the five texts, so that a row is replaced in one step or not at all. */
static int copy_row(struct entry *to, const struct store_token *row, struct err *e)
{
	const char *from[] = { row->id, row->name, row->channels, row->by, row->note };
	const char **into[] = { &to->row.id, &to->row.name, &to->row.channels, &to->row.by, &to->row.note };
	size_t total = 0;
	char *at;

	for (size_t i = 0; i < ARRAY_LEN(from); i++)
		total += strlen(from[i]) + 1;
	at = malloc(total);
	if (!at)
		return err_memory(e);
	*to = (struct entry){ .row = *row, .texts = at, .kept = row->used };
	for (size_t i = 0; i < ARRAY_LEN(from); i++) {
		size_t len = strlen(from[i]) + 1;

		memcpy(at, from[i], len);
		*into[i] = at;
		at += len;
	}
	return 0;
}

static struct entry *by_id(struct operators *o, const char *id)
{
	for (size_t i = 0; i < o->count; i++)
		if (strcmp(o->items[i].row.id, id) == 0)
			return &o->items[i];
	return NULL;
}

static struct entry *room(struct operators *o, struct err *e)
{
	struct entry *items;

	if (o->count == OPERATORS_MAX) {
		err_set(e, ERR_LIMIT, "more than %d operator tokens were ever made", OPERATORS_MAX);
		return NULL;
	}
	items = reallocarray(o->items, o->count + 1, sizeof *items);
	if (!items) {
		err_memory(e);
		return NULL;
	}
	o->items = items;
	return &items[o->count];
}

struct operators_fresh {
	struct entry entry;
};

int operators_ready(struct operators_fresh **out, struct operators *o, const struct store_token *row, struct err *e)
{
	struct operators_fresh *f = calloc(1, sizeof *f);
	int got;

	if (!f)
		return err_memory(e);
	got = copy_row(&f->entry, row, e);
	pthread_mutex_lock(&o->lock);
	if (got == 0 && !by_id(o, row->id) && !room(o, e))
		got = e->code;
	pthread_mutex_unlock(&o->lock);
	if (got < 0)
		operators_forget(f);
	else
		*out = f;
	return got;
}

void operators_forget(struct operators_fresh *f)
{
	if (f)
		free(f->entry.texts);
	free(f);
}

void operators_take(struct operators *o, struct operators_fresh *f)
{
	struct entry *at;

	pthread_mutex_lock(&o->lock);
	at = by_id(o, f->entry.row.id);
	if (at) {
		f->entry.row.used = MAX(at->row.used, f->entry.row.used);
		f->entry.kept = at->kept;
		free(at->texts);
		*at = f->entry;
	} else {
		o->items[o->count++] = f->entry;        /* operators_ready() made room */
	}
	pthread_mutex_unlock(&o->lock);
	free(f);
}

int operators_put(struct operators *o, const struct store_token *row, struct err *e)
{
	struct operators_fresh *f;

	if (operators_ready(&f, o, row, e) < 0)
		return e->code;
	operators_take(o, f);
	return 0;
}

/* ---- looking up ---- */

static enum operators_found judge(const struct entry *t, bool old, int64_t now)
{
	if (t->row.revoked)
		return OPERATORS_REVOKED;
	if (now >= t->row.expires || (old && now >= t->row.old_until))
		return OPERATORS_EXPIRED;
	return OPERATORS_FOUND;
}

static void describe(const struct entry *t, bool old, struct identity *out)
{
	*out = (struct identity){ .expires = old ? MIN(t->row.old_until, t->row.expires) : t->row.expires, .count = 1 };
	snprintf(out->who, sizeof out->who, "%s", t->row.name);
	snprintf(out->token, sizeof out->token, "%s", t->row.id);
	out->grants[0].roles = t->row.roles;
	snprintf(out->grants[0].channels, sizeof out->grants[0].channels, "%s", t->row.channels);
}

enum operators_found operators_find(struct operators *o, const char *token, int64_t now, struct identity *out)
{
	enum operators_found found = OPERATORS_UNKNOWN;
	struct digest hash;

	token_hash(&hash, token);
	pthread_mutex_lock(&o->lock);
	for (size_t i = 0; i < o->count; i++) {
		struct entry *t = &o->items[i];
		bool current = digest_equal(&t->row.hash, &hash);
		bool old = !digest_is_zero(&t->row.old_hash) && digest_equal(&t->row.old_hash, &hash);

		if (!current && !old)
			continue;
		found = judge(t, !current, now);
		if (found == OPERATORS_FOUND) {
			t->row.used = MAX(t->row.used, now);
			describe(t, !current, out);
		}
	}
	pthread_mutex_unlock(&o->lock);
	return found;
}

int operators_get(struct operators *o, const char *id, int (*visit)(const struct store_token *, void *, struct err *), void *arg, struct err *e)
{
	const struct entry *t;
	int got;

	pthread_mutex_lock(&o->lock);
	t = by_id(o, id);
	got = t ? visit(&t->row, arg, e) : err_set(e, ERR_NOT_FOUND, "no operator token has this id");
	pthread_mutex_unlock(&o->lock);
	return got;
}

int operators_each(struct operators *o, int (*visit)(const struct store_token *, void *, struct err *), void *arg, struct err *e)
{
	int got = 0;

	pthread_mutex_lock(&o->lock);
	for (size_t i = 0; i < o->count && got == 0; i++)
		got = visit(&o->items[i].row, arg, e);
	pthread_mutex_unlock(&o->lock);
	return got;
}

size_t operators_take_uses(struct operators *o, struct operators_use *out, size_t max)
{
	size_t count = 0;

	pthread_mutex_lock(&o->lock);
	for (size_t i = 0; i < o->count && count < max; i++) {
		struct entry *t = &o->items[i];

		if (t->row.used == t->kept)
			continue;
		t->kept = t->row.used;
		out[count].at = t->row.used;
		snprintf(out[count++].id, sizeof out->id, "%s", t->row.id);
	}
	pthread_mutex_unlock(&o->lock);
	return count;
}

/* A use that was noted meanwhile is not kept either. */
void operators_give_back(struct operators *o, const struct operators_use *uses, size_t count)
{
	pthread_mutex_lock(&o->lock);
	for (size_t i = 0; i < count; i++) {
		struct entry *t = by_id(o, uses[i].id);

		if (t)
			t->kept = 0;
	}
	pthread_mutex_unlock(&o->lock);
}
