#include "server/http.h"

#include "tests/test.h"

struct seen {
	int heads, head_status;
	size_t body, body_max;
	char text[256];
};

static int on_head(void *arg, const struct http_request *q)
{
	struct seen *s = arg;

	s->heads++;
	snprintf(s->text, sizeof s->text, "%s %s", http_method_name(q->method), q->path);
	return s->head_status;
}

static int on_body(void *arg, const char *bytes, size_t len)
{
	struct seen *s = arg;

	(void)bytes;
	s->body += len;
	return s->body_max && s->body > s->body_max ? 413 : 0;
}

static const struct http_hooks hooks = { on_head, on_body };

/* Feeds in pieces; answers the last step and how many requests were complete. */
static enum http_step feed(const char *text, size_t len, size_t piece, struct seen *s, struct http_refusal *no, int *complete,
			   struct http_request **last)
{
	struct http *h = http_new(&hooks, s);
	enum http_step step = HTTP_MORE;
	size_t at = 0;

	*complete = 0;
	while (at < len) {
		size_t used, n = piece < len - at ? piece : len - at;

		step = http_feed(h, text + at, n, &used, no);
		at += used;
		if (step == HTTP_REFUSED)
			break;
		if (step == HTTP_COMPLETE) {
			struct http_request *q = http_take(h);

			++*complete;
			if (last) {
				http_request_free(*last);
				*last = q;
			} else {
				http_request_free(q);
			}
		}
	}
	http_free(h);
	return step;
}

static struct http_request *one(const char *text, size_t piece)
{
	struct http_request *q = NULL;
	struct seen s = { .heads = 0 };
	struct http_refusal no = { .status = 0 };
	int complete;

	if (feed(text, strlen(text), piece, &s, &no, &complete, &q) != HTTP_COMPLETE || complete != 1)
		fail_msg("not one request (%d %s): %s", no.status, no.reason ? no.reason : "", text);
	return q;
}

static void a_request_is_the_same_however_it_is_cut(void **state)
{
	static const char text[] = "POST /v1/a%2Db?x=1&name=two%20 HTTP/1.1\r\nHost: here\r\nX-Empty:\r\nContent-Type:  text/plain \r\n"
				   "content-length: 5\r\n\r\nhello";

	(void)state;
	for (size_t piece = 1; piece <= sizeof text; piece++) {
		struct http_request *q = one(text, piece);

		assert_int_equal(q->method, HTTP_METHOD_POST);
		assert_string_equal(q->path, "/v1/a-b");
		assert_string_equal(q->query, "x=1&name=two%20");
		assert_string_equal(http_header(q, "host"), "here");
		assert_string_equal(http_header(q, "x-empty"), "");
		assert_string_equal(http_header(q, "content-type"), "text/plain");
		assert_int_equal(q->header_count, 4);
		assert_int_equal(q->content_length, 5);
		assert_true(q->keep_alive);
		http_request_free(q);
	}
}

static void pipelined_requests_come_one_at_a_time(void **state)
{
	static const char text[] = "GET /a HTTP/1.1\r\nHost: h\r\n\r\nPOST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
				   "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
				   "GET /d HTTP/1.1\r\nHost: h\r\n\r\n";

	(void)state;
	for (size_t piece = 1; piece <= sizeof text; piece++) {
		struct seen s = { .heads = 0 };
		struct http_refusal no;
		int complete;

		assert_int_equal(feed(text, sizeof text - 1, piece, &s, &no, &complete, NULL), HTTP_COMPLETE);
		assert_int_equal(complete, 4);
		assert_int_equal(s.body, 6);
		assert_string_equal(s.text, "GET /d");
	}
}

