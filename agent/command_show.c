/* command_show: status and history: what a person at the machine wants to know, without a network. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/channel.h"
#include "agent/command.h"
#include "agent/command_json.h"
#include "agent/command_left_out.h"
#include "agent/round.h"
#include "base/cli.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"

static int open_host(struct settings **s, struct host *h, struct err *e)
{
	log_init("agent", LOG_ERROR);
	if (settings_load(s, command_root(), NULL, e) < 0)
		return e->code;
	return host_open(h, *s, true, e);
}

static void short_hex(char out[DIGEST_HEX_LEN + 1], const struct digest *d)
{
	digest_hex(out, d);
	if (digest_is_zero(d))
		snprintf(out, 2, "-");
	else
		out[12] = 0;
}

static const char *say_name(uint64_t say)
{
	static const char *const names[SAY_COUNT] = { "keep", "install", "switch", "withdraw", "unknown" };

	return names[MIN(say, (uint64_t)SAY_COUNT - 1)];
}

/* ---- status ---- */

static void put_channel(struct json_writer *w, struct channel *c)
{
	struct digest running = trial_running(&c->boot), at;
	static const char *const rungs[] = { "trial", "current", "previous", "baseline" };
	char hex[DIGEST_HEX_LEN + 1], waits[300];

	channel_look(c);
	json_open_object(w, NULL);
	json_put_text(w, "channel", c->state.name);
	json_put_text(w, "ring", *c->state.ring ? c->state.ring : NULL);
	json_put_text(w, "phase", phase_name(c->state.phase));
	json_put_text(w, "mode", boot_mode_name(c->boot.record.mode));
	json_put_text(w, "rung", boot_rung_name(c->boot.record.rung));
	json_put_int(w, "tries_left", c->boot.record.tries_left);
	command_json_content(w, "running", c, &running);
	for (int rung = RUNG_TRIAL; rung < RUNG_NONE; rung++) {
		at = trial_at(&c->boot, (enum boot_rung)rung);
		command_json_content(w, rungs[rung], c, &at);
	}
	command_json_content(w, "offered", c, &c->state.offer.digest);
	json_put_int(w, "high_water", (int64_t)c->boot.record.high_water);
	left_out_put(w, c);
	left_out_put_dropped(w, c);
	channel_waits(c, waits, sizeof waits);
	json_put_text(w, "waits", *waits ? waits : NULL);
	json_open_object(w, "verdict");
	json_put_text(w, "say", say_name(c->state.last.say));
	json_put_text(w, "word", c->state.last.word);
	json_put_text(w, "reason", c->state.last.reason);
	json_put_int(w, "at", c->state.last.evaluated);
	json_close_object(w);
	json_open_object(w, "probation");
	json_put_int(w, "healthy_s", c->state.healthy_s);
	json_put_int(w, "need_s", (int64_t)c->state.offer.probation_s);
	json_put_int(w, "boots", (int64_t)c->state.boots);
	json_put_int(w, "need_boots", (int64_t)c->state.offer.boots);
	json_close_object(w);
	json_open_object(w, "sensor");
	json_put_bool(w, "alive", c->sensor_known && c->sensor.alive);
	json_put_text(w, "state", c->sensor_known ? sensor_state_name(c->sensor.state) : NULL);
	boot_digest_hex(hex, c->sensor.digest);
	json_put_text(w, "digest", c->sensor_known ? hex : NULL);
	json_put_text(w, "reason", c->sensor_known ? c->sensor.reason : NULL);
	json_close_object(w);
	json_close_object(w);
}

static int status_json(struct host *h, struct err *e)
{
	struct command_json j = { 0 };
	struct json_writer *w = &j.w;
	uint64_t waiting = 0, epoch = 0;
	char fresh[32], trouble[MESSAGE_TEXT], revoked[8];
	int rc;

	if (journal_outbox_count(h->journal, &waiting, e) < 0 || journal_epoch(h->journal, &epoch, e) < 0 ||
	    journal_get(h->journal, "fresh_at", fresh, sizeof fresh, e) < 0 ||
	    journal_get(h->journal, "trouble", trouble, sizeof trouble, e) < 0 ||
	    journal_get(h->journal, ROUND_REVOKED, revoked, sizeof revoked, e) < 0)
		return e->code;
	rc = command_json_open(&j, e);
	if (rc < 0)
		return rc;
	json_put_text(w, "device", *h->credentials.now.device ? h->credentials.now.device : NULL);
	json_put_text(w, "server", *h->credentials.server.server ? h->credentials.server.server : NULL);
	json_put_bool(w, "revoked", *revoked != 0);
	json_put_int(w, "fresh_at", strtoll(fresh, NULL, 10));
	json_put_text(w, "trouble", *trouble ? trouble : NULL);
	json_put_int(w, "events_waiting", (int64_t)waiting);
	json_open_array(w, "channels");
	for (size_t i = 0; i < h->channel_count; i++)
		put_channel(w, &h->channels[i]);
	json_close_array(w);
	rc = command_json_print(&j, e);
	command_json_close(&j);
	return rc;
}

