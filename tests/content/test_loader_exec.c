/* test_loader_exec: what a check command is given, and what becomes of its answers. Scripts stand for engines. */
#include "content_tree.h"

#include "content/loader.h"
#include "content/loader_answers.h"

#define SAY_VERDICTS "[ -n \"$RINGHOLD_EVENTS\" ] || { echo ringhold events; exit; }\n"

struct stage {
	struct content_tree *t;
	char dir[200], path[256], scratch[256];
	const char *argv[3];
	struct loader_exec exec;
	struct loader_job job;
	struct loader_set *set;
};

static const struct content_file two[] = {
	{ "db/a.sig", "blob", "one" }, { "db/b.sig", "blob", "two" }, { "other", "doc", "x" }, { "samples/evil", "doc", "EVIL" }, { 0 },
};

static void stage_open(struct stage *s, const char *script)
{
	char text[4096];
	struct err e;

	memset(s, 0, sizeof *s);
	s->t = content_tree_new(two);
	content_temp(s->dir);
	snprintf(s->path, sizeof s->path, "%s/check", s->dir);
	snprintf(s->scratch, sizeof s->scratch, "%s/scratch", s->dir);
	assert_int_equal(mkdir(s->scratch, 0700), 0);
	snprintf(text, sizeof text, "#!/bin/sh\n%s", script);
	assert_ok(file_replace(s->path, text, strlen(text), 0755, &e));
	s->argv[0] = s->path;
	s->exec = (struct loader_exec){ .type = "blob", .argv = s->argv };
	s->job = (struct loader_job){ .slot = s->t->dir, .slot_path = s->t->path, .digest = "d1", .manifest = s->t->manifest,
				      .exec = &s->exec, .exec_count = 1, .scratch = s->scratch };
}

static void stage_close(struct stage *s)
{
	struct err e;

	loader_set_free(s->set);
	content_tree_freep(&s->t);
	assert_ok(file_remove_tree(s->dir, &e));
}

static int stage_load(struct stage *s, struct err *e)
{
	e->code = 0;
	return loader_set_load(&s->set, &s->job, NULL, e);
}

static int each(struct stage *s, const char *text, int (*visit)(struct stage *s, const struct json_doc *d, struct err *e), struct err *e)
{
	AUTO(json) struct json_doc *d = NULL;

	assert_int_equal(json_parse(&d, "event", text, strlen(text), NULL, e), 0);
	return visit(s, d, e);
}

static int offer(struct stage *s, const struct json_doc *d, struct err *e)
{
	return loader_set_offer(s->set, d, d->root, e);
}

static struct detection got;

static int match(struct stage *s, const struct json_doc *d, struct err *e)
{
	return loader_set_match_doc(s->set, d, d->root, &got, e);
}

static int judge(struct stage *s, struct err *e)
{
	uint64_t ns;

	return loader_set_judge(s->set, &ns, e);
}

static void a_command_is_given_the_slot_its_files_and_a_place_to_write(void **state)
{
	struct loader_stats stats;
	struct stage s;
	struct err e;

	(void)state;
	stage_open(&s, "[ \"$1/$2/$3/$4\" = \"$(dirname \"$(dirname \"$1/db/a.sig\")\")/edr/d1/7\" ] || exit 2\n"
		       "[ \"$(cat)\" = \"db/a.sig\ndb/b.sig\" ] || exit 3\n"
		       "[ \"$RINGHOLD_TYPE\" = blob ] || exit 4\n"
		       "[ \"$(pwd)\" = \"$TMPDIR\" ] && [ \"$HOME\" = \"$TMPDIR\" ] && echo x >\"$TMPDIR/x\" || exit 5\n"
		       "[ -z \"$RINGHOLD_EVENTS\" ] || exit 6\n"
		       "echo ringhold rules 12\n");
	assert_ok(stage_load(&s, &e));
	loader_set_stats(s.set, &stats);
	assert_int_equal(stats.rules, 12);
	assert_int_equal(stats.files, 2);
	assert_int_equal(stats.bytes, 6);
	stage_close(&s);
}

