/* access_log: one line for each request that was answered. */
#include "server/access_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

static const char *const names[] = { [ACCESS_LOG_NONE] = "none", [ACCESS_LOG_OPERATORS] = "operators", [ACCESS_LOG_ALL] = "all" };

bool access_log_parse(enum access_log *out, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(names[i], name) == 0) {
			*out = (enum access_log)i;
			return true;
		}
	return false;
}

static bool wanted(enum access_log which, const struct request *q)
{
	bool operators = q->route && q->route->may < MAY_ANYBODY;

	return which == ACCESS_LOG_ALL || (which == ACCESS_LOG_OPERATORS && (operators || q->reply.status >= 500));
}

static const char *text(const char *s)
{
	return s && s[0] ? s : NULL;
}

void access_log(enum access_log which, const struct request *q, int64_t us)
{
	char status[8], took[32];
	const struct log_field fields[] = {
		{ "method", q->http ? http_method_name(q->http->method) : NULL },
		{ "path", q->http ? q->http->path : NULL },
		{ "route", q->route ? q->route->pattern : NULL },
		{ "status", status },
		{ "seconds", took },
		{ "who", text(q->who) },
		{ "peer", text(q->peer) },
		{ "client", strcmp(q->client, q->peer) != 0 ? text(q->client) : NULL },
	};

	if (!wanted(which, q))
		return;
	snprintf(status, sizeof status, "%d", q->reply.status);
	snprintf(took, sizeof took, "%.6f", (double)us / 1e6);
	log_request(q->reply.request_id);
	log_fields(q->reply.status >= 500 ? LOG_ERROR : LOG_INFO, fields, ARRAY_LEN(fields), "answered");
	log_request(NULL);
}
