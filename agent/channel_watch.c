/* channel_watch: looking at the sensor, and probation. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/channel_parts.h"
#include "base/clock.h"
#include "base/log.h"
#include "schema/reason.h"

#define LOOK_MS 500
#define STORE_EVERY_S 30

/* ---- looking ---- */

/* Ours, where 0 is none, or the contract's; 0: neither. */
static int64_t lower(int64_t ours, int64_t contract)
{
	if (contract >= CONTRACT_UNLIMITED)
		return ours;
	return ours ? MIN(ours, contract) : contract;
}

static struct probation_facts facts_of(const struct channel *c)
{
	struct digest running = trial_running(&c->boot);
	struct measure_figures m;

	measure_figures(&m, &c->measure);
	return (struct probation_facts){
		.watched = c->cfg->watch,
		.reported = c->sensor_known,
		.alive = c->sensor.alive,
		.state = c->sensor.state,
		.same_digest = !memcmp(c->sensor.digest, running.bytes, DIGEST_LEN),
		.sensor_reason = c->sensor.reason,
		.down_ms = c->up_since < 0 ? clock_work_ms() - c->down_since : 0,
		.wait_ms = c->cfg->sensor_wait_s * 1000,
		.healthy_s = c->state.healthy_s,
		.need_s = (int64_t)c->state.offer.probation_s,
		.boots = c->state.boots,
		.need_boots = c->state.offer.boots,
		.crashed = c->host->crash.found,
		.crash_words = c->host->crash.words,
		.probe_failed = c->probe_failed,
		.probe_words = c->probe_words,
		.health_waits = !c->health.passed || c->probing.pid || (*c->cfg->probe && !c->probe_passed),
		.health_failed = c->health.failed,
		.health_words = c->health.words,
		.restarts = c->measure.restarts,
		.restarts_max = (unsigned)c->cfg->max_restarts,
		.window_whole = m.whole,
		.cpu_percent = m.cpu_percent,
		.cpu_ceiling = lower(c->cfg->cpu_ceiling, c->host->ceilings.sensor_cpu_percent),
		.rss_bytes = m.rss_least,
		.rss_ceiling = (uint64_t)lower(c->cfg->rss_ceiling, c->host->ceilings.sensor_rss_bytes),
		.verdicts = m.verdicts,
		.verdicts_ceiling = channel_verdicts_ceiling(c),
		.window_s = c->cfg->ceiling_window_s,
	};
}

static void mark_ok(struct channel *c, int64_t now)
{
	struct err e;

	if (c->boot_ok || c->boot.record.seq == 0 || now - c->up_since < c->host->s->boot_ok_s * 1000)
		return;
	if (trial_mark_ok(&c->boot, &e) < 0) {
		log_warn("channel %s: %s", c->state.name, e.msg);
		return;
	}
	c->boot_ok = true;
	channel_log(c, "the sensor has been up for %" PRId64 " s: this boot is good", c->host->s->boot_ok_s);
}

void channel_look_anew(struct channel *c)
{
	c->up_since = -1;
	c->down_since = clock_work_ms();
	c->probed_at = 0;
	c->probe_failed = c->probe_passed = false;
	errand_stop(&c->probing);
	health_begin(&c->health);
	channel_effects_reset(c);
}

static void other_content(struct channel *c, const struct digest *running)
{
	channel_effects_begin(c, trial_on(&c->boot) && !c->effects_known);
	channel_look_anew(c);
	c->up_digest = *running;
	c->boot_ok = false;
}

void channel_look(struct channel *c)
{
	struct boot_report why = { "" };
	struct digest running = trial_running(&c->boot);
	int64_t now = clock_ticks_ms();
	struct probation_facts f;

	/* Other content: what was learnt of the sensor says nothing about it. */
	if (!digest_equal(&running, &c->up_digest) || !c->effects_known)
		other_content(c, &running);
	c->sensor_known = c->cfg->watch && sensor_status_read(&c->sensor, c->boot.run, &why) == 1;
	channel_effects_look(c);
	f = facts_of(c);
	if (!probation_up(&f)) {
		if (c->up_since >= 0)
			c->down_since = clock_work_ms();
		c->up_since = -1;
		return;
	}
	if (c->up_since < 0)
		c->up_since = c->up_counted = now;
	mark_ok(c, now);
}

/* ---- probation ---- */

static void count_healthy(struct channel *c)
{
	int64_t now = clock_ticks_ms();
	struct err e;

	if (c->up_since < 0)
		return;
	c->healthy_ms += now - c->up_counted;
	c->up_counted = now;
	if (c->healthy_ms < 1000)
		return;
	bool store = (c->state.healthy_s + c->healthy_ms / 1000) / STORE_EVERY_S != c->state.healthy_s / STORE_EVERY_S;

	c->state.healthy_s += c->healthy_ms / 1000;
	c->healthy_ms %= 1000;
	if (store && channel_store(c, "", "", "", &e) < 0)
		log_warn("channel %s: %s", c->state.name, e.msg);
}

