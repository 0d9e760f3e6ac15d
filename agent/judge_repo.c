/* judge_repo: the repositories: opened from the store, refreshed by asking fetch, documents kept by hash. */
#include <stdio.h>
#include <string.h>

#include "agent/home.h"
#include "agent/judge.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#define ROOT_MAX 512000
#define HALF_LIFE_MIN 60
#define DOCUMENTS_ON_DISK 512
#define REPO_ROUND_MS 60000     /* of one repository's network in a round; the request under way then still ends by itself */

struct asking {
	struct judge *j;
	struct judge_repo *r;
	enum fetch_plane plane;
};

size_t judge_repo_count(const struct judge *j)
{
	return *j->s->rings_repo ? 2 : 1;
}

struct judge_repo *judge_repo(struct judge *j, enum settings_repo which)
{
	return &j->repos[settings_repo(j->s, which)];
}

void judge_repo_begin(struct judge_repo *r)
{
	r->stored_only = false;
	r->deadline = clock_work_ms() + REPO_ROUND_MS;
}

/* driver_get: one file of a plane, through the fetch process. */
static int ask(void *arg, const char *name, size_t max, struct buf **out, struct err *e)
{
	struct asking *a = arg;
	static struct message_get get;
	int status;

	if (clock_work_ms() > a->r->deadline)
		return err_set(e, ERR_TIMEOUT, "%s: the repository answers too slowly", name);
	memset(&get, 0, sizeof get);
	get.repo = a->r->which;
	get.plane = a->plane;
	get.max = max;
	if ((size_t)snprintf(get.path, sizeof get.path, "%s", name) >= sizeof get.path)
		return err_set(e, ERR_LIMIT, "%.100s...: name too long", name);
	status = judge_get(a->j, &get, out, e);
	if (status == 200 && *out)
		return 0;
	buf_free(TAKE(*out));
	if (status == 404 || status == 403)
		return 1;
	return status < 0 ? status : err_set(e, ERR_NET, "%s: HTTP status %d", name, status);
}

static int count_one(const char *rel, bool is_dir, void *arg, struct err *e)
{
	size_t *count = arg;

	(void)rel;
	(void)is_dir;
	(void)e;
	++*count;
	return 0;
}

/* Old documents are of no use; when many have gathered all go, and those in use come back. */
static int trim_documents(const char *path, struct err *e)
{
	size_t count = 0;

	if (file_mkdirs(path, 0755, e) < 0 || file_walk(path, count_one, &count, e) < 0)
		return e->code;
	if (count <= DOCUMENTS_ON_DISK)
		return 0;
	return file_remove_tree(path, e) < 0 ? e->code : file_mkdirs(path, 0755, e);
}

static int open_repo(struct judge *j, struct judge_repo *r, struct err *e)
{
	const char *name = settings_repo_name(j->s, r->which);
	AUTO(buf) struct buf *anchor = NULL;
	char path[HOME_PATH_MAX];

	if (r->client)
		return 0;
	if (home_pathf(path, e, j->s->root, HOME_ETC "/trust/%s.root.json", name) < 0 ||
	    home_pathf(r->dir, e, j->s->root, HOME_STATE "/tuf/%s", name) < 0 || file_mkdirs(r->dir, 0755, e) < 0)
		return e->code;
	if (file_read(&anchor, path, ROOT_MAX, e) < 0 && e->code != ERR_NOT_FOUND)
		return err_wrap(e, "root of trust");
	if (home_pathf(path, e, r->dir, "/documents") < 0 || trim_documents(path, e) < 0)
		return e->code;
	if (driver_open(&r->client, r->dir, anchor ? anchor->data : NULL, anchor ? anchor->len : 0, TUF_HOUSE, e) < 0)
		return err_wrap(e, "repository %s", name);
	return 0;
}

void judge_repo_close(struct judge_repo *r)
{
	tuf_client_free(TAKE(r->client));
	for (size_t i = 0; i < JUDGE_DOCUMENTS; i++)
		buf_free(TAKE(r->documents[i].bytes));
}

int judge_refresh(struct judge *j, struct judge_repo *r, bool online, struct err *e)
{
	struct asking asking = { j, r, PLANE_METADATA };
	struct driver d = { .dir = r->dir, .get = online ? ask : NULL, .arg = &asking };
	struct err ignored;

	if (open_repo(j, r, e) < 0)
		return e->code;
	if (driver_refresh(&d, r->client, j->now, e) == 0) {
		if (online)
			r->fresh_at = r->refreshed_at = j->now;
		return 0;
	}
	err_wrap(e, "repository %s", settings_repo_name(j->s, r->which));
	if (online) {   /* what is stored may still be good: stops, and what the host may keep doing */
		r->stored_only = true;
		d.get = NULL;
		(void)!driver_refresh(&d, r->client, j->now, &ignored);
	}
	return e->code;
}

