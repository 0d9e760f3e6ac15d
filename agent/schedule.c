/* schedule: jitter and exponential back-off. */
#include "agent/schedule.h"

#include "base/defs.h"

int64_t schedule_poll_ms(int64_t seconds, uint64_t chance)
{
	int64_t ms = MAX(seconds, 1) * 1000, spread = ms / 5;

	return ms - spread + (int64_t)(chance % (uint64_t)(spread + 1));
}

int64_t schedule_backoff_ms(uint64_t failures, int64_t first_s, int64_t most_s, uint64_t chance)
{
	int64_t ms = MAX(first_s, 1) * 1000, most = MAX(most_s, 1) * 1000;

	for (uint64_t i = 1; i < failures && ms < most; i++)
		ms *= 2;
	ms = MIN(ms, most);
	return ms / 2 + (int64_t)(chance % (uint64_t)(ms / 2 + 1));
}
