/*
 * test_disk: ringholdd whose disk is full, or takes no more writes, while a
 * crowd is at work: it says so, acknowledges nothing it cannot keep, goes on
 * serving what is there, and goes on by itself when it can.
 */
#include <inttypes.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

#include "base/log.h"
#include "drill.h"
#include "syncs.h"
#include "tests/shell.h"

#define SMALL "size=24m"
#define DISK_BYTES (48 << 20)
#define MIN_FREE "min-free = 1M\n"

static char place[] = "/tmp/ringhold-disk-XXXXXX";      /* where disks are mounted, in a mount namespace of our own */
static const char *why_not;
static char list[] = "/dev/shm/ringhold-syncs-XXXXXX";  /* of preload/syncs.c: on memory, so that it does not change how long a sync takes */
static bool unwatched;                  /* what should stand between SQLite and the kernel does not */

/* ---- disks ---- */

static bool mount_small(void)
{
	return mount("tmpfs", place, "tmpfs", 0, SMALL) == 0;
}

/* A disk with a journal, on a file beside. */
static bool mount_real(bool fresh)
{
	return (!fresh || shell_ok("truncate -s %d %s.img && mke2fs -q -t ext4 -F %s.img", DISK_BYTES, place, place)) &&
	       shell_ok("mount -o loop %s.img %s", place, place);
}

static void fill(const char *name)
{
	AUTO_FREE char *path = file_join(place, name);
	static char bytes[65536];
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);

	assert_true(fd >= 0);
	for (size_t piece = sizeof bytes; piece >= 512; piece /= 2)
		while (write(fd, bytes, piece) > 0)
			;
	close(fd);
}

static void drain(const char *name)
{
	AUTO_FREE char *path = file_join(place, name);

	assert_int_equal(unlink(path), 0);
}

/* A path like that of the disk, but on the disk that it is on. */
static char *beside(const char *name)
{
	char *path = NULL;

	assert_true(asprintf(&path, "%s.%s", place, name) > 0);
	return path;
}

static int setup_on(void **state, bool mounted)
{
	if (why_not || !mounted) {
		*state = NULL;
		return 0;
	}
	setenv("TMPDIR", place, 1);
	return drill_open(state, MIN_FREE);
}

static int small(void **state)
{
	return setup_on(state, !why_not && mount_small());
}

/* With preload/syncs.c between SQLite and the kernel. */
static int real(void **state)
{
	AUTO_FREE char *library = beside("so"), *lie = beside("lie");

	setenv("SYNCS_LOG", list, 1);
	setenv("SYNCS_LIE", lie, 1);
	unwatched = PRELOADS && !why_not && (truncate(list, 0) < 0 || !preload("syncs", library));
	setup_on(state, !why_not && mount_real(true));
	preload_end();
	return 0;
}

static int teardown(void **state)
{
	if (*state)
		drill_close(state);
	(void)!umount2(place, MNT_DETACH);
	(void)!shell_ok("rm -f %s.*", place);
	return 0;
}

#define NEED_DISK(d)                                                                        \
	do {                                                                                \
		if (!(d))                                                                   \
			skip_named("%s", why_not ? why_not : "no disk can be mounted here"); \
		NEED((d)->p->o);                                                            \
	} while (0)

/* ---- what people see ---- */

/* Something that must be kept is refused, by this status and with these words; what only reads is answered. */
static void refuses_to_write(struct drill *d, long status, const char *words)
{
	static const char *const reads[] = { "/healthz", "/v1/rollouts/1", "/v1/audit?limit=1", "/content/metadata/timestamp.json" };
	AUTO_REPLY a = ask(d->p, FIXTURE_TOKEN, "POST", "/v1/enrolment-tokens", "{\"name\":\"no\"}");

	if (a.status != status || !strstr(a.text->data, words))
		fail_msg("wanted %ld and \"%s\": %ld %s", status, words, a.status, a.text->data);
	for (size_t i = 0; i < ARRAY_LEN(reads); i++)
		expect(d->p, 200, "GET", reads[i], NULL, NULL, 0);
	expect(d->p, 503, "GET", "/readyz", NULL, NULL, 0);
}

static void until_refused(struct drill *d)
{
	if (!crowd_wait(&d->c, &d->c.refused, 20))
		fail_msg("the disk takes no more, and nobody is told");
	well(d);
}

