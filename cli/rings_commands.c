/* rings_commands: the ring map: who would move, tags that stand instead of a device's claims, and signing it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "cli/commands.h"
#include "cli/document_edit.h"
#include "cli/keys.h"
#include "rollout/ringmap.h"

struct rings_options {
	struct remote_options remote;
	struct keys_options keys;
	bool adopt, clear;
};

#define AT(field) offsetof(struct rings_options, field)
#define SIGN_ROWS                                                                                                       \
	KEYS_ROWS(AT(keys)),                                                                                            \
	{ "adopt", 0, CLI_FLAG, AT(adopt), NULL, "sign although none of these keys signed what is published now" },     \
	{ "dry-run", 0, CLI_FLAG, AT(remote.dry_run), NULL, "show who would move, sign and send nothing" },             \
	REMOTE_MATCH_ROW(AT(remote)),                                                                                   \
	REMOTE_ROWS(AT(remote))

static const struct cli_option look_rows[] = { REMOTE_ROWS(AT(remote)) };
static const struct cli_option sign_rows[] = { SIGN_ROWS };
static const struct cli_option override_rows[] = {
	{ "clear", 0, CLI_FLAG, AT(clear), NULL, "the device's own claims count again" },
	SIGN_ROWS,
};

/* ---- who would move ---- */

static int print_simulation(const struct json *x, struct err *e)
{
	static const struct remote_column rings[] = { { "RING", "ring" }, { "NOW", "now" }, { "THEN", "then" } };
	static const struct remote_column movers[] = {
		{ "DEVICE", "device" }, { "HOST", "host" }, { "FROM", "from" }, { "TO", "to" }, { "RULE", "rule" }, { "CLAIMS", "tags" },
		{ "OVERRIDE", "tags_override" },
	};
	const struct json *items = json_get(x, "items");
	char devices[24], unheard[24], moved[24];

	remote_text(x, "devices", devices, sizeof devices);
	remote_text(x, "unheard", unheard, sizeof unheard);
	remote_text(x, "moved", moved, sizeof moved);
	printf("%s of %s devices would move; %s were never heard of\n\n", moved, devices, unheard);
	if (remote_table(json_get(x, "rings"), rings, ARRAY_LEN(rings), e) < 0)
		return e->code;
	printf("\n");
	if (items && items->count && remote_table(items, movers, ARRAY_LEN(movers), e) < 0)
		return e->code;
	remote_lines("warning", json_get(x, "warnings"));
	return 0;
}

static int ask(struct remote *r, const struct rings_options *o, const struct buf *map, struct err *e)
{
	AUTO_ANSWER answer = { 0 };

	if (remote_call(r, "POST", "/v1/rings/simulate", map, &answer, e) < 0)
		return e->code;
	return o->remote.json ? remote_print(answer.doc->root, e) : print_simulation(answer.doc->root, e);
}

static int read_map(struct buf **text, struct ringmap **map, const char *path, struct err *e)
{
	if (file_read(text, path, RINGMAP_MAX, e) < 0)
		return e->code;
	return ringmap_parse(map, path, (*text)->len ? (*text)->data : "", (*text)->len, e);
}

static int simulate(int argc, char **argv, const void *options, struct err *e)
{
	const struct rings_options *o = options;
	AUTO(buf) struct buf *text = NULL;
	AUTO(ringmap) struct ringmap *map = NULL;
	AUTO(remote) struct remote *r = NULL;

	(void)argc;
	if (read_map(&text, &map, argv[0], e) < 0 || remote_open(&r, &o->remote, e) < 0)
		return e->code;
	return ask(r, o, text, e);
}

/* ---- signing it ---- */

/* Nothing of a dry run is sent but the question. */
static int open_map(struct remote **r, struct keyring **keys, struct document_edit **d, const struct rings_options *o, struct err *e)
{
	struct remote_options to = o->remote;

	to.dry_run = false;
	if (keys_open(keys, &o->keys, e) < 0 || remote_open(r, &to, e) < 0)
		return e->code;
	return document_edit_open(d, *r, "fleet", RINGMAP_PATH, *keys, o->adopt, e);
}

static int put_map(struct remote *r, struct document_edit *d, const struct buf *text, const struct rings_options *o, struct err *e)
{
	AUTO(ringmap) struct ringmap *map = NULL;
	AUTO_ANSWER answer = { 0 };

	if (ringmap_parse(&map, "the ring map", text->data, text->len, e) < 0)
		return e->code;
	if (o->remote.dry_run)
		return ask(r, o, text, e);
	if (document_edit_put(d, text, false, clock_now(), &answer, e) < 0)
		return e->code;
	if (o->remote.json)
		return remote_print(answer.doc->root, e);
	if (!role_edit_waits(&answer))
		printf("the ring map of %zu rings is published\n", ringmap_rings(map));
	return 0;
}

