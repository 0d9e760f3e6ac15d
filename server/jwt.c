/* jwt: a signed token of an identity provider. */
#include "server/jwt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"

#define SIGNATURE_MAX 1024
#define HEADER_MAX 2048
#define TYPE_MAX 64
#define ISSUER_MAX 1024

void jwt_free(struct jwt *t)
{
	if (!t)
		return;
	json_free(t->claims);
	buf_free(t->text);
	free(t);
}

/* ---- parts ---- */

struct parts {
	const char *header, *payload, *signature;
	size_t header_len, payload_len, signature_len;
};

static int split(struct parts *p, const char *token, struct err *e)
{
	const char *first = strchr(token, '.'), *second = first ? strchr(first + 1, '.') : NULL;

	if (strlen(token) > JWT_BYTES_MAX)
		return err_set(e, ERR_FORMAT, "the token is longer than %d bytes", JWT_BYTES_MAX);
	if (!second || strchr(second + 1, '.'))
		return err_set(e, ERR_FORMAT, "the token has not three parts");
	*p = (struct parts){ token, first + 1, second + 1, (size_t)(first - token), (size_t)(second - first - 1), strlen(second + 1) };
	return 0;
}

/* Exactly one text stands for these bytes: one with other bits at its end is refused. */
static int decode(void *out, size_t cap, const char *text, size_t len, const char *what, struct err *e)
{
	AUTO_FREE char *again = NULL;
	int got = len ? base64url_decode(out, cap, text, len) : -1;

	if (got < 0)
		return err_set(e, ERR_FORMAT, "the token's %s is no base64url, or too long", what);
	again = malloc(BASE64URL_LEN((size_t)got) + 1);
	if (!again)
		return err_memory(e);
	if (base64url_encode(again, out, (size_t)got) != len || memcmp(again, text, len) != 0)
		return err_set(e, ERR_FORMAT, "the token's %s is not the one base64url of its bytes", what);
	return got;
}

static int parse_part(struct json_doc **out, char *bytes, size_t cap, const char *text, size_t len, const char *what, struct err *e)
{
	static const struct json_limits limits = { .bytes = JWT_BYTES_MAX, .depth = 16 };
	int got = decode(bytes, cap, text, len, what, e);

	if (got < 0)
		return got;
	if (json_parse(out, what, bytes, (size_t)got, &limits, e) < 0)
		return e->code;
	return (*out)->root->type == JSON_OBJECT ? 0 : err_set(e, ERR_FORMAT, "the token's %s is no object", what);
}

/* ---- the header ---- */

/* For an API; "JWT" is what providers write that do not follow RFC 9068. */
static bool type_fits(const char *type)
{
	static const char *const types[] = { "at+jwt", "application/at+jwt", "JWT" };

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (strcmp(types[i], type) == 0)
			return true;
	return false;
}

static int check_header(const struct json_doc *d, enum jwt_alg *alg, const char **kid, struct err *e)
{
	const char *name, *type;

	if (json_want_text(d, d->root, "alg", TYPE_MAX, &name, e) < 0 || json_want_text(d, d->root, "typ", TYPE_MAX, &type, e) < 0 ||
	    json_want_text(d, d->root, "kid", JWKS_KID_MAX, kid, e) < 0)
		return e->code;
	if (!jwt_alg_parse(alg, name))
		return err_set(e, ERR_AUTH, "the algorithm is %.20s: only RS256, ES256 and EdDSA count", name);
	if (!type_fits(type))
		return err_set(e, ERR_AUTH, "the type is %.40s: it is no access token", type);
	if (json_get(d->root, "crit"))
		return err_set(e, ERR_AUTH, "the token asks for an extension (crit)");
	return 0;
}

static int check_signature(const struct parts *p, const char *token, const struct jwks *keys, const char *kid, enum jwt_alg alg, struct err *e)
{
	unsigned char sig[SIGNATURE_MAX];
	int len = decode(sig, sizeof sig, p->signature, p->signature_len, "signature", e);

	if (len < 0)
		return len;
	switch (jwks_verify(keys, kid, alg, token, p->header_len + 1 + p->payload_len, sig, (size_t)len)) {
	case JWKS_VALID:
		return 0;
	case JWKS_INVALID:
		return err_set(e, ERR_AUTH, "the signature is not valid");
	case JWKS_NO_KEY:
		break;
	}
	if (jwks_knows(keys, kid))
		return err_set(e, ERR_AUTH, "the key \"%.80s\" is not for %s", kid, jwt_alg_name(alg));
	return err_set(e, ERR_NOT_FOUND, "the identity provider has no key \"%.80s\"", kid);
}

