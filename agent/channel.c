/* channel: events, and the look that decides what is due. */
#include "agent/channel.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/home.h"
#include "agent/schedule.h"
#include "agent/slots.h"
#include "agent/transfer.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "rollout/activate.h"
#include "rollout/vouch.h"
#include "schema/reason.h"

#define TRIES_BEFORE_BLAME 3
#define RETRY_FIRST_S 5
#define RETRY_MOST_S 3600
#define ASK_AGAIN_S 60
#define TICK_MS 1000

void channel_log(const struct channel *c, const char *fmt, ...)
{
	char text[700];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	log_info("channel %s: %s", c->state.name, text);
}

void channel_note(struct channel *c, const char *what, const char *fmt, ...)
{
	char text[MESSAGE_TEXT];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	channel_line(c, what, &c->state.offer.digest, "%s", text);
}

void channel_line(const struct channel *c, const char *what, const struct digest *d, const char *fmt, ...)
{
	struct journal_line line = { .at = clock_now(), .digest = *d };
	va_list args;
	struct err e;

	va_start(args, fmt);
	vsnprintf(line.text, sizeof line.text, fmt, args);
	va_end(args);
	memcpy(line.channel, c->state.name, sizeof line.channel);
	snprintf(line.what, sizeof line.what, "%s", what);
	channel_log(c, "%s: %s", what, line.text);
	if (journal_history_add(c->host->journal, &line, &e) < 0)
		log_warn("channel %s: %s", c->state.name, e.msg);
}

const char *channel_held(const struct channel *c)
{
	if (c->boot.record.mode == BOOT_DISABLED)
		return "disabled";
	if (!digest_is_zero(&c->state.pinned))
		return "pin";
	return c->state.held && (!c->state.held_until || clock_now() < c->state.held_until) ? "hold" : "";
}

uint64_t channel_serial(const struct channel *c, const struct digest *d)
{
	uint64_t serial = 0;
	struct err ignored;

	if (!digest_is_zero(d))
		(void)!journal_serial_get(c->host->journal, c->state.name, d, &serial, &ignored);
	return serial;
}

bool channel_named(const struct channel *c, const struct digest *d)
{
	for (int rung = RUNG_TRIAL; rung < RUNG_NONE; rung++) {
		struct digest at = trial_at(&c->boot, (enum boot_rung)rung);

		if (!digest_is_zero(&at) && digest_equal(&at, d))
			return true;
	}
	return false;
}

void channel_keeps(const struct channel *c, struct digest keep[JOURNAL_KEEP])
{
	for (int rung = RUNG_TRIAL; rung < RUNG_NONE; rung++)
		keep[rung] = trial_at(&c->boot, (enum boot_rung)rung);
	keep[RUNG_NONE] = c->state.offer.digest;
	/* What a hold keeps away is on disk, for people to be told what is in it. */
	if (digest_is_zero(&keep[RUNG_NONE]) && *channel_held(c))
		keep[RUNG_NONE] = c->state.last.assigned;
}

void channel_clean(struct channel *c)
{
	struct digest keep[JOURNAL_KEEP];
	struct err e;

	channel_keeps(c, keep);
	if (slots_clean(c->boot.dir, keep, ARRAY_LEN(keep), &e) < 0 ||
	    journal_slot_keep(c->host->journal, c->state.name, keep, &e) < 0)
		log_warn("channel %s: clean-up: %s", c->state.name, e.msg);
	transfer_clean(c);
	channel_clean_drops(c, keep);
}

/* ---- storing ---- */

/* Text from content or the network may be in it: printable ASCII only, whatever reads it later. */
static void printable(char *out, size_t cap, const char *text)
{
	AUTO(buf) struct buf *escaped = buf_new(4096);

	out[0] = 0;
	if (!escaped)
		return;
	log_escape(escaped, text, strlen(text));
	snprintf(out, cap, "%s", escaped->data ? escaped->data : "");
}

