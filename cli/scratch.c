/* scratch: a private directory under $TMPDIR, gone with its scope. */
#include "cli/scratch.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"

int scratch_new(struct scratch **out, struct err *e)
{
	const char *tmp = getenv("TMPDIR");
	struct scratch *s = calloc(1, sizeof(*s));

	if (!s)
		return err_memory(e);
	s->fd = -1;
	s->path = file_join(tmp && *tmp ? tmp : "/tmp", "ringhold-XXXXXX");
	if (!s->path) {
		free(s);
		return err_memory(e);
	}
	if (!mkdtemp(s->path)) {
		err_errno(e, "%s: mkdtemp", s->path);
		free(s->path);
		free(s);
		return e->code;
	}
	s->fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->fd < 0) {
		err_errno(e, "%s: open", s->path);
		scratch_free(s);
		return e->code;
	}
	*out = s;
	return 0;
}

void scratch_free(struct scratch *s)
{
	struct err ignored;

	if (!s)
		return;
	fd_freep(&s->fd);
	(void)!file_remove_tree(s->path, &ignored);
	free(s->path);
	free(s);
}
