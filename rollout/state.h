/*
 * state: the life of one rollout in one ring, as a table.
 */
#ifndef ROLLOUT_STATE_H
#define ROLLOUT_STATE_H

#include <stdbool.h>

/* The values are stored: never renumber. */
enum ring_state {
	RING_QUEUED = 0,
	RING_AWAITING_APPROVAL = 1,
	RING_AWAITING_SIGNATURE = 2,
	RING_OFFERING = 3,
	RING_BAKING = 4,
	RING_PASSED = 5,
	RING_HELD = 6,          /* from offering */
	RING_HELD_BAKING = 7,   /* from baking: goes back there */
	RING_HALTED = 8,
	RING_ROLLED_BACK = 9,
	RING_SUPERSEDED = 10,
	RING_ABORTED = 11,
};
#define RING_STATES 12

enum ring_event {
	RING_FREE,              /* the previous ring passed and this ring is free */
	RING_ASK,               /* the same, and people must approve first */
	RING_APPROVED,          /* the approvals are there; the assignment still lacks signatures */
	RING_SIGNED,            /* the assignment is published */
	RING_BOUND,             /* the pass bound is reached, or a small ring is covered */
	RING_REOPEN,            /* endpoints came that have no offer, or the bound was lost again */
	RING_PASS,              /* bound, soak and boots */
	RING_HOLD,              /* a rail or a person */
	RING_RESUME,            /* the cause ended, or a person */
	RING_HALT,
	RING_ROLLBACK_DONE,     /* the previous assignment is published again */
	RING_SUPERSEDE,         /* a newer bundle took the place */
	RING_ABORT,             /* a person gave up */
};
#define RING_EVENTS 13

/* The state after the event, or -1: the event means nothing there and is ignored or refused. */
int state_next(enum ring_state at, enum ring_event on);

bool state_permits(enum ring_state s);  /* may offers be made */
bool state_final(enum ring_state s);    /* nothing leaves it */
bool state_frees(enum ring_state s);    /* the ring may take a new bundle: this one is not in it, or no longer needs it */
bool state_armed(enum ring_state s);    /* the halt test is looked at */
bool state_held(enum ring_state s);

const char *state_name(enum ring_state s);      /* "awaiting-approval" */
int state_parse(const char *name);              /* -1: unknown */
const char *state_event_name(enum ring_event on);

#endif