/* ---- the claims ---- */

static bool for_us(const struct json *aud, const char *audience)
{
	if (aud && aud->type == JSON_ARRAY) {
		for (uint32_t i = 0; i < aud->count; i++)
			if (json_is(&aud->u.items[i], audience))
				return true;
		return false;
	}
	return aud && json_is(aud, audience);
}

/* A NumericDate: whole seconds, or with a fraction that is dropped (RFC 7519, section 2). */
static bool take_date(const struct json *v, int64_t *out)
{
	double d;

	if (!v || v->type != JSON_NUMBER)
		return false;
	if (json_to_int(v, out))
		return *out >= 0;
	if (!json_to_double(v, &d) || d < 0 || d > 1e12)
		return false;
	*out = (int64_t)d;
	return true;
}

static int check_times(const struct json *claims, int64_t now, int64_t *expires, struct err *e)
{
	const struct json *nbf = json_get(claims, "nbf");
	int64_t issued, from = 0;

	if (!take_date(json_get(claims, "exp"), expires) || !take_date(json_get(claims, "iat"), &issued) || (nbf && !take_date(nbf, &from)))
		return err_set(e, ERR_AUTH, "exp, iat or nbf is missing or no time");
	if (now - JWT_LEEWAY_S >= *expires)
		return err_set(e, ERR_EXPIRED, "the token is expired");
	if (issued > now + JWT_LEEWAY_S || from > now + JWT_LEEWAY_S)
		return err_set(e, ERR_AUTH, "the token is not valid yet");
	return 0;
}

static int check_claims(struct jwt *t, const struct jwt_rules *rules, int64_t now, struct err *e)
{
	const struct json *claims = t->claims->root;
	const char *issuer;

	if (json_want_text(t->claims, claims, "iss", ISSUER_MAX, &issuer, e) < 0 ||
	    json_want_text(t->claims, claims, "sub", JWT_SUBJECT_MAX, &t->subject, e) < 0)
		return e->code;
	if (strcmp(issuer, rules->issuer) != 0)
		return err_set(e, ERR_AUTH, "the token is of another issuer");
	if (!for_us(json_get(claims, "aud"), rules->audience))
		return err_set(e, ERR_AUTH, "the token is for another audience");
	if (!t->subject[0])
		return err_set(e, ERR_AUTH, "the token names no subject");
	return check_times(claims, now, &t->expires, e);
}

int jwt_verify(struct jwt **out, const char *token, const struct jwks *keys, const struct jwt_rules *rules, int64_t now, struct err *e)
{
	AUTO(jwt) struct jwt *t = calloc(1, sizeof *t);
	AUTO(json) struct json_doc *header = NULL;
	char bytes[HEADER_MAX];
	struct parts p = { 0 };
	enum jwt_alg alg = JWT_RS256;
	const char *kid = "";
	char *room;

	if (!t || !(t->text = buf_new(JWT_BYTES_MAX)) || !(room = buf_grow(t->text, JWT_BYTES_MAX)))
		return err_memory(e);
	if (split(&p, token, e) < 0 || parse_part(&header, bytes, sizeof bytes, p.header, p.header_len, "header", e) < 0 ||
	    check_header(header, &alg, &kid, e) < 0 || check_signature(&p, token, keys, kid, alg, e) < 0 ||
	    parse_part(&t->claims, room, JWT_BYTES_MAX, p.payload, p.payload_len, "claims", e) < 0 || check_claims(t, rules, now, e) < 0)
		return e->code;
	*out = TAKE(t);
	return 0;
}

/* ---- what they say ---- */

static const struct json *claim(const struct json *o, const char *path)
{
	const struct json *whole = json_get(o, path);
	char name[128];

	if (whole)
		return whole;
	for (size_t len; *path; path += len + (path[len] == '.')) {
		len = strcspn(path, ".");
		if (len >= sizeof name)
			return NULL;
		snprintf(name, sizeof name, "%.*s", (int)len, path);
		o = json_get(o, name);
		if (!o)
			return NULL;
	}
	return o;
}

int jwt_each_text(const struct jwt *t, const char *path, int (*visit)(const char *text, void *arg), void *arg)
{
	const struct json *v = claim(t->claims->root, path);
	int got = 0;

	if (v && v->type == JSON_STRING)
		return strlen(v->u.text) == v->count ? visit(v->u.text, arg) : 0;
	for (uint32_t i = 0; v && v->type == JSON_ARRAY && i < v->count && got == 0; i++) {
		const struct json *one = &v->u.items[i];

		if (one->type == JSON_STRING && strlen(one->u.text) == one->count)
			got = visit(one->u.text, arg);
	}
	return got;
}
