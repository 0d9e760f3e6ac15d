/* policy_version_commands: a channel's policy on the server: what is in force, what was, and the next. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/number.h"
#include "cli/commands.h"
#include "cli/remote.h"
#include "rollout/policy.h"

struct version_options {
	struct remote_options remote;
	const char *version, *reason;
};

#define AT(field) offsetof(struct version_options, field)

static const struct cli_option show_rows[] = {
	{ "version", 'v', CLI_TEXT, AT(version), "N", "as it was put then [in force]" },
	REMOTE_ROWS(AT(remote)),
};
static const struct cli_option list_rows[] = { REMOTE_ROWS(AT(remote)) };
static const struct cli_option set_rows[] = {
	{ "reason", 'r', CLI_TEXT, AT(reason), "TEXT", "why; it is kept with the version and in the audit log" },
	REMOTE_MATCH_ROW(AT(remote)),
	REMOTE_CHANGE_ROWS(AT(remote)),
};

/* "/v1/policies/<channel>" with what follows it. */
static int path_of(struct buf *out, const char *channel, const char *rest, struct err *e)
{
	buf_adds(out, "/v1/policies/");
	remote_escape(out, channel);
	buf_adds(out, rest);
	return buf_check(out, e);
}

static int check_version(const char *text, struct err *e)
{
	int64_t n;

	return !text || (number_parse(&n, text) && n >= 0) ? 0 : err_set(e, ERR_USAGE, "--version %.40s: a number from 0 on", text);
}

static int show(int argc, char **argv, const void *options, struct err *e)
{
	const struct version_options *o = options;
	AUTO(remote) struct remote *r = NULL;
	AUTO(buf) struct buf *path = buf_new(0);
	AUTO_ANSWER answer = { 0 };
	char query[64] = "";

	(void)argc;
	if (!path)
		return err_memory(e);
	if (check_version(o->version, e) < 0)
		return e->code;
	if (o->version)
		snprintf(query, sizeof query, "?version=%.20s", o->version);
	if (path_of(path, argv[0], query, e) < 0 || remote_open(&r, &o->remote, e) < 0 ||
	    remote_call(r, "GET", path->data, NULL, &answer, e) < 0)
		return e->code;
	return remote_print(answer.doc->root, e);
}

static int versions(int argc, char **argv, const void *options, struct err *e)
{
	static const struct remote_column columns[] = {
		{ "VERSION", "version" }, { "AT", "at" }, { "BY", "by" }, { "REASON", "reason" }, { "SHA-256", "sha256" },
	};
	const struct version_options *o = options;
	AUTO(remote) struct remote *r = NULL;
	AUTO(buf) struct buf *path = buf_new(0);

	(void)argc;
	if (!path)
		return err_memory(e);
	if (path_of(path, argv[0], "/versions", e) < 0 || remote_open(&r, &o->remote, e) < 0)
		return e->code;
	return remote_list(r, path->data, o->remote.json, columns, ARRAY_LEN(columns), e);
}

static int print_set(const struct json *answer, bool dry, struct err *e)
{
	static const struct remote_column columns[] = {
		{ "RING", "ring" }, { "MEMBERS", "members" }, { "CLEAN TO PASS", "clean_to_pass" }, { "FAILURES THAT HALT", "failures_to_halt" },
		{ "WORST CASE EXPOSED", "worst_exposed" }, { "BEST CASE S", "best_s" },
	};
	const struct json *rings = json_get(answer, "rings");
	char channel[NAME_LEN_MAX + 1], version[24], said[300];

	remote_text(answer, "channel", channel, sizeof channel);
	remote_text(answer, "version", version, sizeof version);
	printf("channel %s: version %s%s\n\n", channel, version, dry ? " would be in force" : " is in force for later rollouts");
	if (remote_table(rings, columns, ARRAY_LEN(columns), e) < 0)
		return e->code;
	for (size_t i = 0; rings && rings->type == JSON_ARRAY && i < rings->count; i++) {
		remote_text(&rings->u.items[i], "cannot_pass", said, sizeof said);
		if (strcmp(said, "-") != 0)
			printf("warning: %s\n", said);
	}
	return 0;
}

static int set(int argc, char **argv, const void *options, struct err *e)
{
	const struct version_options *o = options;
	AUTO(remote) struct remote *r = NULL;
	AUTO(policy) struct policy *p = NULL;
	AUTO(buf) struct buf *text = NULL, *path = buf_new(0);
	AUTO_ANSWER answer = { 0 };

	(void)argc;
	if (!path)
		return err_memory(e);
	if (file_read(&text, argv[0], POLICY_MAX, e) < 0 ||
	    policy_parse(&p, argv[0], text->len ? text->data : "", text->len, e) < 0 || path_of(path, p->channel, o->reason ? "?reason=" : "", e) < 0)
		return e->code;
	if (o->reason)
		remote_escape(path, o->reason);
	if (buf_check(path, e) < 0 || remote_open(&r, &o->remote, e) < 0)
		return e->code;
	if (remote_call(r, "PUT", path->data, text, &answer, e) < 0)
		return e->code;
	return o->remote.json ? remote_print(answer.doc->root, e) : print_set(answer.doc->root, o->remote.dry_run, e);
}

#define COMMAND(function, arguments, rows_, what)                                                              \
	.args = arguments, .help = what, .min_args = 1, .max_args = 1, .run = function, .options = rows_,      \
	.option_count = ARRAY_LEN(rows_), .options_size = sizeof(struct version_options)

const struct cli_command policy_version_commands[] = {
	{ .name = "policy show", COMMAND(show, "CHANNEL", show_rows, "a channel's policy in force, or an older version of it") },
	{ .name = "policy versions", COMMAND(versions, "CHANNEL", list_rows, "every policy that a channel had: who put it, when and why") },
	{ .name = "policy set", COMMAND(set, "FILE", set_rows, "replace a channel's policy for later rollouts"),
	  .more = "Rollouts under way keep the policy they began with. --dry-run tells what each ring may cost with the members it has." },
};
const size_t policy_version_command_count = ARRAY_LEN(policy_version_commands);
