/* repo: retention: what of a repository need not stay. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/number.h"
#include "signing/delegation.h"
#include "signing/repo_parts.h"

#define NEWEST 2                /* files of a role that stay whatever their age */
#define LEFTOVER_S 86400        /* a temporary file of a process that was killed */

/* One file of the repository. */
struct file {
	char *name;             /* below `metadata` or `targets`; owned */
	uint64_t bytes;
	int64_t changed;
	bool stays;
	/* of metadata; a target: "" and its serial, when it is an archive */
	char *group;            /* role, or directory of an archive; owned; NULL: neither */
	int64_t number;         /* version, or serial */
};

struct files {
	struct file *items;
	size_t count, cap;
	int dir;                /* that they lie beneath */
};

struct names {
	char **items;           /* owned */
	size_t count, cap;
};

struct sweep {
	struct repo *r;
	const struct repo_retention *keep;
	int64_t now;
	bool dry;
	repo_gone *gone;
	void *arg;
	struct files metadata, targets;
	struct names listed;    /* target files that some metadata that stays lists */
	int count;
};

static void files_release(struct files *f)
{
	for (size_t i = 0; i < f->count; i++) {
		free(f->items[i].name);
		free(f->items[i].group);
	}
	free(f->items);
	if (f->dir >= 0)
		close(f->dir);
}

static void sweep_freep(struct sweep *s)
{
	files_release(&s->metadata);
	files_release(&s->targets);
	for (size_t i = 0; i < s->listed.count; i++)
		free(s->listed.items[i]);
	free(s->listed.items);
}

static int add_name(struct names *n, char *name, struct err *e)
{
	if (name && n->count == n->cap) {
		size_t cap = n->cap ? 2 * n->cap : 64;
		char **more = realloc(n->items, cap * sizeof *more);

		if (!more) {
			free(name);
			name = NULL;
		} else {
			n->items = more;
			n->cap = cap;
		}
	}
	if (!name)
		return err_memory(e);
	n->items[n->count++] = name;
	return 0;
}

/* ---- what is there ---- */

static int compare_files(const void *a, const void *b)
{
	const struct file *x = a, *y = b;
	int groups = strcmp(x->group ? x->group : "", y->group ? y->group : "");

	return groups ? groups : (x->number > y->number) - (x->number < y->number);
}

/* "7.stop.json": group "stop", number 7. */
static bool parse_metadata(struct file *f)
{
	char *dot = strchr(f->name, '.'), *end = strrchr(f->name, '.');
	AUTO_FREE char *digits = dot ? strndup(f->name, (size_t)(dot - f->name)) : NULL;

	if (!digits || end <= dot || strcmp(end, ".json") != 0 || !number_parse(&f->number, digits))
		return false;
	f->group = strndup(dot + 1, (size_t)(end - dot - 1));
	return f->group != NULL;
}

/* "bundles/edr/<sha256>.110.tar.gz": group "bundles/edr", number 110. */
static bool parse_archive(struct file *f)
{
	static const char tail[] = ".tar.gz";
	const char *slash = strrchr(f->name, '/'), *dot = slash ? strchr(slash, '.') : NULL;
	size_t len = dot ? strlen(dot + 1) : 0;
	AUTO_FREE char *digits = NULL;

	if (strncmp(f->name, "bundles/", 8) != 0 || len <= sizeof tail - 1 || strcmp(dot + 1 + len - (sizeof tail - 1), tail) != 0)
		return false;
	digits = strndup(dot + 1, len - (sizeof tail - 1));
	if (!digits || !number_parse(&f->number, digits))
		return false;
	f->group = strndup(f->name, (size_t)(slash - f->name));
	return f->group != NULL;
}

