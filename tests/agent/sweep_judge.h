/*
 * sweep_judge: the sweep, of the judge's calls on what it keeps in tuf/.
 *
 * The supervisor lets none of its children trace another, so the tracer comes
 * from the test: in the judge's place stands first this program, which stops
 * until it is traced and then becomes the judge. Only the first judge of an
 * agent: one that is started after a fault is whole.
 */
#ifndef TESTS_AGENT_SWEEP_JUDGE_H
#define TESTS_AGENT_SWEEP_JUDGE_H

#include <sys/prctl.h>

#include "sweep.h"

#define SWEEP_JUDGE_PID "/judge.pid"    /* below the root, put back with it */

/* In main(), before anything else. */
static inline void sweep_judge_stand_in(int argc, char **argv)
{
	char path[512], text[32];
	struct err e;
	ssize_t n;

	if (argc < 5 || strcmp(argv[1], "--role") != 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(path, sizeof path, "%s" SWEEP_JUDGE_PID, argv[4]);
	snprintf(text, sizeof text, "%d", (int)getpid());
	if (!file_exists(path)) {
		assert_ok(file_replace(path, text, strlen(text), 0644, &e));
		raise(SIGSTOP);
	}
	n = readlink("/proc/self/exe", path, sizeof path - 32);
	assert_true(n > 0);
	path[n] = 0;
	for (int i = 0; i < 3; i++)
		*strrchr(path, '/') = 0;
	strcat(path, "/bin/ringhold-agent");
	execv(path, argv);
	_exit(127);
}

static inline bool sweep_is_stopped(pid_t pid)
{
	char path[64], line[512] = "";
	const char *name_ends;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (f && !fgets(line, sizeof line, f))
		line[0] = 0;
	if (f)
		fclose(f);
	name_ends = strrchr(line, ')');
	return name_ends && !strncmp(name_ends, ") T", 3);
}

/* Answers once strace has said that it holds the process. */
static inline void sweep_trace(pid_t pid, const char *option, const char *trace)
{
	char of[16], said[512] = "";
	pid_t between;
	int ends[2];
	ssize_t n;

	snprintf(of, sizeof of, "%d", (int)pid);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	between = fork();
	assert_true(between >= 0);
	if (between == 0) {
		dup2(ends[1], STDERR_FILENO);
		/* Its parent is nobody: it ends with what it traces. */
		if (fork() == 0)
			execl(CALLS_STRACE, "strace", "-y", "-s", "200", "-o", trace, "-e", option, "-p", of, (char *)NULL);
		_exit(0);
	}
	close(ends[1]);
	waitpid(between, NULL, 0);
	while (!strstr(said, " attached") && (n = read(ends[0], said + strlen(said), sizeof said - strlen(said) - 1)) > 0)
		;
	if (!strstr(said, " attached"))
		fail_msg("strace: %s", said);
	close(ends[0]);
}

/* A `start` of struct sweep. */
static inline void sweep_judge_start(struct endpoint *p, const char *option, const char *trace)
{
	char path[512], self[512], text[32] = "";
	int64_t until = clock_work_ms() + ENDPOINT_LIMIT_MS;
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	pid_t judge;
	FILE *f;

	assert_true(n > 0);
	self[n] = 0;
	setenv("RINGHOLD_TEST_ROLE_judge", self, 1);
	setenv("ASAN_OPTIONS", "detect_leaks=0", 1);    /* which cannot be done under a tracer */
	endpoint_agent_start(p);
	unsetenv("RINGHOLD_TEST_ROLE_judge");
	snprintf(path, sizeof path, "%s" SWEEP_JUDGE_PID, p->root);
	while (!(f = fopen(path, "re")) && clock_work_ms() < until)
		poll(NULL, 0, 5);
	if (!f)
		fail_msg("no judge was started");
	assert_non_null(fgets(text, sizeof text, f));
	fclose(f);
	judge = (pid_t)atoi(text);
	/* One that is told to go on before it has stopped stops for good. */
	while (!sweep_is_stopped(judge) && clock_work_ms() < until)
		poll(NULL, 0, 5);
	assert_true(sweep_is_stopped(judge));
	sweep_trace(judge, option, trace);
	kill(judge, SIGCONT);
}

#endif
