/* mirror_commands: `ringhold mirror`. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/name.h"
#include "cli/commands.h"
#include "cli/mirror.h"

struct mirror_options {
	const char *root, *pin, *ca_file;
	struct cli_list channels;
	bool prune, dry_run, json;
};

static int print_json(const struct mirror_report *r, bool dry, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(0);
	struct json_writer w = { .out = text, .indent = true };

	if (!text)
		return err_memory(e);
	json_open_object(&w, NULL);
	json_put_bool(&w, "dry_run", dry);
	json_put_int(&w, "root", r->root);
	json_put_int(&w, "snapshot", r->snapshot);
	json_put_int(&w, "timestamp", r->timestamp);
	json_put_time(&w, "expires", r->expires);
	json_put_int(&w, "roles", (int64_t)r->roles);
	json_put_int(&w, "targets", (int64_t)r->targets);
	json_put_int(&w, "left_out", (int64_t)r->left_out);
	json_put_int(&w, "fetched", (int64_t)r->fetched);
	json_put_int(&w, "bytes", (int64_t)r->bytes);
	json_put_int(&w, "changed", (int64_t)r->changed);
	json_put_int(&w, "removed", (int64_t)r->removed);
	json_close_object(&w);
	if (buf_check(text, e) < 0)
		return e->code;
	printf("%s\n", text->data);
	return 0;
}

static void print(const struct mirror_report *r, const char *dir, bool dry)
{
	char expires[CLOCK_TEXT_LEN + 1];

	clock_text(expires, r->expires);
	printf("%s: timestamp %" PRId64 " until %s, %zu delegated roles, %zu target files; %zu files%s fetched, %" PRIu64 " bytes", dir,
	       r->timestamp, expires, r->roles, r->targets, r->fetched, dry ? " would be" : "", r->bytes);
	if (r->removed)
		printf("; %zu files%s removed", r->removed, dry ? " would be" : "");
	printf("\n");
}

static int run(int argc, char **argv, const void *options, struct err *e)
{
	const struct mirror_options *o = options;
	struct mirror_plan plan = { .url = argv[0], .dir = argv[1], .root = o->root, .channels = &o->channels, .prune = o->prune, .dry = o->dry_run };
	const struct fetch_settings settings = { .pin = o->pin, .ca_file = o->ca_file, .agent = "ringhold/" RINGHOLD_VERSION };
	AUTO(fetch) struct fetch *fetch = NULL;
	struct mirror_report report;
	size_t len = strlen(argv[0]);

	(void)argc;
	if (!o->root)
		return err_set(e, ERR_USAGE, "say with --root which root is trusted");
	for (size_t i = 0; i < o->channels.count; i++)
		if (!name_valid(o->channels.items[i], strlen(o->channels.items[i])))
			return err_set(e, ERR_USAGE, "\"%.80s\" is no name of a channel", o->channels.items[i]);
	while (len > 1 && argv[0][len - 1] == '/')
		argv[0][--len] = '\0';
	if (fetch_new(&fetch, &settings, e) < 0 || mirror(&report, &plan, fetch, clock_now(), e) < 0)
		return e->code;
	if (o->json)
		return print_json(&report, o->dry_run, e);
	print(&report, argv[1], o->dry_run);
	return 0;
}

#define AT(field) offsetof(struct mirror_options, field)

static const struct cli_option rows[] = {
	{ "root", 'r', CLI_TEXT, AT(root), "FILE", "the root that is trusted" },
	{ "channel", 'c', CLI_MANY, AT(channels), "CHANNEL", "copy bundles of this channel only; may be given again [all]" },
	{ "pin", 0, CLI_TEXT, AT(pin), "PIN", "sha256//... of the server's key, instead of a CA" },
	{ "ca-file", 0, CLI_TEXT, AT(ca_file), "FILE", "certificates that vouch for the server" },
	{ "prune", 0, CLI_FLAG, AT(prune), NULL, "remove what nothing current names, also bundles of other channels" },
	{ "dry-run", 'n', CLI_FLAG, AT(dry_run), NULL, "verify the metadata and tell; change nothing" },
	{ "json", 0, CLI_FLAG, AT(json), NULL, "print it as JSON, for programs" },
};

const struct cli_command mirror_commands[] = {
	{ .name = "mirror", .args = "URL DIR", .help = "copy a repository, verified, into a directory that can be served or carried", .min_args = 2,
	  .max_args = 2, .run = run, .options = rows, .option_count = ARRAY_LEN(rows), .options_size = sizeof(struct mirror_options),
	  .more = "Below URL (https://HOST:PORT/content, file:///media/stick) are metadata/ and targets/; DIR becomes the same, as\n"
		  "plain files. Nothing is fetched twice; what was cut short goes on when the command is run again. Until all of it is\n"
		  "there and verified, DIR serves what it served. Agents take it as content-url = file://DIR or from any web server;\n"
		  "run it again before the timestamp expires, or they install nothing new." },
};
const size_t mirror_command_count = ARRAY_LEN(mirror_commands);
