/*
 * phase: where one channel of this host stands on a bundle's way, as a pure
 * transition table (DESIGN section 5).
 *
 * A phase names what is done and durable. An action is either *settling*
 * (arm, commit, revert, ...): finished before the new phase is stored; or
 * *starting* (fetch, validate, ...): begun after the phase was stored, and
 * answered later by an event. So a process that dies anywhere finds, at its
 * next start, either the old phase with a settling action to repeat or the
 * new phase with a starting action to begin again (event BOOTED); every
 * action is therefore idempotent.
 */
#ifndef AGENT_PHASE_H
#define AGENT_PHASE_H

#include <stdbool.h>

#define PHASE_TABLE(X)                                                      \
	X(PHASE_IDLE, "idle")           /* nothing under way */             \
	X(PHASE_FETCHING, "fetching")   /* an offer is known, its bytes are not complete */ \
	X(PHASE_VERIFIED, "verified")   /* slots/<digest> is complete and right */ \
	X(PHASE_VALIDATED, "validated") /* the local contract accepts it; a permit is asked for */ \
	X(PHASE_CANARIED, "canaried")   /* the engine loaded it in the canary process */ \
	X(PHASE_ARMED, "armed")         /* the boot record says trial */    \
	X(PHASE_ACTIVE, "active")       /* the link points at it; on probation */

#define PHASE_EVENT_TABLE(X)                                                \
	X(ON_OFFERED, "offered")        /* the judge says install */        \
	X(ON_STAGED, "staged")          /* the slot is complete */          \
	X(ON_BROKEN, "broken")          /* transfer or decoding failed: try again later */ \
	X(ON_ACCEPTED, "accepted")      /* the contract accepts it */       \
	X(ON_REFUSED, "refused")        /* contract or canary say no: content's fault */ \
	X(ON_PERMITTED, "permitted")    /* permit in hand, or none needed */ \
	X(ON_LOADED, "loaded")          /* the canary load went well */     \
	X(ON_CLEARED, "cleared")        /* fresh verdict stands, no other trial, ages and windows allow it */ \
	X(ON_SWITCHED, "switched")      /* link changed, sensor told */     \
	X(ON_HEALTHY, "healthy")        /* probation passed */              \
	X(ON_UNHEALTHY, "unhealthy")    /* probation failed */              \
	X(ON_STEPPED_DOWN, "stepped-down") /* the boot guard left the trial already */ \
	X(ON_WITHDRAWN, "withdrawn")    /* stopped, superseded, held, or no longer assigned */ \
	X(ON_RETREAT, "retreat")        /* leave committed content for a slot on disk */ \
	X(ON_BOOTED, "booted")          /* this process starts */

#define PHASE_ACTION_TABLE(X)                                               \
	X(ACT_NONE, "none", false)                                          \
	X(ACT_FETCH, "fetch", false)                                        \
	X(ACT_VALIDATE, "validate", false)                                  \
	X(ACT_ASK, "ask", false)        /* for the permit */                \
	X(ACT_TRY, "try", false)        /* the canary load */               \
	X(ACT_WAIT, "wait", false)      /* for ON_CLEARED */                \
	X(ACT_SWITCH, "switch", false)                                      \
	X(ACT_WATCH, "watch", false)                                        \
	X(ACT_ARM, "arm", true)         /* then the link, as ACT_SWITCH */  \
	X(ACT_COMMIT, "commit", true)                                       \
	X(ACT_REVERT, "revert", true)                                       \
	X(ACT_REFUSE, "refuse", true)   /* quarantine and report, drop the slot */ \
	X(ACT_DISCARD, "discard", true) /* drop what was fetched, blame nobody */ \
	X(ACT_RETREAT, "retreat", true) /* local switch, no permit, no probation */

#define X(name, text) name,
enum phase { PHASE_TABLE(X) PHASES };
enum phase_event { PHASE_EVENT_TABLE(X) PHASE_EVENTS };
#undef X
#define X(name, text, settling) name,
enum phase_action { PHASE_ACTION_TABLE(X) PHASE_ACTIONS };
#undef X

struct phase_step {
	enum phase then;
	enum phase_action act;
};

/* NULL: the event means nothing in that phase and is ignored. */
const struct phase_step *phase_step(enum phase at, enum phase_event on);

bool phase_settling(enum phase_action act);
bool phase_on_trial(enum phase at);             /* ARMED or ACTIVE: the boot record says trial */

const char *phase_name(enum phase at);          /* "idle"; never NULL */
const char *phase_event_name(enum phase_event on);
const char *phase_action_name(enum phase_action act);
bool phase_parse(enum phase *out, const char *name);

#endif
