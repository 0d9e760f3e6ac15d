/* sandbox_filter: tables of system calls: needed, never, forbidden to commands, useless to root; through libseccomp. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/defs.h"
#include "content/sandbox.h"

#define CALL(name) SCMP_SYS(name)

static const int needed[] = {
	CALL(read), CALL(readv), CALL(pread64), CALL(write), CALL(writev), CALL(close), CALL(lseek), CALL(fstat),
	CALL(newfstatat), CALL(statx), CALL(getdents64), CALL(fcntl), CALL(munmap), CALL(mremap), CALL(brk),
	CALL(madvise), CALL(rt_sigaction), CALL(rt_sigprocmask), CALL(rt_sigreturn), CALL(sigaltstack), CALL(getrusage),
	CALL(clock_gettime), CALL(clock_getres), CALL(clock_nanosleep), CALL(nanosleep), CALL(gettimeofday), CALL(time),
	CALL(getpid), CALL(gettid), CALL(getppid), CALL(getuid), CALL(geteuid), CALL(getgid), CALL(getegid),
	CALL(futex), CALL(sched_yield), CALL(sched_getaffinity), CALL(getrandom), CALL(uname), CALL(restart_syscall),
	CALL(exit), CALL(exit_group), CALL(poll), CALL(ppoll), CALL(pause),
};

static const int never[] = {
	CALL(socket), CALL(socketpair), CALL(connect), CALL(bind), CALL(listen), CALL(accept), CALL(accept4),
	CALL(sendto), CALL(sendmsg), CALL(sendmmsg), CALL(fork), CALL(vfork), CALL(clone), CALL(execve), CALL(execveat),
	CALL(ptrace), CALL(process_vm_readv), CALL(process_vm_writev), CALL(kill), CALL(tkill), CALL(setuid),
	CALL(setresuid), CALL(unshare), CALL(setns), CALL(mount), CALL(umount2), CALL(pivot_root), CALL(chroot),
	CALL(unlink), CALL(unlinkat), CALL(rename), CALL(renameat), CALL(renameat2), CALL(mkdir), CALL(mkdirat),
	CALL(chmod), CALL(fchmod), CALL(fchmodat), CALL(chown), CALL(fchown), CALL(fchownat), CALL(truncate),
	CALL(ftruncate), CALL(bpf), CALL(perf_event_open), CALL(keyctl), CALL(add_key), CALL(init_module),
	CALL(finit_module), CALL(kexec_load), CALL(kexec_file_load), CALL(reboot), CALL(io_uring_setup),
	CALL(userfaultfd), CALL(memfd_create), CALL(personality), CALL(pidfd_getfd), CALL(setsid), CALL(setpgid),
};

static const int not_for_commands[] = {
	CALL(ptrace), CALL(process_vm_readv), CALL(process_vm_writev), CALL(mount), CALL(umount2), CALL(pivot_root),
	CALL(chroot), CALL(bpf), CALL(perf_event_open), CALL(keyctl), CALL(add_key), CALL(request_key),
	CALL(init_module), CALL(finit_module), CALL(delete_module), CALL(kexec_load), CALL(kexec_file_load),
	CALL(reboot), CALL(swapon), CALL(swapoff), CALL(io_uring_setup), CALL(userfaultfd), CALL(unshare), CALL(setns),
	CALL(settimeofday), CALL(clock_settime), CALL(adjtimex), CALL(clock_adjtime), CALL(pidfd_getfd), CALL(acct),
	CALL(quotactl), CALL(open_by_handle_at), CALL(fanotify_init), CALL(sethostname), CALL(setdomainname),
};

static const int files_in_memory[] = { CALL(memfd_create), CALL(memfd_secret), CALL(shmget) };

/* An operator's reload command may load a module or a BPF program: those stay. */
static const int useless_to_root[] = {
	CALL(process_vm_readv), CALL(process_vm_writev), CALL(kexec_load), CALL(kexec_file_load), CALL(swapon),
	CALL(swapoff), CALL(userfaultfd), CALL(io_uring_setup), CALL(keyctl), CALL(add_key), CALL(request_key), CALL(acct),
	CALL(quotactl), CALL(open_by_handle_at), CALL(perf_event_open), CALL(settimeofday), CALL(clock_settime),
	CALL(pidfd_getfd), CALL(sethostname), CALL(setdomainname),
#if !SANDBOX_SANITIZED
	CALL(ptrace),                   /* their search for leaks at the end needs it */
#endif
};

static bool in(const int *calls, size_t count, int call)
{
	for (size_t i = 0; i < count; i++)
		if (calls[i] == call)
			return true;
	return false;
}

