/*
 * test_openapi_errors: what a request can be refused with before anybody looks
 * at what it asks for, which server/openapi.yaml tells of as the default answer
 * of every operation: a problem document, of a type that it names.
 */
#include "operations.h"

#include <openssl/ssl.h>
#include <sys/resource.h>

struct sent {
	const char *method, *path, *type, *header;
	const char *body;
	size_t body_len;        /* 0: the length of the text */
};

static struct answer send_it(struct place *x, const struct sent *s)
{
	const char *const headers[] = { s->header, NULL };
	AUTO_FREE char *url = NULL;
	struct fetch_answer got = { 0 };
	struct answer a = { 0 };
	struct err e;

	assert_true(asprintf(&url, "%s%s", x->plane->url, s->path) > 0);
	assert_ok(fetch_do(x->plane->http,
			   &(const struct fetch_request){ .method = s->method, .url = url, .bearer = ADMIN, .type = s->type, .body = s->body,
							  .headers = s->header ? headers : NULL, .max = 1 << 20,
							  .body_len = s->body ? s->body_len ? s->body_len : strlen(s->body) : 0 },
			   &got, &e));
	a.status = got.status;
	a.retry_after = got.retry_after;
	snprintf(a.type, sizeof a.type, "%s", got.type);
	a.text = got.body;
	got.body = NULL;
	fetch_answer_release(&got);
	if (json_parse(&a.doc, s->path, a.text->data ? a.text->data : "", a.text->len, NULL, &e) < 0)
		a.doc = NULL;
	return a;
}

/* As the file says of every refusal that no operation lists. */
static void expect_told(struct place *x, const struct answer *a, const char *what, long status, const char *slug)
{
	const struct json *problem = spec_at(x->spec.doc->root, "components", "responses", "problem");
	const struct json *schema = spec_at(problem, "content", "application/problem+json", "schema");

	assert_non_null(schema);
	if (a->status != status || strcmp(a->type, "application/problem+json") != 0 || !a->doc)
		fail_msg("%s: expected %ld, got %ld %s %s", what, status, a->status, a->type, a->text->data);
	expect_problem(a, status, slug);
	spec_fits(&x->spec, schema, a->doc, what);
}

static void refused(struct place *x, const struct sent *s, long status, const char *slug)
{
	AUTO_REPLY a = send_it(x, s);

	expect_told(x, &a, s->path, status, slug);
}

/* A text of so many letters. The caller frees. */
static char *letters(const char *begin, size_t count)
{
	size_t len = strlen(begin);
	char *out = malloc(len + count + 1);

	memcpy(out, begin, len);
	memset(out + len, 'a', count);
	out[len + count] = '\0';
	return out;
}

static void what_fits_no_operation_is_a_problem_that_the_file_tells_of(void **state)
{
	struct place *x = *state;
	AUTO_FREE char *address = letters("/v1/", HTTP_TARGET_MAX), *header = letters("X-More: ", 70000), *body = letters("", 70000);

	NEED_SPEC(&x->spec);
	NEED(x->plane->o);
	refused(x, &(const struct sent){ .method = "GET", .path = "/v1/nothing" }, 404, "not-found");
	refused(x, &(const struct sent){ .method = "PUT", .path = "/v1/bundles", .body = "{}" }, 405, "method-not-allowed");
	refused(x, &(const struct sent){ .method = "POST", .path = "/v1/tokens", .body = body }, 413, "too-large");
	refused(x, &(const struct sent){ .method = "GET", .path = address }, 414, "address-too-long");
	refused(x, &(const struct sent){ .method = "POST", .path = "/v1/tokens", .type = "text/plain", .body = "{}" }, 415, "wrong-type");
	refused(x, &(const struct sent){ .method = "POST", .path = "/v1/tokens", .header = "Expect: a-miracle", .body = "{}" }, 417, "expectation");
	refused(x, &(const struct sent){ .method = "GET", .path = "/v1/self", .header = header }, 431, "headers-too-large");
	refused(x, &(const struct sent){ .method = "PATCH", .path = "/v1/self" }, 501, "not-implemented");
}

/* ---- what no client of HTTP would send ---- */

/* Bytes to the server through TLS, and its answer until it closes. */
static struct answer say(struct place *x, const char *bytes)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	BIO *b = BIO_new_ssl_connect(ctx);
	struct answer a = { .text = buf_new(1 << 16) };
	const char *body, *type;
	char piece[4096];
	struct err e;
	int got;

	BIO_set_conn_hostname(b, x->plane->url + strlen("https://"));
	assert_int_equal(BIO_write(b, bytes, (int)strlen(bytes)), (int)strlen(bytes));
	while ((got = BIO_read(b, piece, sizeof piece)) > 0)
		buf_add(a.text, piece, (size_t)got);
	BIO_free_all(b);
	SSL_CTX_free(ctx);
	assert_ok(buf_check(a.text, &e));
	body = a.text->len ? strstr(a.text->data, "\r\n\r\n") : NULL;
	type = a.text->len ? strcasestr(a.text->data, "\r\nContent-Type: ") : NULL;
	if (!body || !type || sscanf(a.text->data, "HTTP/1.1 %ld ", &a.status) != 1)
		fail_msg("no answer: %s", a.text->len ? a.text->data : "");
	snprintf(a.type, sizeof a.type, "%.*s", (int)strcspn(type + 16, "\r"), type + 16);
	if (json_parse(&a.doc, "the answer", body + 4, strlen(body + 4), NULL, &e) < 0)
		a.doc = NULL;
	return a;
}

