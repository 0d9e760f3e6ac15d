/* desk_requests: the desk's part in signing requests. */
#include "server/desk_requests.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "server/desk_parts.h"

#define AHEAD (60 * 86400)      /* people are asked so long before what they signed expires */

/* ---- drafts ---- */

static int64_t life(const char *role)
{
	return repo_is_people(role) ? REPO_PEOPLE_LIFE : REPO_SERVER_LIFE;
}

/* The author's file as a draft of the request, under a version that nobody used. With the lock. */
static int add_draft(struct desk *d, struct sigreq *q, const char *role, struct author *a, int64_t now, struct err *e)
{
	const struct metadata *base = strcmp(role, "root") == 0 ? repo_root(d->repo) : repo_role(d->repo, role);
	AUTO(buf) struct buf *plain = NULL;
	int64_t version = base ? base->version : 0, known;

	if (desk_reserved(d, role, &known, e) < 0)
		return e->code;
	version = MAX(version, known) + 1;
	author_set_version(a, repo_is_people(role) ? version : MAX(version, now));
	author_set_expires(a, now + life(role));
	if (author_finish(a, &plain, e) < 0)
		return e->code;
	return sigreq_add(q, role, base, plain->data, plain->len, e);
}

/* By the time that is believed (desk_clock()); a request is open for as long as was meant. With the lock. */
static struct desk_asking believed(const struct desk *d, const struct desk_asking *ask)
{
	struct desk_asking b = *ask;

	b.now = clockwatch_time(&d->clock, ask->now);
	b.expires += b.now - ask->now;
	return b;
}

static int new_request(struct desk *d, struct sigreq **out, const struct desk_asking *ask, struct err *e)
{
	if (sigreq_new(out, ask->by, ask->reason, repo_root(d->repo), repo_role(d->repo, "targets"), ask->now, ask->expires, e) < 0)
		return e->code;
	return ask->evidence ? sigreq_set_evidence(*out, ask->evidence, e) : 0;
}

/* What people sign is theirs alone, also when a key of it lies here. */
static int sign_ours(struct desk *d, struct sigreq *q, struct err *e)
{
	const struct sigreq_trust t = { repo_root(d->repo), repo_role(d->repo, "targets") };
	int all = 0;

	for (size_t i = 0; i < q->draft_count; i++) {
		const char *role = q->drafts[i].role;
		int added = repo_is_people(role) ? 0 : sigreq_sign_draft(q, role, d->ring, &t, e);

		if (added < 0)
			return added;
		all += added;
	}
	return all;
}

static int finish(struct desk *d, struct sigreq *q, struct err *e)
{
	if (sigreq_seal(q, e) < 0)
		return e->code;
	return sign_ours(d, q, e) < 0 ? e->code : 0;
}

/* What the ring's role would list, in *a; the old and the new text travel along. With the lock; pending until discarded. */
static int change_role(struct desk *d, struct sigreq *q, const char *role, const char *path, const struct assignment *a, struct author **out,
		       struct err *e)
{
	AUTO(buf) struct buf *old = NULL, *text = buf_new(ASSIGNMENT_MAX), *draft = NULL;
	AUTO(metadata) struct metadata *m = NULL;
	bool met;

	if (!text)
		return err_memory(e);
	if (repo_read_target(d->repo, path, ASSIGNMENT_MAX, &old, e) == 0 && sigreq_attach(q, path, old->data, old->len, e) < 0)
		return e->code;
	if (!a) {
		if (repo_remove_target(d->repo, role, path, e) < 0)
			return e->code;
	} else if (assignment_write(text, a, e) < 0 || buf_check(text, e) < 0 ||
		   repo_put_target(d->repo, role, path, text->data, text->len, NULL, e) < 0 ||
		   sigreq_attach(q, path, text->data, text->len, e) < 0) {
		return e->code;
	}
	if (repo_draft(d->repo, role, d->ring, q->created, &draft, &met, e) < 0 ||
	    metadata_parse(&m, METADATA_TARGETS, role, draft->data, draft->len, e) < 0)
		return e->code;
	return author_load(out, m, e);
}

static int draft_assign(struct desk *d, const char *ring, const char *channel, const struct assignment *a, const struct desk_asking *ask,
			struct sigreq **out, struct err *e)
{
	AUTO(author) struct author *author = NULL;
	AUTO(sigreq) struct sigreq *q = NULL;
	char path[PATH_LEN_MAX + 1], role[NAME_LEN_MAX + 8];

	assignment_path(path, ring, channel);
	snprintf(role, sizeof role, "ring-%s", ring);
	if (new_request(d, &q, ask, e) < 0 || change_role(d, q, role, path, a, &author, e) < 0 ||
	    add_draft(d, q, role, author, ask->now, e) < 0 || finish(d, q, e) < 0)
		return e->code;
	*out = TAKE(q);
	return 0;
}

int desk_draft_assign(struct desk *d, const char *ring, const char *channel, const struct assignment *a, const struct desk_asking *ask,
		      struct sigreq **out, struct err *e)
{
	struct desk_asking by_clock;
	int got;

	pthread_mutex_lock(&d->lock);
	by_clock = believed(d, ask);
	got = draft_assign(d, ring, channel, a, &by_clock, out, e);
	repo_discard(d->repo);
	pthread_mutex_unlock(&d->lock);
	return got;
}

