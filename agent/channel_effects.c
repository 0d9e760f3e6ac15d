/* channel_effects: what the running content does here: the sensor's counters, its process's use. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/channel_parts.h"
#include "base/clock.h"
#include "base/log.h"
#include "boot/effects.h"
#include "rollout/effects.h"
#include "schema/contract.h"

#define BEFORE_KEY "verdicts_before.%s" /* journal: a minute, of the content before the trial */
#define BEFORE_LEAST_S 60               /* a rate over less says little */

/* Counters are the sensor's word: sums stay below what they are stored as. */
static uint64_t plus(uint64_t a, uint64_t b)
{
	return MIN(a, (uint64_t)INT64_MAX) + MIN(b, INT64_MAX - MIN(a, (uint64_t)INT64_MAX));
}

static uint64_t loud(const struct ringhold_effects *e)
{
	return plus(plus(plus(plus(e->alert, e->block), e->quarantine), e->would_block), e->would_quarantine);
}

/* ---- the rate before ---- */

/* A minute; -1: unknown. Of the content that is about to be replaced. */
static int64_t rate_now(const struct channel *c)
{
	uint64_t s = MIN(c->counted.seconds, (uint64_t)INT64_MAX / 60), n = loud(&c->counted);

	return s < BEFORE_LEAST_S ? -1 : (int64_t)(n / s * 60 + n % s * 60 / s);
}

static void remember_rate(struct channel *c)
{
	char key[128], value[32];
	struct err e;

	snprintf(key, sizeof key, BEFORE_KEY, c->state.name);
	if (c->effects_known) {         /* we saw what ran before; else this is a restart in the middle of it */
		snprintf(value, sizeof value, "%" PRId64, rate_now(c));
		if (journal_set(c->host->journal, key, value, &e) < 0)
			log_warn("channel %s: %s", c->state.name, e.msg);
	} else if (journal_get(c->host->journal, key, value, sizeof value, &e) != 1) {
		value[0] = 0;
	}
	c->rate_before = *value ? strtoll(value, NULL, 10) : -1;
}

void channel_effects_reset(struct channel *c)
{
	measure_begin(&c->measure, c->cfg->ceiling_window_s * 1000, clock_work_ms());
	memset(&c->counted, 0, sizeof c->counted);
	c->effects_counted = false;
	c->effects_known = true;
}

void channel_effects_begin(struct channel *c, bool goes_on)
{
	if (trial_on(&c->boot))
		remember_rate(c);
	channel_audit_begin(c, goes_on);
	channel_effects_reset(c);
}

uint64_t channel_verdicts_ceiling(const struct channel *c)
{
	int64_t most = c->cfg->verdict_rate, contract = c->host->ceilings.verdicts_per_minute;

	if (contract < CONTRACT_UNLIMITED && (!most || contract < most))
		most = contract;
	if (!most)
		return 0;
	if (c->rate_before > 0)
		most = MAX(most, MIN(c->rate_before, INT64_MAX / MAX(c->cfg->verdict_times, 1)) * c->cfg->verdict_times);
	/* What the sensor counted may be any number: never so many that the product wraps, and becomes few. */
	return MAX(MIN((uint64_t)most, UINT64_MAX / (uint64_t)c->cfg->ceiling_window_s) * (uint64_t)c->cfg->ceiling_window_s / 60, 1);
}

/* ---- looking ---- */

static void read_counters(struct channel *c, const struct digest *running)
{
	static struct boot_effects read;
	struct boot_report why;
	int got = boot_effects_read(&read, c->boot.run, &why);

	if (got < 0 && !c->effects_trouble)
		log_warn("channel %s: %s", c->state.name, why.text);
	c->effects_trouble = got < 0;
	if (got != 1 || memcmp(read.digest, running->bytes, DIGEST_LEN) != 0)
		return;
	c->counted = read.counts;
	c->counted.rules = NULL;        /* read again when they are to be told */
	c->counted.rule_count = 0;
	c->effects_counted = true;
	channel_audit_count(c, &read.counts);
}

void channel_effects_look(struct channel *c)
{
	struct digest running = trial_running(&c->boot);
	struct measure_sample s = { .at_ms = clock_work_ms() };
	struct sensor_process p;

	if (!c->sensor_known || digest_is_zero(&running))
		return;
	read_counters(c, &running);
	/* Only the process that says it runs this content; a number that was given to another one is not it. */
	if (!c->sensor.alive || memcmp(c->sensor.digest, running.bytes, DIGEST_LEN) != 0 || !sensor_process_read(&p, c->sensor.pid) ||
	    (c->sensor.started && c->sensor.started != p.started))
		return;
	if (measure_process(&c->measure, c->sensor.pid, p.started) && phase_on_trial(c->state.phase))
		channel_log(c, "the sensor was restarted, for the %u. time with this content", c->measure.restarts);
	s.cpu_ms = p.cpu_ticks * 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
	s.rss_bytes = p.rss_pages * (uint64_t)sysconf(_SC_PAGESIZE);
	s.verdicts = loud(&c->counted);
	measure_add(&c->measure, &s);
}

/* ---- telling ---- */

static void fill(struct message_effects *m, const struct channel *c, const struct digest *running)
{
	const struct ringhold_effects *n = &c->counted;
	struct measure_figures f;

	measure_figures(&f, &c->measure);
	*m = (struct message_effects){ .digest = *running, .counted = c->effects_counted, .measured = c->measure.count > 0,
				       .counted_s = n->seconds, .events = n->events, .errors = n->errors, .observe = n->observe, .alert = n->alert,
				       .block = n->block, .quarantine = n->quarantine, .would_block = n->would_block,
				       .would_quarantine = n->would_quarantine, .load_ms = n->load_ms, .measured_s = f.seconds,
				       .cpu_ms = f.cpu_ms, .rss_bytes = f.rss_now };
}

/* Read at this moment, and told only when it is still the same content's. */
static int say_rules(const struct channel *c, const struct digest *running, channel_say *say, void *arg, struct err *e)
{
	static struct boot_effects read;
	struct boot_report why;

	if (!c->effects_counted || boot_effects_read(&read, c->boot.run, &why) != 1 || memcmp(read.digest, running->bytes, DIGEST_LEN) != 0)
		return 0;
	for (size_t i = 0; i < read.counts.rule_count && i < EFFECTS_RULES_MAX; i++) {
		struct message_effect m = { .n = read.rules[i].verdicts };

		snprintf(m.rule, sizeof m.rule, "%s", read.rules[i].id);
		if (say(arg, MSG_EFFECT, &m, e) < 0)
			return e->code;
	}
	return 0;
}

int channel_say_effects(const struct channel *c, channel_say *say, void *arg, struct err *e)
{
	struct digest running = trial_running(&c->boot);
	struct message_effects m;

	if (digest_is_zero(&running) || (!c->effects_counted && !c->measure.count))
		return 0;
	fill(&m, c, &running);
	return say(arg, MSG_EFFECTS, &m, e) < 0 ? e->code : say_rules(c, &running, say, arg, e);
}
