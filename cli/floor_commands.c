/* floor_commands: `ringhold floor`: the least serial that a vendor still vouches for. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/name.h"
#include "base/number.h"
#include "cli/commands.h"
#include "cli/document_edit.h"
#include "cli/keys.h"
#include "rollout/stops.h"

struct floor_options {
	struct remote_options remote;
	struct keys_options keys;
	const char *reason;
	bool adopt, dry_run;
};

#define FLOOR_MAX 4096

static int check_words(const char *channel, const char *serial, const struct floor_options *o, int64_t *out, struct err *e)
{
	if (!name_valid(channel, strlen(channel)))
		return err_set(e, ERR_USAGE, "\"%.80s\" is no name of a channel", channel);
	if (!number_parse(out, serial) || *out < 1)
		return err_set(e, ERR_USAGE, "\"%.40s\" is no serial", serial);
	if (!o->reason || !*o->reason || strlen(o->reason) > STOP_REASON_MAX)
		return err_set(e, ERR_USAGE, "say why with --reason, in at most %d bytes: it is signed", STOP_REASON_MAX);
	return 0;
}

/* Hosts keep the greatest they saw, so that a lower one would say nothing. */
static int check_rises(const struct document_edit *d, const char *channel, const char *path, uint64_t serial, struct err *e)
{
	const struct buf *now = document_edit_now(d);
	uint64_t floor;

	if (!now)
		return 0;
	if (floor_parse(&floor, channel, path, now->len ? now->data : "", now->len, e) < 0)
		return e->code;
	return serial > floor ? 0 : err_set(e, ERR_CONFLICT, "channel %s: the floor is %" PRIu64 " already, and only rises", channel, floor);
}

static int tell(const struct floor_options *o, const struct remote_answer *answer, const char *channel, int64_t serial, struct err *e)
{
	if (o->remote.json)
		return answer->doc ? remote_print(answer->doc->root, e) : 0;
	if (!role_edit_waits(answer))
		printf("channel %s, floor %" PRId64 ": %s\n", channel, serial, o->dry_run ? "signed, not sent" : "published");
	return 0;
}

static int run(int argc, char **argv, const void *options, struct err *e)
{
	const struct floor_options *o = options;
	AUTO(document_edit) struct document_edit *d = NULL;
	AUTO(buf) struct buf *text = buf_new(FLOOR_MAX);
	AUTO(keyring) struct keyring *keys = NULL;
	AUTO(remote) struct remote *r = NULL;
	AUTO_ANSWER answer = { 0 };
	char path[PATH_LEN_MAX + 1], role[NAME_LEN_MAX + 16];
	int64_t serial;

	(void)argc;
	if (!text)
		return err_memory(e);
	if (check_words(argv[0], argv[1], o, &serial, e) < 0 || keys_open(&keys, &o->keys, e) < 0 || remote_open(&r, &o->remote, e) < 0)
		return e->code;
	snprintf(role, sizeof role, "content-%s", argv[0]);
	floor_path(path, argv[0]);
	if (document_edit_open(&d, r, role, path, keys, o->adopt, e) < 0 || check_rises(d, argv[0], path, (uint64_t)serial, e) < 0 ||
	    floor_write(text, argv[0], (uint64_t)serial, o->reason, e) < 0 || document_edit_put(d, text, o->dry_run, clock_now(), &answer, e) < 0)
		return e->code;
	return tell(o, &answer, argv[0], serial, e);
}

#define AT(field) offsetof(struct floor_options, field)

static const struct cli_option rows[] = {
	{ "reason", 'r', CLI_TEXT, AT(reason), "TEXT", "why; it is signed" },
	KEYS_ROWS(AT(keys)),
	{ "adopt", 0, CLI_FLAG, AT(adopt), NULL, "sign although none of these keys signed what is published now" },
	{ "dry-run", 'n', CLI_FLAG, AT(dry_run), NULL, "show and sign, but send nothing" },
	REMOTE_MATCH_ROW(AT(remote)),
	REMOTE_ROWS(AT(remote)),
};

const struct cli_command floor_commands[] = {
	{ .name = "floor", .args = "CHANNEL SERIAL", .help = "sign the least serial that may still be installed, and publish it", .min_args = 2,
	  .max_args = 2, .run = run, .options = rows, .option_count = ARRAY_LEN(rows), .options_size = sizeof(struct floor_options),
	  .more = "Hosts keep the greatest floor they saw and go back to nothing below it, not by a grant either; but never is it\n"
		  "above what they had committed, so that it locks nobody out. What runs is not taken away: see `ringhold recall`." },
};
const size_t floor_command_count = ARRAY_LEN(floor_commands);
