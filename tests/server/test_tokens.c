/* test_tokens: who may what, on a real server: tokens, their roles and channels, and their lives. */
#include <sys/file.h>

#include "plane.h"

#include "server/route.h"
#include "server/token.h"

static int setup(void **state)
{
	*state = plane_open(EAGER);
	return 0;
}

static int teardown(void **state)
{
	plane_close(*state);
	return 0;
}

#define OPEN(p) NEED((p)->o)

/* ---- the table is what the server does ---- */

/* The address of a row with something in the place of each parameter. */
static void fill_in(char *out, size_t cap, const char *pattern)
{
	size_t len = 0;

	for (const char *at = pattern; *at && len + 2 < cap;) {
		if (*at != '{') {
			out[len++] = *at++;
			continue;
		}
		/* of another channel than that of the scoped tokens below */
		len += (size_t)snprintf(out + len, cap - len, "%s", strncmp(at, "{channel}", 9) == 0 ? "edr" : "0");
		at = strchr(at, '}') + 1;
	}
	out[len] = '\0';
}

static const char *method_of(const struct route *r)
{
	return http_method_name(r->method);
}

static void each_role_comes_in_where_the_table_says_and_nowhere_else(void **state)
{
	struct plane *p = *state;

	OPEN(p);
	for (int role = 0; role < ROLES; role++) {
		AUTO_FREE char *token = new_token(p, role_name((enum role)role), role_name((enum role)role), NULL);

		for (size_t i = 0; i < route_count; i++) {
			const struct route *r = &routes[i];
			char path[200];
			AUTO_REPLY a = { 0 };

			/* an approver's own row has an address that another row takes, too */
			if (strncmp(r->pattern, "/v1/", 4) != 0)
				continue;
			fill_in(path, sizeof path, r->pattern);
			a = ask(p, token, method_of(r), path, r->body == BODY_JSON ? "[]" : NULL);
			if (((r->may >> role) & 1) == (strcmp(member(&a, "type"), "urn:ringhold:problem:forbidden") == 0))
				fail_msg("%s %s as %s: %ld", method_of(r), path, role_name((enum role)role), a.status);
		}
	}
}

static void a_token_for_a_channel_reaches_no_other(void **state)
{
	struct plane *p = *state;
	char digest[DIGEST_HEX_LEN + 1];
	AUTO_FREE char *other = NULL, *own = NULL;

	OPEN(p);
	publish(p->o, 1, "rules", digest);
	other = new_token(p, "waf-team", "operator", "waf");
	own = new_token(p, "edr-team", "operator", "edr");
	for (size_t i = 0; i < route_count; i++) {
		const struct route *r = &routes[i];
		bool whole = r->scope == SCOPE_EVERY, channel = r->scope == SCOPE_PATH;
		char path[200];
		AUTO_REPLY a = { 0 };

		if (!(r->may & MAY(OPERATOR)) || (!whole && !channel))
			continue;
		fill_in(path, sizeof path, r->pattern);
		a = ask(p, other, method_of(r), path, r->body == BODY_JSON ? "[]" : NULL);
		expect_problem(&a, 403, "out-of-scope");
	}
	{
		static const char *const paths[] = { "/v1/rollouts/1/pause", "/v1/rollouts/1/halt", "/v1/channels/edr/rollback" };

		for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
			AUTO_REPLY a = ask(p, other, "POST", paths[i], "{\"reason\":\"x\",\"to\":\"previous\"}");

			expect_problem(&a, 403, "out-of-scope");
		}
	}
	{
		AUTO_REPLY bundles = ask(p, other, "GET", "/v1/bundles", NULL), rollouts = ask(p, other, "GET", "/v1/rollouts", NULL);
		AUTO_REPLY one = ask(p, other, "GET", "/v1/rollouts/1", NULL), page = ask(p, other, "GET", "/v1/status", NULL);
		AUTO_REPLY seen = ask(p, own, "GET", "/v1/rollouts/1", NULL), feed = ask(p, other, "GET", "/v1/events", NULL);
		AUTO_REPLY role = ask(p, own, "PUT", "/v1/roles/fleet", "{\"role\":{}}");

		assert_null(strstr(bundles.text->data, digest));
		assert_null(strstr(rollouts.text->data, digest));
		assert_null(strstr(page.text->data, "\"channel\":\"edr\""));
		assert_null(strstr(feed.text->data, digest));
		expect_problem(&one, 403, "out-of-scope");
		assert_int_equal(seen.status, 200);
		expect_problem(&role, 403, "out-of-scope");
	}
}

