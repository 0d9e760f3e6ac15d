/* rollout_commands: how bundles go through the rings, and stopping them. */
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/number.h"
#include "cli/commands.h"
#include "cli/remote.h"
#include "cli/rollout_explain.h"

struct rollout_options {
	struct remote_options remote;
	const char *channel, *ring, *reason, *to;
	bool emergency;
	bool undo;
};

#define AT(field) offsetof(struct rollout_options, field)
#define REASON_ROW { "reason", 'r', CLI_TEXT, AT(reason), "TEXT", "why; it is kept and shown" }

static const struct cli_option list_rows[] = {
	{ "channel", 'c', CLI_TEXT, AT(channel), "NAME", "of this channel only" },
	REMOTE_ROWS(AT(remote)),
};
static const struct cli_option show_rows[] = { REMOTE_ROWS(AT(remote)) };
static const struct cli_option move_rows[] = {
	REASON_ROW,
	{ "ring", 0, CLI_TEXT, AT(ring), "NAME", "this ring only [wherever it applies]" },
	REMOTE_MATCH_ROW(AT(remote)),
	REMOTE_CHANGE_ROWS(AT(remote)),
};
static const struct cli_option approve_rows[] = {
	REASON_ROW,
	{ "ring", 0, CLI_TEXT, AT(ring), "NAME", "this ring only [wherever it applies]" },
	{ "emergency", 0, CLI_FLAG, AT(emergency), NULL, "to the emergency lane that was asked for" },
	REMOTE_MATCH_ROW(AT(remote)),
	REMOTE_CHANGE_ROWS(AT(remote)),
};
static const struct cli_option rollback_rows[] = {
	{ "to", 0, CLI_TEXT, AT(to), "SERIAL|DIGEST", "which bundle, none that is stopped or below the floor [previous]" },
	REASON_ROW,
	REMOTE_ROW(AT(remote), "if-match", CLI_TEXT, match, "VERSION", "only while the channel's newest rollout is at the version that was looked at"),
	REMOTE_CHANGE_ROWS(AT(remote)),
};
static const struct cli_option drop_rows[] = {
	REASON_ROW,
	{ "undo", 0, CLI_FLAG, AT(undo), NULL, "these rules load again" },
	REMOTE_MATCH_ROW(AT(remote)),
	REMOTE_CHANGE_ROWS(AT(remote)),
};
static const struct cli_option reason_rows[] = { REASON_ROW, REMOTE_MATCH_ROW(AT(remote)), REMOTE_CHANGE_ROWS(AT(remote)) };

static int need_reason(const struct rollout_options *o, struct err *e)
{
	return o->reason && *o->reason ? 0 : err_set(e, ERR_USAGE, "say why with --reason: it is kept and shown");
}

static int check_id(const char *text, struct err *e)
{
	int64_t id;

	return number_parse(&id, text) && id >= 0 ? 0 : err_set(e, ERR_USAGE, "\"%.40s\" is no rollout's number", text);
}

/* ---- looking ---- */

/* "?channel=edr", escaped; nothing without a channel. */
static int get_rollouts(struct remote *r, const char *channel, struct remote_answer *answer, struct err *e)
{
	AUTO(buf) struct buf *path = buf_new(0);

	if (!path)
		return err_memory(e);
	buf_adds(path, "/v1/rollouts");
	if (channel) {
		buf_adds(path, "?channel=");
		remote_escape(path, channel);
	}
	if (buf_check(path, e) < 0)
		return e->code;
	return remote_all(r, path->data, answer, e);
}

static int list(int argc, char **argv, const void *options, struct err *e)
{
	static const struct remote_column columns[] = {
		{ "ID", "id" }, { "CHANNEL", "channel" }, { "SERIAL", "serial" }, { "VERSION", "version" }, { "STATE", "state" },
		{ "EMERGENCY", "emergency.state" }, { "CREATED", "created" }, { "BY", "by" },
	};
	const struct rollout_options *o = options;
	AUTO(remote) struct remote *r = NULL;
	AUTO_ANSWER answer = { 0 };

	(void)argc;
	(void)argv;
	if (remote_open(&r, &o->remote, e) < 0 || get_rollouts(r, o->channel, &answer, e) < 0)
		return e->code;
	if (o->remote.json)
		return remote_print(answer.doc->root, e);
	return remote_table(json_get(answer.doc->root, "items"), columns, ARRAY_LEN(columns), e);
}

