/* activate_host: a host on 109 whose ring is assigned 110, for the tests of the activation rule. */
#ifndef TESTS_ROLLOUT_ACTIVATE_HOST_H
#define TESTS_ROLLOUT_ACTIVATE_HOST_H

#include "rollout/activate.h"
#include "tests/test.h"

#define NOW 2000000
#define D(c) ((struct digest){ { c, c } })

/* With nothing against it. */
struct host {
	struct assignment a;
	struct activate_target vendor;
	struct digest stopped[4], recalled[4], urgent[4];
	struct activate_facts f;
	struct activate_decision d;
};

static inline void host_init(struct host *h)
{
	*h = (struct host){
		.a = { .channel = "edr", .ring = "early", .attempt = 1,
		       .bundle = { .path = "bundles/edr/110.tar.gz", .serial = 110, .version = "v", .digest = D(110) },
		       .previous = { .path = "bundles/edr/109.tar.gz", .serial = 109, .version = "v", .digest = D(109) },
		       .permit_required = true },
		.vendor = { .path = "bundles/edr/110.tar.gz", .serial = 110, .digest = D(110) },
	};
	h->f = (struct activate_facts){
		.now = NOW, .channel = "edr", .ring = "early", .ring_position = 1, .content_at = NOW - 60, .rings_at = NOW - 60,
		.assignment = &h->a, .vendor = &h->vendor,
		.stopped = { h->stopped, 0 }, .recalled = { h->recalled, 0 }, .urgent = { h->urgent, 0 },
		.slots = { [SLOT_BASELINE] = { D(100), 100 }, [SLOT_PREVIOUS] = { D(108), 108 }, [SLOT_CURRENT] = { D(109), 109 } },
		.running = SLOT_CURRENT, .high_water = 109, .min_age_s = -1, .first_seen = NOW - 7200,
	};
}

static inline const char *decide(struct host *h)
{
	activate_decide(&h->d, &h->f);
	assert_true(h->d.sentence[0] != '\0');
	for (int i = 0; i < ACTIVATE_CLAUSES; i++)
		assert_true(h->d.clauses[i].sentence[0] != '\0');
	return h->d.reason;
}

static inline void stop(struct host *h, unsigned char c)
{
	h->stopped[h->f.stopped.count++] = D(c);
}

static inline void recall(struct host *h, unsigned char c)
{
	h->recalled[h->f.recalled.count++] = D(c);
}

static inline void expect_slot(struct host *h, enum activate_action action, enum activate_slot slot, const char *reason)
{
	const char *got = decide(h);

	if (h->d.action != action || h->d.slot != slot || strcmp(got, reason) != 0)
		fail_msg("%s %s (%s) instead of %s %s (%s): %s", activate_action_name(h->d.action), activate_slot_name(h->d.slot), got,
			 activate_action_name(action), activate_slot_name(slot), reason, h->d.sentence);
	if (slot != SLOT_NONE)
		assert_true(digest_equal(&h->d.digest, &h->f.slots[slot].digest));
}

static inline void expect_keep(struct host *h, const char *reason)
{
	expect_slot(h, ACTIVATE_KEEP, SLOT_NONE, reason);
}

#endif
