/* ticker: the thread that looks at everything about once a second. */
#include "server/ticker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "server/audit_log.h"
#include "server/control.h"
#include "server/idempotency.h"
#include "server/now.h"
#include "server/recalls.h"
#include "server/requests.h"
#include "server/requests_bundle.h"
#include "server/requests_sweep.h"

#define TICK_MS 1000
#define FOLD_MS 10000           /* heartbeats reach the store at least so often */
#define FOLD_MOST 20000         /* devices in one tick */
#define PULSE_MS 5000           /* what the clock says is written so often, which shows as well whether rows can be */
#define SWEEP_MS 3600000

enum duty { DUTY_GAP, DUTY_RINGMAP, DUTY_OPERATORS, DUTY_RENEW, DUTY_FOLD, DUTY_AUDIT, DUTY_SWEEP, DUTY_UPLOADS, DUTY_ANSWERS, DUTY_REQUESTS, DUTY_BUNDLES, DUTY_PULSE, DUTY_CLOCK, DUTIES };

struct ticker {
	struct server *server;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stopping, poked;
	int64_t last;                   /* server_now() of the last tick */
	int64_t folded, swept, pulsed;  /* clock_ticks_ms() */
	int64_t timestamp;              /* of the repository when stops and recalls were last looked at */
	char said[DUTIES][256];         /* the last trouble of each duty, told once */
	pthread_t finisher;
	bool finishing;                 /* that thread was begun and not joined */
	_Atomic bool finished;          /* it is at its end */
};

static void tell(struct ticker *t, enum duty d, int got, const struct err *e)
{
	if (got >= 0) {
		t->said[d][0] = '\0';
		return;
	}
	if (strncmp(t->said[d], e->msg, sizeof t->said[d] - 1) == 0)
		return;
	snprintf(t->said[d], sizeof t->said[d], "%.255s", e->msg);
	log_error("%s", e->msg);
}

/*
 * The server slept, or its clock jumped: whoever is unheard of may have had no
 * chance to be heard, so nobody is called silent for one interval.
 */
static void watch_gap(struct ticker *t, int64_t now)
{
	struct server *s = t->server;
	int64_t interval;

	pthread_mutex_lock(&s->lock);
	interval = server_checkin_s(s);
	if (t->last && (now - t->last > interval || now < t->last - interval)) {
		log_warn("%lld s passed since the last look: nobody is called silent for %lld s", (long long)(now - t->last),
			 (long long)interval);
		s->quiet_until = now + interval;
	}
	pthread_mutex_unlock(&s->lock);
	t->last = now;
}

static int renew(struct ticker *t, int64_t now, struct err *e)
{
	int changed;

	if (desk_next_renewal(t->server->desk) > now)
		return 0;
	changed = desk_renew(t->server->desk, now, e);
	if (changed > 0)
		log_info("renewed %d files of the repository's metadata", changed);
	return changed;
}

/* While a jump of the clock is not believed nothing is closed as expired, nor asked for as due. */
static int look_after_requests(struct ticker *t, int64_t now, struct err *e)
{
	struct desk_clock c;

	desk_clock_status(t->server->desk, now, &c);
	return c.doubted ? 0 : requests_due(t->server, now, e);
}

/* What the repository need not keep. */
static int sweep_repository(struct ticker *t, int64_t now, struct err *e)
{
	uint64_t bytes;
	int count = requests_sweep_repository(t->server, now, &bytes, e);

	if (count > 0)
		log_info("removed %d files of the repository, %llu bytes, that nothing names any more", count, (unsigned long long)bytes);
	return count;
}

/* Trying a bundle takes its time, and the gates do not wait for it. */
static void *finish_bundles(void *arg)
{
	struct ticker *t = arg;
	struct err e;

	if (requests_bundles_finish(t->server, server_now(t->server), &e) < 0)
		log_error("%s", e.msg);
	t->finished = true;
	return NULL;
}

static void join_finisher(struct ticker *t)
{
	if (t->finishing)
		pthread_join(t->finisher, NULL);
	t->finishing = false;
}

/* Bundles that have all their signatures; mostly whoever brought the last one was here first. */
static int bring_out_bundles(struct ticker *t, struct err *e)
{
	if (t->finishing && !t->finished)
		return 0;
	join_finisher(t);
	if (!requests_bundles_ready(t->server))
		return 0;
	t->finished = false;
	t->finishing = pthread_create(&t->finisher, NULL, finish_bundles, t) == 0;
	return t->finishing ? 0 : err_set(e, ERR_IO, "the thread that publishes signed bundles cannot be started");
}

