/* publish: the vendor's half, against a server's files laid out in a directory. */
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/install.h"
#include "cli/publish.h"
#include "content/bundle.h"
#include "signing/repo.h"
#include "tests/test.h"

#define NOW 1769860800

struct vendor {
	char *dir;
	struct remote *remote;
	struct keyring *keys;
	struct publish p;
};

static char *below(const struct vendor *v, const char *name)
{
	char *path = file_join(v->dir, name);

	assert_non_null(path);
	return path;
}

static void copy(const struct vendor *v, const char *from, const char *to)
{
	AUTO_FREE char *source = below(v, from), *target = below(v, to);
	AUTO(buf) struct buf *text = NULL;
	struct err e;

	assert_ok(file_read(&text, source, 1 << 20, &e));
	assert_ok(file_replace(target, text->data, text->len, 0644, &e));
}

/* What the server would answer: the roles as published. */
static void mirror(const struct vendor *v, int version)
{
	char name[96];

	copy(v, "server/repository/metadata/1.targets.json", "mirror/v1/roles/targets");
	snprintf(name, sizeof name, "server/repository/metadata/%d.content-edr.json", version);
	copy(v, name, "mirror/v1/roles/content-edr");
}

static int setup(void **state)
{
	static const char *const channels[] = { "edr" }, *const rings[] = { "canary", "broad" };
	const char *tmp = getenv("TMPDIR");
	struct vendor *v = calloc(1, sizeof *v);
	struct install_plan plan = { .channels = channels, .channel_count = 1, .rings = rings, .ring_count = 2, .listen = "127.0.0.1:0", .now = NOW };
	struct remote_options o = { 0 };
	AUTO_FREE char *url = NULL, *token = NULL, *keys = NULL, *roles = NULL, *link = NULL, *repository = NULL;
	struct err e;

	v->dir = file_join(tmp && *tmp ? tmp : "/tmp", "ringhold-publish-XXXXXX");
	assert_non_null(mkdtemp(v->dir));
	plan.dir = v->dir;
	assert_ok(install(&plan, &e));
	roles = below(v, "mirror/v1/roles");
	assert_ok(file_mkdirs(roles, 0755, &e));
	link = below(v, "mirror/content");
	repository = below(v, "server/repository");
	assert_int_equal(symlink(repository, link), 0);
	mirror(v, 1);
	token = below(v, "server/operator-token");
	keys = below(v, "vendor-keys");
	assert_true(asprintf(&url, "file://%s/mirror", v->dir) > 0);
	o.server = url;
	o.token_file = token;
	assert_ok(remote_open(&v->remote, &o, &e));
	assert_ok(keyring_load(&v->keys, keys, NULL, NULL, &e));
	*state = v;
	return 0;
}

static int teardown(void **state)
{
	struct vendor *v = *state;
	struct err e;

	publish_release(&v->p);
	remote_free(v->remote);
	keyring_free(v->keys);
	assert_ok(file_remove_tree(v->dir, &e));
	free(v->dir);
	free(v);
	return 0;
}

/* A bundle whose one file has this text, several thousand times over so that a delta pays. */
static char *make_bundle(const struct vendor *v, int serial, unsigned char seed)
{
	AUTO_FREE char *src = below(v, "src"), *file = below(v, "src/notes");
	AUTO(bundle) struct bundle *b = NULL;
	AUTO(buf) struct buf *text = buf_new(0);
	struct bundle_options options = BUNDLE_OPTIONS_NONE;
	uint32_t x = 12345;
	char name[32], *path;
	struct err e;

	assert_ok(file_mkdirs(src, 0755, &e));
	for (int i = 0; i < 20000; i++) {       /* does not compress, the same for every seed but its last byte */
		x = x * 1664525 + 1013904223;
		buf_addc(text, (char)(33 + (x >> 24) % 90));
	}
	buf_addc(text, (char)seed);
	assert_ok(file_replace(file, text->data, text->len, 0644, &e));
	buf_clear(text);
	buf_adds(text, "{\"format\":1,\"channel\":\"edr\",\"created\":\"2026-02-01T12:00:00Z\",\"types\":[{\"match\":\"notes\",\"type\":\"doc\"}]}");
	{
		AUTO_FREE char *recipe = below(v, "src/bundle.json");

		assert_ok(file_replace(recipe, text->data, text->len, 0644, &e));
	}
	options.serial = serial;
	assert_ok(bundle_build(&b, src, &options, &e));
	snprintf(name, sizeof name, "%d-%d.tar.gz", serial, seed);
	path = below(v, name);
	assert_ok(file_replace(path, b->archive->data, b->archive->len, 0644, &e));
	return path;
}

