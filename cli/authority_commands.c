/*
 * authority_commands: what people decide about single bundles: recalls and
 * approvals, which they sign themselves, and which of a vendor's bundles begin
 * their way here.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/name.h"
#include "base/number.h"
#include "cli/commands.h"
#include "cli/document_edit.h"
#include "cli/keys.h"
#include "rollout/approvals.h"
#include "rollout/stops.h"

struct authority_options {
	struct remote_options remote;
	struct keys_options keys;
	const char *reason, *party;
	bool urgent, withdraw, adopt, dry_run;
};

#define AT(field) offsetof(struct authority_options, field)
#define SIGN_ROWS                                                                                                              \
	KEYS_ROWS(AT(keys)),                                                                                                   \
	{ "adopt", 0, CLI_FLAG, AT(adopt), NULL, "sign although none of these keys signed what is published now" },            \
	{ "dry-run", 'n', CLI_FLAG, AT(dry_run), NULL, "show and sign, but send nothing" },                                    \
	REMOTE_MATCH_ROW(AT(remote)),                                                                                          \
	REMOTE_ROWS(AT(remote))

static const struct cli_option recall_rows[] = {
	{ "reason", 'r', CLI_TEXT, AT(reason), "TEXT", "why; it is signed, and shown on every host" },
	{ "urgent", 0, CLI_FLAG, AT(urgent), NULL, "the other way round: these are wanted in haste, no minimum age holds them up" },
	SIGN_ROWS,
};
static const struct cli_option approve_rows[] = {
	{ "party", 'p', CLI_TEXT, AT(party), "PARTY", "who approves: the role approve-PARTY" },
	{ "withdraw", 0, CLI_FLAG, AT(withdraw), NULL, "take the approval back; what runs it keeps it" },
	SIGN_ROWS,
};

static const struct cli_option start_rows[] = {
	{ "reason", 'r', CLI_TEXT, AT(reason), "TEXT", "why; it is kept and shown" },
	REMOTE_CHANGE_ROWS(AT(remote)),
};
static const struct cli_option plain_rows[] = { REMOTE_ROWS(AT(remote)) };

/* ---- what recall and approve both do ---- */

static int open_both(struct remote **r, struct keyring **keys, const struct authority_options *o, const char *channel, struct err *e)
{
	if (!name_valid(channel, strlen(channel)))
		return err_set(e, ERR_USAGE, "\"%.80s\" is no name of a channel", channel);
	return keys_open(keys, &o->keys, e) < 0 ? e->code : remote_open(r, &o->remote, e);
}

static void say(const struct authority_options *o, const char *what, const char *channel, const struct bundle_named *b)
{
	char hex[DIGEST_HEX_LEN + 1], serial[40] = "a bundle this server does not know";

	if (o->remote.json)
		return;
	digest_hex(hex, &b->digest);
	if (b->serial)
		snprintf(serial, sizeof serial, "serial %" PRIu64, b->serial);
	printf("%s: channel %s, %s, %s\n", what, channel, serial, hex);
}

static int put(struct document_edit *d, const struct buf *text, const struct authority_options *o, int64_t now, struct err *e)
{
	AUTO_ANSWER answer = { 0 };

	if (document_edit_put(d, text, o->dry_run, now, &answer, e) < 0)
		return e->code;
	if (o->remote.json && answer.doc)
		return remote_print(answer.doc->root, e);
	if (!o->remote.json && !role_edit_waits(&answer))
		printf("%s\n", o->dry_run ? "signed, not sent" : "published");
	return 0;
}

/* ---- recall ---- */

static int recalls_of(struct stops **out, const struct document_edit *d, const char *channel, const char *path, struct err *e)
{
	const struct buf *now = document_edit_now(d);

	if (now)
		return stops_parse(out, STOPS_RECALL, path, now->len ? now->data : "", now->len, e);
	*out = stops_new(STOPS_RECALL, channel);
	return *out ? 0 : err_memory(e);
}

static int add_recalls(struct stops *s, struct remote *r, char **words, int count, const struct authority_options *o, int64_t now,
		       struct err *e)
{
	for (int i = 0; i < count; i++) {
		struct stop_entry entry = { .at = now, .urgent = o->urgent };
		struct bundle_named b;

		if (bundle_named(&b, r, s->channel, words[i], e) < 0)
			return e->code;
		entry.digest = b.digest;
		entry.serial = b.serial;
		snprintf(entry.reason, sizeof entry.reason, "%s", o->reason);
		if (stops_add(s, &entry, e) < 0)
			return e->code;
		say(o, o->urgent ? "urgent" : "recalled, for ever", s->channel, &b);
	}
	return 0;
}

