/*
 * tally: what a crowd was told, held against the rows of a store, which are
 * read here without a line of the server's own code.
 */
#ifndef TESTS_FAULTS_TALLY_H
#define TESTS_FAULTS_TALLY_H

#include "crowd.h"

#define TALLY_TOKEN "crowd"     /* name of the enrolment token that the crowd has, */
#define TALLY_USES_TEXT "1000000"       /* good for so many */

/* As the store has them, in the first ring of the first rollout. */
struct tally {
	int64_t devices, events, offers, survived, failed, decisions;
	int64_t moves;          /* of any ring, from a state to another */
};

/*
 * Everything acknowledged is there, exactly once; what was sent and not
 * acknowledged at most once; offers are numbered without a gap; the chain of
 * the audit log is whole. `quiet`: nothing is under way, so nothing may be
 * there that was not acknowledged either, but for devices that nobody is and
 * decisions of unknown end. ERR_REFUSED: the sentence names the first thing
 * that is wrong. The crowd must not meet a server meanwhile.
 */
int tally_check(struct crowd *c, const char *store, bool quiet, struct tally *out, struct err *e) MUST_CHECK;

#endif
