/* test_change_text: whoever reads the difference knows what will be trusted. */
#include "signing/change_text.h"
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

static const char *names(void *arg, const struct pubkey *k)
{
	const struct ask *a = arg;

	for (int i = 0; i < ASK_COUNT; i++)
		if (pubkey_equal(k, ask_public(a, i)))
			return ask_names[i];
	return NULL;
}

static char *printed(const struct ask *a, const struct sigreq *q)
{
	AUTO(change_text) struct change_text *t = NULL;
	AUTO(buf) struct buf *out = buf_new(0);

	assert_ok(change_text_of(&t, q, names, (void *)a, &e));
	change_text_print(out, t);
	return buf_take(out);
}

#define SAYS(text, what)                                                     \
	do {                                                                 \
		if (!strstr(text, what))                                     \
			fail_msg("\"%s\" is not said in:\n%s", what, text);  \
	} while (0)

#define SAYS_NOT(text, what)                                                 \
	do {                                                                 \
		if (strstr(text, what))                                      \
			fail_msg("\"%s\" is said in:\n%s", what, text);      \
	} while (0)

static void keys_and_thresholds_of_root_are_named(void **state)
{
	struct ask *a = *state;
	AUTO(sigreq) struct sigreq *q = ask_request(a);
	AUTO_FREE char *text = NULL;
	char id[DIGEST_HEX_LEN + 1], line[200];

	ask_draft(a, q, "root", ask_rotate_root);
	text = printed(a, q);
	assert_ok(pubkey_id(ask_public(a, ASK_NEW), id, &e));
	snprintf(line, sizeof line, "root: key %.16s ed25519 (new) may sign from now on\n", id);
	SAYS(text, "  root: version 1 becomes 2; valid until ");
	SAYS(text, line);
	SAYS(text, "ed25519 (root3) may no longer sign\n");
	SAYS(text, "root: 3 of 3 keys must sign, was 2 of 3\n");
	SAYS_NOT(text, "targets:");
	SAYS_NOT(text, "(root1)");
}

static void delegations_that_come_go_or_change_are_named_and_what_is_unusual_is_marked(void **state)
{
	struct ask *a = *state;
	AUTO(sigreq) struct sigreq *q = ask_request(a);
	AUTO_FREE char *text = NULL;

	ask_draft(a, q, "targets", ask_change_delegations);
	text = printed(a, q);
	SAYS(text, "content-edr: key ");
	SAYS(text, "(new) may sign from now on\n");
	SAYS(text, "(content) may no longer sign\n");
	SAYS(text, "content-xyz: a new role\n");
	/* another channel's paths, and a lower threshold */
	SAYS(text, "!     content-xyz: may sign bundles/*/*\n");
	SAYS(text, "!     ring-early: 1 of 2 keys must sign, was 2 of 2\n");
	SAYS(text, "fleet: nobody is believed about it any more\n");
	SAYS(text, "(fleet) may no longer sign\n");
}

static void one_key_for_two_roles(struct author *author, const struct ask *a)
{
	static const char *const edr = "bundles/edr/*", *const early = "rings/early/*", *const map = "fleet/map/*";
	const struct pubkey *content = ask_public(a, ASK_CONTENT), *rings[] = { ask_public(a, ASK_RING), ask_public(a, ASK_PROMOTER) };
	const struct pubkey *fleet[] = { ask_public(a, ASK_FLEET), content };
	const struct author_role roles[] = {
		{ "fleet", fleet, 2, 1, &map, 1 }, { "content-edr", &content, 1, 1, &edr, 1 }, { "ring-early", rings, 2, 2, &early, 1 },
	};

	assert_ok(author_set_delegations(author, roles, 3, &e));
}

static void a_key_that_serves_twice_and_another_order_are_marked(void **state)
{
	struct ask *a = *state;
	AUTO(sigreq) struct sigreq *q = ask_request(a);
	AUTO_FREE char *text = NULL;

	ask_draft(a, q, "targets", one_key_for_two_roles);
	text = printed(a, q);
	SAYS(text, "(content) may sign from now on; another role has the same key\n");
	SAYS(text, "!     delegations change their order");
}

/* ---- targets and documents ---- */

static const char before[] = "{\"ring\":\"early\",\"bundle\":{\"serial\":109,\"version\":\"1.9\"},\"grant\":null,\"drop\":[\"a\",\"b\"]}";
static const char after[] = "{\"ring\":\"early\",\"bundle\":{\"serial\":110,\"version\":\"1.9\"},\"grant\":{\"max_serial\":112},\"drop\":[\"b\",\"c\\u001b[2J\"]}";

