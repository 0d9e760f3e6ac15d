/*
 * test_forwarded: whom a proxy speaks for is taken from its own word alone: what
 * a client writes before it is nothing, and limits hold for each client behind
 * a real haproxy.
 */
#include "server/forwarded.h"

#include "plane.h"
#include "proxy.h"

/* ---- the list ---- */

static const char *client(const char *header, const char *peer, const char *const *lines)
{
	static char out[FORWARDED_ADDRESS_MAX];
	static char *const proxies[] = { (char *)"192.0.2.1", (char *)"10.0.0.0/8", (char *)"2001:db8:1::/64", NULL };
	struct http_request q = { .header_count = 0 };

	for (; *lines; lines++)
		q.headers[q.header_count++] = (struct http_header){ header[0] ? header : "x-forwarded-for", *lines };
	forwarded_client(out, &q, header, proxies, peer);
	return out;
}

#define CLIENT(header, peer, ...) client(header, peer, (const char *const[]){ __VA_ARGS__, NULL })
#define XFF "x-forwarded-for"

static void only_a_proxy_that_is_trusted_speaks_for_others(void **state)
{
	(void)state;
	assert_string_equal(CLIENT(XFF, "203.0.113.9", "198.51.100.1"), "203.0.113.9");
	assert_string_equal(CLIENT(XFF, "192.0.2.1", "198.51.100.1"), "198.51.100.1");
	assert_string_equal(CLIENT(XFF, "::ffff:192.0.2.1", "198.51.100.1"), "198.51.100.1");
	/* nobody said which header counts */
	assert_string_equal(CLIENT("", "192.0.2.1", "198.51.100.1"), "192.0.2.1");
	assert_string_equal(CLIENT(XFF, "192.0.2.1", ""), "192.0.2.1");
}

static void what_a_client_wrote_before_the_proxy_is_nothing(void **state)
{
	(void)state;
	assert_string_equal(CLIENT(XFF, "192.0.2.1", "1.1.1.1, 2.2.2.2, 198.51.100.1"), "198.51.100.1");
	assert_string_equal(CLIENT(XFF, "192.0.2.1", "1.1.1.1", "198.51.100.1"), "198.51.100.1");
	assert_string_equal(CLIENT(XFF, "192.0.2.1", "10.0.0.7, 198.51.100.1"), "198.51.100.1");
	/* a quote that is never closed */
	assert_string_equal(CLIENT("forwarded", "192.0.2.1", "for=\"1.1.1.1, for=198.51.100.1"), "198.51.100.1");
	/* a comma at the end is an element too: it names nobody */
	assert_string_equal(CLIENT(XFF, "192.0.2.1", "198.51.100.1,"), "192.0.2.1");
}

static void a_chain_of_trusted_proxies_is_followed_to_its_beginning(void **state)
{
	(void)state;
	assert_string_equal(CLIENT(XFF, "192.0.2.1", "1.1.1.1, 198.51.100.1, 10.1.2.3,10.9.9.9"), "198.51.100.1");
	assert_string_equal(CLIENT(XFF, "192.0.2.1", "198.51.100.1", "10.1.2.3", "10.9.9.9"), "198.51.100.1");
	assert_string_equal(CLIENT(XFF, "192.0.2.1", "10.1.2.3, 10.9.9.9"), "10.1.2.3");
	assert_string_equal(CLIENT(XFF, "192.0.2.1", "198.51.100.1, unknown, 10.9.9.9"), "10.9.9.9");
}

