#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "server/forwarded.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* What a client and a proxy may write into the header, as both kinds of it: it names an address, whatever it is. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const headers[] = { "forwarded", "x-forwarded-for" };
	static char *const proxies[] = { (char *)"192.0.2.1", (char *)"10.0.0.0/8", NULL };
	struct http_request q = { .header_count = 1 };
	char *text = malloc(len + 1), out[FORWARDED_ADDRESS_MAX];
	unsigned char bytes[16];

	if (!text)
		return 0;
	memcpy(text, data, len);
	text[len] = '\0';
	for (size_t i = 0; i < 2; i++) {
		q.headers[0] = (struct http_header){ headers[i], text };
		forwarded_client(out, &q, headers[i], proxies, "192.0.2.1");
		if (inet_pton(AF_INET, out, bytes) != 1 && inet_pton(AF_INET6, out, bytes) != 1)
			abort();
	}
	free(text);
	return 0;
}
