/*
 * device_clone: what was left for something newer and comes again.
 *
 * A device has one token and one epoch at a time, and writes a new one down
 * before it uses it. An older one seen later means two machines with one
 * identity: a disk that was copied, or one that was put back to an earlier
 * day. Which of them is the device only a person can tell.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "server/device_visit.h"
#include "server/handlers.h"
#include "server/now.h"
#include "server/ticker.h"

bool server_token_due(const struct server *s, const struct device *d, int64_t now)
{
	/* Of a flagged one it is not known who would get it. */
	return s->config->device_token_s > 0 && !d->flagged && now - d->issued >= s->config->device_token_s;
}

/* Its survivals count again, or no more; with `lock`. */
void device_judge_again(struct server *s, struct device *d, int64_t now)
{
	for (struct offer_link *l = d->offers; l; l = l->next)
		stage_judge(l->stage, l->n, policy_silence_s(l->stage->rollout->policy), s->quiet_until, now);
}

void device_flag(struct server *s, struct device *d, int64_t now, const char *why)
{
	struct server_batch b = { .count = 0 };
	struct buf said = { .max = 2 * CHECKIN_MAX };
	struct err e;
	int got;

	if (d->flagged)
		return;
	if (!device_set_flag(d, why)) {
		log_error("device %s: out of memory to flag it", d->id);
		return;
	}
	device_judge_again(s, d, now);
	got = device_row(d, &server_record(&b, STORE_DEVICE)->u.device, &said, &e);
	server_audit_entry(&b, &(const struct audit_entry){ .at = now, .who = "ringholdd", .action = "flag", .subject = d->id, .detail = why,
							    .was = "{\"flagged\":false}", .becomes = "{\"flagged\":true}" });
	pthread_mutex_unlock(&s->lock);
	if (got < 0 || server_write(s, &b, &e) < 0)
		log_error("device %s: %s", d->id, e.msg);
	pthread_mutex_lock(&s->lock);
	d->unsaved = true;      /* whatever came of the write, memory knows it */
	buf_release(&said);
	ticker_poke(s);
}

bool device_current(struct request *q)
{
	struct server *s = q->server;
	struct device *d;
	char why[200];
	bool old;

	pthread_mutex_lock(&s->lock);
	d = fleet_find(&s->fleet, q->who);
	old = d && q->generation < d->generation;
	if (old) {
		while (d->busy)
			pthread_cond_wait(&s->idle, &s->lock);
		d->busy = true;
		snprintf(why, sizeof why, "its token %" PRIu64 " came from %s after token %" PRIu64 " was in use", q->generation,
			 q->peer[0] ? q->peer : "somewhere", d->generation);
		device_flag(s, d, server_now(s), why);
		d->busy = false;
		pthread_cond_broadcast(&s->idle);
	}
	pthread_mutex_unlock(&s->lock);
	if (old)
		reply_problem(&q->reply, PROBLEM_TOKEN_REPLACED, "a newer token of this device is in use: whoever holds this one enrols anew");
	return !old;
}
