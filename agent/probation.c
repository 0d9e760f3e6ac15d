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

/* What the sensor does with the content that is no failure to run it. */
static bool harms(struct probation *out, const struct probation_facts *f)
{
	if (f->restarts > f->restarts_max)
		say(out, PROBATION_FAIL, reason_word(REASON_SENSOR_DIED), "the sensor was restarted %u times, at most %u are allowed", f->restarts,
		    f->restarts_max);
	else if (f->verdicts_ceiling && f->verdicts > f->verdicts_ceiling)
		say(out, PROBATION_FAIL, reason_word(REASON_VERDICTS), "%" PRIu64 " verdicts within %" PRId64 " s, at most %" PRIu64 " are allowed",
		    f->verdicts, f->window_s, f->verdicts_ceiling);
	else if (f->window_whole && f->cpu_ceiling && f->cpu_percent > f->cpu_ceiling)
		say(out, PROBATION_FAIL, reason_word(REASON_CEILING_CPU), "the sensor takes %" PRId64 " %% of a processor over %" PRId64 " s, at most %" PRId64 " %% are allowed",
		    f->cpu_percent, f->window_s, f->cpu_ceiling);
	else if (f->window_whole && f->rss_ceiling && f->rss_bytes > f->rss_ceiling)
		say(out, PROBATION_FAIL, reason_word(REASON_CEILING_RSS), "the sensor keeps %" PRIu64 " bytes over %" PRId64 " s, at most %" PRIu64 " are allowed",
		    f->rss_bytes, f->window_s, f->rss_ceiling);
	else
		return false;
	return true;
}

void probation_judge(struct probation *out, const struct probation_facts *f)
{
	if (f->crashed)
		say(out, PROBATION_FAIL, reason_word(REASON_KERNEL), "the kernel crashed: %.200s", f->crash_words ? f->crash_words : "");
	else if (f->probe_failed)
		say(out, PROBATION_FAIL, reason_word(REASON_PROBE), "the probe failed: %.200s", f->probe_words ? f->probe_words : "");
	else if (f->health_failed)
		say(out, PROBATION_FAIL, reason_word(REASON_HEALTH), "%.280s", f->health_words ? f->health_words : "");
	else if (harms(out, f))
		return;
	else if (!probation_up(f))
		not_up(out, f);
	else if (f->healthy_s < f->need_s)
		say(out, PROBATION_WAIT, "", "healthy for %" PRId64 " of %" PRId64 " s", f->healthy_s, f->need_s);
	else if (f->boots < f->need_boots)
		say(out, PROBATION_WAIT, "", "seen %" PRIu64 " of %" PRIu64 " new boots", f->boots, f->need_boots);
	else if (f->health_waits)
		say(out, PROBATION_WAIT, "", "the probe and the required health checks have not passed yet");
	else
		say(out, PROBATION_PASS, "", "healthy for %" PRId64 " s and %" PRIu64 " new boots", f->healthy_s, f->boots);
}
