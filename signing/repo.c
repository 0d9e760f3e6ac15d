/* repo: opening a published repository, and what can be read of it. */
#include "signing/repo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/name.h"
#include "signing/delegation.h"
#include "signing/repo_parts.h"

#define KEYS_MAX 256

/* ---- policy ---- */

/* DESIGN section 3: who speaks for which paths; `%s` is what follows the dash. */
static const struct {
	const char *role;       /* with a dash at the end: a family */
	const char *pattern;
	bool people;
} families[] = {
	{ "content-", "bundles/%s/*", true },
	{ "ring-", "rings/%s/*", false },
	{ "fleet", "fleet/map/*", true },
	{ "stop", "stop/*/*", false },
	{ "recall", "recall/*/*", true },
	{ "approve-", "approvals/%s/*", true },
};

static int family_of(const char *role)
{
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		size_t len = strlen(families[i].role);
		bool family = families[i].role[len - 1] == '-';

		if (family ? !strncmp(role, families[i].role, len) && name_valid(role + len, strlen(role + len))
			   : !strcmp(role, families[i].role))
			return (int)i;
	}
	return -1;
}

bool repo_pattern(char out[REPO_PATTERN_MAX], const char *role)
{
	int family = family_of(role);
	const char *hole;

	if (family < 0)
		return false;
	hole = strstr(families[family].pattern, "%s");
	if (!hole)
		snprintf(out, REPO_PATTERN_MAX, "%s", families[family].pattern);
	else
		snprintf(out, REPO_PATTERN_MAX, "%.*s%s%s", (int)(hole - families[family].pattern),
			 families[family].pattern, role + strlen(families[family].role), hole + 2);
	return true;
}

bool repo_is_people(const char *role)
{
	int family = family_of(role);

	if (!strcmp(role, "timestamp") || !strcmp(role, "snapshot"))
		return false;
	return family < 0 || families[family].people;
}

/* ---- entries ---- */

struct repo_entry *repo_find_entry(const struct repo *r, const char *role)
{
	for (size_t i = 0; i < r->count; i++)
		if (!strcmp(r->roles[i].name, role))
			return &r->roles[i];
	return NULL;
}

int repo_no_role(const char *role, struct err *e)
{
	return err_set(e, ERR_NOT_FOUND, "%s: no such role", role);
}

bool repo_entry_pending(const struct repo_entry *entry)
{
	return entry->draft || entry->signed_new;
}

const struct metadata *repo_seen(const struct repo_entry *entry)
{
	if (entry->view)
		return entry->view;
	return entry->signed_new ? entry->signed_new : entry->m;
}

void repo_entry_settle(struct repo_entry *entry)
{
	metadata_free(TAKE(entry->signed_new));
	metadata_free(TAKE(entry->view));
	author_free(TAKE(entry->draft));
}

int repo_add_entry(struct repo *r, const char *name, enum metadata_type type, struct err *e)
{
	struct repo_entry *more = realloc(r->roles, (r->count + 1) * sizeof *more);
	char *copy = strdup(name);

	if (more)
		r->roles = more;
	if (!more || !copy) {
		free(copy);
		return err_memory(e);
	}
	r->roles[r->count++] = (struct repo_entry){ .name = copy, .type = type };
	return 0;
}

static void drop_entries(struct repo *r)
{
	for (size_t i = 0; i < r->count; i++) {
		repo_entry_settle(&r->roles[i]);
		metadata_free(r->roles[i].m);
		free(r->roles[i].name);
	}
	r->count = 0;
}

void repo_free(struct repo *r)
{
	if (!r)
		return;
	drop_entries(r);
	free(r->roles);
	free(r->dir);
	free(r);
}

bool repo_authority(const struct repo *r, const char *role, struct authority *out)
{
	const struct metadata *root = repo_seen(&r->roles[METADATA_ROOT]);
	const struct metadata *targets = repo_seen(&r->roles[METADATA_TARGETS]);

	return (root && authority_of(out, root, role)) || (targets && authority_of(out, targets, role));
}

/* ---- opening ---- */

char *repo_metadata_path(const struct repo *r, int64_t version, const char *role)
{
	struct buf path = { 0 };
	char *text;

	buf_addf(&path, "%s/metadata/", r->dir);
	if (version)
		buf_addf(&path, "%lld.", (long long)version);
	delegation_quote(&path, role, strlen(role));
	buf_adds(&path, ".json");
	text = buf_take(&path);
	buf_release(&path);
	return text;
}

static int read_metadata(const struct repo *r, struct metadata **out, enum metadata_type type, const char *role,
			 int64_t version, struct err *e)
{
	AUTO_FREE char *path = repo_metadata_path(r, version, role);
	AUTO(buf) struct buf *bytes = NULL;

	if (!path)
		return err_memory(e);
	if (file_read(&bytes, path, METADATA_LISTED_MAX, e) < 0)
		return e->code;
	return metadata_parse(out, type, path, bytes->data, bytes->len, e);
}

