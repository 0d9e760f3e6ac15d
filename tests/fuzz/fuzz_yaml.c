/* fuzz_yaml: any bytes are JSON with places in them, or refused; what was made parses again. */
#include "base/yaml.h"

#include <stdlib.h>

static void walk(const struct json_doc *d, const struct json *v)
{
	unsigned line, column;

	json_place(d, v, &line, &column);
	if (line < 1 || column < 1)
		abort();
	if (v->type == JSON_ARRAY)
		for (uint32_t i = 0; i < v->count; i++)
			walk(d, &v->u.items[i]);
	if (v->type == JSON_OBJECT)
		for (uint32_t i = 0; i < v->count; i++)
			walk(d, &v->u.members[i].value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct json_limits limits = { .bytes = 1 << 20, .depth = 64 };
	AUTO(json) struct json_doc *d = NULL, *again = NULL;
	struct buf text = { 0 };
	struct err e;

	if (yaml_parse(&d, "fuzz.yaml", (const char *)data, len, &limits, &e) < 0) {
		if (e.code == 0 || !e.msg[0])
			abort();
		return 0;
	}
	walk(d, d->root);
	json_put_value(&(struct json_writer){ .out = &text }, NULL, d->root);
	if (json_parse(&again, "again", text.data, text.len, NULL, &e) < 0 || !json_equal(d->root, again->root))
		abort();
	buf_release(&text);
	return 0;
}
