/* test_sigreq: a signing request collects what is valid, and publishes only whole and in time. */
#include "tests/signing/ask.h"

static struct err e;

static int setup(void **state)
{
	*state = ask_new();
	return 0;
}

static int teardown(void **state)
{
	ask_free(*state);
	return 0;
}

static struct sigreq *root_request(const struct ask *a)
{
	struct sigreq *q = ask_request(a);

	ask_draft(a, q, "root", ask_rotate_root);
	assert_ok(sigreq_seal(q, &e));
	return q;
}

static struct sigreq *carried(const struct sigreq *q)
{
	AUTO(buf) struct buf *text = buf_new(0);
	struct sigreq *back = NULL;

	assert_ok(sigreq_write(text, q, &e));
	assert_ok(sigreq_parse(&back, "carried", text->data, text->len, &e));
	return back;
}

static size_t have(const struct sigreq *q, const char *role)
{
	size_t count = 99;
	int64_t need;

	assert_true(sigreq_count(q, role, NULL, &count, &need));
	return count;
}

static void two_who_sign_copies_of_one_request_sign_one_request(void **state)
{
	struct ask *a = *state;
	AUTO(sigreq) struct sigreq *q = root_request(a), *one = carried(q), *two = carried(q);
	AUTO(keyring) struct keyring *first = ASK_RING_OF(a, ASK_ROOT1, ASK_NEW), *second = ASK_RING_OF(a, ASK_ROOT2);

	assert_string_equal(one->id, q->id);
	assert_int_equal(sigreq_sign(one, first, NULL, &e), 2);
	assert_int_equal(sigreq_sign(two, second, NULL, &e), 1);
	assert_false(sigreq_met(one, NULL));
	assert_int_equal(sigreq_merge(q, one, NULL, &e), 2);
	assert_int_equal(sigreq_merge(q, two, NULL, &e), 1);
	assert_int_equal(sigreq_merge(q, two, NULL, &e), 0);
	assert_true(sigreq_met(q, NULL));
	assert_string_equal(one->id, q->id);
}

/* Root wants the old threshold and the new one: three of the new are not enough without two of the old, nor the other way round. */
static void root_needs_both_thresholds(void **state)
{
	struct ask *a = *state;
	AUTO(sigreq) struct sigreq *q = root_request(a), *old = carried(q);
	AUTO(keyring) struct keyring *former = ASK_RING_OF(a, ASK_ROOT1, ASK_ROOT3), *later = ASK_RING_OF(a, ASK_ROOT2, ASK_NEW);

	assert_ok(sigreq_sign(old, former, NULL, &e));
	assert_false(sigreq_met(old, NULL));
	assert_refused(sigreq_publish(old, a->repo, a->online, ASK_NOW, &e), ERR_AUTH, "root has 1 of 3");
	assert_ok(sigreq_sign(q, later, NULL, &e));
	assert_false(sigreq_met(q, NULL));
	assert_ok(sigreq_merge(q, old, NULL, &e));
	assert_true(sigreq_met(q, NULL));
	assert_ok(sigreq_publish(q, a->repo, a->online, ASK_NOW, &e));
	assert_int_equal(repo_root(a->repo)->version, 2);
	ask_reopen(a);
}

static void what_is_no_signature_is_not_taken(void **state)
{
	struct ask *a = *state;
	AUTO(sigreq) struct sigreq *q = root_request(a), *other = ask_request(a);
	AUTO(keyring) struct keyring *stranger = ASK_RING_OF(a, ASK_OTHER), *ring = ASK_RING_OF(a, ASK_ROOT1);
	char id[DIGEST_HEX_LEN + 1], zeros[129];

	memset(zeros, '0', 128);
	zeros[128] = '\0';
	assert_int_equal(sigreq_sign(q, stranger, NULL, &e), 0);
	assert_ok(pubkey_id(ask_public(a, ASK_ROOT1), id, &e));
	assert_refused(sigreq_add_signature(q, "root", id, zeros, NULL, &e), ERR_AUTH, "none of a key that may sign");
	assert_refused(sigreq_add_signature(q, "root", id, "xy", NULL, &e), ERR_AUTH, "none of a key");
	assert_refused(sigreq_add_signature(q, "fleet", id, zeros, NULL, &e), ERR_NOT_FOUND, "asks nothing of fleet");
	assert_int_equal(have(q, "root"), 0);
	/* a good signature of another request is none of this one */
	ask_draft(a, other, "root", NULL);
	assert_ok(sigreq_seal(other, &e));
	assert_int_equal(sigreq_sign(other, ring, NULL, &e), 1);
	assert_refused(sigreq_merge(q, other, NULL, &e), ERR_CONFLICT, "do not sign request");
	assert_refused(sigreq_add_signature(q, "root", id, other->drafts[0].draft->signatures[0].hex, NULL, &e), ERR_AUTH, "");
}

