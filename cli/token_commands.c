/* token_commands: who may come to the operator plane: tokens made, shown, rotated and revoked. */
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/remote.h"

struct token_options {
	struct remote_options remote;
	struct cli_list roles, channels;
	const char *note;
	int64_t lifetime_s, overlap_s;
};

#define AT(field) offsetof(struct token_options, field)
#define LIFETIME_ROW { "lifetime", 0, CLI_SECONDS, AT(lifetime_s), "TIME", "how long it is good, such as 30d [90d]" }

static const struct cli_option create_rows[] = {
	{ "role", 0, CLI_MANY, AT(roles), "ROLE", "viewer, publisher, operator, approver, auditor or admin; may be given again" },
	{ "channel", 'c', CLI_MANY, AT(channels), "NAME", "for this channel only; may be given again [every channel]" },
	{ "note", 0, CLI_TEXT, AT(note), "TEXT", "what it is for" },
	LIFETIME_ROW,
	REMOTE_CHANGE_ROWS(AT(remote)),
};
static const struct cli_option rotate_rows[] = {
	{ "overlap", 0, CLI_SECONDS, AT(overlap_s), "TIME", "how long the old one is good as well, such as 1h [not at all]" },
	LIFETIME_ROW,
	REMOTE_MATCH_ROW(AT(remote)),
	REMOTE_CHANGE_ROWS(AT(remote)),
};
static const struct cli_option show_rows[] = { REMOTE_ROWS(AT(remote)) };
static const struct cli_option revoke_rows[] = { REMOTE_MATCH_ROW(AT(remote)), REMOTE_CHANGE_ROWS(AT(remote)) };

/* The secret alone on standard output, so that it can go into a file; what it is for people on standard error. */
static int print_new(const struct json *token, const struct token_options *o, struct err *e)
{
	char secret[128], id[40], name[80], expires[40];

	if (o->remote.json)
		return remote_print(token, e);
	remote_text(token, "token", secret, sizeof secret);
	remote_text(token, "id", id, sizeof id);
	remote_text(token, "name", name, sizeof name);
	remote_text(token, "expires", expires, sizeof expires);
	if (o->remote.dry_run) {
		printf("nothing was changed: %s would be good until %s\n", name, expires);
		return 0;
	}
	fprintf(stderr, "token %s (%s), good until %s; it is shown this once:\n", id, name, expires);
	printf("%s\n", secret);
	return 0;
}

static int create(int argc, char **argv, const void *options, struct err *e)
{
	const struct token_options *o = options;
	AUTO(remote) struct remote *r = NULL;
	AUTO(buf) struct buf *body = buf_new(0);
	struct json_writer w = { .out = body };
	AUTO_ANSWER answer = { 0 };

	(void)argc;
	if (!body)
		return err_memory(e);
	if (o->roles.count == 0)
		return err_set(e, ERR_USAGE, "what may it do? name at least one --role");
	json_open_object(&w, NULL);
	json_put_text(&w, "name", argv[0]);
	remote_put_list(&w, "roles", &o->roles);
	if (o->channels.count)
		remote_put_list(&w, "channels", &o->channels);
	if (o->note)
		json_put_text(&w, "note", o->note);
	if (o->lifetime_s)
		json_put_int(&w, "lifetime_s", o->lifetime_s);
	json_close_object(&w);
	if (remote_open(&r, &o->remote, e) < 0 || remote_call(r, "POST", "/v1/tokens", body, &answer, e) < 0)
		return e->code;
	return print_new(answer.doc->root, o, e);
}

static int list(int argc, char **argv, const void *options, struct err *e)
{
	static const struct remote_column columns[] = {
		{ "ID", "id" }, { "NAME", "name" }, { "STATE", "state" }, { "ROLES", "roles" }, { "CHANNELS", "channels" },
		{ "EXPIRES", "expires" }, { "LAST USED", "last_used" }, { "BY", "by" }, { "NOTE", "note" },
	};
	const struct token_options *o = options;
	AUTO(remote) struct remote *r = NULL;

	(void)argc;
	(void)argv;
	if (remote_open(&r, &o->remote, e) < 0)
		return e->code;
	return remote_list(r, "/v1/tokens", o->remote.json, columns, ARRAY_LEN(columns), e);
}