static int prepare(struct vendor *v, const char *archive, struct err *e)
{
	publish_release(&v->p);
	v->p = (struct publish){ .archive = archive, .keys = v->keys, .now = NOW };
	return publish_prepare(&v->p, v->remote, e);
}

/* The server's half. */
static void take_in(struct vendor *v, const char *archive, int version)
{
	AUTO_FREE char *dir = below(v, "server/repository"), *keys = below(v, "server/keys");
	AUTO(repo) struct repo *r = NULL;
	AUTO(keyring) struct keyring *ring = NULL;
	char path[64];
	uint64_t length;
	struct digest sha;
	struct err e;

	snprintf(path, sizeof path, "bundles/edr/%llu.tar.gz", (unsigned long long)v->p.manifest->serial);
	assert_ok(repo_open(&r, dir, &e));
	assert_ok(keyring_load(&ring, keys, NULL, NULL, &e));
	assert_ok(repo_stage_file(r, path, archive, &length, &sha, &e));
	if (v->p.delta) {
		snprintf(path, sizeof path, "bundles/edr/%llu-%llu.zst", (unsigned long long)v->p.delta_from,
			 (unsigned long long)v->p.manifest->serial);
		assert_ok(repo_stage(r, path, v->p.delta->data, v->p.delta->len, NULL, &e));
	}
	assert_ok(repo_put_signed(r, "content-edr", v->p.role->data, v->p.role->len, NOW, &e));
	assert_ok(repo_publish(r, ring, NOW, &e));
	mirror(v, version);
}

static void what_is_signed_here_is_taken_in_there(void **state)
{
	struct vendor *v = *state;
	AUTO_FREE char *archive = make_bundle(v, 1, 'a');
	struct err e;

	assert_ok(prepare(v, archive, &e));
	assert_null(v->p.delta);
	assert_string_equal(v->p.note, "this is the channel's first bundle");
	take_in(v, archive, 2);
}

static void the_second_bundle_brings_a_delta_much_smaller_than_itself(void **state)
{
	struct vendor *v = *state;
	AUTO_FREE char *one = make_bundle(v, 1, 'a'), *two = make_bundle(v, 2, 'b');
	AUTO(metadata) struct metadata *m = NULL;
	const struct metadata_target *t;
	struct err e;

	assert_ok(prepare(v, one, &e));
	take_in(v, one, 2);
	assert_ok(prepare(v, two, &e));
	assert_non_null(v->p.delta);
	assert_int_equal(v->p.delta_from, 1);
	assert_true(v->p.delta->len * 10 < v->p.bytes->len);
	assert_ok(metadata_parse(&m, METADATA_TARGETS, "role", v->p.role->data, v->p.role->len, &e));
	assert_int_equal(m->version, 3);
	assert_int_equal(m->expires, NOW + REPO_PEOPLE_LIFE);
	t = metadata_target(m, "bundles/edr/1-2.zst", 19);
	assert_non_null(t);
	assert_true(json_is(json_get(json_get(t->custom, "ringhold"), "kind"), "delta"));
	take_in(v, two, 3);
}

static void the_same_archive_again_is_known_and_other_bytes_are_refused(void **state)
{
	struct vendor *v = *state;
	AUTO_FREE char *one = make_bundle(v, 1, 'a'), *other = make_bundle(v, 1, 'b');
	struct err e;

	assert_ok(prepare(v, one, &e));
	take_in(v, one, 2);
	assert_ok(prepare(v, one, &e));
	assert_true(v->p.known);
	assert_refused(prepare(v, other, &e), ERR_CONFLICT, "never used twice");
}

