/* repo: signing what is pending, and making it visible in an order that leaves no gap. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "signing/repo_parts.h"

#define FILE_MODE 0644

/* ---- versions and lives ---- */

int64_t repo_next_version(const struct repo_entry *entry, int64_t now)
{
	int64_t last = entry->m ? entry->m->version : 0;

	return repo_is_people(entry->name) ? last + 1 : MAX(last + 1, now);
}

int64_t repo_life(const struct repo_entry *entry)
{
	if (entry->type == METADATA_TIMESTAMP)
		return REPO_TIMESTAMP_LIFE;
	if (entry->type == METADATA_SNAPSHOT)
		return REPO_SNAPSHOT_LIFE;
	return repo_is_people(entry->name) ? REPO_PEOPLE_LIFE : REPO_SERVER_LIFE;
}

static bool due(const struct repo_entry *entry, int64_t now)
{
	return entry->m && entry->m->expires - now < repo_life(entry) / 2;
}

/* ---- signing ---- */

static int finish(struct author *a, const struct repo_entry *entry, int64_t version, int64_t now, struct buf **out, struct err *e)
{
	author_set_version(a, version);
	author_set_expires(a, now + repo_life(entry));
	return author_finish(a, out, e);
}

static int sign(const struct repo *r, const char *role, enum metadata_type type, const struct buf *plain,
		const struct keyring *ring, struct buf **out, bool *met, struct err *e)
{
	struct authority by;

	if (!repo_authority(r, role, &by))
		return repo_no_role(role, e);
	return author_sign(out, plain->data, plain->len, type, ring, &by, met, e) < 0 ? err_wrap(e, "%s", role) : 0;
}

int repo_sign_draft(const struct repo *r, struct repo_entry *entry, const struct keyring *ring, int64_t version, int64_t now,
		    struct buf **out, bool *met, struct err *e)
{
	AUTO(buf) struct buf *plain = NULL;

	if (finish(entry->draft, entry, version, now, &plain, e) < 0)
		return e->code;
	return sign(r, entry->name, entry->type, plain, ring, out, met, e);
}

int repo_draft(struct repo *r, const char *role, const struct keyring *ring, int64_t now, struct buf **out, bool *met, struct err *e)
{
	struct repo_entry *entry = repo_find_entry(r, role);

	if (!entry || entry < &r->roles[METADATA_TYPES])
		return repo_no_role(role, e);
	if (repo_begin_draft(entry, e) < 0)
		return e->code;
	return repo_sign_draft(r, entry, ring, repo_next_version(entry, now), now, out, met, e);
}

static int not_signed(const struct repo *r, const char *role, const struct keyring *ring, struct err *e)
{
	struct repo_status s = { 0 };

	for (size_t i = 0; i < r->count; i++)
		if (!strcmp(r->roles[i].name, role))
			repo_role_status(r, i, ring, &s);
	return err_set(e, ERR_AUTH, "%s: needs %lld signatures, and %zu of its %zu keys are here", role,
		       (long long)s.threshold, s.held, s.keys);
}

/* ---- one publication ---- */

struct publication {
	struct repo *r;
	const struct keyring *ring;
	int64_t now;
	bool snapshot;                  /* a new one, too */
	struct metadata **next;         /* per role of r: what will be written; owned */
	int64_t *versions;              /* per role of r: set aside for what is signed here */
};

static void publication_freep(struct publication *p)
{
	for (size_t i = 0; p->next && i < p->r->count; i++)
		metadata_free(p->next[i]);
	free(p->next);
	free(p->versions);
	p->next = NULL;
	p->versions = NULL;
}

/* The published timestamp still has the keys it will be signed with. */
static bool same_keys(const struct repo *r)
{
	const struct repo_entry *timestamp = &r->roles[METADATA_TIMESTAMP];
	struct authority by;
	struct err e;

	return timestamp->m && repo_authority(r, timestamp->name, &by) && verify(timestamp->m, &by, timestamp->name, &e) == 0;
}

int64_t repo_issued(const struct repo *r)
{
	return same_keys(r) ? r->roles[METADATA_TIMESTAMP].m->expires - REPO_TIMESTAMP_LIFE : 0;
}

/* ---- versions ---- */

