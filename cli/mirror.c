/* mirror: copies a repository, verified, resumable, the timestamp last. */
#include "cli/mirror_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/scratch.h"
#include "signing/delegation.h"
#include "signing/driver.h"
#include "signing/verify.h"

#define DEPTH_MAX 8             /* of delegations below targets */
#define STATE ".mirror"
#define NEW "new"

static void work_release(struct work *k)
{
	free(k->state);
	free(k->stage);
	metadata_free(k->anchor);
	tuf_client_free(k->client);
	buf_free(k->targets);
	buf_free(k->roles);
	buf_free(k->roots);
}

/* ---- names and places ---- */

int mirror_add_name(struct work *k, struct buf *list, const char *rel)
{
	buf_add(list, rel, strlen(rel) + 1);
	return buf_check(list, k->e);
}

static bool named(const struct buf *list, const char *rel)
{
	for (size_t at = 0; at < list->len; at += strlen(list->data + at) + 1)
		if (!strcmp(list->data + at, rel))
			return true;
	return false;
}

/* "metadata/7.stop.json" */
int mirror_metadata_rel(struct work *k, struct buf *out, int64_t version, const char *role)
{
	buf_addf(out, "metadata/%" PRId64 ".", version);
	delegation_quote(out, role, strlen(role));
	buf_adds(out, ".json");
	return buf_check(out, k->e);
}

int mirror_make_parent(const char *path, struct err *e)
{
	AUTO_FREE char *parent = strndup(path, (size_t)(strrchr(path, '/') - path));

	return parent ? file_mkdirs(parent, DIR_MODE, e) : err_memory(e);
}

int mirror_stage(struct work *k, const char *rel, const void *bytes, size_t len)
{
	AUTO_FREE char *path = file_join(k->stage, rel);

	if (!path)
		return err_memory(k->e);
	return mirror_make_parent(path, k->e) < 0 ? k->e->code : file_replace(path, bytes, len, FILE_MODE, k->e);
}

/* The copy has it right: what was gathered under this name is of no use. */
int mirror_unstage(struct work *k, const char *rel)
{
	AUTO_FREE char *path = file_join(k->stage, rel);

	if (!path)
		return err_memory(k->e);
	return unlink(path) < 0 && errno != ENOENT && errno != ENOTDIR ? err_errno(k->e, "%s: remove", path) : 0;
}

/* Metadata that the engine has verified. */
int mirror_keep(struct work *k, const char *rel, const struct buf *raw)
{
	AUTO_FREE char *path = file_join(k->plan->dir, rel);
	AUTO(buf) struct buf *have = NULL;
	struct err why;

	if (!path)
		return err_memory(k->e);
	if (file_read(&have, path, METADATA_LISTED_MAX, &why) == 0 && have->len == raw->len && !memcmp(have->data, raw->data, raw->len))
		return mirror_unstage(k, rel);
	return mirror_stage(k, rel, raw->data, raw->len);
}

/* ---- the engine's requests ---- */

void mirror_count(struct work *k, uint64_t bytes)
{
	k->report->fetched++;
	k->report->bytes += bytes;
}

static bool is_root(const char *name)
{
	size_t digits = strspn(name, "0123456789");

	return digits > 0 && !strcmp(name + digits, ".root.json");
}

/* driver_get. The engine keeps only the newest root; the others are gathered here, and held against the chain in mirror_copy_roots(). */
static int get(void *arg, const char *name, size_t max, struct buf **out, struct err *e)
{
	struct work *k = arg;
	char rel[64];
	int got = repo_files_metadata(&k->files, name, max, out, e);

	if (got != 0)
		return got;
	mirror_count(k, (*out)->len);
	if (!is_root(name) || snprintf(rel, sizeof rel, "metadata/%s", name) >= (int)sizeof rel)
		return 0;
	if (mirror_stage(k, rel, (*out)->data, (*out)->len) == 0)
		return 0;
	*e = *k->e;
	buf_free(TAKE(*out));
	return e->code;
}

/* ---- delegated roles ---- */

static bool may_speak(const struct metadata *delegator, const char *role, const struct metadata_target *t)
{
	const struct metadata_delegation *d = metadata_delegation(delegator, role);
	char bin[DELEGATION_NAME_MAX];
	struct err why;

	if (d)
		return delegation_match(d, t->path.text, t->path.len);
	return delegation_bin(&delegator->succinct, t->path.text, t->path.len, bin, &why) == 0 && !strcmp(bin, role);
}

