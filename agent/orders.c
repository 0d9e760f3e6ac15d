/* orders: one function per order, found in a table. */
#include "agent/orders.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/channel.h"
#include "agent/home.h"
#include "agent/install.h"
#include "agent/quarantine.h"
#include "agent/slots.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/number.h"
#include "schema/reason.h"

#define WAIT_MS 15000
#define LOOK_MS 20
#define REVERTING "reverting.%s"        /* journal key: "<order> <digest to leave>", of the latest revert */

static int keep(struct channel *c, struct err *e)
{
	return channel_store(c, "", "", "", e);
}

static int hold(struct channel *c, const char *argument, char *answer, size_t cap, struct err *e)
{
	int64_t until = 0;

	if (*argument && !clock_parse(&until, argument, strlen(argument)))
		return err_set(e, ERR_USAGE, "hold until \"%s\": not of the form 2026-01-31T12:00:00Z", argument);
	if (*argument && until <= clock_now())
		return err_set(e, ERR_USAGE, "hold until %s: that time is over", argument);
	c->state.held_since = *channel_held(c) && c->state.held ? c->state.held_since : clock_now();
	c->state.held = true;
	c->state.held_until = until;
	snprintf(answer, cap, "channel %s takes nothing new%s%s", c->state.name, until ? " until " : "", argument);
	return keep(c, e);
}

static int unhold(struct channel *c, const char *argument, char *answer, size_t cap, struct err *e)
{
	(void)argument;
	c->state.held = false;
	c->state.held_since = c->state.held_until = 0;
	snprintf(answer, cap, "channel %s follows its assignment again", c->state.name);
	return keep(c, e);
}

static int pin(struct channel *c, const char *argument, char *answer, size_t cap, struct err *e)
{
	struct digest running = trial_running(&c->boot);
	char hex[DIGEST_HEX_LEN + 1];

	(void)argument;
	if (phase_on_trial(c->state.phase))
		return err_set(e, ERR_CONFLICT, "channel %s: content on trial cannot be pinned", c->state.name);
	if (digest_is_zero(&running))
		return err_set(e, ERR_NOT_FOUND, "channel %s: nothing runs that could be pinned", c->state.name);
	if (trial_pin(&c->boot, true, e) < 0)
		return e->code;
	if (!digest_equal(&c->state.pinned, &running))
		c->state.pinned_since = clock_now();
	c->state.pinned = running;
	digest_hex(hex, &running);
	snprintf(answer, cap, "channel %s stays at %.12s", c->state.name, hex);
	return keep(c, e);
}

static int unpin(struct channel *c, const char *argument, char *answer, size_t cap, struct err *e)
{
	(void)argument;
	if (trial_pin(&c->boot, false, e) < 0)
		return e->code;
	memset(&c->state.pinned, 0, sizeof c->state.pinned);
	c->state.pinned_since = 0;
	snprintf(answer, cap, "channel %s is no longer pinned", c->state.name);
	return keep(c, e);
}

/*
 * This very order was begun before, and what it was to leave runs no more: the
 * agent died before it could say that it was done. To leave what runs instead
 * would be a second revert, which nobody gave. 1; 0: not so, and noted for the next time.
 */
static int reverted(struct channel *c, uint64_t id, struct err *e)
{
	struct digest running = trial_running(&c->boot);
	char key[128], known[128], now[128], hex[DIGEST_HEX_LEN + 1];
	size_t of_order;
	int got;

	digest_hex(hex, &running);
	snprintf(key, sizeof key, REVERTING, c->state.name);
	of_order = (size_t)snprintf(now, sizeof now, "%" PRIu64 " ", id);
	snprintf(now + of_order, sizeof now - of_order, "%s", hex);
	got = journal_get(c->host->journal, key, known, sizeof known, e);
	if (got < 0)
		return got;
	if (got == 1 && !strncmp(known, now, of_order))
		return strcmp(known, now) != 0;
	return journal_set(c->host->journal, key, now, e);
}

