/* test_floor_change: a floor is all that a vendor's role may change without its bundles being checked. */
#include "server/floor_change.h"

#include "signing/author.h"
#include "tests/test.h"

#define ROLE "content-edr"
#define FLOOR "bundles/edr/floor.json"
#define SEVEN "bundles/edr/7.tar.gz"
#define EIGHT "bundles/edr/8.tar.gz"

static struct err e;

static struct author *role_with(const char *const *paths, unsigned mark)
{
	struct author *a;
	struct digest d;

	memset(&d, (int)mark, sizeof d);
	assert_ok(author_new(&a, METADATA_TARGETS, &e));
	author_set_version(a, 1);
	author_set_expires(a, 2000000000);
	for (; *paths; paths++)
		assert_ok(author_put_target(a, *paths, 10, &d, "{\"ringhold\":{\"serial\":7}}", &e));
	return a;
}

static struct metadata *finished(struct author *a)
{
	AUTO(buf) struct buf *bytes = NULL;
	struct metadata *m;

	assert_ok(author_finish(a, &bytes, &e));
	assert_ok(metadata_parse(&m, METADATA_TARGETS, ROLE, bytes->data, bytes->len, &e));
	author_free(a);
	return m;
}

#define MADE(mark, ...) finished(role_with((const char *const[]){ __VA_ARGS__, NULL }, mark))

static void a_floor_that_comes_or_changes_is_a_floor_alone(void **state)
{
	AUTO(metadata) struct metadata *before = MADE(1, SEVEN), *first = MADE(1, SEVEN, FLOOR), *alone = MADE(1, FLOOR);
	struct author *a = role_with((const char *const[]){ SEVEN, NULL }, 1);
	AUTO(metadata) struct metadata *changed = NULL;
	struct digest d = { { 9 } };

	(void)state;
	assert_true(floor_change_only(ROLE, before, first));
	assert_true(floor_change_only(ROLE, NULL, alone));
	assert_ok(author_put_target(a, FLOOR, 77, &d, NULL, &e));
	changed = finished(a);
	assert_true(floor_change_only(ROLE, first, changed));
}

static void whatever_else_changes_is_more_than_a_floor(void **state)
{
	AUTO(metadata) struct metadata *before = MADE(1, SEVEN, FLOOR), *more = MADE(1, SEVEN, EIGHT, FLOOR), *less = MADE(1, FLOOR),
				       *other = MADE(2, SEVEN, FLOOR), *gone = MADE(1, SEVEN), *delegates = NULL, *custom = NULL;
	struct author *a = role_with((const char *const[]){ SEVEN, FLOOR, NULL }, 1);
	struct digest d;

	(void)state;
	assert_false(floor_change_only(ROLE, before, more));
	assert_false(floor_change_only(ROLE, before, less));
	assert_false(floor_change_only(ROLE, before, other));
	assert_false(floor_change_only(ROLE, before, gone));
	assert_false(floor_change_only(ROLE, NULL, before));
	assert_ok(author_set(a, "delegations",
			     "{\"keys\":{},\"roles\":[{\"name\":\"x\",\"keyids\":[],\"threshold\":1,\"terminating\":true,\"paths\":[\"*/*/*\"]}]}", &e));
	delegates = finished(a);
	assert_false(floor_change_only(ROLE, before, delegates));
	a = role_with((const char *const[]){ FLOOR, NULL }, 1);
	memset(&d, 1, sizeof d);
	assert_ok(author_put_target(a, SEVEN, 10, &d, "{\"ringhold\":{\"serial\":8}}", &e));
	custom = finished(a);
	assert_false(floor_change_only(ROLE, before, custom));
	/* and of another channel's role it is none */
	assert_false(floor_change_only("content-av", gone, before));
	assert_false(floor_change_only("stop", gone, before));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_floor_that_comes_or_changes_is_a_floor_alone),
		cmocka_unit_test(whatever_else_changes_is_more_than_a_floor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
