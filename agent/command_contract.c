/*
 * command_contract: contract-changed, for the hook of the sensor's package:
 * between the new files and the new sensor's start. The running agent does the
 * work; when none runs, this process does it under the agent's lock. Either
 * way the outcome is in agent.db, and a kill leaves the work to whoever comes
 * next: this command again, or the agent when it starts.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/channel.h"
#include "agent/command.h"
#include "agent/home.h"
#include "agent/orders.h"
#include "base/clock.h"
#include "base/log.h"
#include "schema/reason.h"

#define WAIT_DEFAULT_S 600
#define LOOK_MS 50

/* Stable: the package's hook decides by them. */
enum { FINE = 0, STEPPED_DOWN = 3, RUNS_NOTHING = 4, UNFINISHED = 5 };

/* ---- here, under the lock ---- */

static void turn(struct channel *c)
{
	struct job_result r;

	if (c->job.kind == JOB_NONE)
		(void)prove_look(c);
	else if (job_turn(&c->job, &r) == 1)
		channel_upkept(c, &r);
}

static bool busy(struct host *h, struct pollfd *p, nfds_t *n)
{
	bool any = false;

	*n = 0;
	for (size_t i = 0; i < h->channel_count; i++) {
		struct channel *c = &h->channels[i];

		if (c->job.kind != JOB_NONE)
			p[(*n)++] = (struct pollfd){ .fd = c->job.child.sock, .events = POLLIN };
		any |= c->job.kind != JOB_NONE || (prove_due(c) && !c->upkeep.accepted);
	}
	return any;
}

/* As an agent that is told reports it. */
static int report(struct host *h, struct err *e)
{
	for (size_t i = 0; i < h->channel_count; i++)
		if (host_event(h, h->channels[i].state.name, "local", reason_word(REASON_CONTRACT_CHANGED), "contract", e) < 0)
			return e->code;
	return 0;
}

static int prove_here(const struct settings *s, int64_t until, struct err *e)
{
	struct pollfd p[SETTINGS_CHANNELS_MAX];
	struct host h = { 0 };
	int rc = host_open(&h, s, false, e);
	nfds_t n;

	if (rc == 0)
		rc = orders_run(&h, e);
	if (rc == 0)
		rc = report(&h, e);
	while (rc == 0 && busy(&h, p, &n) && clock_work_ms() < until) {
		for (size_t i = 0; i < h.channel_count; i++)
			turn(&h.channels[i]);
		if (busy(&h, p, &n))
			poll(p, n, LOOK_MS);
	}
	host_close(&h);
	return rc;
}

/* ---- what came of it ---- */

static int status_of(const char *word)
{
	return !strcmp(word, "stepped-down") ? STEPPED_DOWN : !strcmp(word, "none") ? RUNS_NOTHING : FINE;
}

static void tell(const struct channel *c, const char *word)
{
	struct digest running = trial_running(&c->boot);
	uint64_t serial = channel_serial(c, &running);

	if (!strcmp(word, "accepted"))
		printf("%s: serial %" PRIu64 " is accepted%s\n", c->state.name, serial,
		       trial_on(&c->boot) ? ", and on trial again" : "");
	else if (!strcmp(word, "stepped-down"))
		printf("%s: what ran is refused; serial %" PRIu64 " runs instead: ringhold-agent history %s\n", c->state.name, serial, c->state.name);
	else if (!strcmp(word, "none"))
		printf("%s: nothing on this host is accepted, so nothing runs: ringhold-agent history %s\n", c->state.name, c->state.name);
	else
		printf("%s: nothing runs\n", c->state.name);
}

/* The worst of all channels; UNFINISHED while one has no outcome. */
static int outcome(const struct settings *s, bool print, struct err *e)
{
	struct host h = { 0 };
	int rc = host_open(&h, s, true, e), worst = FINE;

	for (size_t i = 0; rc >= 0 && i < h.channel_count; i++) {
		const struct channel *c = &h.channels[i];
		char key[128], value[CHANNEL_CONTRACT_MAX], hex[DIGEST_HEX_LEN + 1];

		if (digest_is_zero(&h.contract))
			break;
		snprintf(key, sizeof key, CHANNEL_CONTRACT, c->state.name);
		digest_hex(hex, &h.contract);
		rc = journal_get(h.journal, key, value, sizeof value, e);
		if (rc < 0)
			break;
		if (strlen(value) <= CHANNEL_CONTRACT_WORD || strncmp(value, hex, DIGEST_HEX_LEN) != 0) {
			worst = UNFINISHED;
			if (print)
				printf("%s: not proved yet\n", c->state.name);
			continue;
		}
		worst = MAX(worst, status_of(value + CHANNEL_CONTRACT_WORD));
		if (print)
			tell(c, value + CHANNEL_CONTRACT_WORD);
	}
	host_close(&h);
	return rc < 0 ? rc : worst;
}

static int give_orders(const struct settings *s, struct err *e)
{
	char answer[MESSAGE_TEXT];

	for (size_t i = 0; i < s->channel_count; i++)
		if (orders_give(s, "contract", s->channels[i].name, "", answer, sizeof answer, e) < 0)
			return e->code;
	return 0;
}

int command_contract_changed(int argc, char **argv, const void *options, struct err *e)
{
	const struct contract_options *o = options;
	int64_t until = clock_work_ms() + (o->wait_s > 0 ? o->wait_s : WAIT_DEFAULT_S) * 1000;
	AUTO(settings) struct settings *s = NULL;
	AUTO_FD int lock = -1;
	int rc;

	(void)argc;
	(void)argv;
	log_init("agent", LOG_WARN);
	if (settings_load(&s, command_root(), NULL, e) < 0)
		return e->code;
	if (!*s->contract) {
		printf("agent.ini names no contract: nothing to prove\n");
		return FINE;
	}
	lock = home_lock(s->root, NULL, e);
	if (lock < 0 && e->code != ERR_CONFLICT)
		return e->code;
	if (lock >= 0)
		rc = prove_here(s, until, e);
	else
		rc = give_orders(s, e);
	while (rc == 0 && (rc = outcome(s, false, e)) == UNFINISHED && lock < 0 && clock_work_ms() < until) {
		poll(NULL, 0, LOOK_MS * 4);
		rc = 0;
	}
	return rc < 0 ? rc : outcome(s, true, e);
}
