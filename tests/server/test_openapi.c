/*
 * test_openapi: server/openapi.yaml and the server's routes have the same
 * operations and let the same roles in, it names every problem, passes a
 * linter, and asks for a token where the server does. That each operation
 * answers as it says is for test_openapi_fleet, test_openapi_content and
 * test_openapi_rollouts.
 */
#include "operations.h"

#include "server/problem.h"
#include "server/route.h"

/* An address that fits, for a request that is refused before anybody looks at it. */
static void fill_in(char *out, size_t cap, const char *path)
{
	size_t len = 0;

	for (const char *p = path; *p && len + 2 < cap;) {
		if (*p != '{') {
			out[len++] = *p++;
			continue;
		}
		out[len++] = '1';
		p = strchr(p, '}') + 1;
	}
	out[len] = '\0';
}

/* Without a token, with a bad one, and with one of another plane: by the file's own word on security. */
static void call_unauthenticated(struct place *x)
{
	const struct json *paths = json_get(x->spec.doc->root, "paths");

	for (uint32_t i = 0; i < paths->count; i++) {
		const char *path = paths->u.members[i].key.text;

		for (size_t m = 0; m < ARRAY_LEN(spec_methods); m++) {
			const struct json *op = json_get(&paths->u.members[i].value, spec_methods[m]);
			const struct json *security = op ? json_get(op, "security") : NULL;
			char address[200];

			if (!op || (security && security->count == 0))
				continue;
			fill_in(address, sizeof address, path);
			does(x, spec_shouted[m], path, NULL, address, NULL, NULL, 401, "unauthenticated");
			if (!security)
				does(x, spec_shouted[m], path, x->device, address, NULL, NULL, 401, "unauthenticated");
		}
	}
}

/* Does the operation tell of this parameter? */
static bool takes(const struct place *x, const struct json *op, const char *parameter)
{
	const struct json *all = json_get(op, "parameters");

	for (uint32_t i = 0; all && i < all->count; i++) {
		const struct json *name = json_get(spec_follow(&x->spec, &all->u.items[i]), "name");

		if (name && json_is(name, parameter))
			return true;
	}
	return false;
}

/* Is an answer of this route kept for who asks again with the same key? */
static bool repeats(const struct route *r)
{
	return r->method != HTTP_METHOD_GET && r->body != BODY_FILE && strncmp(r->pattern, "/v1/", 4) == 0;
}

static void the_file_and_the_routes_have_the_same_operations(void **state)
{
	struct place *x = *state;
	const struct json *paths;
	size_t operations = 0;

	NEED_SPEC(&x->spec);
	paths = json_get(x->spec.doc->root, "paths");
	for (size_t r = 0; r < route_count; r++) {
		const struct json *op = NULL;

		for (uint32_t i = 0; i < paths->count && !op; i++)
			if (spec_same_path(routes[r].pattern, paths->u.members[i].key.text))
				op = spec_operation(&x->spec, http_method_name(routes[r].method), paths->u.members[i].key.text);
		if (!op)
			fail_msg("%s %s is not in " SPEC_FILE, http_method_name(routes[r].method), routes[r].pattern);
		/* and what it says of trying and of repeating is so */
		if ((routes[r].flags & ROUTE_DRY) && !takes(x, op, "dry_run"))
			fail_msg("%s says nothing of dry_run", routes[r].pattern);
		if (repeats(&routes[r]) != takes(x, op, "Idempotency-Key"))
			fail_msg("%s %s: what it says of Idempotency-Key is not so", http_method_name(routes[r].method), routes[r].pattern);
	}
	for (uint32_t i = 0; i < paths->count; i++)
		for (size_t m = 0; m < ARRAY_LEN(spec_methods); m++)
			operations += json_get(&paths->u.members[i].value, spec_methods[m]) != NULL;
	assert_int_equal(operations, route_count);
}

/* The roles of a list of their names; MAY_ANYBODY instead of a name that is none. */
static unsigned roles_of(const struct json *names)
{
	unsigned may = 0;

	for (uint32_t i = 0; i < names->count; i++) {
		enum role role;

		may |= names->u.items[i].type == JSON_STRING && role_parse(&role, names->u.items[i].u.text) ? 1u << role : MAY_ANYBODY;
	}
	return may;
}

