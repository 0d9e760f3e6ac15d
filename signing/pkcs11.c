/* pkcs11: one private key in a token: opened, made, signing; and the public keys to be seen there. */
#include "signing/pkcs11.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "signing/pkcs11_parts.h"

#define RAW_MAX 256             /* room for a signature; a longer one is refused */
#define ID_LEN 8                /* bytes of an id we make up */
#define LOOK_MAX 1024           /* keys shown of one token */

struct pkcs11_key {
	pthread_mutex_t lock;
	struct pkcs11_uri *uri;
	struct pkcs11_modules modules;
	struct pkcs11_token token;
	CK_OBJECT_HANDLE private;
	enum pubkey_type type;
	const struct pubkey *public;    /* borrowed from who opened us */
	bool each_time;                 /* the key wants the PIN for every signature */
	bool pin_known, pin_typed;      /* it opened the token before / a person gave it */
	bool pin_bad;                   /* the token refused it since: never again */
	char pin[SECKEY_SECRET_MAX];
};

void pkcs11_free(struct pkcs11_key *k)
{
	if (!k)
		return;
	if (k->modules.held)
		pkcs11_token_close(&k->token);
	pkcs11_modules_release(&k->modules);
	pkcs11_uri_free(k->uri);
	OPENSSL_cleanse(k->pin, sizeof k->pin);
	pthread_mutex_destroy(&k->lock);
	free(k);
}

AUTO_DEFINE(pkcs11_key, struct pkcs11_key *, pkcs11_free);

/* Takes what m holds, also on failure. */
static int new_key(struct pkcs11_key **out, struct pkcs11_modules *m, const char *uri, struct err *e)
{
	AUTO(pkcs11_key) struct pkcs11_key *k = calloc(1, sizeof *k);

	if (!k) {
		pkcs11_modules_release(m);
		return err_memory(e);
	}
	pthread_mutex_init(&k->lock, NULL);
	k->modules = *m;
	if (k->modules.held == PKCS11_BY_PATH)
		k->modules.list = k->modules.one;
	if (pkcs11_uri_parse(&k->uri, uri, e) < 0)
		return e->code;
	*out = TAKE(k);
	return 0;
}

/* ---- the PIN ---- */

static int get_pin(struct pkcs11_key *k, seckey_ask *ask, void *arg, struct err *e)
{
	int got = pkcs11_uri_pin(k->uri, k->pin, e);

	if (got != 0)
		return got < 0 ? got : 0;
	if (!ask)
		return err_set(e, ERR_AUTH, "%s: the URI has no PIN, and nobody to ask for it", k->uri->name);
	if (ask(arg, k->uri->name, k->pin, sizeof k->pin, e) < 0)
		return err_wrap(e, "%s", k->uri->name);
	k->pin_typed = true;
	return 0;
}

/* The one try. A PIN that a person gave just now may be the token's last, another may not. */
static int try_pin(struct pkcs11_key *k, CK_USER_TYPE who, struct err *e)
{
	const char *pin = pkcs11_token_asks_itself(&k->token) ? NULL : k->pin;
	bool typed = k->pin_typed && !k->pin_known;

	if (k->pin_bad)
		return err_set(e, ERR_AUTH, "%s: the token refused the PIN before; it is not tried again", k->uri->name);
	if (pkcs11_token_may_try(&k->token, !pin || typed, e) < 0)
		return e->code;
	if (pkcs11_token_login(&k->token, who, pin, e) < 0) {
		k->pin_bad = pin && e->code == ERR_AUTH;
		return e->code;
	}
	return 0;
}

static int log_in(struct pkcs11_key *k, seckey_ask *ask, void *arg, struct err *e)
{
	if (pkcs11_token_logged_in(&k->token))
		return 0;
	if (pkcs11_token_asks_itself(&k->token))
		return try_pin(k, CKU_USER, e);
	if (!k->pin_known && get_pin(k, ask, arg, e) < 0)
		return e->code;
	if (try_pin(k, CKU_USER, e) < 0)
		return e->code;
	k->pin_known = true;
	return 0;
}

/* ---- opening ---- */

static int find(struct pkcs11_key *k, struct pubkey **public, struct err *e)
{
	if (pkcs11_find_private(&k->token, &k->private, &k->type, e) < 0)
		return e->code;
	k->each_time = pkcs11_flag(&k->token, k->private, CKA_ALWAYS_AUTHENTICATE, false);
	return pkcs11_find_public(&k->token, k->private, k->type, public, e);
}

