/*
 * access_log: one line for each request that was answered, by configuration.
 *
 * Check-ins of a fleet are more lines than anybody reads: by default only the
 * operator plane is logged, and whatever was answered with 5xx. A line holds
 * no query, no header and no body, and so no secret.
 */
#ifndef SERVER_ACCESS_LOG_H
#define SERVER_ACCESS_LOG_H

#include "server/route.h"

enum access_log { ACCESS_LOG_NONE, ACCESS_LOG_OPERATORS, ACCESS_LOG_ALL };

bool access_log_parse(enum access_log *out, const char *name);  /* "none", "operators", "all" */

void access_log(enum access_log which, const struct request *q, int64_t us);

#endif
