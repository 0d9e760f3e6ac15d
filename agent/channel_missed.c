/*
 * channel_missed: what a hold, a pin or a disable leaves out, and since when.
 *
 * Bundles are noted when they are assigned and kept away. To name detections
 * the newest of them is fetched, verified and unpacked like any other, and
 * compared by the check process with what runs; nothing of it is loaded.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/channel.h"
#include "agent/slots.h"
#include "base/clock.h"
#include "base/log.h"

/* Is what the ring is assigned newer than what runs? */
static bool newer_assigned(const struct channel *c)
{
	struct digest running = trial_running(&c->boot);
	const struct message_verdict *v = &c->state.last;

	return !digest_is_zero(&v->assigned) && !digest_equal(&v->assigned, &running) &&
	       v->assigned_serial > channel_serial(c, &running);
}

static int clear(struct channel *c, uint64_t up_to, struct err *e)
{
	struct journal *j = c->host->journal;

	if (journal_missed_clear(j, c->state.name, up_to, e) < 0)
		return e->code;
	if (digest_is_zero(&c->state.compared[1]))
		return 0;
	memset(c->state.compared, 0, sizeof c->state.compared);
	if (journal_missing_begin(j, c->state.name, e) < 0 || journal_missing_end(j, c->state.name, e) < 0)
		return e->code;
	return channel_store(c, "", "", "", e);
}

void missed_note(struct channel *c, const struct message_verdict *v)
{
	struct journal_missed m = { .digest = v->assigned, .serial = v->assigned_serial, .since = clock_now() };
	int rc = 0;
	struct err e;

	if (v->say == SAY_UNKNOWN || digest_is_zero(&v->assigned) || journal_stopped(c->host->journal, c->state.name, &v->assigned, &e) != 0)
		return;
	snprintf(m.version, sizeof m.version, "%s", v->version);
	if (!newer_assigned(c))
		rc = clear(c, INT64_MAX, &e);
	else if (*channel_held(c))
		rc = journal_missed_add(c->host->journal, c->state.name, &m, &e);
	if (rc < 0)
		log_warn("channel %s: %s", c->state.name, e.msg);
}

/* ---- naming detections ---- */

static void later(struct channel *c, const char *why)
{
	log_warn("channel %s: what is left out cannot be named now: %s", c->state.name, why);
	c->upkeep.peek_at = upkeep_later(&c->upkeep.peek_tries);
}

static int compare(struct channel *c, const struct digest *from, const struct digest *to, struct err *e)
{
	static struct message_compare m;
	const char *root = c->host->s->root;

	memset(&m, 0, sizeof m);
	if (!digest_is_zero(from) && slots_path(m.from, sizeof m.from, root, c->state.name, from, e) < 0)
		return e->code;
	if (slots_path(m.to, sizeof m.to, root, c->state.name, to, e) < 0)
		return e->code;
	free(TAKE(c->upkeep.rules));
	c->upkeep.rule_count = 0;
	c->upkeep.rules = calloc(JOB_RULES_MAX, sizeof *c->upkeep.rules);
	if (!c->upkeep.rules)
		return err_memory(e);
	c->upkeep.task = UPKEEP_COMPARE;
	if (job_compare(&c->job, c->host->s, &m, missed_rule, c, e) < 0) {
		c->upkeep.task = UPKEEP_NONE;
		return e->code;
	}
	return 0;
}

int64_t missed_look(struct channel *c)
{
	struct digest running = trial_running(&c->boot), assigned = c->state.last.assigned;
	struct message_verdict source = c->state.last;
	struct err e;

	if (!*channel_held(c) || !newer_assigned(c) || clock_now() < c->upkeep.peek_at ||
	    (digest_equal(&c->state.compared[0], &running) && digest_equal(&c->state.compared[1], &assigned)) ||
	    journal_stopped(c->host->journal, c->state.name, &assigned, &e) != 0)
		return -1;
	source.digest = assigned;
	if (slots_have(c->boot.dir, &assigned)) {
		if (compare(c, &running, &assigned, &e) < 0)
			later(c, e.msg);
	} else if (!*source.path) {
		later(c, "the vendor lists nothing there");
	} else if (channel_line_free(c) && channel_may_transfer(c, &source, source.length) && upkeep_bring(c, &source, false, &e) < 0) {
		later(c, e.msg);
	}
	return 0;
}

