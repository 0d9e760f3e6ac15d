#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "cli/install.h"
#include "rollout/policy.h"
#include "rollout/ringmap.h"
#include "signing/repo.h"
#include "tests/test.h"

#define NOW 1769860800

static const char *const channels[] = { "edr", "yara" }, *const rings[] = { "canary", "early", "broad" };

static int make_dir(void **state)
{
	const char *tmp = getenv("TMPDIR");
	char *dir = file_join(tmp && *tmp ? tmp : "/tmp", "ringhold-install-XXXXXX");

	*state = dir;
	return dir && mkdtemp(dir) ? 0 : -1;
}

static int drop_dir(void **state)
{
	struct err e;
	int code = file_remove_tree(*state, &e);

	free(*state);
	return code;
}

static struct install_plan plan_for(const char *dir)
{
	return (struct install_plan){ .dir = dir, .channels = channels, .channel_count = 2, .rings = rings, .ring_count = 3,
				      .listen = "127.0.0.1:0", .now = NOW };
}

static char *below(const char *dir, const char *name)
{
	char *path = file_join(dir, name);

	assert_non_null(path);
	return path;
}

static struct buf *read_below(const char *dir, const char *name)
{
	AUTO_FREE char *path = below(dir, name);
	struct buf *text = NULL;
	struct err e;

	assert_ok(file_read(&text, path, 1 << 20, &e));
	return text;
}

static void an_installation_is_a_repository_whose_every_role_is_signed(void **state)
{
	struct install_plan plan = plan_for(*state);
	AUTO_FREE char *dir = below(*state, "server/repository");
	AUTO(repo) struct repo *r = NULL;
	AUTO(buf) struct buf *map = NULL;
	AUTO(ringmap) struct ringmap *m = NULL;
	struct err e;

	assert_ok(install(&plan, &e));
	assert_ok(repo_open(&r, dir, &e));
	for (size_t i = 0; i < repo_role_count(r); i++) {
		struct repo_status s;

		repo_role_status(r, i, NULL, &s);
		assert_true(s.version > 0);
		assert_int_equal(s.threshold, i == 0 || strcmp(s.role, "targets") == 0 ? INSTALL_ROOT_THRESHOLD :
				 strcmp(s.role, "ring-early") == 0 || strcmp(s.role, "ring-broad") == 0 ? 2 : 1);
	}
	assert_int_equal(repo_role_count(r), 4 + 2 + 3 + 3);
	assert_ok(repo_read_target(r, RINGMAP_PATH, RINGMAP_MAX, &map, &e));
	assert_ok(ringmap_parse(&m, "map", map->data, map->len, &e));
	assert_int_equal(ringmap_rings(m), 3);
}

static void what_endpoints_are_given_is_the_first_root(void **state)
{
	struct install_plan plan = plan_for(*state);
	AUTO(buf) struct buf *one = NULL, *two = NULL;
	struct err e;

	assert_ok(install(&plan, &e));
	one = read_below(*state, "root.json");
	two = read_below(*state, "server/repository/metadata/1.root.json");
	assert_int_equal(one->len, two->len);
	assert_memory_equal(one->data, two->data, one->len);
}

static void the_servers_keys_cannot_move_the_ring_map_recall_or_publish(void **state)
{
	static const char *const beyond[] = { "root", "targets", "fleet", "recall", "content-edr", "content-yara", "ring-early", "ring-broad" };
	static const char *const within[] = { "snapshot", "timestamp", "stop", "ring-canary" };
	struct install_plan plan = plan_for(*state);
	AUTO_FREE char *dir = below(*state, "server/repository"), *keys = below(*state, "server/keys");
	AUTO(repo) struct repo *r = NULL;
	AUTO(keyring) struct keyring *ring = NULL;
	struct err e;

	assert_ok(install(&plan, &e));
	assert_ok(repo_open(&r, dir, &e));
	assert_ok(keyring_load(&ring, keys, NULL, NULL, &e));
	for (size_t i = 0; i < ARRAY_LEN(beyond); i++)
		assert_false(repo_can_sign(r, beyond[i], ring));
	for (size_t i = 0; i < ARRAY_LEN(within); i++)
		assert_true(repo_can_sign(r, within[i], ring));
}

