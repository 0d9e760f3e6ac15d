#include "server/route.h"

#include "tests/test.h"

static void one(struct request *q) { (void)q; }
static void two(struct request *q) { (void)q; }
static void three(struct request *q) { (void)q; }
static void four(struct request *q) { (void)q; }

static const struct route table[] = {
	{ HTTP_METHOD_GET, "/v1/things", MAY(VIEWER), SCOPE_NONE, BODY_NONE, 0, one, 0 },
	{ HTTP_METHOD_GET, "/v1/things/{id}", MAY(VIEWER), SCOPE_NONE, BODY_NONE, 0, two, 0 },
	{ HTTP_METHOD_POST, "/v1/things/{id}/{move}", MAY(OPERATOR), SCOPE_NONE, BODY_JSON, 10, three, 0 },
	{ HTTP_METHOD_GET, "/files/{path*}", MAY_ANYBODY, SCOPE_NONE, BODY_NONE, 0, four, 0 },
};

static enum route_found find(enum http_method m, const char *path, const struct route **r, const char *params[ROUTE_PARAMS])
{
	static char text[HTTP_TARGET_MAX + 2];

	*r = NULL;
	return route_find(r, table, ARRAY_LEN(table), m, path, params, text);
}

static void a_path_finds_its_handler_and_parameters(void **state)
{
	const char *params[ROUTE_PARAMS];
	const struct route *r;

	(void)state;
	assert_int_equal(find(HTTP_METHOD_GET, "/v1/things", &r, params), ROUTE_FOUND);
	assert_ptr_equal(r->run, one);
	assert_int_equal(find(HTTP_METHOD_GET, "/v1/things/42", &r, params), ROUTE_FOUND);
	assert_ptr_equal(r->run, two);
	assert_string_equal(params[0], "42");
	assert_int_equal(find(HTTP_METHOD_POST, "/v1/things/42/halt", &r, params), ROUTE_FOUND);
	assert_ptr_equal(r->run, three);
	assert_string_equal(params[0], "42");
	assert_string_equal(params[1], "halt");
	assert_int_equal(find(HTTP_METHOD_GET, "/files/a/b/c.json", &r, params), ROUTE_FOUND);
	assert_string_equal(params[0], "a/b/c.json");
}

static void a_head_is_answered_by_the_get(void **state)
{
	const char *params[ROUTE_PARAMS];
	const struct route *r;

	(void)state;
	assert_int_equal(find(HTTP_METHOD_HEAD, "/v1/things", &r, params), ROUTE_FOUND);
	assert_ptr_equal(r->run, one);
}

static void near_misses_are_not_found(void **state)
{
	static const char *const paths[] = { "/", "/v1", "/v1/", "/v1/thing", "/v1/thingss", "/v1/things/", "/v1/things//halt",
					     "/v1/things/42/", "/v1/things/42/halt/x", "/files", "/files/", "//v1/things" };
	const char *params[ROUTE_PARAMS];
	const struct route *r;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		if (find(HTTP_METHOD_GET, paths[i], &r, params) == ROUTE_FOUND)
			fail_msg("%s was found", paths[i]);
}

static void another_method_is_told_apart_from_another_path(void **state)
{
	const char *params[ROUTE_PARAMS];
	const struct route *r;

	(void)state;
	assert_int_equal(find(HTTP_METHOD_POST, "/v1/things", &r, params), ROUTE_NO_METHOD);
	assert_int_equal(find(HTTP_METHOD_GET, "/v1/things/42/halt", &r, params), ROUTE_NO_METHOD);
	assert_int_equal(find(HTTP_METHOD_POST, "/v1/other", &r, params), ROUTE_NO_PATH);
}

/* A signature proves itself: who may only read may bring it. A simulation is a question with a body. */
static bool viewers_may_post(const char *pattern)
{
	return strcmp(pattern, "/v1/signing-requests/{id}/signatures") == 0 || strcmp(pattern, "/v1/rings/simulate") == 0;
}

static void everything_that_changes_something_needs_a_token(void **state)
{
	const unsigned planes = MAY_ANYBODY | MAY_ENROL | MAY_DEVICE, viewers = MAY(VIEWER) | MAY(AUDITOR);

	(void)state;
	for (size_t i = 0; i < route_count; i++) {
		const struct route *r = &routes[i];
		bool operators = strncmp(r->pattern, "/v1/", 4) == 0, reads = r->method == HTTP_METHOD_GET;

		if (r->may == MAY_ANYBODY && (!reads || r->body != BODY_NONE))
			fail_msg("%s is open", r->pattern);
		if (operators && ((r->may & planes) || !(r->may & MAY(ADMIN))))
			fail_msg("%s is not the operators' own, or no admin's", r->pattern);
		if (!viewers_may_post(r->pattern) && operators && !reads && (r->may & viewers))
			fail_msg("a viewer may change %s", r->pattern);
		if (strncmp(r->pattern, "/device/", 8) == 0 && r->may != MAY_DEVICE && r->may != MAY_ENROL)
			fail_msg("%s is not the devices' own", r->pattern);
	}
}

static void every_row_of_operators_says_how_its_channel_is_known(void **state)
{
	(void)state;
	for (size_t i = 0; i < route_count; i++) {
		const struct route *r = &routes[i];
		bool named = strstr(r->pattern, "/{channel}") != NULL;

		if (r->scope == SCOPE_UNSAID)
			fail_msg("%s says nothing of channels", r->pattern);
		if (named != (r->scope == SCOPE_PATH))
			fail_msg("%s: a channel in the address and the scope do not agree", r->pattern);
		if (r->scope == SCOPE_LEAVES_OUT && r->method != HTTP_METHOD_GET)
			fail_msg("%s changes something and leaves out what is not seen", r->pattern);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_path_finds_its_handler_and_parameters),
		cmocka_unit_test(a_head_is_answered_by_the_get),
		cmocka_unit_test(near_misses_are_not_found),
		cmocka_unit_test(another_method_is_told_apart_from_another_path),
		cmocka_unit_test(everything_that_changes_something_needs_a_token),
		cmocka_unit_test(every_row_of_operators_says_how_its_channel_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
