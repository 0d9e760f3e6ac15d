/*
 * policy: the rings of a channel in order, and each ring's gate.
 *
 * Everything a gate needs is here and is pinned when a rollout starts. The
 * document is {"format":1,"channel":..,"checkin_s":300,"rings":[{..}]}; a
 * member left out of a ring takes the default of the ring's place (first,
 * second, later).
 *
 * Windows and freezes need permits: who asks for none is not kept waiting.
 */
#ifndef ROLLOUT_POLICY_H
#define ROLLOUT_POLICY_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/name.h"
#include "rollout/calendar.h"

#define POLICY_MAX (256 * 1024)         /* bytes of the document */
#define POLICY_RINGS_MAX 16
#define POLICY_ROLE_MAX 16
#define POLICY_APPROVALS_MAX 16         /* people */

/* alpha is split between the tests of a ring: pooled E, E over the strata, silence. */
#define POLICY_SHARE_POOLED 0.4
#define POLICY_SHARE_STRATA 0.4
#define POLICY_SHARE_SILENCE 0.2

enum policy_coverage { COVERAGE_AUTO, COVERAGE_APPROVE };
enum policy_effects { EFFECTS_HOLD, EFFECTS_HALT };
enum policy_promote { PROMOTE_AUTO, PROMOTE_MANUAL };

/* What a stratum is made of. The first three are how it is asked by default; the others come before them in its name. */
enum policy_stratum { STRATUM_OS, STRATUM_SENSOR_VERSION, STRATUM_LOCALE, STRATUM_ARCH, STRATUM_SENSOR, STRATUM_KEYS };
#define STRATUM_DEFAULT (1u << STRATUM_OS | 1u << STRATUM_SENSOR_VERSION | 1u << STRATUM_LOCALE)
#define POLICY_STRATA_ALL (-1)

/* So many people, each with this role, none of whom asked for it. */
struct policy_approvals {
	int64_t count;                  /* 0: nobody is asked */
	char role[POLICY_ROLE_MAX + 1]; /* one of the roles of the operator plane: "approver" */
};

struct policy_ring {
	char name[NAME_LEN_MAX + 1];
	double p0, p1;                  /* failure rates: acceptable, intolerable; 0 < p0 < p1 < 1 */
	double alpha, beta;             /* most probability of a false halt, of a false pass */
	int64_t m0, cap;                /* offers in flight: at first, at most */
	int64_t soak_s;                 /* from the pass bound to the pass */
	int64_t observe_s;              /* D: an offer that has not survived by then may be lost */
	int64_t emergency_soak_s;       /* the same in the emergency lane, when it is shorter */
	int64_t deadline_s;             /* from the first offer to a verdict, the hours in which the ring is closed left out */
	int64_t boots;                  /* new boots an endpoint must see to survive */
	int64_t probation_s;            /* seconds the sensor must run the new digest */
	int64_t min_age_s;              /* what agents of the ring are taken to enforce, by their own settings; for simulations */
	enum policy_coverage coverage;  /* a coverage pass: by itself, or a person is asked */
	enum policy_promote promote;    /* into this ring: by itself, or a person is asked */
	bool permit_required;
	double last_share;              /* of the order: offered only after the pass, and compared with those before it; 0..0.5 */
	unsigned strata;                /* bits of enum policy_stratum; at least one */
	int64_t strata_survivors;       /* that a large stratum must have before the pass, or all of it */
	int64_t strata_covered;         /* so many large strata must have them; POLICY_STRATA_ALL */
	struct policy_approvals approvals;      /* before the ring takes a bundle; with PROMOTE_MANUAL a person promotes after them */
	struct calendar calendar;       /* owned: when offers are made */
	int64_t lag_bundles;            /* it takes a bundle when so many newer ones passed the ring before */
	int64_t lag_hours;              /* and so long after that bundle did */
	double effects_ratio;           /* how many times the others' figure stands out (rollout/effects_rail.h); 0: nothing does */
	int64_t effects_least;          /* counted verdicts before they can */
	int64_t effects_cpu_ms_s;       /* and the more must be this at least: milliseconds of CPU time a second, */
	int64_t effects_rss_bytes;      /* bytes of memory, */
	int64_t effects_load_ms;        /* milliseconds of load time */
	enum policy_effects effects;    /* then the ring holds, or halts */
	bool audit_first;               /* during probation new destructive rules only observe */
};

struct policy {
	char channel[NAME_LEN_MAX + 1];
	int64_t checkin_s;              /* the expected interval between check-ins */
	struct policy_approvals emergency;      /* who may open the emergency lane; never nobody */
	struct policy_ring rings[POLICY_RINGS_MAX];
	size_t count;
};

int policy_parse(struct policy **out, const char *name, const char *text, size_t len, struct err *e) MUST_CHECK;
void policy_free(struct policy *p);
int policy_write(struct buf *out, const struct policy *p, struct err *e) MUST_CHECK;
/* Opens the time zones of its calendars; ERR_NOT_FOUND names one that this machine does not know. */
int policy_resolve(struct policy *p, struct err *e) MUST_CHECK;

/* The shipped gates for these rings: canary's numbers for the first, early's for the second, broad's for the rest. */
int policy_default(struct policy **out, const char *channel, const char *const *rings, size_t count, struct err *e) MUST_CHECK;

const struct policy_ring *policy_find(const struct policy *p, const char *ring);        /* NULL: none */
int policy_position(const struct policy *p, const char *ring);                          /* -1: none */

/* G: how long an endpoint may be unheard before it is silent: max(3 x check-in, 15 min). */
int64_t policy_silence_s(const struct policy *p);

/* Refuses what could never work, naming the ring and the number: ERR_REFUSED. policy_parse() has asked already. */
int policy_check(const struct policy *p, struct err *e) MUST_CHECK;

/* What a ring may cost and how long it takes; members 0: unknown, then no bound by size. */
struct policy_exposure {
	int64_t clean_to_pass;          /* survivors in a row that pass */
	int64_t failures_to_halt;       /* fresh failures in a row that halt */
	int64_t worst_exposed;          /* endpoints that can hold the bundle before anything can halt: min(m0, members); without permits all members, 0 while they are unknown */
	int64_t best_s;                 /* least seconds from `now` until the whole ring is covered, waiting for its windows; of required boots only their own time; CALENDAR_NEVER */
	bool by_coverage;               /* the ring is too small for the statistical pass */
};
void policy_exposure(struct policy_exposure *out, const struct policy *p, size_t ring, int64_t members, int64_t now);

/* Refuses a ring that cannot pass with so many members (0: unknown), or not before its deadline, or that never opens. The policy is resolved. */
int policy_check_size(const struct policy *p, size_t ring, int64_t members, int64_t now, struct err *e) MUST_CHECK;

/* The soak that a ring asks for. */
int64_t policy_soak_s(const struct policy_ring *r, bool emergency);

AUTO_DEFINE(policy, struct policy *, policy_free);

#endif
