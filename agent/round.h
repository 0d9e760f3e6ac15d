/*
 * round: the supervisor's side of one conversation with the judge: what this
 * host knows goes out, then verdicts, permits and stops come back as they are
 * found. Judge and its fetch process live from round to round; when either
 * dies both are started anew.
 */
#ifndef AGENT_ROUND_H
#define AGENT_ROUND_H

#include "agent/host.h"
#include "agent/introduce.h"
#include "agent/spawn.h"

struct round {
	struct host *host;
	struct spawned judge, fetch;
	struct stat contract_file;      /* the one that this judge may read */
	struct introduce_seen identity; /* the one that this fetch process shows */
	bool open;                      /* a round is under way */
	bool brief;
	int64_t deadline;               /* clock_work_ms() */
	int64_t next_s;                 /* what the server asked for; 0: nothing */
	bool heard;                     /* the server answered in this round */
	uint64_t failures;              /* rounds in a row without success */
	char trouble[MESSAGE_TEXT];     /* of the last round; "" none */
	bool aside;                     /* not the loop's: its trouble is for who asked */
	int64_t known_at;               /* a verdict from the store is no fresher than what is stored */
	const char *mirror;             /* directory that is read instead of any network; before the start; NULL: none */
	/* explain */
	void (*clause)(void *arg, const struct message_clause *m);
	void *clause_arg;
};

#define ROUND_REVOKED "revoked"         /* key of the journal; not "": the server lets this device in no more */

enum round_kind { ROUND_FULL, ROUND_BRIEF /* check in, no more */, ROUND_STORED /* no network at all */, ROUND_MIRROR /* refresh, no more */ };

void round_init(struct round *r, struct host *h);
int round_start(struct round *r, enum round_kind kind, struct err *e) MUST_CHECK;

/* Takes what the judge says: 1 when the round is over, 0 while it goes on. */
int round_turn(struct round *r);
void round_stop(struct round *r);       /* kills both processes */

#endif
