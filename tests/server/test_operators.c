#include "server/operators.h"

#include "server/token.h"
#include "tests/test.h"

#define NOW 1800000000

static struct store_token row(const char *id, const char *name, const char *secret)
{
	struct store_token t = { .id = id, .name = name, .roles = MAY(OPERATOR), .channels = "edr", .created = NOW, .expires = NOW + 100,
				 .by = "", .note = "", .version = 1 };

	token_hash(&t.hash, secret);
	return t;
}

static void a_token_is_known_by_its_hash_until_it_expires(void **state)
{
	AUTO(operators) struct operators *o = operators_new();
	struct store_token t = row("1", "alice", "rho_secret");
	struct identity who;
	char hex[DIGEST_HEX_LEN + 1];
	struct err e;

	(void)state;
	assert_ok(operators_put(o, &t, &e));
	assert_int_equal(operators_find(o, "rho_secret", NOW, &who), OPERATORS_FOUND);
	assert_string_equal(who.who, "alice");
	assert_string_equal(who.token, "1");
	assert_true(access_channel(&who, MAY(OPERATOR), "edr"));
	assert_false(access_channel(&who, MAY(OPERATOR), "waf"));
	digest_hex(hex, &t.hash);
	assert_int_equal(operators_find(o, hex, NOW, &who), OPERATORS_UNKNOWN);
	assert_int_equal(operators_find(o, "rho_Secret", NOW, &who), OPERATORS_UNKNOWN);
	assert_int_equal(operators_find(o, "", NOW, &who), OPERATORS_UNKNOWN);
	assert_int_equal(operators_find(o, "rho_secret", NOW + 99, &who), OPERATORS_FOUND);
	assert_int_equal(operators_find(o, "rho_secret", NOW + 100, &who), OPERATORS_EXPIRED);
}

static void a_revoked_token_stays_out(void **state)
{
	AUTO(operators) struct operators *o = operators_new();
	struct store_token t = row("1", "alice", "rho_secret");
	struct identity who;
	struct err e;

	(void)state;
	assert_ok(operators_put(o, &t, &e));
	t.revoked = NOW;
	assert_ok(operators_put(o, &t, &e));
	assert_int_equal(operators_find(o, "rho_secret", NOW, &who), OPERATORS_REVOKED);
}

static void the_secret_before_is_good_as_long_as_was_said(void **state)
{
	AUTO(operators) struct operators *o = operators_new();
	struct store_token t = row("1", "alice", "rho_old");
	struct identity who;
	struct err e;

	(void)state;
	t.old_hash = t.hash;
	t.old_until = NOW + 10;
	token_hash(&t.hash, "rho_new");
	assert_ok(operators_put(o, &t, &e));
	assert_int_equal(operators_find(o, "rho_new", NOW, &who), OPERATORS_FOUND);
	assert_int_equal(who.expires, t.expires);
	assert_int_equal(operators_find(o, "rho_old", NOW + 9, &who), OPERATORS_FOUND);
	assert_int_equal(who.expires, t.old_until);
	assert_int_equal(operators_find(o, "rho_old", NOW + 10, &who), OPERATORS_EXPIRED);
}

static int see_use(const struct store_token *t, void *arg, struct err *e)
{
	(void)e;
	*(int64_t *)arg = t->used;
	return 0;
}

static void a_use_is_shown_at_once_and_given_to_the_store_once(void **state)
{
	AUTO(operators) struct operators *o = operators_new();
	struct store_token t = row("1", "alice", "rho_secret");
	struct operators_use uses[4];
	struct identity who;
	int64_t used = 0;
	struct err e;

	(void)state;
	assert_ok(operators_put(o, &t, &e));
	assert_int_equal(operators_take_uses(o, uses, 4), 0);
	for (int i = 0; i < 5; i++)
		operators_find(o, "rho_secret", NOW + i, &who);
	assert_ok(operators_get(o, "1", see_use, &used, &e));
	assert_int_equal(used, NOW + 4);
	assert_int_equal(operators_take_uses(o, uses, 4), 1);
	assert_int_equal(uses[0].at, NOW + 4);
	assert_int_equal(operators_take_uses(o, uses, 4), 0);
	/* what could not be kept is given again */
	operators_give_back(o, uses, 1);
	assert_int_equal(operators_take_uses(o, uses, 4), 1);
	assert_int_equal(uses[0].at, NOW + 4);
	/* a row that is changed meanwhile does not forget it */
	t.version = 2;
	assert_ok(operators_put(o, &t, &e));
	assert_ok(operators_get(o, "1", see_use, &used, &e));
	assert_int_equal(used, NOW + 4);
}

