/* follow: bundles of a vendor's repository go into the rings of this server. */
#include "server/follow.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "server/follow_parts.h"
#include "server/handlers.h"
#include "server/now.h"
#include "server/recalls.h"

#define LOOK_MS 1000
#define WHO_MAX 80

static const char *const state_names[] = {
	[FOLLOW_NONE] = "none", [FOLLOW_FETCHING] = "fetching", [FOLLOW_REFUSED] = "refused", [FOLLOW_WAITS] = "waiting",
	[FOLLOW_STARTED] = "started",
};

const char *follow_state_name(enum follow_state s)
{
	return state_names[s];
}

/* ---- what is known, under the lock ---- */

static void keep(struct follow *f, struct followed *at, const struct followed *b)
{
	pthread_mutex_lock(&f->lock);
	if (at->state != b->state && b->state != FOLLOW_NONE)
		log_info("channel %s: the vendor's serial %" PRIu64 ": %s%s%s", b->channel, b->serial, follow_state_name(b->state),
			 *b->sentence ? ": " : "", b->sentence);
	*at = *b;
	pthread_mutex_unlock(&f->lock);
}

static struct followed copy(struct follow *f, const struct followed *at)
{
	struct followed b;

	pthread_mutex_lock(&f->lock);
	b = *at;
	pthread_mutex_unlock(&f->lock);
	return b;
}

/* The same trouble at every look is told once; NULL: none. */
static void tell(struct follow *f, struct follow_repo *r, const struct err *e)
{
	pthread_mutex_lock(&f->lock);
	if (e && strncmp(r->trouble, e->msg, sizeof r->trouble - 1) != 0)
		log_warn("following %s: %s", r->config->name, e->msg);
	snprintf(r->trouble, sizeof r->trouble, "%.255s", e ? e->msg : "");
	pthread_mutex_unlock(&f->lock);
}

/* ---- a bundle is tried, and begins its way ---- */

static struct incoming incoming_of(const struct followed *b, const char *archive, const char *by, const char *reason)
{
	return (struct incoming){
		.channel = b->channel, .serial = b->serial, .digest = b->digest, .version = b->version, .path = b->path,
		.size = b->size, .length = b->length, .archive = archive, .by = by, .reason = reason,
	};
}

static uint64_t rollout_of(struct server *s, const char *channel, const struct digest *digest)
{
	const struct rollout *r;
	uint64_t id;

	pthread_mutex_lock(&s->lock);
	r = rollouts_of(&s->rollouts, channel, digest);
	id = r ? r->id : 0;
	pthread_mutex_unlock(&s->lock);
	return id;
}

/*
 * With `publishing` held. b->state tells what came of it; an error is trouble
 * of ours, and the bundle is tried again.
 */
static int try_bundle(struct server *s, struct followed *b, const char *archive, bool begin, const char *by, const char *reason, struct err *e)
{
	static const struct trial_override none;
	struct incoming in = incoming_of(b, archive, by, reason);
	struct trial *t = NULL;
	int rc = incoming_try(&t, s, &in, &none, e);

	b->sentence[0] = '\0';
	if (rc == ERR_REFUSED || rc == ERR_FORMAT) {    /* the archive is not the bundle that its role describes */
		b->state = FOLLOW_REFUSED;
		snprintf(b->sentence, sizeof b->sentence, "%s", e->msg);
		rc = 0;
	} else if (rc == 0 && trial_refuses(t)) {
		b->state = FOLLOW_REFUSED;
		trial_sentence(t, b->sentence, sizeof b->sentence);
	} else if (rc == 0 && !begin) {
		b->state = FOLLOW_WAITS;
	} else if (rc == 0) {
		rc = incoming_start(s, &in, t, &b->rollout, e);
		b->state = rc == 0 ? FOLLOW_STARTED : b->state;
	}
	trial_free(t);
	return rc;
}

/* Begun before (by the one before a restart), or never to begin. 1: settled; an error is trouble of ours. */
static int settled(struct server *s, struct followed *b, const struct stops *stops, const struct stops *recalls, struct err *e)
{
	struct incoming in = incoming_of(b, "", "", "");
	bool same;

	if (incoming_known(s, &in, &same, e) < 0) {
		if (e->code != ERR_CONFLICT)
			return e->code;
		b->state = FOLLOW_REFUSED;
		snprintf(b->sentence, sizeof b->sentence, "%s", e->msg);
		return 1;
	}
	if (same) {
		b->state = FOLLOW_STARTED;
		b->rollout = rollout_of(s, b->channel, &b->digest);
		return 1;
	}
	if (stops_find(stops, &b->digest) || stops_find(recalls, &b->digest) || desk_stopped(s->desk, b->channel, &b->digest)) {
		b->state = FOLLOW_REFUSED;
		snprintf(b->sentence, sizeof b->sentence, "it is stopped or recalled, which is final");
		return 1;
	}
	if (b->length > (uint64_t)s->config->upload_max) {
		b->state = FOLLOW_REFUSED;
		snprintf(b->sentence, sizeof b->sentence, "its archive of %" PRIu64 " bytes is above upload-max", b->length);
		return 1;
	}
	return 0;
}

