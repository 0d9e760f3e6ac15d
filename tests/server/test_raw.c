/* test_raw: bytes that are no request, requests in a row, files in ranges, silent connections, and configurations that are wrong. */
#include "daemon.h"

static int setup_plain(void **state)
{
	prepare(state, "tls = no\nhead-timeout = 1s\nbody-timeout = 1s\nidle-timeout = 2s\nupload-max = 1M\nconnections = 8\n", false);
	return 0;
}

static int dial(const struct world *w)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval limit = { .tv_sec = 10 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	at.sin_port = htons((uint16_t)atoi(strchr(w->address, ':') + 1));
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	return fd;
}

/* Sends, then reads until the server closes. */
static size_t exchange(const struct world *w, const char *bytes, size_t len, char *out, size_t cap)
{
	int fd = dial(w);
	size_t at = 0;
	ssize_t n = 0;

	for (size_t sent = 0; sent < len; sent += (size_t)n) {
		n = send(fd, bytes + sent, len - sent, MSG_NOSIGNAL);
		if (n <= 0)
			break;
	}
	while (at + 1 < cap && (n = recv(fd, out + at, cap - 1 - at, 0)) > 0)
		at += (size_t)n;
	assert_true(n <= 0 ? n == 0 || errno == ECONNRESET : true);
	out[at] = '\0';
	close(fd);
	return at;
}

static void what_is_no_request_gets_a_problem_and_the_door(void **state)
{
	static const struct { const char *text; int status; } bad[] = {
		{ "hello\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: h\r\n a\r\n\r\n", 400 },
		{ "GET /nowhere HTTP/1.1\r\nHost: h\r\n\r\n", 404 },
		{ "DELETE /healthz HTTP/1.1\r\nHost: h\r\n\r\n", 405 },
		{ "PATCH /healthz HTTP/1.1\r\nHost: h\r\n\r\n", 501 },
		{ "POST /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
		{ "POST /v1/bundles HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n", 401 },
		{ "POST /v1/bundles HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer " FIXTURE_TOKEN "\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n", 413 },
		{ "POST /v1/bundles HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer " FIXTURE_TOKEN "\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\n", 415 },
		{ "PUT /v1/uploads/x HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer " FIXTURE_TOKEN "\r\nContent-Length: 2000000\r\n\r\n", 413 },
		{ "PUT /v1/uploads/x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n", 401 },
		{ "GET /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nabcde", 413 },
		/* whoever says nothing more is closed in time, without an answer */
		{ "GET / HTTP/1.1\r\nHost: h\r\nX: ", 0 },
		{ "", 0 },
	};
	struct world *w = *state;
	static char out[65536];

	NEED_PROGRAM(w);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		int status = 0;

		exchange(w, bad[i].text, strlen(bad[i].text), out, sizeof out);
		(void)!sscanf(out, "HTTP/1.1 %d", &status);
		if (status != bad[i].status || (status && !strstr(out, "application/problem+json")))
			fail_msg("status %d instead of %d for: %s\n%s", status, bad[i].status, bad[i].text, out);
	}
	/* a head without end */
	memset(out, 'a', 40000);
	memcpy(out, "GET / HTTP/1.1\r\nX: ", 19);
	{
		static char long_head[40000];

		memcpy(long_head, out, sizeof long_head);
		exchange(w, long_head, sizeof long_head, out, sizeof out);
	}
	assert_true(strncmp(out, "HTTP/1.1 431", 12) == 0 || out[0] == '\0');
	exchange(w, "GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", 53, out, sizeof out);
	assert_non_null(strstr(out, "200 OK"));
}

static void pipelined_and_mixed_requests_are_answered_in_order(void **state)
{
	struct world *w = *state;
	static char request[8192], out[1 << 20];
	char *file = NULL;
	int len;

	NEED_PROGRAM(w);
	/* a file, an upload, a file on one connection: nothing of one gets into the other */
	assert_true(asprintf(&file, "/content/metadata/timestamp.json") > 0);
	len = snprintf(request, sizeof request,
		       "GET %s HTTP/1.1\r\nHost: h\r\n\r\n"
		       "PUT /v1/uploads/2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824 HTTP/1.1\r\nHost: h\r\n"
		       "Authorization: Bearer " FIXTURE_TOKEN "\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
		       "HEAD %s HTTP/1.1\r\nHost: h\r\n\r\n"
		       "GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", file, file);
	exchange(w, request, (size_t)len, out, sizeof out);
	assert_non_null(strstr(out, "201 Created"));
	assert_true(strstr(out, "timestamp") < strstr(out, "201 Created"));
	assert_non_null(strstr(out, "{\"sha256\":\"2cf24dba"));
	assert_non_null(strstr(strstr(out, "201 Created"), "{\"status\":\"ok\"}"));
	assert_string_equal(out + strlen(out) - 15, "{\"status\":\"ok\"}");
	free(file);
}

