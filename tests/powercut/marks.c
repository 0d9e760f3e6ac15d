/* marks: a text file, a mark on each line. */
#include "marks.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/proc.h"

#define MARKS_MAX ((size_t)16 << 20)
#define SOURCE "tests/powercut/preload/witness.c"

int marks_witness(const char *library, struct err *e)
{
	char *argv[] = { (char *)"cc", (char *)"-D_GNU_SOURCE", (char *)"-O1", (char *)"-shared", (char *)"-fPIC", (char *)"-o", (char *)library,
			 (char *)SOURCE, NULL };
	struct proc_run how = { .path = "/usr/bin/cc", .argv = argv, .stdin_fd = -1, .timeout_ms = 60000, .output_max = 4096 };
	struct proc_result got = { 0 };
	int rc = 0;

	if (access(how.path, X_OK) < 0)
		return err_errno(e, "%s", how.path);
	if (proc_run(&how, &got, e) < 0)
		return e->code;
	if (got.exit_status != 0)
		rc = err_set(e, ERR_IO, SOURCE ": %.200s", got.output && got.output->data ? got.output->data : "");
	proc_result_release(&got);
	return rc;
}

int marks_add(const char *path, const char *log, const char *what, const char *text, struct err *e)
{
	AUTO_FD int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	struct stat st;
	char line[256];

	if (fd < 0)
		return err_errno(e, "%s", path);
	if (stat(log, &st) < 0)
		return err_errno(e, "%s", log);
	snprintf(line, sizeof line, "%lld %s %s\n", (long long)st.st_size, what, text);
	return file_write_all(fd, line, strlen(line), e);
}

int marks_read(struct marks *out, const char *path, struct err *e)
{
	AUTO(buf) struct buf *text = NULL;
	size_t room = 0;

	memset(out, 0, sizeof *out);
	if (file_read(&text, path, MARKS_MAX, e) < 0)
		return e->code;
	for (char *line = text->data, *next; line && *line; line = next) {
		struct mark m = { 0 };

		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		if (sscanf(line, "%" SCNu64 " %15s %159[^\n]", &m.at, m.what, m.text) < 2)
			return err_set(e, ERR_FORMAT, "%s: \"%.80s\" is no mark", path, line);
		if (out->count == room) {
			room = room ? 2 * room : 256;
			out->list = reallocarray(out->list, room, sizeof *out->list);
			if (!out->list)
				return err_memory(e);
		}
		out->list[out->count++] = m;
	}
	return 0;
}

void marks_free(struct marks *m)
{
	free(m->list);
	memset(m, 0, sizeof *m);
}

const struct mark *marks_last(const struct marks *m, const char *what, const char *text, uint64_t at)
{
	for (size_t i = m->count; i-- > 0;)
		if (m->list[i].at <= at && !strcmp(m->list[i].what, what) && (!text || !strcmp(m->list[i].text, text)))
			return &m->list[i];
	return NULL;
}
