/* bundle_commands: `ringhold bundle ...`: content on the author's machine. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/number.h"
#include "cli/author_check.h"
#include "cli/commands.h"
#include "cli/scratch.h"
#include "content/bundle.h"
#include "content/delta.h"
#include "content/tree.h"

#define LEFT_OUT_SHOWN 20

struct build_options {
	const char *output, *serial, *channel, *version, *created, *type;
	bool unchecked;
	struct author_check check;
};

static const struct cli_option build_option_rows[] = {
	{ "output", 'o', CLI_TEXT, offsetof(struct build_options, output), "FILE",
	  "the archive to write [CHANNEL-SERIAL.tar.gz]" },
	{ "serial", 0, CLI_TEXT, offsetof(struct build_options, serial), "N",
	  "the bundle's number, never used twice in a channel" },
	{ "channel", 0, CLI_TEXT, offsetof(struct build_options, channel), "C",
	  "the channel it belongs to" },
	{ "version", 0, CLI_TEXT, offsetof(struct build_options, version), "V",
	  "what people call it" },
	{ "created", 0, CLI_TEXT, offsetof(struct build_options, created), "TIME",
	  "such as 2026-01-31T12:00:00Z [bundle.json's, else $SOURCE_DATE_EPOCH]" },
	{ "type", 0, CLI_TEXT, offsetof(struct build_options, type), "T",
	  "for a directory without bundle.json: take every file of this type" },
	AUTHOR_CHECK_ROWS(struct build_options, check),
	{ "unchecked", 0, CLI_FLAG, offsetof(struct build_options, unchecked), NULL,
	  "no checks and no self-tests here; server and hosts make them all the same" },
};

struct show_options {
	bool json;
};

static const struct cli_option show_option_rows[] = {
	{ "json", 0, CLI_FLAG, offsetof(struct show_options, json), NULL, "for programs" },
};

struct delta_options {
	const char *output;
};

static const struct cli_option delta_option_rows[] = {
	{ "output", 'o', CLI_TEXT, offsetof(struct delta_options, output), "FILE",
	  "the delta to write [CHANNEL-FROM-TO.zst]" },
};

/* The words of the command line, and of the environment, as the engine wants them. */
static int read_build_options(struct bundle_options *out, const struct build_options *o, struct err *e)
{
	const char *epoch = getenv("SOURCE_DATE_EPOCH");

	*out = BUNDLE_OPTIONS_NONE;
	out->channel = o->channel;
	out->version = o->version;
	out->type = o->type;
	if (o->serial && (!number_parse(&out->serial, o->serial) || out->serial < 1))
		return err_set(e, ERR_USAGE, "--serial %s: not a whole number above 0", o->serial);
	if (o->created && !clock_parse(&out->created, o->created, strlen(o->created)))
		return err_set(e, ERR_USAGE, "--created %s: not a time such as 2026-01-31T12:00:00Z",
			       o->created);
	if (epoch && *epoch &&
	    (!number_parse(&out->created_fallback, epoch) || out->created_fallback < 0))
		return err_set(e, ERR_USAGE, "SOURCE_DATE_EPOCH=%s: not a number of seconds", epoch);
	return 0;
}

/* "key value" lines; cells are escaped by the table. */
static void print_pair(struct cli_table *t, const char *key, const char *value)
{
	cli_table_row(t, (const char *const[]){ key, value });
}

static void print_bundle(const struct manifest *m, const struct digest *digest, uint64_t size)
{
	static const char *const titles[] = { "BUNDLE", "VALUE" };
	struct cli_table *t = cli_table_new(titles, 2);
	char text[128];

	if (!t)
		return;
	snprintf(text, sizeof text, "%s %llu", m->channel, (unsigned long long)m->serial);
	print_pair(t, "channel, serial", text);
	print_pair(t, "version", m->version);
	clock_text(text, m->created);
	print_pair(t, "created", text);
	print_pair(t, "severity", m->severity);
	digest_hex(text, digest);
	print_pair(t, "digest", text);
	snprintf(text, sizeof text, "%llu bytes unpacked, %zu files, %zu self-tests",
		 (unsigned long long)size, m->file_count, m->selftest_count);
	print_pair(t, "size", text);
	if (*m->notes)
		print_pair(t, "notes", m->notes);
	cli_table_print(t, stdout);
	cli_table_free(t);
}

