/*
 * shell: lines for /bin/sh, where a test lets programs of the system prepare
 * or look: cp, openssl, mount, nm. Lines may be of any length.
 */
#ifndef TESTS_SHELL_H
#define TESTS_SHELL_H

#include <stdbool.h>
#include <sys/wait.h>

#include "tests/test.h"

/* One line and what it printed, cut at cap - 1 bytes; its exit status, -1 when a signal ended it. */
__attribute__((format(printf, 4, 0))) static inline int shell_run(char *out, size_t cap, bool must, const char *fmt, va_list args)
{
	char *line = NULL, *both = NULL, rest[512];
	FILE *from;
	int status;

	assert_true(vasprintf(&line, fmt, args) >= 0);
	assert_true(asprintf(&both, "exec 2>&1; %s", line) >= 0);
	from = popen(both, "r");
	assert_non_null(from);
	out[fread(out, 1, cap - 1, from)] = '\0';
	while (fread(rest, 1, sizeof rest, from) > 0)
		;
	status = pclose(from);
	status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	if (must && status != 0) {
		fputs(out, stderr);             /* for which a failure's own words may have no room */
		fail_msg("%s: exit status %d", line, status);
	}
	free(line);
	free(both);
	return status;
}

/* Its exit status; in out what it printed, standard error too. */
__attribute__((format(printf, 3, 4))) static inline int shell_says(char *out, size_t cap, const char *fmt, ...)
{
	va_list args;
	int status;

	va_start(args, fmt);
	status = shell_run(out, cap, false, fmt, args);
	va_end(args);
	return status;
}

/* True: exit status 0. What it prints is the test's own output. */
__attribute__((format(printf, 1, 2))) static inline bool shell_ok(const char *fmt, ...)
{
	char out[4096];
	va_list args;
	int status;

	va_start(args, fmt);
	status = shell_run(out, sizeof out, false, fmt, args);
	va_end(args);
	fputs(out, stderr);
	return status == 0;
}

/* It has to succeed: else the test fails with the line and what it printed. */
__attribute__((format(printf, 1, 2))) static inline void shell_must(const char *fmt, ...)
{
	char out[4096];
	va_list args;

	va_start(args, fmt);
	(void)shell_run(out, sizeof out, true, fmt, args);
	va_end(args);
}

#endif
