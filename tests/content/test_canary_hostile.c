/*
 * test_canary_hostile: hostile engines, each classified, and the host none the worse.
 *
 * They are loaders of this file, handed to the canary in place of the built-in
 * ones.
 */
#include "canary_job.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "content/sandbox.h"
#include "kernel_says.h"

enum hostile { CRASH_LOAD, ABORT_LOAD, HANG_LOAD, SPIN_LOAD, EXIT_LOAD, EAT_MEMORY, FORK, SOCKET, WRITE_SLOT, READ_PASSWD,
	       KILL_PARENT, EXEC, CLOSE_ALL, CRASH_MATCH, CRASH_FREE, SLOW_MATCH, SLOW_LOAD, BIG_LOAD, OUT_OF_MEMORY };

static enum hostile mode;
static char escape_path[256];

/* Never returns when the confinement holds; exits with 9 when it did not. */
static void attempt(enum hostile what)
{
	int fd;

	switch (what) {
	case FORK:
		for (;;)
			if (fork() < 0)
				_exit(9);
	case SOCKET:
		(void)!socket(AF_INET, SOCK_STREAM, 0);
		_exit(9);
	case WRITE_SLOT:
		fd = open(escape_path, O_WRONLY | O_CREAT, 0644);
		_exit(fd < 0 ? 11 : 9);
	case READ_PASSWD:
		fd = open("/etc/passwd", O_RDONLY);
		_exit(fd < 0 ? 11 : 9);
	case KILL_PARENT:
		kill(getppid(), SIGTERM);
		_exit(9);
	case EXEC:
		execl("/bin/true", "true", (char *)NULL);
		_exit(9);
	default:
		_exit(9);
	}
}

/* Shared with a process beside the try, while there is one. */
static struct beside {
	volatile pid_t loads;           /* the process of the try, once it loads */
	char limits[4096], status[4096];        /* what the kernel says of it */
	bool lowered;
} *beside;

static int hostile_load(void **engine, const struct loader_job *job, struct err *e)
{
	static volatile char *volatile sink;
	size_t most = SANDBOX_SANITIZED ? (size_t)1 << 20 : (size_t)1 << 40;

	(void)job;
	*engine = NULL;
	if (beside)
		beside->loads = getpid();
	switch (mode) {
	case CRASH_LOAD:
		*(volatile int *)sink = 1;
		return 0;
	case ABORT_LOAD:
		abort();
	case HANG_LOAD:
		for (;;)
			pause();
	case SPIN_LOAD:
		for (;;)
			sink = NULL;
	case EXIT_LOAD:
		_exit(0);
	case EAT_MEMORY:
		for (size_t i = 0; i < most; i += 1 << 20) {
			char *p = malloc(1 << 20);

			if (!p)
				return err_memory(e);
			memset(p, 1, 1 << 20);
			sink = p;
		}
		return 0;
	case BIG_LOAD: {
		char *p = mmap(NULL, 40 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			return err_memory(e);
		memset(p, 1, 40 << 20);
		return 0;
	}
	case SLOW_LOAD:
		for (int64_t start = clock_cpu_us(); clock_cpu_us() - start < 100000;)
			;
		return 0;
	case OUT_OF_MEMORY:
		return err_memory(e);
	case CLOSE_ALL:
		for (int fd = 0; fd < 100; fd++)
			close(fd);
		for (;;)
			pause();
	case CRASH_MATCH:
	case CRASH_FREE:
	case SLOW_MATCH:
		return 0;
	default:
		attempt(mode);
		return 0;
	}
}

static bool hostile_takes(const void *engine, const struct json *event)
{
	(void)engine;
	(void)event;
	return true;
}

static int hostile_match(void *engine, const struct json_doc *d, const struct json *event, struct detection *out, struct err *e)
{
	(void)engine;
	(void)d;
	(void)event;
	(void)e;
	if (mode == CRASH_MATCH)
		raise(SIGFPE);
	if (mode == SLOW_MATCH)
		for (int64_t start = clock_cpu_us(); clock_cpu_us() - start < 5000;)
			;
	*out = (struct detection){ .action = DETECTION_ALERT, .rule = "nc", .matches = 1 };
	return 0;
}

static void hostile_free(void *engine)
{
	(void)engine;
	if (mode == CRASH_FREE)
		raise(SIGBUS);
}

static const struct loader hostile_loader = {
	.name = "hostile", .type = "rules", .load = hostile_load, .takes = hostile_takes, .match = hostile_match, .free = hostile_free,
};
static const struct loader *const hostile_loaders[] = { &hostile_loader, NULL };

static void run_hostile(enum hostile what, const char *contract, int64_t wall_ms, struct canary_result *r)
{
	AUTO(content_tree) struct content_tree *t = content_tree_new(good);
	struct canary_job job = { .loaders = hostile_loaders, .wall_ms = wall_ms, .contract = contract,
				  .contract_len = contract ? strlen(contract) : 0 };

	mode = what;
	snprintf(escape_path, sizeof(escape_path), "%s/escaped", t->path);
	run_job(&job, t, r);
	assert_false(file_exists(escape_path));
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);       /* nobody is left */
	assert_int_equal(errno, ECHILD);
}

