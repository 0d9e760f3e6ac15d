/*
 * canary: the parent's side: start the try, bound it, kill what is left, say what happened.
 *
 * Content that only a check command can judge needs a try that may start
 * programs; it then runs in a process namespace of its own, whose first
 * process, the keeper, is ours: with it everything ends.
 */
#include "content/canary.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "content/canary_memory.h"
#include "content/canary_try.h"
#include "schema/reason.h"

#define WALL_MS 60000
#define WATCH_MS 200                    /* between two looks at what check commands use */
#define MEMORY_MOST ((uint64_t)4 << 30) /* of all of them together */
#define RECORD_MAGIC UINT64_C(0x3159524e41435252)

struct record {
	uint64_t magic;
	struct canary_result result;
};

struct run {
	struct canary_try try;
	struct canary_page *page;
	int pipe[2];
	pid_t pid;
	struct record record;
	size_t got;                     /* bytes of the record */
	bool timed_out;
	uint64_t memory;                /* that all processes together had when they had too much; 0: never */
	int status;                     /* wait status */
	int64_t started;
};

/* ---- the child ---- */

static void plain_descriptors(struct run *r)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return;
	dup2(null, 0);
	dup2(null, 1);
#ifndef RINGHOLD_TEST
	dup2(null, 2);                  /* an engine's chatter may quote the content */
#endif
	if (null > 2)
		close(null);
	close(r->pipe[0]);
}

