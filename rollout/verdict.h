/*
 * verdict: what a ring's recorded facts say: go on, hold, pass or halt.
 *
 * Pure, the same code for server, replay and simulation. The state table says
 * what a verdict does; the permit question is rollout/permit.h.
 */
#ifndef ROLLOUT_VERDICT_H
#define ROLLOUT_VERDICT_H

#include "rollout/effects_rail.h"
#include "rollout/policy.h"
#include "rollout/sequence.h"
#include "rollout/strata.h"

enum verdict { VERDICT_CONTINUE, VERDICT_HOLD, VERDICT_PASS, VERDICT_HALT };

/* Why, as a word for programs. Stored as text. */
#define VERDICT_CAUSES(X)                                                                      \
	X(CAUSE_NONE, "none")                                                                  \
	X(CAUSE_EVIDENCE, "evidence")           /* E reached its limit */                      \
	X(CAUSE_FIRST_RING_CRASH, "first-ring-crash") /* rail: engine or kernel crash */       \
	X(CAUSE_DECLINED, "declined")           /* rail: a contract refusal in the first ring */ \
	X(CAUSE_TELEMETRY, "telemetry")         /* rail: too few check-ins arrive */           \
	X(CAUSE_EFFECTS, "effects")             /* rail: content does something that is no crash */ \
	X(CAUSE_LEFT_OUT, "left-out")           /* rail: away and environment above 20 % */    \
	X(CAUSE_BACKGROUND, "background")       /* only with the lost is E at its limit */     \
	X(CAUSE_COVERAGE_IMPOSSIBLE, "coverage-impossible")                                    \
	X(CAUSE_COVERAGE_APPROVE, "coverage-approve") /* covered; policy asks a person */      \
	X(CAUSE_DEADLINE, "deadline")                                                          \
	X(CAUSE_OPERATOR, "operator")                                                          \
	X(CAUSE_BOUND, "bound")                 /* the pass bound is reached */                \
	X(CAUSE_COVERAGE, "coverage")           /* passed by covering a small ring */          \
	X(CAUSE_SOAK, "soak")                   /* bound reached, soak runs */                 \
	X(CAUSE_RUNNING, "running")             /* not enough is known yet */

enum verdict_cause {
#define X(name, word) name,
	VERDICT_CAUSES(X)
#undef X
};

struct verdict_facts {
	const struct policy_ring *ring;
	bool first;                     /* the first ring of the policy */
	bool emergency;                 /* the lane with the shorter soak */
	int64_t now;
	int64_t began;                  /* the first offer; 0: none yet */
	int64_t closed_s;               /* since it began: seconds in which the ring's calendar was closed */
	int64_t bound_at;               /* when an earlier verdict first said bound_reached; 0: never */
	struct sequence_sums sums;      /* of the offers */
	const struct strata *strata;    /* the frozen ones; NULL: none are */
	uint32_t strata_lacking;        /* large strata with too few survivors to pass (rollout/strata.h) */
	const char *strata_lacks;       /* one of them; NULL: none */
	const char *failed_in;          /* the one stratum of several that has all failures of a halt; NULL: none has */
	uint32_t failed_in_offers;      /* its offers up to the halt */
	long double silence;            /* the greatest mean of the silence test; 0: not measured */
	/* members of the ring at this moment */
	uint32_t eligible;              /* endpoints that the ring map puts here and that were heard of */
	uint32_t members_away;          /* of them: announced shutdown or suspend, and without a final outcome: nobody counts twice */
	uint32_t members_survived;      /* of them: survived this bundle */
	/* rails */
	bool content_crash;             /* engine or kernel crash attributed to the content, in this ring */
	bool declined;                  /* an endpoint's contract refused it, in this ring */
	const struct effects_sums *effects;     /* of the endpoints that report them; NULL: none does */
	int64_t checkins_expected, checkins_seen;       /* over the last two intervals; expected 0: not measured */
	int64_t placebos, placebos_lost;        /* placebo offers of the last 28 days, as background_known() asks */
	bool background_known;          /* the 97.5 % bound of background loss is at most p0/2 */
	/* people */
	bool operator_hold;
	bool coverage_approved;         /* a person agreed to the coverage pass */
	bool continue_anyway;           /* a person resumed after declined, coverage-impossible or deadline */
};

struct verdict_result {
	enum verdict verdict;
	enum verdict_cause cause;
	bool bound_reached;             /* the caller records the first time: bound_at */
	bool by_coverage;               /* the bound is a coverage pass */
	bool coverage_ring;             /* the ring is smaller than its clean-to-pass */
	double lambda, lambda_limit;    /* passes at lambda <= limit */
	double e, e_known, e_limit;     /* halts at e_known (or e, background known) >= limit; saturates at DBL_MAX */
	uint32_t e_at;                  /* the offer that reached the greatest E */
	double strata_e, strata_e_known, strata_e_limit;        /* the same for the mean over the strata; 0: none are frozen */
	uint32_t left_out;              /* away and environment */
	double excluded_rate;           /* by a coverage pass, at 95 % */
	int64_t in_flight_max;          /* M */
	char sentence[256];             /* for people */
};

/* Takes the facts about strata from a sequence frozen with them; plan NULL: there are none. */
void verdict_strata(struct verdict_facts *f, const struct strata *plan, const struct sequence *q);
/* The same from outcomes in offer order, group[] by offer: the slow, plain statement. Sums are in f already. */
int verdict_strata_plain(struct verdict_facts *f, const struct strata *plan, const enum outcome *outcomes, const uint32_t *group,
			 struct err *e) MUST_CHECK;

void verdict_of(struct verdict_result *out, const struct verdict_facts *f);

/* M = min(cap, max(m0, survived so far)). */
int64_t verdict_in_flight(const struct policy_ring *ring, uint32_t survived);

const char *verdict_name(enum verdict v);               /* "continue", "hold", "pass", "halt" */
const char *verdict_cause_name(enum verdict_cause c);
int verdict_cause_parse(const char *name);              /* -1: unknown */
bool verdict_cause_ends_itself(enum verdict_cause c);   /* a hold that resumes when its cause ends */

#endif
