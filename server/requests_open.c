/* requests_open: where signing requests come from: operators, rollouts, and what is about to expire. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "server/document_check.h"
#include "server/floor_change.h"
#include "server/requests_parts.h"
#include "signing/repo.h"

#define DAY 86400
#define LOOK_S 60               /* between two looks at open requests while nothing is published */
#define VERSIONS_AHEAD 1000     /* how far people's versions may jump: after a restore, not for ever */
#define CREATED_AHEAD DAY       /* of a machine without network whose clock is off */

/* ---- from operators ---- */

int requests_check_draft(const struct sigreq_draft *d, int64_t now, struct err *e)
{
	int64_t base = d->base ? d->base->version : 0;
	int64_t most = repo_is_people(d->role) ? base + VERSIONS_AHEAD : MAX(base + 1, now + DAY);

	if (d->draft->version > most)
		return err_set(e, ERR_REFUSED, "%s: version %lld is too far ahead of %lld", d->role, (long long)d->draft->version, (long long)base);
	if (d->draft->expires <= now)
		return err_set(e, ERR_EXPIRED, "%s: the draft is expired", d->role);
	return 0;
}

/* A bundle comes through the checks first; of one that waits already only signatures are taken. */
static int check_bundle(const struct sigreq_draft *d, bool waits, struct err *e)
{
	if (waits || strncmp(d->role, "content-", 8) != 0 || sigreq_is_renewal(d) || floor_change_only(d->role, d->base, d->draft))
		return 0;
	return err_set(e, ERR_REFUSED, "%s: what it lists is published through /v1/bundles, which checks it", d->role);
}

static int check_request(struct server *s, const struct sigreq *q, bool waits, int64_t now, struct err *e)
{
	if (q->expires <= now)
		return err_set(e, ERR_EXPIRED, "signing request %s is expired", q->id);
	if (q->created > now + CREATED_AHEAD || q->expires > now + REPO_PEOPLE_LIFE)
		return err_set(e, ERR_REFUSED, "signing request %s: its times are too far ahead", q->id);
	for (size_t i = 0; i < q->draft_count; i++)
		if (requests_check_draft(&q->drafts[i], now, e) < 0 || check_bundle(&q->drafts[i], waits, e) < 0)
			return e->code;
	for (size_t i = 0; i < q->document_count; i++)
		if (document_check(q->documents[i].path, q->documents[i].bytes, NULL, e) < 0)
			return e->code;
	return desk_check_request(s->desk, q, e);
}

/* The row of a request that is known, or not. */
static int find(struct server *s, const char *id, struct requests_row *row, struct sigreq **q, bool *known, struct err *e)
{
	int got = requests_load(s, id, row, q, e);

	*known = got == 0;
	return got == ERR_NOT_FOUND ? 0 : got;
}

static int merge(struct server *s, struct sigreq *into, const struct sigreq *from, struct requests_info *info, struct err *e)
{
	struct desk_trust t;
	int got;

	if (desk_trust(s->desk, &t, e) < 0)
		return e->code;
	got = sigreq_merge(into, from, &(const struct sigreq_trust){ t.root, t.targets }, e);
	desk_trust_release(&t);
	info->added += MAX(got, 0);
	return got < 0 ? got : 0;
}

static int open_it(struct server *s, const struct sigreq *q, const char *who, int64_t now, struct requests_info *info, struct err *e)
{
	AUTO(sigreq) struct sigreq *kept = NULL;
	AUTO_ROW row = { 0 };
	bool known;

	if (find(s, q->id, &row, &kept, &known, e) < 0)
		return e->code;
	if (known && row.state == REQUESTS_PUBLISHED) {
		snprintf(info->id, sizeof info->id, "%s", q->id);
		info->state = REQUESTS_PUBLISHED;
		return 0;
	}
	/* Its files may be gone: who still wants it brings the bundle again. */
	if (known && row.state != REQUESTS_OPEN && requests_is_bundle(&row))
		return requests_not_open(&row, e);
	if (check_request(s, q, known && requests_is_bundle(&row), now, e) < 0 || (!known && sigreq_bare(&kept, q, e) < 0) || merge(s, kept, q, info, e) < 0 ||
	    desk_sign_renewals(s->desk, kept, e) < 0)
		return e->code;
	if (!known || row.state != REQUESTS_OPEN)
		return requests_begin_and_try(s, kept, row.subject, who, now, info, e);
	if (requests_keep(s, kept, row.subject, REQUESTS_OPEN, "", who, "signing-request-signed", now, e) < 0)
		return e->code;
	return requests_try(s, kept, &row, who, now, info, e);
}

