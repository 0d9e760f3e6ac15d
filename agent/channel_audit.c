/*
 * channel_audit: what new rules would have done while the content is on trial,
 * for the trial's report. A sensor counts from 0 when it starts, or takes the
 * content over anew: what was counted before in the same trial is added here,
 * and noted in the journal for the agent that goes on after a restart or boot.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/channel_parts.h"
#include "base/clock.h"
#include "base/log.h"

#define AUDIT_KEY "audited.%s"          /* journal: digest and attempt of the trial, struct audited twice; "": none */
#define AUDIT_EVERY_MS 60000            /* of counting, at most, are lost with the sensor and the agent together */
#define VALUE_MAX 256

static void audit_key(char key[128], const struct channel *c)
{
	snprintf(key, 128, AUDIT_KEY, c->state.name);
}

static void note(struct channel *c)
{
	const struct audited *b = &c->audited_before, *n = &c->audited;
	char key[128], hex[DIGEST_HEX_LEN + 1], value[VALUE_MAX];
	struct digest running = trial_running(&c->boot);
	struct err e;

	audit_key(key, c);
	digest_hex(hex, &running);
	snprintf(value, sizeof value, "%s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64,
		 hex, c->state.offer.attempt, b->seconds, b->events, b->would_block, b->would_quarantine, n->seconds, n->events, n->would_block,
		 n->would_quarantine);
	if (journal_set(c->host->journal, key, value, &e) < 0)
		log_warn("channel %s: %s", c->state.name, e.msg);
	c->audit_noted = clock_ticks_ms();
}

/* Of this trial, or of none. */
static void resume(struct channel *c, const char *value)
{
	char hex[DIGEST_HEX_LEN + 1], of[DIGEST_HEX_LEN + 1];
	struct digest running = trial_running(&c->boot);
	struct audited b, n;
	uint64_t attempt;

	digest_hex(hex, &running);
	if (sscanf(value, "%64s %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, of, &attempt,
		   &b.seconds, &b.events, &b.would_block, &b.would_quarantine, &n.seconds, &n.events, &n.would_block, &n.would_quarantine) != 10 ||
	    strcmp(hex, of) != 0 || attempt != c->state.offer.attempt)
		return;
	c->audited_before = b;
	c->audited = n;
}

void channel_audit_begin(struct channel *c, bool goes_on)
{
	char key[128], value[VALUE_MAX];
	struct err e;
	int rc;

	c->audited = c->audited_before = (struct audited){ 0 };
	c->audit_noted = 0;
	audit_key(key, c);
	rc = journal_get(c->host->journal, key, value, sizeof value, &e);
	if (rc == 1 && goes_on)
		resume(c, value);
	else if (rc == 1 && *value)
		rc = journal_set(c->host->journal, key, "", &e);
	if (rc < 0)
		log_warn("channel %s: %s", c->state.name, e.msg);
}

/* Counters are the sensor's word: sums stay below what they are printed as. */
static uint64_t plus(uint64_t a, uint64_t b)
{
	return a > INT64_MAX || b > INT64_MAX - a ? INT64_MAX : a + b;
}

static struct audited both(const struct audited *a, const struct audited *b)
{
	return (struct audited){ plus(a->seconds, b->seconds), plus(a->events, b->events), plus(a->would_block, b->would_block),
				 plus(a->would_quarantine, b->would_quarantine) };
}

void channel_audit_count(struct channel *c, const struct ringhold_effects *e)
{
	const struct audited now = { e->seconds, e->events, e->would_block, e->would_quarantine }, was = c->audited;
	bool anew = now.seconds < was.seconds || now.events < was.events || now.would_block < was.would_block ||
		    now.would_quarantine < was.would_quarantine;

	if (!trial_on(&c->boot) || !c->state.offer.observe)
		return;
	if (anew)
		c->audited_before = both(&c->audited_before, &was);
	c->audited = now;
	if (anew || !c->audit_noted || clock_ticks_ms() - c->audit_noted >= AUDIT_EVERY_MS)
		note(c);
}

void channel_audit_words(const struct channel *c, char *out, size_t cap)
{
	const struct audited sum = both(&c->audited_before, &c->audited);

	out[0] = 0;
	if ((c->effects_counted || sum.events) && c->state.offer.observe)
		snprintf(out, cap, "; its new rules would have blocked %" PRIu64 " and quarantined %" PRIu64 " of %" PRIu64 " events", sum.would_block,
			 sum.would_quarantine, sum.events);
}