/* The role as it stands, with one more target, signed by these keys. */
static void forge(struct vendor *v, const struct keyring *by)
{
	AUTO_FREE char *path = below(v, "mirror/v1/roles/content-edr"), *targets = below(v, "mirror/v1/roles/targets");
	AUTO(buf) struct buf *text = NULL, *root = NULL, *bare = NULL, *whole = NULL;
	AUTO(metadata) struct metadata *m = NULL, *delegator = NULL;
	AUTO(author) struct author *a = NULL;
	struct authority authority;
	struct digest d = { { 1 } };
	struct err e;
	bool met;

	assert_ok(file_read(&text, path, 1 << 20, &e));
	assert_ok(file_read(&root, targets, 1 << 20, &e));
	assert_ok(metadata_parse(&m, METADATA_TARGETS, "role", text->data, text->len, &e));
	assert_ok(metadata_parse(&delegator, METADATA_TARGETS, "targets", root->data, root->len, &e));
	assert_true(authority_of(&authority, delegator, "content-edr"));
	assert_ok(author_load(&a, m, &e));
	assert_ok(author_put_target(a, "bundles/edr/666.tar.gz", 10, &d, NULL, &e));
	author_set_version(a, m->version + 1);
	assert_ok(author_finish(a, &bare, &e));
	assert_ok(author_sign(&whole, bare->data, bare->len, METADATA_TARGETS, by, &authority, &met, &e));
	assert_ok(file_replace(path, whole->data, whole->len, 0644, &e));
}

static void targets_that_a_server_slips_in_are_not_signed(void **state)
{
	struct vendor *v = *state;
	AUTO_FREE char *one = make_bundle(v, 1, 'a');
	AUTO(keyring) struct keyring *nobody = keyring_new();
	struct err e;

	forge(v, nobody);
	assert_refused(prepare(v, one, &e), ERR_AUTH, "signed by no key at hand");
}

static void keys_of_another_role_sign_nothing(void **state)
{
	struct vendor *v = *state;
	AUTO_FREE char *one = make_bundle(v, 1, 'a'), *dir = below(v, "operator-keys");
	AUTO(keyring) struct keyring *others = NULL;
	struct err e;

	assert_ok(keyring_load(&others, dir, NULL, NULL, &e));
	v->p = (struct publish){ .archive = one, .keys = others, .now = NOW };
	assert_refused(publish_prepare(&v->p, v->remote, &e), ERR_AUTH, "none of the 2 keys");
}

static void a_damaged_archive_is_refused_before_anything_is_signed(void **state)
{
	struct vendor *v = *state;
	AUTO_FREE char *one = make_bundle(v, 1, 'a');
	AUTO(buf) struct buf *text = NULL;
	struct err e;

	assert_ok(file_read(&text, one, 1 << 20, &e));
	text->data[text->len / 2] ^= 1;
	assert_ok(file_replace(one, text->data, text->len, 0644, &e));
	assert_true(prepare(v, one, &e) < 0);
	assert_null(v->p.role);
}

static void without_the_old_bytes_the_archive_goes_alone_and_says_why(void **state)
{
	struct vendor *v = *state;
	AUTO_FREE char *one = make_bundle(v, 1, 'a'), *two = make_bundle(v, 2, 'b'), *targets = below(v, "server/repository/targets/bundles");
	struct err e;

	assert_ok(prepare(v, one, &e));
	take_in(v, one, 2);
	assert_ok(file_remove_tree(targets, &e));
	assert_ok(prepare(v, two, &e));
	assert_null(v->p.delta);
	assert_non_null(strstr(v->p.note, "bundles/edr/1.tar.gz"));
}

#define VENDOR_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		VENDOR_TEST(what_is_signed_here_is_taken_in_there),
		VENDOR_TEST(the_second_bundle_brings_a_delta_much_smaller_than_itself),
		VENDOR_TEST(the_same_archive_again_is_known_and_other_bytes_are_refused),
		VENDOR_TEST(targets_that_a_server_slips_in_are_not_signed),
		VENDOR_TEST(keys_of_another_role_sign_nothing),
		VENDOR_TEST(a_damaged_archive_is_refused_before_anything_is_signed),
		VENDOR_TEST(without_the_old_bytes_the_archive_goes_alone_and_says_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
