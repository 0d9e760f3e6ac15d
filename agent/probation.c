/* probation: failures first, then patience, then success. */
#include "agent/probation.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/defs.h"
#include "schema/reason.h"

bool probation_up(const struct probation_facts *f)
{
	return !f->watched || (f->reported && f->alive && f->state == RINGHOLD_HEALTHY && f->same_digest);
}

static void PRINTF_LIKE(4, 5) say(struct probation *out, enum probation_say what, const char *reason, const char *fmt, ...)
{
	va_list args;

	out->say = what;
	snprintf(out->reason, sizeof out->reason, "%s", reason);
	va_start(args, fmt);
	vsnprintf(out->sentence, sizeof out->sentence, fmt, args);
	va_end(args);
}

/* The sensor is not up on the content: whose fault, and since when? */
static void not_up(struct probation *out, const struct probation_facts *f)
{
	if (f->state == RINGHOLD_UNHEALTHY && f->alive && f->same_digest)
		say(out, PROBATION_FAIL, reason_word(REASON_LOAD), "the sensor says: %.200s",
		    f->sensor_reason && *f->sensor_reason ? f->sensor_reason : "unhealthy");
	else if (f->reported && f->state == RINGHOLD_STOPPED)
		say(out, PROBATION_WAIT, "", "the sensor was stopped in order");
	else if (f->down_ms < f->wait_ms)
		say(out, PROBATION_WAIT, "", "the sensor has not taken the content over yet");
	else if (f->reported && f->same_digest && !f->alive)
		say(out, PROBATION_FAIL, reason_word(REASON_SENSOR_DIED), "the sensor died and did not come back within %" PRId64 " s",
		    f->wait_ms / 1000);
	else
		say(out, PROBATION_FAIL, reason_word(REASON_RELOAD), "the sensor did not take the content over within %" PRId64 " s",
		    f->wait_ms / 1000);
}

void probation_judge(struct probation *out, const struct probation_facts *f)
{
	if (f->crashed)
		say(out, PROBATION_FAIL, reason_word(REASON_KERNEL), "the kernel crashed: %.200s", f->crash_words ? f->crash_words : "");
	else if (f->probe_failed)
		say(out, PROBATION_FAIL, reason_word(REASON_PROBE), "the probe failed: %.200s", f->probe_words ? f->probe_words : "");
	else if (!probation_up(f))
		not_up(out, f);
	else if (f->healthy_s < f->need_s)
		say(out, PROBATION_WAIT, "", "healthy for %" PRId64 " of %" PRId64 " s", f->healthy_s, f->need_s);
	else if (f->boots < f->need_boots)
		say(out, PROBATION_WAIT, "", "seen %" PRIu64 " of %" PRIu64 " new boots", f->boots, f->need_boots);
	else
		say(out, PROBATION_PASS, "", "healthy for %" PRId64 " s and %" PRIu64 " new boots", f->healthy_s, f->boots);
}