/* The newest root of an unbroken chain from the first that is still there; *before is the one it replaced. */
static int load_root(struct repo *r, struct metadata **before, struct err *e)
{
	AUTO(metadata) struct metadata *root = NULL, *previous = NULL;
	int64_t version = 1;
	int rc;

	if (read_metadata(r, &root, METADATA_ROOT, "root", version, e) < 0)
		return e->code;
	for (;;) {
		struct metadata *next = NULL;
		struct authority old = { root, &root->roles[METADATA_ROOT] }, itself;

		rc = read_metadata(r, &next, METADATA_ROOT, "root", ++version, e);
		if (rc == ERR_NOT_FOUND)
			break;
		if (rc < 0)
			return rc;
		itself = (struct authority){ next, &next->roles[METADATA_ROOT] };
		if (next->version != version || verify(next, &old, "root", e) < 0 || verify(next, &itself, "root", e) < 0) {
			metadata_free(next);
			return err_set(e, ERR_AUTH, "%s: root %lld does not follow its predecessor", r->dir, (long long)version);
		}
		metadata_free(previous);
		previous = root;
		root = next;
	}
	r->roles[METADATA_ROOT].m = TAKE(root);
	*before = TAKE(previous);
	return 0;
}

/*
 * What root's keys sign may still carry the signatures that the previous root
 * asks for, when publishing a new one was cut short: then it is due again.
 */
static int verify_by_root(struct repo *r, const struct metadata *m, const struct metadata *before, struct err *e)
{
	const struct metadata *root = r->roles[METADATA_ROOT].m;
	struct authority now = { root, &root->roles[m->type] };

	if (verify(m, &now, metadata_type_name(m->type), e) == 0)
		return 0;
	if (before) {
		struct authority then = { before, &before->roles[m->type] };

		if (verify(m, &then, metadata_type_name(m->type), e) == 0) {
			r->resign = true;
			return 0;
		}
	}
	return e->code;
}

static int load_online(struct repo *r, const struct metadata *before, struct err *e)
{
	struct repo_entry *timestamp = &r->roles[METADATA_TIMESTAMP], *snapshot = &r->roles[METADATA_SNAPSHOT];
	const struct metadata_entry *listed;

	if (read_metadata(r, &timestamp->m, METADATA_TIMESTAMP, "timestamp", 0, e) < 0 ||
	    verify_by_root(r, timestamp->m, before, e) < 0)
		return e->code;
	listed = &timestamp->m->entries[0];
	if (read_metadata(r, &snapshot->m, METADATA_SNAPSHOT, "snapshot", listed->version, e) < 0 ||
	    metadata_file_check(&listed->file, "snapshot", snapshot->m->raw->data, snapshot->m->raw->len, e) < 0)
		return e->code;
	return verify_by_root(r, snapshot->m, before, e);
}

static int load_targets_role(struct repo *r, struct repo_entry *entry, const struct metadata *before, struct err *e)
{
	const struct metadata *snapshot = r->roles[METADATA_SNAPSHOT].m;
	AUTO(buf) struct buf *name = buf_new(DELEGATION_NAME_MAX + 8);
	const struct metadata_entry *listed;
	struct authority by;

	if (!name)
		return err_memory(e);
	buf_addf(name, "%s.json", entry->name);
	listed = metadata_entry(snapshot, name->data, name->len);
	if (!listed)
		return 0;       /* delegated, never published */
	if (read_metadata(r, &entry->m, METADATA_TARGETS, entry->name, listed->version, e) < 0 ||
	    metadata_file_check(&listed->file, entry->name, entry->m->raw->data, entry->m->raw->len, e) < 0)
		return e->code;
	if (entry->m->version != listed->version)
		return err_set(e, ERR_FORMAT, "%s: not what the snapshot lists", entry->name);
	if (entry == &r->roles[METADATA_TARGETS])
		return verify_by_root(r, entry->m, before, e);
	return repo_authority(r, entry->name, &by) ? verify(entry->m, &by, entry->name, e) : repo_no_role(entry->name, e);
}

int repo_load(struct repo *r, struct err *e)
{
	AUTO(metadata) struct metadata *before = NULL;
	const struct metadata *targets;

	drop_entries(r);
	r->resign = false;
	for (int type = 0; type < METADATA_TYPES; type++)
		if (repo_add_entry(r, metadata_type_name(type), type, e) < 0)
			return e->code;
	if (load_root(r, &before, e) < 0 || load_online(r, before, e) < 0 ||
	    load_targets_role(r, &r->roles[METADATA_TARGETS], before, e) < 0)
		return e->code;
	targets = r->roles[METADATA_TARGETS].m;
	if (!targets)
		return err_set(e, ERR_FORMAT, "targets: not in the snapshot");
	for (size_t i = 0; i < targets->delegation_count; i++)
		if (repo_add_entry(r, targets->delegations[i].name, METADATA_TARGETS, e) < 0 ||
		    load_targets_role(r, &r->roles[r->count - 1], before, e) < 0)
			return e->code;
	return 0;
}

