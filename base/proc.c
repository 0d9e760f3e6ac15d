/* proc: run a fixed command with bounds, never through a shell. */
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define EXIT_CONFINE 126        /* confine() said no */
#define CHUNK 4096
#define CHUNKS_A_TURN 64
#define POLL_BLIND_MS 20
#define LINGER_MS 1000          /* for output, once the command itself is gone */

struct running {
	pid_t pid;
	int pidfd, out, failed; /* failed: the pipe that carries errno of an exec that failed */
	size_t output_max;
	bool overflow;
	struct proc_result *result;
};

/* ---- the child ---- */

static void child_says(int to, int saved)
{
	ssize_t n = write(to, &saved, sizeof saved);

	(void)n;
	_exit(127);
}

static void reset_signals(void)
{
	struct sigaction act = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &act, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void child(const struct proc_run *r, int out, int failed)
{
	static char *const plain[] = {
		(char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin", (char *)"LANG=C", NULL,
	};
	int in = r->stdin_fd;

	reset_signals();
	setpgid(0, 0);
	if (in < 0)
		in = open("/dev/null", O_RDONLY);
	/* Above 2 first, so that no dup2() overwrites what the next one copies. */
	in = fcntl(in, F_DUPFD_CLOEXEC, 3);
	out = fcntl(out, F_DUPFD_CLOEXEC, 3);
	failed = fcntl(failed, F_DUPFD_CLOEXEC, 3);
	if (in < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
		child_says(failed, errno);
	/* Nothing else is inherited, whoever forgot O_CLOEXEC. */
	if (failed > 3)
		close_range(3, (unsigned)failed - 1, CLOSE_RANGE_CLOEXEC);
	close_range((unsigned)failed + 1, ~0u, CLOSE_RANGE_CLOEXEC);
	if (r->confine && r->confine(r->confine_arg) < 0)
		_exit(EXIT_CONFINE);
	execve(r->path, r->argv, r->env ? r->env : plain);
	child_says(failed, errno);
}

/* ---- the parent ---- */

static void close_all(struct running *p)
{
	fd_freep(&p->out);
	fd_freep(&p->failed);
	fd_freep(&p->pidfd);
}

static void kill_group(const struct running *p)
{
	kill(-p->pid, SIGKILL);
	kill(p->pid, SIGKILL);  /* when it had no time to make its group */
}

static int start(const struct proc_run *r, struct running *p, struct err *e)
{
	int out[2] = { -1, -1 }, failed[2] = { -1, -1 };

	if (pipe2(out, O_CLOEXEC) < 0)
		return err_errno(e, "pipe");
	p->out = out[0];
	if (pipe2(failed, O_CLOEXEC) < 0) {
		err_errno(e, "pipe");
		close(out[1]);
		return e->code;
	}
	p->failed = failed[0];
	p->pid = fork();
	if (p->pid == 0)
		child(r, out[1], failed[1]);
	if (p->pid < 0)
		err_errno(e, "fork");
	else
		setpgid(p->pid, p->pid);        /* in both, so that nobody is early */
	close(out[1]);
	close(failed[1]);
	if (p->pid < 0)
		return e->code;
	p->pidfd = pidfd_open(p->pid, 0);
	fcntl(p->out, F_SETFL, O_NONBLOCK);
	fcntl(p->failed, F_SETFL, O_NONBLOCK);
	return 0;
}

/* Keeps what fits and drops the rest; false at the end of the output. A pipeful at a time: whoever writes faster than we read must not hold us. */
static bool drain(struct running *p)
{
	struct buf *kept = p->result->output;
	char chunk[CHUNK];
	ssize_t n = 1;

	for (int i = 0; i < CHUNKS_A_TURN && (n = read(p->out, chunk, sizeof chunk)) > 0; i++) {
		size_t fits = MIN((size_t)n, p->output_max - kept->len);

		buf_add(kept, chunk, fits);
		p->overflow = p->overflow || fits < (size_t)n;
	}
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

/* A kernel without pidfd wakes nobody when a child ends. */
static int poll_ms(const struct running *p, int64_t deadline)
{
	int64_t left = MAX(deadline - clock_work_ms(), (int64_t)0);

	return (int)MIN(left, (int64_t)(p->pidfd < 0 ? POLL_BLIND_MS : INT32_MAX));
}

static bool child_ended(const struct running *p)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == p->pid;
}

/* Until the command is gone and its output has ended, or time is up. */
static void attend(const struct proc_run *r, struct running *p, int64_t began)
{
	int64_t deadline = began + r->timeout_ms;
	bool open = true, ended = false;

	while (open || !ended) {
		struct pollfd on[] = {
			{ .fd = open ? p->out : -1, .events = POLLIN },
			{ .fd = ended ? -1 : p->pidfd, .events = POLLIN },
		};

		poll(on, ARRAY_LEN(on), poll_ms(p, deadline));
		if (on[0].revents)
			open = drain(p);
		if (!ended && child_ended(p)) {
			ended = true;
			deadline = MIN(deadline, clock_work_ms() + LINGER_MS);
		}
		p->result->too_much = r->output_ends && p->overflow;
		if (p->result->too_much || clock_work_ms() >= deadline)
			break;
	}
	p->result->timed_out = !ended && !p->result->too_much;
	/* Grandchildren must not outlive the command they belong to. */
	kill_group(p);
}

static void reap(struct running *p, int64_t began)
{
	struct proc_result *out = p->result;
	struct rusage use = { 0 };
	int status = 0;

	while (wait4(p->pid, &status, 0, &use) < 0 && errno == EINTR)
		;
	drain(p);
	out->wall_ms = clock_work_ms() - began;
	out->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	out->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	out->cpu_us = (int64_t)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000000 +
		      use.ru_utime.tv_usec + use.ru_stime.tv_usec;
	out->max_rss = (int64_t)use.ru_maxrss * 1024;
}

static int exec_error(const struct running *p)
{
	int saved = 0;

	if (read(p->failed, &saved, sizeof saved) != (ssize_t)sizeof saved)
		return 0;
	return saved;
}

int proc_run(const struct proc_run *r, struct proc_result *out, struct err *e)
{
	struct proc_result result = { .output = buf_new(r->output_max ? r->output_max : 1) };
	struct running p = { .pidfd = -1, .out = -1, .failed = -1,
			     .output_max = r->output_max, .result = &result };
	int64_t began = clock_work_ms();
	int code;

	if (!result.output || !buf_grow(result.output, 0)) {
		proc_result_release(&result);
		return err_memory(e);
	}
	if (r->path[0] != '/') {
		proc_result_release(&result);
		return err_set(e, ERR_USAGE, "%s: not an absolute path", r->path);
	}
	code = start(r, &p, e);
	if (code == 0) {
		attend(r, &p, began);
		reap(&p, began);
		errno = exec_error(&p);
		if (errno)
			code = err_set(e, ERR_IO, "cannot be started: %s", strerror(errno));
	}
	close_all(&p);
	if (code < 0) {
		proc_result_release(&result);
		return err_wrap(e, "%s", r->path);
	}
	*out = result;
	return 0;
}

void proc_result_release(struct proc_result *r)
{
	buf_free(r->output);
	r->output = NULL;
}

void proc_result_words(const struct proc_result *r, char *out, size_t cap)
{
	if (r->timed_out)
		snprintf(out, cap, "timed out after %lld ms", (long long)r->wall_ms);
	else if (r->too_much)
		snprintf(out, cap, "printed more than it may");
	else if (r->signal)
		snprintf(out, cap, "killed by signal %d (%s)", r->signal, strsignal(r->signal));
	else
		snprintf(out, cap, "exit status %d", r->exit_status);
}
