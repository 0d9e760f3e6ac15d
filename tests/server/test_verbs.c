/*
 * test_verbs: every verb of `ringhold` explains itself, what it answers for
 * programs is JSON, and a dry run leaves a real server as it was.
 */
#include "plane.h"

#define DEVICE_FACTS "{\"format\":1,\"facts\":{\"os\":\"debian-12\",\"tags\":[\"pilot\"],\"host\":\"a.lab\"}}"
#define MAP "{\"format\":1,\"salt\":\"00112233445566778899aabbccddeeff\",\"rings\":[\"canary\",\"early\",\"broad\"],\"rules\":[{\"ring\":\"early\",\"tags\":[\"pilot\"]}]}"

struct place {
	struct plane *plane;
	char digest[DIGEST_HEX_LEN + 1], device[64], token[64], request[80], map[256], policy[256], archive[256], contract[256];
};

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

static bool one_of(const char *verb, const char *const *list)
{
	for (; *list; list++)
		if (strcmp(verb, *list) == 0)
			return true;
	return false;
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

/* ---- the state of the server ---- */

/* What moves by itself. */
static const char *const restless[] = { "now", "last_used", "last_seen", "signing", "began", "background", NULL };

static void put_still(struct json_writer *w, const char *key, const struct json *v)
{
	if (v->type == JSON_OBJECT) {
		json_open_object(w, key);
		for (uint32_t i = 0; i < v->count; i++)
			if (!one_of(v->u.members[i].key.text, restless))
				put_still(w, v->u.members[i].key.text, &v->u.members[i].value);
		json_close_object(w);
	} else if (v->type == JSON_ARRAY) {
		json_open_array(w, key);
		for (uint32_t i = 0; i < v->count; i++)
			put_still(w, NULL, &v->u.items[i]);
		json_close_array(w);
	} else {
		json_put_value(w, key, v);
	}
}

static char *state_of(struct plane *p)
{
	static const char *const paths[] = {
		"/v1/status", "/v1/bundles", "/v1/contracts", "/v1/rollouts", "/v1/rollouts/1", "/v1/channels/edr/drops", "/v1/devices",
		"/v1/enrolment-tokens", "/v1/tokens", "/v1/signing-requests?state=all", "/v1/policies/edr", "/v1/roles/fleet",
		"/v1/events?limit=1000", "/v1/audit?limit=1000", "/content/metadata/timestamp.json",
	};
	AUTO(buf) struct buf *all = buf_new(0);

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		AUTO_REPLY a = ask(p, FIXTURE_TOKEN, "GET", paths[i], NULL);
		struct json_writer w = { .out = all };

		if (a.status != 200)
			fail_msg("%s: %ld %s", paths[i], a.status, a.text->data);
		buf_addf(all, "\n%s\n", paths[i]);
		put_still(&w, NULL, a.doc->root);
	}
	return buf_take(all);
}

static void assert_same(const char *verb, const char *before, const char *after)
{
	size_t at = 0;

	if (strcmp(before, after) == 0)
		return;
	while (before[at] == after[at])
		at++;
	fail_msg("%s --dry-run changed something:\n%.200s\nbecame\n%.200s", verb, before + (at > 80 ? at - 80 : 0), after + (at > 80 ? at - 80 : 0));
}

/* Ceremonies are shown on standard error; the answer is the document that follows. */
static void assert_json(const char *verb, const char *said)
{
	AUTO(json) struct json_doc *d = NULL;
	struct err e;

	while (*said && *said != '{' && *said != '[') {
		said = strchr(said, '\n');
		if (!said)
			fail_msg("%s --json printed no JSON", verb);
		said++;
	}
	if (json_parse(&d, verb, said, strlen(said), NULL, &e) < 0)
		fail_msg("%s --json: %s in:\n%s", verb, e.msg, said);
}

/* ---- the verbs of the operator plane ---- */

#define WORDS_MAX 12

struct verb {
	const char *words[WORDS_MAX];   /* "$digest" and the like are filled in */
	const char *key;                /* role whose key signs; NULL: none */
};

