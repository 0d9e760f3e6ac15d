/* channel_start: opening a channel, and making journal and boot record agree after any death. */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/channel_parts.h"
#include "agent/home.h"
#include "agent/quarantine.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/log.h"
#include "schema/reason.h"

#define BASELINE_LEFT "baseline_left.%s"        /* key of the journal: the digest of one that does not run, and is known not to */

int channel_blame(struct channel *c, const char *kind, const char *reason, const struct digest *d, const char *evidence, struct err *e)
{
	struct message_event event = { .at = clock_now(), .digest = *d, .attempt = MAX(c->boot.record.attempt, 1) };
	struct quarantine q = { .digest = *d, .attempt = event.attempt, .at = event.at, .contract = c->host->contract };

	snprintf(q.cause, sizeof q.cause, "%s", reason);
	snprintf(q.evidence, sizeof q.evidence, "%s", evidence);
	if (reason_class(reason) == REASON_CONTENT && quarantine_add(c->boot.dir, &q, e) < 0)
		return e->code;
	memcpy(event.channel, c->state.name, sizeof event.channel);
	snprintf(event.kind, sizeof event.kind, "%s", kind);
	snprintf(event.reason, sizeof event.reason, "%s", reason);
	snprintf(event.evidence, sizeof event.evidence, "%s", evidence);
	c->host->round_wanted = true;
	if (journal_begin(c->host->journal, e) < 0)
		return e->code;
	if (journal_event(c->host->journal, &event, e) < 0 || journal_end(c->host->journal, e) < 0) {
		journal_undo(c->host->journal);
		return e->code;
	}
	return 0;
}

/* In this very boot the guard left what stands above it for what stands below: no boot of it failed. */
static bool passed_over(const struct channel *c, enum boot_rung rung)
{
	const struct boot_status *s = &c->boot.status;

	return c->boot.guarded && s->left < rung && rung < s->rung && !boot_slot_exists(c->boot.dir, c->boot.record.digest[rung]);
}

/* "the boot guard left trial for current (stepped); the kernel crashed: Kernel panic - not syncing: ..." */
static void step_evidence(const struct channel *c, enum boot_rung from, char *out, size_t cap)
{
	const struct boot_status *s = &c->boot.status;

	if (trial_uncounted(&c->boot) && !c->boot.guarded)
		snprintf(out, cap, "the boot guard, which counted boots before, left no word of this one");
	else if (trial_uncounted(&c->boot) && trial_on(&c->boot))
		snprintf(out, cap, "the boot guard could not count this boot, which runs %s: %s", boot_rung_name(s->rung), s->report);
	else if (c->boot.guarded && s->left == from)
		snprintf(out, cap, "the boot guard left %s for %s (%s)%s%s", boot_rung_name(s->left), boot_rung_name(s->rung),
			 boot_reason_name(s->left_for), *s->report ? ": " : "", s->report);
	else if (passed_over(c, from))
		snprintf(out, cap, "the boot guard passed over %s: its slot is not on disk; %s runs now", boot_rung_name(from),
			 boot_rung_name(s->rung));
	else
		snprintf(out, cap, "the boot guard left %s in an earlier boot; %s runs now", boot_rung_name(from),
			 boot_rung_name(c->boot.record.rung));
	if (!c->host->crash.found)
		return;
	snprintf(out + strlen(out), cap - strlen(out), "; the kernel crashed: %s", c->host->crash.words);
	c->host->crash.attached = true;
}

/*
 * Its slot was gone: no boot failed. The guard says so of this boot; of an earlier
 * one, that nobody reported, the disk does. It also may have hidden the slot from
 * boots that were counted: content that is not there to be seen is not blamed.
 */
static bool slot_gone(const struct channel *c, const struct digest *left)
{
	const struct boot_status *s = &c->boot.status;

	if (c->boot.guarded && s->left != RUNG_NONE && s->left_for == BOOT_SLOT_MISSING && !memcmp(s->failed, left->bytes, DIGEST_LEN))
		return true;
	return !boot_slot_exists(c->boot.dir, left->bytes);
}

/* A kernel that left evidence crashed; else all that is known is that boots did not end well. */
static const char *step_reason(const struct channel *c, const struct digest *left)
{
	if (slot_gone(c, left))
		return reason_word(REASON_DISK_BAD);
	return reason_word(c->host->crash.found ? REASON_KERNEL : REASON_BOOT);
}

