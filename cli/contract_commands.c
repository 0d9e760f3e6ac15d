/* contract_commands: what sensors accept (`ringhold contract ...`), and content against it (`ringhold lint`). */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/remote.h"
#include "cli/scratch.h"
#include "content/bundle.h"
#include "content/check.h"
#include "content/tree.h"
#include "schema/contract.h"

/* ---- lint ---- */

struct lint_options {
	struct cli_list contracts;
};

static const struct cli_option lint_rows[] = {
	{ "contract", 0, CLI_MANY, offsetof(struct lint_options, contracts), "FILE", "a contract of a sensor it must fit; may be given again" },
};

/* The archive of a directory, beside nothing else; a file is taken as it is. */
static int archive_of(char **out, const char *what, const struct scratch *s, struct err *e)
{
	const struct bundle_options options = { .created = BUNDLE_UNSET, .created_fallback = 0 };
	AUTO(bundle) struct bundle *b = NULL;
	AUTO_FREE char *path = NULL;
	struct stat st;

	if (stat(what, &st) < 0)
		return err_errno(e, "%s", what);
	if (!S_ISDIR(st.st_mode)) {
		*out = strdup(what);
		return *out ? 0 : err_memory(e);
	}
	if (bundle_build(&b, what, &options, e) < 0)
		return e->code;
	path = file_join(s->path, "bundle.tar.gz");
	if (!path)
		return err_memory(e);
	if (file_replace(path, b->archive->data, b->archive->len, 0600, e) < 0)
		return e->code;
	*out = TAKE(path);
	return 0;
}

/* Prints what is found against one contract; NULL: what holds for every sensor. Adds to *errors. */
static int lint_against(int dir, const struct manifest *m, const char *path, size_t *errors, struct err *e)
{
	AUTO(contract) struct contract *c = NULL;
	AUTO(check_report) struct check_report *report = NULL;

	if ((path && contract_load(&c, path, e) < 0) || check_content(&report, &(struct check_job){ .dir = dir, .manifest = m, .contract = c }, e) < 0)
		return e->code;
	for (size_t i = 0; i < report->count; i++) {
		AUTO(buf) struct buf *line = buf_new(0);

		if (!line)
			return err_memory(e);
		check_finding_text(line, &report->items[i]);
		if (buf_check(line, e) < 0)
			return e->code;
		printf("%s\n", line->data);
	}
	printf("%s%s%s: %zu errors, %zu warnings\n", c ? c->sensor : "every sensor", c ? " " : "", c ? c->version : "", report->errors,
	       report->warnings);
	*errors += report->errors;
	return 0;
}

