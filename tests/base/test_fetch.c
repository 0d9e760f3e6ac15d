/* fetch: bounded requests, against a small server of our own. */
#include "tests/test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fetch.h"
#include "base/file.h"

#define TEXT "0123456789"
#define OPENSSL "/usr/bin/openssl"

static int port;
static pid_t server;

/* ---- the server: one answer per path, one connection at a time ---- */

static void say(int to, const char *text)
{
	size_t len = strlen(text);

	while (len) {
		ssize_t n = write(to, text, len);

		if (n <= 0)
			return;
		text += n;
		len -= (size_t)n;
	}
}

static void say_for_ever(int to, const char *head, const char *more)
{
	say(to, head);
	while (write(to, more, strlen(more)) > 0)
		;
}

static void serve_range(int to, const char *request, bool honest)
{
	const char *range = strstr(request, "\r\nRange: bytes=");
	int from = range ? atoi(range + strlen("\r\nRange: bytes=")) : 0;
	char head[200];

	if (!range) {
		say(to, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n" TEXT);
	} else if (from >= 10) {
		say(to, "HTTP/1.1 416 No\r\nContent-Length: 3\r\n\r\nno\n");
	} else {
		snprintf(head, sizeof head,
			 "HTTP/1.1 206 Part\r\nContent-Range: bytes %d-9/10\r\n"
			 "Content-Length: %d\r\n\r\n%s", honest ? from : 0, 10 - from, &TEXT[from]);
		say(to, head);
	}
}

static void serve_echo(int to, const char *request)
{
	char head[100];

	snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n",
		 strlen(request));
	say(to, head);
	say(to, request);
}

static const struct {
	const char *path, *answer;
} fixed[] = {
	{ "/ok", "HTTP/1.1 200 OK\r\nETag: \"abc\"\r\nContent-Length: 5\r\n\r\nhello" },
	{ "/same", "HTTP/1.1 304 Same\r\nETag: \"abc\"\r\n\r\n" },
	{ "/none", "HTTP/1.1 404 None\r\nContent-Length: 4\r\n\r\nnone" },
	{ "/busy", "HTTP/1.1 503 Busy\r\nRetry-After:  120 \r\nContent-Length: 0\r\n\r\n" },
	{ "/past", "HTTP/1.1 503 Busy\r\nRetry-After: Fri, 19 Jul 2024 04:09:00 GMT\r\n"
		   "Content-Length: 0\r\n\r\n" },
	{ "/moved", "HTTP/1.1 302 Moved\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n" },
	{ "/interim", "HTTP/1.1 103 Hints\r\nETag: \"no\"\r\nRetry-After: 9\r\n\r\n"
		      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx" },
	{ "/short", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" TEXT },
	{ "/plain", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n" TEXT },
	{ "/empty", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" },
	{ "/garbage", "SSH-2.0-OpenSSH\r\n\r\n" },
};

static void answer(int to, const char *request)
{
	char path[64] = "";

	sscanf(request, "%*s %63s", path);
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
		if (!strcmp(path, fixed[i].path))
			say(to, fixed[i].answer);
	if (!strcmp(path, "/echo"))
		serve_echo(to, request);
	else if (!strcmp(path, "/range"))
		serve_range(to, request, true);
	else if (!strcmp(path, "/liar"))
		serve_range(to, request, false);
	else if (!strcmp(path, "/endless"))
		say_for_ever(to, "HTTP/1.1 200 OK\r\n\r\n", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	else if (!strcmp(path, "/endless-error"))
		say_for_ever(to, "HTTP/1.1 500 No\r\n\r\n", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	else if (!strcmp(path, "/headers"))
		say_for_ever(to, "HTTP/1.1 200 OK\r\n", "X-More: and more and more and more\r\n");
	else if (!strcmp(path, "/stall"))
		(void)!read(to, path, 1);
}

/* Reads to the end of the head, and of the body when a length is given. */
static void serve_connection(int fd)
{
	char request[16384];
	size_t len = 0;

	for (;;) {
		ssize_t n = read(fd, request + len, sizeof request - 1 - len);
		const char *end, *length;

		if (n <= 0)
			return;
		len += (size_t)n;
		request[len] = '\0';
		end = strstr(request, "\r\n\r\n");
		length = strstr(request, "\r\nContent-Length: ");
		if (end && strlen(end + 4) >= (length ? strtoul(length + 18, NULL, 10) : 0))
			break;
	}
	answer(fd, request);
}

static int listen_on_any(int *chosen)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 16) < 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) < 0)
		return -1;
	*chosen = ntohs(at.sin_port);
	return fd;
}

static int start_server(void)
{
	int fd = listen_on_any(&port);

	if (fd < 0)
		return -1;
	server = fork();
	if (server == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGPIPE, SIG_IGN);
		for (;;) {
			int client = accept(fd, NULL, NULL);

			serve_connection(client);
			close(client);
		}
	}
	close(fd);
	return 0;
}

/* ---- the tests ---- */

static struct fetch *fetcher(const struct fetch_settings *s)
{
	static const struct fetch_settings none;
	struct fetch *f;
	struct err e;

	assert_ok(fetch_new(&f, s ? s : &none, &e));
	return f;
}

static const char *url(const char *path)
{
	static char text[128];

	snprintf(text, sizeof text, "http://127.0.0.1:%d%s", port, path);
	return text;
}

static int get(const char *path, size_t max, struct fetch_answer *out, struct err *e)
{
	AUTO(fetch) struct fetch *f = fetcher(NULL);
	const struct fetch_request r = { .method = "GET", .url = url(path), .max = max };

	return fetch_do(f, &r, out, e);
}

static void any_status_is_an_answer(void **state)
{
	static const struct {
		const char *path, *body, *etag;
		long status;
		int64_t retry_after;
	} rows[] = {
		{ "/ok", "hello", "\"abc\"", 200, -1 }, { "/same", "", "\"abc\"", 304, -1 },
		{ "/none", "none", "", 404, -1 },	{ "/busy", "", "", 503, 120 },
		{ "/past", "", "", 503, 0 },		{ "/moved", "", "", 302, -1 },
		{ "/interim", "x", "", 200, -1 },
	};
	struct fetch_answer a;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_ok(get(rows[i].path, 5, &a, &e));
		assert_int_equal(a.status, rows[i].status);
		assert_string_equal(a.body->data, rows[i].body);
		assert_string_equal(a.etag, rows[i].etag);
		assert_int_equal(a.retry_after, rows[i].retry_after);
		assert_int_equal(a.not_modified, rows[i].status == 304);
		fetch_answer_release(&a);
	}
}

