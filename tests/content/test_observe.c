/* test_observe: on trial, what is new only watches. */
#include "content_tree.h"

#include "content/loader.h"

#define TEMPLATE "\"templates\":[{\"name\":\"t\",\"fields\":[{\"name\":\"image\",\"type\":\"path\"}]}]"
#define RULE(id, verdict, suffix) \
	"{\"id\":\"" id "\",\"template\":\"t\",\"verdict\":\"" verdict "\",\"match\":{\"image\":{\"suffix\":\"" suffix "\"}}}"
#define RULES                                                                                              \
	"{\"format\":1," TEMPLATE ",\"instances\":[" RULE("see", "alert", "/nc") "," RULE("kill", "block", "/nc") "," \
	RULE("jail", "quarantine", "/xmrig") "," RULE("older", "block", "/xmrig") "]}"
#define NC "{\"template\":\"t\",\"fields\":{\"image\":\"/bin/nc\"}}"
#define XMRIG "{\"template\":\"t\",\"fields\":{\"image\":\"/tmp/xmrig\"}}"

static struct loader_set *loaded(const struct content_tree *t)
{
	const struct loader_job job = { .slot = t->dir, .slot_path = t->path, .manifest = t->manifest };
	struct loader_set *s = NULL;
	struct err e = { 0 };

	assert_ok(loader_set_load(&s, &job, NULL, &e));
	return s;
}

static void observed(struct loader_set *s, const char *const *ids, size_t count)
{
	struct err e = { 0 };

	assert_ok(loader_set_observe(s, ids, count, &e));
}

static void match(struct loader_set *s, const char *event, enum detection_action action, const char *rule, enum detection_action would,
		  const char *would_rule)
{
	struct detection got;
	struct err e = { 0 };

	assert_ok(loader_set_match(s, event, strlen(event), &got, &e));
	assert_string_equal(detection_name(got.action), detection_name(action));
	assert_string_equal(got.rule, rule);
	assert_string_equal(detection_name(got.would), detection_name(would));
	if (would != DETECTION_NONE)
		assert_string_equal(got.would_rule, would_rule);
}

static const struct content_file files[] = { { "rules/a.json", "rules", RULES }, { 0 } };

static void an_observed_rule_does_nothing_and_says_what_it_would_have_done(void **state)
{
	AUTO(content_tree) struct content_tree *t = content_tree_new(files);
	AUTO(loader_set) struct loader_set *s = loaded(t);

	(void)state;
	match(s, NC, DETECTION_BLOCK, "kill", DETECTION_NONE, "");
	observed(s, (const char *const[]){ "kill", "nobody" }, 2);
	match(s, NC, DETECTION_ALERT, "see", DETECTION_BLOCK, "kill");
}

/* Two old rules and new ones match the same event: the old ones act as before. */
static void what_acted_before_acts_on_beside_it(void **state)
{
	AUTO(content_tree) struct content_tree *t = content_tree_new(files);
	AUTO(loader_set) struct loader_set *s = loaded(t);

	(void)state;
	observed(s, (const char *const[]){ "jail" }, 1);
	match(s, XMRIG, DETECTION_BLOCK, "older", DETECTION_QUARANTINE, "jail");
	/* Weaker than what happens: nothing else would have. */
	observed(s, (const char *const[]){ "older" }, 1);
	match(s, XMRIG, DETECTION_QUARANTINE, "jail", DETECTION_NONE, "");
}

static void all_rules_may_be_observed_and_afterwards_act_without_a_load(void **state)
{
	AUTO(content_tree) struct content_tree *t = content_tree_new(files);
	AUTO(loader_set) struct loader_set *s = loaded(t);

	(void)state;
	observed(s, (const char *const[]){ "*" }, 1);
	match(s, XMRIG, DETECTION_OBSERVE, "jail", DETECTION_QUARANTINE, "jail");
	match(s, NC, DETECTION_ALERT, "see", DETECTION_BLOCK, "kill");
	observed(s, NULL, 0);
	match(s, XMRIG, DETECTION_QUARANTINE, "jail", DETECTION_NONE, "");
}

static void yara_rules_are_observed_too(void **state)
{
	const struct content_file yara[] = {
		{ "a.yar", "yara", "rule evil { meta: verdict = \"quarantine\" strings: $a = \"EVIL\" condition: $a }" }, { 0 }
	};
	AUTO(content_tree) struct content_tree *t = content_tree_new(yara);
	const struct loader_job job = { .slot = t->dir, .slot_path = t->path, .manifest = t->manifest };
	AUTO(loader_set) struct loader_set *s = NULL;
	struct err e = { 0 };

	(void)state;
	if (loader_set_load(&s, &job, NULL, &e) == ERR_UNSUPPORTED)
		skip_named("%s", e.msg);
	match(s, "{\"text\":\"EVIL\"}", DETECTION_QUARANTINE, "evil", DETECTION_NONE, "");
	observed(s, (const char *const[]){ "evil" }, 1);
	match(s, "{\"text\":\"EVIL\"}", DETECTION_OBSERVE, "evil", DETECTION_QUARANTINE, "evil");
	observed(s, (const char *const[]){ "b.yar:*" }, 1);
	match(s, "{\"text\":\"EVIL\"}", DETECTION_QUARANTINE, "evil", DETECTION_NONE, "");
	observed(s, (const char *const[]){ "b.yar:evil", "a.yar:evi", "a.yar:evil2" }, 3);
	match(s, "{\"text\":\"EVIL\"}", DETECTION_QUARANTINE, "evil", DETECTION_NONE, "");
	observed(s, (const char *const[]){ "a.yar:evil" }, 1);
	match(s, "{\"text\":\"EVIL\"}", DETECTION_OBSERVE, "evil", DETECTION_QUARANTINE, "evil");
	observed(s, (const char *const[]){ "a.yar:*" }, 1);
	match(s, "{\"text\":\"EVIL\"}", DETECTION_OBSERVE, "evil", DETECTION_QUARANTINE, "evil");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_observed_rule_does_nothing_and_says_what_it_would_have_done),
		cmocka_unit_test(what_acted_before_acts_on_beside_it),
		cmocka_unit_test(all_rules_may_be_observed_and_afterwards_act_without_a_load),
		cmocka_unit_test(yara_rules_are_observed_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