/* Authors must notice what is not in it; a few names are enough for that. */
static void say_left_out(const struct bundle *b)
{
	size_t shown = MIN(b->left_out_count, (size_t)LEFT_OUT_SHOWN);

	for (size_t i = 0; i < shown; i++) {
		AUTO(buf) struct buf *name = buf_new(0);

		if (!name)
			return;
		log_escape(name, b->left_out[i], strlen(b->left_out[i]));
		fprintf(stderr, "ringhold: left out: %s\n", name->data);
	}
	if (b->left_out_count > shown)
		fprintf(stderr, "ringhold: left out: %zu more\n", b->left_out_count - shown);
}

/* What will be written must read back, and what reads back is checked. */
static int check_built(const struct bundle *b, const struct author_check *how, struct err *e)
{
	AUTO(author_tree) struct author_tree *tree = NULL;
	AUTO(author_result) struct author_result *r = NULL;

	if (author_tree_of(&tree, b->archive, e) < 0 || author_examine(&r, tree, how, true, e) < 0)
		return e->code;
	author_print_findings(r, stderr);
	author_print_try(r, stdout);
	return author_verdict(r, e);
}

static int build(int argc, char **argv, const void *options, struct err *e)
{
	const struct build_options *o = options;
	AUTO(bundle) struct bundle *b = NULL;
	AUTO_FREE char *path = NULL;
	struct bundle_options want;

	(void)argc;
	if (read_build_options(&want, o, e) < 0)
		return e->code;
	if (bundle_build(&b, argv[0], &want, e) < 0)
		return e->code;
	say_left_out(b);
	if (!o->unchecked && check_built(b, &o->check, e) < 0)
		return err_wrap(e, "%s", argv[0]);
	if (o->output)
		path = strdup(o->output);
	else if (asprintf(&path, "%s-%llu.tar.gz", b->manifest->channel,
			  (unsigned long long)b->manifest->serial) < 0)
		path = NULL;
	if (!path)
		return err_memory(e);
	if (file_replace(path, b->archive->data, b->archive->len, 0644, e) < 0)
		return e->code;
	print_bundle(b->manifest, &b->digest, b->size);
	printf("%s: %zu bytes\n", path, b->archive->len);
	return 0;
}

static int print_json(const struct manifest *m, const struct digest *digest, uint64_t size, struct err *e)
{
	AUTO(buf) struct buf *manifest = buf_new(MANIFEST_BYTES_MAX);
	AUTO(buf) struct buf *out = buf_new(0);
	AUTO(json) struct json_doc *doc = NULL;
	struct json_writer w = { .out = out, .indent = true };
	char hex[DIGEST_HEX_LEN + 1];

	if (!manifest || !out)
		return err_memory(e);
	if (manifest_write(manifest, m, e) < 0 ||
	    json_parse(&doc, "manifest", manifest->data, manifest->len, NULL, e) < 0)
		return e->code;
	digest_hex(hex, digest);
	json_open_object(&w, NULL);
	json_put_text(&w, "digest", hex);
	json_put_int(&w, "size", (int64_t)size);
	json_put_value(&w, "manifest", doc->root);
	json_close_object(&w);
	buf_addc(out, '\n');
	if (buf_check(out, e) < 0)
		return e->code;
	return file_write_all(STDOUT_FILENO, out->data, out->len, e);
}

static void print_files(const struct manifest *m)
{
	static const char *const titles[] = { "FILE", "TYPE", "BYTES", "SHA-256" };
	struct cli_table *t = cli_table_new(titles, ARRAY_LEN(titles));
	char size[24], hex[DIGEST_HEX_LEN + 1];

	if (!t)
		return;
	for (size_t i = 0; i < m->file_count; i++) {
		const struct manifest_file *f = &m->files[i];

		snprintf(size, sizeof size, "%llu", (unsigned long long)f->size);
		digest_hex(hex, &f->sha256);
		cli_table_row(t, (const char *const[]){ f->path, f->type, size, hex });
	}
	cli_table_print(t, stdout);
	cli_table_free(t);
}

