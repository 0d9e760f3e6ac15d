/* test_published: the reader of signing requests agrees with the schema we publish. */
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

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(the_reader_of_signing_requests_agrees) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
