/*
 * effects_rail: does content do something to endpoints that is no crash?
 *
 * What the sensors of offered endpoints count and use (rollout/effects.h) is
 * held against what the same endpoints counted on the content before, and
 * against those that still wait. A figure stands out when it is more than
 * `ratio` times that of every side there is to compare with, and there are
 * `least` of it: of what is counted so many, of CPU time, memory and load time
 * so much more than the others have. Ten times next to nothing harms nobody. Rails are outside of alpha: they hold or halt as the policy
 * says. Pure.
 */
#ifndef ROLLOUT_EFFECTS_RAIL_H
#define ROLLOUT_EFFECTS_RAIL_H

#include "rollout/effects.h"

#define EFFECTS_RAIL_RULES 64           /* whose verdicts are told apart; those met first */
#define EFFECTS_RAIL_HOSTS 3            /* of a side, before it says anything */
#define EFFECTS_RAIL_SENTENCE 192

enum effects_side { EFFECTS_OFFERED, EFFECTS_BEFORE, EFFECTS_WAITING, EFFECTS_SIDES };

/* What is compared: the first three are counted and need `least`. */
enum effects_figure { FIGURE_VERDICTS, FIGURE_BLOCKS, FIGURE_ERRORS, FIGURE_CPU, FIGURE_RSS, FIGURE_LOAD, EFFECTS_FIGURES };

struct effects_sum {
	int64_t n, per;                 /* so many per so many seconds; of RSS and load time: per hosts */
};

struct effects_rule_sum {
	char rule[RULE_LEN_MAX + 1];
	int64_t n[EFFECTS_SIDES];
};

struct effects_sums {
	int64_t hosts[EFFECTS_SIDES];
	struct effects_sum of[EFFECTS_SIDES][EFFECTS_FIGURES];
	struct effects_rule_sum rules[EFFECTS_RAIL_RULES];
	size_t rule_count;
};

/* From where on a figure stands out, as the policy says. */
struct effects_bounds {
	double ratio;
	int64_t least;                  /* verdicts */
	int64_t cpu_ms_s, rss_bytes, load_ms;   /* more than others; 0: however little */
};

/* One endpoint's latest report; counts above 2^53 say nothing and are left out. */
void effects_rail_add(struct effects_sums *s, enum effects_side side, const struct effects *f);

/* The first figure, then the first rule, that stands out; said for people. */
bool effects_rail(char sentence[EFFECTS_RAIL_SENTENCE], const struct effects_sums *s, const struct effects_bounds *b);

#endif
