/* test_address_rule: which addresses a webhook may have. */
#include "tests/test.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "server/address_rule.h"

static struct sockaddr_storage at(const char *text)
{
	struct sockaddr_storage s = { .ss_family = AF_INET };

	if (inet_pton(AF_INET, text, &((struct sockaddr_in *)&s)->sin_addr) == 1)
		return s;
	s.ss_family = AF_INET6;
	assert_int_equal(inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)&s)->sin6_addr), 1);
	return s;
}

static bool public(const char *text)
{
	struct sockaddr_storage s = at(text);

	return address_public((struct sockaddr *)&s);
}

static void what_is_near_is_closed_in_every_spelling(void **state)
{
	static const char *const near[] = { "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1",
					    "169.254.169.254", "100.64.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fd00::1",
					    "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::7f00:1", "64:ff9b::7f00:1", "2002:7f00:1::" };
	static const char *const far[] = { "1.1.1.1", "172.15.255.255", "172.32.0.0", "100.63.255.255", "2606:4700::1111", "::ffff:8.8.8.8" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(near); i++)
		if (public(near[i]))
			fail_msg("%s is open", near[i]);
	for (size_t i = 0; i < ARRAY_LEN(far); i++)
		if (!public(far[i]))
			fail_msg("%s is closed", far[i]);
}

static void a_listed_network_is_open_and_only_there_plain_http_is(void **state)
{
	struct network lab;
	struct sockaddr_storage in = at("10.1.2.3"), in6 = at("::ffff:10.1.2.3"), out = at("10.2.0.1"), far = at("1.1.1.1");
	struct err e;

	(void)state;
	assert_ok(network_parse(&lab, "10.1.0.0/16", &e));
	assert_true(address_allowed(&lab, 1, (struct sockaddr *)&in, false));
	assert_true(address_allowed(&lab, 1, (struct sockaddr *)&in6, true));
	assert_false(address_allowed(&lab, 1, (struct sockaddr *)&out, true));
	assert_true(address_allowed(&lab, 1, (struct sockaddr *)&far, true));
	assert_false(address_allowed(&lab, 1, (struct sockaddr *)&far, false));
}

static void a_network_is_written_exactly(void **state)
{
	static const char *const bad[] = { "", "10.0.0.0/33", "10.0.0.1/8", "fd00::/129", "10.0.0.0/", "10.0.0.0/-1", "x", "10.0.0/8", "10.0.0.0/8 " };
	struct network n;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (network_parse(&n, bad[i], &e) != ERR_FORMAT)
			fail_msg("\"%s\" was taken", bad[i]);
	assert_ok(network_parse(&n, "127.0.0.1", &e));
	assert_int_equal(n.bits, 128);
	assert_ok(network_parse(&n, "fd00::/8", &e));
	assert_int_equal(n.bits, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_near_is_closed_in_every_spelling),
		cmocka_unit_test(a_listed_network_is_open_and_only_there_plain_http_is),
		cmocka_unit_test(a_network_is_written_exactly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