int missed_rule(void *arg, const struct message_rule *r, struct err *e)
{
	struct channel *c = arg;

	(void)e;
	if (c->upkeep.rule_count < JOB_RULES_MAX)
		c->upkeep.rules[c->upkeep.rule_count++] = *r;
	return 0;
}

static int64_t since_of(const struct channel *c, const char *held)
{
	return !strcmp(held, "hold") ? c->state.held_since : !strcmp(held, "pin") ? c->state.pinned_since : c->state.disabled_since;
}

static int store_rules(struct channel *c, struct err *e)
{
	struct journal *j = c->host->journal;
	struct journal_missing m = { .serial = c->state.last.assigned_serial };

	if (journal_missing_begin(j, c->state.name, e) < 0 ||
	    journal_first_seen(j, c->state.name, &c->state.last.assigned, clock_now(), &m.since, e) < 0)
		return e->code;
	m.since = MAX(m.since, since_of(c, channel_held(c)));
	for (size_t i = 0; i < c->upkeep.rule_count; i++) {
		const struct message_rule *r = &c->upkeep.rules[i];

		if (r->change == RULE_GONE)     /* it still runs */
			continue;
		m.change = (enum rule_change)r->change;
		memcpy(m.rule, r->rule, sizeof m.rule);
		if (journal_missing_add(j, c->state.name, &m, e) < 0)
			return e->code;
	}
	if (journal_missing_end(j, c->state.name, e) < 0)
		return e->code;
	c->state.compared[0] = trial_running(&c->boot);
	c->state.compared[1] = c->state.last.assigned;
	return journal_channel_store(j, &c->state, e);
}

void missed_compared(struct channel *c, const struct job_result *r)
{
	struct journal_channel before = c->state;
	struct err e;

	if (r->outcome != RESULT_OK) {
		later(c, r->text);
		return;
	}
	c->upkeep.peek_tries = 0;
	if (journal_begin(c->host->journal, &e) < 0) {
		later(c, e.msg);
	} else if (store_rules(c, &e) < 0 || journal_end(c->host->journal, &e) < 0) {
		journal_undo(c->host->journal);
		c->state = before;
		later(c, e.msg);
	} else {
		char words[MESSAGE_SHORT];

		missed_words(c, words, sizeof words);
		channel_line(c, "left-out", &c->state.last.assigned, "%s", words);
		c->host->round_wanted = true;
	}
	free(TAKE(c->upkeep.rules));
}

void missed_words(const struct channel *c, char *out, size_t cap)
{
	const char *held = channel_held(c);
	char when[CLOCK_TEXT_LEN + 1];
	uint64_t count = 0;
	int64_t since = 0;
	struct err e;
	int n;

	out[0] = 0;
	if (!*held)
		return;
	clock_text(when, since_of(c, held));
	n = snprintf(out, cap, "%s since %s", held, since_of(c, held) ? when : "an unknown time");
	if (n < 0 || (size_t)n >= cap || !newer_assigned(c))
		return;
	if (journal_missing_count(c->host->journal, c->state.name, &count, &since, &e) < 0)
		log_warn("channel %s: %s", c->state.name, e.msg);
	n += snprintf(out + n, cap - (size_t)n, ": leaves out serial %" PRIu64, c->state.last.assigned_serial);
	if ((size_t)n >= cap || !count)
		return;
	clock_text(when, since);
	snprintf(out + n, cap - (size_t)n, ", %" PRIu64 " detections, since %s", count, when);
}
