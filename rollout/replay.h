/*
 * replay: a gate's verdict again, from nothing but its record.
 *
 * The same code that decided: outcomes, sequence, strata, silence, verdict.
 * The numbers are summed up the slow, plain way, so the server's running sums
 * are checked as well. A record of format 1 is replayed by what it has, and
 * its words are not compared. Pure.
 */
#ifndef ROLLOUT_REPLAY_H
#define ROLLOUT_REPLAY_H

#include "rollout/gate_record.h"

struct replay {
	struct verdict_facts facts;     /* with the sums; its pointers go into the record */
	struct verdict_result result;
};

/*
 * ERR_REFUSED names what differs when verdict, cause or sentence are not what
 * the record says, or its facts contradict each other: an outcome before its
 * offer, an offer after the decision, more survivors than offers, an endpoint
 * that fell silent twice or on the wrong side. out->facts borrows from r.
 */
int replay_record(struct replay *out, const struct gate_record *r, struct err *e) MUST_CHECK;

/*
 * Could `later` have come after `earlier`, both of the same rollout and ring?
 * Offers only follow, what is final stays, a decision does not go back in
 * time. ERR_REFUSED says what was rewritten. Records by runs are compared by
 * their number of offers alone.
 */
int replay_follows(const struct gate_record *earlier, const struct gate_record *later, struct err *e) MUST_CHECK;

/* The same gate for the same ring? ERR_REFUSED names the first number that differs. */
int replay_same_policy(const struct policy *ours, const struct policy *theirs, struct err *e) MUST_CHECK;

#endif
