/* schema_commands: documents against a JSON Schema: `ringhold schema validate`, `ringhold schema test`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/documents.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/commands.h"
#include "schema/output.h"
#include "schema/schema.h"

#define DEPTH 512
#define ERRORS_SHOWN 20         /* of one document, unless --errors says otherwise */
#define UNREADABLE 2            /* exit status, as for wrong use */

static const struct json_limits limits = { .bytes = (size_t)1 << 30, .depth = DEPTH };

/* ---- schemas and what they refer to ---- */

struct loaded {
	struct buf *text;               /* NULL: it was YAML */
	struct json_doc *doc;
	char *uri;                      /* "file:///..." */
};

/* A schema and its library; everything is freed by schemas_release(). */
struct schemas {
	struct loaded *files;
	size_t count;
	struct schema_library *library;
	struct schema *schema;
};

static void schemas_release(struct schemas *s)
{
	schema_free(s->schema);
	schema_library_free(s->library);
	for (size_t i = 0; i < s->count; i++) {
		json_free(s->files[i].doc);
		buf_free(s->files[i].text);
		free(s->files[i].uri);
	}
	free(s->files);
}

/* So that "$ref": "other.json" means the file beside it, when --ref gives it. */
static char *file_uri(const char *path)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
	AUTO_FREE char *real = realpath(path, NULL);
	struct buf uri = { .max = 64 << 10 };

	buf_adds(&uri, "file://");
	for (const char *c = real ? real : path; *c; c++) {
		if (strchr(plain, *c))
			buf_addc(&uri, *c);
		else
			buf_addf(&uri, "%%%02X", (unsigned char)*c);
	}
	return buf_take(&uri);
}

static int load(struct schemas *s, const char *path, struct err *e)
{
	struct loaded *more = reallocarray(s->files, s->count + 1, sizeof *more), *l;

	if (!more)
		return err_memory(e);
	s->files = more;
	l = &s->files[s->count++];
	*l = (struct loaded){ .uri = file_uri(path) };
	if (!l->uri)
		return err_memory(e);
	return documents_read(&l->doc, &l->text, path, &limits, e);
}

static int compile(struct schemas *s, const char *path, const struct cli_list *refs, struct schema_options options, struct err *e)
{
	if (load(s, path, e) < 0 || schema_library_new(&s->library, e) < 0)
		return e->code;
	for (size_t i = 0; i < refs->count; i++)
		if (load(s, refs->items[i], e) < 0)
			return e->code;
	for (size_t i = 1; i < s->count; i++)
		if (schema_library_add(s->library, s->files[i].uri, s->files[i].doc, e) < 0)
			return err_wrap(e, "%s", refs->items[i - 1]);
	options.uri = s->files[0].uri;
	options.library = s->library;
	return schema_compile_as(&s->schema, s->files[0].doc, s->files[0].doc->root, &options, e);
}

static int read_dialect(const char *name, enum schema_dialect *out, struct err *e)
{
	static const struct { const char *name; enum schema_dialect dialect; } names[] = {
		{ "2020-12", SCHEMA_2020_12 }, { "draft-07", SCHEMA_DRAFT_07 }, { "7", SCHEMA_DRAFT_07 } };

	for (size_t i = 0; name && i < ARRAY_LEN(names); i++)
		if (strcmp(names[i].name, name) == 0) {
			*out = names[i].dialect;
			return 0;
		}
	return name ? err_set(e, ERR_USAGE, "--draft %s: 2020-12 and draft-07 are known", name) : 0;
}

/* ---- validate ---- */

struct validate_options {
	struct cli_list refs;
	const char *draft;
	int64_t errors;
	bool json, formats, strict, ndjson, yaml;
};

#define AT(field) offsetof(struct validate_options, field)

static const struct cli_option validate_rows[] = {
	{ "ref", 0, CLI_MANY, AT(refs), "FILE", "a further schema that may be referred to, by its $id or its path; may be given again" },
	{ "formats", 0, CLI_FLAG, AT(formats), NULL, "assert format; else it is an annotation" },
	{ "draft", 0, CLI_TEXT, AT(draft), "DRAFT", "2020-12 (the default) or draft-07, where no $schema says" },
	{ "strict", 0, CLI_FLAG, AT(strict), NULL, "refuse keywords that no vocabulary knows" },
	{ "ndjson", 0, CLI_FLAG, AT(ndjson), NULL, "documents are NDJSON, whatever their names end with" },
	{ "yaml", 0, CLI_FLAG, AT(yaml), NULL, "documents are YAML" },
	{ "errors", 0, CLI_INT, AT(errors), "N", "show at most N errors of a document; 20" },
	{ "json", 0, CLI_FLAG, AT(json), NULL, "one object for each document, a line each, in the basic output form" },
};
#undef AT

