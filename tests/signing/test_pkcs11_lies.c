/* What a token may lie about: points, signatures, lengths, PINs, coming back as another. */
#include <openssl/evp.h>

#include "base/hex.h"
#include "signing/pkcs11_parts.h"
#include "test.h"

#define TEXT "text"

struct person {
	const char *pin;        /* NULL: refuses */
	int asked;
};

static int ask(void *arg, const char *where, char *secret, size_t cap, struct err *e)
{
	struct person *p = arg;

	p->asked++;
	(void)where;
	if (!p->pin)
		return err_set(e, ERR_AUTH, "nobody answered");
	snprintf(secret, cap, "%s", p->pin);
	return 0;
}

/* ---- conversions: nothing a token says is taken on trust ---- */

static void only_points_of_the_two_curves_become_keys(void **state)
{
#define OID_P256 "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"
#define OID_P384 "\x06\x05\x2b\x81\x04\x00\x22"
#define OID_ED25519 "\x06\x03\x2b\x65\x70"
#define OID_ED448 "\x06\x03\x2b\x65\x71"
	uint8_t good[67] = { 0x04, 0x41, 0x04 }, ed[34] = { 0x04, 0x20 }, bad[100];
	EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	size_t len = 0;
	struct pubkey *p = NULL;
	struct err e;

	(void)state;
	assert_int_equal(EVP_PKEY_get_octet_string_param(pkey, "pub", good + 2, 65, &len), 1);
	assert_int_equal(len, 65);
	EVP_PKEY_free(pkey);
	/* wrapped as the standard says, and bare as some tokens do */
	assert_ok(pkcs11_point(&p, CKK_EC, OID_P256, 10, good, 67, &e));
	pubkey_free(TAKE(p));
	assert_ok(pkcs11_point(&p, CKK_EC, OID_P256, 10, good + 2, 65, &e));
	pubkey_free(TAKE(p));
	assert_ok(pkcs11_point(&p, CKK_EC_EDWARDS, OID_ED25519, 5, ed, 34, &e));
	pubkey_free(TAKE(p));
	assert_ok(pkcs11_point(&p, CKK_EC_EDWARDS, OID_ED25519, 5, ed + 2, 32, &e));
	pubkey_free(TAKE(p));
	/* every other length */
	for (size_t n = 0; n < sizeof bad; n++) {
		memset(bad, 0x04, sizeof bad);
		if (n != 65 && n != 67)
			assert_refused(pkcs11_point(&p, CKK_EC, OID_P256, 10, bad, n, &e), ERR_FORMAT, "point");
		if (n != 32)
			assert_refused(pkcs11_point(&p, CKK_EC_EDWARDS, OID_ED25519, 5, bad, n, &e), ERR_FORMAT, "point");
	}
	good[40] ^= 1;
	assert_refused(pkcs11_point(&p, CKK_EC, OID_P256, 10, good, 67, &e), ERR_FORMAT, "not on P-256");
	good[40] ^= 1;
	good[2] = 0x02;
	assert_refused(pkcs11_point(&p, CKK_EC, OID_P256, 10, good, 67, &e), ERR_FORMAT, "no uncompressed point");
	/* other curves, and curves under the wrong kind of key */
	assert_refused(pkcs11_point(&p, CKK_EC, OID_P384, 7, good, 67, &e), ERR_UNSUPPORTED, "other than P-256");
	assert_refused(pkcs11_point(&p, CKK_EC, OID_ED25519, 5, good, 67, &e), ERR_UNSUPPORTED, "other than P-256");
	assert_refused(pkcs11_point(&p, CKK_EC_EDWARDS, OID_ED448, 5, ed, 34, &e), ERR_UNSUPPORTED, "other than P-256");
	assert_refused(pkcs11_point(&p, CKK_EC_EDWARDS, OID_P256, 10, ed, 34, &e), ERR_UNSUPPORTED, "other than P-256");
	assert_refused(pkcs11_point(&p, CKK_EC, "", 0, good, 67, &e), ERR_UNSUPPORTED, "other than P-256");
	assert_refused(pkcs11_point(&p, CKK_EC, OID_P256, 9, good, 67, &e), ERR_UNSUPPORTED, "other than P-256");
}

