/* sandbox_commands: what programs of others may read, and a place of their own to write in. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/defs.h"
#include "content/sandbox.h"

#define PROGRAMS (SANDBOX_READ | SANDBOX_EXECUTE)

/* Nothing here is secret on a system as it is shipped: /etc/shadow, keys and tokens are not. */
static const struct {
	const char *path;
	unsigned rights;
} command_paths[] = {
	{ "/usr", PROGRAMS },           { "/bin", PROGRAMS },           { "/sbin", PROGRAMS },
	{ "/lib", PROGRAMS },           { "/lib32", PROGRAMS },         { "/lib64", PROGRAMS },
	{ "/libx32", PROGRAMS },        { "/opt", PROGRAMS },           { "/etc/alternatives", PROGRAMS },
	{ "/etc/ringhold/loaders", PROGRAMS },
	/* the loader of programs, names, time, languages */
	{ "/etc/ld.so.cache", SANDBOX_READ },   { "/etc/ld.so.conf", SANDBOX_READ },    { "/etc/ld.so.conf.d", SANDBOX_READ },
	{ "/etc/ld.so.preload", SANDBOX_READ }, { "/etc/passwd", SANDBOX_READ },        { "/etc/group", SANDBOX_READ },
	{ "/etc/nsswitch.conf", SANDBOX_READ }, { "/etc/hosts", SANDBOX_READ },         { "/etc/localtime", SANDBOX_READ },
	{ "/etc/timezone", SANDBOX_READ },      { "/etc/mime.types", SANDBOX_READ },    { "/etc/perl", SANDBOX_READ },
	{ "/etc/ssl/openssl.cnf", SANDBOX_READ }, { "/etc/ssl/certs", SANDBOX_READ },
	{ "/etc/crypto-policies", SANDBOX_READ },
	/* engines that need theirs; a web server's may name anything, and is for exec-reads to give */
	{ "/etc/clamav", SANDBOX_READ },        { "/etc/spamassassin", SANDBOX_READ },  { "/etc/mail/spamassassin", SANDBOX_READ },
	/* the machine */
	{ "/proc", SANDBOX_READ },              { "/sys/devices/system/cpu", SANDBOX_READ },
	{ "/dev/null", SANDBOX_READ | SANDBOX_WRITE }, { "/dev/zero", SANDBOX_READ },   { "/dev/random", SANDBOX_READ },
	{ "/dev/urandom", SANDBOX_READ },
};
_Static_assert(ARRAY_LEN(command_paths) <= SANDBOX_COMMAND_PATHS_MAX, "room for all");

size_t sandbox_command_paths(struct sandbox_path out[SANDBOX_COMMAND_PATHS_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(command_paths); i++) {
		int fd = open(command_paths[i].path, O_PATH | O_CLOEXEC);

		if (fd >= 0)
			out[n++] = (struct sandbox_path){ fd, command_paths[i].rights };
	}
	return n;
}

int sandbox_scratch(const char *dir, uid_t uid, gid_t gid, uint64_t bytes, uint64_t files, struct err *e)
{
	char options[160];

	snprintf(options, sizeof options, "size=%" PRIu64 ",nr_inodes=%" PRIu64 ",mode=0700,uid=%u,gid=%u", bytes, files,
		 (unsigned)uid, (unsigned)gid);
	if (unshare(CLONE_NEWNS) < 0)
		return err_errno(e, "scratch: mount namespace");
	/* Else it would appear, and stay, on the whole machine. */
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_errno(e, "scratch: private mounts");
	if (mount("ringhold-scratch", dir, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options) < 0)
		return err_errno(e, "scratch: %s", dir);
	return 0;
}
