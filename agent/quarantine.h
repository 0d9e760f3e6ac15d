/*
 * quarantine: digests this host will not try again for one attempt, as files
 * quarantine.d/<digest>.<attempt>: {digest, attempt, cause, contract, evidence}.
 * They survive clean-up and the loss of agent.db.
 */
#ifndef AGENT_QUARANTINE_H
#define AGENT_QUARANTINE_H

#include "base/hash.h"
#include "base/name.h"

#define QUARANTINE_MAX 1024     /* entries of a channel; the oldest beyond are forgotten */

struct quarantine {
	struct digest digest;
	uint64_t attempt;
	int64_t at;
	char cause[64];                 /* a code of schema/reason.h */
	struct digest contract;         /* that the host had then; zero: none */
	char evidence[512];
};

/* channel_dir is the channel's directory. Adding again replaces. */
int quarantine_add(int channel_dir, const struct quarantine *q, struct err *e) MUST_CHECK;
int quarantine_remove(int channel_dir, const struct digest *d, uint64_t attempt, struct err *e) MUST_CHECK;    /* absent is success */

/* 1: there is an entry, readable or not; 0: none. */
int quarantine_has(int channel_dir, const struct digest *d, uint64_t attempt, struct err *e) MUST_CHECK;

typedef int quarantine_visit(void *arg, const struct quarantine *q, struct err *e);
/* An entry that cannot be read still counts, with cause "internal". A negative answer stops. */
int quarantine_each(int channel_dir, quarantine_visit *visit, void *arg, struct err *e) MUST_CHECK;

/* A new contract lifts what was about the old one: contract, crash, hang, ceilings. Answers how many. */
int quarantine_lift(int channel_dir, const struct digest *contract, struct err *e) MUST_CHECK;

#endif