static const struct verb looks[] = {
	{ { "status" }, NULL }, { { "events" }, NULL }, { { "bundles" }, NULL }, { { "bundles", "edr" }, NULL },
	{ { "rings", "show" }, NULL }, { { "rings", "simulate", "$map" }, NULL },
	{ { "rollout", "list" }, NULL }, { { "rollout", "show", "1" }, NULL }, { { "rollout", "explain", "1" }, NULL },
	{ { "rollout", "drop", "edr" }, NULL }, { { "followed" }, NULL },
	{ { "policy", "show", "edr" }, NULL },
	{ { "devices", "list" }, NULL }, { { "devices", "show", "$device" }, NULL },
	{ { "contract", "list" }, NULL },
	{ { "token", "list" }, NULL }, { { "token", "enrolments" }, NULL },
	{ { "audit", "list" }, NULL }, { { "audit", "verify" }, NULL }, { { "token", "show", "$token" }, NULL }, { { "token", "whoami" }, NULL },
	{ { "request", "list" }, NULL }, { { "request", "show", "$request" }, NULL },
};

static const struct verb changes[] = {
	{ { "publish", "$archive" }, "content-edr" },
	{ { "rollout", "pause", "1", "--reason", "x" }, NULL }, { { "rollout", "halt", "1", "--reason", "x" }, NULL },
	{ { "rollout", "abort", "1", "--reason", "x" }, NULL }, { { "rollout", "retry", "1", "--reason", "x" }, NULL },
	{ { "rollout", "rollback", "edr", "--to", "1", "--reason", "x" }, NULL },
	{ { "rollout", "drop", "edr", "ipc-0001", "--reason", "x" }, NULL },
	{ { "stop", "edr", "$digest", "--reason", "x" }, NULL },
	{ { "policy", "set", "$policy" }, NULL },
	{ { "rings", "set", "$map" }, "fleet" }, { { "rings", "override", "$device", "pilot" }, "fleet" },
	{ { "rings", "override", "$device", "--clear" }, "fleet" },
	{ { "devices", "assign", "$device", "ring=early" }, NULL }, { { "devices", "revoke", "$device", "--reason", "x y" }, NULL },
	{ { "contract", "register", "$contract" }, NULL },
	{ { "token", "enrol", "--name", "lab2" }, NULL }, { { "token", "create", "bob", "--role", "viewer" }, NULL },
	{ { "token", "rotate", "$token" }, NULL }, { { "token", "revoke", "$token" }, NULL },
	{ { "request", "withdraw", "$request" }, NULL }, { { "request", "renew", "fleet", "--reason", "x" }, NULL },
	{ { "recall", "edr", "1", "--reason", "x" }, "recall" }, { { "approve", "edr", "1", "--party", "bank" }, "approve-bank" },
	{ { "floor", "edr", "1", "--reason", "x" }, "content-edr" },
};

static const char *filled(const struct place *x, const char *word)
{
	const struct { const char *name, *value; } names[] = {
		{ "$digest", x->digest }, { "$device", x->device }, { "$token", x->token }, { "$request", x->request },
		{ "$map", x->map }, { "$policy", x->policy }, { "$archive", x->archive }, { "$contract", x->contract },
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(names[i].name, word) == 0)
			return names[i].value;
	return word;
}

static int type_it(struct place *x, const struct verb *v, const char *more, char name[80])
{
	const char *words[WORDS_MAX + 3] = { NULL };
	size_t n = 0;

	name[0] = '\0';
	for (; v->words[n]; n++) {
		words[n] = filled(x, v->words[n]);
		snprintf(name + strlen(name), 80 - strlen(name), "%s%s", n ? " " : "", v->words[n]);
	}
	words[n++] = "--json";
	words[n] = more;
	return tool(x->plane->o, v->key ? v->key : "", words);
}

static void write_file(struct place *x, char out[256], const char *name, const char *text)
{
	AUTO_FREE char *path = fixture_path(x->plane->o->f, name);

	fixture_write(x->plane->o->f, name, text);
	snprintf(out, 256, "%s", path);
}

static void enrol(struct place *x)
{
	AUTO_REPLY a = ask(x->plane, FIXTURE_TOKEN, "POST", "/v1/enrolment-tokens", "{\"name\":\"lab\"}");
	AUTO_REPLY d = ask(x->plane, member(&a, "token"), "POST", "/device/v1/enrol", DEVICE_FACTS);

	snprintf(x->device, sizeof x->device, "%s", member(&d, "device"));
	assert_int_equal(strlen(x->device), 32);
	AUTO_REPLY c = ask(x->plane, member(&d, "token"), "POST", "/device/v1/checkin",
			   "{\"format\":1,\"epoch\":\"0123456789abcdef\",\"seq\":5,\"sent\":1738324800,\"boot_id\":\"b\","
			   "\"facts\":{\"os\":\"debian-12\",\"tags\":[\"pilot\"]},\"channels\":[],\"events\":[],\"want\":[]}");
	assert_int_equal(c.status, 200);
}

