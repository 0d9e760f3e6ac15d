/* sensor_child: a ringhold-sensor that is asked on one pipe and answers on another. */
#ifndef TESTS_SENSOR_CHILD_H
#define TESTS_SENSOR_CHILD_H

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "tests/test.h"

struct sensor_child {
	pid_t pid;
	int in;                 /* events; -1: closed */
	FILE *out;              /* verdicts */
};

/* option: one more of its own, or NULL. It ends with the test. */
static inline struct sensor_child sensor_child_start(const char *program, const char *root, const char *channel, const char *option)
{
	struct sensor_child s = { .in = -1 };
	int in[2], out[2];

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	s.pid = fork();
	assert_true(s.pid >= 0);
	if (s.pid == 0) {
		int null = open("/dev/null", O_WRONLY);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		execl(program, "ringhold-sensor", "--root", root, "--channel", channel, option, (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	s.in = in[1];
	s.out = fdopen(out[0], "r");
	assert_non_null(s.out);
	return s;
}

/* One event in, its verdict out; the text lives until the next call. */
static inline const char *sensor_child_judged(const struct sensor_child *s, const char *event)
{
	static char text[8192];

	assert_int_equal(write(s->in, event, strlen(event)), (ssize_t)strlen(event));
	assert_non_null(fgets(text, sizeof text, s->out));
	return text;
}

#endif
