/*
 * simulate: a rollout through a made-up fleet, judged by the same policy code.
 *
 * Time goes in minutes from the midnight before the rollout begins. An
 * endpoint's hours, stratum, boots and fate follow from a hash of (seed, ring,
 * its place in the order), so a fleet of millions needs a few bytes each.
 * What decides is what a server decides with: permit, outcome, sequence,
 * strata, silence, gate_background, verdict, and move and state for the ring;
 * its windows and freezes are rollout/calendar. The trace says how endpoints
 * behave, how fast people answer and how often bundles are published. Newer
 * bundles pass each ring as this one does and take the place of none. A ring
 * is looked at every minute, and one minute less often for each 50,000 offers.
 * Not simulated: missing telemetry, and effects that are no failures. Pure.
 */
#ifndef ROLLOUT_SIMULATE_H
#define ROLLOUT_SIMULATE_H

#include "base/json.h"
#include "rollout/policy.h"

#define SIMULATE_KINDS_MAX 16
#define SIMULATE_STRATA_MAX 64
#define SIMULATE_WORD_MAX 128
#define SIMULATE_FLEET_MAX 100000000
#define SIMULATE_RUNS_MAX 100000
#define SIMULATE_RUNS 200               /* as many as are asked for when nobody says, */
#define SIMULATE_WORK 60000000          /* and how much all of them may do: so that 8,500,000 endpoints take less than a minute */
#define SIMULATE_POINTS 512             /* of the curve: one every SIMULATE_DAYS / SIMULATE_POINTS */
#define SIMULATE_DAYS 128               /* what is not done then is never done */
#define SIMULATE_TRACE_MAX 65536        /* bytes of the document */

/* Endpoints that keep the same hours. */
struct simulate_kind {
	char name[SIMULATE_WORD_MAX + 1];
	double share;                   /* of the fleet */
	double online[24];              /* share of them that is heard of, by hour; those of the peak hour are all of them */
	int64_t boot_s;                 /* from one boot to the next */
	double silent_a_day;            /* how often it falls silent in a day, with whatever it runs, and says no goodbye */
	int64_t silent_s;               /* and for how long */
};

struct simulate_stratum {
	char name[SIMULATE_WORD_MAX + 1];
	double share;
};

struct simulate_ring {
	double share;
	int64_t lag_s;                  /* a slow ring: it begins so long after the one before passed */
};

/* How those behave who are asked to approve, to promote, or to let a ring go on. */
struct simulate_people {
	int64_t answer_s;               /* of their hours until one answers, in the mean; they are asked together */
	struct calendar hours;          /* owned */
};

/* How a fleet behaves, and those who look after it. */
struct simulate_trace {
	struct simulate_kind kinds[SIMULATE_KINDS_MAX];
	size_t kind_count;
	struct simulate_stratum strata[SIMULATE_STRATA_MAX];
	size_t stratum_count;
	struct simulate_ring rings[POLICY_RINGS_MAX];   /* by the policy's place */
	struct simulate_people people;
	int64_t bundle_every_s;         /* a newer bundle comes so often: for a ring that lags bundles behind */
	int64_t placebos;               /* placebo offers measured so far; 0: the background loss is unknown */
};

/* Laptops by day, desktops, servers; rings of 0.1 %, 1 % and the rest; people answer in an hour at any time; nobody falls silent. */
void simulate_trace_default(struct simulate_trace *out, const struct policy *p);
/*
 * {"format":1,"kinds":[{"name":..,"share":..,"online":[24 shares, by UTC],"boot_s":..,"silent_a_day":..,"silent_s":..}],
 *  "strata":[{"name":..,"share":..}],"rings":[{"name":..,"share":..,"lag_s":..}],
 *  "people":{"answer_s":..,"windows":[..],"freezes":[..]},"bundle_every_s":..,"placebos":..}
 * What is left out is as the default; shares are made to add up to 1. Opens
 * the time zones of the people's hours. On failure *out is untouched.
 */
int simulate_trace_parse(struct simulate_trace *out, const struct policy *p, const char *name, const char *text, size_t len, struct err *e) MUST_CHECK;
void simulate_trace_release(struct simulate_trace *t);

enum simulate_way {
	SIMULATE_FAIL,                  /* the endpoint reverts and reports a failure: the tests alone must find it */
	SIMULATE_CRASH,                 /* the same with evidence of a crash: the first ring's rail sees it */
	SIMULATE_SILENT,                /* nothing is heard of it from the switch on */
};

struct simulate_plan {
	const struct policy *policy;    /* resolved */
	int64_t begins;                 /* seconds since the epoch, UTC: when it is published */
	const struct simulate_trace *trace;
	uint32_t fleet;
	double defect;                  /* of the loads in the stratum below fail */
	int stratum;                    /* -1: in every stratum */
	enum simulate_way way;
	uint64_t seed;
};

enum simulate_end { SIMULATE_HALTED, SIMULATE_COVERED, SIMULATE_HELD, SIMULATE_UNFINISHED };

struct simulate_run {
	enum simulate_end end;
	int ring;                       /* the last that was entered */
	uint32_t hit;                   /* endpoints the defect struck */
	uint32_t exposed;               /* endpoints that took the content */
	uint64_t work;                  /* offers, and what happened to endpoints, one by one */
	uint32_t asked;                 /* times a ring waited for people: to approve, to promote, to let it go on */
	int64_t halt_s;                 /* from the start; -1: never. A hold for silence counts: nothing more is offered */
	int64_t cover_s;                /* until all of the fleet was through with it; -1: never */
	int64_t entered_s[POLICY_RINGS_MAX];    /* when its assignment was published; -1: never */
	int64_t passed_s[POLICY_RINGS_MAX];     /* -1: never */
	char sentence[256];             /* the gate's, of the halt or hold */
	uint32_t curve[SIMULATE_POINTS];        /* endpoints that took it, over SIMULATE_DAYS */
};

/* One way it may go; the same plan gives the same run. */
int simulate_run(struct simulate_run *out, const struct simulate_plan *p, struct err *e) MUST_CHECK;

struct simulate_spread {
	int64_t median, p95, worst;     /* -1: none, or never */
};

struct simulate_report {
	uint32_t runs, halted, covered, held;
	struct simulate_spread hit, halt_s, cover_s;
	struct simulate_run worst;      /* the run that hit most */
	uint32_t first_limit;           /* the first ring's in-flight limit at its start */
};

/*
 * So many runs with seeds from plan.seed on, fewer when they do more than
 * `most` work together (at least one).
 */
int simulate(struct simulate_report *out, const struct simulate_plan *p, uint32_t runs, uint64_t most, struct err *e) MUST_CHECK;

const char *simulate_end_name(enum simulate_end end);
void simulate_json(struct json_writer *w, const struct simulate_plan *p, const struct simulate_report *r);
/* The worst run's curve, its halt and the rings it passed, as a picture. */
void simulate_svg(struct buf *out, const struct simulate_plan *p, const struct simulate_report *r);

#endif