int repo_open(struct repo **out, const char *dir, struct err *e)
{
	AUTO(repo) struct repo *r = calloc(1, sizeof *r);

	if (!r || !(r->dir = strdup(dir)))
		return err_memory(e);
	if (repo_load(r, e) < 0)
		return err_wrap(e, "repository %s", dir);
	*out = TAKE(r);
	return 0;
}

/* ---- reading ---- */

const struct metadata *repo_root(const struct repo *r)
{
	return r->roles[METADATA_ROOT].m;
}

const struct metadata *repo_role(const struct repo *r, const char *role)
{
	const struct repo_entry *entry = repo_find_entry(r, role);

	return entry ? entry->m : NULL;
}

static int each_of(const struct repo_entry *entry, repo_visit *visit, void *arg, struct err *e)
{
	const struct metadata *m = repo_seen(entry);
	int rc = 0;

	for (size_t i = 0; m && i < m->target_count && rc == 0; i++) {
		const struct metadata_target *t = &m->targets[i];
		struct repo_target one = { .role = entry->name, .path = t->path.text, .length = (uint64_t)t->file.length,
					   .sha256 = t->sha256, .custom = t->custom };

		rc = visit(&one, arg, e);
	}
	return rc;
}

int repo_each_target(const struct repo *r, const char *role, repo_visit *visit, void *arg, struct err *e)
{
	int rc = 0;

	if (role) {
		const struct repo_entry *entry = repo_find_entry(r, role);

		return entry ? each_of(entry, visit, arg, e) : repo_no_role(role, e);
	}
	for (size_t i = METADATA_TARGETS; i < r->count && rc == 0; i++)
		rc = each_of(&r->roles[i], visit, arg, e);
	return rc;
}

static int find_target(const struct repo *r, const char *path, const struct metadata_target **out, struct err *e)
{
	for (size_t i = METADATA_TARGETS; i < r->count; i++) {
		const struct metadata *m = repo_seen(&r->roles[i]);

		*out = m ? metadata_target(m, path, strlen(path)) : NULL;
		if (*out && (*out)->has_sha256)
			return 0;
	}
	return err_set(e, ERR_NOT_FOUND, "%s: no role lists it", path);
}

char *repo_target_path(const struct repo *r, const char *path, const struct digest *sha256)
{
	struct buf full = { 0 };
	char hex[DIGEST_HEX_LEN + 1];
	char *text;

	digest_hex(hex, sha256);
	buf_addf(&full, "%s/targets/", r->dir);
	delegation_target_name(&full, path, strlen(path), hex);
	text = buf_take(&full);
	buf_release(&full);
	return text;
}

int repo_target_file(const struct repo *r, const char *path, char **out, struct err *e)
{
	const struct metadata_target *t;

	if (find_target(r, path, &t, e) < 0)
		return e->code;
	*out = repo_target_path(r, path, &t->sha256);
	return *out ? 0 : err_memory(e);
}

int repo_read_target(const struct repo *r, const char *path, size_t max, struct buf **out, struct err *e)
{
	const struct metadata_target *t;
	AUTO(buf) struct buf *bytes = NULL;
	AUTO_FREE char *file = NULL;

	if (find_target(r, path, &t, e) < 0)
		return e->code;
	file = repo_target_path(r, path, &t->sha256);
	if (!file)
		return err_memory(e);
	if (file_read(&bytes, file, max, e) < 0 || metadata_file_check(&t->file, path, bytes->data, bytes->len, e) < 0)
		return e->code;
	*out = TAKE(bytes);
	return 0;
}

/* ---- status ---- */

size_t repo_role_count(const struct repo *r)
{
	return r->count;
}

static size_t held_keys(const struct authority *by, const struct keyring *ring, size_t *keys)
{
	const struct pubkey *all[KEYS_MAX];
	size_t held = 0;

	*keys = authority_keys(by, all, ARRAY_LEN(all));
	for (size_t i = 0; ring && i < *keys; i++)
		held += keyring_find(ring, all[i]) != NULL;
	return held;
}

void repo_role_status(const struct repo *r, size_t at, const struct keyring *ring, struct repo_status *out)
{
	const struct repo_entry *entry = &r->roles[at];
	const struct metadata *seen = repo_seen(entry);
	struct authority by;

	*out = (struct repo_status){ .role = entry->name, .pending = repo_entry_pending(entry) };
	if (entry->m) {
		out->version = entry->m->version;
		out->expires = entry->m->expires;
	}
	if (seen)
		out->targets = seen->target_count;
	if (!repo_authority(r, entry->name, &by))
		return;
	out->threshold = by.role->threshold;
	out->held = held_keys(&by, ring, &out->keys);
}

bool repo_can_sign(const struct repo *r, const char *role, const struct keyring *ring)
{
	struct authority by;
	size_t keys;

	return repo_authority(r, role, &by) && held_keys(&by, ring, &keys) >= (uint64_t)by.role->threshold;
}