static void a_request_carries_what_it_was_given_and_nothing_more(void **state)
{
	static const char *const headers[] = { "X-One: 1", NULL };
	AUTO(fetch) struct fetch *f = fetcher(&(struct fetch_settings){ .agent = "tester/1" });
	struct fetch_request r = { .method = "POST", .url = url("/echo"), .bearer = "t0ken",
				   .headers = headers, .body = "{}", .body_len = 2, .max = 4096 };
	struct fetch_answer a;
	struct err e;

	(void)state;
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	assert_ok(fetch_do(f, &r, &a, &e));
	assert_memory_equal(a.body->data, "POST /echo HTTP/1.1\r\n", 21);
	assert_non_null(strstr(a.body->data, "\r\nAuthorization: Bearer t0ken\r\n"));
	assert_non_null(strstr(a.body->data, "\r\nContent-Type: application/json\r\n"));
	assert_non_null(strstr(a.body->data, "\r\nX-One: 1\r\n"));
	assert_non_null(strstr(a.body->data, "\r\nUser-Agent: tester/1\r\n"));
	assert_non_null(strstr(a.body->data, "\r\n\r\n{}"));
	assert_null(strstr(a.body->data, "Accept-Encoding"));
	assert_null(strstr(a.body->data, "Expect"));
	fetch_answer_release(&a);
	r = (struct fetch_request){ .method = "DELETE", .url = url("/echo"), .max = 4096 };
	assert_ok(fetch_do(f, &r, &a, &e));
	assert_memory_equal(a.body->data, "DELETE /echo", 12);
	assert_null(strstr(a.body->data, "t0ken"));
	fetch_answer_release(&a);
	unsetenv("http_proxy");
}