static void print_head(const struct json *rollout)
{
	static const char *const members[] = { "id", "channel", "serial", "version", "state", "digest", "etag" };
	char text[ARRAY_LEN(members)][80];
	struct buf line = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(members); i++)
		remote_text(rollout, members[i], text[i], sizeof text[i]);
	buf_addf(&line, "rollout %s: channel %s, serial %s, version ", text[0], text[1], text[2]);
	log_escape(&line, text[3], strlen(text[3]));
	buf_addf(&line, ": %s\n%s\nat version %s, for --if-match\n\n", text[4], text[5], text[6]);
	fputs(line.failed ? "" : line.data, stdout);
	buf_release(&line);
}

/* Said first: this one waits for less than others. */
static void print_emergency(const struct json *rollout)
{
	char state[16], by[132], since[32];

	remote_text(rollout, "emergency.state", state, sizeof state);
	remote_text(rollout, "emergency.by", by, sizeof by);
	remote_text(rollout, "emergency.since", since, sizeof since);
	if (strcmp(state, "open") == 0)
		printf("EMERGENCY LANE, open since %s, asked for by %s\n\n", since, by);
	else if (strcmp(state, "asked") == 0)
		printf("the emergency lane is asked for by %s and not agreed to yet\n\n", by);
}

/* What keeps rings back, and who agreed; nothing when nothing does. */
static int print_waits(const struct json *rings, struct err *e)
{
	static const struct remote_column columns[] = {
		{ "RING", "ring" }, { "WAITS", "waits" }, { "APPROVALS WANTED", "approvals.wanted" }, { "ROLE", "approvals.role" },
	};
	char waits[300], wanted[24];
	bool any = false;

	for (size_t i = 0; rings && rings->type == JSON_ARRAY && i < rings->count; i++) {
		remote_text(&rings->u.items[i], "waits", waits, sizeof waits);
		remote_text(&rings->u.items[i], "approvals.wanted", wanted, sizeof wanted);
		any = any || strcmp(waits, "-") != 0 || strcmp(wanted, "0") != 0;
	}
	if (!any)
		return 0;
	printf("\n");
	return remote_table(rings, columns, ARRAY_LEN(columns), e);
}

static int print_rollout(const struct json *rollout, struct err *e)
{
	static const struct remote_column columns[] = {
		{ "RING", "ring" }, { "STATE", "state" }, { "CAUSE", "cause" }, { "MEMBERS", "members" }, { "OFFERS", "offers.total" },
		{ "SURVIVED", "offers.survived" }, { "FAILED", "offers.failed" }, { "LOST", "offers.lost" }, { "PENDING", "offers.pending" },
		{ "AWAY", "offers.away" }, { "LAMBDA", "lambda" }, { "E", "e" }, { "LIMIT", "e_limit" },
		{ "SILENCE", "silence.state" }, { "W", "silence.w" },
	};
	static const struct remote_column said[] = { { "RING", "ring" }, { "SAYS", "sentence" } };

	print_head(rollout);
	print_emergency(rollout);
	if (remote_table(json_get(rollout, "rings"), columns, ARRAY_LEN(columns), e) < 0)
		return e->code;
	printf("\n");
	if (remote_table(json_get(rollout, "rings"), said, ARRAY_LEN(said), e) < 0)
		return e->code;
	return print_waits(json_get(rollout, "rings"), e);
}

static int get_rollout(struct remote *r, const char *id, struct remote_answer *answer, struct err *e)
{
	char path[64];

	snprintf(path, sizeof path, "/v1/rollouts/%.24s", id);
	return remote_call(r, "GET", path, NULL, answer, e);
}

static int show(int argc, char **argv, const void *options, struct err *e)
{
	const struct rollout_options *o = options;
	AUTO(remote) struct remote *r = NULL;
	AUTO_ANSWER answer = { 0 };

	(void)argc;
	if (check_id(argv[0], e) < 0 || remote_open(&r, &o->remote, e) < 0 || get_rollout(r, argv[0], &answer, e) < 0)
		return e->code;
	return o->remote.json ? remote_print(answer.doc->root, e) : print_rollout(answer.doc->root, e);
}

static int explain(int argc, char **argv, const void *options, struct err *e)
{
	const struct rollout_options *o = options;
	AUTO(remote) struct remote *r = NULL;

	(void)argc;
	if (remote_open(&r, &o->remote, e) < 0)
		return e->code;
	return rollout_explain(r, argv[0], o->remote.json, e);
}

/* ---- moving ---- */

