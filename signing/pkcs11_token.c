/* pkcs11_token: modules, slots, sessions, logging in. */
#include <stdlib.h>
#include <string.h>

#include "signing/pkcs11_parts.h"

/* What a module's answer means for us, and in our words; p11-kit has words for the rest. */
static const struct {
	CK_RV rv;
	int code;
	const char *words;
} answers[] = {
	{ CKR_PIN_INCORRECT, ERR_AUTH, "the token refused the PIN; it was tried once, as tokens lock" },
	{ CKR_PIN_INVALID, ERR_AUTH, "the token refused the PIN; it was tried once, as tokens lock" },
	{ CKR_PIN_LEN_RANGE, ERR_AUTH, "the token refused the PIN for its length" },
	{ CKR_PIN_EXPIRED, ERR_AUTH, "the PIN has expired" },
	{ CKR_PIN_LOCKED, ERR_AUTH, "the PIN is locked; the token's security officer can set a new one" },
	{ CKR_USER_PIN_NOT_INITIALIZED, ERR_AUTH, "the token has no user PIN yet" },
	{ CKR_USER_NOT_LOGGED_IN, ERR_AUTH, "the token wants a PIN first" },
	{ CKR_TOKEN_NOT_PRESENT, ERR_NOT_FOUND, "the token is gone" },
	{ CKR_DEVICE_REMOVED, ERR_NOT_FOUND, "the token is gone" },
	{ CKR_SESSION_HANDLE_INVALID, ERR_IO, "the token's session is gone" },
	{ CKR_TOKEN_WRITE_PROTECTED, ERR_REFUSED, "the token is write-protected" },
	{ CKR_MECHANISM_INVALID, ERR_UNSUPPORTED, "the token cannot do this with such a key" },
	{ CKR_KEY_FUNCTION_NOT_PERMITTED, ERR_REFUSED, "the key is not allowed to sign" },
	{ CKR_HOST_MEMORY, ERR_MEMORY, "out of memory" },
};

int pkcs11_error(const struct pkcs11_token *t, CK_RV rv, const char *words, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(answers); i++)
		if (answers[i].rv == rv)
			return err_set(e, answers[i].code, "%s: %s", t->uri->name, answers[i].words);
	return err_set(e, ERR_IO, "%s: %s: %s", t->uri->name, words, p11_kit_strerror(rv));
}

/* ---- modules ---- */

static int load_one(struct pkcs11_modules *m, const struct pkcs11_uri *u, struct err *e)
{
	CK_RV rv;

	m->one[0] = p11_kit_module_load(u->module, P11_KIT_MODULE_CRITICAL);
	if (!m->one[0])
		return err_set(e, ERR_NOT_FOUND, "%s: %s is no PKCS #11 module that can be loaded", u->name, u->module);
	rv = p11_kit_module_initialize(m->one[0]);
	if (rv != CKR_OK) {
		p11_kit_module_release(m->one[0]);
		return err_set(e, ERR_IO, "%s: %s does not start: %s", u->name, u->module, p11_kit_strerror(rv));
	}
	m->list = m->one;
	m->held = PKCS11_BY_PATH;
	return 0;
}

int pkcs11_modules_load(struct pkcs11_modules *m, const struct pkcs11_uri *u, struct err *e)
{
	*m = (struct pkcs11_modules){ 0 };
	if (u->module)
		return load_one(m, u, e);
	m->list = p11_kit_modules_load_and_initialize(0);
	if (!m->list)
		return err_set(e, ERR_IO, "%s: no module-path, and the modules registered with p11-kit do not load", u->name);
	m->held = PKCS11_REGISTERED;
	return 0;
}

void pkcs11_modules_release(struct pkcs11_modules *m)
{
	if (m->held == PKCS11_BY_PATH) {
		p11_kit_module_finalize(m->one[0]);
		p11_kit_module_release(m->one[0]);
	} else if (m->held == PKCS11_REGISTERED) {
		p11_kit_modules_finalize_and_release(m->list);
	}
	*m = (struct pkcs11_modules){ 0 };
}

/* ---- the token ---- */

