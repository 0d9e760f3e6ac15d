/* test_published: our readers and the published schemas give the same answers. */
#include "rollout/approvals.h"
#include "rollout/assignment.h"
#include "rollout/checkin.h"
#include "rollout/gate_record.h"
#include "rollout/policy.h"
#include "rollout/ringmap.h"
#include "rollout/simulate.h"
#include "rollout/stops.h"
#include "published.h"

static int read_assignment(const char *text, size_t len, struct err *e)
{
	AUTO(assignment) struct assignment *a = NULL;

	return assignment_parse(&a, "assignment", text, len, e);
}

static int read_ringmap(const char *text, size_t len, struct err *e)
{
	AUTO(ringmap) struct ringmap *m = NULL;

	return ringmap_parse(&m, "ringmap", text, len, e);
}

static int read_policy(const char *text, size_t len, struct err *e)
{
	AUTO(policy) struct policy *p = NULL;

	return policy_parse(&p, "policy", text, len, e);
}

static int read_stops(const char *text, size_t len, struct err *e)
{
	AUTO(stops) struct stops *s = NULL;

	return stops_parse(&s, STOPS_STOP, "stops", text, len, e);
}

static int read_recalls(const char *text, size_t len, struct err *e)
{
	AUTO(stops) struct stops *s = NULL;

	return stops_parse(&s, STOPS_RECALL, "recalls", text, len, e);
}

static int read_approvals(const char *text, size_t len, struct err *e)
{
	AUTO(approvals) struct approvals *a = NULL;

	return approvals_parse(&a, "approvals", text, len, e);
}

static int read_floor(const char *text, size_t len, struct err *e)
{
	uint64_t serial;

	return floor_parse(&serial, "edr", "floor", text, len, e);
}

static int read_checkin(const char *text, size_t len, struct err *e)
{
	AUTO(checkin) struct checkin *c = NULL;

	return checkin_parse(&c, text, len, NULL, NULL, e);
}

static int read_answer(const char *text, size_t len, struct err *e)
{
	struct checkin_answer a;

	return checkin_answer_parse(&a, text, len, e);
}

static int read_gate_record(const char *text, size_t len, struct err *e)
{
	AUTO(gate_record) struct gate_record *r = NULL;

	return gate_record_parse(&r, "gate record", text, len, e);
}

static int read_trace(const char *text, size_t len, struct err *e)
{
	static const char *const names[] = { "canary", "early", "broad" };
	AUTO(policy) struct policy *p = NULL;
	struct simulate_trace t;

	if (policy_default(&p, "edr", names, ARRAY_LEN(names), e) < 0 || simulate_trace_parse(&t, p, "trace", text, len, e) < 0)
		return e->code;
	simulate_trace_release(&t);
	return 0;
}

#define READER(name, reader)                                  \
	static void the_reader_of_##reader##_agrees(void **state) \
	{                                                     \
		(void)state;                                  \
		published_hold(name, "", read_##reader);      \
	}

READER("assignment", assignment)
READER("ringmap", ringmap)
READER("policy", policy)
READER("stops", stops)
READER("recalls", recalls)
READER("approvals", approvals)
READER("floor", floor)
READER("checkin", checkin)
READER("checkin-answer", answer)
READER("gate-record", gate_record)
READER("trace", trace)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_reader_of_assignment_agrees),
		cmocka_unit_test(the_reader_of_ringmap_agrees),
		cmocka_unit_test(the_reader_of_policy_agrees),
		cmocka_unit_test(the_reader_of_stops_agrees),
		cmocka_unit_test(the_reader_of_recalls_agrees),
		cmocka_unit_test(the_reader_of_approvals_agrees),
		cmocka_unit_test(the_reader_of_floor_agrees),
		cmocka_unit_test(the_reader_of_checkin_agrees),
		cmocka_unit_test(the_reader_of_answer_agrees),
		cmocka_unit_test(the_reader_of_gate_record_agrees),
		cmocka_unit_test(the_reader_of_trace_agrees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