static void every_way_to_write_an_address_is_one_address(void **state)
{
	static const struct { const char *header, *value, *is; } rows[] = {
		{ XFF, "198.51.100.1:4711", "198.51.100.1" },
		{ XFF, "2001:db8::1", "2001:db8::1" },
		{ XFF, "2001:DB8:0:0::1", "2001:db8::1" },
		{ XFF, "[2001:db8::1]", "2001:db8::1" },
		{ XFF, "[2001:db8::1]:4711", "2001:db8::1" },
		{ "forwarded", "for=198.51.100.1", "198.51.100.1" },
		{ "forwarded", "proto=https;by=10.0.0.1; For=\"198.51.100.1:80\"", "198.51.100.1" },
		{ "forwarded", "for=\"[2001:db8::1]:4711\";proto=http", "2001:db8::1" },
		{ "forwarded", "for=_hidden, for=\"_SEVKISEK\"", "192.0.2.1" },
		{ "forwarded", "proto=https", "192.0.2.1" },
		{ "forwarded", "198.51.100.1", "192.0.2.1" },
		{ XFF, "[2001:db8::1", "192.0.2.1" }, { XFF, "[2001:db8::1]x", "192.0.2.1" }, { XFF, "198.51.100", "192.0.2.1" },
		{ XFF, "198.51.100.1 198.51.100.2", "192.0.2.1" }, { XFF, "for=198.51.100.1", "192.0.2.1" },
		{ XFF, "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0001", "192.0.2.1" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(CLIENT(rows[i].header, "192.0.2.1", rows[i].value), rows[i].is) != 0)
			fail_msg("%s: %s is %s", rows[i].header, rows[i].value, CLIENT(rows[i].header, "192.0.2.1", rows[i].value));
}

/* ---- behind a proxy ---- */

struct place {
	struct plane *plane;
	struct proxy proxy;
};

static int setup(void **state)
{
	struct place *x = calloc(1, sizeof *x);

	*state = x;
	x->plane = calloc(1, sizeof *x->plane);
	x->plane->o = office_open("tls = no\ntrusted-proxy = 127.0.0.1\nclient-address-header = X-Forwarded-For\nbad-tokens = 3\nlock-out = 1h\n"
				  "address-rate = 100000\naddress-burst = 100000\n");
	return 0;
}

static int teardown(void **state)
{
	struct place *x = *state;

	proxy_stop(&x->proxy);
	plane_close(x->plane);
	free(x);
	return 0;
}

/* The status that a bad token hears; from one of 127.0.0.0/8, all of which are this machine's. */
static int show_bad_token(const struct sockaddr_in *to, const char *from, const char *claims)
{
	struct sockaddr_in me = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), status = 0;
	char text[400];
	ssize_t got;

	assert_int_equal(inet_pton(AF_INET, from, &me.sin_addr), 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&me, sizeof me), 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)to, sizeof *to), 0);
	snprintf(text, sizeof text, "GET /v1/self HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer rho_nobody\r\nX-Forwarded-For: %s\r\nConnection: close\r\n\r\n",
		 claims);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	got = read(fd, text, sizeof text - 1);
	assert_true(got > 12);
	text[got] = '\0';
	assert_int_equal(sscanf(text, "HTTP/1.1 %d", &status), 1);
	close(fd);
	return status;
}

static struct sockaddr_in server_at(const struct office *o)
{
	AUTO_FREE char *listening = fixture_path(o->f, "data/listening");
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	AUTO(buf) struct buf *where = NULL;
	struct err e;

	assert_ok(file_read(&where, listening, 100, &e));
	at.sin_port = htons((uint16_t)atoi(strrchr(where->data, ':') + 1));
	return at;
}

static void who_is_locked_out_behind_a_proxy_locks_out_nobody_else(void **state)
{
	struct place *x = *state;
	struct sockaddr_in server;
	int status = 401;

	NEED(x->plane->o);
	NEED_PROXY();
	proxy_start(&x->proxy, x->plane->o, "", "  option forwardfor\n");
	server = server_at(x->plane->o);
	/* another name each time helps as little as that of the proxy */
	for (int i = 0; i < 10 && status == 401; i++) {
		char claims[40];

		snprintf(claims, sizeof claims, "10.0.0.%d, 127.0.0.1", i);
		status = show_bad_token(&x->proxy.at, "127.0.0.2", claims);
	}
	assert_int_equal(status, 429);
	assert_int_equal(show_bad_token(&x->proxy.at, "127.0.0.3", "127.0.0.2"), 401);
	/* and who is no proxy speaks for itself */
	assert_int_equal(show_bad_token(&server, "127.0.0.2", "127.0.0.4"), 429);
	assert_int_equal(show_bad_token(&server, "127.0.0.5", "127.0.0.2"), 401);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_a_proxy_that_is_trusted_speaks_for_others),
		cmocka_unit_test(what_a_client_wrote_before_the_proxy_is_nothing),
		cmocka_unit_test(a_chain_of_trusted_proxies_is_followed_to_its_beginning),
		cmocka_unit_test(every_way_to_write_an_address_is_one_address),
		cmocka_unit_test_setup_teardown(who_is_locked_out_behind_a_proxy_locks_out_nobody_else, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
