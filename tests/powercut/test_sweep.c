/*
 * test_sweep: SIGKILL, EIO and ENOSPC at every call by which the supervisor
 * touches its disk, from the offer of a bundle to its commit, and to its
 * revert; ENOSPC also from that call on, as of a disk that is full.
 */
#include "agent/sweep.h"

#include <sys/wait.h>

#define SHARDS 4        /* side by side: most of the time they wait */

static size_t shard;

static const struct fault { const char *what; bool lasting; } faults[] = {
	{ "signal=KILL", false }, { "error=EIO", false }, { "error=ENOSPC", false }, { "error=ENOSPC", true },
};

static void print_stages(const struct sweep *s)
{
	for (size_t i = 0, n = 1; i < s->calls.count; i++, n++) {
		if (i + 1 < s->calls.count && !strcmp(s->calls.list[i].stage, s->calls.list[i + 1].stage))
			continue;
		fprintf(stderr, "sweep, %s: %zu calls in %s\n", s->refuses ? "a bundle that is reverted" : "a bundle that is committed", n,
			s->calls.list[i].stage);
		n = 0;
	}
}

static void all(struct endpoint *p, bool refuses)
{
	static struct sweep s;
	unsigned n = 0;

	if (access(CALLS_STRACE, X_OK) < 0)
		skip_missing_program("strace");
	if (!sweep_strace_works())
		skip_named("strace cannot trace here");
	sweep_prepare(&s, p, refuses);
	sweep_count(&s);
	if (shard == 0)
		print_stages(&s);
	for (size_t i = 0; i < s.calls.count * ARRAY_LEN(faults); i++) {
		const struct call *c = &s.calls.list[i / ARRAY_LEN(faults)];
		const struct fault *f = &faults[i % ARRAY_LEN(faults)];

		if ((i + i / ARRAY_LEN(faults)) % SHARDS != shard)
			continue;
		sweep_one(&s, c, f->what, f->lasting);
		n++;
	}
	fprintf(stderr, "sweep, %s: %u faults, shard %zu of %d\n", refuses ? "a bundle that is reverted" : "a bundle that is committed", n, shard + 1,
		SHARDS);
}

static void whichever_call_goes_wrong_good_content_is_committed_in_the_end(void **state)
{
	all(*state, false);
}

static void whichever_call_goes_wrong_bad_content_is_left_in_the_end(void **state)
{
	all(*state, true);
}

#define SWEEP_TEST(name) cmocka_unit_test_setup_teardown(name, endpoint_setup, endpoint_teardown)

static int run_shard(void)
{
	const struct CMUnitTest tests[] = {
		SWEEP_TEST(whichever_call_goes_wrong_good_content_is_committed_in_the_end),
		SWEEP_TEST(whichever_call_goes_wrong_bad_content_is_left_in_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

static void print(FILE *f)
{
	char line[4096];

	rewind(f);
	while (fgets(line, sizeof line, f))
		fputs(line, stderr);
	fclose(f);
}

int main(int argc, char **argv)
{
	struct { pid_t pid; FILE *out; } shards[SHARDS];
	int status, failed = 0;

	if (argc > 1)   /* the ones whose names match */
		cmocka_set_test_filter(argv[1]);
	for (shard = 0; shard < SHARDS; shard++) {
		shards[shard].out = tmpfile();
		if (!shards[shard].out)
			return 1;
		shards[shard].pid = fork();
		if (shards[shard].pid == 0) {
			dup2(fileno(shards[shard].out), STDOUT_FILENO);
			dup2(fileno(shards[shard].out), STDERR_FILENO);
			exit(run_shard());
		}
	}
	for (size_t i = 0; i < SHARDS; i++) {
		failed |= waitpid(shards[i].pid, &status, 0) < 0 || status != 0;
		print(shards[i].out);
	}
	return failed;
}