/* With a key of its own the host says so itself that it survived: what the server writes down cannot stand in for that. */
static void vouch(const struct channel *c, struct message_event *event)
{
	AUTO(buf) struct buf *key = NULL;
	char path[HOME_PATH_MAX];
	struct err e;

	if (home_path(path, c->host->s->root, HOME_ETC "/vouch.key", &e) < 0)
		return;
	if (file_read_secret(&key, path, VOUCH_KEY_MAX, &e) < 0) {
		if (e.code != ERR_NOT_FOUND)
			log_warn("%s", e.msg);
	} else if (key->len < VOUCH_KEY_MIN) {
		log_warn("%s: fewer than %d bytes are no key", path, VOUCH_KEY_MIN);
	} else {
		vouch_write(event->evidence, key->data, key->len, event->channel, &event->digest);
	}
}

static int add_event(struct channel *c, const char *kind, const char *reason, const char *evidence, struct err *e)
{
	struct message_event event = { .at = clock_now(), .digest = c->state.offer.digest, .attempt = c->state.offer.attempt };

	memcpy(event.channel, c->state.name, sizeof event.channel);
	snprintf(event.kind, sizeof event.kind, "%s", kind);
	snprintf(event.reason, sizeof event.reason, "%s", reason);
	printable(event.evidence, sizeof event.evidence, evidence);
	if (strcmp(kind, "survived") == 0)
		vouch(c, &event);
	c->host->round_wanted = true;
	return journal_event(c->host->journal, &event, e);
}

int channel_store(struct channel *c, const char *kind, const char *reason, const char *evidence, struct err *e)
{
	struct journal *j = c->host->journal;

	if (journal_begin(j, e) < 0)
		return e->code;
	if ((*kind && add_event(c, kind, reason, evidence, e) < 0) || journal_channel_store(j, &c->state, e) < 0) {
		journal_undo(j);
		return e->code;
	}
	return journal_end(j, e);
}

/* Nothing is lost when the journal cannot be written: the phase stays and is tried again. */
static void store_or_later(struct channel *c, const struct journal_channel *before, const char *kind, const char *reason,
			   const char *evidence)
{
	struct err e;

	if (channel_store(c, kind, reason, evidence, &e) == 0)
		return;
	log_error("channel %s: %s", c->state.name, e.msg);
	c->state = *before;
	c->state.retry_at = clock_now() + RETRY_FIRST_S;
}

void channel_later(struct channel *c, const char *reason, const char *why)
{
	struct journal_channel before = c->state;
	uint64_t chance = 0;
	struct err e;

	(void)!random_bytes(&chance, sizeof chance, &e);
	c->state.tries++;
	c->state.retry_at = clock_now() + schedule_backoff_ms(c->state.tries, RETRY_FIRST_S, RETRY_MOST_S, chance) / 1000;
	log_warn("channel %s: %s: %s (try %llu)", c->state.name, phase_name(c->state.phase), why, (unsigned long long)c->state.tries);
	store_or_later(c, &before, c->state.tries == TRIES_BEFORE_BLAME ? "env" : "", reason, why);
}

/* ---- events ---- */

static void enter(struct channel *c, enum phase then)
{
	c->state.phase = then;
	c->switching = false;
	c->state.tries = c->state.suspected = 0;
	c->state.retry_at = 0;
	c->state.ending[0] = c->state.reason[0] = c->state.evidence[0] = 0;
	if (then == PHASE_IDLE) {
		memset(&c->state.offer, 0, sizeof c->state.offer);
		c->state.permit_until = 0;
		c->state.no_delta = false;
		c->state.boots = 0;
		c->state.healthy_s = 0;
	}
}

