/* restore: from a backup to a server that may start: what was published last comes first, the store last. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "rollout/assignment.h"
#include "rollout/state.h"
#include "server/backup.h"
#include "server/backup_files.h"
#include "server/store.h"
#include "signing/repo.h"

#define ROOT_MAX ((size_t)1 << 20)
#define BATCH 256

struct restoring {
	const struct config *config;
	const char *dir;                /* the backup */
	const struct backup_list *list;
	int64_t now;
	struct backup_report *report;
	/* a tree being copied */
	const char *from, *to;
	bool published;                 /* it is the repository that was published last */
	/* the store being changed */
	struct store *store;
};

/* ---- the repository ---- */

static int64_t version_of(const struct repo *r, const char *role)
{
	const struct metadata *m = repo_role(r, role);

	return m ? m->version : 0;
}

/* Does it come from the root that the backup trusts? Every repository keeps all its roots. */
static int same_root(const struct repo *backup, const char *backup_dir, const char *dir, struct err *e)
{
	AUTO(buf) struct buf *ours = NULL, *theirs = NULL;
	AUTO_FREE char *a = NULL, *b = NULL;
	int64_t version = repo_root(backup)->version;

	if (asprintf(&a, "%s/metadata/%lld.root.json", backup_dir, (long long)version) < 0 ||
	    asprintf(&b, "%s/metadata/%lld.root.json", dir, (long long)version) < 0)
		return err_memory(e);
	if (file_read(&ours, a, ROOT_MAX, e) < 0 || file_read(&theirs, b, ROOT_MAX, e) < 0)
		return e->code;
	if (ours->len != theirs->len || memcmp(ours->data, theirs->data, ours->len) != 0)
		return err_set(e, ERR_REFUSED, "%s: its root %lld is not the one of the backup: this is another repository", dir,
			       (long long)version);
	return 0;
}

/* *newest becomes dir when that was published later. */
static int consider(const struct repo *backup, const char *backup_dir, const char *dir, const char **newest, int64_t *version, struct err *e)
{
	AUTO(repo) struct repo *r = NULL;

	if (repo_open(&r, dir, e) < 0 || same_root(backup, backup_dir, dir, e) < 0)
		return err_wrap(e, "what was published last");
	if (version_of(r, "timestamp") > *version) {
		*version = version_of(r, "timestamp");
		*newest = dir;
	}
	return 0;
}

static int copy_missing(const char *rel, bool is_dir, void *arg, struct err *e)
{
	struct restoring *r = arg;
	AUTO_FREE char *from = file_join(r->from, rel), *to = file_join(r->to, rel), *listed = NULL;
	struct digest sha256;
	uint64_t size;

	if (!from || !to || asprintf(&listed, "repository/%s", rel) < 0)
		return err_memory(e);
	if (is_dir || !strcmp(rel, "lock") || !strcmp(rel, "metadata/timestamp.json"))
		return 0;
	if (r->published && !strncmp(rel, "metadata/", 9) && !backup_list_find(r->list, listed))
		r->report->newer++;
	return file_exists(to) ? 0 : backup_copy(from, to, 0644, &size, &sha256, e);
}

/* Everything else of it first, durable; then the timestamp, which names it. */
static int take_repository(struct restoring *r, const char *backup_repository, const char *newest, struct err *e)
{
	const char *const froms[] = { backup_repository, newest };
	AUTO_FREE char *timestamp = file_join(newest, "metadata/timestamp.json");
	AUTO_FREE char *to = file_join(r->config->repository, "metadata/timestamp.json");
	AUTO(buf) struct buf *text = NULL;

	if (!timestamp || !to)
		return err_memory(e);
	r->to = r->config->repository;
	for (size_t i = 0; i < ARRAY_LEN(froms); i++) {
		r->from = froms[i];
		r->published = i == 1;
		if (file_walk(r->from, copy_missing, r, e) < 0)
			return e->code;
	}
	if (backup_sync(r->to, e) < 0 || file_read(&text, timestamp, ROOT_MAX, e) < 0)
		return e->code;
	return newest == r->config->repository ? 0 : file_replace(to, text->data, text->len, 0644, e);
}