static void what_others_may_read_differently_is_refused(void **state)
{
	static const struct { const char *text; int status; } bad[] = {
		{ "GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n", 400 },                  /* folded */
		{ "GET / HTTP/1.1\r\nHost: h\r\n\tX: a\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400 },
		{ "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
		{ "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400 },
		{ "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +3\r\n\r\nabc", 400 },
		{ "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3, 3\r\n\r\nabc", 400 },
		{ "POST / HTTP/1.1\r\nHost: h\r\nContent-Length : 3\r\n\r\nabc", 400 },
		{ "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\nabc", 501 },
		{ "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 0 },
		{ "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501 },
		{ "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", 400 },
		{ "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n", 400 },
		{ "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n", 400 },
		{ "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: trailer\r\n\r\n", 400 },
		{ "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\r\n\r\n", 501 },            /* to llhttp as if it were not there */
		{ "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
		{ "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\nHost: h\n\n", 400 },
		{ "GET / HTTP/1.1\nHost: h\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: h\r\n\n", 400 },
		{ "GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400 },
		{ "GET /  HTTP/1.1\r\nHost: h\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: h\r\nX\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: h\r\n: v\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: h\r\nX: \x01\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\n\r\n", 400 },                                             /* no Host */
		{ "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400 },
		{ "GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n", 400 },
		{ "GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n", 400 },
		{ "GET /a%2fb HTTP/1.1\r\nHost: h\r\n\r\n", 400 },
		{ "GET /a%00b HTTP/1.1\r\nHost: h\r\n\r\n", 400 },
		{ "GET /a%0ab HTTP/1.1\r\nHost: h\r\n\r\n", 400 },
		{ "GET /\xc3\xa4 HTTP/1.1\r\nHost: h\r\n\r\n", 400 },
		{ "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", 501 },
		{ "CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n", 501 },
		{ "PATCH / HTTP/1.1\r\nHost: h\r\n\r\n", 501 },
		{ "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", 501 },
		{ "POST / HTTP/1.1\r\nHost: h\r\nExpect: more\r\nContent-Length: 1\r\n\r\na", 417 },
		{ "GET / HTTP/2.0\r\nHost: h\r\n\r\n", 0 },
		{ "nonsense\r\n\r\n", 400 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		for (size_t piece = 1; piece < 200; piece += 13) {
			struct seen s = { .heads = 0 };
			struct http_refusal no = { .status = 0 };
			int complete;
			enum http_step step = feed(bad[i].text, strlen(bad[i].text), piece, &s, &no, &complete, NULL);

			if (step != HTTP_REFUSED || complete != 0 || (bad[i].status && no.status != bad[i].status))
				fail_msg("pieces of %zu: step %d, status %d instead of %d: %s", piece, step, no.status, bad[i].status,
					 bad[i].text);
		}
}

static void heads_and_targets_have_limits(void **state)
{
	static char text[HTTP_HEAD_MAX + 4096];
	struct seen s = { .heads = 0 };
	struct http_refusal no;
	int complete, at;

	(void)state;
	at = snprintf(text, sizeof text, "GET /%0*d HTTP/1.1\r\nHost: h\r\n\r\n", HTTP_TARGET_MAX, 1);
	assert_int_equal(feed(text, (size_t)at, 100, &s, &no, &complete, NULL), HTTP_REFUSED);
	assert_int_equal(no.status, 414);

	at = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: h\r\nX: ");
	memset(text + at, 'a', HTTP_HEAD_MAX);
	assert_int_equal(feed(text, (size_t)at + HTTP_HEAD_MAX, 1000, &s, &no, &complete, NULL), HTTP_REFUSED);
	assert_int_equal(no.status, 431);

	at = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: h\r\n");
	for (int i = 0; i < HTTP_HEADERS_MAX; i++)
		at += snprintf(text + at, sizeof text - (size_t)at, "X-%d: y\r\n", i);
	at += snprintf(text + at, sizeof text - (size_t)at, "\r\n");
	assert_int_equal(feed(text, (size_t)at, 1000, &s, &no, &complete, NULL), HTTP_REFUSED);
	assert_int_equal(no.status, 431);
	assert_int_equal(s.heads, 0);
}

static void a_hook_refuses_before_the_body(void **state)
{
	static const char text[] = "POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc";
	struct seen s = { .head_status = 413 };
	struct http_refusal no;
	int complete;

	(void)state;
	assert_int_equal(feed(text, sizeof text - 1, 1000, &s, &no, &complete, NULL), HTTP_REFUSED);
	assert_int_equal(no.status, 413);
	assert_int_equal(s.body, 0);
	s = (struct seen){ .body_max = 2 };
	assert_int_equal(feed(text, sizeof text - 1, 1000, &s, &no, &complete, NULL), HTTP_REFUSED);
	assert_int_equal(no.status, 413);
}

static void old_clients_and_closing_clients_are_not_kept(void **state)
{
	struct http_request *q = one("GET / HTTP/1.0\r\n\r\n", 1000);

	(void)state;
	assert_false(q->keep_alive);
	http_request_free(q);
	q = one("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", 1000);
	assert_false(q->keep_alive);
	http_request_free(q);
}

static void query_parameters_are_decoded_or_refused(void **state)
{
	struct http_request *q = one("GET /?after=17&name=a%2Db&bad=%g1&long=123456789&say=a%20b%2Fc&bell=%07 HTTP/1.1\r\nHost: h\r\n\r\n", 1000);
	char out[8], said[32];

	(void)state;
	assert_true(http_query(q, "after", out, sizeof out));
	assert_string_equal(out, "17");
	assert_true(http_query(q, "name", out, sizeof out));
	assert_string_equal(out, "a-b");
	assert_true(http_query(q, "say", said, sizeof said));
	assert_string_equal(said, "a b/c");
	assert_false(http_query(q, "bell", out, sizeof out));
	assert_false(http_query(q, "bad", out, sizeof out));
	assert_false(http_query(q, "long", out, sizeof out));
	assert_false(http_query(q, "aft", out, sizeof out));
	http_request_free(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_the_same_however_it_is_cut),
		cmocka_unit_test(pipelined_requests_come_one_at_a_time),
		cmocka_unit_test(what_others_may_read_differently_is_refused),
		cmocka_unit_test(heads_and_targets_have_limits),
		cmocka_unit_test(a_hook_refuses_before_the_body),
		cmocka_unit_test(old_clients_and_closing_clients_are_not_kept),
		cmocka_unit_test(query_parameters_are_decoded_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
