/* command_explain: why this content, why not that: every clause of the activation rule, evaluated by the judge on what is stored here. */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "agent/command.h"
#include "agent/command_json.h"
#include "agent/command_known.h"
#include "agent/command_left_out.h"
#include "agent/round.h"
#include "base/clock.h"
#include "base/log.h"

#define CLAUSES_MAX ((size_t)4 << 20)   /* bytes of them */

struct reasoning {
	struct buf *clauses;            /* owned; struct message_clause, in the judge's order */
	char trouble[MESSAGE_TEXT];     /* "": none */
};

static void keep_clause(void *arg, const struct message_clause *m)
{
	struct reasoning *r = arg;

	buf_add(r->clauses, m, sizeof *m);
}

static int ask_judge(struct reasoning *out, struct host *h, struct err *e)
{
	struct round r;
	int rc;

	round_init(&r, h);
	r.clause = keep_clause;
	r.clause_arg = out;
	rc = round_start(&r, ROUND_STORED, e);
	while (rc == 0 && round_turn(&r) == 0) {
		struct pollfd p = { .fd = r.judge.sock, .events = POLLIN };

		poll(&p, 1, 50);
	}
	snprintf(out->trouble, sizeof out->trouble, "%s", r.trouble);
	round_stop(&r);
	return rc < 0 ? rc : buf_check(out->clauses, e);
}

/* The next clause about this channel; NULL: that was the last. */
static const struct message_clause *next_clause(const struct reasoning *r, const struct channel *c, size_t *at)
{
	const struct message_clause *all = (const struct message_clause *)(const void *)r->clauses->data;

	while (*at < r->clauses->len / sizeof *all) {
		const struct message_clause *m = &all[(*at)++];

		if (!strcmp(m->channel, c->state.name))
			return m;
	}
	return NULL;
}

/* ---- for people ---- */

static int print_channel(const struct reasoning *r, const struct channel *c, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(4096);
	const struct message_clause *m;
	char waits[300];
	size_t at = 0;

	if (!text)
		return err_memory(e);
	printf("%s:\n", c->state.name);
	while ((m = next_clause(r, c, &at))) {
		buf_clear(text);
		log_escape(text, m->sentence, strlen(m->sentence));
		printf("  %-3s %-16s %s\n", m->holds ? "yes" : "NO", m->name, text->data ? text->data : "");
	}
	/* What this host itself waits for, which the judge does not know. */
	channel_waits(c, waits, sizeof waits);
	if (*waits)
		printf("%s: serial %" PRIu64 " %s\n", c->state.name, c->state.offer.serial, waits);
	return left_out_print(c, LEFT_OUT_ALL, e) < 0 ? e->code : left_out_print_dropped(c, e);
}

static int text(const struct reasoning *r, const struct host *h, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < h->channel_count; i++) {
		if (i)
			printf("\n");
		rc = print_channel(r, &h->channels[i], e);
	}
	if (rc == 0 && *r->trouble)
		printf("note: %s\n", r->trouble);
	return rc;
}

/* ---- for programs ---- */

static void put_channel(struct json_writer *w, const struct reasoning *r, const struct channel *c)
{
	const struct message_clause *m;
	char waits[300];
	size_t at = 0;

	json_open_object(w, NULL);
	json_put_text(w, "channel", c->state.name);
	json_open_array(w, "clauses");
	while ((m = next_clause(r, c, &at))) {
		json_open_object(w, NULL);
		json_put_text(w, "clause", m->name);
		json_put_bool(w, "holds", m->holds);
		json_put_text(w, "sentence", m->sentence);
		json_close_object(w);
	}
	json_close_array(w);
	channel_waits(c, waits, sizeof waits);
	json_put_text(w, "waits", *waits ? waits : NULL);
	left_out_put(w, c);
	left_out_put_dropped(w, c);
	json_close_object(w);
}

static int as_json(const struct reasoning *r, const struct host *h, struct err *e)
{
	struct command_json j;
	int rc = command_json_open(&j, e);

	if (rc < 0)
		return rc;
	json_put_text(&j.w, "trouble", *r->trouble ? r->trouble : NULL);
	json_open_array(&j.w, "channels");
	for (size_t i = 0; i < h->channel_count; i++)
		put_channel(&j.w, r, &h->channels[i]);
	json_close_array(&j.w);
	rc = command_json_print(&j, e);
	command_json_close(&j);
	return rc;
}

static int clauses(struct host *h, bool json, struct err *e)
{
	struct reasoning r = { .clauses = buf_new(CLAUSES_MAX) };
	int rc = r.clauses ? ask_judge(&r, h, e) : err_memory(e);

	if (rc == 0)
		rc = json ? as_json(&r, h, e) : text(&r, h, e);
	buf_free(r.clauses);
	return rc;
}

int command_explain(int argc, char **argv, const void *options, struct err *e)
{
	const struct show_options *o = options;
	AUTO(settings) struct settings *s = NULL;
	struct host h = { 0 };
	int rc;

	log_init("agent", LOG_ERROR);
	rc = settings_load(&s, command_root(), NULL, e);
	if (rc == 0)
		rc = host_open(&h, s, true, e);
	if (rc == 0)
		rc = argc ? command_known(&h, argv[0], o->json, e) : clauses(&h, o->json, e);
	host_close(&h);
	return rc;
}
