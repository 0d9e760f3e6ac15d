#include "rollout/assignment.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Whatever parses can be written, and reads back. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO(assignment) struct assignment *a = NULL;
	AUTO(buf) struct buf *out = buf_new(0);
	struct err e;

	if (assignment_parse(&a, "fuzz", (const char *)data, len, &e) == 0 && out && assignment_write(out, a, &e) < 0)
		abort();
	return 0;
}
