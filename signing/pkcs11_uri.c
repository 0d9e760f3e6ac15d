/* pkcs11_uri: which module, which token, which key, and what opens it. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "signing/pkcs11_parts.h"

#define PIN_FILE_MAX 4096
#define FILE_SCHEME "file:"

void pkcs11_uri_free(struct pkcs11_uri *u)
{
	if (!u)
		return;
	p11_kit_uri_free(u->uri);
	free(u->name);
	free(u);
}

/* Where a PIN begins that stands before the query, where none belongs; the end when there is none. */
static size_t before_pin(const char *text, size_t len)
{
	static const char pin[] = "pin";

	for (size_t i = 1; i + sizeof pin - 1 <= len; i++)
		if (strchr(":;", text[i - 1]) && strncasecmp(text + i, pin, sizeof pin - 1) == 0)
			return i;
	return len;
}

/* The URI without its query: it goes into sentences and logs. */
static int name_it(struct pkcs11_uri *u, const char *text, struct err *e)
{
	u->name = strndup(text, before_pin(text, strcspn(text, "?")));
	return u->name ? 0 : err_memory(e);
}

static int check(struct pkcs11_uri *u, struct err *e)
{
	const CK_ATTRIBUTE *class = p11_kit_uri_get_attribute(u->uri, CKA_CLASS);

	if (p11_kit_uri_any_unrecognized(u->uri))
		return err_set(e, ERR_USAGE, "%s: a part of the URI is not known", u->name);
	if (class && (class->ulValueLen != sizeof(CK_OBJECT_CLASS) || *(const CK_OBJECT_CLASS *)class->pValue != CKO_PRIVATE_KEY))
		return err_set(e, ERR_USAGE, "%s: a key that signs has type=private", u->name);
	u->module = p11_kit_uri_get_module_path(u->uri);
	if (u->module && u->module[0] != '/')
		return err_set(e, ERR_USAGE, "%s: module-path is not absolute", u->name);
	if (p11_kit_uri_get_module_name(u->uri))
		return err_set(e, ERR_USAGE, "%s: module-name is not used here, module-path is", u->name);
	return 0;
}

int pkcs11_uri_parse(struct pkcs11_uri **out, const char *text, struct err *e)
{
	AUTO(pkcs11_uri) struct pkcs11_uri *u = calloc(1, sizeof *u);
	int got;

	if (!u)
		return err_memory(e);
	if (strlen(text) > PKCS11_URI_MAX)
		return err_set(e, ERR_LIMIT, "a pkcs11: URI of more than %d bytes", PKCS11_URI_MAX);
	u->uri = p11_kit_uri_new();
	if (!u->uri)
		return err_memory(e);
	if (name_it(u, text, e) < 0)
		return e->code;
	got = p11_kit_uri_parse(text, P11_KIT_URI_FOR_ANY, u->uri);
	if (got != P11_KIT_URI_OK)
		return err_set(e, ERR_USAGE, "%s: %s", u->name, p11_kit_uri_message(got));
	if (check(u, e) < 0)
		return e->code;
	*out = TAKE(u);
	return 0;
}

/* ---- the PIN ---- */

static int first_line(char pin[SECKEY_SECRET_MAX], const char *path, struct err *e)
{
	AUTO(buf) struct buf *text = NULL;
	size_t len;

	if (file_read_secret(&text, path, PIN_FILE_MAX, e) < 0)
		return e->code;
	len = strcspn(text->data, "\r\n");
	if (len > 0 && len < SECKEY_SECRET_MAX)
		memcpy(pin, text->data, len);
	pin[len < SECKEY_SECRET_MAX ? len : 0] = '\0';
	OPENSSL_cleanse(text->data, text->len);
	return pin[0] ? 1 : err_set(e, ERR_FORMAT, "%s: its first line is no PIN of 1 to %d bytes", path, SECKEY_SECRET_MAX - 1);
}

int pkcs11_uri_pin(const struct pkcs11_uri *u, char pin[SECKEY_SECRET_MAX], struct err *e)
{
	const char *value = p11_kit_uri_get_pin_value(u->uri), *source = p11_kit_uri_get_pin_source(u->uri);

	if (value && source)
		return err_set(e, ERR_USAGE, "%s: pin-value or pin-source, not both", u->name);
	if (value) {
		if (!*value || strlen(value) >= SECKEY_SECRET_MAX)
			return err_set(e, ERR_USAGE, "%s: a PIN of 1 to %d bytes", u->name, SECKEY_SECRET_MAX - 1);
		snprintf(pin, SECKEY_SECRET_MAX, "%s", value);
		return 1;
	}
	if (!source)
		return 0;
	if (strncmp(source, FILE_SCHEME, strlen(FILE_SCHEME)) == 0)
		source += strlen(FILE_SCHEME);
	if (strncmp(source, "//", 2) == 0)
		source += 2;
	if (*source != '/')     /* also "|command", which RFC 7512 would allow */
		return err_set(e, ERR_USAGE, "%s: pin-source is no file: with an absolute path", u->name);
	return first_line(pin, source, e) < 0 ? err_wrap(e, "%s: pin-source", u->name) : 1;
}

/* ---- writing one ---- */

static bool set(P11KitUri *uri, CK_ATTRIBUTE_TYPE type, const struct buf *value)
{
	CK_ATTRIBUTE a = { type, value->data, value->len };

	return value->len == 0 || p11_kit_uri_set_attribute(uri, &a) == P11_KIT_URI_OK;
}

int pkcs11_uri_of(char **out, const struct pkcs11_uri *u, const CK_TOKEN_INFO *token, const struct buf *label, const struct buf *id,
		  struct err *e)
{
	P11KitUri *uri = p11_kit_uri_new();
	bool good = false;

	if (uri) {
		memcpy(p11_kit_uri_get_token_info(uri)->label, token->label, sizeof token->label);
		memcpy(p11_kit_uri_get_token_info(uri)->serialNumber, token->serialNumber, sizeof token->serialNumber);
		p11_kit_uri_set_module_path(uri, u->module);
		p11_kit_uri_set_pin_source(uri, p11_kit_uri_get_pin_source(u->uri));
		good = set(uri, CKA_LABEL, label) && set(uri, CKA_ID, id) &&
		       p11_kit_uri_format(uri, P11_KIT_URI_FOR_ANY, out) == P11_KIT_URI_OK;
	}
	p11_kit_uri_free(uri);
	return good ? 0 : err_set(e, ERR_INTERNAL, "%s: no URI can be written for an object", u->name);
}
