#include <stdlib.h>
#include <string.h>

#include "server/client_cert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* What a proxy may put into its header, a certificate as it comes out of TLS, and a network of the configuration. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = malloc(len + 1), who[CLIENT_IDENTITY_MAX];
	struct err e;

	if (!text)
		return 0;
	memcpy(text, data, len);
	text[len] = '\0';
	if (client_cert_identity(who, data, len, &e) == 0 && !client_identity_same(who, who))
		abort();
	if (client_proxy_valid(text) && strchr(text, ' '))
		abort();
	/* nobody vouches for anything here */
	if (client_cert_header(who, NULL, text, &e) == 0)
		abort();
	free(text);
	return 0;
}