/* From a trial to what ran before; from committed content to previous, else baseline. */
static int revert(struct channel *c, const char *argument, char *answer, size_t cap, struct err *e)
{
	struct digest to = trial_at(&c->boot, RUNG_PREVIOUS), running = trial_running(&c->boot), baseline = trial_at(&c->boot, RUNG_BASELINE);
	struct quarantine q = { .digest = running, .attempt = c->boot.record.attempt, .at = clock_now(), .contract = c->host->contract };

	(void)argument;
	snprintf(q.cause, sizeof q.cause, "%s", reason_word(REASON_REVERT));
	snprintf(q.evidence, sizeof q.evidence, "by a person on this machine");
	if (digest_is_zero(&running))
		return err_set(e, ERR_NOT_FOUND, "channel %s: nothing runs", c->state.name);
	if (phase_on_trial(c->state.phase)) {
		if (quarantine_add(c->boot.dir, &q, e) < 0)
			return e->code;
		channel_event(c, ON_RETREAT, reason_word(REASON_REVERT), "by a person on this machine");
		snprintf(answer, cap, "channel %s: the trial is given up", c->state.name);
		return 0;
	}
	if (digest_is_zero(&to) || digest_equal(&to, &running) || !slots_have(c->boot.dir, &to))
		to = baseline;
	if (digest_is_zero(&to) || digest_equal(&to, &running))
		return err_set(e, ERR_NOT_FOUND, "channel %s: neither previous content nor a baseline is on disk", c->state.name);
	if (quarantine_add(c->boot.dir, &q, e) < 0)
		return e->code;
	c->state.last.digest = to;
	c->state.last.online_stop = 0;
	channel_event(c, ON_RETREAT, reason_word(REASON_REVERT), "by a person on this machine");
	running = trial_running(&c->boot);
	if (!digest_equal(&running, &to))
		return err_set(e, ERR_IO, "channel %s: the switch failed, see the log", c->state.name);
	snprintf(answer, cap, "channel %s runs older content again", c->state.name);
	return 0;
}

static int disable(struct channel *c, const char *argument, char *answer, size_t cap, struct err *e)
{
	(void)argument;
	if (c->state.phase != PHASE_IDLE)
		channel_event(c, phase_on_trial(c->state.phase) ? ON_RETREAT : ON_WITHDRAWN, reason_word(REASON_DISABLE), "");
	if (c->boot.record.mode != BOOT_DISABLED || !c->state.disabled_since)   /* or an agent died before it noted that */
		c->state.disabled_since = clock_now();
	/* Since when is known even where the sensor cannot be told. */
	if (trial_disable(&c->boot, true, e) < 0 || keep(c, e) < 0 || channel_tell_sensor(c, e) < 0)
		return e->code;
	snprintf(answer, cap, "channel %s: nothing runs, until it is enabled", c->state.name);
	return 0;
}

static int enable(struct channel *c, const char *argument, char *answer, size_t cap, struct err *e)
{
	(void)argument;
	if (trial_disable(&c->boot, false, e) < 0)
		return e->code;
	c->state.disabled_since = 0;
	if (keep(c, e) < 0 || channel_tell_sensor(c, e) < 0)
		return e->code;
	snprintf(answer, cap, "channel %s is enabled", c->state.name);
	return 0;
}

/* "<digest> <serial>", already in its slot. */
static int baseline(struct channel *c, const char *argument, char *answer, size_t cap, struct err *e)
{
	char evidence[MESSAGE_TEXT];
	struct digest d;
	int64_t serial;

	if (strlen(argument) < DIGEST_HEX_LEN + 2 || !digest_parse(&d, argument, DIGEST_HEX_LEN) ||
	    !number_parse(&serial, argument + DIGEST_HEX_LEN + 1) || serial < 0)
		return err_set(e, ERR_USAGE, "baseline: not DIGEST SERIAL");
	if (!slots_have(c->boot.dir, &d))
		return err_set(e, ERR_NOT_FOUND, "channel %s: the slot is not on disk", c->state.name);
	if (journal_serial_set(c->host->journal, c->state.name, &d, (uint64_t)serial, e) < 0 || trial_baseline(&c->boot, &d, e) < 0 ||
	    channel_tell_sensor(c, e) < 0)
		return e->code;
	snprintf(answer, cap, "channel %s: serial %" PRId64 " is the baseline", c->state.name, serial);
	snprintf(evidence, sizeof evidence, "serial %" PRId64 " is the baseline", serial);
	return host_event(c->host, c->state.name, "local", reason_word(REASON_INSTALL), evidence, e);
}

/* The agent sees it by itself within a second; this is for who waits. */
static int contract(struct channel *c, const char *argument, char *answer, size_t cap, struct err *e)
{
	(void)argument;
	if (host_look_at_contract(c->host, e) < 0)
		return e->code;
	c->upkeep.prove_at = 0;
	snprintf(answer, cap, "channel %s: %s", c->state.name, prove_due(c) ? "proving" : "proved");
	return 0;
}

