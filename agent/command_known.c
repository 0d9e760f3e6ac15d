/* command_known: all that this host knows of one bundle. */
#include "agent/command_known.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/command_json.h"
#include "agent/command_left_out.h"
#include "agent/quarantine.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/number.h"

#define PREFIX_MIN 6            /* hex digits of a digest that people may leave it at */
#define LINES_MAX 10000

struct asked {
	const char *word;               /* as typed */
	int64_t serial;                 /* -1: a digest was typed */
	struct digest list[16];         /* that the word may mean in this channel */
	size_t count;
	const struct channel *c;
	struct json_writer *w;          /* NULL: for people */
	bool said, known;
};

static bool names(const struct asked *a, const struct digest *d)
{
	char hex[DIGEST_HEX_LEN + 1];

	if (digest_is_zero(d))
		return false;
	digest_hex(hex, d);
	if (a->serial < 0)
		return !strncmp(hex, a->word, strlen(a->word));
	for (size_t i = 0; i < a->count; i++)
		if (digest_equal(&a->list[i], d))
			return true;
	return false;
}

static bool meant(struct asked *a, const struct digest *d)
{
	bool yes = names(a, d);

	a->known |= yes;
	return yes;
}

static int add_digest(void *arg, const struct digest *d, struct err *e)
{
	struct asked *a = arg;

	(void)e;
	if (a->count < ARRAY_LEN(a->list))
		a->list[a->count++] = *d;
	return 0;
}

