/* channel: what happens to a channel, and what becomes of it. */
#include "agent/channel.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/channel_parts.h"
#include "agent/home.h"
#include "agent/schedule.h"
#include "agent/slots.h"
#include "agent/transfer.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "rollout/vouch.h"

#define RETRY_FIRST_S 5
#define RETRY_MOST_S 3600

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
		c->told_no_sensor = c->told_wait = false;
		c->host->refresh_wanted = c->host->round_wanted = true;
	}
	if (c->state.phase == PHASE_VALIDATED && before.phase != PHASE_VALIDATED && c->state.offer.permit)
		c->host->round_wanted = true;
	if (c->state.phase == PHASE_IDLE)
		c->host->round_wanted = true;
}
