/* probation: may the content on trial stay? Pure; channel_watch.c gathers the facts. */
#ifndef AGENT_PROBATION_H
#define AGENT_PROBATION_H

#include <stdbool.h>
#include <stdint.h>

#include "boot/sensor_status.h"

enum probation_say { PROBATION_WAIT, PROBATION_PASS, PROBATION_FAIL };

struct probation_facts {
	bool watched;                   /* the sensor reports what it runs */
	bool reported, alive;           /* it ever did since boot; it lives */
	enum ringhold_state state;
	bool same_digest;               /* its report is about the content on trial */
	const char *sensor_reason;      /* borrowed */
	int64_t down_ms, wait_ms;       /* how long it has not been up on that content; how long it may */
	int64_t healthy_s, need_s;
	uint64_t boots, need_boots;
	bool crashed;                   /* the kernel, since the trial was armed */
	const char *crash_words;
	bool probe_failed;
	const char *probe_words;
	bool health_waits;              /* required checks have not all passed yet */
	bool health_failed;
	const char *health_words;
	/* the sensor's process; see agent/measure.h for what a window is */
	unsigned restarts, restarts_max;
	bool window_whole;
	int64_t cpu_percent, cpu_ceiling;       /* of one processor; ceilings of 0: none */
	uint64_t rss_bytes, rss_ceiling;
	uint64_t verdicts, verdicts_ceiling;    /* in the window */
	int64_t window_s;
};

struct probation {
	enum probation_say say;
	char reason[32];                /* a code of schema/reason.h; "" unless FAIL */
	char sentence[300];
};

/* Is the sensor up on this content right now? */
bool probation_up(const struct probation_facts *f);
void probation_judge(struct probation *out, const struct probation_facts *f);

#endif