static void a_crash_is_a_crash_wherever_it_happens(void **state)
{
	struct canary_result r;

	(void)state;
	run_hostile(CRASH_LOAD, NULL, 0, &r);
	expect_result(&r, CANARY_CRASH, "crash", "while loading");
	assert_true(SANDBOX_SANITIZED || r.signal == SIGSEGV);
	run_hostile(ABORT_LOAD, NULL, 0, &r);
	expect_result(&r, CANARY_CRASH, "crash", "while loading");
	run_hostile(CRASH_MATCH, NULL, 0, &r);
	expect_result(&r, CANARY_CRASH, "crash", "while running self-test t.ndjson:1");
	run_hostile(CRASH_FREE, NULL, 0, &r);
	expect_result(&r, CANARY_CRASH, "crash", "while unloading");
	run_hostile(EXIT_LOAD, NULL, 0, &r);
	expect_result(&r, CANARY_CRASH, "crash", "ended with status 0 and no result while loading");
	assert_true(canary_is_final(r.outcome));
}

static void a_hang_ends_at_the_wall_time(void **state)
{
	struct canary_result r;

	(void)state;
	run_hostile(HANG_LOAD, NULL, 200, &r);
	expect_result(&r, CANARY_HANG, "hang", "no end after 200 ms while loading");
	assert_true(r.wall_ms >= 200);
	run_hostile(SPIN_LOAD, NULL, 200, &r);
	expect_result(&r, CANARY_HANG, "hang", "no end after 200 ms");
	assert_false(canary_is_final(r.outcome));
	run_hostile(CLOSE_ALL, NULL, 20000, &r);
	expect_result(&r, CANARY_HANG, "hang", "while loading");
}

/* Runs a try, and beside it a process that looks at it while it loads. */
static void run_beside(enum hostile what, int64_t wall_ms, void (*look)(void), struct canary_result *r)
{
	AUTO(content_tree) struct content_tree *t = content_tree_new(good);
	struct canary_job job = { .loaders = hostile_loaders, .wall_ms = wall_ms };
	pid_t watcher;
	int status;

	beside = mmap(NULL, sizeof(*beside), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(beside != MAP_FAILED);
	watcher = fork();
	assert_true(watcher >= 0);
	if (watcher == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (!beside->loads)
			poll(NULL, 0, 1);
		look();
		_exit(0);
	}
	mode = what;
	run_job(&job, t, r);
	if (!beside->loads)
		kill(watcher, SIGKILL);         /* it waits for what never came */
	assert_int_equal(waitpid(watcher, &status, 0), watcher);
	assert_int_equal(status, 0);
}

static void read_what_the_kernel_says(void)
{
	kernel_read(beside->loads, "limits", beside->limits, sizeof(beside->limits));
	kernel_read(beside->loads, "status", beside->status, sizeof(beside->status));
	kill(beside->loads, SIGKILL);
}

static void the_kernel_holds_a_try_to_its_limits(void **state)
{
	static const struct { const char *name; rlim_t most; } limits[] = {
		{ "Max cpu time", 22 },      { "Max file size", 0 },      { "Max core file size", 0 }, { "Max processes", 0 },
		{ "Max open files", 64 },    { "Max locked memory", 0 },  { "Max msgqueue size", 0 },
	};
	struct canary_result r;

	(void)state;
	run_beside(HANG_LOAD, 20000, read_what_the_kernel_says, &r);
	for (size_t i = 0; i < ARRAY_LEN(limits); i++)
		if (kernel_limit(beside->limits, limits[i].name) != limits[i].most)
			fail_msg("%s is not %llu:\n%s", limits[i].name, (unsigned long long)limits[i].most, beside->limits);
	assert_true(SANDBOX_SANITIZED || kernel_limit(beside->limits, "Max address space") < RLIM_INFINITY);
	kernel_says_confined(beside->status);
	munmap(beside, sizeof(*beside));
	beside = NULL;
}

/* Wall time would end a process of one thread first: one second is enough to see which of the two it was. */
static void lower_its_processor_time(void)
{
	struct rlimit limit;

	beside->lowered = prlimit(beside->loads, RLIMIT_CPU, NULL, &limit) == 0 && limit.rlim_cur < RLIM_INFINITY;
	limit.rlim_cur = 1;
	beside->lowered = beside->lowered && prlimit(beside->loads, RLIMIT_CPU, &limit, NULL) == 0;
}

static void a_try_that_has_used_up_its_processor_time_ends(void **state)
{
	struct canary_result r;

	(void)state;
	run_beside(SPIN_LOAD, 300000, lower_its_processor_time, &r);
	assert_true(beside->lowered);
	expect_result(&r, CANARY_HANG, "hang", "processor time ran out");
	munmap(beside, sizeof(*beside));
	beside = NULL;
}

static void memory_without_end_runs_into_its_bound(void **state)
{
	struct canary_result r;

	(void)state;
	run_hostile(OUT_OF_MEMORY, NULL, 0, &r);
	expect_result(&r, CANARY_MEMORY, "ceiling-rss", "out of memory");
	assert_false(canary_is_final(r.outcome));
	if (SANDBOX_SANITIZED)
		skip_named("sanitizers need terabytes of address space, so there is no bound here");
	run_hostile(EAT_MEMORY, CONTRACT("\"rss_bytes\":16777216"), 0, &r);
	assert_int_equal(r.outcome, CANARY_MEMORY);
}

static void what_only_an_attack_does_ends_the_process(void **state)
{
	static const enum hostile attacks[] = { FORK, SOCKET, KILL_PARENT, EXEC };
	struct canary_result r;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(attacks); i++) {
		run_hostile(attacks[i], NULL, 0, &r);
		expect_result(&r, CANARY_CRASH, "crash", "stopped for a forbidden system call while loading");
		assert_int_equal(r.signal, SIGSYS);
	}
}