/* Its expiry is the readers' question: a vendor's expired role must not hold up everybody else's stops. */
static int role_right(struct metadata **out, const char *role, const struct metadata_entry *listed, const struct authority *by,
		      const struct buf *bytes, struct err *e)
{
	AUTO(metadata) struct metadata *m = NULL;

	if (metadata_file_check(&listed->file, role, bytes->data, bytes->len, e) < 0 ||
	    metadata_parse(&m, METADATA_TARGETS, role, bytes->data, bytes->len, e) < 0 || verify(m, by, role, e) < 0)
		return e->code;
	if (m->version != listed->version)
		return err_set(e, ERR_AUTH, "%s: version %" PRId64 ", but the snapshot lists %" PRId64, role, m->version, listed->version);
	*out = TAKE(m);
	return 0;
}

static bool role_in(struct metadata **out, const char *dir, const char *rel, const char *role, const struct metadata_entry *listed,
		    const struct authority *by)
{
	AUTO_FREE char *path = file_join(dir, rel);
	AUTO(buf) struct buf *bytes = NULL;
	struct err why;

	return path && file_read(&bytes, path, METADATA_LISTED_MAX, &why) == 0 && role_right(out, role, listed, by, bytes, &why) == 0;
}

static int copy_role_file(struct work *k, struct metadata **out, const char *rel, const char *role, const struct metadata_entry *listed,
			  const struct authority *by)
{
	AUTO(buf) struct buf *bytes = NULL;
	size_t max = listed->file.length >= 0 ? (size_t)listed->file.length : METADATA_TARGETS_MAX;
	int got;

	if (role_in(out, k->plan->dir, rel, role, listed, by))
		return mirror_unstage(k, rel);
	if (role_in(out, k->stage, rel, role, listed, by))
		return 0;
	if (max > METADATA_LISTED_MAX)
		return err_set(k->e, ERR_LIMIT, "%s: listed with %zu bytes, more than the %d allowed", role, max, METADATA_LISTED_MAX);
	got = repo_files_metadata(&k->files, strchr(rel, '/') + 1, max, &bytes, k->e);
	if (got > 0)
		return err_set(k->e, ERR_NOT_FOUND, "%s: is listed and is not there", rel);
	if (got < 0)
		return got;
	mirror_count(k, bytes->len);
	if (role_right(out, role, listed, by, bytes, k->e) < 0)
		return k->e->code;
	return mirror_stage(k, rel, bytes->data, bytes->len);
}

static int copy_delegated(struct work *k, const struct metadata *delegator, int depth);

static int copy_role(struct work *k, const struct metadata *delegator, const char *role, const struct metadata_entry *listed, int depth)
{
	AUTO(metadata) struct metadata *m = NULL;
	AUTO(buf) struct buf *rel = buf_new(0);
	struct authority by;

	if (!rel)
		return err_memory(k->e);
	if (!authority_of(&by, delegator, role))
		return 0;
	if (mirror_metadata_rel(k, rel, listed->version, role) < 0)
		return k->e->code;
	if (named(k->roles, rel->data))
		return 0;
	if (mirror_add_name(k, k->roles, rel->data) < 0 || copy_role_file(k, &m, rel->data, role, listed, &by) < 0)
		return k->e->code;
	k->report->roles++;
	for (size_t i = 0; i < m->target_count; i++)
		if (may_speak(delegator, role, &m->targets[i]) && mirror_copy_target(k, &m->targets[i]) < 0)
			return k->e->code;
	return copy_delegated(k, m, depth + 1);
}

/* Every role that the snapshot lists and this one delegates to; who is not listed was never published. */
static int copy_delegated(struct work *k, const struct metadata *delegator, int depth)
{
	const struct metadata *snapshot = tuf_client_metadata(k->client, "snapshot");

	if (!delegator->delegation_count && !delegator->succinct.bit_length)
		return 0;
	if (depth > DEPTH_MAX)
		return err_set(k->e, ERR_LIMIT, "delegations are more than %d deep", DEPTH_MAX);
	for (size_t i = 0; i < snapshot->entry_count; i++) {
		const struct metadata_entry *listed = &snapshot->entries[i];
		AUTO_FREE char *role = NULL;

		if (listed->name.len < 6 || strcmp(listed->name.text + listed->name.len - 5, ".json") != 0)
			continue;
		role = strndup(listed->name.text, listed->name.len - 5);
		if (!role)
			return err_memory(k->e);
		if (strcmp(role, "targets") != 0 && copy_role(k, delegator, role, listed, depth) < 0)
			return k->e->code;
	}
	return 0;
}

/* ---- gather, then publish ---- */

