/* channel_verdict: what the judge says about a channel, turned into phase events. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/channel.h"
#include "agent/quarantine.h"
#include "base/clock.h"
#include "base/log.h"
#include "schema/reason.h"

void channel_drop(struct channel *c, const char *rule)
{
	if (!c->drops)
		c->drops = calloc(CHANNEL_DROPS_MAX, sizeof *c->drops);
	if (c->drops && c->drop_count < CHANNEL_DROPS_MAX)
		snprintf(c->drops[c->drop_count++], sizeof c->drops[0], "%s", rule);
}

static bool same_offer(const struct message_verdict *a, const struct message_verdict *b)
{
	return digest_equal(&a->digest, &b->digest) && a->attempt == b->attempt && a->observe == b->observe && digest_equal(&a->drop, &b->drop);
}

static void offered(struct channel *c, const struct message_verdict *v)
{
	struct err e;

	if (journal_drop_set(c->host->journal, c->state.name, &v->digest, c->drops, c->drop_count, &e) < 0) {
		log_error("channel %s: %s", c->state.name, e.msg);
		return;
	}
	c->state.offer = *v;
	c->state.permit_until = 0;
	c->state.no_delta = false;
	channel_log(c, "serial %" PRIu64 " is assigned to ring %s, attempt %" PRIu64, v->serial, v->ring, v->attempt);
	channel_event(c, ON_OFFERED, v->word, v->reason);
}

static void install(struct channel *c, const struct message_verdict *v)
{
	struct err e;

	if (phase_on_trial(c->state.phase) || *c->state.ending)
		return;
	/* The judge was told of every stop; but nobody else's word starts a stopped digest. */
	if (journal_stopped(c->host->journal, c->state.name, &v->digest, &e) != 0)
		return;
	/* Nor does a verdict begin again what was refused while it was on its way: the judge was told before that. */
	if (quarantine_has(c->boot.dir, &v->digest, v->attempt, &e) != 0)
		return;
	if (c->state.phase == PHASE_IDLE) {
		offered(c, v);
	} else if (!same_offer(&c->state.offer, v)) {
		channel_event(c, ON_WITHDRAWN, reason_word(REASON_SUPERSEDED), v->reason);
		if (c->state.phase == PHASE_IDLE)
			offered(c, v);
	} else {        /* how it is to be tried may have changed */
		c->state.offer.permit = v->permit;
		c->state.offer.probation_s = v->probation_s;
		c->state.offer.boots = v->boots;
		c->state.offer.not_before = v->not_before;
		c->state.offer.not_after = v->not_after;
		c->state.offer.urgent = v->urgent;
	}
}

/* The word of a verdict is a reason code when it is one of the table; else nothing a report could use. */
static const char *reason_of(const struct message_verdict *v)
{
	enum reason r;

	return reason_parse(&r, v->word) ? v->word : reason_word(REASON_UNASSIGNED);
}

/* The ladder must not come to what was stopped, while there is something else beneath: better that than nothing. */
static void forget_stopped(struct channel *c)
{
	struct digest previous = trial_at(&c->boot, RUNG_PREVIOUS), baseline = trial_at(&c->boot, RUNG_BASELINE), running = trial_running(&c->boot);
	struct err e;
	int stopped;

	if (digest_is_zero(&previous) || digest_is_zero(&baseline) || digest_equal(&previous, &baseline) || digest_equal(&previous, &running))
		return;
	stopped = journal_stopped(c->host->journal, c->state.name, &previous, &e);
	if (stopped < 0 || (stopped > 0 && trial_forget(&c->boot, &previous, &e) < 0))
		log_warn("channel %s: %s", c->state.name, e.msg);
	else if (stopped)
		channel_log(c, "the content before, which is stopped, is no longer a rung to fall back to");
}

void channel_verdict(struct channel *c, const struct message_verdict *v)
{
	int64_t seen;
	struct err e;

	if (channel_adopt(c, &e) < 0) { /* what runs on trial must not be taken for something that never ran */
		log_error("channel %s: %s", c->state.name, e.msg);
		c->drop_count = 0;
		return;
	}
	if (!digest_is_zero(&v->assigned) &&
	    journal_first_seen(c->host->journal, c->state.name, &v->assigned, clock_now(), &seen, &e) < 0)
		log_warn("channel %s: %s", c->state.name, e.msg);
	memcpy(c->state.ring, v->ring, sizeof c->state.ring);
	c->state.floor = MAX(c->state.floor, v->floor);
	c->state.last = *v;
	if (channel_store(c, "", "", "", &e) < 0)
		log_error("channel %s: %s", c->state.name, e.msg);
	forget_stopped(c);
	missed_note(c, v);
	redrop_want(c, v);
	switch (v->say) {
	case SAY_INSTALL:
		install(c, v);
		break;
	case SAY_SWITCH:
		channel_event(c, ON_RETREAT, reason_of(v), v->reason);
		break;
	case SAY_WITHDRAW:
		if (!phase_on_trial(c->state.phase))
			channel_event(c, ON_WITHDRAWN, reason_of(v), v->reason);
		break;
	default:
		break;
	}
	c->drop_count = 0;
}

void channel_permit(struct channel *c, const struct message_permit *p)
{
	struct journal_channel before = c->state;
	struct err e;

	if (c->state.phase != PHASE_VALIDATED || !digest_equal(&p->digest, &c->state.offer.digest) ||
	    p->attempt != c->state.offer.attempt)
		return;
	if (p->answer == PERMIT_WAIT) {
		channel_log(c, "no permit yet: %s", p->reason);
		return;
	}
	c->state.permit_until = clock_now() + (int64_t)p->valid_s;
	c->state.retry_at = 0;
	if (channel_store(c, "", "", "", &e) == 0) {
		channel_log(c, "permit for %" PRIu64 " s", p->valid_s);
		return;
	}
	log_error("channel %s: %s", c->state.name, e.msg);
	c->state = before;
}
