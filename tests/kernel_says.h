/* kernel_says: what /proc says of a process: its limits, its user, what it may no longer do. Nothing that the process says itself. */
#ifndef TESTS_KERNEL_SAYS_H
#define TESTS_KERNEL_SAYS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "test.h"

/* what: "limits", "status". "" when it is gone. */
static inline void kernel_read(pid_t pid, const char *what, char *out, size_t cap)
{
	char path[64];
	FILE *f;

	out[0] = 0;
	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, what);
	f = fopen(path, "re");
	if (f)
		out[fread(out, 1, cap - 1, f)] = 0;
	if (f)
		fclose(f);
}

static inline const char *kernel_line(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	if (!at)
		fail_msg("no %s in:\n%s", name, text);
	at += strlen(name);
	return at + strspn(at, ": \t");
}

/* Of a limit, which must not be one that the process can raise again. */
static inline rlim_t kernel_limit(const char *limits, const char *name)
{
	char soft[32], hard[32];

	assert_int_equal(sscanf(kernel_line(limits, name), "%31s %31s", soft, hard), 2);
	if (strcmp(soft, hard) != 0)
		fail_msg("%s: %s, and up to %s", name, soft, hard);
	return strcmp(soft, "unlimited") == 0 ? RLIM_INFINITY : (rlim_t)strtoull(soft, NULL, 10);
}

static inline unsigned long long kernel_number(const char *status, const char *name, int base)
{
	return strtoull(kernel_line(status, name), NULL, base);
}

/* It gains nothing by a program it starts, is filtered, and has no capability left. */
static inline void kernel_says_confined(const char *status)
{
	assert_int_equal(kernel_number(status, "NoNewPrivs", 10), 1);
	assert_int_equal(kernel_number(status, "Seccomp", 10), 2);
	assert_int_equal(kernel_number(status, "CapEff", 16), 0);
	assert_int_equal(kernel_number(status, "CapPrm", 16), 0);
}

#endif
