/*
 * outcome: what became of one offer. A pure function of recorded facts.
 */
#ifndef ROLLOUT_OUTCOME_H
#define ROLLOUT_OUTCOME_H

#include <stdbool.h>
#include <stdint.h>

/* The values are stored: never renumber. */
enum outcome {
	OUTCOME_PENDING = 0,            /* heard of within G but not finished */
	OUTCOME_SURVIVED = 1,           /* 0 in the sequence */
	OUTCOME_FAILED = 2,             /* 1 */
	OUTCOME_LOST = 3,               /* 1: took the offer and went silent */
	OUTCOME_AWAY = 4,               /* left out while it lasts: announced shutdown or suspend */
	OUTCOME_ENVIRONMENT = 5,        /* left out: disk full, local hold, no network, not started */
	OUTCOME_VOID = 6,               /* left out: an operator voided it */
};
#define OUTCOME_COUNT 7

/*
 * Times are seconds since the epoch by the server's clock; 0: did not happen.
 * Two of them are this function's own answers, which the caller records so
 * that they stay: `lost`, and `renewed` when an endpoint is heard again.
 */
struct outcome_facts {
	int64_t offered;
	int64_t last_seen;      /* last authenticated check-in of the device, of any kind */
	int64_t goodbye;        /* last announced shutdown or suspend */
	int64_t renewed;        /* last return: first check-in after a goodbye, or new start after an environment report */
	int64_t survived;       /* a check-in proved the policy's seconds, boots and self-test */
	int64_t failed;         /* crash, revert, quarantine, ceiling breach with a content reason */
	int64_t environment;    /* last report of class environment or operator */
	int64_t lost;           /* when outcome_of() first said lost: final */
	int64_t quiet_until;    /* nobody is called silent before: set after an outage or a restart of the server */
	bool voided;            /* by an operator */
};

/*
 * observe_s is the ring's D, silence_s its G. A failure beats everything but a
 * void, also when it comes after a survival. Lost is final even when the
 * endpoint returns: only a failure overwrites it. An endpoint that said
 * goodbye is away until it is heard again, and D then starts anew; so it does
 * after an environment report.
 */
enum outcome outcome_of(const struct outcome_facts *f, int64_t observe_s, int64_t silence_s, int64_t now);

/*
 * When the answer may change without a new fact: the time at which a pending
 * offer becomes lost if nothing more is heard. INT64_MAX: never by itself.
 */
int64_t outcome_matures(const struct outcome_facts *f, int64_t observe_s, int64_t silence_s);

/* All but pending and away: it no longer counts as in flight. An environment report may still be followed by a new start. */
bool outcome_final(enum outcome o);
bool outcome_left_out(enum outcome o);  /* no observation: away, environment, void */
const char *outcome_name(enum outcome o);       /* "survived"; never NULL */
int outcome_parse(const char *name);            /* -1: unknown */

#endif
