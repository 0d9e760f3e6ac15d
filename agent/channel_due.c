/* channel_due: the look that decides what is due. */
#include "agent/channel.h"

#include <string.h>

#include "agent/channel_parts.h"
#include "agent/slots.h"
#include "base/clock.h"
#include "base/log.h"
#include "rollout/activate.h"
#include "schema/reason.h"

#define ASK_AGAIN_S 60
#define TICK_MS 1000

/* Only what bad content does counts towards blame; the machine's own trouble may go on for ever. */
static void retry(struct channel *c, const struct job_result *r)
{
	bool suspect = reason_class(r->reason) == REASON_CONTENT;

	if (suspect && c->state.suspected + 1 >= TRIES_BEFORE_BLAME) {
		channel_event(c, ON_REFUSED, r->reason, r->text);
		return;
	}
	c->state.suspected += suspect;
	channel_later(c, r->reason, r->text);
}

static void result(struct channel *c, const struct job_result *r, enum phase_event good)
{
	if (r->outcome == RESULT_OK)
		channel_event(c, good, "", "");
	else if (r->outcome == RESULT_REFUSED)
		channel_event(c, ON_REFUSED, r->reason, r->text);
	else if (r->outcome == RESULT_RETRY)
		retry(c, r);
	else
		channel_later(c, r->reason, r->text);
}

static void checked(struct channel *c, const struct job_result *r)
{
	struct err e;

	if (r->outcome == RESULT_RETRY && !strcmp(r->reason, reason_word(REASON_DIGEST))) {
		log_warn("channel %s: %s: the slot is damaged and goes", c->state.name, r->text);
		if (slots_remove(c->boot.dir, &c->state.offer.digest, &e) < 0)
			log_warn("channel %s: %s", c->state.name, e.msg);
		channel_event(c, ON_WITHDRAWN, reason_word(REASON_DISK_BAD), r->text);
		return;
	}
	if (r->outcome == RESULT_OK && channel_novel_keep(c, &e) < 0) {
		channel_later(c, reason_word(REASON_DISK_BAD), e.msg);
		return;
	}
	result(c, r, ON_ACCEPTED);
}

static void job_over(struct channel *c, const struct job_result *r)
{
	struct err e;

	switch (r->kind) {
	case JOB_DOWNLOAD:
	case JOB_UNPACK:
		channel_transferred(c, r);
		break;
	case JOB_CHECK:
		checked(c, r);
		break;
	default:
		if (r->outcome == RESULT_OK)
			channel_note(c, "canary", "%llu rules loaded in %lld ms, %lld bytes, %lld us per event",
				     (unsigned long long)r->record.rules, (long long)r->record.load_ms, (long long)r->record.rss_bytes,
				     (long long)r->record.us_per_event);
		if (r->outcome == RESULT_OK &&
		    journal_slot_contract(c->host->journal, c->state.name, &c->state.offer.digest, &c->host->contract, &e) < 0)
			log_warn("channel %s: %s", c->state.name, e.msg);
		result(c, r, ON_LOADED);
		break;
	}
}

/* Audit first: the check also tells which rules may act that did not in what runs now. */
static int ask_novel(struct message_attempt *t, struct channel *c, struct err *e)
{
	struct digest running = trial_running(&c->boot);

	channel_novel_begin(c);
	t->novel = c->state.offer.observe;
	if (!t->novel || digest_is_zero(&running))
		return 0;
	return slots_path(t->before, sizeof t->before, c->host->s->root, c->state.name, &running, e);
}

static int64_t validate(struct channel *c)
{
	static struct message_attempt t;
	struct err e;

	if (!slots_have(c->boot.dir, &c->state.offer.digest)) {
		channel_event(c, ON_WITHDRAWN, reason_word(REASON_DISK_BAD), "the slot is gone");
		return 0;
	}
	if (upkeep_slot(&t, c, &c->state.offer.digest, &e) < 0 || ask_novel(&t, c, &e) < 0 || job_check(&c->job, c->host->s, &t, &e) < 0)
		channel_later(c, reason_word(REASON_INTERNAL), e.msg);
	else if (t.novel)
		job_rules(&c->job, channel_novel, c);
	return TICK_MS;
}

