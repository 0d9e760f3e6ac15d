/*
 * sandbox: what a process can give up for good before it reads what others wrote.
 *
 * Each call answers whether the kernel did it; none is passed over in silence.
 * The order that works: limits, bounding set, identity, capabilities,
 * sandbox_seal(), Landlock, filter.
 */
#ifndef CONTENT_SANDBOX_H
#define CONTENT_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "base/err.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOX_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANDBOX_SANITIZED 1
#endif
#endif
#ifndef SANDBOX_SANITIZED
#define SANDBOX_SANITIZED 0     /* 1: their shadow memory is terabytes, no limit of address space fits */
#endif

bool sandbox_limit(int what, rlim_t most);              /* hard and soft; never raises */

/* When root: for good another user, without supplementary groups. */
int sandbox_become(const char *who, uid_t uid, gid_t gid, struct err *e) MUST_CHECK;

bool sandbox_empty_bounding_set(void);                  /* nothing executed later can gain a capability; before the identity changes */
bool sandbox_drop_capabilities(void);

/* No core, no tracer of the same user, dies with its parent; then no_new_privs. After the identity changed, which resets the first two. */
bool sandbox_seal(void);

/* ---- Landlock ---- */

enum { SANDBOX_READ = 1, SANDBOX_WRITE = 2, SANDBOX_EXECUTE = 4, SANDBOX_SPECIAL = 8 };

struct sandbox_path {
	int fd;                         /* a directory, and everything beneath it, or one file; O_PATH will do */
	unsigned rights;                /* or'ed; write: also make, replace and remove; special: make links, sockets and pipes */
};

uint32_t sandbox_landlock_abi(void);                    /* 0: the kernel has none */

/*
 * Nothing but these paths can be opened from now on, whatever descriptor one
 * starts from; no listening, and without `connect` no connecting over TCP
 * (ABI 4); no signals and no abstract sockets to the world outside (ABI 6).
 */
bool sandbox_landlock(const struct sandbox_path *paths, size_t count, bool connect);

/*
 * What programs of others need to start: the system's programs and libraries,
 * a few files of /etc that hold no secret, the configuration of known engines.
 * Opens what exists; the caller closes the descriptors. Answers how many.
 */
#define SANDBOX_COMMAND_PATHS_MAX 64
size_t sandbox_command_paths(struct sandbox_path out[SANDBOX_COMMAND_PATHS_MAX]);

/*
 * A directory for such programs to write in, of this process and its children
 * alone, gone with the last of them: a file system in memory of at most this
 * many bytes and files, at the path `dir`, which must exist. As root.
 */
int sandbox_scratch(const char *dir, uid_t uid, gid_t gid, uint64_t bytes, uint64_t files, struct err *e) MUST_CHECK;

/* ---- system calls ---- */

struct sandbox_filter {
	const int *also;                /* allowed beside reading files and computing; numbers as SCMP_SYS() gives them */
	size_t also_count;
	bool write_files;               /* openat() may create and write */
	bool threads;
	bool processes;                 /* fork() and namespaces, but none of users: with those come capabilities */
	const int *families;            /* socket() of these */
	size_t family_count;
};

/*
 * What reading files and computing needs is allowed, and what `f` adds; what
 * only an attack would try ends the process; everything else is "not
 * implemented".
 */
bool sandbox_filter(const struct sandbox_filter *f);
/*
 * For programs of others: all but the network and what reaches beyond the
 * process; and without `memory_files` none that holds memory which no process
 * has mapped, so that none is missed when they are added up.
 */
bool sandbox_filter_commands(bool memory_files);
/* For root that starts such programs: all but what neither it nor they have a use for. */
bool sandbox_filter_root(void);

#endif