static int open_all(struct pkcs11_key *k, struct pubkey **public, seckey_ask *ask, void *arg, struct err *e)
{
	if (pkcs11_token_open(&k->token, &k->modules, k->uri, false, e) < 0 || log_in(k, ask, arg, e) < 0)
		return e->code;
	if (find(k, public, e) < 0)
		return e->code;
	/* Another key, or we, logged in before: this one's PIN must be had now, while somebody is there to ask. */
	if (k->each_time && !k->pin_known && !pkcs11_token_asks_itself(&k->token)) {
		if (get_pin(k, ask, arg, e) < 0)
			return e->code;
		k->pin_known = true;
	}
	return 0;
}

int pkcs11_open_with(struct pkcs11_key **out, struct pubkey **public, struct pkcs11_modules *m, const char *uri,
		     seckey_ask *ask, void *arg, struct err *e)
{
	AUTO(pkcs11_key) struct pkcs11_key *k = NULL;
	AUTO(pubkey) struct pubkey *half = NULL;

	if (new_key(&k, m, uri, e) < 0 || open_all(k, &half, ask, arg, e) < 0)
		return e->code;
	k->public = half;
	*public = TAKE(half);
	*out = TAKE(k);
	return 0;
}

static int modules_for(struct pkcs11_modules *m, const char *uri, struct err *e)
{
	AUTO(pkcs11_uri) struct pkcs11_uri *u = NULL;

	if (pkcs11_uri_parse(&u, uri, e) < 0)
		return e->code;
	return pkcs11_modules_load(m, u, e);
}

int pkcs11_open(struct pkcs11_key **out, struct pubkey **public, const char *uri, seckey_ask *ask, void *arg, struct err *e)
{
	struct pkcs11_modules m;

	if (modules_for(&m, uri, e) < 0)
		return e->code;
	return pkcs11_open_with(out, public, &m, uri, ask, arg, e);
}

/* ---- making ---- */

static CK_RV make_pair(const struct pkcs11_token *t, const struct pkcs11_curve *c, const CK_ATTRIBUTE *label, const CK_ATTRIBUTE *id)
{
	CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	CK_MECHANISM how = { c->make, NULL, 0 };
	CK_ATTRIBUTE public[] = {
		{ CKA_EC_PARAMS, (void *)(uintptr_t)c->params, c->params_len },
		{ CKA_TOKEN, &yes, sizeof yes }, { CKA_PRIVATE, &no, sizeof no }, { CKA_VERIFY, &yes, sizeof yes }, *label, *id,
	};
	CK_ATTRIBUTE private[] = {
		{ CKA_TOKEN, &yes, sizeof yes }, { CKA_PRIVATE, &yes, sizeof yes }, { CKA_SENSITIVE, &yes, sizeof yes },
		{ CKA_EXTRACTABLE, &no, sizeof no }, { CKA_SIGN, &yes, sizeof yes }, *label, *id,
	};
	CK_OBJECT_HANDLE one, two;

	return t->f->C_GenerateKeyPair(t->session, &how, public, ARRAY_LEN(public), private, ARRAY_LEN(private), &one, &two);
}

/* The URI's label and id, the latter made up and put into the URI when it has none. */
static int name_pair(struct pkcs11_key *k, CK_ATTRIBUTE *label, CK_ATTRIBUTE *id, struct err *e)
{
	const CK_ATTRIBUTE *has = p11_kit_uri_get_attribute(k->uri->uri, CKA_LABEL);
	uint8_t made[ID_LEN];
	CK_ATTRIBUTE fresh = { CKA_ID, made, sizeof made };

	if (!has || has->ulValueLen == 0)
		return err_set(e, ERR_USAGE, "%s: a new key needs a name: object=...", k->uri->name);
	if (!p11_kit_uri_get_attribute(k->uri->uri, CKA_ID)) {
		if (random_bytes(made, sizeof made, e) < 0)
			return e->code;
		if (p11_kit_uri_set_attribute(k->uri->uri, &fresh) != P11_KIT_URI_OK)
			return err_memory(e);
	}
	*label = *p11_kit_uri_get_attribute(k->uri->uri, CKA_LABEL);
	*id = *p11_kit_uri_get_attribute(k->uri->uri, CKA_ID);
	return 0;
}

