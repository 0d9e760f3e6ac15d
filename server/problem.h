/*
 * problem: every kind of refusal, as the "type" of a problem document (RFC 9457).
 *
 * The table is closed and its names are for ever: programs go by
 * "urn:ringhold:problem:<slug>", people by the sentence in "detail".
 * docs/api.md explains each; a test holds the two and openapi.yaml together.
 */
#ifndef SERVER_PROBLEM_H
#define SERVER_PROBLEM_H

#include "base/err.h"

#define PROBLEM_URN "urn:ringhold:problem:"

enum problem {
	PROBLEM_MALFORMED,
	PROBLEM_UNAUTHENTICATED,
	PROBLEM_FORBIDDEN,
	PROBLEM_TOKEN_REPLACED, /* a newer token of the device is in use */
	PROBLEM_REVOKED,        /* the device was revoked: it keeps what it has */
	PROBLEM_CERTIFICATE,    /* no client certificate, or not the one the device is bound to */
	PROBLEM_SCOPE,          /* the roles are right, the channel is not */
	PROBLEM_REQUESTER,      /* who asked for it cannot approve it */
	PROBLEM_NOT_FOUND,
	PROBLEM_METHOD,
	PROBLEM_CONFLICT,
	PROBLEM_RESYNC,         /* the device must begin a new epoch */
	PROBLEM_KEY_IN_USE,     /* a request with this Idempotency-Key is under way */
	PROBLEM_KEY_UNKNOWN,    /* one was begun, and what came of it is not known */
	PROBLEM_KEY_SECRET,     /* one was answered with a secret that is not kept */
	PROBLEM_PRECONDITION,   /* If-Match names another version */
	PROBLEM_TOO_LARGE,
	PROBLEM_URI_LENGTH,
	PROBLEM_TYPE,           /* wrong Content-Type */
	PROBLEM_RANGE,
	PROBLEM_EXPECTATION,
	PROBLEM_REFUSED,        /* a rule, a signature or a contract says no */
	PROBLEM_KEY_REUSED,     /* the Idempotency-Key belongs to another request */
	PROBLEM_BUSY,
	PROBLEM_LOCKED_OUT,     /* too many bad tokens from this address */
	PROBLEM_HEADERS,
	PROBLEM_INTERNAL,
	PROBLEM_NOT_KNOWN,      /* a method or transfer coding that this server does not do */
	PROBLEM_UNAVAILABLE,
	PROBLEM_STORE, PROBLEM_SPACE,
	PROBLEM_VERSION,
	PROBLEMS
};

struct problem_type {
	int status;             /* HTTP status */
	const char *slug;       /* stable */
	const char *title;      /* the same for every occurrence */
};

extern const struct problem_type problem_types[PROBLEMS];

enum problem problem_of_error(int code);        /* of an err code */
/* The first with this status; PROBLEMS when there is none. */
enum problem problem_of_status(int status);

#endif
