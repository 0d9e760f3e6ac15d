/*
 * test_systemd: a whole system, Debian with systemd, installed by `make install`
 * and served by a real ringholdd, takes content that hangs it.
 *
 * The machine enrols, takes its first content, then the one that hangs a
 * machine that boots, and is shut down in order while that is on trial. Every
 * story goes on from a copy of its disk.
 */
#include "test.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "shell.h"
#include "system/watch.h"
#include "vm.h"

#define GOOD "deploy/demo/edr-good"
#define REPORT_LIMIT_MS 60000

static struct world *world;
static struct bundle_made good, hang;
static char trial[200];         /* the disk, the machine shut down with `hang` on trial */
static struct err e;

/* ---- the server, and what it publishes ---- */

/* One machine is the whole ring, and passes it after a minute. */
static const char policy[] =
	"{\"format\":1,\"channel\":\"edr\",\"checkin_s\":5,\"rings\":["
	"{\"name\":\"canary\",\"p0\":0.005,\"p1\":0.99,\"beta\":0.2,\"soak_s\":0,\"boots\":0,\"probation_s\":60},"
	"{\"name\":\"early\"},{\"name\":\"broad\"}]}";

static char *in_world(const char *name)
{
	char *path = file_join(world->dir, name);

	assert_non_null(path);
	return path;
}

static void write_in_world(const char *name, const char *text)
{
	AUTO_FREE char *path = in_world(name);

	assert_ok(file_replace(path, text, strlen(text), 0644, &e));
}

/* The demo's content that kills a machine which boots; this kind lets it stand still. */
static void publish(void)
{
	AUTO_FREE char *home = in_world("server"), *file = in_world("policy.json"), *dir = in_world("edr-hang");

	write_in_world("policy.json", policy);
	assert_ok(world_expect(world, 0, NULL, &e, "ringhold", "policy", "set", file, "--home", home, NULL));
	shell_must("cp -r deploy/demo/edr-bootbomb %s && sed -i s/boot-bomb-0001/hang-bomb-0001/ %s/rules/process.json %s/selftest/process.ndjson",
		   dir, dir, dir);
	assert_ok(bundle_make(&good, world, GOOD, 110, &e));
	assert_ok(bundle_make(&hang, world, dir, 111, &e));
	assert_ok(bundle_publish(&good, world, &e));
	assert_ok(bundle_publish(&hang, world, &e));
}

/* What an administrator leaves on a machine: the root, the contract, agent.ini, the enrolment. */
static void furnish(void)
{
	AUTO_FREE char *home = in_world("server"), *root = in_world("host");
	AUTO(buf) struct buf *said = NULL;
	char *at, *string = NULL;

	shell_must("mkdir -p %s/etc/ringhold/trust && cp %s/root.json %s/etc/ringhold/trust/content.root.json &&"
		   "cp deploy/demo/contract.json %s/etc/ringhold/", root, world->dir, root, root);
	write_in_world("host/etc/ringhold/agent.ini", "[agent]\nattributes = ring=canary\nhost = ward-7\npoll = 5s\nboot-ok = 20s\n\n[channel edr]\n");
	assert_ok(world_expect(world, 0, &said, &e, "ringhold", "token", "enrol", "--attribute", "ring=canary", "--home", home, NULL));
	at = strstr(said->data, "rh1:127.0.0.1:");
	assert_non_null(at);
	/* The loopback, seen from within. */
	assert_true(asprintf(&string, "rh1:10.0.2.2:%.*s", (int)strcspn(at + 14, " \r\n"), at + 14) > 0);
	assert_ok(world_expect(world, 0, NULL, &e, "ringhold-agent", "enrol", string, "--root", root, NULL));
	free(string);
}

/* ---- machines ---- */

static void release(struct vm_report *r)
{
	if (r)
		vm_report_release(r);
	free(r);
}

AUTO_DEFINE(vm_report, struct vm_report *, release);

static void print(const struct vm_report *r)
{
	const char *text = r->serial && r->serial->data ? r->serial->data : "";
	size_t len = strlen(text);

	fprintf(stderr, "%s: %u boots, %u panics, %u expiries, content %s; it ends with:\n%s\n", vm_verdict_name(r->verdict), r->boots,
		r->panics, r->expiries, r->content, text + (len > 8000 ? len - 8000 : 0));
}

