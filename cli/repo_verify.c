/* repo_verify: everything a repository publishes, looked at as a client would. */
#include "cli/repo_verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/scratch.h"
#include "signing/delegation.h"
#include "signing/verify.h"

#define TARGET_MAX ((size_t)1 << 30)    /* bytes of one target that is read */

struct work {
	const struct repo_source *source;
	struct driver driver;
	struct tuf_client *client;
	struct repo_verdict *v;
	struct buf *named;              /* names of files that something current names, each with its NUL */
	struct buf *old;                /* target files that superseded metadata names */
	int64_t now;
	struct err *e;
};

void repo_verdict_free(struct repo_verdict *v)
{
	if (!v)
		return;
	for (size_t i = 0; i < v->role_count; i++)
		free(v->roles[i].role);
	free(v->roles);
	buf_free(v->problems);
	buf_free(v->notes);
	free(v);
}

static void problem(struct work *k, const char *where, const char *why)
{
	buf_addf(k->v->problems, "%s%s%s\n", where, *where ? ": " : "", why);
}

static void name_file(struct buf *list, const char *prefix, const char *name)
{
	buf_adds(list, prefix);
	buf_add(list, name, strlen(name) + 1);
}

static bool named(const struct buf *list, const char *name)
{
	for (size_t at = 0; at < list->len; at += strlen(list->data + at) + 1)
		if (!strcmp(list->data + at, name))
			return true;
	return false;
}

static void name_metadata(struct work *k, int64_t version, const char *role)
{
	AUTO(buf) struct buf *file = buf_new(0);

	if (!file)
		return;
	buf_addf(file, "%lld.", (long long)version);
	delegation_quote(file, role, strlen(role));
	buf_adds(file, ".json");
	name_file(k->named, "metadata/", file->failed ? "" : file->data);
}

/* ---- roles ---- */

static int add_role(struct work *k, const char *role, const struct metadata *m, const struct authority *by)
{
	struct repo_verdict *v = k->v;
	struct repo_verdict_role *more = realloc(v->roles, (v->role_count + 1) * sizeof *more);
	const struct pubkey *keys[256];

	if (!more)
		return err_memory(k->e);
	v->roles = more;
	more[v->role_count] = (struct repo_verdict_role){ .role = strdup(role), .version = m->version, .expires = m->expires,
							  .threshold = by->role->threshold, .signatures = verify_count(m, by),
							  .keys = authority_keys(by, keys, ARRAY_LEN(keys)), .targets = m->target_count };
	return more[v->role_count++].role ? 0 : err_memory(k->e);
}

static int top_roles(struct work *k)
{
	const struct metadata *root = tuf_client_metadata(k->client, "root");

	for (int64_t version = 1; version <= root->version; version++)
		name_metadata(k, version, "root");
	name_file(k->named, "metadata/", "timestamp.json");
	for (int type = 0; type < METADATA_TYPES; type++) {
		const char *name = metadata_type_name(type);
		const struct metadata *m = tuf_client_metadata(k->client, name);
		struct authority by = { root, &root->roles[type] };

		if (!m)
			continue;
		if (type == METADATA_SNAPSHOT || type == METADATA_TARGETS)
			name_metadata(k, m->version, name);
		if (add_role(k, name, m, &by) < 0)
			return k->e->code;
	}
	return 0;
}

/* ---- targets ---- */

static void check_target(struct work *k, const char *role, const struct metadata_target *t)
{
	AUTO(buf) struct buf *bytes = NULL, *name = buf_new(0);
	const struct tuf_target *found = NULL;
	struct err why;
	int got;

	if (!name)
		return;
	if (driver_find(&k->driver, k->client, t->path.text, &found, &why) < 0) {
		problem(k, t->path.text, why.msg);
		return;
	}
	if (!found || strcmp(found->role, role) != 0) {
		problem(k, t->path.text, "a client that looks for it does not arrive at the role that lists it");
		return;
	}
	if (tuf_client_target_name(k->client, found->target, name, &why) < 0) {
		problem(k, t->path.text, why.msg);
		return;
	}
	name_file(k->named, "targets/", name->data);
	got = t->file.length > (int64_t)TARGET_MAX ? err_set(&why, ERR_LIMIT, "too large to be read here")
						   : k->source->target(k->source->arg, name->data, (size_t)t->file.length + 1, &bytes, &why);
	if (got > 0)
		problem(k, name->data, "is listed and is not there");
	else if (got < 0 || metadata_file_check(&t->file, t->path.text, bytes->data ? bytes->data : "", bytes->len, &why) < 0)
		problem(k, name->data, why.msg);
	else
		k->v->files++;
}