static int make(struct pkcs11_key *k, enum pubkey_type type, struct err *e)
{
	CK_ATTRIBUTE label, id;
	CK_OBJECT_HANDLE there;
	CK_RV rv;
	int n = pkcs11_find(&k->token, CKO_PRIVATE_KEY, NULL, 0, &there, 1, e);

	if (n < 0)
		return n;
	if (n > 0)
		return err_set(e, ERR_CONFLICT, "%s: the token has such a private key already", k->uri->name);
	if (name_pair(k, &label, &id, e) < 0)
		return e->code;
	rv = make_pair(&k->token, pkcs11_curve(type), &label, &id);
	return rv == CKR_OK ? 0 : pkcs11_error(&k->token, rv, "make a key pair", e);
}

int pkcs11_generate(struct pkcs11_key **out, struct pubkey **public, const char *uri, enum pubkey_type type,
		    seckey_ask *ask, void *arg, struct err *e)
{
	AUTO(pkcs11_key) struct pkcs11_key *k = NULL;
	AUTO(pubkey) struct pubkey *half = NULL;
	struct pkcs11_modules m;

	if (type == PUBKEY_RSA)
		return err_set(e, ERR_UNSUPPORTED, "RSA keys are verified, not made; use Ed25519 or P-256");
	if (modules_for(&m, uri, e) < 0 || new_key(&k, &m, uri, e) < 0)
		return e->code;
	if (pkcs11_token_open(&k->token, &k->modules, k->uri, true, e) < 0 || log_in(k, ask, arg, e) < 0 || make(k, type, e) < 0)
		return e->code;
	if (find(k, &half, e) < 0)
		return err_wrap(e, "the new pair cannot be found again");
	k->public = half;
	*public = TAKE(half);
	*out = TAKE(k);
	return 0;
}

/* ---- signing ---- */

/* The token was pulled, or its session ended: opened anew it may sign. */
static bool is_gone(CK_RV rv)
{
	static const CK_RV gone[] = { CKR_SESSION_HANDLE_INVALID, CKR_SESSION_CLOSED, CKR_DEVICE_REMOVED, CKR_TOKEN_NOT_PRESENT,
				      CKR_USER_NOT_LOGGED_IN, CKR_KEY_HANDLE_INVALID, CKR_OBJECT_HANDLE_INVALID, CKR_DEVICE_ERROR,
				      CKR_OPERATION_ACTIVE /* begun, and never ended: of no more use */ };

	for (size_t i = 0; i < ARRAY_LEN(gone); i++)
		if (rv == gone[i])
			return true;
	return false;
}

/* *rv tells what the module said; the answer is a code. */
static int sign_once(struct pkcs11_key *k, const void *bytes, size_t len, uint8_t raw[RAW_MAX], CK_ULONG *raw_len, CK_RV *rv, struct err *e)
{
	CK_FUNCTION_LIST *f = k->token.f;
	CK_MECHANISM how = { pkcs11_curve(k->type)->sign, NULL, 0 };

	*rv = f->C_SignInit(k->token.session, &how, k->private);
	if (*rv != CKR_OK)
		return pkcs11_error(&k->token, *rv, "begin to sign", e);
	if (k->each_time && try_pin(k, CKU_CONTEXT_SPECIFIC, e) < 0)
		return e->code;
	*raw_len = RAW_MAX;
	*rv = f->C_Sign(k->token.session, (CK_BYTE_PTR)(uintptr_t)bytes, len, raw, raw_len);
	if (*rv == CKR_BUFFER_TOO_SMALL || (*rv == CKR_OK && *raw_len > RAW_MAX))
		return err_set(e, ERR_FORMAT, "%s: the token gave a signature of more than %d bytes", k->uri->name, RAW_MAX);
	return *rv == CKR_OK ? 0 : pkcs11_error(&k->token, *rv, "sign", e);
}

/* The same key on the same token, or it is refused. */
static int reopen(struct pkcs11_key *k, struct err *e)
{
	AUTO(pubkey) struct pubkey *public = NULL;

	pkcs11_token_close(&k->token);
	if (open_all(k, &public, NULL, NULL, e) < 0)
		return e->code;
	if (!pubkey_equal(public, k->public))
		return err_set(e, ERR_REFUSED, "%s: the token came back with another key", k->uri->name);
	return 0;
}