int64_t judge_timestamp(const struct judge_repo *r)
{
	const struct metadata *m = r->client ? tuf_client_metadata(r->client, "timestamp") : NULL;

	return m ? m->version : 0;
}

int64_t judge_half_life(const struct judge_repo *r)
{
	const struct metadata *m = r->client ? tuf_client_metadata(r->client, "timestamp") : NULL;

	return m ? MAX((m->expires - r->refreshed_at) / 2, HALF_LIFE_MIN) : 0;
}

int judge_find(struct judge *j, struct judge_repo *r, const char *path, const struct tuf_target **out, struct err *e)
{
	struct asking asking = { j, r, PLANE_METADATA };
	struct driver d = { .dir = r->dir, .get = j->begin.offline || r->stored_only ? NULL : ask, .arg = &asking };

	if (!r->client)
		return err_set(e, ERR_NOT_FOUND, "repository %s is not open", settings_repo_name(j->s, r->which));
	return driver_find(&d, r->client, path, out, e);
}

static const struct buf *known(const struct judge_repo *r, const struct digest *sha256)
{
	for (size_t i = 0; i < JUDGE_DOCUMENTS; i++)
		if (r->documents[i].bytes && digest_equal(&r->documents[i].sha256, sha256))
			return r->documents[i].bytes;
	return NULL;
}

static const struct buf *remember(struct judge_repo *r, struct buf *bytes, const struct digest *sha256)
{
	struct judge_document *kept = &r->documents[r->next_document++ % JUDGE_DOCUMENTS];

	buf_free(kept->bytes);
	kept->bytes = bytes;
	kept->sha256 = *sha256;
	return bytes;
}

/* <dir>/documents/<sha256>: what was read before, for when there is no network. */
static int stored_path(char out[HOME_PATH_MAX], const struct judge_repo *r, const struct digest *sha256, struct err *e)
{
	char hex[DIGEST_HEX_LEN + 1];

	digest_hex(hex, sha256);
	return home_pathf(out, e, r->dir, "/documents/%s", hex);
}

static const struct buf *from_disk(struct judge_repo *r, const struct digest *sha256, size_t max)
{
	AUTO(buf) struct buf *bytes = NULL;
	char path[HOME_PATH_MAX];
	struct digest got;
	struct err ignored;

	if (stored_path(path, r, sha256, &ignored) < 0 || file_read(&bytes, path, max, &ignored) < 0)
		return NULL;
	hash_bytes(&got, bytes->data, bytes->len);
	return digest_equal(&got, sha256) ? remember(r, TAKE(bytes), sha256) : NULL;
}

static void to_disk(struct judge_repo *r, const struct buf *bytes, const struct digest *sha256)
{
	char path[HOME_PATH_MAX];
	struct err e;

	if (stored_path(path, r, sha256, &e) < 0 || file_replace(path, bytes->data ? bytes->data : "", bytes->len, 0644, &e) < 0)
		log_warn("%s", e.msg);
}

int judge_document(struct judge *j, struct judge_repo *r, const char *path, size_t max, const struct buf **out, struct err *e)
{
	struct asking metadata = { j, r, PLANE_METADATA }, targets = { j, r, PLANE_TARGETS };
	bool offline = j->begin.offline || r->stored_only;
	struct driver d = { .dir = r->dir, .get = offline ? NULL : ask, .arg = &metadata };
	const struct tuf_target *t;
	struct buf *bytes;

	if (judge_find(j, r, path, &t, e) < 0)
		return e->code;
	if (!t)
		return err_set(e, ERR_NOT_FOUND, "%s: no role lists it", path);
	if (!t->target->has_sha256)
		return err_set(e, ERR_UNSUPPORTED, "%s: its role lists no SHA-256", path);
	*out = known(r, &t->target->sha256);
	if (!*out)
		*out = from_disk(r, &t->target->sha256, max);
	if (*out)
		return 0;
	if (offline)
		return err_set(e, ERR_NOT_FOUND, "%s: not stored on this host", path);
	if (driver_target(&d, r->client, path, ask, &targets, max, &bytes, &t, e) < 0)
		return e->code;
	*out = remember(r, bytes, &t->target->sha256);
	to_disk(r, bytes, &t->target->sha256);
	return 0;
}
