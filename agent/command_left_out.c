/* command_left_out: read from agent.db alone, so that it needs neither network nor agent. */
#include "agent/command_left_out.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

#define BUNDLES_MAX 100

static const char *const changes[RULE_CHANGES] = { "new", "changed", "gone" };

static int64_t since_of(const struct channel *c)
{
	const char *held = channel_held(c);

	return !strcmp(held, "hold") ? c->state.held_since : !strcmp(held, "pin") ? c->state.pinned_since
	     : *held ? c->state.disabled_since : 0;
}

static int64_t until_of(const struct channel *c)
{
	return !strcmp(channel_held(c), "hold") ? c->state.held_until : 0;
}

/* ---- for people ---- */

static int print_bundle(void *arg, const struct journal_missed *m, struct err *e)
{
	AUTO(buf) struct buf *version = buf_new(4096);
	char when[CLOCK_TEXT_LEN + 1], hex[DIGEST_HEX_LEN + 1];

	(void)arg;
	if (!version)
		return err_memory(e);
	clock_text(when, m->since);
	digest_hex(hex, &m->digest);
	log_escape(version, m->version, strlen(m->version));
	printf("  leaves out serial %" PRIu64 " (%s, %.12s) since %s\n", m->serial, version->data ? version->data : "", hex, when);
	return 0;
}

static int print_rule(void *arg, const struct journal_missing *m, struct err *e)
{
	AUTO(buf) struct buf *rule = buf_new(4096);
	char when[CLOCK_TEXT_LEN + 1];

	(void)arg;
	if (!rule)
		return err_memory(e);
	clock_text(when, m->since);
	log_escape(rule, m->rule, strlen(m->rule));
	printf("    %-7s %s, serial %" PRIu64 ", since %s\n", changes[MIN(m->change, RULE_GONE)], rule->data ? rule->data : "", m->serial, when);
	return 0;
}

int left_out_print(const struct channel *c, size_t max_rules, struct err *e)
{
	struct journal *j = c->host->journal;
	const char *held = channel_held(c);
	char since[CLOCK_TEXT_LEN + 1], until[CLOCK_TEXT_LEN + 1];
	uint64_t count;
	int64_t first;

	if (!*held)
		return 0;
	clock_text(since, since_of(c));
	clock_text(until, until_of(c));
	printf("%s: %s since %s%s%s\n", c->state.name, held, since_of(c) ? since : "an unknown time", until_of(c) ? ", until " : "",
	       until_of(c) ? until : "");
	if (journal_missed(j, c->state.name, BUNDLES_MAX, print_bundle, NULL, e) < 0 ||
	    journal_missing_count(j, c->state.name, &count, &first, e) < 0)
		return e->code;
	if (count)
		printf("  %" PRIu64 " detections do not run:\n", count);
	if (journal_missing(j, c->state.name, max_rules, print_rule, NULL, e) < 0)
		return e->code;
	if (count > max_rules)
		printf("    and %" PRIu64 " more: ringhold-agent explain\n", count - max_rules);
	return 0;
}

static int print_dropped(void *arg, const char *id, struct err *e)
{
	AUTO(buf) struct buf *rule = buf_new(4096);
	const struct channel *c = arg;

	(void)e;
	if (!rule)
		return err_memory(e);
	log_escape(rule, id, strlen(id));
	printf("%s: left out by the assignment: %s\n", c->state.name, rule->data ? rule->data : "");
	return 0;
}

int left_out_print_dropped(const struct channel *c, struct err *e)
{
	struct digest running = trial_running(&c->boot);

	return journal_drops(c->host->journal, c->state.name, &running, print_dropped, (void *)c, e);
}

/* ---- for programs ---- */

static int put_dropped(void *arg, const char *id, struct err *e)
{
	(void)e;
	json_put_text(arg, NULL, id);
	return 0;
}

void left_out_put_dropped(struct json_writer *w, const struct channel *c)
{
	struct digest running = trial_running(&c->boot);
	struct err e;

	json_open_array(w, "dropped");
	if (journal_drops(c->host->journal, c->state.name, &running, put_dropped, w, &e) < 0)
		log_error("%s", e.msg);
	json_close_array(w);
}

static int put_bundle(void *arg, const struct journal_missed *m, struct err *e)
{
	struct json_writer *w = arg;
	char hex[DIGEST_HEX_LEN + 1];

	(void)e;
	digest_hex(hex, &m->digest);
	json_open_object(w, NULL);
	json_put_text(w, "digest", hex);
	json_put_int(w, "serial", (int64_t)m->serial);
	json_put_text(w, "version", m->version);
	json_put_int(w, "since", m->since);
	json_close_object(w);
	return 0;
}

static int put_rule(void *arg, const struct journal_missing *m, struct err *e)
{
	struct json_writer *w = arg;

	(void)e;
	json_open_object(w, NULL);
	json_put_text(w, "detection", m->rule);
	json_put_text(w, "change", changes[MIN(m->change, RULE_GONE)]);
	json_put_int(w, "serial", (int64_t)m->serial);
	json_put_int(w, "since", m->since);
	json_close_object(w);
	return 0;
}

void left_out_put(struct json_writer *w, const struct channel *c)
{
	struct journal *j = c->host->journal;
	bool held = *channel_held(c);
	struct err e = { 0 };

	json_put_text(w, "held", held ? channel_held(c) : NULL);
	json_put_int(w, "held_since", since_of(c));
	json_put_int(w, "held_until", until_of(c));
	json_open_object(w, "left_out");
	json_open_array(w, "bundles");
	if (held && journal_missed(j, c->state.name, BUNDLES_MAX, put_bundle, w, &e) < 0)
		log_error("%s", e.msg);
	json_close_array(w);
	json_open_array(w, "detections");
	if (held && journal_missing(j, c->state.name, LEFT_OUT_ALL, put_rule, w, &e) < 0)
		log_error("%s", e.msg);
	json_close_array(w);
	json_close_object(w);
}
