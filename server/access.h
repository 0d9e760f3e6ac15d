/*
 * access: who somebody is, and what they may do: a pure look-up.
 *
 * Whoever comes to the operator plane has an identity and grants. A grant is a
 * set of roles together with the channels it holds for. routes.c says for each
 * address which roles may come in, and how the channel is known that a request
 * is about. Roles do not contain each other, but for admin, which stands in
 * every row.
 */
#ifndef SERVER_ACCESS_H
#define SERVER_ACCESS_H

#include <stdbool.h>

#include "base/buf.h"

enum role { ROLE_VIEWER, ROLE_PUBLISHER, ROLE_OPERATOR, ROLE_APPROVER, ROLE_AUDITOR, ROLE_ADMIN, ROLES };

#define MAY(role) (1u << ROLE_##role)
/* Instead of roles: planes of their own. */
#define MAY_ANYBODY 0x100u
#define MAY_ENROL 0x200u        /* shows an enrolment token; its handler asks the store */
#define MAY_DEVICE 0x400u

#define ACCESS_WHO_MAX 128      /* bytes of an identity */
#define ACCESS_CHANNELS_MAX 1024
#define ACCESS_GRANTS_MAX 16

const char *role_name(enum role r);             /* "viewer" */
bool role_parse(enum role *out, const char *name);
/* "operator,approver" into a set; ERR_FORMAT names the word. At least one. */
int roles_parse(unsigned *out, const char *text, struct err *e) MUST_CHECK;

struct grant {
	unsigned roles;         /* of MAY() */
	char channels[ACCESS_CHANNELS_MAX];     /* separated by one blank; "": every channel */
};

/*
 * `who` is what is recorded as requester, approver and author: the name of an
 * operator's token, which no other token gets ever again, or "oidc:" and the
 * subject at the identity provider. Two identities are two people here.
 */
struct identity {
	char who[ACCESS_WHO_MAX + 1];
	char token[33];         /* id of the operator's token; "": none */
	int64_t expires;        /* of what was shown */
	struct grant grants[ACCESS_GRANTS_MAX];
	size_t count;
};

/* How the channel of a request is known. Zero says nothing, and stands in no row of the operator plane. */
enum scope {
	SCOPE_UNSAID,
	SCOPE_NONE,             /* it is about no channel */
	SCOPE_PATH,             /* the first parameter of the address is the channel */
	SCOPE_ASKS,             /* the handler finds out and asks handler_may(); an answer without having asked is held back */
	SCOPE_LEAVES_OUT,       /* a list or a page: the handler leaves out what handler_sees() does not let through */
	SCOPE_EVERY,            /* it concerns every channel: a grant for some does not do */
};

/* Does any grant hold one of these roles, for any channel at all? */
bool access_role(const struct identity *i, unsigned may);
/* ... for this channel? NULL: for every channel. */
bool access_channel(const struct identity *i, unsigned may, const char *channel);

/* Is the name among those separated by blanks? An empty list holds every name. */
bool access_listed(const char *channels, const char *name);
/* Adds a channel to such a list. ERR_FORMAT: no name; ERR_LIMIT: no room. */
int access_add_channel(char channels[ACCESS_CHANNELS_MAX], const char *name, struct err *e) MUST_CHECK;

#endif
