/* sweep_commands: `ringhold repo sweep`: what a repository in a directory need not keep. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/remote.h"
#include "rollout/retention.h"

#define KEEP_BUNDLES 20
#define KEEP_DAYS 14

struct sweep_options {
	int64_t bundles, days;
	bool dry_run, json;
};

struct told {
	struct json_writer w;
	bool json;
	uint64_t bytes;
};

static int tell(const char *file, uint64_t bytes, void *arg, struct err *e)
{
	struct told *t = arg;
	AUTO(buf) struct buf *line = buf_new(0);

	t->bytes += bytes;
	if (t->json) {
		json_put_text(&t->w, NULL, file);
		return 0;
	}
	if (!line)
		return err_memory(e);
	log_escape(line, file, strlen(file));
	if (buf_check(line, e) < 0)
		return e->code;
	puts(line->data);
	return 0;
}

static int print_json(struct told *t, struct buf *text, int count, bool dry, struct err *e)
{
	AUTO(json) struct json_doc *doc = NULL;

	json_close_array(&t->w);
	json_put_int(&t->w, "count", count);
	json_put_int(&t->w, "bytes", (int64_t)t->bytes);
	json_put_bool(&t->w, "dry_run", dry);
	json_close_object(&t->w);
	if (buf_check(text, e) < 0 || json_parse(&doc, "sweep", text->data, text->len, NULL, e) < 0)
		return e->code;
	return remote_print(doc->root, e);
}

static int sweep(int argc, char **argv, const void *options, struct err *e)
{
	const struct sweep_options *o = options;
	const struct retention keep = { .bundles = o->bundles ? o->bundles : KEEP_BUNDLES, .days = o->days ? o->days : KEEP_DAYS };
	AUTO(repo) struct repo *r = NULL;
	AUTO(buf) struct buf *text = buf_new(0);
	struct told t = { .w = { .out = text }, .json = o->json };
	int count;

	(void)argc;
	if (!text)
		return err_memory(e);
	if (o->bundles < 0 || o->days < 0 || o->days > 36500)
		return err_set(e, ERR_USAGE, "--keep-bundles and --keep-days are numbers from 1");
	if (repo_open(&r, argv[0], e) < 0)
		return e->code;
	json_open_object(&t.w, NULL);
	json_open_array(&t.w, "files");
	count = retention_sweep(r, &keep, clock_now(), o->dry_run, tell, &t, e);
	if (count < 0)
		return count;
	if (o->json)
		return print_json(&t, text, count, o->dry_run, e);
	printf("%d files, %" PRIu64 " bytes, %s\n", count, t.bytes, o->dry_run ? "would go" : "removed");
	return 0;
}

static const struct cli_option sweep_rows[] = {
	{ "keep-bundles", 0, CLI_INT, offsetof(struct sweep_options, bundles), "N", "archives of a channel that stay, listed or not: the newest [20]" },
	{ "keep-days", 0, CLI_INT, offsetof(struct sweep_options, days), "N", "for which replaced metadata, and what it lists, stays [14]" },
	{ "dry-run", 'n', CLI_FLAG, offsetof(struct sweep_options, dry_run), NULL, "tell what would go; remove nothing" },
	{ "json", 0, CLI_FLAG, offsetof(struct sweep_options, json), NULL, "print it as JSON, for programs" },
};

const struct cli_command sweep_commands[] = {
	{ .name = "repo sweep", .args = "DIR", .help = "remove what a repository lists no more and nobody can be reading", .min_args = 1, .max_args = 1,
	  .run = sweep, .options = sweep_rows, .option_count = ARRAY_LEN(sweep_rows), .options_size = sizeof(struct sweep_options),
	  .more = "Everything published stays, every root, and what an assignment names. A running server does the\n"
		  "same once an hour, by keep-bundles and keep-days of its configuration." },
};
const size_t sweep_command_count = ARRAY_LEN(sweep_commands);
