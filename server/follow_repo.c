/* follow_repo: a vendor's repository over the network: metadata, documents, archives. */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "content/bundle.h"
#include "server/follow_parts.h"

#define REQUEST_MS 15000        /* one request; an archive takes as many as it needs while each brings something */
#define ARCHIVE_END ".tar.gz"

int follow_repo_open(struct follow_repo *r, const struct config_follow *c, const char *data, const bool *stopping, struct err *e)
{
	struct fetch_settings settings = {
		.pin = c->pin[0] ? c->pin : NULL, .ca_file = c->ca_file[0] ? c->ca_file : NULL, .agent = "ringholdd",
		.connect_ms = REQUEST_MS / 3, .total_ms = REQUEST_MS,
	};

	r->config = c;
	r->stopping = stopping;
	if (asprintf(&r->dir, "%s/follow/%s", data, c->name) < 0) {
		r->dir = NULL;
		return err_memory(e);
	}
	r->tuf = file_join(r->dir, "tuf");
	if (!r->tuf)
		return err_memory(e);
	for (char **channel = c->channels; *channel; channel++) {
		if (r->channel_count == FOLLOW_CHANNELS_MAX)
			return err_set(e, ERR_LIMIT, "[follow %s]: more than %d channels", c->name, FOLLOW_CHANNELS_MAX);
		snprintf(r->channels[r->channel_count++].channel, sizeof r->channels[0].channel, "%s", *channel);
	}
	return file_mkdirs(r->tuf, 0700, e) < 0 ? e->code : fetch_new(&r->http, &settings, e);
}

void follow_repo_close(struct follow_repo *r)
{
	tuf_client_free(r->client);
	fetch_free(r->http);
	free(r->dir);
	free(r->tuf);
	*r = (struct follow_repo){ 0 };
}

/* ---- requests ---- */

struct plane {
	struct follow_repo *repo;
	const char *below;      /* "metadata" or "targets" */
};

static char *url_of(const struct follow_repo *r, const char *below, const char *name)
{
	size_t len = strlen(r->config->url);
	char *url;

	while (len > 0 && r->config->url[len - 1] == '/')
		len--;
	return asprintf(&url, "%.*s/%s/%s", (int)len, r->config->url, below, name) < 0 ? NULL : url;
}

/* A request is bounded; how many a repository asks for is its own doing. */
static int go_on(const struct follow_repo *r, struct err *e)
{
	return __atomic_load_n(r->stopping, __ATOMIC_RELAXED) ? err_set(e, ERR_TIMEOUT, "the server stops") : 0;
}

/* driver_get */
static int get(void *arg, const char *name, size_t max, struct buf **out, struct err *e)
{
	struct plane *p = arg;
	AUTO_FREE char *url = url_of(p->repo, p->below, name);
	struct fetch_request request = { .method = "GET", .url = url, .max = max };
	struct fetch_answer answer = { 0 };
	long status;

	if (!url)
		return err_memory(e);
	if (go_on(p->repo, e) < 0 || fetch_do(p->repo->http, &request, &answer, e) < 0)
		return e->code;
	status = answer.status;
	if (status == 200)
		*out = TAKE(answer.body);
	fetch_answer_release(&answer);
	if (status == 200)
		return 0;
	return status == 404 || status == 403 ? 1 : err_set(e, ERR_NET, "%s: HTTP status %ld", name, status);
}

/* ---- metadata ---- */

/* The root that was given counts when nothing newer is stored; a changed file is read at the next start. */
static int open_client(struct follow_repo *r, struct err *e)
{
	AUTO(buf) struct buf *anchor = NULL;

	if (r->client)
		return 0;
	if (file_read(&anchor, r->config->root, METADATA_ROOT_MAX, e) < 0)
		return err_wrap(e, "the vendor's root");
	return driver_open(&r->client, r->tuf, anchor->data, anchor->len, TUF_HOUSE, e);
}