static void refusals_carry_the_engine_s_own_words(void **state)
{
	static const struct { const char *script; int code; const char *says; } rows[] = {
		{ "echo 'line 7 of a.sig is bad' >&2; exit 2\n", ERR_REFUSED, "exit status 2: line 7 of a.sig is bad" },
		{ "echo reason; echo ringhold rules 3; exit 1\n", ERR_REFUSED, "exit status 1: reason" },
		{ "kill -SEGV $$\n", ERR_CRASH, "signal 11" },
		{ "kill -KILL $$\n", ERR_MEMORY, "signal 9" },
		{ "while :; do echo 0123456789012345678901234567890123456789; done\n", ERR_LIMIT, "printed more than it may" },
		{ "echo ringhold rules many\n", ERR_FORMAT, "line 1 of its answer" },
		{ "echo ringhold verdict 1 block r\n", ERR_FORMAT, "line 1 of its answer" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct stage s;
		struct err e;

		stage_open(&s, rows[i].script);
		assert_refused(stage_load(&s, &e), rows[i].code, rows[i].says);
		stage_close(&s);
	}
}

static void events_come_as_files_and_each_gets_the_verdict_that_was_said(void **state)
{
	static const char *const events[] = { "{\"text\":\"fine\",\"name\":\"/bin/true\"}", "{\"base64\":\"RVZJTA==\"}",
					      "{\"file\":\"samples/evil\"}", "{\"type\":\"blob\",\"n\":1.5}" };
	static const enum detection_action wants[] = { DETECTION_NONE, DETECTION_BLOCK, DETECTION_BLOCK, DETECTION_ALERT };
	struct stage s;
	struct err e;

	(void)state;
	stage_open(&s, SAY_VERDICTS
		   "[ \"$RINGHOLD_COUNT\" = 4 ] && [ \"$(cat $RINGHOLD_EVENTS/1)\" = fine ] && grep -q /bin/true $RINGHOLD_EVENTS/1.json || exit 2\n"
		   "for n in 1 2 3; do\n"
		   "if grep -q EVIL $RINGHOLD_EVENTS/$n; then echo ringhold verdict $n alert Weak; echo ringhold verdict $n block Evil.A;\n"
		   "else echo ringhold verdict $n none; fi; done\n"
		   "grep -q 1.5 $RINGHOLD_EVENTS/4 && echo ringhold verdict 4 alert\n");
	assert_ok(stage_load(&s, &e));
	assert_true(loader_set_wants_offers(s.set));
	for (size_t i = 0; i < ARRAY_LEN(events); i++)
		assert_ok(each(&s, events[i], offer, &e));
	assert_ok(judge(&s, &e));
	for (size_t i = 0; i < ARRAY_LEN(events); i++) {
		assert_ok(each(&s, events[i], match, &e));
		assert_int_equal(got.action, wants[i]);
	}
	assert_ok(each(&s, events[2], match, &e));
	assert_string_equal(got.rule, "Evil.A");
	assert_int_equal(got.matches, 2);
	assert_refused(each(&s, "{\"text\":\"never offered\"}", match, &e), ERR_INTERNAL, "not offered");
	stage_close(&s);
}

static void an_event_without_a_verdict_is_no_pass(void **state)
{
	struct stage s;
	struct err e;

	(void)state;
	stage_open(&s, SAY_VERDICTS "echo ringhold verdict 1 none\n");
	assert_ok(stage_load(&s, &e));
	assert_ok(each(&s, "{\"text\":\"a\"}", offer, &e));
	assert_ok(each(&s, "{\"text\":\"b\"}", offer, &e));
	assert_refused(judge(&s, &e), ERR_REFUSED, "gave no verdict on event 2 of 2");
	stage_close(&s);
}

static void events_of_other_kinds_are_not_for_a_command(void **state)
{
	struct stage s;
	struct err e;

	(void)state;
	stage_open(&s, SAY_VERDICTS "exit 1\n");
	assert_ok(stage_load(&s, &e));
	assert_ok(each(&s, "{\"template\":\"t\",\"fields\":{}}", offer, &e));
	assert_ok(each(&s, "{\"type\":\"other\",\"text\":\"a\"}", offer, &e));
	assert_ok(each(&s, "7", offer, &e));
	assert_ok(judge(&s, &e));       /* it is not even run */
	assert_refused(each(&s, "{\"template\":\"t\",\"fields\":{}}", match, &e), ERR_FORMAT, "for");
	stage_close(&s);
	stage_open(&s, "exit 0\n");     /* it judges no events, and says so by saying nothing */
	assert_ok(stage_load(&s, &e));
	assert_refused(each(&s, "{\"text\":\"a\"}", match, &e), ERR_FORMAT, "for");
	stage_close(&s);
}

static void more_events_than_anybody_needs_are_refused(void **state)
{
	struct stage s;
	struct err e;
	char *big = malloc((1 << 20) + 64);
	int rc = 0;

	(void)state;
	assert_non_null(big);
	memset(big, 'x', (1 << 20) + 64);
	memcpy(big, "{\"text\":\"", 9);
	strcpy(big + (1 << 20) - 100, "\"}");
	stage_open(&s, SAY_VERDICTS);
	assert_ok(stage_load(&s, &e));
	for (int i = 0; i < 64 && rc == 0; i++)
		rc = each(&s, big, offer, &e);
	assert_refused(rc, ERR_LIMIT, "more than 20000 events, or 64 MB");
	free(big);
	stage_close(&s);
}

static int parse(struct loader_answers *a, const char *text, struct err *e)
{
	return loader_answers_parse(a, text, strlen(text), e);
}

static void answers_are_read_strictly_and_chatter_is_left_alone(void **state)
{
	static const char *const bad[] = {
		"ringhold what\n", "ringhold verdict\n", "ringhold verdict 0 none\n", "ringhold verdict 4 none\n",
		"ringhold verdict 1 maybe\n", "ringhold verdict 1 none rule\n", "ringhold verdict 1 block a b\n", "ringhold verdict -1 none\n",
		"ringhold events now\n", "ringhold rules\n", "ringhold rules -3\n", "ringhold rules 3 4\n", "ringhold verdict 1 block \x01\n",
	};
	struct loader_answer of[3] = { { false } };
	struct loader_answers a = { .of = of, .count = 3 };
	char reason[400], longest[600] = "ringhold verdict 1 block ";
	struct err e;

	(void)state;
	assert_ok(parse(&a, "noise\nringhold events\r\n ringhold verdict 9 x\nringholding\nringhold rules 7\nringhold verdict 3  block Evil.B ", &e));
	assert_true(a.events);
	assert_int_equal(a.rules, 7);
	assert_false(of[0].given);
	assert_true(of[2].given);
	assert_string_equal(of[2].detection.rule, "Evil.B");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (parse(&a, bad[i], &e) != ERR_FORMAT)
			fail_msg("taken: %s", bad[i]);
	memset(longest + strlen(longest), 'r', 300);
	assert_int_equal(parse(&a, longest, &e), ERR_FORMAT);
	loader_answers_reason("a\nb  \nringhold rules 1\n\n", 22, reason, sizeof reason);
	assert_string_equal(reason, "b");
	loader_answers_reason("", 0, reason, sizeof reason);
	assert_string_equal(reason, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_is_given_the_slot_its_files_and_a_place_to_write),
		cmocka_unit_test(refusals_carry_the_engine_s_own_words),
		cmocka_unit_test(events_come_as_files_and_each_gets_the_verdict_that_was_said),
		cmocka_unit_test(an_event_without_a_verdict_is_no_pass),
		cmocka_unit_test(events_of_other_kinds_are_not_for_a_command),
		cmocka_unit_test(more_events_than_anybody_needs_are_refused),
		cmocka_unit_test(answers_are_read_strictly_and_chatter_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