/* A server that nobody talks to finds out as well that its disk is full. */
static int pulse(struct ticker *t, struct err *e)
{
	struct server_batch b = { .count = 0 };
	char boot[NOW_BOOT];

	now_keep(t->server, &server_record(&b, STORE_CLOCK)->u.clock, boot);
	return server_write(t->server, &b, e);
}

/* The time that the server goes by, whose jumps leave soaks and observations as they are. */
static int64_t look_at_time(struct ticker *t)
{
	struct clockwatch after;
	int64_t by, now = now_look(t->server, &by, &after);
	struct err e;

	if (by) {
		tell(t, DUTY_CLOCK, control_clock_moved(t->server, by, &after, &e), &e);
		now = server_now(t->server);
	}
	watch_gap(t, now);
	return now;
}

/* The time to sign by follows: what the store did not take is not signed by either. */
static void watch_clock(struct ticker *t, int64_t now, int64_t ticks)
{
	char said[DESK_SENTENCE];

	if (desk_clock(t->server->desk, now, ticks, now_doubts(t->server), said))
		log_warn("%s", said);
}

static void tick(struct ticker *t)
{
	int64_t believed, now, ticks;
	struct err e;

	now_read(&now, &ticks);
	believed = look_at_time(t);
	watch_clock(t, now, ticks);
	now = believed;
	tell(t, DUTY_RINGMAP, server_refresh_ringmap(t->server, &e), &e);
	tell(t, DUTY_OPERATORS, server_import_operators(t->server, &e), &e);
	control_tick(t->server);
	if (desk_timestamp(t->server->desk) != t->timestamp) {
		t->timestamp = desk_timestamp(t->server->desk);
		recalls_look(t->server);
	}
	tell(t, DUTY_RENEW, renew(t, now, &e), &e);
	tell(t, DUTY_REQUESTS, look_after_requests(t, now, &e), &e);
	tell(t, DUTY_BUNDLES, bring_out_bundles(t, &e), &e);
	if (ticks - t->pulsed >= PULSE_MS) {
		t->pulsed = ticks;
		tell(t, DUTY_PULSE, pulse(t, &e), &e);
	}
	if (ticks - t->folded >= FOLD_MS) {
		t->folded = ticks;
		tell(t, DUTY_FOLD, server_fold(t->server, FOLD_MOST, &e), &e);
	}
	tell(t, DUTY_AUDIT, audit_log_tick(t->server, now, &e), &e);
	if (t->swept == 0 || ticks - t->swept >= SWEEP_MS) {
		t->swept = ticks;
		tell(t, DUTY_UPLOADS, requests_sweep_uploads(t->server, time(NULL), &e), &e);
		tell(t, DUTY_ANSWERS, idempotency_sweep(t->server, now, &e), &e);
		tell(t, DUTY_SWEEP, sweep_repository(t, now, &e), &e);
	}
}

static bool wait_for_next(struct ticker *t)
{
	struct timespec until;
	int ms = clock_poll_ms(TICK_MS);
	bool stop;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)ms * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&t->lock);
	while (!t->stopping && !t->poked && pthread_cond_timedwait(&t->wake, &t->lock, &until) != ETIMEDOUT)
		;
	t->poked = false;
	stop = t->stopping;
	pthread_mutex_unlock(&t->lock);
	return !stop;
}

static void *ticker_main(void *arg)
{
	struct ticker *t = arg;

	do
		tick(t);
	while (wait_for_next(t));
	return NULL;
}

int ticker_start(struct server *s, struct err *e)
{
	struct ticker *t = calloc(1, sizeof *t);
	pthread_condattr_t monotonic;

	if (!t)
		return err_memory(e);
	t->server = s;
	pthread_mutex_init(&t->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&t->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	if (pthread_create(&t->thread, NULL, ticker_main, t) != 0) {
		free(t);
		return err_set(e, ERR_IO, "the ticker cannot be started");
	}
	s->ticker = t;
	return 0;
}

void ticker_poke(struct server *s)
{
	struct ticker *t = s->ticker;

	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	t->poked = true;
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->lock);
}

void ticker_stop(struct server *s)
{
	struct ticker *t = TAKE(s->ticker);

	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	t->stopping = true;
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->lock);
	pthread_join(t->thread, NULL);
	join_finisher(t);
	pthread_cond_destroy(&t->wake);
	pthread_mutex_destroy(&t->lock);
	free(t);
}