static int64_t try_load(struct channel *c)
{
	struct err e;

	if (upkeep_canary(c, &c->state.offer.digest, &e) < 0)
		channel_later(c, reason_word(REASON_INTERNAL), e.msg);
	return TICK_MS;
}

bool channel_wants_permit(const struct channel *c)
{
	return c->state.phase == PHASE_VALIDATED && !trial_uncounted(&c->boot) && c->state.offer.permit && c->state.permit_until <= clock_now() &&
	       c->job.kind == JOB_NONE && channel_window(c).open;
}

/* An open offer would be counted as ours to finish: the server learns why it is not. */
static void tell_no_sensor(struct channel *c)
{
	struct err e;

	if (c->told_no_sensor || clock_now() - c->clear_after < c->cfg->sensor_wait_s)
		return;
	c->told_no_sensor = true;
	if (channel_store(c, "env", reason_word(REASON_NO_SENSOR), "the content waits for the sensor to run", &e) < 0)
		log_warn("channel %s: %s", c->state.name, e.msg);
}

/* Nor when the window closed under it, or a boot came that was not counted. */
static void tell_wait(struct channel *c, enum reason reason)
{
	char words[200];
	struct err e;

	if (c->told_wait || !c->state.permit_until)
		return;
	c->told_wait = true;
	channel_waits(c, words, sizeof words);
	if (channel_store(c, "env", reason_word(reason), words, &e) < 0)
		log_warn("channel %s: %s", c->state.name, e.msg);
}

/* Everything that must hold at the very moment before ARM; NULL when it does, else what is waited for. */
static const char *not_clear(struct channel *c)
{
	const struct message_verdict *v = &c->state.last, *o = &c->state.offer;
	int64_t now = clock_now();

	if (v->say != SAY_INSTALL || !digest_equal(&v->digest, &o->digest) || v->attempt != o->attempt ||
	    v->evaluated < c->clear_after || now - v->evaluated > ACTIVATE_METADATA_MAX_AGE) {
		if (now - c->asked_at >= ASK_AGAIN_S || c->asked_at < c->clear_after) {
			c->asked_at = now;
			c->host->round_wanted = c->host->refresh_wanted = true;
		}
		return "a fresh verdict";
	}
	if (host_other_trial(c->host, c))
		return "the other channel's trial";
	if (trial_on(&c->boot) || c->boot.record.mode != BOOT_COMMITTED)
		return "the boot record to be free";
	if (trial_uncounted(&c->boot)) {
		tell_wait(c, REASON_DISK_BAD);
		return "a boot that the guard can count";
	}
	if (!channel_window(c).open) {
		tell_wait(c, REASON_WINDOW);
		return "the window";
	}
	channel_look(c);
	if (c->cfg->watch && !(c->sensor_known && c->sensor.alive)) {
		tell_no_sensor(c);
		return "the sensor to run";
	}
	return NULL;
}

static int64_t switch_over(struct channel *c)
{
	struct err e;

	if (!c->switching) {
		if (channel_link(c, &e) < 0) {
			channel_event(c, ON_UNHEALTHY, reason_word(REASON_DISK_BAD), e.msg);
			return 0;
		}
		channel_look_anew(c);
		if (channel_tell_sensor(c, &e) < 0) {
			channel_event(c, ON_UNHEALTHY, reason_word(REASON_RELOAD), e.msg);
			return 0;
		}
		c->switching = true;
	}
	if (c->telling.pid)
		return TICK_MS;
	if (*c->tell_failed && c->tell_unfit)
		return TICK_MS;         /* tried again */
	if (*c->tell_failed)
		channel_event(c, ON_UNHEALTHY, reason_word(REASON_RELOAD), c->tell_failed);
	else
		channel_event(c, ON_SWITCHED, "", "");
	return 0;
}