static void raw_signatures_become_der_that_is_as_short_as_it_can_be(void **state)
{
	static const struct { const char *r_head, *der; } cases[] = {
		{ "00", "3006020100020100" },                   /* 0, 0 */
		{ "01", "3006020101020100" },
		{ "80", "300702020080020100" },                 /* a leading zero keeps it positive */
	};
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t raw[64] = { 0 };
		AUTO(buf) struct buf *der = buf_new(0);
		char hex[200];

		assert_true(hex_decode(raw + 31, 1, cases[i].r_head, 2));
		assert_ok(pkcs11_signature(der, PUBKEY_ECDSA, raw, 64, &e));
		hex_encode(hex, (uint8_t *)der->data, der->len);
		assert_string_equal(hex, cases[i].der);
	}
	for (size_t len = 0; len < 140; len++) {
		uint8_t raw[140] = { 0 };
		AUTO(buf) struct buf *out = buf_new(0);

		if (len == 64)
			continue;
		assert_refused(pkcs11_signature(out, PUBKEY_ECDSA, raw, len, &e), ERR_FORMAT, "not 64");
		assert_refused(pkcs11_signature(out, PUBKEY_ED25519, raw, len, &e), ERR_FORMAT, "not 64");
		assert_int_equal(out->len, 0);
	}
}

/* ---- a token that lies ---- */

static struct liar {
	struct seckey *key;             /* signs for it */
	uint8_t point[34];              /* its public half, in an OCTET STRING */
	/* what it does */
	CK_FLAGS flags;                 /* of the token, beside the usual ones */
	CK_RV login;                    /* what C_Login says */
	CK_RV sign;                     /* what C_SignInit says, as long as sign_times > 0 */
	int sign_times;
	CK_ULONG sig_len;               /* claimed; 0: the truth */
	bool spoil, endless, long_value, always, other_half;
	/* what was done to it */
	int logins, context_logins, sessions, searches;
	bool in_session, logged_in, want_context;
} liar;

static CK_RV liar_info(CK_INFO *info)
{
	memset(info, 0, sizeof *info);
	return CKR_OK;
}

static CK_RV liar_slots(CK_BBOOL present, CK_SLOT_ID *slots, CK_ULONG *n)
{
	(void)present;
	slots[0] = 7;
	*n = liar.endless ? 1000000 : 1;        /* far more than the room it was given */
	for (CK_ULONG i = 1; liar.endless && i < PKCS11_SLOTS_MAX; i++)
		slots[i] = 7 + i;
	return CKR_OK;
}

static CK_RV liar_slot(CK_SLOT_ID slot, CK_SLOT_INFO *info)
{
	memset(info, ' ', sizeof *info);
	return slot == 7 ? CKR_OK : CKR_SLOT_ID_INVALID;
}

static CK_RV liar_token(CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
	memset(info, ' ', sizeof *info);
	memcpy(info->label, "liar", 4);
	info->flags = CKF_TOKEN_INITIALIZED | CKF_LOGIN_REQUIRED | liar.flags;
	return slot == 7 ? CKR_OK : CKR_SLOT_ID_INVALID;
}

static CK_RV liar_open(CK_SLOT_ID slot, CK_FLAGS flags, void *arg, CK_NOTIFY notify, CK_SESSION_HANDLE *out)
{
	(void)slot;
	(void)flags;
	(void)arg;
	(void)notify;
	liar.in_session = true;
	*out = (CK_SESSION_HANDLE)++liar.sessions;
	return CKR_OK;
}

static CK_RV liar_close(CK_SESSION_HANDLE s)
{
	(void)s;
	liar.in_session = liar.logged_in = false;
	return CKR_OK;
}