static void tells(const struct vm_report *r, const char *what)
{
	if (r->serial && r->serial->data && strstr(r->serial->data, what))
		return;
	print(r);
	fail_msg("it does not tell of \"%s\"", what);
}

static int count(const struct vm_report *r, const char *what)
{
	int n = 0;

	for (const char *at = r->serial->data; (at = strstr(at, what)); at += strlen(what))
		n++;
	return n;
}

static struct vm_report *boots(const struct vm_boot *how, enum vm_verdict verdict, const struct bundle_made *content)
{
	struct vm_report *r = calloc(1, sizeof *r);
	char hex[DIGEST_HEX_LEN + 1];
	struct vm_boot b = *how;

	assert_non_null(r);
	b.content = hex;
	b.system = true;
	digest_hex(hex, &content->digest);
	assert_ok(vm_run(&b, r, &e));
	if (r->verdict == verdict && !strcmp(r->content, hex))
		return r;
	print(r);
	fail_msg("the machine is %s, not %s; %s runs, not %s", vm_verdict_name(r->verdict), vm_verdict_name(verdict), r->content, hex);
	return r;
}

/* The machine as it was shut down, the content that hangs it on trial. */
static const char *copy_of_trial(const char *name)
{
	static char disk[200];

	snprintf(disk, sizeof disk, "%s/%s.img", world->dir, name);
	shell_must("cp --sparse=always %s %s", trial, disk);
	return disk;
}

#define MACHINE_OPTIONS "systemd.show_status=no "

static int setup(void **state)
{
	AUTO(vm_report) struct vm_report *r = NULL;
	AUTO_FREE char *root = NULL;

	(void)state;
	if (vm_system_missing())
		return 0;       /* every story says so */
	setenv("TMPDIR", "/tmp", 0);    /* its disks are too big for memory */
	assert_ok(world_new(&world, "edr", false, &e));
	assert_ok(world_install(world, &e));
	publish();
	furnish();
	root = in_world("host");
	snprintf(trial, sizeof trial, "%s/trial.img", world->dir);
	assert_ok(vm_system(root, world->bin, trial, &e));
	struct vm_boot how = { .disk = trial, .options = MACHINE_OPTIONS "rh.until=trial", .most = 1 };

	r = boots(&how, VM_HEALTHY, &hang);
	tells(r, "vm: watchdog active 30");
	tells(r, "vm: failed units: \r");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_free(TAKE(world));
	return 0;
}

#define needs_a_system()                                \
	do {                                            \
		const char *missing_ = vm_system_missing(); \
		if (missing_)                           \
			skip_missing_program(missing_); \
	} while (0)

/* ---- what the server knows ---- */

static bool heard_of_failure(void)
{
	struct world_reply reply;
	bool heard;

	assert_ok(world_get(world, "/v1/devices?limit=10", &reply, &e));
	heard = strstr(reply.text->data, "ward-7") && strstr(reply.text->data, "boot-failed");
	world_reply_release(&reply);
	return heard;
}

static void the_server_hears_of_the_failure(void)
{
	int64_t until = clock_work_ms() + REPORT_LIMIT_MS;

	while (!heard_of_failure()) {
		assert_true(clock_work_ms() < until);
		usleep(200000);
	}
}

/* ---- the stories ---- */

static void content_that_hangs_the_machine_is_taken_back_and_the_server_hears_of_it(void **state)
{
	AUTO(vm_report) struct vm_report *r = NULL;

	(void)state;
	needs_a_system();
	assert_false(heard_of_failure());
	struct vm_boot how = { .disk = copy_of_trial("hang"), .options = MACHINE_OPTIONS "rh.until=reported", .most = 6 };

	r = boots(&how, VM_HEALTHY, &good);
	assert_int_equal(r->expiries, 2);       /* a trial has two tries; the shutdown before was in order */
	assert_int_equal(r->panics, 0);
	assert_int_equal(r->boots, 3);
	assert_int_equal(count(r, "vm: boot complete"), 1);     /* to systemd as well: none of those that hung */
	tells(r, "vm: failed units: \r");
	the_server_hears_of_the_failure();
}

