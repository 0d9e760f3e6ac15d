/* repo: collecting changes: target files, drafts, files signed elsewhere. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/name.h"
#include "signing/delegation.h"
#include "signing/repo_parts.h"

#define COPY_CHUNK 65536
#define FILE_MODE 0644

/* ---- target files ---- */

static int check_path(const char *path, struct err *e)
{
	if (!name_path_valid(path, strlen(path)) || !delegation_glob("*/*/*", 5, path, strlen(path)))
		return err_set(e, ERR_USAGE, "%s: not a target path of three segments", path);
	return 0;
}

static bool holds(const char *file, uint64_t length, const struct digest *want)
{
	AUTO_FD int fd = open(file, O_RDONLY | O_CLOEXEC);
	struct digest is;
	uint64_t size;
	struct err e;

	return fd >= 0 && hash_fd(&is, fd, &size, &e) == 0 && size == length && digest_equal(&is, want);
}

static int make_parent(const char *file, struct err *e)
{
	AUTO_FREE char *parent = strdup(file);

	if (!parent)
		return err_memory(e);
	*strrchr(parent, '/') = '\0';
	return file_mkdirs(parent, 0755, e);
}

/* A new file below DIR/targets, not yet named; repo_publish() syncs it. */
static int open_new(const struct repo *r, char **temp, int *fd, struct err *e)
{
	AUTO_FREE char *path = NULL;

	if (asprintf(&path, "%s/targets/.stage.%ld.new", r->dir, (long)getpid()) < 0) {
		path = NULL;
		return err_memory(e);
	}
	if (unlink(path) < 0 && errno != ENOENT)
		return err_errno(e, "%s: remove", path);
	*fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
	if (*fd < 0)
		return err_errno(e, "%s: create", path);
	*temp = TAKE(path);
	return 0;
}

/* Names a staged file by its hash; one that is there already with these bytes stays, and is as if it were new. */
static int settle(struct repo *r, const char *temp, const char *path, uint64_t length, const struct digest *sha256, struct err *e)
{
	AUTO_FREE char *file = repo_target_path(r, path, sha256);

	if (!file)
		return err_memory(e);
	r->unsynced = true;
	if (holds(file, length, sha256)) {
		unlink(temp);
		return repo_stamp(file, clock_now(), e);
	}
	if (make_parent(file, e) < 0 || repo_stamp(temp, clock_now(), e) < 0)
		return e->code;
	if (rename(temp, file) < 0)
		return err_errno(e, "%s: rename", file);
	return 0;
}

static int copy_hashed(int from, int to, uint64_t *length, struct digest *sha256, struct err *e)
{
	AUTO(hash) struct hash *h = hash_new();
	AUTO_FREE char *chunk = malloc(COPY_CHUNK);
	ssize_t n;

	if (!h || !chunk)
		return err_memory(e);
	*length = 0;
	while ((n = read(from, chunk, COPY_CHUNK)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, "read");
		hash_add(h, chunk, (size_t)n);
		*length += (uint64_t)n;
		if (file_write_all(to, chunk, (size_t)n, e) < 0)
			return e->code;
	}
	hash_final(h, sha256);
	return 0;
}

int repo_stage_file(struct repo *r, const char *path, const char *from, uint64_t *length, struct digest *sha256, struct err *e)
{
	AUTO_FREE char *temp = NULL;
	AUTO_FD int in = -1;
	AUTO_FD int out = -1;

	if (check_path(path, e) < 0)
		return e->code;
	in = open(from, O_RDONLY | O_CLOEXEC);
	if (in < 0)
		return err_errno(e, "%s: open", from);
	if (open_new(r, &temp, &out, e) < 0)
		return e->code;
	if (copy_hashed(in, out, length, sha256, e) < 0 || settle(r, temp, path, *length, sha256, e) < 0) {
		unlink(temp);
		return err_wrap(e, "%s", from);
	}
	return 0;
}

