/*
 * channel_prove: a contract that changed, as a sensor upgrade changes it.
 *
 * What runs was proved under another contract: it is held against the new one,
 * loaded by the canary, and put on trial again. When it is refused, the first
 * of what is on disk beneath it that the new contract accepts takes its place;
 * nothing runs when there is none. Level-triggered: each slot is on record
 * with the contract that accepted it last, so a kill anywhere repeats this.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/channel_parts.h"
#include "agent/slots.h"
#include "base/clock.h"
#include "base/log.h"
#include "schema/reason.h"

#define TRIES_BEFORE_BLAME 3
#define PROBATION_S 600         /* when nothing is known of how the content came here */
#define LOOK_MS 1000

bool prove_again(const struct channel *c)
{
	return !strcmp(c->state.offer.word, reason_word(REASON_CONTRACT_CHANGED));
}

/* ---- is it due? ---- */

/*
 * What the last proof came to: "<contract> <what runs> <word>", the word one of
 * "accepted", "stepped-down", "none" when nothing was accepted, "nothing" when
 * nothing ran.
 */
static void set_outcome(struct channel *c, const struct digest *runs, const char *word)
{
	char key[128], value[CHANNEL_CONTRACT_MAX];
	struct err e;

	snprintf(key, sizeof key, CHANNEL_CONTRACT, c->state.name);
	digest_hex(value, &c->host->contract);
	value[DIGEST_HEX_LEN] = ' ';
	digest_hex(value + DIGEST_HEX_LEN + 1, runs);
	snprintf(value + CHANNEL_CONTRACT_WORD - 1, sizeof value - CHANNEL_CONTRACT_WORD + 1, " %s", word);
	if (journal_set(c->host->journal, key, value, &e) < 0)
		log_warn("channel %s: %s", c->state.name, e.msg);
}

/* The word of the last proof; *now: it is about the contract of now and what runs. */
static const char *outcome(const struct channel *c, char value[CHANNEL_CONTRACT_MAX], bool *now)
{
	struct digest running = trial_running(&c->boot);
	char key[128], about[2 * DIGEST_HEX_LEN + 2];
	struct err e;

	*now = false;
	snprintf(key, sizeof key, CHANNEL_CONTRACT, c->state.name);
	if (journal_get(c->host->journal, key, value, CHANNEL_CONTRACT_MAX, &e) != 1 || strlen(value) <= CHANNEL_CONTRACT_WORD)
		return "";
	digest_hex(about, &c->host->contract);
	about[DIGEST_HEX_LEN] = ' ';
	digest_hex(about + DIGEST_HEX_LEN + 1, &running);
	*now = !strncmp(value, about, sizeof about - 1);
	return value + CHANNEL_CONTRACT_WORD;
}

static bool due(const struct channel *c, const struct digest *running)
{
	char value[CHANNEL_CONTRACT_MAX];
	struct journal_slot known;
	struct err e;
	bool now;

	if (!digest_is_zero(running)) {
		if (journal_slot_get(c->host->journal, c->state.name, running, &known, &e) < 0)
			return false;
		/* A baseline, or a new agent.db: no contract is known that could have changed. From now on one is. */
		if (digest_is_zero(&known.contract) &&
		    journal_slot_contract(c->host->journal, c->state.name, running, &c->host->contract, &e) < 0)
			log_warn("channel %s: %s", c->state.name, e.msg);
		return !digest_is_zero(&known.contract) && !digest_equal(&known.contract, &c->host->contract);
	}
	/* Nothing runs because an older contract refused all there was. */
	return c->boot.record.mode == BOOT_COMMITTED && !strcmp(outcome(c, value, &now), "none") && !now;
}

bool prove_due(struct channel *c)
{
	struct digest running = trial_running(&c->boot);
	struct upkeep *u = &c->upkeep;
	char value[CHANNEL_CONTRACT_MAX];
	bool now;

	if (digest_is_zero(&c->host->contract))
		return false;
	if (digest_equal(&u->proved[0], &running) && digest_equal(&u->proved[1], &c->host->contract))
		return false;
	if (due(c, &running))
		return true;
	u->proved[0] = running;
	u->proved[1] = c->host->contract;
	(void)outcome(c, value, &now);
	if (!now)
		set_outcome(c, &running, digest_is_zero(&running) ? "nothing" : u->stepped ? "stepped-down" : "accepted");
	return false;
}

/* A new question: begin with what runs. */
static void begin(struct channel *c)
{
	struct digest running = trial_running(&c->boot);
	struct upkeep *u = &c->upkeep;

	if (digest_equal(&u->proving[0], &running) && digest_equal(&u->proving[1], &c->host->contract))
		return;
	u->stepped &= digest_equal(&u->proving[1], &c->host->contract);
	u->proving[0] = running;
	u->proving[1] = c->host->contract;
	u->proof = digest_is_zero(&running) ? RUNG_BASELINE : c->boot.record.rung;
	u->accepted = false;
	u->prove_tries = u->suspected = 0;
	u->prove_at = 0;
	u->refused[0] = 0;
}

