/* test_install_authorities: content brought by hand to a host that trusts two repositories, the vendor's and its owner's. */
#include "endpoint_story.h"

enum side { WORKS, OURS, SIDES };

static struct {
	struct keyring *keys;
	const struct pubkey *key;
	struct repo *published;
	char repo[160];
} side[SIDES];

static void use(struct endpoint *p, enum side which)
{
	p->keys = side[which].keys;
	p->key = side[which].key;
	p->published = side[which].published;
	snprintf(p->repo, sizeof p->repo, "%s", side[which].repo);
}

/* Both lie on one stick, as `ringhold mirror` leaves them, and nowhere else. */
static void make_side(struct endpoint *p, enum side which, const char *name)
{
	char from[300], to[300];

	snprintf(p->repo, sizeof p->repo, "%.100s/stick/%s", p->dir, name);
	endpoint_make_repo(p);
	side[which].keys = p->keys;
	side[which].key = p->key;
	side[which].published = p->published;
	snprintf(side[which].repo, sizeof side[which].repo, "%s", p->repo);
	snprintf(from, sizeof from, "%s/metadata/1.root.json", p->repo);
	snprintf(to, sizeof to, "%s/etc/ringhold/trust/%s.root.json", p->root, name);
	endpoint_copy(from, to);
}

static void configure(const struct endpoint *p)
{
	static const char ini[] =
		"[agent]\ncontent-repo = works\ncontent-url = file:///nonexistent/works\nrings-repo = ours\n"
		"rings-url = file:///nonexistent/ours\nattributes = ring=canary\npoll = 5s\nboot-ok = 60s\n\n[channel edr]\nsensor-wait = 2s\n";
	AUTO_FREE char *path = file_join(p->root, "etc/ringhold/agent.ini");
	struct err e;

	assert_ok(file_replace(path, ini, strlen(ini), 0644, &e));
}

static int setup(void **state)
{
	AUTO_FREE char *stick = NULL;
	struct endpoint *p;
	struct err e;

	if (endpoint_setup(state) < 0)
		return -1;
	p = *state;
	repo_free(p->published);
	keyring_free(p->keys);
	stick = file_join(p->dir, "stick");
	assert_ok(file_mkdirs(stick, 0755, &e));
	make_side(p, WORKS, "works");
	make_side(p, OURS, "ours");
	configure(p);
	return 0;
}

static int teardown(void **state)
{
	struct endpoint *p = *state;

	repo_free(side[WORKS].published);
	keyring_free(side[WORKS].keys);
	use(p, OURS);
	return endpoint_teardown(state);
}

static struct published vendor_ships(struct endpoint *p, uint64_t serial)
{
	struct published b;

	use(p, WORKS);
	b = endpoint_bundle(p, GOOD, serial, NULL);
	endpoint_publish(p);
	return b;
}

static void assert_install(struct endpoint *p, const char *path, int status, const char *says)
{
	AUTO_FREE char *stick = NULL;

	stick = file_join(p->dir, "stick");
	assert_tells(p, "install", path ? path : stick, status, says);
}

static void one_stick_brings_the_vendors_content_and_the_owners_will(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;

	NEED_AGENT(p);
	one = vendor_ships(p, 110);
	use(p, OURS);
	endpoint_assign(p, &one, NULL, 1, 20, 0);
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	assert_install(p, NULL, 0, "on trial");
	endpoint_until(p, "it is committed", endpoint_runs_committed, &one, 1000);
	two = vendor_ships(p, 111);
	use(p, OURS);
	endpoint_assign(p, &two, &one, 1, 20, 0);
	assert_install(p, NULL, 0, "serial 111 is here");
	endpoint_until(p, "the next one is committed", endpoint_runs_committed, &two, 1000);
	endpoint_stop(p, &two);
	assert_install(p, NULL, 0, "");
	endpoint_until(p, "the owner's stop is obeyed", endpoint_runs_committed, &one, 1000);
}

static void what_the_vendor_assigns_is_not_installed(void **state)
{
	struct endpoint *p = *state;
	struct published one;
	struct seen seen;

	NEED_AGENT(p);
	one = vendor_ships(p, 110);
	endpoint_assign(p, &one, NULL, 1, 20, 0);       /* signed with every key the vendor has */
	assert_install(p, NULL, 0, "has no assignment");
	assert_tells(p, "check", NULL, 0, "");
	seen = endpoint_look(p);
	assert_true(digest_is_zero(&seen.state.last.assigned));
	assert_int_equal(seen.state.phase, PHASE_IDLE);
}

static void what_only_the_owner_lists_is_no_content(void **state)
{
	struct endpoint *p = *state;
	struct published one;

	NEED_AGENT(p);
	use(p, OURS);
	one = endpoint_bundle(p, GOOD, 110, NULL);
	endpoint_assign(p, &one, NULL, 1, 20, 0);
	assert_install(p, NULL, 0, "vendor's role lists nothing");
	assert_int_equal(endpoint_look(p).state.phase, PHASE_IDLE);
}

static void half_a_stick_is_refused_by_the_name_of_what_is_missing(void **state)
{
	struct endpoint *p = *state;
	struct published one;
	char gone[300];
	struct err e;

	NEED_AGENT(p);
	one = vendor_ships(p, 110);
	use(p, OURS);
	endpoint_assign(p, &one, NULL, 1, 20, 0);
	snprintf(gone, sizeof gone, "%s/metadata", side[WORKS].repo);
	assert_ok(file_remove_tree(gone, &e));
	assert_install(p, NULL, 1, "/stick/works/metadata: the agent sees no such directory");
}

static bool canaried(const struct seen *s, const void *arg)
{
	(void)arg;
	return s->state.phase == PHASE_CANARIED;
}

/* Metadata of both from the stick, the archive from a file that lies elsewhere. */
static void the_archive_may_come_alone(void **state)
{
	struct endpoint *p = *state;
	struct published one;
	char file[200], *archive, *out;
	struct err e;

	NEED_AGENT(p);
	one = vendor_ships(p, 110);
	snprintf(file, sizeof file, "%s/one.tar.gz", p->dir);
	assert_ok(repo_target_file(p->published, one.path, &archive, &e));
	assert_int_equal(rename(archive, file), 0);
	free(archive);
	use(p, OURS);
	endpoint_assign(p, &one, NULL, 1, 20, 0);
	assert_install(p, NULL, 1, "bundles/edr/");
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	assert_int_equal(endpoint_command(p, &out, "install", file, "--wait=1s"), 0);
	assert_non_null(strstr(out, "serial 110 is here"));
	free(out);
	endpoint_until(p, "it passed the canary", canaried, NULL, 0);
	assert_install(p, NULL, 0, "");         /* no network says that the metadata is fresh still: the stick does */
	endpoint_until(p, "it is committed", endpoint_runs_committed, &one, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_stick_brings_the_vendors_content_and_the_owners_will, setup, teardown),
		cmocka_unit_test_setup_teardown(what_the_vendor_assigns_is_not_installed, setup, teardown),
		cmocka_unit_test_setup_teardown(what_only_the_owner_lists_is_no_content, setup, teardown),
		cmocka_unit_test_setup_teardown(half_a_stick_is_refused_by_the_name_of_what_is_missing, setup, teardown),
		cmocka_unit_test_setup_teardown(the_archive_may_come_alone, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
