/*
 * role: the bodies of the agent's other processes. Each runs confined, serves
 * the socket it was given until the peer is gone, and answers the process's
 * exit status.
 *
 *   fetch   the network: composes URLs from the configuration, hands over bytes
 *   judge   no network, no content: metadata, signed documents, check-ins
 *   unpack  one archive or delta into records
 *   check   one slot re-hashed and checked against the contract
 *   canary  one slot loaded by its engine, in a child of its own
 */
#ifndef AGENT_ROLE_H
#define AGENT_ROLE_H

#include "agent/settings.h"

int role_fetch(const struct settings *s, int sock);
int role_judge(const struct settings *s, int sock, int fetch_sock);
int role_unpack(const struct settings *s, int sock);
int role_check(const struct settings *s, int sock);
int role_canary(const struct settings *s, int sock);

/* What fetch loads before it is confined, for it cannot afterwards: libcurl. ERR_UNSUPPORTED: it is not here. */
int role_begin_network(struct err *e) MUST_CHECK;

/* Finds, confines and runs the role; for main(). */
int role_main(const char *name, const char *root, const char *mirror /* NULL: none */);

#endif
