/* author: writes role documents. */
#include "signing/author.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* A member and its value as JSON text; lists are sorted by key. */
struct member {
	char *key;              /* owned; may hold NUL */
	size_t key_len;
	char *json;             /* owned */
};

struct list {
	struct member *items;
	size_t count, cap;
};

struct author {
	enum metadata_type type;
	int64_t version, expires;
	struct list members;    /* of `signed`, but for _type, version, expires and the map */
	struct list map;        /* `targets` or `meta` */
};

/* ---- lists ---- */

static bool find(const struct list *l, const char *key, size_t len, size_t *at)
{
	size_t low = 0, high = l->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct member *m = &l->items[mid];
		int order = memcmp(key, m->key, MIN(len, m->key_len));

		if (order == 0)
			order = (len > m->key_len) - (len < m->key_len);
		if (order == 0) {
			*at = mid;
			return true;
		}
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	*at = low;
	return false;
}

static void remove_at(struct list *l, size_t at)
{
	free(l->items[at].key);
	free(l->items[at].json);
	memmove(&l->items[at], &l->items[at + 1], (l->count - at - 1) * sizeof *l->items);
	l->count--;
}

static int insert_at(struct list *l, size_t at, const char *key, size_t len, struct err *e)
{
	char *copy = malloc(len + 1);

	if (l->count == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 16;
		struct member *more = realloc(l->items, cap * sizeof *more);

		if (more) {
			l->items = more;
			l->cap = cap;
		}
	}
	if (!copy || l->count == l->cap) {
		free(copy);
		return err_memory(e);
	}
	memcpy(copy, key, len);
	copy[len] = '\0';
	memmove(&l->items[at + 1], &l->items[at], (l->count - at) * sizeof *l->items);
	l->items[at] = (struct member){ copy, len, NULL };
	l->count++;
	return 0;
}

/* Takes what is in json. */
static int put(struct list *l, const char *key, size_t len, struct buf *json, struct err *e)
{
	AUTO_FREE char *text = NULL;
	size_t at;

	if (buf_check(json, e) < 0)
		return e->code;
	text = buf_take(json);
	if (!text)
		return err_memory(e);
	if (!find(l, key, len, &at) && insert_at(l, at, key, len, e) < 0)
		return e->code;
	free(l->items[at].json);
	l->items[at].json = TAKE(text);
	return 0;
}

static int put_value(struct list *l, const struct json_member *m, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(METADATA_LISTED_MAX);
	struct json_writer w = { .out = text };

	if (!text)
		return err_memory(e);
	json_put_value(&w, NULL, &m->value);
	return put(l, m->key.text, m->key.len, text, e);
}

static void release(struct list *l)
{
	while (l->count)
		remove_at(l, l->count - 1);
	free(l->items);
}

/* ---- life ---- */

static const char *map_name(enum metadata_type type)
{
	return type == METADATA_ROOT ? NULL : type == METADATA_TARGETS ? "targets" : "meta";
}

void author_free(struct author *a)
{
	if (!a)
		return;
	release(&a->members);
	release(&a->map);
	free(a);
}

int author_new(struct author **out, enum metadata_type type, struct err *e)
{
	AUTO(author) struct author *a = calloc(1, sizeof *a);

	if (!a)
		return err_memory(e);
	a->type = type;
	if (author_set(a, "spec_version", "\"" AUTHOR_SPEC_VERSION "\"", e) < 0)
		return e->code;
	*out = TAKE(a);
	return 0;
}

int author_load(struct author **out, const struct metadata *m, struct err *e)
{
	AUTO(author) struct author *a = calloc(1, sizeof *a);
	const char *map = map_name(m->type);

	if (!a)
		return err_memory(e);
	a->type = m->type;
	a->version = m->version;
	a->expires = m->expires;
	for (size_t i = 0; i < m->body->count; i++) {
		const struct json_member *member = &m->body->u.members[i];
		struct json key = json_key(m->doc, member);

		if (json_is(&key, "_type") || json_is(&key, "version") || json_is(&key, "expires"))
			continue;
		if (!map || !json_is(&key, map)) {
			if (put_value(&a->members, member, e) < 0)
				return e->code;
			continue;
		}
		for (size_t j = 0; j < member->value.count; j++)
			if (put_value(&a->map, &member->value.u.members[j], e) < 0)
				return e->code;
	}
	*out = TAKE(a);
	return 0;
}

