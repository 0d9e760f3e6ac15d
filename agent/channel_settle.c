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

/* To the slot that the latest verdict, or an order, named in `last`; none: the baseline. */
static int retreat(struct channel *c, const char *reason, const char *evidence, struct err *e)
{
	struct digest running = trial_running(&c->boot), baseline = trial_at(&c->boot, RUNG_BASELINE);
	const struct digest *to = digest_is_zero(&c->state.last.digest) ? &baseline : &c->state.last.digest;

	if (digest_equal(&running, to))
		return 0;
	if (digest_is_zero(to))
		return err_set(e, ERR_NOT_FOUND, "channel %s: there is no baseline to go back to", c->state.name);
	if (c->state.last.online_stop && spend_day(c, &running, e) < 0)
		return e->code;
	return channel_retreat(c, to, reason, evidence, e);
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
