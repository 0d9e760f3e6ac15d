/* processes: what runs on this machine with a text in its command line. */
#ifndef TESTS_AGENT_PROCESSES_H
#define TESTS_AGENT_PROCESSES_H

#include <dirent.h>
#include <string.h>

#include "base/file.h"
#include "test.h"

static inline bool process_names(const char *proc, const char *text)
{
	AUTO(buf) struct buf *line = NULL;
	char path[300];
	struct err e;

	snprintf(path, sizeof path, "/proc/%s/cmdline", proc);
	return proc[0] >= '0' && proc[0] <= '9' && file_read(&line, path, 1 << 20, &e) == 0 && line->len &&
	       memmem(line->data, line->len, text, strlen(text));
}

static inline unsigned processes_naming(const char *text)
{
	DIR *proc = opendir("/proc");
	struct dirent *d;
	unsigned n = 0;

	assert_non_null(proc);
	while ((d = readdir(proc)))
		n += process_names(d->d_name, text);
	closedir(proc);
	return n;
}

#endif