int repo_stage(struct repo *r, const char *path, const void *bytes, size_t len, struct digest *sha256, struct err *e)
{
	AUTO_FREE char *temp = NULL;
	AUTO_FD int out = -1;
	struct digest digest;

	if (check_path(path, e) < 0 || open_new(r, &temp, &out, e) < 0)
		return e->code;
	hash_bytes(&digest, bytes, len);
	if (sha256)
		*sha256 = digest;
	if (file_write_all(out, bytes, len, e) < 0 || settle(r, temp, path, len, &digest, e) < 0) {
		unlink(temp);
		return err_wrap(e, "%s", path);
	}
	return 0;
}

/* ---- drafts ---- */

int repo_refresh_view(struct repo_entry *entry, struct err *e)
{
	AUTO(buf) struct buf *text = NULL;
	struct metadata *view = NULL;

	if (author_finish(entry->draft, &text, e) < 0 ||
	    metadata_parse(&view, entry->type, entry->name, text->data, text->len, e) < 0)
		return e->code;
	metadata_free(entry->view);
	entry->view = view;
	return 0;
}

int repo_begin_draft(struct repo_entry *entry, struct err *e)
{
	if (entry->draft)
		return 0;
	if (entry->signed_new)
		return err_set(e, ERR_CONFLICT, "%s: a file signed elsewhere is pending", entry->name);
	if (entry->m)
		return author_load(&entry->draft, entry->m, e) < 0 ? e->code : repo_refresh_view(entry, e);
	if (author_new(&entry->draft, entry->type, e) < 0)
		return e->code;
	author_set_version(entry->draft, 1);
	return repo_refresh_view(entry, e);
}

static int delegated_entry(struct repo *r, const char *role, struct repo_entry **out, struct err *e)
{
	*out = repo_find_entry(r, role);
	if (!*out || *out < &r->roles[METADATA_TYPES])
		return err_set(e, ERR_NOT_FOUND, "%s: no delegated role", role);
	return 0;
}

static int may_speak(const struct repo *r, const char *role, const char *path, struct err *e)
{
	const struct metadata *targets = repo_seen(&r->roles[METADATA_TARGETS]);
	const struct metadata_delegation *d = metadata_delegation(targets, role);

	if (!d)
		return repo_no_role(role, e);
	if (!delegation_match(d, path, strlen(path)))
		return err_set(e, ERR_REFUSED, "%s: not a path that %s may speak for", path, role);
	return 0;
}

static int list_target(struct repo *r, const char *role, const char *path, uint64_t length,
		       const struct digest *sha256, const char *custom, struct err *e)
{
	struct repo_entry *entry;

	if (delegated_entry(r, role, &entry, e) < 0 || repo_begin_draft(entry, e) < 0 ||
	    author_put_target(entry->draft, path, length, sha256, custom, e) < 0)
		return e->code;
	return repo_refresh_view(entry, e);
}

int repo_put_target(struct repo *r, const char *role, const char *path, const void *bytes, size_t len, const char *custom, struct err *e)
{
	struct digest sha256;

	if (may_speak(r, role, path, e) < 0 || repo_stage(r, path, bytes, len, &sha256, e) < 0)
		return e->code;
	return list_target(r, role, path, len, &sha256, custom, e);
}

int repo_put_target_file(struct repo *r, const char *role, const char *path, const char *from, const char *custom, struct err *e)
{
	struct digest sha256;
	uint64_t length;

	if (may_speak(r, role, path, e) < 0 || repo_stage_file(r, path, from, &length, &sha256, e) < 0)
		return e->code;
	return list_target(r, role, path, length, &sha256, custom, e);
}

int repo_remove_target(struct repo *r, const char *role, const char *path, struct err *e)
{
	struct repo_entry *entry;
	const struct metadata *seen;

	if (delegated_entry(r, role, &entry, e) < 0)
		return e->code;
	seen = repo_seen(entry);
	if (!seen || !metadata_target(seen, path, strlen(path)))
		return err_set(e, ERR_NOT_FOUND, "%s: %s does not list it", path, role);
	if (repo_begin_draft(entry, e) < 0)
		return e->code;
	author_remove_target(entry->draft, path);
	return repo_refresh_view(entry, e);
}