static void files_elsewhere_can_be_neither_read_nor_written(void **state)
{
	struct canary_result r;

	(void)state;
	run_hostile(WRITE_SLOT, NULL, 0, &r);
	expect_result(&r, CANARY_CRASH, "crash", "ended with status 11");
	run_hostile(READ_PASSWD, NULL, 0, &r);
	if (!(r.confinement & CANARY_LANDLOCK) && strstr(r.sentence, "status 9"))
		skip_named("this kernel has no Landlock");
	expect_result(&r, CANARY_CRASH, "crash", "ended with status 11");
}

static void ceilings_are_measured_and_named(void **state)
{
	struct canary_result r;

	(void)state;
	run_hostile(SLOW_LOAD, CONTRACT("\"load_ms\":50"), 0, &r);
	expect_result(&r, CANARY_CEILING_LOAD, "ceiling-load", "the ceiling is 50");
	run_hostile(SLOW_MATCH, CONTRACT("\"us_per_event\":1000"), 0, &r);
	expect_result(&r, CANARY_CEILING_EVENT, "ceiling-event", "the ceiling is 1000");
	run_hostile(BIG_LOAD, CONTRACT("\"rss_bytes\":33554432"), 0, &r);
	expect_result(&r, CANARY_CEILING_RSS, "ceiling-rss", "the ceiling is 33554432");
	assert_true(r.rss_bytes >= 40 << 20);
}

static void the_bundle_s_own_budget_counts_where_it_is_lower(void **state)
{
	static const char contract[] = CONTRACT("\"load_ms\":1000000,\"rss_bytes\":1073741824,\"us_per_event\":1000000");
	static const struct {
		enum hostile does;
		struct manifest_budget budget;
		enum canary_outcome outcome;
		const char *reason, *says;
	} rows[] = {
		{ SLOW_LOAD, { .load_ms = 50 }, CANARY_CEILING_LOAD, "ceiling-load", "the ceiling is 50" },
		{ BIG_LOAD, { .rss_bytes = 33554432 }, CANARY_CEILING_RSS, "ceiling-rss", "the ceiling is 33554432" },
		{ SLOW_MATCH, { .us_per_event = 1000 }, CANARY_CEILING_EVENT, "ceiling-event", "the ceiling is 1000" },
	};
	struct canary_job job = { .loaders = hostile_loaders, .contract = contract, .contract_len = sizeof(contract) - 1 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(content_tree) struct content_tree *t = content_tree_new(good);
		struct canary_result r;

		mode = rows[i].does;
		run_job(&job, t, &r);
		assert_int_equal(r.outcome, CANARY_OK);         /* by the contract alone */
		t->manifest->budget = rows[i].budget;
		content_tree_rewrite(t);
		run_job(&job, t, &r);
		expect_result(&r, rows[i].outcome, rows[i].reason, rows[i].says);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_crash_is_a_crash_wherever_it_happens),
		cmocka_unit_test(a_hang_ends_at_the_wall_time),
		cmocka_unit_test(the_kernel_holds_a_try_to_its_limits),
		cmocka_unit_test(a_try_that_has_used_up_its_processor_time_ends),
		cmocka_unit_test(memory_without_end_runs_into_its_bound),
		cmocka_unit_test(what_only_an_attack_does_ends_the_process),
		cmocka_unit_test(files_elsewhere_can_be_neither_read_nor_written),
		cmocka_unit_test(ceilings_are_measured_and_named),
		cmocka_unit_test(the_bundle_s_own_budget_counts_where_it_is_lower),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