/* Nothing is offered to anybody: from the gate's first look on it says the same. */
static void wait_for_the_gate(struct place *x)
{
	int64_t until = clock_work_ms() + LIMIT_MS;

	for (;;) {
		AUTO_REPLY a = ask(x->plane, FIXTURE_TOKEN, "GET", "/v1/rollouts/1", NULL);

		if (strstr(a.text->data, "\"cause\":\"running\""))
			return;
		if (clock_work_ms() > until)
			fail_msg("the gate never looked: %s", a.text->data);
		poll(NULL, 0, 50);
	}
}

/* A policy, a map, a contract, a bundle and a request that waits. */
static void furnish(struct place *x)
{
	struct office *o = x->plane->o;
	char hex[DIGEST_HEX_LEN + 1];
	AUTO_FREE char *archive = NULL;

	hand_out(o->f, "fleet");
	publish(o, 1, "rules", x->digest);
	archive = make_archive(o, 2, "other rules", hex);
	snprintf(x->archive, sizeof x->archive, "%s", archive);
	{
		AUTO_REPLY a = ask(x->plane, FIXTURE_TOKEN, "GET", "/v1/policies/edr", NULL);
		const struct json *p = json_get(a.doc->root, "policy");
		AUTO(buf) struct buf *text = buf_new(0);
		struct json_writer w = { .out = text };

		json_put_value(&w, NULL, p ? p : a.doc->root);
		write_file(x, x->policy, "policy.json", text->data);
	}
	write_file(x, x->map, "map.json", MAP);
	write_file(x, x->contract, "contract.json", "{\"format\":1,\"sensor\":\"s\",\"version\":\"1\",\"accepts\":{\"rules\":{\"versions\":[1]}}}");
	enrol(x);
	{
		AUTO_REPLY t = ask(x->plane, FIXTURE_TOKEN, "POST", "/v1/tokens", "{\"name\":\"alice\",\"roles\":[\"viewer\"]}");

		snprintf(x->token, sizeof x->token, "%s", member(&t, "id"));
	}
	if (TOOL(o, "", "request", "renew", "targets", "--reason", "yearly", "--json") != 0)
		fail_msg("request renew: %s", o->said);
	{
		AUTO_REPLY r = ask(x->plane, FIXTURE_TOKEN, "GET", "/v1/signing-requests", NULL);
		const struct json *items = json_get(r.doc->root, "items");

		assert_true(items->count > 0);
		snprintf(x->request, sizeof x->request, "%s", json_get(&items->u.items[0], "id")->u.text);
	}
	wait_for_the_gate(x);
}

static void what_is_looked_at_is_json_and_a_dry_run_changes_nothing(void **state)
{
	struct place *x = *state;
	AUTO_FREE char *before = NULL;
	char name[80];

	NEED(x->plane->o);
	furnish(x);
	for (size_t i = 0; i < ARRAY_LEN(looks); i++) {
		if (type_it(x, &looks[i], NULL, name) != 0)
			fail_msg("%s: %s", name, x->plane->o->said);
		assert_json(name, x->plane->o->said);
	}
	before = state_of(x->plane);
	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		AUTO_FREE char *after = NULL;

		if (type_it(x, &changes[i], "--dry-run", name) != 0)
			fail_msg("%s --dry-run: %s", name, x->plane->o->said);
		assert_json(name, x->plane->o->said);
		after = state_of(x->plane);
		assert_same(name, before, after);
	}
}