struct validation {
	const struct validate_options *o;
	const struct schema *schema;
	unsigned most;
	const char *path;
	uint64_t documents, invalid;    /* of this file */
	int status;                     /* the worst so far: 0, 1, 2 */
};

static void print_escaped(const char *text)
{
	AUTO(buf) struct buf *line = buf_new(0);

	if (!line)
		return;
	log_escape(line, text, strlen(text));
	if (line->data)
		printf("%s\n", line->data);
}

/* "rules.json:31:7: /rules/3: expected ..., found ... (schema.json:12:5 /$defs/rule/maxItems)" */
static void print_error(void *context, const struct schema_error *error)
{
	const struct validation *v = context;
	AUTO(buf) struct buf *line = buf_new(0);

	if (!line)
		return;
	buf_addf(line, "%s:%u:%u: %s%s%s (%s:%u:%u %s)", v->path, error->line, error->column, error->pointer, *error->pointer ? ": " : "",
		 error->text, error->schema_name, error->schema_line, error->schema_column, *error->keyword ? error->keyword : "/");
	if (line->data)
		print_escaped(line->data);
}

/* The basic form with two members more: which document it is about. */
static int print_basic(struct validation *v, const struct json_doc *d, struct err *e)
{
	AUTO(buf) struct buf *basic = buf_new(0);
	AUTO(buf) struct buf *head = buf_new(0);
	struct json_writer body = { .out = basic }, w = { .out = head };
	unsigned line, column;
	int rc;

	if (!basic || !head)
		return err_memory(e);
	rc = schema_output_basic(&body, NULL, v->schema, d, d->root, v->most, e);
	if (rc != 0 && rc != ERR_FORMAT)
		return rc;
	json_place(d, d->root, &line, &column);
	json_open_object(&w, NULL);
	json_put_text(&w, "file", v->path);
	json_put_int(&w, "line", line);
	json_close_object(&w);
	if (buf_check(basic, e) < 0 || buf_check(head, e) < 0)
		return e->code;
	printf("%.*s,%s\n", (int)head->len - 1, head->data, basic->data + 1);
	return rc;
}

static int check_one(struct validation *v, const struct json_doc *d, struct err *e)
{
	unsigned count = 0;
	int rc;

	if (v->o->json)
		return print_basic(v, d, e);
	rc = schema_check_each(v->schema, d, d->root, v->most, print_error, v, &count, e);
	if (rc == ERR_FORMAT && count > v->most)
		printf("%s: %u errors in all\n", v->path, count);
	return rc;
}

/* What is no document, or was neither found valid nor invalid. */
static void unreadable(struct validation *v, const struct err *e)
{
	v->status = UNREADABLE;
	if (v->o->json) {
		AUTO(buf) struct buf *text = buf_new(0);
		struct json_writer w = { .out = text };

		if (!text)
			return;
		json_open_object(&w, NULL);
		json_put_text(&w, "file", v->path);
		json_put_text(&w, "unreadable", e->msg);
		json_close_object(&w);
		printf("%s\n", text->data ? text->data : "{}");
	}
	fflush(stdout);
	cli_complain("ringhold", "schema validate", e);
}

/* Malformed documents and checks that went over a limit: reported, and the next document has its turn. */
static bool goes_on(int code)
{
	return code == ERR_FORMAT || code == ERR_LIMIT || code == ERR_UNSUPPORTED;
}

static int validate_stream(struct validation *v, struct documents *s, struct err *e)
{
	const struct json_doc *d;
	int rc;

	while ((rc = documents_next(s, &d, e))) {
		bool read = rc > 0;

		if (read)
			rc = check_one(v, d, e);
		v->documents++;
		if (read && rc == ERR_FORMAT)
			v->invalid++;
		else if (rc < 0 && !goes_on(rc))
			return rc;
		else if (rc < 0)
			unreadable(v, e);
	}
	return 0;
}

