/*
 * channel_mend: what the boot record names is re-hashed at COMMIT and weekly,
 * by the check process, and brought again whole when it is damaged. What was
 * damaged on disk, file by file or by a file that slots share, is the disk's
 * doing: it is reported and nobody is blamed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/channel.h"
#include "agent/slots.h"
#include "base/clock.h"
#include "base/log.h"
#include "schema/reason.h"

#define REHASH_EVERY_S ((int64_t)7 * 86400)
#define AHEAD_S 86400           /* a time this far in the future is of a clock that went back */

static bool due(const struct channel *c, int64_t now)
{
	return now - c->state.verified_at >= REHASH_EVERY_S || c->state.verified_at > now + AHEAD_S;
}

static bool named_above(const struct channel *c, int rung)
{
	struct digest d = trial_at(&c->boot, (enum boot_rung)rung), above;

	for (int i = RUNG_TRIAL; i < rung; i++) {
		above = trial_at(&c->boot, (enum boot_rung)i);
		if (digest_equal(&above, &d))
			return true;
	}
	return false;
}

/* A pass without anything damaged is good for a week; one that found something is repeated soon. */
static void pass_over(struct channel *c)
{
	struct upkeep *u = &c->upkeep;
	struct err e;

	u->rung = RUNG_TRIAL;
	if (u->damaged) {
		u->damaged = false;
		u->mend_at = upkeep_later(&u->mend_tries);
		return;
	}
	u->mend_tries = 0;
	c->state.verified_at = clock_now();
	if (channel_store(c, "", "", "", &e) < 0)
		log_warn("channel %s: %s", c->state.name, e.msg);
}

static void put_off(struct channel *c, const char *why)
{
	log_warn("channel %s: re-hash: %s", c->state.name, why);
	c->upkeep.mend_at = upkeep_later(&c->upkeep.mend_tries);
}

static void rehash(struct channel *c, const struct digest *d)
{
	static struct message_attempt t;
	struct err e;

	if (upkeep_slot(&t, c, d, &e) < 0) {
		put_off(c, e.msg);
		return;
	}
	t.rehash = 1;
	c->upkeep.task = UPKEEP_REHASH;
	if (job_check(&c->job, c->host->s, &t, &e) == 0)
		return;
	c->upkeep.task = UPKEEP_NONE;
	put_off(c, e.msg);
}

int64_t mend_look(struct channel *c)
{
	struct upkeep *u = &c->upkeep;
	int64_t now = clock_now();
	struct err e;

	if (now < u->mend_at)
		return -1;
	if (u->bringing && u->mend) {
		if (!channel_line_free(c))
			return -1;
		if (upkeep_bring(c, &u->source, true, &e) < 0)
			put_off(c, e.msg);
		return 0;
	}
	if (u->rung == RUNG_TRIAL && !due(c, now))
		return -1;
	for (; u->rung < RUNG_NONE; u->rung++) {
		struct digest d = trial_at(&c->boot, (enum boot_rung)u->rung);

		if (digest_is_zero(&d) || named_above(c, u->rung) || !slots_have(c->boot.dir, &d))
			continue;
		rehash(c, &d);
		return 0;
	}
	pass_over(c);
	return 0;
}

/* ---- damage ---- */

/* Where the bytes can be had again; false: nobody knows. */
static bool find_source(const struct channel *c, const struct digest *d, struct message_verdict *out)
{
	struct journal_slot known;
	struct err e;

	if (journal_stopped(c->host->journal, c->state.name, d, &e) != 0)
		return false;
	if (journal_slot_get(c->host->journal, c->state.name, d, &known, &e) < 0) {
		log_warn("channel %s: %s", c->state.name, e.msg);
		memset(&known, 0, sizeof known);
	}
	*out = *known.source.path ? known.source : c->state.last;
	if (!*known.source.path && !digest_equal(&c->state.last.assigned, d))
		return false;
	out->digest = *d;
	return *out->path;
}

/* Once for each damage, however often it is found. */
static void report(struct channel *c, const struct digest *d, const char *text)
{
	char key[128], was[DIGEST_HEX_LEN + 1], hex[DIGEST_HEX_LEN + 1];
	struct err e;

	log_error("channel %s: %s", c->state.name, text);
	snprintf(key, sizeof key, "damaged.%s.%d", c->state.name, c->upkeep.rung);
	digest_hex(hex, d);
	if (journal_get(c->host->journal, key, was, sizeof was, &e) >= 0 && !strcmp(was, hex))
		return;
	if (host_event(c->host, c->state.name, "env", reason_word(REASON_DISK_BAD), text, &e) < 0 ||
	    journal_set(c->host->journal, key, hex, &e) < 0)
		log_error("channel %s: %s", c->state.name, e.msg);
}

static void damaged(struct channel *c, const struct digest *d, const char *what)
{
	struct message_verdict source;
	bool known = find_source(c, d, &source);
	bool baseline = c->upkeep.rung == RUNG_BASELINE;
	char text[400], hex[DIGEST_HEX_LEN + 1];

	digest_hex(hex, d);
	snprintf(text, sizeof text, "the slot of %s content, serial %" PRIu64 ", is damaged: %.200s; %s",
		 boot_rung_name((unsigned)c->upkeep.rung), channel_serial(c, d), what,
		 known ? "it is fetched again" : baseline ? "install it again: ringhold-agent baseline" : "where it can be had is unknown");
	report(c, d, text);
	if (known) {
		c->upkeep.source = source;
		c->upkeep.bringing = c->upkeep.mend = true;
	} else {
		c->upkeep.damaged = true;
		c->upkeep.rung++;
	}
}

void mend_rehashed(struct channel *c, const struct job_result *r)
{
	struct digest d = trial_at(&c->boot, (enum boot_rung)c->upkeep.rung);

	if (r->outcome == RESULT_OK)
		c->upkeep.rung++;
	else if (!strcmp(r->reason, reason_word(REASON_DIGEST)) && r->code != ERR_MEMORY)
		damaged(c, &d, r->text);
	else
		put_off(c, r->text);
}

void mend_brought(struct channel *c)
{
	struct digest running = trial_running(&c->boot);
	const struct digest *d = &c->upkeep.source.digest;
	char key[128];
	struct err e;

	channel_line(c, "mended", d, "the slot of %s content is whole again", boot_rung_name((unsigned)c->upkeep.rung));
	snprintf(key, sizeof key, "damaged.%s.%d", c->state.name, c->upkeep.rung);
	if (journal_set(c->host->journal, key, "", &e) < 0)
		log_warn("channel %s: %s", c->state.name, e.msg);
	c->upkeep.mend_tries = 0;
	c->upkeep.rung++;
	if (digest_equal(d, &running) && channel_tell_sensor(c, &e) < 0)        /* it may have read what was damaged */
		log_warn("channel %s: %s", c->state.name, e.msg);
	channel_clean(c);
}
