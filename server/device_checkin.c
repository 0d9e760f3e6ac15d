/*
 * device_checkin: one check-in: what it reports, what it asks for.
 *
 * First everything is worked out under the lock; what must be durable is then
 * submitted as one piece; only after its commit does memory change, on the
 * writer's thread, in the order of the commits. Meanwhile the device is busy,
 * so that two check-ins of one device never overlap.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/device_visit.h"
#include "server/handlers.h"
#include "server/now.h"
#include "server/ticker.h"

/* ---- the message's place among the others ---- */

enum place { PLACE_OK, PLACE_RESYNC, PLACE_CLONE };

static enum place place_of(struct visit *v)
{
	const struct device *d = v->d;

	v->event_n = d->event_n;
	v->goodbye = d->goodbye;
	v->first = !d->said;
	if (strcmp(d->epoch, v->c->epoch) == 0)
		return v->c->seq < d->seq ? PLACE_RESYNC : PLACE_OK;
	if (device_left_epoch(d, v->c->epoch))
		return PLACE_CLONE;
	v->new_epoch = true;
	v->event_n = 0;
	return PLACE_OK;
}

/* ---- the effect on memory; with `lock`, after the commit ---- */

static void apply_changes(struct visit *v)
{
	for (size_t i = 0; i < v->change_count; i++) {
		struct change *c = &v->changes[i];
		struct offer *o = c->n ? &c->stage->offers[c->n - 1] : stage_offer_of(c->stage, v->d);
		int64_t lost = o->facts.lost;   /* the ticker may have said so meanwhile */

		o->facts = c->facts;
		o->facts.lost = MAX(lost, c->facts.lost);
		memcpy(o->reason, c->reason, sizeof o->reason);
		stage_judge(c->stage, (uint32_t)(o - c->stage->offers) + 1, policy_silence_s(c->stage->rollout->policy), v->s->quiet_until, v->now);
	}
	for (size_t i = 0; i < v->flag_count; i++) {
		v->flags[i].stage->content_crash |= v->flags[i].content_crash;
		v->flags[i].stage->declined |= v->flags[i].declined;
	}
}

static void apply(struct visit *v, bool saved)
{
	struct device *d = v->d;

	if (v->new_epoch) {
		free(d->old_epochs);
		d->old_epochs = TAKE(v->old_epochs);
	}
	if (v->new_token) {
		d->generation = v->generation;
		d->issued = v->now;
	}
	memcpy(d->epoch, v->c->epoch, sizeof d->epoch);
	d->seq = v->c->seq;
	d->event_n = v->event_n;
	d->goodbye = v->goodbye;
	if (d->last_seen != v->now)
		d->before = d->last_seen;
	d->last_seen = v->now;
	d->unsaved = !saved;
	fleet_take_effects(&v->s->fleet, d, v->c);
	checkin_free(d->said);
	d->said = TAKE(v->c);
	free(d->said->events);
	free(d->said->wants);
	d->said->events = NULL;
	d->said->wants = NULL;
	d->said->event_count = d->said->want_count = 0;
	device_place(d, v->s->ringmap);
	visit_apply_offers(v);
	apply_changes(v);
}

static void committed(struct write *w)
{
	struct visit *v = w->arg;

	pthread_mutex_lock(&v->s->lock);
	apply(v, true);
	pthread_mutex_unlock(&v->s->lock);
}

/* ---- what must be durable ---- */

static void event_row(const struct visit *v, const struct checkin_event *ev, struct store_event *out)
{
	*out = (struct store_event){
		.device = v->d->id, .epoch = v->c->epoch, .n = ev->n, .at = ev->at, .received = v->now, .channel = ev->channel,
		.digest = ev->digest, .attempt = ev->attempt, .kind = ev->kind, .reason = ev->reason, .detail = ev->detail,
	};
}

