/* enrolment: strict, because people copy it by hand. */
#include "agent/enrolment.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/hex.h"
#include "base/number.h"

static bool host_valid(const char *host, size_t len)
{
	bool bracketed = len > 2 && host[0] == '[' && host[len - 1] == ']';

	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)host[i]) && !strchr("-.", host[i]) &&
		    !(bracketed && (host[i] == ':' || i == 0 || i == len - 1)))
			return false;
	return len > 0 && len < 256;
}

static bool token_valid(const char *token, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)token[i]) && !strchr("-_.", token[i]))
			return false;
	return len > 0 && len < sizeof ((struct enrolment *)0)->token;
}

/* base64url without padding into the padded base64 that pins are written in. */
static bool pin_of(char out[64], const char *text, size_t len)
{
	uint8_t hash[DIGEST_LEN];
	size_t at;

	if (len != BASE64URL_LEN(DIGEST_LEN) || base64url_decode(hash, sizeof hash, text, len) != DIGEST_LEN)
		return false;
	at = (size_t)snprintf(out, 64, "sha256//");
	for (size_t i = 0; i < len; i++)
		out[at++] = text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i];
	out[at++] = '=';
	out[at] = 0;
	return true;
}

int enrolment_parse(struct enrolment *out, const char *text, struct err *e)
{
	const char *host, *port, *pin, *token;
	struct enrolment got;
	char number[8];
	int64_t n;
	size_t len;

	text += strspn(text, " \t\r\n");
	if (strncmp(text, "rh1:", 4) != 0)
		return err_set(e, ERR_USAGE, "enrolment string: does not begin with rh1:");
	host = text + 4;
	len = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
	if (len > strlen(host) || !host_valid(host, len) || host[len] != ':')
		return err_set(e, ERR_USAGE, "enrolment string: no valid host");
	port = host + len + 1;
	if (strcspn(port, ":") >= sizeof number)
		return err_set(e, ERR_USAGE, "enrolment string: no valid port");
	snprintf(number, sizeof number, "%.*s", (int)strcspn(port, ":"), port);
	pin = port + strcspn(port, ":");
	if (!number_parse(&n, number) || n < 1 || n > 65535 || *pin++ != ':')
		return err_set(e, ERR_USAGE, "enrolment string: no valid port");
	token = pin + strcspn(pin, ":");
	if (*token != ':' || !pin_of(got.pin, pin, (size_t)(token - pin)))
		return err_set(e, ERR_USAGE, "enrolment string: no valid hash of the server's key");
	token++;
	if (!token_valid(token, strcspn(token, " \t\r\n")) || token[strcspn(token, " \t\r\n") + strspn(token + strcspn(token, " \t\r\n"), " \t\r\n")])
		return err_set(e, ERR_USAGE, "enrolment string: no valid token");
	snprintf(got.token, sizeof got.token, "%.*s", (int)strcspn(token, " \t\r\n"), token);
	snprintf(got.server, sizeof got.server, "https://%.*s:%d", (int)len, host, (int)n);
	*out = got;
	return 0;
}