static void a_row_is_taken_in_with_the_memory_that_was_set_aside(void **state)
{
	AUTO(operators) struct operators *o = operators_new();
	struct store_token t = row("1", "alice", "rho_secret");
	struct operators_fresh *fresh;
	struct identity who;
	struct err e;

	(void)state;
	assert_ok(operators_ready(&fresh, o, &t, &e));
	assert_int_equal(operators_find(o, "rho_secret", NOW, &who), OPERATORS_UNKNOWN);
	operators_forget(fresh);
	assert_int_equal(operators_find(o, "rho_secret", NOW, &who), OPERATORS_UNKNOWN);
	assert_ok(operators_ready(&fresh, o, &t, &e));
	operators_take(o, fresh);
	assert_int_equal(operators_find(o, "rho_secret", NOW, &who), OPERATORS_FOUND);
	t.revoked = NOW;
	assert_ok(operators_ready(&fresh, o, &t, &e));
	operators_take(o, fresh);
	assert_int_equal(operators_find(o, "rho_secret", NOW, &who), OPERATORS_REVOKED);
}

/* ---- the file ---- */

static struct store_token seen;
static char seen_name[80], seen_channels[200];

static int remember(const struct store_token *t, void *arg, struct err *e)
{
	(void)e;
	++*(int *)arg;
	seen = *t;
	snprintf(seen_name, sizeof seen_name, "%s", t->name);
	snprintf(seen_channels, sizeof seen_channels, "%s", t->channels);
	return 0;
}

#define HASH "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"

static int read_lines(const char *lines, struct err *e)
{
	char text[512];
	int count = 0, got;

	snprintf(text, sizeof text, "%s", lines);
	got = operators_parse(text, "operator-tokens", NOW, remember, &count, e);
	return got < 0 ? got : count;
}

static void a_line_says_who_what_where_and_how_long(void **state)
{
	struct err e;

	(void)state;
	assert_int_equal(read_lines("# people\n\n" HASH " operator,approver alice expires=1900000000 channels=edr,waf\n", &e), 1);
	assert_string_equal(seen_name, "alice");
	assert_string_equal(seen_channels, "edr waf");
	assert_int_equal(seen.roles, MAY(OPERATOR) | MAY(APPROVER));
	assert_int_equal(seen.expires, 1900000000);
}

static void a_line_of_an_older_version_keeps_its_rights_for_a_year(void **state)
{
	struct err e;

	(void)state;
	assert_int_equal(read_lines(HASH " operator alice", &e), 1);
	assert_int_equal(seen.roles, MAY(OPERATOR) | MAY(PUBLISHER));
	assert_int_equal(seen.expires, NOW + OPERATORS_LIFE);
	assert_string_equal(seen_channels, "");
}

static void a_bad_line_is_named(void **state)
{
	static const struct { const char *text, *says; } bad[] = {
		{ "abc operator alice\n", ":1:" },
		{ "\n" HASH " king alice\n", ":2: unknown role" },
		{ HASH " viewer\n", ":1:" },
		{ HASH " device alice\n", "unknown role" },
		{ HASH " viewer al more\n", "neither expires= nor channels=" },
		{ HASH " viewer al channels=\n", ":1:" },
		{ HASH " viewer al channels=a,B\n", "no name of a channel" },
		{ HASH " viewer al expires=soon\n", "expires=" },
		{ HASH " viewer Al\n", "no name" },
	};
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_refused(read_lines(bad[i].text, &e), ERR_FORMAT, bad[i].says);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_is_known_by_its_hash_until_it_expires),
		cmocka_unit_test(a_revoked_token_stays_out),
		cmocka_unit_test(the_secret_before_is_good_as_long_as_was_said),
		cmocka_unit_test(a_use_is_shown_at_once_and_given_to_the_store_once),
		cmocka_unit_test(a_row_is_taken_in_with_the_memory_that_was_set_aside),
		cmocka_unit_test(a_line_says_who_what_where_and_how_long),
		cmocka_unit_test(a_line_of_an_older_version_keeps_its_rights_for_a_year),
		cmocka_unit_test(a_bad_line_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