static int call_one(const struct token_options *o, const char *method, const char *id, const char *rest, const struct buf *body,
		    struct remote_answer *answer, struct err *e)
{
	return remote_one(&o->remote, method, &(const struct remote_name){ "/v1/tokens/", id, rest }, body, answer, e);
}

static int show(int argc, char **argv, const void *options, struct err *e)
{
	AUTO_ANSWER answer = { 0 };

	(void)argc;
	if (call_one(options, "GET", argv[0], "", NULL, &answer, e) < 0)
		return e->code;
	return remote_print(answer.doc->root, e);
}

static int revoke(int argc, char **argv, const void *options, struct err *e)
{
	const struct token_options *o = options;
	AUTO_ANSWER answer = { 0 };
	char name[80];

	(void)argc;
	if (call_one(o, "DELETE", argv[0], "", NULL, &answer, e) < 0)
		return e->code;
	if (o->remote.json)
		return remote_print(answer.doc->root, e);
	remote_text(answer.doc->root, "name", name, sizeof name);
	printf(o->remote.dry_run ? "nothing was changed: %s would be revoked\n" : "%s is revoked, for good\n", name);
	return 0;
}

static int rotate(int argc, char **argv, const void *options, struct err *e)
{
	const struct token_options *o = options;
	AUTO(buf) struct buf *body = buf_new(0);
	struct json_writer w = { .out = body };
	AUTO_ANSWER answer = { 0 };

	(void)argc;
	if (!body)
		return err_memory(e);
	json_open_object(&w, NULL);
	if (o->overlap_s)
		json_put_int(&w, "overlap_s", o->overlap_s);
	if (o->lifetime_s)
		json_put_int(&w, "lifetime_s", o->lifetime_s);
	json_close_object(&w);
	if (call_one(o, "POST", argv[0], "/rotate", body, &answer, e) < 0)
		return e->code;
	return print_new(answer.doc->root, o, e);
}

static int whoami(int argc, char **argv, const void *options, struct err *e)
{
	const struct token_options *o = options;
	AUTO(remote) struct remote *r = NULL;
	AUTO_ANSWER answer = { 0 };

	(void)argc;
	(void)argv;
	if (remote_open(&r, &o->remote, e) < 0 || remote_call(r, "GET", "/v1/self", NULL, &answer, e) < 0)
		return e->code;
	return remote_print(answer.doc->root, e);
}

#define COMMAND(function, arguments, count, rows_, what)                                                         \
	.args = arguments, .help = what, .min_args = count, .max_args = count, .run = function, .options = rows_, \
	.option_count = ARRAY_LEN(rows_), .options_size = sizeof(struct token_options)

const struct cli_command token_commands[] = {
	{ .name = "token create", COMMAND(create, "NAME", 1, create_rows, "make a token for a person or a program; it is shown once"),
	  .more = "A name is given once and never again: it is who did what, in every record." },
	{ .name = "token list", COMMAND(list, NULL, 0, show_rows, "tokens, what they may do and when they were last used") },
	{ .name = "token show", COMMAND(show, "ID", 1, show_rows, "one token") },
	{ .name = "token rotate", COMMAND(rotate, "ID", 1, rotate_rows, "a new secret for the same name, roles and channels") },
	{ .name = "token revoke", COMMAND(revoke, "ID", 1, revoke_rows, "let a token in no more, for good") },
	{ .name = "token whoami", COMMAND(whoami, NULL, 0, show_rows, "who the server takes you for, and what you may do") },
};
const size_t token_command_count = ARRAY_LEN(token_commands);