static int draft_renewal(struct desk *d, const char *role, const struct desk_asking *ask, struct sigreq **out, struct err *e)
{
	const struct metadata *m = strcmp(role, "root") == 0 ? repo_root(d->repo) : repo_role(d->repo, role);
	AUTO(author) struct author *author = NULL;
	AUTO(sigreq) struct sigreq *q = NULL;

	if (!m)
		return err_set(e, ERR_NOT_FOUND, "no role %s is published", role);
	if (new_request(d, &q, ask, e) < 0 || author_load(&author, m, e) < 0 || add_draft(d, q, role, author, ask->now, e) < 0 ||
	    finish(d, q, e) < 0)
		return e->code;
	*out = TAKE(q);
	return 0;
}

int desk_draft_renewal(struct desk *d, const char *role, const struct desk_asking *ask, struct sigreq **out, struct err *e)
{
	struct desk_asking by_clock;
	int got;

	pthread_mutex_lock(&d->lock);
	by_clock = believed(d, ask);
	got = draft_renewal(d, role, &by_clock, out, e);
	pthread_mutex_unlock(&d->lock);
	return got;
}

/* ---- judging ---- */

int desk_trust(struct desk *d, struct desk_trust *out, struct err *e)
{
	AUTO(buf) struct buf *root = NULL, *targets = NULL;

	*out = (struct desk_trust){ NULL, NULL };
	if (desk_role(d, "root", &root, e) < 0 || desk_role(d, "targets", &targets, e) < 0)
		return e->code;
	if (metadata_parse(&out->root, METADATA_ROOT, "root", root->data, root->len, e) == 0 &&
	    metadata_parse(&out->targets, METADATA_TARGETS, "targets", targets->data, targets->len, e) == 0)
		return 0;
	desk_trust_release(out);
	return e->code;
}

void desk_trust_release(struct desk_trust *t)
{
	metadata_free(TAKE(t->root));
	metadata_free(TAKE(t->targets));
}

int desk_check_request(struct desk *d, const struct sigreq *q, struct err *e)
{
	int got;

	pthread_mutex_lock(&d->lock);
	got = sigreq_check_repo(q, d->repo, e);
	if (got == ERR_CONFLICT && desk_reopen(d, e) == 0)
		got = sigreq_check_repo(q, d->repo, e);
	pthread_mutex_unlock(&d->lock);
	return got;
}

/* Keys that a new root or targets name are put beside the old ones while the server runs. */
static int reload_keys(struct desk *d, struct err *e)
{
	struct keyring *fresh = NULL;

	if (keyring_load(&fresh, d->keys, NULL, NULL, e) < 0)
		return err_wrap(e, "signing keys");
	keyring_free(d->ring);
	d->ring = fresh;
	return 0;
}

static bool changes_keys(const struct sigreq *q)
{
	return sigreq_draft(q, "root") || sigreq_draft(q, "targets");
}

static bool server_signs(const struct sigreq *q)
{
	for (size_t i = 0; i < q->draft_count; i++) {
		const struct sigreq_draft *d = &q->drafts[i];

		if (!repo_is_people(d->role) && !sigreq_is_renewal(d))
			return false;
	}
	return true;
}

int desk_sign_renewals(struct desk *d, struct sigreq *q, struct err *e)
{
	int got = 0;

	/* One of ours that says something new: the whole is left to whoever holds the keys. */
	if (!server_signs(q))
		return 0;
	pthread_mutex_lock(&d->lock);
	if (changes_keys(q))
		got = reload_keys(d, e);
	if (got == 0)
		got = sign_ours(d, q, e);
	pthread_mutex_unlock(&d->lock);
	return got;
}

/* ---- publishing ---- */

static int publish_once(struct desk *d, const struct sigreq *q, int64_t now, struct err *e)
{
	if (changes_keys(q) && reload_keys(d, e) < 0)
		return e->code;
	return sigreq_publish(q, d->repo, d->ring, now, e);
}

int desk_publish_request(struct desk *d, const struct sigreq *q, int64_t now, struct err *e)
{
	struct err why;
	int got;

	pthread_mutex_lock(&d->lock);
	now = clockwatch_time(&d->clock, now);
	got = publish_once(d, q, now, e);
	if (got == ERR_CONFLICT && desk_reopen(d, e) == 0)
		got = publish_once(d, q, now, e);
	if (got == 0) {
		d->ringmap_serial++;
		/* It is published, whether or not the store could note it: the next start does. */
		if (desk_note_published(d, false, &why) < 0)
			log_error("%s", why.msg);
	}
	desk_note_timestamp(d);
	pthread_mutex_unlock(&d->lock);
	return got;
}

/* ---- what is due ---- */

static bool due(const struct desk *d, const struct repo_status *s, int64_t now)
{
	if (s->version == 0 || strcmp(s->role, "snapshot") == 0 || strcmp(s->role, "timestamp") == 0)
		return false;
	if (repo_is_people(s->role))
		return s->expires - now < AHEAD;
	return s->expires - now < REPO_SERVER_LIFE / 2 && !repo_can_sign(d->repo, s->role, d->ring);
}

#define DUE_MAX 64

int desk_each_due(struct desk *d, int64_t now, desk_due *visit, void *arg, struct err *e)
{
	struct desk_role_status list[DUE_MAX] = { 0 };
	size_t count = 0;

	pthread_mutex_lock(&d->lock);
	for (size_t i = 0; i < repo_role_count(d->repo) && count < DUE_MAX; i++) {
		struct repo_status s;

		repo_role_status(d->repo, i, d->ring, &s);
		if (!due(d, &s, now))
			continue;
		snprintf(list[count].role, sizeof list[count].role, "%s", s.role);
		list[count++].expires = s.expires;
	}
	pthread_mutex_unlock(&d->lock);
	for (size_t i = 0; i < count; i++)
		if (visit(list[i].role, list[i].expires, arg, e) < 0)
			return e->code;
	return 0;
}
