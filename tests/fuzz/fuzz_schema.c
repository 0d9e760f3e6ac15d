/* fuzz_schema: the first line is a schema, the rest a document; an answer is 0, ERR_FORMAT or ERR_LIMIT, twice the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "schema/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO(json) struct json_doc *schema_doc = NULL;
	AUTO(json) struct json_doc *d = NULL;
	AUTO(schema) struct schema *s = NULL;
	const char *text = (const char *)data, *line = memchr(text, '\n', len);
	struct schema_errors errors;
	struct err e;
	size_t first;
	int rc;

	if (!line)
		return 0;
	first = (size_t)(line - text);
	if (json_parse(&schema_doc, "schema", text, first, NULL, &e) < 0 ||
	    schema_compile(&s, schema_doc, schema_doc->root, &e) < 0 ||
	    json_parse(&d, "document", line + 1, len - first - 1, NULL, &e) < 0)
		return 0;
	rc = schema_check(s, d, d->root, &errors, &e);
	if (rc != 0 && rc != ERR_FORMAT && rc != ERR_LIMIT)
		abort();
	if ((rc == ERR_FORMAT && errors.count == 0) || (rc == 0 && errors.count) || (rc && e.code != rc))
		abort();
	if (schema_check(s, d, d->root, NULL, &e) != rc)
		abort();
	return 0;
}