static void a_line_break_cannot_be_smuggled_into_a_header(void **state)
{
	static const char *const headers[] = { "X: 1\r\nY: 2", NULL };
	AUTO(fetch) struct fetch *f = fetcher(NULL);
	struct fetch_request r = { .method = "GET", .url = url("/echo"), .bearer = "a\r\nb: c" };
	struct fetch_answer a;
	struct err e;

	(void)state;
	assert_refused(fetch_do(f, &r, &a, &e), ERR_USAGE, "control character");
	r.bearer = NULL;
	r.headers = headers;
	assert_refused(fetch_do(f, &r, &a, &e), ERR_USAGE, "control character");
	r.headers = NULL;
	r.url = "http://127.0.0.1/\r\n";
	assert_refused(fetch_do(f, &r, &a, &e), ERR_USAGE, "control character");
	r.url = "gopher://127.0.0.1/";
	assert_refused(fetch_do(f, &r, &a, &e), ERR_USAGE, "gopher");
}

static void bodies_and_headers_are_capped(void **state)
{
	struct fetch_answer a;
	struct err e;

	(void)state;
	assert_refused(get("/ok", 4, &a, &e), ERR_LIMIT, "/ok: body of more than 4 bytes");
	assert_refused(get("/ok", 0, &a, &e), ERR_LIMIT, "more than 0 bytes");
	assert_refused(get("/endless", 100000, &a, &e), ERR_LIMIT, "more than 100000 bytes");
	assert_refused(get("/headers", 10, &a, &e), ERR_LIMIT, "headers of more than");
}

static bool never(const void *arg, const struct sockaddr *to, bool tls)
{
	*(bool *)(uintptr_t)arg |= to->sa_family == AF_INET && !tls &&
				  ((const struct sockaddr_in *)(const void *)to)->sin_addr.s_addr == htonl(INADDR_LOOPBACK);
	return false;
}

static void an_address_may_be_refused_right_before_the_connection(void **state)
{
	bool asked = false;
	const struct fetch_settings s = { .may_connect = never, .may_arg = &asked, .may_why = "not this one" };
	AUTO(fetch) struct fetch *f = NULL;
	struct fetch_answer a;
	char url[80];
	struct err e;

	(void)state;
	snprintf(url, sizeof url, "http://localhost:%d/ok", port);
	assert_ok(fetch_new(&f, &s, &e));
	assert_refused(fetch_do(f, &(const struct fetch_request){ .method = "GET", .url = url, .max = 100 }, &a, &e), ERR_REFUSED, "not this one");
	assert_true(asked);
}

static void a_body_that_nobody_wants_is_not_waited_for(void **state)
{
	const struct fetch_settings s = { .agent = "test" };
	AUTO(fetch) struct fetch *f = NULL;
	struct fetch_request r = { .method = "GET", .max = 1000, .status_only = true };
	struct fetch_answer a;
	char url[80];
	struct err e;

	(void)state;
	assert_ok(fetch_new(&f, &s, &e));
	snprintf(url, sizeof url, "http://127.0.0.1:%d/endless", port);
	r.url = url;
	assert_ok(fetch_do(f, &r, &a, &e));
	assert_int_equal(a.status, 200);
	assert_int_equal(a.body->len, 0);
	fetch_answer_release(&a);
}

static void a_broken_or_silent_server_is_told(void **state)
{
	AUTO(fetch) struct fetch *f = fetcher(&(struct fetch_settings){ .total_ms = 150 });
	const struct fetch_request stall = { .method = "GET", .url = url("/stall"), .max = 1 };
	struct fetch_answer a;
	struct err e;

	(void)state;
	assert_refused(fetch_do(f, &stall, &a, &e), ERR_TIMEOUT, "/stall");
	assert_int_equal(get("/short", 1000, &a, &e), ERR_NET);
	assert_int_equal(get("/garbage", 1000, &a, &e), ERR_NET);
}

static void a_sentence_never_holds_the_query(void **state)
{
	struct fetch_answer a;
	struct err e;

	(void)state;
	assert_int_equal(get("/short?signature=s3cret", 1, &a, &e), ERR_NET);
	assert_null(strstr(e.msg, "s3cret"));
}

/* ---- downloads ---- */