static int lint(int argc, char **argv, const void *options, struct err *e)
{
	const struct lint_options *o = options;
	AUTO(scratch) struct scratch *s = NULL;
	AUTO(manifest) struct manifest *m = NULL;
	AUTO_FREE char *archive = NULL;
	AUTO_FD int dir = -1;
	size_t errors = 0;

	(void)argc;
	if (scratch_new(&s, e) < 0 || archive_of(&archive, argv[0], s, e) < 0 || bundle_unpack(archive, NULL, s->path, "slot", &m, NULL, e) < 0)
		return e->code;
	dir = openat(s->fd, "slot", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_errno(e, "%s/slot: open", s->path);
	if (o->contracts.count == 0 && lint_against(dir, m, NULL, &errors, e) < 0)
		return e->code;
	for (size_t i = 0; i < o->contracts.count; i++)
		if (lint_against(dir, m, o->contracts.items[i], &errors, e) < 0)
			return e->code;
	return errors ? 1 : 0;
}

/* ---- contracts on this machine ---- */

static int check(int argc, char **argv, const void *options, struct err *e)
{
	static const char *const titles[] = { "TYPE", "VERSIONS", "TEMPLATE", "INPUTS SUPPLIED" };
	AUTO(contract) struct contract *c = NULL;
	char hex[DIGEST_HEX_LEN + 1], inputs[24];
	struct cli_table *t;

	(void)argc;
	(void)options;
	if (contract_load(&c, argv[0], e) < 0)
		return e->code;
	digest_hex(hex, &c->digest);
	printf("%s %s\n%s\n\n", c->sensor, c->version, hex);
	t = cli_table_new(titles, ARRAY_LEN(titles));
	if (!t)
		return err_memory(e);
	for (size_t i = 0; i < c->type_count; i++) {
		const struct contract_type *type = &c->types[i];

		for (size_t k = 0; k < MAX(type->template_count, (size_t)1); k++) {
			bool any = type->template_count > 0;

			snprintf(inputs, sizeof inputs, "%zu", any ? type->templates[k].field_count : 0);
			cli_table_row(t, (const char *const[]){ type->name, type->versions[0], any ? type->templates[k].name : "-",
								any ? inputs : "-" });
		}
	}
	cli_table_print(t, stdout);
	cli_table_free(t);
	return 0;
}

static int header(int argc, char **argv, const void *options, struct err *e)
{
	AUTO(contract) struct contract *c = NULL;
	AUTO(buf) struct buf *text = buf_new(0);

	(void)argc;
	(void)options;
	if (!text)
		return err_memory(e);
	if (contract_load(&c, argv[0], e) < 0 || contract_header(text, c, e) < 0 || buf_check(text, e) < 0)
		return e->code;
	return fwrite(text->data, 1, text->len, stdout) == text->len ? 0 : err_errno(e, "standard output");
}

/* ---- contracts on the server ---- */

static const struct cli_option remote_rows[] = { REMOTE_ROWS(0) };

static int registration(int argc, char **argv, const void *options, struct err *e)
{
	const struct remote_options *o = options;
	AUTO(remote) struct remote *r = NULL;
	AUTO(contract) struct contract *c = NULL;
	AUTO(buf) struct buf *text = NULL;
	AUTO_ANSWER answer = { 0 };

	(void)argc;
	if (file_read(&text, argv[0], CONTRACT_BYTES_MAX, e) < 0)
		return e->code;
	if (text->len == 0)
		return err_set(e, ERR_FORMAT, "%s: empty", argv[0]);
	if (contract_parse(&c, argv[0], text->data, text->len, e) < 0 || remote_open(&r, o, e) < 0 ||
	    remote_call(r, "POST", "/v1/contracts", text, &answer, e) < 0)
		return e->code;
	if (o->json)
		return remote_print(answer.doc->root, e);
	printf("%s %s %s\n", c->sensor, c->version, answer.status == 200 ? "was registered before" : "is registered");
	return 0;
}

static int list(int argc, char **argv, const void *options, struct err *e)
{
	static const struct remote_column columns[] = {
		{ "SENSOR", "sensor" }, { "VERSION", "version" }, { "DIGEST", "digest" }, { "REGISTERED", "registered" }, { "BY", "by" },
	};
	const struct remote_options *o = options;
	AUTO(remote) struct remote *r = NULL;
	AUTO_ANSWER answer = { 0 };

	(void)argc;
	(void)argv;
	if (remote_open(&r, o, e) < 0 || remote_call(r, "GET", "/v1/contracts", NULL, &answer, e) < 0)
		return e->code;
	if (o->json)
		return remote_print(answer.doc->root, e);
	return remote_table(json_get(answer.doc->root, "items"), columns, ARRAY_LEN(columns), e);
}

const struct cli_command contract_commands[] = {
	{ .name = "lint", .args = "DIR|ARCHIVE", .help = "check content against contracts, without loading it", .min_args = 1, .max_args = 1,
	  .run = lint, .options = lint_rows, .option_count = ARRAY_LEN(lint_rows), .options_size = sizeof(struct lint_options),
	  .more = "Exit status 1 when anything refuses the content. `ringhold bundle check` also loads it and runs its self-tests." },
	{ .name = "contract check", .args = "FILE", .help = "check a contract and print what it accepts", .min_args = 1, .max_args = 1,
	  .run = check },
	{ .name = "contract header", .args = "FILE", .help = "print the C header a sensor compiles against", .min_args = 1, .max_args = 1,
	  .run = header },
	{ .name = "contract register", .args = "FILE", .help = "tell the server what a sensor build accepts", .min_args = 1, .max_args = 1,
	  .run = registration, .options = remote_rows, .option_count = ARRAY_LEN(remote_rows), .options_size = sizeof(struct remote_options) },
	{ .name = "contract list", .args = NULL, .help = "contracts the server knows", .min_args = 0, .max_args = 0, .run = list,
	  .options = remote_rows, .option_count = ARRAY_LEN(remote_rows), .options_size = sizeof(struct remote_options) },
};
const size_t contract_command_count = ARRAY_LEN(contract_commands);