int requests_open(struct server *s, const struct sigreq *q, const char *who, int64_t now, struct requests_info *info, struct err *e)
{
	struct requests_info unseen = { .state = REQUESTS_OPEN };
	int got;

	info = info ? info : &unseen;
	*info = (struct requests_info){ .state = REQUESTS_OPEN };
	pthread_mutex_lock(&s->requests);
	got = open_it(s, q, who, now, info, e);
	pthread_mutex_unlock(&s->requests);
	return got;
}

/* ---- from rollouts ---- */

/* Open requests about the same place that say something else, or build on what is gone, make room. */
static int make_room(struct server *s, const char *place, const char *subject, bool *there, struct requests_info *info, int64_t now,
		     struct err *e)
{
	AUTO_FREE struct requests_row *rows = NULL;
	size_t count;

	*there = false;
	if (requests_list(s, REQUESTS_OPEN, &rows, &count, e) < 0)
		return e->code;
	for (size_t i = 0; i < count; i++) {
		AUTO(sigreq) struct sigreq *q = NULL;
		AUTO_ROW row = { 0 };

		if (strncmp(rows[i].subject, place, strlen(place)) != 0)
			continue;
		if (requests_load(s, rows[i].id, &row, &q, e) < 0)
			return e->code;
		if (strcmp(row.subject, subject) == 0 && q->expires > now) {
			if (requests_try(s, q, &row, "server", now, info, e) < 0)
				return e->code;
			*there = *there || info->state == REQUESTS_OPEN || info->state == REQUESTS_PUBLISHED;
		} else if (requests_keep(s, q, row.subject, REQUESTS_WITHDRAWN, "another assignment is wanted here", "server",
					 "signing-request-withdrawn", now, e) < 0) {
			return e->code;
		}
	}
	return 0;
}

struct wish {
	const char *ring, *channel;
	const struct assignment *a;     /* NULL: none */
	const char *reason, *evidence;
	int64_t now;
};

/* It may have been signed and published since the caller looked. */
static bool fulfilled(struct server *s, const struct wish *w)
{
	AUTO(assignment) struct assignment *is = NULL;
	struct digest wanted, left_out;
	struct err e;
	int got = desk_assignment(s->desk, w->ring, w->channel, &is, &e);

	if (got < 0 || !w->a)
		return got == ERR_NOT_FOUND && !w->a;
	return digest_equal(&is->bundle.digest, &w->a->bundle.digest) && is->attempt == w->a->attempt && is->granted == w->a->granted &&
	       assignment_drop_digest(&wanted, w->a, &e) == 0 && assignment_drop_digest(&left_out, is, &e) == 0 &&
	       digest_equal(&wanted, &left_out);
}

static int ask(struct server *s, const struct wish *w, struct requests_info *info, struct err *e)
{
	struct desk_asking asking = { "server", w->reason, w->evidence, w->now, w->now + SIGREQ_LIFE };
	AUTO(sigreq) struct sigreq *q = NULL;
	char place[REQUESTS_SUBJECT_MAX / 2], subject[REQUESTS_SUBJECT_MAX], hex[DIGEST_HEX_LEN + 1], without[32] = "";
	struct digest left_out;
	bool there;

	snprintf(place, sizeof place, "assign %s/%s ", w->ring, w->channel);
	if (w->a) {
		if (assignment_drop_digest(&left_out, w->a, e) < 0)
			return e->code;
		digest_hex(hex, &left_out);
		if (w->a->drop_count)
			snprintf(without, sizeof without, " without %.16s", hex);
		digest_hex(hex, &w->a->bundle.digest);
		snprintf(subject, sizeof subject, "%sserial %llu %s attempt %llu%s%s", place, (unsigned long long)w->a->bundle.serial, hex,
			 (unsigned long long)w->a->attempt, w->a->granted ? " granted" : "", without);
	} else {
		snprintf(subject, sizeof subject, "%snothing", place);
	}
	if (make_room(s, place, subject, &there, info, w->now, e) < 0)
		return e->code;
	if (there)
		return info->state == REQUESTS_OPEN;
	if (fulfilled(s, w)) {
		info->state = REQUESTS_PUBLISHED;
		return 0;
	}
	if (desk_draft_assign(s->desk, w->ring, w->channel, w->a, &asking, &q, e) < 0 ||
	    requests_begin_and_try(s, q, subject, "server", w->now, info, e) < 0)
		return e->code;
	return info->state != REQUESTS_PUBLISHED;
}

static int ask_locked(struct server *s, const struct wish *w, struct requests_info *info, struct err *e)
{
	struct requests_info unseen = { .state = REQUESTS_OPEN };
	int got;

	info = info ? info : &unseen;
	*info = (struct requests_info){ .state = REQUESTS_OPEN };
	pthread_mutex_lock(&s->requests);
	got = ask(s, w, info, e);
	pthread_mutex_unlock(&s->requests);
	return got;
}

