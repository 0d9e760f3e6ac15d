/*
 * measure: what the running sensor takes and gives, over a moving window. Pure;
 * channel_effects.c brings the samples.
 *
 * CPU time and memory are judged by a whole window only, and memory by its
 * least, so that the burst of a load counts for nothing. Verdicts are judged
 * as they come: a storm need not last.
 */
#ifndef AGENT_MEASURE_H
#define AGENT_MEASURE_H

#include <stdbool.h>
#include <stdint.h>

#define MEASURE_SAMPLES 64

struct measure_sample {
	int64_t at_ms;
	uint64_t cpu_ms, rss_bytes;     /* of the process: since it began; now */
	uint64_t verdicts;              /* since the content was taken over */
};

struct measure {
	int64_t window_ms;
	/* the process, so that another one under the same number is another one */
	int64_t pid;
	uint64_t started;
	unsigned restarts;              /* processes that followed the first */
	/* since measure_begin() or the last restart */
	struct measure_sample first, samples[MEASURE_SAMPLES];  /* oldest first */
	unsigned count;
	uint64_t verdicts_before;       /* of processes that are gone */
};

/* New content: nothing is known, but that it gave no verdict yet. */
void measure_begin(struct measure *m, int64_t window_ms, int64_t now_ms);

/* Which process it is now. True: it is another one than before, and its use is counted from 0. */
bool measure_process(struct measure *m, int64_t pid, uint64_t started);

void measure_add(struct measure *m, const struct measure_sample *s);

struct measure_figures {
	bool whole;             /* the window is full, and the next two count */
	int64_t cpu_percent;    /* mean, of one processor */
	uint64_t rss_least;     /* bytes that were never fallen below */
	uint64_t verdicts;      /* in the window, full or not */
	uint64_t rss_now, cpu_ms, seconds;      /* the latest; since the first sample of this process */
};
void measure_figures(struct measure_figures *out, const struct measure *m);

#endif