/* A call this machine does not have, or that another rule covers, is no failure. */
static bool add_one(scmp_filter_ctx f, uint32_t action, int call)
{
	int rc = seccomp_rule_add(f, action, call, 0);

	return rc == 0 || rc == -EDOM || rc == -EEXIST || rc == -EINVAL;
}

static bool add(scmp_filter_ctx f, uint32_t action, const int *calls, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!add_one(f, action, calls[i]))
			return false;
	return true;
}

/* Allowed only with these arguments. */
static bool add_careful(scmp_filter_ctx f, const struct sandbox_filter *want)
{
	static const uint64_t writing = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC;
	bool ok = true;

	if (want->write_files)
		ok = seccomp_rule_add(f, SCMP_ACT_ALLOW, CALL(openat), 0) == 0;
	else
		ok = seccomp_rule_add(f, SCMP_ACT_ALLOW, CALL(openat), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, writing, 0)) == 0;
	if (want->threads)
		ok = ok && seccomp_rule_add(f, SCMP_ACT_ALLOW, CALL(clone), 1,
					    SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD)) == 0;
	if (want->processes)
		ok = ok &&
		     seccomp_rule_add(f, SCMP_ACT_ALLOW, CALL(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_NEWUSER, 0)) == 0 &&
		     seccomp_rule_add(f, SCMP_ACT_ALLOW, CALL(unshare), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_NEWUSER, 0)) == 0;
	for (size_t i = 0; i < want->family_count; i++)
		ok = ok && seccomp_rule_add(f, SCMP_ACT_ALLOW, CALL(socket), 1,
					    SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)want->families[i], 0)) == 0;
	return ok &&
	       seccomp_rule_add(f, SCMP_ACT_ALLOW, CALL(mmap), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) == 0 &&
	       seccomp_rule_add(f, SCMP_ACT_ALLOW, CALL(mprotect), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) == 0 &&
	       seccomp_rule_add(f, SCMP_ACT_ALLOW, CALL(prlimit64), 1, SCMP_A0(SCMP_CMP_EQ, 0, 0)) == 0 &&
	       seccomp_rule_add(f, SCMP_ACT_ALLOW, CALL(tgkill), 1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0)) == 0;
}

/* Has its own rules, by arguments. */
static bool conditional(const struct sandbox_filter *want, int call)
{
	if (call == CALL(clone))
		return want->threads || want->processes;
	return call == CALL(unshare) ? want->processes : call == CALL(socket) && want->family_count;
}

static bool forbid(scmp_filter_ctx f, const struct sandbox_filter *want)
{
	for (size_t i = 0; i < ARRAY_LEN(never); i++) {
		if (in(want->also, want->also_count, never[i]) || conditional(want, never[i]))
			continue;
		if (!add_one(f, SCMP_ACT_KILL_PROCESS, never[i]))
			return false;
	}
	return true;
}

static bool fill_strict(scmp_filter_ctx f, const struct sandbox_filter *want)
{
	return add(f, SCMP_ACT_ALLOW, needed, ARRAY_LEN(needed)) && add(f, SCMP_ACT_ALLOW, want->also, want->also_count) &&
	       add_careful(f, want) && forbid(f, want);
}

static bool fill_for_commands(scmp_filter_ctx f, bool memory_files)
{
	return add(f, SCMP_ACT_ERRNO(EPERM), not_for_commands, ARRAY_LEN(not_for_commands)) &&
	       (memory_files || add(f, SCMP_ACT_ERRNO(EPERM), files_in_memory, ARRAY_LEN(files_in_memory))) &&
	       seccomp_rule_add(f, SCMP_ACT_ERRNO(EACCES), CALL(socket), 1, SCMP_A0(SCMP_CMP_NE, AF_UNIX, 0)) == 0;
}

bool sandbox_filter(const struct sandbox_filter *want)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	bool ok = f && fill_strict(f, want) && seccomp_load(f) == 0;

	if (f)
		seccomp_release(f);
	return ok;
}

bool sandbox_filter_commands(bool memory_files)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	bool ok = f && fill_for_commands(f, memory_files) && seccomp_load(f) == 0;

	if (f)
		seccomp_release(f);
	return ok;
}

bool sandbox_filter_root(void)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	bool ok = f && add(f, SCMP_ACT_ERRNO(EPERM), useless_to_root, ARRAY_LEN(useless_to_root)) && seccomp_load(f) == 0;

	if (f)
		seccomp_release(f);
	return ok;
}