void repo_discard(struct repo *r)
{
	for (size_t i = 0; i < r->count; i++)
		repo_entry_settle(&r->roles[i]);
}

/* ---- files signed elsewhere ---- */

/* What a delegated role lists must be its own, and be here. */
static int check_listed(const struct repo *r, const char *role, const struct metadata *m, struct err *e)
{
	for (size_t i = 0; i < m->target_count; i++) {
		const struct metadata_target *t = &m->targets[i];
		AUTO_FREE char *file = NULL;
		struct stat st;

		if (strlen(t->path.text) != t->path.len || check_path(t->path.text, e) < 0 || !t->has_sha256)
			return err_set(e, ERR_REFUSED, "%s: lists a target without a proper path or sha256", role);
		if (may_speak(r, role, t->path.text, e) < 0)
			return e->code;
		file = repo_target_path(r, t->path.text, &t->sha256);
		if (!file)
			return err_memory(e);
		if (stat(file, &st) < 0 || st.st_size != t->file.length)
			return err_set(e, ERR_NOT_FOUND, "%s: lists %s, whose %lld bytes are not here", role, t->path.text,
				       (long long)t->file.length);
	}
	if (m->delegation_count || m->succinct.bit_length)
		return err_set(e, ERR_REFUSED, "%s: delegates further", role);
	return 0;
}

static int check_top_level(const struct repo *r, const struct metadata *m, struct err *e)
{
	const struct metadata *root = repo_root(r);

	if (m->type == METADATA_ROOT) {
		struct authority old = { root, &root->roles[METADATA_ROOT] };

		if (m->version != root->version + 1)
			return err_set(e, ERR_ROLLBACK, "root: version %lld cannot follow %lld", (long long)m->version,
				       (long long)root->version);
		if (!m->consistent_snapshot)
			return err_set(e, ERR_REFUSED, "root: turns consistent snapshots off");
		return verify(m, &old, "root, by the keys it replaces", e);
	}
	if (m->target_count || m->succinct.bit_length)
		return err_set(e, ERR_REFUSED, "targets: lists targets or bins itself");
	for (size_t i = 0; i < m->delegation_count; i++)
		if (!m->delegations[i].terminating || !m->delegations[i].paths)
			return err_set(e, ERR_REFUSED, "targets: the delegation to %s does not terminate or is not by paths",
				       m->delegations[i].name);
	return 0;
}

int repo_put_signed(struct repo *r, const char *role, const void *envelope, size_t len, int64_t now, struct err *e)
{
	struct repo_entry *entry = repo_find_entry(r, role);
	AUTO(metadata) struct metadata *m = NULL;
	struct authority by;

	if (!entry || entry->type == METADATA_TIMESTAMP || entry->type == METADATA_SNAPSHOT)
		return repo_no_role(role, e);
	if (metadata_parse(&m, entry->type, role, envelope, len, e) < 0)
		return e->code;
	if (entry->type == METADATA_ROOT)
		by = (struct authority){ m, &m->roles[METADATA_ROOT] };
	else if (!repo_authority(r, role, &by))
		return repo_no_role(role, e);
	if (verify(m, &by, role, e) < 0)
		return e->code;
	if (entry->m && m->version <= entry->m->version)
		return err_set(e, ERR_ROLLBACK, "%s: version %lld, but %lld is published", role, (long long)m->version,
			       (long long)entry->m->version);
	if (now >= m->expires)
		return err_set(e, ERR_EXPIRED, "%s: version %lld is expired", role, (long long)m->version);
	if (entry < &r->roles[METADATA_TYPES] ? check_top_level(r, m, e) < 0 : check_listed(r, role, m, e) < 0)
		return e->code;
	repo_entry_settle(entry);
	entry->signed_new = TAKE(m);
	return 0;
}
