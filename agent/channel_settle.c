/* channel_settle: the actions that must be finished before a phase is stored. Each may be repeated. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/channel.h"
#include "agent/quarantine.h"
#include "agent/slots.h"
#include "base/clock.h"
#include "base/log.h"
#include "schema/reason.h"

static int quarantine_offer(struct channel *c, const char *reason, const char *evidence, struct err *e)
{
	struct quarantine q = { .digest = c->state.offer.digest, .attempt = c->state.offer.attempt, .at = clock_now(),
				.contract = c->host->contract };

	snprintf(q.cause, sizeof q.cause, "%s", reason);
	snprintf(q.evidence, sizeof q.evidence, "%.500s", *c->state.evidence ? c->state.evidence : evidence);
	return quarantine_add(c->boot.dir, &q, e);
}

/* What was never armed leaves the disk, unless the boot record names it for another reason. */
static int drop_slot(struct channel *c, struct err *e)
{
	if (channel_named(c, &c->state.offer.digest))
		return 0;
	return slots_remove(c->boot.dir, &c->state.offer.digest, e) == ERR_CONFLICT ? 0 : e->code;
}

void channel_begin_probation(struct channel *c)
{
	char hex[2 * BOOT_ID_LEN + 1] = "";

	for (size_t i = 0; i < BOOT_ID_LEN; i++)
		snprintf(hex + 2 * i, 3, "%02x", c->boot.boot_id[i]);
	memcpy(c->state.boot_id, hex, sizeof hex);
	c->state.boots = 0;
	c->state.healthy_s = 0;
	c->healthy_ms = 0;
}

static int arm(struct channel *c, const char **kind, struct err *e)
{
	channel_begin_probation(c);
	*kind = "armed";
	/* Whatever the kernel left until now, this trial did not do. */
	if (crash_told(&c->host->crash, c->host->journal, e) < 0)
		return e->code;
	if (channel_keep_drops(c, &c->state.offer.digest, e) < 0)
		return e->code;
	return trial_arm(&c->boot, &c->state.offer.digest, c->state.offer.attempt, e);
}

static int keep_high_water(struct channel *c, struct err *e)
{
	char key[128], value[32];

	snprintf(key, sizeof key, "high_water.%s", c->state.name);
	snprintf(value, sizeof value, "%" PRIu64, c->boot.record.high_water);
	return journal_set(c->host->journal, key, value, e);
}

static int commit(struct channel *c, const char **kind, struct err *e)
{
	struct digest current = trial_at(&c->boot, RUNG_CURRENT), keep[JOURNAL_KEEP];

	/* Content that was committed before survived long ago. */
	*kind = prove_again(c) ? "" : "survived";
	/* Done already, and killed before the journal knew. */
	if (!trial_on(&c->boot) && digest_equal(&current, &c->state.offer.digest))
		return channel_link(c, e) < 0 ? e->code : 0;
	if (trial_commit(&c->boot, c->state.offer.serial, e) < 0 || channel_link(c, e) < 0)
		return e->code;
	c->state.drop = c->state.offer.drop;
	c->state.verified_at = 0;       /* re-hashed at once, and then weekly */
	if (keep_high_water(c, e) < 0)
		return e->code;
	channel_keeps(c, keep);
	return journal_drop_clear(c->host->journal, c->state.name, keep, e);
}

static int revert(struct channel *c, const char *reason, const char *evidence, const char **kind, struct err *e)
{
	*kind = prove_again(c) ? "late_failure" : "failed";
	if (reason_class(reason) == REASON_CONTENT && quarantine_offer(c, reason, evidence, e) < 0)
		return e->code;
	if ((trial_on(&c->boot) || trial_left(&c->boot)) && trial_revert(&c->boot, e) < 0)
		return e->code;
	if (channel_link(c, e) < 0)
		return e->code;
	if (channel_tell_sensor(c, e) < 0)      /* the content is off either way */
		log_warn("channel %s: %s", c->state.name, e->msg);
	return redrop_told(c, e);
}

static int refuse(struct channel *c, const char *reason, const char *evidence, const char **kind, struct err *e)
{
	*kind = c->state.phase <= PHASE_VERIFIED ? "declined" : "quarantined";
	if (quarantine_offer(c, reason, evidence, e) < 0)
		return e->code;
	return drop_slot(c, e);
}

/* Under an open offer of the server a word is owed why nothing will come of it. */
static int discard(struct channel *c, const char **kind, struct err *e)
{
	*kind = c->state.permit_until ? "env" : "";
	return drop_slot(c, e);
}

/* Before the record changes, or a kill in between would give the online key another bundle of the day. */
static int spend_day(struct channel *c, const struct digest *leaving, struct err *e)
{
	int64_t before = c->state.stop_left_at;
	char key[128], hex[DIGEST_HEX_LEN + 1];

	snprintf(key, sizeof key, CHANNEL_STOP_LEFT, c->state.name);
	digest_hex(hex, leaving);
	if (journal_set(c->host->journal, key, hex, e) < 0)
		return e->code;
	c->state.stop_left_at = clock_now();
	if (channel_store(c, "", "", "", e) == 0)
		return 0;
	c->state.stop_left_at = before;         /* a day spent on nothing would keep what is stopped until the next */
	return e->code;
}

