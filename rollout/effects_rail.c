#include "rollout/effects_rail.h"

#include <stdio.h>
#include <string.h>

#include "base/defs.h"

#define NUMBER_MAX ((int64_t)1 << 53)
#define SUM_MAX ((int64_t)1 << 60)

static const struct {
	const char *what, *unit;
	double scale;           /* of n per `per`, for people */
	bool counted;
} figures[EFFECTS_FIGURES] = {
	[FIGURE_VERDICTS] = { "verdicts", "an hour", 3600, true },
	[FIGURE_BLOCKS] = { "blocks and quarantines", "an hour", 3600, true },
	[FIGURE_ERRORS] = { "events that could not be judged", "an hour", 3600, true },
	[FIGURE_CPU] = { "CPU time", "% of a core", 0.1, false },
	[FIGURE_RSS] = { "memory", "MiB", 1.0 / (1 << 20), false },
	[FIGURE_LOAD] = { "load time", "ms", 1, false },
};

static void put(struct effects_sum *s, uint64_t n, uint64_t per)
{
	if (n > NUMBER_MAX || per > NUMBER_MAX || per == 0 || s->n > SUM_MAX || s->per > SUM_MAX)
		return;
	s->n += (int64_t)n;
	s->per += (int64_t)per;
}

static struct effects_rule_sum *rule_of(struct effects_sums *s, const char *rule)
{
	for (size_t i = 0; i < s->rule_count; i++)
		if (strcmp(s->rules[i].rule, rule) == 0)
			return &s->rules[i];
	if (s->rule_count == EFFECTS_RAIL_RULES)
		return NULL;
	snprintf(s->rules[s->rule_count].rule, sizeof s->rules->rule, "%s", rule);
	return &s->rules[s->rule_count++];
}

static void add_counted(struct effects_sums *s, enum effects_side side, const struct effects *f)
{
	struct effects_sum *of = s->of[side];
	uint64_t blocks = f->verdicts[EFFECTS_BLOCK] + f->verdicts[EFFECTS_QUARANTINE] + f->would[EFFECTS_BLOCK] + f->would[EFFECTS_QUARANTINE];

	put(&of[FIGURE_VERDICTS], f->verdicts[EFFECTS_ALERT] + blocks, f->counted_s);
	put(&of[FIGURE_BLOCKS], blocks, f->counted_s);
	put(&of[FIGURE_ERRORS], f->errors, f->counted_s);
	put(&of[FIGURE_LOAD], f->load_ms, 1);
	for (size_t i = 0; i < f->rule_count; i++) {
		struct effects_rule_sum *r = f->rules[i].n <= NUMBER_MAX ? rule_of(s, f->rules[i].rule) : NULL;

		if (r && r->n[side] <= SUM_MAX)
			r->n[side] += (int64_t)f->rules[i].n;
	}
}

void effects_rail_add(struct effects_sums *s, enum effects_side side, const struct effects *f)
{
	s->hosts[side]++;
	if (f->counted)
		add_counted(s, side, f);
	if (f->measured) {
		put(&s->of[side][FIGURE_CPU], f->cpu_ms, f->measured_s);
		put(&s->of[side][FIGURE_RSS], f->rss_bytes, 1);
	}
}

static double rate(const struct effects_sum *s)
{
	return s->per ? (double)s->n / (double)s->per : 0;
}

/* Above every side that says anything; *most is the highest of them. None of one is counted as one. */
static bool above(const struct effects_sums *s, const struct effects_sum of[EFFECTS_SIDES], double ratio, double *most)
{
	int sides = 0;

	*most = 0;
	for (int side = EFFECTS_BEFORE; side < EFFECTS_SIDES; side++) {
		struct effects_sum other = { MAX(of[side].n, 1), of[side].per };

		if (s->hosts[side] < EFFECTS_RAIL_HOSTS || other.per == 0)
			continue;
		sides++;
		*most = MAX(*most, rate(&other));
	}
	return sides > 0 && s->hosts[EFFECTS_OFFERED] >= EFFECTS_RAIL_HOSTS && rate(&of[EFFECTS_OFFERED]) > ratio * *most;
}

/* So much more than `most` that somebody may feel it. */
static bool matters(enum effects_figure i, const struct effects_sum *offered, double most, const struct effects_bounds *b)
{
	const int64_t floors[EFFECTS_FIGURES] = { [FIGURE_CPU] = b->cpu_ms_s, [FIGURE_RSS] = b->rss_bytes, [FIGURE_LOAD] = b->load_ms };

	return figures[i].counted ? offered->n >= b->least : rate(offered) - most >= (double)floors[i];
}

bool effects_rail(char sentence[EFFECTS_RAIL_SENTENCE], const struct effects_sums *s, const struct effects_bounds *b)
{
	struct effects_sum of[EFFECTS_SIDES];
	const double ratio = b->ratio;
	double most;

	for (int i = 0; i < EFFECTS_FIGURES; i++) {
		for (int side = 0; side < EFFECTS_SIDES; side++)
			of[side] = s->of[side][i];
		if (!above(s, of, ratio, &most) || !matters((enum effects_figure)i, &of[EFFECTS_OFFERED], most, b))
			continue;
		snprintf(sentence, EFFECTS_RAIL_SENTENCE, "%s of endpoints with the content: %.3g %s, of others %.3g: more than %g times", figures[i].what,
			 figures[i].scale * rate(&of[EFFECTS_OFFERED]), figures[i].unit, figures[i].scale * most, ratio);
		return true;
	}
	for (size_t i = 0; i < s->rule_count; i++) {
		for (int side = 0; side < EFFECTS_SIDES; side++)
			of[side] = (struct effects_sum){ s->rules[i].n[side], s->of[side][FIGURE_VERDICTS].per };
		if (of[EFFECTS_OFFERED].n < b->least || !above(s, of, ratio, &most))
			continue;
		snprintf(sentence, EFFECTS_RAIL_SENTENCE, "rule %.64s on endpoints with the content: %.3g verdicts an hour, on others %.3g: more than %g times",
			 s->rules[i].rule, 3600 * rate(&of[EFFECTS_OFFERED]), 3600 * most, ratio);
		return true;
	}
	return false;
}