/* ---- the life of a token ---- */

static void a_token_is_shown_once_and_kept_as_its_hash(void **state)
{
	struct plane *p = *state;
	AUTO_FREE char *token = NULL, *store = NULL, *wal = NULL;
	AUTO(buf) struct buf *bytes = NULL;
	AUTO(buf) struct buf *more = NULL;
	struct err e;

	OPEN(p);
	token = new_token(p, "alice", "viewer", NULL);
	assert_true(strncmp(token, "rho_", 4) == 0 && strlen(token) == 47);
	{
		AUTO_REPLY list = ask(p, FIXTURE_TOKEN, "GET", "/v1/tokens", NULL), self = ask(p, token, "GET", "/v1/self", NULL);
		AUTO_REPLY used = ask(p, FIXTURE_TOKEN, "GET", "/v1/tokens", NULL);

		assert_null(strstr(list.text->data, token));
		assert_non_null(strstr(list.text->data, "\"name\":\"alice\",\"state\":\"valid\",\"roles\":[\"viewer\"],\"channels\":null"));
		assert_string_equal(member(&self, "who"), "alice");
		/* hers was never used before the first list was read, and was before the second */
		assert_non_null(strstr(list.text->data, "\"last_used\":null"));
		assert_null(strstr(used.text->data, "\"last_used\":null"));
	}
	store = fixture_path(p->o->f, "data/store.db");
	wal = fixture_path(p->o->f, "data/store.db-wal");
	assert_ok(file_read(&bytes, store, 64 << 20, &e));
	assert_null(memmem(bytes->data, bytes->len, token, strlen(token)));
	if (file_read(&more, wal, 64 << 20, &e) == 0 && more->len)
		assert_null(memmem(more->data, more->len, token, strlen(token)));
}

static void a_rotated_token_is_replaced_and_a_revoked_one_stays_out_after_a_restart(void **state)
{
	struct plane *p = *state;
	AUTO_FREE char *first = NULL, *second = NULL;
	char path[80], id[40];

	OPEN(p);
	first = new_token(p, "alice", "viewer", NULL);
	{
		AUTO_REPLY self = ask(p, first, "GET", "/v1/self", NULL);

		snprintf(id, sizeof id, "%s", member(&self, "token"));
	}
	snprintf(path, sizeof path, "/v1/tokens/%s/rotate", id);
	{
		AUTO_REPLY a = ask(p, FIXTURE_TOKEN, "POST", path, "{}"), old = ask(p, first, "GET", "/v1/self", NULL);

		assert_int_equal(a.status, 200);
		second = strdup(member(&a, "token"));
		expect_problem(&old, 401, "unauthenticated");
	}
	{
		AUTO_REPLY a = ask(p, FIXTURE_TOKEN, "POST", path, "{\"overlap_s\":3600}");
		AUTO_REPLY old = ask(p, second, "GET", "/v1/self", NULL), new = ask(p, member(&a, "token"), "GET", "/v1/self", NULL);

		assert_int_equal(old.status, 200);
		assert_int_equal(new.status, 200);
		assert_string_equal(member(&new, "who"), "alice");
	}
	snprintf(path, sizeof path, "/v1/tokens/%s", id);
	{
		AUTO_REPLY stale = ask_with(p, FIXTURE_TOKEN, "DELETE", path, NULL, "If-Match: \"1\"");
		AUTO_REPLY now = ask(p, FIXTURE_TOKEN, "GET", path, NULL), gone = { 0 }, out = { 0 };
		char match[160];

		expect_problem(&stale, 412, "precondition-failed");
		assert_string_equal(stale.etag, now.etag);
		snprintf(match, sizeof match, "If-Match: %s", now.etag);
		gone = ask_with(p, FIXTURE_TOKEN, "DELETE", path, NULL, match);
		assert_int_equal(gone.status, 200);
		out = ask(p, second, "GET", "/v1/self", NULL);
		expect_problem(&out, 401, "unauthenticated");
		assert_non_null(strstr(member(&out, "detail"), "revoked"));
	}
	plane_restart(p, SIGKILL);
	{
		AUTO_REPLY out = ask(p, second, "GET", "/v1/self", NULL), again = ask(p, FIXTURE_TOKEN, "POST", "/v1/tokens",
										   "{\"name\":\"alice\",\"roles\":[\"admin\"]}");

		expect_problem(&out, 401, "unauthenticated");
		expect_problem(&again, 409, "conflict");
	}
}

