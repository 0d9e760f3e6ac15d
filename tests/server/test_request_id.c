/* test_request_id: whose word is taken for the name of a request. */
#include "tests/test.h"

#include "server/request_id.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"

static const char *id_of(const char *given, const char *trace)
{
	static char out[REQUEST_ID_MAX + 1];
	struct http_request h = { .method = HTTP_METHOD_GET };

	if (given)
		h.headers[h.header_count++] = (struct http_header){ "x-request-id", given };
	if (trace)
		h.headers[h.header_count++] = (struct http_header){ "traceparent", trace };
	request_id(out, &h);
	return out;
}

static void a_sane_id_is_kept(void **state)
{
	(void)state;
	assert_string_equal(id_of("7f3A-91_b.c", NULL), "7f3A-91_b.c");
	assert_string_equal(id_of("x", "00-" TRACE "-00f067aa0ba902b7-01"), "x");
}

static void the_trace_is_the_id_when_there_is_no_other(void **state)
{
	(void)state;
	assert_string_equal(id_of(NULL, "00-" TRACE "-00f067aa0ba902b7-01"), TRACE);
	assert_string_equal(id_of("not one", "00-" TRACE "-00f067aa0ba902b7-01"), TRACE);
}

static void anything_else_is_replaced_by_one_that_was_never_given(void **state)
{
	static const char *const odd[] = { "", " ", "a b", "a\"b", "a=b", "x\xc3\xa4",
					   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };
	static const char *const traces[] = { "00-" TRACE "-00f067aa0ba902b7", "ff-" TRACE "-00f067aa0ba902b7-01",
					      "00-00000000000000000000000000000000-00f067aa0ba902b7-01", "00-" TRACE "-00F067aa0ba902b7-01",
					      "00-" TRACE "-00f067aa0ba902b7-01-extra" };
	char last[REQUEST_ID_MAX + 1] = "";

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(odd) + ARRAY_LEN(traces); i++) {
		const char *id = i < ARRAY_LEN(odd) ? id_of(odd[i], NULL) : id_of(NULL, traces[i - ARRAY_LEN(odd)]);

		assert_int_equal(strlen(id), 32);
		assert_int_equal(strspn(id, "0123456789abcdef"), 32);
		assert_string_not_equal(id, last);
		snprintf(last, sizeof last, "%s", id);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sane_id_is_kept),
		cmocka_unit_test(the_trace_is_the_id_when_there_is_no_other),
		cmocka_unit_test(anything_else_is_replaced_by_one_that_was_never_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
