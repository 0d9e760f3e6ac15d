/* fuzz_outside: small texts of others: a request's id and trace, a network, a webhook's secret; "what\ntext". */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/address_rule.h"
#include "server/request_id.h"
#include "server/webhook_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = malloc(len + 1), *second, id[REQUEST_ID_MAX + 1], signature[WEBHOOK_SIGNATURES];
	struct http_request h = { .header_count = 2 };
	struct network network;
	struct err e;

	if (!text)
		return 0;
	memcpy(text, data, len);
	text[len] = '\0';
	second = strchr(text, '\n');
	if (second)
		*second++ = '\0';
	h.headers[0] = (struct http_header){ "x-request-id", text };
	h.headers[1] = (struct http_header){ "traceparent", second ? second : "" };
	request_id(id, &h);
	if (strlen(id) == 0 || strpbrk(id, " \"\\\n"))
		abort();
	(void)!network_parse(&network, text, &e);
	(void)!webhook_sign(signature, text, second ? second : "", "m", 1, "", 0, &e);
	free(text);
	return 0;
}