static CK_RV liar_session(CK_SESSION_HANDLE s, CK_SESSION_INFO *info)
{
	(void)s;
	*info = (CK_SESSION_INFO){ .slotID = 7, .state = liar.logged_in ? CKS_RO_USER_FUNCTIONS : CKS_RO_PUBLIC_SESSION };
	return CKR_OK;
}

static CK_RV liar_login(CK_SESSION_HANDLE s, CK_USER_TYPE who, CK_BYTE *pin, CK_ULONG len)
{
	(void)s;
	(void)pin;
	(void)len;
	*(who == CKU_CONTEXT_SPECIFIC ? &liar.context_logins : &liar.logins) += 1;
	if (liar.login == CKR_OK)
		*(who == CKU_CONTEXT_SPECIFIC ? &liar.want_context : &liar.logged_in) = who != CKU_CONTEXT_SPECIFIC;
	return liar.login;
}

/* One object of each class: 100 + class. */
static CK_OBJECT_HANDLE searched;
static bool found_already;

static CK_RV liar_find_begin(CK_SESSION_HANDLE s, CK_ATTRIBUTE *template, CK_ULONG n)
{
	(void)s;
	(void)n;
	liar.searches++;
	searched = 100 + *(CK_OBJECT_CLASS *)template[0].pValue;
	found_already = false;
	return CKR_OK;
}

static CK_RV liar_find(CK_SESSION_HANDLE s, CK_OBJECT_HANDLE *found, CK_ULONG max, CK_ULONG *n)
{
	(void)s;
	*n = 0;
	if (found_already && !liar.endless)
		return CKR_OK;
	for (CK_ULONG i = 0; i < (liar.endless ? max : 1); i++)
		found[i] = searched;
	*n = liar.endless ? max : 1;
	found_already = true;
	return CKR_OK;
}

static CK_RV liar_find_end(CK_SESSION_HANDLE s)
{
	(void)s;
	return CKR_OK;
}

static CK_RV give(CK_ATTRIBUTE *a, const void *bytes, CK_ULONG len)
{
	if (!a->pValue || a->ulValueLen < len) {
		a->ulValueLen = CK_UNAVAILABLE_INFORMATION;
		return CKR_BUFFER_TOO_SMALL;
	}
	memcpy(a->pValue, bytes, len);
	a->ulValueLen = len;
	return CKR_OK;
}

static CK_RV liar_value(CK_SESSION_HANDLE s, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *a, CK_ULONG n)
{
	static const uint8_t params[] = { 0x06, 0x03, 0x2b, 0x65, 0x70 };
	CK_KEY_TYPE key = CKK_EC_EDWARDS;
	CK_BBOOL yes = CK_TRUE;
	uint8_t other[34] = { 0x04, 0x20, 0x42 };

	(void)s;
	assert_int_equal(n, 1);
	switch (a->type) {
	case CKA_KEY_TYPE:
		return give(a, &key, sizeof key);
	case CKA_SIGN:
		return give(a, &yes, sizeof yes);
	case CKA_ALWAYS_AUTHENTICATE:
		yes = liar.always;
		return give(a, &yes, sizeof yes);
	case CKA_EC_PARAMS:
		return give(a, params, sizeof params);
	case CKA_EC_POINT:
		assert_int_equal(object, 100 + CKO_PUBLIC_KEY);
		return give(a, liar.other_half ? other : liar.point, sizeof liar.point);
	case CKA_ID:
		if (!liar.long_value)
			return give(a, "\x01", 1);
		a->ulValueLen += 1;             /* "I wrote more than you had room for" */
		return CKR_OK;
	default:
		a->ulValueLen = CK_UNAVAILABLE_INFORMATION;
		return CKR_ATTRIBUTE_TYPE_INVALID;
	}
}

static CK_RV liar_sign_begin(CK_SESSION_HANDLE s, CK_MECHANISM *how, CK_OBJECT_HANDLE key)
{
	(void)s;
	(void)how;
	assert_int_equal(key, 100 + CKO_PRIVATE_KEY);
	liar.want_context = liar.always;
	return liar.sign_times-- > 0 ? liar.sign : CKR_OK;
}