static int recall(int argc, char **argv, const void *options, struct err *e)
{
	const struct authority_options *o = options;
	AUTO(document_edit) struct document_edit *d = NULL;
	AUTO(buf) struct buf *text = buf_new(STOPS_MAX);
	AUTO(keyring) struct keyring *keys = NULL;
	AUTO(remote) struct remote *r = NULL;
	AUTO(stops) struct stops *s = NULL;
	char path[PATH_LEN_MAX + 1];
	int64_t now = clock_now();

	if (!text)
		return err_memory(e);
	if (!o->reason || !*o->reason || strlen(o->reason) > STOP_REASON_MAX)
		return err_set(e, ERR_USAGE, "say why with --reason, in at most %d bytes: it is signed and shown", STOP_REASON_MAX);
	if (open_both(&r, &keys, o, argv[0], e) < 0)
		return e->code;
	stops_path(path, STOPS_RECALL, argv[0]);
	if (document_edit_open(&d, r, "recall", path, keys, o->adopt, e) < 0 || recalls_of(&s, d, argv[0], path, e) < 0 ||
	    add_recalls(s, r, argv + 1, argc - 1, o, now, e) < 0 || stops_write(text, s, e) < 0)
		return e->code;
	return put(d, text, o, now, e);
}

/* ---- approve ---- */

static int approvals_of(struct approvals **out, const struct document_edit *d, const char *channel, const char *path, struct err *e)
{
	const struct buf *now = document_edit_now(d);

	if (now)
		return approvals_parse(out, path, now->len ? now->data : "", now->len, e);
	*out = approvals_new(channel);
	return *out ? 0 : err_memory(e);
}

static int change_approvals(struct approvals *a, struct remote *r, char **words, int count, const struct authority_options *o, struct err *e)
{
	for (int i = 0; i < count; i++) {
		struct bundle_named b;

		if (bundle_named(&b, r, a->channel, words[i], e) < 0)
			return e->code;
		if (o->withdraw) {
			if (!approvals_remove(a, &b.digest))
				return err_set(e, ERR_NOT_FOUND, "%s has not approved %.80s", o->party, words[i]);
		} else if (approvals_add(a, &b.digest, e) < 0) {
			return e->code;
		}
		say(o, o->withdraw ? "no longer approved" : "approved", a->channel, &b);
	}
	return 0;
}

static int approve(int argc, char **argv, const void *options, struct err *e)
{
	const struct authority_options *o = options;
	AUTO(document_edit) struct document_edit *d = NULL;
	AUTO(buf) struct buf *text = buf_new(APPROVALS_MAX);
	AUTO(approvals) struct approvals *a = NULL;
	AUTO(keyring) struct keyring *keys = NULL;
	AUTO(remote) struct remote *r = NULL;
	char path[PATH_LEN_MAX + 1], role[NAME_LEN_MAX + 16];

	if (!text)
		return err_memory(e);
	if (!o->party || !name_valid(o->party, strlen(o->party)))
		return err_set(e, ERR_USAGE, "say who approves with --party, a name of lower-case letters, digits and inner hyphens");
	snprintf(role, sizeof role, "approve-%s", o->party);
	if (open_both(&r, &keys, o, argv[0], e) < 0)
		return e->code;
	approvals_path(path, o->party, argv[0]);
	if (document_edit_open(&d, r, role, path, keys, o->adopt, e) < 0 || approvals_of(&a, d, argv[0], path, e) < 0 ||
	    change_approvals(a, r, argv + 1, argc - 1, o, e) < 0 || approvals_write(text, a, e) < 0)
		return e->code;
	return put(d, text, o, clock_now(), e);
}

/* ---- a vendor's bundles ---- */

