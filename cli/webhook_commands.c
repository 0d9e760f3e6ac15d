/* webhook_commands: whom the server tells what happened, and whom it asks before a ring is entered. */
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/remote.h"

struct webhook_options {
	struct remote_options remote;
	const char *url;
	struct cli_list types, channels, rings;
	int64_t timeout_s, overlap_s;
	bool before_ring, paused;
};

#define AT(field) offsetof(struct webhook_options, field)

static const struct cli_option set_rows[] = {
	{ "url", 0, CLI_TEXT, AT(url), "URL", "where it is; https, or http in a network of webhook-networks" },
	{ "before-ring", 0, CLI_FLAG, AT(before_ring), NULL, "ask it before a ring takes a bundle, instead of telling it what happened" },
	{ "type", 0, CLI_MANY, AT(types), "TYPE", "such as ringhold.ring or ringhold.ring.halted; may be given again [all that is not about one device]" },
	{ "channel", 'c', CLI_MANY, AT(channels), "NAME", "about this channel only; may be given again [every channel]" },
	{ "ring", 0, CLI_MANY, AT(rings), "RING", "about this ring only; may be given again [every ring; of --before-ring: every one but the first]" },
	{ "timeout", 0, CLI_SECONDS, AT(timeout_s), "TIME", "how long an answer may take [10s]" },
	{ "paused", 0, CLI_FLAG, AT(paused), NULL, "send nothing for now: it is made up for later" },
	REMOTE_MATCH_ROW(AT(remote)),
	REMOTE_CHANGE_ROWS(AT(remote)),
};
static const struct cli_option rotate_rows[] = {
	{ "overlap", 0, CLI_SECONDS, AT(overlap_s), "TIME", "how long messages are signed with the old secret as well [24h]" },
	REMOTE_MATCH_ROW(AT(remote)),
	REMOTE_CHANGE_ROWS(AT(remote)),
};
static const struct cli_option show_rows[] = { REMOTE_ROWS(AT(remote)) };
static const struct cli_option send_rows[] = { REMOTE_CHANGE_ROWS(AT(remote)) };
static const struct cli_option remove_rows[] = { REMOTE_MATCH_ROW(AT(remote)), REMOTE_CHANGE_ROWS(AT(remote)) };

static void put_list(struct json_writer *w, const char *key, const struct cli_list *words)
{
	if (words->count)
		remote_put_list(w, key, words);
}

static int call(const struct webhook_options *o, const char *method, const char *name, const char *rest, const struct buf *body,
		struct remote_answer *answer, struct err *e)
{
	return remote_one(&o->remote, method, &(const struct remote_name){ "/v1/webhooks/", name, rest }, body, answer, e);
}

/* The secret alone on standard output, so that it can go into a file; what it is for people on standard error. */
static int print_secret(const struct json *webhook, const struct webhook_options *o, struct err *e)
{
	char secret[100], name[80], url[200];

	if (o->remote.json)
		return remote_print(webhook, e);
	remote_text(webhook, "secret", secret, sizeof secret);
	remote_text(webhook, "name", name, sizeof name);
	remote_text(webhook, "url", url, sizeof url);
	if (o->remote.dry_run) {
		printf("nothing was changed: %s would be %s\n", name, url);
	} else if (strcmp(secret, "-") == 0) {
		printf("%s is %s now; its secret stays\n", name, url);
	} else {
		fprintf(stderr, "webhook %s; what it verifies messages with is shown this once:\n", name);
		printf("%s\n", secret);
	}
	return 0;
}

static int set(int argc, char **argv, const void *options, struct err *e)
{
	const struct webhook_options *o = options;
	AUTO(buf) struct buf *body = buf_new(0);
	struct json_writer w = { .out = body };
	AUTO_ANSWER answer = { 0 };

	(void)argc;
	if (!body)
		return err_memory(e);
	if (!o->url)
		return err_set(e, ERR_USAGE, "where is it? --url URL");
	json_open_object(&w, NULL);
	json_put_text(&w, "url", o->url);
	json_put_text(&w, "kind", o->before_ring ? "before-ring" : "events");
	put_list(&w, "types", &o->types);
	put_list(&w, "channels", &o->channels);
	put_list(&w, "rings", &o->rings);
	if (o->timeout_s)
		json_put_int(&w, "timeout_s", o->timeout_s);
	json_put_bool(&w, "paused", o->paused);
	json_close_object(&w);
	if (call(o, "PUT", argv[0], "", body, &answer, e) < 0)
		return e->code;
	return print_secret(answer.doc->root, o, e);
}

static int rotate(int argc, char **argv, const void *options, struct err *e)
{
	const struct webhook_options *o = options;
	AUTO(buf) struct buf *body = buf_new(0);
	struct json_writer w = { .out = body };
	AUTO_ANSWER answer = { 0 };

	(void)argc;
	if (!body)
		return err_memory(e);
	json_open_object(&w, NULL);
	if (o->overlap_s)
		json_put_int(&w, "overlap_s", o->overlap_s);
	json_close_object(&w);
	if (call(o, "POST", argv[0], "/rotate", body, &answer, e) < 0)
		return e->code;
	return print_secret(answer.doc->root, o, e);
}