static int print_trouble(struct host *h, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(4096);
	char trouble[MESSAGE_TEXT];

	if (!text)
		return err_memory(e);
	if (journal_get(h->journal, "trouble", trouble, sizeof trouble, e) < 0)
		return e->code;
	log_escape(text, trouble, strlen(trouble));
	if (*trouble)
		printf("last round: %s\n", text->data);
	return 0;
}

static int status_text(struct host *h, struct err *e)
{
	static const char *const titles[] = { "channel", "ring", "phase", "running", "serial", "rung", "sensor", "note" };
	struct cli_table *t = cli_table_new(titles, ARRAY_LEN(titles));
	char revoked[8];

	if (!t)
		return err_memory(e);
	for (size_t i = 0; i < h->channel_count; i++) {
		struct channel *c = &h->channels[i];
		struct digest running = trial_running(&c->boot);
		char hex[DIGEST_HEX_LEN + 1], serial[32], note[MESSAGE_TEXT];
		const char *cells[ARRAY_LEN(titles)] = {
			c->state.name, *c->state.ring ? c->state.ring : "-", phase_name(c->state.phase), hex, serial,
			boot_rung_name(c->boot.record.rung), "-", note,
		};

		channel_look(c);
		channel_waits(c, note, sizeof note);
		if (!*note || *channel_held(c))
			snprintf(note, sizeof note, "%s", *channel_held(c) ? channel_held(c) : c->state.last.reason);
		short_hex(hex, &running);
		snprintf(serial, sizeof serial, "%" PRIu64, channel_serial(c, &running));
		if (c->sensor_known)
			cells[6] = c->sensor.alive ? sensor_state_name(c->sensor.state) : "dead";
		cli_table_row(t, cells);
	}
	cli_table_print(t, stdout);
	cli_table_free(t);
	for (size_t i = 0; i < h->channel_count; i++)
		if (left_out_print(&h->channels[i], LEFT_OUT_SHORT, e) < 0 || left_out_print_dropped(&h->channels[i], e) < 0)
			return e->code;
	if (!*h->credentials.now.device)
		printf("not enrolled\n");
	if (journal_get(h->journal, ROUND_REVOKED, revoked, sizeof revoked, e) < 0)
		return e->code;
	if (*revoked)
		printf("revoked by the server: what runs goes on, and nothing new is permitted\n");
	return print_trouble(h, e);
}

int command_status(int argc, char **argv, const void *options, struct err *e)
{
	const struct show_options *o = options;
	AUTO(settings) struct settings *s = NULL;
	struct host h = { 0 };
	int rc = open_host(&s, &h, e);

	(void)argc;
	(void)argv;
	if (rc == 0)
		rc = o->json ? status_json(&h, e) : status_text(&h, e);
	host_close(&h);
	return rc;
}

/* ---- history ---- */

static int print_line(void *arg, const struct journal_line *line, struct err *e)
{
	char when[CLOCK_TEXT_LEN + 1], hex[DIGEST_HEX_LEN + 1];
	const char *cells[5] = { when, line->channel, line->what, hex, line->text };

	(void)e;
	clock_text(when, line->at);
	short_hex(hex, &line->digest);
	cli_table_row(arg, cells);
	return 0;
}

static int print_json(void *arg, const struct journal_line *line, struct err *e)
{
	AUTO(buf) struct buf *out = buf_new(16384);
	struct json_writer w = { .out = out };
	char hex[DIGEST_HEX_LEN + 1];

	(void)arg;
	if (!out)
		return err_memory(e);
	digest_hex(hex, &line->digest);
	json_open_object(&w, NULL);
	json_put_time(&w, "at", line->at);
	json_put_text(&w, "channel", line->channel);
	json_put_text(&w, "event", line->what);
	json_put_text(&w, "digest", digest_is_zero(&line->digest) ? NULL : hex);
	json_put_text(&w, "why", line->text);
	json_close_object(&w);
	if (buf_check(out, e) < 0)
		return e->code;
	puts(out->data);
	return 0;
}

int command_history(int argc, char **argv, const void *options, struct err *e)
{
	static const char *const titles[] = { "time", "channel", "event", "digest", "why" };
	const struct history_options *o = options;
	AUTO(settings) struct settings *s = NULL;
	AUTO(journal) struct journal *j = NULL;
	struct cli_table *t;
	int rc;

	if (settings_load(&s, command_root(), NULL, e) < 0 || journal_open(&j, s->root, e) < 0)
		return e->code;
	t = cli_table_new(titles, ARRAY_LEN(titles));
	if (!t)
		return err_memory(e);
	rc = journal_history(j, argc ? argv[0] : "", o->count > 0 ? (size_t)o->count : 50, o->json ? print_json : print_line, t, e);
	if (rc == 0 && !o->json)
		cli_table_print(t, stdout);
	cli_table_free(t);
	return rc;
}
