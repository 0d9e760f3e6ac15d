/*
 * supervisor: the agent's loop. One thread; it alone owns the journal, the
 * boot records, the slots and the links, parses nothing remote, and acts only
 * on the judge's verdicts and local orders.
 */
#ifndef AGENT_SUPERVISOR_H
#define AGENT_SUPERVISOR_H

#include "agent/settings.h"

/*
 * Runs until SIGTERM or SIGINT, which it answers by saying goodbye to the
 * server and marking a clean shutdown. once: one round, then until every
 * channel rests or waits for something that time alone brings.
 */
int supervisor_run(const struct settings *s, bool once, struct err *e) MUST_CHECK;

#endif