static int restore_repository(struct restoring *r, const char *published, struct err *e)
{
	AUTO_FREE char *ours = file_join(r->dir, "repository"), *survived = file_join(r->config->repository, "metadata/timestamp.json");
	AUTO(repo) struct repo *backup = NULL;
	const char *newest = ours;
	int64_t version;

	if (!ours || !survived)
		return err_memory(e);
	if (repo_open(&backup, ours, e) < 0)
		return err_wrap(e, "the backup's repository");
	version = version_of(backup, "timestamp");
	if (file_exists(survived) && consider(backup, ours, r->config->repository, &newest, &version, e) < 0)
		return e->code;
	if (published && consider(backup, ours, published, &newest, &version, e) < 0)
		return e->code;
	return take_repository(r, ours, newest, e);
}

/* ---- the rest of the data directory ---- */

static int restore_files(struct restoring *r, const char *beneath, struct err *e)
{
	size_t len = strlen(beneath);

	for (size_t i = 0; i < r->list->count; i++) {
		const char *path = r->list->files[i].path;
		AUTO_FREE char *from = file_join(r->dir, path), *to = NULL;
		struct digest sha256;
		uint64_t size;

		if (strncmp(path, beneath, len) != 0)
			continue;
		to = file_join(r->config->data, path + len);
		if (!from || !to)
			return err_memory(e);
		if (!file_exists(to) && backup_copy(from, to, 0600, &size, &sha256, e) < 0)
			return e->code;
	}
	return 0;
}

/* ---- the store ---- */

static int append(struct restoring *r, struct store_record *records, size_t count, struct err *e)
{
	struct store_append one = { .records = records, .count = count };
	struct store_append *batch[] = { &one };

	append_batch(r->store, batch, 1);
	if (one.error.code)
		*e = one.error;
	return one.error.code;
}

static int is_open(const struct store_ring *row, void *arg, struct err *e)
{
	(void)e;
	if (!state_final((enum ring_state)row->state) && row->state != RING_PASSED)
		*(bool *)arg = true;
	return 0;
}

/* Rows cannot be written while they are read: what is to change is noted first. */
struct ids {
	uint64_t list[BATCH];
	size_t count;
	uint64_t after;
};

static int note_open(const struct store_rollout *row, void *arg, struct err *e)
{
	struct ids *ids = arg;

	(void)e;
	if (row->id > ids->after && ids->count < BATCH)
		ids->list[ids->count++] = row->id;
	return 0;
}

struct one {
	struct restoring *r;
	uint64_t id;
};

static int hold(const struct store_rollout *row, void *arg, struct err *e)
{
	struct one *one = arg;
	struct store_record record = { .kind = STORE_ROLLOUT, .u.rollout = *row };

	if (row->id != one->id)
		return 0;
	record.u.rollout.restored = true;
	return append(one->r, &record, 1, e) < 0 ? e->code : 1;
}

static int hold_rollouts(struct restoring *r, struct err *e)
{
	struct ids ids = { .count = 0 };

	do {
		ids.count = 0;
		if (store_each_rollout(r->store, note_open, &ids, e) < 0)
			return e->code;
		for (size_t i = 0; i < ids.count; i++) {
			struct one one = { r, ids.list[i] };
			bool open = false;

			ids.after = ids.list[i];
			if (store_each_ring(r->store, one.id, is_open, &open, e) < 0 ||
			    (open && store_each_rollout(r->store, hold, &one, e) < 0))
				return e->code;
			r->report->rollouts += open;
		}
	} while (ids.count == BATCH);
	return 0;
}

static int same_serial(const struct store_bundle *b, void *arg, struct err *e)
{
	(void)e;
	return b->serial == *(const uint64_t *)arg;
}

static const char *text_of(const struct json *o, const char *key)
{
	const struct json *v = json_get(o, key);

	return v && v->type == JSON_STRING ? v->u.text : "";
}

/* A bundle that was published after the backup: its serial is taken, and its bytes are there. */
static int learn_bundle(const struct repo_target *t, void *arg, struct err *e)
{
	struct restoring *r = arg;
	const struct json *c = t->custom ? json_get(t->custom, "ringhold") : NULL;
	const char *hex = c ? text_of(c, "digest") : "";
	struct store_record record = { .kind = STORE_BUNDLE };
	struct store_bundle *b = &record.u.bundle;
	char path[PATH_LEN_MAX + 1];
	int64_t serial, size;
	int got;

	if (!c || strcmp(text_of(c, "kind"), "full") != 0 || !json_to_int(json_get(c, "serial"), &serial) ||
	    !json_to_int(json_get(c, "size"), &size) || serial < 1 || size < 1)
		return 0;
	*b = (struct store_bundle){ .channel = text_of(c, "channel"), .serial = (uint64_t)serial, .version = text_of(c, "version"),
				    .path = t->path, .size = (uint64_t)size, .length = t->length, .published = r->now, .by = "restore",
				    .reason = "published after the backup", .matrix = "" };
	if (!name_valid(b->channel, strlen(b->channel)) || !digest_parse(&b->digest, hex, strlen(hex)))
		return 0;
	bundle_path(path, b->channel, b->serial);
	if (strcmp(path, t->path) != 0)
		return 0;
	got = store_each_bundle(r->store, b->channel, same_serial, &b->serial, e);
	if (got == 0)
		got = append(r, &record, 1, e);
	if (got == 0)
		r->report->bundles++;
	return got < 0 ? got : 0;
}

