/* endpoint_drops: an assignment that leaves single rules out. */
#ifndef TESTS_AGENT_ENDPOINT_DROPS_H
#define TESTS_AGENT_ENDPOINT_DROPS_H

#include "endpoint.h"

static inline void endpoint_assign_without(struct endpoint *p, const struct published *b, const char *const *rules, size_t count, int64_t probation_s)
{
	struct assignment a = { .channel = "edr", .ring = "canary", .attempt = 1, .issued = clock_now(), .reason = "test", .probation_s = probation_s };
	struct assignment_drop drops[4] = { 0 };
	AUTO(buf) struct buf *text = buf_new(0);
	struct err e;

	memcpy(a.bundle.path, b->path, sizeof a.bundle.path);
	a.bundle.serial = b->serial;
	snprintf(a.bundle.version, sizeof a.bundle.version, "1");
	a.bundle.digest = b->digest;
	assert_true(count <= ARRAY_LEN(drops));
	for (size_t i = 0; i < count; i++) {
		snprintf(drops[i].rule, sizeof drops[i].rule, "%s", rules[i]);
		snprintf(drops[i].reason, sizeof drops[i].reason, "false positives");
	}
	a.drops = drops;
	a.drop_count = count;
	assert_ok(assignment_write(text, &a, &e));
	endpoint_put(p, "ring-canary", "rings/canary/edr.json", text, NULL);
	endpoint_publish(p);
}

#endif