static int post_move(struct remote *r, const char *id, const char *move, const struct rollout_options *o, struct remote_answer *answer, struct err *e)
{
	AUTO(buf) struct buf *body = buf_new(0);
	struct json_writer w = { .out = body };
	char path[96];

	if (!body)
		return err_memory(e);
	json_open_object(&w, NULL);
	json_put_text(&w, "reason", o->reason);
	if (o->ring)
		json_put_text(&w, "ring", o->ring);
	if (o->emergency)
		json_put_bool(&w, "emergency", true);
	json_close_object(&w);
	snprintf(path, sizeof path, "/v1/rollouts/%.24s/%s", id, move);
	return remote_call(r, "POST", path, body, answer, e);
}

static int move(char **argv, const void *options, const char *word, struct err *e)
{
	const struct rollout_options *o = options;
	AUTO(remote) struct remote *r = NULL;
	AUTO_ANSWER answer = { 0 };

	if (check_id(argv[0], e) < 0 || need_reason(o, e) < 0 || remote_open(&r, &o->remote, e) < 0 ||
	    post_move(r, argv[0], word, o, &answer, e) < 0)
		return e->code;
	return o->remote.json ? remote_print(answer.doc->root, e) : print_rollout(answer.doc->root, e);
}

#define MOVE(word)                                                                          \
	static int order_##word(int argc, char **argv, const void *options, struct err *e)  \
	{                                                                                   \
		(void)argc;                                                                 \
		return move(argv, options, #word, e);                                       \
	}
MOVE(approve)
MOVE(promote)
MOVE(pause)
MOVE(resume)
MOVE(halt)
MOVE(abort)
MOVE(retry)
MOVE(emergency)

static int rollback(int argc, char **argv, const void *options, struct err *e)
{
	static const struct remote_column columns[] = { { "RING", "ring" }, { "DONE", "done" } };
	const struct rollout_options *o = options;
	AUTO(remote) struct remote *r = NULL;
	AUTO(buf) struct buf *body = buf_new(0), *path = buf_new(0);
	struct json_writer w = { .out = body };
	AUTO_ANSWER answer = { 0 };
	char serial[24];

	(void)argc;
	if (!body || !path)
		return err_memory(e);
	buf_adds(path, "/v1/channels/");
	remote_escape(path, argv[0]);
	buf_adds(path, "/rollback");
	json_open_object(&w, NULL);
	json_put_text(&w, "to", o->to ? o->to : "previous");
	json_put_text(&w, "reason", o->reason);
	json_close_object(&w);
	if (need_reason(o, e) < 0 || buf_check(path, e) < 0 || remote_open(&r, &o->remote, e) < 0 ||
	    remote_call(r, "POST", path->data, body, &answer, e) < 0)
		return e->code;
	if (o->remote.json)
		return remote_print(answer.doc->root, e);
	remote_text(answer.doc->root, "serial", serial, sizeof serial);
	printf(o->remote.dry_run ? "would go back to serial %s\n\n" : "back to serial %s\n\n", serial);
	return remote_table(json_get(answer.doc->root, "rings"), columns, ARRAY_LEN(columns), e);
}

/* ---- single rules ---- */

static int print_drops(const struct json *drops, struct err *e)
{
	static const struct remote_column rules[] = { { "RULE", "rule" }, { "REASON", "reason" } };
	static const struct remote_column rings[] = {
		{ "RING", "ring" }, { "SERIAL", "serial" }, { "RULES LEFT OUT", "rules" }, { "SIGNED", "signed" }, { "DEVICES", "devices" },
		{ "FOLLOWING", "following" },
	};
	const struct json *list = json_get(drops, "drop");
	char version[80];

	remote_text(drops, "etag", version, sizeof version);
	printf("at version %s, for --if-match\n\n", version);
	if (list && list->count == 0)
		printf("no rule is left out\n");
	else if (remote_table(list, rules, ARRAY_LEN(rules), e) < 0)
		return e->code;
	printf("\n");
	return remote_table(json_get(drops, "rings"), rings, ARRAY_LEN(rings), e);
}

static int write_drop(struct buf *body, const struct rollout_options *o, char **rules, int count, struct err *e)
{
	struct json_writer w = { .out = body };

	json_open_object(&w, NULL);
	json_open_array(&w, "rules");
	for (int i = 0; i < count; i++)
		json_put_text(&w, NULL, rules[i]);
	json_close_array(&w);
	json_put_text(&w, "reason", o->reason);
	if (o->undo)
		json_put_bool(&w, "undo", true);
	json_close_object(&w);
	return buf_check(body, e);
}

/* Without rules: what is left out. */
static int drop(int argc, char **argv, const void *options, struct err *e)
{
	const struct rollout_options *o = options;
	bool change = argc > 1;
	AUTO(remote) struct remote *r = NULL;
	AUTO(buf) struct buf *body = buf_new(0), *path = buf_new(0);
	AUTO_ANSWER answer = { 0 };

	if (!body || !path)
		return err_memory(e);
	if (!change && (o->undo || o->reason))
		return err_set(e, ERR_USAGE, "which rules? name one at least");
	buf_adds(path, "/v1/channels/");
	remote_escape(path, argv[0]);
	buf_adds(path, "/drops");
	if ((change && (need_reason(o, e) < 0 || write_drop(body, o, argv + 1, argc - 1, e) < 0)) || buf_check(path, e) < 0 ||
	    remote_open(&r, &o->remote, e) < 0 || remote_call(r, change ? "POST" : "GET", path->data, change ? body : NULL, &answer, e) < 0)
		return e->code;
	return o->remote.json ? remote_print(answer.doc->root, e) : print_drops(answer.doc->root, e);
}

/* ---- stopping a digest ---- */

/* The newest rollout of a digest. */
static int find_rollout(struct remote *r, const char *channel, const char *digest, char id[24], struct err *e)
{
	AUTO_ANSWER answer = { 0 };
	const struct json *items;
	char text[80];

	if (get_rollouts(r, channel, &answer, e) < 0)
		return e->code;
	items = json_get(answer.doc->root, "items");
	for (size_t i = 0; items && items->type == JSON_ARRAY && i < items->count; i++) {
		remote_text(&items->u.items[i], "digest", text, sizeof text);
		if (strcmp(text, digest) == 0) {
			remote_text(&items->u.items[i], "id", id, 24);
			return 0;
		}
	}
	return err_set(e, ERR_NOT_FOUND, "channel %s has no rollout of %.16s...", channel, digest);
}

static int stops_of(struct buf **out, const char *channel, struct err *e)
{
	AUTO(buf) struct buf *path = buf_new(0);

	if (!path)
		return err_memory(e);
	buf_adds(path, "/v1/channels/");
	remote_escape(path, channel);
	buf_adds(path, "/stops");
	if (buf_check(path, e) < 0)
		return e->code;
	*out = TAKE(path);
	return 0;
}

/* 1: stopped, or recalled; what is urgent is listed there as well. */
static int is_stopped(struct remote *r, const char *channel, const char *digest, struct err *e)
{
	AUTO(buf) struct buf *path = NULL;
	AUTO_ANSWER answer = { 0 };
	const struct json *items;
	char text[80], kind[20];

	if (stops_of(&path, channel, e) < 0 || remote_all(r, path->data, &answer, e) < 0)
		return e->code;
	items = json_get(answer.doc->root, "items");
	for (size_t i = 0; items && items->type == JSON_ARRAY && i < items->count; i++) {
		remote_text(&items->u.items[i], "digest", text, sizeof text);
		remote_text(&items->u.items[i], "kind", kind, sizeof kind);
		if (strcmp(text, digest) == 0 && strcmp(kind, "urgent") != 0)
			return 1;
	}
	return 0;
}

/* 1: there was nothing to stop any more. Asked first it would stand in the way of an order that may be urgent. */
static int halt(struct remote *r, const char *channel, const char *digest, const char *id, const struct rollout_options *o,
		struct remote_answer *answer, struct err *e)
{
	struct err refused;
	int got = post_move(r, id, "halt", o, answer, e);

	if (got != ERR_CONFLICT)
		return got;
	refused = *e;
	if (is_stopped(r, channel, digest, e) != 1) {
		*e = refused;
		return e->code;
	}
	remote_answer_release(answer);
	return get_rollout(r, id, answer, e) < 0 ? e->code : 1;
}

static int list_stops(const struct rollout_options *o, const char *channel, struct err *e)
{
	static const struct remote_column columns[] = {
		{ "KIND", "kind" }, { "SERIAL", "serial" }, { "DIGEST", "digest" }, { "AT", "at" }, { "REASON", "reason" },
	};
	AUTO(buf) struct buf *path = NULL;
	AUTO(remote) struct remote *r = NULL;

	if (stops_of(&path, channel, e) < 0 || remote_open(&r, &o->remote, e) < 0)
		return e->code;
	return remote_list(r, path->data, o->remote.json, columns, ARRAY_LEN(columns), e);
}

/* Halting is how a digest is stopped: no more permits, a signed stop, the assignments before. */
static int stop(int argc, char **argv, const void *options, struct err *e)
{
	const struct rollout_options *o = options;
	AUTO(remote) struct remote *r = NULL;
	AUTO_ANSWER answer = { 0 };
	struct digest d;
	char id[24];
	int already;

	if (argc == 1 && (o->reason || o->remote.match || o->remote.dry_run))
		return err_set(e, ERR_USAGE, "--reason, --if-match and --dry-run are for stopping: say which DIGEST of %.64s", argv[0]);
	if (argc == 1)
		return list_stops(o, argv[0], e);
	if (!digest_parse(&d, argv[1], strlen(argv[1])))
		return err_set(e, ERR_USAGE, "\"%.80s\" is no digest of 64 lower-case hex digits", argv[1]);
	if (need_reason(o, e) < 0 || remote_open(&r, &o->remote, e) < 0 || find_rollout(r, argv[0], argv[1], id, e) < 0)
		return e->code;
	already = halt(r, argv[0], argv[1], id, o, &answer, e);
	if (already < 0)
		return already;
	if (o->remote.json)
		return remote_print(answer.doc->root, e);
	puts(already ? "stopped already: nothing is done\n" :
	     o->remote.dry_run ? "would be stopped; a stopped digest is final\n" : "stopped; a stopped digest is final\n");
	return print_rollout(answer.doc->root, e);
}

#define COMMAND(word, arguments, count, rows_, what) COMMAND_TO(word, arguments, count, count, rows_, what)
#define COMMAND_TO(word, arguments, least, most, rows_, what)                                                       \
	.args = arguments, .help = what, .min_args = least, .max_args = most, .run = word, .options = rows_,        \
	.option_count = ARRAY_LEN(rows_), .options_size = sizeof(struct rollout_options)

const struct cli_command rollout_commands[] = {
	{ .name = "rollout list", COMMAND(list, NULL, 0, list_rows, "rollouts, newest first") },
	{ .name = "rollout show", COMMAND(show, "ID", 1, show_rows, "one rollout, ring by ring, and what its gates say") },
	{ .name = "rollout explain", COMMAND(explain, "ID", 1, show_rows, "every gate's decision, decided again here from its recorded inputs") },
	{ .name = "rollout approve", COMMAND(order_approve, "ID", 1, approve_rows, "agree to what waits for people; not to what one published oneself") },
	{ .name = "rollout promote", COMMAND(order_promote, "ID", 1, move_rows, "on to the next ring, where a person is asked") },
	{ .name = "rollout pause", COMMAND(order_pause, "ID", 1, move_rows, "no new permits; what is under way finishes") },
	{ .name = "rollout resume", COMMAND(order_resume, "ID", 1, move_rows, "go on after a pause or a hold that asks") },
	{ .name = "rollout halt", COMMAND(order_halt, "ID", 1, move_rows, "stop the digest and go back: final") },
	{ .name = "rollout abort", COMMAND(order_abort, "ID", 1, move_rows, "give a held rollout up; what runs it keeps it") },
	{ .name = "rollout retry", COMMAND(order_retry, "ID", 1, move_rows, "another attempt: endpoints that put the bundle aside try it again") },
	{ .name = "rollout emergency", COMMAND(order_emergency, "ID", 1, reason_rows, "ask for the emergency lane"),
	  .more = "It opens when as many people as the policy says agree with `rollout approve --emergency`: neither who published nor who asked.\n"
		  "It shortens the soak and waits for no window, freeze, lag or other bundle; validation, canary load, the first ring and\n"
		  "every gate stay. Each use is counted and shown in `status`." },
	{ .name = "rollout rollback", COMMAND(rollback, "CHANNEL", 1, rollback_rows, "assign older content to every ring") },
	{ .name = "rollout drop", COMMAND_TO(drop, "CHANNEL [RULE...]", 1, -1, drop_rows, "leave single rules out, without a new bundle; without rules: show which are"),
	  .more = "Rules stay out of this bundle and of later ones until the order is taken back with --undo.\n"
		  "The first ring follows at once; the others when their keys have signed (ringhold sign list)." },
	{ .name = "stop", COMMAND_TO(stop, "CHANNEL [DIGEST]", 1, 2, reason_rows, "stop a digest everywhere, at once and for ever; without one: show what is stopped"),
	  .more = "It is for whatever an endpoint may still run: also for what was superseded, given up, or returned to by a rollback." },
};
const size_t rollout_command_count = ARRAY_LEN(rollout_commands);