static void restart(struct drill *d)
{
	AUTO_FREE char *listening = fixture_path(d->p->o->f, "data/listening");

	unlink(listening);
	d->p->o->pid = 0;
	office_start(d->p->o);
	plane_connect(d->p);
}

/* Starting is refused, with a sentence that has these words. */
static void does_not_start(struct drill *d, const char *words)
{
	AUTO_FREE char *ini = fixture_path(d->p->o->f, "ringholdd.ini");
	char *argv[] = { (char *)"ringholdd", (char *)"--config", ini, NULL };
	struct proc_run run = { .path = d->p->o->server, .argv = argv, .stdin_fd = -1, .timeout_ms = LIMIT_MS, .output_max = 65536 };
	struct proc_result r;
	struct err e;

	assert_ok(proc_run(&run, &r, &e));
	if (r.exit_status == 0 || !strstr(r.output->data, words) || !strstr(r.output->data, d->p->o->f->data))
		fail_msg("status %d, and not \"%s\" in %s: %s", r.exit_status, words, d->p->o->f->data, r.output->data);
	proc_result_release(&r);
}

/* ---- what the kernel promised ---- */

static uint64_t broken_promises(struct drill *d)
{
	AUTO_FREE char *data = fixture_path(d->p->o->f, "data");
	struct syncs s;
	struct err e;

	assert_ok(syncs_check(&s, list, data, &e));
	print_message("syncs: %" PRIu64 " made, %" PRIu64 " failed; of %" PRIu64 " bytes that the kernel said are on the disk %" PRIu64 " are not%s%s\n", s.made,
		      s.failed, s.promised, s.broken, s.broken ? ": " : "", s.first);
	return s.broken;
}

/*
 * ext4 (6.18) that is told to abort while a fdatasync() waits may answer it with
 * success and lose what it was for: the transaction that carries the file's new
 * length is thrown away, and a transaction that is neither running nor being
 * committed counts as committed. One run in five shows it here: no sync failed,
 * and after the next mount the log ends before what was written ahead of the last.
 * That is not the server's word: the files become what the kernel said
 * they are, and all that the server promised by it must be there.
 */
static void mend(struct drill *d)
{
	AUTO_FREE char *data = fixture_path(d->p->o->f, "data");
	struct err e;

	if (PRELOADS && broken_promises(d) > 0)
		assert_ok(syncs_keep(list, data, &e));
}

/* As the kernel makes it when the disk fails, under a running server. */
static void abort_the_disk(struct drill *d)
{
	if (!PRELOADS)
		crowd_rest(&d->c);      /* nobody writes down what the kernel promises: then between two requests */
	shell_must("mount -o remount,abort %s", place);
	if (!PRELOADS)
		meet(d);
}

/* The server is gone, and the disk is as the kernel left it. */
static void mount_again(struct drill *d)
{
	(void)end_it(d);
	assert_int_equal(umount2(place, 0), 0);
	assert_true(mount_real(false));
}

/* ---- the sentences ---- */

static void a_full_disk_is_named_keeps_what_was_promised_and_ends_with_space(void **state)
{
	struct drill *d = *state;

	NEED_DISK(d);
	begin(d, CROWD_AGENTS);
	load(d, 100);
	for (int times = 0; times < 3; times++) {
		fill("ballast");
		until_refused(d);
		refuses_to_write(d, 503, "no-space");
		drain("ballast");
		load(d, 200);
		expect(d->p, 200, "GET", "/readyz", NULL, NULL, 0);
	}
	settle(d);
	holds(d, true);
	/* the operator's keys were good again each time */
	assert_int_equal(d->c.unknown, 0);
	/* memory and store still tell one story */
	put_down(d);
	restart(d);
	holds(d, true);
	crowd_free(&d->c);
}

static void a_server_killed_on_a_full_disk_comes_back_with_space(void **state)
{
	struct drill *d = *state;

	NEED_DISK(d);
	begin(d, CROWD_AGENTS);
	load(d, 100);
	fill("ballast");
	until_refused(d);
	put_down(d);
	fill("more");
	does_not_start(d, "No space left");
	drain("ballast");
	drain("more");
	restart(d);
	holds(d, false);
	meet(d);
	load(d, 100);
	settle(d);
	holds(d, true);
	crowd_free(&d->c);
}

#define NEED_WATCH(d)                                                                          \
	do {                                                                                   \
		NEED_DISK(d);                                                                  \
		if (unwatched)                                                                 \
			skip_missing_program("cc");                                            \
	} while (0)

