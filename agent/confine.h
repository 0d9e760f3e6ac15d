/*
 * confine: what every process of the agent gives up before it reads its first
 * byte from elsewhere: descriptors, privileges, resources.
 *
 * What the kernel refuses is told, never skipped in silence: the answer is
 * the set of what is in force, and with strict_sandbox anything missing stops
 * the process.
 */
#ifndef AGENT_CONFINE_H
#define AGENT_CONFINE_H

#include "agent/settings.h"

enum confine_role { CONFINE_FETCH, CONFINE_JUDGE, CONFINE_UNPACK, CONFINE_CHECK, CONFINE_CANARY, CONFINE_ROLES };

enum {
	CONFINE_NO_NEW_PRIVS = 1 << 0,
	CONFINE_RLIMITS = 1 << 1,
	CONFINE_USER = 1 << 2,          /* is not root */
	CONFINE_UNDUMPABLE = 1 << 3,
	CONFINE_PARENT = 1 << 4,        /* dies with the supervisor */
};
#define CONFINE_ALL 0x1f

const char *confine_role_name(enum confine_role role);          /* "fetch"; never NULL */
int confine_role_parse(const char *name);                       /* -1: none */

/* The role's user by the settings; "" none. */
const char *confine_user(const struct settings *s, enum confine_role role);

/* In the process itself, once. *in_force may be NULL. */
int confine(const struct settings *s, enum confine_role role, unsigned *in_force, struct err *e) MUST_CHECK;

/* "no_new_privs, user" for the bits given; "" for none. */
void confine_words(unsigned bits, char *out, size_t cap);

#endif
