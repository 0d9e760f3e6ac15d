/* errand: a child that waits in our place. */
#include "agent/errand.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"

#define LINE_BYTES 512

/* Dies with its parent, also when that died before it was asked to. */
static int tie_to(pid_t parent)
{
	return prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent ? -1 : 0;
}

/* The command dies with the child that waits for it. */
static int tie(void *arg)
{
	return tie_to(*(const pid_t *)arg);
}

static void first_line(char *out, size_t cap, const struct buf *printed)
{
	AUTO(buf) struct buf *line = buf_new(4 * LINE_BYTES);
	size_t len = printed->data ? strcspn(printed->data, "\n") : 0;

	if (line && len)
		log_escape(line, printed->data, MIN(len, (size_t)LINE_BYTES));
	snprintf(out, cap, "%s", line && line->data ? line->data : "");
}

static void wait_for(const struct proc_run *r, int out, pid_t supervisor)
{
	pid_t self = getpid();
	struct errand_result result = { .passed = false };
	struct proc_result how = { 0 };
	struct proc_run run = *r;
	struct err e;

	/* Nothing of the supervisor's lives on in here: not its lock, not its sockets. */
	out = dup2(out, 3);
	close_range(4, ~0u, 0);
	if (tie_to(supervisor) < 0)
		_exit(1);
	run.confine = tie;
	run.confine_arg = &self;
	if (proc_run(&run, &how, &e) < 0) {
		snprintf(result.words, sizeof result.words, "%.127s", e.msg);
	} else {
		result.ran = true;
		result.passed = !how.timed_out && how.exit_status == 0;
		result.timed_out = how.timed_out;
		if (!result.passed)
			proc_result_words(&how, result.words, sizeof result.words);
		first_line(result.line, sizeof result.line, how.output);
	}
	(void)!write(out, &result, sizeof result);
	_exit(0);
}

int errand_start(struct errand *x, const struct proc_run *r, struct err *e)
{
	pid_t self = getpid();
	int ends[2];

	errand_stop(x);
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_errno(e, "pipe");
	x->pid = fork();
	if (x->pid == 0)
		wait_for(r, ends[1], self);
	close(ends[1]);
	x->out = ends[0];
	if (x->pid > 0)
		return 0;
	x->pid = 0;
	close(x->out);
	return err_errno(e, "fork");
}

bool errand_over(struct errand *x, struct errand_result *out)
{
	ssize_t n;

	if (!x->pid)
		return false;
	n = read(x->out, out, sizeof *out);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n != (ssize_t)sizeof *out) {
		*out = (struct errand_result){ .passed = false };
		snprintf(out->words, sizeof out->words, "could not be waited for");
	}
	out->words[sizeof out->words - 1] = out->line[sizeof out->line - 1] = '\0';
	errand_stop(x);
	return true;
}

void errand_wait(struct errand *x, struct errand_result *out)
{
	while (!errand_over(x, out)) {
		struct pollfd p = { .fd = x->out, .events = POLLIN };

		poll(&p, 1, -1);
	}
}

void errand_stop(struct errand *x)
{
	if (!x->pid)
		return;
	kill(x->pid, SIGKILL);
	waitpid(x->pid, NULL, 0);
	close(x->out);
	x->pid = 0;
}