/* When somebody's token was last used; "" when it never was. */
static void last_used(struct plane *p, const char *name, char out[40])
{
	AUTO_REPLY list = ask(p, FIXTURE_TOKEN, "GET", "/v1/tokens", NULL);
	const struct json *items = json_get(list.doc->root, "items");

	out[0] = '\0';
	for (uint32_t i = 0; i < items->count; i++) {
		const struct json *used = json_get(&items->u.items[i], "last_used");

		if (json_is(json_get(&items->u.items[i], "name"), name) && used->type == JSON_STRING)
			snprintf(out, 40, "%s", used->u.text);
	}
}

static void when_a_token_was_last_used_is_known_after_a_restart(void **state)
{
	struct plane *p = *state;
	AUTO_FREE char *token = NULL;
	char before[40], after[40];

	OPEN(p);
	token = new_token(p, "alice", "viewer", NULL);
	AUTO_REPLY self = ask(p, token, "GET", "/v1/self", NULL);
	assert_int_equal(self.status, 200);
	last_used(p, "alice", before);
	assert_true(before[0] != '\0');
	plane_restart(p, SIGTERM);
	last_used(p, "alice", after);
	assert_string_equal(after, before);
}

static void whoever_may_write_to_the_directory_makes_the_first_token(void **state)
{
	struct plane *p = *state;
	AUTO_FREE char *ini = NULL, *left = NULL;
	int64_t until = clock_work_ms() + LIMIT_MS;
	char *argv[] = { (char *)"ringholdd", (char *)"token", (char *)"create", (char *)"root-of-all", (char *)"--admin", (char *)"--config", NULL, NULL };
	char *env[] = { (char *)"PATH=/usr/bin:/bin", NULL };
	struct proc_run run = { .argv = argv, .env = env, .stdin_fd = -1, .timeout_ms = LIMIT_MS, .output_max = 1 << 16 };
	struct proc_result r;
	char *token;
	struct err e;

	OPEN(p);
	ini = argv[6] = fixture_path(p->o->f, "ringholdd.ini");
	left = fixture_path(p->o->f, "data/operator-tokens");
	run.path = p->o->server;
	assert_ok(proc_run(&run, &r, &e));
	assert_int_equal(r.exit_status, 0);
	token = strstr(r.output->data, "rho_");
	assert_non_null(token);
	token[strcspn(token, "\n")] = '\0';
	while (file_exists(left)) {
		assert_true(clock_work_ms() < until);
		poll(NULL, 0, 20);
	}
	{
		AUTO_REPLY self = ask(p, token, "GET", "/v1/self", NULL), list = ask(p, token, "GET", "/v1/tokens", NULL);

		assert_string_equal(member(&self, "who"), "root-of-all");
		assert_int_equal(list.status, 200);
	}
	proc_result_release(&r);
}

