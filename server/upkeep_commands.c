/* upkeep_commands: what is typed on the server's machine about its configuration and data. */
#include "server/upkeep_commands.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "server/backup.h"
#include "server/store.h"

#define JSON_MAX 65536

struct upkeep_options {
	const char *config, *published;
	bool secrets, json;
};

#define CONFIG_ROW { "config", 'c', CLI_TEXT, offsetof(struct upkeep_options, config), "FILE", "the server's configuration" }
#define JSON_ROW { "json", 0, CLI_FLAG, offsetof(struct upkeep_options, json), NULL, "answer as JSON" }

static int read_config(struct config **out, const struct upkeep_options *o, struct err *e)
{
	if (!o->config)
		return err_set(e, ERR_USAGE, "--config FILE is needed");
	return config_read(out, o->config, e);
}

static int print_json(struct json_writer *w, struct err *e)
{
	json_close_object(w);
	if (buf_check(w->out, e) < 0)
		return e->code;
	puts(w->out->data);
	return 0;
}

static int check_config(int argc, char **argv, const void *options, struct err *e)
{
	const struct upkeep_options *o = options;
	AUTO(config) struct config *c = NULL;

	(void)argc;
	(void)argv;
	if (read_config(&c, o, e) < 0)
		return e->code;
	printf("%s: correct; listens on %s, data in %s\n", o->config, c->listen, c->data);
	return 0;
}

/* The store is brought up by being opened; a server that starts does the same. */
static int migrate(int argc, char **argv, const void *options, struct err *e)
{
	const struct upkeep_options *o = options;
	AUTO(config) struct config *c = NULL;
	AUTO(store) struct store *store = NULL;
	AUTO_FREE char *path = NULL;
	int version;

	(void)argc;
	(void)argv;
	if (read_config(&c, o, e) < 0)
		return e->code;
	path = file_join(c->data, "store.db");
	if (!path)
		return err_memory(e);
	version = store_version(path, e);
	if (version < 0 || store_open(&store, path, e) < 0)
		return e->code;
	if (version == STORE_VERSION)
		printf("%s: version %d, nothing to do\n", path, version);
	else
		printf("%s: brought from version %d to %d\n", path, version, STORE_VERSION);
	return 0;
}

static void put_report(struct json_writer *w, const struct backup_report *r)
{
	json_put_time(w, "taken", r->taken);
	json_put_int(w, "files", (int64_t)r->files);
	json_put_int(w, "bytes", (int64_t)r->bytes);
	json_put_bool(w, "secrets", r->secrets);
}

static int backup(int argc, char **argv, const void *options, struct err *e)
{
	const struct upkeep_options *o = options;
	AUTO(config) struct config *c = NULL;
	AUTO(buf) struct buf *text = buf_new(JSON_MAX);
	struct json_writer w = { .out = text };
	struct backup_report r;

	(void)argc;
	if (!text)
		return err_memory(e);
	if (read_config(&c, o, e) < 0 || backup_take(&r, c, argv[0], o->secrets, e) < 0)
		return e->code;
	if (o->json) {
		json_open_object(&w, NULL);
		put_report(&w, &r);
		return print_json(&w, e);
	}
	printf("%s: %" PRIu64 " files, %" PRIu64 " bytes\n", argv[0], r.files, r.bytes);
	printf("The private signing keys are not in it (keys.json names them)%s\n",
	       o->secrets ? "; the key of the device tokens is: keep it as you keep those."
			  : ", nor is the key of the device tokens: without it every device enrols again. Take it with --secrets.");
	return 0;
}

static void print_restored(const struct backup_report *r, const struct config *c)
{
	char taken[CLOCK_TEXT_LEN + 1];

	clock_text(taken, r->taken);
	printf("%s: restored from the backup of %s, %" PRIu64 " files, %" PRIu64 " bytes\n", c->data, taken, r->files, r->bytes);
	if (r->newer)
		printf("%zu files of metadata and %zu bundles were published after it, and are known\n", r->newer, r->bundles);
	else
		printf("Nothing was found that was published after it. Was there? Then begin again with --published DIR, a mirror.\n");
	printf("%zu rollouts wait: look at each, then `ringhold rollout resume ID`\n", r->rollouts);
	if (!r->token_key)
		printf("The key of the device tokens is missing: put %s/device-token.key back, or every device enrols again\n", c->data);
	printf("Put the signing keys into %s before the server starts\n", c->keys);
}