static void change_row(const struct visit *v, const struct change *c, struct store_outcome *out)
{
	*out = (struct store_outcome){
		.rollout = c->stage->rollout->id, .ring = c->stage->position, .device = v->d->id, .renewed = c->facts.renewed,
		.survived = c->facts.survived, .failed = c->facts.failed, .environment = c->facts.environment,
		.lost = c->facts.lost, .voided = c->facts.voided, .reason = c->reason,
	};
}

/* The device's row as it will be. */
static int device_after(const struct visit *v, struct store_device *row, struct buf *said, struct err *e)
{
	struct device after = *v->d;

	after.said = v->c;
	after.seq = v->c->seq;
	after.event_n = v->event_n;
	after.goodbye = v->goodbye;
	after.last_seen = v->now;
	if (v->new_epoch)
		after.old_epochs = v->old_epochs;
	if (v->new_token) {
		after.generation = v->generation;
		after.issued = v->now;
	}
	if (device_row(&after, row, said, e) < 0)
		return e->code;
	/* `after` ends here: its own text must not be pointed at. */
	row->id = v->d->id;
	return 0;
}

static int keep(struct visit *v, struct err *e)
{
	size_t most = 1 + v->c->event_count + v->change_count + v->flag_count + v->offer_count;
	struct store_record *records = calloc(most, sizeof *records);
	struct buf plans[VISIT_OFFERS_MAX] = { 0 };
	struct write w = { .append = { .records = records }, .offers = v->offers, .offer_count = v->offer_count,
			   .committed = committed, .arg = v };
	struct buf said = { .max = 2 * CHECKIN_MAX };
	size_t n = 0;
	int got;

	if (!records)
		return err_memory(e);
	records[n].kind = STORE_DEVICE;
	got = device_after(v, &records[n++].u.device, &said, e);
	for (size_t i = 0; i < v->c->event_count; i++) {
		records[n].kind = STORE_EVENT;
		event_row(v, &v->c->events[i], &records[n++].u.event);
	}
	for (size_t i = 0; i < v->change_count; i++) {
		if (v->changes[i].n == 0) {     /* kept with the offer that is made with it */
			change_row(v, &v->changes[i], &visit_offer(v, v->changes[i].stage)->outcome);
			continue;
		}
		records[n].kind = STORE_OUTCOME;
		change_row(v, &v->changes[i], &records[n++].u.outcome);
	}
	for (size_t i = 0; i < v->flag_count; i++) {
		records[n].kind = STORE_RING_FLAGS;
		records[n++].u.ring = (struct store_ring){
			.rollout = v->flags[i].stage->rollout->id, .ring = v->flags[i].stage->position,
			.content_crash = v->flags[i].content_crash, .declined = v->flags[i].declined,
		};
	}
	/* Strata are durable no later than the first offer; with several first ones the row is there already. */
	for (size_t i = 0; i < v->offer_count && got == 0; i++)
		if (v->offer_plans[i]) {
			records[n].kind = STORE_STRATA;
			got = stage_strata_row(v->offer_stages[i], v->now, &records[n++].u.strata, &plans[i], e);
		}
	w.append.count = n;
	if (got == 0)
		got = writer_submit(v->s->writer, &w, e);
	for (size_t i = 0; i < v->offer_count; i++)
		buf_release(&plans[i]);
	buf_release(&said);
	free(records);
	return got;
}

/* ---- the whole ---- */

static void fill_answer(struct visit *v)
{
	struct checkin_answer *a = &v->answer;

	a->acked = v->c->seq;
	a->next_checkin_s = server_checkin_s(v->s);
	a->refresh = v->d->news;        /* a nudge: one answer carries it */
	v->d->news = false;
	/* The same token each time until it is shown: whoever lost this answer gets it with the next. */
	if (server_token_due(v->s, v->d, v->now) && !v->new_token)
		token_device(a->token, &v->s->token_key, v->d->id, v->d->generation + 1);
	a->repo_count = 1;
	snprintf(a->repos[0].name, sizeof a->repos[0].name, "%s", v->s->config->name);
	a->repos[0].timestamp = (uint64_t)desk_timestamp(v->s->desk);
}

