/* simulate_runs: many runs of one plan, and what they come to. */
#include <stdlib.h>
#include <string.h>

#include "rollout/simulate.h"
#include "rollout/verdict.h"

static int ascending(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* Those that never came are left out of a spread of times. */
static void spread(struct simulate_spread *out, int64_t *values, uint32_t count)
{
	*out = (struct simulate_spread){ -1, -1, -1 };
	if (count == 0)
		return;
	qsort(values, count, sizeof *values, ascending);
	*out = (struct simulate_spread){ values[(count - 1) / 2], values[(count - 1) - (count - 1) / 20], values[count - 1] };
}

int simulate(struct simulate_report *out, const struct simulate_plan *p, uint32_t runs, uint64_t most, struct err *e)
{
	AUTO_FREE int64_t *values = calloc(3 * (size_t)runs + 1, sizeof *values);
	int64_t *hit = values, *halt = values + runs, *cover = values + 2 * (size_t)runs;
	struct simulate_plan one = *p;
	struct simulate_run run;
	uint32_t halts = 0, covers = 0;

	if (!values)
		return err_memory(e);
	memset(out, 0, sizeof *out);
	for (uint64_t done = 0; out->runs < runs && (out->runs == 0 || done < most); done += run.work) {
		one.seed = p->seed + out->runs;
		if (simulate_run(&run, &one, e) < 0)
			return e->code;
		hit[out->runs] = run.hit;
		if (run.halt_s >= 0)
			halt[halts++] = run.halt_s;
		if (run.cover_s >= 0)
			cover[covers++] = run.cover_s;
		out->halted += run.end == SIMULATE_HALTED;
		out->held += run.end == SIMULATE_HELD;
		out->covered += run.end == SIMULATE_COVERED;
		if (out->runs++ == 0 || run.hit > out->worst.hit)
			out->worst = run;
	}
	spread(&out->hit, hit, out->runs);
	spread(&out->halt_s, halt, halts);
	spread(&out->cover_s, cover, covers);
	out->first_limit = (uint32_t)verdict_in_flight(&p->policy->rings[0], 0);
	return 0;
}

const char *simulate_end_name(enum simulate_end end)
{
	static const char *const names[] = { "halted", "covered", "held", "unfinished" };

	return names[end];
}