static int take(struct follow *f, struct follow_repo *r, struct followed *at, struct followed *b, struct err *e)
{
	AUTO_FREE char *archive = NULL;
	char by[WHO_MAX];
	int rc;

	b->state = FOLLOW_FETCHING;
	keep(f, at, b);
	if (follow_repo_archive(r, b, &archive, e) < 0)
		return e->code;
	snprintf(by, sizeof by, "follow:%s", r->config->name);
	pthread_mutex_lock(&f->server->publishing);
	rc = try_bundle(f->server, b, archive, r->config->automatic, by, "the vendor published it", e);
	pthread_mutex_unlock(&f->server->publishing);
	keep(f, at, b);
	return rc;
}

/* ---- a look ---- */

static int look_at_channel(struct follow *f, struct follow_repo *r, struct followed *at, struct err *e)
{
	AUTO(stops) struct stops *stops = NULL, *recalls = NULL;
	struct followed was = copy(f, at), b = { .serial = 0 };
	char who[WHO_MAX];
	int rc;

	if (follow_repo_stops(r, STOPS_STOP, was.channel, &stops, e) < 0 || follow_repo_stops(r, STOPS_RECALL, was.channel, &recalls, e) < 0)
		return e->code;
	snprintf(who, sizeof who, "follow:%s", r->config->name);
	/* Hosts obey the vendor's stop by themselves; here nobody is offered it any more. */
	recalls_halt(f->server, was.channel, stops, who, "the vendor stopped it");
	recalls_halt(f->server, was.channel, recalls, who, "the vendor recalled it");
	rc = follow_repo_newest(r, was.channel, &b, e);
	if (rc < 0)
		return rc == ERR_NOT_FOUND ? 0 : rc;
	if (was.state > FOLLOW_FETCHING && was.serial == b.serial && digest_equal(&was.digest, &b.digest))
		return 0;
	rc = settled(f->server, &b, stops, recalls, e);
	if (rc < 0)
		return rc;
	if (rc == 0)
		return take(f, r, at, &b, e);
	keep(f, at, &b);
	return 0;
}

static void look(struct follow *f, struct follow_repo *r, int64_t now)
{
	struct err e, first = { 0 };

	if (follow_repo_refresh(r, now, &e) < 0) {
		tell(f, r, &e);
		return;
	}
	pthread_mutex_lock(&f->lock);
	r->fresh_at = now;
	pthread_mutex_unlock(&f->lock);
	for (size_t i = 0; i < r->channel_count; i++)
		if (look_at_channel(f, r, &r->channels[i], &e) < 0 && !first.code)
			first = e;
	tell(f, r, first.code ? &first : NULL);
	pthread_mutex_lock(&f->lock);
	follow_repo_sweep(r);
	pthread_mutex_unlock(&f->lock);
}

/* ---- the thread ---- */

static bool wait_for_next(struct follow *f, bool *poked)
{
	struct timespec until;
	int ms = clock_poll_ms(LOOK_MS);
	bool stop;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)ms * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&f->lock);
	while (!f->stopping && !f->poked && pthread_cond_timedwait(&f->wake, &f->lock, &until) != ETIMEDOUT)
		;
	*poked = f->poked;
	f->poked = false;
	stop = f->stopping;
	pthread_mutex_unlock(&f->lock);
	return !stop;
}

static void *follow_main(void *arg)
{
	struct follow *f = arg;
	bool poked = false;

	do {
		for (size_t i = 0; i < f->count; i++) {
			struct follow_repo *r = &f->repos[i];
			int64_t now = server_now(f->server);

			/* A clock that went back must not make it wait for the old time. */
			if (!poked && now < r->due && now + r->config->poll_s >= r->due)
				continue;
			r->due = now + r->config->poll_s;
			look(f, r, now);
		}
	} while (wait_for_next(f, &poked));
	return NULL;
}

