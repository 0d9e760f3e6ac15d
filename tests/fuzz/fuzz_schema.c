/*
 * fuzz_schema: the first line is a schema, the rest a document. An answer is 0,
 * ERR_FORMAT or ERR_LIMIT, the same however one asks for it; what is written
 * about it is JSON. The length chooses dialect, strictness and formats.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "schema/output.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define REQUIRE(condition)       \
	do {                     \
		if (!(condition)) \
			abort(); \
	} while (0)

static void check(const struct schema *s, const struct json_doc *d)
{
	AUTO(buf) struct buf *b = buf_new(0);
	AUTO(json) struct json_doc *written = NULL;
	struct json_writer w = { .out = b };
	struct schema_errors errors;
	struct err e;
	int rc = schema_check(s, d, d->root, &errors, &e);

	REQUIRE(rc == 0 || rc == ERR_FORMAT || rc == ERR_LIMIT);
	REQUIRE(rc != ERR_FORMAT || errors.count);
	REQUIRE(rc != 0 || !errors.count);
	REQUIRE(!rc || e.code == rc);
	REQUIRE(schema_check(s, d, d->root, NULL, &e) == rc);
	REQUIRE(schema_output_basic(&w, NULL, s, d, d->root, 100, &e) == rc);
	if (rc == ERR_LIMIT)
		REQUIRE(!b->len);
	else
		REQUIRE(json_parse(&written, "written", b->data, b->len, NULL, &e) == 0);
}

/* One schema twice: by itself, and as the document of a library that a reference names. */
static void compile(const struct json_doc *schema, const struct json_doc *d, struct schema_options *o)
{
	static const char referring[] = "{\"$ref\":\"http://fuzz.example/schema\"}";
	AUTO(json) struct json_doc *outer = NULL;
	AUTO(schema_library) struct schema_library *l = NULL;
	AUTO(schema) struct schema *one = NULL;
	AUTO(schema) struct schema *two = NULL;
	struct err e;

	if (schema_compile_as(&one, schema, schema->root, o, &e) == 0)
		check(one, d);
	else
		REQUIRE(e.code < 0 && e.msg[0]);
	REQUIRE(schema_library_new(&l, &e) == 0 && schema_library_add(l, "http://fuzz.example/schema", schema, &e) == 0);
	REQUIRE(json_parse(&outer, "outer", referring, sizeof referring - 1, NULL, &e) == 0);
	o->library = l;
	if (schema_compile_as(&two, outer, outer->root, o, &e) == 0)
		check(two, d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO(json) struct json_doc *schema = NULL;
	AUTO(json) struct json_doc *d = NULL;
	struct schema_options o = { .dialect = len & 1 ? SCHEMA_DRAFT_07 : SCHEMA_2020_12, .strict = len & 2, .formats = len & 4,
				    .jit = len & 8 };
	const char *text = (const char *)data, *line = memchr(text, '\n', len);
	struct err e;
	size_t first;

	if (!line)
		return 0;
	first = (size_t)(line - text);
	if (json_parse(&schema, "schema", text, first, NULL, &e) < 0 ||
	    json_parse(&d, "document", line + 1, len - first - 1, NULL, &e) < 0)
		return 0;
	compile(schema, d, &o);
	return 0;
}