static int restore(int argc, char **argv, const void *options, struct err *e)
{
	const struct upkeep_options *o = options;
	AUTO(config) struct config *c = NULL;
	AUTO(buf) struct buf *text = buf_new(JSON_MAX);
	struct json_writer w = { .out = text };
	struct backup_report r;

	(void)argc;
	if (!text)
		return err_memory(e);
	if (read_config(&c, o, e) < 0 || backup_restore(&r, c, argv[0], o->published, clock_now(), e) < 0)
		return e->code;
	if (!o->json) {
		print_restored(&r, c);
		return 0;
	}
	json_open_object(&w, NULL);
	put_report(&w, &r);
	json_put_int(&w, "rollouts_waiting", (int64_t)r.rollouts);
	json_put_int(&w, "bundles_learnt", (int64_t)r.bundles);
	json_put_int(&w, "newer_metadata", (int64_t)r.newer);
	json_put_bool(&w, "token_key", r.token_key);
	return print_json(&w, e);
}

static int verify_backup(int argc, char **argv, const void *options, struct err *e)
{
	struct backup_report r;

	(void)argc;
	(void)options;
	if (backup_verify(&r, argv[0], e) < 0)
		return e->code;
	printf("%s: whole: %" PRIu64 " files, %" PRIu64 " bytes\n", argv[0], r.files, r.bytes);
	return 0;
}

static const struct cli_option config_rows[] = { CONFIG_ROW };
static const struct cli_option backup_rows[] = {
	CONFIG_ROW, JSON_ROW,
	{ "secrets", 0, CLI_FLAG, offsetof(struct upkeep_options, secrets), NULL,
	  "with the key of the device tokens, TLS's and the operator's token" },
};
static const struct cli_option restore_rows[] = {
	CONFIG_ROW, JSON_ROW,
	{ "published", 0, CLI_TEXT, offsetof(struct upkeep_options, published), "DIR",
	  "a mirror of the repository as it was published last" },
};

#define ROWS(rows) .options = rows, .option_count = ARRAY_LEN(rows), .options_size = sizeof(struct upkeep_options)

const struct cli_command upkeep_commands[] = {
	{ .name = "check-config", .args = "--config FILE", .help = "read the configuration and say whether it is correct", .run = check_config,
	  ROWS(config_rows) },
	{ .name = "migrate", .args = "--config FILE", .help = "bring the store to this program's version", .run = migrate, ROWS(config_rows),
	  .more = "A server that starts does the same. A store of a newer version is refused and left as it is:\n"
		  "going back to an older program means restoring a backup." },
	{ .name = "backup", .args = "DIR --config FILE", .help = "copy what the server cannot make again, while it runs", .min_args = 1,
	  .max_args = 1, .run = backup, ROWS(backup_rows),
	  .more = "DIR gets the store as of one moment, the repository, the names and public halves of the signing keys,\n"
		  "and the list of it all with hashes. Private signing keys are never copied." },
	{ .name = "backup-verify", .args = "DIR", .help = "read a backup and compare every file with its list", .min_args = 1, .max_args = 1,
	  .run = verify_backup },
	{ .name = "restore", .args = "DIR --config FILE", .help = "bring a backup back into an empty data directory", .min_args = 1,
	  .max_args = 1, .run = restore, ROWS(restore_rows),
	  .more = "What was published last is put back first: from --published DIR, from the repository that survived, or from\n"
		  "the backup, whichever is newest. Every rollout that was under way waits until an operator resumes it: between\n"
		  "the backup and now it may have been halted." },
};
const size_t upkeep_command_count = ARRAY_LEN(upkeep_commands);