int follow_repo_refresh(struct follow_repo *r, int64_t now, struct err *e)
{
	struct plane metadata = { r, "metadata" };
	struct driver d = { .dir = r->tuf, .get = get, .arg = &metadata };

	if (open_client(r, e) < 0)
		return e->code;
	return driver_refresh(&d, r->client, now, e);
}

static int find(struct follow_repo *r, const char *path, const struct tuf_target **out, struct err *e)
{
	struct plane metadata = { r, "metadata" };
	struct driver d = { .dir = r->tuf, .get = get, .arg = &metadata };

	return driver_find(&d, r->client, path, out, e);
}

static const char *member(const struct json *o, const char *key)
{
	const struct json *v = json_get(o, key);

	return v && v->type == JSON_STRING && strlen(v->u.text) == v->count ? v->u.text : "";
}

static bool number(const struct json *o, const char *key, uint64_t *out)
{
	const struct json *v = json_get(o, key);
	int64_t n;

	if (!v || !json_to_int(v, &n) || n < 1)
		return false;
	*out = (uint64_t)n;
	return true;
}

/* What the role says about an archive of this channel, under the one path it may have. */
static bool describes(const struct metadata_target *t, const char *channel, struct followed *out)
{
	const struct json *c = t->custom ? json_get(t->custom, "ringhold") : NULL;
	const char *digest = c ? member(c, "digest") : "", *version = c ? member(c, "version") : "";

	if (!c || strcmp(member(c, "kind"), "full") != 0 || strcmp(member(c, "channel"), channel) != 0 ||
	    !number(c, "serial", &out->serial) || !number(c, "size", &out->size) || out->size > ARCHIVE_SIZE_MAX ||
	    !digest_parse(&out->digest, digest, strlen(digest)) || !*version || strlen(version) > VERSION_LEN_MAX ||
	    !t->has_sha256 || t->file.length < 1)
		return false;
	out->sha256 = t->sha256;
	out->length = (uint64_t)t->file.length;
	snprintf(out->version, sizeof out->version, "%s", version);
	bundle_path(out->path, channel, out->serial);
	return strlen(out->path) == t->path.len && !memcmp(out->path, t->path.text, t->path.len);
}

int follow_repo_newest(struct follow_repo *r, const char *channel, struct followed *out, struct err *e)
{
	char role[NAME_LEN_MAX + 16], path[PATH_LEN_MAX + 1];
	const struct tuf_target *t;
	const struct metadata *m;
	bool found = false;

	/* Any path of the channel brings its role in; then what it lists can be looked through. */
	floor_path(path, channel);
	snprintf(role, sizeof role, "content-%s", channel);
	if (find(r, path, &t, e) < 0)
		return e->code;
	m = tuf_client_metadata(r->client, role);
	for (size_t i = 0; m && i < m->target_count; i++) {
		struct followed b = { .serial = 0 };

		if (describes(&m->targets[i], channel, &b) && (!found || b.serial > out->serial)) {
			snprintf(b.channel, sizeof b.channel, "%s", channel);
			*out = b;
			found = true;
		}
	}
	if (!found)
		return err_set(e, ERR_NOT_FOUND, "channel %s: the vendor lists no bundle", channel);
	/* The search decides who speaks for a path, not the name of a role. */
	if (find(r, out->path, &t, e) < 0)
		return e->code;
	if (!t || !t->target->has_sha256 || !digest_equal(&t->target->sha256, &out->sha256))
		return err_set(e, ERR_REFUSED, "%s: role %s does not speak for it", out->path, role);
	return 0;
}

int follow_repo_stops(struct follow_repo *r, enum stops_kind kind, const char *channel, struct stops **out, struct err *e)
{
	struct plane metadata = { r, "metadata" }, targets = { r, "targets" };
	struct driver d = { .dir = r->tuf, .get = get, .arg = &metadata };
	AUTO(buf) struct buf *text = NULL;
	char path[PATH_LEN_MAX + 1];
	int rc;

	*out = NULL;
	stops_path(path, kind, channel);
	rc = driver_target(&d, r->client, path, get, &targets, STOPS_MAX, &text, NULL, e);
	if (rc < 0)
		return rc == ERR_NOT_FOUND ? 0 : rc;
	return stops_parse(out, kind, path, text->len ? text->data : "", text->len, e);
}

