/* fuzz_http: bytes of a connection, cut in pieces that the first byte chooses. */
#include <stdlib.h>
#include <string.h>

#include "server/http.h"
#include "server/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int on_head(void *arg, const struct http_request *q)
{
	const char *params[ROUTE_PARAMS];
	static char text[HTTP_TARGET_MAX + 2];
	const struct route *r;
	char value[64];

	(void)arg;
	(void)route_find(&r, routes, route_count, q->method, q->path, params, text);
	(void)http_query(q, "after", value, sizeof value);
	if (q->path[0] != '/' || strlen(q->path) > HTTP_TARGET_MAX || q->header_count > HTTP_HEADERS_MAX)
		abort();
	for (size_t i = 0; i < q->header_count; i++)
		if (!q->headers[i].name[0] || strpbrk(q->headers[i].value, "\r\n"))
			abort();
	return 0;
}

static int on_body(void *arg, const char *bytes, size_t len)
{
	size_t *left = arg;

	(void)bytes;
	if (len > *left)
		return 413;
	*left -= len;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct http_hooks hooks = { on_head, on_body };
	size_t left = 4096, piece, at = 1;
	struct http_refusal no;
	struct http *h;

	if (len == 0)
		return 0;
	piece = data[0] ? data[0] : 4096;
	h = http_new(&hooks, &left);
	while (h && at < len) {
		size_t used, n = piece < len - at ? piece : len - at;
		enum http_step step = http_feed(h, (const char *)data + at, n, &used, &no);

		if (step == HTTP_REFUSED || used > n || (step == HTTP_MORE && used != n))
			break;
		if (step == HTTP_COMPLETE)
			http_request_free(http_take(h));
		at += used;
	}
	http_free(h);
	return 0;
}
