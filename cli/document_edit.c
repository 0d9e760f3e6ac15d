#include "cli/document_edit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"

struct document_edit {
	struct remote *remote;          /* borrowed */
	char *role, *path;
	struct role_edit *edit;
	struct buf *now;                /* NULL: none */
};

static int fetch_document(struct document_edit *d, struct err *e)
{
	const struct metadata *m = role_edit_now(d->edit);
	const struct metadata_target *t = m ? metadata_target(m, d->path, strlen(d->path)) : NULL;
	char hex[DIGEST_HEX_LEN + 1];

	if (!t)
		return 0;
	if (!t->has_sha256 || t->file.length < 0)
		return err_set(e, ERR_UNSUPPORTED, "%s: its role lists no length or no SHA-256", d->path);
	digest_hex(hex, &t->sha256);
	return remote_target(d->remote, d->path, (uint64_t)t->file.length, hex, &d->now, e);
}

int document_edit_open(struct document_edit **out, struct remote *r, const char *role, const char *path, const struct keyring *keys,
		       bool adopt, struct err *e)
{
	AUTO(document_edit) struct document_edit *d = calloc(1, sizeof *d);

	if (!d)
		return err_memory(e);
	d->remote = r;
	d->role = strdup(role);
	d->path = strdup(path);
	if (!d->role || !d->path)
		return err_memory(e);
	if (role_edit_open(&d->edit, r, role, keys, adopt, e) < 0 || fetch_document(d, e) < 0)
		return e->code;
	*out = TAKE(d);
	return 0;
}

void document_edit_free(struct document_edit *d)
{
	if (!d)
		return;
	role_edit_free(d->edit);
	buf_free(d->now);
	free(d->role);
	free(d->path);
	free(d);
}

const struct buf *document_edit_now(const struct document_edit *d)
{
	return d->now;
}

/* {"role":{envelope},"targets":[{"path":..,"sha256":..}]} */
static int compose(struct buf *out, const struct document_edit *d, const struct buf *role, const char *hex, struct err *e)
{
	AUTO(json) struct json_doc *doc = NULL;
	struct json_writer w = { .out = out };

	if (json_parse(&doc, "the signed role", role->data, role->len, NULL, e) < 0)
		return e->code;
	json_open_object(&w, NULL);
	json_put_value(&w, "role", doc->root);
	json_open_array(&w, "targets");
	json_open_object(&w, NULL);
	json_put_text(&w, "path", d->path);
	json_put_text(&w, "sha256", hex);
	json_close_object(&w);
	json_close_array(&w);
	json_close_object(&w);
	return buf_check(out, e);
}

/* For programs: an answer, although nobody was asked. */
static int would_be(const struct document_edit *d, struct remote_answer *out, struct err *e)
{
	struct json_writer w = { .out = buf_new(0) };

	*out = (struct remote_answer){ .status = 200, .text = w.out };
	if (!w.out)
		return err_memory(e);
	json_open_object(&w, NULL);
	json_put_text(&w, "role", d->role);
	json_put_text(&w, "path", d->path);
	json_put_bool(&w, "dry_run", true);
	json_close_object(&w);
	return buf_check(w.out, e) < 0 ? e->code : json_parse(&out->doc, "the answer", w.out->data, w.out->len, NULL, e);
}

int document_edit_put(struct document_edit *d, const struct buf *text, bool dry, int64_t now, struct remote_answer *answer, struct err *e)
{
	AUTO(buf) struct buf *role = NULL, *body = buf_new(0), *path = buf_new(0);
	char hex[DIGEST_HEX_LEN + 1];
	struct digest sha;

	if (!body || !path)
		return err_memory(e);
	hash_bytes(&sha, text->data, text->len);
	digest_hex(hex, &sha);
	if (author_put_target(role_edit_author(d->edit), d->path, text->len, &sha, NULL, e) < 0 ||
	    role_edit_finish(d->edit, now, &role, e) < 0 || compose(body, d, role, hex, e) < 0)
		return e->code;
	if (dry)
		return would_be(d, answer, e);
	buf_adds(path, "/v1/roles/");
	remote_escape(path, d->role);
	if (buf_check(path, e) < 0 || remote_upload(d->remote, text, hex, e) < 0)
		return e->code;
	return remote_call(d->remote, "PUT", path->data, body, answer, e);
}

/* ---- bundles by name ---- */

static int get_bundles(struct remote *r, const char *channel, struct remote_answer *answer, struct err *e)
{
	AUTO(buf) struct buf *path = buf_new(0);

	if (!path)
		return err_memory(e);
	buf_adds(path, "/v1/bundles?channel=");
	remote_escape(path, channel);
	if (buf_check(path, e) < 0)
		return e->code;
	return remote_all(r, path->data, answer, e);
}

int bundle_named(struct bundle_named *out, struct remote *r, const char *channel, const char *word, struct err *e)
{
	AUTO_ANSWER answer = { 0 };
	const struct json *items;
	bool by_digest = digest_parse(&out->digest, word, strlen(word));
	int64_t serial = 0, n;

	out->serial = 0;
	if (!by_digest && (!number_parse(&serial, word) || serial < 1))
		return err_set(e, ERR_USAGE, "\"%.80s\" is neither a serial nor a digest of 64 lower-case hex digits", word);
	if (get_bundles(r, channel, &answer, e) < 0)
		return e->code;
	items = json_get(answer.doc->root, "items");
	for (uint32_t i = 0; items && items->type == JSON_ARRAY && i < items->count; i++) {
		const struct json *b = &items->u.items[i], *hex = json_get(b, "digest"), *number = json_get(b, "serial");

		if (!hex || hex->type != JSON_STRING || !number || !json_to_int(number, &n))
			continue;
		if (by_digest ? json_is(hex, word) : n == serial) {
			out->serial = (uint64_t)n;
			return digest_parse(&out->digest, hex->u.text, hex->count) ? 0 :
			       err_set(e, ERR_FORMAT, "the server's list of bundles holds no digest for serial %" PRId64, n);
		}
	}
	return by_digest ? 0 : err_set(e, ERR_NOT_FOUND, "channel %s: the server knows no bundle with serial %" PRId64, channel, serial);
}