static void server_and_promoter_together_sign_later_rings_and_the_promoter_nothing_else(void **state)
{
	static const char *const later[] = { "ring-early", "ring-broad" };
	struct install_plan plan = plan_for(*state);
	AUTO_FREE char *dir = below(*state, "server/repository"), *keys = below(*state, "server/keys"), *more = below(*state, "promoter/keys");
	AUTO(repo) struct repo *r = NULL;
	AUTO(keyring) struct keyring *ring = NULL, *promoter = NULL;
	struct err e;

	assert_ok(install(&plan, &e));
	assert_ok(repo_open(&r, dir, &e));
	assert_ok(keyring_load(&ring, keys, NULL, NULL, &e));
	assert_ok(keyring_load(&promoter, more, NULL, NULL, &e));
	assert_int_equal(promoter->count, 1);
	for (size_t i = 0; i < repo_role_count(r); i++) {
		struct repo_status s;

		repo_role_status(r, i, promoter, &s);
		assert_int_equal(s.held, strcmp(s.role, later[0]) == 0 || strcmp(s.role, later[1]) == 0);
		assert_false(repo_can_sign(r, s.role, promoter));
	}
	assert_ok(keyring_add(ring, "promoter", TAKE(promoter->keys[0].key), &e));
	for (size_t i = 0; i < ARRAY_LEN(later); i++)
		assert_true(repo_can_sign(r, later[i], ring));
}

static void secrets_are_readable_by_their_owner_only(void **state)
{
	static const char *const secrets[] = { "offline-keys/root-1.pem", "operator-keys/fleet.pem", "vendor-keys/content-edr.pem",
					       "server/keys/stop.pem", "server/operator-token", "server/operator-tokens",
					       "promoter/keys/promoter.pem", "promoter/token" };
	struct install_plan plan = plan_for(*state);
	struct err e;

	assert_ok(install(&plan, &e));
	for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
		AUTO_FREE char *path = below(*state, secrets[i]);
		struct stat st;

		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 077, 0);
	}
}

static void the_server_keeps_the_tokens_hash_and_not_the_token(void **state)
{
	struct install_plan plan = plan_for(*state);
	AUTO(buf) struct buf *token = NULL, *list = NULL;
	char hex[DIGEST_HEX_LEN + 1];
	struct digest d;
	struct err e;

	assert_ok(install(&plan, &e));
	token = read_below(*state, "server/operator-token");
	list = read_below(*state, "server/operator-tokens");
	token->data[strcspn(token->data, "\n")] = '\0';
	hash_bytes(&d, token->data, strlen(token->data));
	digest_hex(hex, &d);
	assert_null(strstr(list->data, token->data));
	assert_non_null(strstr(list->data, hex));
	assert_non_null(strstr(list->data, " admin admin\n"));
}

static void a_second_init_changes_nothing(void **state)
{
	struct install_plan plan = plan_for(*state);
	AUTO(buf) struct buf *before = NULL, *after = NULL;
	struct err e;

	assert_ok(install(&plan, &e));
	before = read_below(*state, "server/keys/stop.pem");
	assert_refused(install(&plan, &e), ERR_CONFLICT, "exists already");
	after = read_below(*state, "server/keys/stop.pem");
	assert_string_equal(before->data, after->data);
}

static int nothing(const char *rel, bool is_dir, void *arg, struct err *e)
{
	(void)is_dir;
	(void)arg;
	return err_set(e, ERR_CONFLICT, "%s is there", rel);
}

static void what_cannot_be_made_leaves_nothing_behind(void **state)
{
	static const char *const twice[] = { "edr", "edr" }, *const bad[] = { "E d r" };
	struct install_plan plan = plan_for(*state);
	struct err e;

	plan.channels = twice;
	assert_refused(install(&plan, &e), ERR_USAGE, "named twice");
	plan.channels = bad;
	plan.channel_count = 1;
	assert_refused(install(&plan, &e), ERR_USAGE, "no name of a channel");
	plan = plan_for(*state);
	plan.listen = "127.0.0.1:0\ndata = /";
	assert_refused(install(&plan, &e), ERR_USAGE, "--listen");
	assert_ok(file_walk(*state, nothing, NULL, &e));
}

static void the_policies_written_out_are_the_shipped_ones(void **state)
{
	struct install_plan plan = plan_for(*state);
	AUTO(buf) struct buf *text = NULL;
	AUTO(policy) struct policy *p = NULL, *want = NULL;
	struct err e;

	assert_ok(install(&plan, &e));
	text = read_below(*state, "policies/edr.json");
	assert_ok(policy_parse(&p, "policies/edr.json", text->data, text->len, &e));
	assert_ok(policy_default(&want, "edr", rings, 3, &e));
	assert_memory_equal(p, want, sizeof *p);
}

#define DIR_TEST(f) cmocka_unit_test_setup_teardown(f, make_dir, drop_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		DIR_TEST(an_installation_is_a_repository_whose_every_role_is_signed),
		DIR_TEST(what_endpoints_are_given_is_the_first_root),
		DIR_TEST(the_servers_keys_cannot_move_the_ring_map_recall_or_publish),
		DIR_TEST(server_and_promoter_together_sign_later_rings_and_the_promoter_nothing_else),
		DIR_TEST(secrets_are_readable_by_their_owner_only),
		DIR_TEST(the_server_keeps_the_tokens_hash_and_not_the_token),
		DIR_TEST(a_second_init_changes_nothing),
		DIR_TEST(what_cannot_be_made_leaves_nothing_behind),
		DIR_TEST(the_policies_written_out_are_the_shipped_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