/* A boot counts once the sensor is up on the trial in it. */
static void count_boot(struct channel *c)
{
	char hex[2 * BOOT_ID_LEN + 1] = "";
	struct err e;

	for (size_t i = 0; i < BOOT_ID_LEN; i++)
		snprintf(hex + 2 * i, 3, "%02x", c->boot.boot_id[i]);
	if (c->up_since < 0 || !strcmp(hex, c->state.boot_id))
		return;
	memcpy(c->state.boot_id, hex, sizeof hex);
	c->state.boots++;
	channel_log(c, "new boot %" PRIu64 " with the trial", c->state.boots);
	if (channel_store(c, "", "", "", &e) < 0)
		log_warn("channel %s: %s", c->state.name, e.msg);
}

/* A fork that fails, a file that is gone: this host's trouble, which is told once and holds up the commit, and nobody is blamed. */
static void probe_unfit(struct channel *c, const char *why)
{
	char words[sizeof c->probe_words];

	snprintf(words, sizeof words, "%s cannot be run: %.120s", c->cfg->probe, why);
	c->probe_failed = c->probe_passed = false;
	if (!strcmp(words, c->probe_words))
		return;
	memcpy(c->probe_words, words, sizeof words);
	channel_note(c, "probe", "%s", words);
}

static void probed(struct channel *c, const struct errand_result *r)
{
	if (!r->ran) {
		probe_unfit(c, r->words);
		return;
	}
	c->probe_failed = !r->passed;
	c->probe_passed = r->passed;
	snprintf(c->probe_words, sizeof c->probe_words, "%s: %s", c->cfg->probe, r->words);
}

/* Beside the loop: a probe that hangs holds up nobody. */
static void probe(struct channel *c)
{
	int64_t now = clock_ticks_ms();
	struct errand_result r = { .passed = false };
	struct command_line line;
	struct proc_run run;
	struct err e;

	if (errand_over(&c->probing, &r))
		probed(c, &r);
	if (!*c->cfg->probe || c->probing.pid || c->up_since < 0 || (c->probed_at && now - c->probed_at < c->cfg->probe_every_s * 1000))
		return;
	c->probed_at = now;
	if (channel_command_prepare(&line, &run, c, c->cfg->probe, &e) == 0 && errand_start(&c->probing, &run, &e) == 0)
		return;
	probe_unfit(c, e.msg);
}

static void tell_health(void *arg, const char *words)
{
	channel_note(arg, "health", "%s", words);
}

static void check_health(struct channel *c)
{
	struct health_job job = { .root = c->host->s->root, .now_ms = clock_ticks_ms(), .every_ms = c->cfg->health_every_s * 1000,
				  .limit_ms = CHANNEL_COMMAND_MS, .tell = tell_health, .arg = c };
	struct command_line line;
	struct err e;

	if (c->up_since < 0)
		return;
	if (channel_command_line(&line, c, &e) < 0) {
		log_warn("channel %s: health checks: %s", c->state.name, e.msg);
		return;
	}
	job.argv = line.argv;
	health_turn(&c->health, &job);
}

/* The verdict is durable: the next trial has nothing to do with that crash. */
static void told(struct channel *c)
{
	struct err e;

	if (crash_told(&c->host->crash, c->host->journal, &e) < 0)
		log_warn("%s", e.msg);
}

/* What the server is told of a trial that went well: also what went less well, and what did not happen. */
static void pass(struct channel *c, const char *sentence)
{
	char words[MESSAGE_TEXT], would[160], warnings[160];

	channel_audit_words(c, would, sizeof would);
	health_warnings(&c->health, warnings, sizeof warnings);
	snprintf(words, sizeof words, "%.150s%.150s%s%.160s", sentence, would, *warnings ? "; wanted health checks fail: " : "", warnings);
	channel_event(c, ON_HEALTHY, "", words);
}

/* Also of a trial that did not: its new rules may be what people want to look at. */
static void fail(struct channel *c, const struct probation *p)
{
	char words[MESSAGE_TEXT], would[160];

	channel_audit_words(c, would, sizeof would);
	snprintf(words, sizeof words, "%.249s%.150s", p->sentence, would);
	channel_event(c, ON_UNHEALTHY, p->reason, words);
}

int64_t channel_watch(struct channel *c)
{
	struct probation_facts f;
	struct probation p;

	count_healthy(c);
	count_boot(c);
	probe(c);
	check_health(c);
	f = facts_of(c);
	probation_judge(&p, &f);
	if (p.say == PROBATION_FAIL) {
		fail(c, &p);
		told(c);
		return 0;
	}
	/* A contract that changed meanwhile has a word in it first. */
	if (p.say == PROBATION_PASS && !prove_due(c)) {
		pass(c, p.sentence);
		return 0;
	}
	return LOOK_MS;
}
