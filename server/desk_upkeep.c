/* desk_upkeep: renewal, the clock, what is published and until when. */
#include <stdio.h>
#include <stdlib.h>

#include "server/desk_parts.h"

/* ---- the clock ---- */

/* How far the time to sign by lies before the last signature; 0: it does not. */
static int64_t behind(const struct desk *d)
{
	int64_t by = repo_issued(d->repo) - clockwatch_time(&d->clock, d->clock.now);

	return by > CLOCK_JUMP_S ? by : 0;
}

static bool say_jump(const struct desk *d, enum clock_news news, char out[DESK_SENTENCE])
{
	const struct clockwatch *w = &d->clock;
	char at[CLOCK_TEXT_LEN + 1];

	clock_text(at, clockwatch_time(w, w->now));
	switch (news) {
	case CLOCK_JUMPED:
		snprintf(out, DESK_SENTENCE,
			 "the clock jumped by %+lld s; metadata is signed as of %s until the clock has stayed there for %d s",
			 (long long)w->jump_s, at, CLOCK_DOUBT_S);
		return true;
	case CLOCK_RETURNED:
		snprintf(out, DESK_SENTENCE, "the clock jumped back to where it was, %s", at);
		return true;
	case CLOCK_BELIEVED:
		snprintf(out, DESK_SENTENCE, "the clock stayed where it jumped to: from now on metadata is signed as of %s", at);
		return true;
	case CLOCK_STEADY:
		break;
	}
	return false;
}

bool desk_clock(struct desk *d, int64_t now, int64_t ticks_ms, bool doubted, char out[DESK_SENTENCE])
{
	struct clockwatch was;
	enum clock_news seen;
	bool news, late;

	pthread_mutex_lock(&d->lock);
	was = d->clock;
	seen = clockwatch_look(&d->clock, now, ticks_ms);
	if (seen == CLOCK_BELIEVED && doubted) {
		d->clock = was;
		seen = CLOCK_STEADY;
	}
	news = say_jump(d, seen, out);
	late = behind(d) > 0;
	if (late && !d->late) {
		char at[CLOCK_TEXT_LEN + 1];

		clock_text(at, repo_issued(d->repo));
		snprintf(out, DESK_SENTENCE,
			 "the clock is %lld s before the last signature of the repository: until it reaches %s everything is signed as of then",
			 (long long)behind(d), at);
		news = true;
	}
	d->late = late;
	pthread_mutex_unlock(&d->lock);
	return news;
}

void desk_resume_clock(struct desk *d, const struct clockwatch *kept)
{
	pthread_mutex_lock(&d->lock);
	d->clock = *kept;
	pthread_mutex_unlock(&d->lock);
}

void desk_clock_status(struct desk *d, int64_t now, struct desk_clock *out)
{
	pthread_mutex_lock(&d->lock);
	*out = (struct desk_clock){ .signing = MAX(clockwatch_time(&d->clock, now), repo_issued(d->repo)), .doubted = d->clock.offset != 0,
				    .jumped_at = d->clock.jumped_at, .jump_s = d->clock.jump_s, .jumps = d->clock.jumps };
	if (repo_issued(d->repo) - clockwatch_time(&d->clock, now) > CLOCK_JUMP_S)
		out->behind_s = repo_issued(d->repo) - clockwatch_time(&d->clock, now);
	pthread_mutex_unlock(&d->lock);
}

/* ---- renewal ---- */

int64_t desk_next_renewal(struct desk *d)
{
	int64_t at;

	pthread_mutex_lock(&d->lock);
	at = repo_next_renewal(d->repo, d->ring);
	pthread_mutex_unlock(&d->lock);
	return at;
}

int desk_renew(struct desk *d, int64_t now, struct err *e)
{
	int got;

	pthread_mutex_lock(&d->lock);
	now = clockwatch_time(&d->clock, now);
	got = repo_renew(d->repo, d->ring, now, e);
	if (got == ERR_CONFLICT && desk_reopen(d, e) == 0)
		got = repo_renew(d->repo, d->ring, now, e);
	desk_note_timestamp(d);
	pthread_mutex_unlock(&d->lock);
	return got;
}

static int add_bytes(const char *file, uint64_t bytes, void *arg, struct err *e)
{
	(void)file;
	(void)e;
	*(uint64_t *)arg += bytes;
	return 0;
}

int desk_sweep(struct desk *d, const struct retention *keep, int64_t now, uint64_t *bytes, struct err *e)
{
	int got;

	*bytes = 0;
	pthread_mutex_lock(&d->lock);
	now = clockwatch_time(&d->clock, now);
	got = retention_sweep(d->repo, keep, now, false, add_bytes, bytes, e);
	if (got == ERR_CONFLICT && desk_reopen(d, e) == 0)
		got = retention_sweep(d->repo, keep, now, false, add_bytes, bytes, e);
	desk_note_timestamp(d);
	pthread_mutex_unlock(&d->lock);
	return got;
}

int64_t desk_timestamp(struct desk *d)
{
	return d->timestamp;
}

uint64_t desk_ringmap_serial(struct desk *d)
{
	return d->ringmap_serial;
}

int desk_ringmap(struct desk *d, struct ringmap **out, struct err *e)
{
	AUTO(buf) struct buf *text = NULL;
	int got;

	*out = NULL;
	pthread_mutex_lock(&d->lock);
	got = repo_read_target(d->repo, RINGMAP_PATH, RINGMAP_MAX, &text, e);
	pthread_mutex_unlock(&d->lock);
	if (got < 0)
		return got == ERR_NOT_FOUND ? 0 : got;
	return ringmap_parse(out, RINGMAP_PATH, text->data, text->len, e);
}

size_t desk_roles(struct desk *d, struct desk_role_status *out, size_t max)
{
	struct err e;
	size_t count;

	pthread_mutex_lock(&d->lock);
	count = repo_role_count(d->repo);
	for (size_t i = 0; i < count && i < max; i++) {
		struct repo_status s;

		repo_role_status(d->repo, i, d->ring, &s);
		snprintf(out[i].role, sizeof out[i].role, "%s", s.role);
		out[i].version = s.version;
		out[i].expires = s.expires;
		out[i].threshold = s.threshold;
		if (desk_reserved(d, s.role, &out[i].reserved, &e) < 0)
			out[i].reserved = 0;
		out[i].keys = s.keys;
		out[i].held = s.held;
	}
	pthread_mutex_unlock(&d->lock);
	return count;
}
