/* command_known: all that this host knows of one bundle; from its own disk, so that it needs neither network nor agent. */
#ifndef AGENT_COMMAND_KNOWN_H
#define AGENT_COMMAND_KNOWN_H

#include "agent/host.h"

/* word: a serial, or the first digits of a digest. 0; 1: this host knows nothing of it. */
int command_known(struct host *h, const char *word, bool json, struct err *e) MUST_CHECK;

#endif