static int list(int argc, char **argv, const void *options, struct err *e)
{
	static const struct remote_column columns[] = {
		{ "NAME", "name" }, { "KIND", "kind" }, { "URL", "url" }, { "TYPES", "types" }, { "CHANNELS", "channels" }, { "RINGS", "rings" },
		{ "PAUSED", "paused" }, { "DELIVERED", "delivered" }, { "FAILED", "failed" }, { "TROUBLE", "trouble" },
	};
	const struct webhook_options *o = options;
	AUTO(remote) struct remote *r = NULL;

	(void)argc;
	(void)argv;
	if (remote_open(&r, &o->remote, e) < 0)
		return e->code;
	return remote_list(r, "/v1/webhooks", o->remote.json, columns, ARRAY_LEN(columns), e);
}

static int messages(const struct webhook_options *o, const char *name, const char *query, struct err *e)
{
	static const struct remote_column columns[] = {
		{ "MESSAGE", "message" }, { "TYPE", "type" }, { "MADE", "made" }, { "ATTEMPTS", "attempts" }, { "STATUS", "status" },
		{ "DUE", "due" }, { "GIVEN UP", "given_up" }, { "ERROR", "error" },
	};
	AUTO(remote) struct remote *r = NULL;
	AUTO(buf) struct buf *path = NULL;

	if (remote_below(&path, "/v1/webhooks/", name, query, e) < 0 || remote_open(&r, &o->remote, e) < 0)
		return e->code;
	return remote_list(r, path->data, o->remote.json, columns, ARRAY_LEN(columns), e);
}

static int queue(int argc, char **argv, const void *options, struct err *e)
{
	(void)argc;
	return messages(options, argv[0], "/messages?state=waiting", e);
}

static int dead(int argc, char **argv, const void *options, struct err *e)
{
	(void)argc;
	return messages(options, argv[0], "/messages?state=dead", e);
}

static int show(int argc, char **argv, const void *options, struct err *e)
{
	AUTO_ANSWER answer = { 0 };

	(void)argc;
	if (call(options, "GET", argv[0], "", NULL, &answer, e) < 0)
		return e->code;
	return remote_print(answer.doc->root, e);
}

/* One that answers with nothing to be shown. */
static int order(const struct webhook_options *o, const char *method, const char *name, const char *rest, const struct buf *body, const char *done,
		 struct err *e)
{
	AUTO_ANSWER answer = { 0 };

	if (call(o, method, name, rest, body, &answer, e) < 0)
		return e->code;
	if (o->remote.json)
		return remote_print(answer.doc->root, e);
	printf(o->remote.dry_run ? "nothing was changed: %s would be: %s\n" : "%s: %s\n", name, done);
	return 0;
}

static int end(int argc, char **argv, const void *options, struct err *e)
{
	(void)argc;
	return order(options, "DELETE", argv[0], "", NULL, "removed, with the messages that waited", e);
}

static int test(int argc, char **argv, const void *options, struct err *e)
{
	AUTO(buf) struct buf *body = buf_new(0);

	(void)argc;
	if (!body)
		return err_memory(e);
	buf_adds(body, "{}");
	return order(options, "POST", argv[0], "/test", body, "a message is on its way; `ringhold webhooks show` tells what came of it", e);
}

static int redeliver(int argc, char **argv, const void *options, struct err *e)
{
	AUTO(buf) struct buf *body = buf_new(0);
	struct json_writer w = { .out = body };

	if (!body)
		return err_memory(e);
	json_open_object(&w, NULL);
	if (argc > 1)
		json_put_text(&w, "message", argv[1]);
	json_close_object(&w);
	return order(options, "POST", argv[0], "/redeliver", body, argc > 1 ? "sent again" : "all dead letters are sent again", e);
}

#define COMMAND(function, arguments, least, most, rows_, what)                                                   \
	.args = arguments, .help = what, .min_args = least, .max_args = most, .run = function, .options = rows_, \
	.option_count = ARRAY_LEN(rows_), .options_size = sizeof(struct webhook_options)

const struct cli_command webhook_commands[] = {
	{ .name = "webhooks set", COMMAND(set, "NAME --url URL", 1, 1, set_rows, "make a webhook, or change one; its secret is shown once"),
	  .more = "Messages are CloudEvents 1.0, signed as Standard Webhooks says. A webhook --before-ring is asked: any answer but 2xx\n"
		  "holds the ring until it says otherwise, or until somebody promotes the rollout and another approves that." },
	{ .name = "webhooks list", COMMAND(list, NULL, 0, 0, show_rows, "webhooks, and how their last attempt went") },
	{ .name = "webhooks show", COMMAND(show, "NAME", 1, 1, show_rows, "one webhook") },
	{ .name = "webhooks remove", COMMAND(end, "NAME", 1, 1, remove_rows, "remove a webhook and its messages") },
	{ .name = "webhooks test", COMMAND(test, "NAME", 1, 1, send_rows, "send a message that says nothing happened") },
	{ .name = "webhooks rotate", COMMAND(rotate, "NAME", 1, 1, rotate_rows, "a new secret; messages have both signatures for a while") },
	{ .name = "webhooks queue", COMMAND(queue, "NAME", 1, 1, show_rows, "messages that wait") },
	{ .name = "webhooks dead", COMMAND(dead, "NAME", 1, 1, show_rows, "messages that were given up, and why") },
	{ .name = "webhooks redeliver", COMMAND(redeliver, "NAME [MESSAGE]", 1, 2, send_rows, "send dead letters again") },
};
const size_t webhook_command_count = ARRAY_LEN(webhook_commands);
