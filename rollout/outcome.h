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

/* Times are seconds since the epoch by the server's clock; 0: did not happen. */
struct outcome_facts {
	int64_t offered;
	int64_t last_seen;      /* last authenticated check-in of the device, of any kind */
	int64_t goodbye;        /* last announced shutdown or suspend */
	int64_t survived;       /* a check-in proved the policy's seconds, boots and self-test */
	int64_t failed;         /* crash, revert, quarantine, ceiling breach with a content reason */
	int64_t environment;    /* a report of class environment or operator, not followed by a new start */
	bool voided;            /* by an operator */
	int64_t quiet_until;    /* nobody is called silent before: set after an outage or a restart of the server */
};

/*
 * observe_s is the ring's D, silence_s its G. A failure beats everything but a
 * void, also when it comes after a survival; a survival beats what is not a
 * failure. An endpoint that said goodbye is away until it is heard again, and
 * D then starts anew.
 */
enum outcome outcome_of(const struct outcome_facts *f, int64_t observe_s, int64_t silence_s, int64_t now);

/*
 * When the answer may change without a new fact: the time at which a pending
 * offer becomes lost if nothing more is heard. INT64_MAX: never by itself.
 */
int64_t outcome_matures(const struct outcome_facts *f, int64_t observe_s, int64_t silence_s);

/* survived, failed, lost, environment and void free their place in flight; pending and away do not... */
bool outcome_final(enum outcome o);
bool outcome_left_out(enum outcome o);  /* no observation: away, environment, void */
const char *outcome_name(enum outcome o);       /* "survived"; never NULL */
int outcome_parse(const char *name);            /* -1: unknown */

#endif