static char held_path[] = "/tmp/test_fetch.XXXXXX";

static int download(const char *path, const char *before, uint64_t max, char *after, struct err *e)
{
	AUTO(fetch) struct fetch *f = fetcher(NULL);
	AUTO_FD int fd = open(held_path, O_RDWR | O_TRUNC | O_CREAT, 0600);
	const char *whole = strchr(path, ':') ? path : url(path);
	ssize_t n;
	int status;

	assert_int_equal(write(fd, before, strlen(before)), strlen(before));
	status = fetch_to_fd(f, whole, NULL, fd, strlen(before), max, e);
	n = pread(fd, after, 99, 0);
	after[n < 0 ? 0 : n] = '\0';
	return status;
}

static void a_download_resumes_where_it_stopped(void **state)
{
	char after[100];
	struct err e;

	(void)state;
	assert_int_equal(download("/range", "", 10, after, &e), 200);
	assert_string_equal(after, TEXT);
	assert_int_equal(download("/range", "abcd", 10, after, &e), 206);
	assert_string_equal(after, "abcd456789");
}

static void a_server_that_sends_all_makes_it_begin_anew(void **state)
{
	char after[100];
	struct err e;

	(void)state;
	assert_int_equal(download("/plain", "abcd", 10, after, &e), 200);
	assert_string_equal(after, TEXT);
	assert_int_equal(download("/empty", "abcd", 10, after, &e), 200);
	assert_string_equal(after, "");
}

static void a_range_that_was_not_asked_for_is_refused(void **state)
{
	char after[100];
	struct err e;

	(void)state;
	assert_refused(download("/liar", "abcd", 10, after, &e), ERR_NET, "bytes from 0 on");
	assert_string_equal(after, "abcd");
}

static void an_error_page_never_reaches_the_file(void **state)
{
	char after[100];
	struct err e;

	(void)state;
	assert_int_equal(download("/none", "abcd", 10, after, &e), 404);
	assert_string_equal(after, "abcd");
	assert_int_equal(download("/range", TEXT, 10, after, &e), 416);
	assert_string_equal(after, TEXT);
	assert_refused(download("/endless-error", "abcd", 10, after, &e), ERR_LIMIT, "status 500");
	assert_string_equal(after, "abcd");
}

static void a_download_stays_below_its_limit_and_keeps_what_came(void **state)
{
	char after[100];
	struct err e;

	(void)state;
	assert_refused(download("/range", "", 9, after, &e), ERR_LIMIT, "more than 9 bytes");
	assert_refused(download("/endless", "", 90, after, &e), ERR_LIMIT, "more than 90 bytes");
	assert_int_equal(download("/short", "", 1000, after, &e), ERR_NET);
	assert_string_equal(after, TEXT);
}

static void files_are_fetched_like_pages(void **state)
{
	AUTO(fetch) struct fetch *f = fetcher(NULL);
	char source[] = "/tmp/test_fetch_file.XXXXXX", address[100], after[100];
	AUTO_FD int fd = mkstemp(source);
	struct fetch_request r = { .method = "GET", .url = address, .max = 10 };
	struct fetch_answer a;
	struct err e;

	(void)state;
	assert_int_equal(write(fd, TEXT, 10), 10);
	snprintf(address, sizeof address, "file://%s", source);
	assert_ok(fetch_do(f, &r, &a, &e));
	assert_int_equal(a.status, 200);
	assert_string_equal(a.body->data, TEXT);
	fetch_answer_release(&a);
	assert_int_equal(download(address, "abcd", 10, after, &e), 206);
	assert_string_equal(after, "abcd456789");
	r.max = 9;
	assert_int_equal(fetch_do(f, &r, &a, &e), ERR_LIMIT);
	unlink(source);
	assert_ok(fetch_do(f, &r, &a, &e));
	assert_int_equal(a.status, 404);
	fetch_answer_release(&a);
	assert_int_equal(download(address, "abcd", 10, after, &e), 404);
	assert_string_equal(after, "abcd");
}

/* ---- TLS: a pin replaces the CA store ---- */

