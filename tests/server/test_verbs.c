/*
 * test_verbs: every verb of `ringhold` explains itself, what it answers for
 * programs is what openapi.yaml or a schema of schema/ says, and a dry run
 * leaves a real server as it was.
 */
#include "verbs.h"

#include "spec.h"

/* ---- every verb there is ---- */

/* The next of "  rollout drop CHANNEL [RULE...]   leave ..." as "rollout drop"; NULL: no more. */
static const char *next_verb(const char **at, char out[80])
{
	const char *line;
	size_t len = 0;

	for (line = *at; line && strncmp(line, "  ", 2) != 0; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (strncmp(line, "\n  -h", 5) == 0)
			return NULL;
	if (!line || line[2] == '-' || line[2] == ' ')
		return NULL;
	*at = strchr(line, '\n') + 1;
	/* Words of small letters; arguments begin otherwise, the help after two blanks. */
	for (const char *word = line + 2; *word >= 'a' && *word <= 'z';) {
		size_t n = strcspn(word, " \n");

		snprintf(out + len, 80 - len, "%s%.*s", len ? " " : "", (int)n, word);
		len = strlen(out);
		if (word[n] != ' ' || word[n + 1] == ' ')
			break;
		word += n + 1;
	}
	return out;
}

static void split(const char *verb, char words[4][40], const char *argv[8], const char *tool, const char *last)
{
	size_t n = 1;

	argv[0] = tool;
	for (; *verb && n < 4; n++) {
		size_t len = strcspn(verb, " ");

		snprintf(words[n], 40, "%.*s", (int)len, verb);
		argv[n] = words[n];
		verb += len + (verb[len] == ' ');
	}
	argv[n++] = last;
	argv[n] = NULL;
}

static void every_verb_explains_itself_and_answers_programs(void **state)
{
	struct place *x = *state;
	struct office *o = x->plane->o;
	/* What they make is a file, named by its last line: nothing for a program to read. */
	static const char *const files[] = { "init", "bundle build", "bundle delta", "contract header", NULL };
	const char *const all[] = { o->tool, "--help", NULL };
	AUTO_FREE char *help = NULL;
	const char *at;
	char verb[80], words[4][40];
	int count = 0;

	NEED(o);
	assert_int_equal(run_tool(o, all), 0);
	help = strdup(o->said);
	at = strstr(help, "commands:");
	assert_non_null(at);
	for (at = strchr(at, '\n') + 1; next_verb(&at, verb); count++) {
		const char *argv[8];

		split(verb, words, argv, o->tool, "--help");
		if (run_tool(o, argv) != 0 || !strstr(o->said, "usage: ringhold"))
			fail_msg("%s --help: %s", verb, o->said);
		if (!strstr(o->said, "--json") != one_of(verb, files))
			fail_msg("%s: --json is %s", verb, strstr(o->said, "--json") ? "there, and nobody expected it" : "missing");
	}
	assert_in_range(count, 60, 200);
}

/* ---- what they answer, and what a dry run changes ---- */

#define ROLLOUT "GET /v1/rollouts/{id}"
#define MOVED "POST /v1/rollouts/{id}/{move}"

static const struct verb looks[] = {
	{ { "status" }, NULL, "GET /v1/status" }, { { "events" }, NULL, "GET /v1/events" }, { { "bundles" }, NULL, "GET /v1/bundles" },
	{ { "bundles", "edr" }, NULL, "GET /v1/bundles" }, { { "rings", "show" }, NULL, "GET /v1/status" },
	{ { "rings", "simulate", "$map" }, NULL, "POST /v1/rings/simulate" }, { { "rollout", "list" }, NULL, "GET /v1/rollouts" },
	{ { "rollout", "show", "1" }, NULL, ROLLOUT }, { { "rollout", "explain", "1" }, NULL, "rollout-explain" },
	{ { "rollout", "drop", "edr" }, NULL, "GET /v1/channels/{channel}/drops" }, { { "followed" }, NULL, "GET /v1/followed" },
	{ { "policy", "show", "edr" }, NULL, "policy" }, { { "policy", "versions", "edr" }, NULL, "GET /v1/policies/{channel}/versions" },
	{ { "devices", "list" }, NULL, "GET /v1/devices" }, { { "devices", "show", "$device" }, NULL, "GET /v1/devices/{device}" },
	{ { "contract", "list" }, NULL, "GET /v1/contracts" }, { { "token", "list" }, NULL, "GET /v1/tokens" },
	{ { "token", "enrolments" }, NULL, "GET /v1/enrolment-tokens" }, { { "token", "show", "$token" }, NULL, "GET /v1/tokens/{token}" },
	{ { "token", "whoami" }, NULL, "GET /v1/self" }, { { "audit", "list" }, NULL, "GET /v1/audit" },
	{ { "audit", "verify" }, NULL, "audit-verify" }, { { "request", "list" }, NULL, "GET /v1/signing-requests" },
	{ { "request", "show", "$request" }, NULL, "request-show" }, { { "webhooks", "list" }, NULL, "GET /v1/webhooks" },
	{ { "webhooks", "show", "siem" }, NULL, "GET /v1/webhooks/{webhook}" },
	{ { "webhooks", "queue", "siem" }, NULL, "GET /v1/webhooks/{webhook}/messages" },
	{ { "webhooks", "dead", "siem" }, NULL, "GET /v1/webhooks/{webhook}/messages" },
};

static const struct verb changes[] = {
	{ { "publish", "$archive" }, "content-edr", "POST /v1/bundles" },
	{ { "rollout", "pause", "1", "--reason", "x" }, NULL, MOVED }, { { "rollout", "halt", "1", "--reason", "x" }, NULL, MOVED },
	{ { "rollout", "abort", "1", "--reason", "x" }, NULL, MOVED }, { { "rollout", "retry", "1", "--reason", "x" }, NULL, MOVED },
	{ { "rollout", "emergency", "1", "--reason", "x" }, NULL, MOVED },
	{ { "rollout", "rollback", "edr", "--to", "1", "--reason", "x" }, NULL, "POST /v1/channels/{channel}/rollback" },
	{ { "rollout", "drop", "edr", "ipc-0001", "--reason", "x" }, NULL, "POST /v1/channels/{channel}/drops" },
	{ { "stop", "edr", "$digest", "--reason", "x" }, NULL, MOVED },
	{ { "policy", "set", "$policy" }, NULL, "PUT /v1/policies/{channel}" },
	{ { "rings", "set", "$map" }, "fleet", "POST /v1/rings/simulate" },
	{ { "rings", "override", "$device", "pilot" }, "fleet", "POST /v1/rings/simulate" },
	{ { "rings", "override", "$device", "--clear" }, "fleet", "POST /v1/rings/simulate" },
	{ { "devices", "assign", "$device", "ring=early" }, NULL, "PUT /v1/devices/{device}/attributes" },
	{ { "devices", "revoke", "$device", "--reason", "x y" }, NULL, "DELETE /v1/devices/{device}" },
	{ { "contract", "register", "$contract" }, NULL, "POST /v1/contracts" },
	{ { "token", "enrol", "--name", "lab2" }, NULL, "POST /v1/enrolment-tokens" },
	{ { "token", "end-enrolment", "$enrolment" }, NULL, "DELETE /v1/enrolment-tokens/{token}" },
	{ { "token", "create", "bob", "--role", "viewer" }, NULL, "POST /v1/tokens" },
	{ { "token", "rotate", "$token" }, NULL, "POST /v1/tokens/{token}/rotate" },
	{ { "token", "revoke", "$token" }, NULL, "DELETE /v1/tokens/{token}" },
	{ { "request", "withdraw", "$request" }, NULL, "request-state" }, { { "request", "renew", "fleet", "--reason", "x" }, NULL, "request-show" },
	{ { "request", "import", "$file" }, NULL, "request-show" }, { { "sign", "$file" }, "targets", "request-show" },
	{ { "recall", "edr", "1", "--reason", "x" }, "recall", "role-edit" },
	{ { "approve", "edr", "1", "--party", "bank" }, "approve-bank", "role-edit" },
	{ { "floor", "edr", "1", "--reason", "x" }, "content-edr", "role-edit" },
	{ { "webhooks", "set", "other", "--url", "https://example.com/" }, NULL, "PUT /v1/webhooks/{webhook}" },
	{ { "webhooks", "rotate", "siem" }, NULL, "POST /v1/webhooks/{webhook}/rotate" },
	{ { "webhooks", "test", "siem" }, NULL, "POST /v1/webhooks/{webhook}/test" },
	{ { "webhooks", "redeliver", "siem" }, NULL, "POST /v1/webhooks/{webhook}/redeliver" },
	{ { "webhooks", "remove", "siem" }, NULL, "DELETE /v1/webhooks/{webhook}" },
};

/* Of a rollout that waits for people, and that another published. */
static const struct verb agreements[] = {
	{ { "rollout", "approve", "2", "--reason", "x", "--token-file", "$anna" }, NULL, "POST /v1/rollouts/{id}/approve" },
	{ { "rollout", "promote", "2", "--reason", "x", "--token-file", "$anna" }, NULL, MOVED },
};

/* Of one that is paused. */
static const struct verb going_on[] = { { { "rollout", "resume", "1", "--reason", "x" }, NULL, MOVED } };

/* Ceremonies are shown on standard error; the answer is the document that follows. */
static struct json_doc *answer_in(const char *verb, const char *said)
{
	struct json_doc *d = NULL;
	struct err e;

	while (*said && *said != '{' && *said != '[') {
		said = strchr(said, '\n');
		if (!said)
			fail_msg("%s --json printed no JSON", verb);
		said++;
	}
	if (json_parse(&d, verb, said, strlen(said), NULL, &e) < 0)
		fail_msg("%s --json: %s in:\n%s", verb, e.msg, said);
	return d;
}

static void expect_answer(const struct spec *s, const struct verb *v, const char *verb, const char *said)
{
	AUTO(json) struct json_doc *d = answer_in(verb, said);
	const char *blank = strchr(v->answer, ' '), *type;
	char method[8] = "";

	if (!blank) {
		spec_fits_published(v->answer, d, verb);
		return;
	}
	snprintf(method, sizeof method, "%.*s", (int)(blank - v->answer), v->answer);
	spec_fits(s, spec_schema(s, spec_operation(s, method, blank + 1), 200, &type), d, verb);
}

static void expect_dry(struct place *x, const struct spec *s, const struct verb *v, size_t count)
{
	AUTO_FREE char *before = state_of(x->plane);

	for (size_t i = 0; i < count; i++) {
		AUTO_FREE char *after = NULL;
		char name[80];

		if (type_it(x, &v[i], "--dry-run", name) != 0)
			fail_msg("%s --dry-run: %s", name, x->plane->o->said);
		expect_answer(s, &v[i], name, x->plane->o->said);
		after = state_of(x->plane);
		assert_same(name, before, after);
	}
}

static void what_is_looked_at_is_as_published_and_a_dry_run_changes_nothing(void **state)
{
	struct place *x = *state;
	struct spec s;
	char name[80];

	NEED(x->plane->o);
	spec_open(&s);
	NEED_SPEC(&s);
	furnish(x);
	for (size_t i = 0; i < ARRAY_LEN(looks); i++) {
		if (type_it(x, &looks[i], NULL, name) != 0)
			fail_msg("%s: %s", name, x->plane->o->said);
		expect_answer(&s, &looks[i], name, x->plane->o->said);
	}
	expect_dry(x, &s, changes, ARRAY_LEN(changes));
	spec_close(&s);
}

/* What people agree to is tried by somebody who may: rollout 1 is paused, rollout 2 waits before its first ring. */
static void agreeing_and_going_on_can_be_tried(void **state)
{
	struct place *x = *state;
	AUTO_FREE char *anna = NULL;
	struct office *o = x->plane->o;
	char hex[DIGEST_HEX_LEN + 1];
	struct spec s;

	NEED(o);
	spec_open(&s);
	NEED_SPEC(&s);
	furnish(x);
	anna = new_token(x->plane, "anna", "operator\",\"approver", NULL);
	write_file(x, x->anna, "anna.token", anna);
	assert_int_equal(chmod(x->anna, 0600), 0);
	write_file(x, x->policy, "policy.json",
		   "{\"format\":1,\"channel\":\"edr\",\"rings\":[{\"name\":\"canary\",\"promote\":\"manual\"},{\"name\":\"early\"},{\"name\":\"broad\"}]}");
	assert_int_equal(TOOL(o, "", "policy", "set", x->policy), 0);
	assert_int_equal(TOOL(o, "", "rollout", "pause", "1", "--reason", "x"), 0);
	wait_says(x, "/v1/rollouts/1", "\"state\":\"held\"");
	expect_dry(x, &s, going_on, ARRAY_LEN(going_on));
	assert_int_equal(TOOL(o, "", "rollout", "abort", "1", "--reason", "x"), 0);
	publish(o, 2, "other rules", hex);
	wait_says(x, "/v1/rollouts/2", "awaiting-approval");
	expect_dry(x, &s, agreements, ARRAY_LEN(agreements));
	spec_close(&s);
}

/* A verb that changes something and that nobody tried above is tried in a test of its own. */
static void every_verb_with_a_dry_run_is_tried(void **state)
{
	static const char *const elsewhere[] = {
		"key generate", "key import",   /* test_key_commands */
		"root edit", "root sign", "root publish", "delegate add", "delegate set", "delegate remove", "key rotate",      /* test_ceremony */
		"repo sweep",   /* test_sweep */
		"mirror",       /* test_mirror */
		"devices clear", "rollout start",       /* test_openapi_fleet, test_openapi_rollouts */
		NULL,
	};
	const struct { const struct verb *list; size_t count; } lists[] = { { changes, ARRAY_LEN(changes) }, { agreements, ARRAY_LEN(agreements) },
											{ going_on, ARRAY_LEN(going_on) } };
	struct place *x = *state;
	struct office *o = x->plane->o;
	const char *const all[] = { o->tool, "--help", NULL };
	AUTO_FREE char *help = NULL;
	const char *at;
	char verb[80], words[4][40];

	NEED(o);
	assert_int_equal(run_tool(o, all), 0);
	help = strdup(o->said);
	at = strchr(strstr(help, "commands:"), '\n') + 1;
	while (next_verb(&at, verb)) {
		const char *argv[8];
		bool tried = one_of(verb, elsewhere);

		split(verb, words, argv, o->tool, "--help");
		assert_int_equal(run_tool(o, argv), 0);
		if (!strstr(o->said, "  --dry-run") && !strstr(o->said, ", --dry-run"))
			continue;
		for (size_t l = 0; l < ARRAY_LEN(lists) && !tried; l++)
			for (size_t i = 0; i < lists[l].count && !tried; i++) {
				const struct verb *v = &lists[l].list[i];
				char two[80];

				snprintf(two, sizeof two, "%s %s", v->words[0], v->words[1] ? v->words[1] : "");
				tried = strcmp(v->words[0], verb) == 0 || strcmp(two, verb) == 0;
			}
		if (!tried)
			fail_msg("%s --dry-run is tried by no test", verb);
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(every_verb_explains_itself_and_answers_programs),
		T(what_is_looked_at_is_as_published_and_a_dry_run_changes_nothing),
		T(agreeing_and_going_on_can_be_tried),
		T(every_verb_with_a_dry_run_is_tried),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