int64_t author_version(const struct author *a)
{
	return a->version;
}

void author_set_version(struct author *a, int64_t version)
{
	a->version = version;
}

void author_set_expires(struct author *a, int64_t seconds)
{
	a->expires = seconds;
}

int author_set(struct author *a, const char *member, const char *json, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(METADATA_LISTED_MAX);
	AUTO(json) struct json_doc *doc = NULL;
	struct json_writer w = { .out = text };
	size_t at;

	if (!text)
		return err_memory(e);
	if (json) {
		if (json_parse(&doc, member, json, strlen(json), NULL, e) < 0)
			return e->code;
		json_put_value(&w, NULL, doc->root);
		return put(&a->members, member, strlen(member), text, e);
	}
	if (find(&a->members, member, strlen(member), &at))
		remove_at(&a->members, at);
	return 0;
}

/* ---- keys and roles ---- */

static int put_keys(struct json_writer *w, const struct author_role *roles, size_t count, struct err *e)
{
	__attribute__((cleanup(buf_release))) struct buf seen = { 0 };
	char id[DIGEST_HEX_LEN + 1];

	buf_adds(&seen, " ");
	json_open_object(w, "keys");
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < roles[i].key_count; j++) {
			AUTO(buf) struct buf *text = buf_new(0);
			AUTO(json) struct json_doc *key = NULL;

			if (!text)
				return err_memory(e);
			if (pubkey_id(roles[i].keys[j], id, e) < 0)
				return e->code;
			if (seen.data && strstr(seen.data, id))
				continue;
			buf_addf(&seen, "%s ", id);
			pubkey_json(roles[i].keys[j], text);
			if (buf_check(text, e) < 0 || json_parse(&key, "key", text->data, text->len, NULL, e) < 0)
				return e->code;
			json_put_value(w, id, key->root);
		}
	json_close_object(w);
	return buf_check(&seen, e);
}

static int put_role(struct json_writer *w, const struct author_role *r, struct err *e)
{
	char id[DIGEST_HEX_LEN + 1];

	json_open_array(w, "keyids");
	for (size_t i = 0; i < r->key_count; i++) {
		if (pubkey_id(r->keys[i], id, e) < 0)
			return e->code;
		json_put_text(w, NULL, id);
	}
	json_close_array(w);
	json_put_int(w, "threshold", r->threshold);
	return 0;
}

static int put_delegation(struct json_writer *w, const struct author_role *r, struct err *e)
{
	json_open_object(w, NULL);
	json_put_text(w, "name", r->name);
	if (put_role(w, r, e) < 0)
		return e->code;
	json_put_bool(w, "terminating", true);
	json_open_array(w, "paths");
	for (size_t i = 0; i < r->pattern_count; i++)
		json_put_text(w, NULL, r->patterns[i]);
	json_close_array(w);
	json_close_object(w);
	return 0;
}

/* One member of an object in buf becomes a member of the document. */
static int adopt(struct author *a, const struct buf *text, const char *name, struct err *e)
{
	AUTO(json) struct json_doc *doc = NULL;

	if (buf_check(text, e) < 0 || json_parse(&doc, "roles", text->data, text->len, NULL, e) < 0)
		return e->code;
	for (size_t i = 0; i < doc->root->count; i++) {
		struct json key = json_key(doc, &doc->root->u.members[i]);

		if (json_is(&key, name) && put_value(&a->members, &doc->root->u.members[i], e) < 0)
			return e->code;
	}
	return 0;
}

int author_set_roles(struct author *a, const struct author_role *roles, size_t count, bool consistent_snapshot, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(METADATA_LISTED_MAX);
	struct json_writer w = { .out = text };

	if (!text)
		return err_memory(e);
	json_open_object(&w, NULL);
	if (put_keys(&w, roles, count, e) < 0)
		return e->code;
	json_open_object(&w, "roles");
	for (size_t i = 0; i < count; i++) {
		json_open_object(&w, roles[i].name);
		if (put_role(&w, &roles[i], e) < 0)
			return e->code;
		json_close_object(&w);
	}
	json_close_object(&w);
	json_close_object(&w);
	if (adopt(a, text, "keys", e) < 0 || adopt(a, text, "roles", e) < 0)
		return e->code;
	return author_set(a, "consistent_snapshot", consistent_snapshot ? "true" : "false", e);
}