/* A settling action: remembered, done, then the new phase and its message in one transaction. */
static int settle(struct channel *c, const struct phase_step *step, enum phase_event on, const char *reason, const char *evidence)
{
	struct journal_channel ending = c->state, before;
	const char *kind = "";
	struct err e;

	snprintf(ending.ending, sizeof ending.ending, "%s", phase_event_name(on));
	snprintf(ending.reason, sizeof ending.reason, "%s", reason);
	printable(ending.evidence, sizeof ending.evidence, evidence);
	/* But not for ARM: a day later it would be armed without a fresh verdict; the boot record remembers it. */
	if (step->act != ACT_ARM)
		c->state = ending;
	if (channel_store(c, "", "", "", &e) < 0 || channel_settle(c, step->act, reason, evidence, &kind, &e) < 0)
		goto failed;
	/* The message is about the offer, which ends with the phase: write it first, in the same transaction. */
	if (journal_begin(c->host->journal, &e) < 0)
		goto failed;
	if (*kind && add_event(c, kind, reason, evidence, &e) < 0)
		goto undo;
	before = c->state;
	enter(c, step->then);
	if (journal_channel_store(c->host->journal, &c->state, &e) < 0 || journal_end(c->host->journal, &e) < 0) {
		c->state = before;
		goto undo;
	}
	return 0;
undo:
	journal_undo(c->host->journal);
failed:
	log_error("channel %s: %s: %s", c->state.name, phase_action_name(step->act), e.msg);
	c->state.retry_at = clock_now() + RETRY_FIRST_S;
	return e.code;
}

void channel_stop_job(struct channel *c)
{
	if (c->job.kind != JOB_NONE)
		job_stop(&c->job);
	c->upkeep.task = UPKEEP_NONE;
}

void channel_event(struct channel *c, enum phase_event on, const char *reason, const char *evidence)
{
	const struct phase_step *step = phase_step(c->state.phase, on);
	struct journal_channel before = c->state;
	bool retreat = step && step->act == ACT_RETREAT;

	if (!step)
		return;
	channel_log(c, "%s -> %s%s%s%s%s", phase_name(c->state.phase), phase_name(step->then), *reason ? ": " : "", reason,
		    *evidence ? ": " : "", evidence);
	channel_stop_job(c);
	if (retreat) {
		struct err e;
		const char *kind;

		if (channel_settle(c, ACT_RETREAT, reason, evidence, &kind, &e) < 0)
			log_error("channel %s: retreat: %s", c->state.name, e.msg);
		return;
	}
	if (phase_settling(step->act)) {
		if (settle(c, step, on, reason, evidence) < 0)
			return;
		channel_clean(c);
	} else {
		c->state.phase = step->then;
		if (before.phase != step->then)
			c->state.tries = c->state.suspected = c->state.retry_at = 0;
		store_or_later(c, &before, "", "", "");
	}
	if (c->state.phase == PHASE_CANARIED) {
		c->clear_after = clock_now();
		c->told_no_sensor = c->told_window = false;
		c->host->refresh_wanted = c->host->round_wanted = true;
	}
	if (c->state.phase == PHASE_VALIDATED && before.phase != PHASE_VALIDATED && c->state.offer.permit)
		c->host->round_wanted = true;
	if (c->state.phase == PHASE_IDLE)
		c->host->round_wanted = true;
}

/* ---- what is due ---- */

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
	return c->state.phase == PHASE_VALIDATED && c->state.offer.permit && c->state.permit_until <= clock_now() &&
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

/* Nor when the window closed under it. */
static void tell_window(struct channel *c)
{
	char words[200];
	struct err e;

	if (c->told_window || !c->state.permit_until)
		return;
	c->told_window = true;
	channel_waits(c, words, sizeof words);
	if (channel_store(c, "env", reason_word(REASON_WINDOW), words, &e) < 0)
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
	if (!channel_window(c).open) {
		tell_window(c);
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
		if (window_shut(c))
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
	return c->state.phase == PHASE_ACTIVE ? MIN(wait, channel_watch(c)) : wait;
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
	int rc;

	channel_look(c);
	(void)channel_telling(c);
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