static void follow_free(struct follow *f)
{
	for (size_t i = 0; i < CONFIG_FOLLOWS_MAX; i++)
		follow_repo_close(&f->repos[i]);
	pthread_cond_destroy(&f->wake);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

int follow_start(struct server *s, struct err *e)
{
	struct follow *f;
	pthread_condattr_t monotonic;

	if (s->config->follow_count == 0)
		return 0;
	f = calloc(1, sizeof *f);
	if (!f)
		return err_memory(e);
	f->server = s;
	pthread_mutex_init(&f->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&f->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	for (; f->count < s->config->follow_count; f->count++)
		if (follow_repo_open(&f->repos[f->count], &s->config->follows[f->count], s->config->data, &f->stopping, e) < 0) {
			err_wrap(e, "[follow %s]", s->config->follows[f->count].name);
			follow_free(f);
			return e->code;
		}
	s->follow = f;
	if (pthread_create(&f->thread, NULL, follow_main, f) == 0)
		return 0;
	s->follow = NULL;
	follow_free(f);
	return err_set(e, ERR_IO, "the thread that follows vendors cannot be started");
}

void follow_poke(struct server *s)
{
	struct follow *f = s->follow;

	if (!f)
		return;
	pthread_mutex_lock(&f->lock);
	f->poked = true;
	pthread_cond_signal(&f->wake);
	pthread_mutex_unlock(&f->lock);
}

void follow_stop(struct server *s)
{
	struct follow *f = TAKE(s->follow);

	if (!f)
		return;
	pthread_mutex_lock(&f->lock);
	__atomic_store_n(&f->stopping, true, __ATOMIC_RELAXED);
	pthread_cond_signal(&f->wake);
	pthread_mutex_unlock(&f->lock);
	pthread_join(f->thread, NULL);
	follow_free(f);
}

/* ---- operators ---- */

static struct followed *find(struct follow *f, const char *channel, const struct follow_repo **repo)
{
	for (size_t i = 0; f && i < f->count; i++)
		for (size_t k = 0; k < f->repos[i].channel_count; k++)
			if (!strcmp(f->repos[i].channels[k].channel, channel)) {
				*repo = &f->repos[i];
				return &f->repos[i].channels[k];
			}
	return NULL;
}

/* With `publishing` held: the thread takes nothing in meanwhile. */
static int begin(struct server *s, struct followed *at, const struct follow_repo *r, const char *channel, uint64_t serial,
		 const struct follow_order *o, struct followed *b, struct err *e)
{
	AUTO_FREE char *archive = NULL;

	*b = copy(s->follow, at);
	if (b->state == FOLLOW_NONE || b->serial != serial)
		return err_set(e, ERR_NOT_FOUND, "channel %s: no bundle of the vendor with serial %" PRIu64 " waits here", channel, serial);
	if (b->state == FOLLOW_STARTED)
		return err_set(e, ERR_CONFLICT, "channel %s serial %" PRIu64 ": its rollout began already", channel, serial);
	if (b->state == FOLLOW_FETCHING || desk_stopped(s->desk, channel, &b->digest))
		return err_set(e, ERR_CONFLICT, "channel %s serial %" PRIu64 " %s", channel, serial,
			       b->state == FOLLOW_FETCHING ? "is still being fetched" : "is stopped or recalled, which is final");
	archive = follow_repo_path(r, b);
	if (!archive)
		return err_memory(e);
	return try_bundle(s, b, archive, !o->dry_run, o->who, o->reason, e);
}

int follow_begin(struct server *s, const char *channel, uint64_t serial, const struct follow_order *o, uint64_t *rollout, struct err *e)
{
	const struct follow_repo *r;
	struct followed *at = find(s->follow, channel, &r), b;
	int rc;

	if (!at)
		return err_set(e, ERR_NOT_FOUND, "channel %s is followed from no vendor's repository", channel);
	pthread_mutex_lock(&s->publishing);
	rc = begin(s, at, r, channel, serial, o, &b, e);
	if (rc == 0 && !o->dry_run)
		keep(s->follow, at, &b);
	pthread_mutex_unlock(&s->publishing);
	if (rc < 0)
		return rc;
	*rollout = b.rollout;
	return b.state == FOLLOW_REFUSED ? err_set(e, ERR_REFUSED, "%s", b.sentence) : 0;
}

static void write_channel(struct json_writer *w, const struct followed *b)
{
	json_open_object(w, NULL);
	json_put_text(w, "channel", b->channel);
	json_put_text(w, "state", follow_state_name(b->state));
	if (b->state != FOLLOW_NONE) {
		json_put_int(w, "serial", (int64_t)b->serial);
		json_put_text(w, "version", b->version);
		handler_put_digest(w, "digest", &b->digest);
		handler_put_text(w, "sentence", b->sentence);
		if (b->rollout)
			json_put_int(w, "rollout", (int64_t)b->rollout);
	}
	json_close_object(w);
}

void follow_each(struct server *s, void (*visit)(void *arg, const struct follow_state_of *f), void *arg)
{
	struct follow *f = s->follow;

	for (size_t i = 0; f && i < f->count; i++) {
		const struct follow_repo *r = &f->repos[i];

		pthread_mutex_lock(&f->lock);
		visit(arg, &(const struct follow_state_of){ r->config->name, r->trouble, r->fresh_at, r->config->poll_s });
		pthread_mutex_unlock(&f->lock);
	}
}

void follow_write(struct server *s, struct json_writer *w, bool (*sees)(const void *arg, const char *channel), const void *arg)
{
	struct follow *f = s->follow;

	json_open_array(w, "items");
	for (size_t i = 0; f && i < f->count; i++) {
		struct follow_repo *r = &f->repos[i];

		pthread_mutex_lock(&f->lock);
		json_open_object(w, NULL);
		json_put_text(w, "name", r->config->name);
		json_put_text(w, "url", r->config->url);
		json_put_bool(w, "automatic", r->config->automatic);
		handler_put_time(w, "fresh_at", r->fresh_at);
		handler_put_text(w, "trouble", r->trouble);
		json_open_array(w, "channels");
		for (size_t k = 0; k < r->channel_count; k++)
			if (sees(arg, r->channels[k].channel))
				write_channel(w, &r->channels[k]);
		json_close_array(w);
		json_close_object(w);
		pthread_mutex_unlock(&f->lock);
	}
	json_close_array(w);
}