static const struct {
	const char *command;
	int (*run)(struct channel *c, const char *argument, char *answer, size_t cap, struct err *e);
	enum reason reason;
} orders[] = {
	{ "hold", hold, REASON_HOLD },          { "unhold", unhold, REASON_HOLD },
	{ "pin", pin, REASON_PIN },             { "unpin", unpin, REASON_PIN },
	{ "disable", disable, REASON_DISABLE }, { "enable", enable, REASON_DISABLE },
	{ "revert", revert, REASON_REVERT },    { "baseline", baseline, REASONS },
	{ "contract", contract, REASON_CONTRACT_CHANGED },
	{ "install", install_archive, REASONS },
	{ "mirror", install_mirror, REASONS },
};

static int run_one(struct host *h, const struct journal_order *o, char *answer, size_t cap, struct err *e)
{
	struct channel *c = host_channel(h, o->channel);
	int before;
	char evidence[MESSAGE_TEXT];    /* of those with one, only a hold has an argument */

	if (!c)
		return err_set(e, ERR_NOT_FOUND, "channel %s: not configured in agent.ini", o->channel);
	if (channel_tell_retreat(c, e) < 0)     /* of what was left before: the order may make it a thing of the past */
		log_warn("channel %s: %s", o->channel, e->msg);
	for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
		if (strcmp(orders[i].command, o->command) != 0)
			continue;
		if (orders[i].run == revert && (before = reverted(c, o->id, e)) != 0) {
			snprintf(answer, cap, "channel %s runs older content again", o->channel);
			return before;
		}
		if (orders[i].run(c, o->argument, answer, cap, e) < 0)
			return e->code;
		h->round_wanted = true;
		snprintf(evidence, sizeof evidence, "%s%s%.40s", o->command, *o->argument ? " until " : "", o->argument);
		/* Those without a reason here have events of their own; the revert's names the digest that was left. */
		return orders[i].run == revert || orders[i].reason == REASONS
			       ? 0
			       : host_event(h, o->channel, "local", reason_word(orders[i].reason), evidence, e);
	}
	return err_set(e, ERR_USAGE, "order %s: unknown", o->command);
}

int orders_run(struct host *h, struct err *e)
{
	struct journal_order o;
	int rc;

	while ((rc = journal_order_next(h->journal, &o, e)) == 1) {
		char answer[MESSAGE_TEXT] = "";
		struct err why = { 0 };
		int code = run_one(h, &o, answer, sizeof answer, &why);

		log_info("order %s %s %s: %s", o.command, o.channel, o.argument, code < 0 ? why.msg : answer);
		if (journal_order_done(h->journal, o.id, code < 0 ? code : 1, code < 0 ? why.msg : answer, e) < 0)
			return e->code;
	}
	return rc;
}

static int wait_done(struct journal *j, struct journal_order *o, struct err *e)
{
	int64_t until = clock_work_ms() + WAIT_MS;

	while (clock_work_ms() < until) {
		if (journal_order_get(j, o->id, o, e) < 0)
			return e->code;
		if (o->done)
			return 0;
		poll(NULL, 0, LOOK_MS);
	}
	return err_set(e, ERR_TIMEOUT, "the agent did not carry out %s within %d s; it stays ordered", o->command, WAIT_MS / 1000);
}

static int do_it_here(const struct settings *s, struct err *e)
{
	struct host h = { 0 };
	int rc = host_open(&h, s, false, e);

	if (rc == 0)
		rc = orders_run(&h, e);
	host_close(&h);
	return rc;
}

int orders_give(const struct settings *s, const char *command, const char *channel, const char *argument, char *answer, size_t cap,
		struct err *e)
{
	AUTO(journal) struct journal *j = NULL;
	struct journal_order o = { .done = 0 };
	int pid = 0;
	AUTO_FD int lock = -1;

	snprintf(o.command, sizeof o.command, "%s", command);
	snprintf(o.channel, sizeof o.channel, "%s", channel);
	snprintf(o.argument, sizeof o.argument, "%s", argument);
	if (journal_open(&j, s->root, e) < 0 || journal_order_add(j, &o, e) < 0)
		return e->code;
	lock = home_lock(s->root, &pid, e);
	if (lock >= 0) {
		if (do_it_here(s, e) < 0)
			return e->code;
	} else if (e->code != ERR_CONFLICT) {
		return e->code;
	} else if (pid > 0 && kill(pid, SIGUSR1) < 0) {
		return err_errno(e, "tell the agent, process %d", pid);
	}
	if (wait_done(j, &o, e) < 0)
		return e->code;
	if (o.done < 0)
		return err_set(e, (int)MAX(o.done, ERR_INTERNAL), "%s", o.answer);
	snprintf(answer, cap, "%s", o.answer);
	return 0;
}
