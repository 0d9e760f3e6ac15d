/* rules_value: typed values, read from rules and from events by the same code. */
#include "content/rules_matcher.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"

static const char *const type_names[RULES_TYPES] = {
	[RULES_STRING] = "string", [RULES_INTEGER] = "integer", [RULES_IP] = "ip",
	[RULES_PATH] = "path",     [RULES_ENUM] = "enum",       [RULES_BYTES] = "bytes",
};

const char *rules_type_name(enum rules_type t)
{
	return type_names[t];
}

bool rules_type_parse(enum rules_type *out, const char *name)
{
	for (int t = 0; t < RULES_TYPES; t++)
		if (strcmp(type_names[t], name) == 0) {
			*out = (enum rules_type)t;
			return true;
		}
	return false;
}

static const uint8_t v4_mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

bool rules_ip_parse(uint8_t out[RULES_IP_LEN], const char *text, size_t len, bool *v4)
{
	char copy[INET6_ADDRSTRLEN];

	if (len >= sizeof(copy) || memchr(text, '\0', len))
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	*v4 = inet_pton(AF_INET, copy, out + 12) == 1;
	if (*v4) {
		memcpy(out, v4_mapped, sizeof(v4_mapped));
		return true;
	}
	return inet_pton(AF_INET6, copy, out) == 1;
}

static int read_text(struct rules_value *out, const struct json *v)
{
	out->text = v->u.text;
	out->len = v->count;
	return 0;
}

static int read_integer(struct rules_value *out, const struct json *v, struct err *e)
{
	if (!json_to_int(v, &out->number))
		return err_set(e, ERR_FORMAT, "%s is no integer of 64 bits", v->u.text);
	return 0;
}

static int read_ip(struct rules_value *out, const struct json *v, struct err *e)
{
	bool v4;

	if (!rules_ip_parse(out->ip, v->u.text, v->count, &v4))
		return err_set(e, ERR_FORMAT, "\"%.60s\" is no IP address", v->u.text);
	return 0;
}

/* An enum's value by its place in the list; one that is not there equals none of them. */
static int read_enum(struct rules_value *out, const struct rules_field *field, const struct json *v)
{
	out->number = -1;
	for (size_t i = 0; i < field->value_count; i++)
		if (json_is(v, field->values[i]))
			out->number = (int64_t)i;
	return read_text(out, v);
}

static int read_bytes(struct rules_value *out, const struct json *v, struct buf *scratch, struct err *e)
{
	size_t len = v->count / 2;
	char *to = buf_grow(scratch, len + 1);

	if (!to)
		return err_set(e, ERR_LIMIT, "bytes beyond what one event may hold");
	if (!hex_decode(to, len, v->u.text, v->count))
		return err_set(e, ERR_FORMAT, "\"%.60s\" is no even number of hexadecimal digits", v->u.text);
	scratch->len += len;
	out->text = to;
	out->len = len;
	return 0;
}

int rules_value_read(struct rules_value *out, const struct rules_field *field, const struct json *v,
		     struct buf *scratch, struct err *e)
{
	enum json_type want = field->type == RULES_INTEGER ? JSON_NUMBER : JSON_STRING;

	*out = (struct rules_value){ .present = true, .type = field->type };
	if (v->type != want)
		return err_set(e, ERR_FORMAT, "expected %s, found %s", json_type_name(want), json_type_name(v->type));
	switch (field->type) {
	case RULES_STRING:
	case RULES_PATH:
		return read_text(out, v);
	case RULES_INTEGER:
		return read_integer(out, v, e);
	case RULES_IP:
		return read_ip(out, v, e);
	case RULES_ENUM:
		return read_enum(out, field, v);
	case RULES_BYTES:
		return read_bytes(out, v, scratch, e);
	}
	return err_set(e, ERR_INTERNAL, "a field of type %d", (int)field->type);
}