/* What will be written: a new root may have new keys for the snapshot. */
static bool wants_version(const struct publication *p, size_t at)
{
	const struct repo_entry *entry = &p->r->roles[at];

	return at == METADATA_TIMESTAMP || (at == METADATA_SNAPSHOT && p->snapshot) || repo_entry_pending(entry);
}

static bool signed_here(const struct repo_entry *entry)
{
	return !entry->signed_new;
}

/* Nothing is set aside for what cannot be signed; the timestamp, wanted by everything, is not what is named first. */
static int check_signable(const struct publication *p, struct err *e)
{
	for (size_t i = p->r->count; i-- > 0;) {
		const struct repo_entry *entry = &p->r->roles[i];

		if (wants_version(p, i) && signed_here(entry) && !repo_can_sign(p->r, entry->name, p->ring))
			return not_signed(p->r, entry->name, p->ring, e);
	}
	return 0;
}

static int set_aside(struct publication *p, struct err *e)
{
	const struct repo *r = p->r;
	AUTO_FREE struct repo_reservation *list = calloc(r->count, sizeof *list);
	AUTO_FREE struct digest *hashes = calloc(r->count, sizeof *hashes);
	size_t count = 0;

	if (!list || !hashes)
		return err_memory(e);
	for (size_t i = 0; i < r->count; i++) {
		const struct repo_entry *entry = &r->roles[i];
		struct repo_reservation *one = &list[count];

		if (!wants_version(p, i))
			continue;
		*one = (struct repo_reservation){ entry->name, repo_next_version(entry, p->now), NULL };
		if (!signed_here(entry)) {
			hash_bytes(&hashes[count], entry->signed_new->raw->data, entry->signed_new->raw->len);
			one->version = entry->signed_new->version;
			one->sha256 = &hashes[count];
		}
		count++;
	}
	if (r->reserve && r->reserve(list, count, r->reserve_arg, e) < 0)
		return e->code;
	for (size_t i = r->count; i-- > 0;)
		if (wants_version(p, i))
			p->versions[i] = list[--count].version;
	return 0;
}

static int adopt(struct publication *p, size_t at, const struct buf *text, struct err *e)
{
	const struct repo_entry *entry = &p->r->roles[at];

	return metadata_parse(&p->next[at], entry->type, entry->name, text->data, text->len, e);
}

static int sign_roles(struct publication *p, struct err *e)
{
	struct repo *r = p->r;

	for (size_t i = 0; i < r->count; i++) {
		struct repo_entry *entry = &r->roles[i];
		AUTO(buf) struct buf *text = NULL;
		bool met = false;

		if (entry->signed_new) {
			if (adopt(p, i, entry->signed_new->raw, e) < 0)
				return e->code;
			continue;
		}
		if (!entry->draft)
			continue;
		if (repo_sign_draft(r, entry, p->ring, p->versions[i], p->now, &text, &met, e) < 0)
			return e->code;
		if (!met)
			return not_signed(r, entry->name, p->ring, e);
		if (adopt(p, i, text, e) < 0)
			return e->code;
	}
	return 0;
}

/* Whatever stays must still be what its delegator, perhaps new, accepts. */
static int check_kept(const struct publication *p, struct err *e)
{
	const struct repo *r = p->r;

	for (size_t i = METADATA_TARGETS; i < r->count; i++) {
		const struct repo_entry *entry = &r->roles[i];
		struct authority by;

		if (p->next[i] || !entry->m || !repo_authority(r, entry->name, &by))
			continue;
		if (verify(entry->m, &by, entry->name, e) < 0)
			return err_wrap(e, "as published, under the new keys");
	}
	return 0;
}

static int put_listed(struct author *a, const char *role, const struct metadata *m, struct err *e)
{
	AUTO_FREE char *name = NULL;
	struct digest sha256;

	if (asprintf(&name, "%s.json", role) < 0) {
		name = NULL;
		return err_memory(e);
	}
	hash_bytes(&sha256, m->raw->data, m->raw->len);
	return author_put_meta(a, name, m->version, (int64_t)m->raw->len, &sha256, e);
}

