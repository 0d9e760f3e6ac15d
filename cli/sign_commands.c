/*
 * sign_commands: `ringhold sign` and `ringhold request ...`: what people sign,
 * carried to a machine without network and back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "cli/ceremony.h"
#include "cli/commands.h"
#include "cli/keys.h"
#include "cli/trust_place.h"

/* ---- sign ---- */

struct sign_options {
	struct keys_options keys;
	const char *trusted, *output;
	bool yes, dry_run, json;
};

#define AT(field) offsetof(struct sign_options, field)
static const struct cli_option sign_rows[] = {
	KEYS_ROWS(AT(keys)),
	{ "trusted", 't', CLI_TEXT, AT(trusted), "PATH", "a root.json, or a directory with root files: what the request builds on must follow from it" },
	{ "output", 'o', CLI_TEXT, AT(output), "FILE", "write the signed request here, leave FILE as it is" },
	{ "yes", 'y', CLI_FLAG, AT(yes), NULL, "sign without asking: the difference was read" },
	{ "dry-run", 'n', CLI_FLAG, AT(dry_run), NULL, "show and check, sign nothing" },
	{ "json", 0, CLI_FLAG, AT(json), NULL, "show it as JSON, for programs" },
};
#undef AT

/* Adds what the file gained while a person read, so that two who sign one file lose nothing. */
static int write_merged(const char *path, struct sigreq *q, struct err *e)
{
	AUTO(sigreq) struct sigreq *now = NULL;

	if (ceremony_read(&now, path, e) == 0 && strcmp(now->id, q->id) == 0 && sigreq_merge(q, now, NULL, e) < 0)
		return e->code;
	return ceremony_write(path, q, e);
}

static int sign(int argc, char **argv, const void *options, struct err *e)
{
	const struct sign_options *o = options;
	AUTO(keyring) struct keyring *ring = NULL;
	AUTO(sigreq) struct sigreq *q = NULL;
	int added;

	(void)argc;
	if (ceremony_read(&q, argv[0], e) < 0 || ceremony_check(q, o->trusted, clock_now(), e) < 0)
		return e->code;
	if (!o->dry_run && keys_open(&ring, &o->keys, e) < 0)
		return e->code;
	if (ceremony_show(q, ring, o->json, e) < 0)
		return e->code;
	if (!o->trusted)
		fprintf(stderr, "note: nothing here says that the request builds on what is trusted; name a root with --trusted\n");
	if (o->dry_run)
		return 0;
	if (ceremony_confirm("Sign this?", o->yes, e) < 0)
		return e->code;
	added = ceremony_sign(q, ring, e);
	if (added < 0 || (o->output ? ceremony_write(o->output, q, e) : added ? write_merged(argv[0], q, e) : 0) < 0)
		return e->code;
	if (!o->json)
		printf("%s: %d signature%s added%s\n", o->output ? o->output : argv[0], added, added == 1 ? "" : "s",
		       sigreq_met(q, NULL) ? "; that is all it needs: bring it back with `ringhold request import`" : "; others must sign, too");
	return 0;
}

/* ---- the server's requests ---- */

struct request_options {
	struct trust_options place;
	const char *output, *reason;
	bool all, dry_run;
};

#define AT(field) offsetof(struct request_options, field)

static int get_request(struct trust_place *p, const char *id, struct sigreq **out, struct err *e)
{
	char whole[SIGREQ_ID_LEN + 1];

	return trust_place_find(p, id, whole, e) < 0 ? e->code : trust_place_request(p, whole, out, e);
}

static const struct remote_column columns[] = {
	{ "ID", "id" }, { "STATE", "state" }, { "ROLE", "role" }, { "VERSION", "version" }, { "HAVE", "have" }, { "NEED", "need" },
	{ "EXPIRES", "expires" }, { "REASON", "reason" },
};

