/* channel_command: what this agent runs or signals for a channel: fixed argv, from root-owned files, never remote text. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "agent/channel_parts.h"
#include "agent/home.h"
#include "agent/schedule.h"
#include "agent/slots.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/number.h"
#include "base/proc.h"

#define COMMAND_OUTPUT 4096
#define TELL_FIRST_S 5          /* from one failed reload to the next: at first, */
#define TELL_MOST_S 900         /* and in the end */

int channel_command_line(struct command_line *out, const struct channel *c, struct err *e)
{
	const struct host *h = c->host;
	struct digest running = trial_running(&c->boot);
	uint64_t number = 0;

	if (slots_path(out->slot, sizeof out->slot, h->s->root, c->state.name, &running, e) < 0 ||
	    journal_serial_get(h->journal, c->state.name, &running, &number, e) < 0)
		return e->code;
	digest_hex(out->hex, &running);
	snprintf(out->serial, sizeof out->serial, "%" PRIu64, number);
	if (digest_is_zero(&running))
		out->slot[0] = out->hex[0] = 0;
	memcpy(out->argv, (char *[]){ out->path, out->slot, (char *)c->state.name, out->hex, out->serial, NULL }, sizeof out->argv);
	out->path[0] = 0;
	return 0;
}

int channel_command_prepare(struct command_line *out, struct proc_run *run, const struct channel *c, const char *command, struct err *e)
{
	if (channel_command_line(out, c, e) < 0 || home_path(out->path, c->host->s->root, command, e) < 0 ||
	    file_check_private(out->path, false, e) < 0)
		return e->code;
	*run = (struct proc_run){ .path = out->path, .argv = out->argv, .stdin_fd = -1, .timeout_ms = CHANNEL_COMMAND_MS,
				  .output_max = COMMAND_OUTPUT };
	return 0;
}

/* On record until the sensor was told: the link is right then, and a new agent would see nothing to do. */
static int owe(struct channel *c, bool owed, struct err *e)
{
	char key[128];

	snprintf(key, sizeof key, CHANNEL_TELLING, c->state.name);
	return journal_set(c->host->journal, key, owed ? "1" : "", e);
}

static int start_reload(struct channel *c, struct err *e)
{
	struct command_line line;
	struct proc_run run;

	c->tell_again = c->tell_owed = false;
	c->tell_failed[0] = '\0';
	if (channel_command_prepare(&line, &run, c, c->cfg->reload, e) < 0 || errand_start(&c->telling, &run, e) < 0)
		return err_wrap(e, "reload");
	return 0;
}

/* `ran` is false for this host's own trouble: a fork that fails, a file that an upgrade is about to replace. */
static void failed(struct channel *c, const char *why, bool ran)
{
	struct digest running = trial_running(&c->boot);
	uint64_t chance = 0;
	struct err ignored;

	snprintf(c->tell_failed, sizeof c->tell_failed, "%s", why);
	c->tell_unfit = !ran;
	if (c->tell_tries++ == 0)
		channel_line(c, "reload", &running, "%s", why);
	else
		log_warn("channel %s: %s (try %" PRIu64 ")", c->state.name, why, c->tell_tries);
	(void)!random_bytes(&chance, sizeof chance, &ignored);
	c->tell_at = clock_ticks_ms() + schedule_backoff_ms(c->tell_tries, TELL_FIRST_S, TELL_MOST_S, chance);
	c->tell_owed = true;
}

static void passed(struct channel *c)
{
	struct digest running = trial_running(&c->boot);
	struct err e;

	c->down_since = clock_work_ms();        /* how long the sensor may take is counted from when it knows */
	if (c->tell_tries)
		channel_line(c, "reload", &running, "passed after it failed, %" PRIu64 " times", c->tell_tries);
	c->tell_tries = 0;
	if (owe(c, false, &e) < 0)
		log_warn("channel %s: %s", c->state.name, e.msg);
}

static void reloaded(struct channel *c, const struct errand_result *r)
{
	char why[sizeof c->tell_failed];

	snprintf(why, sizeof why, "reload: %.60s: %s", c->cfg->reload, r->words);
	if (r->passed)
		passed(c);
	else
		failed(c, why, r->ran);
}

bool channel_telling(struct channel *c)
{
	struct errand_result r;
	struct err e;

	if (errand_over(&c->telling, &r)) {
		if (!c->tell_again)
			reloaded(c, &r);
		else if (start_reload(c, &e) < 0)
			failed(c, e.msg, false);
	}
	if (c->tell_owed && !c->telling.pid && clock_ticks_ms() >= c->tell_at && start_reload(c, &e) < 0)
		failed(c, e.msg, false);
	return c->telling.pid;
}

static int reload(struct channel *c, struct err *e)
{
	struct errand_result r;

	/* A stop must not wait for a database: this process tells the sensor all the same. */
	if (owe(c, true, e) < 0)
		log_warn("channel %s: %s", c->state.name, e->msg);
	c->tell_tries = 0;
	/* Cut short it might leave the sensor with half of either. */
	if (c->telling.pid) {
		c->tell_again = true;
		return 0;
	}
	if (start_reload(c, e) < 0) {
		failed(c, e->msg, false);
		return c->host->round ? 0 : e->code;
	}
	if (c->host->round)
		return 0;
	errand_wait(&c->telling, &r);
	reloaded(c, &r);
	return *c->tell_failed ? err_set(e, ERR_REFUSED, "%s", c->tell_failed) : 0;
}

static int send_signal(const struct channel *c, struct err *e)
{
	static const struct { const char *name; int number; } signals[] = { { "HUP", SIGHUP }, { "USR1", SIGUSR1 }, { "USR2", SIGUSR2 } };
	AUTO(buf) struct buf *text = NULL;
	char path[HOME_PATH_MAX];
	int64_t pid;

	if (home_path(path, c->host->s->root, c->cfg->pidfile, e) < 0)
		return e->code;
	if (file_read(&text, path, 32, e) < 0)
		return e->code == ERR_NOT_FOUND ? 0 : e->code;  /* it does not run: it will find the new content when it starts */
	text->data[strcspn(text->data, "\n")] = 0;
	if (!number_parse(&pid, text->data) || pid < 2 || pid > INT32_MAX)
		return err_set(e, ERR_FORMAT, "%s: no process id", path);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		if (!strcmp(signals[i].name, c->cfg->signal) && kill((pid_t)pid, signals[i].number) < 0 && errno != ESRCH)
			return err_errno(e, "signal %s to process %s", c->cfg->signal, text->data);
	return 0;
}

int channel_tell_sensor(struct channel *c, struct err *e)
{
	c->up_since = -1;
	c->down_since = clock_work_ms();
	if (*c->cfg->reload)
		return reload(c, e);
	if (*c->cfg->pidfile)
		return send_signal(c, e);
	return 0;       /* the sensor watches the link */
}
