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

struct check_options {
	bool json;
};

static const struct cli_option check_rows[] = {
	{ "json", 0, CLI_FLAG, offsetof(struct check_options, json), NULL, "for programs" },
};

static void put_limit(struct json_writer *w, const char *name, int64_t value)
{
	if (value == CONTRACT_UNLIMITED)
		json_put_null(w, name);
	else
		json_put_int(w, name, value);
}

static void put_type(struct json_writer *w, const struct contract_type *t)
{
	json_open_object(w, t->name);
	json_open_array(w, "versions");
	for (size_t i = 0; i < t->version_count; i++)
		json_put_text(w, NULL, t->versions[i]);
	json_close_array(w);
	json_put_bool(w, "schema", t->schema != NULL);
	json_open_object(w, "templates");
	for (size_t i = 0; i < t->template_count; i++)
		json_put_int(w, t->templates[i].name, (int64_t)t->templates[i].field_count);
	json_close_object(w);
	json_open_object(w, "limits");
#define X(limit) put_limit(w, #limit, t->limits.limit);
	CONTRACT_LIMIT_TABLE(X)
#undef X
	json_close_object(w);
	json_close_object(w);
}

static int print_json(const struct contract *c, const char *hex, struct err *e)
{
	AUTO(buf) struct buf *out = buf_new(0);
	struct json_writer w = { .out = out, .indent = true };

	if (!out)
		return err_memory(e);
	json_open_object(&w, NULL);
	json_put_text(&w, "sensor", c->sensor);
	json_put_text(&w, "version", c->version);
	json_put_text(&w, "digest", hex);
	json_open_object(&w, "types");
	for (size_t i = 0; i < c->type_count; i++)
		put_type(&w, &c->types[i]);
	json_close_object(&w);
	json_open_object(&w, "ceilings");
#define X(ceiling) put_limit(&w, #ceiling, c->ceilings.ceiling);
	CONTRACT_CEILING_TABLE(X)
#undef X
	json_close_object(&w);
	json_put_int(&w, "protected", (int64_t)c->protected_count);
	json_close_object(&w);
	if (buf_check(out, e) < 0)
		return e->code;
	printf("%s\n", out->data);
	return 0;
}

static void print_limit(const char *name, int64_t value)
{
	if (value != CONTRACT_UNLIMITED)
		printf("  %s %lld\n", name, (long long)value);
}

static void print_type(const struct contract_type *t)
{
	printf("%s", t->name);
	for (size_t i = 0; i < t->version_count; i++)
		printf("%s%s", i ? ", " : " ", t->versions[i]);
	printf(t->schema ? ", with a schema\n" : ", without a schema\n");
	for (size_t i = 0; i < t->template_count; i++)
		printf("  template %s supplies %zu inputs\n", t->templates[i].name, t->templates[i].field_count);
#define X(limit) print_limit("at most " #limit, t->limits.limit);
	CONTRACT_LIMIT_TABLE(X)
#undef X
}

static int check(int argc, char **argv, const void *options, struct err *e)
{
	const struct check_options *o = options;
	AUTO(contract) struct contract *c = NULL;
	char hex[DIGEST_HEX_LEN + 1];

	(void)argc;
	if (contract_load(&c, argv[0], e) < 0 || contract_check(c, e) < 0)
		return e->code;
	digest_hex(hex, &c->digest);
	if (o->json)
		return print_json(c, hex, e);
	printf("%s %s\n%s\n", c->sensor, c->version, hex);
	for (size_t i = 0; i < c->type_count; i++)
		print_type(&c->types[i]);
	printf("ceilings\n");
#define X(ceiling) print_limit(#ceiling, c->ceilings.ceiling);
	CONTRACT_CEILING_TABLE(X)
#undef X
	printf("%zu protected objects\n", c->protected_count);
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
	if (contract_load(&c, argv[0], e) < 0 || contract_check(c, e) < 0 || contract_header(text, c, e) < 0 || buf_check(text, e) < 0)
		return e->code;
	return fwrite(text->data, 1, text->len, stdout) == text->len ? 0 : err_errno(e, "standard output");
}

/* ---- contracts on the server ---- */

static const struct cli_option remote_rows[] = { REMOTE_ROWS(0) };
static const struct cli_option register_rows[] = { REMOTE_CHANGE_ROWS(0) };

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
	if (contract_parse(&c, argv[0], text->data, text->len, e) < 0 || contract_check(c, e) < 0 || remote_open(&r, o, e) < 0 ||
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

	(void)argc;
	(void)argv;
	if (remote_open(&r, o, e) < 0)
		return e->code;
	return remote_list(r, "/v1/contracts", o->json, columns, ARRAY_LEN(columns), e);
}

const struct cli_command contract_commands[] = {
	{ .name = "contract check", .args = "FILE", .help = "check a contract and print what it accepts", .min_args = 1, .max_args = 1,
	  .run = check, .options = check_rows, .option_count = ARRAY_LEN(check_rows), .options_size = sizeof(struct check_options),
	  .more = "Exit status 1 when it is malformed or contradicts itself." },
	{ .name = "contract header", .args = "FILE", .help = "print the C header a sensor compiles against", .min_args = 1, .max_args = 1,
	  .run = header },
	{ .name = "contract register", .args = "FILE", .help = "tell the server what a sensor build accepts", .min_args = 1, .max_args = 1,
	  .run = registration, .options = register_rows, .option_count = ARRAY_LEN(register_rows), .options_size = sizeof(struct remote_options) },
	{ .name = "contract list", .args = NULL, .help = "contracts the server knows", .min_args = 0, .max_args = 0, .run = list,
	  .options = remote_rows, .option_count = ARRAY_LEN(remote_rows), .options_size = sizeof(struct remote_options) },
};
const size_t contract_command_count = ARRAY_LEN(contract_commands);
