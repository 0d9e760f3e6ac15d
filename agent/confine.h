/*
 * confine: what every process of the agent gives up before it reads its first
 * byte from elsewhere: user, capabilities, files, system calls, resources.
 *
 * What the kernel refuses is told, never skipped in silence: the answer is
 * the set of what is in force, and with strict-sandbox anything missing stops
 * the process.
 *
 *   fetch    the network; reads what a resolver and a TLS client read; writes nothing
 *   judge    no network; reads the roots of trust and the contract, writes tuf/
 *   unpack   no network; reads slots; its only way out is its socket
 *   check    as unpack, and the contract
 *   canary   as check, and the benign corpora; starts the try, which content/canary.c confines much further
 */
#ifndef AGENT_CONFINE_H
#define AGENT_CONFINE_H

#include <sys/types.h>

#include "agent/settings.h"

enum confine_role { CONFINE_FETCH, CONFINE_JUDGE, CONFINE_UNPACK, CONFINE_CHECK, CONFINE_CANARY, CONFINE_ROLES };

enum {
	CONFINE_NO_NEW_PRIVS = 1 << 0,
	CONFINE_RLIMITS = 1 << 1,
	CONFINE_USER = 1 << 2,          /* neither root nor another role's */
	CONFINE_UNDUMPABLE = 1 << 3,
	CONFINE_PARENT = 1 << 4,        /* dies with the supervisor */
	CONFINE_NO_CAPS = 1 << 5,
	CONFINE_BOUNDING = 1 << 6,      /* the bounding set is empty */
	CONFINE_LANDLOCK = 1 << 7,
	CONFINE_SECCOMP = 1 << 8,
};
#define CONFINE_ALL 0x1ff
/*
 * The supervisor stays root and starts the operator's commands, which inherit whatever it gives up:
 * docs/decisions/0030-walls-of-the-agents-processes.md says why it is not more.
 */
#define CONFINE_SUPERVISOR (CONFINE_NO_NEW_PRIVS | CONFINE_RLIMITS | CONFINE_UNDUMPABLE | CONFINE_SECCOMP)

const char *confine_role_name(enum confine_role role);          /* "fetch"; never NULL */
int confine_role_parse(const char *name);                       /* -1: none */

/*
 * The role's user: that of the settings (a name, or a number that needs no
 * account), else ringhold-<role> where there is one, else 0: root it stays. But
 * the canary becomes nobody: the kernel counts no processes of root, and what it
 * runs may want to start very many.
 */
struct confine_identity {
	uid_t uid;
	gid_t gid;
	bool shared;            /* nobody's, for want of one of its own; or another role's too (unpack and check are one here) */
};
int confine_identity(struct confine_identity *out, const struct settings *s, enum confine_role role, struct err *e) MUST_CHECK;

bool confine_runs_commands(const struct settings *s);            /* some channel has content that only a check command can judge */

/* In the process itself, once. *in_force may be NULL. */
int confine(const struct settings *s, enum confine_role role, unsigned *in_force, struct err *e) MUST_CHECK;
unsigned confine_supervisor(void);      /* answers what is in force */

/*
 * What would be in force, found out by a child that confines itself and ends.
 * CONFINE_ROLES stands for the supervisor.
 */
int confine_examine(const struct settings *s, enum confine_role role, unsigned *in_force, struct err *e) MUST_CHECK;
/* Whether check commands can be kept together and given a place of their own: "" or what the kernel refuses. */
void confine_examine_commands(const struct settings *s, char *lacks, size_t cap);

/* Makes what confine_examine_commands() asks about, in the canary, while it is root; says what it cannot. */
int confine_begin_namespace(struct err *e) MUST_CHECK;
int confine_begin_scratch(const struct settings *s, struct err *e) MUST_CHECK;

/* At the supervisor's start: warns of all that is missing; ERR_UNSUPPORTED when strict-sandbox forbids that. */
int confine_examine_all(const struct settings *s, struct err *e) MUST_CHECK;

const char *confine_word(unsigned bit);                 /* "own user" for CONFINE_USER; NULL: not one of them */
/* "no_new_privs, own user" for the bits given; "" for none. */
void confine_words(unsigned bits, char *out, size_t cap);

#endif