static CK_RV liar_sign(CK_SESSION_HANDLE s, CK_BYTE *bytes, CK_ULONG len, CK_BYTE *sig, CK_ULONG *sig_len)
{
	AUTO(buf) struct buf *made = buf_new(0);
	struct err e;

	(void)s;
	if (!liar.logged_in || liar.want_context)
		return CKR_USER_NOT_LOGGED_IN;
	assert_ok(seckey_sign(liar.key, bytes, len, made, &e));
	assert_true(*sig_len >= made->len);
	memcpy(sig, made->data, made->len);
	sig[20] ^= liar.spoil;
	*sig_len = liar.sig_len ? liar.sig_len : made->len;
	return CKR_OK;
}

static CK_FUNCTION_LIST liar_functions = {
	.C_GetInfo = liar_info, .C_GetSlotList = liar_slots, .C_GetSlotInfo = liar_slot, .C_GetTokenInfo = liar_token,
	.C_OpenSession = liar_open, .C_CloseSession = liar_close, .C_GetSessionInfo = liar_session, .C_Login = liar_login,
	.C_FindObjectsInit = liar_find_begin, .C_FindObjects = liar_find, .C_FindObjectsFinal = liar_find_end,
	.C_GetAttributeValue = liar_value, .C_SignInit = liar_sign_begin, .C_Sign = liar_sign,
};

static int liar_setup(void **state)
{
	AUTO(buf) struct buf *text = buf_new(0);
	struct err e;

	(void)state;
	memset(&liar, 0, sizeof liar);
	assert_ok(seckey_generate(&liar.key, &e));
	pubkey_json(seckey_public(liar.key), text);
	liar.point[0] = 0x04;
	liar.point[1] = 0x20;
	assert_true(hex_decode(liar.point + 2, 32, strstr(text->data, "\"public\":\"") + 10, 64));
	return 0;
}

static int liar_teardown(void **state)
{
	(void)state;
	seckey_free(liar.key);
	return 0;
}

#define LIAR "pkcs11:token=liar;object=k?pin-value=1234"

static int liar_load(struct pkcs11_key **out, struct pubkey **public, const char *uri, struct person *p, struct err *e)
{
	static CK_FUNCTION_LIST *list[] = { &liar_functions, NULL };
	struct pkcs11_modules m = { .list = list, .held = PKCS11_BORROWED };

	return pkcs11_open_with(out, public, &m, uri, p ? ask : NULL, p, e);
}

static void an_honest_token_signs(void **state)
{
	struct pkcs11_key *k = NULL;
	AUTO(pubkey) struct pubkey *p = NULL;
	AUTO(buf) struct buf *sig = buf_new(0);
	struct err e;

	(void)state;
	assert_ok(liar_load(&k, &p, LIAR, NULL, &e));
	assert_true(pubkey_equal(p, seckey_public(liar.key)));
	assert_ok(pkcs11_sign(k, TEXT, 4, sig, &e));
	assert_true(pubkey_verify(p, TEXT, 4, sig->data, sig->len));
	pkcs11_free(k);
	assert_false(liar.in_session);
}

static void no_wrong_signature_leaves(void **state)
{
	static const struct { CK_ULONG len; bool spoil, other; const char *says; } lies[] = {
		{ 1, false, false, "not 64" }, { 63, false, false, "not 64" }, { 65, false, false, "not 64" }, { 256, false, false, "not 64" },
		{ 257, false, false, "more than 256" }, { (CK_ULONG)-1, false, false, "more than 256" },
		{ 0, true, false, "does not verify" }, { 0, false, true, "does not verify" },
	};
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
		struct pkcs11_key *k = NULL;
		AUTO(pubkey) struct pubkey *p = NULL;
		AUTO(buf) struct buf *sig = buf_new(0);

		liar.sig_len = lies[i].len;
		liar.spoil = lies[i].spoil;
		liar.other_half = lies[i].other;
		assert_ok(liar_load(&k, &p, LIAR, NULL, &e));
		assert_refused(pkcs11_sign(k, TEXT, 4, sig, &e), lies[i].says[0] == 'd' ? ERR_REFUSED : ERR_FORMAT, lies[i].says);
		assert_int_equal(sig->len, 0);
		pkcs11_free(k);
	}
}

