/*
 * request_id: the name of one request, in its answer, in problem documents and in every line that is logged about it.
 *
 * Whoever asks may give it: X-Request-Id, or the trace id of a traceparent
 * (W3C Trace Context). Only what is short and plain is taken, so nothing that
 * is written there needs another escape; anything else is replaced, not refused.
 */
#ifndef SERVER_REQUEST_ID_H
#define SERVER_REQUEST_ID_H

#include "server/http.h"

#define REQUEST_ID_MAX 64       /* of [A-Za-z0-9._-] */

/* h NULL: its head was never understood. */
void request_id(char out[REQUEST_ID_MAX + 1], const struct http_request *h);

#endif