int channel_adopt(struct channel *c, struct err *e)
{
	struct digest trial = trial_at(&c->boot, RUNG_TRIAL);
	struct journal_channel before = c->state;

	if (!trial_on(&c->boot) || phase_on_trial(c->state.phase) || !digest_equal(&trial, &c->state.offer.digest))
		return 0;
	channel_begin_probation(c);
	c->state.phase = PHASE_ARMED;
	c->state.tries = c->state.retry_at = 0;
	if (channel_store(c, prove_again(c) ? "" : "armed", "", "", e) == 0)
		return 1;
	c->state = before;
	return e->code;
}

/* The boot record says trial. */
static int on_trial(struct channel *c, struct err *e)
{
	struct digest trial = trial_at(&c->boot, RUNG_TRIAL);

	if (!digest_equal(&trial, &c->state.offer.digest)) {
		log_warn("channel %s: the boot record has a trial that agent.db does not know: it is given up", c->state.name);
		return trial_revert(&c->boot, e);
	}
	return channel_adopt(c, e) < 0 ? e->code : 0;
}

/* A revert was cut short. A commit that was is another thing: it cannot be repeated once the record left the trial. */
static bool reverting(const struct channel *c)
{
	return *c->state.ending && strcmp(c->state.ending, phase_event_name(ON_HEALTHY)) != 0;
}

/*
 * The guard could not count this boot, so it runs committed content, to its end.
 * The trial is given up: kept, a machine that dies of it would come back to it
 * for ever, as long as its guard can write nothing.
 */
static int uncounted_trial(struct channel *c, struct err *e)
{
	struct digest trial = trial_at(&c->boot, RUNG_TRIAL);
	char reason[sizeof c->state.reason], evidence[400];

	if (!digest_equal(&trial, &c->state.offer.digest))
		return on_trial(c, e);
	/* Whatever crashed, it was not this trial in this boot: the words are in the evidence, and blame nobody. */
	snprintf(reason, sizeof reason, "%s", reason_word(REASON_DISK_BAD));
	step_evidence(c, RUNG_TRIAL, evidence, sizeof evidence);
	if (reverting(c)) {     /* it is repeated with its own reason */
		memcpy(reason, c->state.reason, sizeof reason);
		snprintf(evidence, sizeof evidence, "%.399s", c->state.evidence);
	}
	c->state.phase = PHASE_ACTIVE;
	channel_event(c, ON_STEPPED_DOWN, reason, evidence);
	return trial_on(&c->boot) ? err_set(e, ERR_IO, "channel %s: the trial that this boot must not run could not be given up", c->state.name) : 0;
}

/* The guard stepped off a trial; its digest waits in the record as evidence. */
static int left_trial(struct channel *c, struct err *e)
{
	struct digest trial = trial_at(&c->boot, RUNG_TRIAL);
	char evidence[400];

	step_evidence(c, RUNG_TRIAL, evidence, sizeof evidence);
	if (digest_equal(&trial, &c->state.offer.digest)) {
		if (reverting(c))
			return 0;       /* it is repeated with its own reason */
		c->state.phase = PHASE_ACTIVE;
		channel_event(c, ON_STEPPED_DOWN, step_reason(c, &trial), evidence);
		return 0;
	}
	if (channel_blame(c, "failed", step_reason(c, &trial), &trial, evidence, e) < 0)
		return e->code;
	return trial_revert(&c->boot, e);
}

/* The journal says trial, the record does not: a commit or revert was cut short. */
static int cut_short(struct channel *c)
{
	struct digest current = trial_at(&c->boot, RUNG_CURRENT);

	if (reverting(c) || (*c->state.ending && digest_equal(&current, &c->state.offer.digest)))
		return 0;
	if (digest_equal(&current, &c->state.offer.digest))
		channel_event(c, ON_HEALTHY, "", "committed before the agent was killed");
	else
		channel_event(c, ON_WITHDRAWN, reason_word(REASON_INTERNAL), "the boot record no longer knows the trial");
	return 0;
}

/* Content that was committed, or came with the sensor, and that the ladder left. */
static int failed_late(struct channel *c, enum boot_rung rung, struct err *e)
{
	struct digest failed = trial_at(&c->boot, rung);
	bool gone = slot_gone(c, &failed);
	char evidence[400];

	step_evidence(c, rung, evidence, sizeof evidence);
	log_error("channel %s: committed content %s: %s", c->state.name, gone ? "is gone" : "failed late", evidence);
	return channel_blame(c, gone ? "env" : "late_failure", reason_word(gone ? REASON_DISK_BAD : REASON_LATE_BOOT), &failed, evidence, e);
}

