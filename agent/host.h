/*
 * host: what all channels of this agent share. One thread, one owner: the
 * supervisor.
 */
#ifndef AGENT_HOST_H
#define AGENT_HOST_H

#include <sys/stat.h>

#include "agent/crash.h"
#include "agent/credentials.h"
#include "agent/journal.h"
#include "agent/settings.h"
#include "schema/contract.h"

struct channel;
struct round;

struct host {
	const struct settings *s;
	struct journal *journal;
	struct credentials credentials;
	struct crash crash;             /* of the kernel; not yet told */
	struct digest contract;         /* of the contract's bytes; all zero: none */
	struct stat contract_file;      /* as it was when they were read */
	struct stat contract_unread;    /* as it was when they last could not be: told once, tried at each look */
	struct contract_ceilings ceilings;      /* of it; CONTRACT_UNLIMITED where it has none */
	struct channel *channels;       /* owned */
	size_t channel_count;
	struct round *round;            /* of the agent's loop; NULL in commands */
	bool round_wanted;              /* something to report, or a permit or fresh verdict is needed */
	bool refresh_wanted;            /* ... with metadata refreshed whatever the server says */
};

/*
 * Channels too, their journal reconciled with the boot records; `look` only:
 * nothing is changed, for commands beside a running agent.
 */
int host_open(struct host *h, const struct settings *s, bool look, struct err *e) MUST_CHECK;
/*
 * Reads the contract again when its file is another one. 1: it says something
 * else; quarantines it may have caused are lifted and what is under way begins
 * anew. An unreadable one leaves the old in force, and is read as soon as it can be.
 */
int host_look_at_contract(struct host *h, struct err *e) MUST_CHECK;
void host_close(struct host *h);

struct channel *host_channel(struct host *h, const char *name);         /* NULL: not configured */
bool host_other_trial(const struct host *h, const struct channel *c);   /* another channel is on trial */
bool host_other_download(const struct host *h, const struct channel *c);        /* another channel downloads */

/* An event of the whole host or of a channel without content, outside any transaction. */
int host_event(struct host *h, const char *channel, const char *kind, const char *reason, const char *evidence, struct err *e) MUST_CHECK;

#endif