static void files_come_whole_in_ranges_or_not_at_all(void **state)
{
	static const struct { const char *range; int status; const char *says; } ranges[] = {
		{ "bytes=0-3", 206, "Content-Range: bytes 0-3/" },
		{ "bytes=5-", 206, "Content-Range: bytes 5-" },
		{ "bytes=-4", 206, "Content-Length: 4\r\n" },
		{ "bytes=0-99999999", 206, "Content-Range: bytes 0-" },
		{ "bytes=99999999-", 416, "Content-Range: bytes */" },
		{ "bytes=-0", 416, "Content-Range: bytes */" },
		{ "bytes=3-1", 200, "" }, { "bytes=0-1,3-4", 200, "" }, { "lines=1-2", 200, "" }, { "bytes=x-", 200, "" },
		{ "bytes=99999999999999999999-", 200, "" },
	};
	static const char *const nothing[] = {
		"/content/metadata/../../operator-tokens", "/content/metadata/..", "/content/metadata/.", "/content/metadata/",
		"/content/metadata/%2e%2e", "/content/targets/../metadata/timestamp.json", "/content/targets/fleet", "/content/targets/fleet/",
		"/content/targets//fleet/map", "/content/targets/.hidden", "/content/targets/link", "/content/targets/dirlink/timestamp.json",
		"/content/metadata/99.root.json",
	};
	struct world *w = *state;
	static char request[1024], out[65536];
	AUTO_FREE char *link = NULL, *dirlink = NULL;

	NEED_PROGRAM(w);
	link = fixture_path(w->f, "data/repository/targets/link");
	dirlink = fixture_path(w->f, "data/repository/targets/dirlink");
	assert_int_equal(symlink("../metadata/timestamp.json", link), 0);
	assert_int_equal(symlink("../metadata", dirlink), 0);
	for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
		int status = 0, len = snprintf(request, sizeof request,
			"GET /content/metadata/timestamp.json HTTP/1.1\r\nHost: h\r\nRange: %s\r\nConnection: close\r\n\r\n", ranges[i].range);

		exchange(w, request, (size_t)len, out, sizeof out);
		(void)!sscanf(out, "HTTP/1.1 %d", &status);
		if (status != ranges[i].status || !strstr(out, ranges[i].says))
			fail_msg("%s: %s", ranges[i].range, out);
		assert_null(strstr(out, "Content-Encoding"));
	}
	assert_non_null(strstr(out, "Cache-Control: no-cache\r\n"));
	for (size_t i = 0; i < ARRAY_LEN(nothing); i++) {
		int status = 0, len = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", nothing[i]);

		exchange(w, request, (size_t)len, out, sizeof out);
		(void)!sscanf(out, "HTTP/1.1 %d", &status);
		if (status != 404 || !strstr(out, "Cache-Control: no-store"))
			fail_msg("%s: %s", nothing[i], out);
	}
	exchange(w, "GET /content/metadata/1.root.json HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", 75, out, sizeof out);
	assert_non_null(strstr(out, "immutable"));
}

static void silent_connections_make_room(void **state)
{
	struct world *w = *state;
	int64_t until;
	int fds[16];
	char out[4096];

	NEED_PROGRAM(w);
	/* twice as many as it takes: those beyond are closed, the others run out of time, and the server answers again */
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = dial(w);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		(void)!recv(fds[i], out, sizeof out, 0);
		close(fds[i]);
	}
	/* the last of them may still be counted for a moment */
	until = clock_work_ms() + LIMIT_MS;
	do {
		exchange(w, "GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", 53, out, sizeof out);
	} while (!strstr(out, "200 OK") && clock_work_ms() < until && poll(NULL, 0, 20) == 0);
	assert_non_null(strstr(out, "200 OK"));
	end(w, SIGTERM);
}

/* ---- configuration ---- */

static void check_config(struct world *w, const char *text, int status, const char *says)
{
	AUTO_FREE char *path = fixture_path(w->f, "check.ini");
	char *argv[] = { (char *)"ringholdd", (char *)"check-config", (char *)"--config", path, NULL };
	struct proc_run r = { .path = w->program, .argv = argv, .stdin_fd = -1, .timeout_ms = LIMIT_MS, .output_max = 4096 };
	struct proc_result got;
	struct err e;

	fixture_write(w->f, "check.ini", text);
	assert_ok(proc_run(&r, &got, &e));
	if (got.exit_status != status || !strstr(got.output->data ? got.output->data : "", says))
		fail_msg("status %d, \"%s\" for: %s", got.exit_status, got.output->data, text);
	proc_result_release(&got);
}

static void a_bad_configuration_is_named_with_its_line(void **state)
{
	struct world *w = *state;

	NEED_PROGRAM(w);
	check_config(w, "data = /var/lib/x\n", 0, "correct");
	check_config(w, "data = /var/lib/x\nlisten = 0.0.0.0:1\ntls = no\n", 2, "loopback");
	check_config(w, "data = /var/lib/x\nlisten = localhost:1\n", 2, "no IP address");
	check_config(w, "data = /var/lib/x\nlisten = 127.0.0.1:70000\n", 2, "listen");
	check_config(w, "data = /var/lib/x\ncolour = red\n", 2, "check.ini:2");
	check_config(w, "data = x\n", 2, "absolute");
	check_config(w, "listen = 127.0.0.1:1\n", 2, "data");
	check_config(w, "data = /x\ntls-key = /x\n", 2, "together");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_no_request_gets_a_problem_and_the_door, setup_plain, teardown),
		cmocka_unit_test_setup_teardown(pipelined_and_mixed_requests_are_answered_in_order, setup_plain, teardown),
		cmocka_unit_test_setup_teardown(files_come_whole_in_ranges_or_not_at_all, setup_plain, teardown),
		cmocka_unit_test_setup_teardown(silent_connections_make_room, setup_plain, teardown),
		cmocka_unit_test_setup_teardown(a_bad_configuration_is_named_with_its_line, setup_plain, teardown),
	};

	signal(SIGPIPE, SIG_IGN);
	log_init("test", LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
