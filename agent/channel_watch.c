/* channel_watch: the sensor: telling it of new content, looking at it, and probation. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/channel.h"
#include "agent/home.h"
#include "agent/slots.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/number.h"
#include "base/proc.h"
#include "schema/reason.h"

#define COMMAND_MS 30000
#define COMMAND_OUTPUT 4096
#define LOOK_MS 500
#define STORE_EVERY_S 30

/* ---- commands: fixed argv, from root-owned files, never remote text ---- */

static int run_command(const struct channel *c, const char *command, struct proc_result *r, struct err *e)
{
	const struct host *h = c->host;
	struct digest running = trial_running(&c->boot);
	char path[HOME_PATH_MAX], slot[HOME_PATH_MAX], hex[DIGEST_HEX_LEN + 1], serial[32];
	uint64_t number = 0;
	char *argv[] = { path, slot, (char *)c->state.name, hex, serial, NULL };

	if (home_path(path, h->s->root, command, e) < 0 || file_check_private(path, false, e) < 0 ||
	    slots_path(slot, sizeof slot, h->s->root, c->state.name, &running, e) < 0 ||
	    journal_serial_get(h->journal, c->state.name, &running, &number, e) < 0)
		return e->code;
	digest_hex(hex, &running);
	snprintf(serial, sizeof serial, "%" PRIu64, number);
	if (digest_is_zero(&running))
		slot[0] = hex[0] = 0;
	struct proc_run run = { .path = path, .argv = argv, .stdin_fd = -1, .timeout_ms = COMMAND_MS, .output_max = COMMAND_OUTPUT };

	return proc_run(&run, r, e);
}

static int command(const struct channel *c, const char *what, const char *path, struct err *e)
{
	struct proc_result r = { 0 };
	char words[128];
	int rc = 0;

	if (run_command(c, path, &r, e) < 0)
		return err_wrap(e, "%s", what);
	if (r.timed_out || r.exit_status != 0) {
		proc_result_words(&r, words, sizeof words);
		rc = err_set(e, ERR_REFUSED, "%s: %s: %s", what, path, words);
	}
	proc_result_release(&r);
	return rc;
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

static int add_line(void *arg, const char *rule, struct err *e)
{
	struct buf *out = arg;

	buf_adds(out, rule);
	buf_addc(out, '\n');
	return buf_check(out, e);
}

/*
 * For the sensor (boot/sensor_status.h): the digest it is about, then the rules to
 * leave out at load, one a line; absent when there are none. Touched only when
 * it changes: the sensor loads anew whenever it does.
 */
static int write_drops(const struct channel *c, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new((size_t)1 << 20), *old = NULL;
	struct digest running = trial_running(&c->boot);
	char hex[DIGEST_HEX_LEN + 1];
	struct err none;

	if (!text)
		return err_memory(e);
	digest_hex(hex, &running);
	buf_addf(text, "%s\n", hex);
	if (journal_drops(c->host->journal, c->state.name, &running, add_line, text, e) < 0)
		return e->code;
	if (text->len == DIGEST_HEX_LEN + 1) {
		if (unlinkat(c->boot.run, SENSOR_DROP_NAME, 0) < 0 && errno != ENOENT)
			return err_errno(e, "%s: remove", SENSOR_DROP_NAME);
		return 0;
	}
	if (file_readat(&old, c->boot.run, SENSOR_DROP_NAME, (size_t)1 << 20, &none) == 0 && old->len == text->len &&
	    !memcmp(old->data, text->data, text->len))
		return 0;
	return file_replaceat(c->boot.run, SENSOR_DROP_NAME, text->data, text->len, 0644, e);
}

/* The list first: whoever follows the link must find it. */
int channel_link(struct channel *c, struct err *e)
{
	return write_drops(c, e) < 0 ? e->code : trial_link(&c->boot, e);
}

int channel_tell_sensor(struct channel *c, struct err *e)
{
	c->up_since = -1;
	c->down_since = clock_work_ms();
	if (*c->cfg->reload)
		return command(c, "reload", c->cfg->reload, e);
	if (*c->cfg->pidfile)
		return send_signal(c, e);
	return 0;       /* the sensor watches the link */
}

/* ---- looking ---- */

static struct probation_facts facts_of(const struct channel *c)
{
	struct digest running = trial_running(&c->boot);

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

void channel_look(struct channel *c)
{
	struct boot_report why = { "" };
	struct digest running = trial_running(&c->boot);
	int64_t now = clock_ticks_ms();
	struct probation_facts f;

	/* Other content: what was learnt of the sensor says nothing about it. */
	if (!digest_equal(&running, &c->up_digest)) {
		c->up_digest = running;
		c->up_since = -1;
		c->down_since = clock_work_ms();
		c->boot_ok = false;
	}
	c->sensor_known = c->cfg->watch && sensor_status_read(&c->sensor, c->boot.run, &why) == 1;
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

static void probe(struct channel *c)
{
	int64_t now = clock_ticks_ms();
	struct err e;

	if (!*c->cfg->probe || c->up_since < 0 || (c->probed_at && now - c->probed_at < c->cfg->probe_every_s * 1000))
		return;
	c->probed_at = now;
	c->probe_failed = command(c, "probe", c->cfg->probe, &e) < 0;
	if (c->probe_failed)
		snprintf(c->probe_words, sizeof c->probe_words, "%.199s", e.msg);
}

/* The verdict is durable: the next trial has nothing to do with that crash. */
static void told(struct channel *c)
{
	struct err e;

	if (crash_told(&c->host->crash, c->host->journal, &e) < 0)
		log_warn("%s", e.msg);
}

int64_t channel_watch(struct channel *c)
{
	struct probation_facts f;
	struct probation p;

	count_healthy(c);
	count_boot(c);
	probe(c);
	f = facts_of(c);
	probation_judge(&p, &f);
	if (p.say == PROBATION_FAIL) {
		channel_event(c, ON_UNHEALTHY, p.reason, p.sentence);
		told(c);
		return 0;
	}
	if (p.say == PROBATION_PASS) {
		channel_event(c, ON_HEALTHY, "", p.sentence);
		return 0;
	}
	return LOOK_MS;
}