static bool tls_start(int *tls_port, pid_t *pid, char *dir, char *pin, size_t cap)
{
	char line[512], answer_line[200] = "";
	FILE *from;

	snprintf(line, sizeof line,
		 "cd %s && " OPENSSL " req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
		 " -subj /CN=other -keyout k.pem -out c.pem 2>/dev/null &&"
		 " " OPENSSL " pkey -in k.pem -pubout -outform der | " OPENSSL " dgst -sha256 -binary |"
		 " " OPENSSL " base64", dir);
	from = popen(line, "r");
	if (!from || !fgets(answer_line, sizeof answer_line, from) || pclose(from) != 0)
		return false;
	answer_line[strcspn(answer_line, "\n")] = '\0';
	snprintf(pin, cap, "sha256//%.80s", answer_line);
	/* exec: so that the process we end is the server itself. */
	snprintf(line, sizeof line,
		 "cd %s && echo $$ && exec " OPENSSL " s_server -accept 127.0.0.1:0 -key k.pem"
		 " -cert c.pem -www 2>/dev/null", dir);
	from = popen(line, "r");
	if (!from || !fgets(answer_line, sizeof answer_line, from))
		return false;
	*pid = atoi(answer_line);
	while (fgets(answer_line, sizeof answer_line, from))
		if (sscanf(answer_line, "ACCEPT 127.0.0.1:%d", tls_port) == 1)
			return true;    /* the stream stays open: the server writes to it */
	return false;
}

static void a_pinned_key_alone_counts(void **state)
{
	char dir[] = "/tmp/test_fetch_tls.XXXXXX", pin[100], address[100];
	struct fetch_settings s = { .pin = pin };
	struct fetch_request r = { .method = "GET", .url = address, .max = 100000 };
	struct fetch_answer a;
	struct err e;
	int tls_port = 0;
	pid_t pid = 0;

	(void)state;
	if (access(OPENSSL, X_OK) < 0)
		skip_named("there is no " OPENSSL);
	assert_non_null(mkdtemp(dir));
	if (!tls_start(&tls_port, &pid, dir, pin, sizeof pin))
		skip_named("openssl s_server does not start here");
	snprintf(address, sizeof address, "https://127.0.0.1:%d/", tls_port);

	AUTO(fetch) struct fetch *pinned = fetcher(&s);
	AUTO(fetch) struct fetch *unpinned = fetcher(NULL);

	assert_ok(fetch_do(pinned, &r, &a, &e));
	assert_int_equal(a.status, 200);
	fetch_answer_release(&a);
	assert_int_equal(fetch_do(unpinned, &r, &a, &e), ERR_NET);
	pin[10] = pin[10] == 'A' ? 'B' : 'A';

	AUTO(fetch) struct fetch *wrong = fetcher(&s);

	assert_int_equal(fetch_do(wrong, &r, &a, &e), ERR_NET);
	r.url = url("/ok");
	assert_refused(fetch_do(pinned, &r, &a, &e), ERR_USAGE, "not https");
	kill(pid, SIGKILL);
	assert_ok(file_remove_tree(dir, &e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_status_is_an_answer),
		cmocka_unit_test(a_request_carries_what_it_was_given_and_nothing_more),
		cmocka_unit_test(a_line_break_cannot_be_smuggled_into_a_header),
		cmocka_unit_test(bodies_and_headers_are_capped),
		cmocka_unit_test(an_address_may_be_refused_right_before_the_connection),
		cmocka_unit_test(a_body_that_nobody_wants_is_not_waited_for),
		cmocka_unit_test(a_broken_or_silent_server_is_told),
		cmocka_unit_test(a_sentence_never_holds_the_query),
		cmocka_unit_test(a_download_resumes_where_it_stopped),
		cmocka_unit_test(a_server_that_sends_all_makes_it_begin_anew),
		cmocka_unit_test(a_range_that_was_not_asked_for_is_refused),
		cmocka_unit_test(an_error_page_never_reaches_the_file),
		cmocka_unit_test(a_download_stays_below_its_limit_and_keeps_what_came),
		cmocka_unit_test(files_are_fetched_like_pages),
		cmocka_unit_test(a_pinned_key_alone_counts),
	};
	int fd, failed;

	if (start_server() < 0)
		return 1;
	fd = mkstemp(held_path);
	close(fd);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(held_path);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	return failed;
}