static void a_disk_that_takes_no_more_writes_loses_nothing_that_was_promised(void **state)
{
	struct drill *d = *state;

	NEED_WATCH(d);
	begin(d, CROWD_AGENTS);
	load(d, 100);
	abort_the_disk(d);
	until_refused(d);
	refuses_to_write(d, 503, "store-failed");
	put_down(d);
	does_not_start(d, "Read-only file system");
	assert_int_equal(umount2(place, 0), 0);
	assert_true(mount_real(false));
	mend(d);
	restart(d);
	holds(d, false);
	meet(d);
	load(d, 100);
	settle(d);
	holds(d, true);
	crowd_free(&d->c);
}

/* ---- the controls ---- */

#define NEED_PRELOADS()                                                             \
	do {                                                                        \
		if (!PRELOADS)                                                      \
			skip_named("a sanitizer's runtime must be loaded first");   \
	} while (0)

/* It refuses, or ends itself: it answered with offers that its store will not take. */
static void until_in_vain(struct drill *d)
{
	assert_true(crowd_wait(&d->c, &d->c.vain, 1));
}

/* Something that was acknowledged is not there, and the check says so. */
static void misses_something(struct drill *d)
{
	struct err e = { .code = 0 };

	if (tally_check(&d->c, d->store, false, &d->t, &e) != ERR_REFUSED)
		fail_msg("not noticed: %s", e.code ? e.msg : "all seems well");
}

/* preload/hasty.c from now on: answers a crowd at work before it has committed. */
static void be_hasty(struct drill *d, bool watched)
{
	AUTO_FREE char *hasty = fixture_path(d->p->o->f, "hasty.so"), *syncs = beside("so"), *file = fixture_path(d->p->o->f, "hasty");

	assert_true((!watched || preload("syncs", syncs)) && preload("hasty", hasty));
	setenv("HASTY_FILE", file, 1);
	fixture_write(d->p->o->f, "hasty", "");
	plane_restart(d->p, SIGTERM);
	preload_end();
	begin(d, CROWD_AGENTS);
	load(d, 100);
}

static void a_hasty_server_on_a_full_disk_is_noticed(void **state)
{
	struct drill *d = *state;

	NEED_PRELOADS();
	NEED_DISK(d);
	be_hasty(d, false);
	fill("ballast");
	until_in_vain(d);
	(void)end_it(d);
	drain("ballast");
	misses_something(d);
}

static void a_hasty_server_on_a_disk_that_takes_no_more_writes_is_noticed(void **state)
{
	struct drill *d = *state;

	NEED_PRELOADS();
	NEED_WATCH(d);
	be_hasty(d, true);
	abort_the_disk(d);
	until_in_vain(d);
	mount_again(d);
	mend(d);
	misses_something(d);
}

static void a_kernel_that_makes_no_sync_is_noticed_and_mended(void **state)
{
	struct drill *d = *state;

	NEED_PRELOADS();
	NEED_WATCH(d);
	begin(d, CROWD_AGENTS);
	load(d, 100);
	crowd_rest(&d->c);
	shell_must("touch %s.lie", place);
	meet(d);
	load(d, 20);
	abort_the_disk(d);
	until_refused(d);
	mount_again(d);
	assert_true(broken_promises(d) > 0);
	misses_something(d);
	mend(d);
	restart(d);
	holds(d, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_full_disk_is_named_keeps_what_was_promised_and_ends_with_space, small, teardown),
		cmocka_unit_test_setup_teardown(a_server_killed_on_a_full_disk_comes_back_with_space, small, teardown),
		cmocka_unit_test_setup_teardown(a_disk_that_takes_no_more_writes_loses_nothing_that_was_promised, real, teardown),
		cmocka_unit_test_setup_teardown(a_hasty_server_on_a_full_disk_is_noticed, small, teardown),
		cmocka_unit_test_setup_teardown(a_hasty_server_on_a_disk_that_takes_no_more_writes_is_noticed, real, teardown),
		cmocka_unit_test_setup_teardown(a_kernel_that_makes_no_sync_is_noticed_and_mended, real, teardown),
	};
	int failed, fd;

	signal(SIGPIPE, SIG_IGN);
	log_init("test", LOG_ERROR);
	if (!mkdtemp(place) || (fd = mkostemp(list, O_CLOEXEC)) < 0)
		return 1;
	close(fd);
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		why_not = "disks cannot be mounted without root";
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(place);
	unlink(list);
	return failed;
}
