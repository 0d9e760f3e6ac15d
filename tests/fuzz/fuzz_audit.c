#include <stdlib.h>

#include "signing/audit_checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* A checkpoint that somebody kept, and a line of an export. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO(json) struct json_doc *d = NULL;
	struct audit_walk w = { .count = 0 };
	struct audit_checkpoint c;
	struct err e;

	if (audit_checkpoint_parse(&c, "checkpoint", (const char *)data, len, &e) == 0)
		audit_checkpoint_release(&c);
	if (json_parse(&d, "line", (const char *)data, len, NULL, &e) == 0 && audit_walk_json(&w, d, d->root, &e) == 0 && w.count != 1)
		abort();
	return 0;
}
