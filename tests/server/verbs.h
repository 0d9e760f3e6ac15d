/* verbs: a server that everything can be said to, and `ringhold` as people say it. */
#ifndef TESTS_SERVER_VERBS_H
#define TESTS_SERVER_VERBS_H

#include "plane.h"

#define DEVICE_FACTS "{\"format\":1,\"facts\":{\"os\":\"debian-12\",\"tags\":[\"pilot\"],\"host\":\"a.lab\"}}"
#define MAP "{\"format\":1,\"salt\":\"00112233445566778899aabbccddeeff\",\"rings\":[\"canary\",\"early\",\"broad\"],\"rules\":[{\"ring\":\"early\",\"tags\":[\"pilot\"]}]}"

struct place {
	struct plane *plane;
	char digest[DIGEST_HEX_LEN + 1], device[64], token[64], request[80], map[256], policy[256], archive[256], contract[256];
	char anna[256], file[256], enrolment[64];
};

static inline bool one_of(const char *verb, const char *const *list)
{
	for (; *list; list++)
		if (strcmp(verb, *list) == 0)
			return true;
	return false;
}

/* ---- the state of the server ---- */

/* What moves by itself. */
static const char *const restless[] = { "now", "last_used", "last_seen", "signing", "began", "background", NULL };

static inline void put_still(struct json_writer *w, const char *key, const struct json *v)
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

static inline char *state_of(struct plane *p)
{
	static const char *const paths[] = {
		"/v1/status", "/v1/bundles", "/v1/contracts", "/v1/rollouts", "/v1/rollouts/1", "/v1/channels/edr/drops", "/v1/devices",
		"/v1/enrolment-tokens", "/v1/tokens", "/v1/webhooks", "/v1/webhooks/siem/messages", "/v1/signing-requests?state=all", "/v1/policies/edr", "/v1/roles/fleet",
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

static inline void assert_same(const char *verb, const char *before, const char *after)
{
	size_t at = 0;

	if (strcmp(before, after) == 0)
		return;
	while (before[at] == after[at])
		at++;
	fail_msg("%s --dry-run changed something:\n%.200s\nbecame\n%.200s", verb, before + (at > 80 ? at - 80 : 0), after + (at > 80 ? at - 80 : 0));
}

/* ---- the verbs of the operator plane ---- */

#define WORDS_MAX 14

struct verb {
	const char *words[WORDS_MAX];   /* "$digest" and the like are filled in */
	const char *key;                /* role whose key signs; NULL: none */
	const char *answer;             /* "GET /v1/status": that operation's; "audit-verify": schema/audit-verify.schema.json */
};

static inline const char *filled(const struct place *x, const char *word)
{
	const struct { const char *name, *value; } names[] = {
		{ "$digest", x->digest }, { "$device", x->device }, { "$token", x->token }, { "$request", x->request },
		{ "$map", x->map }, { "$policy", x->policy }, { "$archive", x->archive }, { "$contract", x->contract },
		{ "$anna", x->anna }, { "$file", x->file }, { "$enrolment", x->enrolment },
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(names[i].name, word) == 0)
			return names[i].value;
	return word;
}

static inline int type_it(struct place *x, const struct verb *v, const char *more, char name[80])
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
	/* signing needs no server, and knows of none */
	if (strcmp(v->words[0], "sign") == 0) {
		const char *argv[WORDS_MAX + 4] = { x->plane->o->tool };

		memcpy(argv + 1, words, sizeof words);
		return run_tool(x->plane->o, argv);
	}
	return tool(x->plane->o, v->key ? v->key : "", words);
}

static inline void write_file(struct place *x, char out[256], const char *name, const char *text)
{
	AUTO_FREE char *path = fixture_path(x->plane->o->f, name);

	fixture_write(x->plane->o->f, name, text);
	snprintf(out, 256, "%s", path);
}

static inline void enrol(struct place *x)
{
	AUTO_REPLY a = ask(x->plane, FIXTURE_TOKEN, "POST", "/v1/enrolment-tokens", "{\"name\":\"lab\"}");
	AUTO_REPLY d = ask(x->plane, member(&a, "token"), "POST", "/device/v1/enrol", DEVICE_FACTS);

	snprintf(x->enrolment, sizeof x->enrolment, "%s", member(&a, "id"));
	snprintf(x->device, sizeof x->device, "%s", member(&d, "device"));
	assert_int_equal(strlen(x->device), 32);
	AUTO_REPLY c = ask(x->plane, member(&d, "token"), "POST", "/device/v1/checkin",
			   "{\"format\":1,\"epoch\":\"0123456789abcdef\",\"seq\":5,\"sent\":1738324800,\"boot_id\":\"b\","
			   "\"facts\":{\"os\":\"debian-12\",\"tags\":[\"pilot\"]},\"channels\":[],\"events\":[],\"want\":[]}");
	assert_int_equal(c.status, 200);
}

static inline void wait_says(struct place *x, const char *path, const char *words)
{
	int64_t until = clock_work_ms() + LIMIT_MS;

	for (;;) {
		AUTO_REPLY a = ask(x->plane, FIXTURE_TOKEN, "GET", path, NULL);

		if (strstr(a.text->data, words))
			return;
		if (clock_work_ms() > until)
			fail_msg("%s does not say %s: %s", path, words, a.text->data);
		poll(NULL, 0, 50);
	}
}

/* Nothing is offered to anybody: from the gate's first look on it says the same. */
static inline void wait_for_the_gate(struct place *x)
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
static inline void furnish(struct place *x)
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
	{
		AUTO_FREE char *path = fixture_path(o->f, "request.json");
		AUTO_REPLY h = ask(x->plane, FIXTURE_TOKEN, "PUT", "/v1/webhooks/siem", "{\"url\":\"https://example.com/x\",\"paused\":true}");

		assert_int_equal(h.status, 201);
		snprintf(x->file, sizeof x->file, "%s", path);
		hand_out(o->f, "targets");
		if (TOOL(o, "", "request", "export", x->request, "-o", x->file) != 0)
			fail_msg("request export: %s", o->said);
	}
	wait_for_the_gate(x);
}

static inline int setup(void **state)
{
	struct place *x = calloc(1, sizeof *x);

	x->plane = plane_open("token-rate = 100000\ntoken-burst = 100000\naddress-rate = 100000\naddress-burst = 100000\n");
	*state = x;
	return 0;
}

static inline int teardown(void **state)
{
	struct place *x = *state;

	plane_close(x->plane);
	free(x);
	return 0;
}

#endif