static int keep_top(struct work *k, const char *role)
{
	const struct metadata *m = tuf_client_metadata(k->client, role);
	AUTO(buf) struct buf *rel = buf_new(0);

	if (!rel)
		return err_memory(k->e);
	if (!strcmp(role, "timestamp"))
		buf_adds(rel, "metadata/timestamp.json");
	else if (mirror_metadata_rel(k, rel, m->version, role) < 0)
		return k->e->code;
	if (buf_check(rel, k->e) < 0 || mirror_keep(k, rel->data, m->raw) < 0)
		return k->e->code;
	return mirror_add_name(k, k->roles, rel->data);
}

static int gather(struct work *k, int64_t now)
{
	struct driver d = { .dir = k->state, .get = get, .arg = k };
	const struct metadata *root, *timestamp;

	if (driver_refresh(&d, k->client, now, k->e) < 0)
		return err_wrap(k->e, "%s", k->plan->url);
	root = tuf_client_metadata(k->client, "root");
	if (!root->consistent_snapshot)
		return err_set(k->e, ERR_UNSUPPORTED, "%s: no consistent snapshots; a copy of it could not be changed while it is read",
			       k->plan->url);
	timestamp = tuf_client_metadata(k->client, "timestamp");
	k->report->root = root->version;
	k->report->snapshot = tuf_client_metadata(k->client, "snapshot")->version;
	k->report->timestamp = timestamp->version;
	k->report->expires = timestamp->expires;
	if (mirror_copy_roots(k) < 0 || copy_delegated(k, tuf_client_metadata(k->client, "targets"), 0) < 0)
		return k->e->code;
	/* The end of the list is published last. */
	return keep_top(k, "targets") < 0 || keep_top(k, "snapshot") < 0 || keep_top(k, "timestamp") < 0 ? k->e->code : 0;
}

static int publish_one(struct work *k, const char *rel)
{
	AUTO_FREE char *from = file_join(k->stage, rel), *to = file_join(k->plan->dir, rel), *parent = NULL;

	if (!from || !to)
		return err_memory(k->e);
	if (!file_exists(from))
		return 0;
	parent = strndup(to, (size_t)(strrchr(to, '/') - to));
	if (!parent)
		return err_memory(k->e);
	if (file_mkdirs(parent, DIR_MODE, k->e) < 0)
		return k->e->code;
	if (rename(from, to) < 0)
		return err_errno(k->e, "%s: rename", from);
	k->report->changed++;
	return file_sync_dir(parent, k->e);
}

static int publish_list(struct work *k, const struct buf *list, const char *but)
{
	for (size_t at = 0; at < list->len; at += strlen(list->data + at) + 1)
		if (strcmp(list->data + at, but) != 0 && publish_one(k, list->data + at) < 0)
			return k->e->code;
	return 0;
}

/* Roots stand from the newest down; a reader that has one asks for the next. */
static int publish_roots(struct work *k)
{
	const char *first = k->roots->data, *at = first + k->roots->len;

	while (at > first) {
		for (at--; at > first && at[-1]; at--)
			;
		if (publish_one(k, at) < 0)
			return k->e->code;
	}
	return 0;
}

static int publish(struct work *k)
{
	static const char last[] = "metadata/timestamp.json";

	if (publish_list(k, k->targets, last) < 0 || publish_list(k, k->roles, last) < 0 || publish_roots(k) < 0 || publish_one(k, last) < 0)
		return k->e->code;
	return file_remove_tree(k->stage, k->e);
}

/* ---- what nothing names any more ---- */

struct pruning {
	struct work *k;
	const char *below;              /* "metadata" */
	struct buf *gone;               /* each with its NUL */
};

static int visit(const char *rel, bool is_dir, void *arg, struct err *e)
{
	struct pruning *p = arg;
	AUTO(buf) struct buf *full = buf_new(0);

	if (is_dir)
		return 0;
	if (!full)
		return err_memory(e);
	buf_addf(full, "%s/%s", p->below, rel);
	if (buf_check(full, e) < 0)
		return e->code;
	if (!named(p->k->targets, full->data) && !named(p->k->roles, full->data) && !named(p->k->roots, full->data))
		buf_add(p->gone, full->data, full->len + 1);
	return buf_check(p->gone, e);
}

