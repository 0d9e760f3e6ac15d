/*
 * test_hostile: fetch, unpack, check and canary are taken over, in turn. Each
 * is this program, run by the real agent in the role's place and confined as
 * it; it attacks the host with what it has, then lies to the supervisor. It
 * can refuse or delay. It cannot activate another digest, write into a slot,
 * or read what proves this host to its server.
 */
#include <dirent.h>
#include <sys/file.h>

#include "content/tree.h"
#include "endpoint.h"
#include "lies.h"
#include "walls.h"

#define GOOD "deploy/demo/edr-good"
#define SECRET "{\"format\":1,\"device\":\"0011223344556677\",\"token\":\"\",\"server\":\"\",\"pin\":\"\"}"

/* ---- the host under attack ---- */

struct siege {
	struct endpoint *p;
	struct published runs, next, other;
};

static void hire(const char *role, const char *lie)
{
	char name[64], self[512];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

	assert_true(n > 0);
	self[n] = 0;
	snprintf(name, sizeof name, "RINGHOLD_TEST_ROLE_%s", role);
	setenv(name, self, 1);
	snprintf(plot->lie, sizeof plot->lie, "%s", lie);
}

static void dismiss(void)
{
	for (int role = 0; role < CONFINE_ROLES; role++) {
		char name[64];

		snprintf(name, sizeof name, "RINGHOLD_TEST_ROLE_%s", confine_role_name((enum confine_role)role));
		unsetenv(name);
	}
}

static void start_agent(struct endpoint *p)
{
	endpoint_agent_start(p);
	plot->agent = p->agent;
}

/* One bundle came with the sensor and runs; a second is assigned; a third is signed, and nobody's business. */
static void besiege(struct siege *g, struct endpoint *p, const char *role, const char *lie)
{
	char *archive, *other, *out;
	struct err e;

	g->p = p;
	g->runs = endpoint_bundle(p, GOOD, 110, NULL);
	endpoint_publish(p);
	assert_ok(repo_target_file(p->published, g->runs.path, &archive, &e));
	assert_int_equal(endpoint_command(p, &out, "baseline", "edr", archive), 0);
	free(out);
	free(archive);
	endpoint_sensor_start(p);
	endpoint_write(p, HOME_STATE "/device.json", SECRET, 0600);
	endpoint_write(p, HOME_ETC "/vouch.key", "secret", 0600);
	endpoint_write(p, HOME_ETC "/client.key", "secret", 0600);
	digest_hex(plot->digest, &g->runs.digest);
	g->other = endpoint_bundle(p, GOOD, 112, NULL);
	assert_ok(repo_target_file(p->published, g->other.path, &other, &e));
	snprintf(plot->other, sizeof plot->other, "%s", other);
	free(other);
	g->next = endpoint_bundle(p, GOOD, 111, NULL);
	endpoint_assign(p, &g->next, &g->runs, 1, 5, 0);
	hire(role, lie);
	start_agent(p);
}

/* A repository with all roles, and an assignment of its own, under a key that nobody here trusts. */
static void forge(struct endpoint *p)
{
	struct endpoint evil;
	struct published b;

	memset(&evil, 0, sizeof evil);
	snprintf(evil.repo, sizeof evil.repo, "%.100s/evil", p->repo);
	snprintf(plot->forged, sizeof plot->forged, "%s", evil.repo);
	endpoint_make_repo(&evil);
	b = endpoint_bundle(&evil, GOOD, 999, NULL);
	endpoint_assign(&evil, &b, NULL, 1, 0, 0);
	repo_free(evil.published);
	keyring_free(evil.keys);
}

static bool lied(const struct seen *s, const void *arg)
{
	(void)s;
	return plot->answered >= *(const unsigned *)arg;
}

static bool tried_all(const struct seen *s, const void *arg)
{
	(void)s;
	(void)arg;
	return plot->deadly == DEADLY_ALL;
}

static bool quarantined(const struct seen *s, const void *arg)
{
	(void)arg;
	return s->state.phase == PHASE_IDLE && strstr(s->state.last.reason, "quarantined");
}

/*
 * Only what was assigned has a slot, and each slot is what its name says. The
 * agent tidies up meanwhile: like every reader we lock a slot, and then see
 * whether it still has its name.
 */
