/* test_oidc: tokens of a real identity provider (npm oidc-provider) over HTTPS, and forged ones of every kind. */
#include "plane.h"

#include <sys/mman.h>

#include "server/cert.h"
#include "server/oidc.h"

static volatile int64_t *shift_ms;      /* of the clock that server and test see */

static void pass_time(int64_t seconds)
{
	*shift_ms += seconds * 1000;
}

struct place {
	struct plane *plane;
	pid_t idp;
	int from;               /* what the provider prints */
	char dir[256], issuer[80];
	struct fetch *http;
};

/* ---- the provider ---- */

static bool start_provider(struct place *x)
{
	const char *node = test_other_program("node");
	AUTO_FREE char *crt = file_join(x->dir, "tls.crt"), *key = file_join(x->dir, "tls.key");
	struct pollfd ready;
	char line[32] = "";
	int pipes[2];
	struct err e;

	if (!node || access("tests/peers/node_modules/oidc-provider/package.json", R_OK) < 0)
		return false;
	assert_ok(cert_make(crt, key, "localhost", clock_now(), &e));
	assert_int_equal(pipe(pipes), 0);
	x->idp = fork();
	if (x->idp == 0) {
		int null = open("/dev/null", O_WRONLY);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(pipes[1], STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		execl(node, "node", "tests/peers/idp.mjs", x->dir, (char *)NULL);
		_exit(127);
	}
	close(pipes[1]);
	x->from = pipes[0];
	/* warnings of its own may come first */
	for (size_t len = 0; !strchr(line, '\n');) {
		ready = (struct pollfd){ .fd = x->from, .events = POLLIN };
		assert_int_equal(poll(&ready, 1, LIMIT_MS), 1);
		assert_int_equal(read(x->from, line + len, 1), 1);
		if (++len == sizeof line - 1 || (line[0] < '0' || line[0] > '9'))
			len = 0;
		line[len] = '\0';
	}
	snprintf(x->issuer, sizeof x->issuer, "https://localhost:%d", atoi(line));
	assert_ok(fetch_new(&x->http, &(const struct fetch_settings){ .agent = "test", .ca_file = crt }, &e));
	return true;
}

static char *provider(struct place *x, const char *method, const char *path, const char *body)
{
	struct fetch_answer a = { 0 };
	AUTO_FREE char *url = NULL;
	char *text;
	struct err e;

	assert_true(asprintf(&url, "%s%s", x->issuer, path) > 0);
	assert_ok(fetch_do(x->http,
			   &(const struct fetch_request){ .method = method, .url = url, .type = "application/x-www-form-urlencoded", .body = body,
							  .body_len = body ? strlen(body) : 0, .max = 1 << 20 },
			   &a, &e));
	text = strdup(a.body->data ? a.body->data : "");
	fetch_answer_release(&a);
	return text;
}

/* An access token that the provider itself issues. */
static char *issued(struct place *x, const char *client, const char *alg)
{
	AUTO(json) struct json_doc *d = NULL;
	AUTO_FREE char *text = NULL;
	char body[200];
	struct err e;

	snprintf(body, sizeof body, "grant_type=client_credentials&client_id=%s&client_secret=secret&resource=urn:ringhold:%s&scope=api", client, alg);
	text = provider(x, "POST", "/token", body);
	assert_ok(json_parse(&d, "token", text, strlen(text), NULL, &e));
	if (!json_get(d->root, "access_token"))
		fail_msg("%s", text);
	return strdup(json_get(d->root, "access_token")->u.text);
}

static int open_with(void **state, const char *top, const char *oidc)
{
	struct place *x = calloc(1, sizeof *x);
	char more[1024];

	snprintf(x->dir, sizeof x->dir, "%s/ringhold-idp-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	assert_non_null(mkdtemp(x->dir));
	*state = x;
	if (!start_provider(x))
		return 0;
	snprintf(more, sizeof more,
		 "bad-tokens = 1000\n%s[oidc]\nissuer = %s\naudience = ringhold\nca-file = %s/tls.crt\nroles-claim = groups\n"
		 "map = ringhold-admins=admin\nmap = edr-publishers=publisher,operator@edr\n%s",
		 top, x->issuer, x->dir, oidc);
	x->plane = plane_open(more);
	return 0;
}

static int setup(void **state)
{
	return open_with(state, "", "");
}

static int setup_stale(void **state)
{
	return open_with(state, "", "keys-stale = 60s\n");
}

static int setup_polling(void **state)
{
	return open_with(state, "", "keys-poll = 60s\n");
}

static int setup_slow(void **state)
{
	return open_with(state, "address-rate = 1\naddress-burst = 3\n", "");
}

static int teardown(void **state)
{
	struct place *x = *state;
	struct err e;

	if (x->idp > 0) {
		kill(x->idp, SIGKILL);
		waitpid(x->idp, NULL, 0);
		close(x->from);
	}
	if (x->plane)
		plane_close(x->plane);
	fetch_free(x->http);
	assert_ok(file_remove_tree(x->dir, &e));
	free(x);
	return 0;
}

#define PROVIDED(x)                                                   \
	do {                                                          \
		if (!(x)->idp)                                        \
			skip_missing_program("node with oidc-provider"); \
		NEED((x)->plane->o);                                  \
	} while (0)

/* Until the server has the keys: it says when to ask again. */
static struct answer ask_patiently(struct place *x, const char *token, const char *method, const char *path, const char *body)
{
	int64_t until = clock_work_ms() + LIMIT_MS;

	for (;;) {
		struct answer a = ask(x->plane, token, method, path, body);

		if (a.status != 503)
			return a;
		assert_true(a.retry_after > 0);
		assert_true(clock_work_ms() < until);
		answer_release(&a);
		poll(NULL, 0, 50);
	}
}

/* ---- who comes in ---- */

static void tokens_of_the_provider_come_in_with_all_three_algorithms(void **state)
{
	static const char *const algs[] = { "RS256", "ES256", "EdDSA" };
	struct place *x = *state;

	PROVIDED(x);
	for (size_t i = 0; i < ARRAY_LEN(algs); i++) {
		AUTO_FREE char *token = issued(x, "boss", algs[i]);
		AUTO_REPLY a = ask_patiently(x, token, "GET", "/v1/self", NULL), list = ask(x->plane, token, "GET", "/v1/tokens", NULL);

		if (a.status != 200)
			fail_msg("%s: %s", algs[i], a.text->data);
		assert_string_equal(member(&a, "who"), "oidc:boss");
		assert_int_equal(list.status, 200);
	}
}

static void the_map_gives_roles_and_channels_and_nothing_to_others(void **state)
{
	struct place *x = *state;

	PROVIDED(x);
	{
		AUTO_FREE char *team = issued(x, "team-edr", "ES256"), *nobody = issued(x, "nobody", "ES256");
		AUTO_REPLY self = ask_patiently(x, team, "GET", "/v1/self", NULL);
		AUTO_REPLY own = ask(x->plane, team, "GET", "/v1/policies/edr", NULL), other = ask(x->plane, team, "GET", "/v1/policies/waf", NULL);
		AUTO_REPLY tokens = ask(x->plane, team, "GET", "/v1/tokens", NULL), none = ask(x->plane, nobody, "GET", "/v1/self", NULL);

		assert_non_null(strstr(self.text->data, "{\"roles\":[\"publisher\",\"operator\"],\"channels\":[\"edr\"]}"));
		assert_int_equal(own.status, 200);
		expect_problem(&other, 403, "out-of-scope");
		expect_problem(&tokens, 403, "forbidden");
		expect_problem(&none, 403, "forbidden");
	}
}

static void who_published_with_one_token_cannot_approve_with_the_next(void **state)
{
	struct place *x = *state;
	char digest[DIGEST_HEX_LEN + 1];
	AUTO_FREE char *file = NULL, *archive = NULL, *first = NULL, *second = NULL;
	const char *argv[] = { "ringhold", "publish", NULL, "--home", NULL, "--key", NULL, "--token-file", NULL, NULL };
	AUTO_FREE char *key = NULL;

	PROVIDED(x);
	first = issued(x, "boss", "RS256");
	second = issued(x, "boss", "EdDSA");
	{
		AUTO_REPLY put = ask_patiently(x, first, "PUT", "/v1/policies/edr",
					       "{\"format\":1,\"channel\":\"edr\",\"rings\":[{\"name\":\"canary\",\"promote\":\"manual\"},{\"name\":\"early\"},"
					       "{\"name\":\"broad\"}]}");

		assert_int_equal(put.status, 200);
	}
	fixture_write(x->plane->o->f, "boss", first);
	file = fixture_path(x->plane->o->f, "boss");
	assert_int_equal(chmod(file, 0600), 0);
	archive = make_archive(x->plane->o, 1, "rules", digest);
	key = fixture_path(x->plane->o->f, "content-edr.pem");
	argv[2] = archive;
	argv[4] = x->plane->o->f->data;
	argv[6] = key;
	argv[8] = file;
	if (run_tool(x->plane->o, argv) != 0)
		fail_msg("%s", x->plane->o->said);
	{
		AUTO_REPLY a = ask(x->plane, second, "POST", "/v1/rollouts/1/approve", "{\"reason\":\"mine\"}");

		expect_problem(&a, 403, "requester-approves");
	}
}

/* ---- who does not ---- */

static void no_forged_token_comes_in(void **state)
{
	struct place *x = *state;
	AUTO_FREE char *kinds = NULL, *good = NULL;
	char *save = NULL;
	int count = 0;

	PROVIDED(x);
	good = provider(x, "GET", "/good/RS256", NULL);
	{
		/* the forger's way of writing is right: only what it forges is wrong */
		AUTO_REPLY a = ask_patiently(x, good, "GET", "/v1/self", NULL);

		assert_int_equal(a.status, 200);
	}
	kinds = provider(x, "GET", "/forges", NULL);
	for (char *kind = strtok_r(kinds, "\n", &save); kind; kind = strtok_r(NULL, "\n", &save), count++) {
		char path[100];
		AUTO_FREE char *token = NULL;

		snprintf(path, sizeof path, "/forge/%s", kind);
		token = provider(x, "GET", path, NULL);
		AUTO_REPLY a = ask(x->plane, token, "GET", "/v1/self", NULL);

		if (a.status != 401)
			fail_msg("%s came in: %ld %s", kind, a.status, a.text->data);
		expect_problem(&a, 401, "unauthenticated");
	}
	assert_true(count >= 39);
}

/* Verifying a signature costs time, whoever sent it: an address has so much of it, and our own tokens need none. */
static void signatures_are_verified_for_an_address_so_often_and_no_more(void **state)
{
	struct place *x = *state;
	AUTO_FREE char *good = NULL, *forged = NULL;
	long status = 0;

	PROVIDED(x);
	good = issued(x, "boss", "ES256");
	forged = provider(x, "GET", "/invented", NULL);
	for (int i = 0; i < 50 && status != 429; i++) {
		AUTO_REPLY a = ask(x->plane, i % 2 ? good : forged, "GET", "/v1/self", NULL);

		status = a.status;
		if (status != 429)
			continue;
		expect_problem(&a, 429, "too-many-requests");
		assert_true(a.retry_after > 0);
	}
	assert_int_equal(status, 429);
	AUTO_REPLY ours = ask(x->plane, FIXTURE_TOKEN, "GET", "/v1/self", NULL);
	assert_int_equal(ours.status, 200);
}

/* ---- its keys ---- */

static int fetched(struct place *x)
{
	AUTO_FREE char *text = provider(x, "GET", "/fetched", NULL);

	return atoi(text);
}

/* However many tokens name keys that nobody ever made: one look, then none until the gap is over. */
static void invented_keys_make_nobody_ask(void **state)
{
	struct place *x = *state;
	AUTO_FREE char *good = NULL, *invented = NULL;
	int64_t began;
	int before;

	PROVIDED(x);
	good = issued(x, "boss", "RS256");
	invented = provider(x, "GET", "/invented", NULL);
	{
		AUTO_REPLY a = ask_patiently(x, good, "GET", "/v1/self", NULL);

		assert_int_equal(a.status, 200);
	}
	pass_time(OIDC_GAP_MS / 1000 + 1);
	before = fetched(x);
	began = clock_work_ms();
	for (int i = 0; i < 20; i++) {
		AUTO_REPLY a = ask_patiently(x, invented, "GET", "/v1/self", NULL);

		expect_problem(&a, 401, "unauthenticated");
	}
	/* a machine that needs longer than the gap for twenty requests may see one more for each */
	assert_in_range(fetched(x), before + 1, before + 1 + (clock_work_ms() - began) / OIDC_GAP_MS);
}

static void keys_are_good_for_so_long_and_not_for_ever_while_the_provider_is_down(void **state)
{
	struct place *x = *state;
	AUTO_FREE char *token = NULL, *down = NULL, *up = NULL;

	PROVIDED(x);
	token = issued(x, "boss", "ES256");
	{
		AUTO_REPLY a = ask_patiently(x, token, "GET", "/v1/self", NULL), again = { 0 }, late = { 0 };

		assert_int_equal(a.status, 200);
		down = provider(x, "POST", "/down", NULL);
		pass_time(50);
		again = ask(x->plane, token, "GET", "/v1/self", NULL);
		assert_int_equal(again.status, 200);
		pass_time(20);
		late = ask(x->plane, token, "GET", "/v1/self", NULL);
		expect_problem(&late, 503, "unavailable");
		assert_true(late.retry_after > 0);
	}
	up = provider(x, "POST", "/up", NULL);
	pass_time(OIDC_GAP_MS / 1000 + 1);
	AUTO_REPLY back = ask_patiently(x, token, "GET", "/v1/self", NULL);
	assert_int_equal(back.status, 200);
}

static void new_keys_are_fetched_when_they_are_met_and_not_for_anybody_who_invents_some(void **state)
{
	struct place *x = *state;
	AUTO_FREE char *before = NULL, *after = NULL, *ok = NULL, *many = NULL;

	PROVIDED(x);
	{
		AUTO_FREE char *token = issued(x, "boss", "RS256");
		AUTO_REPLY a = ask_patiently(x, token, "GET", "/v1/self", NULL);

		assert_int_equal(a.status, 200);
	}
	ok = provider(x, "POST", "/rotate", NULL);
	after = issued(x, "boss", "RS256");
	before = provider(x, "GET", "/fetched", NULL);
	/* inside the gap after the last fetch the new key is not known; afterwards it is fetched once */
	pass_time(OIDC_GAP_MS / 1000 + 1);
	{
		int64_t until = clock_work_ms() + LIMIT_MS;
		long status = 401;

		while (status == 401 || status == 503) {
			AUTO_REPLY a = ask(x->plane, after, "GET", "/v1/self", NULL);

			status = a.status;
			assert_true(clock_work_ms() < until);
			poll(NULL, 0, status == 200 ? 0 : 50);
		}
		assert_int_equal(status, 200);
	}
	many = provider(x, "GET", "/fetched", NULL);
	assert_int_equal(atoi(many), atoi(before) + 1);
}

/* Nobody shows a token of the new keys, which would have them fetched: it is the look at its time that finds the old ones gone. */
static void a_key_that_the_provider_withdrew_is_refused_after_the_next_look(void **state)
{
	struct place *x = *state;
	AUTO_FREE char *token = NULL, *ok = NULL;
	int64_t until;
	int before;

	PROVIDED(x);
	token = issued(x, "boss", "RS256");
	{
		AUTO_REPLY a = ask_patiently(x, token, "GET", "/v1/self", NULL);

		assert_int_equal(a.status, 200);
	}
	ok = provider(x, "POST", "/rotate", NULL);
	before = fetched(x);
	{
		AUTO_REPLY a = ask(x->plane, token, "GET", "/v1/self", NULL);

		assert_int_equal(a.status, 200);
	}
	pass_time(61);
	for (until = clock_work_ms() + LIMIT_MS; fetched(x) == before; poll(NULL, 0, 50))
		assert_true(clock_work_ms() < until);
	/* asked for is not yet taken in */
	for (long status = 200; status == 200;) {
		AUTO_REPLY a = ask_patiently(x, token, "GET", "/v1/self", NULL);

		status = a.status;
		if (status != 200)
			expect_problem(&a, 401, "unauthenticated");
		assert_true(clock_work_ms() < until);
	}
}

static void keys_stay_good_while_the_provider_is_down(void **state)
{
	struct place *x = *state;
	AUTO_FREE char *token = NULL, *ok = NULL;

	PROVIDED(x);
	token = issued(x, "boss", "ES256");
	{
		AUTO_REPLY a = ask_patiently(x, token, "GET", "/v1/self", NULL), again = { 0 };

		assert_int_equal(a.status, 200);
		ok = provider(x, "POST", "/down", NULL);
		again = ask(x->plane, token, "GET", "/v1/self", NULL);
		assert_int_equal(again.status, 200);
	}
	plane_restart(x->plane, SIGTERM);
	{
		/* without ever having had its keys: not now, rather than no */
		AUTO_REPLY a = ask(x->plane, token, "GET", "/v1/self", NULL), ours = ask(x->plane, FIXTURE_TOKEN, "GET", "/v1/self", NULL);

		expect_problem(&a, 503, "unavailable");
		assert_true(a.retry_after > 0);
		assert_int_equal(ours.status, 200);
	}
}

/* ---- the configuration ---- */

static void an_entry_of_the_map_says_claim_roles_and_channels(void **state)
{
	static const char *const bad[] = { "", "ops", "=viewer", "ops=", "ops=king", "ops=viewer@", "ops=viewer@A", "ops=viewer,@edr", "ops=viewer@edr,," };
	struct oidc_entry entry;
	struct err e;

	(void)state;
	assert_ok(oidc_parse_entry(&entry, "Ring Hold/ops=operator,approver@edr,waf", &e));
	assert_string_equal(entry.claim, "Ring Hold/ops");
	assert_int_equal(entry.grant.roles, MAY(OPERATOR) | MAY(APPROVER));
	assert_string_equal(entry.grant.channels, "edr waf");
	/* a distinguished name is full of the sign */
	assert_ok(oidc_parse_entry(&entry, "CN=soc,OU=Ops@HQ,DC=example=approver@edr", &e));
	assert_string_equal(entry.claim, "CN=soc,OU=Ops@HQ,DC=example");
	assert_int_equal(entry.grant.roles, MAY(APPROVER));
	assert_string_equal(entry.grant.channels, "edr");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (oidc_parse_entry(&entry, bad[i], &e) == 0)
			fail_msg("\"%s\" is taken", bad[i]);
}

static void a_provider_without_https_or_audience_is_refused(void **state)
{
	static const struct { const char *lines, *says; } bad[] = {
		{ "[oidc]\nissuer = http://idp.example\naudience = x\n", "https" },
		{ "[oidc]\nissuer = https://idp.example\n", "audience" },
		{ "[oidc]\nissuer = https://idp.example\naudience = x\njwks-uri = http://idp.example/k\n", "https" },
		{ "[oidc]\nissuer = https://idp.example\naudience = x\nmap = ops=king\n", "no such role" },
	};
	char dir[] = "/tmp/ringhold-oidc-XXXXXX", text[300];
	AUTO_FREE char *path = NULL;
	struct config *c;
	struct err e;

	(void)state;
	assert_non_null(mkdtemp(dir));
	path = file_join(dir, "ini");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		snprintf(text, sizeof text, "data = %s\n%s", dir, bad[i].lines);
		assert_ok(file_replace(path, text, strlen(text), 0600, &e));
		assert_refused(config_read(&c, path, &e), ERR_USAGE, bad[i].says);
	}
	assert_ok(file_remove_tree(dir, &e));
}

#define P(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		P(tokens_of_the_provider_come_in_with_all_three_algorithms),
		P(the_map_gives_roles_and_channels_and_nothing_to_others),
		P(who_published_with_one_token_cannot_approve_with_the_next),
		P(no_forged_token_comes_in),
		P(new_keys_are_fetched_when_they_are_met_and_not_for_anybody_who_invents_some),
		P(invented_keys_make_nobody_ask),
		cmocka_unit_test_setup_teardown(keys_are_good_for_so_long_and_not_for_ever_while_the_provider_is_down, setup_stale, teardown),
		cmocka_unit_test_setup_teardown(signatures_are_verified_for_an_address_so_often_and_no_more, setup_slow, teardown),
		cmocka_unit_test_setup_teardown(a_key_that_the_provider_withdrew_is_refused_after_the_next_look, setup_polling, teardown),
		P(keys_stay_good_while_the_provider_is_down),
		cmocka_unit_test(an_entry_of_the_map_says_claim_roles_and_channels),
		cmocka_unit_test(a_provider_without_https_or_audience_is_refused),
	};

	char path[] = "/tmp/ringhold-clock-XXXXXX";
	static const int64_t zero;
	int fd = mkostemp(path, O_CLOEXEC), failed;

	if (fd < 0 || write(fd, &zero, sizeof zero) != sizeof zero || setenv("RINGHOLD_TEST_CLOCK", path, 1) < 0)
		return 1;
	shift_ms = mmap(NULL, sizeof zero, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	failed = shift_ms == MAP_FAILED || cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return failed;
}