/* One row for each role that a request drafts. */
static int print_list(const struct json *items, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(0);
	AUTO(json) struct json_doc *doc = NULL;
	struct json_writer w = { .out = text };

	if (!text)
		return err_memory(e);
	json_open_array(&w, NULL);
	for (uint32_t i = 0; items && i < items->count; i++) {
		const struct json *roles = json_get(&items->u.items[i], "roles");

		for (uint32_t k = 0; roles && roles->type == JSON_ARRAY && k < roles->count; k++) {
			const struct json *role = &roles->u.items[k];

			json_open_object(&w, NULL);
			for (size_t c = 0; c < ARRAY_LEN(columns); c++) {
				const struct json *v = json_get(c >= 2 && c <= 5 ? role : &items->u.items[i], columns[c].member);

				if (v)
					json_put_value(&w, columns[c].member, v);
			}
			json_close_object(&w);
		}
	}
	json_close_array(&w);
	if (buf_check(text, e) < 0 || json_parse(&doc, "requests", text->data, text->len, NULL, e) < 0)
		return e->code;
	if (doc->root->count == 0) {
		printf("nothing waits for a signature\n");
		return 0;
	}
	return remote_table(doc->root, columns, ARRAY_LEN(columns), e);
}

static int list(int argc, char **argv, const void *options, struct err *e)
{
	const struct request_options *o = options;
	AUTO(trust_place) struct trust_place *p = NULL;
	AUTO_ANSWER answer = { 0 };

	(void)argc;
	(void)argv;
	if (trust_place_open(&p, &o->place, e) < 0 || trust_place_list(p, o->all, &answer, e) < 0)
		return e->code;
	return o->place.remote.json ? remote_print(answer.doc->root, e) : print_list(json_get(answer.doc->root, "items"), e);
}

static int show(int argc, char **argv, const void *options, struct err *e)
{
	const struct request_options *o = options;
	AUTO(trust_place) struct trust_place *p = NULL;
	AUTO(sigreq) struct sigreq *q = NULL;

	(void)argc;
	if (file_exists(argv[0]) ? ceremony_read(&q, argv[0], e) < 0
				 : trust_place_open(&p, &o->place, e) < 0 || get_request(p, argv[0], &q, e) < 0)
		return e->code;
	return ceremony_show(q, NULL, o->place.remote.json, e);
}

static int print_request(const char *id, const char *key, const char *value, bool dry, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(0);
	struct json_writer w = { .out = text, .indent = true };

	if (!text)
		return err_memory(e);
	json_open_object(&w, NULL);
	json_put_text(&w, "id", id);
	json_put_text(&w, key, value);
	json_put_bool(&w, "dry_run", dry);
	json_close_object(&w);
	if (buf_check(text, e) < 0)
		return e->code;
	puts(text->data);
	return 0;
}

static int export(int argc, char **argv, const void *options, struct err *e)
{
	const struct request_options *o = options;
	AUTO(trust_place) struct trust_place *p = NULL;
	AUTO(sigreq) struct sigreq *q = NULL;

	(void)argc;
	if (!o->output)
		return err_set(e, ERR_USAGE, "into which file? name it with -o FILE");
	if (trust_place_open(&p, &o->place, e) < 0 || get_request(p, argv[0], &q, e) < 0 || ceremony_write(o->output, q, e) < 0)
		return e->code;
	if (o->place.remote.json)
		return print_request(q->id, "file", o->output, false, e);
	printf("%s: request %s; sign it with `ringhold sign %s --key KEY`, bring it back with `ringhold request import %s`\n", o->output, q->id,
	       o->output, o->output);
	return 0;
}

static int import(int argc, char **argv, const void *options, struct err *e)
{
	const struct request_options *o = options;
	AUTO(trust_place) struct trust_place *p = NULL;

	if (trust_place_open(&p, &o->place, e) < 0)
		return e->code;
	for (int i = 0; i < argc; i++) {
		AUTO(sigreq) struct sigreq *q = NULL;
		struct trust_result result;

		if (ceremony_read(&q, argv[i], e) < 0)
			return e->code;
		if (o->dry_run) {
			if (ceremony_show(q, NULL, o->place.remote.json, e) < 0)
				return e->code;
			continue;
		}
		if (trust_place_submit(p, q, &result, e) < 0)
			return err_wrap(e, "%s", argv[i]);
		trust_result_print(&result, o->place.remote.json);
	}
	return 0;
}

