/* contract_commands: what sensors accept: `ringhold contract ...`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/remote.h"
#include "schema/contract.h"

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