/* Who may what is written down twice, for people and for the server: giving somebody more takes both. */
static void the_file_and_the_routes_let_the_same_roles_in(void **state)
{
	struct place *x = *state;
	const struct json *paths;
	size_t held = 0;

	NEED_SPEC(&x->spec);
	paths = json_get(x->spec.doc->root, "paths");
	for (size_t r = 0; r < route_count; r++)
		for (uint32_t i = 0; i < paths->count; i++) {
			const char *method = http_method_name(routes[r].method), *path = paths->u.members[i].key.text;
			const struct json *op = spec_same_path(routes[r].pattern, path) ? spec_operation(&x->spec, method, path) : NULL;
			const struct json *names = op ? json_get(op, "x-roles") : NULL;
			bool by_role = !(routes[r].may & (MAY_ANYBODY | MAY_ENROL | MAY_DEVICE));

			if (!op)
				continue;
			if (by_role != (names != NULL))
				fail_msg("%s %s: roles are %s", method, path, by_role ? "lacking in " SPEC_FILE : "not what lets anybody in");
			if (names && roles_of(names) != routes[r].may)
				fail_msg("%s %s: x-roles in " SPEC_FILE " and the server let others in", method, path);
			held += names != NULL;
		}
	assert_true(held > 0);
}

static void the_file_names_every_problem_and_no_other(void **state)
{
	struct place *x = *state;
	const struct json *names;

	NEED_SPEC(&x->spec);
	names = json_get(spec_at(spec_at(x->spec.doc->root, "components", "schemas", "problem"), "properties", "type", NULL), "enum");
	assert_non_null(names);
	assert_int_equal(names->count, PROBLEMS);
	for (int p = 0; p < PROBLEMS; p++) {
		char type[100];
		bool there = false;

		snprintf(type, sizeof type, PROBLEM_URN "%s", problem_types[p].slug);
		for (uint32_t i = 0; i < names->count; i++)
			there = there || json_is(&names->u.items[i], type);
		if (!there)
			fail_msg("%s is not in " SPEC_FILE, type);
	}
}

static void the_file_passes_the_linter(void **state)
{
	const char *node = test_other_program("node");
	char *argv[] = { (char *)"node", (char *)"tests/peers/node_modules/@redocly/cli/bin/cli.js", (char *)"lint", (char *)"--config",
			 (char *)"tests/peers/redocly.yaml", (char *)SPEC_FILE, NULL };
	char *env[] = { (char *)"PATH=/usr/bin:/bin", (char *)"REDOCLY_TELEMETRY=off", (char *)"REDOCLY_SUPPRESS_UPDATE_NOTICE=true", (char *)"NO_COLOR=1", NULL };
	struct proc_run run = { .path = node, .argv = argv, .env = env, .stdin_fd = -1, .timeout_ms = 120000, .output_max = 1 << 20 };
	struct proc_result r;
	struct err e;

	(void)state;
	if (!node || access(argv[1], R_OK) < 0)
		skip_missing_program("node with @redocly/cli");
	assert_ok(proc_run(&run, &r, &e));
	if (r.exit_status != 0)
		fail_msg("%s", r.output->data);
	proc_result_release(&r);
}

static void every_operation_asks_for_a_token_of_its_own_plane(void **state)
{
	struct place *x = *state;

	NEED_SPEC(&x->spec);
	NEED(x->plane->o);
	enrol_device(x, "{}");
	call_unauthenticated(x);
}

/* Else an operation with a new tag would be called by nobody. */
static void every_tag_of_the_file_has_a_test_that_calls_its_operations(void **state)
{
	static const char *const tags[] = { OPERATIONS_OF_FLEET, OPERATIONS_OF_CONTENT, OPERATIONS_OF_ROLLOUTS, NULL };
	struct place *x = *state;
	const struct json *paths;

	NEED_SPEC(&x->spec);
	paths = json_get(x->spec.doc->root, "paths");
	for (uint32_t i = 0; i < paths->count; i++)
		for (size_t m = 0; m < ARRAY_LEN(spec_methods); m++) {
			const struct json *op = json_get(&paths->u.members[i].value, spec_methods[m]);

			if (op && !has_tag(op, tags))
				fail_msg("%s %s has a tag that no test is about", spec_shouted[m], paths->u.members[i].key.text);
		}
}

static int read_only(void **state)
{
	struct place *x = calloc(1, sizeof *x);

	*state = x;
	spec_open(&x->spec);
	return 0;
}

static int read_close(void **state)
{
	struct place *x = *state;

	spec_close(&x->spec);
	free(x);
	return 0;
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, read_only, read_close)
	const struct CMUnitTest tests[] = {
		T(the_file_and_the_routes_have_the_same_operations),
		T(the_file_and_the_routes_let_the_same_roles_in),
		T(the_file_names_every_problem_and_no_other),
		T(every_tag_of_the_file_has_a_test_that_calls_its_operations),
		cmocka_unit_test_setup_teardown(every_operation_asks_for_a_token_of_its_own_plane, place_open, place_close),
		cmocka_unit_test(the_file_passes_the_linter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
