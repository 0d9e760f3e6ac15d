#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/publish_parts.h"
#include "content/bundle.h"
#include "rollout/assignment.h"

#define ARCHIVE_MAX ((size_t)1 << 30)
#define ROLE_MAX (NAME_LEN_MAX + 16)

static int read_archive(struct publish *p, struct err *e)
{
	if (file_read(&p->bytes, p->archive, ARCHIVE_MAX, e) < 0)
		return e->code;
	return bundle_check(p->archive, NULL, &p->manifest, &p->digest, &p->size, e);
}

/* ---- custom.ringhold ---- */

void publish_custom(struct json_writer *w, const struct publish *p, const char *kind)
{
	char hex[DIGEST_HEX_LEN + 1];

	digest_hex(hex, &p->digest);
	json_open_object(w, NULL);
	json_open_object(w, "ringhold");
	json_put_text(w, "kind", kind);
	json_put_text(w, "channel", p->manifest->channel);
	json_put_int(w, "serial", (int64_t)p->manifest->serial);
	json_put_text(w, "digest", hex);
	json_put_int(w, "size", (int64_t)p->size);
}

int publish_list(struct author *a, const char *path, const struct buf *bytes, struct buf *custom, struct err *e)
{
	struct digest sha;

	if (buf_check(custom, e) < 0)
		return e->code;
	hash_bytes(&sha, bytes->data, bytes->len);
	return author_put_target(a, path, bytes->len, &sha, custom->data, e);
}

static int list_archive(struct publish *p, struct author *a, const char *path, struct err *e)
{
	AUTO(buf) struct buf *custom = buf_new(0);
	struct json_writer w = { .out = custom };

	if (!custom)
		return err_memory(e);
	publish_custom(&w, p, "full");
	json_put_text(&w, "version", p->manifest->version);
	json_close_object(&w);
	json_close_object(&w);
	return publish_list(a, path, p->bytes, custom, e);
}

/* ---- the two halves ---- */

static int sign(struct publish *p, struct remote *r, struct role_edit *x, const char *role, struct err *e)
{
	const struct metadata *now = role_edit_now(x);
	const struct metadata_target *there;
	char path[PATH_LEN_MAX + 1];
	struct digest sha;

	bundle_path(path, p->manifest->channel, p->manifest->serial);
	there = now ? metadata_target(now, path, strlen(path)) : NULL;
	hash_bytes(&sha, p->bytes->data, p->bytes->len);
	if (there && !(there->has_sha256 && digest_equal(&there->sha256, &sha)))
		return err_set(e, ERR_CONFLICT, "serial %" PRIu64 " of channel %s was published with other bytes: a serial is never used twice",
			       p->manifest->serial, p->manifest->channel);
	if (there) {
		const struct buf *raw = now->raw;

		p->known = true;
		p->role = buf_new(0);
		if (!p->role)
			return err_memory(e);
		buf_add(p->role, raw->data, raw->len);
		snprintf(p->note, sizeof p->note, "the bundle is published already");
		return buf_check(p->role, e);
	}
	if (list_archive(p, role_edit_author(x), path, e) < 0 || publish_add_deltas(p, r, x, e) < 0 || publish_drop_old(p, r, x, e) < 0)
		return e->code;
	return role_edit_finish(x, p->now, &p->role, e) < 0 ? err_wrap(e, "%s", role) : 0;
}

int publish_prepare(struct publish *p, struct remote *r, struct err *e)
{
	AUTO(role_edit) struct role_edit *x = NULL;
	char role[ROLE_MAX];

	if (read_archive(p, e) < 0)
		return e->code;
	snprintf(role, sizeof role, "content-%s", p->manifest->channel);
	if (role_edit_open(&x, r, role, p->keys, p->adopt, e) < 0)
		return e->code;
	return sign(p, r, x, role, e);
}

typedef char hex_text[DIGEST_HEX_LEN + 1];

static int write_request(struct buf *body, const struct publish *p, const char *archive, const hex_text *deltas, struct err *e)
{
	AUTO(json) struct json_doc *role = NULL;
	struct json_writer w = { .out = body };
	char hex[DIGEST_HEX_LEN + 1];

	if (json_parse(&role, "the signed role", p->role->data, p->role->len, NULL, e) < 0)
		return e->code;
	digest_hex(hex, &p->digest);
	json_open_object(&w, NULL);
	json_put_text(&w, "channel", p->manifest->channel);
	json_put_int(&w, "serial", (int64_t)p->manifest->serial);
	json_put_text(&w, "digest", hex);
	json_put_value(&w, "role", role->root);
	json_put_text(&w, "archive", archive);
	json_open_array(&w, "deltas");
	for (size_t i = 0; i < p->made_count; i++)
		json_put_text(&w, NULL, deltas[i]);
	json_close_array(&w);
	if (p->reason)
		json_put_text(&w, "reason", p->reason);
	if (p->allowed.count) {
		json_open_array(&w, "allow_refused");
		for (size_t i = 0; i < p->allowed.count; i++)
			json_put_text(&w, NULL, p->allowed.items[i]);
		json_close_array(&w);
	}
	if (p->dry_run)
		json_put_bool(&w, "dry_run", true);
	json_close_object(&w);
	return buf_check(body, e);
}

int publish_send(struct publish *p, struct remote *r, struct remote_answer *answer, struct err *e)
{
	AUTO(buf) struct buf *body = buf_new(0);
	hex_text archive, deltas[PUBLISH_DELTAS_MAX];

	if (!body)
		return err_memory(e);
	if (remote_upload(r, p->bytes, archive, e) < 0)
		return e->code;
	for (size_t i = 0; i < p->made_count; i++)
		if (remote_upload(r, p->made[i].bytes, deltas[i], e) < 0)
			return e->code;
	if (write_request(body, p, archive, deltas, e) < 0)
		return e->code;
	return remote_call(r, "POST", "/v1/bundles", body, answer, e);
}

void publish_release(struct publish *p)
{
	manifest_free(p->manifest);
	buf_free(p->bytes);
	for (size_t i = 0; i < p->made_count; i++)
		buf_free(p->made[i].bytes);
	buf_free(p->role);
}