static int validate_file(struct validation *v, const char *path, struct err *e)
{
	enum documents_kind kind = v->o->ndjson ? DOCUMENTS_NDJSON : v->o->yaml ? DOCUMENTS_YAML : DOCUMENTS_BY_NAME;
	AUTO(documents) struct documents *s = NULL;
	int before = v->status;

	v->path = strcmp(path, "-") == 0 ? "standard input" : path;
	v->documents = v->invalid = 0;
	v->status = 0;
	if (documents_open(&s, path, kind, &limits, e) < 0 || validate_stream(v, s, e) < 0)
		unreadable(v, e);
	if (v->invalid)
		v->status = MAX(v->status, 1);
	if (!v->o->json && v->documents == 1 && v->status == 0)
		printf("%s: valid\n", v->path);
	else if (!v->o->json && v->documents != 1)
		printf("%s: %llu documents, %llu invalid\n", v->path, (unsigned long long)v->documents, (unsigned long long)v->invalid);
	v->status = MAX(v->status, before);
	if (fflush(stdout) != 0)
		return err_errno(e, "standard output");
	return 0;
}

static int validate(int argc, char **argv, const void *options, struct err *e)
{
	const struct validate_options *o = options;
	struct schema_options how = { .formats = o->formats, .strict = o->strict, .jit = true };
	__attribute__((cleanup(schemas_release))) struct schemas s = { .count = 0 };
	struct validation v = { .o = o, .most = o->errors ? (unsigned)o->errors : ERRORS_SHOWN };

	if (o->errors < 0 || o->errors > 100000)
		return err_set(e, ERR_USAGE, "--errors: 1 to 100000");
	if (o->ndjson && o->yaml)
		return err_set(e, ERR_USAGE, "--ndjson or --yaml, not both");
	if (read_dialect(o->draft, &how.dialect, e) < 0)
		return e->code;
	if (compile(&s, argv[0], &o->refs, how, e) < 0) {
		cli_complain("ringhold", "schema validate", e);
		return UNREADABLE;
	}
	v.schema = s.schema;
	for (int i = 1; i < argc; i++)
		if (validate_file(&v, argv[i], e) < 0)
			return e->code;
	return v.status;
}

/* ---- test ---- */

struct test_options {
	const char *remotes, *draft;
	bool formats, json;
};

#define AT(field) offsetof(struct test_options, field)

static const struct cli_option test_rows[] = {
	{ "remotes", 0, CLI_TEXT, AT(remotes), "DIR", "documents that tests refer to, below http://localhost:1234/" },
	{ "formats", 0, CLI_FLAG, AT(formats), NULL, "assert format, for the suite's optional tests" },
	{ "draft", 0, CLI_TEXT, AT(draft), "DRAFT", "2020-12 (the default) or draft-07, where no $schema says" },
	{ "json", 0, CLI_FLAG, AT(json), NULL, "print the counts as JSON, for programs" },
};
#undef AT

struct suite {
	struct schemas remotes;
	struct schema_options how;
	const char *dir;                /* of the remotes */
	bool quiet;
	uint64_t passed, failed;
};

#define REMOTE "http://localhost:1234/"

static int add_remote(const char *rel, bool is_dir, void *arg, struct err *e)
{
	struct suite *suite = arg;
	struct schemas *s = &suite->remotes;
	AUTO_FREE char *path = NULL, *uri = NULL;
	size_t len = strlen(rel);
	int rc;

	if (is_dir || len < 5 || strcmp(rel + len - 5, ".json") != 0)
		return 0;
	path = file_join(suite->dir, rel);
	if (!path || asprintf(&uri, REMOTE "%s", rel) < 0)
		return err_memory(e);
	if (load(s, path, e) < 0)
		return e->code;
	rc = schema_library_add(s->library, uri, s->files[s->count - 1].doc, e);
	return rc == ERR_CONFLICT ? 0 : rc;     /* the suite has drafts side by side, some with the same $id */
}

static const char *text_of(const struct json *o, const char *key)
{
	const struct json *v = json_get(o, key);

	return v && v->type == JSON_STRING ? v->u.text : "";
}

static void count_test(struct suite *suite, const struct json_doc *d, const struct json *group, const struct json *test, int rc,
		       const struct err *e)
{
	const struct json *valid = json_get(test, "valid");
	bool want = valid && valid->type == JSON_TRUE;
	AUTO(buf) struct buf *line = buf_new(0);

	if (rc == (want ? 0 : ERR_FORMAT)) {
		suite->passed++;
		return;
	}
	suite->failed++;
	if (!line || suite->quiet)
		return;
	buf_addf(line, "%s: %s: %s: %s, expected %s%s%s", d->name, text_of(group, "description"), text_of(test, "description"),
		 rc == 0 ? "valid" : rc == ERR_FORMAT ? "invalid" : err_words(rc), want ? "valid" : "invalid", rc ? ": " : "", rc ? e->msg : "");
	if (line->data)
		print_escaped(line->data);
}