static int show(int argc, char **argv, const void *options, struct err *e)
{
	const struct show_options *o = options;
	AUTO(manifest) struct manifest *m = NULL;
	struct digest digest;
	uint64_t size;

	(void)argc;
	if (bundle_check(argv[0], NULL, &m, &digest, &size, e) < 0)
		return e->code;
	if (o->json)
		return print_json(m, &digest, size, e);
	print_bundle(m, &digest, size);
	print_files(m);
	return 0;
}

static int open_dir(int *fd, const char *parent, const char *name, struct err *e)
{
	AUTO_FREE char *path = file_join(parent, name);

	if (!path)
		return err_memory(e);
	*fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *fd < 0 ? err_errno(e, "%s: open", path) : 0;
}

/* Both archives unpacked beneath dir, the delta between them in *out, proved by applying it. */
static int delta_between(struct buf *out, const char *dir, char **archives, struct delta_info *info,
			 struct manifest **from, struct manifest **to, struct err *e)
{
	AUTO_FD int old_fd = -1;
	AUTO_FD int new_fd = -1;

	if (bundle_unpack(archives[0], NULL, dir, "from", from, NULL, e) < 0 ||
	    bundle_unpack(archives[1], NULL, dir, "to", to, NULL, e) < 0)
		return e->code;
	if (open_dir(&old_fd, dir, "from", e) < 0 || open_dir(&new_fd, dir, "to", e) < 0)
		return e->code;
	if (delta_make(out, old_fd, new_fd, info, e) < 0)
		return e->code;
	return delta_apply(old_fd, out->data, out->len, info, NULL, NULL, e);
}

static int write_delta(const char *path, const struct buf *delta, const struct delta_info *info,
		       struct err *e)
{
	char hex[DIGEST_HEX_LEN + 1];

	if (file_replace(path, delta->data, delta->len, 0644, e) < 0)
		return e->code;
	digest_hex(hex, &info->from);
	printf("from   %s\n", hex);
	digest_hex(hex, &info->to);
	printf("to     %s\n", hex);
	printf("%s: %zu bytes, window log %d\n", path, delta->len, info->window_log);
	return 0;
}

static int delta(int argc, char **argv, const void *options, struct err *e)
{
	const struct delta_options *o = options;
	AUTO(scratch) struct scratch *s = NULL;
	AUTO(manifest) struct manifest *from = NULL;
	AUTO(manifest) struct manifest *to = NULL;
	AUTO(buf) struct buf *out = buf_new(0);
	AUTO_FREE char *path = NULL;
	struct delta_info info;

	(void)argc;
	if (!out)
		return err_memory(e);
	if (scratch_new(&s, e) < 0 || delta_between(out, s->path, argv, &info, &from, &to, e) < 0)
		return e->code;
	if (o->output)
		path = strdup(o->output);
	else if (asprintf(&path, "%s-%llu-%llu.zst", to->channel, (unsigned long long)from->serial,
			  (unsigned long long)to->serial) < 0)
		path = NULL;
	if (!path)
		return err_memory(e);
	return write_delta(path, out, &info, e);
}

const struct cli_command bundle_commands[] = {
	{ .name = "bundle build", .args = "DIR", .help = "make the archive of a directory",
	  .min_args = 1, .max_args = 1, .run = build,
	  .options = build_option_rows, .option_count = ARRAY_LEN(build_option_rows),
	  .options_size = sizeof(struct build_options),
	  .more = "DIR/bundle.json names channel, serial, version and the type of each file; options win\n"
		  "over it. A plain directory of YARA files needs none: --type yara --channel C --serial N.\n"
		  "The same content gives the same bytes on every machine." },
	{ .name = "bundle show", .args = "FILE", .help = "check an archive and print what it holds",
	  .min_args = 1, .max_args = 1, .run = show,
	  .options = show_option_rows, .option_count = ARRAY_LEN(show_option_rows),
	  .options_size = sizeof(struct show_options) },
	{ .name = "bundle delta", .args = "OLD NEW", .help = "make the delta from one archive to another",
	  .min_args = 2, .max_args = 2, .run = delta,
	  .options = delta_option_rows, .option_count = ARRAY_LEN(delta_option_rows),
	  .options_size = sizeof(struct delta_options) },
};
const size_t bundle_command_count = ARRAY_LEN(bundle_commands);
