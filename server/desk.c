/* desk: the server's hand on the published repository and the keys it holds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "server/desk_parts.h"
#include "signing/delegation.h"

/* One change on its way: made again from the start when another process was faster. */
struct change {
	int (*make)(struct desk *d, const struct change *c, struct err *e);
	const struct assignment *assignment;
	const char *place, *channel;            /* ring, or role */
	const struct stop_entry *stop;
	const void *envelope;
	size_t len;
	const struct desk_file *files;
	size_t count;
	const struct desk_record *record;
	int64_t now;
};

void desk_note_timestamp(struct desk *d)
{
	const struct metadata *m = repo_role(d->repo, "timestamp");

	d->timestamp = m ? m->version : 0;
}

int desk_open(struct desk **out, const char *repository, const char *keys, struct err *e)
{
	AUTO(desk) struct desk *d = calloc(1, sizeof *d);

	if (!d)
		return err_memory(e);
	pthread_mutex_init(&d->lock, NULL);
	d->dir = strdup(repository);
	d->keys = strdup(keys);
	d->ringmap_serial = 1;
	if (!d->dir || !d->keys)
		return err_memory(e);
	if (keyring_load(&d->ring, keys, NULL, NULL, e) < 0)
		return err_wrap(e, "signing keys");
	if (repo_open(&d->repo, repository, e) < 0)
		return err_wrap(e, "repository %s", repository);
	desk_note_timestamp(d);
	*out = TAKE(d);
	return 0;
}