/* A group whose schema does not compile fails every test it has. */
static int run_group(struct suite *suite, const struct json_doc *d, const struct json *group, struct err *e)
{
	const struct json *schema = json_get(group, "schema"), *tests = json_get(group, "tests");
	AUTO(schema) struct schema *s = NULL;
	int compiled;

	if (!schema || !tests || tests->type != JSON_ARRAY)
		return json_error(d, group, e, ERR_FORMAT, "expected an object with a schema and a list of tests");
	compiled = schema_compile_as(&s, d, schema, &suite->how, e);
	for (uint32_t i = 0; i < tests->count; i++) {
		const struct json *test = &tests->u.items[i], *data = json_get(test, "data");
		int rc = compiled;

		if (!data)
			return json_error(d, test, e, ERR_FORMAT, "expected an object with data");
		if (rc == 0)
			rc = schema_check(s, d, data, NULL, e);
		else if (rc == ERR_FORMAT)
			rc = ERR_UNSUPPORTED;   /* malformed is no verdict on the data */
		count_test(suite, d, group, test, rc, e);
	}
	return 0;
}

static int run_file(struct suite *suite, const char *path, struct err *e)
{
	AUTO(buf) struct buf *text = NULL;
	AUTO(json) struct json_doc *d = NULL;

	if (documents_read(&d, &text, path, &limits, e) < 0)
		return e->code;
	if (d->root->type != JSON_ARRAY)
		return json_error(d, d->root, e, ERR_FORMAT, "expected a list of groups of tests");
	for (uint32_t i = 0; i < d->root->count; i++)
		if (run_group(suite, d, &d->root->u.items[i], e) < 0)
			return e->code;
	return 0;
}

static void print_counts(const struct suite *suite, bool json)
{
	if (json)
		printf("{\"passed\":%llu,\"failed\":%llu}\n", (unsigned long long)suite->passed, (unsigned long long)suite->failed);
	else
		printf("%llu passed, %llu failed\n", (unsigned long long)suite->passed, (unsigned long long)suite->failed);
}

static int run_suite(struct suite *suite, int argc, char **argv, struct err *e)
{
	if (schema_library_new(&suite->remotes.library, e) < 0 ||
	    (suite->dir && file_walk(suite->dir, add_remote, suite, e) < 0))
		return e->code;
	suite->how.library = suite->remotes.library;
	for (int i = 0; i < argc; i++)
		if (run_file(suite, argv[i], e) < 0)
			return e->code;
	return 0;
}

static int test(int argc, char **argv, const void *options, struct err *e)
{
	const struct test_options *o = options;
	struct suite suite = { .how = { .formats = o->formats }, .dir = o->remotes, .quiet = o->json };
	int rc;

	if (read_dialect(o->draft, &suite.how.dialect, e) < 0)
		return e->code;
	rc = run_suite(&suite, argc, argv, e);
	schemas_release(&suite.remotes);
	if (rc < 0) {
		fflush(stdout);
		cli_complain("ringhold", "schema test", e);
		return UNREADABLE;
	}
	print_counts(&suite, o->json);
	return suite.failed ? 1 : 0;
}

const struct cli_command schema_commands[] = {
	{ .name = "schema validate", .args = "SCHEMA DOC...", .help = "check documents against a JSON Schema (2020-12, draft-07)", .min_args = 2,
	  .max_args = -1, .run = validate, .options = validate_rows, .option_count = ARRAY_LEN(validate_rows),
	  .options_size = sizeof(struct validate_options),
	  .more = "JSON (one document), NDJSON (.ndjson, .jsonl) and YAML (.yaml, .yml; the core schema of YAML 1.2);\n"
		  "\"-\" is standard input. Nothing is fetched: references are to SCHEMA itself and to what --ref gives.\n"
		  "Exit status 0 when all are valid, 1 when one is invalid, 2 when something could not be read." },
	{ .name = "schema test", .args = "FILE...", .help = "run files of the official JSON Schema test suite", .min_args = 1, .max_args = -1,
	  .run = test, .options = test_rows, .option_count = ARRAY_LEN(test_rows), .options_size = sizeof(struct test_options),
	  .more = "Closes with `N passed, N failed`. Exit status 1 when one failed, 2 when a file could not be read." },
};
const size_t schema_command_count = ARRAY_LEN(schema_commands);