static void what_is_no_request_of_this_http_is_a_problem_that_the_file_tells_of(void **state)
{
	static const struct { const char *bytes; long status; const char *slug; } bad[] = {
		{ "GET /v1/self HTTP/2.0\r\nHost: h\r\n\r\n", 505, "http-version" },
		{ "GET /v1/self HTTP/1.1\r\n\r\n", 400, "malformed" },
		{ "GET /v1/self HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n", 400, "malformed" },
		{ "BREW /v1/self HTTP/1.1\r\nHost: h\r\n\r\n", 400, "malformed" },
	};
	struct place *x = *state;

	NEED_SPEC(&x->spec);
	NEED(x->plane->o);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		AUTO_REPLY a = say(x, bad[i].bytes);

		expect_told(x, &a, bad[i].bytes, bad[i].status, bad[i].slug);
	}
}

/* Something lies where its own file should go. */
static void what_fails_in_the_server_is_a_problem_that_the_file_tells_of(void **state)
{
	static const char hello[] = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
	struct place *x = *state;
	char path[100], there[120];

	NEED_SPEC(&x->spec);
	NEED(x->plane->o);
	snprintf(path, sizeof path, "/v1/uploads/%s", hello);
	snprintf(there, sizeof there, "data/uploads/%s", hello);
	AUTO_FREE char *dir = fixture_path(x->plane->o->f, there);
	assert_int_equal(mkdir(dir, 0700), 0);
	refused(x, &(const struct sent){ .method = "PUT", .path = path, .type = "application/octet-stream", .body = "hello" }, 500, "internal");
	assert_int_equal(rmdir(dir), 0);
}

/* The store can keep nothing: whatever is asked for, the file tells of the answer. */
static void a_server_that_can_write_nothing_says_so_as_the_file_tells(void **state)
{
	struct place *x = *state;
	const struct sent token = { .method = "POST", .path = "/v1/tokens", .body = "{\"name\":\"x\",\"roles\":[\"viewer\"]}" };
	struct rlimit was, none;

	NEED_SPEC(&x->spec);
	NEED(x->plane->o);
	assert_int_equal(prlimit(x->plane->o->pid, RLIMIT_FSIZE, NULL, &was), 0);
	none = (struct rlimit){ 0, was.rlim_max };
	assert_int_equal(prlimit(x->plane->o->pid, RLIMIT_FSIZE, &none, NULL), 0);
	AUTO_REPLY a = send_it(x, &token);
	assert_int_equal(prlimit(x->plane->o->pid, RLIMIT_FSIZE, &was, NULL), 0);
	assert_true(a.status >= 500);
	expect_told(x, &a, "POST /v1/tokens", a.status, strrchr(member(&a, "type"), ':') + 1);
}

static int open_with(void **state, const char *more)
{
	struct place *x = calloc(1, sizeof *x);

	*state = x;
	spec_open(&x->spec);
	x->plane = plane_open(more);
	return 0;
}

static int setup_slow(void **state)
{
	return open_with(state, "token-rate = 1\ntoken-burst = 3\n");
}

static int setup_strict(void **state)
{
	return open_with(state, "bad-tokens = 3\n");
}

static void until_429(struct place *x, const char *token, const char *slug)
{
	for (int i = 0; i < 50; i++) {
		AUTO_REPLY a = ask(x->plane, token, "GET", "/v1/self", NULL);

		if (a.status != 429)
			continue;
		assert_true(a.retry_after > 0);
		expect_told(x, &a, "/v1/self", 429, slug);
		return;
	}
	fail_msg("fifty requests, and none was too many");
}

static void who_asks_too_often_is_told_as_the_file_tells(void **state)
{
	struct place *x = *state;

	NEED_SPEC(&x->spec);
	NEED(x->plane->o);
	until_429(x, ADMIN, "too-many-requests");
}

static void who_is_locked_out_is_told_as_the_file_tells(void **state)
{
	struct place *x = *state;

	NEED_SPEC(&x->spec);
	NEED(x->plane->o);
	until_429(x, "rho_nobody", "locked-out");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_fits_no_operation_is_a_problem_that_the_file_tells_of, place_open, place_close),
		cmocka_unit_test_setup_teardown(what_is_no_request_of_this_http_is_a_problem_that_the_file_tells_of, place_open, place_close),
		cmocka_unit_test_setup_teardown(what_fails_in_the_server_is_a_problem_that_the_file_tells_of, place_open, place_close),
		cmocka_unit_test_setup_teardown(a_server_that_can_write_nothing_says_so_as_the_file_tells, place_open, place_close),
		cmocka_unit_test_setup_teardown(who_asks_too_often_is_told_as_the_file_tells, setup_slow, place_close),
		cmocka_unit_test_setup_teardown(who_is_locked_out_is_told_as_the_file_tells, setup_strict, place_close),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