static int set(int argc, char **argv, const void *options, struct err *e)
{
	const struct rings_options *o = options;
	AUTO(buf) struct buf *text = NULL;
	AUTO(ringmap) struct ringmap *map = NULL;
	AUTO(keyring) struct keyring *keys = NULL;
	AUTO(remote) struct remote *r = NULL;
	AUTO(document_edit) struct document_edit *d = NULL;

	(void)argc;
	if (read_map(&text, &map, argv[0], e) < 0 || open_map(&r, &keys, &d, o, e) < 0)
		return e->code;
	return put_map(r, d, text, o, e);
}

/* ---- one device's tags ---- */

static bool lists(const struct json *devices, const char *device)
{
	for (uint32_t i = 0; i < devices->count; i++)
		if (strcmp(devices->u.items[i].u.text, device) == 0)
			return true;
	return false;
}

/* The override without the device; nothing when it was the only one. */
static void put_others(struct json_writer *w, const struct json *v, const char *device)
{
	const struct json *devices = json_get(v, "devices"), *note = json_get(v, "note");

	if (devices->count == 1 && lists(devices, device))
		return;
	json_open_object(w, NULL);
	json_open_array(w, "devices");
	for (uint32_t i = 0; i < devices->count; i++)
		if (strcmp(devices->u.items[i].u.text, device) != 0)
			json_put_text(w, NULL, devices->u.items[i].u.text);
	json_close_array(w);
	json_put_value(w, "tags", json_get(v, "tags"));
	if (note)
		json_put_value(w, "note", note);
	json_close_object(w);
}

static void put_overrides(struct json_writer *w, const struct json *old, const char *device, char **tags, int count, bool clear)
{
	json_open_array(w, "overrides");
	for (uint32_t i = 0; old && old->type == JSON_ARRAY && i < old->count; i++)
		put_others(w, &old->u.items[i], device);
	if (!clear) {
		json_open_object(w, NULL);
		json_open_array(w, "devices");
		json_put_text(w, NULL, device);
		json_close_array(w);
		json_open_array(w, "tags");
		for (int i = 0; i < count; i++)
			json_put_text(w, NULL, tags[i]);
		json_close_array(w);
		json_close_object(w);
	}
	json_close_array(w);
}

/* The map as it stands with another word about one device. It was verified: it is well-formed. */
static int rewrite(struct buf *out, const struct buf *now, const char *device, char **tags, int count, bool clear, struct err *e)
{
	AUTO(ringmap) struct ringmap *map = NULL;
	AUTO(json) struct json_doc *doc = NULL;
	struct json_writer w = { .out = out, .indent = true };

	if (ringmap_parse(&map, RINGMAP_PATH, now->data, now->len, e) < 0 || json_parse(&doc, RINGMAP_PATH, now->data, now->len, NULL, e) < 0)
		return e->code;
	json_open_object(&w, NULL);
	for (uint32_t i = 0; i < doc->root->count; i++) {
		const struct json_member *m = &doc->root->u.members[i];

		if (strcmp(m->key.text, "needs") != 0 && strcmp(m->key.text, "overrides") != 0)
			json_put_value(&w, m->key.text, &m->value);
	}
	json_open_array(&w, "needs");
	json_put_text(&w, NULL, "overrides");
	json_close_array(&w);
	put_overrides(&w, json_get(doc->root, "overrides"), device, tags, count, clear);
	json_close_object(&w);
	return buf_check(out, e);
}

static int override(int argc, char **argv, const void *options, struct err *e)
{
	const struct rings_options *o = options;
	AUTO(buf) struct buf *text = buf_new(RINGMAP_MAX);
	AUTO(keyring) struct keyring *keys = NULL;
	AUTO(remote) struct remote *r = NULL;
	AUTO(document_edit) struct document_edit *d = NULL;

	if (!text)
		return err_memory(e);
	if (o->clear && argc > 1)
		return err_set(e, ERR_USAGE, "tags, or --clear: not both");
	if (open_map(&r, &keys, &d, o, e) < 0)
		return e->code;
	if (!document_edit_now(d))
		return err_set(e, ERR_NOT_FOUND, "no ring map is published: ringhold rings set");
	if (rewrite(text, document_edit_now(d), argv[0], argv + 1, argc - 1, o->clear, e) < 0)
		return e->code;
	return put_map(r, d, text, o, e);
}

#define COMMAND(function, arguments, least, most, rows_, what)                                                      \
	.args = arguments, .help = what, .min_args = least, .max_args = most, .run = function, .options = rows_,    \
	.option_count = ARRAY_LEN(rows_), .options_size = sizeof(struct rings_options)

const struct cli_command rings_commands[] = {
	{ .name = "rings simulate", COMMAND(simulate, "RINGMAP", 1, 1, look_rows, "who would move under this map, before it is signed") },
	{ .name = "rings set", COMMAND(set, "RINGMAP", 1, 1, sign_rows, "sign a ring map and publish it") },
	{ .name = "rings override", COMMAND(override, "DEVICE [TAG...]", 1, -1, override_rows, "give a device these tags instead of the ones it claims"),
	  .more = "The override is part of the signed ring map, so that the endpoint sees it as the server does." },
};
const size_t rings_command_count = ARRAY_LEN(rings_commands);