/* ---- accepted ---- */

static int remember(struct channel *c, const struct digest *d)
{
	struct err e;

	if (journal_slot_contract(c->host->journal, c->state.name, d, &c->host->contract, &e) == 0)
		return 0;
	log_error("channel %s: %s", c->state.name, e.msg);
	return e.code;
}

static int make_offer(struct message_verdict *out, struct channel *c, const struct digest *d, struct err *e)
{
	struct journal_slot known;

	if (journal_slot_get(c->host->journal, c->state.name, d, &known, e) < 0)
		return e->code;
	*out = known.source;
	if (!*out->path)
		*out = (struct message_verdict){ .serial = channel_serial(c, d), .probation_s = PROBATION_S };
	memcpy(out->channel, c->state.name, sizeof out->channel);
	memcpy(out->ring, c->state.ring, sizeof out->ring);
	out->digest = *d;
	out->drop = c->state.drop;
	out->attempt = MAX(out->attempt, 1);
	out->permit = 0;
	snprintf(out->word, sizeof out->word, "%s", reason_word(REASON_CONTRACT_CHANGED));
	return 0;
}

/* The same steps as for new content, but for the link, which is right already. The offer is durable first, or nobody would know this trial. */
static int arm(struct channel *c, const struct digest *d, struct err *e)
{
	struct journal_channel before = c->state;
	int rc = make_offer(&c->state.offer, c, d, e);

	for (size_t i = 0; i < BOOT_ID_LEN; i++)
		snprintf(c->state.boot_id + 2 * i, 3, "%02x", c->boot.boot_id[i]);
	c->state.boots = 0;
	c->state.healthy_s = 0;
	c->healthy_ms = 0;
	if (rc == 0)
		rc = channel_store(c, "", "", "", e);
	if (rc == 0)
		rc = crash_told(&c->host->crash, c->host->journal, e);
	if (rc == 0)
		rc = trial_arm(&c->boot, d, c->state.offer.attempt, e);
	if (rc < 0) {
		c->state = before;
		return rc;
	}
	channel_effects_begin(c, false);
	channel_look_anew(c);
	c->state.phase = PHASE_ACTIVE;
	return channel_store(c, "", "", "", e);
}

/* 1: it waits for the other channel's trial, or for a boot that the guard can count. */
static int put_on_trial(struct channel *c, const struct digest *d)
{
	struct err e;

	if (phase_on_trial(c->state.phase)) {
		c->state.healthy_s = 0;
		c->state.boots = 0;
		if (channel_store(c, "", "", "", &e) < 0)
			log_warn("channel %s: %s", c->state.name, e.msg);
		channel_look_anew(c);
		channel_line(c, "contract-changed", d, "accepted; its trial begins anew");
		return 0;
	}
	if (c->boot.record.mode != BOOT_COMMITTED || c->boot.record.rung == RUNG_BASELINE) {
		channel_line(c, "contract-changed", d, "accepted");
		return 0;
	}
	if (host_other_trial(c->host, c) || trial_uncounted(&c->boot))
		return 1;
	if (arm(c, d, &e) < 0) {
		log_error("channel %s: %s", c->state.name, e.msg);
		return e.code;
	}
	channel_line(c, "contract-changed", d, "accepted, and on trial again");
	return 0;
}

static void accepted(struct channel *c)
{
	struct digest running = trial_running(&c->boot);
	int rc;

	if (!c->upkeep.accepted)
		set_outcome(c, &running, c->upkeep.stepped ? "stepped-down" : "accepted");
	c->upkeep.accepted = true;
	rc = put_on_trial(c, &running);
	if (rc == 0)
		rc = remember(c, &running);
	if (rc != 0)
		c->upkeep.prove_at = rc < 0 ? upkeep_later(&c->upkeep.prove_tries) : clock_now() + 1;
}

/* ---- refused ---- */

static bool candidate(const struct channel *c, int rung)
{
	struct digest d = trial_at(&c->boot, (enum boot_rung)rung), running = trial_running(&c->boot);
	struct err e;

	if (digest_is_zero(&d) || digest_equal(&d, &running) || !slots_have(c->boot.dir, &d))
		return false;
	return rung == RUNG_BASELINE || journal_stopped(c->host->journal, c->state.name, &d, &e) == 0;
}

