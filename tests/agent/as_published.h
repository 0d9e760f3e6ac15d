/* as_published: what a command prints for programs is what schema/ says, no less and no more. */
#ifndef TESTS_AGENT_AS_PUBLISHED_H
#define TESTS_AGENT_AS_PUBLISHED_H

#include "base/file.h"
#include "schema/schema.h"
#include "test.h"

/* Everything that is written has its place in the schema. */
static inline void assert_known(const char *path, const struct json *root, const struct json *schema, const struct json *v)
{
	const struct json *ref = json_get(schema, "$ref"), *properties;

	if (ref)
		schema = json_get(json_get(root, "$defs"), ref->u.text + strlen("#/$defs/"));
	properties = json_get(schema, "properties");
	for (uint32_t i = 0; v->type == JSON_OBJECT && i < v->count; i++) {
		const struct json *of = properties ? json_get(properties, v->u.members[i].key.text) : NULL;

		if (!of)
			fail_msg("%s does not know \"%s\"", path, v->u.members[i].key.text);
		assert_known(path, root, of, &v->u.members[i].value);
	}
	for (uint32_t i = 0; v->type == JSON_ARRAY && i < v->count; i++)
		assert_known(path, root, json_get(schema, "items"), &v->u.items[i]);
}

static inline void assert_as_published(const char *path, const char *printed)
{
	AUTO(buf) struct buf *raw = NULL;
	AUTO(json) struct json_doc *doc = NULL, *out = NULL;
	struct schema *schema = NULL;
	struct schema_errors errors;
	struct err e;

	assert_ok(file_read(&raw, path, 1 << 20, &e));
	assert_ok(json_parse(&doc, path, raw->data, raw->len, NULL, &e));
	assert_ok(schema_compile(&schema, doc, doc->root, &e));
	assert_ok(json_parse(&out, "printed", printed, strlen(printed), NULL, &e));
	if (schema_check(schema, out, out->root, &errors, &e) != 0)
		fail_msg("not valid under %s:\n%s", path, printed);
	assert_known(path, doc->root, doc->root, out->root);
	schema_free(schema);
}

#endif
