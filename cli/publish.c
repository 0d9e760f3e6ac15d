#include "cli/publish.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/scratch.h"
#include "content/bundle.h"
#include "content/delta.h"
#include "rollout/assignment.h"

#define ARCHIVE_MAX ((size_t)1 << 30)
#define ROLE_MAX (NAME_LEN_MAX + 16)

/* A delta that saves less than a fifth is not worth its place. */
static bool worth(size_t delta, size_t archive)
{
	return delta < archive - archive / 5;
}

static int read_archive(struct publish *p, struct err *e)
{
	if (file_read(&p->bytes, p->archive, ARCHIVE_MAX, e) < 0)
		return e->code;
	return bundle_check(p->archive, NULL, &p->manifest, &p->digest, &p->size, e);
}

/* ---- custom.ringhold ---- */

static void common(struct json_writer *w, const struct publish *p, const char *kind)
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

static int list_target(struct author *a, const char *path, const struct buf *bytes, struct buf *custom, struct err *e)
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
	common(&w, p, "full");
	json_put_text(&w, "version", p->manifest->version);
	json_close_object(&w);
	json_close_object(&w);
	return list_target(a, path, p->bytes, custom, e);
}

static int list_delta(struct publish *p, struct author *a, const struct delta_info *info, struct err *e)
{
	AUTO(buf) struct buf *custom = buf_new(0);
	struct json_writer w = { .out = custom };
	char from[DIGEST_HEX_LEN + 1], path[PATH_LEN_MAX + 1];

	if (!custom)
		return err_memory(e);
	digest_hex(from, &info->from);
	common(&w, p, "delta");
	json_put_text(&w, "from_digest", from);
	json_put_int(&w, "window_log", info->window_log);
	json_close_object(&w);
	json_close_object(&w);
	bundle_delta_path(path, p->manifest->channel, p->delta_from, p->manifest->serial);
	return list_target(a, path, p->delta, custom, e);
}

/* ---- the bundle before ---- */

struct before {
	const struct metadata_target *target;   /* NULL: none */
	int64_t serial;
	struct digest digest;
};

/* What a target says of itself, when it is an archive of this channel. */
static bool is_archive(const struct metadata_target *t, const char *channel, int64_t *serial, struct digest *digest)
{
	const struct json *custom = t->custom ? json_get(t->custom, "ringhold") : NULL;
	const struct json *hex = json_get(custom, "digest");

	return custom && json_is(json_get(custom, "kind"), "full") && json_is(json_get(custom, "channel"), channel) &&
	       json_to_int(json_get(custom, "serial"), serial) && hex && hex->type == JSON_STRING &&
	       digest_parse(digest, hex->u.text, hex->count) && t->has_sha256 && t->file.length > 0;
}

static void find_before(struct before *out, const struct metadata *m, const struct manifest *of)
{
	*out = (struct before){ .target = NULL };
	for (size_t i = 0; m && i < m->target_count; i++) {
		struct digest digest;
		int64_t serial;

		if (is_archive(&m->targets[i], of->channel, &serial, &digest) && serial > out->serial && (uint64_t)serial < of->serial)
			*out = (struct before){ &m->targets[i], serial, digest };
	}
}

static int open_below(int *fd, const struct scratch *s, const char *name, struct err *e)
{
	*fd = openat(s->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *fd < 0 ? err_errno(e, "%s/%s: open", s->path, name) : 0;
}

/* Both trees unpacked in scratch, the delta between them, proved by applying it. */
static int delta_between(struct publish *p, const struct scratch *s, const char *old, const struct before *b, struct delta_info *info,
			 struct err *e)
{
	const struct archive_want want = { .digest = b->digest };
	AUTO(buf) struct buf *delta = buf_new(0);
	AUTO_FD int from = -1;
	AUTO_FD int to = -1;

	if (!delta)
		return err_memory(e);
	if (bundle_unpack(old, &want, s->path, "from", NULL, NULL, e) < 0 || bundle_unpack(p->archive, NULL, s->path, "to", NULL, NULL, e) < 0 ||
	    open_below(&from, s, "from", e) < 0 || open_below(&to, s, "to", e) < 0 || delta_make(delta, from, to, info, e) < 0 ||
	    delta_apply(from, delta->data, delta->len, info, NULL, NULL, e) < 0)
		return e->code;
	p->delta = TAKE(delta);
	return 0;
}

static int make_delta(struct publish *p, struct remote *r, const struct before *b, struct delta_info *info, struct err *e)
{
	AUTO(scratch) struct scratch *s = NULL;
	AUTO(buf) struct buf *old = NULL;
	AUTO_FREE char *path = NULL;
	char hex[DIGEST_HEX_LEN + 1];

	digest_hex(hex, &b->target->sha256);
	if (remote_target(r, b->target->path.text, (uint64_t)b->target->file.length, hex, &old, e) < 0 || scratch_new(&s, e) < 0)
		return e->code;
	path = file_join(s->path, "old.tar.gz");
	if (!path)
		return err_memory(e);
	if (file_replace(path, old->data, old->len, 0600, e) < 0)
		return e->code;
	return delta_between(p, s, path, b, info, e);
}

/* A delta is a saving, not a need: when none can be made the note says why. */
static int add_delta(struct publish *p, struct remote *r, struct role_edit *x, struct err *e)
{
	struct delta_info info;
	struct before b;

	find_before(&b, role_edit_now(x), p->manifest);
	if (p->no_delta || !b.target) {
		snprintf(p->note, sizeof p->note, "%s", p->no_delta ? "not wanted" : "this is the channel's first bundle");
		return 0;
	}
	p->delta_from = (uint64_t)b.serial;
	if (make_delta(p, r, &b, &info, e) < 0) {
		snprintf(p->note, sizeof p->note, "%.190s", e->msg);
		return 0;
	}
	if (!worth(p->delta->len, p->bytes->len)) {
		snprintf(p->note, sizeof p->note, "it would be %zu bytes", p->delta->len);
		buf_free(TAKE(p->delta));
		return 0;
	}
	return list_delta(p, role_edit_author(x), &info, e);
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
	if (list_archive(p, role_edit_author(x), path, e) < 0 || add_delta(p, r, x, e) < 0)
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

static int write_request(struct buf *body, const struct publish *p, const char *archive, const char *delta, struct err *e)
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
	if (delta)
		json_put_text(&w, NULL, delta);
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
	char archive[DIGEST_HEX_LEN + 1], delta[DIGEST_HEX_LEN + 1];

	if (!body)
		return err_memory(e);
	if (remote_upload(r, p->bytes, archive, e) < 0 || (p->delta && remote_upload(r, p->delta, delta, e) < 0) ||
	    write_request(body, p, archive, p->delta ? delta : NULL, e) < 0)
		return e->code;
	return remote_call(r, "POST", "/v1/bundles", body, answer, e);
}

void publish_release(struct publish *p)
{
	manifest_free(p->manifest);
	buf_free(p->bytes);
	buf_free(p->delta);
	buf_free(p->role);
}
