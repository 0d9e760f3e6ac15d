/*
 * test_sweep: SIGKILL, EIO and ENOSPC at every call by which the supervisor
 * touches its disk, from the offer of a bundle to its commit, and to its
 * revert, and from the word that it is stopped until it is left and its sensor,
 * which reads nothing before it is told, knows; and at every call by which the
 * judge touches what it keeps. ENOSPC also from that call on, as of a disk that
 * is full.
 */
#include "agent/sweep_judge.h"

#include <sys/wait.h>

#define SHARDS 4        /* side by side: most of the time they wait */

static size_t shard;

/* needs_space: not of calls that only look. */
static const struct fault { const char *what; bool lasting, needs_space; } faults[] = {
	{ "signal=KILL", false, false }, { "error=EIO", false, false }, { "error=ENOSPC", false, true }, { "error=ENOSPC", true, true },
};

static const char *words(const struct sweep *s)
{
	if (s->start == sweep_judge_start)
		return "the judge's calls";
	return (const char *const[]){ "a bundle that is committed", "a bundle that is reverted", "a bundle that is stopped" }[s->end];
}

static void print_stages(const struct sweep *s)
{
	for (size_t i = 0, n = 1; i < s->calls.count; i++, n++) {
		if (i + 1 < s->calls.count && !strcmp(s->calls.list[i].stage, s->calls.list[i + 1].stage))
			continue;
		fprintf(stderr, "sweep, %s: %zu calls in %s\n", words(s), n, s->calls.list[i].stage);
		n = 0;
	}
}

static void all(struct endpoint *p, enum sweep_end end, bool judge)
{
	static struct sweep s;
	unsigned n = 0, turn = 0;

	NEED_STRACE();
	sweep_prepare(&s, p, end);
	if (judge)
		s.start = sweep_judge_start;
	sweep_count(&s);
	if (shard == 0)
		print_stages(&s);
	for (size_t i = 0; i < s.calls.count * ARRAY_LEN(faults); i++) {
		const struct call *c = &s.calls.list[i / ARRAY_LEN(faults)];
		const struct fault *f = &faults[i % ARRAY_LEN(faults)];

		if ((c->looks && f->needs_space) || (end != SWEEP_COMMITTED && !strcmp(c->stage, "start")))    /* which is the same start */
			continue;
		if (turn++ % SHARDS != shard)
			continue;
		sweep_one(&s, c, f->what, f->lasting);
		n++;
	}
	fprintf(stderr, "sweep, %s: %u faults, shard %zu of %d\n", words(&s), n, shard + 1, SHARDS);
}

static void whichever_call_goes_wrong_good_content_is_committed_in_the_end(void **state)
{
	all(*state, SWEEP_COMMITTED, false);
}

static void whichever_call_goes_wrong_bad_content_is_left_in_the_end(void **state)
{
	all(*state, SWEEP_REVERTED, false);
}

static void whichever_call_goes_wrong_stopped_content_is_left_in_the_end(void **state)
{
	all(*state, SWEEP_STOPPED, false);
}

static void whichever_call_of_the_judge_goes_wrong_good_content_is_committed_in_the_end(void **state)
{
	all(*state, SWEEP_COMMITTED, true);
}

#define SWEEP_TEST(name) cmocka_unit_test_setup_teardown(name, endpoint_setup, endpoint_teardown)

static int run_shard(void)
{
	const struct CMUnitTest tests[] = {
		SWEEP_TEST(whichever_call_goes_wrong_good_content_is_committed_in_the_end),
		SWEEP_TEST(whichever_call_goes_wrong_bad_content_is_left_in_the_end),
		SWEEP_TEST(whichever_call_goes_wrong_stopped_content_is_left_in_the_end),
		SWEEP_TEST(whichever_call_of_the_judge_goes_wrong_good_content_is_committed_in_the_end),
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

	sweep_judge_stand_in(argc, argv);
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
