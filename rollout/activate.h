/*
 * activate: what an endpoint does about one channel, from facts alone.
 *
 * Every clause is evaluated and reported, so that `explain` can print the
 * whole reasoning; then the precedence disable > stop > quarantine > pin >
 * hold > assignment picks the action. Used before a fetch and again right
 * before ARM. A window that will open keeps nobody from fetching: INSTALL is
 * said ahead of it, and whoever arms waits for the assignment's window.
 *
 * With two repositories the vendor's listing and its freshness count for what
 * has to be fetched. A granted rollback to content that was committed here and
 * is on disk needs the customer's word alone, or a vendor that is down, or
 * that is not well-meaning, could keep a fleet on what it wants to leave.
 */
#ifndef ROLLOUT_ACTIVATE_H
#define ROLLOUT_ACTIVATE_H

#include "rollout/assignment.h"

#define ACTIVATE_METADATA_MAX_AGE 3600          /* seconds */
#define ACTIVATE_STOP_BUDGET_S (24 * 3600)      /* one committed bundle a day by the online stop key */

enum activate_slot { SLOT_NONE, SLOT_BASELINE, SLOT_PREVIOUS, SLOT_CURRENT, SLOT_TRIAL };
#define ACTIVATE_SLOTS 5

enum activate_contract { CONTRACT_UNKNOWN /* not validated yet: no objection */, CONTRACT_ACCEPTS, CONTRACT_REFUSES };

/* A set of digests, borrowed. */
struct activate_set {
	const struct digest *digests;
	size_t count;
};

struct activate_content {
	struct digest digest;           /* zero: the slot is empty */
	uint64_t serial;
};

/* What the fresh content role lists under the assignment's path. */
struct activate_target {
	const char *path;
	uint64_t serial;
	struct digest digest;
};

struct activate_facts {
	int64_t now;
	const char *channel, *ring;     /* where this host stands */
	int ring_position;              /* 0: the first ring */

	/* the repositories */
	int64_t content_at, rings_at;   /* when each was last found fresh; 0: never. One repository: the same */
	const struct assignment *assignment;    /* of this host's ring; NULL: none */
	const struct activate_target *vendor;   /* NULL: the content role lists nothing there */
	struct activate_set stopped;    /* by stop documents; persisted ones included */
	struct activate_set recalled;   /* by the people's recalls; persisted ones included */
	struct activate_set urgent;     /* that the recalls list as urgent */
	uint64_t floor;                 /* the greatest seen; 0: none */

	/* this host */
	struct activate_content slots[ACTIVATE_SLOTS];  /* by enum activate_slot; [SLOT_NONE] unused */
	enum activate_slot running;
	uint64_t high_water;            /* the greatest serial ever committed here */
	bool quarantined;               /* the assigned digest, for the assigned attempt */
	enum activate_contract contract;        /* of the assigned digest */
	const char *contract_sentence;  /* why it refuses; NULL */
	bool disabled, held;            /* local commands */
	struct digest pinned;           /* zero: no pin */
	const char *const *approvals_demanded;  /* parties; the host's configuration */
	const bool *approvals_present;          /* each of them lists the digest */
	size_t approval_count;
	int64_t min_age_s;              /* -1: the default of the ring position: 0, 1 h, 4 h */
	int64_t first_seen;             /* of the assigned digest, by this host; 0: now */
	int64_t stop_left_at;           /* when a committed bundle was last left by an online stop; 0: never */
};

enum activate_action {
	ACTIVATE_KEEP,          /* go on with what runs */
	ACTIVATE_INSTALL,       /* fetch (or take what is staged), prove, permit, trial */
	ACTIVATE_SWITCH,        /* to a slot on disk, committed at once: no permit, no probation */
	ACTIVATE_LEAVE,         /* what runs must go: to a slot on disk, at once */
};

enum activate_clause {
	CLAUSE_ENABLED, CLAUSE_NOT_STOPPED, CLAUSE_NOT_QUARANTINED, CLAUSE_NOT_PINNED, CLAUSE_NOT_HELD,
	CLAUSE_FRESH, CLAUSE_ASSIGNED, CLAUSE_LISTED, CLAUSE_ACCEPTED, CLAUSE_APPROVED, CLAUSE_FLOOR,
	CLAUSE_NEWER, CLAUSE_AGE, CLAUSE_WINDOW,
};
#define ACTIVATE_CLAUSES 14

struct activate_verdict {
	bool holds;
	char sentence[192];
};

struct activate_decision {
	enum activate_action action;
	enum activate_slot slot;        /* of SWITCH and LEAVE */
	struct digest digest;           /* of INSTALL, SWITCH and LEAVE */
	uint64_t serial, attempt;
	bool install_first;             /* nothing was ever committed here: exempt from the minimum age */
	bool by_online_stop;            /* LEAVE of a committed bundle that spends the day's budget: record stop_left_at */
	int64_t again_at;               /* KEEP: when time alone may change the answer; INT64_MAX: never */
	const char *reason;             /* a word: "current", "stopped", "quarantined", ...; static */
	char sentence[256];
	struct activate_verdict clauses[ACTIVATE_CLAUSES];
};

void activate_decide(struct activate_decision *out, const struct activate_facts *f);

const char *activate_clause_name(enum activate_clause c);       /* "enabled" */
const char *activate_slot_name(enum activate_slot s);           /* "current" */
const char *activate_action_name(enum activate_action a);       /* "install" */

#endif