/* Several rungs may have been left since an agent last ran: each is told, and forgotten together. */
static int late_failures(struct channel *c, struct err *e)
{
	struct digest trial = trial_at(&c->boot, RUNG_TRIAL), last = trial;

	for (enum boot_rung rung = RUNG_CURRENT; rung < RUNG_BASELINE && rung < c->boot.record.rung; rung++) {
		struct digest d = trial_at(&c->boot, rung);

		/* skipped: what ran on the rung above it had failed as it */
		if (digest_is_zero(&d) || digest_equal(&d, &last) || digest_equal(&d, &trial))
			continue;
		if (failed_late(c, rung, e) < 0)
			return e->code;
		last = d;
	}
	return trial_settle(&c->boot, e) < 0 || redrop_told(c, e) < 0 || channel_store(c, "", "", "", e) < 0 ? e->code : 0;
}

/*
 * The end of the ladder. The baseline stays in the record, where the operator
 * finds it, so that it was told is remembered here, until something runs again.
 */
static int baseline_left(struct channel *c, struct err *e)
{
	bool left = c->boot.record.rung == RUNG_NONE && c->boot.record.mode != BOOT_DISABLED;
	struct digest d = left ? trial_at(&c->boot, RUNG_BASELINE) : (struct digest){ { 0 } };
	char key[128], known[DIGEST_HEX_LEN + 1], now[DIGEST_HEX_LEN + 1];

	snprintf(key, sizeof key, BASELINE_LEFT, c->state.name);
	digest_hex(now, &d);
	if (journal_get(c->host->journal, key, known, sizeof known, e) < 0)
		return e->code;
	if (!strcmp(known, now) || (!*known && digest_is_zero(&d)))
		return 0;
	if (!digest_is_zero(&d) && failed_late(c, RUNG_BASELINE, e) < 0)
		return e->code;
	return journal_set(c->host->journal, key, now, e);
}

int channel_run_nothing(struct channel *c, struct err *e)
{
	struct digest baseline = trial_at(&c->boot, RUNG_BASELINE);
	char key[128], hex[DIGEST_HEX_LEN + 1];

	snprintf(key, sizeof key, BASELINE_LEFT, c->state.name);
	digest_hex(hex, &baseline);
	return journal_set(c->host->journal, key, hex, e) < 0 || trial_idle(&c->boot, e) < 0 ? e->code : 0;
}

static int tell(struct channel *c, const char *words)
{
	struct err e;
	int rc;

	log_error("channel %s: %s", c->state.name, words);
	rc = host_event(c->host, c->state.name, "env", reason_word(REASON_DISK_BAD), words, &e);
	if (rc < 0)
		log_error("channel %s: %s", c->state.name, e.msg);
	return rc;
}

/*
 * What troubled the guard in this boot, which its own write may have put right:
 * told once, however often the agent starts. Where the record begins anew it is
 * the agent's own trouble, and told as that.
 */
static void tell_guards_trouble(struct channel *c, bool begins)
{
	const struct boot_status *s = &c->boot.status;
	char key[128], known[400], now[400], words[400];
	struct err e;

	snprintf(key, sizeof key, "guard_told.%s", c->state.name);
	hex_encode(now, s->boot_id, BOOT_ID_LEN);
	snprintf(now + strlen(now), sizeof now - strlen(now), " %s", s->report);
	if (journal_get(c->host->journal, key, known, sizeof known, &e) == 1 && !strcmp(known, now))
		return;
	snprintf(words, sizeof words, "the boot guard met: %s", s->report);
	if ((begins || tell(c, words) == 0) && journal_set(c->host->journal, key, now, &e) < 0)
		log_warn("channel %s: %s", c->state.name, e.msg);
}

/* The guard's words, the agent's, or both. */
static void tell_trouble(struct channel *c)
{
	const struct boot_status *s = &c->boot.status;
	bool guards = c->boot.guarded && *s->report;
	bool begins = s->reason == BOOT_NO_RECORD && !s->uncounted && c->boot.record.seq == 0;

	if (guards)
		tell_guards_trouble(c, begins);
	if (*c->boot.trouble && !(guards && !begins && strstr(s->report, c->boot.trouble)))
		(void)tell(c, c->boot.trouble);
}