static int start(int argc, char **argv, const void *options, struct err *e)
{
	const struct authority_options *o = options;
	AUTO(buf) struct buf *body = buf_new(0), *path = buf_new(0);
	struct json_writer w = { .out = body };
	AUTO(remote) struct remote *r = NULL;
	AUTO_ANSWER answer = { 0 };
	char rollout[24];
	int64_t serial;

	(void)argc;
	if (!body || !path)
		return err_memory(e);
	if (!number_parse(&serial, argv[1]) || serial < 1)
		return err_set(e, ERR_USAGE, "\"%.40s\" is no serial", argv[1]);
	buf_adds(path, "/v1/channels/");
	remote_escape(path, argv[0]);
	buf_adds(path, "/rollouts");
	json_open_object(&w, NULL);
	json_put_int(&w, "serial", serial);
	if (o->reason)
		json_put_text(&w, "reason", o->reason);
	json_close_object(&w);
	if (buf_check(path, e) < 0 || remote_open(&r, &o->remote, e) < 0 || remote_call(r, "POST", path->data, body, &answer, e) < 0)
		return e->code;
	if (o->remote.json)
		return remote_print(answer.doc->root, e);
	if (o->remote.dry_run) {
		printf("channel %s, serial %" PRId64 ": its rollout would begin\n", argv[0], serial);
		return 0;
	}
	remote_text(answer.doc->root, "rollout", rollout, sizeof rollout);
	printf("channel %s, serial %" PRId64 ": rollout %s\n", argv[0], serial, rollout);
	return 0;
}

static int print_followed(const struct json *repo, struct err *e)
{
	static const struct remote_column columns[] = {
		{ "CHANNEL", "channel" }, { "STATE", "state" }, { "SERIAL", "serial" }, { "VERSION", "version" }, { "ROLLOUT", "rollout" },
		{ "SAYS", "sentence" },
	};
	char name[80], url[200], fresh[40], trouble[300];

	remote_text(repo, "name", name, sizeof name);
	remote_text(repo, "url", url, sizeof url);
	remote_text(repo, "fresh_at", fresh, sizeof fresh);
	remote_text(repo, "trouble", trouble, sizeof trouble);
	printf("%s, %s: found fresh %s%s%s\n", name, url, fresh, strcmp(trouble, "-") ? "; " : "", strcmp(trouble, "-") ? trouble : "");
	return remote_table(json_get(repo, "channels"), columns, ARRAY_LEN(columns), e);
}

static int followed(int argc, char **argv, const void *options, struct err *e)
{
	const struct authority_options *o = options;
	AUTO(remote) struct remote *r = NULL;
	AUTO_ANSWER answer = { 0 };
	const struct json *items;

	(void)argc;
	(void)argv;
	if (remote_open(&r, &o->remote, e) < 0 || remote_call(r, "GET", "/v1/followed", NULL, &answer, e) < 0)
		return e->code;
	if (o->remote.json)
		return remote_print(answer.doc->root, e);
	items = json_get(answer.doc->root, "items");
	for (uint32_t i = 0; items && items->type == JSON_ARRAY && i < items->count; i++)
		if (print_followed(&items->u.items[i], e) < 0)
			return e->code;
	return 0;
}

#define COMMAND(function, what, rows_)                                                                                   \
	.args = "CHANNEL DIGEST|SERIAL...", .help = what, .min_args = 2, .max_args = -1, .run = function, .options = rows_, \
	.option_count = ARRAY_LEN(rows_), .options_size = sizeof(struct authority_options)

const struct cli_command authority_commands[] = {
	{ .name = "recall", COMMAND(recall, "sign that bundles must not run any more, and publish it", recall_rows),
	  .more = "Hosts leave what is recalled at once, however much was stopped that day; rollouts of it are halted.\n"
		  "A recall is final: a fix is a new serial." },
	{ .name = "approve", COMMAND(approve, "sign a third party's consent to bundles, and publish it", approve_rows),
	  .more = "Hosts whose agent.ini says `require-approval = PARTY` activate nothing without it.\n"
		  "A serial is looked up at the server; who does not trust it that far names the digest." },
	{ .name = "rollout start", .args = "CHANNEL SERIAL", .help = "begin the rollout of a followed vendor's bundle that waits",
	  .min_args = 2, .max_args = 2, .run = start, .options = start_rows, .option_count = ARRAY_LEN(start_rows),
	  .options_size = sizeof(struct authority_options) },
	{ .name = "followed", .help = "vendors' repositories that the server follows, and their newest bundles", .run = followed,
	  .options = plain_rows, .option_count = ARRAY_LEN(plain_rows), .options_size = sizeof(struct authority_options) },
};
const size_t authority_command_count = ARRAY_LEN(authority_commands);
