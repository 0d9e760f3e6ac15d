/* The driver: which root it begins with, and what it does when store or network fail. */
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "forge.h"
#include "signing/driver.h"

struct fixture {
	struct forge *f;
	char dir[128];
	size_t extra;           /* bytes added to whatever is served */
};

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof *x);
	const char *tmp = getenv("TMPDIR");

	snprintf(x->dir, sizeof x->dir, "%s/ringhold-driver.XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(x->dir));
	x->f = forge_new();
	forge_publish(x->f);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;
	struct err e;

	forge_free(x->f);
	assert_ok(file_remove_tree(x->dir, &e));
	free(x);
	return 0;
}

static int get(void *arg, const char *name, size_t max, struct buf **out, struct err *e)
{
	struct fixture *x = arg;
	struct buf *b = forge_get(&x->f->net, name);

	(void)max;
	(void)e;
	if (!b)
		return 1;
	*out = buf_new(0);
	buf_add(*out, b->data, b->len);
	for (size_t i = 0; i < x->extra; i++)
		buf_addc(*out, ' ');
	return 0;
}

static int fails(void *arg, const char *name, size_t max, struct buf **out, struct err *e)
{
	(void)arg;
	(void)max;
	(void)out;
	return err_set(e, ERR_NET, "%s: unplugged", name);
}

static int refresh(struct fixture *x, driver_get *how, struct err *e)
{
	struct driver d = { .dir = x->dir, .get = how, .arg = x };
	struct buf *anchor = forge_get(&x->f->net, "1.root.json");
	AUTO(tuf_client) struct tuf_client *c = NULL;

	if (driver_open(&c, x->dir, anchor->data, anchor->len, TUF_ANY, e) < 0)
		return e->code;
	return driver_refresh(&d, c, FORGE_NOW, e);
}

static void a_refresh_fills_the_directory_and_the_next_needs_no_network(void **state)
{
	struct fixture *x = *state;
	struct err e;

	assert_refused(refresh(x, NULL, &e), ERR_NOT_FOUND, "timestamp");
	assert_ok(refresh(x, get, &e));
	assert_ok(refresh(x, NULL, &e));
	assert_refused(refresh(x, fails, &e), ERR_NET, "2.root.json: unplugged");
}

static int64_t opened(struct fixture *x, const char *anchor, struct err *e)
{
	struct buf *bytes = anchor ? forge_get(&x->f->net, anchor) : NULL;
	AUTO(tuf_client) struct tuf_client *c = NULL;

	if (driver_open(&c, x->dir, bytes ? bytes->data : NULL, bytes ? bytes->len : 0, TUF_ANY, e) < 0)
		return e->code;
	return tuf_client_metadata(c, "root")->version;
}

static void the_newer_of_stored_root_and_anchor_counts(void **state)
{
	struct fixture *x = *state;
	AUTO_FREE char *stored = file_join(x->dir, "root.json");
	struct buf *second;
	struct err e;

	assert_refused(opened(x, NULL, &e), ERR_NOT_FOUND, "root.json");
	assert_int_equal(opened(x, "1.root.json", &e), 1);
	x->f->docs[ROOT].version = 2;
	forge_publish(x->f);
	assert_int_equal(opened(x, "2.root.json", &e), 2);
	second = forge_get(&x->f->net, "2.root.json");
	assert_ok(file_replace(stored, second->data, second->len, 0644, &e));
	assert_int_equal(opened(x, "1.root.json", &e), 2);
	assert_int_equal(opened(x, NULL, &e), 2);
	assert_ok(file_replace(stored, second->data, second->len / 2, 0644, &e));
	assert_int_equal(opened(x, "1.root.json", &e), 1);
	assert_refused(opened(x, NULL, &e), ERR_FORMAT, "root.json");
}

static void more_bytes_than_asked_for_are_refused(void **state)
{
	struct fixture *x = *state;
	struct err e;

	x->extra = METADATA_TIMESTAMP_MAX;
	assert_refused(refresh(x, get, &e), ERR_LIMIT, "timestamp.json: more than 16384");
}

static void a_store_that_cannot_be_written_ends_the_refresh(void **state)
{
	struct fixture *x = *state;
	struct err e;

	assert_int_equal(rmdir(x->dir), 0);
	assert_refused(refresh(x, get, &e), ERR_NOT_FOUND, x->dir);
	assert_int_equal(mkdir(x->dir, 0755), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_refresh_fills_the_directory_and_the_next_needs_no_network),
		T(the_newer_of_stored_root_and_anchor_counts),
		T(more_bytes_than_asked_for_are_refused),
		T(a_store_that_cannot_be_written_ends_the_refresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
