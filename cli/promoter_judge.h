/*
 * promoter_judge: may this change of a later ring be co-signed?
 *
 * Pure. What the server says (the gate record) is replayed, and held against
 * what it cannot forge: the promoter's own copy of the policy, its own memory
 * and clock, the vendor's signature, and what was published with enough
 * signatures before.
 */
#ifndef CLI_PROMOTER_JUDGE_H
#define CLI_PROMOTER_JUDGE_H

#include "cli/witness.h"

#define JUDGE_DAY 86400

enum judge_kind {
	JUDGE_PROMOTION,        /* a bundle is new to the ring */
	JUDGE_BACK,             /* one that the ring had before */
	JUDGE_REMOVAL,          /* the ring shall have none */
};

struct judge_case {
	const char *request;                    /* its id */
	const char *ring, *channel;
	const struct policy *policy;            /* ours, of this channel */
	const struct witness *witness;
	const struct assignment *current;       /* as published; NULL: none */
	const struct assignment *wanted;        /* NULL: taken away */
	bool current_stopped, wanted_stopped;   /* by stop or recall, as published */
	bool vendor_signed;                     /* the content role lists path, serial and digest of what is wanted */
	uint64_t vendor_greatest;               /* serial that the content role lists */
	const struct gate_record *record;       /* the evidence; NULL: none was given */
	int64_t now;                            /* our clock */
	int64_t vouchers;                       /* endpoints of the ring before that must vouch for the bundle themselves; 0: none have keys */
	int64_t per_day;                        /* changes of one kind that one ring may have in 24 h */
};

/*
 * 0: sign. ERR_REFUSED: never as it stands. ERR_CONFLICT: not yet, ask again.
 * The error is the reason. kind is set whenever it is known.
 */
int judge_change(const struct judge_case *c, enum judge_kind *kind, struct err *e) MUST_CHECK;

#endif