static int learn_bundles(struct restoring *r, struct err *e)
{
	AUTO(repo) struct repo *repo = NULL;

	if (repo_open(&repo, r->config->repository, e) < 0)
		return e->code;
	return repo_each_target(repo, NULL, learn_bundle, r, e);
}

static int change_store(struct restoring *r, struct err *e)
{
	struct store_record audit = { .kind = STORE_AUDIT };
	char detail[256];

	if (store_begin(r->store, e) < 0)
		return e->code;
	if (hold_rollouts(r, e) < 0 || learn_bundles(r, e) < 0) {
		store_abandon(r->store);
		return e->code;
	}
	snprintf(detail, sizeof detail, "%zu rollouts wait for an operator, %zu bundles were published after the backup", r->report->rollouts,
		 r->report->bundles);
	audit.u.audit = (struct audit_entry){ .at = r->now, .who = "restore", .action = "restore", .subject = "store", .detail = detail };
	if (append(r, &audit, 1, e) < 0) {
		store_abandon(r->store);
		return e->code;
	}
	return store_commit(r->store, e);
}

static int restore_store(struct restoring *r, struct err *e)
{
	AUTO_FREE char *from = file_join(r->dir, "store.db"), *part = file_join(r->config->data, "store.restoring");
	AUTO_FREE char *wal = file_join(r->config->data, "store.restoring-wal"), *to = file_join(r->config->data, "store.db");
	struct digest sha256;
	uint64_t size;
	int got;

	if (!from || !part || !wal || !to)
		return err_memory(e);
	unlink(wal);    /* of one that was killed */
	if (backup_copy(from, part, 0600, &size, &sha256, e) < 0 || store_open(&r->store, part, e) < 0)
		return e->code;
	got = change_store(r, e);
	store_close(TAKE(r->store));    /* its log is in the file now */
	if (got < 0)
		return got;
	if (file_exists(wal))
		return err_set(e, ERR_IO, "%s: was left: the store could not be closed", wal);
	if (backup_sync(r->config->data, e) < 0)
		return e->code;
	if (rename(part, to) < 0)
		return err_errno(e, "%s: rename", part);
	return file_sync_dir(r->config->data, e);
}

static int restore_all(struct restoring *r, const char *published, struct err *e)
{
	AUTO_FREE char *token_key = file_join(r->config->data, "device-token.key");

	if (!token_key)
		return err_memory(e);
	if (file_mkdirs(r->config->data, 0700, e) < 0 || file_mkdirs(r->config->repository, 0755, e) < 0)
		return e->code;
	if (restore_repository(r, published, e) < 0 || restore_files(r, "data/", e) < 0 || restore_files(r, "secrets/", e) < 0 ||
	    restore_store(r, e) < 0)
		return e->code;
	r->report->token_key = file_exists(token_key);
	return 0;
}

int backup_restore(struct backup_report *out, const struct config *c, const char *dir, const char *published, int64_t now, struct err *e)
{
	AUTO_FREE char *store = file_join(c->data, "store.db");
	struct backup_list list = { .taken = 0 };
	struct restoring r = { .config = c, .dir = dir, .list = &list, .now = now, .report = out };
	int got;

	e->code = 0;
	if (!store)
		return err_memory(e);
	if (file_exists(store))
		return err_set(e, ERR_CONFLICT, "%s: there is a store already: a restore goes into an empty data directory", store);
	if (backup_verify(out, dir, e) < 0)
		return e->code;
	got = backup_list_read(&list, dir, e);
	if (got == 0 && list.store_version > STORE_VERSION)
		got = err_set(e, ERR_UNSUPPORTED, "%s: its store is of version %lld, this program knows %d: use a newer one", dir,
			      (long long)list.store_version, STORE_VERSION);
	if (got == 0)
		got = restore_all(&r, published, e);
	backup_list_release(&list);
	return got < 0 ? err_wrap(e, "restore") : 0;
}