static int leave(struct channel *c, int to, struct err *e)
{
	struct digest running = trial_running(&c->boot), d = { { 0 } };

	if (to < RUNG_NONE)
		d = trial_at(&c->boot, (enum boot_rung)to);
	if (!digest_is_zero(&running) &&
	    channel_blame(c, "late_failure", c->upkeep.refused_reason, &running, c->upkeep.refused, e) < 0)
		return e->code;
	if (to < RUNG_NONE && remember(c, &d) < 0)
		return err_set(e, ERR_IO, "agent.db");
	/* Before the record changes: afterwards nothing would be due any more, and nobody would know what came of it. */
	set_outcome(c, &d, to == RUNG_NONE ? "none" : "stepped-down");
	if (channel_retreat(c, &d, "", "", e) < 0)      /* people were told of the late failure */
		return e->code;
	channel_line(c, "contract-changed", &d, "%s; %s", c->upkeep.refused,
		     to == RUNG_NONE ? "nothing on disk is accepted, so nothing runs" : "what the new contract accepts runs instead");
	return 0;
}

static void step_down(struct channel *c, int to)
{
	struct err e;

	if (leave(c, to, &e) < 0) {
		log_error("channel %s: %s", c->state.name, e.msg);
		c->upkeep.prove_at = upkeep_later(&c->upkeep.prove_tries);
		return;
	}
	channel_clean(c);
}

static void refused(struct channel *c, const char *reason, const char *text)
{
	struct upkeep *u = &c->upkeep;

	u->prove_tries = u->suspected = 0;
	if (!*u->refused) {
		snprintf(u->refused_reason, sizeof u->refused_reason, "%s", reason);
		snprintf(u->refused, sizeof u->refused, "%.300s", text);
	}
	if (phase_on_trial(c->state.phase)) {
		u->stepped = true;
		channel_event(c, ON_UNHEALTHY, reason, text);
		return;
	}
	do
		u->proof++;
	while (u->proof < RUNG_NONE && !candidate(c, u->proof));
	if (u->proof >= RUNG_NONE)
		step_down(c, RUNG_NONE);
}

/* ---- trying ---- */

static int start(struct channel *c, const struct digest *d, enum upkeep_task task, struct err *e)
{
	static struct message_attempt t;
	int rc;

	c->upkeep.task = task;
	rc = upkeep_slot(&t, c, d, e);
	if (rc == 0)
		rc = task == UPKEEP_CHECK ? job_check(&c->job, c->host->s, &t, e) : upkeep_canary(c, d, e);
	if (rc < 0)
		c->upkeep.task = UPKEEP_NONE;
	return rc;
}

static void put_off(struct channel *c, const char *why)
{
	log_warn("channel %s: new contract: %s", c->state.name, why);
	c->upkeep.prove_at = upkeep_later(&c->upkeep.prove_tries);
}

int64_t prove_look(struct channel *c)
{
	struct digest d;
	struct err e;

	if (!prove_due(c))
		return -1;
	begin(c);
	if (clock_now() < c->upkeep.prove_at)
		return -1;
	if (c->upkeep.accepted) {
		accepted(c);
		return LOOK_MS;
	}
	d = trial_at(&c->boot, (enum boot_rung)c->upkeep.proof);
	if (!slots_have(c->boot.dir, &d))
		refused(c, reason_word(REASON_DISK_BAD), "the slot is gone");
	else if (start(c, &d, UPKEEP_CHECK, &e) < 0)
		put_off(c, e.msg);
	return LOOK_MS;
}

static void passed(struct channel *c)
{
	struct digest running = trial_running(&c->boot), d = trial_at(&c->boot, (enum boot_rung)c->upkeep.proof);

	if (digest_equal(&d, &running))
		accepted(c);
	else
		step_down(c, c->upkeep.proof);
}

void prove_tried(struct channel *c, const struct job_result *r)
{
	struct digest d = trial_at(&c->boot, (enum boot_rung)c->upkeep.proof);
	bool damaged = !strcmp(r->reason, reason_word(REASON_DIGEST)) && r->outcome == RESULT_RETRY;
	struct err e;

	if (r->outcome == RESULT_RETRY && reason_class(r->reason) == REASON_CONTENT && !damaged)
		c->upkeep.suspected++;
	if (r->outcome == RESULT_OK && r->kind == JOB_CHECK) {
		if (start(c, &d, UPKEEP_CANARY, &e) < 0)
			put_off(c, e.msg);
	} else if (r->outcome == RESULT_OK) {
		passed(c);
	} else if (damaged) {
		c->state.verified_at = 0;       /* it is mended first */
		put_off(c, r->text);
	} else if (r->outcome == RESULT_REFUSED || c->upkeep.suspected >= TRIES_BEFORE_BLAME) {
		refused(c, r->reason, r->text);
	} else {
		put_off(c, r->text);
	}
}
