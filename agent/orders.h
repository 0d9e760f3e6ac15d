/*
 * orders: what people on the machine tell the agent: hold, unhold, pin,
 * unpin, revert, disable, enable, baseline, contract, install, mirror. Each works without any
 * network, holds at boot too, is written to history and reported.
 *
 * An order is a row in agent.db. The running agent carries it out; when none
 * runs, the command does it itself under the agent's lock.
 */
#ifndef AGENT_ORDERS_H
#define AGENT_ORDERS_H

#include "agent/host.h"

/* Carries out what waits. Negative only when agent.db cannot be used. */
int orders_run(struct host *h, struct err *e) MUST_CHECK;

/* Leaves the order and sees to it that it is done; the answer, or the error, is the order's own. */
int orders_give(const struct settings *s, const char *command, const char *channel, const char *argument, char *answer, size_t cap,
		struct err *e) MUST_CHECK;

#endif