int author_set_delegations(struct author *a, const struct author_role *roles, size_t count, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(METADATA_LISTED_MAX);
	struct json_writer w = { .out = text };

	if (!text)
		return err_memory(e);
	json_open_object(&w, NULL);
	json_open_object(&w, "delegations");
	if (put_keys(&w, roles, count, e) < 0)
		return e->code;
	json_open_array(&w, "roles");
	for (size_t i = 0; i < count; i++)
		if (put_delegation(&w, &roles[i], e) < 0)
			return e->code;
	json_close_array(&w);
	json_close_object(&w);
	json_close_object(&w);
	return adopt(a, text, "delegations", e);
}

/* ---- the map ---- */

static void put_hash(struct json_writer *w, const struct digest *sha256)
{
	char hex[DIGEST_HEX_LEN + 1];

	digest_hex(hex, sha256);
	json_open_object(w, "hashes");
	json_put_text(w, "sha256", hex);
	json_close_object(w);
}

int author_put_target(struct author *a, const char *path, uint64_t length, const struct digest *sha256, const char *custom, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(METADATA_LISTED_MAX);
	AUTO(json) struct json_doc *doc = NULL;
	struct json_writer w = { .out = text };

	if (!text)
		return err_memory(e);
	if (length > INT64_MAX)
		return err_set(e, ERR_LIMIT, "%s: too long", path);
	if (custom && json_parse(&doc, "custom", custom, strlen(custom), NULL, e) < 0)
		return err_wrap(e, "%s", path);
	json_open_object(&w, NULL);
	if (doc)
		json_put_value(&w, "custom", doc->root);
	put_hash(&w, sha256);
	json_put_int(&w, "length", (int64_t)length);
	json_close_object(&w);
	return put(&a->map, path, strlen(path), text, e);
}

bool author_remove_target(struct author *a, const char *path)
{
	size_t at;

	if (!find(&a->map, path, strlen(path), &at))
		return false;
	remove_at(&a->map, at);
	return true;
}

int author_put_meta(struct author *a, const char *name, int64_t version, int64_t length, const struct digest *sha256, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(METADATA_LISTED_MAX);
	struct json_writer w = { .out = text };

	if (!text)
		return err_memory(e);
	json_open_object(&w, NULL);
	if (sha256)
		put_hash(&w, sha256);
	if (length >= 0)
		json_put_int(&w, "length", length);
	json_put_int(&w, "version", version);
	json_close_object(&w);
	return put(&a->map, name, strlen(name), text, e);
}

/* ---- the envelope ---- */

static void add_members(struct buf *out, const struct list *l)
{
	for (size_t i = 0; i < l->count; i++) {
		struct json_writer w = { .out = out };

		if (i)
			buf_addc(out, ',');
		json_put_textn(&w, NULL, l->items[i].key, l->items[i].key_len);
		buf_addc(out, ':');
		buf_adds(out, l->items[i].json);
	}
}

int author_finish(const struct author *a, struct buf **out, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(METADATA_LISTED_MAX), *tidy = buf_new(METADATA_LISTED_MAX);
	AUTO(json) struct json_doc *doc = NULL;
	const char *map = map_name(a->type);
	char expires[CLOCK_TEXT_LEN + 1];
	struct json_writer w = { .out = tidy };

	if (!text || !tidy)
		return err_memory(e);
	clock_text(expires, a->expires);
	buf_addf(text, "{\"signatures\":[],\"signed\":{\"_type\":\"%s\",\"expires\":\"%s\",\"version\":%lld,",
		 metadata_type_name(a->type), expires, (long long)a->version);
	add_members(text, &a->members);
	if (map) {
		buf_addf(text, ",\"%s\":{", map);
		add_members(text, &a->map);
		buf_addc(text, '}');
	}
	buf_adds(text, "}}");
	/* An envelope that we cannot read ourselves never leaves. */
	if (buf_check(text, e) < 0 ||
	    json_parse(&doc, metadata_type_name(a->type), text->data, text->len, NULL, e) < 0)
		return e->code;
	json_put_value(&w, NULL, doc->root);
	if (buf_check(tidy, e) < 0)
		return e->code;
	*out = TAKE(tidy);
	return 0;
}