/* With `lock` held, the device busy. */
static int work_out(struct visit *v, struct err *e)
{
	v->new_token = v->generation > v->d->generation;
	if (v->new_epoch && !(v->old_epochs = device_leave_epoch(v->d)))
		return err_memory(e);
	if (visit_take_events(v, e) < 0)
		return e->code;
	for (size_t i = 0; i < v->c->want_count; i++)
		if (visit_take_want(v, &v->c->wants[i], e) < 0)
			return e->code;
	fill_answer(v);
	return 0;
}

static bool must_be_durable(const struct visit *v)
{
	return v->c->event_count > 0 || v->offer_count > 0 || v->change_count > 0 || v->new_epoch || v->new_token || v->first;
}

static enum place visit(struct visit *v, int *got, struct err *e)
{
	struct server *s = v->s;
	enum place place;

	*got = 0;
	pthread_mutex_lock(&s->lock);
	while (v->d->busy)
		pthread_cond_wait(&s->idle, &s->lock);
	v->d->busy = true;
	place = place_of(v);
	if (place == PLACE_CLONE)
		device_flag(s, v->d, v->now, "an epoch that it had left came after a newer one");
	if (place == PLACE_OK) {
		*got = work_out(v, e);
		if (*got == 0 && must_be_durable(v)) {
			pthread_mutex_unlock(&s->lock);
			*got = keep(v, e);
			pthread_mutex_lock(&s->lock);
		} else if (*got == 0) {
			apply(v, false);
		}
		if (*got < 0)
			visit_unreserve(v);
	}
	v->d->busy = false;
	pthread_cond_broadcast(&s->idle);
	pthread_mutex_unlock(&s->lock);
	if (v->flag_count > 0)
		ticker_poke(s);
	return place;
}

static void poisoned_reply(struct request *q, uint64_t n, int at, const struct err *e)
{
	struct json_writer w = reply_problem_open(&q->reply, PROBLEM_MALFORMED, e->msg);

	if (at >= 0) {
		json_open_object(&w, "poisoned");
		json_put_int(&w, "n", (int64_t)n);
		json_put_int(&w, "index", at);
		json_close_object(&w);
	}
	json_close_object(&w);
}

static void answer(struct request *q, struct visit *v)
{
	struct json_writer w = reply_json(&q->reply, 200);
	struct err e;

	if (checkin_answer_write(w.out, &v->answer, &e) < 0)
		reply_error(&q->reply, &e);
}

void device_checkin(struct request *q)
{
	struct visit *v = calloc(1, sizeof *v);
	uint64_t n = 0;
	struct err e;
	int at = -1, got;

	if (!v) {
		err_memory(&e);
		reply_error(&q->reply, &e);
		return;
	}
	v->s = q->server;
	pthread_rwlock_rdlock(&v->s->moving);
	v->now = server_now(v->s);
	v->generation = q->generation;
	if (checkin_parse(&v->c, q->body->data ? q->body->data : "", q->body->len, &n, &at, &e) < 0) {
		poisoned_reply(q, n, at, &e);
		goto out;
	}
	pthread_mutex_lock(&v->s->lock);
	v->d = fleet_find(&v->s->fleet, q->who);
	pthread_mutex_unlock(&v->s->lock);
	/* admitted by its token a moment ago, and devices are never removed */
	switch (visit(v, &got, &e)) {
	case PLACE_RESYNC:
		reply_problem(&q->reply, PROBLEM_RESYNC, "check-in %llu comes after %llu: begin a new epoch",
			      (unsigned long long)v->c->seq, (unsigned long long)v->d->seq);
		break;
	case PLACE_CLONE:
		reply_problem(&q->reply, PROBLEM_RESYNC, "this epoch was left for a newer one: begin a new epoch");
		break;
	case PLACE_OK:
		if (got < 0)
			reply_error(&q->reply, &e);
		else
			answer(q, v);
	}
out:
	pthread_rwlock_unlock(&v->s->moving);
	checkin_free(v->c);
	free(v->old_epochs);
	free(v->changes);
	free(v);
}
