/* canary_job: small bundles of rules, and a try of one, for the tests of the canary. */
#ifndef TESTS_CONTENT_CANARY_JOB_H
#define TESTS_CONTENT_CANARY_JOB_H

#include "content/canary.h"
#include "content_tree.h"

#define RULES                                                                                                \
	"{\"format\":1,\"templates\":[{\"name\":\"t\",\"fields\":[{\"name\":\"image\",\"type\":\"path\"}," \
	"{\"name\":\"n\",\"type\":\"integer\"}]}],\"instances\":[{\"id\":\"nc\",\"template\":\"t\",\"verdict\":\"alert\",\"match\":{\"image\":{\"suffix\":\"/nc\"}}}," \
	"{\"id\":\"sh\",\"template\":\"t\",\"verdict\":\"block\",\"match\":{\"image\":{\"suffix\":\"/zsh\"}," \
	"\"n\":{\"equals\":1}}}]}"
#define GOOD_TEST "{\"event\":{\"template\":\"t\",\"fields\":{\"image\":\"/bin/nc\"}},\"expect\":{\"verdict\":\"alert\",\"rule\":\"nc\"}}\n"
#define BAD_TEST "{\"event\":{\"template\":\"t\",\"fields\":{\"image\":\"/bin/x\"}},\"expect\":{\"verdict\":\"alert\",\"rule\":\"nc\"}}\n"
#define CONTRACT(ceilings)                                                                                 \
	"{\"format\":1,\"sensor\":\"s\",\"version\":\"1\",\"accepts\":{\"rules\":{\"versions\":[1],"       \
	"\"templates\":{\"t\":{\"fields\":[{\"name\":\"image\",\"type\":\"path\"},"       \
	"{\"name\":\"n\",\"type\":\"integer\"}]}}},\"blob\":{\"versions\":[1]}}," \
	"\"ceilings\":{" ceilings "},\"protected\":[\"/bin/zsh\"]}"

__attribute__((unused)) static const struct content_file good[] = { { "r.json", "rules", RULES }, { "t.ndjson", "selftest", GOOD_TEST GOOD_TEST }, { 0 } };

static inline void run_job(struct canary_job *job, const struct content_tree *t, struct canary_result *out)
{
	struct err e = { 0 };

	job->slot = t->path;
	if (!job->wall_ms)
		job->wall_ms = 20000;
	assert_ok(canary_run(job, out, &e));
}

static inline void expect_result(const struct canary_result *r, enum canary_outcome outcome, const char *reason, const char *words)
{
	if (r->outcome != outcome || strcmp(r->reason, reason) != 0 || !strstr(r->sentence, words))
		fail_msg("%s, reason \"%s\", signal %d: %s", canary_outcome_name(r->outcome), r->reason, r->signal, r->sentence);
}

#endif