/* One fact; `at` is when it came about, 0 where that is not known or means nothing. */
static void PRINTF_LIKE(4, 5) say(struct asked *a, const char *fact, int64_t at, const char *fmt, ...)
{
	AUTO(buf) struct buf *text = buf_new(8192);
	char words[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(words, sizeof words, fmt, args);
	va_end(args);
	if (a->w) {
		json_open_object(a->w, NULL);
		json_put_text(a->w, "fact", fact);
		json_put_int(a->w, "at", at);
		json_put_text(a->w, "text", words);
		json_close_object(a->w);
		return;
	}
	if (!a->said)
		printf("%s:\n", a->c->state.name);
	a->said = true;
	if (text)
		log_escape(text, words, strlen(words));
	printf("  %s\n", text && text->data ? text->data : "");
}

static int say_quarantine(void *arg, const struct quarantine *q, struct err *e)
{
	char when[CLOCK_TEXT_LEN + 1];

	(void)e;
	clock_text(when, q->at);
	if (meant(arg, &q->digest))
		say(arg, "quarantined", q->at, "quarantined here since %s, attempt %" PRIu64 ": %s: %s", when, q->attempt, q->cause, q->evidence);
	return 0;
}

static int say_stop(void *arg, const struct message_stop *stop, struct err *e)
{
	struct asked *a = arg;

	(void)e;
	if (!strcmp(stop->channel, a->c->state.name) && meant(a, &stop->digest))
		say(a, stop->by_people ? "recalled" : "stopped", 0, "%s, which is final: %s", stop->by_people ? "recalled" : "stopped", stop->reason);
	return 0;
}

static int say_missed(void *arg, const struct journal_missed *m, struct err *e)
{
	struct asked *a = arg;
	char when[CLOCK_TEXT_LEN + 1];

	(void)e;
	clock_text(when, m->since);
	if (*channel_held(a->c) && meant(a, &m->digest))
		say(a, "kept-away", m->since, "kept away since %s by %s", when, channel_held(a->c));
	return 0;
}

static int say_line(void *arg, const struct journal_line *line, struct err *e)
{
	char when[CLOCK_TEXT_LEN + 1];

	(void)e;
	clock_text(when, line->at);
	if (meant(arg, &line->digest))
		say(arg, "history", line->at, "%s %s: %s", when, line->what, line->text);
	return 0;
}

static void say_slots(struct asked *a)
{
	struct digest running = trial_running(&a->c->boot), assigned = a->c->state.last.assigned;

	if (meant(a, &running))
		say(a, "runs", 0, "runs, as %s content", boot_rung_name(a->c->boot.record.rung));
	for (int rung = RUNG_TRIAL; rung < RUNG_NONE; rung++) {
		struct digest d = trial_at(&a->c->boot, (enum boot_rung)rung);

		if (meant(a, &d) && !digest_equal(&d, &running))
			say(a, "on-disk", 0, "on disk as %s content", boot_rung_name((unsigned)rung));
	}
	if (meant(a, &a->c->state.offer.digest))
		say(a, "under-way", 0, "under way: %s", phase_name(a->c->state.phase));
	if (meant(a, &assigned))
		say(a, "assigned", a->c->state.last.evaluated, "assigned to ring %s: %s", a->c->state.ring, a->c->state.last.reason);
	else if (!digest_is_zero(&assigned) && !meant(a, &running))
		say(a, "not-assigned", a->c->state.last.evaluated, "not what ring %s is assigned, which is serial %" PRIu64, a->c->state.ring, a->c->state.last.assigned_serial);
	if (a->serial >= 0 && (uint64_t)a->serial <= a->c->boot.record.high_water && !meant(a, &running))
		say(a, "not-newer", 0, "not newer than serial %" PRIu64 ", the highest committed here: only a grant brings it back", a->c->boot.record.high_water);
}

/* 1: this channel knows of it. */
static int one(struct asked *a, const struct channel *c, struct err *e)
{
	struct journal *j = c->host->journal;

	a->c = c;
	a->count = 0;
	a->said = a->known = false;
	if (a->w) {
		json_open_object(a->w, NULL);
		json_put_text(a->w, "channel", c->state.name);
		json_open_array(a->w, "facts");
	}
	if (a->serial >= 0 && journal_digests_of(j, c->state.name, (uint64_t)a->serial, add_digest, a, e) < 0)
		return e->code;
	if (a->serial >= 0 && (uint64_t)a->serial == c->state.last.assigned_serial)
		(void)!add_digest(a, &c->state.last.assigned, e);
	say_slots(a);
	if (quarantine_each(c->boot.dir, say_quarantine, a, e) < 0 || journal_stops(j, say_stop, a, e) < 0 ||
	    journal_missed(j, c->state.name, LEFT_OUT_ALL, say_missed, a, e) < 0 ||
	    journal_history(j, c->state.name, LINES_MAX, say_line, a, e) < 0)
		return e->code;
	if (!a->known && a->count == 0)
		say(a, "unknown", 0, "this host never saw it");
	if (a->w) {
		json_close_array(a->w);
		json_close_object(a->w);
	}
	return a->known || a->count;
}

static int every(struct asked *a, struct host *h, struct err *e)
{
	int known = 0;

	for (size_t i = 0; i < h->channel_count; i++) {
		int rc = one(a, &h->channels[i], e);

		if (rc < 0)
			return rc;
		known += rc;
	}
	return known ? 0 : 1;
}

static int as_json(struct asked *a, struct host *h, struct err *e)
{
	struct command_json j;
	int known = command_json_open(&j, e);

	if (known < 0)
		return known;
	a->w = &j.w;
	json_put_text(&j.w, "what", a->word);
	json_open_array(&j.w, "channels");
	known = every(a, h, e);
	if (known >= 0) {
		json_close_array(&j.w);
		json_put_bool(&j.w, "known", known == 0);
		known = command_json_print(&j, e) < 0 ? e->code : known;
	}
	command_json_close(&j);
	return known;
}

int command_known(struct host *h, const char *word, bool json, struct err *e)
{
	struct asked a = { .word = word, .serial = -1 };

	if (strlen(word) == DIGEST_HEX_LEN || !number_parse(&a.serial, word))
		a.serial = -1;
	if (a.serial < 0 && (strlen(word) < PREFIX_MIN || strspn(word, "0123456789abcdef") != strlen(word)))
		return err_set(e, ERR_USAGE, "%s: neither a serial nor %d or more hex digits of a digest", word, PREFIX_MIN);
	return json ? as_json(&a, h, e) : every(&a, h, e);
}