/* A settling action that was cut short is repeated before anything else. */
static bool repeat_ending(struct channel *c)
{
	char reason[sizeof c->state.reason], evidence[sizeof c->state.evidence];

	if (!*c->state.ending)
		return false;
	memcpy(reason, c->state.reason, sizeof reason);
	memcpy(evidence, c->state.evidence, sizeof evidence);
	for (int on = 0; on < PHASE_EVENTS; on++) {
		if (!strcmp(phase_event_name((enum phase_event)on), c->state.ending)) {
			channel_event(c, (enum phase_event)on, reason, evidence);
			return true;
		}
	}
	c->state.ending[0] = 0;
	return false;
}

/* As soon as it opens the permit is asked for, not at the next round. */
static bool window_shut(struct channel *c)
{
	bool was = c->window_shut;

	c->window_shut = !channel_window(c).open;
	if (was && !c->window_shut)
		c->host->round_wanted = true;
	return c->window_shut;
}

static int64_t due(struct channel *c)
{
	const char *wait;

	switch (c->state.phase) {
	case PHASE_FETCHING:
		return channel_fetch(c);
	case PHASE_VERIFIED:
		return validate(c);
	case PHASE_VALIDATED:
		/* A permit starts the server's clock, and a canary load so early would say nothing about then. */
		if (window_shut(c) || trial_uncounted(&c->boot))
			return TICK_MS;
		if (c->state.offer.permit && c->state.permit_until <= clock_now())
			return -1;
		return try_load(c);
	case PHASE_CANARIED:
		if (channel_novel_stale(c)) {
			channel_event(c, ON_WITHDRAWN, reason_word(REASON_SUPERSEDED), "other content runs now than when its new rules were found");
			return 0;
		}
		wait = not_clear(c);
		if (!wait)
			channel_event(c, ON_CLEARED, "", "");
		return wait ? TICK_MS : 0;
	case PHASE_ARMED:
		return switch_over(c);
	case PHASE_ACTIVE:
		return channel_watch(c);
	default:
		return -1;
	}
}

/* Content on trial is watched, whatever else is done about it. */
static int64_t watching(struct channel *c, int64_t wait)
{
	int64_t watch = c->state.phase == PHASE_ACTIVE ? channel_watch(c) : wait;       /* once: it judges, and starts probes */

	return MIN(wait, watch);
}

/* Of the download under way; when it does not suit, what is there by now stays, and is gone on from. */
static bool still_suits(struct channel *c)
{
	const struct message_verdict *o = &c->state.offer;

	if (c->upkeep.task == UPKEEP_NONE)
		return channel_may_transfer(c, o, c->by_delta ? o->delta_length : o->length);
	return c->upkeep.mend || channel_may_transfer(c, &c->upkeep.source, c->upkeep.source.length);
}

int64_t channel_tick(struct channel *c)
{
	struct job_result r;
	int64_t wait;
	struct err e;
	int rc, left;

	channel_look(c);
	left = channel_finish_retreat(c, &e);
	(void)channel_telling(c);
	redrop_turn(c);
	if (left < 0)
		return TICK_MS;         /* tried again; it said why */
	if (c->job.kind != JOB_NONE) {
		if (job_turn(&c->job, &r) == 1) {
			if (c->upkeep.task != UPKEEP_NONE)
				channel_upkept(c, &r);
			else
				job_over(c, &r);
			return 0;
		}
		if (c->job.kind == JOB_DOWNLOAD && !still_suits(c))
			channel_stop_job(c);
		return watching(c, TICK_MS);
	}
	wait = channel_upkeep(c);
	if (wait >= 0)
		return watching(c, wait);
	rc = channel_adopt(c, &e);
	if (rc < 0)
		log_error("channel %s: %s", c->state.name, e.msg);
	if (rc)
		return rc < 0 ? TICK_MS : 0;
	wait = c->state.retry_at - clock_now();
	if (wait > 0 && !phase_on_trial(c->state.phase))
		return MIN(wait * 1000, 60000);
	if (repeat_ending(c))
		return 0;
	wait = due(c);
	/* While content runs the sensor is looked at; nothing tells us when it dies. */
	return wait < 0 ? TICK_MS : wait;
}