/* The loop tells the sensor first of all; `reload` may have been changed for the signal meanwhile. */
static int still_owed(struct channel *c, struct err *e)
{
	char key[128], value[4];
	int got;

	snprintf(key, sizeof key, CHANNEL_TELLING, c->state.name);
	got = journal_get(c->host->journal, key, value, sizeof value, e);
	c->tell_owed = got == 1 && *value && *c->cfg->reload;
	return got < 0 ? got : 0;
}

int channel_reconcile(struct channel *c, struct err *e)
{
	struct digest running;
	int rc = 0;

	tell_trouble(c);
	if (trial_sync(&c->boot, e) < 0 || trial_count(&c->boot, e) < 0)
		return e->code;
	if (trial_mark_running(&c->boot, e) < 0)
		log_warn("channel %s: %s", c->state.name, e->msg);
	/* Killed before the boot record knew of it. */
	if (c->state.phase == PHASE_IDLE && !trial_on(&c->boot) && !trial_left(&c->boot))
		memset(&c->state.offer, 0, sizeof c->state.offer);
	if (trial_on(&c->boot))
		rc = trial_uncounted(&c->boot) ? uncounted_trial(c, e) : on_trial(c, e);
	else if (trial_left(&c->boot))
		rc = left_trial(c, e);
	else if (phase_on_trial(c->state.phase))
		rc = cut_short(c);
	if (rc == 0 && trial_late(&c->boot))
		rc = late_failures(c, e);
	if (rc == 0)
		rc = baseline_left(c, e);
	if (rc < 0)
		return rc;
	running = trial_running(&c->boot);
	if (channel_keep_drops(c, &running, e) < 0)
		return e->code;
	rc = channel_link(c, e);
	if (rc == 1)
		channel_log(c, "the link did not match the boot record, and does now");
	return rc < 0 || channel_resume_retreat(c, e) < 0 || still_owed(c, e) < 0 ? e->code : 0;
}

/* The highest serial ever committed survives the loss of the boot record too. */
static int remember_high_water(struct channel *c, struct err *e)
{
	char key[128], value[32];
	uint64_t known;

	snprintf(key, sizeof key, "high_water.%s", c->state.name);
	if (journal_get(c->host->journal, key, value, sizeof value, e) < 0)
		return e->code;
	known = strtoull(value, NULL, 10);
	if (known <= c->boot.record.high_water)
		return 0;
	if (c->boot.record.seq == 0 && !*c->boot.trouble)
		snprintf(c->boot.trouble, sizeof c->boot.trouble, "the boot record is gone; it begins anew");
	c->boot.record.high_water = known;
	return 0;
}

int channel_open(struct channel *c, struct host *h, const struct settings_channel *cfg, bool look, struct err *e)
{
	int lifted;

	memset(c, 0, sizeof *c);
	c->host = h;
	c->cfg = cfg;
	c->up_since = -1;
	c->down_since = clock_work_ms();
	c->clear_after = clock_now();
	c->boot.dir = c->boot.run = -1;
	c->rate_before = -1;
	job_init(&c->job);
	if (home_make_channel(h->s->root, cfg->name, e) < 0 || trial_open(&c->boot, h->s->root, cfg->name, e) < 0 ||
	    journal_channel_load(h->journal, &c->state, cfg->name, e) < 0 || remember_high_water(c, e) < 0)
		return e->code;
	if (look)
		return 0;
	if (c->boot.unread)     /* to begin anew beside it would never get anywhere: its writer would find a later one */
		return err_set(e, ERR_IO, "%s", c->boot.trouble);
	lifted = quarantine_lift(c->boot.dir, &h->contract, e);
	if (lifted < 0)
		return e->code;
	if (lifted)
		channel_log(c, "%d quarantines lifted: the sensor's contract is another one now", lifted);
	return channel_reconcile(c, e);
}

void channel_close(struct channel *c)
{
	channel_stop_job(c);
	/* Cut short it might leave the sensor with half of what it reads. */
	while (channel_telling(c)) {
		struct pollfd p = { .fd = c->telling.out, .events = POLLIN };

		poll(&p, 1, -1);
	}
	errand_stop(&c->probing);
	errand_stop(&c->hook);
	health_stop(&c->health);
	buf_free(TAKE(c->novel));
	trial_close(&c->boot);
	free(TAKE(c->drops));
	free(TAKE(c->upkeep.rules));
	free(TAKE(c->upkeep.redrop));
}