static void slots_are_whole(struct siege *g)
{
	char path[512];
	struct dirent *d;
	DIR *dir;

	snprintf(path, sizeof path, "%s" HOME_CHANNELS "/edr/slots", g->p->root);
	dir = opendir(path);
	assert_non_null(dir);
	while ((d = readdir(dir))) {
		struct digest want;
		AUTO_FD int slot = -1;
		struct err e;

		if (d->d_name[0] == '.')
			continue;
		slot = openat(dirfd(dir), d->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (slot < 0 || !digest_parse(&want, d->d_name, strlen(d->d_name)))
			fail_msg("%s is no slot", d->d_name);
		assert_true(digest_equal(&want, &g->runs.digest) || digest_equal(&want, &g->next.digest));
		if (flock(slot, LOCK_SH | LOCK_NB) < 0 || faccessat(dirfd(dir), d->d_name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		assert_ok(tree_verify(slot, &want, NULL, NULL, NULL, &e));
	}
	closedir(dir);
}

/* The host after the lie; then, without the hostile process, the way is free. */
static void holds(struct siege *g, const struct published *running)
{
	struct seen s = endpoint_look(g->p);

	if (*plot->succeeded)
		fail_msg("the hostile process could: %s", plot->succeeded);
	assert_true(plot->started > 0);
	assert_true(plot->attacks > 0);
	if (!digest_equal(&s.running, &running->digest)) {
		endpoint_print_log(g->p);
		fail_msg("something else runs");
	}
	slots_are_whole(g);
	assert_int_equal(endpoint_agent_end(g->p, SIGTERM), 0);
	dismiss();
}

static void freed(struct siege *g)
{
	start_agent(g->p);
	endpoint_until(g->p, "the assigned bundle is committed by honest processes", endpoint_runs_committed, &g->next, 5000);
	slots_are_whole(g);
}

#define NEED_AGENT(p)                                               \
	do {                                                        \
		if (access((p)->bin, X_OK) < 0)                     \
			skip_named("%s is not built", (p)->bin);    \
		if (geteuid())                                      \
			skip_named("not root: no users to change"); \
	} while (0)

static const unsigned once = 1, twice = 2;

static void delays_only(struct endpoint *p, const char *role, const char *lie)
{
	struct siege g;

	besiege(&g, p, role, lie);
	endpoint_until(p, "the hostile process lied twice", lied, &twice, 20000);
	holds(&g, &g.runs);
	freed(&g);
}

/* ---- fetch ---- */

static void a_hostile_fetch_cannot_slip_in_another_archive(void **state)
{
	NEED_AGENT((struct endpoint *)*state);
	delays_only(*state, "fetch", "another archive");
}

static void a_hostile_fetch_cannot_forge_metadata(void **state)
{
	NEED_AGENT((struct endpoint *)*state);
	forge(*state);
	delays_only(*state, "fetch", "forged metadata");
}

/* ---- unpack ---- */

static void a_hostile_unpack_cannot_build_another_slot(void **state)
{
	struct siege g;

	NEED_AGENT((struct endpoint *)*state);
	besiege(&g, *state, "unpack", "other content");
	endpoint_until(*state, "the lie is refused", quarantined, NULL, 1000);
	holds(&g, &g.runs);
}

static void a_hostile_unpack_cannot_write_outside_the_slot(void **state)
{
	struct siege g;

	NEED_AGENT((struct endpoint *)*state);
	besiege(&g, *state, "unpack", "paths outside");
	endpoint_until(*state, "the lie is refused", quarantined, NULL, 1000);
	holds(&g, &g.runs);
	assert_int_equal(access("/tmp/evil", F_OK), -1);
	assert_int_equal(access("/evil", F_OK), -1);
}

static void a_hostile_unpack_cannot_give_verdicts(void **state)
{
	NEED_AGENT((struct endpoint *)*state);
	delays_only(*state, "unpack", "a verdict");
}

static void a_hostile_unpack_that_says_nothing_delays_and_the_agent_still_obeys(void **state)
{
	struct endpoint *p = *state;
	struct siege g;
	char *out;

	NEED_AGENT(p);
	besiege(&g, p, "unpack", "nothing at all");
	endpoint_until(p, "it was asked", lied, &once, 1000);
	assert_int_equal(endpoint_command(p, &out, "pin", "edr", NULL), 0);
	free(out);
	assert_int_equal(endpoint_command(p, &out, "unpin", "edr", NULL), 0);
	free(out);
	holds(&g, &g.runs);
	freed(&g);
}

static void goes_for_the_supervisor(struct siege *g, struct endpoint *p, const char *role)
{
	besiege(g, p, role, "die");
	endpoint_until(p, "it signalled and traced", tried_all, NULL, 5000);
	holds(g, &g->runs);
	assert_int_equal(plot->answered, 0);
}

static void a_hostile_unpack_that_goes_for_the_supervisor_is_ended(void **state)
{
	struct siege g;

	NEED_AGENT((struct endpoint *)*state);
	goes_for_the_supervisor(&g, *state, "unpack");
	freed(&g);
}

static void a_hostile_fetch_that_goes_for_the_supervisor_is_ended(void **state)
{
	struct siege g;

	NEED_AGENT((struct endpoint *)*state);
	goes_for_the_supervisor(&g, *state, "fetch");
	freed(&g);
}

/* It may signal, its own children; so both are tried at once, and the end is a crash for which the content is blamed. */
static void a_hostile_canary_that_goes_for_the_supervisor_is_ended(void **state)
{
	struct siege g;

	NEED_AGENT((struct endpoint *)*state);
	goes_for_the_supervisor(&g, *state, "canary");
}

/* ---- check and canary ---- */

static void a_hostile_check_cannot_give_verdicts(void **state)
{
	NEED_AGENT((struct endpoint *)*state);
	delays_only(*state, "check", "a verdict");
}

static void a_hostile_canary_cannot_give_verdicts(void **state)
{
	NEED_AGENT((struct endpoint *)*state);
	delays_only(*state, "canary", "a verdict");
}

static void a_hostile_canary_can_refuse(void **state)
{
	struct siege g;

	NEED_AGENT((struct endpoint *)*state);
	besiege(&g, *state, "canary", "refuse");
	endpoint_until(*state, "it refused", lied, &once, 1000);
	holds(&g, &g.runs);
}

static void a_hostile_canary_that_approves_approves_what_was_assigned(void **state)
{
	struct siege g;

	NEED_AGENT((struct endpoint *)*state);
	besiege(&g, *state, "canary", "approve");
	endpoint_until(*state, "the assigned bundle is committed", endpoint_runs_committed, &g.next, 1000);
	holds(&g, &g.next);
}

static bool in_quarantine(const struct siege *g)
{
	char path[512], hex[DIGEST_HEX_LEN + 1];

	digest_hex(hex, &g->next.digest);
	snprintf(path, sizeof path, "%s" HOME_CHANNELS "/edr/quarantine.d/%s.1", g->p->root, hex);
	return file_exists(path);
}

static bool blamed(const struct seen *s, const void *arg)
{
	(void)s;
	return in_quarantine(arg);
}

static void a_canary_that_runs_out_of_time_is_tried_three_times_before_blame(void **state)
{
	struct siege g;
	unsigned two = 2, three = 3;

	NEED_AGENT((struct endpoint *)*state);
	besiege(&g, *state, "canary", "hang");
	endpoint_until(*state, "it was tried twice", lied, &two, 1000);
	assert_false(in_quarantine(&g));
	endpoint_until(*state, "it is tried a third time", lied, &three, 1000);
	endpoint_until(*state, "it is blamed", blamed, &g, 1000);
}

static void the_machines_own_trouble_is_never_blamed_on_content(void **state)
{
	struct siege g;
	unsigned often = 5;

	NEED_AGENT((struct endpoint *)*state);
	besiege(&g, *state, "canary", "memory-kill");
	endpoint_until(*state, "it was tried often", lied, &often, 5000);
	assert_false(in_quarantine(&g));
	assert_int_equal(endpoint_look(*state).state.phase, PHASE_VALIDATED);
	assert_true(endpoint_has_history(*state, "memory-kill"));
}

/* ---- what the attacks are worth ---- */

static void every_attack_works_where_nothing_confines(void **state)
{
	struct endpoint *p = *state;
	struct siege g;
	pid_t pid;
	int status;

	NEED_AGENT(p);
	besiege(&g, p, "canary", "refuse");
	endpoint_until(p, "it refused", lied, &once, 1000);
	plot->attacks = 0;
	pid = fork();
	if (pid == 0) {
		attack(p->root, true);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	for (size_t i = 0; i < ARRAY_LEN(attacks); i++)
		if (!strstr(plot->succeeded, attacks[i].name))
			fail_msg("nobody can %s here: the other tests prove nothing about it", attacks[i].name);
}

static int setup(void **state)
{
	int rc = endpoint_setup_with(state, geteuid() ? "" : USERS);
	struct endpoint *p = *state;

	open_plot(p->dir, true);
	return rc;
}

static int teardown(void **state)
{
	dismiss();
	munmap(plot, sizeof *plot);
	return endpoint_teardown(state);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(every_attack_works_where_nothing_confines),
		T(a_hostile_fetch_cannot_slip_in_another_archive),
		T(a_hostile_fetch_cannot_forge_metadata),
		T(a_hostile_unpack_cannot_build_another_slot),
		T(a_hostile_unpack_cannot_write_outside_the_slot),
		T(a_hostile_unpack_cannot_give_verdicts),
		T(a_hostile_unpack_that_says_nothing_delays_and_the_agent_still_obeys),
		T(a_hostile_unpack_that_goes_for_the_supervisor_is_ended),
		T(a_hostile_fetch_that_goes_for_the_supervisor_is_ended),
		T(a_hostile_canary_that_goes_for_the_supervisor_is_ended),
		T(a_hostile_check_cannot_give_verdicts),
		T(a_hostile_canary_cannot_give_verdicts),
		T(a_hostile_canary_can_refuse),
		T(a_canary_that_runs_out_of_time_is_tried_three_times_before_blame),
		T(the_machines_own_trouble_is_never_blamed_on_content),
		T(a_hostile_canary_that_approves_approves_what_was_assigned),
	};

	if (argc == 5 && !strcmp(argv[1], "--role"))
		_exit(hostile(argv[2], argv[4]) != 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
