/*
 * bench_boot: what the boot guard costs a boot: processor time, fsyncs, system
 * calls, with nothing armed and with a trial armed, from exec to exit.
 *
 * Calls are counted by ptrace in one run; the time is the median of many runs
 * without it, beside /bin/true, which is what any program costs at least.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "boot/link.h"

#define RUNS 101

struct cost {
	unsigned calls, fsyncs, writes;
	bool counted;
	double cpu_us;
};

/* ---- a host ---- */

static char root[] = "/tmp/bench_boot.XXXXXX";
static char guard[512];

/* A file of that text below the root. */
static void put(const char *path, const char *text)
{
	char full[300], dir[300];
	struct err e;

	snprintf(full, sizeof full, "%s%s", root, path);
	snprintf(dir, sizeof dir, "%.*s", (int)(strrchr(full, '/') - full), full);
	if (file_mkdirs(dir, 0755, &e) < 0 || file_replace(full, text, strlen(text), 0644, &e) < 0) {
		fprintf(stderr, "bench_boot: %s\n", e.msg);
		exit(1);
	}
}

/* Committed content on every rung, and on trial too when that is asked for. */
static void make_host(bool trial)
{
	struct boot_report why;
	struct boot_record r;
	char path[200], hex[BOOT_DIGEST_HEX_LEN + 1];
	int dir;

	boot_record_init(&r);
	for (int rung = trial ? RUNG_TRIAL : RUNG_CURRENT; rung < BOOT_DIGESTS; rung++) {
		memset(r.digest[rung], 'A' + rung, BOOT_DIGEST_LEN);
		boot_digest_hex(hex, r.digest[rung]);
		snprintf(path, sizeof path, BOOT_CHANNELS_DIR "/edr/slots/%s/manifest.json", hex);
		put(path, "{}");
	}
	r.mode = trial ? BOOT_TRIAL : BOOT_COMMITTED;
	r.rung = trial ? RUNG_TRIAL : RUNG_CURRENT;
	r.tries_left = r.tries[r.rung];
	r.flags = BOOT_FLAG_OK;
	dir = boot_channel_open(root, "edr", &why);
	if (unlinkat(dir, BOOT_FILE_NAME, 0) < 0 && errno != ENOENT)
		exit(1);
	if (dir < 0 || boot_record_write(&r, dir, &why) < 0) {
		fprintf(stderr, "bench_boot: %s\n", why.text);
		exit(1);
	}
	close(dir);
}

/* Memory is empty and the kernel another one; the boot before was good. */
static void power_up(bool trial)
{
	static unsigned boot;
	char path[200], id[64];
	struct err e;

	make_host(trial);
	snprintf(path, sizeof path, "%s/run", root);
	if (file_remove_tree(path, &e) < 0)
		exit(1);
	snprintf(id, sizeof id, "%08x-aaaa-bbbb-cccc-dddddddddddd\n", ++boot);
	put("/proc/sys/kernel/random/boot_id", id);
	put("/run/.keep", "");
}

/* ---- one run ---- */

static void become(const char *program, bool traced)
{
	int null = open("/dev/null", O_WRONLY);

	if (null < 0 || dup2(null, STDOUT_FILENO) < 0 || (traced && ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0))
		_exit(126);
	execl(program, program, "--root", root, (char *)NULL);
	_exit(127);
}

static void count(struct cost *c, uint64_t call)
{
	c->calls++;
	c->fsyncs += call == SYS_fsync || call == SYS_fdatasync || call == SYS_sync || call == SYS_syncfs;
	c->writes += call == SYS_write || call == SYS_pwrite64;
}

static void count_calls(struct cost *c, const char *program)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		become(program, true);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		return;
	ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
	for (int deliver = 0;;) {
		struct __ptrace_syscall_info info;

		if (ptrace(PTRACE_SYSCALL, pid, NULL, deliver) < 0 || waitpid(pid, &status, 0) != pid || WIFEXITED(status))
			break;
		deliver = 0;
		if (!WIFSTOPPED(status))
			return;
		if (WSTOPSIG(status) != (SIGTRAP | 0x80)) {
			deliver = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
			continue;
		}
		if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof info, &info) > 0 && info.op == PTRACE_SYSCALL_INFO_ENTRY)
			count(c, info.entry.nr);
	}
	c->counted = WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure(struct cost *c, const char *program, bool trial)
{
	static double cpu[RUNS];

	memset(c, 0, sizeof *c);
	for (int i = 0; i < RUNS; i++) {
		struct rusage used;
		int status;
		pid_t pid;

		power_up(trial);
		pid = fork();
		if (pid == 0)
			become(program, false);
		if (wait4(pid, &status, 0, &used) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
			fprintf(stderr, "bench_boot: %s does not run\n", program);
			exit(1);
		}
		cpu[i] = 1e6 * (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
	}
	qsort(cpu, RUNS, sizeof *cpu, by_size);
	c->cpu_us = cpu[RUNS / 2];
	power_up(trial);
	count_calls(c, program);
}

static void print(const char *what, const struct cost *c)
{
	printf("%-26s %8.0f", what, c->cpu_us);
	if (c->counted)
		printf(" %8u %8u %8u\n", c->calls, c->writes, c->fsyncs);
	else
		printf("   not counted: ptrace is not allowed here\n");
}

int main(int argc, char **argv)
{
	struct cost c;
	struct err e;
	ssize_t n = readlink("/proc/self/exe", guard, sizeof guard - 64);

	(void)argc;
	(void)argv;
	if (n <= 0 || !mkdtemp(root))
		return 1;
	guard[n] = 0;
	for (int up = 0; up < 3; up++)
		*strrchr(guard, '/') = 0;
	strcat(guard, "/bin/ringhold-bootguard");
	if (access(guard, X_OK) < 0) {
		fprintf(stderr, "bench_boot: %s: build it first\n", guard);
		return 1;
	}
	printf("boot guard, one channel: median of %d boots\n%-26s %8s %8s %8s %8s\n", RUNS, "", "CPU us", "syscalls", "writes", "fsyncs");
	fflush(stdout);
	measure(&c, "/bin/true", false);
	print("/bin/true, for comparison", &c);
	measure(&c, guard, false);
	print("nothing armed", &c);
	measure(&c, guard, true);
	print("a trial armed", &c);
	return file_remove_tree(root, &e) < 0;
}
