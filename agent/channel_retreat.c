/*
 * channel_retreat: what runs is left for older content on disk, or for nothing.
 *
 * The boot record says so in one write, and afterwards knows neither what was
 * left nor why; the link, the sensor, the list of rules that are left out and
 * the word to people follow from it. A note in agent.db, made before, says what
 * is owed: this process does all of that, as often as it takes, or the next
 * one, when it finds a note that agrees with the record.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/channel_parts.h"
#include "base/clock.h"
#include "base/log.h"

#define NOTE "leaving.%s"       /* journal key: "<left> <to> <attempt> <reason> <evidence>"; no reason: nobody needs to be told */
#define NOTE_MAX 800
#define NOTE_ATTEMPT (2 * (DIGEST_HEX_LEN + 1)) /* where it begins */

static int set_note(struct channel *c, const char *value, struct err *e)
{
	char key[128];

	snprintf(key, sizeof key, NOTE, c->state.name);
	return journal_set(c->host->journal, key, value, e);
}

static int keep_note(struct channel *c, struct err *e)
{
	const struct retreat *r = &c->retreat;
	char value[NOTE_MAX], left[DIGEST_HEX_LEN + 1], to[DIGEST_HEX_LEN + 1];

	if (!r->owed)
		return set_note(c, "", e);
	digest_hex(left, &r->left);
	digest_hex(to, &r->to);
	snprintf(value, sizeof value, "%s %s %" PRIu64 " %s %s", left, to, r->attempt, r->reason, r->evidence);
	return set_note(c, value, e);
}

static bool parse_note(struct retreat *out, const char *value)
{
	char *at;

	memset(out, 0, sizeof *out);
	if (strlen(value) < NOTE_ATTEMPT || !digest_parse(&out->left, value, DIGEST_HEX_LEN) ||
	    !digest_parse(&out->to, value + DIGEST_HEX_LEN + 1, DIGEST_HEX_LEN))
		return false;
	out->owed = true;
	out->attempt = strtoull(value + NOTE_ATTEMPT, &at, 10);
	at += *at == ' ';
	snprintf(out->reason, sizeof out->reason, "%.*s", (int)MIN(strcspn(at, " "), sizeof out->reason - 1), at);
	at += strcspn(at, " ");
	snprintf(out->evidence, sizeof out->evidence, "%.400s", at + (*at == ' '));
	return true;
}

/* ---- what follows ---- */

static int add_event(struct channel *c, const struct retreat *r, struct err *e)
{
	struct message_event event = { .at = clock_now(), .digest = r->left, .attempt = r->attempt };

	memcpy(event.channel, c->state.name, sizeof event.channel);
	snprintf(event.kind, sizeof event.kind, "local");
	memcpy(event.reason, r->reason, sizeof r->reason);
	memcpy(event.evidence, r->evidence, sizeof r->evidence);
	return journal_event(c->host->journal, &event, e);
}

/* People are told, and what is owed from then on is on record, at once or not at all. */
static int store_told(struct channel *c, bool owed, struct err *e)
{
	struct journal *j = c->host->journal;
	struct retreat before = c->retreat;

	c->host->round_wanted = true;
	if (journal_begin(j, e) < 0)
		return e->code;
	c->retreat.owed = owed;
	c->retreat.reason[0] = 0;
	if ((*before.reason && add_event(c, &before, e) < 0) || keep_note(c, e) < 0 || journal_channel_store(j, &c->state, e) < 0 ||
	    journal_end(j, e) < 0) {
		journal_undo(j);
		c->retreat = before;
		return e->code;
	}
	return 0;
}

int channel_tell_retreat(struct channel *c, struct err *e)
{
	return c->retreat.owed && *c->retreat.reason ? store_told(c, true, e) : 0;
}

/* It is tried again every second: said once, and again when it is another trouble. */
static int trouble(struct channel *c, const struct err *e)
{
	if (strcmp(c->retreat.trouble, e->msg) != 0)
		log_error("channel %s: retreat: %s", c->state.name, e->msg);
	snprintf(c->retreat.trouble, sizeof c->retreat.trouble, "%s", e->msg);
	return e->code;
}

/* Once for the link alone, where a journal that cannot be read keeps back the rest: a stop does not wait for that. */
static void tell_sensor(struct channel *c, int of)
{
	struct err e;

	if ((int)c->retreat.sensor_told >= of)
		return;
	c->retreat.sensor_told = of;
	if (channel_tell_sensor(c, &e) < 0)     /* the content is off either way */
		log_warn("channel %s: %s", c->state.name, e.msg);
}

int channel_finish_retreat(struct channel *c, struct err *e)
{
	struct err ignored;

	if (!c->retreat.owed)
		return 0;
	if (channel_link(c, e) < 0) {
		if (trial_link(&c->boot, &ignored) >= 0)
			tell_sensor(c, RETREAT_LINK_TOLD);
		return trouble(c, e);
	}
	tell_sensor(c, RETREAT_ALL_TOLD);
	if (redrop_told(c, e) < 0 || store_told(c, false, e) < 0)
		return trouble(c, e);
	memset(&c->retreat, 0, sizeof c->retreat);
	return 0;
}

int channel_resume_retreat(struct channel *c, struct err *e)
{
	struct digest running = trial_running(&c->boot);
	char key[128], value[NOTE_MAX];
	struct retreat found;
	int got;

	snprintf(key, sizeof key, NOTE, c->state.name);
	got = journal_get(c->host->journal, key, value, sizeof value, e);
	if (got <= 0 || !*value)
		return got < 0 ? got : 0;
	/* It came to nothing, or the host went on from there; nor is a value of nobody's a reason to stand still. */
	if (!parse_note(&found, value) || !digest_equal(&found.to, &running))
		return set_note(c, "", e);
	c->retreat = found;
	return 0;
}

/* ---- the retreat ---- */

static int leave(struct channel *c, const struct digest *to, struct err *e)
{
	struct digest baseline = trial_at(&c->boot, RUNG_BASELINE), none = { { 0 } };

	if (digest_is_zero(to))
		return channel_run_nothing(c, e);
	return trial_leave(&c->boot, digest_equal(to, &baseline) ? &none : to, e);
}

int channel_retreat(struct channel *c, const struct digest *to, const char *reason, const char *evidence, struct err *e)
{
	struct digest running = trial_running(&c->boot);
	struct retreat before;
	struct err why;
	int rc;

	if (channel_tell_retreat(c, &why) < 0)
		log_warn("channel %s: %s", c->state.name, why.msg);
	before = c->retreat;
	c->retreat = (struct retreat){ .owed = true, .left = running, .to = *to, .attempt = c->boot.record.attempt };
	snprintf(c->retreat.reason, sizeof c->retreat.reason, "%s", reason);
	snprintf(c->retreat.evidence, sizeof c->retreat.evidence, "%.400s", evidence);
	/* A journal that cannot be written is no reason to stay: then only the death of this agent would lose the word. */
	if (keep_note(c, &why) < 0)
		log_warn("channel %s: %s", c->state.name, why.msg);
	rc = leave(c, to, e);
	running = trial_running(&c->boot);
	if (rc == 0 || digest_equal(&running, to)) {
		(void)!channel_finish_retreat(c, &why);         /* else the next look does; it said why */
		return 0;
	}
	c->retreat = before;
	if (keep_note(c, &why) < 0)
		log_warn("channel %s: %s", c->state.name, why.msg);
	return rc;
}
