#include "rollout/simulate.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Whatever parses can be played, and ends. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const names[] = { "canary", "early", "broad" };
	AUTO(policy) struct policy *p = NULL;
	struct simulate_trace t;
	struct simulate_report r;
	struct simulate_plan plan = { .begins = 1748854800, .trace = &t, .fleet = 40, .defect = 0.1, .stratum = -1, .seed = 1 };
	struct err e;

	if (policy_default(&p, "edr", names, 3, &e) < 0 || simulate_trace_parse(&t, p, "fuzz", (const char *)data, len, &e) < 0)
		return 0;
	plan.policy = p;
	if (simulate(&r, &plan, 1, 1, &e) < 0)
		abort();
	simulate_trace_release(&t);
	return 0;
}
