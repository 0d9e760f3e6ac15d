/* walls: what the process of each role is held to, and whether the kernel says so of one. */
#ifndef TESTS_AGENT_WALLS_H
#define TESTS_AGENT_WALLS_H

#include "agent/confine.h"
#include "content/sandbox.h"
#include "kernel_says.h"

#define MEBIBYTES ((rlim_t)1 << 20)

/* A user of its own for each role, in the settings. */
#define USERS "fetch-user = 64001\njudge-user = 64002\nunpack-user = 64003\ncanary-user = 64004\n"

static const struct { uid_t user; rlim_t files, file_size, cpu, processes, memory; } walls[CONFINE_ROLES] = {
	[CONFINE_FETCH] = { 64001, 64, 2048 * MEBIBYTES, RLIM_INFINITY, 64, 1024 * MEBIBYTES },
	[CONFINE_JUDGE] = { 64002, 64, 64 * MEBIBYTES, RLIM_INFINITY, 0, 2048 * MEBIBYTES },
	[CONFINE_UNPACK] = { 64003, 32, 0, 600, 0, 2048 * MEBIBYTES },
	[CONFINE_CHECK] = { 64003, 64, 0, 600, 0, 2048 * MEBIBYTES },
	/* It watches a try, whose own limits are in content/test_canary_hostile; of processes it has as many as its user may. */
	[CONFINE_CANARY] = { 64004, 256, 64 * MEBIBYTES, RLIM_INFINITY, RLIM_INFINITY, RLIM_INFINITY },
};

/* What /proc told of a process of this role. */
static inline void walls_hold(const char *status, const char *limits, enum confine_role role)
{
	kernel_says_confined(status);
	assert_int_equal(kernel_number(status, "CapBnd", 16), 0);
	assert_int_equal(kernel_number(status, "Uid", 10), walls[role].user);
	assert_int_equal(kernel_number(status, "Gid", 10), walls[role].user);
	assert_int_equal(kernel_limit(limits, "Max open files"), walls[role].files);
	assert_int_equal(kernel_limit(limits, "Max file size"), walls[role].file_size);
	assert_int_equal(kernel_limit(limits, "Max cpu time"), walls[role].cpu);
	assert_int_equal(kernel_limit(limits, "Max core file size"), 0);
	assert_int_equal(kernel_limit(limits, "Max msgqueue size"), 0);
	if (walls[role].processes != RLIM_INFINITY)
		assert_int_equal(kernel_limit(limits, "Max processes"), walls[role].processes);
	if (!SANDBOX_SANITIZED)
		assert_int_equal(kernel_limit(limits, "Max address space"), walls[role].memory);
}

#endif
