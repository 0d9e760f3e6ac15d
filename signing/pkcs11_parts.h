/* pkcs11_parts: URI, token and objects, as pkcs11*.c see them. No other file includes p11-kit's headers. */
#ifndef SIGNING_PKCS11_PARTS_H
#define SIGNING_PKCS11_PARTS_H

#include <p11-kit/p11-kit.h>
#include <p11-kit/pkcs11.h>
#include <p11-kit/uri.h>

#include "signing/pkcs11.h"

#define PKCS11_URI_MAX 4096     /* bytes of a URI */
#define PKCS11_VALUE_MAX 8192   /* bytes of one attribute: a certificate is the largest */
#define PKCS11_ID_MAX 256       /* bytes of CKA_ID or CKA_LABEL */
#define PKCS11_SLOTS_MAX 256    /* slots of one module */

/* ---- pkcs11_uri: what was asked for ---- */

struct pkcs11_uri {
	P11KitUri *uri;         /* owned */
	char *name;             /* owned: token and object without module or PIN, for sentences */
	const char *module;     /* absolute path, borrowed from uri; NULL: the registered ones */
};

int pkcs11_uri_parse(struct pkcs11_uri **out, const char *text, struct err *e) MUST_CHECK;
void pkcs11_uri_free(struct pkcs11_uri *u);
/* The URI's own PIN: 1 written, 0 it has none. */
int pkcs11_uri_pin(const struct pkcs11_uri *u, char pin[SECKEY_SECRET_MAX], struct err *e) MUST_CHECK;
/* A URI for one object of a token, with the module of `u` and its pin-source, never its pin-value. */
int pkcs11_uri_of(char **out, const struct pkcs11_uri *u, const CK_TOKEN_INFO *token, const struct buf *label, const struct buf *id,
		  struct err *e) MUST_CHECK;
AUTO_DEFINE(pkcs11_uri, struct pkcs11_uri *, pkcs11_uri_free);

/* ---- pkcs11_token: a session with the one token that fits ---- */

struct pkcs11_modules {
	CK_FUNCTION_LIST **list;        /* ends with NULL */
	enum { PKCS11_NONE, PKCS11_BY_PATH, PKCS11_REGISTERED, PKCS11_BORROWED } held;
	CK_FUNCTION_LIST *one[2];
};

struct pkcs11_token {
	const struct pkcs11_uri *uri;   /* borrowed */
	CK_FUNCTION_LIST *f;
	CK_SLOT_ID slot;
	CK_TOKEN_INFO info;
	CK_SESSION_HANDLE session;      /* 0: none */
};

int pkcs11_modules_load(struct pkcs11_modules *m, const struct pkcs11_uri *u, struct err *e) MUST_CHECK;
void pkcs11_modules_release(struct pkcs11_modules *m);

int pkcs11_token_open(struct pkcs11_token *t, const struct pkcs11_modules *m, const struct pkcs11_uri *u, bool write, struct err *e) MUST_CHECK;
void pkcs11_token_close(struct pkcs11_token *t);
bool pkcs11_token_logged_in(const struct pkcs11_token *t);      /* nothing to do: also when the token wants no PIN */
bool pkcs11_token_asks_itself(const struct pkcs11_token *t);    /* it has its own keyboard */
/* ERR_AUTH when the PIN is locked, or one more wrong one would lock it and nobody typed it just now. */
int pkcs11_token_may_try(const struct pkcs11_token *t, bool typed, struct err *e) MUST_CHECK;
/* One try; ERR_AUTH when the token refuses it. pin NULL: the token asks itself. */
int pkcs11_token_login(const struct pkcs11_token *t, CK_USER_TYPE who, const char *pin, struct err *e) MUST_CHECK;

/* "pkcs11:token=...: words: what the module says", by what rv means. */
int pkcs11_error(const struct pkcs11_token *t, CK_RV rv, const char *words, struct err *e);

/* ---- pkcs11_object: what lies on it ---- */

/* At most max objects of a class that fit the URI, and the further attributes. Answers how many. */
int pkcs11_find(const struct pkcs11_token *t, CK_OBJECT_CLASS class, const CK_ATTRIBUTE *more, size_t more_count,
		CK_OBJECT_HANDLE *found, size_t max, struct err *e) MUST_CHECK;
/* One attribute's bytes; empty when the object has none. */
int pkcs11_value(const struct pkcs11_token *t, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, struct buf **out, struct err *e) MUST_CHECK;
/* A number or a flag; `otherwise` when the object has none. */
CK_ULONG pkcs11_number(const struct pkcs11_token *t, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, CK_ULONG otherwise);
bool pkcs11_flag(const struct pkcs11_token *t, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, bool otherwise);

/* The one private key the URI fits, of a kind that signs. */
int pkcs11_find_private(const struct pkcs11_token *t, CK_OBJECT_HANDLE *out, enum pubkey_type *type, struct err *e) MUST_CHECK;
/* Its public half: a public key object, a certificate of the same id, or what the private object itself says. */
int pkcs11_find_public(const struct pkcs11_token *t, CK_OBJECT_HANDLE private, enum pubkey_type type, struct pubkey **out, struct err *e) MUST_CHECK;
/* What a public key object or a certificate holds. */
int pkcs11_public_of(const struct pkcs11_token *t, CK_OBJECT_HANDLE object, struct pubkey **out, struct err *e) MUST_CHECK;

/* ---- pkcs11_convert: between what tokens say and what the world says; pure ---- */

/* The two curves, by type: ERR_UNSUPPORTED. */
extern const struct pkcs11_curve {
	enum pubkey_type type;
	CK_KEY_TYPE key;
	CK_MECHANISM_TYPE make, sign;
	const char *params;             /* DER, the form we write */
	size_t params_len;
} pkcs11_curves[2];
const struct pkcs11_curve *pkcs11_curve(enum pubkey_type type);

/* CKA_EC_PARAMS and CKA_EC_POINT (DER OCTET STRING, or the bare point some tokens give). */
int pkcs11_point(struct pubkey **out, CK_KEY_TYPE key, const void *params, size_t params_len, const void *point, size_t point_len,
		 struct err *e) MUST_CHECK;
/* Appends: ECDSA's r||s of 64 bytes as DER; Ed25519's 64 bytes as they are. */
int pkcs11_signature(struct buf *out, enum pubkey_type type, const void *raw, size_t len, struct err *e) MUST_CHECK;

/* ---- pkcs11 with modules given: what the tests drive with tokens that lie ---- */
int pkcs11_open_with(struct pkcs11_key **out, struct pubkey **public, struct pkcs11_modules *m, const char *uri,
		     seckey_ask *ask, void *arg, struct err *e) MUST_CHECK;      /* takes what m holds, also on failure */

#endif
