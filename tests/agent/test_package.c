/*
 * test_package: a sensor that is upgraded by dpkg. Packages are built here with
 * the hook and the trigger we ship, dpkg itself installs them into the host's
 * root, and their scripts tell the real agent. The sensor they start is a
 * script that keeps what it found: the boot record, and where `current` leads.
 */
#include "endpoint_story.h"

#define HOOK "usr/share/ringhold/hooks/sensor-upgrade.sh"
#define STARTED "/sensor-started"

/* Both as `make install` leaves them; the agent is this one. */
static void install_ringhold(struct endpoint *p)
{
	AUTO(buf) struct buf *hook = NULL;
	char script[1400];
	struct err e;

	assert_ok(file_read(&hook, "deploy/hooks/sensor-upgrade.sh", 1 << 16, &e));
	endpoint_write(p, "/" HOOK, hook->data, 0644);
	snprintf(script, sizeof script, "#!/bin/sh\nRINGHOLD_TEST_CLOCK='%s' exec '%s' \"$@\" --root '%s'\n", getenv("RINGHOLD_TEST_CLOCK"), p->bin,
		 p->root);
	endpoint_write(p, "/usr/sbin/ringhold-agent", script, 0755);
	endpoint_write(p, "/var/lib/dpkg/status", "", 0644);
	endpoint_write(p, "/var/lib/dpkg/info/.keep", "", 0644);
	endpoint_write(p, "/var/lib/dpkg/updates/.keep", "", 0644);
}