static void people_handle_tokens_by_commands(void **state)
{
	struct plane *p = *state;
	char id[17];
	const char *at;

	OPEN(p);
	assert_int_equal(TOOL(p->o, "", "token", "create", "bob", "--role", "operator", "--role", "viewer", "--channel", "edr", "--dry-run"), 0);
	expect_said(p->o, "nothing was changed");
	assert_int_equal(TOOL(p->o, "", "token", "create", "bob", "--role", "operator", "--role", "viewer", "--channel", "edr", "--note", "night shift"), 0);
	expect_said(p->o, "rho_");
	assert_int_equal(TOOL(p->o, "", "token", "list"), 0);
	expect_said(p->o, "viewer,operator");
	expect_said(p->o, "night shift");
	assert_int_equal(TOOL(p->o, "", "token", "list", "--json"), 0);
	at = strstr(p->o->said, "\"name\": \"bob\"");
	assert_non_null(at);
	while (at > p->o->said && strncmp(at, "\"id\": \"", 7) != 0)
		at--;
	snprintf(id, sizeof id, "%.16s", at + 7);
	assert_int_equal(TOOL(p->o, "", "token", "rotate", id), 0);
	expect_said(p->o, "rho_");
	assert_int_equal(TOOL(p->o, "", "token", "revoke", id), 0);
	expect_said(p->o, "bob is revoked");
	assert_int_equal(TOOL(p->o, "", "token", "show", id), 0);
	expect_said(p->o, "\"revoked\"");
	assert_int_equal(TOOL(p->o, "", "token", "whoami"), 0);
	expect_said(p->o, "tester");
}

/* ---- requester and approver ---- */

static void who_published_cannot_agree_to_it(void **state)
{
	struct plane *p = *state;
	char digest[DIGEST_HEX_LEN + 1];
	AUTO_FREE char *other = NULL;

	OPEN(p);
	{
		/* the first ring asks a person */
		AUTO_REPLY put = ask(p, FIXTURE_TOKEN, "PUT", "/v1/policies/edr",
				     "{\"format\":1,\"channel\":\"edr\",\"rings\":[{\"name\":\"canary\",\"promote\":\"manual\"},{\"name\":\"early\"},"
				     "{\"name\":\"broad\"}]}");

		if (put.status != 200)
			fail_msg("%s", put.text->data);
	}
	publish(p->o, 1, "rules", digest);
	other = new_token(p, "second", "approver", NULL);
	{
		int64_t until = clock_work_ms() + LIMIT_MS;
		bool asked = false;

		while (!asked) {
			AUTO_REPLY a = ask(p, FIXTURE_TOKEN, "GET", "/v1/rollouts/1", NULL);

			asked = strstr(a.text->data, "awaiting-approval") != NULL;
			assert_true(clock_work_ms() < until);
			poll(NULL, 0, asked ? 0 : 20);
		}
	}
	{
		AUTO_REPLY own = ask(p, FIXTURE_TOKEN, "POST", "/v1/rollouts/1/approve", "{\"reason\":\"mine\"}");
		AUTO_REPLY by_promoting = ask(p, FIXTURE_TOKEN, "POST", "/v1/rollouts/1/promote", "{\"reason\":\"mine\"}");
		AUTO_REPLY tried = ask(p, other, "POST", "/v1/rollouts/1/approve?dry_run=true", "{\"reason\":\"looked at it\"}");
		AUTO_REPLY still = ask(p, other, "GET", "/v1/rollouts/1", NULL), agreed = { 0 }, late = { 0 };
		char match[160];

		expect_problem(&own, 403, "requester-approves");
		expect_problem(&by_promoting, 403, "requester-approves");
		assert_int_equal(tried.status, 200);
		assert_non_null(strstr(still.text->data, "awaiting-approval"));
		snprintf(match, sizeof match, "If-Match: %s", still.etag);
		agreed = ask_with(p, other, "POST", "/v1/rollouts/1/approve", "{\"reason\":\"looked at it\"}", match);
		if (agreed.status != 200)
			fail_msg("%s", agreed.text->data);
		late = ask_with(p, other, "POST", "/v1/rollouts/1/approve", "{\"reason\":\"again\"}", match);
		expect_problem(&late, 412, "precondition-failed");
	}
}

