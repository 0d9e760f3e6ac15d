/* change_text_targets: what a role lists, and what the documents among it say. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "signing/change_text_parts.h"

#define NAME_SHOWN 200          /* bytes of the path of a member */
#define DEPTH_MAX 8             /* objects deep that members are compared one by one */
#define PAIRS_MAX 4000000       /* of elements of two lists that are compared */

/* ---- documents, member by member ---- */

static void put_short(struct buf *out, const struct json *v)
{
	AUTO(buf) struct buf *text = buf_new(0);
	struct json_writer w = { .out = text };

	if (!text) {
		buf_adds(out, "?");
		return;
	}
	json_put_value(&w, NULL, v);
	if (text->failed || text->len <= 160)
		buf_adds(out, text->failed ? "?" : text->data);
	else
		buf_addf(out, "%.150s... (%zu bytes)", text->data, text->len);
}

static int say_value(struct change_text_work *k, const char *path, const char *name, const struct json *was, const struct json *now)
{
	AUTO(buf) struct buf *before = buf_new(0), *after = buf_new(0);

	if (!before || !after)
		return err_memory(k->e);
	buf_adds(before, "");
	if (was)
		put_short(before, was);
	if (now)
		put_short(after, now);
	if (buf_check(before, k->e) < 0 || buf_check(after, k->e) < 0)
		return k->e->code;
	if (!was)
		return change_text_say(k, "content", path, 2, false, "%s: %s", name, after->data);
	if (!now)
		return change_text_say(k, "content", path, 2, false, "%s: gone, was %s", name, before->data);
	return change_text_say(k, "content", path, 2, false, "%s: %s, was %s", name, after->data, before->data);
}

static int compare(struct change_text_work *k, const char *path, const char *name, unsigned depth, const struct json *was, const struct json *now);

static int compare_members(struct change_text_work *k, const char *path, const char *name, unsigned depth, const struct json *was,
			   const struct json *now)
{
	for (uint32_t i = 0; now && i < now->count; i++) {
		const struct json_member *m = &now->u.members[i];
		char inner[NAME_SHOWN];

		snprintf(inner, sizeof inner, "%s%s%s", name, *name ? "." : "", m->key.text);
		if (compare(k, path, inner, depth + 1, was ? json_get(was, m->key.text) : NULL, &m->value) < 0)
			return k->e->code;
	}
	for (uint32_t i = 0; was && i < was->count; i++) {
		const struct json_member *m = &was->u.members[i];
		char inner[NAME_SHOWN];

		snprintf(inner, sizeof inner, "%s%s%s", name, *name ? "." : "", m->key.text);
		if (!(now && json_get(now, m->key.text)) && compare(k, path, inner, depth + 1, &m->value, NULL) < 0)
			return k->e->code;
	}
	return 0;
}

static bool is_object(const struct json *v)
{
	return v && v->type == JSON_OBJECT && v->count > 0;
}

static bool is_list(const struct json *v)
{
	return v && v->type == JSON_ARRAY && v->count > 0;
}

static bool holds(const struct json *list, const struct json *v)
{
	for (uint32_t i = 0; list && i < list->count; i++)
		if (json_equal(&list->u.items[i], v))
			return true;
	return false;
}

/* Lists as sets: what came and what went. */
static int compare_lists(struct change_text_work *k, const char *path, const char *name, const struct json *was, const struct json *now)
{
	if ((uint64_t)(was ? was->count : 0) * (now ? now->count : 0) > PAIRS_MAX)
		return change_text_say(k, "content", path, 2, true, "%s: %u elements, was %u: too many to compare here", name, now->count, was->count);
	for (uint32_t i = 0; now && i < now->count; i++)
		if (!holds(was, &now->u.items[i]) && say_value(k, path, name, NULL, &now->u.items[i]) < 0)
			return k->e->code;
	for (uint32_t i = 0; was && i < was->count; i++)
		if (!holds(now, &was->u.items[i]) && say_value(k, path, name, &was->u.items[i], NULL) < 0)
			return k->e->code;
	return 0;
}