/* ---- archives ---- */

char *follow_repo_path(const struct follow_repo *r, const struct followed *b)
{
	char hex[DIGEST_HEX_LEN + 1], *path;

	digest_hex(hex, &b->sha256);
	return asprintf(&path, "%s/%s%s", r->dir, hex, ARCHIVE_END) < 0 ? NULL : path;
}

static int64_t size_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? (int64_t)st.st_size : -1;
}

/* As far as it gets: a cut connection is taken up again while it brings anything. */
static int download(struct follow_repo *r, const char *url, int fd, uint64_t length, struct err *e)
{
	int64_t have = size_of(fd), before;

	for (;;) {
		long status;

		if (have == (int64_t)length)
			return 0;
		if (have < 0 || have > (int64_t)length) {
			if (ftruncate(fd, 0) < 0)
				return err_errno(e, "archive");
			have = 0;
		}
		if (go_on(r, e) < 0)
			return e->code;
		before = have;
		status = fetch_to_fd(r->http, url, NULL, fd, (uint64_t)have, length, e);
		have = size_of(fd);
		if (status >= 300)
			return err_set(e, ERR_NET, "archive: HTTP status %ld", status);
		if (status >= 0 && have != (int64_t)length)
			return err_set(e, ERR_REFUSED, "archive: %" PRId64 " bytes instead of %" PRIu64, have, length);
		if (status < 0 && have <= before)
			return e->code;
	}
}

int follow_repo_archive(struct follow_repo *r, const struct followed *b, char **out, struct err *e)
{
	AUTO(buf) struct buf *name = buf_new(0);
	AUTO_FREE char *path = follow_repo_path(r, b), *url = NULL;
	const struct tuf_target *t;
	struct digest got;
	AUTO_FD int fd = -1;

	if (!path || !name)
		return err_memory(e);
	if (find(r, b->path, &t, e) < 0)
		return e->code;
	if (!t || !t->target->has_sha256 || !digest_equal(&t->target->sha256, &b->sha256))
		return err_set(e, ERR_CONFLICT, "%s: the vendor lists something else there now", b->path);
	if (tuf_client_target_name(r->client, t->target, name, e) < 0 || buf_check(name, e) < 0)
		return e->code;
	url = url_of(r, "targets", name->data);
	if (!url)
		return err_memory(e);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_errno(e, "%s", path);
	if (download(r, url, fd, b->length, e) < 0)
		return err_wrap(e, "%s", b->path);
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_errno(e, "%s", path);
	if (hash_fd(&got, fd, NULL, e) < 0)
		return e->code;
	if (!digest_equal(&got, &b->sha256)) {
		unlink(path);
		return err_set(e, ERR_REFUSED, "%s: the bytes are not the ones that were signed", b->path);
	}
	*out = TAKE(path);
	return 0;
}

/* An archive that may still be tried: its bundle has not begun its way. */
static bool wanted(const struct follow_repo *r, const char *name)
{
	char hex[DIGEST_HEX_LEN + 1];

	for (size_t i = 0; i < r->channel_count; i++) {
		const struct followed *b = &r->channels[i];

		digest_hex(hex, &b->sha256);
		if (b->state != FOLLOW_NONE && b->state != FOLLOW_STARTED && !strncmp(name, hex, DIGEST_HEX_LEN))
			return true;
	}
	return false;
}

void follow_repo_sweep(const struct follow_repo *r)
{
	DIR *dir = opendir(r->dir);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		const char *end = strstr(entry->d_name, ARCHIVE_END);

		if (end && end - entry->d_name == DIGEST_HEX_LEN && !wanted(r, entry->d_name))
			unlinkat(dirfd(dir), entry->d_name, 0);
	}
	if (dir)
		closedir(dir);
}
