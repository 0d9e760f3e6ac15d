/* simulate_parts: what the files of rollout/simulate share; nobody else includes it. */
#ifndef ROLLOUT_SIMULATE_PARTS_H
#define ROLLOUT_SIMULATE_PARTS_H

#include "rollout/move.h"
#include "rollout/sequence.h"
#include "rollout/silence.h"
#include "rollout/simulate.h"
#include "rollout/strata.h"
#include "rollout/verdict.h"

#define SIM_HOUR 60                     /* minutes */
#define SIM_DAY (24 * SIM_HOUR)
#define SIM_HORIZON (SIMULATE_DAYS * SIM_DAY)
#define SIM_NEVER (SIM_HORIZON + 1)
#define SIM_GROUPS (SIMULATE_STRATA_MAX + 1)    /* strata, and other */

/* What one endpoint is, from its place alone. */
struct sim_endpoint {
	const struct simulate_kind *kind;
	uint16_t stratum;
	double hours;                   /* it is heard of in the hours whose share is above this */
	uint32_t phase;                 /* minutes until its next check-in, and of its boots */
	bool hit;                       /* the defect strikes it */
};

/* Endpoints of one stratum, counted. */
struct sim_group {
	uint32_t members, taken;        /* all, and those with an offer */
	uint32_t heard;                 /* of these: not judged yet, and heard of since the switch */
	uint32_t settled;               /* and those judged that were heard of then */
	uint32_t fell;                  /* without an offer, and fallen silent */
};

struct sim_ring {
	const struct policy_ring *policy;
	const struct simulate_plan *plan;
	uint64_t seed;
	uint32_t size, cursor;          /* members; those before the cursor had their first turn */
	uint32_t before_pass;           /* of them may be offered something before the pass */
	uint64_t clean_to_pass;
	int position;
	/* its state, as a server keeps it; instants are seconds since the epoch, 0 never */
	enum ring_state state;
	int64_t began, closed_s, bound_at, passed_at;
	struct calendar_state hours;
	struct move_held held;
	int64_t answer_at;              /* people were asked and answer then */
	int asks_from;                  /* the minute at which hosts find the bundle old enough */
	int64_t placebos_lost;
	/* what the gate looks at */
	struct sequence *q;
	struct sequence_sums sums;
	struct verdict_result said;
	bool changed, worse;            /* since the last look: anything; what may halt */
	bool crashed;                   /* an engine, by the content */
	uint32_t hit;
	uint64_t work;                  /* offers made and things that happened to endpoints */
	struct strata *strata;          /* frozen as a server freezes them */
	uint32_t group[SIMULATE_STRATA_MAX];    /* of the trace's strata */
	struct sim_group groups[SIM_GROUPS];
	struct silence silence;
	double there[24], falls[24];    /* by hour: share of the endpoints that is heard of; how many of those fall silent in a minute */
	/* calendar: one event to come for each endpoint */
	uint32_t *next, *head;          /* index + 1; 0: none */
	uint8_t *what;
	uint32_t *n, *since;            /* of the offer; the minute from which D counts */
	uint32_t ready, ready_last;     /* those that asked after their turn: first come, first served */
};

int64_t sim_time(const struct simulate_plan *p, int minute);    /* minute 0 is the midnight before the rollout begins */

/* ---- simulate_fleet: who an endpoint is and which hours it keeps ---- */
uint64_t sim_mix(uint64_t z);
double sim_unit(uint64_t bits);                                 /* [0, 1) */
void sim_endpoint(struct sim_endpoint *out, const struct sim_ring *g, uint32_t i);
bool sim_online(const struct sim_endpoint *p, int minute);
/* The first full hour from which this changes to `want`, or now. */
int sim_until(const struct sim_endpoint *p, int minute, bool want);
int64_t sim_boots_in(const struct sim_endpoint *p, int from);   /* minutes until its next boot */
bool sim_booted(const struct sim_endpoint *p, int minute);      /* it was switched off and is back: was its boot due meanwhile? */
/* The minute at which endpoint i, which is there from `from` on, falls silent by itself. */
int sim_falls_silent(const struct sim_ring *g, uint32_t i, const struct sim_endpoint *p, int from);
/* What a ring must know of its fleet as a whole: there, falls, placebos_lost. */
void sim_count_on(struct sim_ring *g);

/* ---- simulate_life: what becomes of the endpoints of a ring ---- */
void sim_asks_at(struct sim_ring *g, uint32_t i, int minute);
int sim_offer(struct sim_ring *g, uint32_t i, const struct sim_endpoint *p, int minute, struct err *e) MUST_CHECK;
void sim_live(struct sim_ring *g, int minute);                  /* all that happens in this minute */

/* ---- simulate_ring: a ring as a server runs it ---- */
int sim_ring_open(struct sim_ring *g, const struct simulate_plan *p, int position, uint32_t size, struct err *e) MUST_CHECK;
void sim_ring_release(struct sim_ring *g);
/* One minute; before: the ring before it, NULL for the first. asked counts how often people are. */
int sim_ring_minute(struct sim_ring *g, const struct sim_ring *before, int minute, uint32_t *asked, struct err *e) MUST_CHECK;

#endif