static int prune_below(struct work *k, const char *below)
{
	AUTO_FREE char *dir = file_join(k->plan->dir, below);
	AUTO(buf) struct buf *gone = buf_new(0);
	struct pruning p = { k, below, gone };

	if (!dir || !gone)
		return err_memory(k->e);
	if (!file_exists(dir))
		return 0;
	if (file_walk(dir, visit, &p, k->e) < 0)
		return k->e->code;
	for (size_t at = 0; at < gone->len; at += strlen(gone->data + at) + 1) {
		AUTO_FREE char *path = file_join(k->plan->dir, gone->data + at);

		if (!path)
			return err_memory(k->e);
		if (!k->plan->dry && unlink(path) < 0)
			return err_errno(k->e, "%s: remove", path);
		k->report->removed++;
	}
	return 0;
}

/* ---- the whole ---- */

/* A server's own repository, say, is nothing to write into. */
static int check_dir(struct work *k)
{
	AUTO_FREE char *metadata = file_join(k->plan->dir, "metadata"), *state = file_join(k->plan->dir, STATE);

	if (!metadata || !state)
		return err_memory(k->e);
	if (file_exists(metadata) && !file_exists(state))
		return err_set(k->e, ERR_CONFLICT, "%s: holds a repository that this command did not make", k->plan->dir);
	return 0;
}

static int lock(struct work *k, int *fd)
{
	AUTO_FREE char *path = file_join(k->state, "lock");

	if (!path)
		return err_memory(k->e);
	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (*fd < 0)
		return err_errno(k->e, "%s: create", path);
	if (flock(*fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? err_set(k->e, ERR_CONFLICT, "%s: another mirror is at work there", k->plan->dir)
					    : err_errno(k->e, "%s: lock", path);
	return 0;
}

static int open_client(struct work *k)
{
	AUTO(buf) struct buf *bytes = NULL;

	if (file_read(&bytes, k->plan->root, METADATA_ROOT_MAX, k->e) < 0)
		return err_wrap(k->e, "the trusted root");
	if (metadata_parse(&k->anchor, METADATA_ROOT, k->plan->root, bytes->data, bytes->len, k->e) < 0)
		return k->e->code;
	return driver_open(&k->client, k->state, bytes->data, bytes->len, TUF_HOUSE, k->e);
}

static int run(struct work *k, int64_t now)
{
	k->stage = file_join(k->state, NEW);
	if (!k->stage)
		return err_memory(k->e);
	if (open_client(k) < 0 || gather(k, now) < 0)
		return k->e->code;
	if (!k->plan->dry && publish(k) < 0)
		return k->e->code;
	if (!k->plan->prune)
		return 0;
	return prune_below(k, "metadata") < 0 ? k->e->code : prune_below(k, "targets");
}

/* What the mirror trusts, for a run that must not change it; what is missing or damaged is as good as none. */
static int copy_trust(struct work *k)
{
	for (int type = 0; type < METADATA_TYPES; type++) {
		char name[sizeof STATE + 24];
		AUTO_FREE char *from = NULL, *to = NULL;
		AUTO(buf) struct buf *bytes = NULL;
		struct err why;

		snprintf(name, sizeof name, STATE "/%s.json", metadata_type_name(type));
		from = file_join(k->plan->dir, name);
		to = file_join(k->state, name + sizeof STATE);
		if (!from || !to)
			return err_memory(k->e);
		if (file_read(&bytes, from, METADATA_LISTED_MAX, &why) == 0 && file_replace(to, bytes->data, bytes->len, FILE_MODE, k->e) < 0)
			return k->e->code;
	}
	return 0;
}

static int run_dry(struct work *k, int64_t now)
{
	AUTO(scratch) struct scratch *scratch = NULL;

	if (scratch_new(&scratch, k->e) < 0)
		return k->e->code;
	k->state = strdup(scratch->path);
	if (!k->state)
		return err_memory(k->e);
	return copy_trust(k) < 0 ? k->e->code : run(k, now);
}

int mirror(struct mirror_report *out, const struct mirror_plan *plan, struct fetch *fetch, int64_t now, struct err *e)
{
	__attribute__((cleanup(work_release))) struct work k = { .plan = plan, .report = out, .files = { fetch, plan->url }, .e = e };
	AUTO_FD int fd = -1;

	*out = (struct mirror_report){ 0 };
	k.targets = buf_new(0);
	k.roles = buf_new(0);
	k.roots = buf_new(0);
	if (!k.targets || !k.roles || !k.roots)
		return err_memory(e);
	if (check_dir(&k) < 0)
		return e->code;
	if (plan->dry)
		return run_dry(&k, now);
	k.state = file_join(plan->dir, STATE);
	if (!k.state)
		return err_memory(e);
	if (file_mkdirs(plan->dir, DIR_MODE, e) < 0 || file_mkdirs(k.state, 0700, e) < 0 || lock(&k, &fd) < 0)
		return e->code;
	return run(&k, now);
}