static int see(const char *rel, bool is_dir, void *arg, struct err *e)
{
	struct files *f = arg;
	struct file *one;
	struct stat st;

	if (is_dir)
		return 0;
	if (fstatat(f->dir, rel, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_errno(e, "%s", rel);
	if (f->count == f->cap) {
		size_t cap = f->cap ? 2 * f->cap : 64;
		struct file *more = realloc(f->items, cap * sizeof *more);

		if (!more)
			return err_memory(e);
		f->items = more;
		f->cap = cap;
	}
	one = &f->items[f->count];
	*one = (struct file){ .name = strdup(rel), .bytes = (uint64_t)st.st_size, .changed = st.st_mtim.tv_sec };
	if (!one->name)
		return err_memory(e);
	f->count++;
	return 0;
}

static int scan(struct files *f, const struct repo *r, const char *dir, bool parse(struct file *), struct err *e)
{
	AUTO_FREE char *path = file_join(r->dir, dir);

	if (!path)
		return err_memory(e);
	f->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->dir < 0)
		return err_errno(e, "%s: open", path);
	if (file_walkat(f->dir, see, f, e) < 0)
		return err_wrap(e, "%s", path);
	for (size_t i = 0; i < f->count; i++)
		(void)parse(&f->items[i]);
	if (f->count)
		qsort(f->items, f->count, sizeof *f->items, compare_files);
	return 0;
}

static bool young(const struct sweep *s, int64_t since)
{
	return s->now - since < s->keep->seconds;
}

/* ".7.stop.json.new", ".stage.12.new": what a killed process left. */
static bool leftover(const struct file *f)
{
	const char *slash = strrchr(f->name, '/'), *base = slash ? slash + 1 : f->name;
	size_t len = strlen(base);

	return base[0] == '.' && len > 4 && strcmp(base + len - 4, ".new") == 0;
}

static bool same_group(const struct file *a, const struct file *b)
{
	return a->group && b->group && strcmp(a->group, b->group) == 0;
}

/* ---- metadata ---- */

/* The role whose files have this name; *out NULL: none of the repository's. */
static int find_role(const struct repo *r, const char *quoted, const struct repo_entry **out, struct err *e)
{
	*out = NULL;
	for (size_t i = 0; i < r->count && !*out; i++) {
		AUTO(buf) struct buf *name = buf_new(0);

		if (!name)
			return err_memory(e);
		delegation_quote(name, r->roles[i].name, strlen(r->roles[i].name));
		if (buf_check(name, e) < 0)
			return e->code;
		if (strcmp(name->data, quoted) == 0)
			*out = &r->roles[i];
	}
	return 0;
}

/* What the snapshot lists stays, roles that are retired included. */
static int in_snapshot(const struct sweep *s, const struct file *f, bool *is, struct err *e)
{
	const struct metadata *snapshot = s->r->roles[METADATA_SNAPSHOT].m;

	*is = strcmp(f->group, "snapshot") == 0 && f->number == snapshot->version;
	for (size_t i = 0; i < snapshot->entry_count && !*is; i++) {
		const struct metadata_entry *entry = &snapshot->entries[i];
		AUTO(buf) struct buf *name = buf_new(0);

		if (!name)
			return err_memory(e);
		buf_addf(name, "%lld.", (long long)entry->version);
		delegation_quote(name, entry->name.text, entry->name.len);
		if (buf_check(name, e) < 0)
			return e->code;
		*is = strcmp(name->data, f->name) == 0;
	}
	return 0;
}

static int judge_metadata(struct sweep *s, size_t at, struct err *e)
{
	struct files *all = &s->metadata;
	struct file *f = &all->items[at];
	size_t newer = 0;

	if (!f->group) {
		f->stays = !leftover(f) || s->now - f->changed < LEFTOVER_S;
		return 0;
	}
	if (in_snapshot(s, f, &f->stays, e) < 0)
		return e->code;
	while (newer < NEWEST && at + newer + 1 < all->count && same_group(f, &all->items[at + newer + 1]))
		newer++;
	/* it was replaced when the next one came */
	f->stays = f->stays || strcmp(f->group, "root") == 0 || newer < NEWEST || young(s, all->items[at + 1].changed);
	return 0;
}

/* ---- targets ---- */

static int list_targets(struct sweep *s, const struct metadata *m, struct err *e)
{
	for (size_t i = 0; i < m->target_count; i++) {
		const struct metadata_target *t = &m->targets[i];
		AUTO(buf) struct buf *name = buf_new(0);
		char hex[DIGEST_HEX_LEN + 1];

		if (!name)
			return err_memory(e);
		if (!t->has_sha256)
			continue;
		digest_hex(hex, &t->sha256);
		delegation_target_name(name, t->path.text, t->path.len, hex);
		if (buf_check(name, e) < 0 || add_name(&s->listed, strdup(name->data), e) < 0)
			return e->code;
	}
	return 0;
}

/* What an older file lists; one that cannot be read any more lists nothing to anybody. */
static int list_of(struct sweep *s, const struct file *f, struct err *e)
{
	const struct repo_entry *entry;
	AUTO(metadata) struct metadata *old = NULL;
	AUTO(buf) struct buf *text = NULL;
	struct err why;

	if (find_role(s->r, f->group, &entry, e) < 0)
		return e->code;
	if (!entry || entry < &s->r->roles[METADATA_TARGETS])
		return 0;
	if (entry->m && entry->m->version == f->number)
		return list_targets(s, entry->m, e);
	if (file_readat(&text, s->metadata.dir, f->name, METADATA_LISTED_MAX, e) < 0)
		return e->code;
	if (metadata_parse(&old, METADATA_TARGETS, f->name, text->data, text->len, &why) < 0)
		return why.code == ERR_MEMORY ? err_memory(e) : 0;
	return list_targets(s, old, e);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list_all(struct sweep *s, struct err *e)
{
	for (size_t i = 0; i < s->metadata.count; i++)
		if (s->metadata.items[i].stays && s->metadata.items[i].group && list_of(s, &s->metadata.items[i], e) < 0)
			return e->code;
	for (size_t i = 0; i < s->keep->waiting_count; i++)
		if (list_targets(s, s->keep->waiting[i], e) < 0)
			return e->code;
	if (s->listed.count)
		qsort(s->listed.items, s->listed.count, sizeof *s->listed.items, compare_names);
	return 0;
}

/* "bundles/edr/<sha256>.110.tar.gz" is the path "bundles/edr/110.tar.gz". */
static bool is_named(const struct sweep *s, const char *name)
{
	const char *slash = strrchr(name, '/'), *dot = slash ? strchr(slash, '.') : NULL;

	for (size_t i = 0; dot && i < s->keep->named_count; i++) {
		const char *path = s->keep->named[i];
		size_t dir = (size_t)(slash + 1 - name);

		if (strncmp(path, name, dir) == 0 && strcmp(path + dir, dot + 1) == 0)
			return true;
	}
	return false;
}

/* Among the newest serials of its channel; two files of one serial count once. */
static bool is_recent(const struct sweep *s, size_t at)
{
	const struct files *all = &s->targets;
	const struct file *f = &all->items[at];
	size_t newer = 0;

	if (!f->group)
		return false;
	for (size_t i = at + 1; i < all->count && newer < s->keep->bundles && same_group(f, &all->items[i]); i++)
		newer += all->items[i].number > all->items[i - 1].number;
	return newer < s->keep->bundles;
}

/* "<dir>/<sha256>.<name>": anything else was put there by somebody who will know why. */
static bool is_ours(const struct file *f)
{
	const char *slash = strrchr(f->name, '/'), *base = slash ? slash + 1 : f->name;
	struct digest any;

	return strlen(base) > DIGEST_HEX_LEN && base[DIGEST_HEX_LEN] == '.' && digest_parse(&any, base, DIGEST_HEX_LEN);
}

static void judge_target(struct sweep *s, size_t at)
{
	struct file *f = &s->targets.items[at];

	if (leftover(f)) {
		f->stays = s->now - f->changed < LEFTOVER_S;
		return;
	}
	f->stays = !is_ours(f) || young(s, f->changed) || is_named(s, f->name) || is_recent(s, at) ||
		   (s->listed.count && bsearch(&f->name, s->listed.items, s->listed.count, sizeof *s->listed.items, compare_names));
}

/* ---- away ---- */

static int drop(struct sweep *s, const struct files *all, const char *dir, struct err *e)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct file *f = &all->items[i];
		AUTO_FREE char *name = NULL;
		int got = 0;

		if (f->stays)
			continue;
		name = file_join(dir, f->name);
		if (!name)
			return err_memory(e);
		if (!s->dry && unlinkat(all->dir, f->name, 0) < 0 && errno != ENOENT)
			return err_errno(e, "%s/%s: remove", s->r->dir, name);
		s->count++;
		if (s->gone)
			got = s->gone(name, f->bytes, s->arg, e);
		if (got)
			return got;
	}
	return 0;
}