/* The root is read only when it runs, as Debian mounts it; the unit that follows counts no boot twice. */
static void a_guard_in_debians_initramfs_counts_as_early_as_can_be(void **state)
{
	AUTO(vm_report) struct vm_report *r = NULL;
	char initrd[220];

	(void)state;
	needs_a_system();
	snprintf(initrd, sizeof initrd, "%s.initrd", trial);
	struct vm_boot how = { .disk = copy_of_trial("initramfs"), .initrd = initrd, .options = MACHINE_OPTIONS "ro rh.until=complete", .most = 6 };

	r = boots(&how, VM_HEALTHY, &good);
	assert_int_equal(r->expiries, 2);
	tells(r, "vm: early guard: edr: trial");
	tells(r, "vm: early guard: edr: current");
}

/* By systemd-boot and systemd-bless-boot themselves: the entry that may fail three times is good after one boot of ours. */
static void systemds_own_boot_counting_goes_on_undisturbed(void **state)
{
	AUTO(vm_report) struct vm_report *r = NULL;
	char esp[200], disk[200];

	(void)state;
	needs_a_system();
	snprintf(disk, sizeof disk, "%s/hang.img", world->dir);
	if (!file_exists(disk))
		skip_named("it goes on where the first story ended");
	snprintf(esp, sizeof esp, "%s/esp.img", world->dir);
	shell_must("rm -f %s.serial", disk);
	assert_ok(vm_esp(esp, MACHINE_OPTIONS "rh.until=blessed rh.most=9", &e));
	struct vm_boot how = { .disk = disk, .esp = esp, .most = 9 };

	r = boots(&how, VM_HEALTHY, &good);
	tells(r, "vm: entry debian+2-1.conf");
	tells(r, "vm: boot complete");
	tells(r, "vm: failed units: \r");
	shell_must("mdir -b -i %s@@1M ::/loader/entries/debian.conf", esp);
}

/* ---- the same machine, with what protects it taken away ---- */

static void without_the_guard_the_machine_is_lost(void **state)
{
	AUTO(vm_report) struct vm_report *r = NULL;
	char options[256], hex[DIGEST_HEX_LEN + 1];

	(void)state;
	needs_a_system();
	digest_hex(hex, &hang.digest);
	snprintf(options, sizeof options, MACHINE_OPTIONS "systemd.mask=ringhold-bootguard.service rh.link=%s", hex);
	struct vm_boot how = { .disk = copy_of_trial("unguarded"), .options = options, .most = 4 };

	r = boots(&how, VM_TOO_MANY_PANICS, &hang);
	assert_int_equal(r->expiries, 3);       /* boots 2, 3 and 4; a trial has two tries */
}

static void without_the_watchdog_the_machine_stands_still(void **state)
{
	AUTO(vm_report) struct vm_report *r = NULL;

	(void)state;
	needs_a_system();
	struct vm_boot how = { .disk = copy_of_trial("unwatched"), .options = MACHINE_OPTIONS "module_blacklist=softdog", .most = 6, .cpu_s = 120 };

	r = boots(&how, VM_TIMEOUT, &hang);
	assert_int_equal(r->boots, 1);
	assert_int_equal(r->expiries, 0);
}

static void everybody_ends_when_told_to_and_no_log_holds_a_finding(void **state)
{
	(void)state;
	needs_a_system();
	assert_ok(world_verdict(world, &e));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(content_that_hangs_the_machine_is_taken_back_and_the_server_hears_of_it),
		cmocka_unit_test(systemds_own_boot_counting_goes_on_undisturbed),
		cmocka_unit_test(a_guard_in_debians_initramfs_counts_as_early_as_can_be),
		cmocka_unit_test(without_the_guard_the_machine_is_lost),
		cmocka_unit_test(without_the_watchdog_the_machine_stands_still),
		cmocka_unit_test(everybody_ends_when_told_to_and_no_log_holds_a_finding),
	};

	if (argc > 1)   /* the stories whose names match */
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, setup, teardown);
}
