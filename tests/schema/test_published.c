/* test_published: the schemas we publish compile, and say what tests/schema/published/ says. */
#include <dirent.h>

#include "schema/contract.h"
#include "published.h"

static struct err e;

struct loaded {
	struct buf *raw;
	struct json_doc *doc;
	struct schema *schema;
};

static void load(struct loaded *l, const char *name)
{
	char path[128];

	*l = (struct loaded){ 0 };
	snprintf(path, sizeof path, "schema/%s.schema.json", name);
	if (file_read(&l->raw, path, 1 << 20, &e) < 0 ||
	    json_parse(&l->doc, "schema", l->raw->data, l->raw->len, NULL, &e) < 0 ||
	    schema_compile(&l->schema, l->doc, l->doc->root, &e) < 0)
		fail_msg("%s: %s", path, e.msg);
}

static void unload(struct loaded *l)
{
	schema_free(l->schema);
	json_free(l->doc);
	buf_free(l->raw);
}

static void hold(const char *name, const struct loaded *l, const struct published *p, const char *list, bool valid)
{
	const struct json *items = json_get(p->doc->root, list);

	for (uint32_t i = 0; i < items->count; i++) {
		const struct json *item = &items->u.items[i], *why = json_get(item, "why"), *at = valid ? NULL : json_get(item, "at");
		AUTO(buf) struct buf *b = buf_new(0);
		AUTO(json) struct json_doc *d = NULL;
		struct schema_errors errors;
		int rc;

		published_text(b, p, item);
		assert_ok(json_parse(&d, name, b->data, b->len, NULL, &e));
		rc = schema_check(l->schema, d, d->root, &errors, &e);
		if (rc != (valid ? 0 : ERR_FORMAT))
			fail_msg("%s: %s[%u] (%s): %s", name, list, i, why ? why->u.text : "", rc ? e.msg : "valid");
		if (at && strcmp(at->u.text, errors.at[0].pointer) != 0)
			fail_msg("%s: %s[%u] (%s): at \"%s\": %s", name, list, i, why->u.text, errors.at[0].pointer, e.msg);
	}
}

static void every_published_schema_says_what_its_examples_say(void **state)
{
	DIR *dir = opendir("schema");
	unsigned count = 0;

	(void)state;
	assert_non_null(dir);
	for (struct dirent *entry; (entry = readdir(dir));) {
		const char *end = strstr(entry->d_name, ".schema.json");
		struct published p;
		struct loaded l;
		char name[64];

		if (!end || strcmp(end, ".schema.json") != 0)
			continue;
		snprintf(name, sizeof name, "%.*s", (int)(end - entry->d_name), entry->d_name);
		load(&l, name);
		published_open(&p, name);
		hold(name, &l, &p, "good", true);
		hold(name, &l, &p, "bad", false);
		hold(name, &l, &p, "beyond", true);
		hold(name, &l, &p, "tolerated", false);
		published_close(&p);
		unload(&l);
		count++;
	}
	closedir(dir);
	assert_true(count >= 13);
}

static int read_contract(const char *text, size_t len, struct err *why)
{
	AUTO(contract) struct contract *c = NULL;

	return contract_parse(&c, "contract", text, len, why);
}

static void the_reader_of_contracts_agrees(void **state)
{
	(void)state;
	published_hold("contract", "", read_contract);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_published_schema_says_what_its_examples_say),
		cmocka_unit_test(the_reader_of_contracts_agrees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