static bool fits(const struct pkcs11_token *t, CK_FUNCTION_LIST *f, CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
	const P11KitUri *uri = t->uri->uri;
	CK_SLOT_ID wanted = p11_kit_uri_get_slot_id(t->uri->uri);
	CK_SLOT_INFO about;

	if (wanted != (CK_SLOT_ID)-1 && wanted != slot)
		return false;
	if (f->C_GetTokenInfo(slot, info) != CKR_OK || !(info->flags & CKF_TOKEN_INITIALIZED) || !p11_kit_uri_match_token_info(uri, info))
		return false;
	return f->C_GetSlotInfo(slot, &about) == CKR_OK && p11_kit_uri_match_slot_info(uri, &about);
}

/* Adds the tokens of one module that fit to *count; keeps the first. */
static void look_in(struct pkcs11_token *t, CK_FUNCTION_LIST *f, size_t *count)
{
	CK_SLOT_ID slots[PKCS11_SLOTS_MAX];
	CK_ULONG n = PKCS11_SLOTS_MAX;
	CK_INFO about;

	if (f->C_GetInfo(&about) != CKR_OK || !p11_kit_uri_match_module_info(t->uri->uri, &about) ||
	    f->C_GetSlotList(CK_TRUE, slots, &n) != CKR_OK)
		return;
	for (CK_ULONG i = 0; i < MIN(n, (CK_ULONG)PKCS11_SLOTS_MAX); i++) {
		CK_TOKEN_INFO info;

		if (!fits(t, f, slots[i], &info))
			continue;
		if ((*count)++ > 0)
			continue;
		t->f = f;
		t->slot = slots[i];
		t->info = info;
	}
}

int pkcs11_token_open(struct pkcs11_token *t, const struct pkcs11_modules *m, const struct pkcs11_uri *u, bool write, struct err *e)
{
	size_t count = 0;
	CK_RV rv;

	*t = (struct pkcs11_token){ .uri = u };
	for (size_t i = 0; m->list[i]; i++)
		look_in(t, m->list[i], &count);
	if (count == 0)
		return err_set(e, ERR_NOT_FOUND, "%s: no such token in %s", u->name, u->module ? u->module : "any registered module");
	if (count > 1)
		return err_set(e, ERR_CONFLICT, "%s: %zu tokens fit; add token=... or serial=...", u->name, count);
	rv = t->f->C_OpenSession(t->slot, CKF_SERIAL_SESSION | (write ? CKF_RW_SESSION : 0), NULL, NULL, &t->session);
	if (rv != CKR_OK) {
		t->session = 0;
		return pkcs11_error(t, rv, "open a session", e);
	}
	return 0;
}

void pkcs11_token_close(struct pkcs11_token *t)
{
	if (t->session)
		t->f->C_CloseSession(t->session);
	t->session = 0;
}

/* ---- logging in ---- */

bool pkcs11_token_logged_in(const struct pkcs11_token *t)
{
	CK_SESSION_INFO s;

	if (!(t->info.flags & CKF_LOGIN_REQUIRED))
		return true;
	return t->f->C_GetSessionInfo(t->session, &s) == CKR_OK && (s.state == CKS_RO_USER_FUNCTIONS || s.state == CKS_RW_USER_FUNCTIONS);
}

bool pkcs11_token_asks_itself(const struct pkcs11_token *t)
{
	return t->info.flags & CKF_PROTECTED_AUTHENTICATION_PATH;
}

int pkcs11_token_may_try(const struct pkcs11_token *t, bool typed, struct err *e)
{
	CK_TOKEN_INFO now;
	CK_RV rv = t->f->C_GetTokenInfo(t->slot, &now);

	if (rv != CKR_OK)
		return pkcs11_error(t, rv, "ask how many tries are left", e);
	if (now.flags & CKF_USER_PIN_LOCKED)
		return pkcs11_error(t, CKR_PIN_LOCKED, "log in", e);
	if ((now.flags & CKF_USER_PIN_FINAL_TRY) && !typed)
		return err_set(e, ERR_AUTH, "%s: one more wrong PIN locks the token: a person must type it once before it is used unattended",
			       t->uri->name);
	return 0;
}

int pkcs11_token_login(const struct pkcs11_token *t, CK_USER_TYPE who, const char *pin, struct err *e)
{
	CK_RV rv = t->f->C_Login(t->session, who, (CK_UTF8CHAR_PTR)(uintptr_t)pin, pin ? strlen(pin) : 0);
	return rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN ? 0 : pkcs11_error(t, rv, "log in", e);
}
