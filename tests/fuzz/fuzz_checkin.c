#include "rollout/checkin.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* What the server reads, the agent could have written; the answer is read from the same bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO(checkin) struct checkin *c = NULL, *back = NULL;
	AUTO(buf) struct buf *out = buf_new(0);
	struct checkin_answer a;
	struct err e;
	uint64_t n;
	int at;

	if (!out)
		return 0;
	if (checkin_parse(&c, (const char *)data, len, &n, &at, &e) == 0 && checkin_write(out, c, &e) == 0 &&
	    checkin_parse(&back, out->data, out->len, &n, &at, &e) < 0)
		abort();
	(void)!checkin_answer_parse(&a, (const char *)data, len, &e);
	return 0;
}