/* A delegated role by itself: the engine visits only those that a search passes. */
static void check_role(struct work *k, const char *role)
{
	const struct metadata *snapshot = tuf_client_metadata(k->client, "snapshot"), *targets = tuf_client_metadata(k->client, "targets");
	AUTO(metadata) struct metadata *m = NULL;
	AUTO(buf) struct buf *bytes = NULL, *file = buf_new(0), *entry = buf_new(0);
	const struct metadata_entry *listed;
	struct authority by;
	struct err why;
	int got;

	if (!file || !entry || !authority_of(&by, targets, role))
		return;
	buf_addf(entry, "%s.json", role);
	listed = entry->failed ? NULL : metadata_entry(snapshot, entry->data, entry->len);
	if (!listed) {
		buf_addf(k->v->notes, "%s: delegated, never published\n", role);
		return;
	}
	buf_addf(file, "%lld.", (long long)listed->version);
	delegation_quote(file, role, strlen(role));
	buf_adds(file, ".json");
	name_metadata(k, listed->version, role);
	got = k->source->metadata(k->source->arg, file->data, METADATA_LISTED_MAX, &bytes, &why);
	if (got > 0) {
		problem(k, file->data, "is listed and is not there");
		return;
	}
	if (got < 0 || metadata_file_check(&listed->file, role, bytes->data, bytes->len, &why) < 0 ||
	    metadata_parse(&m, METADATA_TARGETS, role, bytes->data, bytes->len, &why) < 0 || verify(m, &by, role, &why) < 0) {
		problem(k, file->data, why.msg);
		return;
	}
	if (m->version != listed->version)
		problem(k, file->data, "its version is not the one that the snapshot lists");
	if (m->expires <= k->now)
		problem(k, file->data, "is expired");
	if (add_role(k, role, m, &by) < 0)
		return;
	for (size_t i = 0; i < m->target_count; i++)
		check_target(k, role, &m->targets[i]);
}

/* ---- what nobody names ---- */

static void name_targets_of(struct work *k, const struct metadata *m)
{
	for (size_t i = 0; i < m->target_count; i++) {
		AUTO(buf) struct buf *name = buf_new(0);
		char hex[DIGEST_HEX_LEN + 1];

		if (!name || !m->targets[i].has_sha256)
			continue;
		digest_hex(hex, &m->targets[i].sha256);
		delegation_target_name(name, m->targets[i].path.text, m->targets[i].path.len, hex);
		if (!name->failed)
			name_file(k->old, "targets/", name->data);
	}
}

/* An older file of metadata still says which target files were once named. */
static bool superseded(struct work *k, const char *rel)
{
	AUTO_FREE char *path = file_join(k->source->dir, rel);
	AUTO(buf) struct buf *bytes = NULL;
	const char *role = strchr(rel, '.'), *end = strrchr(rel, '.');
	struct err ignored;

	if (!path || strncmp(rel, "metadata/", 9) != 0 || !role || role == end || strspn(rel + 9, "0123456789") != (size_t)(role - rel - 9) ||
	    strcmp(end, ".json") != 0 || file_read(&bytes, path, METADATA_LISTED_MAX, &ignored) < 0)
		return false;
	for (int type = 0; type < METADATA_TYPES; type++) {
		AUTO(metadata) struct metadata *m = NULL;

		if (metadata_parse(&m, type, rel, bytes->data, bytes->len, &ignored) < 0)
			continue;
		if (type == METADATA_TARGETS)
			name_targets_of(k, m);
		return type != METADATA_ROOT;
	}
	return false;
}

static int visit_metadata(const char *rel, bool is_dir, void *arg, struct err *e)
{
	struct work *k = arg;

	(void)e;
	if (is_dir || strncmp(rel, "metadata/", 9) != 0 || named(k->named, rel))
		return 0;
	if (superseded(k, rel))
		buf_addf(k->v->notes, "%s: superseded\n", rel);
	else
		problem(k, rel, "nobody names this file");
	return 0;
}

static int visit_targets(const char *rel, bool is_dir, void *arg, struct err *e)
{
	struct work *k = arg;
	bool ours = !strcmp(rel, "lock") || !strncmp(rel, "targets/.stage.", 15) || !strncmp(rel, ".mirror/", 8);

	(void)e;
	if (is_dir || ours || strncmp(rel, "metadata/", 9) == 0 || named(k->named, rel))
		return 0;
	if (named(k->old, rel))
		buf_addf(k->v->notes, "%s: superseded\n", rel);
	else
		problem(k, rel, "nobody names this file");
	return 0;
}

static int look_for_strangers(struct work *k)
{
	if (!k->source->dir)
		return 0;
	if (file_walk(k->source->dir, visit_metadata, k, k->e) < 0)
		return k->e->code;
	return file_walk(k->source->dir, visit_targets, k, k->e);
}

/* ---- the whole ---- */

static int look(struct work *k)
{
	const struct metadata *targets;
	struct err why;

	if (driver_refresh(&k->driver, k->client, k->now, &why) < 0) {
		problem(k, "", why.msg);
		return 0;
	}
	if (top_roles(k) < 0)
		return k->e->code;
	targets = tuf_client_metadata(k->client, "targets");
	for (size_t i = 0; i < targets->delegation_count; i++)
		check_role(k, targets->delegations[i].name);
	return look_for_strangers(k);
}

int repo_verify(struct repo_verdict **out, const struct repo_source *s, const struct buf *root, int64_t now, struct err *e)
{
	AUTO(repo_verdict) struct repo_verdict *v = calloc(1, sizeof *v);
	AUTO(scratch) struct scratch *scratch = NULL;
	AUTO(tuf_client) struct tuf_client *client = NULL;
	AUTO(buf) struct buf *files = buf_new(0), *old = buf_new(0);
	struct work k = { .source = s, .v = v, .named = files, .old = old, .now = now, .e = e };

	if (!v || !files || !old || !(v->problems = buf_new(0)) || !(v->notes = buf_new(0)))
		return err_memory(e);
	if (scratch_new(&scratch, e) < 0 || driver_open(&client, scratch->path, root->data, root->len, TUF_HOUSE, e) < 0)
		return e->code;
	k.driver = (struct driver){ scratch->path, s->metadata, s->arg };
	k.client = client;
	if (look(&k) < 0 || buf_check(v->problems, e) < 0 || buf_check(v->notes, e) < 0 || buf_check(files, e) < 0)
		return e->code;
	*out = TAKE(v);
	return 0;
}