#define LEAVING "leaving.%s"            /* journal key: "<left> <to> <attempt> <reason> <evidence>", of a retreat that nobody was told of */
#define LEAVING_ATTEMPT (2 * (DIGEST_HEX_LEN + 1))     /* where it begins */

static int set_leaving(struct channel *c, const char *value, struct err *e)
{
	char key[128];

	snprintf(key, sizeof key, LEAVING, c->state.name);
	return journal_set(c->host->journal, key, value, e);
}

/*
 * Before the record changes: once it has, it does not say what was left, nor
 * why. A journal that cannot be written is no reason to stay: then only the
 * death of this agent, before it told, would lose the word.
 */
static void note_leaving(struct channel *c, const struct digest *left, const struct digest *to, const char *reason, const char *evidence)
{
	char hex[2][DIGEST_HEX_LEN + 1];
	struct err e;

	digest_hex(hex[0], left);
	digest_hex(hex[1], to);
	snprintf(c->leaving, sizeof c->leaving, "%s %s %" PRIu64 " %.60s %.400s", hex[0], hex[1], c->boot.record.attempt, reason, evidence);
	if (set_leaving(c, c->leaving, &e) < 0)
		log_warn("channel %s: %s", c->state.name, e.msg);
}

static int store_left(struct channel *c, struct message_event *event, struct err *e)
{
	c->host->round_wanted = true;
	if (journal_begin(c->host->journal, e) < 0)
		return e->code;
	if (journal_event(c->host->journal, event, e) < 0 || set_leaving(c, "", e) < 0 ||
	    journal_channel_store(c->host->journal, &c->state, e) < 0 || journal_end(c->host->journal, e) < 0) {
		journal_undo(c->host->journal);
		return e->code;
	}
	c->leaving[0] = 0;
	return 0;
}

int channel_tell_left(struct channel *c, struct err *e)
{
	struct message_event event = { .at = clock_now() };
	struct digest to, running = trial_running(&c->boot);
	char key[128], value[sizeof c->leaving], *at;
	int got = 1;

	snprintf(key, sizeof key, LEAVING, c->state.name);
	if (*c->leaving)
		memcpy(value, c->leaving, sizeof value);
	else
		got = journal_get(c->host->journal, key, value, sizeof value, e);
	if (got <= 0 || !*value)
		return got < 0 ? got : 0;
	/* It came to nothing, or the host went on from there; nor is a value of nobody's a reason to stand still. */
	if (strlen(value) < LEAVING_ATTEMPT || !digest_parse(&event.digest, value, DIGEST_HEX_LEN) ||
	    !digest_parse(&to, value + DIGEST_HEX_LEN + 1, DIGEST_HEX_LEN) || !digest_equal(&to, &running)) {
		c->leaving[0] = 0;
		return set_leaving(c, "", e);
	}
	memcpy(event.channel, c->state.name, sizeof event.channel);
	snprintf(event.kind, sizeof event.kind, "local");
	event.attempt = strtoull(value + LEAVING_ATTEMPT, &at, 10);
	at += *at == ' ';
	snprintf(event.reason, sizeof event.reason, "%.*s", (int)MIN(strcspn(at, " "), sizeof event.reason - 1), at);
	at += strcspn(at, " ");
	snprintf(event.evidence, sizeof event.evidence, "%.400s", at + (*at == ' '));
	return store_left(c, &event, e);
}

int channel_leave(struct channel *c, struct err *e)
{
	if (channel_link(c, e) < 0 || redrop_told(c, e) < 0 || channel_tell_left(c, e) < 0)
		return e->code;
	if (channel_tell_sensor(c, e) < 0)
		log_warn("channel %s: %s", c->state.name, e->msg);
	return 0;
}

/* To the slot that the latest verdict, or an order, named in `last`. */
static int retreat(struct channel *c, const char *reason, const char *evidence, struct err *e)
{
	struct digest running = trial_running(&c->boot), baseline = trial_at(&c->boot, RUNG_BASELINE), none = { { 0 } };
	const struct digest *to = &c->state.last.digest;
	int rc;

	if (digest_equal(&running, to))
		return 0;
	if (c->state.last.online_stop && spend_day(c, &running, e) < 0)
		return e->code;
	note_leaving(c, &running, to, reason, evidence);
	rc = trial_leave(&c->boot, digest_equal(to, &baseline) ? &none : to, e);
	running = trial_running(&c->boot);
	if (!digest_equal(&running, to))
		c->leaving[0] = 0;
	return rc < 0 ? rc : channel_leave(c, e);       /* when the link failed: soon */
}

int channel_settle(struct channel *c, enum phase_action act, const char *reason, const char *evidence, const char **kind, struct err *e)
{
	*kind = "";
	e->code = 0;
	switch (act) {
	case ACT_ARM:
		return arm(c, kind, e);
	case ACT_COMMIT:
		return commit(c, kind, e);
	case ACT_REVERT:
		return revert(c, reason, evidence, kind, e);
	case ACT_REFUSE:
		return refuse(c, reason, evidence, kind, e);
	case ACT_DISCARD:
		return discard(c, kind, e);
	case ACT_RETREAT:
		return retreat(c, reason, evidence, e);
	default:
		return err_set(e, ERR_INTERNAL, "%s settles nothing", phase_action_name(act));
	}
}