static int sweep(struct sweep *s, struct err *e)
{
	int got;

	if (scan(&s->metadata, s->r, "metadata", parse_metadata, e) < 0 || scan(&s->targets, s->r, "targets", parse_archive, e) < 0)
		return e->code;
	for (size_t i = 0; i < s->metadata.count; i++)
		if (judge_metadata(s, i, e) < 0)
			return e->code;
	if (list_all(s, e) < 0)
		return e->code;
	for (size_t i = 0; i < s->targets.count; i++)
		judge_target(s, i);
	/* metadata first: a sweep cut short leaves nothing that lists what is gone */
	got = drop(s, &s->metadata, "metadata", e);
	return got ? got : drop(s, &s->targets, "targets", e);
}

int repo_sweep(struct repo *r, const struct repo_retention *keep, int64_t now, bool dry, repo_gone *gone, void *arg, struct err *e)
{
	__attribute__((cleanup(sweep_freep))) struct sweep s = { .r = r, .keep = keep, .now = now, .dry = dry, .gone = gone, .arg = arg,
								 .metadata.dir = -1, .targets.dir = -1 };
	AUTO_FD int lock = -1;
	int got;

	for (size_t i = 0; i < r->count; i++)
		if (repo_entry_pending(&r->roles[i]))
			return err_set(e, ERR_CONFLICT, "%s: changes of %s are not published yet", r->dir, r->roles[i].name);
	if (repo_lock(r, &lock, e) < 0 || repo_unchanged(r, e) < 0)
		return e->code;
	got = sweep(&s, e);
	if (got < 0)
		return err_wrap(e, "sweep %s", r->dir);
	return got ? got : s.count;
}