/* The map that was simulated is signed; then an operator's word stands instead of the claim. */
static void a_simulated_move_happens_when_it_is_signed_and_an_override_takes_it_back(void **state)
{
	struct place *x = *state;
	struct office *o = x->plane->o;
	char path[100];

	NEED(o);
	furnish(x);
	assert_int_equal(TOOL(o, "", "rings", "simulate", x->map), 0);
	expect_said(o, "1 of 1 devices would move");
	expect_said(o, "pilot");
	assert_int_equal(TOOL(o, "fleet", "rings", "set", x->map), 0);
	expect_said(o, "the ring map of 3 rings is published");
	assert_int_equal(TOOL(o, "", "rings", "simulate", x->map), 0);
	expect_said(o, "0 of 1 devices would move");
	assert_int_equal(TOOL(o, "fleet", "rings", "override", x->device, "--dry-run"), 0);
	expect_said(o, "1 of 1 devices would move");
	assert_int_equal(TOOL(o, "fleet", "rings", "override", x->device), 0);
	snprintf(path, sizeof path, "/v1/devices/%s", x->device);
	{
		AUTO_REPLY d = ask(x->plane, FIXTURE_TOKEN, "GET", path, NULL);

		assert_string_equal(member(&d, "ring"), "broad");
		assert_int_equal(json_get(d.doc->root, "tags_override")->type, JSON_ARRAY);
		assert_int_equal(json_get(json_get(d.doc->root, "facts"), "tags")->count, 1);
	}
	assert_int_equal(TOOL(o, "fleet", "rings", "override", x->device, "--clear"), 0);
	AUTO_REPLY d = ask(x->plane, FIXTURE_TOKEN, "GET", path, NULL);
	assert_string_equal(member(&d, "ring"), "early");
}

static void a_change_can_be_bound_to_the_version_that_was_looked_at(void **state)
{
	struct place *x = *state;
	struct office *o = x->plane->o;
	char seen[80], hex[DIGEST_HEX_LEN + 1];

	NEED(o);
	publish(o, 1, "rules", hex);
	{
		AUTO_REPLY a = ask(x->plane, FIXTURE_TOKEN, "GET", "/v1/rollouts/1", NULL);

		snprintf(seen, sizeof seen, "%s", member(&a, "etag"));
	}
	assert_int_equal(TOOL(o, "", "rollout", "show", "1"), 0);
	expect_said(o, seen);
	assert_int_equal(TOOL(o, "", "rollout", "pause", "1", "--reason", "x", "--if-match", seen), 0);
	assert_int_not_equal(TOOL(o, "", "rollout", "resume", "1", "--reason", "x", "--if-match", seen), 0);
	expect_said(o, "look at it again");
	assert_int_equal(TOOL(o, "", "rollout", "resume", "1", "--reason", "x", "--if-match", "*"), 0);
}

/* The newest is not always the one before: by serial or digest, down to the floor. */
static void a_rollback_goes_to_any_bundle_at_or_above_the_floor(void **state)
{
	static const char *const rules[] = { "one", "two", "three", "four" };
	struct place *x = *state;
	struct office *o = x->plane->o;
	char hex[4][DIGEST_HEX_LEN + 1];

	NEED(o);
	for (uint64_t i = 0; i < 4; i++)
		publish(o, i + 1, rules[i], hex[i]);
	if (TOOL(o, "content-edr", "floor", "edr", "2", "--reason", "one is dangerous") != 0)
		fail_msg("floor: %s", o->said);
	assert_int_not_equal(TOOL(o, "", "rollout", "rollback", "edr", "--to", "1", "--reason", "x"), 0);
	expect_said(o, "below the floor");
	assert_int_not_equal(TOOL(o, "", "rollout", "rollback", "edr", "--to", hex[0], "--reason", "x"), 0);
	expect_said(o, "below the floor");
	assert_int_equal(TOOL(o, "", "rollout", "rollback", "edr", "--to", "2", "--reason", "x", "--dry-run"), 0);
	expect_said(o, "would go back to serial 2");
	assert_int_equal(TOOL(o, "", "rollout", "rollback", "edr", "--to", hex[2], "--reason", "x"), 0);
	expect_said(o, "back to serial 3");
	assert_int_equal(TOOL(o, "", "rollout", "rollback", "edr", "--to", "2", "--reason", "x"), 0);
	expect_said(o, "back to serial 2");
}

static int setup(void **state)
{
	struct place *x = calloc(1, sizeof *x);

	x->plane = plane_open("token-rate = 100000\ntoken-burst = 100000\naddress-rate = 100000\naddress-burst = 100000\n");
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct place *x = *state;

	plane_close(x->plane);
	free(x);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(every_verb_explains_itself_and_answers_programs),
		T(what_is_looked_at_is_json_and_a_dry_run_changes_nothing),
		T(a_rollback_goes_to_any_bundle_at_or_above_the_floor),
		T(a_change_can_be_bound_to_the_version_that_was_looked_at),
		T(a_simulated_move_happens_when_it_is_signed_and_an_override_takes_it_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
