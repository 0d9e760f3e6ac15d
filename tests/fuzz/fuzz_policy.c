#include "rollout/policy.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Whatever parses can be written, and its exposure can be told. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO(policy) struct policy *p = NULL, *back = NULL;
	AUTO(buf) struct buf *out = buf_new(0);
	struct policy_exposure x;
	struct err e;

	if (!out || policy_parse(&p, "fuzz", (const char *)data, len, &e) < 0)
		return 0;
	if (policy_write(out, p, &e) < 0 || policy_parse(&back, "again", out->data, out->len, &e) < 0)
		abort();
	for (size_t i = 0; i < p->count; i++)
		policy_exposure(&x, p, i, 1000, 0);
	return 0;
}
