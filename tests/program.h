/*
 * program: where a test finds the programs it runs: ours in $RINGHOLD_BIN, else
 * bin/ of its own build; those of others on $PATH.
 */
#ifndef TESTS_PROGRAM_H
#define TESTS_PROGRAM_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* <build>/tests/<room>/test_x -> <build>/bin/<name>; the path lives until the next call. */
static inline const char *test_program(const char *name)
{
	static char path[1024];
	const char *bin = getenv("RINGHOLD_BIN");
	char self[512];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

	self[n < 0 ? 0 : n] = '\0';
	for (int up = 0; up < 3; up++) {
		char *slash = strrchr(self, '/');

		if (slash)
			*slash = '\0';
	}
	if (bin)
		snprintf(path, sizeof path, "%s/%s", bin, name);
	else
		snprintf(path, sizeof path, "%s/bin/%s", self, name);
	return path;
}

/* A program of others; NULL: not installed. The path lives until the next call. */
static inline const char *test_other_program(const char *name)
{
	static char path[1024];
	const char *at = getenv("PATH") ? getenv("PATH") : "/usr/bin:/bin";

	for (size_t len; *at; at += len + (at[len] == ':')) {
		len = strcspn(at, ":");
		snprintf(path, sizeof path, "%.*s/%s", (int)len, at, name);
		if (*path == '/' && access(path, X_OK) == 0)
			return path;
	}
	return NULL;
}

#endif
