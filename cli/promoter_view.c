#include "cli/promoter_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/number.h"
#include "rollout/stops.h"

struct promoter_view {
	char *dir;
	struct promoter_source source;
	struct tuf_client *client;
	int64_t snapshot;               /* version at the last refresh */
};

static int get(struct remote *r, const char *where, const char *name, size_t max, struct buf **out, struct err *e)
{
	AUTO(buf) struct buf *path = buf_new(0);

	if (!path)
		return err_memory(e);
	buf_addf(path, "/content/%s/%s", where, name);
	if (buf_check(path, e) < 0)
		return e->code;
	return remote_get(r, path->data, max, out, e);
}

static int get_metadata(void *arg, const char *name, size_t max, struct buf **out, struct err *e)
{
	return get(arg, "metadata", name, max, out, e);
}

static int get_target(void *arg, const char *name, size_t max, struct buf **out, struct err *e)
{
	return get(arg, "targets", name, max, out, e);
}

struct promoter_source promoter_source_remote(struct remote *r)
{
	return (struct promoter_source){ get_metadata, get_target, r };
}

static struct driver driver_of(struct promoter_view *v)
{
	return (struct driver){ .dir = v->dir, .get = v->source.metadata, .arg = v->source.arg };
}

int promoter_view_open(struct promoter_view **out, const char *root, const char *dir, const struct promoter_source *s, struct err *e)
{
	AUTO(promoter_view) struct promoter_view *v = calloc(1, sizeof *v);
	AUTO(buf) struct buf *anchor = NULL;

	if (!v)
		return err_memory(e);
	v->source = *s;
	v->dir = strdup(dir);
	if (!v->dir)
		return err_memory(e);
	if (file_mkdirs(v->dir, 0700, e) < 0 || file_read(&anchor, root, METADATA_ROOT_MAX, e) < 0 ||
	    driver_open(&v->client, v->dir, anchor->data, anchor->len, TUF_HOUSE, e) < 0)
		return e->code;
	*out = TAKE(v);
	return 0;
}

void promoter_view_close(struct promoter_view *v)
{
	if (!v)
		return;
	tuf_client_free(v->client);
	free(v->dir);
	free(v);
}

int promoter_view_refresh(struct promoter_view *v, int64_t now, bool *changed, struct err *e)
{
	struct driver d = driver_of(v);
	int64_t version;

	if (driver_refresh(&d, v->client, now, e) < 0)
		return err_wrap(e, "repository");
	version = tuf_client_metadata(v->client, "snapshot")->version;
	*changed = version != v->snapshot;
	v->snapshot = version;
	return 0;
}

/* A small target's bytes; *out NULL without error: no role lists it. */
static int read_target(struct promoter_view *v, const char *path, size_t max, struct buf **out, struct err *e)
{
	struct driver d = driver_of(v);
	const struct tuf_target *found;

	*out = NULL;
	if (driver_find(&d, v->client, path, &found, e) < 0)
		return e->code == ERR_NOT_FOUND ? 0 : e->code;
	if (!found)
		return 0;
	return driver_target(&d, v->client, path, v->source.target, v->source.arg, max, out, NULL, e);
}

int promoter_view_assignment(struct promoter_view *v, const char *ring, const char *channel, struct assignment **out, struct err *e)
{
	AUTO(buf) struct buf *text = NULL;
	char path[PATH_LEN_MAX + 1];

	*out = NULL;
	assignment_path(path, ring, channel);
	if (read_target(v, path, ASSIGNMENT_MAX, &text, e) < 0)
		return e->code;
	if (!text)
		return 0;
	if (assignment_parse(out, path, text->data, text->len, e) < 0)
		return e->code;
	if (assignment_check_place(*out, channel, ring, e) == 0)
		return 0;
	assignment_free(TAKE(*out));
	return e->code;
}

int promoter_view_stopped(struct promoter_view *v, const char *channel, const struct digest *d, bool *stopped, struct err *e)
{
	*stopped = false;
	for (int kind = STOPS_STOP; kind <= STOPS_RECALL; kind++) {
		AUTO(buf) struct buf *text = NULL;
		AUTO(stops) struct stops *s = NULL;
		char path[PATH_LEN_MAX + 1];

		stops_path(path, (enum stops_kind)kind, channel);
		if (read_target(v, path, STOPS_MAX, &text, e) < 0)
			return e->code;
		if (text && stops_parse(&s, (enum stops_kind)kind, path, text->data, text->len, e) < 0)
			return e->code;
		*stopped = *stopped || stops_find(s, d);
	}
	return 0;
}

/* The serial of "bundles/<channel>/<serial>.tar.gz"; 0 for any other path. */
static uint64_t serial_of(const struct metadata_target *t, const char *channel)
{
	char path[PATH_LEN_MAX + 1], digits[24];
	size_t before = strlen("bundles/") + strlen(channel) + 1, len;
	int64_t serial;

	if (t->path.len <= before)
		return 0;
	len = strspn(t->path.text + before, "0123456789");
	if (len == 0 || len >= sizeof digits)
		return 0;
	memcpy(digits, t->path.text + before, len);
	digits[len] = '\0';
	if (!number_parse(&serial, digits) || serial < 1)
		return 0;
	bundle_path(path, channel, (uint64_t)serial);
	return strcmp(path, t->path.text) == 0 ? (uint64_t)serial : 0;
}

/* What the vendor says of a bundle beside its path. */
static bool agrees(const struct metadata_target *t, const struct bundle_ref *b)
{
	const struct json *said = t->custom ? json_get(t->custom, "ringhold") : NULL;
	char hex[DIGEST_HEX_LEN + 1];
	int64_t serial;

	digest_hex(hex, &b->digest);
	return said && json_is(json_get(said, "kind"), "full") && json_is(json_get(said, "digest"), hex) &&
	       json_get(said, "serial") && json_to_int(json_get(said, "serial"), &serial) && (uint64_t)serial == b->serial;
}

int promoter_view_vendor(struct promoter_view *v, const char *channel, const struct bundle_ref *b, bool *is_signed, uint64_t *greatest,
			 struct err *e)
{
	struct driver d = driver_of(v);
	const struct tuf_target *found;
	char role[NAME_LEN_MAX + 16];

	*is_signed = false;
	*greatest = 0;
	if (driver_find(&d, v->client, b->path, &found, e) < 0)
		return e->code == ERR_NOT_FOUND ? 0 : e->code;
	snprintf(role, sizeof role, "content-%s", channel);
	if (!found || strcmp(found->role, role) != 0)
		return 0;
	*is_signed = agrees(found->target, b);
	for (size_t i = 0; i < found->signer->target_count; i++)
		*greatest = MAX(*greatest, serial_of(&found->signer->targets[i], channel));
	return 0;
}

int promoter_view_role(struct promoter_view *v, const char *ring, const char *channel, const struct metadata **out, struct err *e)
{
	struct driver d = driver_of(v);
	const struct tuf_target *found;
	char path[PATH_LEN_MAX + 1], role[NAME_LEN_MAX + 16];

	/* A search for what it may list makes the client load it. */
	assignment_path(path, ring, channel);
	snprintf(role, sizeof role, "ring-%s", ring);
	if (driver_find(&d, v->client, path, &found, e) < 0 && e->code != ERR_NOT_FOUND)
		return e->code;
	*out = tuf_client_metadata(v->client, role);
	return 0;
}

struct sigreq_trust promoter_view_trust(const struct promoter_view *v)
{
	return (struct sigreq_trust){ tuf_client_metadata(v->client, "root"), tuf_client_metadata(v->client, "targets") };
}