static void answers_larger_than_their_room_are_refused(void **state)
{
	struct pkcs11_key *k = NULL;
	struct pubkey *p = NULL;
	struct err e;

	(void)state;
	liar.long_value = true;
	assert_refused(liar_load(&k, &p, LIAR, NULL, &e), ERR_FORMAT, "longer than the room");
	liar.long_value = false;
	liar.endless = true;
	assert_refused(liar_load(&k, &p, LIAR, NULL, &e), ERR_CONFLICT, "two or more private keys");
	assert_true(liar.searches < 10);
	assert_false(liar.in_session);
}

static void a_wrong_pin_is_tried_once_whatever_asks_for_the_key(void **state)
{
	struct person p = { .pin = "4321" };
	struct pkcs11_key *k = NULL;
	struct pubkey *public = NULL;
	struct err e;

	(void)state;
	liar.login = CKR_PIN_INCORRECT;
	assert_refused(liar_load(&k, &public, LIAR, NULL, &e), ERR_AUTH, "it was tried once");
	assert_int_equal(liar.logins, 1);
	assert_refused(liar_load(&k, &public, "pkcs11:token=liar;object=k", &p, &e), ERR_AUTH, "it was tried once");
	assert_int_equal(liar.logins, 2);
	assert_int_equal(p.asked, 1);
}

static void a_pin_refused_after_the_token_came_back_is_never_tried_again(void **state)
{
	struct pkcs11_key *k = NULL;
	AUTO(pubkey) struct pubkey *p = NULL;
	AUTO(buf) struct buf *sig = buf_new(0);
	struct err e;

	(void)state;
	assert_ok(liar_load(&k, &p, LIAR, NULL, &e));
	liar.sign = CKR_DEVICE_REMOVED;
	liar.sign_times = 1;
	liar.login = CKR_PIN_INCORRECT;         /* somebody changed it meanwhile */
	assert_refused(pkcs11_sign(k, TEXT, 4, sig, &e), ERR_AUTH, "it was tried once");
	for (int i = 0; i < 5; i++)
		assert_refused(pkcs11_sign(k, TEXT, 4, sig, &e), ERR_AUTH, "not tried again");
	assert_int_equal(liar.logins, 2);       /* the first, good one, and this */
	pkcs11_free(k);
}

static void a_locked_token_is_not_tried_and_its_last_try_is_a_persons(void **state)
{
	struct person p = { .pin = "1234" };
	struct pkcs11_key *k = NULL;
	AUTO(pubkey) struct pubkey *public = NULL;
	struct err e;

	(void)state;
	liar.flags = CKF_USER_PIN_LOCKED;
	assert_refused(liar_load(&k, &public, LIAR, NULL, &e), ERR_AUTH, "the PIN is locked");
	liar.flags = CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_COUNT_LOW;
	assert_refused(liar_load(&k, &public, LIAR, NULL, &e), ERR_AUTH, "one more wrong PIN locks the token");
	assert_int_equal(liar.logins, 0);
	assert_ok(liar_load(&k, &public, "pkcs11:token=liar;object=k", &p, &e));
	assert_int_equal(liar.logins, 1);
	pkcs11_free(k);
}