void desk_close(struct desk *d)
{
	if (!d)
		return;
	repo_free(d->repo);
	keyring_free(d->ring);
	free(d->dir);
	free(d->keys);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

int desk_reopen(struct desk *d, struct err *e)
{
	struct repo *fresh = NULL;

	if (repo_open(&fresh, d->dir, e) < 0)
		return e->code;
	repo_free(d->repo);
	d->repo = fresh;
	if (d->store)
		repo_set_reserve(d->repo, desk_reserve, d);
	d->ringmap_serial++;
	return 0;
}

static int change_once(struct desk *d, const struct change *c, struct err *e)
{
	if (c->make(d, c, e) < 0 || (c->record && c->record->write(c->record->arg, e) < 0) || repo_publish(d->repo, d->ring, c->now, e) < 0) {
		repo_discard(d->repo);
		return e->code;
	}
	return 0;
}

static int make_signed(struct desk *d, const struct change *c, struct err *e);

static int change(struct desk *d, struct change *c, struct err *e)
{
	struct err why;
	int got;

	pthread_mutex_lock(&d->lock);
	c->now = clockwatch_time(&d->clock, c->now);
	got = change_once(d, c, e);
	if (got == ERR_CONFLICT && desk_reopen(d, e) == 0)
		got = change_once(d, c, e);
	/* It is published, whether or not the store could note it: the next start does. */
	if (got == 0 && c->make == make_signed && desk_note_published(d, false, &why) < 0)
		log_error("%s", why.msg);
	desk_note_timestamp(d);
	pthread_mutex_unlock(&d->lock);
	return got;
}

/* ---- assignments ---- */

static void ring_role(char out[NAME_LEN_MAX + 8], const char *ring)
{
	snprintf(out, NAME_LEN_MAX + 8, "ring-%s", ring);
}

int desk_assignment(struct desk *d, const char *ring, const char *channel, struct assignment **out, struct err *e)
{
	AUTO(buf) struct buf *text = NULL;
	char path[PATH_LEN_MAX + 1];
	int got;

	assignment_path(path, ring, channel);
	pthread_mutex_lock(&d->lock);
	got = repo_read_target(d->repo, path, ASSIGNMENT_MAX, &text, e);
	pthread_mutex_unlock(&d->lock);
	if (got < 0)
		return got;
	return assignment_parse(out, path, text->data, text->len, e);
}

static int make_assignment(struct desk *d, const struct change *c, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(ASSIGNMENT_MAX);
	char path[PATH_LEN_MAX + 1], role[NAME_LEN_MAX + 8];

	if (!text)
		return err_memory(e);
	if (assignment_write(text, c->assignment, e) < 0 || buf_check(text, e) < 0)
		return e->code;
	assignment_path(path, c->assignment->ring, c->assignment->channel);
	ring_role(role, c->assignment->ring);
	return repo_put_target(d->repo, role, path, text->data, text->len, NULL, e);
}

int desk_assign(struct desk *d, const struct assignment *a, int64_t now, struct err *e)
{
	struct change c = { .make = make_assignment, .assignment = a, .now = now };

	return change(d, &c, e);
}

static int make_no_assignment(struct desk *d, const struct change *c, struct err *e)
{
	char path[PATH_LEN_MAX + 1], role[NAME_LEN_MAX + 8];
	int got;

	assignment_path(path, c->place, c->channel);
	ring_role(role, c->place);
	got = repo_remove_target(d->repo, role, path, e);
	return got == ERR_NOT_FOUND ? 0 : got;
}

int desk_unassign(struct desk *d, const char *ring, const char *channel, int64_t now, struct err *e)
{
	struct change c = { .make = make_no_assignment, .place = ring, .channel = channel, .now = now };

	return change(d, &c, e);
}

static bool can_sign(struct desk *d, const char *role)
{
	bool can;

	pthread_mutex_lock(&d->lock);
	can = repo_can_sign(d->repo, role, d->ring);
	pthread_mutex_unlock(&d->lock);
	return can;
}

bool desk_can_assign(struct desk *d, const char *ring)
{
	char role[NAME_LEN_MAX + 8];

	ring_role(role, ring);
	return can_sign(d, role);
}

bool desk_can_stop(struct desk *d)
{
	return can_sign(d, "stop");
}

/* ---- stops ---- */

/* With the lock held. *out NULL: there is no such document. */
static int read_stops(struct desk *d, enum stops_kind kind, const char *channel, struct stops **out, struct err *e)
{
	AUTO(buf) struct buf *text = NULL;
	char path[PATH_LEN_MAX + 1];
	int got;

	*out = NULL;
	stops_path(path, kind, channel);
	got = repo_read_target(d->repo, path, STOPS_MAX, &text, e);
	if (got < 0)
		return got == ERR_NOT_FOUND ? 0 : got;
	return stops_parse(out, kind, path, text->data, text->len, e);
}

bool desk_stopped(struct desk *d, const char *channel, const struct digest *digest)
{
	bool found = false;

	pthread_mutex_lock(&d->lock);
	for (int kind = STOPS_STOP; kind <= STOPS_RECALL; kind++) {
		AUTO(stops) struct stops *s = NULL;
		struct err e;

		if (read_stops(d, (enum stops_kind)kind, channel, &s, &e) == 0)
			found = found || stops_find(s, digest);
	}
	pthread_mutex_unlock(&d->lock);
	return found;
}

int desk_stops(struct desk *d, enum stops_kind kind, const char *channel, struct stops **out, struct err *e)
{
	int got;

	pthread_mutex_lock(&d->lock);
	got = read_stops(d, kind, channel, out, e);
	pthread_mutex_unlock(&d->lock);
	return got;
}

static int make_stop(struct desk *d, const struct change *c, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(STOPS_MAX);
	AUTO(stops) struct stops *s = NULL;
	char path[PATH_LEN_MAX + 1];

	if (!text)
		return err_memory(e);
	if (read_stops(d, STOPS_STOP, c->channel, &s, e) < 0)
		return e->code;
	if (stops_find(s, &c->stop->digest))
		return 0;
	if (!s && !(s = stops_new(STOPS_STOP, c->channel)))
		return err_memory(e);
	if (stops_add(s, c->stop, e) < 0 || stops_write(text, s, e) < 0 || buf_check(text, e) < 0)
		return e->code;
	stops_path(path, STOPS_STOP, c->channel);
	return repo_put_target(d->repo, "stop", path, text->data, text->len, NULL, e);
}

int desk_stop(struct desk *d, const char *channel, const struct stop_entry *entry, int64_t now, struct err *e)
{
	struct change c = { .make = make_stop, .channel = channel, .stop = entry, .now = now };

	return change(d, &c, e);
}

/* ---- documents that others signed ---- */

struct desk_signed {
	struct metadata *m;
};

void desk_signed_free(struct desk_signed *s)
{
	if (!s)
		return;
	metadata_free(s->m);
	free(s);
}

static int check_paths(const struct metadata *m, const struct metadata_delegation *d, struct err *e)
{
	for (size_t i = 0; i < m->target_count; i++)
		if (!delegation_match(d, m->targets[i].path.text, m->targets[i].path.len))
			return err_set(e, ERR_REFUSED, "%s: not a path that %s may speak for", m->targets[i].path.text, d->name);
	return 0;
}

/* With the lock. */
static int check_part(struct desk *d, const struct metadata *m, const struct authority *by, const char *role, struct desk_count *count,
		      struct err *e)
{
	*count = (struct desk_count){ verify_count(m, by), by->role->threshold };
	if (count->have == 0)
		return verify(m, by, role, e);
	return check_paths(m, metadata_delegation(repo_role(d->repo, "targets"), role), e);
}

int desk_check(struct desk *d, struct desk_signed **out, const char *role, const void *envelope, size_t len, struct desk_count *count,
	       struct err *e)
{
	AUTO(desk_signed) struct desk_signed *s = calloc(1, sizeof *s);
	struct authority by;
	int got;

	if (!s)
		return err_memory(e);
	if (metadata_parse(&s->m, METADATA_TARGETS, role, envelope, len, e) < 0)
		return e->code;
	pthread_mutex_lock(&d->lock);
	if (!authority_of(&by, repo_role(d->repo, "targets"), role))
		got = err_set(e, ERR_AUTH, "the repository delegates to no role %s", role);
	else
		got = count ? check_part(d, s->m, &by, role, count, e) : verify(s->m, &by, role, e);
	pthread_mutex_unlock(&d->lock);
	if (got < 0)
		return got;
	*out = TAKE(s);
	return 0;
}

bool desk_signed_target(const struct desk_signed *s, const char *path, struct desk_target *out)
{
	const struct metadata_target *t = metadata_target(s->m, path, strlen(path));

	if (!t || !t->has_sha256 || t->file.length < 0)
		return false;
	*out = (struct desk_target){ t->sha256, (uint64_t)t->file.length, t->custom };
	return true;
}

const char *desk_signed_path(const struct desk_signed *s, const struct digest *sha256, size_t nth)
{
	for (size_t i = 0; i < s->m->target_count; i++)
		if (s->m->targets[i].has_sha256 && digest_equal(&s->m->targets[i].sha256, sha256) && nth-- == 0)
			return s->m->targets[i].path.text;
	return NULL;
}

bool desk_lists(struct desk *d, const char *role, const char *path, const struct digest *sha256)
{
	const struct metadata *m;
	const struct metadata_target *t;
	bool lists;

	pthread_mutex_lock(&d->lock);
	m = repo_role(d->repo, role);
	t = m ? metadata_target(m, path, strlen(path)) : NULL;
	lists = t && t->has_sha256 && digest_equal(&t->sha256, sha256);
	pthread_mutex_unlock(&d->lock);
	return lists;
}

int desk_target_file(struct desk *d, const char *path, char **out, struct err *e)
{
	int code;

	pthread_mutex_lock(&d->lock);
	code = repo_target_file(d->repo, path, out, e);
	pthread_mutex_unlock(&d->lock);
	return code;
}

bool desk_dropped(struct desk *d, const char *channel, const char *path)
{
	char role[NAME_LEN_MAX + 16];
	const struct metadata *m;
	bool dropped;

	snprintf(role, sizeof role, "content-%s", channel);
	pthread_mutex_lock(&d->lock);
	m = repo_role(d->repo, role);
	dropped = m && m->target_count > 0 && !metadata_target(m, path, strlen(path));
	pthread_mutex_unlock(&d->lock);
	return dropped;
}

static int make_signed(struct desk *d, const struct change *c, struct err *e)
{
	uint64_t length;
	struct digest sha256;

	for (size_t i = 0; i < c->count; i++)
		if (repo_stage_file(d->repo, c->files[i].path, c->files[i].from, &length, &sha256, e) < 0)
			return e->code;
	return repo_put_signed(d->repo, c->place, c->envelope, c->len, c->now, e);
}

int desk_publish(struct desk *d, const char *role, const void *envelope, size_t len, const struct desk_file *files, size_t count,
		 const struct desk_record *record, int64_t now, struct err *e)
{
	struct change c = { .make = make_signed, .place = role, .envelope = envelope, .len = len, .files = files,
			    .count = count, .record = record, .now = now };
	int got = change(d, &c, e);

	if (got == 0 && strcmp(role, "fleet") == 0)
		d->ringmap_serial++;
	return got;
}

int desk_role(struct desk *d, const char *role, struct buf **out, struct err *e)
{
	AUTO(buf) struct buf *copy = buf_new(0);
	const struct metadata *m;

	if (!copy)
		return err_memory(e);
	pthread_mutex_lock(&d->lock);
	m = strcmp(role, "root") == 0 ? repo_root(d->repo) : repo_role(d->repo, role);
	if (m)
		buf_add(copy, m->raw->data, m->raw->len);
	pthread_mutex_unlock(&d->lock);
	if (!m)
		return err_set(e, ERR_NOT_FOUND, "no role %s is published", role);
	if (buf_check(copy, e) < 0)
		return e->code;
	*out = TAKE(copy);
	return 0;
}

int desk_draft(struct desk *d, const char *role, int64_t now, struct buf **out, struct err *e)
{
	bool met;
	int got;

	pthread_mutex_lock(&d->lock);
	got = repo_draft(d->repo, role, d->ring, clockwatch_time(&d->clock, now), out, &met, e);
	/* Whoever only looks leaves nothing pending: the next stop would wait for its signatures. */
	repo_discard(d->repo);
	pthread_mutex_unlock(&d->lock);
	return got;
}