static void a_list_of_channels_without_one_gives_none(void **state)
{
	static const char *const lists[] = { "[]", "[\"\"]", "[\",\"]", "[\"edr,av\"]" };
	struct plane *p = *state;

	OPEN(p);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		char body[128];

		snprintf(body, sizeof body, "{\"name\":\"alice\",\"roles\":[\"operator\"],\"channels\":%s}", lists[i]);
		{
			AUTO_REPLY a = ask(p, FIXTURE_TOKEN, "POST", "/v1/tokens", body);

			expect_problem(&a, 400, "malformed");
		}
	}
}

/* Whoever adds a line holds the directory's lock: the server leaves the file alone until it is done. */
static void a_token_that_is_being_added_is_not_lost(void **state)
{
	struct plane *p = *state;
	AUTO_FREE char *data = NULL, *path = NULL;
	char line[200], hex[DIGEST_HEX_LEN + 1];
	struct digest hash;
	int64_t until = clock_work_ms() + LIMIT_MS;
	int fd;

	OPEN(p);
	data = fixture_path(p->o->f, "data");
	path = fixture_path(p->o->f, "data/operator-tokens");
	fd = open(data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	token_hash(&hash, "rho_added");
	digest_hex(hex, &hash);
	snprintf(line, sizeof line, "%s viewer late expires=4000000000\n", hex);
	fixture_write(p->o->f, "data/operator-tokens", line);
	poll(NULL, 0, 2500);    /* the server looks more often than that */
	assert_true(file_exists(path));
	close(fd);
	while (file_exists(path)) {
		assert_true(clock_work_ms() < until);
		poll(NULL, 0, 20);
	}
	{
		AUTO_REPLY self = ask(p, "rho_added", "GET", "/v1/self", NULL);

		assert_int_equal(self.status, 200);
	}
}

static void a_dry_run_that_is_not_known_is_refused_not_overlooked(void **state)
{
	struct plane *p = *state;

	OPEN(p);
	for (size_t i = 0; i < route_count; i++) {
		const struct route *r = &routes[i];
		char path[220];
		AUTO_REPLY a = { 0 };

		if (strncmp(r->pattern, "/v1/", 4) != 0 || r->method == HTTP_METHOD_GET || r->body == BODY_FILE)
			continue;
		fill_in(path, 200, r->pattern);
		strcat(path, "?dry_run=maybe");
		a = ask(p, FIXTURE_TOKEN, method_of(r), path, r->body == BODY_JSON ? "{}" : NULL);
		expect_problem(&a, 400, "malformed");
		assert_non_null(strstr(member(&a, "detail"), "dry_run"));
	}
	{
		AUTO_REPLY made = ask(p, FIXTURE_TOKEN, "POST", "/v1/tokens?dry_run=true", "{\"name\":\"carol\",\"roles\":[\"viewer\"]}");
		AUTO_REPLY list = ask(p, FIXTURE_TOKEN, "GET", "/v1/tokens", NULL);

		assert_int_equal(made.status, 200);
		assert_string_equal(member(&made, "token"), "");
		assert_null(strstr(list.text->data, "carol"));
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(each_role_comes_in_where_the_table_says_and_nowhere_else),
		T(a_token_for_a_channel_reaches_no_other),
		T(a_token_is_shown_once_and_kept_as_its_hash),
		T(a_rotated_token_is_replaced_and_a_revoked_one_stays_out_after_a_restart),
		T(when_a_token_was_last_used_is_known_after_a_restart),
		T(whoever_may_write_to_the_directory_makes_the_first_token),
		T(a_list_of_channels_without_one_gives_none),
		T(a_token_that_is_being_added_is_not_lost),
		T(people_handle_tokens_by_commands),
		T(who_published_cannot_agree_to_it),
		T(a_dry_run_that_is_not_known_is_refused_not_overlooked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
