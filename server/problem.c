/* problem: every kind of refusal. */
#include "server/problem.h"

const struct problem_type problem_types[PROBLEMS] = {
	[PROBLEM_MALFORMED]       = { 400, "malformed", "The request is malformed" },
	[PROBLEM_UNAUTHENTICATED] = { 401, "unauthenticated", "A valid token is needed" },
	[PROBLEM_FORBIDDEN]       = { 403, "forbidden", "The token does not permit this" },
	[PROBLEM_TOKEN_REPLACED]  = { 401, "token-replaced", "A newer token of this device is in use" },
	[PROBLEM_REVOKED]         = { 403, "device-revoked", "The device was revoked" },
	[PROBLEM_CERTIFICATE]     = { 403, "client-certificate", "The client certificate is not the one that is needed" },
	[PROBLEM_SCOPE]           = { 403, "out-of-scope", "The token does not hold for this channel" },
	[PROBLEM_REQUESTER]       = { 403, "requester-approves", "Who asks and who approves are different people" },
	[PROBLEM_NOT_FOUND]       = { 404, "not-found", "There is no such thing here" },
	[PROBLEM_METHOD]          = { 405, "method-not-allowed", "The method does not fit the address" },
	[PROBLEM_CONFLICT]        = { 409, "conflict", "The request conflicts with what is recorded" },
	[PROBLEM_RESYNC]          = { 409, "resync", "The device must begin a new epoch" },
	[PROBLEM_KEY_IN_USE]      = { 409, "idempotency-key-in-use", "The same request is under way" },
	[PROBLEM_KEY_UNKNOWN]     = { 409, "outcome-unknown", "What came of the first attempt is not known" },
	[PROBLEM_KEY_SECRET]      = { 409, "answered-once", "The answer held a secret and is not given again" },
	[PROBLEM_PRECONDITION]    = { 412, "precondition-failed", "It was changed by another meanwhile" },
	[PROBLEM_TOO_LARGE]       = { 413, "too-large", "The request is too large" },
	[PROBLEM_URI_LENGTH]      = { 414, "address-too-long", "The address is too long" },
	[PROBLEM_TYPE]            = { 415, "wrong-type", "The content type is not the one expected" },
	[PROBLEM_RANGE]           = { 416, "range", "The range lies outside the file" },
	[PROBLEM_EXPECTATION]     = { 417, "expectation", "The expectation cannot be met" },
	[PROBLEM_REFUSED]         = { 422, "refused", "A check refused the request" },
	[PROBLEM_KEY_REUSED]      = { 422, "idempotency-key-reused", "The key belongs to another request" },
	[PROBLEM_BUSY]            = { 429, "too-many-requests", "Too many requests" },
	[PROBLEM_LOCKED_OUT]      = { 429, "locked-out", "Locked out after too many bad tokens" },
	[PROBLEM_HEADERS]         = { 431, "headers-too-large", "The headers are too large" },
	[PROBLEM_INTERNAL]        = { 500, "internal", "The server failed" },
	[PROBLEM_NOT_KNOWN]       = { 501, "not-implemented", "The server does not do this" },
	[PROBLEM_UNAVAILABLE]     = { 503, "unavailable", "The server cannot do this now" },
	[PROBLEM_STORE]           = { 503, "store-failed", "The server's store takes nothing now" },
	[PROBLEM_SPACE]           = { 503, "no-space", "The server has no space left" },
	[PROBLEM_VERSION]         = { 505, "http-version", "This version of HTTP is not spoken here" },
};

static const struct { int code; enum problem problem; } by_error[] = {
	{ ERR_USAGE, PROBLEM_MALFORMED },   { ERR_FORMAT, PROBLEM_MALFORMED },
	{ ERR_LIMIT, PROBLEM_TOO_LARGE },   { ERR_NOT_FOUND, PROBLEM_NOT_FOUND },
	{ ERR_CONFLICT, PROBLEM_CONFLICT }, { ERR_AUTH, PROBLEM_FORBIDDEN },
	{ ERR_EXPIRED, PROBLEM_FORBIDDEN }, { ERR_ROLLBACK, PROBLEM_CONFLICT },
	{ ERR_REFUSED, PROBLEM_REFUSED },   { ERR_SPACE, PROBLEM_SPACE },
	{ ERR_MEMORY, PROBLEM_UNAVAILABLE }, { ERR_TIMEOUT, PROBLEM_UNAVAILABLE },
	{ ERR_CRASH, PROBLEM_REFUSED },     { ERR_UNSUPPORTED, PROBLEM_REFUSED },
	{ ERR_STORE, PROBLEM_STORE },
};

enum problem problem_of_error(int code)
{
	for (size_t i = 0; i < ARRAY_LEN(by_error); i++)
		if (by_error[i].code == code)
			return by_error[i].problem;
	return PROBLEM_INTERNAL;
}

enum problem problem_of_status(int status)
{
	for (int p = 0; p < PROBLEMS; p++)
		if (problem_types[p].status == status)
			return (enum problem)p;
	return PROBLEMS;
}
