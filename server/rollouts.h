/*
 * rollouts: every bundle's way through the rings, in memory as in the store.
 *
 * A stage is one rollout in one ring: its state, its offers in order, and the
 * sums the gate looks at. Nothing here locks or decides: the caller holds the
 * server's lock; control.h decides. Stages live until the server ends.
 */
#ifndef SERVER_ROLLOUTS_H
#define SERVER_ROLLOUTS_H

#include "rollout/assignment.h"
#include "rollout/permit.h"
#include "rollout/silence.h"
#include "rollout/verdict.h"
#include "server/access.h"
#include "server/fleet.h"
#include "server/waitlist.h"

struct offer {
	struct device *device;
	struct outcome_facts facts;     /* last_seen, goodbye and quiet_until are filled in when asked */
	enum outcome outcome;           /* as last judged */
	bool silenced;                  /* fell silent once: one endpoint, one event */
	char reason[CHECKIN_REASON_MAX + 1];    /* of a failure */
};

/* One that fell silent, as the test of silence counted it. */
struct silenced {
	struct device *device;
	int64_t at;
	uint32_t group, at_risk, waiting;
	bool treated;
};

/* The values are stored: never renumber. */
enum approval_kind {
	APPROVAL_RING = 0,              /* the ring may take the bundle */
	APPROVAL_COVERAGE = 1,          /* it may pass by coverage */
	APPROVAL_EMERGENCY_ASKED = 2,   /* somebody asks for the emergency lane */
	APPROVAL_EMERGENCY = 3,         /* and somebody else agrees */
	APPROVAL_HOOK_PASSED = 4,       /* somebody asks to take it into the ring though a hook holds it: APPROVAL_RING agrees */
};
#define ROLLOUT_WHOLE (-1)              /* in place of a ring's position */

struct approval {
	enum approval_kind kind;
	int ring;                       /* position, or ROLLOUT_WHOLE */
	char who[ACCESS_WHO_MAX + 1], reason[REASON_LEN_MAX + 1];
	int64_t at;
};

struct rollout;

struct stage {
	struct rollout *rollout;
	int position;
	const struct policy_ring *policy;       /* of the rollout's pinned policy */
	enum ring_state state;
	int64_t changed, began, bound_at, passed_at;
	char cause[32], sentence[257];  /* of the last move */
	bool operator_hold, coverage_approved, continue_anyway, content_crash, declined, by_coverage;
	struct bundle_ref previous;     /* what the ring had before; digest zero: nothing */
	bool trouble;                   /* an act failed: `problem` says why; tried again every tick */
	char problem[257];

	struct sequence *sequence;
	struct offer *offers;           /* by n - 1 */
	uint32_t count, cap;
	uint32_t open;                  /* offers pending or away */
	uint32_t reserved;              /* offers on their way to the store */
	struct strata *strata;          /* owned: frozen at the first offer; NULL: nobody was offered anything */
	bool strata_kept;               /* in the store as well */
	bool last_waits;                /* frozen with it: the last of the order are offered only after the pass */
	struct waitlist waiting;        /* told to wait; asked again or forgotten after two intervals */
	struct silence silence;         /* of `silenced`, in their order */
	struct silenced *silenced;
	uint32_t silenced_count, silenced_cap;
	uint32_t at_risk, compared;     /* heard of at the last look, in strata that have both; 0: the test is unarmed */
	int64_t silence_due;            /* the next look at them */
	struct effects_sums *effects;   /* owned: of offered and waiting endpoints at the last look; NULL: nobody reports any */
	int64_t effects_due;
	struct calendar_state hours;    /* of its calendar, as of hours_at; 0: not looked at yet */
	int64_t hours_at;
	struct verdict_result last;     /* of the last look, for people */
	uint32_t eligible;              /* members at the last look */
	int64_t looked_at;
};

struct rollout {
	uint64_t id;
	char channel[NAME_LEN_MAX + 1];
	struct bundle_ref bundle;
	uint64_t attempt;
	int64_t created;
	char by[ACCESS_WHO_MAX + 1], reason[REASON_LEN_MAX + 1];
	struct policy *policy;          /* owned; its time zones are open as far as they are known here */
	uint64_t policy_version;        /* of the channel's; 0: the default */
	struct approval *approvals;     /* owned; for this bundle under this policy, in the order in which they were given */
	size_t approval_count;
	char *policy_text;              /* owned: as stored */
	struct digest secret;           /* of the order */
	char *stop_ordered;             /* owned; why, while the repository may not have the stop yet; NULL: none was ordered, or it has */
	bool restored;                  /* store.h: it goes on when an operator says so; it may still be halted */
	struct stage stages[POLICY_RINGS_MAX];
	struct rollout *older;          /* the list goes from the newest to the oldest */
};

struct rollouts {
	struct rollout *newest;
	uint64_t last_id;
};