static int compare(struct change_text_work *k, const char *path, const char *name, unsigned depth, const struct json *was, const struct json *now)
{
	if (was && now && json_equal(was, now))
		return 0;
	if (depth < DEPTH_MAX && (is_object(was) || !was) && (is_object(now) || !now) && (was || now))
		return compare_members(k, path, name, depth, was, now);
	if ((is_list(was) || !was) && (is_list(now) || !now) && (was || now) && *name)
		return compare_lists(k, path, name, was, now);
	return say_value(k, path, *name ? name : "the whole", was, now);
}

static int parse(struct json_doc **out, const char *path, const struct buf *text)
{
	struct err ignored;

	return text && text->data ? json_parse(out, path, text->data, text->len, NULL, &ignored) : -1;
}

int change_text_documents(struct change_text_work *k, const char *path, const struct buf *was, const struct buf *becomes)
{
	AUTO(json) struct json_doc *before = NULL, *after = NULL;

	if (becomes && parse(&after, path, becomes) < 0)
		return change_text_say(k, "content", path, 2, true, "its content is no JSON");
	/* Without the old text only the new one is shown, whole. */
	if (parse(&before, path, was) < 0)
		before = NULL;
	return compare(k, path, "", 0, before ? before->root : NULL, after ? after->root : NULL);
}

/* ---- targets ---- */

static const struct buf *document(const struct change_text_work *k, const struct metadata_target *t)
{
	const struct sigreq *q = k->how->documents;

	for (size_t i = 0; t && q && i < q->document_count; i++) {
		const struct sigreq_document *d = &q->documents[i];
		struct digest sha256;

		hash_bytes(&sha256, d->bytes->data ? d->bytes->data : "", d->bytes->len);
		if (!strcmp(d->path, t->path.text) && digest_equal(&sha256, &t->sha256))
			return d->bytes;
	}
	return NULL;
}

static bool same_target(const struct metadata_target *a, const struct metadata_target *b)
{
	return a->file.length == b->file.length && a->has_sha256 && b->has_sha256 && digest_equal(&a->sha256, &b->sha256) &&
	       (a->custom && b->custom ? json_equal(a->custom, b->custom) : a->custom == b->custom);
}

static int say_target(struct change_text_work *k, const char *kind, const char *what, const struct metadata_target *t)
{
	char hex[DIGEST_HEX_LEN + 1];

	digest_hex(hex, &t->sha256);
	return change_text_say(k, kind, t->path.text, 1, !t->has_sha256, "%s %s, %" PRId64 " bytes, sha256 %.16s...", t->path.text, what,
			       t->file.length, hex);
}

static int say_custom(struct change_text_work *k, const struct metadata_target *was, const struct metadata_target *now)
{
	const struct json *before = was && was->custom ? json_get(was->custom, "ringhold") : NULL;
	const struct json *after = now->custom ? json_get(now->custom, "ringhold") : NULL;

	return before || after ? compare(k, now->path.text, "", 0, before, after) : 0;
}

static int say_new(struct change_text_work *k, const struct metadata_target *was, const struct metadata_target *now)
{
	const struct buf *text = document(k, now);

	if (say_target(k, was ? "target-changed" : "target-added", was ? "changes" : "is new", now) < 0 || say_custom(k, was, now) < 0)
		return k->e->code;
	return text ? change_text_documents(k, now->path.text, was ? document(k, was) : NULL, text) : 0;
}

int change_text_targets(struct change_text_work *k)
{
	const struct metadata *was = k->was, *now = k->becomes;

	for (size_t i = 0; i < now->target_count; i++) {
		const struct metadata_target *t = &now->targets[i];
		const struct metadata_target *old = was ? metadata_target(was, t->path.text, t->path.len) : NULL;

		if (!(old && same_target(old, t)) && say_new(k, old, t) < 0)
			return k->e->code;
	}
	for (size_t i = 0; was && i < was->target_count; i++) {
		const struct metadata_target *t = &was->targets[i];

		if (!metadata_target(now, t->path.text, t->path.len) && say_target(k, "target-removed", "is listed no more", t) < 0)
			return k->e->code;
	}
	return 0;
}
