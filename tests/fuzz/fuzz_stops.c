#include "rollout/approvals.h"
#include "rollout/stops.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Stops of a known format and approvals can be written again; floors are read from the same bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO(stops) struct stops *s = NULL;
	AUTO(approvals) struct approvals *a = NULL;
	AUTO(buf) struct buf *out = buf_new(0);
	uint64_t floor;
	struct err e;

	if (out && stops_parse(&s, STOPS_RECALL, "fuzz", (const char *)data, len, &e) == 0 && !s->newer && stops_write(out, s, &e) < 0)
		abort();
	if (out && approvals_parse(&a, "fuzz", (const char *)data, len, &e) == 0 && approvals_write(out, a, &e) < 0)
		abort();
	(void)!floor_parse(&floor, "edr", "fuzz", (const char *)data, len, &e);
	return 0;
}
