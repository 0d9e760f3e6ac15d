/* token: what devices and operators show to be let in. */
#include "server/token.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/hex.h"

#define PREFIX "rhd1."

int token_key_load(struct token_key *out, const char *path, struct err *e)
{
	AUTO(buf) struct buf *bytes = NULL;
	int got = file_read_secret(&bytes, path, sizeof out->bytes, e);

	if (got == ERR_NOT_FOUND) {
		if (random_bytes(out->bytes, sizeof out->bytes, e) < 0)
			return e->code;
		return file_replace(path, out->bytes, sizeof out->bytes, 0600, e);
	}
	if (got < 0)
		return e->code;
	if (bytes->len != sizeof out->bytes)
		return err_set(e, ERR_FORMAT, "%s: a key of %zu bytes instead of %zu", path, bytes->len, sizeof out->bytes);
	memcpy(out->bytes, bytes->data, sizeof out->bytes);
	return 0;
}

static void mac_of(struct digest *out, const struct token_key *k, const char *id, uint64_t generation)
{
	char text[DEVICE_ID_LEN + 32];
	int len = snprintf(text, sizeof text, "device.%s.%" PRIu64, id, generation);

	hash_hmac(out, k->bytes, sizeof k->bytes, text, (size_t)len);
}

void token_device(char out[TOKEN_MAX], const struct token_key *k, const char *id, uint64_t generation)
{
	struct digest mac;
	int len = snprintf(out, TOKEN_MAX, PREFIX "%s.%" PRIu64 ".", id, generation);

	mac_of(&mac, k, id, generation);
	base64url_encode(out + len, mac.bytes, sizeof mac.bytes);
}

void token_device_id(char out[DEVICE_ID_LEN + 1], const struct token_key *k, const struct digest *enrolment, const char *nonce, const char *host)
{
	AUTO(buf) struct buf *text = buf_new(0);
	char hex[DIGEST_HEX_LEN + 1];
	struct digest mac = { 0 };

	digest_hex(hex, enrolment);
	if (text)
		buf_addf(text, "enrol.%s.%s.%s", hex, nonce, host);
	if (text && !text->failed)
		hash_hmac(&mac, k->bytes, sizeof k->bytes, text->data, text->len);
	hex_encode(out, mac.bytes, DEVICE_ID_LEN / 2);
}

static bool hex_id(const char *id, size_t len)
{
	return len == DEVICE_ID_LEN && strspn(id, "0123456789abcdef") >= len;
}

bool token_device_check(const struct token_key *k, const char *token, char id[DEVICE_ID_LEN + 1], uint64_t *generation)
{
	size_t prefix = strlen(PREFIX);
	struct digest want, got;
	const char *dot;
	char *end;

	if (strncmp(token, PREFIX, prefix) != 0)
		return false;
	token += prefix;
	dot = strchr(token, '.');
	if (!dot || !hex_id(token, (size_t)(dot - token)))
		return false;
	memcpy(id, token, DEVICE_ID_LEN);
	id[DEVICE_ID_LEN] = '\0';
	token = dot + 1;
	if (token[0] < '0' || token[0] > '9' || (token[0] == '0' && token[1] != '.'))
		return false;
	dot = strchr(token, '.');
	if (!dot || dot - token > 18)
		return false;
	*generation = strtoull(token, &end, 10);
	if (end != dot)
		return false;
	if (strlen(dot + 1) != BASE64URL_LEN(sizeof got.bytes) ||
	    base64url_decode(got.bytes, sizeof got.bytes, dot + 1, strlen(dot + 1)) != sizeof got.bytes)
		return false;
	mac_of(&want, k, id, *generation);
	return digest_equal(&want, &got);
}

int token_word(char out[TOKEN_WORD_MAX], const char *prefix, struct err *e)
{
	uint8_t bytes[32];
	int len = snprintf(out, TOKEN_WORD_MAX, "%.16s", prefix);

	if (random_bytes(bytes, sizeof bytes, e) < 0)
		return e->code;
	base64url_encode(out + len, bytes, sizeof bytes);
	return 0;
}

void token_hash(struct digest *out, const char *token)
{
	hash_bytes(out, token, strlen(token));
}

void token_enrolment(struct buf *out, const char *host, int port, const struct digest *pin, const char *token)
{
	char text[BASE64URL_LEN(DIGEST_LEN) + 1];

	base64url_encode(text, pin->bytes, sizeof pin->bytes);
	buf_addf(out, strchr(host, ':') ? "rh1:[%s]:%d:%s:%s" : "rh1:%s:%d:%s:%s", host, port, text, token);
}

const char *token_bearer(const struct http_request *q)
{
	const char *value = http_header(q, "authorization");

	if (!value || strncasecmp(value, "Bearer ", 7) != 0)
		return NULL;
	value += 7;
	value += strspn(value, " ");
	return *value && strlen(value) < TOKEN_BEARER_MAX ? value : NULL;
}