static void plain_signals(void)
{
	struct sigaction act = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		if (sig != SIGKILL && sig != SIGSTOP)
			sigaction(sig, &act, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void die_with_parent(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

__attribute__((noreturn)) static void child(struct run *r)
{
	struct record *out = &r->record;
	const char *at = (const char *)out;
	size_t left = sizeof(*out);

	die_with_parent();
	canary_try(&r->try, &out->result);
	out->magic = RECORD_MAGIC;
	while (left) {
		ssize_t n = write(r->pipe[1], at, left);

		if (n < 0)
			_exit(1);
		at += n;
		left -= (size_t)n;
	}
	_exit(0);
}

/* First process of the namespace: starts the try, waits, and takes all others along when it ends. */
__attribute__((noreturn)) static void keeper(struct run *r)
{
	int status = 0;
	pid_t pid;

	die_with_parent();
	pid = fork();
	if (pid == 0)
		child(r);
	close(r->pipe[1]);
	while (pid > 0 && waitpid(pid, &status, 0) != pid && errno == EINTR)
		;
	r->page->status = status;
	r->page->status_known = pid > 0;
	_exit(0);
}

__attribute__((noreturn)) static void first_process(struct run *r)
{
	int status;
	pid_t pid;

	setpgid(0, 0);
	die_with_parent();
	plain_signals();
	plain_descriptors(r);
	if (r->try.commands && r->try.job->alone)
		r->try.confinement |= CANARY_ALONE;
	if (!r->try.commands || r->try.job->alone || unshare(CLONE_NEWPID) < 0)
		child(r);
	r->try.confinement |= CANARY_ALONE;
	pid = fork();
	if (pid == 0)
		keeper(r);
	close(r->pipe[1]);
	while (pid > 0 && waitpid(pid, &status, 0) != pid && errno == EINTR)
		;
	_exit(pid > 0 ? 0 : 1);
}

/* ---- the parent ---- */

/* Many small processes are bounded one by one only; commands are therefore added up now and then. */
static bool too_much_memory(struct run *r)
{
	uint64_t bound = r->page->memory_bound, used;

	if (!r->try.commands)
		return false;
	bound = bound && bound < MEMORY_MOST ? bound : MEMORY_MOST;
	used = canary_memory_below();
	r->memory = used > bound ? used : 0;
	return r->memory;
}

/* Reads until the record is whole, everybody who could write it is gone, or time is up. */
static void await(struct run *r)
{
	int64_t deadline = r->started + r->try.wall_ms;

	while (r->got < sizeof(r->record)) {
		struct pollfd p = { .fd = r->pipe[0], .events = POLLIN };
		int64_t left = deadline - clock_work_ms();
		ssize_t n;

		if (left <= 0) {
			r->timed_out = true;
			return;
		}
		if (r->try.commands)
			left = MIN(left, (int64_t)WATCH_MS);
		if (poll(&p, 1, (int)MIN(left, (int64_t)INT32_MAX)) <= 0) {
			if (too_much_memory(r))
				return;
			continue;
		}
		n = read(r->pipe[0], (char *)&r->record + r->got, sizeof(r->record) - r->got);
		if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
			return;
		r->got += n > 0 ? (size_t)n : 0;
	}
}

/* After the record the child has nothing left to do: a moment to end by itself, then the signal. */
static void reap(struct run *r)
{
	siginfo_t info = { 0 };

	if (!r->timed_out && !r->memory && r->got < sizeof(r->record)) {      /* the pipe is closed: it is dying; see of what */
		for (int i = 0; i < 200 && !info.si_pid; i++) {
			if (waitid(P_PID, (id_t)r->pid, &info, WEXITED | WNOWAIT | WNOHANG) < 0)
				break;
			if (!info.si_pid)
				poll(NULL, 0, 10);
		}
		r->timed_out = !info.si_pid;
	}
	kill(-r->pid, SIGKILL);
	kill(r->pid, SIGKILL);
	while (waitpid(r->pid, &r->status, 0) < 0 && errno == EINTR)
		;
	if (r->page->status_known)
		r->status = r->page->status;
}

static void text_end(char *text, size_t cap)
{
	text[cap - 1] = '\0';
}

/* A record that came in whole, from a child that may be anybody's by now. */
static bool take_record(struct run *r, struct canary_result *out)
{
	if (r->got != sizeof(r->record) || r->record.magic != RECORD_MAGIC ||
	    (unsigned)r->record.result.outcome > CANARY_ENVIRONMENT)
		return false;
	*out = r->record.result;
	text_end(out->reason, sizeof(out->reason));
	text_end(out->sentence, sizeof(out->sentence));
	out->confinement &= CANARY_CONFINEMENT_ALL;
	out->signal = 0;
	return true;
}

static void say(struct canary_result *out, const struct run *r, enum canary_outcome outcome, enum reason reason,
		const char *what)
{
	struct canary_page *page = r->page;

	text_end(page->doing, sizeof(page->doing));
	text_end(page->at, sizeof(page->at));
	out->outcome = outcome;
	snprintf(out->reason, sizeof(out->reason), "%s", reason_word(reason));
	snprintf(out->sentence, sizeof(out->sentence), "%s while %s%s%s", what, *page->doing ? page->doing : "starting",
		 *page->at ? " " : "", page->at);
}

/* No record: how the child ended tells why. */
static void classify(const struct run *r, struct canary_result *out)
{
	int sig = WIFSIGNALED(r->status) ? WTERMSIG(r->status) : 0;
	char what[120];

	out->confinement = r->page->confinement & CANARY_CONFINEMENT_ALL;
	out->landlock_abi = r->page->landlock_abi;
	out->signal = r->timed_out || r->memory ? 0 : sig;
	if (r->memory) {
		snprintf(what, sizeof(what), "its processes had %llu MB together", (unsigned long long)(r->memory >> 20));
		say(out, r, CANARY_MEMORY, REASON_CEILING_RSS, what);
		return;
	}
	if (r->timed_out) {
		snprintf(what, sizeof(what), "no end after %lld ms", (long long)r->try.wall_ms);
		say(out, r, CANARY_HANG, REASON_HANG, what);
		return;
	}
	switch (sig) {
	case SIGXCPU:
		say(out, r, CANARY_HANG, REASON_HANG, "processor time ran out");
		break;
	case SIGKILL:                   /* not ours: we kill only after a record or the time-out */
		say(out, r, CANARY_MEMORY, REASON_MEMORY, "killed by the system, as it does when memory is short,");
		break;
	case SIGSYS:
		say(out, r, CANARY_CRASH, REASON_CRASH, "stopped for a forbidden system call");
		break;
	case 0:
		snprintf(what, sizeof(what), "ended with status %d and no result", WEXITSTATUS(r->status));
		say(out, r, CANARY_CRASH, REASON_CRASH, what);
		break;
	default:
		snprintf(what, sizeof(what), "killed by signal %d (%s)", sig, strsignal(sig));
		say(out, r, CANARY_CRASH, REASON_CRASH, what);
	}
}

static void no_try(struct canary_result *out, const char *sentence, int code)
{
	memset(out, 0, sizeof(*out));
	out->outcome = CANARY_ENVIRONMENT;
	snprintf(out->reason, sizeof(out->reason), "%s",
		 reason_word(code == ERR_SPACE ? REASON_DISK_FULL : code == ERR_MEMORY ? REASON_MEMORY : REASON_BUSY));
	snprintf(out->sentence, sizeof(out->sentence), "%s", sentence);
}

static int start(struct run *r, struct err *e)
{
	if (pipe2(r->pipe, O_CLOEXEC) < 0)
		return err_errno(e, "canary: pipe");
	r->started = clock_work_ms();
	r->pid = fork();
	if (r->pid == 0)
		first_process(r);
	if (r->pid < 0)
		err_errno(e, "canary: fork");
	else
		setpgid(r->pid, r->pid);
	fd_freep(&r->pipe[1]);
	return r->pid < 0 ? e->code : 0;
}

static int once(struct run *r, struct canary_result *out, struct err *e)
{
	memset(r->page, 0, sizeof(*r->page));
	r->got = 0;
	r->timed_out = false;
	r->memory = 0;
	r->pipe[0] = r->pipe[1] = -1;
	if (start(r, e) < 0) {
		fd_freep(&r->pipe[0]);
		return e->code;
	}
	await(r);
	reap(r);
	fd_freep(&r->pipe[0]);
	memset(out, 0, sizeof(*out));
	if (!take_record(r, out))
		classify(r, out);
	out->wall_ms = clock_work_ms() - r->started;
	return 0;
}

static int open_dir(const char *path, struct err *e)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 ? fd : err_errno(e, "canary: %s", path);
}

static int open_all(struct run *r, struct err *e)
{
	const struct canary_job *job = r->try.job;

	r->try.slot = open_dir(job->slot, e);
	if (r->try.slot < 0)
		return e->code;
	for (size_t i = 0; i < job->benign_count; i++) {
		r->try.benign[i] = open_dir(job->benign[i], e);
		if (r->try.benign[i] < 0)
			return e->code;
	}
	return 0;
}

static void close_all(struct run *r)
{
	fd_freep(&r->try.slot);
	for (size_t i = 0; i < CANARY_BENIGN_MAX; i++)
		fd_freep(&r->try.benign[i]);
	if (r->page != MAP_FAILED)
		munmap(r->page, sizeof(*r->page));
}

static int try_job(struct run *r, struct canary_result *out, struct err *e)
{
	r->page = mmap(NULL, sizeof(*r->page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (r->page == MAP_FAILED)
		return err_errno(e, "canary: shared page");
	r->try.page = r->page;
	if (open_all(r, e) < 0 || once(r, out, e) < 0)
		return e->code;
	if (!r->page->wants_commands || !r->try.job->exec_count)
		return 0;
	r->try.commands = true;
	return once(r, out, e);
}

int canary_run(const struct canary_job *job, struct canary_result *out, struct err *e)
{
	struct run r = { .try = { .job = job, .slot = -1, .wall_ms = job->wall_ms > 0 ? job->wall_ms : WALL_MS },
			 .page = MAP_FAILED };
	struct err why = { 0 };

	if (!job->slot)
		return err_set(e, ERR_USAGE, "canary: no slot");
	if (job->benign_count > CANARY_BENIGN_MAX)
		return err_set(e, ERR_USAGE, "canary: more than %d benign corpora", CANARY_BENIGN_MAX);
	for (size_t i = 0; i < CANARY_BENIGN_MAX; i++)
		r.try.benign[i] = -1;
	if (try_job(&r, out, &why) < 0)
		no_try(out, why.msg, why.code);
	close_all(&r);
	return 0;
}

/* ---- words ---- */

const char *canary_outcome_name(enum canary_outcome o)
{
	static const char *const names[] = {
		[CANARY_OK] = "ok",
		[CANARY_REFUSED] = "refused",
		[CANARY_CRASH] = "crash",
		[CANARY_HANG] = "hang",
		[CANARY_CEILING_LOAD] = "ceiling-load",
		[CANARY_CEILING_RSS] = "ceiling-rss",
		[CANARY_CEILING_EVENT] = "ceiling-event",
		[CANARY_MEMORY] = "memory",
		[CANARY_ENVIRONMENT] = "environment",
	};

	return (size_t)o < ARRAY_LEN(names) ? names[o] : "unknown";
}

bool canary_is_final(enum canary_outcome o)
{
	return o == CANARY_REFUSED || o == CANARY_CRASH || o == CANARY_CEILING_LOAD || o == CANARY_CEILING_RSS ||
	       o == CANARY_CEILING_EVENT;
}

void canary_confinement_words(uint32_t missing, char *out, size_t cap)
{
	static const char *const words[] = { "no_new_privs", "seccomp", "landlock",    "rlimits",
					     "rlimit_as",    "uid",     "capabilities", "namespace" };
	size_t len = 0;

	if (cap)
		*out = '\0';
	for (size_t i = 0; i < ARRAY_LEN(words) && len < cap; i++)
		if (missing & (1u << i))
			len += (size_t)snprintf(out + len, cap - len, "%s%s", len ? ", " : "", words[i]);
}