/* Snapshot or timestamp: the last one with what changed below it. */
static int sign_online(struct publication *p, enum metadata_type type, size_t first, size_t last, struct err *e)
{
	struct repo_entry *entry = &p->r->roles[type];
	AUTO(author) struct author *a = NULL;
	AUTO(buf) struct buf *plain = NULL, *text = NULL;
	bool met = false;

	if (entry->m ? author_load(&a, entry->m, e) < 0 : author_new(&a, type, e) < 0)
		return e->code;
	for (size_t i = first; i < last; i++)
		if (p->next[i] && put_listed(a, p->r->roles[i].name, p->next[i], e) < 0)
			return e->code;
	if (finish(a, entry, p->versions[type], p->now, &plain, e) < 0 ||
	    sign(p->r, entry->name, type, plain, p->ring, &text, &met, e) < 0)
		return e->code;
	return met ? adopt(p, type, text, e) : not_signed(p->r, entry->name, p->ring, e);
}

static int prepare(struct publication *p, struct err *e)
{
	p->next = calloc(p->r->count + 1, sizeof *p->next);
	p->versions = calloc(p->r->count + 1, sizeof *p->versions);
	if (!p->next || !p->versions)
		return err_memory(e);
	/* A new root, too: it may have new keys for the snapshot. */
	for (size_t i = 0; i < p->r->count; i++)
		p->snapshot = p->snapshot || repo_entry_pending(&p->r->roles[i]);
	if (check_signable(p, e) < 0 || set_aside(p, e) < 0 || sign_roles(p, e) < 0 || check_kept(p, e) < 0)
		return e->code;
	if (p->snapshot && sign_online(p, METADATA_SNAPSHOT, METADATA_TARGETS, p->r->count, e) < 0)
		return e->code;
	return sign_online(p, METADATA_TIMESTAMP, METADATA_SNAPSHOT, METADATA_SNAPSHOT + 1, e);
}

/* ---- writing ---- */

int repo_stamp(const char *path, int64_t at, struct err *e)
{
	const struct timespec times[2] = { { at, 0 }, { at, 0 } };

	return utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW) < 0 ? err_errno(e, "%s: time of change", path) : 0;
}

static int write_role(const struct publication *p, size_t at, struct err *e)
{
	const struct repo_entry *entry = &p->r->roles[at];
	const struct metadata *m = p->next[at];
	AUTO_FREE char *path = NULL;

	if (!m)
		return 0;
	path = repo_metadata_path(p->r, entry->type == METADATA_TIMESTAMP ? 0 : m->version, entry->name);
	if (!path)
		return err_memory(e);
	if (file_replace(path, m->raw->data, m->raw->len, FILE_MODE, e) < 0)
		return e->code;
	return repo_stamp(path, p->now, e);
}

static int sync_targets(struct repo *r, struct err *e)
{
	AUTO_FREE char *path = file_join(r->dir, "targets");
	AUTO_FD int fd = -1;

	if (!path)
		return err_memory(e);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(e, "%s: open", path);
	if (syncfs(fd) < 0)
		return err_errno(e, "%s: sync", path);
	r->unsynced = false;
	return 0;
}

/*
 * Nothing names a file before it is durable: the timestamp, the one name that
 * is replaced, comes last. A new root comes right before it, because from then
 * on readers want the timestamp under the new root's keys.
 */
static int write_all(const struct publication *p, struct err *e)
{
	struct repo *r = p->r;

	if (r->unsynced && sync_targets(r, e) < 0)
		return e->code;
	for (size_t i = METADATA_TYPES; i < r->count; i++)
		if (write_role(p, i, e) < 0)
			return e->code;
	if (write_role(p, METADATA_TARGETS, e) < 0 || write_role(p, METADATA_SNAPSHOT, e) < 0 ||
	    write_role(p, METADATA_ROOT, e) < 0)
		return e->code;
	return write_role(p, METADATA_TIMESTAMP, e);
}

