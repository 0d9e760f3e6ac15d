/* publish: the vendor's half, against a server's files laid out in a directory. */
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/install.h"
#include "cli/publish.h"
#include "content/bundle.h"
#include "rollout/assignment.h"
#include "signing/repo.h"
#include "tests/test.h"

#define NOW 1769860800

struct vendor {
	char *dir;
	struct remote *remote;
	struct keyring *keys;
	struct publish p;
	int64_t keep;
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
	v->p = (struct publish){ .archive = archive, .keys = v->keys, .now = NOW, .deltas = PUBLISH_DELTAS, .keep = v->keep };
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
	for (size_t i = 0; i < v->p.made_count; i++) {
		snprintf(path, sizeof path, "bundles/edr/%llu-%llu.zst", (unsigned long long)v->p.made[i].from,
			 (unsigned long long)v->p.manifest->serial);
		assert_ok(repo_stage(r, path, v->p.made[i].bytes->data, v->p.made[i].bytes->len, NULL, &e));
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
	assert_int_equal(v->p.made_count, 0);
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
	assert_int_equal(v->p.made_count, 1);
	assert_int_equal(v->p.made[0].from, 1);
	assert_true(v->p.made[0].bytes->len * 10 < v->p.bytes->len);
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
	assert_int_equal(v->p.made_count, 0);
	assert_non_null(strstr(v->p.note, "bundles/edr/1.tar.gz"));
}

static const struct metadata_target *listed(const struct vendor *v, const char *path)
{
	static struct metadata *m;
	struct err e;

	metadata_free(m);
	m = NULL;
	if (!v)
		return NULL;
	assert_ok(metadata_parse(&m, METADATA_TARGETS, "role", v->p.role->data, v->p.role->len, &e));
	return metadata_target(m, path, strlen(path));
}

/* Serials first to last, published one after the other. */
static void publish_many(struct vendor *v, int first, int last)
{
	struct err e;

	for (int serial = first; serial <= last; serial++) {
		AUTO_FREE char *archive = make_bundle(v, serial, (unsigned char)('a' + serial));

		assert_ok(prepare(v, archive, &e));
		take_in(v, archive, serial + 1);
	}
}

static void deltas_come_from_the_last_bundles_that_are_still_listed(void **state)
{
	struct vendor *v = *state;
	AUTO_FREE char *next = make_bundle(v, 6, 'x'), *gone = NULL;
	char name[160], hex[DIGEST_HEX_LEN + 1];
	const struct metadata_target *t;
	struct err e;

	publish_many(v, 1, 5);
	assert_ok(prepare(v, next, &e));
	assert_int_equal(v->p.made_count, 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(v->p.made[i].from, 5 - i);
	assert_non_null(listed(v, "bundles/edr/3-6.zst"));
	assert_null(listed(v, "bundles/edr/2-6.zst"));
	/* one that cannot be had is no reason to go without the others */
	t = listed(v, "bundles/edr/4.tar.gz");
	digest_hex(hex, &t->sha256);
	snprintf(name, sizeof name, "server/repository/targets/bundles/edr/%s.4.tar.gz", hex);
	gone = below(v, name);
	assert_int_equal(unlink(gone), 0);
	assert_ok(prepare(v, next, &e));
	assert_int_equal(v->p.made_count, 2);
	assert_int_equal(v->p.made[1].from, 3);
	assert_non_null(strstr(v->p.note, "4.tar.gz"));
	listed(NULL, NULL);
}

/* The ring's assignment as the server would answer for it. */
static void assign(struct vendor *v, const char *ring, uint64_t serial, uint64_t previous)
{
	struct assignment a = { .channel = "edr", .attempt = 1, .issued = NOW, .reason = "r" };
	AUTO_FREE char *dir = below(v, "server/repository"), *keys = below(v, "server/keys");
	AUTO(keyring) struct keyring *ring_keys = NULL;
	AUTO(repo) struct repo *r = NULL;
	AUTO(buf) struct buf *text = buf_new(0);
	char path[PATH_LEN_MAX + 1], role[80], from[160], to[160];
	struct err e;

	snprintf(a.ring, sizeof a.ring, "%s", ring);
	for (int i = 0; i < 2; i++) {
		struct bundle_ref *b = i ? &a.previous : &a.bundle;

		b->serial = i ? previous : serial;
		snprintf(b->version, sizeof b->version, "v");
		bundle_path(b->path, "edr", b->serial);
		hash_bytes(&b->digest, &b->serial, sizeof b->serial);
	}
	assert_ok(assignment_write(text, &a, &e));
	assignment_path(path, ring, "edr");
	snprintf(role, sizeof role, "ring-%s", ring);
	assert_ok(repo_open(&r, dir, &e));
	assert_ok(keyring_load(&ring_keys, keys, NULL, NULL, &e));
	assert_ok(repo_put_target(r, role, path, text->data, text->len, NULL, &e));
	assert_ok(repo_publish(r, ring_keys, NOW, &e));
	snprintf(from, sizeof from, "server/repository/metadata/%lld.%s.json", (long long)repo_role(r, role)->version, role);
	snprintf(to, sizeof to, "mirror/v1/roles/%s", role);
	copy(v, from, to);
}

static void old_bundles_leave_the_list_but_none_that_a_ring_runs_or_would_go_back_to(void **state)
{
	struct vendor *v = *state;
	AUTO_FREE char *next = make_bundle(v, 9, 'x');
	struct err e;

	publish_many(v, 1, 8);
	assign(v, "canary", 4, 2);
	v->keep = 3;
	assert_ok(prepare(v, next, &e));
	assert_string_equal(v->p.kept, "");
	for (int serial = 1; serial <= 9; serial++) {
		char path[64];

		snprintf(path, sizeof path, "bundles/edr/%d.tar.gz", serial);
		assert_int_equal(listed(v, path) != NULL, serial == 2 || serial == 4 || serial >= 7);
	}
	/* a delta goes with the bundle it leads to */
	assert_non_null(listed(v, "bundles/edr/3-4.zst"));
	assert_non_null(listed(v, "bundles/edr/5-8.zst"));
	assert_null(listed(v, "bundles/edr/4-5.zst"));
	assert_null(listed(v, "bundles/edr/5-6.zst"));
	/* 1, 3, 5, 6 and the deltas to 3, 5 and 6 */
	assert_int_equal(v->p.dropped, 4 + 2 + 3 + 3);
	take_in(v, next, 10);
	listed(NULL, NULL);
}

static void when_assignments_cannot_be_read_nothing_leaves_the_list(void **state)
{
	struct vendor *v = *state;
	AUTO_FREE char *next = make_bundle(v, 5, 'x'), *bytes = below(v, "server/repository/targets/rings");
	struct err e;

	publish_many(v, 1, 4);
	assign(v, "canary", 4, 2);
	assert_ok(file_remove_tree(bytes, &e));
	v->keep = 1;
	assert_ok(prepare(v, next, &e));
	assert_int_equal(v->p.dropped, 0);
	assert_non_null(strstr(v->p.kept, "ring-canary"));
	assert_non_null(listed(v, "bundles/edr/1.tar.gz"));
	listed(NULL, NULL);
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
		VENDOR_TEST(deltas_come_from_the_last_bundles_that_are_still_listed),
		VENDOR_TEST(old_bundles_leave_the_list_but_none_that_a_ring_runs_or_would_go_back_to),
		VENDOR_TEST(when_assignments_cannot_be_read_nothing_leaves_the_list),
	};

	if (!getenv("TMPDIR") && access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
