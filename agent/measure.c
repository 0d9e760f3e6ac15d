/* measure: samples in, figures of the window out. */
#include "agent/measure.h"

#include <string.h>

#include "base/defs.h"

void measure_begin(struct measure *m, int64_t window_ms, int64_t now_ms)
{
	*m = (struct measure){ .window_ms = window_ms, .first = { .at_ms = now_ms } };
}

bool measure_process(struct measure *m, int64_t pid, uint64_t started)
{
	bool known = m->pid != 0, same = m->pid == pid && m->started == started;

	if (known && same)
		return false;
	m->pid = pid;
	m->started = started;
	if (!known)
		return false;
	m->restarts++;
	if (m->count)
		m->verdicts_before = m->samples[m->count - 1].verdicts;
	m->count = 0;
	return true;
}

/* Of three samples within this time the one in the middle goes: neighbours may be half as far apart, and the window still fits. */
static int64_t spacing(const struct measure *m)
{
	return m->window_ms * 2 / (MEASURE_SAMPLES - 4);
}

/* The newest one that is a whole window old is the oldest that is needed. */
static void forget(struct measure *m, int64_t now_ms)
{
	unsigned old = 0;

	while (old + 1 < m->count && m->samples[old + 1].at_ms <= now_ms - m->window_ms)
		old++;
	memmove(m->samples, m->samples + old, (m->count - old) * sizeof *m->samples);
	m->count -= old;
}

void measure_add(struct measure *m, const struct measure_sample *s)
{
	struct measure_sample in = *s;

	in.verdicts += m->verdicts_before;
	if (m->count == 0)
		m->first = in;
	else if (in.verdicts < m->samples[m->count - 1].verdicts)       /* loaded anew by the same process */
		m->verdicts_before = m->samples[m->count - 1].verdicts, in.verdicts = m->verdicts_before + s->verdicts;
	if (m->count >= 2 && in.at_ms - m->samples[m->count - 2].at_ms < spacing(m))
		m->count--;
	if (m->count == MEASURE_SAMPLES)
		memmove(m->samples, m->samples + 1, --m->count * sizeof *m->samples);
	m->samples[m->count++] = in;
	forget(m, in.at_ms);
}

void measure_figures(struct measure_figures *out, const struct measure *m)
{
	const struct measure_sample *oldest = m->samples, *latest = m->count ? &m->samples[m->count - 1] : NULL;
	int64_t span;

	memset(out, 0, sizeof *out);
	if (!latest)
		return;
	span = latest->at_ms - oldest->at_ms;
	out->whole = span >= m->window_ms;
	out->cpu_percent = span > 0 ? (int64_t)(latest->cpu_ms - MIN(oldest->cpu_ms, latest->cpu_ms)) * 100 / span : 0;
	out->rss_least = latest->rss_bytes;
	for (unsigned i = 0; i < m->count; i++)
		out->rss_least = MIN(out->rss_least, m->samples[i].rss_bytes);
	/* Before the window is full it begins with the content, that had given no verdict. */
	out->verdicts = latest->verdicts - (out->whole ? oldest->verdicts : 0);
	out->rss_now = latest->rss_bytes;
	out->cpu_ms = latest->cpu_ms - MIN(m->first.cpu_ms, latest->cpu_ms);
	out->seconds = (uint64_t)(latest->at_ms - m->first.at_ms) / 1000;
}