int repo_lock(const struct repo *r, int *fd, struct err *e)
{
	AUTO_FREE char *path = file_join(r->dir, "lock");

	if (!path)
		return err_memory(e);
	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (*fd < 0)
		return err_errno(e, "%s: open", path);
	if (flock(*fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		return err_set(e, ERR_CONFLICT, "%s: another process changes this repository", r->dir);
	return err_errno(e, "%s: lock", path);
}

/* Under the lock: the timestamp is still the one we know. */
int repo_unchanged(const struct repo *r, struct err *e)
{
	const struct metadata *known = r->roles[METADATA_TIMESTAMP].m;
	AUTO_FREE char *path = repo_metadata_path(r, 0, "timestamp");
	AUTO(buf) struct buf *is = NULL;
	int rc;

	if (!path)
		return err_memory(e);
	rc = file_read(&is, path, METADATA_LISTED_MAX, e);
	if (!known && rc == ERR_NOT_FOUND)
		return 0;
	if (rc < 0)
		return rc;
	if (known && is->len == known->raw->len && !memcmp(is->data, known->raw->data, is->len))
		return 0;
	return err_set(e, ERR_CONFLICT, "%s: changed by another process meanwhile", r->dir);
}

static int publish(struct repo *r, const struct keyring *ring, int64_t now, bool snapshot, struct err *e)
{
	__attribute__((cleanup(publication_freep))) struct publication p = { .r = r, .ring = ring, .now = MAX(now, repo_issued(r)), .snapshot = snapshot };
	bool reload = r->roles[METADATA_ROOT].signed_new || r->roles[METADATA_TARGETS].signed_new || r->resign;
	AUTO_FD int lock = -1;

	if (repo_lock(r, &lock, e) < 0 || repo_unchanged(r, e) < 0 || prepare(&p, e) < 0 || write_all(&p, e) < 0)
		return e->code;
	if (reload) {
		/* The set of roles may be another now. */
		publication_freep(&p);
		return repo_load(r, e);
	}
	for (size_t i = 0; i < r->count; i++) {
		if (!p.next[i])
			continue;
		repo_entry_settle(&r->roles[i]);
		metadata_free(r->roles[i].m);
		r->roles[i].m = TAKE(p.next[i]);
	}
	return 0;
}

void repo_set_reserve(struct repo *r, repo_reserve *reserve, void *arg)
{
	r->reserve = reserve;
	r->reserve_arg = arg;
}

int repo_publish(struct repo *r, const struct keyring *ring, int64_t now, struct err *e)
{
	bool pending = r->resign;

	for (size_t i = 0; i < r->count; i++)
		pending = pending || repo_entry_pending(&r->roles[i]);
	if (!pending)
		return 0;
	return publish(r, ring, now, r->resign, e) < 0 ? err_wrap(e, "publish to %s", r->dir) : 0;
}

/* ---- renewal ---- */

/* The server's own: signs again by itself what is past half its life. */
static bool renewable(const struct repo *r, const struct repo_entry *entry, const struct keyring *ring)
{
	return !repo_is_people(entry->name) && entry->m && repo_can_sign(r, entry->name, ring);
}

static int begin_renewal(struct repo *r, const struct keyring *ring, int64_t now, struct err *e)
{
	int count = 0;

	for (size_t i = METADATA_TYPES; i < r->count; i++) {
		struct repo_entry *entry = &r->roles[i];

		if (!renewable(r, entry, ring) || !due(entry, now))
			continue;
		if (repo_begin_draft(entry, e) < 0)
			return e->code;
		count++;
	}
	return count;
}

int repo_renew(struct repo *r, const struct keyring *ring, int64_t now, struct err *e)
{
	bool timestamp = due(&r->roles[METADATA_TIMESTAMP], now) || r->resign;
	bool snapshot = due(&r->roles[METADATA_SNAPSHOT], now) || r->resign;
	int count;

	for (size_t i = 0; i < r->count; i++)
		if (repo_entry_pending(&r->roles[i]))
			return err_set(e, ERR_CONFLICT, "%s: changes of %s are not published yet", r->dir, r->roles[i].name);
	count = begin_renewal(r, ring, now, e);
	if (count == 0 && !timestamp && !snapshot)
		return 0;
	if (count < 0 || publish(r, ring, now, snapshot, e) < 0) {
		repo_discard(r);
		return err_wrap(e, "renew %s", r->dir);
	}
	return count + 1 + (snapshot || count);
}

int64_t repo_next_renewal(const struct repo *r, const struct keyring *ring)
{
	int64_t first = INT64_MAX;

	if (r->resign)
		return 0;
	for (size_t i = 0; i < r->count; i++) {
		const struct repo_entry *entry = &r->roles[i];

		if (renewable(r, entry, ring))
			first = MIN(first, entry->m->expires - repo_life(entry) / 2 + 1);
	}
	return first;
}

/* ---- the first publication ---- */

static int make_dirs(const struct repo *r, struct err *e)
{
	static const char *const names[] = { "metadata", "targets" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO_FREE char *path = file_join(r->dir, names[i]);

		if (!path)
			return err_memory(e);
		if (file_mkdirs(path, 0755, e) < 0)
			return e->code;
	}
	return 0;
}

/* Signs a draft that is a delegator itself, so that others find their keys in it. */
static int sign_first(struct repo *r, struct repo_entry *entry, const struct keyring *ring, int64_t now, struct err *e)
{
	AUTO(buf) struct buf *text = NULL;
	bool met = false;

	author_set_version(entry->draft, 1);
	author_set_expires(entry->draft, now + repo_life(entry));
	if (repo_refresh_view(entry, e) < 0 || repo_sign_draft(r, entry, ring, 1, now, &text, &met, e) < 0)
		return e->code;
	if (!met)
		return not_signed(r, entry->name, ring, e);
	repo_entry_settle(entry);
	return metadata_parse(&entry->signed_new, entry->type, entry->name, text->data, text->len, e);
}

static int first_root(struct repo *r, const struct repo_plan *plan, struct err *e)
{
	struct author_role four[METADATA_TYPES];
	struct repo_entry *entry = &r->roles[METADATA_ROOT];

	four[METADATA_ROOT] = plan->root;
	four[METADATA_TIMESTAMP] = plan->timestamp;
	four[METADATA_SNAPSHOT] = plan->snapshot;
	four[METADATA_TARGETS] = plan->targets;
	for (int type = 0; type < METADATA_TYPES; type++)
		four[type].name = metadata_type_name(type);
	if (author_new(&entry->draft, METADATA_ROOT, e) < 0)
		return e->code;
	return author_set_roles(entry->draft, four, METADATA_TYPES, true, e);
}

static int first_targets(struct repo *r, const struct repo_plan *plan, struct err *e)
{
	struct repo_entry *entry = &r->roles[METADATA_TARGETS];
	AUTO_FREE struct author_role *roles = calloc(plan->count + 1, sizeof *roles);
	AUTO_FREE char (*texts)[REPO_PATTERN_MAX] = calloc(plan->count + 1, sizeof *texts);
	AUTO_FREE const char **patterns = calloc(plan->count + 1, sizeof *patterns);

	if (!roles || !texts || !patterns)
		return err_memory(e);
	for (size_t i = 0; i < plan->count; i++) {
		roles[i] = plan->roles[i];
		if (roles[i].patterns)
			continue;
		if (!repo_pattern(texts[i], roles[i].name))
			return err_set(e, ERR_USAGE, "%s: a role without path patterns of its own", roles[i].name);
		patterns[i] = texts[i];
		roles[i].patterns = &patterns[i];
		roles[i].pattern_count = 1;
	}
	if (author_new(&entry->draft, METADATA_TARGETS, e) < 0)
		return e->code;
	return author_set_delegations(entry->draft, roles, plan->count, e);
}

static int first_roles(struct repo *r, const struct repo_plan *plan, const struct keyring *ring, struct err *e)
{
	for (size_t i = 0; i < plan->count; i++) {
		const char *name = plan->roles[i].name;

		if (repo_add_entry(r, name, METADATA_TARGETS, e) < 0)
			return e->code;
		if (repo_can_sign(r, name, ring) && repo_begin_draft(&r->roles[r->count - 1], e) < 0)
			return e->code;
	}
	return 0;
}

int repo_create(const char *dir, const struct repo_plan *plan, const struct keyring *ring, int64_t now, struct err *e)
{
	AUTO(repo) struct repo *r = calloc(1, sizeof *r);
	AUTO_FREE char *timestamp = NULL;

	if (!r || !(r->dir = strdup(dir)))
		return err_memory(e);
	timestamp = repo_metadata_path(r, 0, "timestamp");
	if (!timestamp)
		return err_memory(e);
	if (file_exists(timestamp))
		return err_set(e, ERR_CONFLICT, "%s: a repository already", dir);
	for (int type = 0; type < METADATA_TYPES; type++)
		if (repo_add_entry(r, metadata_type_name(type), type, e) < 0)
			return e->code;
	if (make_dirs(r, e) < 0 || first_root(r, plan, e) < 0 ||
	    sign_first(r, &r->roles[METADATA_ROOT], ring, now, e) < 0 || first_targets(r, plan, e) < 0 ||
	    sign_first(r, &r->roles[METADATA_TARGETS], ring, now, e) < 0 || first_roles(r, plan, ring, e) < 0 ||
	    publish(r, ring, now, true, e) < 0)
		return err_wrap(e, "create %s", dir);
	return 0;
}
