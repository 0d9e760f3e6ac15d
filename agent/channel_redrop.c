/*
 * channel_redrop: the assignment names other rules to leave out of what runs.
 *
 * No other bundle, and no trial: what runs is loaded by the canary without
 * them first, its self-tests of what remains included; then the list is kept,
 * lies where the sensor looks, and the sensor is told: as often as it takes,
 * and only then agent.db says so. An order that is taken back comes the same
 * way. Level-triggered: while the sensor was not told of the list that is
 * assigned, every verdict brings the list again.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/channel_parts.h"
#include "base/clock.h"
#include "base/log.h"
#include "schema/reason.h"

#define TRIES_BEFORE_BLAME 3
#define LOOK_MS 1000

/* The list of what runs, as the sensor was told. */
static struct digest *told(struct channel *c)
{
	return phase_on_trial(c->state.phase) ? &c->state.offer.drop : &c->state.drop;
}

/* A digest that no list has. */
static const struct digest neither = { { [0 ... DIGEST_LEN - 1] = 0xff } };

static int store_told(struct channel *c, const struct digest *list, struct err *e)
{
	struct digest before = *told(c);

	*told(c) = *list;
	if (channel_store(c, "", "", "", e) == 0)
		return 0;
	*told(c) = before;
	return e->code;
}

static void settled(struct upkeep *u)
{
	u->redrop_of = (struct digest){ { 0 } };
	u->redrop_kept = u->redrop_telling = false;
}

void redrop_want(struct channel *c, const struct message_verdict *v)
{
	struct digest running = trial_running(&c->boot);
	struct upkeep *u = &c->upkeep;

	if (v->say == SAY_UNKNOWN)      /* which is no news of the list */
		return;
	if (v->say != SAY_NOTHING || digest_is_zero(&running) || !digest_equal(&v->assigned, &running) || digest_equal(&v->drop, told(c))) {
		settled(u);
		return;
	}
	if (digest_equal(&u->redrop_of, &running) && digest_equal(&u->redrop_list, &v->drop))
		return;
	/* Of a round that began when another list was told: its judge did not send this one. */
	if (!channel_drops_are(c, &v->drop)) {
		c->host->round_wanted = true;
		return;
	}
	if (u->task == UPKEEP_REDROP)   /* it is about the list before */
		channel_stop_job(c);
	free(u->redrop);
	u->redrop = TAKE(c->drops);
	u->redrop_count = c->drop_count;
	u->redrop_of = running;
	u->redrop_list = v->drop;
	u->redrop_at = 0;
	u->redrop_refused = u->redrop_kept = u->redrop_telling = false;
	u->redrop_tries = u->redrop_suspected = 0;
}

static void tell(struct channel *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void tell(struct channel *c, const char *fmt, ...)
{
	char text[400];
	va_list args;
	struct err e;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	channel_line(c, "left out", &c->upkeep.redrop_of, "%s", text);
	if (host_event(c->host, c->state.name, "local", reason_word(REASON_LEFT_OUT), text, &e) < 0)
		log_warn("channel %s: %s", c->state.name, e.msg);
}

static void later(struct channel *c, const char *why)
{
	log_warn("channel %s: the list of rules to leave out: %s", c->state.name, why);
	c->upkeep.redrop_at = upkeep_later(&c->upkeep.redrop_tries);
}

/* ---- the canary took it ---- */

/* From the first step on the sensor may know either list: until it was told, agent.db and check-ins name neither. */
static int keep(struct channel *c, struct err *e)
{
	struct upkeep *u = &c->upkeep;

	if (store_told(c, &neither, e) < 0)
		return e->code;
	if (journal_drop_set(c->host->journal, c->state.name, &u->redrop_of, (const char (*)[256])u->redrop, u->redrop_count, e) < 0 ||
	    channel_keep_drops(c, &u->redrop_of, e) < 0 || channel_link(c, e) < 0)
		return e->code;
	return 0;
}

static void accepted(struct channel *c, const struct job_result *r)
{
	struct upkeep *u = &c->upkeep;
	uint64_t unmet = u->redrop_count - MIN(r->record.dropped, u->redrop_count);
	struct err e;

	if (keep(c, &e) < 0) {
		later(c, e.msg);
		return;
	}
	u->redrop_kept = true;
	u->redrop_at = 0;
	u->redrop_tries = 0;
	if (u->redrop_count == 0)
		snprintf(u->redrop_words, sizeof u->redrop_words, "no rule is left out any more: %" PRIu64 " load", r->record.rules);
	else if (unmet == 0)
		snprintf(u->redrop_words, sizeof u->redrop_words, "%zu rules are left out, %" PRIu64 " load", u->redrop_count, r->record.rules);
	else    /* content of a command is loaded whole, by the sensor's own engine */
		snprintf(u->redrop_words, sizeof u->redrop_words,
			 "%" PRIu64 " of %zu rules cannot be left out here: they are not in this content, or in files that the sensor's own command loads",
			 unmet, u->redrop_count);
}

void redrop_turn(struct channel *c)
{
	struct upkeep *u = &c->upkeep;
	struct digest running = trial_running(&c->boot);
	struct err e;

	if (!u->redrop_kept || clock_now() < u->redrop_at || c->telling.pid)
		return;
	if (!digest_equal(&running, &u->redrop_of)) {   /* which came with a list of its own */
		settled(u);
	} else if (!u->redrop_telling) {
		u->redrop_telling = channel_tell_sensor(c, &e) == 0;
		if (!u->redrop_telling)
			later(c, e.msg);
	} else if (c->tell_owed) {
		return;         /* it failed, and is tried again */
	} else if (store_told(c, &u->redrop_list, &e) < 0) {
		later(c, e.msg);
	} else {
		tell(c, "%s", u->redrop_words);
		settled(u);
	}
}

int redrop_told(struct channel *c, struct err *e)
{
	struct digest running = trial_running(&c->boot);

	return channel_drops_digest(c, &running, &c->state.drop, e);
}

/* ---- trying ---- */

void redrop_tried(struct channel *c, const struct job_result *r)
{
	struct upkeep *u = &c->upkeep;
	struct digest running = trial_running(&c->boot);

	if (!digest_equal(&running, &u->redrop_of))
		return;
	u->redrop_suspected += r->outcome == RESULT_RETRY && reason_class(r->reason) == REASON_CONTENT;
	if (r->outcome == RESULT_OK) {
		accepted(c, r);
	} else if (r->outcome == RESULT_REFUSED || u->redrop_suspected >= TRIES_BEFORE_BLAME) {
		tell(c, "the list of %zu rules to leave out is not followed: without them the content is refused: %.200s", u->redrop_count, r->text);
		u->redrop_refused = true;
	} else {
		later(c, r->text);
	}
}

int64_t redrop_look(struct channel *c)
{
	struct upkeep *u = &c->upkeep;
	struct digest running = trial_running(&c->boot);
	struct err e;

	if (digest_is_zero(&u->redrop_of) || !digest_equal(&u->redrop_of, &running) || u->redrop_refused || u->redrop_kept ||
	    clock_now() < u->redrop_at)
		return -1;
	u->task = UPKEEP_REDROP;
	if (upkeep_canary_without(c, &running, (const char (*)[256])u->redrop, u->redrop_count, &e) < 0) {
		u->task = UPKEEP_NONE;
		later(c, e.msg);
	}
	return LOOK_MS;
}
