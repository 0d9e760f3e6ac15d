/* clockwatch: whether the clock jumped, and which time to sign by meanwhile. */
#include "server/clockwatch.h"

#include <stdlib.h>

static bool far(int64_t seconds)
{
	return llabs(seconds) > CLOCK_JUMP_S;
}

static enum clock_news note_jump(struct clockwatch *w, int64_t by, int64_t now)
{
	w->offset -= by;
	if (!far(w->offset)) {
		w->offset = 0;
		return CLOCK_RETURNED;
	}
	w->since_ms = w->ticks_ms;
	w->jumped_at = now + w->offset;
	w->jump_s = by;
	w->jumps++;
	return CLOCK_JUMPED;
}

enum clock_news clockwatch_look(struct clockwatch *w, int64_t now, int64_t ticks_ms)
{
	bool first = w->now == 0;
	int64_t by = (now - w->now) - (ticks_ms - w->ticks_ms) / 1000;

	w->now = now;
	w->ticks_ms = ticks_ms;
	if (first)
		return CLOCK_STEADY;
	if (far(by))
		return note_jump(w, by, now);
	if (w->offset == 0 || ticks_ms - w->since_ms < CLOCK_DOUBT_S * 1000)
		return CLOCK_STEADY;
	w->offset = 0;
	return CLOCK_BELIEVED;
}

void clockwatch_resume(struct clockwatch *w, const struct clockwatch *kept, bool same_boot, int64_t now, int64_t ticks_ms)
{
	*w = *kept;
	if (same_boot)
		return;
	w->ticks_ms = ticks_ms - (now > kept->now ? now - kept->now : 0) * 1000;
	w->since_ms = ticks_ms;
}

int64_t clockwatch_time(const struct clockwatch *w, int64_t now)
{
	return far(now - (w->now + w->offset)) ? now + w->offset : now;
}