static int withdraw(int argc, char **argv, const void *options, struct err *e)
{
	const struct request_options *o = options;
	AUTO(trust_place) struct trust_place *p = NULL;
	char whole[SIGREQ_ID_LEN + 1];

	(void)argc;
	if (trust_place_open(&p, &o->place, e) < 0 || trust_place_find(p, argv[0], whole, e) < 0)
		return e->code;
	if (!o->dry_run && trust_place_withdraw(p, whole, o->reason, e) < 0)
		return e->code;
	if (o->place.remote.json)
		return print_request(whole, "state", o->dry_run ? "open" : "withdrawn", o->dry_run, e);
	printf("request %s %s withdrawn\n", whole, o->dry_run ? "would be" : "is");
	return 0;
}

static const struct cli_option list_rows[] = {
	{ "all", 'a', CLI_FLAG, AT(all), NULL, "those that are closed, too" },
	TRUST_ROWS(AT(place)),
};
static const struct cli_option show_rows[] = { TRUST_ROWS(AT(place)) };
static const struct cli_option export_rows[] = {
	{ "output", 'o', CLI_TEXT, AT(output), "FILE", "where to write it" },
	TRUST_ROWS(AT(place)),
};
static const struct cli_option import_rows[] = {
	{ "dry-run", 'n', CLI_FLAG, AT(dry_run), NULL, "show what it is, send nothing" },
	TRUST_ROWS(AT(place)),
};
static const struct cli_option withdraw_rows[] = {
	{ "reason", 0, CLI_TEXT, AT(reason), "TEXT", "why, for the record" },
	{ "dry-run", 'n', CLI_FLAG, AT(dry_run), NULL, "do nothing" },
	TRUST_ROWS(AT(place)),
};

#define ROWS(rows) .options = rows, .option_count = ARRAY_LEN(rows), .options_size = sizeof(struct request_options)

const struct cli_command sign_commands[] = {
	{ .name = "sign", .args = "REQUEST", .help = "sign a request's file with keys at hand; needs no network", .min_args = 1, .max_args = 1,
	  .run = sign, .options = sign_rows, .option_count = ARRAY_LEN(sign_rows), .options_size = sizeof(struct sign_options),
	  .more = "Shows what will be trusted and what no longer, asks, and adds the signatures to the file. A request\n"
		  "that builds on something older or other than --trusted is refused." },
	{ .name = "root sign", .args = "REQUEST", .help = "the same, for a request that changes root", .min_args = 1, .max_args = 1,
	  .run = sign, .options = sign_rows, .option_count = ARRAY_LEN(sign_rows), .options_size = sizeof(struct sign_options) },
	{ .name = "root publish", .args = "REQUEST", .help = "hand a signed request in; with enough signatures the new root is published",
	  .min_args = 1, .max_args = 1, .run = import, ROWS(import_rows) },
	{ .name = "request list", .args = "", .help = "what waits for signatures", .run = list, ROWS(list_rows) },
	{ .name = "request show", .args = "ID|ROLE|FILE", .help = "what a request would change, and who signed", .min_args = 1, .max_args = 1,
	  .run = show, ROWS(show_rows) },
	{ .name = "request export", .args = "ID|ROLE", .help = "write a request into a file, to be carried and signed", .min_args = 1, .max_args = 1,
	  .run = export, ROWS(export_rows) },
	{ .name = "request import", .args = "FILE...", .help = "bring signatures back; the last one that lacked publishes", .min_args = 1,
	  .max_args = -1, .run = import, ROWS(import_rows) },
	{ .name = "request withdraw", .args = "ID|ROLE", .help = "close a request that nobody shall sign", .min_args = 1, .max_args = 1,
	  .run = withdraw, ROWS(withdraw_rows) },
};
const size_t sign_command_count = ARRAY_LEN(sign_commands);