void rollouts_release(struct rollouts *all);
int rollouts_load(struct rollouts *all, struct fleet *fleet, struct store *store, struct err *e) MUST_CHECK;

/* A new one, queued in every ring. policy_text is parsed; on failure nothing is added. */
int rollouts_add(struct rollouts *all, struct rollout **out, const struct store_rollout *row, struct err *e) MUST_CHECK;

/* The stage that has the ring: of the newest rollout that entered it and was not replaced, else of the newest that waits; NULL: none. */
struct stage *rollouts_in_ring(const struct rollouts *all, const char *channel, const char *ring);
struct rollout *rollouts_find(const struct rollouts *all, uint64_t id);
struct rollout *rollouts_of(const struct rollouts *all, const char *channel, const struct digest *digest);     /* NULL: none */
struct stage *rollout_stage(struct rollout *r, const char *ring);       /* NULL: no such ring */
int rollout_order_stop(struct rollout *r, const char *why, struct err *e) MUST_CHECK;   /* notes it; whoever controls the rollout has it signed */

/* The stage in which a device would be offered, or was offered, this digest; NULL: none. */
struct stage *rollouts_stage_for(const struct rollouts *all, const struct device *d, const char *channel, const struct digest *digest);
struct offer *stage_offer_of(struct stage *g, const struct device *d);  /* NULL: none */

/* Freezes the strata; before the first offer. Takes plan, also on failure. */
int stage_freeze(struct stage *g, struct strata *plan, bool last_waits, struct err *e) MUST_CHECK;
/* stage_strata.c: the strata of the ring as it is now, frozen in memory; the caller keeps them with the first offer. */
int stage_plan(struct stage *g, const struct fleet *fleet, int64_t heard_since, struct err *e) MUST_CHECK;
int stage_strata_row(const struct stage *g, int64_t at, struct store_strata *out, struct buf *plan, struct err *e) MUST_CHECK;
int stage_strata_load(struct stage *g, const struct store_strata *row, struct err *e) MUST_CHECK;
/* Counts one that fell silent: whoever it is, only once. */
int stage_add_silenced(struct stage *g, const struct silenced *v, struct err *e) MUST_CHECK;

/* Adds offer n, which must be the next. */
int stage_add_offer(struct stage *g, struct device *d, uint32_t n, int64_t at, const char *stratum, struct err *e) MUST_CHECK;
/* Judges one offer again and tells the sequence. */
/*
 * The facts of an offer as they count. Of a flagged device a survival is left
 * out until a person clears it, for it may be another machine's; a failure
 * counts whoever had it.
 */
struct outcome_facts stage_facts(const struct stage *g, uint32_t n);
void stage_judge(struct stage *g, uint32_t n, int64_t silence_s, int64_t quiet_until, int64_t now);

/* Its place in the order of this rollout's rings. */
uint64_t rollout_order(const struct rollout *r, const struct device *d);
/* The permit question for a device of this ring; notes who waits. */
void stage_permit(struct stage *g, struct device *d, uint64_t attempt, int64_t checkin_s, int64_t now, struct permit_answer *out);

/* rollouts_people.c: who agreed; who NULL: anybody, the first. */
const struct approval *rollout_approval(const struct rollout *r, int ring, enum approval_kind kind, const char *who);  /* NULL: none */
int64_t rollout_approvals(const struct rollout *r, int ring, enum approval_kind kind);
/* Takes one in; one for another bundle or policy, or a second of the same person, changes nothing. */
int rollout_add_approval(struct rollout *r, const struct store_approval *row, struct err *e) MUST_CHECK;
/* Since when the emergency lane is open; 0: it is not. */
int64_t rollout_emergency(const struct rollout *r);
/* Are offers made now? In the emergency lane always. With the server's lock. */
struct calendar_state stage_hours(struct stage *g, int64_t now);
/* Seconds since its first offer in which none were. */
int64_t stage_closed_s(const struct stage *g, int64_t now);

/* The rows of the store; texts point into the stage. previous is the buffer for its JSON. */
int stage_row(const struct stage *g, struct store_ring *out, struct buf *previous, struct err *e) MUST_CHECK;
void stage_outcome_row(const struct stage *g, uint32_t n, struct store_outcome *out);
void rollout_row(const struct rollout *r, struct store_rollout *out);

/* What an ETag of it says: another text whenever people would see another state. Counts of offers do not change it. */
#define ROLLOUT_VERSION_MAX 33
void rollout_version(const struct rollout *r, char out[ROLLOUT_VERSION_MAX]);

/* "running", "held", "passed", ...: one word for all rings together. */
bool rollout_lives(const struct rollout *r);    /* some ring is not in a final state */
bool rollout_under_way(const struct rollout *r);        /* and has not passed all of them */
const char *rollout_state(const struct rollout *r);

#endif
