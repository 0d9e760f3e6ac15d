/* publish: deltas from the bundles that stand before the new one. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/publish_parts.h"
#include "cli/scratch.h"
#include "content/bundle.h"
#include "content/delta.h"
#include "rollout/assignment.h"

struct before {
	const struct metadata_target *target;
	int64_t serial;
	struct digest digest;
};

/* A delta that saves less than a fifth is not worth its place. */
static bool worth(size_t delta, size_t archive)
{
	return delta < archive - archive / 5;
}

bool publish_is_archive(const struct metadata_target *t, const char *channel, int64_t *serial, struct digest *digest)
{
	const struct json *custom = t->custom ? json_get(t->custom, "ringhold") : NULL;
	const struct json *hex = json_get(custom, "digest");

	return custom && json_is(json_get(custom, "kind"), "full") && json_is(json_get(custom, "channel"), channel) &&
	       json_to_int(json_get(custom, "serial"), serial) && hex && hex->type == JSON_STRING &&
	       digest_parse(digest, hex->u.text, hex->count) && t->has_sha256 && t->file.length > 0;
}

/* The greatest serials below the new one, at most max, newest first. */
static size_t find_before(struct before *out, size_t max, const struct metadata *m, const struct manifest *of)
{
	size_t count = 0;

	for (size_t i = 0; i < m->target_count; i++) {
		struct before b = { .target = &m->targets[i] };
		size_t at = count;

		if (!publish_is_archive(b.target, of->channel, &b.serial, &b.digest) || b.serial < 0 || (uint64_t)b.serial >= of->serial)
			continue;
		while (at > 0 && out[at - 1].serial < b.serial)
			at--;
		if (at == max)
			continue;
		count = MIN(count + 1, max);
		memmove(&out[at + 1], &out[at], (count - at - 1) * sizeof *out);
		out[at] = b;
	}
	return count;
}

static int open_below(int *fd, const struct scratch *s, const char *name, struct err *e)
{
	*fd = openat(s->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *fd < 0 ? err_errno(e, "%s/%s: open", s->path, name) : 0;
}

/* Both trees unpacked in scratch, the delta between them, proved by applying it. */
static int delta_between(const struct publish *p, const struct scratch *s, const char *old, const struct before *b, struct buf **out,
			 struct delta_info *info, struct err *e)
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
	*out = TAKE(delta);
	return 0;
}

static int make_delta(const struct publish *p, struct remote *r, const struct before *b, struct buf **out, struct delta_info *info, struct err *e)
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
	return delta_between(p, s, path, b, out, info, e);
}

static int list_delta(const struct publish *p, struct author *a, const struct publish_delta *d, const struct delta_info *info, struct err *e)
{
	AUTO(buf) struct buf *custom = buf_new(0);
	struct json_writer w = { .out = custom };
	char from[DIGEST_HEX_LEN + 1], path[PATH_LEN_MAX + 1];

	if (!custom)
		return err_memory(e);
	digest_hex(from, &info->from);
	publish_custom(&w, p, "delta");
	json_put_text(&w, "from_digest", from);
	json_put_int(&w, "window_log", info->window_log);
	json_close_object(&w);
	json_close_object(&w);
	bundle_delta_path(path, p->manifest->channel, d->from, p->manifest->serial);
	return publish_list(a, path, d->bytes, custom, e);
}

static int add_delta(struct publish *p, struct remote *r, struct role_edit *x, const struct before *b, struct err *e)
{
	AUTO(buf) struct buf *delta = NULL;
	struct publish_delta *d = &p->made[p->made_count];
	struct delta_info info;

	if (make_delta(p, r, b, &delta, &info, e) < 0) {
		snprintf(p->note, sizeof p->note, "%.190s", e->msg);
		return 0;
	}
	if (!worth(delta->len, p->bytes->len)) {
		snprintf(p->note, sizeof p->note, "from serial %lld it would be %zu bytes", (long long)b->serial, delta->len);
		return 0;
	}
	*d = (struct publish_delta){ (uint64_t)b->serial, TAKE(delta) };
	p->made_count++;
	return list_delta(p, role_edit_author(x), d, &info, e);
}

/* A delta is a saving, not a need: when one cannot be made the note says why. */
int publish_add_deltas(struct publish *p, struct remote *r, struct role_edit *x, struct err *e)
{
	struct before before[PUBLISH_DELTAS_MAX];
	size_t wanted = (size_t)MIN(MAX(p->deltas, 0), PUBLISH_DELTAS_MAX);
	size_t count = find_before(before, wanted, role_edit_now(x), p->manifest);

	if (wanted == 0 || count == 0)
		snprintf(p->note, sizeof p->note, "%s", wanted ? "this is the channel's first bundle" : "not wanted");
	for (size_t i = 0; i < count; i++)
		if (add_delta(p, r, x, &before[i], e) < 0)
			return e->code;
	return 0;
}