static void list(struct author *author, const char *text)
{
	struct digest sha256;

	hash_bytes(&sha256, text, strlen(text));
	assert_ok(author_put_target(author, "rings/early/edr.json", strlen(text), &sha256, NULL, &e));
}

static void list_before(struct author *author, const struct ask *a)
{
	(void)a;
	list(author, before);
}

static void list_after(struct author *author, const struct ask *a)
{
	(void)a;
	list(author, after);
}

static void an_assignment_is_told_member_by_member(void **state)
{
	struct ask *a = *state;
	AUTO(sigreq) struct sigreq *first = ask_request(a), *q = ask_request(a);
	AUTO_FREE char *text = NULL;

	ask_draft(a, first, "ring-early", list_before);
	assert_ok(sigreq_attach(first, "rings/early/edr.json", before, strlen(before), &e));
	assert_ok(sigreq_seal(first, &e));
	assert_ok(sigreq_sign(first, a->all, NULL, &e));
	text = printed(a, first);
	SAYS(text, "rings/early/edr.json is new, ");
	SAYS(text, "bundle.serial: 109\n");
	free(TAKE(text));
	assert_ok(sigreq_publish(first, a->repo, a->online, ASK_NOW, &e));

	ask_draft(a, q, "ring-early", list_after);
	assert_ok(sigreq_attach(q, "rings/early/edr.json", before, strlen(before), &e));
	assert_ok(sigreq_attach(q, "rings/early/edr.json", after, strlen(after), &e));
	assert_ok(sigreq_seal(q, &e));
	text = printed(a, q);
	SAYS(text, "rings/early/edr.json changes, ");
	SAYS(text, "bundle.serial: 110, was 109\n");
	SAYS(text, "grant: {\"max_serial\":112}, was null\n");
	SAYS(text, "drop: gone, was \"a\"\n");
	/* what would play with the terminal is escaped, and lines stay lines */
	SAYS(text, "drop: \"c\\");
	assert_null(strchr(text, '\033'));
	SAYS_NOT(text, "bundle.version");
	SAYS_NOT(text, "\"ring\"");
}

static void a_renewal_says_that_nothing_else_changes(void **state)
{
	struct ask *a = *state;
	AUTO(sigreq) struct sigreq *q = ask_request(a);
	AUTO_FREE char *text = NULL;

	ask_draft(a, q, "fleet", NULL);
	text = printed(a, q);
	SAYS(text, "fleet: version 1 becomes 2; valid until ");
	SAYS(text, "nothing else changes: it is signed again\n");
}

static void odd_member(struct author *author, const struct ask *a)
{
	(void)a;
	assert_ok(author_set(author, "x-backdoor", "{\"a\":1}", &e));
	assert_ok(author_set(author, "consistent_snapshot", "false", &e));
}

static void members_that_nobody_knows_are_said(void **state)
{
	struct ask *a = *state;
	AUTO(sigreq) struct sigreq *q = ask_request(a);
	AUTO_FREE char *text = NULL;

	ask_draft(a, q, "root", odd_member);
	text = printed(a, q);
	SAYS(text, "!     member \"x-backdoor\" is new\n");
	SAYS(text, "!     member \"consistent_snapshot\" changes\n");
}

static void programs_read_the_same_as_people(void **state)
{
	struct ask *a = *state;
	AUTO(sigreq) struct sigreq *q = ask_request(a);
	AUTO(change_text) struct change_text *t = NULL;
	AUTO(buf) struct buf *out = buf_new(0);
	AUTO(json) struct json_doc *doc = NULL;
	struct json_writer w = { .out = out };

	ask_draft(a, q, "root", ask_rotate_root);
	assert_ok(change_text_of(&t, q, NULL, NULL, &e));
	json_open_object(&w, NULL);
	change_text_json(&w, "items", t);
	json_close_object(&w);
	assert_ok(json_parse(&doc, "changes", out->data, out->len, NULL, &e));
	assert_int_equal(json_get(doc->root, "items")->count, t->count);
	for (size_t i = 0; i < t->count; i++)
		assert_true(json_is(json_get(&json_get(doc->root, "items")->u.items[i], "sentence"), t->items[i].sentence));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(keys_and_thresholds_of_root_are_named, setup, teardown),
		cmocka_unit_test_setup_teardown(delegations_that_come_go_or_change_are_named_and_what_is_unusual_is_marked, setup, teardown),
		cmocka_unit_test_setup_teardown(a_key_that_serves_twice_and_another_order_are_marked, setup, teardown),
		cmocka_unit_test_setup_teardown(an_assignment_is_told_member_by_member, setup, teardown),
		cmocka_unit_test_setup_teardown(a_renewal_says_that_nothing_else_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(members_that_nobody_knows_are_said, setup, teardown),
		cmocka_unit_test_setup_teardown(programs_read_the_same_as_people, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
