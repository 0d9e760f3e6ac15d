/* bundle_open: an archive file, checked in full or unpacked to a tree. */
#include "content/bundle.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "content/tree.h"

static const struct archive_want anything;

static int open_archive(int *fd, const char *path, struct err *e)
{
	*fd = open(path, O_RDONLY | O_CLOEXEC);
	return *fd < 0 ? err_errno(e, "%s: open", path) : 0;
}

int bundle_check(const char *path, const struct archive_want *want, struct manifest **manifest,
		 struct digest *digest, uint64_t *size, struct err *e)
{
	AUTO_FD int fd = -1;

	if (open_archive(&fd, path, e) < 0)
		return e->code;
	if (archive_read_fd(fd, want ? want : &anything, NULL, manifest, digest, size, e) < 0)
		return err_wrap(e, "%s", path);
	return 0;
}

int bundle_unpack(const char *path, const struct archive_want *want, const char *parent, const char *name,
		  struct manifest **manifest, struct digest *digest, struct err *e)
{
	AUTO_FD int fd = -1;
	AUTO_FD int to = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO(tree_writer) struct tree_writer *w = NULL;
	AUTO(manifest) struct manifest *m = NULL;
	struct archive_sink sink;
	struct digest got;

	if (to < 0)
		return err_errno(e, "%s: open", parent);
	if (open_archive(&fd, path, e) < 0)
		return e->code;
	if (tree_writer_new(&w, to, name, -1, e) < 0)
		return err_wrap(e, "%s", parent);
	sink = tree_writer_sink(w);
	if (archive_read_fd(fd, want ? want : &anything, &sink, &m, &got, NULL, e) < 0)
		return err_wrap(e, "%s", path);
	if (tree_writer_commit(w, &got, e) < 0)
		return err_wrap(e, "%s", parent);
	if (manifest)
		*manifest = TAKE(m);
	if (digest)
		*digest = got;
	return 0;
}