/* Standard output and error of a shell command, which succeeds; the caller frees. */
static char *shell(struct endpoint *p, const char *command)
{
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)command, NULL };
	char *env[] = { (char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin", (char *)"LC_ALL=C", NULL };
	struct proc_run run = { .path = "/bin/sh", .argv = argv, .env = env, .stdin_fd = -1, .timeout_ms = ENDPOINT_LIMIT_MS, .output_max = 1 << 20 };
	struct proc_result r;
	struct err e;
	char *out;

	assert_ok(proc_run(&run, &r, &e));
	if (r.timed_out || r.exit_status != 0) {
		endpoint_print_log(p);
		fail_msg("%s: exit status %d:\n%s", command, r.exit_status, r.output->data ? r.output->data : "");
	}
	out = buf_take(TAKE(r.output));
	proc_result_release(&r);
	return out ? out : strdup("");
}

struct package {
	const char *name, *version;
	const struct buf *contract;     /* NULL: it has none */
	const char *postinst;           /* NULL: none */
	const char *triggers;           /* a file of ours; NULL: none */
};

/* A file of the package's tree, which lies beside the host's root. */
static void put(const struct endpoint *p, const struct package *k, const char *path, const char *text, mode_t mode)
{
	char full[300];

	snprintf(full, sizeof full, "/../%s-%s/%s", k->name, k->version, path);
	endpoint_write(p, full, text, mode);
}

/* Builds it and has dpkg install it; what was said meanwhile, which the caller frees. */
static char *install(struct endpoint *p, const struct package *k)
{
	AUTO(buf) struct buf *triggers = NULL;
	char text[1200], tree[200];
	struct err e;

	snprintf(text, sizeof text,
		 "Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: Nobody <nobody@example.com>\nDescription: of a test\n", k->name, k->version);
	put(p, k, "DEBIAN/control", text, 0644);
	if (k->contract)
		put(p, k, "etc/ringhold/contract.json", k->contract->data, 0644);
	if (k->postinst)
		put(p, k, "DEBIAN/postinst", k->postinst, 0755);
	if (k->triggers) {
		assert_ok(file_read(&triggers, k->triggers, 1 << 16, &e));
		put(p, k, "DEBIAN/triggers", triggers->data, 0644);
	}
	snprintf(tree, sizeof tree, "%s/%s-%s", p->dir, k->name, k->version);
	snprintf(text, sizeof text,
		 "exec 2>&1; dpkg-deb --build %s >/dev/null && dpkg --root=%s --log=/dev/null --force-script-chrootless --force-not-root -i %s.deb", tree,
		 p->root, tree);
	return shell(p, text);
}

static void assert_said(char *said, const char *words)
{
	if (!strstr(said, words))
		fail_msg("no \"%s\" in:\n%s", words, said);
	free(said);
}

/* ---- the sensor of the package ---- */

#define AFTER_THE_HOOK                                                                                       \
	". \"$DPKG_ROOT/" HOOK "\"\nRINGHOLD_AGENT=$DPKG_ROOT/usr/sbin/ringhold-agent\n"                      \
	"ringhold_contract_changed || echo \"content of the new sensor: see ringhold-agent history\" >&2\n"

#define START_SENSOR                                                                                         \
	"mkdir -p \"$DPKG_ROOT" STARTED "\"\ncp \"$DPKG_ROOT" HOME_CHANNELS "/edr/boot\" \"$DPKG_ROOT" STARTED "\"\n" \
	"readlink \"$DPKG_ROOT" HOME_RUN "/edr/current\" >\"$DPKG_ROOT" STARTED "/current\"\n"

static const char starts_the_sensor[] = "#!/bin/sh\nset -e\n[ \"$1\" = configure ] || exit 0\n" AFTER_THE_HOOK START_SENSOR;
static const char is_triggered[] = "#!/bin/sh\nset -e\n[ \"$1\" = triggered ] || exit 0\n" AFTER_THE_HOOK START_SENSOR;

/* What the sensor found when it started, and that only. */
static struct boot_record found_by_the_sensor(const struct endpoint *p, const struct published *b)
{
	AUTO(buf) struct buf *current = NULL;
	char path[300], hex[DIGEST_HEX_LEN + 1];
	struct boot_report why;
	struct boot_record r;
	struct err e;

	snprintf(path, sizeof path, "%s" STARTED, p->root);
	AUTO_FD int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		fail_msg("the sensor was not started");
	assert_int_equal(boot_record_read(&r, dir, &why), BOOT_READ_OK);
	snprintf(path, sizeof path, "%s" STARTED "/current", p->root);
	assert_ok(file_read(&current, path, 4096, &e));
	digest_hex(hex, &b->digest);
	if (!strstr(current->data, hex))
		fail_msg("serial %llu does not run, but %s", (unsigned long long)b->serial, current->data);
	snprintf(path, sizeof path, "%s" STARTED, p->root);
	assert_ok(file_remove_tree(path, &e));
	return r;
}

/* The sensor of version 7.11, by its package, on content that is committed. */
static struct published sensor_installed(struct endpoint *p)
{
	AUTO(buf) struct buf *contract = contract_of(true, "7.11");
	const struct package sensor = { "acme-sensor", "7.11", contract, starts_the_sensor, NULL };
	struct published one = settled(p);

	install_ringhold(p);
	assert_said(install(p, &sensor), "edr: serial 110 is accepted\n");
	assert_int_equal(found_by_the_sensor(p, &one).mode, BOOT_COMMITTED);    /* nothing changed */
	return one;
}

#define NEED_DPKG()                                           \
	do {                                                  \
		if (access("/usr/bin/dpkg-deb", X_OK) < 0)    \
			skip_missing_program("dpkg-deb");     \
	} while (0)

static void what_runs_is_on_trial_for_the_new_contract_before_dpkg_has_the_new_sensor_started(void **state)
{
	AUTO(buf) struct buf *contract = contract_of(true, "7.12");
	const struct package sensor = { "acme-sensor", "7.12", contract, starts_the_sensor, NULL };
	struct endpoint *p = *state;
	struct published one;
	struct boot_record r;

	NEED_AGENT(p);
	NEED_DPKG();
	one = sensor_installed(p);
	endpoint_agent_end(p, SIGTERM);         /* so that nobody else sees the new file */
	endpoint_sensor_stop(p);
	assert_said(install(p, &sensor), "edr: serial 110 is accepted, and on trial again\n");
	r = found_by_the_sensor(p, &one);
	assert_int_equal(r.mode, BOOT_TRIAL);
	assert_memory_equal(r.digest[RUNG_TRIAL], one.digest.bytes, DIGEST_LEN);
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_until(p, "the trial is committed", endpoint_runs_committed, &one, 1000);
}

static void what_the_new_contract_refuses_has_given_way_and_the_upgrade_itself_succeeds(void **state)
{
	AUTO(buf) struct buf *contract = contract_of(false, "7.10");
	const struct package sensor = { "acme-sensor", "7.12", contract, starts_the_sensor, NULL };
	struct endpoint *p = *state;
	struct published one, two;

	NEED_AGENT(p);
	NEED_DPKG();
	one = sensor_installed(p);
	two = endpoint_bundle(p, ONE_MORE, 111, NULL);
	commit(p, &two, &one);
	assert_said(install(p, &sensor), "ringhold: what ran is refused by the new contract; older content runs\n");
	found_by_the_sensor(p, &one);
	assert_true(endpoint_has_history(p, "late_failure"));
}

/* The sensor's package has a contract and no script of its own; another one has our triggers file. */
static void a_package_with_the_shipped_trigger_is_told_when_another_one_brings_a_contract(void **state)
{
	AUTO(buf) struct buf *contract = contract_of(true, "7.12");
	const struct package site = { "site-ringhold", "1", NULL, is_triggered, "deploy/hooks/ringhold.triggers" };
	const struct package sensor = { "other-sensor", "7.12", contract, NULL, NULL };
	struct endpoint *p = *state;
	char path[300];
	struct published one;

	NEED_AGENT(p);
	NEED_DPKG();
	one = settled(p);
	install_ringhold(p);
	free(install(p, &site));
	snprintf(path, sizeof path, "%s" STARTED, p->root);
	assert_false(file_exists(path));
	endpoint_agent_end(p, SIGTERM);
	endpoint_sensor_stop(p);
	assert_said(install(p, &sensor), "edr: serial 110 is accepted, and on trial again\n");
	assert_int_equal(found_by_the_sensor(p, &one).mode, BOOT_TRIAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ENDPOINT_TEST(what_runs_is_on_trial_for_the_new_contract_before_dpkg_has_the_new_sensor_started, setup_wide),
		ENDPOINT_TEST(what_the_new_contract_refuses_has_given_way_and_the_upgrade_itself_succeeds, setup_wide),
		ENDPOINT_TEST(a_package_with_the_shipped_trigger_is_told_when_another_one_brings_a_contract, setup_wide),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