static int sign_locked(struct pkcs11_key *k, const void *bytes, size_t len, uint8_t raw[RAW_MAX], CK_ULONG *raw_len, struct err *e)
{
	CK_RV rv = CKR_OK;
	int code;

	code = k->token.session ? sign_once(k, bytes, len, raw, raw_len, &rv, e) : -1;
	if (code == 0 || (k->token.session && !is_gone(rv)))
		return code;
	if (reopen(k, e) < 0) {
		pkcs11_token_close(&k->token);
		return e->code;
	}
	return sign_once(k, bytes, len, raw, raw_len, &rv, e);
}

/* A wrong signature would be published: what the token gave is verified first. */
static int hand_out(const struct pkcs11_key *k, const void *bytes, size_t len, const uint8_t *raw, size_t raw_len, struct buf *sig, struct err *e)
{
	AUTO(buf) struct buf *made = buf_new(RAW_MAX);

	if (!made)
		return err_memory(e);
	if (pkcs11_signature(made, pubkey_type(k->public), raw, raw_len, e) < 0)
		return err_wrap(e, "%s", k->uri->name);
	if (!pubkey_verify(k->public, bytes, len, made->data, made->len))
		return err_set(e, ERR_REFUSED, "%s: the token's signature does not verify with the key's public half", k->uri->name);
	buf_add(sig, made->data, made->len);
	return buf_check(sig, e);
}

int pkcs11_sign(struct pkcs11_key *k, const void *bytes, size_t len, struct buf *sig, struct err *e)
{
	bool ecdsa = pubkey_type(k->public) == PUBKEY_ECDSA;    /* k->type is what the token says, under the lock */
	struct digest digest;
	uint8_t raw[RAW_MAX];
	CK_ULONG raw_len = 0;
	int code;

	if (ecdsa)
		hash_bytes(&digest, bytes, len);
	pthread_mutex_lock(&k->lock);
	code = sign_locked(k, ecdsa ? digest.bytes : bytes, ecdsa ? DIGEST_LEN : len, raw, &raw_len, e);
	pthread_mutex_unlock(&k->lock);
	return code < 0 ? code : hand_out(k, bytes, len, raw, raw_len, sig, e);
}

/* ---- looking ---- */

static int show(const struct pkcs11_token *t, CK_OBJECT_HANDLE object, seckey_visit *visit, void *arg, struct err *e)
{
	AUTO(buf) struct buf *label = NULL;
	AUTO(buf) struct buf *id = NULL;
	AUTO(pubkey) struct pubkey *public = NULL;
	AUTO_FREE char *where = NULL;
	struct err why = { 0 };

	if (pkcs11_value(t, object, CKA_LABEL, &label, e) < 0 || pkcs11_value(t, object, CKA_ID, &id, e) < 0 ||
	    pkcs11_uri_of(&where, t->uri, &t->info, label, id, e) < 0)
		return e->code;
	if (pkcs11_public_of(t, object, &public, &why) < 0 && why.code == ERR_MEMORY)
		return err_memory(e);
	return visit(arg, &(const struct seckey_seen){ .where = where, .name = label->data, .public = public, .token = true, .note = why.msg }, e);
}

static int look(const struct pkcs11_token *t, seckey_visit *visit, void *arg, struct err *e)
{
	static const CK_OBJECT_CLASS classes[] = { CKO_PUBLIC_KEY, CKO_CERTIFICATE };
	AUTO_FREE CK_OBJECT_HANDLE *found = calloc(LOOK_MAX, sizeof *found);
	int n = 0;

	if (!found)
		return err_memory(e);
	for (size_t i = 0; n == 0 && i < ARRAY_LEN(classes); i++)
		n = pkcs11_find(t, classes[i], NULL, 0, found, LOOK_MAX, e);
	for (int i = 0; i < n; i++)
		if (show(t, found[i], visit, arg, e) < 0)
			return e->code;
	return n < 0 ? n : 0;
}

int pkcs11_look(const char *uri, seckey_visit *visit, void *arg, struct err *e)
{
	AUTO(pkcs11_uri) struct pkcs11_uri *u = NULL;
	struct pkcs11_modules m;
	struct pkcs11_token t;
	int code;

	if (pkcs11_uri_parse(&u, uri, e) < 0 || pkcs11_modules_load(&m, u, e) < 0)
		return e->code;
	code = pkcs11_token_open(&t, &m, u, false, e);
	if (code == 0) {
		code = look(&t, visit, arg, e);
		pkcs11_token_close(&t);
	}
	pkcs11_modules_release(&m);
	return code;
}