/* A forged signature that came along neither counts nor keeps the true one of its key out. */
static void a_forged_signature_is_replaced_by_the_true_one(void **state)
{
	struct ask *a = *state;
	AUTO(sigreq) struct sigreq *q = root_request(a), *bad = NULL;
	AUTO(buf) struct buf *text = buf_new(0);
	AUTO(keyring) struct keyring *ring = ASK_RING_OF(a, ASK_ROOT1);
	AUTO(sigreq) struct sigreq *good = carried(q);
	char *at;

	assert_ok(sigreq_sign(good, ring, NULL, &e));
	assert_ok(sigreq_write(text, good, &e));
	at = strstr(strstr(text->data, "\"drafts\""), "\"base\"");
	at = strstr(strstr(at, "\"envelope\"") + 10, "\"envelope\"");
	at = strstr(at, "\"sig\":\"") + 7;
	*at = *at == 'a' ? 'b' : 'a';
	assert_ok(sigreq_parse(&bad, "forged", text->data, text->len, &e));
	assert_int_equal(have(bad, "root"), 0);
	assert_int_equal(sigreq_merge(q, bad, NULL, &e), 0);
	assert_int_equal(sigreq_merge(bad, good, NULL, &e), 1);
	assert_int_equal(have(bad, "root"), 1);
	assert_int_equal(bad->drafts[0].draft->signature_count, 1);
}

static void a_stale_request_publishes_nothing(void **state)
{
	struct ask *a = *state;
	AUTO(sigreq) struct sigreq *q = ask_request(a), *late = ask_request(a);
	int64_t before;

	ask_draft(a, q, "fleet", NULL);
	ask_draft(a, late, "fleet", NULL);
	ask_draft(a, late, "content-edr", NULL);
	assert_ok(sigreq_seal(q, &e));
	assert_ok(sigreq_seal(late, &e));
	assert_ok(sigreq_sign(q, a->all, NULL, &e));
	assert_ok(sigreq_sign(late, a->all, NULL, &e));
	assert_ok(sigreq_publish(q, a->repo, a->online, ASK_NOW, &e));
	before = repo_role(a->repo, "content-edr")->version;
	assert_refused(sigreq_publish(late, a->repo, a->online, ASK_NOW, &e), ERR_CONFLICT, "stale");
	assert_int_equal(repo_role(a->repo, "content-edr")->version, before);
	ask_reopen(a);
}

/* The new content key signs what is published in the same step that makes it the key; without that nothing changes. */
static void a_role_whose_keys_change_is_published_with_its_new_signature(void **state)
{
	struct ask *a = *state;
	AUTO(sigreq) struct sigreq *alone = ask_request(a), *whole = ask_request(a);
	struct authority by;

	ask_draft(a, alone, "targets", ask_change_delegations);
	assert_ok(sigreq_seal(alone, &e));
	assert_ok(sigreq_sign(alone, a->all, NULL, &e));
	assert_refused(sigreq_publish(alone, a->repo, a->online, ASK_NOW, &e), ERR_AUTH, "content-edr: what is published would no longer be signed");
	ask_reopen(a);
	assert_int_equal(repo_role(a->repo, "targets")->version, 1);

	ask_draft(a, whole, "targets", ask_change_delegations);
	ask_draft(a, whole, "content-edr", NULL);
	assert_ok(sigreq_seal(whole, &e));
	assert_ok(sigreq_sign(whole, a->all, NULL, &e));
	assert_int_equal(have(whole, "content-edr"), 1);
	assert_ok(sigreq_publish(whole, a->repo, a->online, ASK_NOW, &e));
	ask_reopen(a);
	assert_int_equal(repo_role(a->repo, "content-edr")->version, 2);
	assert_true(authority_of(&by, repo_role(a->repo, "targets"), "content-edr"));
	assert_int_equal(verify_count(repo_role(a->repo, "content-edr"), &by), 1);
}

static void only_a_renewal_is_called_one(void **state)
{
	struct ask *a = *state;
	AUTO(sigreq) struct sigreq *q = ask_request(a);

	ask_draft(a, q, "root", NULL);
	ask_draft(a, q, "targets", ask_change_delegations);
	assert_true(sigreq_is_renewal(&q->drafts[0]));
	assert_false(sigreq_is_renewal(&q->drafts[1]));
}

static void drafts_out_of_order_twice_or_of_online_roles_are_refused(void **state)
{
	struct ask *a = *state;
	AUTO(sigreq) struct sigreq *order = ask_request(a), *twice = ask_request(a), *online = ask_request(a), *none = ask_request(a);

	ask_draft(a, order, "fleet", NULL);
	ask_draft(a, order, "targets", NULL);
	assert_refused(sigreq_seal(order, &e), ERR_FORMAT, "out of order");
	ask_draft(a, twice, "fleet", NULL);
	ask_draft(a, twice, "fleet", NULL);
	assert_refused(sigreq_seal(twice, &e), ERR_FORMAT, "twice");
	ask_draft(a, online, "timestamp", NULL);
	assert_refused(sigreq_seal(online, &e), ERR_REFUSED, "never by request");
	assert_refused(sigreq_seal(none, &e), ERR_FORMAT, "nothing is to be signed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(two_who_sign_copies_of_one_request_sign_one_request, setup, teardown),
		cmocka_unit_test_setup_teardown(root_needs_both_thresholds, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_signature_is_not_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(a_forged_signature_is_replaced_by_the_true_one, setup, teardown),
		cmocka_unit_test_setup_teardown(a_stale_request_publishes_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(a_role_whose_keys_change_is_published_with_its_new_signature, setup, teardown),
		cmocka_unit_test_setup_teardown(only_a_renewal_is_called_one, setup, teardown),
		cmocka_unit_test_setup_teardown(drafts_out_of_order_twice_or_of_online_roles_are_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