static void a_token_that_came_back_signs_but_only_with_the_same_key(void **state)
{
	struct pkcs11_key *k = NULL;
	AUTO(pubkey) struct pubkey *p = NULL;
	AUTO(buf) struct buf *sig = buf_new(0);
	struct err e;

	(void)state;
	assert_ok(liar_load(&k, &p, LIAR, NULL, &e));
	liar.sign = CKR_SESSION_HANDLE_INVALID;
	liar.sign_times = 1;
	assert_ok(pkcs11_sign(k, TEXT, 4, sig, &e));
	assert_int_equal(liar.sessions, 2);
	liar.sign = CKR_OPERATION_ACTIVE;       /* an earlier signature was begun and never ended */
	liar.sign_times = 1;
	assert_ok(pkcs11_sign(k, TEXT, 4, sig, &e));
	assert_int_equal(liar.sessions, 3);
	liar.sign = CKR_SESSION_HANDLE_INVALID;
	liar.sign_times = 2;                    /* gone again at once: one attempt, then a sentence */
	assert_refused(pkcs11_sign(k, TEXT, 4, sig, &e), ERR_IO, "session is gone");
	liar.sign_times = 1;
	liar.other_half = true;
	assert_refused(pkcs11_sign(k, TEXT, 4, sig, &e), ERR_REFUSED, "came back with another key");
	liar.other_half = false;
	liar.sign_times = 0;
	assert_ok(pkcs11_sign(k, TEXT, 4, sig, &e));
	liar.sign = CKR_MECHANISM_INVALID;      /* not a matter of coming back */
	liar.sign_times = 1;
	assert_refused(pkcs11_sign(k, TEXT, 4, sig, &e), ERR_UNSUPPORTED, "cannot do this");
	pkcs11_free(k);
}

static void a_key_that_wants_its_pin_every_time_gets_it(void **state)
{
	struct person p = { .pin = "1234" };
	struct pkcs11_key *k = NULL;
	AUTO(pubkey) struct pubkey *public = NULL;
	AUTO(buf) struct buf *sig = buf_new(0);
	struct err e;

	(void)state;
	liar.always = true;
	assert_ok(liar_load(&k, &public, "pkcs11:token=liar;object=k", &p, &e));
	for (int i = 0; i < 3; i++)
		assert_ok(pkcs11_sign(k, TEXT, 4, sig, &e));
	assert_int_equal(p.asked, 1);
	assert_int_equal(liar.logins, 1);
	assert_int_equal(liar.context_logins, 3);
	liar.login = CKR_PIN_INCORRECT;
	assert_refused(pkcs11_sign(k, TEXT, 4, sig, &e), ERR_AUTH, "it was tried once");
	assert_refused(pkcs11_sign(k, TEXT, 4, sig, &e), ERR_AUTH, "not tried again");
	assert_int_equal(liar.context_logins, 4);
	pkcs11_free(k);
}

static void a_token_with_a_keyboard_asks_for_itself(void **state)
{
	struct person p = { .pin = "1234" };
	struct pkcs11_key *k = NULL;
	AUTO(pubkey) struct pubkey *public = NULL;
	struct err e;

	(void)state;
	liar.flags = CKF_PROTECTED_AUTHENTICATION_PATH;
	assert_ok(liar_load(&k, &public, "pkcs11:token=liar;object=k", &p, &e));
	assert_int_equal(p.asked, 0);
	assert_int_equal(liar.logins, 1);
	pkcs11_free(k);
}

#define L(name) cmocka_unit_test_setup_teardown(name, liar_setup, liar_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_points_of_the_two_curves_become_keys),
		cmocka_unit_test(raw_signatures_become_der_that_is_as_short_as_it_can_be),
		L(an_honest_token_signs),
		L(no_wrong_signature_leaves),
		L(answers_larger_than_their_room_are_refused),
		L(a_wrong_pin_is_tried_once_whatever_asks_for_the_key),
		L(a_pin_refused_after_the_token_came_back_is_never_tried_again),
		L(a_locked_token_is_not_tried_and_its_last_try_is_a_persons),
		L(a_token_that_came_back_signs_but_only_with_the_same_key),
		L(a_key_that_wants_its_pin_every_time_gets_it),
		L(a_token_with_a_keyboard_asks_for_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
