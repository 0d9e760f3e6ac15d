/* test_published: the readers of signing requests and of audit checkpoints agree with the schemas we publish. */
#include "signing/audit_checkpoint.h"
#include "signing/sigreq.h"
#include "published.h"

static int read_request(const char *text, size_t len, struct err *e)
{
	AUTO(sigreq) struct sigreq *q = NULL;

	return sigreq_parse(&q, "request", text, len, e);
}

static void the_reader_of_signing_requests_agrees(void **state)
{
	(void)state;
	published_hold("signing-request", "", read_request);
}

static int read_checkpoint(const char *text, size_t len, struct err *e)
{
	struct audit_checkpoint c;

	if (audit_checkpoint_parse(&c, "checkpoint", text, len, e) < 0)
		return e->code;
	audit_checkpoint_release(&c);
	return 0;
}

static void the_reader_of_audit_checkpoints_agrees(void **state)
{
	(void)state;
	published_hold("audit-checkpoint", "", read_checkpoint);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_reader_of_signing_requests_agrees),
		cmocka_unit_test(the_reader_of_audit_checkpoints_agrees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
