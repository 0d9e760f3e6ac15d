/* request_id: the name of one request. */
#include "server/request_id.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"

#define TRACEPARENT_LEN 55      /* 00-<32 hex>-<16 hex>-<2 hex> */
#define TRACE_AT 3
#define TRACE_LEN 32

static pthread_once_t once = PTHREAD_ONCE_INIT;
static uint64_t prefix;
static _Atomic uint64_t made;

/* Without randomness ids still differ from each other while this process lives. */
static void begin(void)
{
	struct err e;

	(void)!random_bytes(&prefix, sizeof prefix, &e);
}

static bool plain(const char *text)
{
	size_t len = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

	return len > 0 && len <= REQUEST_ID_MAX && !text[len];
}

/* Its trace id; NULL: it is none (version ff and a trace id of zeros are not). */
static const char *trace_of(const char *text)
{
	static const char pattern[] = "hh-hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh-hhhhhhhhhhhhhhhh-hh";

	if (strlen(text) != TRACEPARENT_LEN || strncmp(text, "ff", 2) == 0 || strspn(text + TRACE_AT, "0") >= TRACE_LEN)
		return NULL;
	for (size_t i = 0; i < TRACEPARENT_LEN; i++)
		if (pattern[i] == 'h' ? !text[i] || !strchr("0123456789abcdef", text[i]) : text[i] != pattern[i])
			return NULL;
	return text + TRACE_AT;
}

void request_id(char out[REQUEST_ID_MAX + 1], const struct http_request *h)
{
	const char *given = h ? http_header(h, "x-request-id") : NULL, *trace = h ? http_header(h, "traceparent") : NULL;

	trace = trace ? trace_of(trace) : NULL;
	if (given && plain(given)) {
		snprintf(out, REQUEST_ID_MAX + 1, "%s", given);
	} else if (trace) {
		snprintf(out, REQUEST_ID_MAX + 1, "%.*s", TRACE_LEN, trace);
	} else {
		pthread_once(&once, begin);
		snprintf(out, REQUEST_ID_MAX + 1, "%016" PRIx64 "%016" PRIx64, prefix, atomic_fetch_add_explicit(&made, 1, memory_order_relaxed) + 1);
	}
}