int requests_assign(struct server *s, const struct assignment *a, const char *evidence, int64_t now, struct requests_info *info, struct err *e)
{
	char reason[SIGREQ_TEXT_MAX];
	struct wish w = { a->ring, a->channel, a, reason, evidence, now };

	snprintf(reason, sizeof reason, "channel %s serial %llu for ring %s: %.256s", a->channel, (unsigned long long)a->bundle.serial, a->ring,
		 a->reason);
	return ask_locked(s, &w, info, e);
}

int requests_unassign(struct server *s, const char *ring, const char *channel, const char *reason, int64_t now,
		      struct requests_info *info, struct err *e)
{
	char text[SIGREQ_TEXT_MAX];
	struct wish w = { ring, channel, NULL, text, NULL, now };

	snprintf(text, sizeof text, "channel %s taken from ring %s: %.256s", channel, ring, reason);
	return ask_locked(s, &w, info, e);
}

/* ---- from what expires ---- */

struct duty {
	struct server *s;
	int64_t now;
	const struct requests_row *rows;        /* of every state */
	size_t count;
	int done;
};

static bool drafts(const struct requests_row *row, const char *role)
{
	size_t len = strlen(role);

	for (const char *at = row->roles; (at = strstr(at, role)); at += len)
		if ((at == row->roles || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
			return true;
	return false;
}

/* Asked already; or an operator said no within a day. */
static bool asked(const struct duty *d, const char *role)
{
	for (size_t i = 0; i < d->count; i++) {
		const struct requests_row *row = &d->rows[i];

		if (drafts(row, role) && (row->state == REQUESTS_OPEN || (row->state == REQUESTS_WITHDRAWN && d->now - row->changed < DAY)))
			return true;
	}
	return false;
}

static int open_renewal(const char *role, int64_t expires, void *arg, struct err *e)
{
	struct duty *d = arg;
	AUTO(sigreq) struct sigreq *q = NULL;
	char reason[SIGREQ_TEXT_MAX], subject[REQUESTS_SUBJECT_MAX], until[CLOCK_TEXT_LEN + 1];
	struct desk_asking asking = { "server", reason, NULL, d->now, expires > d->now + DAY ? expires : d->now + SIGREQ_LIFE };
	struct requests_info info = { .state = REQUESTS_OPEN };

	if (asked(d, role))
		return 0;
	clock_text(until, expires);
	snprintf(reason, sizeof reason, "%s %s %s: it must be signed again", role, expires > d->now ? "expires at" : "expired at", until);
	snprintf(subject, sizeof subject, "renewal %.200s", role);
	d->done++;
	if (desk_draft_renewal(d->s->desk, role, &asking, &q, e) < 0)
		return e->code;
	return requests_begin_and_try(d->s, q, subject, "server", d->now, &info, e);
}

static int look_again(struct server *s, const struct requests_row *light, int64_t now, int *done, struct err *e)
{
	struct requests_info info = { .state = REQUESTS_OPEN };
	AUTO(sigreq) struct sigreq *q = NULL;
	AUTO_ROW row = { 0 };

	if (requests_load(s, light->id, &row, &q, e) < 0)
		return e->code;
	if (q->expires <= now) {
		++*done;
		log_warn("signing request %s expired: %s", q->id, q->reason);
		return requests_keep(s, q, row.subject, REQUESTS_EXPIRED, "nobody signed it in time", "server", "signing-request-expired", now, e);
	}
	if (requests_try(s, q, &row, "server", now, &info, e) < 0)
		return e->code;
	*done += info.state != REQUESTS_OPEN;
	return 0;
}

static int upkeep(struct server *s, int64_t now, struct err *e)
{
	AUTO_FREE struct requests_row *open = NULL, *all = NULL;
	struct duty d = { .s = s, .now = now };
	size_t count;

	if (requests_list(s, REQUESTS_OPEN, &open, &count, e) < 0)
		return e->code;
	for (size_t i = 0; i < count; i++)
		if (look_again(s, &open[i], now, &d.done, e) < 0)
			return e->code;
	if (requests_list(s, -1, &all, &d.count, e) < 0)
		return e->code;
	d.rows = all;
	return desk_each_due(s->desk, now, open_renewal, &d, e) < 0 ? e->code : d.done;
}

int requests_due(struct server *s, int64_t now, struct err *e)
{
	int64_t timestamp = desk_timestamp(s->desk);
	int got = 0;

	pthread_mutex_lock(&s->requests);
	if (timestamp != s->requests_seen || now >= s->requests_next || now < s->requests_next - LOOK_S) {
		s->requests_seen = timestamp;
		s->requests_next = now + LOOK_S;
		got = upkeep(s, now, e);
	}
	pthread_mutex_unlock(&s->requests);
	return got;
}
